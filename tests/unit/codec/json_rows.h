/* Runs a document through the scanner with a given budget per call, for the JSON tests. */
#ifndef TESTS_UNIT_CODEC_JSON_ROWS_H
#define TESTS_UNIT_CODEC_JSON_ROWS_H

#include <stdlib.h>

#include "base/secret.h"
#include "codec/json_scan.h"
#include "support/tap.h"

typedef struct json_run {
        err result;
        size_t at;    /* where the scanner stood at the end */
        size_t count; /* tokens, JSON_DONE and JSON_YIELD left out */
        json_token tokens[4096];
        size_t mapped; /* bytes of its arena */
} json_run;

static inline json_run *json_run_all(view doc, const json_paths *paths, size_t step)
{
        static json_run run;
        arena a;
        json_token t = {};
        run = (json_run){};
        arena_init(&a, 64u << 20);
        json_scan *s = json_scan_begin(doc, paths, &a);
        while (s != nullptr) {
                size_t budget = step;
                run.result = json_scan_next(s, &budget, &t);
                if (failed(run.result) || t.kind == JSON_DONE)
                        break;
                if (t.kind == JSON_YIELD)
                        continue;
                if (run.count < sizeof run.tokens / sizeof run.tokens[0])
                        run.tokens[run.count] = t;
                run.count++;
        }
        run.at = s == nullptr ? 0 : json_scan_at(s);
        run.mapped = a.mapped;
        arena_end(&a);
        return &run;
}

#endif
