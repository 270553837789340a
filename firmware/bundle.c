#include "firmware/bundle.h"

#include "sign/minisign.h"

enum : size_t { SIGNATURES = 3, AT_MANIFEST = 12, AT_SIGNATURES = 16, AT_EPOCH = 28, AT_IMAGE = 32, AT_VERSION = 40,
                AT_ZEROS = 104 };

static err refuse(notice *why, err_code code, const char *before, view middle, const char *after)
{
        notice_set(why, before, middle, after);
        return (err){code};
}

/* ---- the manifest ---- */

static bool take_line(view *rest, const char *key, view *value)
{
        const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : nullptr;
        size_t         len = strlen(key);
        if (end == nullptr)
                return false;
        view line = view_slice(*rest, 0, (size_t)(end - rest->data));
        if (line.len <= len + 1 || !view_starts(line, view_of_text(key)) || line.data[len] != ' ')
                return false;
        for (size_t i = 0; i < line.len; i++)
                if (line.data[i] < ' ' || line.data[i] > '~')
                        return false;
        *value = view_slice(line, len + 1, line.len);
        *rest = view_slice(*rest, line.len + 1, rest->len);
        return true;
}

static bool take_word(view *rest, const char *key, char *to, size_t cap)
{
        view value;
        if (!take_line(rest, key, &value) || value.len >= cap || memchr(value.data, ' ', value.len) != nullptr)
                return false;
        memcpy(to, value.data, value.len);
        to[value.len] = '\0';
        return true;
}

/* It becomes part of a file's name on the boot partition. */
static bool is_version(const char *text)
{
        for (; *text != '\0'; text++) {
                char c = *text;
                bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'
                            || c == '_' || c == '-';
                if (!good)
                        return false;
        }
        return true;
}

static bool take_number(view *rest, const char *key, uint64_t most, uint64_t *out)
{
        view value;
        return take_line(rest, key, &value) && view_decimal(value, most, out);
}

static bool hex(view v, uint8_t out[static 32])
{
        if (v.len != 64)
                return false;
        for (size_t i = 0; i < v.len; i++) {
                uint8_t c = v.data[i];
                bool    digit = c >= '0' && c <= '9';
                if (!digit && (c < 'a' || c > 'f'))
                        return false;
                out[i / 2] = (uint8_t)(out[i / 2] << 4 | (digit ? c - '0' : c - 'a' + 10));
        }
        return true;
}

static bool take_digest(view *rest, const char *key, uint8_t out[static 32])
{
        view value;
        return take_line(rest, key, &value) && hex(value, out);
}

/* With `at` or, for the whole, without. */
static bool take_part(view *rest, const char *key, const bundle_part *whole, bundle_part *out)
{
        view value;
        *out = (bundle_part){};
        if (!take_line(rest, key, &value))
                return false;
        if (whole != nullptr && !view_decimal(text_word(&value), whole->bytes, &out->at))
                return false;
        uint64_t most = whole == nullptr ? BUNDLE_IMAGE_BYTES : whole->bytes - out->at;
        return view_decimal(text_word(&value), most, &out->bytes) && out->bytes > 0
               && hex(text_word(&value), out->sha256) && value.len == 0;
}

/* It is written into a file of GRUB's, whose own signs it must not hold. */
static bool take_cmdline(view *rest, char *to)
{
        view value;
        if (!take_line(rest, "cmdline", &value) || value.len > BUNDLE_CMDLINE_BYTES)
                return false;
        for (size_t i = 0; i < value.len; i++)
                if (strchr("\\\"'$`;{}|&<>#", value.data[i]) != nullptr)
                        return false;
        memcpy(to, value.data, value.len);
        to[value.len] = '\0';
        return true;
}

err bundle_manifest_parse(view text, bundle_manifest *out, notice *why)
{
        view     rest = text, product;
        uint64_t format = 0, epoch = 0;
        *out = (bundle_manifest){};
        if (!take_line(&rest, "product", &product) || !view_equal(product, VIEW("lethe")))
                return refuse(why, ERR_BAD_FILE, "This is an update of something else", (view){}, ".");
        if (!take_number(&rest, "format", 1, &format) || format != 1)
                return refuse(why, ERR_BAD_FILE, "The update's manifest has a form that this version does not know",
                              (view){}, ": install a version in between first.");
        bool good = take_word(&rest, "version", out->version, sizeof out->version) && is_version(out->version)
                    && take_word(&rest, "commit", out->commit, sizeof out->commit)
                    && take_number(&rest, "epoch", UINT32_MAX, &epoch)
                    && take_number(&rest, "built", UINT32_MAX, &out->built_s) && take_cmdline(&rest, out->cmdline)
                    && take_part(&rest, "uki", nullptr, &out->uki)
                    && take_part(&rest, "vmlinuz", &out->uki, &out->vmlinuz)
                    && take_part(&rest, "initrd", &out->uki, &out->initrd)
                    && take_digest(&rest, "unsigned", out->unsigned_sha256) && take_digest(&rest, "pcr4", out->pcr4)
                    && take_digest(&rest, "pcr11", out->pcr11) && rest.len == 0;
        if (!good)
                return refuse(why, ERR_BAD_FILE, "The update's manifest is not in the form it must have", (view){},
                              ".");
        out->epoch = (uint32_t)epoch;
        return OK;
}

/* ---- the whole front ---- */

static uint64_t little(const uint8_t *at, size_t len)
{
        uint64_t n = 0;
        while (len > 0)
                n = n << 8 | at[--len];
        return n;
}

