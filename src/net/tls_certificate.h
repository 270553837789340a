/* net/tls_certificate: keys, requests and certificates of one's own, and what a certificate says. P-256 throughout.
 * src  RFC 5280, RFC 2986; mbedTLS 3.6 headers */
#ifndef NET_TLS_CERTIFICATE_H
#define NET_TLS_CERTIFICATE_H

#include "base/emit.h"
#include "base/result.h"
#include "base/view.h"

enum : size_t { TLS_NAMES = 16, TLS_NAME_BYTES = 254, TLS_PEM_BYTES = 8 * 1024 };

/* Whom a certificate is for: DNS names (a leading "*." is allowed) and addresses, as text. */
typedef struct tls_names {
        char   text[TLS_NAMES][TLS_NAME_BYTES];
        size_t count;
} tls_names;

/* "a.example,192.0.2.1,2001:db8::1" into names. err OUT_OF_RANGE: none, too many, or one that is neither a host name
 * nor an address; *bad (may be null) is where it stands */
err tls_names_read(view list, tls_names *out, view *bad);
/* One of the names is for this host: equal without regard to case, or by a wildcard of one label. */
bool tls_names_cover(const tls_names *names, view host);

/* A new private key. Wipe what was written. err SYSTEM, NO_ROOM */
err tls_key_make(emit *pem);

/* A request for a certificate over these names. err BAD_FILE: not a private key; SYSTEM, NO_ROOM */
err tls_request_make(view key_pem, const tls_names *names, emit *pem);

typedef struct tls_issue {
        view             key_pem;     /* whom it is for; its public half alone is used */
        const char      *subject;     /* common name, 1 to 64 of A-Z a-z 0-9 . : - and space */
        const tls_names *names;       /* null: none */
        bool             authority;   /* may sign others */
        view             issuer_pem, issuer_key_pem; /* empty: it signs itself */
        uint64_t         not_before_s, not_after_s;
} tls_issue;

/* err BAD_FILE: a key or the issuer cannot be used; SYSTEM, NO_ROOM */
err tls_certificate_make(const tls_issue *issue, emit *pem);

typedef struct tls_certificate {
        char      subject[256];
        char      issuer[256];
        tls_names names;
        uint64_t  not_before_s, not_after_s;
        uint8_t   sha256[32]; /* of the whole certificate: its fingerprint */
        bool      authority;
        size_t    chain;      /* certificates in the file, this one included */
} tls_certificate;

/* The first certificate of a PEM file. err BAD_FILE */
err tls_certificate_read(view pem, tls_certificate *out);

/* True when the private key belongs to the first certificate. */
bool tls_certificate_has_key(view pem, view key_pem);

#endif
