/* A box that nobody has claimed: meeting it, and making its vault. */
#include <stdio.h>

#include "base/secret.h"
#include "codec/base64.h"
#include "prog/lethectl_setup.h"
#include "vault/seal.h"

enum : uint64_t { CALL_MS = 30000 };

/* ---- which box ---- */

bool setup_host_of(const char *url, char out[static LIMIT_HOST_BYTES])
{
        return strncmp(url, "https://", 8) == 0 && !failed(setup_vendor_host(url, out));
}

verdict setup_learn(setup *s) { return known_learn(s->c->admin, &s->known); }

verdict setup_compare(setup *s)
{
        if (!s->wish.has_fingerprint && (s->c->file != nullptr || s->c->from_stdin))
                return misused("say the fingerprint that the console shows: --fingerprint HEX, or in setup.json");
        return known_compare(&s->known, s->wish.has_fingerprint ? s->wish.fingerprint : nullptr);
}

/* ---- the claim ---- */

verdict setup_ask_claim(setup *s)
{
        if (s->wish.claim[0] != '\0')
                return DONE;
        if (s->c->from_stdin) {
                secret_line line;
                bool        good = secret_ask(s->c, "Claim code: ", &line) && line.len < sizeof s->wish.claim;
                if (good)
                        memcpy(s->wish.claim, line.bytes, line.len);
                secret_line_wipe(&line);
                return good ? DONE : REFUSED;
        }
        return line_ask("Claim code, as its console shows it", nullptr, s->wish.claim, sizeof s->wish.claim) ? DONE
                                                                                                            : REFUSED;
}

verdict setup_connect(setup *s)
{
        err e = https_open_only(s->c->admin, &s->known, view_of_text(s->wish.claim), &s->h, &s->why);
        return failed(e) ? refuse(s->why.text, nullptr) : DONE;
}

static err ask(setup *s, const char *method, const char *path, view body, https_answer *a)
{
        const https_request q = {method, view_of_text(path), body, CALL_MS};
        return remote_ask(s->h, &q, a, &s->why);
}

static verdict refused_by_box(const setup *s, err e)
{
        if (e.code == ERR_NO_KEY)
                return refuse("the box does not accept this claim code",
                              "Read it on the console again; after ten wrong ones a minute it waits. Once a box is set "
                              "up it has no claim code: use its admin token.");
        return refuse(s->why.text, nullptr);
}

verdict setup_describe(setup *s)
{
        https_answer a;
        err          e = ask(s, "GET", "/admin/v1/setup", (view){}, &a);
        if (e.code == ERR_NO_ROUTE)
                return refuse("what answers there keeps its configuration in a folder",
                              "Set it up by its files: README.md.");
        if (failed(e))
                return refused_by_box(s, e);
        e = told_setup(region_view(&a.body), &s->box);
        region_end(&a.body);
        if (failed(e))
                return refuse("the box answered what this lethectl does not know", "Use one of the same version.");
        if (s->box.sealed)
                return refuse("this box has a vault already, and it is closed",
                              "lethectl vault unlock opens it. When a set-up had broken off, set it up again then; to "
                              "begin anew, choose factory reset on its console.");
        if (!s->box.unclaimed)
                return refuse("this box has been set up already",
                              "Work with its admin token: lethectl status, config push, cert import, vault put. To "
                              "begin anew, choose factory reset on its console; that forgets everything.");
        return DONE;
}

verdict setup_prove_claim(setup *s)
{
        https_answer a;
        err          e = ask(s, "GET", "/admin/v1/status", (view){}, &a);
        if (failed(e))
                return refused_by_box(s, e);
        region_end(&a.body);
        return DONE;
}

/* ---- its vault ---- */

verdict setup_make_opener(setup *s)
{
        char path[4096];
        s->slot = (key_slot){.kind = SLOT_PASSPHRASE,
                             .ops = PASSPHRASE_OPS,
                             .mem_bytes = s->wish.light ? PASSPHRASE_MEM_LIGHT : PASSPHRASE_MEM};
        secret_random(s->slot.salt, sizeof s->slot.salt);
        if (s->wish.opens != OPENS_KEY_FILE)
                return passphrase_new(s->c, &s->opener);
        s->slot.kind = SLOT_KEY_FILE;
        s->slot.ops = s->slot.mem_bytes = 0;
        if (snprintf(path, sizeof path, "%s/vault.key", s->out) >= (int)sizeof path)
                return refuse("the path of --out is too long", nullptr);
        return key_file_new(path, &s->opener);
}

