/* lethectl setup: from a box that shows a claim code to a first answer. Everything is asked and checked before anything
 * is changed; what was begun can be begun again until the claim code ends. */
#include "prog/lethectl_setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/secret.h"
#include "codec/base64.h"
#include "net/tls.h"
#include "vault/container.h"
#include "vault/seal.h"
#include "vault/store.h"

enum : uint64_t { CALL_MS = 30000, SERVES_MS = 60000 };
enum : size_t { ROOTS_BYTES = LIMIT_CONFIG_BYTES, POLICY_BYTES = 256 * 1024, SETUP_BYTES = 64 * 1024 };

/* ---- answers ---- */

static verdict read_wish(setup *s)
{
        config_fault fault = {};
        region       text;
        s->wish = (setup_wish){.port = 8443, .vendor_key_wanted = true};
        if (s->c->file != nullptr) {
                err e = file_read(s->c->file, SETUP_BYTES, &text);
                if (failed(e)) {
                        region_end(&text);
                        return refuse_err(s->c->file, e, nullptr);
                }
                e = setup_read(region_view(&text), &s->wish, &fault);
                region_end(&text);
                if (failed(e)) {
                        fprintf(stderr, "%s:%u:%u: %s at %s: %s\n", s->c->file, fault.line, fault.column, fault.code,
                                fault.pointer[0] != '\0' ? fault.pointer : "/", fault.text);
                        return REFUSED;
                }
        }
        s->wish.light = s->wish.light || s->c->light;
        if (s->c->claim != nullptr)
                snprintf(s->wish.claim, sizeof s->wish.claim, "%s", s->c->claim);
        if (s->c->fingerprint != nullptr) {
                s->wish.has_fingerprint = true;
                if (!fingerprint_read(view_of_text(s->c->fingerprint), s->wish.fingerprint))
                        return misused("--fingerprint takes 64 hexadecimal digits, as the console shows them");
        }
        return DONE;
}

static verdict read_vendor_key(setup *s)
{
        if (!s->wish.vendor_key_wanted)
                return DONE;
        if (!secret_ask(s->c, "Vendor key: ", &s->vendor_key))
                return REFUSED;
        return store_secret_valid(secret_view(&s->vendor_key))
                       ? DONE
                       : refuse("a vendor key has 1 to 512 visible ASCII characters without spaces", nullptr);
}

static verdict read_roots(setup *s)
{
        static const char *const places[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                             "/etc/ssl/cert.pem"};
        if (!setup_wants_roots(&s->wish))
                return DONE;
        if (s->wish.roots[0] != '\0') {
                err e = file_read(s->wish.roots, ROOTS_BYTES, &s->roots);
                if (e.code == ERR_NO_ROOM)
                        return refuse("the file of roots is larger than 256 KiB", s->wish.roots);
                return failed(e) ? refuse_err(s->wish.roots, e, nullptr) : DONE;
        }
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
                if (!failed(file_read(places[i], ROOTS_BYTES, &s->roots)))
                        return DONE;
                region_end(&s->roots);
        }
        return refuse("this machine has no bundle of public roots (256 KiB at most) to judge the vendor by",
                      "Name a file of its CA as vendor.roots in setup.json, or install ca-certificates.");
}

static verdict read_policy(setup *s)
{
        region_init(&s->policy, POLICY_BYTES + 1);
        if (s->wish.policy[0] == '\0')
                return failed(region_append(&s->policy, setup_default_policy())) ? REFUSED : DONE;
        err e = file_read(s->wish.policy, POLICY_BYTES, &s->policy);
        return failed(e) ? refuse_err(s->wish.policy, e, nullptr) : DONE;
}

/* ---- what is made here ---- */

static verdict own_certificates(setup *s)
{
        own_ca    ca;
        tls_names names = s->wish.hosts;
        verdict   r = own_ca_open(s->out, true, &ca);
        if (r != DONE)
                return r;
        if (!tls_names_cover(&names, view_of_text(s->host)) && names.count < TLS_NAMES)
                memcpy(names.text[names.count++], s->host, strlen(s->host) + 1);
        r = own_ca_issue(&ca, s->out, "server", &names, &s->server);
        if (r == DONE)
                r = own_ca_issue(&ca, s->out, "admin", &names, &s->admin);
        region_init(&s->ca, TLS_PEM_BYTES);
        if (r == DONE && failed(region_append(&s->ca, region_view(&ca.certificate))))
                r = REFUSED;
        own_ca_close(&ca);
        return r;
}

static verdict certificates(setup *s)
{
        const setup_wish *w = &s->wish;
        if (w->server_crt[0] == '\0')
                return own_certificates(s);
        verdict r = own_pair_read(w->server_crt, w->server_key, &s->server);
        return r == DONE ? own_pair_read(w->admin_crt, w->admin_key, &s->admin) : r;
}

