#include "route/catalog_residency.h"

#include "unit/route/catalog_rows.h"

static const char SUBJECT[] = "catalog_residency";

/* Upstream one is in "eu", two in "eu" and "house", three in "us". Aliases: "both" may go to one and three, "us" to
 * three, "sized" in two sizes, "lesser" with a lesser model in "us". */
static const char FILE_[] =
        "{\"lethe\":\"config/1\",\"hosts\":[\"localhost\"],\n"
        "\"upstreams\":[\n"
        " {\"name\":\"one\",\"vendor\":\"v\",\"base_url\":\"https://a.example\",\"ca\":\"c\",\"residency\":[\"eu\"]},\n"
        " {\"name\":\"two\",\"vendor\":\"v\",\"base_url\":\"https://"
        "b.example\",\"ca\":\"c\",\"residency\":[\"house\",\"eu\"]},\n"
        " {\"name\":\"three\",\"vendor\":\"v\",\"base_url\":\"https://"
        "c.example\",\"ca\":\"c\",\"residency\":[\"us\"]}],\n"
        "\"models\":[\n"
        " {\"name\":\"both\",\"targets\":[{\"upstream\":\"one\",\"model\":\"m\"},{\"upstream\":\"three\",\"model\":"
        "\"m\"}]},\n"
        " {\"name\":\"us\",\"targets\":[{\"upstream\":\"three\",\"model\":\"m\"}]},\n"
        " {\"name\":\"sized\",\"targets\":[{\"upstream\":\"one\",\"model\":\"m\",\"max_chars\":50000},"
        "{\"upstream\":\"three\",\"model\":\"m\",\"min_chars\":50001}]},\n"
        " {\"name\":\"lesser\",\"targets\":[{\"upstream\":\"one\",\"model\":\"m\"},"
        "{\"upstream\":\"three\",\"model\":\"m\",\"downgrade\":true}]}],\n"
        "\"keys\":[\n"
        " {\"id\":\"AAAAAAAA\",\"hash\":\"" HASH_A "\",\"project\":\"p\",\"models\":[\"both\"]}]}\n";

#define BOTH "\"name\":\"both\","
#define KEY  "\"models\":[\"both\"]"

typedef struct row {
        const char *name, *find, *put, *code, *pointer, *text;
} row;

