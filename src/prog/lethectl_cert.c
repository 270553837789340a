/* lethectl cert ...: what callers and administrators see of a box. */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/emit.h"
#include "prog/lethectl_own_ca.h"

static const char *plane(const lethectl *c) { return c->admin_plane ? "admin" : "server"; }

static verdict read_names(const char *list, tls_names *out)
{
        view bad;
        if (!failed(tls_names_read(view_of_text(list), out, &bad)))
                return DONE;
        return misused("--host takes 1 to 16 host names and addresses with commas between them");
}

/* ---- request ---- */

static verdict write_request(const lethectl *c, const region *key, const tls_names *names)
{
        uint8_t room[TLS_PEM_BYTES];
        char    name[64];
        emit    pem = emit_into(room, sizeof room);
        err     e = tls_request_make(region_view(key), names, &pem);
        snprintf(name, sizeof name, "%s.key", plane(c));
        if (!failed(e))
                e = file_write_secret(c->out, name, region_view(key));
        snprintf(name, sizeof name, "%s.csr", plane(c));
        if (!failed(e))
                e = file_write(c->out, name, (view){pem.bytes, pem.len});
        return failed(e) ? refuse_err(c->out, e, nullptr) : DONE;
}

verdict cert_request(const lethectl *c)
{
        tls_names names;
        region    key;
        if (c->host == nullptr || c->out == nullptr)
                return misused("say for whom and where to: --host NAME,NAME --out DIR");
        verdict r = read_names(c->host, &names);
        if (r == DONE)
                r = own_folder(c->out);
        if (r != DONE)
                return r;
        region_init(&key, TLS_PEM_BYTES);
        err e = region_reserve(&key, TLS_PEM_BYTES);
        if (!failed(e)) {
                emit pem = emit_into(key.bytes, TLS_PEM_BYTES);
                e = tls_key_make(&pem);
                key.len = pem.len;
        }
        r = failed(e) ? refuse_err("the key", e, nullptr) : write_request(c, &key, &names);
        region_end(&key);
        if (r == DONE)
                printf("%s/%s.csr is for your CA; %s/%s.key stays with you\n"
                       "when the certificate has come: lethectl cert import CERT.pem --key %s/%s.key%s --admin URL\n",
                       c->out, plane(c), c->out, plane(c), c->out, plane(c), c->admin_plane ? " --admin-plane" : "");
        return r;
}

/* ---- upload ---- */

static verdict open_admin(const lethectl *c, https_client **h)
{
        https_why why = {};
        return failed(admin_client(c, h, &why)) ? refuse(why.text, nullptr) : DONE;
}

static verdict seal_key_of(const lethectl *c, uint8_t out[static 32])
{
        keeper_door   door;
        keeper_status status;
        verdict       r = door_open(c, false, &door);
        if (r == DONE)
                r = door_call(&door, KEEPER_STATUS, (view){}, &status, sizeof status);
        door_close(&door);
        if (r == DONE && status.open == 0)
                r = refuse("the vault is sealed", "lethectl vault unlock opens it.");
        if (r == DONE)
                memcpy(out, status.seal_key, 32);
        return r;
}

/* Parts of one pair: two, behind those that are there. */
static void add_parts(config_part *parts, size_t *count, const char *name, const own_pair *pair)
{
        snprintf(parts[*count].name, sizeof parts[*count].name, "tls/%s.crt", name);
        parts[(*count)++].bytes = region_view(&pair->certificate);
        snprintf(parts[*count].name, sizeof parts[*count].name, "tls/%s.key", name);
        parts[(*count)++].bytes = region_view(&pair->key);
}

static verdict upload(const lethectl *c, const config_part *parts, size_t count, uint64_t *generation)
{
        uint8_t       seal_key[32];
        https_client *h;
        verdict       r = seal_key_of(c, seal_key);
        if (r == DONE)
                r = open_admin(c, &h);
        if (r != DONE)
                return r;
        const config_send send = {parts, count, seal_key, nullptr, true};
        r = config_put(h, &send, generation);
        https_close(h);
        return r;
}

/* ---- import ---- */

