/* The channels of the admin role and of the box's console: one message in, one message out. Nothing in a question is
 * trusted. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "role/keeper_state.h"
#include "vault/serve.h"

enum : size_t { HEAD_BYTES = offsetof(keeper_message, bytes) };
enum : uint64_t { FIRST_DELAY_MS = 250, LAST_DELAY_MS = 5000 };

static void line_lost(keeper_line *l)
{
        close(l->fd);
        l->fd = -1;
        l->answer_due_ms = 0;
}

void keeper_line_granted(keeper_line *l, int fd)
{
        if (l->fd >= 0)
                line_lost(l);
        l->fd = fd;
}

static void send_answer(keeper_line *l)
{
        ssize_t n;
        do
                n = send(l->fd, &l->answer, HEAD_BYTES + l->answer.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        l->answer_due_ms = 0;
        wipe(&l->answer, HEAD_BYTES + l->answer.len);
        /* One question at a time needs one place in the channel: who is without it breaks the contract. */
        if (n < 0)
                line_lost(l);
}

static uint64_t unlock_delay_ms(uint64_t tries)
{
        constexpr uint64_t DOUBLINGS = 5;
        uint64_t           delay = FIRST_DELAY_MS << (tries - 1 < DOUBLINGS ? tries - 1 : DOUBLINGS);
        return delay < LAST_DELAY_MS ? delay : LAST_DELAY_MS;
}

/* After the store has opened: the rest of the box learns of it, or it is sealed again. */
static err opened(keeper *k)
{
        err e = keeper_vault_opened(k);
        if (failed(e)) {
                store_close(&k->store);
                TRY(store_attach(&k->store, k->state, k->page->seen_generation));
                return e;
        }
        atomic_store(&k->board->keeper, KEEPER_OPEN);
        keeper_config_tell(k);
        return OK;
}

static err answer_unlock(keeper *k, keeper_line *l, view in, emit *out)
{
        if (store_is_open(&k->store))
                return OK;
        err e = serve_keeper(&k->store, &k->pair, KEEPER_UNLOCK, in, out);
        if (failed(e)) {
                k->refused_tries++;
                event(EVENT_VAULT_REFUSED, (int64_t)k->refused_tries, e.code);
                l->answer_due_ms = clock_ms() + unlock_delay_ms(k->refused_tries);
                return e;
        }
        return opened(k);
}

static err answer_create(keeper *k, view in)
{
        if (!k->in_state)
                return FAIL(NOT_IMPLEMENTED);
        TRY(serve_create(&k->store, &k->pair, in, clock_wall_s()));
        return opened(k);
}

static err answer_change(keeper *k, keeper_op op, view in, emit *out)
{
        TRY(serve_keeper(&k->store, &k->pair, op, in, out));
        keeper_vault_written(k);
        store_fill_lease(&k->store, k->page->tickets, k->lease);
        return OK;
}

/* Who cannot prove it could have opened the vault waits as after a refused unlock. */
static err answer_rotate(keeper *k, keeper_line *l, view in, emit *out)
{
        err e = serve_keeper(&k->store, &k->pair, KEEPER_ROTATE, in, out);
        if (!failed(e)) {
                keeper_vault_rotated(k);
                keeper_tpm_look(k);
                k->refused_tries = 0;
        } else if (e.code == ERR_BAD_CREDENTIAL) {
                k->refused_tries++;
                event(EVENT_VAULT_REFUSED, (int64_t)k->refused_tries, e.code);
                l->answer_due_ms = clock_ms() + unlock_delay_ms(k->refused_tries);
        }
        return e;
}

static err answer_acknowledge(keeper *k, view in, emit *out)
{
        TRY(serve_keeper(&k->store, &k->pair, KEEPER_EXPORT_ACK, in, out));
        keeper_vault_written(k);
        return OK;
}

static err answer_slots(keeper *k, keeper_op op, view in, emit *out)
{
        bool of_tpm = op == KEEPER_TPM_SEAL || op == KEEPER_TPM_RESEAL;
        TRY(of_tpm ? keeper_tpm_answer(k, op, in, out) : serve_keeper(&k->store, &k->pair, op, in, out));
        keeper_vault_written(k);
        keeper_tpm_look(k);
        return OK;
}

