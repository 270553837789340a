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
static err fetch(keeper_door *door, uint64_t sequence, keeper_export_file which, region *file)
{
        region out;
        region_init(&out, KEEPER_BYTES);
        region_init(file, CONTAINER_PAYLOAD_MAX);
        err e = OK;
        for (bool more = true; more && !failed(e);) {
                keeper_export_get q = {.sequence = sequence, .file = which, .offset = (uint32_t)file->len};
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

/* What is acknowledged must be what was signed. */
static verdict verified(const puller *p, const char *name, view body, view signature)
{
        uint8_t bytes[256];
        emit    public_file = emit_into(bytes, sizeof bytes);
        minisign_write_public(p->status.export_key_number, p->status.export_key, &public_file);
        err e = minisign_verify((view){bytes, public_file.len}, signature, body);
        return failed(e) ? refuse_err(name, e, "It was written, and is not acknowledged. Keep it and find out why.")
                         : DONE;
}

/* What a TPM has signed of it, where one has. */
static verdict pull_quote(const puller *p, uint64_t sequence, const char *name)
{
        char    beside[96 + 8];
        region  quote;
        verdict r = DONE;
        err     e = fetch(p->door, sequence, EXPORT_QUOTE, &quote);
        snprintf(beside, sizeof beside, "%s.quote", name);
        if (!failed(e))
                r = put_file(p, beside, region_view(&quote));
        else if (e.code != ERR_OUT_OF_RANGE)
                r = p->door->why[0] != '\0' ? refuse(p->door->why, nullptr) : refuse_err(beside, e, nullptr);
        region_end(&quote);
        return r;
}

/* Body and signature of one, written and verified, and its quote. err OUT_OF_RANGE as fetch */
static verdict pull_one(const puller *p, uint64_t sequence, bool *kept)
{
        region body, signature;
        char   name[96], beside[sizeof name + 4];
        snprintf(name, sizeof name, "usage-%s-%010lu.json", p->device, sequence);
        snprintf(beside, sizeof beside, "%s.sig", name);
        err e = fetch(p->door, sequence, EXPORT_BODY, &body);
        region_init(&signature, 0);
        if (!failed(e))
                e = fetch(p->door, sequence, EXPORT_SIGNATURE, &signature);
        *kept = e.code != ERR_OUT_OF_RANGE;
        verdict r = DONE;
        if (failed(e) && *kept)
                r = p->door->why[0] != '\0' ? refuse(p->door->why, nullptr) : refuse_err(name, e, nullptr);
        if (!failed(e))
                r = put_file(p, name, region_view(&body));
        if (!failed(e) && r == DONE)
                r = put_file(p, beside, region_view(&signature));
        if (!failed(e) && r == DONE)
                r = verified(p, name, region_view(&body), region_view(&signature));
        if (!failed(e) && r == DONE)
                r = pull_quote(p, sequence, name);
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

/* Which there are; oldest first. Prints why not. */
static verdict list(keeper_door *door, keeper_export_listed rows[static STORE_EXPORTS], size_t *count)
{
        region out;
        region_init(&out, KEEPER_BYTES);
        *count = 0;
        err     e = door->call(door->ctx, KEEPER_EXPORT_LIST, (view){}, &out);
        verdict r = DONE;
        if (failed(e))
                r = refuse(door->why[0] != '\0' ? door->why : err_describe(e.code)->text, nullptr);
        else if (out.len % sizeof *rows != 0 || out.len > STORE_EXPORTS * sizeof *rows)
                r = refuse("the keeper's answer is of another version", "Use the lethectl that came with this lethed.");
        else
                *count = out.len / sizeof *rows;
        if (r == DONE && out.len > 0)
                memcpy(rows, out.bytes, out.len);
        region_end(&out);
        return r;
}

static verdict acknowledge(keeper_door *door, const uint64_t *sequences, size_t count)
{
        if (count == 0)
                return DONE;
        return door_call(door, KEEPER_EXPORT_ACK, (view){(const uint8_t *)sequences, count * sizeof *sequences},
                         nullptr, 0);
}

/* All that are kept; what is verified is acknowledged even when a later one fails. */
static verdict pull_all(const puller *p, bool ack, uint64_t *count)
{
        keeper_export_listed rows[STORE_EXPORTS];
        uint64_t             done[STORE_EXPORTS];
        size_t               listed, pulled = 0;
        *count = 0;
        verdict r = list(p->door, rows, &listed);
        if (r != DONE)
                return r;
        for (size_t i = 0; i < listed && r == DONE; i++) {
                bool kept = true;
                r = pull_one(p, rows[i].sequence, &kept);
                if (r == DONE && kept)
                        done[pulled++] = rows[i].sequence;
        }
        *count = pulled;
        verdict acked = ack ? acknowledge(p->door, done, pulled) : DONE;
        return r != DONE ? r : acked;
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
                r = pull_all(&p, !c->no_ack, &count);
        door_close(&door);
        if (r != DONE)
                return r;
        if (count == 0) {
                printf("no export has been written yet; the public key is in %s/%s.pub\n", p.folder, p.device);
                return DONE;
        }
        printf("%lu export%s in %s, verified%s; the newest verifies by\n", count, count == 1 ? "" : "s", p.folder,
               c->no_ack ? "" : " and acknowledged");
        print_verify(&p, p.status.next_export - 1);
        return DONE;
}

static void print_listed(const lethectl *c, const keeper_export_listed *row, bool first)
{
        if (c->json)
                printf("%s{\"sequence\":%lu,\"bytes\":%u,\"acknowledged\":%s}", first ? "" : ",", row->sequence,
                       row->bytes, row->acknowledged != 0 ? "true" : "false");
        else
                printf("%-12lu %8u bytes  %s\n", row->sequence, row->bytes,
                       row->acknowledged != 0 ? "acknowledged" : "not acknowledged");
}

verdict export_list(const lethectl *c)
{
        keeper_door          door;
        keeper_export_listed rows[STORE_EXPORTS];
        size_t               count = 0;
        verdict              r = door_open(c, true, &door);
        if (r == DONE)
                r = list(&door, rows, &count);
        door_close(&door);
        if (r != DONE)
                return r;
        fputs(c->json ? "[" : "", stdout);
        for (size_t i = 0; i < count; i++)
                print_listed(c, &rows[i], i == 0);
        fputs(c->json ? "]\n" : "", stdout);
        return DONE;
}

static bool read_sequences(view text, uint64_t out[static STORE_EXPORTS], size_t *count)
{
        for (*count = 0; text.len > 0 && *count < STORE_EXPORTS; ++*count) {
                const uint8_t *comma = memchr(text.data, ',', text.len);
                size_t         len = comma == nullptr ? text.len : (size_t)(comma - text.data);
                bool           last = comma == nullptr;
                if (!view_decimal(view_slice(text, 0, len), UINT64_MAX, &out[*count]) || out[*count] == 0)
                        return false;
                text = view_slice(text, len + 1, text.len);
                if (!last && text.len == 0)
                        return false;
        }
        return *count > 0 && text.len == 0;
}

verdict export_ack(const lethectl *c)
{
        uint64_t             wanted[STORE_EXPORTS];
        keeper_export_listed rows[STORE_EXPORTS];
        size_t               count, kept = 0;
        if (c->sequences == nullptr || !read_sequences(view_of_text(c->sequences), wanted, &count))
                return misused("say which: --sequences N,N, at most 64; lethectl export list shows them");
        keeper_door door;
        verdict     r = door_open(c, true, &door);
        if (r == DONE)
                r = list(&door, rows, &kept);
        for (size_t i = 0; i < count && r == DONE; i++) {
                bool there = false;
                for (size_t k = 0; k < kept && !there; k++)
                        there = rows[k].sequence == wanted[i];
                if (!there)
                        r = refuse("one of these exports is not kept here; nothing was acknowledged",
                                   "lethectl export list shows them.");
        }
        if (r == DONE)
                r = acknowledge(&door, wanted, count);
        door_close(&door);
        if (r == DONE)
                printf("acknowledged %zu\n", count);
        return r;
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
        if (r == DONE && c->out != nullptr && kept && !c->no_ack)
                r = acknowledge(&door, &sequence, 1);
        door_close(&door);
        if (r == DONE && c->out != nullptr && !kept)
                return refuse("the export is not kept any more", nullptr);
        if (r == DONE && c->out != nullptr)
                print_verify(&p, sequence);
        return r;
}
