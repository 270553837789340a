/* The door on a running lethed. */
#include "prog/lethectl_admin.h"

#include <stdlib.h>

#include "admin/fault.h"
#include "codec/base64.h"
#include "vault/container.h"

enum : size_t { CA_BYTES = 4 * 1024 * 1024, TOKEN_BYTES = 512 };
enum : uint64_t { CALL_MS = 20000 };

/* ---- what opens the connection ---- */

static err read_ca(const lethectl *c, region *ca, https_why *why)
{
        const char *file = c->ca != nullptr ? c->ca : getenv("SSL_CERT_FILE");
        if (file == nullptr || *file == '\0')
                file = "/etc/ssl/certs/ca-certificates.crt";
        err e = file_read(file, CA_BYTES, ca);
        if (failed(e))
                https_say(why, "the CA file cannot be read: ", file, "");
        return e;
}

static err take_token(view text, secret_line *out, https_why *why)
{
        while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
                text.len--;
        bool good = text.len <= TOKEN_BYTES;
        for (size_t i = 0; good && i < text.len; i++)
                good = text.data[i] > ' ' && text.data[i] < 0x7f;
        if (!good) {
                https_say(why, "this is no admin token: it has bytes that no token has", "", "");
                return FAIL(OUT_OF_RANGE);
        }
        if (text.len > 0)
                memcpy(out->bytes, text.data, text.len);
        out->len = text.len;
        return OK;
}

static err read_token(const lethectl *c, secret_line *out, https_why *why)
{
        if (c->token_file == nullptr) {
                const char *standing = getenv("LETHE_ADMIN_TOKEN");
                return take_token(view_of_text(standing != nullptr ? standing : ""), out, why);
        }
        region file;
        err e = file_read(c->token_file, TOKEN_BYTES + 2, &file);
        if (failed(e))
                https_say(why, "the token file cannot be read: ", c->token_file, "");
        else
                e = take_token(region_view(&file), out, why);
        region_end(&file);
        return e;
}

/* Its certificate is known by its fingerprint, from the box's console. */
static err client_known(const lethectl *c, https_client **out, https_why *why)
{
        static https_known known;
        secret_line token = {};
        if (!fingerprint_read(view_of_text(c->fingerprint), known.only)) {
                https_say(why, "--fingerprint takes 64 hexadecimal digits, as the console shows them", "", "");
                return FAIL(OUT_OF_RANGE);
        }
        err e = read_token(c, &token, why);
        if (!failed(e))
                e = https_open_only(c->admin, &known, secret_view(&token), out, why);
        secret_line_wipe(&token);
        return e;
}

err admin_client(const lethectl *c, https_client **out, https_why *why)
{
        region ca;
        secret_line token = {};
        if (c->fingerprint != nullptr)
                return client_known(c, out, why);
        err e = read_ca(c, &ca, why);
        if (!failed(e))
                e = read_token(c, &token, why);
        if (!failed(e))
                e = https_open(c->admin, region_view(&ca), secret_view(&token), out, why);
        secret_line_wipe(&token);
        region_end(&ca);
        return e;
}

err remote_ask(https_client *h, const https_request *q, https_answer *a, https_why *why)
{
        TRY(https_call(h, q, a, why));
        if (a->status >= 200 && a->status < 300)
                return OK;
        told_complaint said;
        err e = told_error(region_view(&a->body), &said);
        if (failed(e))
                https_say(why, "the admin plane answered what this lethectl does not know", "", "");
        else
                https_say(why, said.fault.text, "", "");
        region_end(&a->body);
        return failed(e) ? e : (err){admin_fault_code(view_of_text(said.fault.code))};
}

/* ---- the door ---- */

typedef struct admin_door {
        keeper_door *door; /* borrowed: whose why to fill */
        https_client *client;
        https_why why; /* of the last call */
        region file;   /* the export last fetched, which the verbs read in parts */
        uint64_t asked, sequence;
        uint32_t file_kind; /* keeper_export_file */
        bool fetched;
} admin_door;

static err ask_json(admin_door *d, const char *method, const char *path, view body, https_answer *a)
{
        const https_request q = {method, view_of_text(path), body, CALL_MS};
        return remote_ask(d->client, &q, a, &d->why);
}

static err append(region *out, const void *bytes, size_t len) { return region_append(out, (view){bytes, len}); }

