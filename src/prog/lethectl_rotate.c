/* lethectl vault rotate: both secrets stay here. What travels are the keys derived from them, sealed for the keeper. */
#include <stdio.h>

#include "base/secret.h"
#include "prog/lethectl.h"
#include "vault/container.h"
#include "vault/seal.h"

typedef struct rotation {
        keeper_door  *door;
        keeper_status status;
        key_slot      next;             /* kind, salt and numbers of the new slot */
        uint8_t       wrapping[2 * 32]; /* of the slot that proves who asks, and of the new one */
} rotation;

static err derive(const keeper_slot *s, view secret, uint8_t out[static 32])
{
        key_slot k = {.kind = (slot_kind)s->kind, .ops = s->ops, .mem_bytes = s->mem_bytes};
        memcpy(k.salt, s->salt, sizeof k.salt);
        return container_wrapping_key(&k, secret, out);
}

static err ask(const rotation *r, keeper_op op, const void *question, size_t len)
{
        region out;
        region_init(&out, KEEPER_BYTES);
        err e = r->door->call(r->door->ctx, op, (view){question, len}, &out);
        region_end(&out);
        return e;
}

/* A file is sealed until its key comes. */
static err open_first(rotation *r, uint32_t slot)
{
        keeper_unlock q = {.slot = slot};
        if (r->status.open != 0)
                return OK;
        seal_close(r->status.seal_key, (view){r->wrapping, 32}, q.sealed);
        TRY(ask(r, KEEPER_UNLOCK, &q, sizeof q));
        r->status.open = 1;
        return OK;
}

static err rotate_by(rotation *r, uint32_t slot, view secret)
{
        keeper_rotate q = {.slot = slot, .kind = r->next.kind, .ops = r->next.ops, .mem_bytes = r->next.mem_bytes};
        memcpy(q.salt, r->next.salt, sizeof q.salt);
        TRY(derive(&r->status.slots[slot], secret, r->wrapping));
        TRY(open_first(r, slot));
        seal_close(r->status.seal_key, (view){r->wrapping, sizeof r->wrapping}, q.sealed);
        return ask(r, KEEPER_ROTATE, &q, sizeof q);
}

static verdict rotate_with(rotation *r, slot_kind kind, view secret)
{
        err e = FAIL(BAD_CREDENTIAL);
        for (uint32_t i = 0; i < KEY_SLOTS && e.code == ERR_BAD_CREDENTIAL; i++)
                if (r->status.slots[i].kind == kind)
                        e = rotate_by(r, i, secret);
        if (!failed(e))
                return DONE;
        if (e.code == ERR_BAD_CREDENTIAL || r->door->why[0] == '\0')
                return refuse(err_describe(e.code)->text, "Nothing was changed.");
        return refuse(r->door->why, nullptr);
}

static verdict new_slot(const lethectl *c, rotation *r)
{
        secret_line secret = {};
        r->next = (key_slot){.kind = SLOT_KEY_FILE};
        verdict v = c->new_key_file != nullptr ? key_file_new(c->new_key_file, &secret) : passphrase_new(c, &secret);
        if (c->new_key_file == nullptr) {
                r->next.kind = SLOT_PASSPHRASE;
                r->next.ops = PASSPHRASE_OPS;
                r->next.mem_bytes = c->light ? PASSPHRASE_MEM_LIGHT : PASSPHRASE_MEM;
        }
        secret_random(r->next.salt, sizeof r->next.salt);
        err e = v == DONE ? container_wrapping_key(&r->next, secret_view(&secret), r->wrapping + 32) : OK;
        secret_line_wipe(&secret);
        if (e.code == ERR_NO_ROOM)
                return refuse("there is not enough free memory for the passphrase", "Try --light (64 MiB).");
        return failed(e) ? refuse_err("the new secret", e, nullptr) : v;
}

static verdict rotate(const lethectl *c, rotation *r)
{
        secret_line secret = {};
        verdict     v = door_call(r->door, KEEPER_STATUS, (view){}, &r->status, sizeof r->status);
        if (v == DONE)
                v = vault_secret(c, &secret);
        if (v == DONE)
                v = new_slot(c, r);
        if (v == DONE)
                v = rotate_with(r, c->key_file != nullptr ? SLOT_KEY_FILE : SLOT_PASSPHRASE, secret_view(&secret));
        secret_line_wipe(&secret);
        wipe(r->wrapping, sizeof r->wrapping);
        return v;
}

verdict vault_rotate(const lethectl *c)
{
        keeper_door door;
        rotation    r = {.door = &door};
        verdict     v = door_open(c, false, &door);
        if (v == DONE)
                v = rotate(c, &r);
        door_close(&door);
        if (v != DONE)
                return v;
        printf("the vault has a new key, which %s opens; every other passphrase, key file and TPM slot has ended\n"
               "old copies of the state file still open by the old secret: destroy them, and renew vendor keys at the "
               "vendor if you fear for them\n",
               c->new_key_file != nullptr ? "the new key file" : "the new passphrase");
        return DONE;
}
