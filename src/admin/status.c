#include "admin/status.h"

#include "admin/role_name.h"
#include "codec/base64.h"
#include "vault/store.h"

static bool relay_serves(const board *b)
{
        uint32_t serving = atomic_load(&b->generation);
        for (size_t i = 0; i < LIMIT_COLUMNS; i++)
                if (atomic_load(&b->columns[i].in_use) != 0 && atomic_load(&b->columns[i].generation) == serving)
                        return true;
        return false;
}

/* Members of a list: the first has no comma before it. */
static void comma(emit *out, bool *first)
{
        if (!*first)
                emit_byte(out, ',');
        *first = false;
}

static void reason(emit *out, bool *first, const char *word)
{
        comma(out, first);
        emit_json(out, view_of_text(word));
}

static bool ends_soon(const status_certificate *c, uint64_t now_s)
{
        return c->expires_s != 0 && c->expires_s < now_s + STATUS_EXPIRY_DAYS * 86400;
}

bool status_write_ready(const board *b, const status_certificates *c, emit *out)
{
        uint32_t keeper = atomic_load(&b->keeper);
        bool serves = relay_serves(b), draining = atomic_load(&b->draining) != 0;
        bool ready = keeper == KEEPER_OPEN && serves && !draining, first = true;
        emit_text(out, ready ? "{\"ready\":true,\"reasons\":[" : "{\"ready\":false,\"reasons\":[");
        if (keeper == KEEPER_SEALED)
                reason(out, &first, "vault_sealed");
        else if (keeper == KEEPER_BLANK)
                reason(out, &first, "unclaimed");
        else if (keeper != KEEPER_OPEN)
                reason(out, &first, "no_keeper");
        if (!serves)
                reason(out, &first, "no_relay");
        if (draining)
                reason(out, &first, "draining");
        emit_text(out, "],\"warnings\":[");
        first = true;
        if (atomic_load(&b->exports_fill) >= STORE_EXPORTS_ALARM)
                reason(out, &first, "exports_unacknowledged");
        if (c != nullptr && ends_soon(&c->server, c->now_s))
                reason(out, &first, "server_certificate");
        if (c != nullptr && ends_soon(&c->admin, c->now_s))
                reason(out, &first, "admin_certificate");
        emit_text(out, "]}\n");
        return ready;
}

static void number(emit *out, const char *key, uint64_t n)
{
        emit_json(out, view_of_text(key));
        emit_byte(out, ':');
        emit_u64(out, n);
}

static void text(emit *out, const char *key, const char *value)
{
        emit_json(out, view_of_text(key));
        emit_byte(out, ':');
        emit_json(out, view_of_text(value));
}

static void base64(emit *out, const char *key, view value)
{
        emit_json(out, view_of_text(key));
        emit_text(out, ":\"");
        base64_write(out, value);
        emit_byte(out, '"');
}

static void hex(emit *out, const char *key, view value)
{
        emit_json(out, view_of_text(key));
        emit_text(out, ":\"");
        emit_hex(out, value);
        emit_byte(out, '"');
}

static const char *keeper_word(uint32_t keeper)
{
        return keeper == KEEPER_OPEN     ? "open"
               : keeper == KEEPER_SEALED ? "sealed"
               : keeper == KEEPER_BLANK  ? "blank"
                                         : "down";
}

static void write_roles(emit *out, uint32_t up)
{
        bool first = true;
        emit_text(out, "\"roles_up\":[");
        for (unsigned r = 0; r < ROLE_COUNT; r++)
                if ((up >> r) & 1)
                        reason(out, &first, role_name((role_id)r));
        emit_byte(out, ']');
}

static void write_relays(emit *out, const board *b)
{
        static const counter_id live[] = {COUNTER_exchanges_now, COUNTER_connections_now, COUNTER_queue_now,
                                          COUNTER_memory_now,    COUNTER_pressure_now,    COUNTER_lag_us};
        bool first = true;
        emit_text(out, "\"relays\":[");
        for (size_t i = 0; i < LIMIT_COLUMNS; i++) {
                const board_column *c = &b->columns[i];
                uint32_t pid = atomic_load(&c->in_use);
                if (pid == 0)
                        continue;
                comma(out, &first);
                emit_byte(out, '{');
                number(out, "pid", pid);
                emit_byte(out, ',');
                number(out, "generation", atomic_load(&c->generation));
                for (size_t k = 0; k < sizeof live / sizeof *live; k++) {
                        emit_byte(out, ',');
                        number(out, counter_name(live[k]), atomic_load(&c->counters[live[k]]));
                }
                emit_byte(out, '}');
        }
        emit_byte(out, ']');
}

