#include "sign/p256.h"

#include <string.h>

#include "base/secret.h"
#include "support/tap.h"

static const char SUBJECT[] = "p256";

/* src  RFC 6979, A.2.5: P-256 with SHA-256, message "sample" */
static const p256_key key = {
        {0x60, 0xFE, 0xD4, 0xBA, 0x25, 0x5A, 0x9D, 0x31, 0xC9, 0x61, 0xEB, 0x74, 0xC6, 0x35, 0x6D, 0x68,
         0xC0, 0x49, 0xB8, 0x92, 0x3B, 0x61, 0xFA, 0x6C, 0xE6, 0x69, 0x62, 0x2E, 0x60, 0xF2, 0x9F, 0xB6},
        {0x79, 0x03, 0xFE, 0x10, 0x08, 0xB8, 0xBC, 0x99, 0xA4, 0x1A, 0xE9, 0xE9, 0x56, 0x28, 0xBC, 0x64,
         0xF2, 0xF1, 0xB2, 0x0C, 0x2D, 0x7E, 0x9F, 0x51, 0x77, 0xA3, 0xC2, 0x94, 0xD4, 0x46, 0x22, 0x99}};
static const uint8_t r[32] = {0xEF, 0xD4, 0x8B, 0x2A, 0xAC, 0xB6, 0xA8, 0xFD, 0x11, 0x40, 0xDD,
                              0x9C, 0xD4, 0x5E, 0x81, 0xD6, 0x9D, 0x2C, 0x87, 0x7B, 0x56, 0xAA,
                              0xF9, 0x91, 0xC3, 0x4D, 0x0E, 0xA8, 0x4E, 0xAF, 0x37, 0x16};
static const uint8_t s[32] = {0xF7, 0xCB, 0x1C, 0x94, 0x2D, 0x65, 0x7C, 0x41, 0xD4, 0x36, 0xC7,
                              0xA1, 0xB6, 0xE2, 0x9F, 0x65, 0xF3, 0xE9, 0x00, 0xDB, 0xB9, 0xAF,
                              0xF4, 0x06, 0x4D, 0xC4, 0xAB, 0x2F, 0x84, 0x3A, 0xCD, 0xA8};

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        tap_ok(!failed(p256_verify(&key, VIEW("sample"), r, s)), SUBJECT, "a signature of the norm's");
        tap_ok(p256_verify(&key, VIEW("samplf"), r, s).code == ERR_BAD_SIGNATURE, SUBJECT, "over other bytes: none");
        bool refused = true;
        for (unsigned at = 0; at < 32; at++) {
                uint8_t  other[32];
                p256_key wrong = key;
                memcpy(other, s, 32);
                other[at] ^= 1;
                wrong.x[at] ^= 1;
                refused = refused && failed(p256_verify(&key, VIEW("sample"), r, other))
                          && failed(p256_verify(&wrong, VIEW("sample"), r, s));
        }
        tap_ok(refused, SUBJECT, "another bit anywhere, or a key that is no point: none");
        static const uint8_t zeros[32];
        tap_ok(failed(p256_verify(&key, VIEW("sample"), zeros, zeros))
                       && failed(p256_verify(&(p256_key){}, VIEW("sample"), r, s)),
               SUBJECT, "zeros sign nothing");

        uint8_t  bytes[512];
        emit     pem = emit_into(bytes, sizeof bytes);
        p256_key back = {};
        p256_write_pem(&key, &pem);
        view whole = {bytes, pem.len};
        tap_ok(!failed(p256_read_pem(whole, &back)) && memcmp(&back, &key, sizeof key) == 0, SUBJECT,
               "a key as PEM and back");
        bool cut = true;
        for (size_t len = 0; len + 1 < whole.len; len++)
                cut = cut && failed(p256_read_pem(view_slice(whole, 0, len), &back));
        tap_ok(cut, SUBJECT, "PEM cut anywhere is refused");
        bytes[30] = '!';
        tap_ok(failed(p256_read_pem(whole, &back)) && failed(p256_read_pem(VIEW("-----END PUBLIC KEY----------BEGIN "
                                                                                 "PUBLIC KEY-----"),
                                                                            &back)),
               SUBJECT, "what is no base64 is refused");
        return tap_done();
}
