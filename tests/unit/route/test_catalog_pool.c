#include "unit/route/catalog_rows.h"

static const char SUBJECT[] = "catalog_pool";

#define ONE   "\"base_url\":\"https://api.example.org/v1\",\"ca\":\"ca.pem\""
#define THREE "\"base_url\":\"https://b.example.org\",\"ca\":\"b.pem\""
#define POOL  ONE ",\"credentials\":"
#define AT    "/upstreams/0/credentials"

static const catalog_row rows[] = {
        {"a credential is a name", ONE, ONE ",\"credential\":\"\"", "BAD_NAME", "/upstreams/0/credential"},
        {"a credential is a text", ONE, ONE ",\"credential\":[\"a\"]", "WRONG_TYPE", "/upstreams/0/credential"},
        {"one or many", ONE, POOL "[\"a\",\"b\"],\"credential\":\"c\"", "NOT_ALLOWED", "/upstreams/0/credential"},
        {"many are a list", ONE, POOL "\"a\"", "WRONG_TYPE", AT},
        {"many are some", ONE, POOL "[]", "EMPTY_LIST", AT},
        {"names in the short form", ONE, POOL "[\"a\",\"b c\"]", "BAD_NAME", AT "/1"},
        {"a name or an object", ONE, POOL "[\"a\",7]", "WRONG_TYPE", AT "/1"},
        {"an object's unknown key", ONE, POOL "[{\"name\":\"a\",\"wieght\":1},\"b\"]", "UNKNOWN_KEY", AT "/0/wieght"},
        {"an object needs a name", ONE, POOL "[\"a\",{\"weight\":5}]", "MISSING_KEY", AT "/1"},
        {"a weight is at least 1", ONE, POOL "[\"a\",{\"name\":\"b\",\"weight\":0}]", "OUT_OF_RANGE", AT "/1/weight"},
        {"a weight is at most 1000", ONE, POOL "[\"a\",{\"name\":\"b\",\"weight\":1001}]", "OUT_OF_RANGE",
         AT "/1/weight"},
        {"a weight of one alone shares nothing", ONE, POOL "[{\"name\":\"b\",\"weight\":7}]", "INERT", AT "/0/weight"},
        {"one alone may be written long", ONE, POOL "[{\"name\":\"b\"}]", "", ""},
        {"a key stands once", ONE, POOL "[\"a\",\"b\",{\"name\":\"a\"}]", "DUPLICATE_NAME", AT "/2"},
        {"at most 16", ONE, POOL "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]", "TOO_MANY", AT},
        {"a group is a name", ONE, POOL "[\"a\",{\"name\":\"b\",\"limit_group\":\"\"}]", "BAD_NAME",
         AT "/1/limit_group"},
        {"a group of one has no meaning", ONE, POOL "[\"a\",{\"name\":\"b\",\"limit_group\":\"g\"}]", "INERT",
         AT "/1/limit_group"},
        {"a group of two has", ONE,
         POOL "[{\"name\":\"a\",\"limit_group\":\"g\"},{\"name\":\"b\",\"limit_group\":\"g\"}]", "", ""},
};