static const row rows[] = {
        {"the file is good", "", "", "", "", ""},
        {"tags are a list", "[\"eu\"]", "\"eu\"", "WRONG_TYPE", "/upstreams/0/residency", ""},
        {"of some", "[\"eu\"]", "[]", "EMPTY_LIST", "/upstreams/0/residency", ""},
        {"of names", "[\"eu\"]", "[\"e u\"]", "BAD_NAME", "/upstreams/0/residency/0", ""},
        {"of up to 15 characters", "[\"eu\"]", "[\"1234567890123456\"]", "BAD_NAME", "/upstreams/0/residency/0", ""},
        {"each once", "[\"house\",\"eu\"]", "[\"house\",\"eu\",\"house\"]", "DUPLICATE_NAME",
         "/upstreams/1/residency/2", ""},
        {"at most 32", "[\"eu\"]",
         "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33]", "TOO_MANY",
         "/upstreams/0/residency", ""},
        {"32 different ones of all upstreams", "[\"eu\"]",
         "[\"eu\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\","
         "\"16\",\"17\",\"18\",\"19\",\"20\",\"21\",\"22\",\"23\",\"24\",\"25\",\"26\",\"27\",\"28\",\"29\"]",
         "", "", ""},
        {"33 different ones", "[\"eu\"]",
         "[\"eu\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\","
         "\"16\",\"17\",\"18\",\"19\",\"20\",\"21\",\"22\",\"23\",\"24\",\"25\",\"26\",\"27\",\"28\",\"29\",\"30\"]",
         "TOO_MANY", "/upstreams/2/residency/0", ""},

        {"a model may demand a tag", BOTH, BOTH "\"residency\":[\"us\"],", "", "", ""},
        {"that an upstream carries", BOTH, BOTH "\"residency\":[\"us\",\"cn\"],", "IMPOSSIBLE_RESIDENCY",
         "/models/0/residency/1", "no upstream"},
        {"letter by letter", BOTH, BOTH "\"residency\":[\"EU\"],", "IMPOSSIBLE_RESIDENCY", "/models/0/residency/0",
         "no upstream"},
        {"one of its own targets", BOTH, BOTH "\"residency\":[\"house\"],", "IMPOSSIBLE_RESIDENCY",
         "/models/0/residency", "no target"},
        {"one of several tags is enough", BOTH, BOTH "\"residency\":[\"house\",\"us\"],", "", "", ""},
        {"some tag must be named", BOTH, BOTH "\"residency\":[],", "EMPTY_LIST", "/models/0/residency", ""},
        {"what is left must serve every size", "\"name\":\"sized\",", "\"name\":\"sized\",\"residency\":[\"eu\"],",
         "SIZE_GAP", "/models/2/targets", "50001"},
        {"without consent", "\"name\":\"lesser\",", "\"name\":\"lesser\",\"residency\":[\"us\"],", "ONLY_DOWNGRADE",
         "/models/3/targets", "consent"},

        {"a key may demand a tag", KEY, KEY ",\"residency\":[\"eu\"]", "", "", ""},
        {"that an upstream carries too", KEY, KEY ",\"residency\":[\"cn\"]", "IMPOSSIBLE_RESIDENCY",
         "/keys/0/residency/0", "no upstream"},
        {"some tag must be named too", KEY, KEY ",\"residency\":[]", "EMPTY_LIST", "/keys/0/residency", ""},
        {"each of its models must be there", KEY, "\"models\":[\"both\",\"us\"],\"residency\":[\"eu\"]",
         "IMPOSSIBLE_RESIDENCY", "/keys/0/residency", "/models/1,"},
        {"all of them when it may use all", KEY, "\"models\":[\"*\"],\"residency\":[\"eu\"]", "IMPOSSIBLE_RESIDENCY",
         "/keys/0/residency", "/models/1,"},
        {"models it may not use are not looked at", KEY, "\"models\":[\"us\",\"both\"],\"residency\":[\"us\"]", "", "",
         ""},
        {"a key needs every size", KEY, "\"models\":[\"sized\"],\"residency\":[\"eu\"]", "IMPOSSIBLE_RESIDENCY",
         "/keys/0/residency", "/models/2, which has no target there for 50001 bytes"},
        {"a key without consent needs a full model", KEY, "\"models\":[\"lesser\"],\"residency\":[\"us\"]",
         "IMPOSSIBLE_RESIDENCY", "/keys/0/residency", "for 0 bytes of text but lesser models"},
        {"a key with consent does not", KEY, "\"models\":[\"lesser\"],\"residency\":[\"us\"],\"downgrade\":true", "",
         "", ""},
        {"with several tags one is enough", KEY, "\"models\":[\"us\",\"both\"],\"residency\":[\"house\",\"us\"]", "",
         "", ""},
};

static char text_[LIMIT_CONFIG_BYTES];

static err compile(const char *find, const char *put, config_fault *f)
{
        const char *at = strstr(FILE_, find);
        if (at == nullptr)
                abort();
        emit e = emit_into((uint8_t *)text_, sizeof text_);
        emit_view(&e, (view){(const uint8_t *)FILE_, (size_t)(at - FILE_)});
        emit_text(&e, put);
        emit_text(&e, at + strlen(find));
        return catalog_compile((view){(const uint8_t *)text_, e.len}, catalog_room(), f);
}

static void check_rows(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                config_fault f = {};
                err e = compile(rows[i].find, rows[i].put, &f);
                bool good = failed(e) == (rows[i].code[0] != 0);
                if (good && failed(e))
                        good = strcmp(f.code, rows[i].code) == 0 && strcmp(f.pointer, rows[i].pointer) == 0
                               && strstr(f.text, rows[i].text) != nullptr;
                if (!tap_ok(good, SUBJECT, rows[i].name))
                        printf("# got %s at %s: %s\n", f.code, f.pointer, f.text);
        }
}

