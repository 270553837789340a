/* vault/config_set: the files of a configuration as the vault keeps them: one set of RECORD_CONFIG records in the
 * order of their names, replaced as a whole. Names are a closed list: what the roles open below a configuration
 * folder. Pure. */
#ifndef VAULT_CONFIG_SET_H
#define VAULT_CONFIG_SET_H

#include "base/arena.h"
#include "base/limit.h"
#include "base/result.h"
#include "base/view.h"

constexpr size_t CONFIG_SET_BYTES = 1024 * 1024;         /* a whole set, with names and heads */
constexpr size_t CONFIG_SET_FILES = LIMIT_UPSTREAMS + 6; /* a CA file for every upstream, and the six others */
constexpr size_t CONFIG_NAME_BYTES = 40;                 /* a name with its NUL */

typedef struct config_file {
        view name, bytes; /* borrowed */
} config_file;

/* lethe.json, policy.json, tls/server.crt, tls/server.key, tls/admin.crt, tls/admin.key, ca/NAME */
bool config_name_valid(view name);
/* Private keys: they are never given out again. */
bool config_name_secret(view name);

/* An empty set; end it with region_end, which wipes it. */
void config_set_init(region *set);

/* Adds or replaces one file.
 * err OUT_OF_RANGE: no such name; NO_ROOM: larger than LIMIT_CONFIG_BYTES, or the set would be too large; the set is
 * unchanged then */
err config_set_put(region *set, const config_file *f);

/* Walks; false at the end. */
bool config_set_next(view set, size_t *at, config_file *out);
bool config_set_find(view set, view name, config_file *out);
size_t config_set_count(view set);

/* Whether this is a set as config_set_put makes it. err BAD_FILE */
err config_set_check(view set);

/* Tells two sets apart; 0 is the empty one. Tells nothing of either. */
uint64_t config_set_number(view set);

#endif