static verdict check_dates(const tls_certificate *cert)
{
        if (cert->not_before_s > clock_wall_s())
                return refuse("the certificate is not valid yet", "Check its dates, and the clock of this machine.");
        if (days_left(cert) < 0)
                return refuse("the certificate has ended", "Ask for a new one: lethectl cert request.");
        if (days_left(cert) < DAYS_WARNED)
                fprintf(stderr, "lethectl: note: this certificate ends in %ld days\n", days_left(cert));
        return DONE;
}

/* Whether each of the configuration's hosts is covered; none at all is refused. */
static verdict check_hosts(const tls_certificate *cert, view lethe_json)
{
        config_doc  *doc;
        config_fault ignored;
        size_t       covered = 0;
        if (failed(config_parse(lethe_json, &doc, &ignored)))
                return refuse("lethe.json of the box cannot be read", nullptr);
        for (const config_node *n = config_first(config_get(config_root(doc), "hosts")); n != nullptr;
             n = config_next(n)) {
                view host;
                if (failed(config_text_of(n, &host, &ignored)))
                        continue;
                if (tls_names_cover(&cert->names, host))
                        covered++;
                else
                        fprintf(stderr, "lethectl: note: the certificate is not for %.*s, which lethe.json lists\n",
                                (int)host.len, (const char *)host.data);
        }
        config_free(doc);
        return covered > 0 ? DONE
                           : refuse("the certificate is for none of the hosts in lethe.json",
                                    "lethectl cert show prints its names when you give it the file.");
}

static verdict check_names(const lethectl *c, const tls_certificate *cert)
{
        https_client *h;
        region        text;
        https_why     why = {};
        verdict       r = open_admin(c, &h);
        if (r != DONE)
                return r;
        err e = config_fetch(h, "lethe.json", &text, &why);
        https_close(h);
        if (failed(e))
                return refuse(e.code == ERR_NO_ROUTE ? "this lethed takes its certificates from its folder (--config)"
                                                     : why.text,
                              e.code == ERR_NO_ROUTE ? "Put them into its tls folder, then lethectl reload." : nullptr);
        r = check_hosts(cert, region_view(&text));
        region_end(&text);
        return r;
}

verdict cert_import(const lethectl *c)
{
        own_pair        pair = {};
        tls_certificate cert;
        config_part     parts[2];
        size_t          count = 0;
        uint64_t        generation;
        if (c->admin == nullptr || c->key == nullptr)
                return misused("say where and by which key: --admin URL (or LETHE_ADMIN_URL) --key FILE");
        verdict r = own_pair_read(c->words[0], c->key, &pair);
        if (r == DONE && failed(tls_certificate_read(region_view(&pair.certificate), &cert)))
                r = refuse("the certificate cannot be read", nullptr);
        if (r == DONE)
                r = check_dates(&cert);
        if (r == DONE)
                r = check_names(c, &cert);
        if (r == DONE) {
                add_parts(parts, &count, plane(c), &pair);
                r = upload(c, parts, count, &generation);
        }
        own_pair_end(&pair);
        if (r == DONE)
                printf("generation %lu serves with it, %ld days to go; what was running goes on\n", generation,
                       days_left(&cert));
        return r;
}

/* ---- show ---- */

static void print_day(uint64_t seconds)
{
        char      text[32];
        time_t    at = (time_t)seconds;
        struct tm tm;
        gmtime_r(&at, &tm);
        (void)!strftime(text, sizeof text, "%Y-%m-%d", &tm);
        fputs(text, stdout);
}

static void print_names(const lethectl *c, const tls_names *names)
{
        for (size_t i = 0; i < names->count; i++) {
                fputs(i == 0 ? "" : c->json ? "," : ", ", stdout);
                if (c->json)
                        print_json(view_of_text(names->text[i]));
                else
                        fputs(names->text[i], stdout);
        }
}