static void make_token(setup_made *m)
{
        uint8_t random[32];
        secret_random(random, sizeof random);
        emit e = emit_into(m->token, sizeof m->token);
        emit_text(&e, "lat_");
        emit_hex(&e, (view){random, sizeof random});
        secret_sha256(m->token_hash, (view){m->token, sizeof m->token});
        wipe(random, sizeof random);
}

static verdict prepare(setup *s)
{
        verdict r = own_folder(s->out);
        if (r == DONE)
                r = certificates(s);
        if (r == DONE)
                r = read_roots(s);
        if (r == DONE)
                r = read_policy(s);
        make_token(&s->made);
        emit text = emit_into(s->made.client_key, sizeof s->made.client_key);
        client_key_text(&text, s->made.client_key_id);
        return r;
}

/* ---- what is sent ---- */

static verdict keep_vendor_key(setup *s)
{
        keeper_credential credential = {.len = (uint32_t)s->vendor_key.len};
        https_answer      a;
        char              host[LIMIT_HOST_BYTES];
        if (!s->wish.vendor_key_wanted)
                return DONE;
        if (failed(setup_vendor_host(s->wish.base_url, host)))
                return refuse("the vendor's base URL has no host", nullptr);
        memcpy(credential.name, s->wish.vendor, strlen(s->wish.vendor));
        memcpy(credential.host, host, strlen(host));
        memcpy(credential.secret, s->vendor_key.bytes, s->vendor_key.len);
        view    plain = {(const uint8_t *)&credential, sizeof credential};
        verdict r = setup_post_sealed(s, "/admin/v1/vault/credentials", plain, &a);
        wipe(&credential, sizeof credential);
        if (r == DONE)
                region_end(&a.body);
        return r;
}

static verdict hash_client_key(setup *s)
{
        uint8_t      plain[CLIENT_KEY_ID_BYTES + CLIENT_KEY_SECRET_BYTES];
        view         id, secret;
        https_answer a;
        if (failed(client_key_parse((view){s->made.client_key, sizeof s->made.client_key}, &id, &secret)))
                return refuse("the key that was made is not a key", nullptr);
        memcpy(plain, id.data, id.len);
        memcpy(plain + id.len, secret.data, secret.len);
        verdict r = setup_post_sealed(s, "/admin/v1/keys/hash", (view){plain, sizeof plain}, &a);
        wipe(plain, sizeof plain);
        if (r != DONE)
                return r;
        err e = told_hash(region_view(&a.body), s->made.client_key_hash);
        region_end(&a.body);
        return failed(e) ? refuse("the box answered what this lethectl does not know", nullptr) : DONE;
}

static void part(config_part *parts, size_t *count, const char *name, const region *bytes)
{
        snprintf(parts[*count].name, sizeof parts[*count].name, "%s", name);
        parts[(*count)++].bytes = region_view(bytes);
}

static verdict send_config(setup *s)
{
        config_part parts[8] = {};
        size_t      count = 0;
        uint64_t    generation;
        part(parts, &count, "lethe.json", &s->lethe_json);
        part(parts, &count, "policy.json", &s->policy);
        part(parts, &count, "tls/server.crt", &s->server.certificate);
        part(parts, &count, "tls/server.key", &s->server.key);
        part(parts, &count, "tls/admin.crt", &s->admin.certificate);
        part(parts, &count, "tls/admin.key", &s->admin.key);
        if (s->roots.len > 0)
                part(parts, &count, "ca/public.pem", &s->roots);
        const config_send send = {parts, count, s->box.seal_key, setup_opens_word(s->wish.opens), false};
        return config_put(s->h, &send, &generation);
}

/* ---- the end ---- */

static verdict keep_token(setup *s)
{
        uint8_t room[sizeof s->made.token + 1];
        memcpy(room, s->made.token, sizeof s->made.token);
        room[sizeof s->made.token] = '\n';
        err e = file_write_secret(s->out, "admin.token", (view){room, sizeof room});
        if (!failed(e))
                e = file_write(s->out, "lethe.json", region_view(&s->lethe_json));
        wipe(room, sizeof room);
        return failed(e) ? refuse_err(s->out, e, nullptr) : DONE;
}

static void wait_a_moment(void) { nanosleep(&(struct timespec){.tv_nsec = 300'000'000}, nullptr); }

/* With the new certificate and the new token, as everybody will from now on. A certificate of another CA is known by
 * its fingerprint. */
static err reopen(setup *s)
{
        tls_certificate admin;
        view            token = {s->made.token, sizeof s->made.token};
        if (s->ca.len > 0)
                return https_open(s->c->admin, region_view(&s->ca), token, &s->h, &s->why);
        TRY(tls_certificate_read(region_view(&s->admin.certificate), &admin));
        memcpy(s->known.only, admin.sha256, sizeof s->known.only);
        return https_open_only(s->c->admin, &s->known, token, &s->h, &s->why);
}

