#include "unit/route/catalog_rows.h"

static const char SUBJECT[] = "catalog_caller";

#define END   "\"models\":[\"*\"]}]"
#define ADMIN END ",\"admin\":[{\"name\":\"ops\",\"hash\":\"" HASH_A "\"},{\"name\":\"dev\",\"hash\":\"" HASH_B "\"}]"

static const catalog_row rows[] = {
        {"keys are required", "\"keys\"", "\"note\"", "MISSING_KEY", ""},
        {"a key is an object", "[\n {\"id\"", "[null,\n {\"id\"", "WRONG_TYPE", "/keys/0"},
        {"a key's unknown key", "\"project\"", "\"projekt\"", "UNKNOWN_KEY", "/keys/0/projekt"},
        {"a key needs an id", "\"id\":\"AAAAAAAA\",", "", "MISSING_KEY", "/keys/0"},
        {"an id has 8 characters", "AAAAAAAA", "AAAAAAA", "BAD_ID", "/keys/0/id"},
        {"not 9", "AAAAAAAA", "AAAAAAAAA", "BAD_ID", "/keys/0/id"},
        {"letters, digits, - and _", "AAAAAAAA", "AAAA.AAA", "BAD_ID", "/keys/0/id"},
        {"an id is a text", "\"AAAAAAAA\"", "8", "WRONG_TYPE", "/keys/0/id"},
        {"ids are unique", "BBBBBBBB", "AAAAAAAA", "DUPLICATE_ID", "/keys/1/id"},
        {"ids keep their case", "BBBBBBBB", "aaaaaaaa", "", ""},
        {"a key needs a hash", "\"hash\":\"" HASH_A "\",", "", "MISSING_KEY", "/keys/0"},
        {"a hash has 64 digits", HASH_A, "0011", "BAD_HASH", "/keys/0/hash"},
        {"a hash is lower case", "001122", "00112B", "BAD_HASH", "/keys/0/hash"},
        {"a hash is hexadecimal", "001122", "00112g", "BAD_HASH", "/keys/0/hash"},
        {"a key needs a project", "\"project\":\"alpha\",", "", "MISSING_KEY", "/keys/0"},
        {"a project is a name", "\"project\":\"alpha\"", "\"project\":\"al pha\"", "BAD_NAME", "/keys/0/project"},
        {"a key needs models", ",\"models\":[\"small\"]", "", "MISSING_KEY", "/keys/0"},
        {"at least one", "[\"small\"]", "[]", "EMPTY_LIST", "/keys/0/models"},
        {"that exist", "[\"small\"]", "[\"big\",\"smal\"]", "UNKNOWN_MODEL", "/keys/0/models/1"},
        {"once", "[\"small\"]", "[\"small\",\"small\"]", "DUPLICATE_NAME", "/keys/0/models/1"},
        {"a model is a text", "[\"small\"]", "[1]", "WRONG_TYPE", "/keys/0/models/0"},
        {"all of them stand alone", "[\"*\"]", "[\"*\",\"big\"]", "NOT_ALLOWED", "/keys/1/models"},
        {"and once", "[\"*\"]", "[\"*\",\"*\"]", "NOT_ALLOWED", "/keys/1/models"},
        {"an end is a time", "[\"small\"]", "[\"small\"],\"expires\":\"2027-01-01\"", "BAD_TIME", "/keys/0/expires"},
        {"written as a text", "[\"small\"]", "[\"small\"],\"expires\":1", "WRONG_TYPE", "/keys/0/expires"},
        {"a priority is a known word", "[\"small\"]", "[\"small\"],\"priority\":\"hihg\"", "UNKNOWN_WORD",
         "/keys/0/priority"},
        {"a priority is a text", "[\"small\"]", "[\"small\"],\"priority\":2", "WRONG_TYPE", "/keys/0/priority"},
        {"consent is true or false", "[\"small\"]", "[\"small\"],\"downgrade\":\"yes\"", "WRONG_TYPE",
         "/keys/0/downgrade"},
        {"that to pay too", "[\"small\"]", "[\"small\"],\"hedge\":1", "WRONG_TYPE", "/keys/0/hedge"},
        {"a residency is a list", "[\"small\"]", "[\"small\"],\"residency\":\"eu\"", "WRONG_TYPE", "/keys/0/residency"},
        {"of tags that upstreams carry", "[\"small\"]", "[\"small\"],\"residency\":[\"eu\"]", "IMPOSSIBLE_RESIDENCY",
         "/keys/0/residency/0"},
        {"admins may be none", END, END ",\"admin\":[]", "", ""},
        {"an admin's unknown key", END, END ",\"admin\":[{\"nam\":\"x\"}]", "UNKNOWN_KEY", "/admin/0/nam"},
        {"an admin needs a name", END, END ",\"admin\":[{\"hash\":\"" HASH_A "\"}]", "MISSING_KEY", "/admin/0"},
        {"an admin needs a hash", END, END ",\"admin\":[{\"name\":\"x\"}]", "MISSING_KEY", "/admin/0"},
        {"admin names are unique", END,
         END ",\"admin\":[{\"name\":\"x\",\"hash\":\"" HASH_A "\"},{\"name\":\"x\",\"hash\":\"" HASH_B "\"}]",
         "DUPLICATE_NAME", "/admin/1/name"},
        {"at most 8 admins", END, END ",\"admin\":[1,2,3,4,5,6,7,8,9]", "TOO_MANY", "/admin"},
};

