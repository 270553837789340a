/* prog/lethectl_https: one request to the admin plane and its whole answer, over verified TLS. */
#ifndef PROG_LETHECTL_HTTPS_H
#define PROG_LETHECTL_HTTPS_H

#include "base/arena.h"
#include "base/emit.h"
#include "base/result.h"
#include "base/view.h"

/* One sentence for the operator when something fails. */
typedef struct https_why {
        char text[320];
} https_why;

typedef struct https_client https_client;

/* There is one client at a time.
 *
 * in   url    "https://HOST[:PORT]"; HOST is an address or a name of the hosts file (this program asks no DNS server)
 *      ca     PEM: who may have signed the server's certificate
 *      token  goes out as Authorization: Bearer; may be empty
 * err  OUT_OF_RANGE, BAD_FILE, SYSTEM, each with *why */
err https_open(const char *url, view ca, view token, https_client **out, https_why *why);

/* A server whose certificate is known by its fingerprint alone (SHA-256 of all of it). */
typedef struct https_known {
        uint8_t only[32]; /* the certificate that is accepted */
        uint8_t seen[32]; /* what it showed in the last call, accepted or not */
} https_known;

/* The same for such a server; `known` outlives the client. */
err https_open_only(const char *url, https_known *known, view token, https_client **out, https_why *why);
void https_close(https_client *c);

/* Tells of every call's body how many bytes of it are on their way. */
void https_watch(https_client *c, void (*sent)(void *ctx, size_t bytes), void *ctx);

typedef struct https_request {
        const char *method;
        view path;
        view body;           /* JSON; empty: none */
        uint64_t timeout_ms; /* for everything, connecting included */
} https_request;

typedef struct https_answer {
        unsigned status;
        uint64_t sequence; /* of Export-Sequence; 0: there is none */
        region body;       /* end it */
} https_answer;

/* err GONE, UPSTREAM_CERTIFICATE, UPSTREAM_TIMEOUT, UPSTREAM_BROKEN, each with *why */
err https_call(https_client *c, const https_request *q, https_answer *a, https_why *why);

/* Sets *why to the concatenation of the parts. */
void https_say(https_why *why, const char *first, const char *second, const char *third);

#endif
