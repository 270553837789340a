#include "unit/route/catalog_rows.h"

static const char SUBJECT[] = "catalog";

#define LAST "\"models\":[\"*\"]}]"

/* clang-format off */
static const catalog_row rows[] = {
        {"the good file is good", "", "", "", ""},
        {"a note is free", LAST, LAST ",\"note\":[1,{}]", "", ""},
        {"not JSON", "\"hosts\":", "\"hosts\"", "BAD_JSON", ""},
        {"a key twice", "\"hosts\"", "\"lethe\"", "DUPLICATE_KEY", ""},
        {"not an object", GOOD, "[]", "WRONG_TYPE", ""},
        {"an unknown key", "\"hosts\"", "\"host\"", "UNKNOWN_KEY", "/host"},
        {"a known key in capitals", "\"hosts\"", "\"Hosts\"", "UNKNOWN_KEY", "/Hosts"},
        {"no version", "\"lethe\"", "\"note\"", "MISSING_KEY", ""},
        {"another version", "config/1", "config/2", "BAD_VERSION", "/lethe"},
        {"a version that is a number", "\"config/1\"", "1", "WRONG_TYPE", "/lethe"},
        {"no hosts", "\"hosts\":[\"localhost\",\"127.0.0.1\"],", "", "MISSING_KEY", ""},
        {"no host", "[\"localhost\",\"127.0.0.1\"]", "[]", "EMPTY_LIST", "/hosts"},
        {"hosts that are no list", "[\"localhost\",\"127.0.0.1\"]", "\"localhost\"", "WRONG_TYPE", "/hosts"},
        {"a host that is no text", "\"127.0.0.1\"", "127", "WRONG_TYPE", "/hosts/1"},
        {"a host with a port", "\"127.0.0.1\"", "\"localhost:8443\"", "BAD_HOST", "/hosts/1"},
        {"a host twice, in another case", "\"127.0.0.1\"", "\"LocalHost\"", "DUPLICATE_NAME", "/hosts/1"},
        {"17 hosts", "\"127.0.0.1\"", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", "TOO_MANY", "/hosts"},
        {"a name server with a name", LAST, LAST ",\"dns\":[\"dns.example\"]", "BAD_ADDRESS", "/dns/0"},
        {"a name server with a bad port", LAST, LAST ",\"dns\":[\"9.9.9.9\",\"9.9.9.9:0\"]", "BAD_ADDRESS", "/dns/1"},
        {"a name server twice", LAST, LAST ",\"dns\":[\"9.9.9.9\",\"9.9.9.9\"]", "DUPLICATE_NAME", "/dns/1"},
        {"no name server", LAST, LAST ",\"dns\":[]", "EMPTY_LIST", "/dns"},
        {"5 name servers", LAST, LAST ",\"dns\":[1,2,3,4,5]", "TOO_MANY", "/dns"},
        {"a balancer is a range", LAST, LAST ",\"balancers\":[\"10.0.0.1\"]", "BAD_CIDR", "/balancers/0"},
        {"with clean bits", LAST, LAST ",\"balancers\":[\"10.0.0.0/8\",\"10.0.0.1/8\"]", "BAD_CIDR", "/balancers/1"},
        {"a balancer is a text", LAST, LAST ",\"balancers\":[10]", "WRONG_TYPE", "/balancers/0"},
        {"a balancer stands once", LAST, LAST ",\"balancers\":[\"10.0.0.0/8\",\"10.0.0.0/8\"]", "DUPLICATE_NAME",
         "/balancers/1"},
        {"no balancer", LAST, LAST ",\"balancers\":[]", "EMPTY_LIST", "/balancers"},
        {"9 balancers", LAST, LAST ",\"balancers\":[1,2,3,4,5,6,7,8,9]", "TOO_MANY", "/balancers"},
        {"a breaker's times in order", LAST,
         LAST ",\"settings\":{\"breaker_open_ms\":1000,\"breaker_open_most_ms\":1000}", "", ""},
        {"and not", LAST, LAST ",\"settings\":{\"breaker_open_ms\":1001,\"breaker_open_most_ms\":1000}", "NOT_ALLOWED",
         "/settings/breaker_open_most_ms"},
        {"settings that are no object", LAST, LAST ",\"settings\":[]", "WRONG_TYPE", "/settings"},
        {"an unknown setting", LAST, LAST ",\"settings\":{\"idle\":1}", "UNKNOWN_KEY", "/settings/idle"},
        {"a setting that is too small",
         LAST, LAST ",\"settings\":{\"idle_ms\":49}", "OUT_OF_RANGE", "/settings/idle_ms"},
        {"a setting that is a text",
         LAST, LAST ",\"settings\":{\"idle_ms\":\"50\"}", "WRONG_TYPE", "/settings/idle_ms"},
};
/* clang-format on */

/* A setting at its least, at its largest, and above; all others keep their defaults. */
static void settings(void)
{
#define SETTING(name, fallback, min, max, unit, why)                                                  \
        {                                                                                             \
                uint64_t least = (min), largest = (max);                                              \
                const catalog *c = catalog_with("", "");                                              \
                bool good = c != nullptr && c->settings.name == (fallback) && least <= (fallback)     \
                            && (fallback) <= largest;                                                 \
                uint64_t values[] = {least, largest, largest + 1};                                    \
                for (size_t i = 0; i < 3 && good; i++) {                                              \
                        uint8_t text[200];                                                            \
                        emit e = emit_into(text, sizeof text - 1);                                    \
                        emit_text(&e, LAST ",\"settings\":{\"" #name "\":");                          \
                        emit_u64(&e, values[i]);                                                      \
                        emit_text(&e, "}");                                                           \
                        text[e.len] = 0;                                                              \
                        c = catalog_with(LAST, (const char *)text);                                   \
                        good = i == 2 ? c == nullptr : c != nullptr && c->settings.name == values[i]; \
                }                                                                                     \
                tap_ok(good, SUBJECT, "setting " #name " has a default, is read, and is bounded");    \
        }
#include "route/setting.def"
#undef SETTING
}

static void seen(void)
{
        const catalog *c = catalog_with("", "");
        uint8_t digest[32];
        secret_sha256(digest, view_of_text(GOOD));
        tap_ok(c != nullptr && memcmp(c->digest, digest, 32) == 0, SUBJECT, "the digest is that of the bytes");
        tap_ok(c != nullptr && c->host_count == 2 && strcmp(c->hosts[1], "127.0.0.1") == 0 && c->dns_count == 0,
               SUBJECT, "hosts are kept");
        c = catalog_with(LAST, LAST ",\"dns\":[\"9.9.9.9\",\"9.9.9.9:5353\",\"[2620:fe::fe]:53\",\"2620:fe::9\"]");
        tap_ok(c != nullptr && c->dns_count == 4 && strcmp(c->dns[1], "9.9.9.9:5353") == 0
                       && strcmp(c->dns[2], "[2620:fe::fe]:53") == 0,
               SUBJECT, "name servers are kept");
        c = catalog_with("", "");
        tap_ok(c != nullptr && c->balancer_count == 0, SUBJECT, "balancers are none unless said");
        c = catalog_with(LAST, LAST ",\"balancers\":[\"10.0.0.0/8\",\"fd00::/8\"]");
        tap_ok(c != nullptr && c->balancer_count == 2 && c->balancers[0].bits == 8 && c->balancers[0].net[0] == 10
                       && c->balancers[1].family == 6,
               SUBJECT, "balancers are kept");
        c = catalog_with(LAST, LAST ",\"settings\":{\"breaker_open_most_ms\":700}");
        tap_ok(c != nullptr && c->settings.breaker_open_ms == 700, SUBJECT,
               "a breaker's first time is never more than its largest");
        config_fault f;
        bool good = failed(catalog_compile(catalog_changed("\"hosts\"", "\"hots\""), catalog_room(), &f)) && f.line == 2
                    && f.column == 1 && strcmp(f.text, "unknown key; did you mean \"hosts\"?") == 0;
        tap_ok(good, SUBJECT, "a fault names line, column and the nearest key");
}

static void look_ups(void)
{
        const catalog *c = catalog_with("", "");
        tap_ok(catalog_find_key(c, VIEW("AAAAAAAA")) == 0 && catalog_find_key(c, VIEW("BBBBBBBB")) == 1, SUBJECT,
               "keys are found by id");
        tap_ok(catalog_find_key(c, VIEW("AAAAAAAB")) == -1 && catalog_find_key(c, VIEW("AAAAAAA")) == -1
                       && catalog_find_key(c, VIEW("AAAAAAAAA")) == -1 && catalog_find_key(c, VIEW("aaaaaaaa")) == -1
                       && catalog_find_key(c, (view){}) == -1 && catalog_find_key(c, VIEW("AAAAAAAA\0")) == -1,
               SUBJECT, "exactly");
        tap_ok(catalog_find_model(c, VIEW("small")) == 0 && catalog_find_model(c, VIEW("big")) == 1, SUBJECT,
               "models are found by name");
        tap_ok(catalog_find_model(c, VIEW("Small")) == -1 && catalog_find_model(c, VIEW("smal")) == -1
                       && catalog_find_model(c, VIEW("smalll")) == -1 && catalog_find_model(c, VIEW("*")) == -1
                       && catalog_find_model(c, (view){}) == -1,
               SUBJECT, "exactly too");
        c = catalog_with("\"127.0.0.1\"", "\"127.0.0.1\",\"::1\",\"Relay.Example\"");
        static const char *const good[] = {
                "localhost", "LOCALHOST",  "localhost:8443",         "127.0.0.1",     "127.0.0.1:1",
                "[::1]",     "[::1]:8443", "[0:0:0:0:0:0:0:1]:8443", "relay.example", "RELAY.example:443"};
        static const char *const bad[] = {"",
                                          "localhost.",
                                          "localhost:",
                                          "localhost:0",
                                          "localhost:x",
                                          "localhost:65536",
                                          "other",
                                          "::1",
                                          "[::2]",
                                          "[127.0.0.1]",
                                          "127.0.0.2",
                                          "localhost:80:80",
                                          "relay.example.org",
                                          "user@localhost",
                                          "localhost/",
                                          " localhost",
                                          "127.1"};
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
                tap_ok(catalog_host_allowed(c, view_of_text(good[i])), SUBJECT, "a Host that is ours");
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                tap_ok(!catalog_host_allowed(c, view_of_text(bad[i])), SUBJECT, "a Host that is not ours");
}

/* `count` elements are put before `before`; the % in `form` becomes a number of eight digits. */
static bool filled(const char *before, const char *form, size_t count)
{
        static uint8_t list[LIMIT_CONFIG_BYTES];
        emit e = emit_into(list, sizeof list - 1);
        const char *mark = strchr(form, '%');
        for (size_t i = 0; i < count; i++) {
                emit_view(&e, (view){(const uint8_t *)form, (size_t)(mark - form)});
                emit_u64(&e, 10000000 + i);
                emit_text(&e, mark + 1);
        }
        emit_text(&e, before);
        list[e.len] = 0;
        return catalog_with(before, (const char *)list) != nullptr;
}

static void bounds(void)
{
        static const char key[] = "{\"id\":\"%\",\"hash\":\"" HASH_A "\",\"project\":\"p\",\"models\":[\"*\"]},\n";
        static const char model[] = "{\"name\":\"%\",\"targets\":[{\"upstream\":\"one\",\"model\":\"m\"}]},\n";
        static const char upstream[] =
                "{\"name\":\"%\",\"vendor\":\"v\",\"base_url\":\"https://a.example\",\"ca\":\"c\"},\n";
        static const char target[] = "{\"upstream\":\"two\",\"model\":\"%\"},";
        bool good = filled("{\"id\":\"AAAA", key, LIMIT_KEYS - 2) && !filled("{\"id\":\"AAAA", key, LIMIT_KEYS - 1);
        tap_ok(good, SUBJECT, "1024 keys fit, and no more");
        good = filled("{\"id\":\"AAAA", key, 999);
        const catalog *c = catalog_room();
        for (size_t i = 0; i < c->key_count && good; i++)
                good = catalog_find_key(c, view_of_text(c->keys[i].id)) == (int)i;
        tap_ok(good, SUBJECT, "each of a thousand keys is found");
        good = filled("{\"name\":\"small", model, LIMIT_MODELS - 2);
        for (size_t i = 0; i < c->model_count && good; i++)
                good = catalog_find_model(c, view_of_text(c->models[i].name)) == (int)i;
        good = good && catalog_key_allows(&c->keys[0], LIMIT_MODELS - 2)
               && !catalog_key_allows(&c->keys[0], LIMIT_MODELS - 1);
        tap_ok(good && !filled("{\"name\":\"small", model, LIMIT_MODELS - 1), SUBJECT, "256 models fit, and no more");
        good = filled("{\"name\":\"one", upstream, LIMIT_UPSTREAMS - 3)
               && !filled("{\"name\":\"one", upstream, LIMIT_UPSTREAMS - 2);
        tap_ok(good, SUBJECT, "64 upstreams fit, and no more");
        good = filled("{\"upstream\":\"one\",\"model\":\"gpt-4o\"}", target, LIMIT_TARGETS - 1)
               && !filled("{\"upstream\":\"one\",\"model\":\"gpt-4o\"}", target, LIMIT_TARGETS);
        tap_ok(good, SUBJECT, "16 targets fit, and no more");
}

/* Each key has a project of its own. */
static void projects(void)
{
        static uint8_t list[LIMIT_CONFIG_BYTES];
        bool good = true;
        for (size_t more = LIMIT_PROJECTS - 2; more <= LIMIT_PROJECTS - 1; more++) {
                emit e = emit_into(list, sizeof list - 1);
                for (size_t i = 0; i < more; i++) {
                        emit_text(&e, "{\"id\":\"");
                        emit_u64(&e, 10000000 + i);
                        emit_text(&e, "\",\"hash\":\"" HASH_A "\",\"models\":[\"*\"],\"project\":\"p");
                        emit_u64(&e, i);
                        emit_text(&e, "\"},\n");
                }
                emit_text(&e, "{\"id\":\"AAAA");
                list[e.len] = 0;
                good = good
                       && (catalog_with("{\"id\":\"AAAA", (const char *)list) != nullptr)
                                  == (more == LIMIT_PROJECTS - 2);
        }
        tap_ok(good, SUBJECT, "256 projects fit, and no more");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        catalog_check(SUBJECT, rows, sizeof rows / sizeof rows[0]);
        settings();
        seen();
        look_ups();
        bounds();
        projects();
        return tap_done();
}
