/* lethectl vault import: another box, or a new state file, takes the place of one of which there is a backup. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "prog/lethectl_backup.h"
#include "prog/lethectl_setup.h"
#include "vault/config_set.h"
#include "vault/seal.h"

/* ---- a state file ---- */

static verdict new_opener(const lethectl *c, container_opener *opener, secret_line *secret)
{
        verdict r = c->key_file != nullptr ? key_file_new(c->key_file, secret) : passphrase_new(c, secret);
        *opener = (container_opener){.kind = c->key_file != nullptr ? SLOT_KEY_FILE : SLOT_PASSPHRASE,
                                     .secret = secret_view(secret),
                                     .ops = PASSPHRASE_OPS,
                                     .mem_bytes = c->light ? PASSPHRASE_MEM_LIGHT : PASSPHRASE_MEM};
        return r;
}

static err fill_store(store *s, const opened_backup *b)
{
        const store *held = &b->held;
        TRY(store_inherit(s, &b->inheritance));
        for (size_t i = 0; i < store_credential_count(held); i++) {
                const lease_credential *c = store_credential(held, i);
                TRY(store_put(s, view_of_text(c->name), view_of_text(c->host), (view){c->secret, c->len}));
        }
        return held->config.len > 0 ? store_set_config(s, region_view(&held->config), held->opens) : OK;
}

static err make_state(int fd, const container_opener *opener, const opened_backup *b)
{
        store s;
        TRY(store_create(fd, opener, clock_wall_s()));
        err e = store_attach(&s, fd, 0);
        if (!failed(e))
                e = store_unlock_secret(&s, opener->kind, opener->secret);
        if (!failed(e))
                e = fill_store(&s, b);
        store_close(&s);
        return e;
}

static verdict import_to_file(const lethectl *c)
{
        opened_backup    b;
        secret_line      secret = {};
        container_opener opener;
        verdict          r = opened_backup_read(c, c->words[0], &b);
        int              fd = r == DONE ? state_open_empty(c->state) : -1;
        if (r == DONE && fd < 0)
                r = REFUSED;
        if (r == DONE)
                r = new_opener(c, &opener, &secret);
        if (r == DONE) {
                err e = make_state(fd, &opener, &b);
                if (failed(e))
                        r = refuse_err(c->state, e, "What stands in it now is not whole: remove it.");
        }
        secret_line_wipe(&secret);
        if (fd >= 0)
                close(fd);
        if (r == DONE) {
                state_sync_folder(c->state);
                printf("made %s: %zu vendor keys, %zu files of configuration; its exports are a new series\n", c->state,
                       store_credential_count(&b.held), config_set_count(region_view(&b.held.config)));
        }
        opened_backup_end(&b);
        return r;
}

/* ---- a box ---- */

static verdict send_credential(setup *s, const lease_credential *from)
{
        keeper_credential c = {.len = from->len};
        https_answer      a;
        memcpy(c.name, from->name, sizeof from->name);
        memcpy(c.host, from->host, sizeof from->host);
        memcpy(c.secret, from->secret, from->len);
        verdict r = setup_post_sealed(s, "/admin/v1/vault/credentials", (view){(const uint8_t *)&c, sizeof c}, &a);
        wipe(&c, sizeof c);
        if (r == DONE)
                region_end(&a.body);
        return r;
}

static verdict send_inheritance(setup *s, const opened_backup *b)
{
        keeper_inherit q;
        https_answer   a;
        opened_backup_inherit(b, &q);
        verdict r = setup_post_sealed(s, "/admin/v1/vault/inherit", (view){(const uint8_t *)&q, sizeof q}, &a);
        wipe(&q, sizeof q);
        if (r == DONE)
                region_end(&a.body);
        for (size_t i = 0; i < store_credential_count(&b->held) && r == DONE; i++)
                r = send_credential(s, store_credential(&b->held, i));
        return r;
}

static verdict send_files(setup *s, const opened_backup *b)
{
        static config_part parts[CONFIG_PARTS];
        size_t             count = 0;
        config_file        f;
        uint64_t           generation;
        for (size_t at = 0; config_set_next(region_view(&b->held.config), &at, &f);) {
                if (count == CONFIG_PARTS || f.name.len >= sizeof parts[0].name)
                        return refuse("the backup holds more files than a box takes", nullptr);
                parts[count] = (config_part){.bytes = f.bytes};
                memcpy(parts[count++].name, f.name.data, f.name.len);
        }
        const config_send send = {parts, count, s->box.seal_key, setup_opens_word(s->wish.opens), false};
        verdict           r = config_put(s->h, &send, &generation);
        if (r == DONE)
                printf("generation %lu serves\n", generation);
        return r;
}

static verdict choose_opens(setup *s)
{
        if (s->c->from_stdin || s->c->key_file != nullptr) {
                s->wish.opens = s->c->key_file != nullptr ? OPENS_KEY_FILE : OPENS_PERSON;
                return DONE;
        }
        return setup_ask_opens(s->box.tpm, &s->wish.opens) ? DONE : REFUSED;
}

static verdict make_opener(setup *s)
{
        if (s->c->key_file == nullptr)
                return setup_make_opener(s);
        s->slot = (key_slot){.kind = SLOT_KEY_FILE};
        secret_random(s->slot.salt, sizeof s->slot.salt);
        return key_file_new(s->c->key_file, &s->opener);
}

static verdict prepare(setup *s)
{
        const lethectl *c = s->c;
        if (c->claim != nullptr)
                snprintf(s->wish.claim, sizeof s->wish.claim, "%s", c->claim);
        s->wish.light = c->light;
        s->wish.has_fingerprint = c->fingerprint != nullptr;
        if (c->fingerprint != nullptr && !fingerprint_read(view_of_text(c->fingerprint), s->wish.fingerprint))
                return misused("--fingerprint takes 64 hexadecimal digits, as the console shows them");
        return own_folder(s->out);
}

static verdict import_to_box(const lethectl *c)
{
        static verdict (*const steps[])(setup *) = {
                prepare,           setup_learn,  setup_compare, setup_ask_claim,  setup_connect, setup_describe,
                setup_prove_claim, choose_opens, make_opener,   setup_make_vault, nullptr};
        static setup  s;
        opened_backup b;
        s = (setup){.c = c, .out = c->out != nullptr ? c->out : "lethe-box"};
        verdict r = opened_backup_read(c, c->words[0], &b);
        if (r == DONE && b.held.config.len == 0)
                r = refuse("this backup holds no configuration: it is of a lethed that keeps it in a folder",
                           "Import it into a state file (--state), or set the box up and put its vendor keys.");
        for (size_t i = 0; steps[i] != nullptr && r == DONE; i++)
                r = steps[i](&s);
        if (r == DONE)
                r = send_inheritance(&s, &b);
        if (r == DONE)
                r = setup_bind_tpm(&s);
        if (r == DONE)
                r = send_files(&s, &b);
        secret_line_wipe(&s.opener);
        opened_backup_end(&b);
        if (r == DONE)
                fputs("the box has the keys, the certificates and the tokens of the one it was made from; its exports "
                      "are a new series that names the old one\n",
                      stdout);
        return r;
}

verdict vault_import(const lethectl *c)
{
        if ((c->state == nullptr) == (c->admin == nullptr))
                return misused("say into what: --state FILE that is made, or --admin URL of a box nobody has claimed");
        return c->state != nullptr ? import_to_file(c) : import_to_box(c);
}
