/* A TPM that follows a script, and what goes wrong with one. With LETHE_TPM_SOCKET (tests/audit/tpm.py sets it) the
 * last part is played by a TPM of software. */
#include "tpm/device.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/secret.h"
#include "support/tap.h"

static const char SUBJECT[] = "device";

enum : uint32_t { SEAL = 0x153, LOAD = 0x157, UNSEAL = 0x15e, FLUSH = 0x165, SESSION = 0x176, LIST = 0x17a,
                  READ = 0x17e, POLICY = 0x17f, PRIMARY = 0x131, CLOCK = 0x181, QUOTE = 0x158 };

/* One turn: the command that must come, and what is answered. */
typedef struct turn {
        uint32_t    command, code;
        const char *vector; /* name in answers.json; null: nothing behind the head */
        const char *bytes;  /* instead: as they stand */
        size_t      len;
        int         pieces; /* 0: at once */
} turn;

static char answers[16 * 1024];

static size_t vector(const char *name, uint8_t *out)
{
        char key[64];
        snprintf(key, sizeof key, "\"%s\": \"", name);
        const char *at = strstr(answers, key);
        if (at == nullptr)
                _exit(99);
        size_t n = 0;
        for (at += strlen(key); *at != '"'; at += 2) {
                unsigned byte;
                sscanf(at, "%2x", &byte);
                out[n++] = (uint8_t)byte;
        }
        return n;
}

static void reply(int fd, const turn *t)
{
        uint8_t bytes[TPM_BYTES] = {0x80, t->command == CLOCK || t->command == READ || t->command == LIST ? 1 : 2};
        size_t  len = 10;
        if (t->bytes != nullptr && t->len > 0) {
                memcpy(bytes, t->bytes, t->len);
                len = t->len;
        } else {
                if (t->vector != nullptr)
                        len += vector(t->vector, bytes + 10);
                else if (t->bytes != nullptr) {
                        memcpy(bytes + 10, t->bytes, 4);
                        len += 4;
                }
                for (int i = 0; i < 4; i++) {
                        bytes[2 + i] = (uint8_t)(len >> (24 - 8 * i));
                        bytes[6 + i] = (uint8_t)(t->code >> (24 - 8 * i));
                }
        }
        size_t step = t->pieces > 0 ? (size_t)t->pieces : len;
        for (size_t at = 0; at < len; at += step) {
                size_t n = len - at < step ? len - at : step;
                if (write(fd, bytes + at, n) != (ssize_t)n)
                        _exit(98);
                if (step < len)
                        usleep(2000);
        }
}

static pid_t pid;

static tpm play(const turn *turns, size_t count)
{
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
                abort();
        pid = fork();
        if (pid == 0) {
                close(ends[0]);
                for (size_t i = 0; i < count; i++) {
                        uint8_t command[TPM_BYTES];
                        ssize_t n = read(ends[1], command, sizeof command);
                        if (n < 10 || ((uint32_t)command[8] << 8 | command[9]) != turns[i].command)
                                _exit((int)i + 1);
                        reply(ends[1], &turns[i]);
                }
                shutdown(ends[1], SHUT_WR);
                uint8_t more;
                _exit(read(ends[1], &more, 1) == 0 ? 0 : 97);
        }
        close(ends[1]);
        return (tpm){.fd = ends[0]};
}