err setup_post(setup *s, const char *path, view body)
{
        https_answer a;
        TRY(ask(s, "POST", path, body, &a));
        region_end(&a.body);
        return OK;
}

/* The key slot as the box takes it: what opens it, sealed for its keeper. err as container_wrapping_key */
static err write_slot(const setup *s, emit *out)
{
        uint8_t wrapping[32] = {}, sealed[32 + SEAL_OVERHEAD];
        TRY(container_wrapping_key(&s->slot, secret_view(&s->opener), wrapping));
        seal_close(s->box.seal_key, (view){wrapping, sizeof wrapping}, sealed);
        wipe(wrapping, sizeof wrapping);
        emit_text(out, s->slot.kind == SLOT_PASSPHRASE ? "{\"kind\":\"passphrase\"" : "{\"kind\":\"key-file\"");
        emit_text(out, ",\"salt\":\"");
        emit_hex(out, (view){s->slot.salt, sizeof s->slot.salt});
        emit_text(out, "\",\"ops\":");
        emit_u64(out, s->slot.ops);
        emit_text(out, ",\"mem_bytes\":");
        emit_u64(out, s->slot.mem_bytes);
        emit_text(out, ",\"sealed\":\"");
        emit_hex(out, (view){sealed, sizeof sealed});
        emit_text(out, "\"}");
        return OK;
}

/* A set-up that broke off has left a vault: it opens by what is chosen now, and by nothing else. */
static err take_vault_over(setup *s, view slot)
{
        TRY(setup_post(s, "/admin/v1/vault/slots", slot));
        for (unsigned i = 0; i < KEY_SLOTS; i++) {
                char         path[48];
                https_answer a;
                if (s->box.status.slots[i].kind == SLOT_EMPTY)
                        continue;
                snprintf(path, sizeof path, "/admin/v1/vault/slots/%u", i);
                TRY(ask(s, "DELETE", path, (view){}, &a));
                region_end(&a.body);
        }
        return OK;
}

verdict setup_make_vault(setup *s)
{
        uint8_t room[1024];
        emit    slot = emit_into(room, sizeof room);
        err     e = write_slot(s, &slot);
        if (failed(e))
                return e.code == ERR_NO_ROOM ? refuse("there is not enough free memory here for the passphrase",
                                                      "Try --light (64 MiB).")
                                             : refuse_err("the passphrase", e, nullptr);
        view body = {slot.bytes, slot.len};
        e = s->box.open ? take_vault_over(s, body) : setup_post(s, "/admin/v1/setup/vault", body);
        return failed(e) ? refuse(s->why.text, "Choose factory reset on the console and begin anew.") : DONE;
}

verdict setup_post_sealed(setup *s, const char *path, view plain, https_answer *a)
{
        uint8_t   sealed[sizeof(keeper_credential) + SEAL_OVERHEAD], room[4096];
        emit      e = emit_into(room, sizeof room);
        seal_close(s->box.seal_key, plain, sealed);
        emit_text(&e, "{\"sealed\":\"");
        base64_write(&e, (view){sealed, plain.len + SEAL_OVERHEAD});
        emit_text(&e, "\"}");
        err asked = ask(s, "POST", path, (view){e.bytes, e.len}, a);
        return failed(asked) ? refuse(s->why.text, nullptr) : DONE;
}

verdict setup_bind_tpm(setup *s)
{
        if (s->wish.opens != OPENS_TPM)
                return DONE;
        err e = setup_post(s, "/admin/v1/vault/slots", VIEW("{\"kind\":\"tpm\"}"));
        return failed(e) ? refuse(s->why.text, "The TPM could not be bound to. Choose factory reset on the console and "
                                               "begin anew with person or key-file.")
                         : DONE;
}

