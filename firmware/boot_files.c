#include "firmware/boot_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/secret.h"
#include "firmware/cmdline.h"
#include "firmware/file.h"

#define UEFI_FOLDER "/EFI/Linux/"
#define ENV_FILE    "/grub/env"

enum : size_t { CHUNK_BYTES = 256 * 1024, FLUSHED_TOGETHER = 4 };
enum : off_t { DISCARD_BYTES = 2 * 1024 * 1024 };
/* Directories grow, and a FAT has no use for its last byte. */
enum : uint64_t { SPARE_BYTES = 256 * 1024 };

static err refuse(notice *why, err_code code, const char *before, view middle, const char *after)
{
        notice_set(why, before, middle, after);
        return (err){code};
}

static err unwritable(notice *why)
{
        if (errno == ENOSPC)
                return refuse(why, ERR_NO_ROOM, "The boot partition is full", (view){},
                              ": there is something on it that is not Lethe's.");
        return refuse(why, ERR_SYSTEM, "The boot partition cannot be written", (view){},
                      ": the disk may be failing. What runs now is untouched.");
}

/* ---- looking ---- */

/* Of two of one slot, which a power cut can leave, the one that systemd-boot would take. */
static bool better(const slot_name *a, const slot_name *b)
{
        return a->number != b->number ? a->number > b->number : !a->counted && b->counted;
}

/* A cut while a file was renamed can leave its new name without a byte, beside the old one. No loader starts that. */
static bool is_empty(DIR *d, const char *name)
{
        struct stat st;
        return fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_size == 0;
}

static err look_at_names(const char *boot, boot_facts *out, notice *why)
{
        file_path path;
        TRY(file_path_make(&path, boot, UEFI_FOLDER, (view){}));
        DIR *d = opendir(path.text);
        if (d == nullptr)
                return refuse(why, ERR_SYSTEM, "The boot partition is not as it was", (view){},
                              ": install the image again.");
        for (struct dirent *entry; (entry = readdir(d)) != nullptr;) {
                slot_name n;
                if (!slot_name_parse(view_of_text(entry->d_name), &n) || is_empty(d, entry->d_name))
                        continue;
                boot_slot *s = &out->slot[n.slot];
                if (!s->there || better(&n, &s->name))
                        s->name = n;
                s->there = true;
        }
        closedir(d);
        return OK;
}

static err manifest_path(file_path *out, const char *boot, slot_id s)
{
        return file_path_make(out, boot, "/slots/", view_of_text(slot_letter(s)));
}

static bool read_manifest(const char *boot, slot_id s, bundle_manifest *out)
{
        static uint8_t bytes[BUNDLE_MANIFEST_BYTES];
        file_path      path;
        view           text;
        notice         unsaid;
        return !failed(manifest_path(&path, boot, s)) && !failed(file_read("", path.text, bytes, sizeof bytes, &text))
               && !failed(bundle_manifest_parse(text, out, &unsaid));
}

static void look_at_manifest(const char *boot, slot_id id, boot_slot *s)
{
        static bundle_manifest m;
        s->known = read_manifest(boot, id, &m);
        if (!s->known)
                return;
        memcpy(s->version, m.version, sizeof s->version);
        memcpy(s->commit, m.commit, sizeof s->commit);
        s->epoch = m.epoch;
        s->built_s = m.built_s;
}

static slot_id find_running(const boot_started *s, const boot_facts *f)
{
        slot_name n;
        if (cmdline_has(s->cmdline, VIEW("lethe.slot=a")))
                return SLOT_A;
        if (cmdline_has(s->cmdline, VIEW("lethe.slot=b")))
                return SLOT_B;
        if (slot_name_parse(s->entry, &n))
                return n.slot;
        for (slot_id i = SLOT_A; i < SLOT_COUNT; i++)
                if (f->slot[i].known && strcmp(f->slot[i].version, s->image->version) == 0
                    && strcmp(f->slot[i].commit, s->image->commit) == 0)
                        return i;
        return SLOT_NONE;
}

err boot_look(const char *boot, const boot_started *s, boot_facts *out, notice *why)
{
        uint8_t   bytes[SLOT_ENV_BYTES];
        view      env = {};
        file_path path;
        *out = (boot_facts){.running = SLOT_NONE};
        TRY(look_at_names(boot, out, why));
        TRY(file_path_make(&path, boot, ENV_FILE, (view){}));
        (void)!failed(file_read("", path.text, bytes, sizeof bytes, &env));
        out->env_good = slot_env_parse(env, &out->env);
        for (slot_id i = SLOT_A; i < SLOT_COUNT; i++)
                look_at_manifest(boot, i, &out->slot[i]);
        out->running = find_running(s, out);
        if (out->running == SLOT_NONE)
                return OK;
        out->by_grub = cmdline_has(s->cmdline, VIEW("lethe.slot=a")) || cmdline_has(s->cmdline, VIEW("lethe.slot=b"));
        boot_state state = boot_state_of(out, out->running);
        out->on_trial = state == BOOT_TO_PROVE || state == BOOT_FAILED;
        return OK;
}