/* The script was followed to its end, and nothing more was asked. */
static bool played(const tpm *t)
{
        int status = 0;
        close(t->fd);
        waitpid(pid, &status, 0);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#define PLAY(...) \
        const turn turns[] = {__VA_ARGS__}; \
        tpm t = play(turns, sizeof turns / sizeof *turns)

static void test_clock(void)
{
        tpm_clock clock = {};
        {
                PLAY({CLOCK, TPM_RC_RETRY, nullptr, nullptr, 0, 0}, {CLOCK, TPM_RC_TESTING, nullptr, nullptr, 0, 0},
                     {CLOCK, 0, "clock", nullptr, 0, 3});
                err e = tpm_clock_now(&t, &clock);
                tap_ok(!failed(e) && clock.resets == 1 && t.code == 0 && played(&t), SUBJECT,
                       "a TPM that is busy is asked again, and an answer may come in pieces");
        }
        {
                PLAY({CLOCK, 0x101, nullptr, nullptr, 0, 0});
                tap_ok(tpm_clock_now(&t, &clock).code == ERR_SYSTEM && t.code == 0x101 && played(&t), SUBJECT,
                       "what it refuses with is told");
        }
        {
                PLAY({CLOCK, 0, nullptr, "GET / HTTP/1.1\r\n", 16, 0});
                tap_ok(tpm_clock_now(&t, &clock).code == ERR_BAD_FILE && t.gone
                               && tpm_clock_now(&t, &clock).code == ERR_SYSTEM && played(&t),
                       SUBJECT, "nonsense, and who answers it is not asked again");
        }
        {
                PLAY({CLOCK, 0, nullptr, "\x80\x01\0\0\0\x23\0\0\0\0cut", 13, 0});
                tap_ok(tpm_clock_now(&t, &clock).code == ERR_SYSTEM && played(&t), SUBJECT, "an answer that is cut");
        }
        {
                PLAY({CLOCK, 0, nullptr, "\x80\x01\0\0\0\x0c\0\0\0\0xx", 12, 0});
                tap_ok(tpm_clock_now(&t, &clock).code == ERR_BAD_FILE && played(&t), SUBJECT, "one that is too short");
        }
}

static void test_registers(void)
{
        tpm_pcrs pcrs;
        {
                PLAY({READ, 0, "pcrs", nullptr, 0, 0});
                tap_ok(!failed(tpm_pcrs_now(&t, 0x003895, &pcrs)) && pcrs.mask == 0x003895 && played(&t), SUBJECT,
                       "registers are read");
        }
        {
                PLAY({READ, 0, "pcrs", nullptr, 0, 0}, {READ, 0, "pcrs", nullptr, 0, 0});
                tap_ok(tpm_pcrs_now(&t, 0x803895, &pcrs).code == ERR_BAD_FILE && played(&t), SUBJECT,
                       "one that never comes is not waited for");
        }
        {
                PLAY({READ, 0, "pcrs", nullptr, 0, 0});
                tap_ok(tpm_pcrs_now(&t, 0x000010, &pcrs).code == ERR_BAD_FILE && played(&t), SUBJECT,
                       "one that nobody asked for is not believed");
        }
}

#define HANDLE "\x80\xff\xff\xff"

static void test_unseal(void)
{
        tpm_sealed sealed = {.private_len = 10, .public_len = 10};
        uint8_t    secret[32];
        {
                PLAY({PRIMARY, 0, "storage_key", nullptr, 0, 0}, {LOAD, 0, nullptr, HANDLE, 0, 0},
                     {SESSION, 0, nullptr, "\3\0\0\0", 0, 0}, {POLICY, 0, nullptr, nullptr, 0, 0},
                     {UNSEAL, TPM_RC_POLICY_FAIL, nullptr, nullptr, 0, 0}, {FLUSH, 0, nullptr, nullptr, 0, 0},
                     {FLUSH, 0, nullptr, nullptr, 0, 0}, {FLUSH, 0, nullptr, nullptr, 0, 0});
                tap_ok(tpm_unseal(&t, &sealed, 1u << 4, secret).code == ERR_BAD_CREDENTIAL
                               && t.code == TPM_RC_POLICY_FAIL && played(&t),
                       SUBJECT, "other registers: said as such, and session, object and key are given back");
        }
        {
                PLAY({PRIMARY, 0, "storage_key", nullptr, 0, 0}, {LOAD, TPM_RC_INTEGRITY, nullptr, nullptr, 0, 0},
                     {FLUSH, 0x101, nullptr, nullptr, 0, 0});
                tap_ok(tpm_unseal(&t, &sealed, 1u << 4, secret).code == ERR_NO_TARGET && played(&t), SUBJECT,
                       "another TPM: said as such");
        }
        {
                PLAY({PRIMARY, 0x921, nullptr, nullptr, 0, 0});
                tap_ok(tpm_unseal(&t, &sealed, 1u << 4, secret).code == ERR_SYSTEM && t.code == 0x921 && played(&t),
                       SUBJECT, "no key, nothing to give back");
        }
        {
                PLAY({PRIMARY, 0, "storage_key", nullptr, 0, 0}, {SEAL, 0, "clock", nullptr, 0, 0},
                     {FLUSH, 0, nullptr, nullptr, 0, 0});
                tpm_pcrs pcrs = {.mask = 1u << 4};
                tap_ok(tpm_seal(&t, &pcrs, secret, &sealed).code == ERR_BAD_FILE && played(&t), SUBJECT,
                       "a sealed object that is none");
        }
}

static void test_quote(void)
{
        static const uint8_t extra[32];
        tpm_quote            q;
        {
                PLAY({READ, 0, "pcrs", nullptr, 0, 0}, {PRIMARY, 0, "quoting_key", nullptr, 0, 0},
                     {QUOTE, 0, "quote", nullptr, 0, 0}, {FLUSH, 0, nullptr, nullptr, 0, 0});
                tap_ok(!failed(tpm_quote_now(&t, extra, 0x003895, &q)) && q.attest_len == 145 && q.key_len == 88
                               && q.signature_len == 72 && played(&t),
                       SUBJECT, "a quote with its key and its registers");
        }
        {
                PLAY({READ, 0, "pcrs", nullptr, 0, 0}, {PRIMARY, 0, "quoting_key", nullptr, 0, 0},
                     {QUOTE, 0, nullptr, nullptr, 0, 0}, {FLUSH, 0, nullptr, nullptr, 0, 0});
                tap_ok(tpm_quote_now(&t, extra, 0x003895, &q).code == ERR_BAD_FILE && played(&t), SUBJECT,
                       "a quote that is none");
        }
}

static int connected(const char *path)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        return connect(fd, (struct sockaddr *)&a, sizeof a) == 0 ? fd : -1;
}

