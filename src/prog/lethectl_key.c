/* lethectl key make: made here, shown once, kept nowhere. */
#include <stdio.h>
#include <time.h>

#include "base/emit.h"
#include "base/limit.h"
#include "base/secret.h"
#include "prog/lethectl.h"
#include "vault/client_key.h"
#include "vault/seal.h"
#include "vault/store.h"

constexpr size_t MODEL_BYTES = LIMIT_NAME_BYTES * 2;

static bool models_valid(view list)
{
        while (list.len > 0) {
                const uint8_t *comma = memchr(list.data, ',', list.len);
                size_t         len = comma == nullptr ? list.len : (size_t)(comma - list.data);
                if (len == 0 || len >= MODEL_BYTES || (comma != nullptr && len + 1 == list.len))
                        return false;
                for (size_t i = 0; i < len; i++)
                        if (list.data[i] <= ' ' || list.data[i] >= 0x7f)
                                return false;
                list = view_slice(list, len + 1, list.len);
        }
        return true;
}

/* One form only, RFC 3339 in UTC without fractions. */
static bool expires_valid(const char *text)
{
        struct tm   tm = {};
        const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        return end != nullptr && *end == '\0' && strlen(text) == 20;
}

static void print_models(view list)
{
        fputs("[", stdout);
        for (bool first = true; list.len > 0; first = false) {
                const uint8_t *comma = memchr(list.data, ',', list.len);
                size_t         len = comma == nullptr ? list.len : (size_t)(comma - list.data);
                fputs(first ? "" : ",", stdout);
                print_json(view_slice(list, 0, len));
                list = view_slice(list, len + 1, list.len);
        }
        fputs("]", stdout);
}

static void print_key_entry(const lethectl *c, const char *id, const uint8_t hash[static 32])
{
        fputs("{\"id\":", stdout);
        print_json(view_of_text(id));
        fputs(",\"hash\":\"", stdout);
        print_hex((view){hash, 32});
        fputs("\",\"project\":", stdout);
        print_json(view_of_text(c->project));
        fputs(",\"models\":", stdout);
        print_models(c->models != nullptr ? view_of_text(c->models) : VIEW("*"));
        if (c->expires != nullptr) {
                fputs(",\"expires\":", stdout);
                print_json(view_of_text(c->expires));
        }
        fputs("}", stdout);
}

/* The keeper alone has the pepper: it is asked for the hash. */
static verdict ask_hash(keeper_door *door, view key, uint8_t hash[static 32])
{
        keeper_status s;
        view          id, secret;
        uint8_t       plain[CLIENT_KEY_ID_BYTES + CLIENT_KEY_SECRET_BYTES], sealed[sizeof plain + SEAL_OVERHEAD];
        verdict       r = door_call(door, KEEPER_STATUS, (view){}, &s, sizeof s);
        if (r != DONE)
                return r;
        if (failed(client_key_parse(key, &id, &secret)))
                return refuse("the key that was made is not a key", nullptr);
        memcpy(plain, id.data, id.len);
        memcpy(plain + id.len, secret.data, secret.len);
        seal_close(s.seal_key, (view){plain, sizeof plain}, sealed);
        wipe(plain, sizeof plain);
        return door_call(door, KEEPER_KEY_HASH, (view){sealed, sizeof sealed}, hash, 32);
}

verdict key_make(const lethectl *c)
{
        if (c->project == nullptr || !store_name_valid(view_of_text(c->project)))
                return misused("say whose key it is: --project NAME, 1 to 31 of A-Z a-z 0-9 . _ : / -");
        if (c->models != nullptr && (*c->models == '\0' || !models_valid(view_of_text(c->models))))
                return misused("--models takes names with commas between them, or *");
        if (c->expires != nullptr && !expires_valid(c->expires))
                return misused("--expires takes a time like 2027-01-31T00:00:00Z");
        keeper_door door;
        uint8_t     bytes[CLIENT_KEY_BYTES], hash[32];
        char        id[9];
        verdict     r = door_open(c, true, &door);
        if (r != DONE)
                return r;
        emit text = emit_into(bytes, sizeof bytes);
        client_key_text(&text, id);
        r = ask_hash(&door, (view){bytes, sizeof bytes}, hash);
        door_close(&door);
        if (r == DONE && c->json) {
                printf("{\"key\":\"%.*s\",\"entry\":", (int)sizeof bytes, (const char *)bytes);
                print_key_entry(c, id, hash);
                fputs("}\n", stdout);
        } else if (r == DONE) {
                printf("The key, shown this once:\n\n  %.*s\n\nInto \"keys\" of lethe.json:\n\n  ", (int)sizeof bytes,
                       (const char *)bytes);
                print_key_entry(c, id, hash);
                fputs("\n\nthen lethectl reload.\n", stdout);
        }
        wipe(bytes, sizeof bytes);
        return r;
}