static void seen(void)
{
        const catalog *c = catalog_with("", "");
        tap_ok(c != nullptr && c->key_count == 2 && strcmp(c->keys[0].id, "AAAAAAAA") == 0 && c->keys[0].hash[1] == 0x11
                       && c->keys[1].hash[0] == 0xff,
               SUBJECT, "id and hash are kept");
        tap_ok(c != nullptr && c->project_count == 2 && strcmp(c->projects[0], "alpha") == 0
                       && strcmp(c->projects[1], "beta") == 0 && c->keys[0].project == 0 && c->keys[1].project == 1,
               SUBJECT, "projects are numbered in order of first use");
        tap_ok(c != nullptr && catalog_key_allows(&c->keys[0], 0) && !catalog_key_allows(&c->keys[0], 1)
                       && !c->keys[0].any_model,
               SUBJECT, "a key may use its models and no others");
        tap_ok(c != nullptr && catalog_key_allows(&c->keys[1], 0) && catalog_key_allows(&c->keys[1], 1)
                       && c->keys[1].any_model,
               SUBJECT, "or all of them");
        tap_ok(c != nullptr && c->keys[0].expires_s == UINT64_MAX && c->admin_count == 0, SUBJECT,
               "without an end it is for ever");
        c = catalog_with("\"beta\"", "\"alpha\"");
        tap_ok(c != nullptr && c->project_count == 1 && c->keys[1].project == 0, SUBJECT, "keys may share a project");
        c = catalog_with("[\"small\"]", "[\"small\"],\"expires\":\"2027-01-01T00:00:00Z\"");
        tap_ok(c != nullptr && c->keys[0].expires_s == 1798761600, SUBJECT, "an end is kept");
        tap_ok(c != nullptr && c->keys[0].priority == PRIORITY_NORMAL && !c->keys[0].downgrade && !c->keys[0].hedge
                       && c->keys[0].residency == 0,
               SUBJECT, "unless it is said, a key has no privileges and bounds");
        static const struct {
                const char *put;
                catalog_priority want;
        } priorities[] = {{"[\"small\"],\"priority\":\"low\"", PRIORITY_LOW},
                          {"[\"small\"],\"priority\":\"normal\"", PRIORITY_NORMAL},
                          {"[\"small\"],\"priority\":\"high\"", PRIORITY_HIGH}};
        for (size_t i = 0; i < sizeof priorities / sizeof priorities[0]; i++) {
                c = catalog_with("[\"small\"]", priorities[i].put);
                tap_ok(c != nullptr && c->keys[0].priority == priorities[i].want
                               && c->keys[1].priority == PRIORITY_NORMAL,
                       SUBJECT, "a priority is kept");
        }
        c = catalog_with("[\"small\"]", "[\"small\"],\"downgrade\":true");
        tap_ok(c != nullptr && c->keys[0].downgrade && !c->keys[0].hedge && !c->keys[1].downgrade, SUBJECT,
               "consent to a lesser model is kept");
        c = catalog_with("[\"small\"]", "[\"small\"],\"hedge\":true");
        tap_ok(c != nullptr && c->keys[0].hedge && !c->keys[0].downgrade && !c->keys[1].hedge, SUBJECT,
               "consent to pay twice is kept");
        c = catalog_with(END, ADMIN);
        tap_ok(c != nullptr && c->admin_count == 2 && strcmp(c->admins[1].name, "dev") == 0
                       && c->admins[1].hash[0] == 0xff,
               SUBJECT, "admins are kept");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        catalog_check(SUBJECT, rows, sizeof rows / sizeof rows[0]);
        seen();
        return tap_done();
}