static void print_certificate(const lethectl *c, const char *name, const tls_certificate *cert)
{
        if (c->json) {
                printf("{\"name\":\"%s\",\"subject\":", name);
                print_json(view_of_text(cert->subject));
                fputs(",\"issuer\":", stdout);
                print_json(view_of_text(cert->issuer));
                fputs(",\"names\":[", stdout);
                print_names(c, &cert->names);
                printf("],\"not_after\":%lu,\"days_left\":%ld,\"sha256\":\"", cert->not_after_s, days_left(cert));
                print_hex((view){cert->sha256, 32});
                fputs("\"}", stdout);
                return;
        }
        printf("%s\n  subject      %s\n  issued by    %s\n  names        ", name, cert->subject, cert->issuer);
        print_names(c, &cert->names);
        fputs("\n  valid        ", stdout);
        print_day(cert->not_before_s);
        fputs(" to ", stdout);
        print_day(cert->not_after_s);
        if (days_left(cert) < 0)
                fputs(": IT HAS ENDED", stdout);
        else
                printf(", %ld days left%s", days_left(cert),
                       days_left(cert) < DAYS_WARNED ? ": RENEW IT (lethectl cert renew, or cert request)" : "");
        fputs("\n  fingerprint  ", stdout);
        print_hex((view){cert->sha256, 32});
        fputs("\n", stdout);
}

static verdict show_one(const lethectl *c, const char *name, view pem)
{
        tls_certificate cert;
        if (failed(tls_certificate_read(pem, &cert)))
                return refuse("this is not a PEM certificate or chain", name);
        print_certificate(c, name, &cert);
        return DONE;
}

static verdict show_file(const lethectl *c, const char *path)
{
        region  pem;
        err     e = file_read(path, CONFIG_FILE_BYTES, &pem);
        verdict r = failed(e) ? refuse_err(path, e, nullptr) : show_one(c, path, region_view(&pem));
        region_end(&pem);
        if (r == DONE && c->json)
                fputs("\n", stdout);
        return r;
}

/* The two of a box: server first. */
static verdict fetch_both(const lethectl *c, region out[static 2])
{
        static const char *const names[] = {"tls/server.crt", "tls/admin.crt"};
        https_client            *h;
        https_why                why = {};
        region_init(&out[0], 0);
        region_init(&out[1], 0);
        if (c->admin == nullptr)
                return misused("say which lethed: --admin URL, or LETHE_ADMIN_URL; or name a file");
        verdict r = open_admin(c, &h);
        for (size_t i = 0; i < 2 && r == DONE; i++)
                if (failed(config_fetch(h, names[i], &out[i], &why)))
                        r = refuse(why.text, nullptr);
        return r;
}

verdict cert_show(const lethectl *c)
{
        region pem[2];
        if (c->word_count == 1)
                return show_file(c, c->words[0]);
        verdict r = fetch_both(c, pem);
        if (r == DONE && c->json)
                fputs("[", stdout);
        if (r == DONE)
                r = show_one(c, "server", region_view(&pem[0]));
        if (r == DONE && c->json)
                fputs(",", stdout);
        if (r == DONE)
                r = show_one(c, "admin", region_view(&pem[1]));
        if (r == DONE && c->json)
                fputs("]\n", stdout);
        region_end(&pem[0]);
        region_end(&pem[1]);
        return r;
}

/* ---- renew ---- */

static verdict renew_one(const own_ca *ca, const char *folder, const char *name, const region *old, own_pair *out)
{
        tls_certificate cert;
        if (failed(tls_certificate_read(region_view(old), &cert)) || cert.names.count == 0)
                return refuse("the box's certificate names nobody", name);
        return own_ca_issue(ca, folder, name, &cert.names, out);
}

verdict cert_renew(const lethectl *c)
{
        own_ca      ca;
        own_pair    pairs[2] = {};
        region      old[2];
        config_part parts[4];
        size_t      count = 0;
        uint64_t    generation;
        if (c->out == nullptr)
                return misused("say where the CA is: --out DIR, the folder of lethectl setup");
        verdict r = own_folder(c->out);
        if (r == DONE)
                r = own_ca_open(c->out, false, &ca);
        if (r != DONE)
                return r;
        r = fetch_both(c, old);
        if (r == DONE)
                r = renew_one(&ca, c->out, "server", &old[0], &pairs[0]);
        if (r == DONE)
                r = renew_one(&ca, c->out, "admin", &old[1], &pairs[1]);
        if (r == DONE) {
                add_parts(parts, &count, "server", &pairs[0]);
                add_parts(parts, &count, "admin", &pairs[1]);
                r = upload(c, parts, count, &generation);
        }
        for (size_t i = 0; i < 2; i++) {
                own_pair_end(&pairs[i]);
                region_end(&old[i]);
        }
        own_ca_close(&ca);
        if (r == DONE)
                printf("generation %lu serves with new certificates for another 397 days; the CA is the same\n",
                       generation);
        return r;
}
