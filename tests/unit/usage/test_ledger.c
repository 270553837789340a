#include "usage/ledger.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/tap.h"

static const char  SUBJECT[] = "ledger";
static usage_names names;

static void *shared(size_t bytes)
{
        void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
                abort();
        return p;
}

static ledger *ledger_make(void)
{
        ledger *l = nullptr;
        if (failed(ledger_open(shared(ledger_bytes()), ledger_bytes(), 1000, &l)))
                abort();
        return l;
}

static ledger *ledger_ready(void)
{
        ledger *l = ledger_make();
        if (failed(ledger_names(l, 1, &names)) || !ledger_attach(l, 0, 77, 1))
                abort();
        return l;
}

static void ledger_drop(ledger *l) { munmap(l, ledger_bytes()); }

static usage_record exchange_of(uint16_t project, uint16_t model, ending e)
{
        return (usage_record){.version = 1, .kind = USAGE_EXCHANGE, .ending = e, .project = project, .model = model,
                              .vendor = USAGE_NO_INDEX, .generation = 1};
}

static usage_record attempt_of(usage_basis basis, uint64_t input, uint64_t output)
{
        usage_record r = {.version = 1, .kind = USAGE_ATTEMPT, .basis = basis, .generation = 1};
        r.tokens[TOKENS_INPUT] = input;
        r.tokens[TOKENS_OUTPUT] = output;
        return r;
}

static const ledger_row *row_of(const ledger *l, const char *project, const char *model, const char *vendor)
{
        for (size_t i = 0; i < ledger_row_count(l); i++) {
                const ledger_row *r = ledger_row_at(l, i);
                if (strcmp(r->project, project) == 0 && strcmp(r->model, model) == 0 && strcmp(r->vendor, vendor) == 0)
                        return r;
        }
        return nullptr;
}

static void test_layout(void)
{
        ledger *l = nullptr;
        void   *memory = shared(ledger_bytes());
        tap_ok(ledger_open(memory, ledger_bytes() - 1, 1, &l).code == ERR_BAD_FILE, SUBJECT,
               "too little memory is refused");
        tap_ok(!failed(ledger_open(memory, ledger_bytes(), 1000, &l)), SUBJECT, "fresh memory is formatted");
        tap_ok(ledger_started_s(l) == 1000 && ledger_row_count(l) == 0, SUBJECT, "the first period starts now, empty");
        tap_ok(!failed(ledger_open(memory, ledger_bytes(), 2000, &l)) && ledger_started_s(l) == 1000, SUBJECT,
               "an existing ledger is adopted with its period");
        ((uint8_t *)memory)[0] ^= 1;
        tap_ok(ledger_open(memory, ledger_bytes(), 1, &l).code == ERR_BAD_FILE, SUBJECT, "another format is refused");
        munmap(memory, ledger_bytes());
}

static void test_counting(void)
{
        ledger      *l = ledger_ready();
        usage_record first = attempt_of(USAGE_ESTIMATED, 10, 5), second = attempt_of(USAGE_REPORTED, 20, 7);
        usage_record third = attempt_of(USAGE_NOT_BILLED, 0, 0), whole = exchange_of(0, 0, ENDING_WHOLE);
        second.suspect = 1;
        whole.redactions[3] = 4;
        whole.attempts = 3;
        bool good = !failed(ledger_apply(l, 0, &first)) && !failed(ledger_apply(l, 0, &second))
                    && !failed(ledger_apply(l, 0, &third)) && !failed(ledger_apply(l, 0, &whole));
        tap_ok(good && ledger_applied(l, 0) == 4, SUBJECT, "every record moves the applied sequence");
        const ledger_row *with = row_of(l, "alpha", "small", "acme"), *without = row_of(l, "alpha", "small", "");
        tap_ok(ledger_row_count(l) == 2 && with != nullptr && without != nullptr, SUBJECT,
               "attempts go to the vendor's row and the exchange to its own");
        const ledger_counters *c = &with->counters;
        tap_ok(c->attempts == 3 && c->reported_attempts == 1 && c->estimated_attempts == 1
                       && c->not_billed_attempts == 1 && c->suspect == 1,
               SUBJECT, "each attempt has exactly one basis");
        tap_ok(c->estimated[TOKENS_INPUT] == 10 && c->estimated[TOKENS_OUTPUT] == 5 && c->reported[TOKENS_INPUT] == 20
                       && c->reported[TOKENS_OUTPUT] == 7,
               SUBJECT, "reported and estimated tokens stay apart");
        tap_ok(without->counters.requests == 1 && without->counters.errors == 0 && ledger_ending(l, ENDING_WHOLE) == 1
                       && ledger_redactions(l, 3) == 4,
               SUBJECT, "an exchange counts its request, ending and redactions");
        usage_record nobody = exchange_of(USAGE_NO_INDEX, USAGE_NO_INDEX, ENDING_REJECTED_AUTH);
        tap_ok(!failed(ledger_apply(l, 0, &nobody)) && row_of(l, "", "", "")->counters.requests == 1, SUBJECT,
               "a caller without a name has a row without names");
        ledger_drop(l);
}

