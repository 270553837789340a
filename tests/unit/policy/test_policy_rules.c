#include "compile.h"

static const char SUBJECT[] = "policy_rules";

static const struct {
        const char *sentence;
        policy_text text;
        const char *code, *pointer;
} faults[] = {
        {"no defaults", {.defaults = ""}, "MISSING_KEY", ""},
        {"an entity that nothing names", {.defaults = "{\"@secret\":{\"do\":\"block\"}}"}, "MISSING_DEFAULT",
         "/defaults"},
        {"an unknown entity", {.defaults = "{\"EMIAL_ADDRESS\":{\"do\":\"mask\"}}"}, "UNKNOWN_ENTITY",
         "/defaults/EMIAL_ADDRESS"},
        {"an unknown group", {.defaults = "{\"@secrets\":{\"do\":\"mask\"}}"}, "UNKNOWN_GROUP",
         "/defaults/@secrets"},
        {"an unknown action", {.defaults = "{\"*\":{\"do\":\"encrypt\"}}"}, "UNKNOWN_ACTION",
         "/defaults/*/do"},
        {"a default that is no object", {.defaults = "{\"*\":\"mask\"}"}, "WRONG_TYPE", "/defaults/*"},
        {"a default without an action", {.defaults = "{\"*\":{}}"}, "MISSING_KEY", "/defaults/*"},
        {"an unknown parameter", {.defaults = "{\"*\":{\"do\":\"mask\",\"keep\":1}}"}, "UNKNOWN_KEY",
         "/defaults/*/keep"},
        {"a rule without an id", {.rules = "[{\"entities\":[\"JWT\"],\"do\":\"block\"}]"}, "MISSING_KEY",
         "/rules/0"},
        {"an id with capitals", {.rules = "[{\"id\":\"A\",\"entities\":[\"JWT\"],\"do\":\"block\"}]"}, "BAD_ID",
         "/rules/0/id"},
        {"an id twice",
         {.rules = "[{\"id\":\"a\",\"entities\":[\"JWT\"],\"do\":\"block\"},"
                                 "{\"id\":\"a\",\"entities\":[\"IBAN\"],\"do\":\"block\"}]"},
         "DUPLICATE_ID", "/rules/1/id"},
        {"a rule for nothing", {.rules = "[{\"id\":\"a\",\"entities\":[],\"do\":\"block\"}]"}, "EMPTY_LIST",
         "/rules/0/entities"},
        {"a rule for an unknown entity", {.rules = "[{\"id\":\"a\",\"entities\":[\"JWR\"],\"do\":\"block\"}]"},
         "UNKNOWN_ENTITY", "/rules/0/entities/0"},
        {"a rule that is no object", {.rules = "[7]"}, "WRONG_TYPE", "/rules/0"},
        {"rules that are no list", {.rules = "{}"}, "WRONG_TYPE", "/rules"},
        {"a condition", {.rules = "[{\"id\":\"a\",\"when\":{},\"entities\":[\"JWT\"],\"do\":\"block\"}]"},
         "UNKNOWN_KEY", "/rules/0/when"},
        {"too much kept",
         {.rules = "[{\"id\":\"a\",\"entities\":[\"IBAN\"],\"do\":\"mask\",\"keep_last\":7}]"}, "OUT_OF_RANGE",
         "/rules/0/keep_last"},
        {"a mask that shows too much",
         {.rules = "[{\"id\":\"a\",\"entities\":[\"US_SSN\"],\"do\":\"mask\",\"keep_last\":4}]"},
         "MASK_TOO_REVEALING", "/rules/0"},
        {"a mask of letters",
         {.rules = "[{\"id\":\"a\",\"entities\":[\"US_SSN\"],\"do\":\"mask\",\"char\":\"\\\"\"}]"},
         "OUT_OF_RANGE", "/rules/0/char"},
        {"keeping without a mask",
         {.rules = "[{\"id\":\"a\",\"entities\":[\"JWT\"],\"do\":\"block\",\"keep_last\":2}]"},
         "PARAM_NOT_ALLOWED", "/rules/0/keep_last"},
        {"a reason without a block",
         {.rules = "[{\"id\":\"a\",\"entities\":[\"JWT\"],\"do\":\"allow\",\"reason\":\"x\"}]"},
         "PARAM_NOT_ALLOWED", "/rules/0/reason"},
        {"a reason that is no word",
         {.rules = "[{\"id\":\"a\",\"entities\":[\"JWT\"],\"do\":\"block\",\"reason\":\"No!\"}]"}, "BAD_ID",
         "/rules/0/reason"},
        {"two rules that disagree",
         {.rules = "[{\"id\":\"a\",\"entities\":[\"JWT\"],\"do\":\"block\"},"
                                 "{\"id\":\"b\",\"entities\":[\"JWT\"],\"do\":\"mask\"}]"},
         "RULE_CONFLICT", "/rules/1"},
        {"a default below the floor",
         {.defaults = "{\"*\":{\"do\":\"mask\"},\"@secret\":{\"do\":\"allow\"}}",
          .floor = "{\"@secret\":\"pseudonymise\"}"},
         "FLOOR_VIOLATION", "/defaults/@secret"},
        {"a rule below the floor",
         {.rules = "[{\"id\":\"a\",\"entities\":[\"*\"],\"do\":\"mask\"}]", .floor = "{\"JWT\":\"block\"}"},
         "FLOOR_VIOLATION", "/rules/0"},
        {"a floor of an unknown action", {.floor = "{\"JWT\":\"bloc\"}"}, "UNKNOWN_ACTION", "/floor/JWT"},
        {"a floor that is no action", {.floor = "{\"JWT\":{\"do\":\"block\"}}"}, "WRONG_TYPE", "/floor/JWT"},
};