boot_state boot_state_of(const boot_facts *f, slot_id s)
{
        const slot_name *n = &f->slot[s].name;
        if (!f->slot[s].there)
                return BOOT_NOTHING;
        bool     proven = f->by_grub ? f->env.ok[s] : !n->counted;
        uint32_t left = f->by_grub ? f->env.left[s] : n->left;
        return proven ? BOOT_PROVEN : left > 0 ? BOOT_TO_PROVE : BOOT_FAILED;
}

/* ---- writing ---- */

/* On a FAT syncfs hands everything to the disk, and fsync alone tells the disk to keep it. */
static err sync_all(const char *boot, notice *why)
{
        int fd = open(boot, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int done = fd < 0 || syncfs(fd) != 0 ? -1 : fsync(fd);
        if (fd >= 0)
                close(fd);
        return done == 0 ? OK : unwritable(why);
}

static void step(const boot_progress *p, uint64_t done, uint64_t all)
{
        if (p != nullptr)
                p->step(p->ctx, (uint32_t)(done * 100 / all));
}

typedef struct writer {
        const char          *boot;
        const boot_progress *progress;
        uint64_t             done, all; /* bytes */
        notice              *why;
} writer;

/* The first piece is on the disk, with the name that leads to it, before there are more, and then a few at a time: a
 * chain of clusters that no name leads to when the power goes is lost room. */
static ssize_t write_piece(int fd, view rest, size_t nth)
{
        ssize_t n = write(fd, rest.data, rest.len < CHUNK_BYTES ? rest.len : CHUNK_BYTES);
        return nth % FLUSHED_TOGETHER == 0 && n > 0 && fsync(fd) != 0 ? -1 : n;
}

static err write_pieces(writer *w, int fd, view content)
{
        for (size_t nth = 0; content.len > 0; nth++) {
                ssize_t n = write_piece(fd, content, nth);
                if (n <= 0)
                        return unwritable(w->why);
                content = view_slice(content, (size_t)n, content.len);
                w->done += (uint64_t)n;
                step(w->progress, w->done, w->all);
        }
        if (fsync(fd) != 0)
                return unwritable(w->why);
        /* What is read back is to come from the disk. */
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        return OK;
}

static err read_back(const char *path, uint64_t bytes, const uint8_t sha256[static 32], notice *why)
{
        view    v;
        uint8_t found[32];
        bool    same = !failed(file_map("", path, &v)) && v.len == bytes;
        if (same) {
                secret_sha256(found, v);
                same = memcmp(found, sha256, sizeof found) == 0;
        }
        file_unmap(&v);
        return same ? OK
                    : refuse(why, ERR_BAD_FILE, "What was written to the boot partition reads back as something else",
                             (view){}, ": the disk may be failing. What runs now is untouched.");
}

static err write_file(writer *w, const char *name, view content, const uint8_t sha256[static 32])
{
        file_path path;
        TRY(file_path_make(&path, w->boot, name, (view){}));
        int fd = open(path.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return unwritable(w->why);
        err e = write_pieces(w, fd, content);
        close(fd);
        TRY(e);
        TRY(sync_all(w->boot, w->why));
        return read_back(path.text, content.len, sha256, w->why);
}

static err write_small(writer *w, const char *name, view content)
{
        uint8_t sha256[32];
        secret_sha256(sha256, content);
        return write_file(w, name, content, sha256);
}

/* In place: GRUB knows where its blocks lie, and one sector holds all that changes. */
static err write_env(const char *boot, const slot_env *env, notice *why)
{
        uint8_t   bytes[SLOT_ENV_BYTES];
        file_path path;
        slot_env_write(env, bytes);
        TRY(file_path_make(&path, boot, ENV_FILE, (view){}));
        int  fd = open(path.text, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        bool good = fd >= 0 && pwrite(fd, bytes, sizeof bytes, 0) == sizeof bytes && fsync(fd) == 0;
        if (fd >= 0)
                close(fd);
        return good ? sync_all(boot, why) : unwritable(why);
}

static err rename_in(const char *boot, const char *from, const char *to, notice *why)
{
        file_path a, b;
        TRY(file_path_make(&a, boot, UEFI_FOLDER, view_of_text(from)));
        TRY(file_path_make(&b, boot, UEFI_FOLDER, view_of_text(to)));
        if (strcmp(from, to) != 0 && rename(a.text, b.text) != 0)
                return unwritable(why);
        return sync_all(boot, why);
}

/* ---- an update ---- */

/* "lethe_NUMBER_SLOT.tmp": no loader takes it for an image. */
static void temporary(const slot_name *n, char out[static SLOT_NAME_BYTES])
{
        slot_name plain = *n;
        plain.counted = false;
        slot_name_write(&plain, out);
        memcpy(out + strlen(out) - 4, ".tmp", 4);
}

static bool is_of(const char *name, slot_id s)
{
        char      text[SLOT_NAME_BYTES];
        slot_name n;
        size_t    len = strlen(name);
        if (len >= sizeof text || len < 4)
                return false;
        memcpy(text, name, len + 1);
        if (memcmp(text + len - 4, ".tmp", 4) == 0)
                memcpy(text + len - 4, ".efi", 4);
        return slot_name_parse(view_of_text(text), &n) && n.slot == s;
}

/* What is done with each file of a slot in EFI/Linux. */
typedef err name_work(const char *folder, const char *name, void *ctx);

static err each_name(const char *boot, slot_id s, name_work *work, void *ctx)
{
        file_path folder;
        TRY(file_path_make(&folder, boot, UEFI_FOLDER, (view){}));
        DIR *d = opendir(folder.text);
        if (d == nullptr)
                return FAIL(SYSTEM);
        err e = OK;
        for (struct dirent *entry; !failed(e) && (entry = readdir(d)) != nullptr;)
                if (is_of(entry->d_name, s))
                        e = work(folder.text, entry->d_name, ctx);
        closedir(d);
        return e;
}

/* What a slot has beside its image. */
static bool beside(file_path *out, const char *boot, slot_id s, size_t i)
{
        static const char *const bios[] = {"/vmlinuz", "/initrd", "/words"};
        file_path                folder;
        if (i == sizeof bios / sizeof *bios)
                return !failed(manifest_path(out, boot, s));
        return i < sizeof bios / sizeof *bios
               && !failed(file_path_make(&folder, boot, "/bios/", view_of_text(slot_letter(s))))
               && !failed(file_path_make(out, folder.text, bios[i], (view){}));
}

/* In two steps: clusters that are free again while a loader still reads the name could be another file's by then. */
static err hide_name(const char *folder, const char *name, void *)
{
        char      hidden[SLOT_NAME_BYTES];
        size_t    len = strlen(name);
        file_path a, b;
        memcpy(hidden, name, len + 1);
        memcpy(hidden + len - 4, ".tmp", 4);
        TRY(file_path_make(&a, folder, "", view_of_text(name)));
        TRY(file_path_make(&b, folder, "", view_of_text(hidden)));
        return strcmp(name, hidden) == 0 || rename(a.text, b.text) == 0 ? OK : FAIL(SYSTEM);
}

/* In steps: what a cut finds between the end of a name and the end of its clusters is lost until the image is installed
 * again. A file that an earlier cut damaged cannot be shortened, and goes at once. */
static int discard(const char *path)
{
        struct stat st;
        int         fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        bool        good = fd >= 0 && fstat(fd, &st) == 0;
        for (off_t at = good ? st.st_size : 0; good && at > 0;) {
                at = at > DISCARD_BYTES ? at - DISCARD_BYTES : 0;
                good = ftruncate(fd, at) == 0 && fsync(fd) == 0;
        }
        if (fd >= 0)
                close(fd);
        return unlink(path);
}

static err remove_name(const char *folder, const char *name, void *)
{
        file_path path;
        TRY(file_path_make(&path, folder, "", view_of_text(name)));
        return discard(path.text) == 0 ? OK : FAIL(SYSTEM);
}

/* First its names for both firmwares, so that nobody starts what is half gone. A cut while a file was renamed can leave
 * two names of the same bytes: both go, before anything new is written. */
static err empty_slot(const char *boot, const boot_facts *f, slot_id s, notice *why)
{
        slot_env  env = f->env;
        file_path path;
        env.first = slot_other(s);
        env.ok[s] = false;
        env.left[s] = 0;
        env.ok[slot_other(s)] = true;
        TRY(write_env(boot, &env, why));
        if (failed(each_name(boot, s, hide_name, nullptr)))
                return unwritable(why);
        TRY(sync_all(boot, why));
        if (failed(each_name(boot, s, remove_name, nullptr)))
                return unwritable(why);
        for (size_t i = 0; beside(&path, boot, s, i); i++)
                (void)discard(path.text);
        return sync_all(boot, why);
}

static uint64_t room_of(const char *path)
{
        struct stat st;
        return lstat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

/* Two names that a cut left are of the same bytes: the largest counts. */
static err most_room(const char *folder, const char *name, void *ctx)
{
        uint64_t *most = ctx, room;
        file_path path;
        TRY(file_path_make(&path, folder, "", view_of_text(name)));
        room = room_of(path.text);
        *most = room > *most ? room : *most;
        return OK;
}

/* Asked before the slot is emptied: a refused update costs nobody the version to go back to. */
static err check_room(const char *boot, slot_id s, uint64_t bytes, notice *why)
{
        struct statvfs st;
        uint64_t       room = 0;
        file_path      path;
        if (failed(each_name(boot, s, most_room, &room)) || statvfs(boot, &st) != 0)
                return unwritable(why);
        for (size_t i = 0; beside(&path, boot, s, i); i++)
                room += room_of(path.text);
        room += (uint64_t)st.f_bavail * st.f_frsize;
        errno = ENOSPC;
        return room >= bytes + SPARE_BYTES ? OK : unwritable(why);
}

static err bios_name(file_path *out, slot_id s, const char *file)
{
        file_path folder;
        TRY(file_path_make(&folder, "/bios/", slot_letter(s), (view){}));
        return file_path_make(out, folder.text, file, (view){});
}

static err write_bios(writer *w, slot_id s, view uki, const bundle_manifest *m)
{
        file_path folder, path;
        uint8_t   words[SLOT_ENV_BYTES];
        TRY(file_path_make(&folder, w->boot, "/bios/", view_of_text(slot_letter(s))));
        if (mkdir(folder.text, 0755) != 0 && errno != EEXIST)
                return unwritable(w->why);
        const struct {
                const char        *name;
                const bundle_part *part;
        } rows[] = {{"/vmlinuz", &m->vmlinuz}, {"/initrd", &m->initrd}};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                const bundle_part *p = rows[i].part;
                TRY(bios_name(&path, s, rows[i].name));
                TRY(write_file(w, path.text, view_slice(uki, p->at, p->at + p->bytes), p->sha256));
        }
        if (!slot_env_one("words", view_of_text(m->cmdline), words))
                return refuse(w->why, ERR_BAD_FILE, "The update's kernel words are too long", (view){}, ".");
        TRY(bios_name(&path, s, "/words"));
        return write_small(w, path.text, (view){words, sizeof words});
}

static uint32_t next_number(const boot_facts *f)
{
        uint32_t most = 0;
        for (slot_id i = SLOT_A; i < SLOT_COUNT; i++)
                if (f->slot[i].there && f->slot[i].name.number > most)
                        most = f->slot[i].name.number;
        return most + 1;
}

static err make_folder(const char *boot, const char *name, notice *why)
{
        file_path path;
        TRY(file_path_make(&path, boot, name, (view){}));
        return mkdir(path.text, 0755) == 0 || errno == EEXIST ? OK : unwritable(why);
}

static err write_slot(writer *w, const slot_name *n, view uki, const bundle *b)
{
        char      name[SLOT_NAME_BYTES];
        file_path path;
        temporary(n, name);
        TRY(file_path_make(&path, UEFI_FOLDER, name, (view){}));
        TRY(write_file(w, path.text, uki, b->manifest.uki.sha256));
        TRY(write_bios(w, n->slot, uki, &b->manifest));
        TRY(make_folder(w->boot, "/slots", w->why));
        TRY(manifest_path(&path, "", n->slot));
        return write_small(w, path.text, b->text);
}

/* What counts for either firmware is one write: a name, and a sector of grub/env. */
static err start_next(const char *boot, const boot_facts *f, const char *from, const slot_name *to, notice *why)
{
        char name[SLOT_NAME_BYTES];
        slot_name_write(to, name);
        TRY(rename_in(boot, from, name, why));
        slot_env env = f->env;
        env.first = to->slot;
        env.ok[to->slot] = false;
        env.left[to->slot] = SLOT_TRIES;
        env.ok[slot_other(to->slot)] = true;
        return write_env(boot, &env, why);
}

err boot_install(const char *boot, const boot_facts *f, const boot_offer *o, const boot_progress *p, notice *why)
{
        const bundle          *b = o->b;
        const bundle_manifest *m = &b->manifest;
        view                   uki = view_slice(o->file, b->image_at, b->image_at + m->uki.bytes);
        uint8_t                found[32];
        if (f->running == SLOT_NONE)
                return refuse(why, ERR_SYSTEM, "It cannot be told which slot runs", (view){},
                              ": this box was not started from its own disk. Nothing was written.");
        if (f->on_trial)
                return refuse(why, ERR_KEY_BUSY, "The version that runs has not proven itself yet", (view){},
                              ": wait a minute. Until then the other slot is what the box falls back to.");
        secret_sha256(found, uki);
        if (uki.len != m->uki.bytes || memcmp(found, m->uki.sha256, sizeof found) != 0)
                return refuse(why, ERR_BAD_FILE, "The update is cut off or damaged", (view){},
                              ": fetch it again. Nothing was written.");
        slot_name n = {next_number(f), slot_other(f->running), true, SLOT_TRIES, 0};
        uint64_t  bytes = m->uki.bytes + m->vmlinuz.bytes + m->initrd.bytes;
        writer    w = {boot, p, 0, bytes + SLOT_ENV_BYTES + b->text.len, why};
        TRY(check_room(boot, n.slot, bytes, why));
        TRY(empty_slot(boot, f, n.slot, why));
        err e = write_slot(&w, &n, uki, b);
        if (failed(e)) {
                notice unsaid;
                (void)!failed(empty_slot(boot, f, n.slot, &unsaid));
                return e;
        }
        char name[SLOT_NAME_BYTES];
        temporary(&n, name);
        return start_next(boot, f, name, &n, why);
}

/* ---- afterwards ---- */

err boot_mark_good(const char *boot, const boot_facts *f, notice *why)
{
        slot_id s = f->running;
        if (s == SLOT_NONE)
                return refuse(why, ERR_SYSTEM, "It cannot be told which slot runs", (view){}, ".");
        slot_env env = f->env;
        env.ok[s] = true;
        env.left[s] = 0;
        env.first = s;
        TRY(write_env(boot, &env, why));
        if (!f->slot[s].there || !f->slot[s].name.counted)
                return OK;
        char      from[SLOT_NAME_BYTES], to[SLOT_NAME_BYTES];
        slot_name n = f->slot[s].name;
        slot_name_write(&n, from);
        n.counted = false;
        slot_name_write(&n, to);
        return rename_in(boot, from, to, why);
}

static err check_other(const char *boot, const boot_facts *f, slot_id s, notice *why)
{
        static bundle_manifest m;
        char                   name[SLOT_NAME_BYTES];
        file_path              path;
        notice                 unsaid;
        slot_name_write(&f->slot[s].name, name);
        TRY(file_path_make(&path, boot, UEFI_FOLDER, view_of_text(name)));
        bool good = read_manifest(boot, s, &m) && !failed(read_back(path.text, m.uki.bytes, m.uki.sha256, &unsaid));
        const struct {
                const char        *name;
                const bundle_part *part;
        } rows[] = {{"/vmlinuz", &m.vmlinuz}, {"/initrd", &m.initrd}};
        for (size_t i = 0; i < sizeof rows / sizeof *rows && good; i++) {
                file_path below;
                TRY(bios_name(&below, s, rows[i].name));
                TRY(file_path_make(&path, boot, below.text, (view){}));
                good = !failed(read_back(path.text, rows[i].part->bytes, rows[i].part->sha256, &unsaid));
        }
        return good ? OK
                    : refuse(why, ERR_BAD_FILE, "The other slot is not what was once written to it", (view){},
                             ": it is not started. Install an update instead.");
}

err boot_roll_back(const char *boot, const boot_facts *f, uint32_t least_epoch, notice *why)
{
        if (f->running == SLOT_NONE)
                return refuse(why, ERR_SYSTEM, "It cannot be told which slot runs", (view){}, ".");
        slot_id          s = slot_other(f->running);
        const boot_slot *other = &f->slot[s];
        if (!other->there || !other->known)
                return refuse(why, ERR_BAD_FILE, "There is no other version on this box", (view){},
                              ": only an update can bring one.");
        if (other->epoch < least_epoch)
                return refuse(why, ERR_ROLLED_BACK, "Version ", view_of_text(other->version),
                              " is of before a security release that this box has run: it is not started any more.");
        TRY(check_other(boot, f, s, why));
        char from[SLOT_NAME_BYTES];
        slot_name_write(&other->name, from);
        slot_name n = {next_number(f), s, true, SLOT_TRIES, 0};
        return start_next(boot, f, from, &n, why);
}