static err answer_status(keeper *k, view in, emit *out)
{
        uint8_t       bytes[sizeof(keeper_status)];
        emit          plain = emit_into(bytes, sizeof bytes);
        keeper_status s;
        TRY(serve_keeper(&k->store, &k->pair, KEEPER_STATUS, in, &plain));
        memcpy(&s, bytes, sizeof s);
        s.tpm = k->tpm_state;
        s.tpm_slots = k->tpm_slots;
        s.refused_tries = k->refused_tries < UINT32_MAX ? (uint32_t)k->refused_tries : UINT32_MAX;
        emit_view(out, (view){(const uint8_t *)&s, sizeof s});
        return OK;
}

static err answer_export_now(keeper *k, view in, emit *out)
{
        uint64_t sequence;
        if (in.len != 0)
                return FAIL(OUT_OF_RANGE);
        if (!store_is_open(&k->store))
                return FAIL(SEALED);
        /* What relays have told up to now belongs into it. */
        for (unsigned turns = 0; keeper_rings_turn(k) && turns < LIMIT_COLUMNS; turns++)
                ;
        TRY(keeper_export(k, "period", false, &sequence));
        emit_view(out, (view){(const uint8_t *)&sequence, sizeof sequence});
        return OK;
}

static err answer_question(keeper *k, keeper_line *l, view in, emit *out)
{
        const keeper_op op = (keeper_op)l->question.op;
        if (l->unlocks_only && op != KEEPER_STATUS && op != KEEPER_UNLOCK)
                return FAIL(OUT_OF_RANGE);
        switch (op) {
        case KEEPER_UNLOCK:
                return answer_unlock(k, l, in, out);
        case KEEPER_PUT:
        case KEEPER_REMOVE:
        case KEEPER_INHERIT:
                return answer_change(k, op, in, out);
        case KEEPER_EXPORT_NOW:
                return answer_export_now(k, in, out);
        case KEEPER_EXPORT_ACK:
                return answer_acknowledge(k, in, out);
        case KEEPER_ROTATE:
                return answer_rotate(k, l, in, out);
        case KEEPER_SLOT_ADD:
        case KEEPER_SLOT_REMOVE:
        case KEEPER_TPM_SEAL:
        case KEEPER_TPM_RESEAL:
                return answer_slots(k, op, in, out);
        case KEEPER_CREATE:
                return answer_create(k, in);
        case KEEPER_STAGE_BEGIN:
        case KEEPER_STAGE_PART:
        case KEEPER_STAGE_TRY:
                return keeper_staging_ask(k, op, in, out);
        case KEEPER_STATUS:
                return answer_status(k, in, out);
        case KEEPER_LIST:
        case KEEPER_KEY_HASH:
        case KEEPER_EXPORT_GET:
        case KEEPER_EXPORT_LIST:
        case KEEPER_BACKUP:
        case KEEPER_CONFIG_LIST:
        case KEEPER_CONFIG_GET:
                break;
        }
        return serve_keeper(&k->store, &k->pair, op, in, out);
}

static void question_came(keeper *k, keeper_line *l, size_t bytes)
{
        keeper_message *q = &l->question;
        emit            out = emit_into(l->answer.bytes, sizeof l->answer.bytes);
        err             e = FAIL(OUT_OF_RANGE);
        if (bytes >= HEAD_BYTES && bytes <= sizeof *q && q->len == bytes - HEAD_BYTES)
                e = answer_question(k, l, (view){q->bytes, q->len}, &out);
        l->answer.op = q->op;
        l->answer.code = e.code;
        l->answer.len = failed(e) ? 0 : (uint32_t)out.len;
        l->answer.reserved = 0;
        wipe(q, bytes < sizeof *q ? bytes : sizeof *q);
        if (l->answer_due_ms == 0)
                send_answer(l);
}

void keeper_line_turn(keeper *k, keeper_line *l)
{
        if (l->fd < 0)
                return;
        if (l->answer_due_ms != 0) {
                if (clock_ms() >= l->answer_due_ms)
                        send_answer(l);
                return;
        }
        l->question.op = 0;
        /* MSG_TRUNC: the length it had, so that a longer message is seen as such. */
        ssize_t n = recv(l->fd, &l->question, sizeof l->question, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0)
                line_lost(l);
        else
                question_came(k, l, (size_t)n);
}