static policy_action after(policy_text text, entity_id e)
{
        if (failed(compile_policy(text))) {
                printf("# got %s %s\n", complaint.code, complaint.pointer);
                return POLICY_ACTIONS;
        }
        return compiled.decide[e].action;
}

static void test_order(void)
{
        policy_text layers = {.defaults = "{\"JWT\":{\"do\":\"mask\"},\"@secret\":{\"do\":\"block\"},"
                                          "\"note\":\"x\",\"*\":{\"do\":\"allow\",\"note\":1}}"};
        tap_ok(after(layers, ENTITY_JWT) == POLICY_MASK, SUBJECT, "an entity's own default comes first");
        tap_ok(after(layers, ENTITY_API_KEY) == POLICY_BLOCK, SUBJECT, "then its group's");
        tap_ok(after(layers, ENTITY_IBAN) == POLICY_ALLOW, SUBJECT, "then the default of all");
        layers.rules = "[{\"id\":\"one\",\"entities\":[\"JWT\"],\"do\":\"allow\"},"
                       "{\"id\":\"all\",\"entities\":[\"*\"],\"do\":\"pseudonymise\"},"
                       "{\"id\":\"some\",\"entities\":[\"@secret\",\"IBAN\"],\"do\":\"block\"}]";
        tap_ok(after(layers, ENTITY_JWT) == POLICY_ALLOW, SUBJECT, "a rule for the entity beats those for more");
        tap_ok(after(layers, ENTITY_API_KEY) == POLICY_BLOCK && after(layers, ENTITY_IBAN) == POLICY_BLOCK, SUBJECT,
               "a rule for a group beats one for all");
        tap_ok(after(layers, ENTITY_US_SSN) == POLICY_PSEUDONYMISE, SUBJECT, "any rule beats the defaults");
        policy_text agree = {.rules = "[{\"id\":\"a\",\"entities\":[\"JWT\"],\"do\":\"block\"},"
                                      "{\"id\":\"b\",\"entities\":[\"JWT\"],\"do\":\"block\",\"reason\":\"x\"}]"};
        tap_ok(after(agree, ENTITY_JWT) == POLICY_BLOCK, SUBJECT, "two rules may agree");
        policy_text floor = {.floor = "{\"*\":\"mask\",\"JWT\":\"allow\",\"note\":\"x\"}",
                             .rules = "[{\"id\":\"a\",\"entities\":[\"JWT\"],\"do\":\"allow\"}]"};
        tap_ok(after(floor, ENTITY_JWT) == POLICY_ALLOW, SUBJECT, "the narrowest floor counts");
        policy_text mask = {.rules = "[{\"id\":\"a\",\"entities\":[\"CREDIT_CARD\"],\"do\":\"mask\","
                                                   "\"keep_last\":4,\"keep_first\":1,\"char\":\"#\"}]"};
        const policy_decision *d = &compiled.decide[ENTITY_CREDIT_CARD];
        tap_ok(after(mask, ENTITY_CREDIT_CARD) == POLICY_MASK && d->keep_last == 4 && d->keep_first == 1
                       && d->mask_char == '#',
               SUBJECT, "a mask keeps what it is told");
        tap_ok(after((policy_text){.defaults = "{\"*\":{\"do\":\"mask\"}}"}, ENTITY_JWT) == POLICY_MASK
                       && compiled.decide[ENTITY_JWT].mask_char == '*',
               SUBJECT, "a mask is of stars by itself");
}

int main(void)
{
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
                tap_ok(complains(faults[i].text, faults[i].code, faults[i].pointer), SUBJECT, faults[i].sentence);
        tap_ok(complains((policy_text){.defaults = "{\"EMIAL_ADDRESS\":{\"do\":\"mask\"}}"}, "UNKNOWN_ENTITY",
                         "/defaults/EMIAL_ADDRESS")
                       && strstr(complaint.text, "EMAIL_ADDRESS") != nullptr,
               SUBJECT, "a complaint names the nearest entity");
        test_order();
        return tap_done();
}
