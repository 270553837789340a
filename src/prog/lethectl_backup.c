/* lethectl backup-key make, lethectl vault export; and reading a backup again. */
#include "prog/lethectl_backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/emit.h"
#include "prog/lethectl_own_ca.h"
#include "sign/minisign.h"

enum : size_t { KEY_FILE_MAX = 4096, PATH_MAX_BYTES = 4096 };

/* ---- a person's pair ---- */

static verdict write_key(const lethectl *c, const char *name, view file, const backup_pair *pair)
{
        char    secret[64], shown[64];
        uint8_t room[80];
        emit    digits = emit_into(room, sizeof room);
        emit_hex(&digits, (view){pair->public_key, sizeof pair->public_key});
        emit_byte(&digits, '\n');
        snprintf(secret, sizeof secret, "%s.backup-key", name);
        snprintf(shown, sizeof shown, "%s.backup-pub", name);
        err e = file_write_secret(c->out, secret, file);
        if (!failed(e))
                e = file_write(c->out, shown, (view){digits.bytes, digits.len});
        return failed(e) ? refuse_err(c->out, e, nullptr) : DONE;
}

static bool plain_name(const char *name)
{
        return store_name_valid(view_of_text(name)) && strpbrk(name, "/:") == nullptr && name[0] != '.';
}

verdict backup_key(const lethectl *c)
{
        uint8_t     room[1024];
        emit        file = emit_into(room, sizeof room);
        backup_pair pair = {};
        secret_line pass;
        const char *name = c->name != nullptr ? c->name : "backup";
        if (c->out == nullptr)
                return misused("say where to: --out DIR");
        if (!plain_name(name))
                return misused("--name takes 1 to 31 of A-Z a-z 0-9 . _ -");
        verdict r = own_folder(c->out);
        if (r == DONE)
                r = passphrase_new(c, &pass);
        if (r != DONE)
                return r;
        err e = backup_key_make(secret_view(&pass), c->light ? PASSPHRASE_MEM_LIGHT : PASSPHRASE_MEM, &pair, &file);
        secret_line_wipe(&pass);
        r = failed(e) ? refuse_err("the key", e, "Try --light (64 MiB).")
                      : write_key(c, name, (view){file.bytes, file.len}, &pair);
        if (r == DONE) {
                printf("%s/%s.backup-key opens by its passphrase alone: its person keeps both\n"
                       "%s/%s.backup-pub is for lethectl vault export --to\n",
                       c->out, name, c->out, name);
        }
        backup_pair_wipe(&pair);
        wipe(room, sizeof room);
        return r;
}

/* ---- export ---- */

static verdict read_recipient(const char *text, uint8_t out[static 32])
{
        region file;
        if (!failed(backup_key_public(view_of_text(text), out)))
                return DONE;
        err     e = file_read(text, KEY_FILE_MAX, &file);
        verdict r = DONE;
        if (failed(e))
                r = refuse_err(text, e, nullptr);
        else if (failed(backup_key_public(region_view(&file), out)))
                r = refuse("this is no public key for backups", text);
        region_end(&file);
        return r;
}

static verdict read_recipients(const lethectl *c, keeper_backup *q)
{
        char list[PATH_MAX_BYTES], *rest = list;
        if (snprintf(list, sizeof list, "%s", c->to) >= (int)sizeof list)
                return misused("--to is too long");
        for (char *one = strsep(&rest, ","); one != nullptr; one = strsep(&rest, ",")) {
                if (q->count == BACKUP_RECIPIENTS)
                        return misused("a backup has at most 8 recipients");
                verdict r = read_recipient(one, q->recipients[q->count++]);
                if (r != DONE)
                        return r;
        }
        return q->count >= q->need ? DONE : misused("--need 2 needs two recipients: --to KEY,KEY");
}

