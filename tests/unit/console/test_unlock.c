#include "console/unlock.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/secret.h"
#include "ipc/keeper.h"
#include "support/tap.h"
#include "vault/container.h"
#include "vault/seal.h"

static const char SUBJECT[] = "unlock";
static constexpr uint64_t PLENTY = 1ULL << 40;

typedef enum temper { HONEST, MUTE, BABBLING, OPEN, ELSE } temper;

static keeper_status said = {.slots = {{.kind = SLOT_KEY_FILE},
                                       {.kind = SLOT_PASSPHRASE, .ops = 1, .mem_bytes = ARGON_MEM_MIN, .salt = {7}}}};

static bool opens(const seal_pair *pair, const keeper_unlock *q)
{
        key_slot slot = {.kind = SLOT_PASSPHRASE, .ops = 1, .mem_bytes = ARGON_MEM_MIN, .salt = {7}};
        uint8_t  want[32], got[32];
        return q->slot == 1 && !failed(container_wrapping_key(&slot, VIEW("correct horse"), want))
               && !failed(seal_open(pair, (view){q->sealed, sizeof q->sealed}, got, sizeof got))
               && memcmp(want, got, sizeof want) == 0;
}

/* A keeper as role/keeper_admin answers. */
[[noreturn]] static void keep(int fd, temper t)
{
        static keeper_message q;
        seal_pair             pair;
        seal_make(&pair);
        memcpy(said.seal_key, pair.public_key, sizeof said.seal_key);
        said.open = t == OPEN;
        while (recv(fd, &q, sizeof q, 0) > 0) {
                keeper_message a = {.op = q.op, .code = ERR_NONE};
                if (q.op == KEEPER_STATUS) {
                        a.len = sizeof said;
                        memcpy(a.bytes, &said, sizeof said);
                } else {
                        keeper_unlock u;
                        memcpy(&u, q.bytes, sizeof u);
                        a.code = t == ELSE ? ERR_ROLLED_BACK : opens(&pair, &u) ? ERR_NONE : ERR_BAD_CREDENTIAL;
                }
                if (t == BABBLING)
                        a.len = 5;
                if (t == MUTE)
                        _exit(0);
                (void)send(fd, &a, offsetof(keeper_message, bytes) + (a.len == 5 ? 1 : a.len), 0);
        }
        _exit(0);
}

static bool gets(temper t, const char *passphrase, uint64_t memory, const char *part)
{
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
                abort();
        pid_t pid = fork();
        if (pid == 0) {
                close(ends[0]);
                keep(ends[1], t);
        }
        close(ends[1]);
        /* What nobody asked for any more. */
        view   got = unlock(ends[0], view_of_text(passphrase), memory);
        close(ends[0]);
        kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        char text[512] = {};
        memcpy(text, got.data, got.len);
        bool good = strstr(text, part) != nullptr;
        if (!good)
                printf("# %s\n", text);
        return good;
}

int main(void)
{
        if (failed(secret_setup()))
                abort();
        signal(SIGPIPE, SIG_IGN);
        tap_ok(gets(HONEST, "correct horse", PLENTY, "The vault is open"), SUBJECT, "the passphrase opens");
        tap_ok(gets(HONEST, "wrong", PLENTY, "not the passphrase"), SUBJECT, "another does not");
        tap_ok(gets(OPEN, "wrong", PLENTY, "The vault is open"), SUBJECT, "an open one needs none");
        tap_ok(gets(HONEST, "correct horse", ARGON_MEM_MIN, "more memory"), SUBJECT,
               "a key that would take the box's memory is not derived here");
        tap_ok(gets(MUTE, "correct horse", PLENTY, "did not answer"), SUBJECT, "a keeper that has gone is said");
        tap_ok(gets(BABBLING, "correct horse", PLENTY, "did not answer"), SUBJECT, "and one that makes no sense");
        tap_ok(gets(ELSE, "correct horse", PLENTY, "older"), SUBJECT, "any other reason in its own sentence");
        said.slots[1].kind = SLOT_KEY_FILE;
        tap_ok(gets(HONEST, "correct horse", PLENTY, "No passphrase opens"), SUBJECT, "a vault without a passphrase");
        return tap_done();
}