static verdict wait_until_it_serves(setup *s)
{
        const https_request q = {"GET", VIEW("/readyz"), {}, CALL_MS};
        if (failed(reopen(s)))
                return refuse(s->why.text, nullptr);
        for (uint64_t waited = 0; waited < SERVES_MS; waited += 300) {
                https_answer a;
                unsigned     status = 0;
                if (!failed(https_call(s->h, &q, &a, &s->why))) {
                        status = a.status;
                        region_end(&a.body);
                }
                if (status == 200)
                        return DONE;
                wait_a_moment();
        }
        return refuse("the configuration is stored, but the box does not say that it serves",
                      "lethectl ready and its console say why.");
}

static void print_line_to_try(const setup *s, const char *base)
{
        const char *key = (const char *)s->made.client_key;
        fputs("\nThe first answer:\n\n  curl", stdout);
        if (s->ca.len > 0)
                printf(" --cacert %s/ca.crt", s->out);
        printf(" %s/chat/completions -H 'Authorization: Bearer %.*s' -H 'Content-Type: application/json'", base,
               (int)sizeof s->made.client_key, key);
        printf(" -d '{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'\n\n", s->wish.model);
}

static void print_end(const setup *s)
{
        const char *host = s->wish.hosts.text[0];
        bool        colons = strchr(host, ':') != nullptr;
        char        base[LIMIT_HOST_BYTES + 32];
        snprintf(base, sizeof base, "https://%s%s%s:%u/v1", colons ? "[" : "", host, colons ? "]" : "", s->wish.port);
        printf("\nIt serves.\n\n  base URL    %s\n", base);
        printf("  client key  %.*s   (shown this once)\n", (int)sizeof s->made.client_key,
               (const char *)s->made.client_key);
        if (s->ca.len > 0)
                printf("  CA file     %s/ca.crt   (callers trust it: SSL_CERT_FILE, NODE_EXTRA_CA_CERTS)\n", s->out);
        printf("  admin       --admin %s --token-file %s/admin.token%s%s%s\n", s->c->admin, s->out,
               s->ca.len > 0 ? " --ca " : "", s->ca.len > 0 ? s->out : "", s->ca.len > 0 ? "/ca.crt" : "");
        if (s->wish.opens == OPENS_KEY_FILE)
                printf("  key file    %s/vault.key   (copy it to a FAT stick labelled LETHECFG, and keep another copy "
                       "elsewhere: without it all is lost)\n",
                       s->out);
        print_line_to_try(s, base);
}

static void setup_end(setup *s)
{
        secret_line_wipe(&s->opener);
        secret_line_wipe(&s->vendor_key);
        own_pair_end(&s->server);
        own_pair_end(&s->admin);
        region *const regions[] = {&s->ca, &s->lethe_json, &s->policy, &s->roots};
        for (size_t i = 0; i < sizeof regions / sizeof *regions; i++)
                region_end(regions[i]);
        wipe(&s->made, sizeof s->made);
        wipe(&s->wish, sizeof s->wish);
}

/* In order; the first that does not succeed ends it. */
static verdict run(setup *s, verdict (*const steps[])(setup *))
{
        verdict r = DONE;
        for (size_t i = 0; steps[i] != nullptr && r == DONE; i++)
                r = steps[i](s);
        return r;
}

static verdict ask_rest(setup *s)
{
        if (s->c->file == nullptr)
                return setup_ask(s->host, s->box.tpm, &s->wish);
        if (s->wish.opens == OPENS_TPM && !s->box.tpm)
                return refuse("setup.json wants the TPM, and this box shows none", "Choose person or key-file.");
        return DONE;
}

static verdict compose(setup *s) { return setup_compose(&s->wish, &s->made, s->host, &s->lethe_json); }

verdict setup_box(const lethectl *c)
{
        static verdict (*const steps[])(setup *) = {
                read_wish,      setup_learn,       setup_compare,   setup_ask_claim,   setup_connect,
                setup_describe, setup_prove_claim, ask_rest,        prepare,           setup_make_opener,
                read_vendor_key, setup_make_vault, keep_vendor_key, hash_client_key,   compose,
                setup_bind_tpm, send_config,       keep_token,      wait_until_it_serves, nullptr};
        static setup s;
        s = (setup){.c = c, .out = c->out != nullptr ? c->out : "lethe-box"};
        if (c->admin == nullptr)
                return misused("say which box: --admin https://HOST:9443, as its console shows it");
        if (!setup_host_of(c->admin, s.host))
                return misused("--admin takes https://HOST:PORT");
        verdict r = run(&s, steps);
        if (r == DONE)
                print_end(&s);
        setup_end(&s);
        return r;
}
