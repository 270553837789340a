/* What the appliance around the relay is asked: base/box_wire, in JSON. */
#include "admin/handle.h"
#include "admin/json.h"
#include "admin/query.h"

/* A sentence of PID 1's, or why there is none. */
static void refuse(admin_exchange *x, err_code code, view sentence)
{
        if (code == ERR_GONE && sentence.len == 0) {
                admin_answer_error(x, ERR_NO_BOX);
                return;
        }
        if (sentence.len == 0) {
                admin_answer_error(x, code == ERR_AGAIN ? ERR_BOX_LATE : code);
                return;
        }
        emit out = admin_document(x);
        emit_text(&out, "{\"error\":{\"code\":\"box_refused\",\"message\":");
        emit_json(&out, sentence);
        emit_text(&out, "}}\n");
        admin_answer_document(x, code == ERR_KEY_BUSY ? 409 : 422, &out);
}

static void ask(admin_exchange *x, box_op op, view payload, void (*done)(void *ctx, err_code code, view answer))
{
        x->box_call = (box_call){
                .op = op, .payload = payload, .fd = -1, .wait_ms = LIMIT_ADMIN_KEEPER_MS, .done = done, .ctx = x};
        box_link_ask(&x->box->link, &x->box_call);
}

static void write_values(view answer, emit *out)
{
        view key, value;
        while (box_line(&answer, &key, &value)) {
                json_next(out);
                emit_json(out, key);
                emit_byte(out, ':');
                emit_json(out, value);
        }
}

static void facts_known(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        if (code != ERR_NONE) {
                refuse(x, code, answer);
                return;
        }
        emit out = admin_document(x);
        emit_byte(&out, '{');
        write_values(answer, &out);
        emit_text(&out, "}\n");
        admin_answer_document(x, 200, &out);
}

void handle_appliance(admin_exchange *x) { ask(x, BOX_STATUS, (view){}, facts_known); }

static void on_its_way(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        if (code != ERR_NONE)
                refuse(x, code, answer);
        else
                admin_answer_json(x, 202, VIEW("{}\n"));
}

void handle_appliance_restart(admin_exchange *x) { ask(x, BOX_RESTART, (view){}, on_its_way); }

void handle_appliance_power_off(admin_exchange *x) { ask(x, BOX_POWER_OFF, (view){}, on_its_way); }

/* ---- updates ---- */

enum : uint64_t { UPDATE_MS = 660000 };

/* A vault that the TPM opens has a second slot for what is started next. Whether it took it is said, and no more:
 * without it the next start waits for a person. */
static void resealed(void *ctx, err_code code, view)
{
        admin_exchange *x = ctx;
        emit out = admin_document(x);
        emit_byte(&out, '{');
        write_values(region_view(&x->file), &out);
        json_next(&out);
        emit_text(&out, "\"tpm\":");
        emit_json(&out, view_of_text(code == ERR_NONE     ? "resealed"
                                     : code == ERR_NO_TPM ? "none"
                                     : code == ERR_SEALED ? "vault sealed"
                                                          : "not resealed"));
        emit_text(&out, "}\n");
        admin_answer_document(x, 200, &out);
}

static bool hex_of(view lines, view name, uint8_t out[static 32])
{
        view key, value;
        while (box_line(&lines, &key, &value)) {
                if (!view_equal(key, name) || value.len != 64)
                        continue;
                for (size_t i = 0; i < value.len; i++) {
                        uint8_t c = value.data[i];
                        out[i / 2] = (uint8_t)(out[i / 2] << 4 | (c <= '9' ? c - '0' : c - 'a' + 10));
                }
                return true;
        }
        return false;
}

static void updated(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        keeper_tpm_values values = {};
        if (code != ERR_NONE) {
                refuse(x, code, answer);
                return;
        }
        if (failed(region_append(&x->file, answer))) {
                admin_answer_error(x, ERR_NO_ROOM);
                return;
        }
        uint8_t *copy = arena_alloc(&x->memory, sizeof values);
        if (copy == nullptr || !hex_of(answer, VIEW("pcr4"), values.pcr4)
            || !hex_of(answer, VIEW("pcr11"), values.pcr11)) {
                resealed(x, ERR_NO_ROOM, (view){});
                return;
        }
        memcpy(copy, &values, sizeof values);
        admin_ask(x, KEEPER_TPM_RESEAL, (view){copy, sizeof values}, resealed);
}

void handle_appliance_update(admin_exchange *x)
{
        static const char *const names[] = {"older", nullptr};
        query_value older = {};
        if (failed(query_read(x->query, names, &older))) {
                admin_answer_error(x, ERR_OUT_OF_RANGE);
                return;
        }
        const uint8_t flags = older.there ? BOX_FLAG_OLDER : 0;
        x->box_call = (box_call){.op = BOX_UPDATE,
                                 .payload = {&flags, 1},
                                 .fd = x->box->bundle,
                                 .wait_ms = UPDATE_MS,
                                 .done = updated,
                                 .ctx = x};
        box_link_ask(&x->box->link, &x->box_call);
}

void handle_appliance_roll_back(admin_exchange *x)
{
        x->box_call = (box_call){
                .op = BOX_ROLL_BACK, .fd = -1, .wait_ms = UPDATE_MS, .done = facts_known, .ctx = x};
        box_link_ask(&x->box->link, &x->box_call);
}

/* {"KEY":"text"} and nothing else, as the payload of an ask. */
static void ask_text(admin_exchange *x, box_op op, const char *key)
{
        const char *const known[] = {key, nullptr};
        config_fault fault = {};
        config_doc *doc;
        view text = {};
        err e = config_parse(x->body, &doc, &fault);
        if (failed(e)) {
                admin_answer_fault(x, 422, &fault, (view){});
                return;
        }
        e = config_keys(config_root(doc), known, &fault);
        if (!failed(e))
                e = config_text(config_root(doc), key, &text, &fault);
        if (failed(e))
                admin_answer_fault(x, 422, &fault, (view){});
        else if (text.len > BOX_MESSAGE_BYTES)
                admin_answer_error(x, ERR_TOO_LARGE);
        else
                ask(x, op, text, on_its_way);
        config_free(doc);
}

void handle_appliance_update_keys(admin_exchange *x) { ask_text(x, BOX_UPDATE_KEYS, "keys"); }

void handle_appliance_factory_reset(admin_exchange *x) { ask_text(x, BOX_FACTORY_RESET, "words"); }
