#include "find.h"

#include <stdlib.h>

#include "codec/config_json.h"

static const char SUBJECT[] = "detect";

/* What of the row's entity was found, in order, is what the row says, and nothing else was. */
static bool row_holds(const config_node *row, config_fault *fault)
{
        view               entity, text, value;
        const config_node *found;
        char               want[1024] = "";
        size_t             len = 0;
        if (failed(config_text(row, "entity", &entity, fault))
            || failed(config_text(row, "text", &text, fault))
            || failed(config_member(row, "found", CONFIG_ARRAY, &found, fault)))
                return false;
        for (const config_node *n = config_first(found); n != nullptr; n = config_next(n)) {
                if (failed(config_text_of(n, &value, fault)))
                        return false;
                len += (size_t)snprintf(want + len, sizeof want - len, "%s%.*s=%.*s", len > 0 ? " " : "",
                                        (int)entity.len, (const char *)entity.data, (int)value.len,
                                        (const char *)value.data);
        }
        const char *got = find(text);
        if (strcmp(got, want) == 0)
                return true;
        printf("# wanted %s\n# got    %s\n", want, got);
        return false;
}

/* The vectors that auditors read. */
static void test_vectors(const char *path)
{
        static uint8_t text[65536];
        config_fault   fault = {};
        config_doc    *doc = nullptr;
        FILE          *f = fopen(path, "rb");
        size_t         len = f == nullptr ? 0 : fread(text, 1, sizeof text, f);
        if (f != nullptr)
                fclose(f);
        bool good = !failed(config_parse((view){text, len}, &doc, &fault));
        const config_node *rows = good ? config_get(config_root(doc), "vectors") : nullptr;
        good = good && config_count(rows) > 0;
        for (const config_node *n = config_first(rows); n != nullptr && good; n = config_next(n))
                good = row_holds(n, &fault);
        tap_ok(good, SUBJECT, path);
        if (doc != nullptr)
                config_free(doc);
}

static const find_row rows[] = {
        {"nothing in nothing", "", ""},
        {"kinds side by side", "a@example.com 625-08-4086 192.0.2.1 +14155550123",
         "EMAIL_ADDRESS=a@example.com US_SSN=625-08-4086 IP_ADDRESS=192.0.2.1 PHONE_NUMBER=+14155550123"},
        {"an address takes the number in it", "212-555-0175@example.com", "EMAIL_ADDRESS=212-555-0175@example.com"},
        {"placeholders of ours are nothing", "EMAILxT0V9M3RW CARDx41111111 PHONEx12345678 IBANxDE893704", ""},
};

static void test_overlaps(void)
{
        find_decide[ENTITY_US_SSN].action = POLICY_BLOCK;
        tap_ok(strcmp(find(VIEW("625-08-4086@example.com")), "US_SSN=625-08-4086@example.com") == 0, SUBJECT,
               "what is blocked is not hidden in what is not");
        find_decide[ENTITY_US_SSN].action = POLICY_PSEUDONYMISE;
        static policy_decision none[ENTITY_COUNT];
        find_scan.text = VIEW("a@example.com 625-08-4086 192.0.2.1 +14155550123");
        find_scan.decide = none;
        detect(&find_scan);
        tap_ok(find_scan.count == 0, SUBJECT, "what is allowed is not reported");
        find_scan.decide = find_decide;
        find_scan.from = 5;
        detect(&find_scan);
        tap_ok(find_scan.count == 3, SUBJECT, "what begins before the window's own part is not reported");
        find_scan.from = 0;
        find_scan.last = false;
        detect(&find_scan);
        tap_ok(find_scan.horizon == 0, SUBJECT, "what may be cut by the end of the window is left to the next");
}

static void test_full(void)
{
        size_t   len = (SCAN_FINDINGS + 10) * 8;
        uint8_t *text = malloc(len);
        for (size_t i = 0; i < len; i++)
                text[i] = (uint8_t)"a@b.org "[i % 8];
        find_scan.text = (view){text, len};
        find_scan.last = true;
        detect(&find_scan);
        tap_ok(find_scan.count == SCAN_FINDINGS && find_scan.horizon == SCAN_FINDINGS * 8, SUBJECT,
               "more findings than there is room for are left to the next window");
        free(text);
}

/* Every beginning and every end of a text is scanned without looking beyond it. */
static void test_cuts(void)
{
        static const char all[] = "a.b@example.org (212) 555-0175 x12 4111 1111 1111 1111 GB82 WEST 1234 5698 7654 32 "
                                  "2001:db8::5637 192.0.2.1 11010519491231002X ey"
                                  "JhbGciOiJIUzI1NiJ9.ey"
                                  "JzdWIiOiIxMjM0In0. "
                                  "+49 (0)30 23125 759 -----BEGIN "
                                  "PRIVATE KEY-----\nAAAA\n-----END "
                                  "PRIVATE KEY----- 手机";
        size_t n = sizeof all - 1;
        for (size_t from = 0; from <= n; from++) {
                for (size_t to = from; to <= n; to += 3) {
                        uint8_t *exact = malloc(to > from ? to - from : 1);
                        memcpy(exact, all + from, to - from);
                        find_scan.text = (view){exact, to - from};
                        find_scan.last = to % 2 == 0;
                        detect(&find_scan);
                        free(exact);
                }
        }
        tap_ok(true, SUBJECT, "every part of a text with all kinds is scanned");
}

int main(void)
{
        FIND_ROWS(SUBJECT, rows);
        test_vectors("policy/vectors/contact.json");
        test_vectors("policy/vectors/finance.json");
        test_vectors("policy/vectors/gov_id.json");
        test_vectors("policy/vectors/network.json");
        test_overlaps();
        test_full();
        test_cuts();
        return tap_done();
}
