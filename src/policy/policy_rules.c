#include "policy/policy_rules.h"

#include <assert.h>

#include "policy/mask.h"

static const char *const action_names[] = {"allow", "mask", "pseudonymise", "block", nullptr};
static_assert(sizeof action_names / sizeof action_names[0] == POLICY_ACTIONS + 1);

static const char *const entity_names[] = {
#define ENTITY(id, label, group, shortest, text) #id,
#include "policy/entity.def"
#undef ENTITY
        nullptr,
};

static const char *const group_names[] = {"@secret", "@gov_id", "@finance", "@contact", "@network", nullptr};

static err complain(policy_source *src, const config_node *at, const char *code, const char *text)
{
        return config_fail(at, code, text, nullptr, src->fault);
}

static bool is_name(view text, bool digits)
{
        if (text.len < 1 || text.len > 32)
                return false;
        for (size_t i = 0; i < text.len; i++) {
                uint8_t c = text.data[i];
                bool    lower = c >= 'a' && c <= 'z';
                bool    rest = digits ? (c >= '0' && c <= '9') || c == '-' : c == '_';
                if (!lower && !rest)
                        return false;
        }
        return true;
}

bool policy_is_id(view name) { return is_name(name, true); }

err policy_list(policy_source *src, const config_node *object, const char *key, const config_node **out)
{
        TRY(config_member(object, key, CONFIG_ARRAY, out, src->fault));
        if (config_count(*out) == 0)
                return complain(src, *out, "EMPTY_LIST", "This list must not be empty.");
        return OK;
}

/* How a selector reaches every entity. err UNKNOWN_ENTITY UNKNOWN_GROUP */
static err read_selector(policy_source *src, const config_node *at, view word,
                         selector_reach reach[static ENTITY_COUNT])
{
        bool group = word.len > 0 && word.data[0] == '@';
        bool known = false;
        for (entity_id e = 0; e < ENTITY_COUNT; e++) {
                const entity_row *row = entity_describe(e);
                reach[e] = REACH_NONE;
                if (view_equal(word, VIEW("*")))
                        reach[e] = REACH_ALL;
                else if (view_equal(word, view_of_text(entity_group_name(row->group))))
                        reach[e] = REACH_GROUP;
                else if (view_equal(word, view_of_text(row->name)))
                        reach[e] = REACH_ENTITY;
                known = known || reach[e] != REACH_NONE;
        }
        if (known)
                return OK;
        if (group)
                return config_fail(at, "UNKNOWN_GROUP", "There is no such group.",
                                   config_nearest(word, group_names), src->fault);
        return config_fail(at, "UNKNOWN_ENTITY", "There is no such entity.",
                           config_nearest(word, entity_names), src->fault);
}

static err read_action(policy_source *src, const config_node *at, policy_action *out)
{
        view word;
        TRY(config_text_of(at, &word, src->fault));
        for (policy_action a = 0; a < POLICY_ACTIONS; a++) {
                if (view_equal(word, view_of_text(action_names[a]))) {
                        *out = a;
                        return OK;
                }
        }
        return config_fail(at, "UNKNOWN_ACTION", "Actions are allow, mask, pseudonymise and block.",
                           config_nearest(word, action_names), src->fault);
}

static err read_keep(policy_source *src, const config_node *object, const char *key, uint8_t *out)
{
        uint64_t n = 0;
        if (config_get(object, key) != nullptr)
                TRY(config_u64(object, key, (config_range){0, 6}, &n, src->fault));
        *out = (uint8_t)n;
        return OK;
}

static err read_mask(policy_source *src, const config_node *object, policy_decision *out)
{
        const config_node *symbol = config_get(object, "char");
        out->mask_char = '*';
        TRY(read_keep(src, object, "keep_last", &out->keep_last));
        TRY(read_keep(src, object, "keep_first", &out->keep_first));
        if (symbol == nullptr)
                return OK;
        view text;
        TRY(config_text_of(symbol, &text, src->fault));
        if (text.len != 1 || memchr("*#xX", text.data[0], 4) == nullptr)
                return complain(src, symbol, "OUT_OF_RANGE", "A mask character is one of * # x X.");
        out->mask_char = text.data[0];
        return OK;
}

