/* A backup key's file:
 *
 *     lethe backup key 1
 *     public HEX32
 *     argon2id SALT16 OPS MEM_BYTES
 *     nonce HEX24
 *     secret HEX48
 *
 * The last is XChaCha20-Poly1305 of the X25519 secret; the first two lines are authenticated with it. */
#include <sodium.h>

#include "base/secret.h"
#include "vault/backup.h"
#include "vault/container.h"

static const view title = VIEW_INIT("lethe backup key 1\n");

enum : uint64_t { OPS = 3 };

typedef struct key_file {
        uint8_t public_key[32], salt[16], nonce[24], sealed[32 + 16];
        uint64_t ops, mem_bytes;
        view     authenticated; /* the first two lines */
} key_file;

void backup_pair_wipe(backup_pair *p) { wipe(p, sizeof *p); }

static int nibble(uint8_t c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static bool hex_read(view text, uint8_t *out, size_t len)
{
        if (text.len != 2 * len)
                return false;
        for (size_t i = 0; i < len; i++) {
                int high = nibble(text.data[2 * i]), low = nibble(text.data[2 * i + 1]);
                if (high < 0 || low < 0)
                        return false;
                out[i] = (uint8_t)(high << 4 | low);
        }
        return true;
}

/* The next word, up to a space or line end, which is taken too and must be `end`. */
static bool word_take(view *rest, uint8_t end, view *out)
{
        size_t at = 0;
        while (at < rest->len && rest->data[at] != ' ' && rest->data[at] != '\n')
                at++;
        if (at == rest->len || rest->data[at] != end)
                return false;
        *out = view_slice(*rest, 0, at);
        *rest = view_slice(*rest, at + 1, rest->len);
        return true;
}

static bool line_take(view *rest, const char *name, uint8_t *out, size_t len)
{
        view word;
        return word_take(rest, ' ', &word) && view_equal(word, view_of_text(name)) && word_take(rest, '\n', &word)
               && hex_read(word, out, len);
}

static bool argon_take(view *rest, key_file *out)
{
        view word;
        return word_take(rest, ' ', &word) && view_equal(word, VIEW("argon2id")) && word_take(rest, ' ', &word)
               && hex_read(word, out->salt, sizeof out->salt) && word_take(rest, ' ', &word)
               && view_decimal(word, ARGON_OPS_MAX, &out->ops) && word_take(rest, '\n', &word)
               && view_decimal(word, ARGON_MEM_MAX, &out->mem_bytes);
}

static err file_take(view file, key_file *out)
{
        view rest = file;
        *out = (key_file){};
        if (!view_starts(rest, title))
                return FAIL(BAD_FILE);
        rest = view_slice(rest, title.len, rest.len);
        if (!line_take(&rest, "public", out->public_key, sizeof out->public_key))
                return FAIL(BAD_FILE);
        out->authenticated = view_slice(file, 0, file.len - rest.len);
        bool good = argon_take(&rest, out) && line_take(&rest, "nonce", out->nonce, sizeof out->nonce)
                    && line_take(&rest, "secret", out->sealed, sizeof out->sealed) && rest.len == 0;
        return good ? OK : FAIL(BAD_FILE);
}

static err key_of(const key_file *f, view passphrase, uint8_t out[static 32])
{
        key_slot slot = {.kind = SLOT_PASSPHRASE, .ops = f->ops, .mem_bytes = f->mem_bytes};
        memcpy(slot.salt, f->salt, sizeof slot.salt);
        err e = container_wrapping_key(&slot, passphrase, out);
        return e.code == ERR_OUT_OF_RANGE ? FAIL(BAD_FILE) : e;
}

static void line_put(emit *out, const char *name, view bytes)
{
        emit_text(out, name);
        emit_byte(out, ' ');
        emit_hex(out, bytes);
        emit_byte(out, '\n');
}

err backup_key_make(view passphrase, uint64_t mem_bytes, backup_pair *out, emit *file)
{
        key_file f = {.ops = OPS, .mem_bytes = mem_bytes};
        uint8_t  key[32] = {};
        crypto_box_keypair(out->public_key, out->secret);
        secret_random(f.salt, sizeof f.salt);
        secret_random(f.nonce, sizeof f.nonce);
        err e = key_of(&f, passphrase, key);
        if (failed(e))
                return e;
        size_t begin = file->len;
        emit_view(file, title);
        line_put(file, "public", (view){out->public_key, sizeof out->public_key});
        crypto_aead_xchacha20poly1305_ietf_encrypt(f.sealed, nullptr, out->secret, sizeof out->secret,
                                                   file->bytes + begin, file->len - begin, nullptr, f.nonce, key);
        wipe(key, sizeof key);
        emit_text(file, "argon2id ");
        emit_hex(file, (view){f.salt, sizeof f.salt});
        emit_byte(file, ' ');
        emit_u64(file, f.ops);
        emit_byte(file, ' ');
        emit_u64(file, f.mem_bytes);
        emit_byte(file, '\n');
        line_put(file, "nonce", (view){f.nonce, sizeof f.nonce});
        line_put(file, "secret", (view){f.sealed, sizeof f.sealed});
        return file->full ? FAIL(NO_ROOM) : OK;
}

err backup_key_open(view file, view passphrase, backup_pair *out)
{
        key_file f;
        uint8_t  key[32] = {}, public_key[32];
        *out = (backup_pair){};
        TRY(file_take(file, &f));
        err e = key_of(&f, passphrase, key);
        if (!failed(e)
            && crypto_aead_xchacha20poly1305_ietf_decrypt(out->secret, nullptr, nullptr, f.sealed, sizeof f.sealed,
                                                          f.authenticated.data, f.authenticated.len, f.nonce, key)
                       != 0)
                e = FAIL(BAD_CREDENTIAL);
        wipe(key, sizeof key);
        TRY(e);
        memcpy(out->public_key, f.public_key, sizeof out->public_key);
        bool same = crypto_scalarmult_base(public_key, out->secret) == 0 && memcmp(public_key, f.public_key, 32) == 0;
        return same ? OK : FAIL(BAD_FILE);
}

err backup_key_public(view text, uint8_t out[static 32])
{
        key_file f;
        view digits = text;
        if (digits.len > 0 && digits.data[digits.len - 1] == '\n')
                digits.len--;
        if (hex_read(digits, out, 32))
                return OK;
        TRY(file_take(text, &f));
        memcpy(out, f.public_key, 32);
        return OK;
}
