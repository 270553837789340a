/* lethectl vault slot ... : what else opens the vault of a running lethed. */
#include <stdio.h>

#include "prog/lethectl.h"
#include "vault/container.h"

static verdict add_tpm(keeper_door *door)
{
        uint32_t index = 0;
        verdict  r = door_call(door, KEEPER_TPM_SEAL, (view){}, &index, sizeof index);
        if (r == DONE)
                printf("slot %u: the TPM opens the vault at start, as long as this image is started by this firmware.\n"
                       "Keep the passphrase or key file: after anything else is started only they open it.\n",
                       index);
        return r;
}

static verdict remove_slot(keeper_door *door, uint32_t index)
{
        verdict r = door_call(door, KEEPER_SLOT_REMOVE, (view){(const uint8_t *)&index, sizeof index}, nullptr, 0);
        if (r == DONE)
                printf("removed slot %u; older copies of the state may still open by it\n", index);
        return r;
}

verdict vault_slot(const lethectl *c)
{
        uint64_t index = 0;
        view     what = view_of_text(c->words[0]), which = view_of_text(c->words[1]);
        bool     add = view_equal(what, VIEW("add"));
        if (!add && !view_equal(what, VIEW("remove")))
                return misused("say 'vault slot add tpm' or 'vault slot remove N'");
        if (add && !view_equal(which, VIEW("tpm")))
                return misused("only a TPM can be added here: 'vault slot add tpm'");
        if (!add && !view_decimal(which, KEY_SLOTS - 1, &index))
                return misused("slots have the numbers 0 to 7; 'lethectl vault status --json' shows them");
        if (c->admin == nullptr)
                return misused("only a running lethed can do that: --admin URL, or LETHE_ADMIN_URL");
        keeper_door door;
        verdict     r = door_open(c, false, &door);
        if (r == DONE)
                r = add ? add_tpm(&door) : remove_slot(&door, (uint32_t)index);
        door_close(&door);
        return r;
}
