/* lethectl export ... */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/emit.h"
#include "prog/lethectl.h"
#include "sign/minisign.h"
#include "vault/store.h"

typedef struct puller {
        keeper_door  *door;
        const char   *folder;
        keeper_status status;
        char          device[2 * 16 + 1];
} puller;

/* One file in parts. err OUT_OF_RANGE: not kept (any more) */
static err fetch(keeper_door *door, uint64_t sequence, bool signature, region *file)
{
        region out;
        region_init(&out, KEEPER_BYTES);
        region_init(file, CONTAINER_PAYLOAD_MAX);
        err e = OK;
        for (bool more = true; more && !failed(e);) {
                keeper_export_get q = {.sequence = sequence, .signature = signature, .offset = (uint32_t)file->len};
                keeper_export_part part;
                region_clear(&out);
                e = door->call(door->ctx, KEEPER_EXPORT_GET, (view){(const uint8_t *)&q, sizeof q}, &out);
                if (failed(e))
                        break;
                if (out.len != sizeof part) {
                        e = FAIL(BAD_FILE);
                        break;
                }
                memcpy(&part, out.bytes, sizeof part);
                more = file->len + part.len < part.total;
                if (part.sequence != sequence || part.len > sizeof part.bytes || (more && part.len == 0))
                        e = FAIL(BAD_FILE);
                else
                        e = region_append(file, (view){part.bytes, part.len});
        }
        region_end(&out);
        return e;
}

static verdict put_file(const puller *p, const char *name, view bytes)
{
        err e = file_write(p->folder, name, bytes);
        return failed(e) ? refuse_err(p->folder, e, nullptr) : DONE;
}

static verdict public_key(const puller *p)
{
        char    name[64];
        uint8_t bytes[256];
        emit    e = emit_into(bytes, sizeof bytes);
        minisign_write_public(p->status.export_key_number, p->status.export_key, &e);
        snprintf(name, sizeof name, "%s.pub", p->device);
        return put_file(p, name, (view){bytes, e.len});
}

/* Body and signature of one. err OUT_OF_RANGE as fetch */
static verdict pull_one(const puller *p, uint64_t sequence, bool *kept)
{
        region body, signature;
        char   name[96], beside[sizeof name + 4];
        snprintf(name, sizeof name, "usage-%s-%010lu.json", p->device, sequence);
        snprintf(beside, sizeof beside, "%s.sig", name);
        err e = fetch(p->door, sequence, false, &body);
        region_init(&signature, 0);
        if (!failed(e))
                e = fetch(p->door, sequence, true, &signature);
        *kept = e.code != ERR_OUT_OF_RANGE;
        verdict r = DONE;
        if (failed(e) && *kept)
                r = p->door->why[0] != '\0' ? refuse(p->door->why, nullptr) : refuse_err(name, e, nullptr);
        if (!failed(e))
                r = put_file(p, name, region_view(&body));
        if (!failed(e) && r == DONE)
                r = put_file(p, beside, region_view(&signature));
        region_end(&body);
        region_end(&signature);
        return r;
}

static verdict begin(const lethectl *c, keeper_door *door, puller *p)
{
        *p = (puller){.door = door, .folder = c->out};
        verdict r = door_call(door, KEEPER_STATUS, (view){}, &p->status, sizeof p->status);
        if (r != DONE)
                return r;
        if (p->status.open == 0)
                return refuse("the vault is sealed", "lethectl vault unlock opens it.");
        emit e = emit_into((uint8_t *)p->device, sizeof p->device - 1);
        emit_hex(&e, (view){p->status.device, sizeof p->status.device});
        if (mkdir(c->out, 0755) != 0 && errno != EEXIST)
                return refuse_err(c->out, FAIL(SYSTEM), nullptr);
        return public_key(p);
}

static void print_verify(const puller *p, uint64_t sequence)
{
        printf("minisign -V -p %s/%s.pub -m %s/usage-%s-%010lu.json -x %s/usage-%s-%010lu.json.sig\n", p->folder,
               p->device, p->folder, p->device, sequence, p->folder, p->device, sequence);
}

/* From the newest down to the oldest that is kept. */
static verdict pull_all(const puller *p, uint64_t *count)
{
        verdict r = DONE;
        bool    kept = true;
        *count = 0;
        for (uint64_t n = p->status.next_export; n > 1 && kept && r == DONE && *count < STORE_EXPORTS;) {
                r = pull_one(p, --n, &kept);
                if (r == DONE && kept)
                        ++*count;
        }
        return r;
}

verdict export_pull(const lethectl *c)
{
        if (c->out == nullptr)
                return misused("say where to: --out DIR");
        keeper_door door;
        puller      p;
        uint64_t    count = 0;
        verdict     r = door_open(c, true, &door);
        if (r == DONE)
                r = begin(c, &door, &p);
        if (r == DONE)
                r = pull_all(&p, &count);
        door_close(&door);
        if (r != DONE)
                return r;
        if (count == 0) {
                printf("no export has been written yet; the public key is in %s/%s.pub\n", p.folder, p.device);
                return DONE;
        }
        printf("%lu export%s in %s; the newest verifies by\n", count, count == 1 ? "" : "s", p.folder);
        print_verify(&p, p.status.next_export - 1);
        return DONE;
}

verdict export_now(const lethectl *c)
{
        if (c->admin == nullptr)
                return misused("only a running lethed can write one: --admin URL, or LETHE_ADMIN_URL");
        keeper_door door;
        puller      p = {};
        uint64_t    sequence = 0;
        bool        kept = true;
        verdict     r = door_open(c, true, &door);
        if (r == DONE)
                r = door_call(&door, KEEPER_EXPORT_NOW, (view){}, &sequence, sizeof sequence);
        if (r == DONE)
                printf("wrote export %lu\n", sequence);
        if (r == DONE && c->out != nullptr)
                r = begin(c, &door, &p);
        if (r == DONE && c->out != nullptr)
                r = pull_one(&p, sequence, &kept);
        door_close(&door);
        if (r == DONE && c->out != nullptr && !kept)
                return refuse("the export is not kept any more", nullptr);
        if (r == DONE && c->out != nullptr)
                print_verify(&p, sequence);
        return r;
}
