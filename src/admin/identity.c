#include "admin/identity.h"

#include <string.h>

enum : uint64_t { LOOK_MS = 1000 };
enum : size_t { EXPORT_KEY_AT = 10 };

static void status_known(void *ctx, err_code code, view answer)
{
        identity_teller *t = ctx;
        keeper_status s;
        if (code != ERR_NONE || answer.len != sizeof s) {
                t->told = UINT32_MAX;
                return;
        }
        memcpy(&s, answer.data, sizeof s);
        memset(t->identity.export_key, 0, sizeof t->identity.export_key);
        if (s.open) {
                /* As in minisign's public key file. */
                memcpy(t->identity.export_key, "Ed", 2);
                memcpy(t->identity.export_key + 2, s.export_key_number, sizeof s.export_key_number);
                memcpy(t->identity.export_key + EXPORT_KEY_AT, s.export_key, sizeof s.export_key);
        }
        box_link_tell(t->box, BOX_TELL_IDENTITY, (view){(const uint8_t *)&t->identity, sizeof t->identity});
}

static void look(void *ctx)
{
        identity_teller *t = ctx;
        uint32_t now = atomic_load(&t->board->keeper);
        net_timer_set(t->box->loop, &t->timer, LOOK_MS);
        if (now == t->told || now == KEEPER_DOWN || t->call.queued)
                return;
        t->told = now;
        t->call = (keeper_call){.op = KEEPER_STATUS, .done = status_known, .ctx = t};
        keeper_link_ask(t->keeper, &t->call);
}

void identity_begin(identity_teller *t, const board *b, keeper_link *keeper, box_link *box, const box_identity *known)
{
        *t = (identity_teller){.board = b, .keeper = keeper, .box = box, .identity = *known, .told = UINT32_MAX};
        t->timer.fire = look;
        t->timer.ctx = t;
        /* What is known without the keeper at once: a box to be set up is compared by its certificate. */
        box_link_tell(box, BOX_TELL_IDENTITY, (view){(const uint8_t *)&t->identity, sizeof t->identity});
        look(t);
}

void identity_end(identity_teller *t)
{
        if (t->box == nullptr)
                return;
        net_timer_clear(t->box->loop, &t->timer);
        keeper_link_forget(t->keeper, &t->call);
}