/* 16 keys fit, each with what is said of it. */
static void seen(void)
{
        const catalog *c = catalog_with("", "");
        tap_ok(c != nullptr && c->upstreams[0].credential_count == 1 && c->upstreams[0].credentials[0].name[0] == 0
                       && c->upstreams[0].credentials[0].weight == 100,
               SUBJECT, "without a credential there is one way that sends none");
        c = catalog_with(ONE, ONE ",\"credential\":\"main\"");
        tap_ok(c != nullptr && c->upstreams[0].credential_count == 1
                       && strcmp(c->upstreams[0].credentials[0].name, "main") == 0
                       && c->upstreams[0].credentials[0].weight == 100 && c->upstreams[1].credentials[0].name[0] == 0,
               SUBJECT, "the short form is a pool of one");
        c = catalog_with(ONE, POOL "[\"a\",{\"name\":\"b\",\"weight\":1000,\"limit_group\":\"g\"},"
                                   "{\"name\":\"c\",\"weight\":1,\"limit_group\":\"g\"}]");
        const catalog_credential *keys = c == nullptr ? nullptr : c->upstreams[0].credentials;
        tap_ok(keys != nullptr && c->upstreams[0].credential_count == 3 && strcmp(keys[0].name, "a") == 0
                       && strcmp(keys[1].name, "b") == 0 && strcmp(keys[2].name, "c") == 0,
               SUBJECT, "a pool keeps its order");
        tap_ok(keys != nullptr && keys[0].weight == 100 && keys[1].weight == 1000 && keys[2].weight == 1, SUBJECT,
               "weights are kept, 100 where none is said");
        tap_ok(keys != nullptr && keys[0].group[0] == 0 && strcmp(keys[1].group, "g") == 0
                       && strcmp(keys[2].group, "g") == 0,
               SUBJECT, "limit groups are kept");
        c = catalog_with(ONE,
                         POOL "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\",\"l\",\"m\",\"n\","
                              "\"o\",\"p\"]");
        tap_ok(c != nullptr && c->upstreams[0].credential_count == 16
                       && strcmp(c->upstreams[0].credentials[15].name, "p") == 0,
               SUBJECT, "16 keys fit");
}

/* Changes the first and the third upstream; the second's vendor is another. */
static const catalog *two_pools(const char *first, const char *third)
{
        static char text[LIMIT_CONFIG_BYTES];
        const char *one = strstr(GOOD, ONE) + strlen(ONE), *three = strstr(GOOD, THREE) + strlen(THREE);
        emit e = emit_into((uint8_t *)text, sizeof text);
        emit_view(&e, (view){(const uint8_t *)GOOD, (size_t)(one - GOOD)});
        emit_text(&e, first);
        emit_view(&e, (view){(const uint8_t *)one, (size_t)(three - one)});
        emit_text(&e, third);
        emit_text(&e, three);
        config_fault f;
        view v = {(const uint8_t *)text, e.len};
        return failed(catalog_compile(v, catalog_room(), &f)) ? nullptr : catalog_room();
}

static void groups(void)
{
        static const char grouped[] = ",\"credentials\":[\"a\",{\"name\":\"b\",\"limit_group\":\"g\"}]";
        static const char same[] = ",\"credentials\":[{\"name\":\"c\",\"limit_group\":\"g\"}]";
        static const char other[] = ",\"credentials\":[{\"name\":\"c\",\"limit_group\":\"h\"}]";
        tap_ok(two_pools(grouped, same) != nullptr, SUBJECT, "a group may reach over upstreams of one vendor");
        tap_ok(two_pools(grouped, other) == nullptr && two_pools("", same) == nullptr, SUBJECT,
               "and is refused where nobody else is in it");
        tap_ok(catalog_with(THREE, THREE ",\"credentials\":[{\"name\":\"c\",\"limit_group\":\"g\"}]") == nullptr,
               SUBJECT, "in the last upstream too");
        static const char apart[] = "\"local\":[\"127.0.0.0/8\"]},\n {\"name\":\"three\",\"vendor\":\"openai\",";
        static const char joined[] =
                "\"local\":[\"127.0.0.0/8\"],\"credentials\":[{\"name\":\"x\",\"limit_group\":\"g\"}]},\n "
                "{\"name\":\"three\",\"vendor\":\"openai\","
                "\"credentials\":[{\"name\":\"c\",\"limit_group\":\"g\"}],";
        tap_ok(catalog_with(apart, joined) == nullptr, SUBJECT, "keys of two vendors share no limits");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        catalog_check(SUBJECT, rows, sizeof rows / sizeof rows[0]);
        seen();
        groups();
        return tap_done();
}
