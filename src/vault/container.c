/* A copy: header (slot_header.c), sealed payload, zeros to CONTAINER_SLOT_BYTES. Copy 0 stands at offset 0, copy 1
 * behind it.
 *
 * Order of a write: payload and zeros, sync, header, sync. A header that is whole therefore stands before a payload
 * that is whole, and a cut in between leaves the old header of that copy, which is the older one and not asked. */
#include "vault/container.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/secret.h"
#include "vault/key_slot.h"

static_assert(CONTAINER_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES);
static_assert(sizeof((slot_header){}.nonce) == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(CONTAINER_SLOT_BYTES % CONTAINER_STEP_BYTES == 0);

typedef struct copies {
        slot_header header[2];
        bool        sound[2];
} copies;

static off_t copy_offset(unsigned copy) { return (off_t)(copy * CONTAINER_SLOT_BYTES); }

err container_lock(int fd)
{
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                return OK;
        return errno == EWOULDBLOCK ? FAIL(AGAIN) : FAIL(SYSTEM);
}

/* err BAD_FILE: the file ends before */
static err read_at(int fd, off_t at, uint8_t *out, size_t len)
{
        while (len > 0) {
                ssize_t n = pread(fd, out, len, at);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return FAIL(SYSTEM);
                if (n == 0)
                        return FAIL(BAD_FILE);
                out += n;
                at += n;
                len -= (size_t)n;
        }
        return OK;
}

static err write_at(int fd, off_t at, view v)
{
        while (v.len > 0) {
                ssize_t n = pwrite(fd, v.data, v.len, at);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return FAIL(SYSTEM);
                at += n;
                v = view_slice(v, (size_t)n, v.len);
        }
        return OK;
}

static err write_zeros(int fd, off_t at, off_t end)
{
        static const uint8_t zeros[CONTAINER_STEP_BYTES];
        while (at < end) {
                view part = view_slice((view){zeros, sizeof zeros}, 0, (size_t)(end - at));
                TRY(write_at(fd, at, part));
                at += (off_t)part.len;
        }
        return OK;
}

/* Past the page cache where the kernel lets go of it. err BAD_FILE when other bytes come back */
static err read_back(int fd, off_t at, view expected)
{
        (void)posix_fadvise(fd, at, (off_t)expected.len, POSIX_FADV_DONTNEED);
        uint8_t block[CONTAINER_HEADER_BYTES];
        for (size_t done = 0; done < expected.len;) {
                view part = view_slice(expected, done, done + sizeof block);
                TRY(read_at(fd, at + (off_t)done, block, part.len));
                if (memcmp(block, part.data, part.len) != 0)
                        return FAIL(BAD_FILE);
                done += part.len;
        }
        return OK;
}

static err sync_file(int fd) { return fsync(fd) == 0 ? OK : FAIL(SYSTEM); }

/* A short or damaged copy is not sound; only a failing device or a later format is an error. */
static err copies_read(int fd, copies *c)
{
        *c = (copies){};
        for (unsigned i = 0; i < 2; i++) {
                uint8_t bytes[CONTAINER_HEADER_BYTES];
                err     e = read_at(fd, copy_offset(i), bytes, sizeof bytes);
                if (e.code == ERR_SYSTEM)
                        return e;
                bool newer = false;
                c->sound[i] = !failed(e) && !failed(slot_header_read(bytes, &c->header[i], &newer));
                if (newer)
                        return FAIL(BAD_FILE);
        }
        return c->sound[0] || c->sound[1] ? OK : FAIL(BAD_FILE);
}

static unsigned newest(const copies *c)
{
        if (!c->sound[0] || !c->sound[1])
                return c->sound[0] ? 0 : 1;
        return c->header[1].info.generation > c->header[0].info.generation ? 1 : 0;
}

static void describe(const copies *c, unsigned copy, bool fell_back, container_info *out)
{
        *out = c->header[copy].info;
        out->active = copy;
        out->good_slots = (unsigned)c->sound[0] + (unsigned)c->sound[1];
        out->fell_back = fell_back;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (bytes[i] != 0)
                        return false;
        return true;
}

/* Zeros from `at` on to `end`, or to where the file ends. err SYSTEM */
static err zeros_only(int fd, off_t at, off_t end, bool *yes)
{
        uint8_t block[CONTAINER_HEADER_BYTES];
        while (*yes && at < end) {
                ssize_t n = pread(fd, block, sizeof block, at);
                if (n < 0 && errno != EINTR)
                        return FAIL(SYSTEM);
                if (n == 0)
                        return OK;
                if (n > 0) {
                        *yes = all_zero(block, (size_t)n);
                        at += n;
                }
        }
        return OK;
}

/* Where copy 1's header will stand, while copy 0 is being made: a creation that was cut is begun again, and what is
 * merely damaged is not taken for one. */
static const uint8_t creating[64] = "LETHENEW a vault is being made here; no key was ever kept in it\n";

/* The mark may itself have been cut. */
static bool mark_begun(const uint8_t *header, bool *whole)
{
        size_t same = 0;
        while (same < sizeof creating && header[same] == creating[same])
                same++;
        *whole = same == sizeof creating;
        return all_zero(header + same, CONTAINER_HEADER_BYTES - same);
}

err container_is_blank(int fd, bool *blank)
{
        copies c;
        *blank = false;
        err e = copies_read(fd, &c);
        if (!failed(e) || e.code != ERR_BAD_FILE)
                return e;
        uint8_t header[CONTAINER_HEADER_BYTES] = {};
        bool    whole = false;
        e = read_at(fd, copy_offset(1), header, sizeof header);
        if (failed(e) && e.code == ERR_SYSTEM)
                return e;
        *blank = mark_begun(header, &whole);
        if (!*blank || whole)
                return OK;
        TRY(zeros_only(fd, 0, copy_offset(1), blank));
        return zeros_only(fd, copy_offset(1) + (off_t)CONTAINER_HEADER_BYTES, copy_offset(2), blank);
}

err container_inspect(int fd, uint64_t seen_generation, container_info *out)
{
        *out = (container_info){};
        copies c;
        TRY(copies_read(fd, &c));
        describe(&c, newest(&c), false, out);
        return out->generation < seen_generation ? FAIL(ROLLED_BACK) : OK;
}

/* Sub-keys of the vault key, by number: 1 payload, 3 key check (2 is kept for backups). */
static void payload_key(const uint8_t vault_key[static 32], uint8_t out[static 32])
{
        secret_derive(out, 1, "vaultpay", vault_key);
}

static void key_check(const uint8_t vault_key[static 32], uint8_t out[static 16])
{
        uint8_t sub[32], hash[32];
        secret_derive(sub, 3, "vaultchk", vault_key);
        secret_hash(hash, VIEW("lethe key check"), (view){sub, sizeof sub});
        memcpy(out, hash, 16);
        wipe(sub, sizeof sub);
}

/* Opens one copy into the region. err BAD_FILE, BAD_CREDENTIAL, SYSTEM, NO_ROOM */
static err copy_open(int fd, const uint8_t vault_key[static 32], const slot_header *h, unsigned copy, region *payload)
{
        uint8_t check[16];
        key_check(vault_key, check);
        if (!secret_equal(check, h->key_check, sizeof check))
                return FAIL(BAD_CREDENTIAL);
        region_end(payload);
        size_t sealed = (size_t)h->payload_bytes + CONTAINER_TAG_BYTES;
        TRY(region_reserve(payload, sealed));
        payload->len = sealed;
        TRY(read_at(fd, copy_offset(copy) + (off_t)CONTAINER_HEADER_BYTES, payload->bytes, sealed));

        uint8_t ad[CONTAINER_HEADER_BYTES], key[32];
        TRY(read_at(fd, copy_offset(copy), ad, sizeof ad));
        payload_key(vault_key, key);
        int rc = crypto_aead_xchacha20poly1305_ietf_decrypt(payload->bytes, nullptr, nullptr, payload->bytes, sealed,
                                                            ad, sizeof ad, h->nonce, key);
        wipe(key, sizeof key);
        if (rc != 0)
                return FAIL(BAD_FILE);
        size_t used;
        TRY(records_check((view){payload->bytes, (size_t)h->payload_bytes}, &used));
        payload->len = used;
        return OK;
}

err container_read(int fd, const uint8_t vault_key[static 32], uint64_t seen_generation, container_info *info,
                   region *payload)
{
        *info = (container_info){};
        region_init(payload, CONTAINER_PAYLOAD_MAX + CONTAINER_TAG_BYTES);
        copies c;
        TRY(copies_read(fd, &c));
        unsigned copy = newest(&c);
        err      e = copy_open(fd, vault_key, &c.header[copy], copy, payload);
        bool     fell_back = false;
        if (failed(e) && c.sound[1 - copy]) {
                copy = 1 - copy;
                fell_back = true;
                if (!failed(copy_open(fd, vault_key, &c.header[copy], copy, payload)))
                        e = OK;
        }
        TRY(e);
        describe(&c, copy, fell_back, info);
        return info->generation < seen_generation ? FAIL(ROLLED_BACK) : OK;
}

/* Seals and writes one whole copy. */
static err copy_write(int fd, const uint8_t vault_key[static 32], slot_header *h, unsigned copy, view payload)
{
        assert(payload.len <= CONTAINER_PAYLOAD_MAX);
        size_t steps =
                payload.len / CONTAINER_STEP_BYTES + (payload.len % CONTAINER_STEP_BYTES != 0 || payload.len == 0);
        h->payload_bytes = steps * CONTAINER_STEP_BYTES;
        secret_random(h->nonce, sizeof h->nonce);
        key_check(vault_key, h->key_check);
        uint8_t header[CONTAINER_HEADER_BYTES], key[32];
        slot_header_write(h, header);

        region sealed;
        region_init(&sealed, CONTAINER_PAYLOAD_MAX + CONTAINER_TAG_BYTES);
        TRY(region_reserve(&sealed, (size_t)h->payload_bytes + CONTAINER_TAG_BYTES));
        sealed.len = (size_t)h->payload_bytes + CONTAINER_TAG_BYTES;
        memset(sealed.bytes, 0, sealed.len);
        if (payload.len > 0)
                memcpy(sealed.bytes, payload.data, payload.len);
        payload_key(vault_key, key);
        crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.bytes, nullptr, sealed.bytes, h->payload_bytes, header,
                                                   sizeof header, nullptr, h->nonce, key);
        wipe(key, sizeof key);

        off_t at = copy_offset(copy), body = at + (off_t)CONTAINER_HEADER_BYTES;
        err   e = write_at(fd, body, region_view(&sealed));
        if (!failed(e))
                e = write_zeros(fd, body + (off_t)sealed.len, at + (off_t)CONTAINER_SLOT_BYTES);
        if (!failed(e))
                e = sync_file(fd);
        if (!failed(e))
                e = write_at(fd, at, (view){header, sizeof header});
        if (!failed(e))
                e = sync_file(fd);
        if (!failed(e))
                e = read_back(fd, at, (view){header, sizeof header});
        if (!failed(e))
                e = read_back(fd, body, region_view(&sealed));
        region_end(&sealed);
        return e;
}

