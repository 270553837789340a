#include "firmware/disks.h"

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "disks";

static void volume(const char *name, const char *uevent, const char *sectors)
{
        char path[128];
        snprintf(path, sizeof path, "/sys/class/block/%s/uevent", name);
        tree_file(path, uevent);
        snprintf(path, sizeof path, "/sys/class/block/%s/size", name);
        tree_file(path, sectors);
}

static void iso(const char *name, const char *name_on_it)
{
        static uint8_t bytes[36 * 1024];
        char path[128];
        memset(bytes, 0, sizeof bytes);
        memcpy(bytes + 32768, "\001CD001\001", 7);
        memset(bytes + 32768 + 40, ' ', 32);
        memcpy(bytes + 32768 + 40, name_on_it, strlen(name_on_it));
        snprintf(path, sizeof path, "/dev/%s", name);
        tree_bytes(path, (view){bytes, sizeof bytes});
}

static void test_state(void)
{
        disks_found f;
        notice why = {};
        volume("vda", "MAJOR=254\nDEVNAME=vda\nDEVTYPE=disk\n", "163840\n");
        volume("vda1", "DEVNAME=vda1\nDEVTYPE=partition\nPARTNAME=lethe-esp\n", "2048\n");
        disks_find_state(tree_root, &f);
        tap_ok(f.count == 0 && failed(disks_judge_state(&f, &why))
                       && text_contains(notice_view(&why), VIEW("no partition")),
               SUBJECT, "no partition of that name is a sentence");
        volume("vda3", "DEVNAME=vda3\nDEVTYPE=partition\nPARTN=3\nPARTNAME=lethe-state\n", "131072\n");
        disks_find_state(tree_root, &f);
        tap_ok(f.count == 1 && strcmp(f.name, "vda3") == 0 && f.bytes == 64 * 1024 * 1024
                       && !failed(disks_judge_state(&f, &why)),
               SUBJECT, "the one of that name");
        volume("vdb2", "DEVNAME=vdb2\nPARTNAME=lethe-state2\nXPARTNAME=lethe-state\n", "131072\n");
        disks_find_state(tree_root, &f);
        tap_ok(f.count == 1, SUBJECT, "names that only resemble it are others");
        volume("vda3", "DEVNAME=vda3\nPARTNAME=lethe-state\n", "131071\n");
        disks_find_state(tree_root, &f);
        tap_ok(failed(disks_judge_state(&f, &why))
                       && text_contains(notice_view(&why), VIEW("too small: make it 64 MiB")),
               SUBJECT, "it must hold the vault and what the box keeps of itself");
        volume("sda1", "DEVNAME=sda1\nPARTNAME=lethe-state\n", "131072\n");
        disks_find_state(tree_root, &f);
        tap_ok(f.count == 2 && failed(disks_judge_state(&f, &why))
                       && text_contains(notice_view(&why), VIEW("More than one")),
               SUBJECT, "two are one too many");
}

static void test_config(void)
{
        disks_found f;
        notice why = {};
        disks_find_config(tree_root, &f);
        tap_ok(f.count == 0 && failed(disks_judge_config(&f, &why))
                       && text_contains(notice_view(&why), VIEW("LETHECFG")),
               SUBJECT, "no config drive is a sentence");
        volume("sr0", "DEVNAME=sr0\n", "72\n");
        volume("sr1", "DEVNAME=sr1\n", "72\n");
        volume("sr2", "DEVNAME=sr2\n", "0\n");
        iso("sr0", "LETHECFG");
        iso("sr1", "LETHECFG2");
        iso("sr2", "LETHECFG");
        disks_find_config(tree_root, &f);
        tap_ok(f.count == 1 && strcmp(f.name, "sr0") == 0 && f.kind == LABEL_ISO
                       && !failed(disks_judge_config(&f, &why)),
               SUBJECT, "the volume of that label; a drive without a disc is none");
        iso("sr1", "LETHECFG");
        disks_find_config(tree_root, &f);
        tap_ok(f.count == 2 && failed(disks_judge_config(&f, &why)), SUBJECT, "two are one too many");
}

int main(void)
{
        tree_make();
        test_state();
        test_config();
        tree_remove();
        disks_found f;
        disks_find_state(tree_root, &f);
        tap_ok(f.count == 0 && disks_field(VIEW("A=1\nB=\n"), VIEW("B")).len == 0, SUBJECT,
               "without disks there are none");
        return tap_done();
}