/* The members do, keep_last, keep_first, char and reason of a default or a rule. */
static err read_decision(policy_source *src, const config_node *object, policy_decision *out)
{
        static const char *const mask_only[] = {"keep_last", "keep_first", "char"};
        const config_node *action;
        *out = (policy_decision){};
        TRY(config_member(object, "do", CONFIG_TEXT, &action, src->fault));
        TRY(read_action(src, action, &out->action));
        for (size_t i = 0; i < 3; i++) {
                const config_node *n = config_get(object, mask_only[i]);
                if (n != nullptr && out->action != POLICY_MASK)
                        return complain(src, n, "PARAM_NOT_ALLOWED", "Only mask takes keep_last, keep_first and char.");
        }
        const config_node *reason = config_get(object, "reason");
        if (reason != nullptr && out->action != POLICY_BLOCK)
                return complain(src, reason, "PARAM_NOT_ALLOWED", "Only block takes a reason.");
        if (reason != nullptr) {
                view text;
                TRY(config_text_of(reason, &text, src->fault));
                if (!is_name(text, false))
                        return complain(src, reason, "BAD_ID", "A reason has 1 to 32 characters of a-z and _.");
        }
        return out->action == POLICY_MASK ? read_mask(src, object, out) : OK;
}

static bool same(const policy_decision *a, const policy_decision *b)
{
        return a->action == b->action && a->keep_last == b->keep_last && a->keep_first == b->keep_first
               && a->mask_char == b->mask_char;
}

/* The decision holds for what the selector reaches, where nothing narrower was said. err RULE_CONFLICT */
static err state(policy_source *src, const policy_statement *is, const selector_reach reach[static ENTITY_COUNT],
                 policy_statement layer[static ENTITY_COUNT])
{
        for (entity_id e = 0; e < ENTITY_COUNT; e++) {
                if (reach[e] == REACH_NONE || reach[e] < layer[e].reach)
                        continue;
                if (reach[e] == layer[e].reach && is->node != layer[e].node
                    && !same(&is->decision, &layer[e].decision))
                        return complain(src, is->node, "RULE_CONFLICT",
                                        "Another rule that reaches as far decides differently for the same entity.");
                layer[e] = *is;
                layer[e].reach = reach[e];
        }
        return OK;
}

err policy_read_defaults(policy_source *src, const config_node *root, policy_layers *out)
{
        static const char *const keys[] = {"do", "keep_last", "keep_first", "char", "reason", nullptr};
        const config_node *defaults;
        TRY(config_member(root, "defaults", CONFIG_OBJECT, &defaults, src->fault));
        for (const config_node *n = config_first(defaults); n != nullptr; n = config_next(n)) {
                if (view_equal(config_key(n), VIEW("note")))
                        continue;
                selector_reach   reach[ENTITY_COUNT];
                policy_statement is = {.node = n};
                TRY(read_selector(src, n, config_key(n), reach));
                if (config_kind_of(n) != CONFIG_OBJECT)
                        return complain(src, n, "WRONG_TYPE", "A default is an object with \"do\".");
                TRY(config_keys(n, keys, src->fault));
                TRY(read_decision(src, n, &is.decision));
                TRY(state(src, &is, reach, out->defaults));
        }
        return OK;
}