static void test_real(const char *path)
{
        tpm        t = {.fd = connected(path)};
        tpm_pcrs   now, other;
        tpm_sealed here, there;
        uint8_t    secret[32], out[32] = {}, extra[32] = "asked";
        tpm_quote  q;
        secret_random(secret, sizeof secret);
        tap_ok(!failed(tpm_clear_leftovers(&t)) && !failed(tpm_pcrs_now(&t, 0xffffff, &now)) && now.mask == 0xffffff,
               SUBJECT, "all 24 registers are read");
        tap_ok(!failed(tpm_pcrs_now(&t, 1u << 4 | 1u << 11, &now)) && !failed(tpm_seal(&t, &now, secret, &here))
                       && !failed(tpm_unseal(&t, &here, now.mask, out)) && memcmp(out, secret, 32) == 0,
               SUBJECT, "what was sealed is given back");
        other = now;
        other.value[4][0] ^= 1;
        tap_ok(!failed(tpm_seal(&t, &other, secret, &there)) && tpm_unseal(&t, &there, now.mask, out).code
                       == ERR_BAD_CREDENTIAL,
               SUBJECT, "sealed to values that the registers do not have: not now");
        here.private_part[40] ^= 1;
        tap_ok(tpm_unseal(&t, &here, now.mask, out).code == ERR_NO_TARGET, SUBJECT, "an object that was changed");
        bool good = true;
        for (int i = 0; i < 20; i++)
                good = good && !failed(tpm_quote_now(&t, extra, now.mask, &q));
        tap_ok(good, SUBJECT, "twenty quotes leave nothing behind that would be in the way");
        tap_ok(!failed(tpm_seal(&t, &now, secret, &here)) && !failed(tpm_unseal(&t, &here, now.mask, out)), SUBJECT,
               "and it seals still");
        close(t.fd);
}

int main(void)
{
        FILE *f = fopen("tests/vectors/quote/answers.json", "rb");
        if (f == nullptr || failed(secret_setup()) || fread(answers, 1, sizeof answers - 1, f) == 0)
                return 1;
        fclose(f);
        signal(SIGPIPE, SIG_IGN);
        test_clock();
        test_registers();
        test_unseal();
        test_quote();
        const char *path = getenv("LETHE_TPM_SOCKET");
        if (path != nullptr)
                test_real(path);
        return tap_done();
}