static void write_exports(emit *out, const keeper_status *v)
{
        emit_text(out, ",\"exports\":{");
        number(out, "kept", v->exports);
        emit_byte(out, ',');
        number(out, "unacknowledged", v->exports_unacknowledged);
        emit_byte(out, ',');
        number(out, "fill_percent", v->exports_fill);
        emit_text(out, v->exports_fill >= STORE_EXPORTS_ALARM ? ",\"alarm\":true}" : ",\"alarm\":false}");
}
static const char *vault_word(const keeper_status *s) { return s->open ? "open" : s->blank ? "unclaimed" : "sealed"; }

static const char *tpm_word(uint32_t tpm)
{
        switch ((keeper_tpm)tpm) {
        case KEEPER_TPM_ABSENT:
                return "absent";
        case KEEPER_TPM_UNUSED:
                return "unused";
        case KEEPER_TPM_OPENED:
                return "opens";
        case KEEPER_TPM_OTHER_START:
                return "other_start";
        case KEEPER_TPM_OTHER_TPM:
                return "other_tpm";
        case KEEPER_TPM_FAILS:
                break;
        }
        return "fails";
}

static void write_vault_short(emit *out, const keeper_status *v)
{
        emit_text(out, "\"vault\":");
        if (v == nullptr) {
                emit_text(out, "null");
                return;
        }
        emit_byte(out, '{');
        text(out, "state", vault_word(v));
        emit_byte(out, ',');
        number(out, "credentials", v->credentials);
        emit_byte(out, ',');
        number(out, "state_generation", v->state_generation);
        emit_byte(out, ',');
        number(out, "next_export", v->next_export);
        write_exports(out, v);
        emit_byte(out, ',');
        number(out, "refused_tries", v->refused_tries);
        emit_byte(out, ',');
        text(out, "tpm", tpm_word(v->tpm));
        emit_byte(out, '}');
}

static void write_box(emit *out, const box_facts *b)
{
        if (b == nullptr)
                return;
        emit_text(out, ",\"box\":{");
        number(out, "clone_suspected", atomic_load(&b->clones));
        emit_byte(out, ',');
        if (b->has_image != 0) {
                hex(out, "image", (view){b->image_digest, sizeof b->image_digest});
                emit_byte(out, ',');
        }
        number(out, "secure_boot", atomic_load(&b->secure_boot));
        emit_byte(out, ',');
        text(out, "signing", box_signing_name(atomic_load(&b->signing)));
        emit_byte(out, ',');
        text(out, "time_state", box_time_name(atomic_load(&b->time_state)));
        emit_byte(out, ',');
        number(out, "tpm", atomic_load(&b->tpm));
        if (atomic_load(&b->throw_away_updates) != 0) {
                emit_byte(out, ',');
                text(out, "update_keys", "throw_away");
        }
        emit_byte(out, '}');
}

static void write_certificate(emit *out, const status_certificate *c, uint64_t now_s, bool *first)
{
        if (c->expires_s == 0)
                return;
        comma(out, first);
        emit_byte(out, '{');
        text(out, "name", c->name);
        emit_byte(out, ',');
        number(out, "expires_s", c->expires_s);
        emit_byte(out, ',');
        number(out, "days", c->expires_s > now_s ? (c->expires_s - now_s) / 86400 : 0);
        emit_byte(out, '}');
}

static void write_certificates(emit *out, const status_certificates *c)
{
        bool first = true;
        if (c == nullptr)
                return;
        emit_text(out, "\"certificates\":[");
        write_certificate(out, &c->server, c->now_s, &first);
        write_certificate(out, &c->admin, c->now_s, &first);
        emit_text(out, "],");
}

void status_write(const status_facts *f, emit *out)
{
        const board *b = f->board;
        emit_byte(out, '{');
        text(out, "version", f->version);
        emit_byte(out, ',');
        text(out, "commit", f->commit);
        emit_byte(out, ',');
        number(out, "generation", atomic_load(&b->generation));
        emit_byte(out, ',');
        text(out, "keeper", keeper_word(atomic_load(&b->keeper)));
        emit_byte(out, ',');
        write_roles(out, atomic_load(&b->roles_up));
        emit_byte(out, ',');
        number(out, "restarts", atomic_load(&b->restarts));
        emit_text(out, atomic_load(&b->draining) ? ",\"draining\":true," : ",\"draining\":false,");
        write_relays(out, b);
        emit_byte(out, ',');
        write_certificates(out, f->certificates);
        write_vault_short(out, f->vault);
        write_box(out, f->facts);
        emit_text(out, "}\n");
}

