#include "compile.h"

#include "base/secret.h"

static const char SUBJECT[] = "policy";

static const struct {
        const char *sentence;
        policy_text text;
        const char *code, *pointer;
} cases[] = {
        {"another version", {.policy = "\"pii/2\""}, "BAD_VERSION", "/policy"},
        {"no version", {.policy = ""}, "MISSING_KEY", ""},
        {"a version that is no text", {.policy = "1"}, "WRONG_TYPE", "/policy"},
        {"a name with capitals", {.name = "\"Test\""}, "BAD_ID", "/name"},
        {"an empty name", {.name = "\"\""}, "BAD_ID", "/name"},
        {"a name that is too long", {.name = "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""}, "BAD_ID", "/name"},
        {"no regions", {.regions = ""}, "MISSING_KEY", ""},
        {"an empty list of regions", {.regions = "[]"}, "EMPTY_LIST", "/regions"},
        {"an unknown region", {.regions = "[\"US\",\"UK\"]"}, "UNKNOWN_REGION", "/regions/1"},
        {"a region that is no text", {.regions = "[1]"}, "WRONG_TYPE", "/regions/0"},
        {"an unknown key", {.more = "\"ruels\":[]"}, "UNKNOWN_KEY", "/ruels"},
        {"a part of the language that is not here yet", {.more = "\"allow\":[]"}, "UNKNOWN_KEY", "/allow"},
        {"a key twice", {.more = "\"name\":\"b\""}, "DUPLICATE_KEY", ""},
};

static bool fails(view text, const char *code)
{
        return policy_compile(text, &compiled, &complaint).code == ERR_BAD_POLICY && strcmp(complaint.code, code) == 0;
}

static void test_default_file(void)
{
        static uint8_t text[16384];
        FILE          *f = fopen("policy/default.json", "rb");
        size_t         len = f == nullptr ? 0 : fread(text, 1, sizeof text, f);
        if (f != nullptr)
                fclose(f);
        bool good = !failed(policy_compile((view){text, len}, &compiled, &complaint));
        tap_ok(good && strcmp(compiled.name, "default") == 0, SUBJECT, "the shipped policy compiles");
        tap_ok(compiled.regions == (1u << REGION_COUNT) - 1, SUBJECT, "it has all regions on");
        bool covered = compiled.decide[ENTITY_PRIVATE_KEY].action == POLICY_BLOCK;
        for (entity_id e = 0; e < ENTITY_COUNT; e++)
                covered = covered && compiled.decide[e].action >= POLICY_PSEUDONYMISE;
        tap_ok(covered, SUBJECT, "it lets nothing pass, and private keys are blocked");
        uint8_t digest[32];
        secret_sha256(digest, (view){text, len});
        tap_ok(memcmp(digest, compiled.digest, 32) == 0, SUBJECT, "a policy has the digest of its file");
        text[len++] = ' ';
        tap_ok(!failed(policy_compile((view){text, len}, &compiled, &complaint))
                       && memcmp(digest, compiled.digest, 32) != 0,
               SUBJECT, "other bytes give another digest");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                tap_ok(complains(cases[i].text, cases[i].code, cases[i].pointer), SUBJECT, cases[i].sentence);
        tap_ok(!failed(compile_policy((policy_text){.more = "\"note\":[1,{}]"})), SUBJECT,
               "a note may say anything");
        tap_ok(!failed(compile_policy((policy_text){.regions = "[\"*\"]"})) && compiled.regions == 31, SUBJECT,
               "a star is all regions");
        tap_ok(complains((policy_text){.more = "\"ruels\":[]"}, "UNKNOWN_KEY", "/ruels")
                       && strstr(complaint.text, "rules") != nullptr,
               SUBJECT, "a complaint names the nearest known key");
        tap_ok(fails(VIEW("[]"), "WRONG_TYPE") && fails(VIEW("{"), "BAD_JSON") && fails(VIEW(""), "BAD_JSON"), SUBJECT,
               "what is no object or no JSON is refused");
        test_default_file();
        return tap_done();
}
