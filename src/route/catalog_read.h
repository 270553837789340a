/* route/catalog_read: what the sections of lethe.json share: names, hashes, times, lists. */
#ifndef ROUTE_CATALOG_READ_H
#define ROUTE_CATALOG_READ_H

#include "base/result.h"
#include "codec/config_json.h"
#include "route/catalog.h"

typedef struct catalog_reader {
        const config_doc *doc;
        catalog          *out;
        config_fault     *fault;
} catalog_reader;

/* All: err BAD_CONFIG with the fault filled. */

err catalog_read_fail(const catalog_reader *r, const config_node *n, const char *code, const char *text);
/* The sentence with a number between its halves. */
typedef struct catalog_sentence {
        const char *before;
        uint64_t    number;
        const char *after;
} catalog_sentence;
err catalog_read_fail_number(const catalog_reader *r, const config_node *n, const char *code, catalog_sentence s);

/* Copies a text node of letters, digits and "._:/-" (and what `more` holds), at least one, with its terminator. */
typedef struct catalog_text {
        char       *out;
        size_t      cap;
        const char *more;
} catalog_text;
err catalog_read_name(const catalog_reader *r, const config_node *n, catalog_text to);
/* The same for a required member. */
err catalog_read_name_of(const catalog_reader *r, const config_node *parent, const char *key, catalog_text to);

/* 64 lower-case hexadecimal digits. */
err catalog_read_hash(const catalog_reader *r, const config_node *n, uint8_t out[static 32]);
err catalog_read_hash_of(const catalog_reader *r, const config_node *parent, const char *key, uint8_t out[static 32]);

/* "2027-01-01T00:00:00Z" to seconds since 1970. */
err catalog_read_time(const catalog_reader *r, const config_node *n, uint64_t *out);

/* Optional members: absent ones leave *out as it is. */
err catalog_read_flag(const catalog_reader *r, const config_node *parent, const char *key, bool *out);
err catalog_read_number(const catalog_reader *r, const config_node *parent, const char *key, config_range range,
                        uint64_t *out);
/* One of a null-terminated list of words; *out becomes its index. */
err catalog_read_word(const catalog_reader *r, const config_node *parent, const char *key, const char *const words[],
                      uint8_t *out);

/* The first element of a required array of at most `most`; null when it is empty. */
err catalog_read_list(const catalog_reader *r, const config_node *parent, const char *key, size_t most,
                      const config_node **first);
/* As that, but an absent array counts as an empty one. */
err catalog_read_optional_list(const catalog_reader *r, const config_node *parent, const char *key, size_t most,
                               const config_node **first);

/* Ranges like 10.0.0.0/8, each once; an absent array is no range. */
typedef struct catalog_ranges {
        catalog_cidr *out;
        size_t        most;
        size_t        count;
} catalog_ranges;
err catalog_read_ranges(const catalog_reader *r, const config_node *parent, const char *key, catalog_ranges *ranges);

/* The sections. */
err catalog_read_callers(const catalog_reader *r, const config_node *root); /* keys, admin: after the models */
err catalog_read_upstreams(const catalog_reader *r, const config_node *root);
err catalog_read_models(const catalog_reader *r, const config_node *root); /* after the upstreams */

/* Parts of an upstream. */
err catalog_read_pool(const catalog_reader *r, const config_node *node, catalog_upstream *u);
err catalog_read_proxy(const catalog_reader *r, const config_node *node, catalog_upstream *u); /* after its URL */
/* After all upstreams: whom a limit group joins is only known then. */
err catalog_check_groups(const catalog_reader *r, const config_node *root);

#endif
