/* The door on the state file itself: the same operations as a running keeper's, while none is running. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/emit.h"
#include "base/secret.h"
#include "prog/lethectl_backup.h"
#include "vault/serve.h"

typedef struct file_door {
        int       fd;
        store     store;
        seal_pair pair;
} file_door;

static err file_call(void *ctx, keeper_op op, view in, region *out)
{
        file_door *d = ctx;
        if (op == KEEPER_EXPORT_NOW)
                return FAIL(NO_KEEPER);
        TRY(region_reserve(out, KEEPER_BYTES));
        emit e = emit_into(out->bytes + out->len, KEEPER_BYTES);
        TRY(serve_keeper(&d->store, &d->pair, op, in, &e));
        out->len += e.len;
        return OK;
}

static void file_close(void *ctx)
{
        file_door *d = ctx;
        store_close(&d->store);
        seal_wipe(&d->pair);
        close(d->fd);
        free(d);
}

static bool has_slot(const store *s, slot_kind kind)
{
        for (size_t i = 0; i < KEY_SLOTS; i++)
                if (s->info.slots[i].kind == kind)
                        return true;
        return false;
}

static verdict opened(const lethectl *c, err e)
{
        if (!failed(e))
                return DONE;
        if (e.code == ERR_NO_ROOM)
                return refuse("there is not enough free memory to try the passphrase", "Free some and try again.");
        if (e.code == ERR_SYSTEM && (errno == ENOMEM || errno == EPERM || errno == EAGAIN))
                return refuse_err("memory cannot be locked against swapping", e,
                                  "Allow it: ulimit -l 1024 (KiB) is enough.");
        return refuse_err(c->state, e, nullptr);
}

static verdict unlock_by_file(const lethectl *c, store *s)
{
        region bytes;
        err    e = file_read(c->key_file, KEY_FILE_BYTES, &bytes);
        if (e.code == ERR_SYSTEM) {
                region_end(&bytes);
                return refuse_err(c->key_file, e, nullptr);
        }
        if (failed(e) || bytes.len != KEY_FILE_BYTES) {
                region_end(&bytes);
                return refuse("this is not a key file: it does not have 32 bytes", nullptr);
        }
        verdict r = has_slot(s, SLOT_KEY_FILE)
                            ? opened(c, store_unlock_secret(s, SLOT_KEY_FILE, region_view(&bytes)))
                            : refuse("this vault has no key file, it opens by passphrase", "Leave --key-file out.");
        region_end(&bytes);
        return r;
}

static verdict unlock_store(const lethectl *c, store *s)
{
        if (c->key_file != nullptr)
                return unlock_by_file(c, s);
        if (!has_slot(s, SLOT_PASSPHRASE))
                return refuse("this vault opens by its key file", "Name it with --key-file FILE.");
        secret_line pass;
        if (!secret_ask(c, "Passphrase of the vault: ", &pass))
                return REFUSED;
        verdict r = opened(c, store_unlock_secret(s, SLOT_PASSPHRASE, secret_view(&pass)));
        secret_line_wipe(&pass);
        return r;
}

static verdict attach(const lethectl *c, file_door *d)
{
        uint64_t seen = 0;
        if (c->min_generation != nullptr && !view_decimal(view_of_text(c->min_generation), UINT64_MAX, &seen))
                return misused("--min-generation takes a number");
        d->fd = open(c->state, O_RDWR | O_CLOEXEC);
        if (d->fd < 0)
                return refuse_err(c->state, FAIL(SYSTEM), errno == ENOENT ? "lethectl vault init makes one." : nullptr);
        err e = container_lock(d->fd);
        if (e.code == ERR_AGAIN)
                return refuse("lethed is using this file",
                              "Go through it (--admin URL, or LETHE_ADMIN_URL), or stop it first.");
        if (failed(e))
                return refuse_err(c->state, e, nullptr);
        e = store_attach(&d->store, d->fd, seen);
        if (e.code == ERR_ROLLED_BACK)
                return refuse_err(c->state, e, "It is an old copy: find out who put it there before you go on.");
        if (e.code == ERR_BAD_FILE)
                return refuse_err(c->state, e,
                                  "Neither of its two copies can be read by this version. Take it from a backup.");
        return failed(e) ? refuse_err(c->state, e, nullptr) : DONE;
}

verdict file_door_open(const lethectl *c, bool unlock, keeper_door *door)
{
        file_door *d = calloc(1, sizeof *d);
        if (d == nullptr)
                return refuse("no memory", nullptr);
        d->fd = -1;
        verdict r = attach(c, d);
        if (r == DONE && unlock)
                r = unlock_store(c, &d->store);
        if (r != DONE) {
                store_close(&d->store);
                if (d->fd >= 0)
                        close(d->fd);
                free(d);
                return r;
        }
        if (d->store.info.fell_back || d->store.info.good_slots < 2)
                refuse("note: one of the two copies in this file is damaged; the other one is in use",
                       "The next change writes the damaged one anew. Look at the disk.");
        seal_make(&d->pair);
        *door = (keeper_door){.call = file_call, .close = file_close, .ctx = d};
        return DONE;
}

store *file_door_store(const keeper_door *door)
{
        file_door *d = door->ctx;
        return &d->store;
}
