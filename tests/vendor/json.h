/* json: a small reader of JSON into a flat tree, the mock vendor's own (it shares no code with the relay). */
#ifndef VENDOR_JSON_H
#define VENDOR_JSON_H

#include "text.h"

typedef enum json_type {
        JSON_NULL,
        JSON_FALSE,
        JSON_TRUE,
        JSON_NUMBER,
        JSON_STRING,
        JSON_ARRAY,
        JSON_OBJECT
} json_type;

typedef struct json_node {
        json_type type;
        int child, next;     /* indices; -1: none */
        size_t key, key_len; /* in doc.strings; members only */
        size_t str, str_len; /* in doc.strings (JSON_STRING, unescaped), or in the input (JSON_NUMBER) */
        int count;           /* children */
} json_node;

/* Kept between documents: its memory is used again. */
typedef struct json_doc {
        json_node *nodes;
        int count, cap;
        text strings;
        slice input;
} json_doc;

/* Parses the whole input; node 0 is the root. false: not JSON, or deeper than 128. */
bool json_parse(json_doc *doc, slice input);
void json_free(json_doc *doc);

/* Node numbers; -1 in gives -1 out, so calls can be nested. */
int json_member(const json_doc *doc, int object, const char *key);
int json_first(const json_doc *doc, int node);
int json_next(const json_doc *doc, int node);

bool json_is(const json_doc *doc, int node, json_type type);
slice json_str(const json_doc *doc, int node); /* empty when it is no string */

#endif
