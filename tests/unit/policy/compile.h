/* A policy file with something put in its place, compiled. */
#ifndef TESTS_UNIT_POLICY_COMPILE_H
#define TESTS_UNIT_POLICY_COMPILE_H

#include <stdio.h>
#include <string.h>

#include "policy/policy.h"
#include "support/tap.h"

static policy       compiled;
static config_fault complaint;

/* The members of a policy. Null: as in a policy that is right; empty: left out. */
typedef struct policy_text {
        const char *policy, *name, *regions, *defaults, *rules, *floor, *more;
} policy_text;

static inline err compile_policy(policy_text t)
{
        static const char *const keys[] = {"policy", "name", "regions", "defaults", "rules", "floor"};
        static const char *const right[] = {"\"pii/1\"", "\"test\"", "[\"US\"]", "{\"*\":{\"do\":\"pseudonymise\"}}",
                                            "", ""};
        const char *const members[] = {t.policy, t.name, t.regions, t.defaults, t.rules, t.floor};
        char   text[4096];
        size_t len = 1;
        text[0] = '{';
        for (size_t i = 0; i < 6; i++) {
                const char *member = members[i] != nullptr ? members[i] : right[i];
                if (*member != 0)
                        len += (size_t)snprintf(text + len, sizeof text - len, "%s\"%s\":%s", len > 1 ? "," : "",
                                                keys[i], member);
        }
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s}", t.more != nullptr ? "," : "",
                                t.more != nullptr ? t.more : "");
        return policy_compile((view){(const uint8_t *)text, len}, &compiled, &complaint);
}

/* A complaint with this code at this pointer. */
static inline bool complains(policy_text t, const char *code, const char *pointer)
{
        err  e = compile_policy(t);
        bool good = e.code == ERR_BAD_POLICY && strcmp(complaint.code, code) == 0
                    && strcmp(complaint.pointer, pointer) == 0 && complaint.line > 0 && compiled.name[0] == 0;
        if (!good)
                printf("# got %d %s %s %s\n", e.code, complaint.code, complaint.pointer, complaint.text);
        return good;
}

#endif
