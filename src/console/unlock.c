#include "console/unlock.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "ipc/keeper.h"
#include "vault/container.h"
#include "vault/seal.h"

enum : size_t { HEAD_BYTES = offsetof(keeper_message, bytes) };
/* The keeper's longest delay and time for its disk. */
enum : int { ANSWER_MS = 20000 };
enum : uint64_t { SPARE_BYTES = 24 * 1024 * 1024 };

static const view no_answer = VIEW_INIT("The keeper of the vault did not answer. The state of the box says whether the "
                                        "relay runs; try again in a moment.");
static const view is_open = VIEW_INIT("The vault is open.");
static const view wrong = VIEW_INIT("That is not the passphrase. Try again: nobody is locked out, "
                                    "answers only take longer.");
static const view no_slot = VIEW_INIT("No passphrase opens this vault. It opens by a key file or a TPM: "
                                      "run 'lethectl vault unlock' on another machine.");
static const view no_memory = VIEW_INIT("The key of this passphrase needs more memory than this machine has free: "
                                        "run 'lethectl vault unlock' on another machine.");

static keeper_message question, answer;

/* What an earlier question was answered too late. */
static void discard(int fd)
{
        while (recv(fd, &answer, sizeof answer, MSG_DONTWAIT) > 0)
                ;
}

/* err GONE: nobody answers */
static err ask(int fd, keeper_op op, view in)
{
        struct pollfd p = {.fd = fd, .events = POLLIN};
        discard(fd);
        question = (keeper_message){.op = op, .len = (uint32_t)in.len};
        if (in.len > 0)
                memcpy(question.bytes, in.data, in.len);
        if (send(fd, &question, HEAD_BYTES + in.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 || poll(&p, 1, ANSWER_MS) <= 0)
                return FAIL(GONE);
        ssize_t n = recv(fd, &answer, sizeof answer, MSG_DONTWAIT);
        if (n < (ssize_t)HEAD_BYTES || answer.op != op || answer.len != (size_t)n - HEAD_BYTES)
                return FAIL(GONE);
        return (err){(err_code)answer.code};
}

/* err BAD_CREDENTIAL: not this slot */
static err try_slot(int fd, const keeper_status *s, uint32_t index, view passphrase)
{
        const keeper_slot *from = &s->slots[index];
        key_slot           slot = {.kind = SLOT_PASSPHRASE, .ops = from->ops, .mem_bytes = from->mem_bytes};
        uint8_t            wrapping[32] = {};
        keeper_unlock      q = {.slot = index};
        memcpy(slot.salt, from->salt, sizeof slot.salt);
        err e = container_wrapping_key(&slot, passphrase, wrapping);
        if (!failed(e)) {
                seal_close(s->seal_key, (view){wrapping, sizeof wrapping}, q.sealed);
                e = ask(fd, KEEPER_UNLOCK, (view){(const uint8_t *)&q, sizeof q});
        }
        wipe(wrapping, sizeof wrapping);
        return e;
}

static view try_all(int fd, const keeper_status *s, view passphrase, uint64_t free_bytes)
{
        bool tried = false, small = false;
        for (uint32_t i = 0; i < sizeof s->slots / sizeof *s->slots; i++) {
                if (s->slots[i].kind != SLOT_PASSPHRASE)
                        continue;
                if (s->slots[i].mem_bytes + SPARE_BYTES > free_bytes) {
                        small = true;
                        continue;
                }
                tried = true;
                err e = try_slot(fd, s, i, passphrase);
                if (!failed(e))
                        return is_open;
                if (e.code == ERR_NO_ROOM)
                        return no_memory;
                if (e.code == ERR_GONE)
                        return no_answer;
                if (e.code != ERR_BAD_CREDENTIAL)
                        return view_of_text(err_describe(e.code)->text);
        }
        return small ? no_memory : tried ? wrong : no_slot;
}

view unlock(int keeper, view passphrase, uint64_t free_bytes)
{
        keeper_status s;
        err e = ask(keeper, KEEPER_STATUS, (view){});
        if (failed(e) || answer.len != sizeof s)
                return no_answer;
        memcpy(&s, answer.bytes, sizeof s);
        return s.open != 0 ? is_open : try_all(keeper, &s, passphrase, free_bytes);
}
