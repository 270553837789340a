#include "prog/lethectl_own_ca.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "net/tls.h"

enum : uint64_t { DAY_S = 24 * 60 * 60, CA_DAYS = 3650, LEAF_DAYS = 397 };
enum : size_t { PEM_FILE_BYTES = 256 * 1024 };

void own_ca_close(own_ca *ca)
{
        region_end(&ca->certificate);
        region_end(&ca->key);
}

void own_pair_end(own_pair *p)
{
        region_end(&p->certificate);
        region_end(&p->key);
}

verdict own_folder(const char *folder)
{
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
                return refuse_err(folder, FAIL(SYSTEM), nullptr);
        return failed(tls_setup()) ? refuse("the system refused what certificates need", nullptr) : DONE;
}

/* Keys and certificates are written into regions, so that they are wiped. */
static emit room_of(region *r)
{
        region_init(r, TLS_PEM_BYTES);
        return failed(region_reserve(r, TLS_PEM_BYTES)) ? (emit){.full = true} : emit_into(r->bytes, TLS_PEM_BYTES);
}

static err make_pair(tls_issue *issue, region *certificate, region *key)
{
        emit pem = room_of(key);
        region_init(certificate, 0);
        TRY(tls_key_make(&pem));
        key->len = pem.len;
        /* A day back: clocks differ. */
        issue->not_before_s = clock_wall_s() - DAY_S;
        issue->key_pem = region_view(key);
        pem = room_of(certificate);
        TRY(tls_certificate_make(issue, &pem));
        certificate->len = pem.len;
        return OK;
}

static verdict write_pair(const char *folder, const char *name, const region *certificate, const region *key)
{
        char crt[64], secret[64];
        snprintf(crt, sizeof crt, "%s.crt", name);
        snprintf(secret, sizeof secret, "%s.key", name);
        err e = file_write_secret(folder, secret, region_view(key));
        if (!failed(e))
                e = file_write(folder, crt, region_view(certificate));
        return failed(e) ? refuse_err(folder, e, nullptr) : DONE;
}

static verdict ca_make(const char *folder, own_ca *out)
{
        tls_issue issue = {.subject = "Lethe box CA", .authority = true,
                           .not_after_s = clock_wall_s() + CA_DAYS * DAY_S};
        err       e = make_pair(&issue, &out->certificate, &out->key);
        if (failed(e))
                return refuse_err("the CA", e, nullptr);
        return write_pair(folder, "ca", &out->certificate, &out->key);
}

static verdict read_file(const char *path, region *out)
{
        err e = file_read(path, PEM_FILE_BYTES, out);
        return failed(e) ? refuse_err(path, e, nullptr) : DONE;
}

verdict own_pair_read(const char *certificate, const char *key, own_pair *out)
{
        tls_certificate c;
        region_init(&out->key, 0);
        verdict r = read_file(certificate, &out->certificate);
        if (r == DONE)
                r = read_file(key, &out->key);
        if (r == DONE && failed(tls_certificate_read(region_view(&out->certificate), &c)))
                r = refuse("the certificate file is not a PEM certificate or chain", certificate);
        if (r == DONE && !tls_certificate_has_key(region_view(&out->certificate), region_view(&out->key)))
                r = refuse("the private key does not belong to the certificate",
                           "The certificate that stands first in its file must be the server's own.");
        return r;
}

verdict own_ca_open(const char *folder, bool make, own_ca *out)
{
        char            crt[4096], key[4096];
        own_pair        pair = {};
        tls_certificate c;
        *out = (own_ca){};
        if (snprintf(crt, sizeof crt, "%s/ca.crt", folder) >= (int)sizeof crt
            || snprintf(key, sizeof key, "%s/ca.key", folder) >= (int)sizeof key)
                return refuse("the path of the folder is too long", nullptr);
        struct stat st;
        if (make && stat(crt, &st) != 0 && errno == ENOENT && stat(key, &st) != 0 && errno == ENOENT)
                return ca_make(folder, out);
        verdict r = own_pair_read(crt, key, &pair);
        *out = (own_ca){pair.certificate, pair.key};
        if (r == DONE
            && (failed(tls_certificate_read(region_view(&pair.certificate), &c)) || !c.authority || days_left(&c) < 0))
                r = refuse("ca.crt is no authority, or has ended", crt);
        if (r != DONE)
                own_ca_close(out);
        return r;
}

verdict own_ca_issue(const own_ca *ca, const char *folder, const char *name, const tls_names *names, own_pair *out)
{
        tls_issue issue = {.subject = strlen(names->text[0]) <= 64 ? names->text[0] : "Lethe box",
                           .names = names,
                           .issuer_pem = region_view(&ca->certificate),
                           .issuer_key_pem = region_view(&ca->key),
                           .not_after_s = clock_wall_s() + LEAF_DAYS * DAY_S};
        err       e = make_pair(&issue, &out->certificate, &out->key);
        if (failed(e))
                return refuse_err("the certificate", e, nullptr);
        return write_pair(folder, name, &out->certificate, &out->key);
}

int64_t days_left(const tls_certificate *c)
{
        int64_t left = (int64_t)c->not_after_s - (int64_t)clock_wall_s();
        return left >= 0 ? left / (int64_t)DAY_S : -1 - (-left - 1) / (int64_t)DAY_S;
}