err container_write(int fd, const uint8_t vault_key[static 32], container_info *info, view payload)
{
        if (payload.len > CONTAINER_PAYLOAD_MAX)
                return FAIL(NO_ROOM);
        assert(info->generation > 0 && info->generation < UINT64_MAX);
        slot_header h = {.info = *info};
        h.info.generation++;
        unsigned copy = 1 - info->active;
        TRY(copy_write(fd, vault_key, &h, copy, payload));
        info->generation = h.info.generation;
        info->active = copy;
        info->good_slots = 2;
        info->fell_back = false;
        return OK;
}

static err create(int fd, const key_slot *slot, const uint8_t vault_key[static 32], uint64_t now_s, view payload)
{
        slot_header h = {.info = {.generation = 1, .created_s = now_s}};
        h.info.slots[0] = *slot;
        secret_random(h.info.device, sizeof h.info.device);
        TRY(write_zeros(fd, copy_offset(1), copy_offset(1) + (off_t)CONTAINER_HEADER_BYTES));
        TRY(sync_file(fd));
        TRY(write_zeros(fd, 0, (off_t)CONTAINER_HEADER_BYTES));
        TRY(write_at(fd, copy_offset(1), (view){creating, sizeof creating}));
        TRY(sync_file(fd));
        TRY(copy_write(fd, vault_key, &h, 0, payload));
        return copy_write(fd, vault_key, &h, 1, payload);
}

err container_create(int fd, const container_opener *opener, uint64_t now_s, view payload)
{
        if (payload.len > CONTAINER_PAYLOAD_MAX)
                return FAIL(NO_ROOM);
        uint8_t  vault_key[32];
        key_slot slot;
        secret_random(vault_key, sizeof vault_key);
        err e = key_slot_wrap(&slot, opener, vault_key);
        if (!failed(e))
                e = create(fd, &slot, vault_key, now_s, payload);
        wipe(vault_key, sizeof vault_key);
        return e;
}

err container_create_wrapped(int fd, const key_slot *given, const uint8_t wrapping[static 32], uint64_t now_s,
                             view payload)
{
        if (payload.len > CONTAINER_PAYLOAD_MAX)
                return FAIL(NO_ROOM);
        uint8_t  vault_key[32];
        key_slot slot = *given;
        secret_random(vault_key, sizeof vault_key);
        err e = key_slot_wrap_by(&slot, wrapping, vault_key);
        if (!failed(e))
                e = create(fd, &slot, vault_key, now_s, payload);
        wipe(vault_key, sizeof vault_key);
        return e;
}