static err fetch(keeper_door *door, keeper_backup *q, region *file)
{
        region out;
        region_init(&out, KEEPER_BYTES);
        err e = OK;
        for (bool more = true; more && !failed(e);) {
                keeper_backup_part part;
                q->offset = (uint32_t)file->len;
                region_clear(&out);
                e = door->call(door->ctx, KEEPER_BACKUP, (view){(const uint8_t *)q, sizeof *q}, &out);
                if (!failed(e) && out.len != sizeof part)
                        e = FAIL(BAD_FILE);
                if (failed(e))
                        break;
                memcpy(&part, out.bytes, sizeof part);
                more = file->len + part.len < part.total;
                e = part.len == 0 || part.len > sizeof part.bytes
                            ? FAIL(BAD_FILE)
                            : region_append(file, (view){part.bytes, part.len});
        }
        region_end(&out);
        return e;
}

/* Into a file that may be named with or without a folder. */
static verdict write_out(const char *path, view bytes)
{
        char        folder[PATH_MAX_BYTES] = ".";
        const char *slash = strrchr(path, '/');
        if (slash != nullptr)
                snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
        err e = file_write_secret(folder, slash != nullptr ? slash + 1 : path, bytes);
        return failed(e) ? refuse_err(path, e, nullptr) : DONE;
}

static verdict export_to(const lethectl *c, keeper_door *door, keeper_backup *q)
{
        region       file;
        backup_facts facts;
        const char  *why = nullptr;
        region_init(&file, BACKUP_BYTES);
        err     e = fetch(door, q, &file);
        verdict r = DONE;
        if (failed(e))
                r = refuse(door->why[0] != '\0' ? door->why : err_describe(e.code)->text, nullptr);
        else if (failed(backup_read(region_view(&file), &facts, &why)))
                r = refuse(why, nullptr);
        if (r == DONE)
                r = write_out(c->out, region_view(&file));
        if (r == DONE)
                printf("%s: %zu bytes; %s of %u recipient%s open%s it\n", c->out, file.len,
                       q->need == 2 ? "any two" : "any one", q->count, q->count == 1 ? "" : "s",
                       q->need == 2 ? "" : "s");
        region_end(&file);
        return r;
}

verdict vault_export(const lethectl *c)
{
        keeper_backup q = {.created_s = clock_wall_s(), .need = 1};
        uint64_t      need = 1;
        keeper_door   door;
        if (c->out == nullptr || c->to == nullptr)
                return misused("say where to and for whom: --out FILE --to KEY[,KEY]");
        if (c->need != nullptr && (!view_decimal(view_of_text(c->need), 2, &need) || need == 0))
                return misused("--need takes 1 or 2");
        q.need = (uint32_t)need;
        verdict r = read_recipients(c, &q);
        if (r == DONE)
                r = door_open(c, true, &door);
        if (r != DONE)
                return r;
        r = export_to(c, &door, &q);
        door_close(&door);
        return r;
}

/* ---- reading it again ---- */

static verdict open_key(const lethectl *c, const char *path, backup_pair *out)
{
        region      file;
        secret_line pass;
        char        prompt[PATH_MAX_BYTES + 32];
        err         e = file_read(path, KEY_FILE_MAX, &file);
        verdict     r = failed(e) ? refuse_err(path, e, nullptr) : DONE;
        snprintf(prompt, sizeof prompt, "Passphrase of %s: ", path);
        if (r == DONE && !secret_ask(c, prompt, &pass))
                r = REFUSED;
        if (r == DONE) {
                e = backup_key_open(region_view(&file), secret_view(&pass), out);
                secret_line_wipe(&pass);
                if (e.code == ERR_BAD_CREDENTIAL)
                        r = refuse("the passphrase does not open this backup key", path);
                else if (failed(e))
                        r = refuse_err(path, e, nullptr);
        }
        region_end(&file);
        return r;
}

