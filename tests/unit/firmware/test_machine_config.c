#include "firmware/machine.h"

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "machine_config";
static machine    m;

static void test_claim(void)
{
        char text[MACHINE_CLAIM_BYTES];
        machine_claim_text((const uint8_t[5]){}, text);
        tap_ok(strcmp(text, "AAAA-AAAA") == 0, SUBJECT, "forty bits are eight letters");
        machine_claim_text((const uint8_t[5]){0xff, 0xff, 0xff, 0xff, 0xff}, text);
        tap_ok(strcmp(text, "7777-7777") == 0, SUBJECT, "to the last of the alphabet");
        machine_claim_text((const uint8_t[5]){'f', 'o', 'o', 'b', 'a'}, text);
        tap_ok(strcmp(text, "MZXW-6YTB") == 0, SUBJECT, "as RFC 4648 has them");

        notice      why = {};
        struct stat st;
        machine_begin(&m, tree_root);
        tree_folder("/run");
        tap_ok(!failed(machine_make_claim(&m, &why)) && stat(tree_path("/run/claim"), &st) != 0, SUBJECT,
               "a box with its configuration on a drive has none");
        m.in_state = true;
        tap_ok(!failed(machine_make_claim(&m, &why)) && stat(tree_path("/run/claim"), &st) == 0 && st.st_size == 9
                       && (st.st_mode & 0777) == 0400 && strlen(m.facts.claim) == 9,
               SUBJECT, "one without has one, for the relay's user alone to read");
        char before[MACHINE_CLAIM_BYTES];
        memcpy(before, m.facts.claim, sizeof before);
        tap_ok(!failed(machine_make_claim(&m, &why)) && strcmp(before, m.facts.claim) != 0, SUBJECT,
               "another at every start");
}

static void test_drive(void)
{
        notice why = {};
        machine_begin(&m, tree_root);
        tap_ok(!failed(machine_read_drive(&m, &why)) && m.in_state && !m.facts.has_box, SUBJECT,
               "without a drive the vault has the configuration");
        m.entered_ms = 1000;
        tap_ok(machine_awaits_drive(&m, 1500) && !machine_awaits_drive(&m, 8000), SUBJECT,
               "a drive that was never there is waited for a moment");
        (void)!failed(kept_set(&m.kept, VIEW("drive"), VIEW("yes")));
        tap_ok(machine_awaits_drive(&m, 8000), SUBJECT, "one that was there at the last start is waited for longer");
        m.config.count = 1;
        tap_ok(!machine_awaits_drive(&m, 1500), SUBJECT, "one that is there is not");
}

int main(void)
{
        tree_make();
        test_claim();
        test_drive();
        tree_remove();
        return tap_done();
}