/* A box that keeps its operators' tokens in its vault knows none of them while it is closed. */
static err call_sealed_status(admin_door *d, region *out)
{
        https_answer a;
        told_setup_doc told;
        TRY(ask_json(d, "GET", "/admin/v1/setup", (view){}, &a));
        err e = told_setup(region_view(&a.body), &told);
        region_end(&a.body);
        TRY(e);
        return append(out, &told.status, sizeof told.status);
}

static err call_status(admin_door *d, region *out)
{
        https_answer a;
        keeper_status s;
        err asked = ask_json(d, "GET", "/admin/v1/vault", (view){}, &a);
        if (asked.code == ERR_SEALED)
                return call_sealed_status(d, out);
        TRY(asked);
        err e = told_status(region_view(&a.body), &s);
        region_end(&a.body);
        TRY(e);
        return append(out, &s, sizeof s);
}

static err call_list(admin_door *d, region *out)
{
        https_answer a;
        TRY(ask_json(d, "GET", "/admin/v1/vault/credentials", (view){}, &a));
        err e = told_list(region_view(&a.body), out);
        region_end(&a.body);
        return e;
}

/* {"sealed":...}, with a key slot before it when `slot` is not null. */
static err post_sealed(admin_door *d, const char *path, const uint32_t *slot, view sealed, https_answer *a)
{
        uint8_t room[4096];
        emit e = emit_into(room, sizeof room);
        view body;
        emit_byte(&e, '{');
        if (slot != nullptr) {
                emit_text(&e, "\"slot\":");
                emit_u64(&e, *slot);
                emit_byte(&e, ',');
        }
        emit_text(&e, "\"sealed\":\"");
        base64_write(&e, sealed);
        emit_text(&e, "\"}");
        TRY(emit_done(&e, &body));
        return ask_json(d, "POST", path, body, a);
}

static err call_unlock(admin_door *d, view in)
{
        keeper_unlock q;
        https_answer a;
        if (in.len != sizeof q)
                return FAIL(OUT_OF_RANGE);
        memcpy(&q, in.data, sizeof q);
        TRY(post_sealed(d, "/admin/v1/vault/unlock", &q.slot, (view){q.sealed, sizeof q.sealed}, &a));
        region_end(&a.body);
        return OK;
}

static err call_put(admin_door *d, view in)
{
        https_answer a;
        TRY(post_sealed(d, "/admin/v1/vault/credentials", nullptr, in, &a));
        region_end(&a.body);
        return OK;
}

static err call_remove(admin_door *d, view in)
{
        char path[64 + LIMIT_NAME_BYTES] = {};
        https_answer a;
        emit e = emit_into((uint8_t *)path, sizeof path - 1);
        emit_text(&e, "/admin/v1/vault/credentials/");
        emit_view(&e, in);
        if (e.full)
                return FAIL(NO_TARGET);
        TRY(ask_json(d, "DELETE", path, (view){}, &a));
        region_end(&a.body);
        return OK;
}

static err call_hash(admin_door *d, view in, region *out)
{
        https_answer a;
        uint8_t hash[32];
        TRY(post_sealed(d, "/admin/v1/keys/hash", nullptr, in, &a));
        err e = told_hash(region_view(&a.body), hash);
        region_end(&a.body);
        TRY(e);
        return append(out, hash, sizeof hash);
}

static err call_export_now(admin_door *d, region *out)
{
        https_answer a;
        uint64_t sequence;
        TRY(ask_json(d, "POST", "/admin/v1/exports", (view){}, &a));
        err e = told_number(region_view(&a.body), "sequence", &sequence);
        region_end(&a.body);
        TRY(e);
        return append(out, &sequence, sizeof sequence);
}

static err fetch(admin_door *d, const keeper_export_get *q)
{
        char path[96] = {};
        https_answer a;
        emit e = emit_into((uint8_t *)path, sizeof path - 1);
        emit_text(&e, "/admin/v1/exports/");
        if (q->sequence == 0)
                emit_text(&e, "latest");
        else
                emit_u64(&e, q->sequence);
        emit_text(&e, q->file == EXPORT_SIGNATURE ? "/signature" : q->file == EXPORT_QUOTE ? "/quote" : "");
        d->fetched = false;
        region_end(&d->file);
        err got = ask_json(d, "GET", path, (view){}, &a);
        if (got.code == ERR_NO_TARGET)
                return FAIL(OUT_OF_RANGE);
        TRY(got);
        d->file = a.body;
        d->asked = q->sequence;
        d->sequence = a.sequence;
        d->file_kind = q->file;
        d->fetched = true;
        return OK;
}

