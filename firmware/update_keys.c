#include "firmware/update_keys.h"

#include "firmware/file.h"
#include "sign/minisign.h"

static const view kept_key = VIEW_INIT("update-key");

static err add(view line, update_keys *out, notice *why)
{
        minisign_public key;
        if (line.len != UPDATE_KEY_BYTES || failed(minisign_public_read(line, &key)))
                return notice_fail(why, "Not a public key of minisign: '", view_slice(line, 0, 40), "'.");
        if (out->count == UPDATE_KEYS)
                return notice_fail(why, "There are more than three update keys", (view){},
                                   ": exactly three are needed.");
        for (size_t i = 0; i < out->count; i++) {
                minisign_public other;
                (void)!failed(minisign_public_read((view){out->lines[i], UPDATE_KEY_BYTES}, &other));
                /* The same key under two numbers would make one person two. */
                if (memcmp(other.key, key.key, sizeof key.key) == 0)
                        return notice_fail(why, "An update key stands there twice", (view){},
                                           ": three different ones are needed.");
        }
        memcpy(out->lines[out->count++], line.data, line.len);
        return OK;
}

err update_keys_parse(view text, update_keys *out, notice *why)
{
        *out = (update_keys){};
        while (text.len > 0) {
                view line = text_line(&text);
                if (line.len > 0 && line.data[0] != '#' && !view_starts(line, VIEW("untrusted comment:")))
                        TRY(add(line, out, why));
        }
        if (out->count != 0 && out->count != UPDATE_KEYS)
                return notice_fail(why, "There are fewer than three update keys", (view){},
                                   ": exactly three are needed.");
        return OK;
}

static err of_image(const char *root, update_keys *out, notice *why)
{
        uint8_t bytes[4096];
        view    text;
        if (!file_exists(root, "/etc/lethe/update-keys"))
                return update_keys_parse((view){}, out, why);
        if (failed(file_read(root, "/etc/lethe/update-keys", bytes, sizeof bytes, &text)))
                return notice_fail(why, "/etc/lethe/update-keys cannot be read", (view){},
                                   ": install the image again.");
        return update_keys_parse(text, out, why);
}

static err of_box(const kept *k, update_keys *out, notice *why)
{
        view   key, value;
        size_t at = 0;
        *out = (update_keys){};
        while (kept_next(k, &at, &key, &value))
                if (view_equal(key, kept_key))
                        TRY(add(value, out, why));
        if (out->count != 0 && out->count != UPDATE_KEYS)
                return notice_fail(why, "The update keys that this box keeps are damaged", (view){},
                                   ": a factory reset takes them away.");
        return OK;
}

err update_keys_read(const char *root, const kept *k, update_keys *out, notice *why)
{
        TRY(of_image(root, out, why));
        return out->count > 0 ? OK : of_box(k, out, why);
}

err update_keys_keep(const char *root, kept *k, view text, notice *why)
{
        update_keys now, keys;
        TRY(update_keys_read(root, k, &now, why));
        if (now.count > 0)
                return notice_fail(why, "This box has its update keys already", (view){},
                                   ": only a factory reset takes them away.");
        TRY(update_keys_parse(text, &keys, why));
        if (keys.count == 0)
                return notice_fail(why, "There is no key", (view){}, ": three public keys of minisign are needed.");
        for (size_t i = 0; i < keys.count; i++)
                if (failed(kept_add(k, kept_key, (view){keys.lines[i], UPDATE_KEY_BYTES}))) {
                        kept_remove(k, kept_key);
                        return notice_fail(why, "The box has no room to keep update keys", (view){}, ".");
                }
        return OK;
}

bool update_keys_throw_away(const update_keys *k)
{
        for (size_t i = 0; i < k->count; i++) {
                minisign_public key;
                if (!failed(minisign_public_read((view){k->lines[i], UPDATE_KEY_BYTES}, &key))
                    && memcmp(key.number, "throway", 7) == 0)
                        return true;
        }
        return false;
}
