/* The admin channel: one message in, one message out. Nothing in a question is trusted. */
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

static void admin_lost(keeper *k)
{
        close(k->admin);
        k->admin = -1;
        k->answer_due_ms = 0;
}

static void send_answer(keeper *k)
{
        ssize_t n;
        do
                n = send(k->admin, &k->answer, HEAD_BYTES + k->answer.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        k->answer_due_ms = 0;
        wipe(&k->answer, HEAD_BYTES + k->answer.len);
        /* One question at a time needs one place in the channel: an admin without it breaks the contract. */
        if (n < 0)
                admin_lost(k);
}

static uint64_t unlock_delay_ms(uint64_t tries)
{
        constexpr uint64_t DOUBLINGS = 5;
        uint64_t           delay = FIRST_DELAY_MS << (tries - 1 < DOUBLINGS ? tries - 1 : DOUBLINGS);
        return delay < LAST_DELAY_MS ? delay : LAST_DELAY_MS;
}

static err answer_unlock(keeper *k, view in, emit *out)
{
        if (store_is_open(&k->store))
                return OK;
        err e = serve_keeper(&k->store, &k->pair, KEEPER_UNLOCK, in, out);
        if (failed(e)) {
                k->refused_tries++;
                event(EVENT_VAULT_REFUSED, (int64_t)k->refused_tries, e.code);
                k->answer_due_ms = clock_ms() + unlock_delay_ms(k->refused_tries);
                return e;
        }
        e = keeper_vault_opened(k);
        if (failed(e)) {
                store_close(&k->store);
                TRY(store_attach(&k->store, k->state, k->page->seen_generation));
                return e;
        }
        atomic_store(&k->board->keeper, KEEPER_OPEN);
        return OK;
}

static err answer_change(keeper *k, keeper_op op, view in, emit *out)
{
        TRY(serve_keeper(&k->store, &k->pair, op, in, out));
        keeper_vault_written(k);
        store_fill_lease(&k->store, k->page->tickets, k->lease);
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

static err answer_question(keeper *k, view in, emit *out)
{
        switch ((keeper_op)k->question.op) {
        case KEEPER_UNLOCK:
                return answer_unlock(k, in, out);
        case KEEPER_PUT:
        case KEEPER_REMOVE:
                return answer_change(k, (keeper_op)k->question.op, in, out);
        case KEEPER_EXPORT_NOW:
                return answer_export_now(k, in, out);
        case KEEPER_STATUS:
        case KEEPER_LIST:
        case KEEPER_KEY_HASH:
        case KEEPER_EXPORT_GET:
                break;
        }
        return serve_keeper(&k->store, &k->pair, (keeper_op)k->question.op, in, out);
}

static void question_came(keeper *k, size_t bytes)
{
        keeper_message *q = &k->question;
        emit            out = emit_into(k->answer.bytes, sizeof k->answer.bytes);
        err             e = FAIL(OUT_OF_RANGE);
        if (bytes >= HEAD_BYTES && bytes <= sizeof *q && q->len == bytes - HEAD_BYTES)
                e = answer_question(k, (view){q->bytes, q->len}, &out);
        k->answer.op = q->op;
        k->answer.code = e.code;
        k->answer.len = failed(e) ? 0 : (uint32_t)out.len;
        k->answer.reserved = 0;
        wipe(q, bytes < sizeof *q ? bytes : sizeof *q);
        if (k->answer_due_ms == 0)
                send_answer(k);
}

void keeper_admin_turn(keeper *k)
{
        if (k->admin < 0)
                return;
        if (k->answer_due_ms != 0) {
                if (clock_ms() >= k->answer_due_ms)
                        send_answer(k);
                return;
        }
        k->question.op = 0;
        /* MSG_TRUNC: the length it had, so that a longer message is seen as such. */
        ssize_t n = recv(k->admin, &k->question, sizeof k->question, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0)
                admin_lost(k);
        else
                question_came(k, (size_t)n);
}