/* One wrong thing each; all are passed over and counted. */
static void test_refusals(void)
{
        static const struct {
                const char *sentence;
                size_t      at, bytes; /* of usage_record */
                uint64_t    value;
                bool        exchange;
        } rows[] = {
                {"another version is refused", offsetof(usage_record, version), 1, 2, true},
                {"an unknown kind is refused", offsetof(usage_record, kind), 1, 3, true},
                {"an unknown ending is refused", offsetof(usage_record, ending), 1, ENDING_COUNT, true},
                {"an exchange with a basis is refused", offsetof(usage_record, basis), 1, 1, true},
                {"an exchange that is suspect is refused", offsetof(usage_record, suspect), 1, 1, true},
                {"an exchange with tokens is refused", offsetof(usage_record, tokens), 8, 1, true},
                {"too many attempts are refused", offsetof(usage_record, attempts), 4, LIMIT_ATTEMPTS + 1, true},
                {"a streamed flag of 2 is refused", offsetof(usage_record, streamed), 1, 2, true},
                {"a project that is not there is refused", offsetof(usage_record, project), 2, 2, true},
                {"a model that is not there is refused", offsetof(usage_record, model), 2, 1, true},
                {"a vendor that is not there is refused", offsetof(usage_record, vendor), 2, 1, true},
                {"another generation than the ring's is refused", offsetof(usage_record, generation), 4, 2, true},
                {"the reserved word must be zero", offsetof(usage_record, reserved), 4, 1, true},
                {"unused bytes must be zero", offsetof(usage_record, zero) + 47, 1, 1, true},
                {"an attempt without basis is refused", offsetof(usage_record, basis), 1, 0, false},
                {"an attempt of unknown basis is refused", offsetof(usage_record, basis), 1, 4, false},
                {"an attempt with an ending is refused", offsetof(usage_record, ending), 1, 1, false},
                {"an attempt without vendor is refused", offsetof(usage_record, vendor), 2, USAGE_NO_INDEX, false},
                {"an attempt with redactions is refused", offsetof(usage_record, redactions), 2, 1, false},
                {"an absurd token count is refused", offsetof(usage_record, tokens), 8, TOKENS_MAX + 1ull, false},
                {"tokens that were not billed are refused", offsetof(usage_record, basis), 1, USAGE_NOT_BILLED, false},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                ledger      *l = ledger_ready();
                usage_record r = rows[i].exchange ? exchange_of(0, 0, ENDING_WHOLE) : attempt_of(USAGE_REPORTED, 1, 1);
                memcpy((uint8_t *)&r + rows[i].at, &rows[i].value, rows[i].bytes);
                bool refused = ledger_apply(l, 0, &r).code == ERR_OUT_OF_RANGE;
                tap_ok(refused && ledger_refused(l) == 1 && ledger_applied(l, 0) == 1 && ledger_row_count(l) == 0,
                       SUBJECT, rows[i].sentence);
                ledger_drop(l);
        }
}

static void test_generations(void)
{
        ledger *l = ledger_make();
        bool    good = true;
        for (uint32_t g = 1; g <= LIMIT_LEDGER_GENERATIONS; g++)
                good = good && !failed(ledger_names(l, g, &names));
        tap_ok(good && !failed(ledger_names(l, 1, &names)), SUBJECT, "a generation may be told twice");
        usage_record r = exchange_of(0, 0, ENDING_WHOLE);
        tap_ok(ledger_attach(l, 0, 5, 1) && ledger_attach(l, 1, 6, 2), SUBJECT, "rings are attached to generations");
        tap_ok(!failed(ledger_names(l, 100, &names)) && !failed(ledger_apply(l, 0, &r)), SUBJECT,
               "a generation with a ring stays when another needs room");
        r.generation = 3;
        tap_ok(ledger_attach(l, 2, 7, 3) && failed(ledger_apply(l, 2, &r)), SUBJECT,
               "the oldest generation without a ring gave way");
        ledger_drop(l);
}

