/* Bodies and queries of the management API. First byte: which; the rest: it. */
#include <assert.h>

#include "admin/body.h"
#include "admin/query.h"
#include "base/arena.h"
#include "codec/base64.h"
#include "vault/config_set.h"
#include "vault/container.h"
#include "vault/store.h"

enum : size_t { WANT = 99 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool fault_whole(const config_fault *f)
{
        return f->code[0] != '\0' && memchr(f->code, '\0', sizeof f->code) != nullptr
               && memchr(f->text, '\0', sizeof f->text) != nullptr
               && memchr(f->pointer, '\0', sizeof f->pointer) != nullptr;
}

/* What was taken is whole, says the same when it is written anew, and a refusal has its complaint. */
static void sealed(view json)
{
        uint8_t bytes[WANT], again[WANT], text[256];
        config_fault fault = {};
        emit out = emit_into(bytes, sizeof bytes);
        if (failed(body_sealed(json, WANT, &out, &fault))) {
                assert(out.len <= WANT && fault_whole(&fault));
                return;
        }
        assert(out.len == WANT && !out.full);
        emit form = emit_into(text, sizeof text);
        emit_text(&form, "{\"sealed\":\"");
        base64_write(&form, (view){bytes, sizeof bytes});
        emit_text(&form, "\"}");
        assert(!form.full);
        emit second = emit_into(again, sizeof again);
        err e = body_sealed((view){form.bytes, form.len}, WANT, &second, &fault);
        assert(!failed(e) && memcmp(bytes, again, WANT) == 0);
}

static void unlock(view json)
{
        keeper_unlock q;
        config_fault fault = {};
        if (failed(body_unlock(json, &q, &fault)))
                assert(fault_whole(&fault));
        else
                assert(q.slot < UNLOCK_SLOTS && q.reserved == 0);
}

static void numbers(view json)
{
        uint64_t out[8];
        size_t count = 0;
        config_fault fault = {};
        if (failed(body_sequences(json, out, 8, &count, &fault)))
                assert(fault_whole(&fault) && count <= 8);
        else
                assert(count >= 1 && count <= 8 && out[0] > 0);
}

static void backup(view json)
{
        keeper_backup q;
        config_fault fault = {};
        if (failed(body_backup(json, &q, &fault)))
                assert(fault_whole(&fault));
        else
                assert(q.need >= 1 && q.need <= 2 && q.count >= q.need && q.count <= 8 && q.offset == 0);
}

static void rotate(view json)
{
        keeper_rotate q;
        config_fault fault = {};
        if (failed(body_rotate(json, &q, &fault)))
                assert(fault_whole(&fault));
        else
                assert(q.slot < UNLOCK_SLOTS && q.kind != 0);
}

/* Values are texts without control characters, and nothing is taken that was not asked for. */
static void query(view text)
{
        static const char *const names[] = {"model", "chars", nullptr};
        query_value v[2];
        bool any = false;
        err e = query_read(text, names, v);
        for (size_t i = 0; i < 2; i++) {
                assert(memchr(v[i].text, '\0', sizeof v[i].text) != nullptr);
                any = any || v[i].there;
                for (const char *at = v[i].text; *at != '\0' && !failed(e); at++)
                        assert((uint8_t)*at >= ' ' && *at != 0x7f);
        }
        assert(failed(e) || any == (text.len > 0));
}

static void slot(view json)
{
        keeper_slot_add q;
        config_fault fault = {};
        if (failed(body_slot(json, &q, &fault)))
                assert(fault_whole(&fault));
        else
                assert(q.slot.kind != SLOT_EMPTY && q.slot.ops <= ARGON_OPS_MAX && q.slot.mem_bytes <= ARGON_MEM_MAX);
}

/* Every file that was taken has a name of the closed list, and all of them are the whole region. */
static void config(view json)
{
        keeper_stage stage;
        region files;
        config_fault fault = {};
        body_file f;
        size_t at = 0;
        region_init(&files, 4 * 1024 * 1024);
        err e = body_config(json, &stage, &files, &fault);
        if (e.code == ERR_BAD_CONFIG)
                assert(fault_whole(&fault));
        while (!failed(e) && body_file_next(region_view(&files), &at, &f)) {
                assert(memchr(f.name, '\0', sizeof f.name) != nullptr && config_name_valid(view_of_text(f.name)));
                assert(f.sealed == 1 || !config_name_secret(view_of_text(f.name)));
        }
        assert(failed(e) || (at == files.len && at > 0 && stage.opens < STORE_OPENS_COUNT && stage.partial <= 1));
        region_end(&files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
        if (len == 0)
                return 0;
        view rest = {data + 1, len - 1};
        if (data[0] == 'u')
                unlock(rest);
        else if (data[0] == 's')
                sealed(rest);
        else if (data[0] == 'n')
                numbers(rest);
        else if (data[0] == 'b')
                backup(rest);
        else if (data[0] == 'r')
                rotate(rest);
        else if (data[0] == 'q')
                query(rest);
        else if (data[0] == 'k')
                slot(rest);
        else if (data[0] == 'c')
                config(rest);
        else
                assert(!body_name(rest) || rest.len < LIMIT_NAME_BYTES);
        return 0;
}
