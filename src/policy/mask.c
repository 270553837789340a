#include "policy/mask.h"

#include <assert.h>

static bool alphanumeric(uint8_t c)
{
        return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

size_t mask_hidden(size_t alphanumerics)
{
        size_t share = (alphanumerics * 60 + 99) / 100;
        size_t hidden = share > 6 ? share : 6;
        return hidden < alphanumerics ? hidden : alphanumerics;
}

void mask_write(const policy_decision *d, view text, emit *out)
{
        assert(d->action == POLICY_MASK);
        if (text.len > MASK_MOST) {
                for (size_t i = 0; i < 8; i++)
                        emit_byte(out, d->mask_char);
                return;
        }
        size_t count = 0;
        for (size_t i = 0; i < text.len; i++)
                count += alphanumeric(text.data[i]);
        size_t show = count - mask_hidden(count);
        size_t last = d->keep_last < show ? d->keep_last : show;
        size_t first = d->keep_first < show - last ? d->keep_first : show - last;
        size_t seen = 0;
        for (size_t i = 0; i < text.len; i++) {
                uint8_t c = text.data[i];
                if (alphanumeric(c)) {
                        bool kept = seen < first || seen >= count - last;
                        emit_byte(out, kept ? c : d->mask_char);
                        seen++;
                } else if (c < 0x80) {
                        emit_byte(out, c < ' ' || c == 0x7f ? ' ' : c == '"' || c == '\\' ? d->mask_char : c);
                } else if ((c & 0xc0) != 0x80) {
                        emit_byte(out, d->mask_char);
                }
        }
}
