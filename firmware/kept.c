#include "firmware/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/emit.h"
#include "base/secret.h"

/* Little-endian: magic 8, BLAKE2b-256 of all that follows 32, format 4, generation 8, length of the text 4, the text. A
 * later format keeps all of that but the text's meaning, so that this one knows it from a damaged slot. */
enum : size_t { DIGEST_AT = 8, FORMAT_AT = 40, GENERATION_AT = 44, LENGTH_AT = 52 };
static_assert(DIGEST_AT + SECRET_HASH_BYTES == FORMAT_AT && LENGTH_AT + 4 == KEPT_HEAD_BYTES);
static_assert(KEPT_HEAD_BYTES + KEPT_TEXT_BYTES <= KEPT_SLOT_BYTES);

static const view magic = VIEW_INIT("LETHEBOX");

static void put(uint8_t *to, uint64_t n, size_t bytes)
{
        for (size_t i = 0; i < bytes; i++)
                to[i] = (uint8_t)(n >> (8 * i));
}

static uint64_t get(const uint8_t *from, size_t bytes)
{
        uint64_t n = 0;
        for (size_t i = bytes; i > 0; i--)
                n = n << 8 | from[i - 1];
        return n;
}

static void digest(const uint8_t *slot, size_t len, uint8_t out[SECRET_HASH_BYTES])
{
        secret_hash(out, (view){slot + FORMAT_AT, KEPT_HEAD_BYTES - FORMAT_AT + len}, (view){});
}

/* ---- lines ---- */

static bool is_key(view key)
{
        for (size_t i = 0; i < key.len; i++) {
                uint8_t c = key.data[i];
                if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
                        return false;
        }
        return key.len > 0 && key.len <= KEPT_KEY_BYTES;
}

/* Without a blank at its ends, which a reader would take off. */
static bool is_value(view value)
{
        for (size_t i = 0; i < value.len; i++)
                if (value.data[i] < ' ' || value.data[i] > '~')
                        return false;
        return value.len > 0 && value.len <= KEPT_VALUE_BYTES && value.data[0] != ' '
               && value.data[value.len - 1] != ' ';
}

/* Takes the next line off; false when it has not the form kept_add gives it. */
static bool take_line(view *rest, view *key, view *value)
{
        const uint8_t *end = memchr(rest->data, '\n', rest->len);
        if (end == nullptr)
                return false;
        view           line = view_slice(*rest, 0, (size_t)(end - rest->data));
        const uint8_t *blank = line.len == 0 ? nullptr : memchr(line.data, ' ', line.len);
        if (blank == nullptr)
                return false;
        *key = view_slice(line, 0, (size_t)(blank - line.data));
        *value = view_slice(line, key->len + 1, line.len);
        *rest = view_slice(*rest, line.len + 1, rest->len);
        return is_key(*key) && is_value(*value);
}

bool kept_next(const kept *k, size_t *at, view *key, view *value)
{
        view rest = view_slice((view){k->text, k->len}, *at, k->len);
        if (rest.len == 0 || !take_line(&rest, key, value))
                return false;
        *at = k->len - rest.len;
        return true;
}

view kept_get(const kept *k, view key)
{
        view found, value;
        for (size_t at = 0; kept_next(k, &at, &found, &value);)
                if (view_equal(found, key))
                        return value;
        return (view){};
}

bool kept_get_u64(const kept *k, view key, uint64_t *out)
{
        return view_decimal(kept_get(k, key), UINT64_MAX, out);
}

err kept_add(kept *k, view key, view value)
{
        if (!is_key(key) || !is_value(value))
                return FAIL(OUT_OF_RANGE);
        emit e = emit_into(k->text + k->len, sizeof k->text - k->len);
        emit_view(&e, key);
        emit_byte(&e, ' ');
        emit_view(&e, value);
        emit_byte(&e, '\n');
        if (e.full)
                return FAIL(NO_ROOM);
        k->len += e.len;
        return OK;
}

void kept_remove(kept *k, view key)
{
        view found, value;
        for (size_t at = 0, from = 0; kept_next(k, &at, &found, &value); from = at) {
                if (!view_equal(found, key))
                        continue;
                memmove(k->text + from, k->text + at, k->len - at);
                k->len -= at - from;
                at = from;
        }
}

err kept_set(kept *k, view key, view value)
{
        static kept old;
        old = *k;
        kept_remove(k, key);
        err e = kept_add(k, key, value);
        if (failed(e))
                *k = old;
        return e;
}

err kept_set_u64(kept *k, view key, uint64_t n)
{
        uint8_t digits[24];
        emit    e = emit_into(digits, sizeof digits);
        emit_u64(&e, n);
        return kept_set(k, key, (view){digits, e.len});
}

/* ---- slots ---- */

void kept_encode(const kept *k, uint64_t generation, uint8_t slot[KEPT_SLOT_BYTES])
{
        memset(slot, 0, KEPT_SLOT_BYTES);
        memcpy(slot, magic.data, magic.len);
        put(slot + FORMAT_AT, KEPT_FORMAT, 4);
        put(slot + GENERATION_AT, generation, 8);
        put(slot + LENGTH_AT, k->len, 4);
        memcpy(slot + KEPT_HEAD_BYTES, k->text, k->len);
        digest(slot, k->len, slot + DIGEST_AT);
}

