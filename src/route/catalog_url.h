/* route/catalog_url: hosts and base URLs as operators write them. Strict: one spelling per place. */
#ifndef ROUTE_CATALOG_URL_H
#define ROUTE_CATALOG_URL_H

#include "base/limit.h"
#include "base/view.h"
#include "route/address.h"

typedef struct catalog_host {
        char            name[LIMIT_HOST_BYTES]; /* lower case; addresses in their shortest form, without brackets */
        bool            literal;                /* an address, not a name */
        catalog_address address;                /* when literal */
} catalog_host;

/* A DNS name in ASCII (punycode is written out) or an address. Names whose last label is a number are refused:
 * some resolvers read them as addresses. */
bool catalog_host_parse(view text, catalog_host *out);

typedef struct catalog_url {
        bool         tls;
        catalog_host host;
        uint16_t     port;
        char         path[LIMIT_HOST_BYTES]; /* without trailing slash */
} catalog_url;

/* Reads "https://host[:port][/path]". Returns null, or a sentence that says what is wrong. */
const char *catalog_url_parse(view text, catalog_url *out);

/* A path of single slashes, each before a part that is neither empty nor "." or ".."; none at its end. */
bool catalog_path_valid(view path);

/* Splits "host", "host:port" or "[address]:port"; *port is empty when there is none. False when it is none of them. */
bool catalog_host_split(view text, view *host, view *port);

/* A decimal port, 1 to 65535; 0 when it is none. */
uint16_t catalog_port_parse(view text);

#endif
