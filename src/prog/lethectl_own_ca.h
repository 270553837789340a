/* prog/lethectl_own_ca: a certificate authority of one's own, kept in a folder of the operator's. */
#ifndef PROG_LETHECTL_OWN_CA_H
#define PROG_LETHECTL_OWN_CA_H

#include "net/tls_certificate.h"
#include "prog/lethectl_config.h"

typedef struct own_ca {
        region certificate, key; /* PEM */
} own_ca;

/* A certificate with its private key, PEM. End both. */
typedef struct own_pair {
        region certificate, key;
} own_pair;

/* Reads ca.crt and ca.key of the folder; makes them where there are none and `make` is set. Prints why not. */
verdict own_ca_open(const char *folder, bool make, own_ca *out);
void    own_ca_close(own_ca *ca);

/* A new key and a certificate over these names, for 397 days from now on; written to the folder as NAME.crt and
 * NAME.key. Prints why not. */
verdict own_ca_issue(const own_ca *ca, const char *folder, const char *name, const tls_names *names, own_pair *out);
void    own_pair_end(own_pair *p);

/* Makes the folder, for its owner alone. Prints why not. */
verdict own_folder(const char *folder);

/* Reads a certificate and its private key from files and checks that they belong together. Prints why not. */
verdict own_pair_read(const char *certificate, const char *key, own_pair *out);

/* Days that a certificate is still good, rounded down; below 0 when it has ended. */
int64_t days_left(const tls_certificate *c);

enum : int64_t { DAYS_WARNED = 30 };

#endif
