#include "firmware/image.h"

#include "firmware/file.h"

/* Until the year 9999. */
static constexpr uint64_t EPOCH_MOST = 253402300799;

static bool keep(view value, char *to, size_t cap)
{
        if (to[0] != '\0' || value.len == 0 || value.len >= cap)
                return false;
        for (size_t i = 0; i < value.len; i++)
                if (value.data[i] <= ' ' || value.data[i] > '~')
                        return false;
        memcpy(to, value.data, value.len);
        return true;
}

static bool keep_digest(view value, uint8_t out[static 32])
{
        static const uint8_t none[32];
        if (value.len != 64 || memcmp(out, none, sizeof none) != 0)
                return false;
        for (size_t i = 0; i < value.len; i++) {
                uint8_t c = value.data[i];
                bool    digit = c >= '0' && c <= '9';
                if (!digit && (c < 'a' || c > 'f'))
                        return false;
                out[i / 2] = (uint8_t)(out[i / 2] << 4 | (digit ? c - '0' : c - 'a' + 10));
        }
        return true;
}

bool image_parse(view text, image *out)
{
        uint64_t n = 0;
        *out = (image){};
        while (text.len > 0) {
                view line = text_line(&text), key = text_word(&line), value = text_word(&line);
                bool good = text_word(&line).len == 0;
                if (view_equal(key, VIEW("version")))
                        good = good && keep(value, out->version, sizeof out->version);
                else if (view_equal(key, VIEW("commit")))
                        good = good && keep(value, out->commit, sizeof out->commit);
                else if (view_equal(key, VIEW("kernel")))
                        good = good && keep(value, out->kernel, sizeof out->kernel);
                else if (view_equal(key, VIEW("root")))
                        good = good && keep_digest(value, out->root);
                else if (view_equal(key, VIEW("security")))
                        good = good && out->security == 0 && view_decimal(value, UINT32_MAX, &n) && n > 0
                               && (out->security = (uint32_t)n) > 0;
                else if (view_equal(key, VIEW("epoch")))
                        good = good && out->epoch_s == 0 && view_decimal(value, EPOCH_MOST, &out->epoch_s);
                else
                        good = false;
                if (!good)
                        return false;
        }
        return out->version[0] != '\0' && out->commit[0] != '\0' && out->kernel[0] != '\0' && out->epoch_s > 0;
}

err image_read(const char *root, image *out, notice *why)
{
        uint8_t bytes[1024];
        view    text;
        *out = (image){};
        if (failed(file_read(root, "/etc/lethe/image", bytes, sizeof bytes, &text)) || !image_parse(text, out))
                return notice_fail(why, "/etc/lethe/image cannot be understood", (view){},
                                     ": this image is damaged; install it again.");
        return OK;
}
