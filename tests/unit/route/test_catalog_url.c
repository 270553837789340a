#include "route/catalog_url.h"

#include "support/tap.h"

static const char SUBJECT[] = "catalog_url";

static const struct {
        const char *url, *host, *path;
        uint16_t port;
        bool tls, literal;
} good_urls[] = {
        {"https://api.example.org/v1", "api.example.org", "/v1", 443, true, false},
        {"https://API.Example.ORG/V1", "api.example.org", "/V1", 443, true, false},
        {"https://api.example.org", "api.example.org", "", 443, true, false},
        {"https://api.example.org/", "api.example.org", "", 443, true, false},
        {"https://api.example.org:8443/a/b_c~d/v1.2/", "api.example.org", "/a/b_c~d/v1.2", 8443, true, false},
        {"http://localhost:8000/v1", "localhost", "/v1", 8000, false, false},
        {"http://10.0.0.1/v1", "10.0.0.1", "/v1", 80, false, true},
        {"https://[2606:4700:0::1111]:65535/v1", "2606:4700::1111", "/v1", 65535, true, true},
        {"https://xn--bcher-kva.example/v1", "xn--bcher-kva.example", "/v1", 443, true, false},
        {"https://3com.example4", "3com.example4", "", 443, true, false},
};

static const char *const bad_urls[] = {
        "",
        "api.example.org",
        "ftp://a.example",
        "HTTPS://a.example",
        "https:/a.example",
        "https://",
        "https:///v1",
        "https://user@a.example",
        "https://user:pw@a.example/v1",
        "https://a.example/v1?x=1",
        "https://a.example?x",
        "https://a.example#f",
        "https://a.example/v1#",
        "https://a.example:0",
        "https://a.example:65536",
        "https://a.example:",
        "https://a.example:443x",
        "https://a.example:0443",
        "https://a..example",
        "https://.example",
        "https://a.example.",
        "https://-a.example",
        "https://a-.example",
        "https://a_b.example",
        "https://a example",
        "https://b\xc3\xbc"
        "cher.example",
        "https://127.1",
        "https://0x7f.0.0.1",
        "https://2130706433",
        "https://1.2.3.256",
        "https://a.0x10",
        "https://::1",
        "https://[::1",
        "https://[]",
        "https://[1.2.3.4]",
        "https://[::1]x",
        "https://[fe80::1%25eth0]",
        "https://a.example//v1",
        "https://a.example/v1//",
        "https://a.example/../v1",
        "https://a.example/./v1",
        "https://a.example/v1/..",
        "https://a.example/v 1",
        "https://a.example/%2e%2e/v1",
        "https://a.example/v1\\",
        "https://a.example\\v1",
};

static void urls(void)
{
        catalog_url u;
        for (size_t i = 0; i < sizeof good_urls / sizeof good_urls[0]; i++) {
                bool good = catalog_url_parse(view_of_text(good_urls[i].url), &u) == nullptr;
                tap_ok(good && strcmp(u.host.name, good_urls[i].host) == 0 && strcmp(u.path, good_urls[i].path) == 0
                               && u.port == good_urls[i].port && u.tls == good_urls[i].tls
                               && u.host.literal == good_urls[i].literal,
                       SUBJECT, good_urls[i].url);
        }
        for (size_t i = 0; i < sizeof bad_urls / sizeof bad_urls[0]; i++)
                tap_ok(catalog_url_parse(view_of_text(bad_urls[i]), &u) != nullptr, SUBJECT, bad_urls[i]);
        tap_ok(catalog_url_parse(VIEW("https://a.example\0.org"), &u) != nullptr, SUBJECT, "a NUL ends nothing");
        char text[600] = "https://a.example/";
        memset(text + 18, 'p', 254);
        bool good = catalog_url_parse(view_of_text(text), &u) == nullptr && strlen(u.path) == 255;
        memset(text + 18, 'p', 255);
        tap_ok(good && catalog_url_parse(view_of_text(text), &u) != nullptr, SUBJECT, "a path has at most 255 bytes");
}

static void paths(void)
{
        static const char *const good[] = {"", "/a", "/models", "/v1/models", "/a-b._~/C9"};
        static const char *const bad[] = {"/", "a", "a/b", "//", "/a/", "/a//b", "/.", "/a/..", "/a?b", "/a b", "/%2e"};
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
                tap_ok(catalog_path_valid(view_of_text(good[i])), SUBJECT, "a path");
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                tap_ok(!catalog_path_valid(view_of_text(bad[i])), SUBJECT, "no path");
}

static void hosts(void)
{
        char text[300];
        catalog_host h;
        memset(text, 'a', sizeof text);
        tap_ok(catalog_host_parse((view){(const uint8_t *)text, 63}, &h)
                       && !catalog_host_parse((view){(const uint8_t *)text, 64}, &h),
               SUBJECT, "a label has at most 63 bytes");
        for (size_t i = 50; i < sizeof text; i += 50)
                text[i] = '.';
        tap_ok(catalog_host_parse((view){(const uint8_t *)text, 253}, &h)
                       && !catalog_host_parse((view){(const uint8_t *)text, 254}, &h),
               SUBJECT, "a name has at most 253 bytes");
        tap_ok(catalog_host_parse(VIEW("0:0::1"), &h) && h.literal && strcmp(h.name, "::1") == 0, SUBJECT,
               "an address is kept in its shortest form");
        view host, port;
        tap_ok(catalog_host_split(VIEW("[::1]:443"), &host, &port) && view_equal(host, VIEW("::1"))
                       && view_equal(port, VIEW("443")) && catalog_host_split(VIEW("a"), &host, &port)
                       && view_equal(host, VIEW("a")) && port.len == 0,
               SUBJECT, "host and port are split");
        tap_ok(!catalog_host_split(VIEW(""), &host, &port) && !catalog_host_split(VIEW(":443"), &host, &port)
                       && !catalog_host_split(VIEW("[::1]443"), &host, &port)
                       && !catalog_host_split(VIEW("::1"), &host, &port),
               SUBJECT, "what cannot be split is refused");
        tap_ok(catalog_port_parse(VIEW("1")) == 1 && catalog_port_parse(VIEW("65535")) == 65535
                       && catalog_port_parse(VIEW("65536")) == 0 && catalog_port_parse(VIEW("99999")) == 0
                       && catalog_port_parse(VIEW("")) == 0 && catalog_port_parse(VIEW("+1")) == 0,
               SUBJECT, "a port is 1 to 65535");
}

int main(void)
{
        urls();
        paths();
        hosts();
        return tap_done();
}
