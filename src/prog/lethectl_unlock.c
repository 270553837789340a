/* lethectl vault unlock: the passphrase stays here. What travels is the key derived from it, sealed for the keeper. */
#include <stdio.h>

#include "prog/lethectl_admin.h"
#include "vault/container.h"
#include "vault/seal.h"

verdict vault_secret(const lethectl *c, secret_line *out)
{
        if (c->key_file == nullptr)
                return secret_ask(c, "Passphrase of the vault: ", out) ? DONE : REFUSED;
        region bytes;
        err    e = file_read(c->key_file, KEY_FILE_BYTES, &bytes);
        bool   good = !failed(e) && bytes.len == KEY_FILE_BYTES;
        if (good) {
                memcpy(out->bytes, bytes.bytes, KEY_FILE_BYTES);
                out->len = KEY_FILE_BYTES;
        }
        region_end(&bytes);
        if (e.code == ERR_SYSTEM)
                return refuse_err(c->key_file, e, nullptr);
        return good ? DONE : refuse("this is not a key file: it does not have 32 bytes", nullptr);
}

/* err BAD_CREDENTIAL: not this slot */
static err try_slot(keeper_door *door, const keeper_status *s, uint32_t slot, view secret)
{
        key_slot k = {.kind = (slot_kind)s->slots[slot].kind,
                      .ops = s->slots[slot].ops,
                      .mem_bytes = s->slots[slot].mem_bytes};
        memcpy(k.salt, s->slots[slot].salt, sizeof k.salt);
        uint8_t       wrapping[32] = {};
        keeper_unlock q = {.slot = slot};
        err           e = container_wrapping_key(&k, secret, wrapping);
        if (!failed(e)) {
                seal_close(s->seal_key, (view){wrapping, sizeof wrapping}, q.sealed);
                region out;
                region_init(&out, KEEPER_BYTES);
                e = door->call(door->ctx, KEEPER_UNLOCK, (view){(const uint8_t *)&q, sizeof q}, &out);
                region_end(&out);
        }
        wipe(wrapping, sizeof wrapping);
        return e;
}

static verdict unlock_with(keeper_door *door, const keeper_status *s, slot_kind kind, view secret)
{
        err e = FAIL(BAD_CREDENTIAL);
        for (uint32_t i = 0; i < KEY_SLOTS && e.code == ERR_BAD_CREDENTIAL; i++)
                if (s->slots[i].kind == kind)
                        e = try_slot(door, s, i, secret);
        if (!failed(e))
                return DONE;
        if (e.code == ERR_BAD_CREDENTIAL || door->why[0] == '\0')
                return refuse(err_describe(e.code)->text, nullptr);
        return refuse(door->why, nullptr);
}

verdict vault_unlock(const lethectl *c)
{
        keeper_door   door = {};
        keeper_status s;
        if (c->admin == nullptr)
                return misused("say which lethed: --admin URL, or LETHE_ADMIN_URL");
        char     fingerprint[65];
        lethectl known = *c;
        verdict  r = known_for_sealed(c, fingerprint);
        if (fingerprint[0] != '\0')
                known.fingerprint = fingerprint;
        if (r == DONE)
                r = door_open(&known, false, &door);
        if (r == DONE)
                r = door_call(&door, KEEPER_STATUS, (view){}, &s, sizeof s);
        if (r == DONE && s.open != 0) {
                fputs("it is open already\n", stdout);
        } else if (r == DONE) {
                secret_line secret;
                r = vault_secret(c, &secret);
                if (r == DONE)
                        r = unlock_with(&door, &s, c->key_file != nullptr ? SLOT_KEY_FILE : SLOT_PASSPHRASE,
                                        secret_view(&secret));
                secret_line_wipe(&secret);
                if (r == DONE)
                        fputs("open\n", stdout);
        }
        door_close(&door);
        return r;
}
