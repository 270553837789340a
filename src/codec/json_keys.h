/* codec/json_keys: which keys an open object has had, to find one that comes twice.
 *
 * Objects nest, so the keys of all open ones are one stack, and memory is bounded by depth x keys, whatever the
 * document's size. Few keys are compared one by one; many through a hash table under a random key. */
#ifndef CODEC_JSON_KEYS_H
#define CODEC_JSON_KEYS_H

#include "base/arena.h"
#include "base/limit.h"
#include "base/result.h"
#include "base/view.h"

typedef struct json_key {
        uint32_t start;   /* raw range in the document, without quotes */
        uint32_t hash;    /* of the decoded bytes; valid once its object has a table */
        uint16_t len;
        bool     escaped;
} json_key;

typedef struct json_keys {
        arena    *arena;
        json_key *stack;
        uint32_t  count, room;
        uint8_t   scratch[2][LIMIT_JSON_KEY_BYTES]; /* decoded keys; in the arena and not on the stack: wiped */
} json_keys;

/* The keys of one open object. Zeroed memory is a valid first state; the table stays for the next one. */
typedef struct json_keyset {
        uint32_t  first;  /* where its keys begin in the stack */
        uint32_t  slots;  /* in use in the table; 0: still compared one by one */
        uint16_t *table;
} json_keyset;

void json_keyset_open(const json_keys *k, json_keyset *set);
void json_keyset_close(json_keys *k, const json_keyset *set);

/* Adds a key to the innermost open object.
 * out  text  its decoded bytes; borrowed until the next call
 * err  DUPLICATE_KEY JSON_LIMIT NO_ROOM */
err json_keyset_add(json_keys *k, json_keyset *set, const uint8_t *doc, json_key key, view *text);

#endif
