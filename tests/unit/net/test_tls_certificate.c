#include <stdio.h>

#include "base/secret.h"
#include "net/tls.h"
#include "net/tls_certificate.h"
#include "support/tap.h"

enum : uint64_t { FROM = 1'700'000'000, TO = FROM + 90 * 86400 };

static uint8_t room[6][TLS_PEM_BYTES];
static view ca_key, ca, server_key, server;
static tls_names names;

static emit into(size_t i) { return emit_into(room[i], sizeof room[i]); }

static void name_lists(void)
{
        static const struct {
                const char *name, *list;
                size_t count; /* 0: refused */
        } rows[] = {
                {"one name", "relay.example.org", 1},
                {"names and addresses", "relay.example.org,192.0.2.7,2001:db8::7,*.example.org", 4},
                {"nothing", "", 0},
                {"a comma at the end", "a,", 0},
                {"two commas", "a,,b", 0},
                {"a space", "a b", 0},
                {"an empty label", "a..b", 0},
                {"a dot at the end", "a.", 0},
                {"a star within", "a.*.b", 0},
                {"a line end", "a\nb", 0},
                {"seventeen", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", 0},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                tls_names n;
                err e = tls_names_read(view_of_text(rows[i].list), &n, nullptr);
                tap_ok(rows[i].count == 0 ? failed(e) : !failed(e) && n.count == rows[i].count, "names", rows[i].name);
        }
        tls_names n;
        bool good = !failed(tls_names_read(VIEW("relay.example.org,*.lab.example.org,192.0.2.7"), &n, nullptr));
        tap_ok(good && tls_names_cover(&n, VIEW("Relay.Example.org")) && tls_names_cover(&n, VIEW("x.lab.example.org"))
                       && tls_names_cover(&n, VIEW("192.0.2.7")),
               "names", "a name, a wildcard, an address cover their hosts");
        tap_ok(!tls_names_cover(&n, VIEW("example.org")) && !tls_names_cover(&n, VIEW("y.x.lab.example.org"))
                       && !tls_names_cover(&n, VIEW(".lab.example.org")) && !tls_names_cover(&n, VIEW("")),
               "names", "and no others");
}

static void making(void)
{
        tls_certificate c;
        emit out = into(0);
        bool good = !failed(tls_key_make(&out));
        ca_key = (view){out.bytes, out.len};
        out = into(1);
        const tls_issue authority = {.key_pem = ca_key, .subject = "Lethe CA", .authority = true,
                                     .not_before_s = FROM, .not_after_s = TO};
        good = good && !failed(tls_certificate_make(&authority, &out));
        ca = (view){out.bytes, out.len};
        good = good && !failed(tls_certificate_read(ca, &c));
        tap_ok(good && c.authority && c.names.count == 0 && strcmp(c.subject, "CN=Lethe CA") == 0
                       && strcmp(c.issuer, c.subject) == 0 && c.not_before_s == FROM && c.not_after_s == TO,
               "certificate", "an authority signs itself");
        out = into(2);
        good = !failed(tls_key_make(&out));
        server_key = (view){out.bytes, out.len};
        out = into(3);
        good = good && !failed(tls_names_read(VIEW("relay.test,127.0.0.1,::1"), &names, nullptr));
        const tls_issue leaf = {.key_pem = server_key, .subject = "relay.test", .names = &names, .issuer_pem = ca,
                                .issuer_key_pem = ca_key, .not_before_s = FROM, .not_after_s = TO};
        good = good && !failed(tls_certificate_make(&leaf, &out));
        server = (view){out.bytes, out.len};
        good = good && !failed(tls_certificate_read(server, &c));
        tap_ok(good && !c.authority && c.names.count == 3 && strcmp(c.names.text[2], "::1") == 0
                       && strcmp(c.issuer, "CN=Lethe CA") == 0 && c.chain == 1,
               "certificate", "and another, with names and addresses");
        tap_ok(tls_certificate_has_key(server, server_key) && !tls_certificate_has_key(server, ca_key)
                       && !tls_certificate_has_key(server, VIEW("x")) && !tls_certificate_has_key(VIEW("x"), ca_key),
               "certificate", "it knows its key");
        static tls_server *s; /* as long as its process */
        const char *why = nullptr;
        tap_ok(!failed(tls_server_new(server, server_key, &s, &why)), "certificate", "a server takes it");
}

static void refusals(void)
{
        tls_issue leaf = {.key_pem = server_key, .subject = "a,b", .not_before_s = FROM, .not_after_s = TO};
        emit out = into(4);
        tap_ok(failed(tls_certificate_make(&leaf, &out)), "certificate", "a subject that would be two is refused");
        leaf = (tls_issue){.key_pem = server_key, .subject = "x", .issuer_pem = ca, .issuer_key_pem = server_key};
        tap_ok(tls_certificate_make(&leaf, &out).code == ERR_BAD_FILE, "certificate", "so is another's key");
        tls_certificate c;
        bool refused = true;
        for (size_t cut = 0; cut + 2 < server.len; cut += 7)
                refused = refused && failed(tls_certificate_read(view_slice(server, 0, cut), &c));
        tap_ok(refused, "certificate", "one that is cut is refused");
        uint8_t small[100];
        out = emit_into(small, sizeof small);
        tap_ok(tls_key_make(&out).code == ERR_NO_ROOM, "certificate", "no room for a key is said");
}

static void requests(void)
{
        emit out = into(5);
        bool good = !failed(tls_request_make(server_key, &names, &out));
        view pem = {out.bytes, out.len};
        tap_ok(good && view_starts(pem, VIEW("-----BEGIN CERTIFICATE REQUEST-----\n")), "request", "one is made");
        out = into(5);
        tap_ok(tls_request_make(VIEW("none"), &names, &out).code == ERR_BAD_FILE, "request", "not without a key");
}

int main(void)
{
        if (failed(secret_setup()) || failed(tls_setup()))
                return 1;
        name_lists();
        making();
        refusals();
        requests();
        return tap_done();
}
