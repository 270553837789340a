/* Key slots: what else opens the vault. */
#include "admin/body.h"
#include "admin/handle.h"
#include "vault/container.h"

static void added(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        uint32_t index;
        if (code != ERR_NONE || answer.len != sizeof index) {
                admin_answer_error(x, code == ERR_NONE ? ERR_SYSTEM : code);
                return;
        }
        memcpy(&index, answer.data, sizeof index);
        emit out = admin_document(x);
        emit_text(&out, "{\"slot\":");
        emit_u64(&out, index);
        emit_text(&out, "}\n");
        admin_answer_document(x, 200, &out);
}

void handle_slot_add(admin_exchange *x)
{
        config_fault fault = {};
        keeper_slot_add *slot = arena_alloc(&x->memory, sizeof *slot);
        if (slot == nullptr)
                admin_answer_error(x, ERR_NO_ROOM);
        else if (failed(body_slot(x->body, slot, &fault)))
                admin_answer_fault(x, 400, &fault, (view){});
        else if (slot->slot.kind == SLOT_TPM)
                admin_ask(x, KEEPER_TPM_SEAL, (view){}, added);
        else
                admin_ask(x, KEEPER_SLOT_ADD, (view){(const uint8_t *)slot, sizeof *slot}, added);
}

static void removed(void *ctx, err_code code, view answer)
{
        (void)answer;
        if (code == ERR_NONE)
                admin_answer_json(ctx, 200, VIEW("{\"ok\":true}\n"));
        else
                admin_answer_error(ctx, code);
}

void handle_slot_remove(admin_exchange *x)
{
        uint64_t number = 0;
        uint32_t *index = arena_alloc(&x->memory, sizeof *index);
        if (index == nullptr) {
                admin_answer_error(x, ERR_NO_ROOM);
                return;
        }
        if (!view_decimal(x->rest, UNLOCK_SLOTS - 1, &number)) {
                admin_answer_error(x, ERR_NO_TARGET);
                return;
        }
        *index = (uint32_t)number;
        admin_ask(x, KEEPER_SLOT_REMOVE, (view){(const uint8_t *)index, sizeof *index}, removed);
}
