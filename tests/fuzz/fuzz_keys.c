/* Property: whatever a terminal sends, the screen stays text, nothing is asked that is not offered, a secret is gone
 * once its page is left, and the next plain key is read as itself.
 *
 * The input: two bytes of items, then what is typed. */
#include <assert.h>

#include "console/menu.h"

static menu m;

static void press(key k, uint32_t items)
{
        static const uint8_t none[LINE_BYTES];
        screen               s;
        menu_want            w = menu_key(&m, k, 0);
        assert(w == MENU_NOTHING || (items >> m.item & 1) != 0);
        if (w == MENU_UNLOCK)
                assert(m.secret.len > 0 && m.item == CONSOLE_UNLOCK);
        if (w != MENU_NOTHING)
                menu_answer(&m, VIEW("so it went"));
        assert(m.state == MENU_SECRET || memcmp(m.secret.bytes, none, sizeof none) == 0);
        menu_draw(&m, &s);
        for (size_t at = 0; at < sizeof s.cells; at++)
                assert((&s.cells[0][0])[at] >= ' ' && (&s.cells[0][0])[at] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static console_record r;
        keys                  k = {};
        uint64_t              now = 0;
        if (size < 2)
                return 0;
        r.told = CONSOLE_SHOW;
        r.items = (data[0] | (uint32_t)data[1] << 8) & ((1u << CONSOLE_ITEMS) - 1);
        r.text_len = (uint32_t)(size < sizeof r.text ? size : sizeof r.text);
        memcpy(r.text, data, r.text_len);
        menu_begin(&m);
        for (size_t i = 0; i < CONSOLE_PAGES; i++)
                screen_clear(&r.pages[i]);
        menu_show(&m, &r);
        for (size_t i = 2; i < size; i++)
                press(keys_byte(&k, data[i], now++), r.items);
        press(keys_late(&k, now + KEYS_ALONE_MS), r.items);
        key last = keys_byte(&k, 'z', now + KEYS_ALONE_MS);
        assert(last.kind == KEY_CHARACTER && last.byte == 'z');
        return 0;
}
