/* A box whose certificate nobody has signed: before it is set up, and while its vault is closed. */
#include <stdio.h>

#include "base/emit.h"
#include "prog/lethectl_setup.h"

enum : uint64_t { CALL_MS = 30000 };

static int nibble(uint8_t c)
{
        c = ascii_lower(c);
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool fingerprint_read(view text, uint8_t out[static 32])
{
        size_t at = 0;
        for (size_t i = 0; i < text.len; i++) {
                int digit = nibble(text.data[i]);
                if (text.data[i] == ':' || text.data[i] == ' ')
                        continue;
                if (digit < 0 || at == 64)
                        return false;
                out[at / 2] = (uint8_t)(at % 2 == 0 ? digit << 4 : out[at / 2] | digit);
                at++;
        }
        return at == 64;
}

static void print_fingerprint(const uint8_t f[static 32])
{
        for (size_t i = 0; i < 32; i++)
                printf("%02x%s", f[i], i == 15 ? "\n  " : i == 31 ? "\n" : i % 2 == 1 ? " " : "");
}

verdict known_learn(const char *url, https_known *known)
{
        https_client       *h;
        https_answer        a;
        https_why           why = {};
        const https_request q = {"GET", VIEW("/healthz"), {}, CALL_MS};
        *known = (https_known){};
        err e = https_open_only(url, known, (view){}, &h, &why);
        if (failed(e))
                return refuse(why.text, nullptr);
        e = https_call(h, &q, &a, &why);
        https_close(h);
        if (!failed(e))
                region_end(&a.body);
        if (e.code != ERR_UPSTREAM_CERTIFICATE)
                return refuse(why.text, "Is it the box's address, with its port?");
        memcpy(known->only, known->seen, sizeof known->only);
        return DONE;
}

verdict known_compare(const https_known *known, const uint8_t *expected)
{
        char answer[32];
        if (expected != nullptr && memcmp(expected, known->only, 32) == 0)
                return DONE;
        printf("The box at this address shows a certificate with the fingerprint\n  ");
        print_fingerprint(known->only);
        fflush(stdout);
        if (expected != nullptr)
                return refuse("this is not the fingerprint that was given; nothing was sent",
                              "Compare with the console. When they differ, somebody else answers at this address.");
        if (!line_ask("Does its console show the same (menu: fingerprints in full, operators)? yes or no", nullptr,
                      answer, sizeof answer))
                return REFUSED;
        return strcmp(answer, "yes") == 0
                       ? DONE
                       : refuse("nothing was sent", "When they differ, somebody else answers at this address.");
}

verdict known_for_sealed(const lethectl *c, char fingerprint[static 65])
{
        https_client       *h;
        https_answer        a;
        https_known         known;
        https_why           why = {};
        const https_request q = {"GET", VIEW("/healthz"), {}, CALL_MS};
        fingerprint[0] = '\0';
        if (c->fingerprint != nullptr || failed(admin_client(c, &h, &why)))
                return DONE;
        err e = https_call(h, &q, &a, &why);
        https_close(h);
        if (!failed(e))
                region_end(&a.body);
        if (e.code != ERR_UPSTREAM_CERTIFICATE)
                return DONE;
        if (c->from_stdin)
                return refuse(why.text, "A box whose vault is closed shows a certificate of its own: say its "
                                        "fingerprint, as the console shows it, by --fingerprint HEX.");
        verdict r = known_learn(c->admin, &known);
        if (r == DONE)
                r = known_compare(&known, nullptr);
        emit out = emit_into((uint8_t *)fingerprint, 64);
        emit_hex(&out, (view){known.only, sizeof known.only});
        fingerprint[64] = '\0';
        return r;
}