/* What holds for the alias holds together with what holds for the key. */
static void combined(void)
{
        config_fault f;
        err e = compile("\"name\":\"both\",\"targets\"", "\"name\":\"both\",\"residency\":[\"us\"],\"targets\"", &f);
        const catalog *c = catalog_room();
        tap_ok(!failed(e) && catalog_any_target(c, &c->models[0], (catalog_claim){1, false}) == false
                       && catalog_any_target(c, &c->models[0], (catalog_claim){0, false}),
               SUBJECT, "an alias in us has nothing for a key in eu");
}

static void seen(void)
{
        config_fault f;
        bool good = !failed(compile(KEY, KEY ",\"residency\":[\"us\",\"eu\"]", &f));
        const catalog *c = catalog_room();
        tap_ok(good && c->residency_count == 3 && strcmp(c->residencies[0], "eu") == 0
                       && strcmp(c->residencies[1], "house") == 0 && strcmp(c->residencies[2], "us") == 0,
               SUBJECT, "tags are numbered in order of first use");
        tap_ok(good && c->upstreams[0].residency == 1 && c->upstreams[1].residency == 3
                       && c->upstreams[2].residency == 4,
               SUBJECT, "upstreams carry theirs");
        tap_ok(good && c->keys[0].residency == 5 && c->models[0].residency == 0, SUBJECT, "a key demands its own");
        good = !failed(compile(BOTH, BOTH "\"residency\":[\"us\"],", &f));
        tap_ok(good && c->models[0].residency == 4 && c->keys[0].residency == 0, SUBJECT, "a model too");
}

static void sizes(void)
{
        config_fault f;
        bool good = !failed(compile("", "", &f));
        const catalog *c = catalog_room();
        tap_ok(good && catalog_unserved(c, &c->models[2], (catalog_claim){0, false}) > LIMIT_BODY_BYTES, SUBJECT,
               "two sizes that meet leave none out");
        tap_ok(good && catalog_unserved(c, &c->models[2], (catalog_claim){1, false}) == 50001
                       && catalog_unserved(c, &c->models[2], (catalog_claim){4, false}) == 0,
               SUBJECT, "one of them does");
        tap_ok(good && catalog_unserved(c, &c->models[3], (catalog_claim){4, false}) == 0
                       && catalog_unserved(c, &c->models[3], (catalog_claim){4, true}) > LIMIT_BODY_BYTES,
               SUBJECT, "lesser models count with consent");
        tap_ok(good && !catalog_any_target(c, &c->models[1], (catalog_claim){3, true})
                       && catalog_any_target(c, &c->models[1], (catalog_claim){6, false})
                       && !catalog_any_target(c, &c->models[3], (catalog_claim){4, false}),
               SUBJECT, "a target counts in its residency");
}

/* The sentence about a key names the alias by its place, also of a key that demands what its alias forbids. */
static void against(void)
{
        static char both[LIMIT_CONFIG_BYTES];
        config_fault f = {};
        const char *key = strstr(FILE_, KEY), *model = strstr(FILE_, BOTH);
        emit e = emit_into((uint8_t *)both, sizeof both);
        emit_view(&e, (view){(const uint8_t *)FILE_, (size_t)(model - FILE_)});
        emit_text(&e, BOTH "\"residency\":[\"us\"],");
        emit_view(&e, (view){(const uint8_t *)model + strlen(BOTH), (size_t)(key - model) - strlen(BOTH)});
        emit_text(&e, KEY ",\"residency\":[\"eu\"]");
        emit_text(&e, key + strlen(KEY));
        bool refused = failed(catalog_compile((view){(const uint8_t *)both, e.len}, catalog_room(), &f));
        tap_ok(refused && strcmp(f.code, "IMPOSSIBLE_RESIDENCY") == 0 && strcmp(f.pointer, "/keys/0/residency") == 0
                       && strstr(f.text, "/models/0,") != nullptr,
               SUBJECT, "key and alias are looked at together");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        check_rows();
        combined();
        seen();
        sizes();
        against();
        return tap_done();
}