static void write_slot(emit *out, const keeper_slot *s)
{
        emit_byte(out, '{');
        text(out, "kind", s->kind == SLOT_PASSPHRASE ? "passphrase" : s->kind == SLOT_TPM ? "tpm" : "key_file");
        emit_byte(out, ',');
        number(out, "index", s->index);
        emit_byte(out, ',');
        number(out, "ops", s->ops);
        emit_byte(out, ',');
        number(out, "mem_bytes", s->mem_bytes);
        emit_byte(out, ',');
        base64(out, "salt", (view){s->salt, sizeof s->salt});
        emit_byte(out, '}');
}

static void write_slots(emit *out, const keeper_status *s)
{
        bool first = true;
        emit_text(out, "\"slots\":[");
        for (size_t i = 0; i < sizeof s->slots / sizeof s->slots[0]; i++)
                if (s->slots[i].kind != SLOT_EMPTY) {
                        comma(out, &first);
                        write_slot(out, &s->slots[i]);
                }
        emit_byte(out, ']');
}

void status_write_setup(const keeper_status *s, const char *version, bool configured, emit *out)
{
        emit_byte(out, '{');
        text(out, "state", vault_word(s));
        emit_byte(out, ',');
        text(out, "version", version);
        emit_text(out, configured ? ",\"configured\":true," : ",\"configured\":false,");
        emit_text(out, s->tpm != KEEPER_TPM_ABSENT ? "\"tpm\":true," : "\"tpm\":false,");
        hex(out, "seal_key", (view){s->seal_key, sizeof s->seal_key});
        emit_byte(out, ',');
        write_slots(out, s);
        emit_text(out, "}\n");
}

void status_write_config(const keeper_config_row *rows, size_t count, emit *out)
{
        static const uint8_t none[sizeof rows->sha256];
        bool first = true;
        emit_text(out, "{\"files\":[");
        for (size_t i = 0; i < count; i++) {
                comma(out, &first);
                emit_byte(out, '{');
                text(out, "name", rows[i].name);
                emit_byte(out, ',');
                number(out, "bytes", rows[i].bytes);
                emit_byte(out, ',');
                if (memcmp(rows[i].sha256, none, sizeof none) == 0)
                        emit_text(out, "\"sha256\":null");
                else
                        hex(out, "sha256", (view){rows[i].sha256, sizeof rows[i].sha256});
                emit_byte(out, '}');
        }
        emit_text(out, "]}\n");
}

void status_write_vault(const keeper_status *s, emit *out)
{
        emit_byte(out, '{');
        text(out, "state", s->open ? "open" : "sealed");
        emit_byte(out, ',');
        number(out, "credentials", s->credentials);
        emit_byte(out, ',');
        number(out, "state_generation", s->state_generation);
        emit_byte(out, ',');
        number(out, "next_export", s->next_export);
        emit_byte(out, ',');
        hex(out, "device", (view){s->device, sizeof s->device});
        emit_byte(out, ',');
        base64(out, "seal_key", (view){s->seal_key, sizeof s->seal_key});
        emit_byte(out, ',');
        base64(out, "export_key", (view){s->export_key, sizeof s->export_key});
        emit_byte(out, ',');
        base64(out, "export_key_number", (view){s->export_key_number, sizeof s->export_key_number});
        write_exports(out, s);
        emit_byte(out, ',');
        write_slots(out, s);
        emit_byte(out, ',');
        number(out, "refused_tries", s->refused_tries);
        emit_byte(out, ',');
        text(out, "tpm", tpm_word(s->tpm));
        emit_text(out, "}\n");
}

void status_write_credentials(const keeper_listed *rows, size_t count, emit *out)
{
        bool first = true;
        emit_text(out, "{\"credentials\":[");
        for (size_t i = 0; i < count; i++) {
                comma(out, &first);
                emit_byte(out, '{');
                text(out, "name", rows[i].name);
                emit_byte(out, ',');
                text(out, "host", rows[i].host);
                emit_byte(out, ',');
                hex(out, "fingerprint", (view){rows[i].fingerprint, sizeof rows[i].fingerprint});
                emit_byte(out, '}');
        }
        emit_text(out, "]}\n");
}

void status_write_exports(const keeper_export_listed *rows, size_t count, emit *out)
{
        bool first = true;
        emit_text(out, "{\"exports\":[");
        for (size_t i = 0; i < count; i++) {
                comma(out, &first);
                emit_byte(out, '{');
                number(out, "sequence", rows[i].sequence);
                emit_byte(out, ',');
                number(out, "bytes", rows[i].bytes);
                emit_text(out, rows[i].acknowledged != 0 ? ",\"acknowledged\":true}" : ",\"acknowledged\":false}");
        }
        emit_text(out, "]}\n");
}
