/* dialect/openai_usage: the usage object of the OpenAI dialect, turned into five disjoint classes.
 *
 * prompt_tokens includes what was read from and written to caches; completion_tokens includes reasoning. Later
 * statements of one attempt replace earlier ones. src OpenAI API reference, usage object; read 2026-11-20 */
#ifndef DIALECT_OPENAI_USAGE_H
#define DIALECT_OPENAI_USAGE_H

#include "base/result.h"
#include "base/view.h"
#include "chat/tokens.h"
#include "codec/json_scan.h"

/* Path ids of usage members start here in every table that embeds OPENAI_USAGE_PATHS. */
enum : uint16_t {
        OPENAI_USAGE = 100,
        OPENAI_USAGE_PROMPT,
        OPENAI_USAGE_COMPLETION,
        OPENAI_USAGE_CACHED,
        OPENAI_USAGE_CACHE_WRITE,
        OPENAI_USAGE_REASONING,
        OPENAI_USAGE_ELSEWHERE, /* the same object inside a choice (Kimi) or an extension (Groq) */
        OPENAI_USAGE_LAST = OPENAI_USAGE_ELSEWHERE,
};

#define OPENAI_USAGE_PATHS                                                             \
        {"usage", OPENAI_USAGE},                                                       \
        {"usage.prompt_tokens", OPENAI_USAGE_PROMPT},                                  \
        {"usage.completion_tokens", OPENAI_USAGE_COMPLETION},                          \
        {"usage.prompt_tokens_details.cached_tokens", OPENAI_USAGE_CACHED},            \
        {"usage.prompt_tokens_details.cache_write_tokens", OPENAI_USAGE_CACHE_WRITE},  \
        {"usage.completion_tokens_details.reasoning_tokens", OPENAI_USAGE_REASONING},  \
        {"usage.prompt_cache_hit_tokens", OPENAI_USAGE_CACHED},                        \
        {"choices[].usage", OPENAI_USAGE_ELSEWHERE},                                   \
        {"choices[].usage.prompt_tokens", OPENAI_USAGE_PROMPT},                        \
        {"choices[].usage.completion_tokens", OPENAI_USAGE_COMPLETION},                \
        {"choices[].usage.cached_tokens", OPENAI_USAGE_CACHED},                        \
        {"x_groq.usage", OPENAI_USAGE_ELSEWHERE},                                      \
        {"x_groq.usage.prompt_tokens", OPENAI_USAGE_PROMPT},                           \
        {"x_groq.usage.completion_tokens", OPENAI_USAGE_COMPLETION}

typedef struct openai_usage_numbers {
        bool     suspect; /* they cannot be true: they are clamped */
        uint64_t prompt, completion, cached, cache_write, reasoning;
} openai_usage_numbers;

typedef struct openai_usage {
        bool                 stated; /* a usage object stood there, to its closing brace */
        openai_usage_numbers is;     /* of the last one */
        openai_usage_numbers next;   /* of one being read: half a statement is none */
} openai_usage;

/* Takes a token whose path id lies in [OPENAI_USAGE, OPENAI_USAGE_LAST]. */
void openai_usage_token(openai_usage *u, view doc, const json_token *t);

/* The five classes; sets suspect when they do not add up. */
tokens openai_usage_classes(openai_usage *stated);

#endif
