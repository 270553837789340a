/* lethectl admin token: made here, shown once. Into a box's own state it goes only by who can open the vault: that is
 * the way back for an owner who has lost every token. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/json.h"
#include "base/secret.h"
#include "codec/config_json.h"
#include "prog/lethectl_backup.h"
#include "route/catalog.h"
#include "vault/config_set.h"

typedef struct token {
        const char *name;
        uint8_t     text[4 + 64], hash[32];
} token;

static void token_make(token *t)
{
        uint8_t random[32];
        secret_random(random, sizeof random);
        emit e = emit_into(t->text, sizeof t->text);
        emit_text(&e, "lat_");
        emit_hex(&e, (view){random, sizeof random});
        secret_sha256(t->hash, (view){t->text, sizeof t->text});
        wipe(random, sizeof random);
}

/* ---- lethe.json anew, with one operator ---- */

static err write_value(const config_node *n, emit *out);

static err write_members(const config_node *n, bool keyed, emit *out)
{
        for (const config_node *one = config_first(n); one != nullptr; one = config_next(one)) {
                json_next(out);
                if (keyed) {
                        emit_json(out, config_key(one));
                        emit_byte(out, ':');
                }
                TRY(write_value(one, out));
        }
        return OK;
}

/* Nothing of lethe.json is deeper than the reader allows, and its numbers are whole. */
static err write_value(const config_node *n, emit *out)
{
        config_fault ignored;
        view         text;
        uint64_t     number;
        switch (config_kind_of(n)) {
        case CONFIG_OBJECT:
                emit_byte(out, '{');
                TRY(write_members(n, true, out));
                emit_byte(out, '}');
                return OK;
        case CONFIG_ARRAY:
                emit_byte(out, '[');
                TRY(write_members(n, false, out));
                emit_byte(out, ']');
                return OK;
        case CONFIG_TEXT:
                TRY(config_text_of(n, &text, &ignored));
                emit_json(out, text);
                return OK;
        case CONFIG_NUMBER:
                TRY(config_u64_of(n, (config_range){0, UINT64_MAX}, &number, &ignored));
                emit_u64(out, number);
                return OK;
        case CONFIG_BOOL:
                emit_text(out, config_is_true(n) ? "true" : "false");
                return OK;
        case CONFIG_NULL:
                emit_text(out, "null");
                return OK;
        }
        return FAIL(BAD_CONFIG);
}

static err write_with(const config_node *root, const token *t, emit *out)
{
        emit_byte(out, '{');
        for (const config_node *one = config_first(root); one != nullptr; one = config_next(one)) {
                if (view_equal(config_key(one), VIEW("admin")))
                        continue;
                json_next(out);
                emit_json(out, config_key(one));
                emit_byte(out, ':');
                TRY(write_value(one, out));
        }
        json_begin(out, "admin", '[');
        json_begin(out, nullptr, '{');
        json_text(out, "name", t->name);
        json_key(out, "hash");
        emit_byte(out, '"');
        emit_hex(out, (view){t->hash, sizeof t->hash});
        emit_text(out, "\"}]}\n");
        return out->full ? FAIL(NO_ROOM) : OK;
}

static err checked(view text)
{
        config_fault ignored;
        catalog     *c = calloc(1, sizeof *c);
        if (c == nullptr)
                return FAIL(NO_ROOM);
        err e = catalog_compile(text, c, &ignored);
        free(c);
        return e;
}

static err rewrite(view old, const token *t, region *text)
{
        config_doc  *doc;
        config_fault ignored;
        region_init(text, LIMIT_CONFIG_BYTES);
        TRY(region_reserve(text, LIMIT_CONFIG_BYTES));
        TRY(config_parse(old, &doc, &ignored));
        emit out = emit_into(text->bytes, LIMIT_CONFIG_BYTES);
        err  e = write_with(config_root(doc), t, &out);
        config_free(doc);
        text->len = out.len;
        return failed(e) ? e : checked(region_view(text));
}

/* ---- the state ---- */

static err put_into(store *s, view lethe_json)
{
        region      set;
        config_file f;
        config_set_init(&set);
        err e = OK;
        for (size_t at = 0; !failed(e) && config_set_next(region_view(&s->config), &at, &f);) {
                if (view_equal(f.name, VIEW("lethe.json")))
                        f.bytes = lethe_json;
                e = config_set_put(&set, &f);
        }
        if (!failed(e))
                e = store_set_config(s, region_view(&set), s->opens);
        region_end(&set);
        return e;
}

static verdict put_token(const lethectl *c, const token *t)
{
        keeper_door door;
        config_file old;
        region      text = {};
        verdict     r = file_door_open(c, true, &door);
        if (r != DONE)
                return r;
        store *s = file_door_store(&door);
        if (!config_set_find(region_view(&s->config), VIEW("lethe.json"), &old)) {
                r = refuse("this state holds no configuration",
                           "Put the entry that admin token prints into lethe.json.");
        } else {
                err e = rewrite(old.bytes, t, &text);
                if (!failed(e))
                        e = put_into(s, region_view(&text));
                if (failed(e))
                        r = refuse_err(c->state, e, "Nothing was changed.");
        }
        region_end(&text);
        door_close(&door);
        return r;
}

static void print_token(const lethectl *c, const token *t)
{
        bool kept = c->state != nullptr;
        printf(c->json ? "{\"token\":\"%.*s\",\"entry\":{\"name\":"
                       : "The token, shown this once:\n\n  %.*s\n\n",
               (int)sizeof t->text, (const char *)t->text);
        if (!c->json && kept) {
                fputs("It is in the state, and every token of before has ended.\n", stdout);
                return;
        }
        fputs(c->json ? "" : "Into \"admin\" of lethe.json:\n\n  {\"name\":", stdout);
        print_json(view_of_text(t->name));
        fputs(",\"hash\":\"", stdout);
        print_hex((view){t->hash, sizeof t->hash});
        fputs(c->json ? "\"}}\n" : "\"}\n\nthen lethectl reload.\n", stdout);
}

verdict admin_token(const lethectl *c)
{
        token t = {.name = c->name != nullptr ? c->name : "admin"};
        if (!store_name_valid(view_of_text(t.name)))
                return misused("--name takes 1 to 31 of A-Z a-z 0-9 . _ : / -");
        token_make(&t);
        verdict r = c->state != nullptr ? put_token(c, &t) : DONE;
        if (r == DONE)
                print_token(c, &t);
        wipe(&t, sizeof t);
        return r;
}
