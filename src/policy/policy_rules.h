/* policy/policy_rules: defaults, rules and floor of a policy file, and which of them decides for an entity. */
#ifndef POLICY_POLICY_RULES_H
#define POLICY_POLICY_RULES_H

#include "policy/policy.h"

typedef struct policy_source {
        config_fault *fault;
} policy_source;

/* How narrowly a selector names an entity. */
typedef enum selector_reach : uint8_t { REACH_NONE, REACH_ALL, REACH_GROUP, REACH_ENTITY } selector_reach;

/* The narrowest statement about one entity. */
typedef struct policy_statement {
        selector_reach     reach;
        policy_decision    decision;
        const config_node *node; /* where it stands, for complaints */
} policy_statement;

typedef struct policy_layers {
        policy_statement defaults[ENTITY_COUNT];
        policy_statement rules[ENTITY_COUNT];
        policy_statement floor[ENTITY_COUNT]; /* only the action counts */
} policy_layers;

/* All return err BAD_CONFIG with the fault filled. */
err policy_read_defaults(policy_source *src, const config_node *root, policy_layers *out);
err policy_read_rules(policy_source *src, const config_node *root, policy_layers *out);
err policy_read_floor(policy_source *src, const config_node *root, policy_layers *out);

/* Rules over defaults, nothing below the floor, nothing left out. */
err policy_settle(policy_source *src, const config_node *root, const policy_layers *layers, policy *out);

/* A list that must be there and hold something. */
err policy_list(policy_source *src, const config_node *object, const char *key, const config_node **out);

/* 1 to 32 of a-z, 0-9 and -. */
bool policy_is_id(view name);

#endif