static err call_export_get(admin_door *d, view in, region *out)
{
        keeper_export_get q;
        if (in.len != sizeof q)
                return FAIL(OUT_OF_RANGE);
        memcpy(&q, in.data, sizeof q);
        if (!d->fetched || d->asked != q.sequence || d->file_kind != q.file)
                TRY(fetch(d, &q));
        if (q.offset > d->file.len)
                return FAIL(OUT_OF_RANGE);
        keeper_export_part part = {.sequence = d->sequence, .total = (uint32_t)d->file.len};
        view piece = view_slice(region_view(&d->file), q.offset, (size_t)q.offset + sizeof part.bytes);
        part.len = (uint32_t)piece.len;
        if (piece.len > 0)
                memcpy(part.bytes, piece.data, piece.len);
        return append(out, &part, sizeof part);
}

static err call_export_list(admin_door *d, region *out)
{
        https_answer a;
        TRY(ask_json(d, "GET", "/admin/v1/exports", (view){}, &a));
        err e = told_exports(region_view(&a.body), out);
        region_end(&a.body);
        return e;
}

static err call_export_ack(admin_door *d, view in)
{
        uint8_t room[4096];
        emit e = emit_into(room, sizeof room);
        view body;
        https_answer a;
        emit_text(&e, "{\"sequences\":[");
        for (size_t at = 0; at + sizeof(uint64_t) <= in.len; at += sizeof(uint64_t)) {
                uint64_t sequence;
                memcpy(&sequence, in.data + at, sizeof sequence);
                emit_text(&e, at > 0 ? "," : "");
                emit_u64(&e, sequence);
        }
        emit_text(&e, "]}");
        TRY(emit_done(&e, &body));
        TRY(ask_json(d, "POST", "/admin/v1/exports/acknowledge", body, &a));
        region_end(&a.body);
        return OK;
}

static err call_rotate(admin_door *d, view in)
{
        keeper_rotate q;
        uint8_t room[1024];
        emit e = emit_into(room, sizeof room);
        view body;
        https_answer a;
        if (in.len != sizeof q)
                return FAIL(OUT_OF_RANGE);
        memcpy(&q, in.data, sizeof q);
        emit_text(&e, "{\"slot\":");
        emit_u64(&e, q.slot);
        emit_text(&e, q.kind == SLOT_PASSPHRASE ? ",\"kind\":\"passphrase\"" : ",\"kind\":\"key-file\"");
        emit_text(&e, ",\"ops\":");
        emit_u64(&e, q.ops);
        emit_text(&e, ",\"mem_bytes\":");
        emit_u64(&e, q.mem_bytes);
        emit_text(&e, ",\"salt\":\"");
        emit_hex(&e, (view){q.salt, sizeof q.salt});
        emit_text(&e, "\",\"sealed\":\"");
        base64_write(&e, (view){q.sealed, sizeof q.sealed});
        emit_text(&e, "\"}");
        TRY(emit_done(&e, &body));
        TRY(ask_json(d, "POST", "/admin/v1/vault/rotate", body, &a));
        region_end(&a.body);
        return OK;
}

static err call_seal(admin_door *d, region *out)
{
        https_answer a;
        uint64_t slot = 0;
        TRY(ask_json(d, "POST", "/admin/v1/vault/slots", VIEW("{\"kind\":\"tpm\"}"), &a));
        err e = told_number(region_view(&a.body), "slot", &slot);
        region_end(&a.body);
        TRY(e);
        return append(out, &(uint32_t){(uint32_t)slot}, sizeof(uint32_t));
}

static err call_slot_remove(admin_door *d, view in)
{
        char path[64] = {};
        uint32_t slot;
        https_answer a;
        emit e = emit_into((uint8_t *)path, sizeof path - 1);
        if (in.len != sizeof slot)
                return FAIL(OUT_OF_RANGE);
        memcpy(&slot, in.data, sizeof slot);
        emit_text(&e, "/admin/v1/vault/slots/");
        emit_u64(&e, slot);
        TRY(ask_json(d, "DELETE", path, (view){}, &a));
        region_end(&a.body);
        return OK;
}

