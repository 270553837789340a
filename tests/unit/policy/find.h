/* What the detectors find in a text, as one line: "ENTITY=value ENTITY=value". */
#ifndef TESTS_UNIT_POLICY_FIND_H
#define TESTS_UNIT_POLICY_FIND_H

#include <stdio.h>
#include <string.h>

#include "policy/detect.h"
#include "support/tap.h"

typedef struct find_row {
        const char *sentence;
        const char *text;
        const char *found;
} find_row;

static scan            find_scan;
static policy_decision find_decide[ENTITY_COUNT];

static inline const char *find_in_regions(view text, uint64_t regions)
{
        static char line[4096];
        for (entity_id e = 0; e < ENTITY_COUNT; e++)
                if (find_decide[e].action == POLICY_ALLOW)
                        find_decide[e].action = POLICY_PSEUDONYMISE;
        find_scan.text = text;
        find_scan.regions = regions;
        find_scan.decide = find_decide;
        find_scan.from = 0;
        find_scan.last = true;
        detect(&find_scan);
        size_t len = 0;
        line[0] = 0;
        for (size_t i = 0; i < find_scan.count; i++) {
                const finding *f = &find_scan.found[i];
                len += (size_t)snprintf(line + len, sizeof line - len, "%s%s=%.*s", i > 0 ? " " : "",
                                        entity_describe(f->entity)->name, (int)(f->end - f->start),
                                        (const char *)text.data + f->start);
        }
        return line;
}

static inline const char *find(view text) { return find_in_regions(text, (1u << REGION_COUNT) - 1); }

/* One result per row. */
static inline void find_rows(const char *subject, const find_row *rows, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const char *got = find(view_of_text(rows[i].text));
                if (!tap_ok(strcmp(got, rows[i].found) == 0, subject, rows[i].sentence))
                        printf("# wanted %s\n# got    %s\n", rows[i].found, got);
        }
}

#define FIND_ROWS(subject, rows) find_rows(subject, rows, sizeof rows / sizeof rows[0])

#endif
