/* codec/json_path: the compiled path table, walked along with the document, one look-up per key. */
#ifndef CODEC_JSON_PATH_H
#define CODEC_JSON_PATH_H

#include "base/view.h"
#include "codec/json_scan.h"

/* Node 0 is the place no row knows: id 0 and nothing below it. */
constexpr uint16_t JSON_PATH_NOWHERE = 0;
constexpr uint16_t JSON_PATH_ROOT = 1;

typedef struct json_path_node {
        uint16_t id;      /* what tokens here carry */
        uint16_t other;   /* node of any key without a member of its own */
        uint16_t element; /* node of any array element */
        uint16_t members; /* first member, 0: none */
} json_path_node;

/* The node array of a table; its index is the node's number. */
const json_path_node *json_path_nodes(const json_paths *p);

/* The node of member `key` (decoded) below `node`.
 * False when the key is a case variant of a known member: a vendor that ignores case would read it as that one. */
bool json_path_member(const json_paths *p, uint16_t node, view key, uint16_t *child);

#endif
