/* net/tls: mbedTLS's door. TLS 1.3 inbound and outbound, groups X25519 and P-256 only, http/1.1 by ALPN.
 * src  RFC 8446; mbedTLS 3.6 headers */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/result.h"
#include "base/view.h"

typedef struct tls_server tls_server;
typedef struct tls_client tls_client;

/* Once per process. err SYSTEM */
err tls_setup(void);

/* The server side. Certificate chain and key in PEM. *why (may be null) says in static words what is wrong.
 * err BAD_FILE, SYSTEM */
err tls_server_new(view certificate_pem, view key_pem, tls_server **out, const char **why);

/* Ticket keys: newest first; an epoch already known changes nothing. Without this call no tickets are given. */
typedef struct tls_ticket_key {
        uint8_t  name[4];
        uint8_t  key[32];
        uint64_t epoch;
} tls_ticket_key;
void tls_server_tickets(tls_server *s, const tls_ticket_key keys[static 2]);

/* The client side of one upstream: its CA set (PEM), the name its certificate must carry, optional pins (SHA-256 of
 * SubjectPublicKeyInfo of the end certificate; any of them suffices). With `only`, one certificate alone is accepted,
 * by the SHA-256 of all of it, whoever signed it and whatever its names and dates: ca_pem is not looked at then, and
 * `seen` gets the fingerprint of what the other side showed, accepted or not. err BAD_FILE, SYSTEM */
typedef struct tls_client_setup {
        view        ca_pem;
        const char *host;
        const uint8_t (*pins)[32];
        size_t      pin_count; /* at most 4 */
        const uint8_t *only;   /* 32 bytes, copied; null: none */
        uint8_t       *seen;   /* 32 bytes, outlives the client; only with `only` */
} tls_client_setup;
err tls_client_new(const tls_client_setup *setup, tls_client **out, const char **why);

/* ---- one session; used by net/conn alone ---- */

typedef struct tls_session tls_session;

typedef enum tls_status : uint8_t { TLS_OK, TLS_WANT, TLS_CLOSED, TLS_CUT, TLS_FAILED, TLS_BAD_CERTIFICATE } tls_status;

/* Cipher bytes in and out. `take` copies up to len bytes in and returns how many; 0: none now, -1: end of stream. */
typedef struct tls_bytes {
        ptrdiff_t (*take)(void *ctx, uint8_t *out, size_t len);
        void (*give)(void *ctx, view cipher);
        void *ctx;
} tls_bytes;

tls_session *tls_session_server(tls_server *s, const tls_bytes *io);
tls_session *tls_session_client(tls_client *c, const tls_bytes *io);
tls_status   tls_handshake(tls_session *s);
/* Plain bytes; at most one record a call. */
tls_status tls_read(tls_session *s, uint8_t *out, size_t cap, size_t *len);
tls_status tls_write(tls_session *s, view plain);
void       tls_goodbye(tls_session *s);
bool       tls_was_resumed(const tls_session *s);
/* Wipes and frees. */
void tls_session_free(tls_session *s);

#endif