static verdict open_keys(const lethectl *c, backup_pair pairs[static 2], size_t *count)
{
        char list[PATH_MAX_BYTES], *rest = list;
        *count = 0;
        if (c->with == nullptr || snprintf(list, sizeof list, "%s", c->with) >= (int)sizeof list)
                return misused("say which backup keys open it: --with FILE[,FILE]");
        for (char *one = strsep(&rest, ","); one != nullptr; one = strsep(&rest, ",")) {
                if (*count == 2)
                        return misused("--with takes one or two files");
                verdict r = open_key(c, one, &pairs[(*count)++]);
                if (r != DONE)
                        return r;
        }
        return DONE;
}

/* The signature says which box it is from; only who holds that box's public key knows that it is the right one. */
static verdict check_origin(const lethectl *c, const backup_facts *f)
{
        uint8_t room[256];
        region  file;
        emit    expected = emit_into(room, sizeof room);
        if (c->signed_by == nullptr) {
                fputs("made by box ", stdout);
                print_hex((view){f->device, sizeof f->device});
                fputs(" (not compared: --signed-by DEVICE.pub does it)\n", stdout);
                return DONE;
        }
        minisign_write_public(f->export_key_number, f->export_key, &expected);
        err     e = file_read(c->signed_by, KEY_FILE_MAX, &file);
        verdict r = failed(e) ? refuse_err(c->signed_by, e, nullptr) : DONE;
        if (r == DONE && !view_equal(region_view(&file), (view){expected.bytes, expected.len}))
                r = refuse("the backup was made by another box than the one whose key this is", c->signed_by);
        region_end(&file);
        return r;
}

static verdict open_payload(const lethectl *c, view file, opened_backup *out)
{
        backup_pair pairs[2] = {};
        size_t      count;
        region      payload = {};
        const char *why = nullptr;
        verdict     r = open_keys(c, pairs, &count);
        if (r == DONE) {
                err e = backup_open(file, pairs, count, &payload, &why);
                if (failed(e))
                        r = refuse(why != nullptr ? why : err_describe(e.code)->text, nullptr);
                else if (failed(store_from_backup(&out->held, region_view(&payload))))
                        r = refuse("the backup holds what this lethectl does not know",
                                   "Use the version that made it.");
                region_end(&payload);
        }
        wipe(pairs, sizeof pairs);
        if (r == DONE)
                store_inheritance_of(&out->held, &out->facts, &out->inheritance);
        return r;
}

verdict opened_backup_read(const lethectl *c, const char *path, opened_backup *out)
{
        region      file;
        const char *why = nullptr;
        *out = (opened_backup){};
        err     e = file_read(path, BACKUP_BYTES, &file);
        verdict r = DONE;
        if (e.code == ERR_SYSTEM)
                r = refuse_err(path, e, nullptr);
        else if (failed(e) || failed(backup_read(region_view(&file), &out->facts, &why)))
                r = refuse(why != nullptr ? why : "This is larger than any backup.", path);
        if (r == DONE)
                r = check_origin(c, &out->facts);
        if (r == DONE)
                r = open_payload(c, region_view(&file), out);
        region_end(&file);
        return r;
}

void opened_backup_end(opened_backup *b)
{
        store_close(&b->held);
        wipe(&b->inheritance, sizeof b->inheritance);
}

void opened_backup_inherit(const opened_backup *b, keeper_inherit *out)
{
        const store_inheritance *i = &b->inheritance;
        *out = (keeper_inherit){.next_sequence = i->from.next_sequence};
        memcpy(out->pepper, i->pepper, sizeof out->pepper);
        memcpy(out->pseudonym_key, i->pseudonym_key, sizeof out->pseudonym_key);
        memcpy(out->previous, i->from.previous, sizeof out->previous);
        memcpy(out->device, i->from.device, sizeof out->device);
        memcpy(out->export_key_number, i->from.export_key_number, sizeof out->export_key_number);
        memcpy(out->export_key, i->from.export_key, sizeof out->export_key);
}