static void test_retiring(void)
{
        ledger      *l = ledger_ready();
        usage_record r = exchange_of(0, 0, ENDING_WHOLE);
        tap_ok(!failed(ledger_apply(l, 0, &r)) && ledger_attach(l, 0, 77, 1) && ledger_applied(l, 0) == 1, SUBJECT,
               "a ring seen before goes on where it was");
        ledger_retire(l, 0, 4);
        tap_ok(ledger_ending(l, ENDING_LOST) == 3 && row_of(l, "", "", "")->counters.requests == 3
                       && row_of(l, "", "", "")->counters.errors == 3,
               SUBJECT, "what a dead relay admitted and did not end is lost, as requests without names");
        tap_ok(!ledger_attach(l, 0, 77, 1), SUBJECT, "a retired ring is not attached again");
        tap_ok(ledger_attach(l, 0, 78, 1) && ledger_applied(l, 0) == 0, SUBJECT, "the next ring starts at zero");
        ledger_retire(l, 0, UINT64_MAX);
        tap_ok(ledger_ending(l, ENDING_LOST) == 3 + LIMIT_EXCHANGES, SUBJECT,
               "a dead relay's word for its exchanges is bounded");
        ledger_attach(l, 0, 79, 1);
        (void)ledger_apply(l, 0, &r);
        ledger_retire(l, 0, 0);
        tap_ok(ledger_ending(l, ENDING_LOST) == 3 + LIMIT_EXCHANGES, SUBJECT, "fewer admitted than ended loses none");
        ledger_drop(l);
}

static void test_full_table(void)
{
        static usage_names many;
        many = (usage_names){.project_count = LIMIT_PROJECTS, .model_count = LIMIT_MODELS, .vendor_count = 1};
        for (size_t i = 0; i < LIMIT_PROJECTS; i++) {
                snprintf(many.projects[i], sizeof many.projects[i], "p%zu", i);
                snprintf(many.models[i], sizeof many.models[i], "m%zu", i);
        }
        ledger *l = ledger_make();
        bool    good = !failed(ledger_names(l, 1, &many)) && ledger_attach(l, 0, 77, 1);
        for (uint32_t i = 0; i < LIMIT_LEDGER_ROWS + 500; i++) {
                usage_record r =
                        exchange_of((uint16_t)(i % LIMIT_PROJECTS), (uint16_t)(i / LIMIT_PROJECTS), ENDING_WHOLE);
                good = good && !failed(ledger_apply(l, 0, &r));
        }
        uint64_t sum = 0;
        for (size_t i = 0; i < ledger_row_count(l); i++)
                sum += ledger_row_at(l, i)->counters.requests;
        tap_ok(good && ledger_row_count(l) == LIMIT_LEDGER_ROWS, SUBJECT, "the table fills up");
        tap_ok(sum == LIMIT_LEDGER_ROWS + 500 && row_of(l, "", "", "")->counters.requests == 501, SUBJECT,
               "what finds no row goes to the one without names: the sums stay whole");
        ledger_drop(l);
}

static void test_periods(void)
{
        ledger      *l = ledger_ready();
        usage_record r = exchange_of(0, 0, ENDING_WHOLE), bad = r;
        bad.version = 9;
        r.redactions[0] = 1;
        (void)ledger_apply(l, 0, &r);
        (void)ledger_apply(l, 0, &bad);
        ledger_set_exporting(l, 7);
        tap_ok(ledger_exporting(l) == 7, SUBJECT, "a period that is being exported says so");
        ledger_close_period(l, 5000);
        tap_ok(ledger_row_count(l) == 0 && ledger_ending(l, ENDING_WHOLE) == 0 && ledger_redactions(l, 0) == 0
                       && ledger_refused(l) == 0 && ledger_exporting(l) == 0 && ledger_started_s(l) == 5000,
               SUBJECT, "a new period starts with nothing");
        tap_ok(ledger_applied(l, 0) == 2 && !failed(ledger_apply(l, 0, &r)) && ledger_row_count(l) == 1, SUBJECT,
               "names and sequences stay");
        ledger_drop(l);
}

static uint64_t requests_of(const ledger *l)
{
        uint64_t sum = 0;
        for (size_t i = 0; i < ledger_row_count(l); i++)
                sum += ledger_row_at(l, i)->counters.requests;
        return sum;
}

static uint64_t tokens_of(const ledger *l)
{
        uint64_t sum = 0;
        for (size_t i = 0; i < ledger_row_count(l); i++)
                sum += ledger_row_at(l, i)->counters.reported[TOKENS_INPUT];
        return sum;
}

static uint64_t endings_of(const ledger *l)
{
        uint64_t sum = 0;
        for (int e = 0; e < ENDING_COUNT; e++)
                sum += ledger_ending(l, (ending)e);
        return sum;
}

