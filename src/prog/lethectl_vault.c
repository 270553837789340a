/* lethectl vault ... */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "prog/lethectl_backup.h"
#include "vault/seal.h"
#include "vault/store.h"

/* The folder's entry too must survive a power cut. */
void state_sync_folder(const char *path)
{
        char        folder[4096] = ".";
        const char *slash = strrchr(path, '/');
        if (slash != nullptr && (size_t)(slash - path) + 1 < sizeof folder) {
                memcpy(folder, path, (size_t)(slash - path) + 1);
                folder[slash - path + 1] = '\0';
        }
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return;
        fsync(fd);
        close(fd);
}

verdict key_file_new(const char *path, secret_line *out)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) {
                secret_random(out->bytes, KEY_FILE_BYTES);
                out->len = KEY_FILE_BYTES;
                bool good = write(fd, out->bytes, out->len) == (ssize_t)out->len && fsync(fd) == 0;
                close(fd);
                state_sync_folder(path);
                return good ? DONE : refuse_err(path, FAIL(SYSTEM), nullptr);
        }
        if (errno != EEXIST)
                return refuse_err(path, FAIL(SYSTEM), nullptr);
        region bytes;
        err    e = file_read(path, KEY_FILE_BYTES, &bytes);
        bool   good = !failed(e) && bytes.len == KEY_FILE_BYTES;
        if (good)
                memcpy(out->bytes, bytes.bytes, KEY_FILE_BYTES);
        out->len = KEY_FILE_BYTES;
        region_end(&bytes);
        if (e.code == ERR_SYSTEM)
                return refuse_err(path, e, nullptr);
        return good ? DONE
                    : refuse("this is not a key file: it does not have 32 bytes", "Name a file that is not there yet.");
}

verdict passphrase_new(const lethectl *c, secret_line *out)
{
        secret_line again;
        if (!secret_ask(c, "New passphrase of the vault: ", out) || !secret_ask(c, "The same again: ", &again))
                return REFUSED;
        bool same = view_equal(secret_view(out), secret_view(&again));
        secret_line_wipe(&again);
        if (!same)
                return refuse("the two passphrases differ; nothing was changed", nullptr);
        if (out->len > PASSPHRASE_MAX)
                return refuse("a passphrase has at most 1024 bytes", nullptr);
        return DONE;
}

/* Only where nothing is: a new file, or a file or partition that begins with zeros. */
int state_open_empty(const char *path)
{
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) {
                refuse_err(path, FAIL(SYSTEM), nullptr);
                return -1;
        }
        uint8_t bytes[CONTAINER_HEADER_BYTES] = {};
        bool    empty = true;
        for (unsigned copy = 0; copy < 2 && empty; copy++) {
                ssize_t n = pread(fd, bytes, sizeof bytes, (off_t)(copy * CONTAINER_SLOT_BYTES));
                for (ssize_t i = 0; i < n && empty; i++)
                        empty = bytes[i] == 0;
        }
        err e = container_lock(fd);
        if (!failed(e) && empty)
                return fd;
        close(fd);
        if (failed(e))
                refuse("lethed is using this file", nullptr);
        else
                refuse("there is something in this file already; nothing was changed",
                       "Name another with --state, or remove it first if you mean to lose what it holds.");
        return -1;
}

verdict vault_init(const lethectl *c)
{
        if (c->state == nullptr)
                return misused("say which file to make: --state FILE");
        int fd = state_open_empty(c->state);
        if (fd < 0)
                return REFUSED;
        secret_line secret = {};
        verdict     r = c->key_file != nullptr ? key_file_new(c->key_file, &secret) : passphrase_new(c, &secret);
        if (r == DONE) {
                container_opener opener = {
                        .kind = c->key_file != nullptr ? SLOT_KEY_FILE : SLOT_PASSPHRASE,
                        .secret = secret_view(&secret),
                        .ops = PASSPHRASE_OPS,
                        .mem_bytes = c->light ? PASSPHRASE_MEM_LIGHT : PASSPHRASE_MEM,
                };
                err e = store_create(fd, &opener, clock_wall_s());
                if (e.code == ERR_NO_ROOM)
                        r = refuse("there is not enough free memory for the passphrase", "Try --light (64 MiB).");
                else if (failed(e))
                        r = refuse_err(c->state, e, nullptr);
        }
        secret_line_wipe(&secret);
        struct stat st;
        if (r != DONE && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0)
                unlink(c->state);
        close(fd);
        if (r != DONE)
                return r;
        state_sync_folder(c->state);
        printf("made %s, %s\n", c->state,
               c->key_file != nullptr
                       ? "which the key file opens: keep a copy of that elsewhere, without it all is lost"
                       : "which the passphrase opens: nobody can recover it for you");
        return DONE;
}

