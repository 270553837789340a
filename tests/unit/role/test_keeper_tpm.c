/* The keeper with a TPM: one of software when LETHE_TPM_SOCKET names it (tests/audit/tpm.py does), else what it does
 * without one. */
#include <stdlib.h>
#include <sys/un.h>

#include "keeper_play.h"
#include "support/tap.h"
#include "tpm/device.h"
#include "usage/quote.h"

static const char            SUBJECT[] = "keeper_tpm";
static play                  p;
static keeper_message        answer;
static const keeper_tpm_values other = {.pcr4 = "the next image's", .pcr11 = "and its sections"};

static int connected(const char *path)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        play_must(connect(fd, (struct sockaddr *)&a, sizeof a) == 0, "TPM");
        return fd;
}

static keeper_status status(void)
{
        keeper_status s = {};
        play_must(play_ask(&p, KEEPER_STATUS, (view){}, &answer) == ERR_NONE && answer.len == sizeof s, "status");
        memcpy(&s, answer.bytes, sizeof s);
        return s;
}

static unsigned count(uint32_t kind)
{
        keeper_status s = status();
        unsigned      n = 0;
        for (size_t i = 0; i < 8; i++)
                n += s.slots[i].kind == kind;
        return n;
}

static err_code reseal(const keeper_tpm_values *v)
{
        return play_ask(&p, KEEPER_TPM_RESEAL, (view){(const uint8_t *)v, sizeof *v}, &answer);
}

static void test_without(void)
{
        play_make(&p, SLOT_KEY_FILE);
        play_must(play_start(&p), "start");
        tap_ok(status().tpm == KEEPER_TPM_ABSENT && play_ask(&p, KEEPER_TPM_SEAL, (view){}, &answer) == ERR_NO_TPM
                       && reseal(&other) == ERR_NO_TPM,
               SUBJECT, "without a TPM nothing is sealed to one");
        static uint8_t room[256 * 1024];
        uint64_t       sequence = 0;
        tap_ok(play_export_now(&p, &sequence) == ERR_NONE && play_export(&p, sequence, EXPORT_QUOTE, room).len == 0
                       && !play_says(play_export(&p, sequence, EXPORT_BODY, room), "\"tpm\":"),
               SUBJECT, "an export does not speak of one, and has no quote");
        play_stop(&p);
}

/* Sent by nobody; written to the export by who owns the box before: a TPM that hangs up. */
static void test_gone(void)
{
        int ends[2];
        play_make(&p, SLOT_KEY_FILE);
        play_must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "pair");
        close(ends[1]);
        p.tpm = ends[0];
        static uint8_t room[256 * 1024];
        uint64_t       sequence = 0;
        tap_ok(play_start(&p) && play_ask(&p, KEEPER_TPM_SEAL, (view){}, &answer) == ERR_TPM_FAILED
                       && count(SLOT_TPM) == 0,
               SUBJECT, "one that has gone is told, and leaves no slot");
        tap_ok(play_export_now(&p, &sequence) == ERR_NONE && play_export(&p, sequence, EXPORT_QUOTE, room).len == 0,
               SUBJECT, "and usage is exported all the same");
        play_stop(&p);
}

static void test_slots(void)
{
        uint32_t index = 9;
        tap_ok(status().tpm == KEEPER_TPM_UNUSED && reseal(&other) == ERR_NO_TARGET && count(SLOT_TPM) == 0, SUBJECT,
               "nobody gets a slot by updating who has not chosen one");
        bool good = play_ask(&p, KEEPER_TPM_SEAL, (view){}, &answer) == ERR_NONE && answer.len == sizeof index;
        memcpy(&index, answer.bytes, sizeof index);
        tap_ok(good && index == 1 && count(SLOT_TPM) == 1 && status().tpm == KEEPER_TPM_OPENED
                       && status().tpm_slots == 1u << 1,
               SUBJECT, "a slot for what was started");
        tap_ok(reseal(&other) == ERR_NONE && count(SLOT_TPM) == 2 && status().tpm_slots == 1u << 1, SUBJECT,
               "one for the image that comes, which does not open now");
        tap_ok(reseal(&other) == ERR_NONE && count(SLOT_TPM) == 2, SUBJECT, "asked for twice it is there once");
        keeper_tpm_values later = other;
        later.pcr4[0] ^= 1;
        tap_ok(reseal(&later) == ERR_NONE && count(SLOT_TPM) == 2 && status().tpm == KEEPER_TPM_OPENED, SUBJECT,
               "one for an image that was never started gives way to the next");
        tap_ok(play_ask(&p, KEEPER_TPM_RESEAL, VIEW("short"), &answer) == ERR_OUT_OF_RANGE
                       && play_ask(&p, KEEPER_TPM_SEAL, VIEW("x"), &answer) == ERR_OUT_OF_RANGE,
               SUBJECT, "questions of another length are none");
}