/* Sequence n is an attempt with n % 1000 tokens when odd, an exchange when even. */
static usage_record scripted(uint64_t n)
{
        usage_record r = n % 2 == 1 ? attempt_of(USAGE_REPORTED, n % 1000, 0)
                                    : exchange_of((uint16_t)(n / 2 % 2), 0, n % 6 == 0 ? ENDING_TIMEOUT : ENDING_WHOLE);
        if (n % 2 == 0)
                r.redactions[5] = 1;
        return r;
}

static void keep_until_killed(ledger *l, usage_ring *ring, bool last)
{
        usage_record r;
        for (uint64_t n = ledger_applied(l, 0) + 1;;) {
                if (usage_ring_read(ring, n, &r)) {
                        (void)ledger_apply(l, 0, &r);
                        usage_ring_consumed(ring, n++);
                } else if (last) {
                        _exit(0);
                }
        }
}

/* Tops the ring up; returns the sequence of its last record. */
static uint64_t fill(usage_ring *ring, uint64_t written, uint64_t *tokens_sum)
{
        while (usage_ring_reserve(ring, 1)) {
                usage_record r = scripted(++written);
                usage_ring_commit(ring, &r);
                *tokens_sum += written % 2 == 1 ? written % 1000 : 0;
        }
        return written;
}

static void test_kills(void)
{
        constexpr int KILLS = 200;
        void       *memory = shared(ledger_bytes());
        usage_ring *ring;
        if (failed(usage_ring_format(shared(usage_ring_bytes()), usage_ring_bytes(), &ring)))
                abort();
        ledger  *l;
        uint64_t tokens_sum = 0, written = 0;
        bool     open = true;
        for (int kills = 0; kills <= KILLS && open; kills++) {
                open = !failed(ledger_open(memory, ledger_bytes(), 1, &l)) && !failed(ledger_names(l, 1, &names))
                       && ledger_attach(l, 0, 9, 1);
                written = fill(ring, written, &tokens_sum);
                pid_t child = fork();
                if (child == 0)
                        keep_until_killed(l, ring, kills == KILLS);
                struct timespec t = {.tv_nsec = random() % 1000000};
                nanosleep(&t, nullptr);
                if (kills < KILLS)
                        kill(child, SIGKILL);
                waitpid(child, nullptr, 0);
        }
        printf("# %d kills, %llu records\n", KILLS, (unsigned long long)written);
        tap_ok(open && !failed(ledger_open(memory, ledger_bytes(), 1, &l)), SUBJECT,
               "a killed keeper's ledger is adopted");
        tap_ok(ledger_applied(l, 0) == written && requests_of(l) == written / 2 && tokens_of(l) == tokens_sum
                       && endings_of(l) == written / 2 && ledger_redactions(l, 5) == written / 2,
               SUBJECT, "every record is counted exactly once across kills");
        munmap(memory, ledger_bytes());
        munmap(ring, usage_ring_bytes());
}

static void test_kill_of_changes(void)
{
        constexpr int ROUNDS = 200;
        bool whole = true;
        int  changed = 0;
        for (int i = 0; i < ROUNDS && whole; i++) {
                ledger *l = ledger_ready();
                pid_t   child = fork();
                if (child == 0) {
                        for (uint64_t identity = 1000;; identity++) {
                                usage_record r = exchange_of(0, 0, ENDING_WHOLE);
                                if (!ledger_attach(l, 1, identity, 1))
                                        _exit(1);
                                (void)ledger_apply(l, 1, &r);
                                ledger_retire(l, 1, 2);
                                if (identity % 50 == 0)
                                        ledger_close_period(l, identity);
                        }
                }
                struct timespec t = {.tv_nsec = random() % 500000};
                nanosleep(&t, nullptr);
                kill(child, SIGKILL);
                waitpid(child, nullptr, 0);
                if (failed(ledger_open(l, ledger_bytes(), 1, &l)))
                        abort();
                changed += requests_of(l) > 0;
                uint64_t lost = ledger_ending(l, ENDING_LOST), ok = ledger_ending(l, ENDING_WHOLE);
                whole = requests_of(l) == endings_of(l) && (lost == ok || lost + 1 == ok || ok == 0);
                ledger_drop(l);
        }
        tap_ok(whole && changed > 0, SUBJECT, "retiring and closing a period are whole or not at all");
}

int main(void)
{
        names = (usage_names){.project_count = 2, .model_count = 1, .vendor_count = 1, .projects = {"alpha", "beta"},
                              .models = {"small"}, .vendors = {"acme"}};
        test_layout();
        test_counting();
        test_refusals();
        test_generations();
        test_retiring();
        test_full_table();
        test_periods();
        test_kills();
        test_kill_of_changes();
        return tap_done();
}
