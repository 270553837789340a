#include "firmware/file.h"

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "file";

static void test_reading(void)
{
        uint8_t bytes[8];
        view v;
        tree_file("/etc/eight", "12345678");
        tree_file("/etc/nine", "123456789");
        tree_file("/etc/empty", "");
        tap_ok(!failed(file_read(tree_root, "/etc/eight", bytes, sizeof bytes, &v)) && view_equal(v, VIEW("12345678")),
               SUBJECT, "a file that just fits is read");
        tap_ok(file_read(tree_root, "/etc/nine", bytes, sizeof bytes, &v).code == ERR_NO_ROOM, SUBJECT,
               "one byte more is said");
        tap_ok(!failed(file_read(tree_root, "/etc/empty", bytes, sizeof bytes, &v)) && v.len == 0, SUBJECT,
               "an empty file is empty");
        tap_ok(file_read(tree_root, "/etc/none", bytes, sizeof bytes, &v).code == ERR_SYSTEM
                       && file_read(tree_root, "/etc", bytes, sizeof bytes, &v).code == ERR_SYSTEM,
               SUBJECT, "what is no file is refused");
        tap_ok(file_exists(tree_root, "/etc/nine") && !file_exists(tree_root, "/etc/none"), SUBJECT, "what is there");
}

static void test_writing(void)
{
        tap_ok(failed(file_write(tree_root, "/etc/new", VIEW("x"))) && !file_exists(tree_root, "/etc/new"), SUBJECT,
               "writing makes no file");
        tap_ok(!failed(file_create(tree_root, "/etc/new", VIEW("long\n")))
                       && !failed(file_create(tree_root, "/etc/new", VIEW("s\n")))
                       && view_equal(tree_read("/etc/new"), VIEW("s\n")),
               SUBJECT, "creating does, and leaves nothing of what was there");
        tap_ok(!failed(file_write(tree_root, "/etc/new", VIEW("t"))) && view_equal(tree_read("/etc/new"), VIEW("t\n")),
               SUBJECT, "writing changes in place");
}

static void test_mapping(void)
{
        view v, none;
        bool good = !failed(file_map(tree_root, "/etc/eight", &v));
        unlink(tree_path("/etc/eight"));
        tap_ok(good && view_equal(v, VIEW("12345678")), SUBJECT, "a mapped file outlives its name");
        file_unmap(&v);
        tap_ok(v.len == 0 && !failed(file_map(tree_root, "/etc/empty", &none)) && none.len == 0
                       && failed(file_map(tree_root, "/etc/eight", &v)),
               SUBJECT, "an empty one maps to nothing, a missing one is said");
}

static void test_paths(void)
{
        file_path p;
        char deep[FILE_PATH_BYTES];
        memset(deep, 'd', sizeof deep - 1);
        deep[sizeof deep - 1] = '\0';
        tap_ok(!failed(file_path_make(&p, "/r", "/p/", VIEW("n"))) && strcmp(p.text, "/r/p/n") == 0, SUBJECT,
               "root, path and name");
        tap_ok(file_path_make(&p, "", deep, (view){}).code == ERR_NONE
                       && file_path_make(&p, "/", deep, (view){}).code == ERR_NO_ROOM,
               SUBJECT, "a path that does not fit is said");
}

int main(void)
{
        tree_make();
        test_reading();
        test_writing();
        test_mapping();
        test_paths();
        tree_remove();
        return tap_done();
}