static const char *slot_name(uint32_t kind)
{
        switch (kind) {
        case SLOT_PASSPHRASE:
                return "passphrase";
        case SLOT_KEY_FILE:
                return "key-file";
        case SLOT_TPM:
                return "tpm";
        default:
                return "empty";
        }
}

static void print_status_json(const keeper_status *s)
{
        printf("{\"open\":%s,\"generation\":%lu,\"device\":\"", s->open != 0 ? "true" : "false", s->state_generation);
        print_hex((view){s->device, sizeof s->device});
        fputs("\",\"key_slots\":[", stdout);
        const char *comma = "";
        for (size_t i = 0; i < KEY_SLOTS; i++) {
                if (s->slots[i].kind == SLOT_EMPTY)
                        continue;
                printf("%s{\"index\":%u,\"kind\":\"%s\"}", comma, s->slots[i].index, slot_name(s->slots[i].kind));
                comma = ",";
        }
        fputs("]", stdout);
        if (s->open != 0)
                printf(",\"credentials\":%u,\"next_export\":%lu,\"exports\":%u,\"exports_unacknowledged\":%u,"
                       "\"exports_fill_percent\":%u",
                       s->credentials, s->next_export, s->exports, s->exports_unacknowledged, s->exports_fill);
        fputs("}\n", stdout);
}

static const char *tpm_sentence(keeper_tpm tpm)
{
        switch (tpm) {
        case KEEPER_TPM_ABSENT:
                break;
        case KEEPER_TPM_UNUSED:
                return "there is one; 'lethectl vault slot add tpm' lets it open the vault at start";
        case KEEPER_TPM_OPENED:
                return "opens the vault at start";
        case KEEPER_TPM_OTHER_START:
                return "does not release the key: the box was started from something else";
        case KEEPER_TPM_OTHER_TPM:
                return "does not know the key: it was cleared, or is another one";
        case KEEPER_TPM_FAILS:
                return "fails";
        }
        return nullptr;
}

static void print_status_text(const keeper_status *s)
{
        printf("generation   %lu\ndevice       ", s->state_generation);
        print_hex((view){s->device, sizeof s->device});
        fputs("\nopens by    ", stdout);
        for (size_t i = 0; i < KEY_SLOTS; i++)
                if (s->slots[i].kind != SLOT_EMPTY)
                        printf(" %s", slot_name(s->slots[i].kind));
        fputs("\n", stdout);
        if (s->open != 0)
                printf("vendor keys  %u\nnext export  %lu\n"
                       "exports      %u, %u of them not acknowledged (%u %% of their place)\n",
                       s->credentials, s->next_export, s->exports, s->exports_unacknowledged, s->exports_fill);
        else
                fputs("sealed\n", stdout);
        const char *tpm = tpm_sentence((keeper_tpm)s->tpm);
        if (tpm != nullptr)
                printf("tpm          %s\n", tpm);
}

/* On a file it asks for no passphrase: what the plain header says is a status too. */
verdict vault_status(const lethectl *c)
{
        keeper_door   door;
        keeper_status s;
        verdict       r = door_open(c, c->key_file != nullptr || c->from_stdin, &door);
        if (r == DONE)
                r = door_call(&door, KEEPER_STATUS, (view){}, &s, sizeof s);
        door_close(&door);
        if (r == DONE)
                (c->json ? print_status_json : print_status_text)(&s);
        return r;
}

/* Seals for the keeper of this start alone, and sends. */
static verdict put_sealed(keeper_door *door, const keeper_credential *credential)
{
        keeper_status s;
        uint8_t       sealed[sizeof *credential + SEAL_OVERHEAD];
        verdict       r = door_call(door, KEEPER_STATUS, (view){}, &s, sizeof s);
        if (r != DONE)
                return r;
        seal_close(s.seal_key, (view){(const uint8_t *)credential, sizeof *credential}, sealed);
        return door_call(door, KEEPER_PUT, (view){sealed, sizeof sealed}, nullptr, 0);
}