static err check_id(policy_source *src, const config_node *rules, const config_node *rule)
{
        view id;
        TRY(config_text(rule, "id", &id, src->fault));
        if (!policy_is_id(id))
                return complain(src, config_get(rule, "id"), "BAD_ID",
                                "An id has 1 to 32 characters of a-z, 0-9 and -.");
        for (const config_node *n = config_first(rules); n != rule; n = config_next(n)) {
                view other;
                TRY(config_text(n, "id", &other, src->fault));
                if (view_equal(id, other))
                        return complain(src, config_get(rule, "id"), "DUPLICATE_ID", "Another rule has this id.");
        }
        return OK;
}

static err read_rule(policy_source *src, const config_node *rule, policy_layers *out)
{
        const config_node *entities;
        policy_statement   is = {.node = rule};
        selector_reach     widest[ENTITY_COUNT] = {};
        TRY(policy_list(src, rule, "entities", &entities));
        TRY(read_decision(src, rule, &is.decision));
        for (const config_node *n = config_first(entities); n != nullptr; n = config_next(n)) {
                selector_reach reach[ENTITY_COUNT];
                view           word;
                TRY(config_text_of(n, &word, src->fault));
                TRY(read_selector(src, n, word, reach));
                for (entity_id e = 0; e < ENTITY_COUNT; e++)
                        widest[e] = reach[e] > widest[e] ? reach[e] : widest[e];
        }
        return state(src, &is, widest, out->rules);
}

err policy_read_rules(policy_source *src, const config_node *root, policy_layers *out)
{
        static const char *const keys[] = {"id",         "entities", "do",     "keep_last",
                                           "keep_first", "char",     "reason", nullptr};
        const config_node *rules;
        if (config_get(root, "rules") == nullptr)
                return OK;
        TRY(config_member(root, "rules", CONFIG_ARRAY, &rules, src->fault));
        for (const config_node *n = config_first(rules); n != nullptr; n = config_next(n)) {
                if (config_kind_of(n) != CONFIG_OBJECT)
                        return complain(src, n, "WRONG_TYPE", "A rule is an object.");
                TRY(config_keys(n, keys, src->fault));
                TRY(check_id(src, rules, n));
                TRY(read_rule(src, n, out));
        }
        return OK;
}

err policy_read_floor(policy_source *src, const config_node *root, policy_layers *out)
{
        const config_node *floor;
        if (config_get(root, "floor") == nullptr)
                return OK;
        TRY(config_member(root, "floor", CONFIG_OBJECT, &floor, src->fault));
        for (const config_node *n = config_first(floor); n != nullptr; n = config_next(n)) {
                if (view_equal(config_key(n), VIEW("note")))
                        continue;
                selector_reach   reach[ENTITY_COUNT];
                policy_statement is = {.node = n};
                TRY(read_selector(src, n, config_key(n), reach));
                TRY(read_action(src, n, &is.decision.action));
                TRY(state(src, &is, reach, out->floor));
        }
        return OK;
}

err policy_settle(policy_source *src, const config_node *root, const policy_layers *layers, policy *out)
{
        for (entity_id e = 0; e < ENTITY_COUNT; e++) {
                const policy_statement *is = layers->rules[e].reach != REACH_NONE ? &layers->rules[e]
                                                                                  : &layers->defaults[e];
                const policy_decision *d = &is->decision;
                if (is->reach == REACH_NONE)
                        return config_fail(config_get(root, "defaults"), "MISSING_DEFAULT",
                                           "Every entity needs a default or a rule.", entity_describe(e)->name,
                                           src->fault);
                if (layers->floor[e].reach != REACH_NONE && d->action < layers->floor[e].decision.action)
                        return complain(src, is->node, "FLOOR_VIOLATION", "This is weaker than the floor allows.");
                size_t shortest = entity_describe(e)->shortest;
                if (d->action == POLICY_MASK
                    && (size_t)d->keep_last + d->keep_first + mask_hidden(shortest) > shortest)
                        return complain(src, is->node, "MASK_TOO_REVEALING",
                                        "At least six characters and 60 percent of the shortest value must be hidden.");
                out->decide[e] = *d;
        }
        return OK;
}
