/* covers: menu.c line.c */
#include "console/menu.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/tap.h"

static const char SUBJECT[] = "menu";
enum : uint32_t { ALL = (1u << CONSOLE_ITEMS) - 1 };

static menu      m;
static menu_want last;

static bool shows(const char *text)
{
        screen s;
        size_t len = strlen(text);
        menu_draw(&m, &s);
        for (size_t row = 0; row < SCREEN_ROWS; row++)
                for (size_t at = 0; at + len <= SCREEN_COLUMNS; at++)
                        if (memcmp(&s.cells[row][at], text, len) == 0)
                                return true;
        return false;
}

static void show(uint32_t items, const char *network)
{
        static console_record r;
        r = (console_record){.told = CONSOLE_SHOW, .items = items, .text_len = (uint32_t)strlen(network)};
        memcpy(r.text, network, strlen(network));
        for (size_t i = 0; i < CONSOLE_PAGES; i++)
                screen_clear(&r.pages[i]);
        screen_put(&r.pages[CONSOLE_PAGE_STATUS], 0, 0, VIEW("Lethe the first row"));
        screen_put(&r.pages[CONSOLE_PAGE_STATUS], 2, 0, VIEW("state RUNNING"));
        screen_put(&r.pages[CONSOLE_PAGE_STATUS], 5, 0, VIEW("more of the state"));
        screen_put(&r.pages[CONSOLE_PAGE_PRINTS], 5, 0, VIEW("all the fingerprints"));
        screen_put(&r.pages[CONSOLE_PAGE_ABOUT], 5, 0, VIEW("what it is"));
        menu_show(&m, &r);
}

static void begin(uint32_t items)
{
        menu_begin(&m);
        show(items, "address 192.0.2.10/24\naddress 2001:db8::10/64\ngateway 192.0.2.1\nlisten 0.0.0.0:8443\n");
}

static void press(key_kind kind) { last = menu_key(&m, (key){.kind = kind}, 1000); }

static void type(const char *text)
{
        for (; *text != '\0'; text++)
                last = menu_key(&m, (key){KEY_CHARACTER, (uint8_t)*text}, 1000);
}

static void pick(const char *number)
{
        press(KEY_ENTER);
        type(number);
}

static bool asks_for(console_item item, const char *text)
{
        uint8_t bytes[CONSOLE_TEXT_BYTES];
        emit    e = emit_into(bytes, sizeof bytes);
        bool    good = last == MENU_ASK && m.item == item && !failed(menu_text(&m, &e))
                    && view_equal((view){bytes, e.len}, view_of_text(text));
        if (!good)
                printf("# %d %d %.*s\n", last, m.item, (int)e.len, (const char *)bytes);
        return good;
}

static void test_pages(void)
{
        begin(ALL);
        tap_ok(shows("more of the state") && shows("Enter: menu."), SUBJECT, "the state of the box comes first");
        type("7y");
        tap_ok(shows("more of the state") && last == MENU_NOTHING, SUBJECT, "a number without Enter does nothing");
        press(KEY_ENTER);
        tap_ok(shows("1  network settings") && shows("9  about Lethe") && shows("state RUNNING"), SUBJECT,
               "Enter shows what can be asked for, under what the box is");
        type("3");
        tap_ok(shows("all the fingerprints") && shows("Any key"), SUBJECT, "the fingerprints");
        type(" 9");
        tap_ok(shows("what it is"), SUBJECT, "what it is");
        press(KEY_ESCAPE);
        press(KEY_ESCAPE);
        tap_ok(shows("more of the state"), SUBJECT, "Esc leads back");
        begin(1u << CONSOLE_RESTART | 1u << CONSOLE_POWER_OFF);
        press(KEY_ENTER);
        tap_ok(!shows("unlock") && !shows("update") && shows("6  start again") && shows("7  power off"), SUBJECT,
               "what cannot be done is not shown, and numbers stay");
        type("2");
        tap_ok(shows("Menu: press a number."), SUBJECT, "nor can it be chosen");
        pick("6");
}

static void test_sure(void)
{
        begin(ALL);
        pick("7");
        tap_ok(shows("then power off?") && shows("y: yes"), SUBJECT, "power off asks once");
        press(KEY_ENTER);
        tap_ok(last == MENU_NOTHING && shows("Menu"), SUBJECT, "and Enter is no");
        type("7y");
        tap_ok(asks_for(CONSOLE_POWER_OFF, "") && shows("One moment"), SUBJECT, "y is yes");
        type("y7y");
        tap_ok(last == MENU_NOTHING, SUBJECT, "keys meanwhile are nothing");
        menu_answer(&m, VIEW("The box powers off."));
        tap_ok(shows("The box powers off."), SUBJECT, "what became of it is said");
        type("x");
        tap_ok(shows("Menu"), SUBJECT, "until a key is pressed");
        static const struct {
                const char  *number;
                console_item item;
        } rows[] = {{"4y", CONSOLE_UPDATE}, {"5y", CONSOLE_ROLL_BACK}, {"6y", CONSOLE_RESTART}};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                begin(ALL);
                pick(rows[i].number);
                tap_ok(asks_for(rows[i].item, ""), SUBJECT, rows[i].number);
        }
}

static void test_word(void)
{
        begin(ALL);
        pick("8");
        type("reset");
        press(KEY_ENTER);
        tap_ok(last == MENU_NOTHING && shows("Menu"), SUBJECT, "a factory reset needs the very word");
        type("8RESET");
        tap_ok(last == MENU_NOTHING && shows("RESET"), SUBJECT, "and Enter behind it");
        press(KEY_ENTER);
        tap_ok(asks_for(CONSOLE_FACTORY_RESET, ""), SUBJECT, "then it is asked for");
}

