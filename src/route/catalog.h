/* route/catalog: the configuration, compiled: who may call, what they may ask for, where it goes.
 *
 * One file, lethe.json (config/1); route/README.md lists its keys. Indices are positions in the file and travel in
 * usage records together with the generation, so every role compiles the same file to the same numbers. */
#ifndef ROUTE_CATALOG_H
#define ROUTE_CATALOG_H

#include "base/limit.h"
#include "base/result.h"
#include "base/view.h"
#include "codec/config_json.h"
#include "route/address.h"

typedef struct catalog_key {
        char     id[9];      /* 8 characters, clear */
        uint8_t  hash[32];   /* keyed BLAKE2b of the secret part under the vault's pepper (vault/client_key.h) */
        uint16_t project;
        uint64_t expires_s;  /* UTC seconds; UINT64_MAX: never */
        bool     any_model;
        uint32_t models[LIMIT_MODELS / 32]; /* bit per alias; none when any_model */
} catalog_key;

typedef struct catalog_upstream {
        char            name[LIMIT_NAME_BYTES];
        char            vendor[LIMIT_NAME_BYTES];     /* who is accounted: "openai", "mistral", ... */
        char            host[LIMIT_HOST_BYTES];       /* lower case, from base_url; IP literals without brackets */
        char            path[LIMIT_HOST_BYTES];       /* prefix from base_url, without trailing slash */
        char            credential[LIMIT_NAME_BYTES]; /* name in the vault; empty: none is sent */
        char            ca[LIMIT_NAME_BYTES];         /* file in the configuration's ca/ folder */
        uint16_t        vendor_index;                 /* into catalog.vendors */
        uint16_t        port;
        bool            tls;        /* false only with "plain_http": true and every address declared local */
        uint8_t         pin_count;
        uint8_t         pins[4][32]; /* SHA-256 of SubjectPublicKeyInfo */
        uint8_t         address_count; /* fixed addresses instead of DNS */
        catalog_address addresses[LIMIT_ADDRESSES];
        uint8_t         local_count; /* ranges this upstream may reach although they are not public */
        catalog_cidr    local[4];
} catalog_upstream;

typedef struct catalog_target {
        uint16_t upstream;
        char     model[128]; /* the vendor's name for it; goes into the body */
} catalog_target;

typedef struct catalog_model {
        char           name[LIMIT_NAME_BYTES * 2]; /* what callers ask for */
        uint8_t        target_count;
        catalog_target targets[LIMIT_TARGETS]; /* in order of preference */
} catalog_model;

typedef struct catalog_admin {
        char    name[LIMIT_NAME_BYTES];
        uint8_t hash[32]; /* SHA-256 of the token (256-bit random, so no slow hash) */
} catalog_admin;

/* Settings with a default and a ceiling, one row each in setting.def: key, default, min, max, unit, why. */
typedef struct catalog_settings {
#define SETTING(name, fallback, min, max, unit, why) uint64_t name;
#include "route/setting.def"
#undef SETTING
} catalog_settings;

typedef struct catalog {
        uint8_t          digest[32]; /* SHA-256 of the file's bytes */
        size_t           host_count, key_count, upstream_count, model_count, project_count, vendor_count, admin_count,
                dns_count;
        char             hosts[LIMIT_HOSTS][LIMIT_HOST_BYTES]; /* allowed Host values, without port, lower case */
        char             projects[LIMIT_PROJECTS][LIMIT_NAME_BYTES]; /* distinct names, in order of first use */
        char             vendors[LIMIT_UPSTREAMS][LIMIT_NAME_BYTES]; /* distinct, in order of first use */
        char             dns[4][64];       /* servers "ip" or "ip:port" instead of the system's */
        catalog_key      keys[LIMIT_KEYS]; /* in the file's order */
        catalog_upstream upstreams[LIMIT_UPSTREAMS];
        catalog_model    models[LIMIT_MODELS];
        catalog_admin    admins[8];
        catalog_settings settings;
        uint16_t         keys_by_id[LIMIT_KEYS];       /* sorted, for the look-ups */
        uint16_t         models_by_name[LIMIT_MODELS];
} catalog;

/* Compiles. `out` is large: the caller allocates it with calloc or mmap.
 * err BAD_CONFIG with *fault, and *out is of no use then; NO_ROOM */
err catalog_compile(view text, catalog *out, config_fault *fault);

/* The key may use the alias. */
bool catalog_key_allows(const catalog_key *k, size_t model);

/* Look-ups; -1 when there is none. */
int catalog_find_key(const catalog *c, view id);
int catalog_find_model(const catalog *c, view name);

/* The Host value (name or address, optional port) is one of ours; ASCII case is ignored. */
bool catalog_host_allowed(const catalog *c, view host);

#endif