static void wait_for_slots(unsigned most)
{
        play_wake(&p);
        for (int i = 0; i < 500 && count(SLOT_TPM) > most; i++)
                usleep(10000);
}

static void test_settle(box_facts *box)
{
        tap_ok(count(SLOT_TPM) == 2, SUBJECT, "while an image has not proven itself the slots of others stay");
        atomic_store(&box->settled, 1);
        wait_for_slots(1);
        tap_ok(count(SLOT_TPM) == 1 && status().tpm == KEEPER_TPM_OPENED, SUBJECT, "when it has, they go");
        atomic_store(&box->settled, 0);
        play_wake(&p);
        tap_ok(count(SLOT_TPM) == 1 && reseal(&other) == ERR_NONE && count(SLOT_TPM) == 2, SUBJECT,
               "an update that is installed has its slot");
        atomic_store(&box->settled, 1);
        wait_for_slots(1);
        tap_ok(count(SLOT_TPM) == 1 && status().tpm == KEEPER_TPM_OPENED, SUBJECT,
               "and one that did not start has none any more");
        uint32_t zero = 0;
        tap_ok(play_ask(&p, KEEPER_SLOT_REMOVE, (view){(uint8_t *)&zero, 4}, &answer) == ERR_LAST_SLOT, SUBJECT,
               "the key file's slot stays");
}

static void test_exports(void)
{
        static uint8_t body_room[256 * 1024], quote_room[64 * 1024];
        uint64_t       sequence = 0;
        play_must(play_export_now(&p, &sequence) == ERR_NONE && play_export_now(&p, &sequence) == ERR_NONE, "export");
        view         body = play_export(&p, sequence, EXPORT_BODY, body_room);
        view         quote = play_export(&p, sequence, EXPORT_QUOTE, quote_room);
        tpm_quote    q;
        tpm_attest   a;
        config_fault fault;
        uint8_t      extra[32];
        quote_binding(body, extra);
        bool good = !failed(quote_read(quote, &q, &fault))
                    && !failed(tpm_read_attest((view){q.attest, q.attest_len}, &a));
        tap_ok(good && view_equal(a.extra, (view){extra, 32}) && play_says(body, "\"tpm\":{\"clock\":"), SUBJECT,
               "an export has a quote over its bytes");
        tap_ok(!play_says(body, "\"previous_quote\":\"0000000000"), SUBJECT, "and names the quote before");
}

static void test_unattended(void)
{
        play_kill(&p);
        memset(p.page, 0, 4096);
        p.with_key_file = false;
        tap_ok(play_start(&p) && status().open == 1, SUBJECT, "a keeper that knows nothing opens by the TPM");
        uint32_t one = 1;
        tap_ok(play_ask(&p, KEEPER_SLOT_REMOVE, (view){(uint8_t *)&one, 4}, &answer) == ERR_NONE
                       && status().tpm == KEEPER_TPM_UNUSED,
               SUBJECT, "until its slot is taken away");
        play_stop(&p);
        memset(p.page, 0, 4096);
        tap_ok(play_start(&p) && status().open == 0 && play_ask(&p, KEEPER_TPM_SEAL, (view){}, &answer) == ERR_SEALED,
               SUBJECT, "then it stays sealed, and gives itself no slot");
        play_stop(&p);
}

int main(void)
{
        test_without();
        test_gone();
        const char *path = getenv("LETHE_TPM_SOCKET");
        if (path == nullptr)
                return tap_done();
        void *facts;
        play_make(&p, SLOT_KEY_FILE);
        p.box_fd = play_memory(sizeof(box_facts), &facts);
        box_facts_format(facts);
        p.tpm = connected(path);
        play_must(play_start(&p), "start");
        test_slots();
        test_settle(facts);
        test_exports();
        test_unattended();
        return tap_done();
}
