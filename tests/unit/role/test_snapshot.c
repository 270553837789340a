/* The files of a generation: bytes as they were, and no way out of the folder. */
#include "role/supervise.h"


#include "stand_in.h"

static const char SUBJECT[] = "snapshot";
static stage      t;
static snapshots  g;

static bool reads(int fd, const char *text)
{
        char    room[64] = {};
        ssize_t n = fd < 0 ? -1 : read(fd, room, sizeof room - 1);
        if (fd >= 0)
                close(fd);
        return n >= 0 && strcmp(room, text) == 0;
}

static size_t descriptors_open(void)
{
        size_t n = 0;
        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) != -1;
        return n;
}

static void files_stay_as_they_were(void)
{
        stage_write(&t, "config/a", "one");
        tap_ok(reads(snapshot_open(t.s, &g, "a"), "one"), SUBJECT, "a file is read at its first opening");
        stage_write(&t, "config/a", "two");
        tap_ok(reads(snapshot_open(t.s, &g, "a"), "one"), SUBJECT, "a file written over afterwards reads as it was");
        char from[256], to[256];
        stage_write(&t, "config/new", "three");
        stage_path(&t, "config/new", from);
        stage_path(&t, "config/a", to);
        must(rename(from, to) == 0, "rename");
        tap_ok(reads(snapshot_open(t.s, &g, "a"), "one"), SUBJECT, "and one that another took the place of");
        must(unlink(to) == 0, "unlink");
        tap_ok(reads(snapshot_open(t.s, &g, "a"), "one"), SUBJECT, "and one that was removed");
        snapshots next = {};
        stage_write(&t, "config/a", "four");
        tap_ok(reads(snapshot_open(t.s, &next, "a"), "four"), SUBJECT, "the next generation reads it as it is then");
        tap_ok(reads(snapshot_open(t.s, nullptr, "a"), "four"), SUBJECT, "without a generation it reads as it is now");
        snapshots_forget(&next);
}

static void no_name_leaves_the_folder(void)
{
        static const struct {
                const char *name, *sentence;
        } rows[] = {{"../outside", "two dots do not leave the folder"},
                    {"inner/../../outside", "nor from a folder below"},
                    {"", "no name is no file"},
                    {"link", "nor by a link that leaves"},
                    {"absolute-link", "nor by one with a path from the root"},
                    {"proc-link", "nor by one of /proc"}};
        char path[256], outside[256];
        stage_write(&t, "outside", "secret");
        stage_path(&t, "outside", outside);
        stage_path(&t, "config/inner", path);
        must(mkdir(path, 0700) == 0, path);
        stage_path(&t, "config/link", path);
        must(symlink("../outside", path) == 0, path);
        stage_path(&t, "config/absolute-link", path);
        must(symlink(outside, path) == 0, path);
        stage_path(&t, "config/proc-link", path);
        must(symlink("/proc/self/exe", path) == 0, path);
        size_t before = g.count;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                bool with = snapshot_open(t.s, &g, rows[i].name) < 0 && errno != EMFILE;
                bool without = snapshot_open(t.s, nullptr, rows[i].name) < 0;
                tap_ok(with && without && g.count == before, SUBJECT, rows[i].sentence);
        }
        tap_ok(snapshot_open(t.s, &g, outside) < 0 && errno == EXDEV, SUBJECT, "nor by a path from the root");
        stage_write(&t, "config/inner/b", "below");
        stage_path(&t, "config/within", path);
        must(symlink("inner/b", path) == 0, path);
        tap_ok(reads(snapshot_open(t.s, &g, "within"), "below"), SUBJECT, "a link that stays inside is followed");
}

static void a_reader_can_only_read(void)
{
        char byte, path[64];
        int  a = snapshot_open(t.s, &g, "a"), b = snapshot_open(t.s, &g, "a");
        must(read(a, &byte, 1) == 1, "read");
        tap_ok(lseek(a, 0, SEEK_CUR) == 1 && lseek(b, 0, SEEK_CUR) == 0, SUBJECT,
                "two openings do not share an offset");
        bool denied = write(a, "x", 1) < 0 && errno == EBADF && ftruncate(a, 0) < 0
                      && mmap(nullptr, 1, PROT_WRITE, MAP_SHARED, a, 0) == MAP_FAILED;
        tap_ok(denied, SUBJECT, "who opens it can only read");
        tap_ok((fcntl(a, F_GETFD) & FD_CLOEXEC) != 0, SUBJECT, "it does not pass into another program");
        snprintf(path, sizeof path, "/proc/self/fd/%d", a);
        int w = open(path, O_RDWR | O_CLOEXEC);
        tap_ok(w < 0 || (write(w, "x", 1) < 0 && ftruncate(w, 0) < 0 && ftruncate(w, 9) < 0), SUBJECT,
               "and who opens it again for writing cannot write either");
        close(w);
        close(a);
        close(b);
}

