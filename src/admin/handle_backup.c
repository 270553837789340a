/* A backup of the vault: sealed by the keeper for its recipients, put together here from its parts. */
#include "admin/body.h"
#include "admin/handle.h"

static void part_known(void *ctx, err_code code, view answer);

static void ask_part(admin_exchange *x)
{
        keeper_backup *q = x->work;
        q->offset = (uint32_t)x->file.len;
        admin_ask(x, KEEPER_BACKUP, (view){(const uint8_t *)q, sizeof *q}, part_known);
}

/* A part must be of the same backup as the one before it, and bring something. */
static bool part_fits(const admin_exchange *x, const keeper_backup_part *p)
{
        return p->len > 0 && p->len <= sizeof p->bytes && p->total >= x->file.len && p->len <= p->total - x->file.len
               && (x->file.len == 0 || p->number == x->sequence);
}

static void part_known(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        keeper_backup_part part;
        if (code != ERR_NONE || answer.len != sizeof part) {
                admin_answer_error(x, code == ERR_NONE ? ERR_SYSTEM : code);
                return;
        }
        memcpy(&part, answer.data, sizeof part);
        if (!part_fits(x, &part)) {
                admin_answer_error(x, ERR_SYSTEM);
                return;
        }
        x->sequence = part.number;
        if (failed(region_append(&x->file, (view){part.bytes, part.len})))
                admin_answer_error(x, ERR_NO_ROOM);
        else if (x->file.len == part.total)
                admin_answer(x, &(admin_reply){200, VIEW("application/octet-stream"), region_view(&x->file), {}});
        else
                ask_part(x);
}

void handle_backup(admin_exchange *x)
{
        keeper_backup *q = arena_alloc(&x->memory, sizeof *q);
        config_fault fault = {};
        x->work = q;
        if (q == nullptr)
                admin_answer_error(x, ERR_NO_ROOM);
        else if (failed(body_backup(x->body, q, &fault)))
                admin_answer_fault(x, 400, &fault, (view){});
        else
                ask_part(x);
}
