#include "codec/base64.h"
#include "support/tap.h"

static const struct {
        view        bytes;
        const char *standard, *url;
} pairs[] = {
        {VIEW_INIT(""), "", ""},
        {VIEW_INIT("f"), "Zg==", "Zg"},
        {VIEW_INIT("fo"), "Zm8=", "Zm8"},
        {VIEW_INIT("foo"), "Zm9v", "Zm9v"},
        {VIEW_INIT("foobar"), "Zm9vYmFy", "Zm9vYmFy"},
        {VIEW_INIT("\0\0"), "AAA=", "AAA"},
        {VIEW_INIT("\xFB\xFF\xBF"), "+/+/", "-_-_"},
};

static const struct {
        const char *name, *text;
        bool        url;
} refused[] = {
        {"one sign is no group", "A", true},
        {"one sign too many", "Zm9vY", true},
        {"padding is missing", "Zg", false},
        {"half the padding is missing", "Zg=", false},
        {"padding where none belongs", "Zg==", true},
        {"padding alone", "====", false},
        {"three signs of padding", "Z===", false},
        {"padding inside", "Zg==Zm9v", false},
        {"padding and a sign", "Zg=v", false},
        {"trailing bits of one byte", "Zh==", false},
        {"trailing bits of two bytes", "Zm9=", false},
        {"trailing bits without padding", "Zh", true},
        {"white space", "Zm9v\n", false},
        {"white space in a group", "Zm 9", false},
        {"the other alphabet's signs", "-_-_", false},
        {"the other alphabet's signs in the URL form", "+/+/", true},
        {"a byte beyond ASCII", "Zm9\xC3", false},
        {"a bad second group leaves nothing of the first", "Zm9vZm9!", false},
};

static void pairs_test(void)
{
        for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
                uint8_t a[32], b[32], c[32], d[32];
                emit    standard = emit_into(a, sizeof a), url = emit_into(b, sizeof b);
                emit    back = emit_into(c, sizeof c), url_back = emit_into(d, sizeof d);
                base64_write(&standard, pairs[i].bytes);
                base64url_write(&url, pairs[i].bytes);
                tap_ok(view_equal((view){a, standard.len}, view_of_text(pairs[i].standard))
                               && view_equal((view){b, url.len}, view_of_text(pairs[i].url)),
                       "base64", pairs[i].standard);
                tap_ok(base64_read((view){a, standard.len}, &back) && base64url_read((view){b, url.len}, &url_back)
                               && view_equal((view){c, back.len}, pairs[i].bytes)
                               && view_equal((view){d, url_back.len}, pairs[i].bytes),
                       "base64 read back", pairs[i].standard);
        }
}

static void refused_test(void)
{
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
                uint8_t bytes[32];
                emit    out = emit_into(bytes, sizeof bytes);
                view    text = view_of_text(refused[i].text);
                bool    read = refused[i].url ? base64url_read(text, &out) : base64_read(text, &out);
                tap_ok(!read && out.len == 0, "base64", refused[i].name);
        }
}

static void all_bytes_test(void)
{
        uint8_t bytes[256], text[400], back[256];
        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (uint8_t)(i * 167 + 13);
        bool good = true;
        for (size_t len = 0; len <= sizeof bytes; len++) {
                emit out = emit_into(text, sizeof text), in = emit_into(back, sizeof back);
                base64url_write(&out, (view){bytes, len});
                good = good && base64url_read((view){text, out.len}, &in)
                       && view_equal((view){back, in.len}, (view){bytes, len});
        }
        tap_ok(good, "base64", "every length comes back");
        emit small = emit_into(text, 3);
        base64_write(&small, VIEW("abcdef"));
        tap_ok(small.full && small.len == 0, "base64", "a full buffer says so");
        emit tight = emit_into(back, 4);
        tap_ok(base64_read(VIEW("Zm9vYmFy"), &tight) && tight.full, "base64", "reading into one says so too");
}

int main(void)
{
        pairs_test();
        refused_test();
        all_bytes_test();
        return tap_done();
}
