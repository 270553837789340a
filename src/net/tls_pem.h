/* net/tls_pem: PEM as mbedTLS wants it, for the files of this folder that hand it over. */
#ifndef NET_TLS_PEM_H
#define NET_TLS_PEM_H

#include <stdlib.h>

#include "base/arena.h"
#include "base/view.h"

/* With its terminating NUL, which mbedTLS counts: pem.len + 1 bytes. Null: no memory. Freed by tls_pem_free. */
static inline uint8_t *tls_pem_copy(view pem)
{
        uint8_t *copy = malloc(pem.len + 1);
        if (copy == nullptr)
                return nullptr;
        if (pem.len > 0)
                memcpy(copy, pem.data, pem.len);
        copy[pem.len] = 0;
        return copy;
}

/* Wipes: it may be a private key. */
static inline void tls_pem_free(uint8_t *copy, view pem)
{
        if (copy != nullptr)
                wipe(copy, pem.len + 1);
        free(copy);
}

#endif