static verdict read_vendor_key(const lethectl *c, keeper_credential *out)
{
        secret_line secret;
        if (!secret_ask(c, "Vendor key: ", &secret))
                return REFUSED;
        bool good = store_secret_valid(secret_view(&secret));
        if (good) {
                memcpy(out->secret, secret.bytes, secret.len);
                out->len = (uint32_t)secret.len;
        }
        secret_line_wipe(&secret);
        return good ? DONE : refuse("a vendor key has 1 to 512 visible ASCII characters without spaces", nullptr);
}

verdict vault_put(const lethectl *c)
{
        keeper_credential credential = {};
        view              name = view_of_text(c->words[0]);
        if (!store_name_valid(name))
                return misused("a name has 1 to 31 of A-Z a-z 0-9 . _ : / -");
        if (c->host == nullptr)
                return misused("say which host may get this key: --host api.example.com");
        view host = view_of_text(c->host);
        if (host.len >= sizeof credential.host)
                return misused("a host name has at most 255 characters");
        for (size_t i = 0; i < host.len; i++)
                credential.host[i] = (char)ascii_lower(host.data[i]);
        if (!store_host_valid(view_of_text(credential.host)))
                return misused("--host takes a host name alone, without https://, port or path");
        memcpy(credential.name, name.data, name.len);

        keeper_door door;
        verdict     r = door_open(c, true, &door);
        if (r == DONE)
                r = read_vendor_key(c, &credential);
        if (r == DONE)
                r = put_sealed(&door, &credential);
        door_close(&door);
        wipe(&credential, sizeof credential);
        if (r == DONE)
                printf("kept %s for %s\n", c->words[0], c->host);
        return r;
}

/* Fields came through a file or the network: they end inside. */
static bool listed_sound(const keeper_listed *row)
{
        return memchr(row->name, '\0', sizeof row->name) != nullptr
               && memchr(row->host, '\0', sizeof row->host) != nullptr;
}

static void print_listed(const lethectl *c, const keeper_listed *row, bool first)
{
        if (!c->json) {
                printf("%-24s %-32s ", row->name, row->host);
                print_hex((view){row->fingerprint, sizeof row->fingerprint});
                fputs("\n", stdout);
                return;
        }
        fputs(first ? "{\"name\":" : ",{\"name\":", stdout);
        print_json(view_of_text(row->name));
        fputs(",\"host\":", stdout);
        print_json(view_of_text(row->host));
        fputs(",\"fingerprint\":\"", stdout);
        print_hex((view){row->fingerprint, sizeof row->fingerprint});
        fputs("\"}", stdout);
}

verdict vault_list(const lethectl *c)
{
        keeper_door door;
        verdict     r = door_open(c, true, &door);
        if (r != DONE)
                return r;
        region out;
        region_init(&out, KEEPER_BYTES);
        err e = door.call(door.ctx, KEEPER_LIST, (view){}, &out);
        if (failed(e))
                r = door.why[0] != '\0' ? refuse(door.why, nullptr) : refuse(err_describe(e.code)->text, nullptr);
        else if (out.len % sizeof(keeper_listed) != 0)
                r = refuse("the keeper's answer is of another version", "Use the lethectl that came with this lethed.");
        if (r == DONE && c->json)
                fputs("[", stdout);
        for (size_t at = 0; r == DONE && at < out.len; at += sizeof(keeper_listed)) {
                keeper_listed row;
                memcpy(&row, out.bytes + at, sizeof row);
                if (listed_sound(&row))
                        print_listed(c, &row, at == 0);
        }
        if (r == DONE && c->json)
                fputs("]\n", stdout);
        region_end(&out);
        door_close(&door);
        return r;
}

verdict vault_remove(const lethectl *c)
{
        keeper_door door;
        verdict     r = door_open(c, true, &door);
        if (r != DONE)
                return r;
        region out;
        region_init(&out, KEEPER_BYTES);
        err e = door.call(door.ctx, KEEPER_REMOVE, view_of_text(c->words[0]), &out);
        region_end(&out);
        if (e.code == ERR_NO_TARGET)
                r = refuse("there is no vendor key of that name", "lethectl vault list shows them.");
        else if (failed(e))
                r = door.why[0] != '\0' ? refuse(door.why, nullptr) : refuse(err_describe(e.code)->text, nullptr);
        door_close(&door);
        if (r == DONE)
                printf("removed %s; older copies of the state file may still hold it, so withdraw it at the vendor "
                       "too\n",
                       c->words[0]);
        return r;
}
