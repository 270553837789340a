/* policy/policy: a policy file, compiled. Language: policy/GRAMMAR.md (a strict subset of pii/1). */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/result.h"
#include "base/view.h"
#include "codec/config_json.h"
#include "policy/entity.h"

/* In the order of strictness, so that a floor is one comparison. */
typedef enum policy_action : uint8_t {
        POLICY_ALLOW,
        POLICY_MASK,
        POLICY_PSEUDONYMISE,
        POLICY_BLOCK,
        POLICY_ACTIONS
} policy_action;

typedef struct policy_decision {
        policy_action action;
        uint8_t       keep_last; /* mask: trailing alphanumerics left, 0 to 6 */
        uint8_t       keep_first;
        uint8_t       mask_char;
} policy_decision;

typedef struct policy {
        char            name[33];
        uint8_t         digest[32]; /* SHA-256 of the file's bytes */
        uint64_t        regions;    /* bit per region, entity.h */
        policy_decision decide[ENTITY_COUNT];
} policy;

/* Compiles a policy file. err BAD_POLICY with *fault (code, pointer, line, column, hint) */
err policy_compile(view text, policy *out, config_fault *fault);

#endif
