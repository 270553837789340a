#include "route/fault.h"

#include <assert.h>

static const fault_row rows[FAULT_CLASSES] = {
        [FAULT_BAD_REQUEST] = {ERR_UPSTREAM_REFUSED, WHERE_NOWHERE, BLAME_NOBODY, true, false},
        [FAULT_CONTEXT] = {ERR_UPSTREAM_REFUSED, WHERE_LARGER, BLAME_NOBODY, true, false},
        [FAULT_FILTER] = {ERR_UPSTREAM_REFUSED, WHERE_NOWHERE, BLAME_NOBODY, true, false},
        [FAULT_NOT_FOUND] = {ERR_NO_MODEL, WHERE_TARGET, BLAME_NOBODY, true, false},
        [FAULT_TOO_LARGE] = {ERR_TOO_LARGE, WHERE_NOWHERE, BLAME_NOBODY, true, false},
        [FAULT_AUTH] = {ERR_UPSTREAM_AUTH, WHERE_KEY, BLAME_KEY, false, false},
        [FAULT_BILLING] = {ERR_UPSTREAM_QUOTA, WHERE_KEY, BLAME_KEY, false, false},
        [FAULT_RATE] = {ERR_UPSTREAM_RATE, WHERE_KEY, BLAME_RATE, false, false},
        [FAULT_OVERLOADED] = {ERR_UPSTREAM_BUSY, WHERE_ANYWHERE, BLAME_MODEL, false, false},
        [FAULT_SERVER] = {ERR_UPSTREAM_FAULT, WHERE_ANYWHERE, BLAME_MODEL, false, true},
        [FAULT_TIMEOUT] = {ERR_UPSTREAM_TIMEOUT, WHERE_ANYWHERE, BLAME_MODEL, false, true},
        [FAULT_SLOW] = {ERR_UPSTREAM_TIMEOUT, WHERE_TARGET, BLAME_MODEL, false, true},
        [FAULT_NETWORK] = {ERR_UPSTREAM_UNREACHABLE, WHERE_ANYWHERE, BLAME_UPSTREAM, false, false},
        [FAULT_CERTIFICATE] = {ERR_UPSTREAM_CERTIFICATE, WHERE_TARGET, BLAME_UPSTREAM, false, false},
        [FAULT_CUT] = {ERR_UPSTREAM_CUT, WHERE_ANYWHERE, BLAME_MODEL, false, true},
        [FAULT_BROKEN] = {ERR_UPSTREAM_BROKEN, WHERE_ANYWHERE, BLAME_MODEL, false, true},
        [FAULT_LOST_RACE] = {ERR_UPSTREAM_FAULT, WHERE_NOWHERE, BLAME_NOBODY, false, true},
};

const fault_row *fault_describe(fault_class c)
{
        assert(c < FAULT_CLASSES);
        return &rows[c];
}

/* Words that vendors put into error.code or error.type. */
static const struct {
        const char *word;
        fault_class class;
} words[] = {
        {"context_length_exceeded", FAULT_CONTEXT},
        {"exceed_context_size_error", FAULT_CONTEXT},
        {"tokens_too_long", FAULT_CONTEXT},
        {"string_above_max_length", FAULT_CONTEXT},
        {"content_filter", FAULT_FILTER},
        {"content_policy_violation", FAULT_FILTER},
        {"ResponsibleAIPolicyViolation", FAULT_FILTER},
        {"DataInspectionFailed", FAULT_FILTER},
        {"data_inspection_failed", FAULT_FILTER},
        {"unsafe_request", FAULT_FILTER},
        {"model_not_found", FAULT_NOT_FOUND},
        {"ModelNotFound", FAULT_NOT_FOUND},
        {"DeploymentNotFound", FAULT_NOT_FOUND},
        {"invalid_api_key", FAULT_AUTH},
        {"authentication_error", FAULT_AUTH},
        {"permission_error", FAULT_AUTH},
        {"InvalidApiKey", FAULT_AUTH},
        {"invalid_iam_token", FAULT_AUTH},
        {"insufficient_quota", FAULT_BILLING},
        {"exceeded_current_quota_error", FAULT_BILLING},
        {"billing_error", FAULT_BILLING},
        {"billing_hard_limit_reached", FAULT_BILLING},
        {"Arrearage", FAULT_BILLING},
        {"rate_limit_exceeded", FAULT_RATE},
        {"rate_limit_error", FAULT_RATE},
        {"rpm_rate_limit_exceeded", FAULT_RATE},
        {"tpm_rate_limit_exceeded", FAULT_RATE},
        {"Throttling", FAULT_RATE},
        {"overloaded_error", FAULT_OVERLOADED},
        {"engine_overloaded_error", FAULT_OVERLOADED},
        {"request_too_large", FAULT_TOO_LARGE},
        {"server_error", FAULT_SERVER},
        {"api_error", FAULT_SERVER},
};

static bool by_word(view v, fault_class *out)
{
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                if (view_equal(v, view_of_text(words[i].word))) {
                        *out = words[i].class;
                        return true;
                }
        return false;
}

static fault_class by_status(uint16_t status)
{
        switch (status) {
        case 401:
        case 403:
        case 407:
                return FAULT_AUTH;
        case 402:
                return FAULT_BILLING;
        case 404:
                return FAULT_NOT_FOUND;
        case 408:
        case 504:
                return FAULT_TIMEOUT;
        case 413:
                return FAULT_TOO_LARGE;
        case 429:
                return FAULT_RATE;
        case 502:
        case 503:
        case 529:
                return FAULT_OVERLOADED;
        default:
                return status >= 500 ? FAULT_SERVER : FAULT_BAD_REQUEST;
        }
}

fault_class fault_of(const fault_said *said)
{
        fault_class c;
        bool        worded = by_word(said->code, &c) || by_word(said->type, &c);
        /* "server_error" is what vendors call every 5xx: then the status says more. */
        if (worded && !(c == FAULT_SERVER && said->status >= 500))
                return c;
        return by_status(said->status);
}