static err make_backup(admin_door *d, const keeper_backup *q)
{
        uint8_t room[1024];
        emit e = emit_into(room, sizeof room);
        view body;
        https_answer a;
        emit_text(&e, "{\"to\":[");
        for (size_t i = 0; i < q->count && i < sizeof q->recipients / sizeof q->recipients[0]; i++) {
                emit_text(&e, i > 0 ? ",\"" : "\"");
                emit_hex(&e, (view){q->recipients[i], 32});
                emit_byte(&e, '"');
        }
        emit_text(&e, "],\"need\":");
        emit_u64(&e, q->need);
        emit_text(&e, ",\"created\":");
        emit_u64(&e, q->created_s);
        emit_byte(&e, '}');
        TRY(emit_done(&e, &body));
        d->fetched = false;
        region_end(&d->file);
        TRY(ask_json(d, "POST", "/admin/v1/vault/backup", body, &a));
        d->file = a.body;
        return OK;
}

static err call_backup(admin_door *d, view in, region *out)
{
        keeper_backup q;
        if (in.len != sizeof q)
                return FAIL(OUT_OF_RANGE);
        memcpy(&q, in.data, sizeof q);
        if (q.offset == 0)
                TRY(make_backup(d, &q));
        if (q.offset >= d->file.len)
                return FAIL(OUT_OF_RANGE);
        keeper_backup_part part = {.total = (uint32_t)d->file.len};
        view piece = view_slice(region_view(&d->file), q.offset, (size_t)q.offset + sizeof part.bytes);
        part.len = (uint32_t)piece.len;
        memcpy(part.bytes, piece.data, piece.len);
        return append(out, &part, sizeof part);
}

static err call_inherit(admin_door *d, view in)
{
        https_answer a;
        TRY(post_sealed(d, "/admin/v1/vault/inherit", nullptr, in, &a));
        region_end(&a.body);
        return OK;
}

static err call_by_op(admin_door *d, keeper_op op, view in, region *out)
{
        switch (op) {
        case KEEPER_STATUS:
                return call_status(d, out);
        case KEEPER_UNLOCK:
                return call_unlock(d, in);
        case KEEPER_PUT:
                return call_put(d, in);
        case KEEPER_REMOVE:
                return call_remove(d, in);
        case KEEPER_LIST:
                return call_list(d, out);
        case KEEPER_KEY_HASH:
                return call_hash(d, in, out);
        case KEEPER_EXPORT_NOW:
                return call_export_now(d, out);
        case KEEPER_EXPORT_GET:
                return call_export_get(d, in, out);
        case KEEPER_EXPORT_LIST:
                return call_export_list(d, out);
        case KEEPER_EXPORT_ACK:
                return call_export_ack(d, in);
        case KEEPER_ROTATE:
                return call_rotate(d, in);
        case KEEPER_BACKUP:
                return call_backup(d, in, out);
        case KEEPER_INHERIT:
                return call_inherit(d, in);
        case KEEPER_TPM_SEAL:
                return call_seal(d, out);
        case KEEPER_SLOT_REMOVE:
                return call_slot_remove(d, in);
        case KEEPER_SLOT_ADD:
        case KEEPER_TPM_RESEAL:
        case KEEPER_CREATE:
        case KEEPER_STAGE_BEGIN:
        case KEEPER_STAGE_PART:
        case KEEPER_STAGE_TRY:
        case KEEPER_CONFIG_LIST:
        case KEEPER_CONFIG_GET:
                break; /* have addresses of their own */
        }
        return FAIL(NOT_IMPLEMENTED);
}

static err door_ask(void *ctx, keeper_op op, view in, region *out)
{
        admin_door *d = ctx;
        d->why = (https_why){};
        err e = call_by_op(d, op, in, out);
        static_assert(sizeof d->door->why >= sizeof d->why.text);
        memcpy(d->door->why, d->why.text, sizeof d->why.text);
        return e;
}

static void door_shut(void *ctx)
{
        admin_door *d = ctx;
        region_end(&d->file);
        https_close(d->client);
        free(d);
}

err admin_door_open(const lethectl *c, keeper_door *door)
{
        https_why why = {};
        admin_door *d = calloc(1, sizeof *d);
        err e = d == nullptr ? FAIL(NO_ROOM) : admin_client(c, &d->client, &why);
        if (failed(e)) {
                memcpy(door->why, why.text, sizeof why.text);
                free(d);
                return e;
        }
        door->call = door_ask;
        door->close = door_shut;
        door->ctx = d;
        d->door = door;
        return OK;
}