static void test_secret(void)
{
        begin(ALL);
        pick("2");
        press(KEY_ENTER);
        tap_ok(last == MENU_NOTHING, SUBJECT, "no passphrase is none");
        type("correct horse\xc3\xa4x");
        press(KEY_BACK);
        tap_ok(!shows("correct") && !shows("*"), SUBJECT, "a passphrase is not shown, nor how long it is");
        press(KEY_ENTER);
        tap_ok(last == MENU_UNLOCK && view_equal(line_view(&m.secret), VIEW("correct horse\xc3\xa4")), SUBJECT,
               "it is given to who unlocks");
        menu_answer(&m, VIEW("The vault is open."));
        static const uint8_t none[LINE_BYTES];
        tap_ok(m.secret.len == 0 && memcmp(m.secret.bytes, none, sizeof none) == 0, SUBJECT, "and gone after it");
        type("x2secret");
        press(KEY_ESCAPE);
        tap_ok(memcmp(m.secret.bytes, none, sizeof none) == 0, SUBJECT, "or when its page is left");
        type("2secret");
        menu_turn(&m, 1000 + MENU_IDLE_MS - 1);
        tap_ok(m.secret.len == 6, SUBJECT, "who is slow keeps it");
        menu_turn(&m, 1000 + MENU_IDLE_MS);
        tap_ok(memcmp(m.secret.bytes, none, sizeof none) == 0 && shows("more of the state"), SUBJECT,
               "who has gone away does not");
        begin(ALL);
        pick("2");
        type("secret");
        show(ALL & ~(1u << CONSOLE_UNLOCK), "");
        tap_ok(m.secret.len == 0 && shows("Menu"), SUBJECT, "nor one for a vault that was opened meanwhile");
        begin(ALL);
        pick("2");
        for (size_t i = 0; i < LINE_BYTES + 10; i++)
                type("a");
        tap_ok(m.secret.len == LINE_BYTES, SUBJECT, "and it has an end");
}

static void test_form(void)
{
        begin(ALL);
        pick("1");
        tap_ok(shows("192.0.2.10/24 2001:db8::10/64_") && shows("192.0.2.1"), SUBJECT, "the form holds what is set");
        press(KEY_CLEAR);
        type("198.51.100.7/24");
        press(KEY_DOWN);
        press(KEY_CLEAR);
        type("198.51.100.1");
        press(KEY_ENTER);
        type("9.9.9.9 1.1.1.1");
        press(KEY_UP);
        press(KEY_DOWN);
        press(KEY_ENTER);
        type("\xc3" "12");
        press(KEY_ENTER);
        tap_ok(shows("Use these settings from now on?"), SUBJECT, "behind the last line it asks");
        type("n");
        tap_ok(shows("198.51.100.7/24"), SUBJECT, "no goes back to what was typed");
        press(KEY_ENTER);
        type("y");
        tap_ok(asks_for(CONSOLE_NETWORK, "address 198.51.100.7/24\ngateway 198.51.100.1\nresolver 9.9.9.9\n"
                                         "resolver 1.1.1.1\nvlan 12\n"),
               SUBJECT, "yes asks for lines of box.conf");
        begin(ALL);
        pick("1");
        for (size_t i = 0; i < 200; i++)
                type("1 ");
        press(KEY_DOWN);
        press(KEY_DOWN);
        press(KEY_DOWN);
        press(KEY_ENTER);
        type("y");
        uint8_t bytes[CONSOLE_TEXT_BYTES];
        emit    e = emit_into(bytes, sizeof bytes);
        tap_ok(failed(menu_text(&m, &e)), SUBJECT, "too much is refused whole");
}

static void test_closed(void)
{
        begin(ALL);
        m.show.closed = 1u << CONSOLE_NETWORK;
        pick("1");
        tap_ok(asks_for(CONSOLE_NETWORK, "") && shows("One moment"), SUBJECT, "what is closed is asked why");
        menu_answer(&m, VIEW("The vault is open."));
        tap_ok(shows("The vault is open."), SUBJECT, "and says so");
}

/* Any keys in any order: the screen is text, and nothing is asked that is not offered. */
static void test_any(void)
{
        bool good = true;
        for (unsigned seed = 1; seed < 300; seed++) {
                uint32_t items = (uint32_t)seed * 7919 & ALL;
                screen   s;
                srandom(seed);
                begin(items);
                for (int i = 0; i < 300; i++) {
                        key k = {(key_kind)(random() % (KEY_DOWN + 1)), (uint8_t)(random() % 3 ? '0' + random() % 10
                                                                                               : random() % 256)};
                        last = menu_key(&m, k, 1000);
                        good = good && (last == MENU_NOTHING || (items >> m.item & 1) != 0);
                        if (last == MENU_UNLOCK)
                                menu_answer(&m, VIEW("no"));
                        menu_draw(&m, &s);
                        for (size_t at = 0; at < sizeof s.cells; at++)
                                good = good && (&s.cells[0][0])[at] >= ' ' && (&s.cells[0][0])[at] <= '~';
                }
        }
        tap_ok(good, SUBJECT, "whatever is typed");
}

int main(void)
{
        test_pages();
        test_sure();
        test_word();
        test_secret();
        test_form();
        test_closed();
        test_any();
        return tap_done();
}
