#include "route/fault.h"

#include "support/tap.h"

static const struct {
        const char *word;
        fault_class want;
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

static fault_class want_of_status(uint16_t status)
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

static void test_meaning(void)
{
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
                view word = view_of_text(words[i].word);
                bool good = true;
                /* The word decides, whatever the status says and wherever it stands; but "server" says less than a 5xx.
                 */
                for (uint16_t status = 400; status < 600; status++) {
                        fault_class want =
                                words[i].want == FAULT_SERVER && status >= 500 ? want_of_status(status) : words[i].want;
                        good = good && fault_of_status(status, word, (view){}) == want
                               && fault_of_status(status, (view){}, word) == want
                               && fault_of_status(status, VIEW("unheard_of"), word) == want;
                }
                tap_ok(good, "word", words[i].word);
        }
        bool good = true;
        for (uint16_t status = 400; status < 600; status++)
                good = good
                       && fault_of_status(status, (view){}, VIEW("invalid_request_error")) == want_of_status(status)
                       && fault_of_status(status, VIEW("Model_Not_Found"), (view){}) == want_of_status(status);
        tap_ok(good, "status", "without a word known the status decides, each of them");
        tap_ok(fault_of_status(400, VIEW("rate_limit_exceeded"), VIEW("invalid_request_error")) == FAULT_RATE
                       && fault_of_status(429, VIEW("insufficient_quota"), VIEW("rate_limit_error")) == FAULT_BILLING,
               "fault", "the code stands before the type");
}

static void test_rows(void)
{
        bool told = true, own = true;
        for (int c = 0; c < FAULT_CLASSES; c++) {
                const fault_row *r = fault_describe((fault_class)c);
                uint16_t http = err_describe(r->answer)->http;
                told = told && http >= 400 && http < 600 && (r->callers || http == 429 || http >= 500);
                own = own && !(r->callers && r->billed);
        }
        tap_ok(told, "fault", "what is not the caller's making is not answered as if it were");
        tap_ok(own, "fault", "a refusal costs nothing");
        static const fault_class here[] = {FAULT_BAD_REQUEST, FAULT_CONTEXT, FAULT_FILTER, FAULT_TOO_LARGE};
        int stays = 0;
        bool good = true;
        for (size_t i = 0; i < sizeof here / sizeof *here; i++)
                good = good && !fault_describe(here[i])->elsewhere && fault_describe(here[i])->callers;
        for (int c = 0; c < FAULT_CLASSES; c++)
                stays += !fault_describe((fault_class)c)->elsewhere;
        tap_ok(good && stays == 4, "fault", "only the caller's own faults are not tried elsewhere");
        static const fault_class paid[] = {FAULT_SERVER, FAULT_TIMEOUT, FAULT_CUT, FAULT_BROKEN};
        int billed = 0;
        for (size_t i = 0; i < sizeof paid / sizeof *paid; i++)
                good = good && fault_describe(paid[i])->billed;
        for (int c = 0; c < FAULT_CLASSES; c++)
                billed += fault_describe((fault_class)c)->billed;
        tap_ok(good && billed == 4, "fault", "what may have been charged is accounted");
}

int main(void)
{
        test_meaning();
        test_rows();
        return tap_done();
}
