/* codec/json_scan: the strict JSON reader that stands before everything. It copies nothing: tokens are byte ranges.
 *
 * Accepts RFC 8259 in UTF-8 and refuses what would let policy and vendor read two different documents: duplicate
 * keys (compared decoded, at every depth), case variants of a key the path table knows, NUL, lone surrogates, raw
 * controls, invalid UTF-8, a BOM, anything after the document, and what exceeds the limits of base/limit.def.
 *
 * src RFC 8259; RFC 7493 section 2 (I-JSON) */
#ifndef CODEC_JSON_SCAN_H
#define CODEC_JSON_SCAN_H

#include "base/arena.h"
#include "base/emit.h"
#include "base/result.h"
#include "base/view.h"

typedef enum json_kind : uint8_t {
        JSON_OBJECT, JSON_OBJECT_END, JSON_ARRAY, JSON_ARRAY_END,
        JSON_KEY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL,
        JSON_DONE,  /* the document is complete and nothing but white space follows */
        JSON_YIELD, /* the budget is used up: call again */
} json_kind;

typedef struct json_token {
        json_kind kind;
        bool      escaped; /* strings and keys: holds a backslash */
        bool      ascii;   /* strings and keys: raw bytes are all below 0x80 */
        uint8_t   depth;   /* containers open around the value (a container does not count itself) */
        uint16_t  path;    /* id of the value's place in the path table; 0 where the table has none.
                              A key carries the id of the value that follows it */
        uint32_t  index;   /* position in the enclosing array; 0 in objects */
        size_t    start;   /* raw byte range in the document; strings and keys without their quotes */
        size_t    end;
} json_token;

/* A place in a document: "messages[].content[].text". "[]" is any element, "*" any key, "**" as the last
 * step everything below ("a.**" is not a itself). A row that names a place wins over "*", and "*" over "**"; "" is
 * the document itself. Names are ASCII without '.' and '['. Ids are 1 or more and free to repeat. */
typedef struct json_path_row {
        const char *path;
        uint16_t    id;
} json_path_row;

typedef struct json_paths json_paths;

/* Compiles a table once at start; it lives until the process ends. Never null; a bad row is an assert. */
const json_paths *json_paths_compile(const json_path_row *rows, size_t count);

typedef struct json_scan json_scan;

/* Begins a document. `paths` may be null. Scratch memory (bounded by depth and keys, not by tokens) comes from
 * `arena`. Null when the arena is full. */
json_scan *json_scan_begin(view doc, const json_paths *paths, arena *arena);

/* Begins another document with the same table and scratch memory: no allocation, whatever came before. */
void json_scan_again(json_scan *s, view doc);

/* The document was moved (its bytes are the same). */
void json_scan_rebase(json_scan *s, const uint8_t *doc);

/* The next token, working through at most *budget bytes, which it counts down; a number, word or escape is not cut
 * and may exceed it by its length. The tokens are the same for every budget, JSON_YIELD left out.
 * err BAD_JSON DUPLICATE_KEY TOO_DEEP BAD_UTF8 JSON_LIMIT NO_ROOM; sticky */
err json_scan_next(json_scan *s, size_t *budget, json_token *out);

/* Byte offset where the scanner stands: of the fault after an error. */
size_t json_scan_at(const json_scan *s);

/* Writes the decoded bytes of a raw string range (which the scanner accepted). */
void json_unescape(view raw, emit *out);

/* The raw range equals the plain ASCII text once decoded. */
bool json_raw_equal(view raw, view plain);

#endif