typedef struct head {
        size_t   manifest, signatures[SIGNATURES];
        uint64_t epoch, image;
        view     version;
} head;

static err read_head(view front, head *h, notice *why)
{
        static const uint8_t zeros[BUNDLE_HEAD_BYTES - AT_ZEROS];
        if (front.len < BUNDLE_HEAD_BYTES || memcmp(front.data, "LETHEUPD", 8) != 0)
                return refuse(why, ERR_BAD_FILE, "This is not an update of Lethe", (view){}, ".");
        if (little(front.data + 8, 4) != 1)
                return refuse(why, ERR_BAD_FILE, "The update has a form that this version does not know", (view){},
                              ": install a version in between first.");
        h->manifest = little(front.data + AT_MANIFEST, 4);
        h->epoch = little(front.data + AT_EPOCH, 4);
        h->image = little(front.data + AT_IMAGE, 8);
        const char *version = (const char *)front.data + AT_VERSION;
        h->version = (view){front.data + AT_VERSION, strnlen(version, AT_ZEROS - AT_VERSION)};
        bool good = h->manifest > 0 && h->manifest <= BUNDLE_MANIFEST_BYTES
                    && memcmp(front.data + AT_ZEROS, zeros, sizeof zeros) == 0;
        for (size_t i = h->version.len; i < AT_ZEROS - AT_VERSION; i++)
                good = good && front.data[AT_VERSION + i] == 0;
        size_t end = BUNDLE_HEAD_BYTES + h->manifest;
        for (size_t i = 0; i < SIGNATURES; i++) {
                h->signatures[i] = little(front.data + AT_SIGNATURES + 4 * i, 4);
                good = good && h->signatures[i] <= BUNDLE_SIGNATURE_BYTES;
                end += good ? h->signatures[i] : 0;
        }
        if (!good)
                return refuse(why, ERR_BAD_FILE, "The update is damaged", (view){}, ": fetch it again.");
        return front.len >= end
                       ? OK
                       : refuse(why, ERR_BAD_FILE, "The update is cut off", (view){}, ": fetch it again.");
}

/* Which of the keys made a signature over the text. */
static unsigned signer(const update_keys *keys, view signature, view text)
{
        for (size_t i = 0; i < keys->count; i++) {
                uint8_t bytes[UPDATE_KEY_BYTES + 32];
                emit    key = emit_into(bytes, sizeof bytes);
                emit_text(&key, "untrusted comment: key\n");
                emit_view(&key, (view){keys->lines[i], UPDATE_KEY_BYTES});
                emit_byte(&key, '\n');
                if (!failed(minisign_verify((view){key.bytes, key.len}, signature, text)))
                        return 1u << i;
        }
        return 0;
}

static err check_signatures(view front, const head *h, const bundle_judge *judge, bundle *out, notice *why)
{
        size_t at = BUNDLE_HEAD_BYTES + h->manifest, count = 0;
        if (judge->keys->count == 0)
                return refuse(why, ERR_BAD_SIGNATURE, "This box has no update keys", (view){},
                              ": give it three with 'lethectl box update-keys'.");
        for (size_t i = 0; i < SIGNATURES; i++) {
                if (h->signatures[i] > 0)
                        out->signers |= signer(judge->keys, view_slice(front, at, at + h->signatures[i]), out->text);
                at += h->signatures[i];
        }
        for (unsigned left = out->signers; left != 0; left &= left - 1)
                count++;
        if (count == 0)
                return refuse(why, ERR_BAD_SIGNATURE, "No update key of this box has signed this update", (view){},
                              ": fetch it again, or sign it with two of the three.");
        if (count < UPDATE_KEYS_NEEDED)
                return refuse(why, ERR_BAD_SIGNATURE, "Only one of the three update keys has signed this update",
                              (view){}, ": two different ones are needed.");
        return OK;
}

static err check_age(const bundle_judge *judge, const bundle_manifest *m, notice *why)
{
        if (m->epoch < judge->least_epoch)
                return refuse(why, ERR_ROLLED_BACK, "Version ", view_of_text(m->version),
                              " is of before a security release that this box has run: it is not installed any more.");
        if (m->built_s < judge->built_s && !judge->older)
                return refuse(why, ERR_ROLLED_BACK, "Version ", view_of_text(m->version),
                              " is older than the one that runs: say --older when it is meant.");
        return OK;
}

err bundle_read(view front, const bundle_judge *judge, bundle *out, notice *why)
{
        head h;
        *out = (bundle){};
        TRY(read_head(front, &h, why));
        out->text = view_slice(front, BUNDLE_HEAD_BYTES, BUNDLE_HEAD_BYTES + h.manifest);
        TRY(check_signatures(front, &h, judge, out, why));
        TRY(bundle_manifest_parse(out->text, &out->manifest, why));
        size_t end = BUNDLE_HEAD_BYTES + h.manifest;
        for (size_t i = 0; i < SIGNATURES; i++)
                end += h.signatures[i];
        out->image_at = (end + BUNDLE_ALIGN - 1) / BUNDLE_ALIGN * BUNDLE_ALIGN;
        const bundle_manifest *m = &out->manifest;
        if (h.epoch != m->epoch || h.image != m->uki.bytes || !view_equal(h.version, view_of_text(m->version)))
                return refuse(why, ERR_BAD_FILE, "The update's head is not that of its manifest", (view){},
                              ": fetch it again.");
        return check_age(judge, m, why);
}