static void what_cannot_be_had_is_said(void)
{
        tap_ok(snapshot_open(t.s, &g, "missing") < 0 && errno == ENOENT, SUBJECT, "a missing file gives its errno");
        stage_write(&t, "config/missing", "here");
        tap_ok(reads(snapshot_open(t.s, &g, "missing"), "here"), SUBJECT, "and is found once it is there");
        size_t before = descriptors_open();
        tap_ok(snapshot_open(t.s, &g, "inner") < 0 && errno != 0 && descriptors_open() == before, SUBJECT,
               "a folder is no file, and leaves nothing open");
        stage_write(&t, "config/empty", "");
        tap_ok(reads(snapshot_open(t.s, &g, "empty"), ""), SUBJECT, "an empty file is one");
        char path[256];
        stage_path(&t, "config/large", path);
        int large = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        must(large >= 0 && ftruncate(large, 3000001) == 0 && pwrite(large, "end", 3, 2999998) == 3, "large");
        close(large);
        int  fd = snapshot_open(t.s, &g, "large");
        char end[4] = {};
        tap_ok(lseek(fd, 0, SEEK_END) == 3000001 && pread(fd, end, 3, 2999998) == 3 && strcmp(end, "end") == 0, SUBJECT,
               "a file of many megabytes is copied whole");
        close(fd);
}

static void the_table_ends(void)
{
        snapshots full = {};
        size_t    before = descriptors_open();
        char      name[32];
        bool      all = true;
        for (size_t i = 0; i < SNAPSHOTS; i++) {
                snprintf(name, sizeof name, "config/f%zu", i);
                stage_write(&t, name, "x");
                all = all && reads(snapshot_open(t.s, &full, name + 7), "x");
        }
        tap_ok(all && full.count == SNAPSHOTS, SUBJECT, "every upstream's CA and what a box needs besides find room");
        tap_ok(snapshot_open(t.s, &full, "a") < 0 && errno == EMFILE, SUBJECT, "one name more is refused");
        tap_ok(reads(snapshot_open(t.s, &full, "f0"), "x"), SUBJECT,
                "a name that is known opens when the table is full");
        snapshots_forget(&full);
        tap_ok(full.count == 0 && descriptors_open() == before, SUBJECT, "forgetting closes all");
}

static bool digest_differs(const char *const first[2], const char *const second[2])
{
        static const char *const names[] = {"d1", "d2", nullptr};
        uint8_t                  digests[2][32];
        const char *const       *texts[] = {first, second};
        for (int round = 0; round < 2; round++) {
                snapshots now = {};
                for (int i = 0; i < 2; i++) {
                        char path[256], name[32];
                        snprintf(name, sizeof name, "config/d%d", i + 1);
                        stage_path(&t, name, path);
                        unlink(path);
                        if (texts[round][i] != nullptr)
                                stage_write(&t, name, texts[round][i]);
                }
                snapshot_digest(t.s, &now, names, digests[round]);
                snapshots_forget(&now);
        }
        return memcmp(digests[0], digests[1], 32) != 0;
}

static void digests_tell_files_apart(void)
{
        static const struct {
                const char *first[2], *second[2];
                bool        differ;
                const char *sentence;
        } rows[] = {{{"ab", "cd"}, {"ab", "cd"}, false, "the same bytes have the same digest"},
                    {{"ab", "cd"}, {"ab", "ce"}, true, "another last byte has another"},
                    {{"ab", "cd"}, {"bb", "cd"}, true, "another first byte has another"},
                    {{"ab", "cd"}, {"ab", "cd "}, true, "one byte more has another"},
                    {{"ab", "cd"}, {"abc", "d"}, true, "a byte that moved to the next file has another"},
                    {{"ab", "cd"}, {"cd", "ab"}, true, "two files that changed places have another"},
                    {{"ab", nullptr}, {nullptr, "ab"}, true, "so has a file that moved to where none was"},
                    {{"ab", "cd"}, {"ab", nullptr}, true, "a file that was removed has another"}};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                tap_ok(digest_differs(rows[i].first, rows[i].second) == rows[i].differ, "digest", rows[i].sentence);
}

int main(int count, char *arguments[])
{
        stand_in_if_named(count, arguments);
        stage_make(&t);
        files_stay_as_they_were();
        no_name_leaves_the_folder();
        a_reader_can_only_read();
        what_cannot_be_had_is_said();
        the_table_ends();
        digests_tell_files_apart();
        snapshots_forget(&g);
        stage_end(&t);
        return tap_done();
}
