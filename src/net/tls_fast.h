/* net/tls_fast: libsodium's X25519 and AES-256-GCM under the unmodified TLS library, by the linker's --wrap.
 *
 * The library reaches its own arithmetic through calls between object files; scripts/mk/flags.mk turns four of them
 * here. What is not exactly a case libsodium has (another curve, key, nonce or tag length, a part-wise use, a CPU
 * without AES) goes to the library's function as if nothing stood between.
 * src  RFC 7748; NIST SP 800-38D; mbedTLS 3.6 headers */
#ifndef NET_TLS_FAST_H
#define NET_TLS_FAST_H

#include "base/result.h"

/* Once per process, after psa_crypto_init and before the first session: decides what is used, then computes known
 * answers through both paths. err SYSTEM when one of them is wrong; all is left to the library then. */
err tls_fast_setup(void);

/* Whether AES-256-GCM is fast here, and so the first choice. */
bool tls_fast_has_aes(void);

/* What tls_fast_setup decides. Only tests decide otherwise. */
void tls_fast_use(bool curve, bool aes);

/* The known answers: RFC 7748 section 6.1 and test case 16 of the GCM specification. */
typedef struct tls_fast_answers {
        uint8_t public_key[32];
        uint8_t shared[32];
        uint8_t sealed[60];
        uint8_t tag[16];
} tls_fast_answers;
extern const tls_fast_answers tls_fast_known;

/* Whether both paths give these answers, and the fast ones were taken where they are in use. */
bool tls_fast_proves(const tls_fast_answers *want);

/* How often the fast path was taken, since start. */
typedef struct tls_fast_counts {
        uint64_t multiplied, sealed, opened;
} tls_fast_counts;
tls_fast_counts tls_fast_taken(void);

#endif
