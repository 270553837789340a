/* admin/json: members of JSON documents that are written from front to back; commas come by themselves. */
#ifndef ADMIN_JSON_H
#define ADMIN_JSON_H

#include "base/emit.h"

/* A comma unless it is the first of its object or list. */
static inline void json_next(emit *out)
{
        uint8_t last = out->len > 0 ? out->bytes[out->len - 1] : '{';
        if (last != '{' && last != '[' && last != ':')
                emit_byte(out, ',');
}

/* `key`: null in a list. */
static inline void json_key(emit *out, const char *key)
{
        json_next(out);
        if (key == nullptr)
                return;
        emit_json(out, view_of_text(key));
        emit_byte(out, ':');
}

static inline void json_begin(emit *out, const char *key, char bracket)
{
        json_key(out, key);
        emit_byte(out, (uint8_t)bracket);
}

static inline void json_end(emit *out, char bracket) { emit_byte(out, (uint8_t)bracket); }

static inline void json_number(emit *out, const char *key, uint64_t n)
{
        json_key(out, key);
        emit_u64(out, n);
}

static inline void json_bool(emit *out, const char *key, bool b)
{
        json_key(out, key);
        emit_text(out, b ? "true" : "false");
}

/* null: null. */
static inline void json_text(emit *out, const char *key, const char *text)
{
        json_key(out, key);
        if (text == nullptr)
                emit_text(out, "null");
        else
                emit_json(out, view_of_text(text));
}

#endif
