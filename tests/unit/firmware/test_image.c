#include "firmware/image.h"

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "image";

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
        const char *sentence;
        view text;
        bool good;
} rows[] = {
        {"four lines", VIEW_INIT("version 1.0\ncommit abc\nepoch 1795000000\nkernel 6.12\n"), true},
        {"in any order", VIEW_INIT("kernel 6.12\nepoch 1\ncommit abc\nversion 1.0"), true},
        {"one is missing", VIEW_INIT("version 1.0\ncommit abc\nepoch 1795000000\n"), false},
        {"no epoch", VIEW_INIT("version 1.0\ncommit abc\nepoch 0\nkernel 6.12\n"), false},
        {"one twice", VIEW_INIT("version 1.0\nversion 1.0\ncommit abc\nepoch 1\nkernel 6.12\n"), false},
        {"one more", VIEW_INIT("version 1.0\ncommit abc\nepoch 1\nkernel 6.12\nname x\n"), false},
        {"a word too many", VIEW_INIT("version 1.0 beta\ncommit abc\nepoch 1\nkernel 6.12\n"), false},
        {"a number that is none", VIEW_INIT("version 1.0\ncommit abc\nepoch 1e9\nkernel 6.12\n"), false},
        {"a byte that is no text", VIEW_INIT("version 1\x1b\ncommit abc\nepoch 1\nkernel 6.12\n"), false},
        {"the digest of the root", VIEW_INIT("version 1.0\ncommit abc\nepoch 1\nkernel 6.12\nroot " DIGEST "\n"), true},
        {"cut", VIEW_INIT("version 1.0\ncommit abc\nepoch 1\nkernel 6.12\nroot 0123\n"), false},
        {"twice", VIEW_INIT("version 1\ncommit abc\nepoch 1\nkernel 6\nroot " DIGEST "\nroot " DIGEST "\n"), false},
        {"nothing", VIEW_INIT(""), false},
};

int main(void)
{
        image i;
        notice why = {};
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
                tap_ok(image_parse(rows[r].text, &i) == rows[r].good, SUBJECT, rows[r].sentence);
        tree_make();
        tree_file("/etc/lethe/image", "version 1.0\ncommit abc\nepoch 1795000000\nkernel 6.12\n");
        tap_ok(!failed(image_read(tree_root, &i, &why)) && strcmp(i.version, "1.0") == 0 && i.epoch_s == 1795000000,
               SUBJECT, "the image's own file");
        tree_file("/etc/lethe/image", "version 1.0\ncommit abc\nepoch 1\nkernel 6.12\nroot " DIGEST "\n");
        tap_ok(!failed(image_read(tree_root, &i, &why)) && i.root[0] == 0x01 && i.root[31] == 0xef, SUBJECT,
               "with its digest as bytes");
        tree_remove();
        tap_ok(failed(image_read(tree_root, &i, &why)) && why.len > 0, SUBJECT, "which is said when it is not there");
        return tap_done();
}