static bool lines_are_sound(const kept *k)
{
        view rest = {k->text, k->len}, key, value;
        while (rest.len > 0)
                if (!take_line(&rest, &key, &value))
                        return false;
        return true;
}

kept_state kept_decode(const uint8_t slot[KEPT_SLOT_BYTES], kept *out)
{
        uint8_t found[SECRET_HASH_BYTES];
        size_t  len = (size_t)get(slot + LENGTH_AT, 4);
        *out = (kept){.state = KEPT_FRESH};
        if (!view_equal((view){slot, magic.len}, magic))
                return out->state;
        out->state = KEPT_DAMAGED;
        if (len > KEPT_SLOT_BYTES - KEPT_HEAD_BYTES)
                return out->state;
        digest(slot, len, found);
        if (memcmp(found, slot + DIGEST_AT, sizeof found) != 0)
                return out->state;
        if (get(slot + FORMAT_AT, 4) > KEPT_FORMAT)
                return out->state = KEPT_NEWER;
        if (get(slot + FORMAT_AT, 4) != KEPT_FORMAT || len > sizeof out->text)
                return out->state;
        out->len = len;
        memcpy(out->text, slot + KEPT_HEAD_BYTES, len);
        if (lines_are_sound(out)) {
                out->state = KEPT_GOOD;
                out->generation = get(slot + GENERATION_AT, 8);
        } else {
                out->len = 0;
        }
        return out->state;
}

static bool read_slot(int fd, size_t which, uint8_t slot[KEPT_SLOT_BYTES])
{
        for (size_t len = 0; len < KEPT_SLOT_BYTES;) {
                off_t   at = (off_t)(KEPT_AT + which * KEPT_SLOT_BYTES + len);
                ssize_t n = pread(fd, slot + len, KEPT_SLOT_BYTES - len, at);
                if (n <= 0 && !(n < 0 && errno == EINTR))
                        return false;
                len += n > 0 ? (size_t)n : 0;
        }
        return true;
}

static bool write_slot(int fd, size_t which, const uint8_t slot[KEPT_SLOT_BYTES])
{
        for (size_t len = 0; len < KEPT_SLOT_BYTES;) {
                off_t   at = (off_t)(KEPT_AT + which * KEPT_SLOT_BYTES + len);
                ssize_t n = pwrite(fd, slot + len, KEPT_SLOT_BYTES - len, at);
                if (n <= 0 && !(n < 0 && errno == EINTR))
                        return false;
                len += n > 0 ? (size_t)n : 0;
        }
        return fsync(fd) == 0;
}

/* PID 1 is one thread, and a slot is too large for its stack. */
static uint8_t slot_bytes[KEPT_SLOT_BYTES], back_bytes[KEPT_SLOT_BYTES];

/* `which` is the slot that `out` was read from. */
static err read_both(int fd, kept *out, size_t *which)
{
        bool newer = false, written = false;
        *out = (kept){.state = KEPT_FRESH};
        *which = KEPT_SLOTS - 1;
        for (size_t i = 0; i < KEPT_SLOTS; i++) {
                kept one;
                if (!read_slot(fd, i, slot_bytes))
                        return FAIL(SYSTEM);
                kept_state s = kept_decode(slot_bytes, &one);
                newer = newer || s == KEPT_NEWER;
                written = written || s != KEPT_FRESH;
                if (s == KEPT_GOOD && (out->state != KEPT_GOOD || one.generation > out->generation)) {
                        *out = one;
                        *which = i;
                }
        }
        if (newer)
                out->state = KEPT_NEWER;
        else if (out->state != KEPT_GOOD && written)
                out->state = KEPT_DAMAGED;
        return OK;
}

err kept_read(int fd, kept *out)
{
        size_t which;
        return read_both(fd, out, &which);
}

err kept_write(int fd, kept *k)
{
        static kept now;
        size_t      newest;
        TRY(read_both(fd, &now, &newest));
        if (now.state == KEPT_NEWER)
                return FAIL(ROLLED_BACK);
        size_t   to = 1 - newest;
        uint64_t generation = now.generation + 1;
        kept_encode(k, generation, slot_bytes);
        if (!write_slot(fd, to, slot_bytes))
                return FAIL(SYSTEM);
        /* What is read back comes from the disk, not from the kernel's memory of the writing. */
        (void)posix_fadvise(fd, (off_t)(KEPT_AT + to * KEPT_SLOT_BYTES), KEPT_SLOT_BYTES, POSIX_FADV_DONTNEED);
        if (!read_slot(fd, to, back_bytes) || memcmp(slot_bytes, back_bytes, KEPT_SLOT_BYTES) != 0)
                return FAIL(SYSTEM);
        k->state = KEPT_GOOD;
        k->generation = generation;
        return OK;
}
