/* codec/config_json: trees of files that operators write (configuration, policy, admin bodies). cJSON's only door.
 *
 * The text passes codec/json_scan first; every node knows its place, so that a complaint names line and column. */
#ifndef CODEC_CONFIG_JSON_H
#define CODEC_CONFIG_JSON_H

#include "base/result.h"
#include "base/view.h"

typedef struct config_doc  config_doc;
typedef struct config_node config_node;

/* What is wrong, for an operator: never holds a value from the file, only key names and closed vocabulary. */
typedef struct config_fault {
        char     code[32];     /* stable word: BAD_JSON NOT_UTF8 TOO_LARGE TOO_DEEP DUPLICATE_KEY UNKNOWN_KEY
                                  MISSING_KEY WRONG_TYPE OUT_OF_RANGE, and what the reader of the tree adds */
        char     pointer[256]; /* JSON pointer of the node */
        char     text[320];    /* one sentence, with the nearest known word where one is near */
        unsigned line, column; /* 1-based, of the node or the fault; column counts bytes */
} config_fault;

/* Parses. The document owns its nodes and borrows nothing of the text; free it with config_free.
 * err BAD_CONFIG with *fault filled; NO_ROOM */
err  config_parse(view text, config_doc **out, config_fault *fault);
/* The same for a document that holds whole files: at most LIMIT_ADMIN_CONFIG_BYTES. */
err  config_parse_files(view text, config_doc **out, config_fault *fault);
void config_free(config_doc *doc);

typedef enum config_kind : uint8_t {
        CONFIG_OBJECT,
        CONFIG_ARRAY,
        CONFIG_TEXT,
        CONFIG_NUMBER,
        CONFIG_BOOL,
        CONFIG_NULL
} config_kind;

const config_node *config_root(const config_doc *doc);
config_kind        config_kind_of(const config_node *n);
/* The member of an object; null when absent or when n is null or no object. */
const config_node *config_get(const config_node *n, const char *key);
/* First child and next sibling, for arrays and objects. */
const config_node *config_first(const config_node *n);
const config_node *config_next(const config_node *n);
/* Key of an object's member. */
view config_key(const config_node *n);
size_t config_count(const config_node *n);

/* Fills *fault with the place of n (any kind, not null) and returns err BAD_CONFIG. `nearest` may be null; it
 * is a word from a closed vocabulary and is shown as "did you mean". */
err config_fail(const config_node *n, const char *code, const char *text, const char *nearest, config_fault *fault);

/* Every key of the object must be in `known` (null-terminated list) or be "note"; err BAD_CONFIG UNKNOWN_KEY names
 * the nearest. */
err config_keys(const config_node *object, const char *const known[], config_fault *fault);

typedef struct config_range {
        uint64_t min, max;
} config_range;

/* Typed access with a complaint: an absent member is MISSING_KEY at `parent`, naming `key`; one of another kind is
 * WRONG_TYPE at the member; a number that is not whole or out of [min, max] is OUT_OF_RANGE.
 * Texts are borrowed from the document. For optional members ask config_get first. */
err config_text(const config_node *parent, const char *key, view *out, config_fault *fault);
err config_u64(const config_node *parent, const char *key, config_range range, uint64_t *out, config_fault *fault);
err config_bool(const config_node *parent, const char *key, bool *out, config_fault *fault);

/* As those, for members of any kind, and for elements of arrays. */
err config_member(const config_node *parent, const char *key, config_kind kind, const config_node **out,
                  config_fault *fault);
err config_text_of(const config_node *n, view *out, config_fault *fault);
bool config_is_true(const config_node *n); /* of a CONFIG_BOOL */
err config_u64_of(const config_node *n, config_range range, uint64_t *out, config_fault *fault);

/* The nearest word of a null-terminated list within edit distance 2; null when none. */
const char *config_nearest(view word, const char *const known[]);

#endif
