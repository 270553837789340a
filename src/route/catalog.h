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

/* Sets of residency tags ("eu", "cn"): a bit per distinct tag of the file, catalog.residencies. 0: none named. */
typedef uint32_t catalog_tags;

typedef enum catalog_priority : uint8_t { PRIORITY_LOW, PRIORITY_NORMAL, PRIORITY_HIGH } catalog_priority;

typedef struct catalog_key {
        char     id[9];      /* 8 characters, clear */
        uint8_t  hash[32];   /* keyed BLAKE2b of the secret part under the vault's pepper (vault/client_key.h) */
        uint16_t project;
        uint64_t expires_s;  /* UTC seconds; UINT64_MAX: never */
        catalog_tags     residency; /* a target must carry one of these; 0: anywhere */
        catalog_priority priority;  /* who is shed first under pressure */
        bool     downgrade; /* allows a lesser model without asking each time */
        bool     hedge;     /* pays for second copies */
        bool     any_model;
        uint32_t models[LIMIT_MODELS / 32]; /* bit per alias; none when any_model */
} catalog_key;

/* One vendor key of an upstream's pool. */
typedef struct catalog_credential {
        char     name[LIMIT_NAME_BYTES];  /* in the vault; empty: nothing is sent (the only one of its upstream then) */
        char     group[LIMIT_NAME_BYTES]; /* keys of one account share its limits; empty: a group of its own */
        uint16_t weight;                  /* 1 to 1000; 100 when not said */
} catalog_credential;

/* How to reach an upstream by HTTP CONNECT; TLS goes end to end through it. */
typedef struct catalog_proxy {
        char            host[LIMIT_HOST_BYTES]; /* empty: none */
        uint16_t        port;
        char            credential[LIMIT_NAME_BYTES]; /* "user:password" in the vault, bound to the proxy's host */
        uint8_t         address_count;
        catalog_address addresses[LIMIT_ADDRESSES]; /* fixed addresses; a proxy needs no public one */
} catalog_proxy;

typedef struct catalog_upstream {
        char            name[LIMIT_NAME_BYTES];
        char            vendor[LIMIT_NAME_BYTES];     /* who is accounted: "openai", "mistral", ... */
        char            host[LIMIT_HOST_BYTES];       /* lower case, from base_url; IP literals without brackets */
        char            path[LIMIT_HOST_BYTES];       /* prefix from base_url, without trailing slash */
        uint8_t            credential_count; /* at least 1 */
        catalog_credential credentials[LIMIT_POOL_KEYS];
        catalog_tags       residency;
        catalog_proxy      proxy;
        char               health_path[64]; /* GET below base_url that costs no tokens; empty: not asked */
        uint32_t           health_ms;       /* how often while its breaker is not closed */
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

/* How a vendor wants to be told that the last assistant message is to be continued. */
typedef enum catalog_prefill : uint8_t {
        PREFILL_NONE,    /* it cannot */
        PREFILL_PLAIN,   /* a last message of the assistant is enough */
        PREFILL_PREFIX,  /* with "prefix": true (DeepSeek beta, Mistral) */
        PREFILL_PARTIAL, /* with "partial": true (Kimi) */
} catalog_prefill;

typedef struct catalog_target {
        uint16_t        upstream;
        char            model[128]; /* the vendor's name for it; goes into the body */
        uint16_t        weight;     /* 1 to 1000; 100 when not said */
        uint64_t        price_in, price_out; /* millionths of the operator's currency for a million tokens */
        uint32_t        context_tokens;       /* 0: not said */
        uint32_t        min_chars, max_chars; /* bytes of text it is meant for, both included; 0 and UINT32_MAX: any */
        bool            downgrade;            /* a lesser model: with the caller's consent only */
        catalog_prefill prefill;
} catalog_target;

typedef enum catalog_strategy : uint8_t {
        STRATEGY_ORDERED,  /* the first that can; keys of its pool by load */
        STRATEGY_WEIGHTED, /* targets by weight */
        STRATEGY_FASTEST,  /* the better of two drawn, over all targets and keys */
        STRATEGY_CHEAPEST, /* the lowest price that can */
} catalog_strategy;

typedef enum catalog_sticky : uint8_t {
        STICKY_NONE,
        STICKY_PROMPT, /* the same beginning of a prompt goes to the same target and key while it can */
} catalog_sticky;

typedef struct catalog_model {
        char           name[LIMIT_NAME_BYTES * 2]; /* what callers ask for */
        uint8_t        target_count;
        catalog_target targets[LIMIT_TARGETS]; /* in order of preference */
        catalog_strategy strategy;
        catalog_sticky   sticky;
        catalog_tags     residency;      /* as a key's */
        uint32_t         first_token_ms; /* no content by then: the next target, while there is one; 0: never */
        uint32_t         hedge_ms;       /* a second copy after so long without content; 0: after the usual p95 */
        bool             hedge;          /* second copies at all, for keys that pay for them */
        bool             continuation;   /* a cut stream may go on elsewhere */
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
        size_t           residency_count, balancer_count;
        char             residencies[LIMIT_RESIDENCIES][LIMIT_RESIDENCY_BYTES]; /* distinct, in order of first use */
        catalog_cidr     balancers[LIMIT_BALANCERS]; /* from these PROXY protocol v2 is required, and from no other */
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
