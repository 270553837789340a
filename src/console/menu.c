#include "console/menu.h"

#include <assert.h>

#include "base/arena.h"

enum : size_t { TITLE_ROW = 4, BODY_ROW = 6, FOOT_ROW = SCREEN_ROWS - 1, INDENT = 2, FIELD_AT = 14, FIELD_SHOWN = 60 };

/* In the order of their numbers, which begin with 1 and do not move when one is missing. */
static const struct {
        const char *name;
        menu_state  first;
        const char *question; /* before it is done */
} items[CONSOLE_ITEMS] = {
        [CONSOLE_NETWORK] = {"network settings", MENU_FORM, "Use these settings from now on?"},
        [CONSOLE_UNLOCK] = {"unlock the vault", MENU_SECRET, nullptr},
        [CONSOLE_PRINTS] = {"fingerprints in full", MENU_READ, nullptr},
        [CONSOLE_UPDATE] = {"install the update on the config drive", MENU_SURE,
                            "Install lethe.update of the config drive? The version that runs stays beside it."},
        [CONSOLE_ROLL_BACK] = {"go back to the version before", MENU_SURE,
                               "Go back to the version before? It is what the next start begins."},
        [CONSOLE_RESTART] = {"start again", MENU_SURE, "Let running requests end, then start again?"},
        [CONSOLE_POWER_OFF] = {"power off", MENU_SURE, "Let running requests end, then power off?"},
        [CONSOLE_FACTORY_RESET] = {"factory reset", MENU_WORD,
                                   "Vault, keys, exports and settings of this box will be gone for ever."},
        [CONSOLE_ABOUT] = {"about Lethe, licences", MENU_READ, nullptr},
};

static const struct {
        view        key;
        const char *name, *hint;
} fields[MENU_FIELDS] = {
        {VIEW_INIT("address"), "Address", "dhcp, auto (IPv6 by routers), or as 192.0.2.10/24; several too"},
        {VIEW_INIT("gateway"), "Gateway", "as 192.0.2.1 or fe80::1; empty with dhcp and auto"},
        {VIEW_INIT("resolver"), "Resolver", "a name server, as 192.0.2.53; more with blanks between"},
        {VIEW_INIT("vlan"), "VLAN", "a number from 1 to 4094, or empty"},
};

static const view reset_word = VIEW_INIT("RESET");

void menu_begin(menu *m)
{
        *m = (menu){};
        for (size_t i = 0; i < CONSOLE_PAGES; i++)
                screen_clear(&m->show.pages[i]);
}

static bool offered(const menu *m, console_item i) { return i < CONSOLE_ITEMS && (m->show.items >> i & 1) != 0; }

void menu_forget(menu *m)
{
        line_wipe(&m->secret);
        line_wipe(&m->word);
        for (size_t i = 0; i < MENU_FIELDS; i++)
                line_wipe(&m->fields[i]);
}

static void leave(menu *m, menu_state to)
{
        menu_forget(m);
        m->state = to;
}

void menu_show(menu *m, const console_record *r)
{
        m->show = *r;
        if (m->show.text_len > sizeof m->show.text)
                m->show.text_len = 0;
        /* What is no longer offered is not gone on with; an answer that is awaited still comes. */
        bool asks = m->state == MENU_FORM || m->state == MENU_SECRET || m->state == MENU_SURE
                    || m->state == MENU_WORD;
        if (asks && !offered(m, m->item))
                leave(m, MENU_LIST);
}

static view take_word(view *rest, bool whole_line)
{
        while (rest->len > 0 && (rest->data[0] == ' ' || rest->data[0] == '\n'))
                *rest = view_slice(*rest, 1, rest->len);
        size_t len = 0;
        while (len < rest->len && rest->data[len] != '\n' && (whole_line || rest->data[len] != ' '))
                len++;
        view word = view_slice(*rest, 0, len);
        *rest = view_slice(*rest, len, rest->len);
        return word;
}

/* The settings there are, several of one kind with blanks between. */
static void fill_form(menu *m)
{
        view text = {(const uint8_t *)m->show.text, m->show.text_len};
        while (text.len > 0) {
                view row = take_word(&text, true), name = take_word(&row, false), value = take_word(&row, false);
                for (size_t i = 0; i < MENU_FIELDS; i++) {
                        line *l = &m->fields[i];
                        if (!view_equal(name, fields[i].key) || value.len == 0 || l->len + value.len + 1 > LINE_BYTES)
                                continue;
                        if (l->len > 0)
                                l->bytes[l->len++] = ' ';
                        memcpy(l->bytes + l->len, value.data, value.len);
                        l->len += value.len;
                }
        }
}

err menu_text(const menu *m, emit *out)
{
        view ignored;
        for (size_t i = 0; m->item == CONSOLE_NETWORK && i < MENU_FIELDS; i++) {
                view rest = line_view(&m->fields[i]);
                for (view word; (word = take_word(&rest, false)).len > 0;) {
                        emit_view(out, fields[i].key);
                        emit_byte(out, ' ');
                        emit_view(out, word);
                        emit_byte(out, '\n');
                }
        }
        return emit_done(out, &ignored);
}

void menu_answer(menu *m, view sentence)
{
        menu_forget(m);
        /* Who went on to something else is not called back. */
        if (m->state != MENU_BUSY)
                return;
        m->sentence_len = sentence.len < sizeof m->sentence ? sentence.len : sizeof m->sentence;
        if (m->sentence_len > 0)
                memcpy(m->sentence, sentence.data, m->sentence_len);
        m->state = MENU_SAID;
}

/* ---- keys ---- */

static menu_want want(menu *m, menu_want what)
{
        m->state = MENU_BUSY;
        return what;
}

static menu_want choose(menu *m, key k)
{
        if (k.kind == KEY_ESCAPE || k.kind == KEY_ENTER) {
                m->state = MENU_STATUS;
                return MENU_NOTHING;
        }
        if (k.kind != KEY_CHARACTER || k.byte < '1' || !offered(m, (console_item)(k.byte - '1')))
                return MENU_NOTHING;
        menu_forget(m);
        m->item = (console_item)(k.byte - '1');
        m->state = items[m->item].first;
        m->page = m->item == CONSOLE_ABOUT ? CONSOLE_PAGE_ABOUT : CONSOLE_PAGE_PRINTS;
        m->field = 0;
        if ((m->show.closed >> m->item & 1) != 0)
                return want(m, MENU_ASK);
        if (m->item == CONSOLE_NETWORK)
                fill_form(m);
        return MENU_NOTHING;
}

static void fill_in(menu *m, key k)
{
        if (k.kind == KEY_UP)
                m->field = m->field == 0 ? 0 : m->field - 1;
        else if (k.kind == KEY_DOWN)
                m->field = m->field + 1 == MENU_FIELDS ? m->field : m->field + 1;
        else if (k.kind == KEY_ENTER && m->field + 1 == MENU_FIELDS)
                m->state = MENU_SURE;
        else if (k.kind == KEY_ENTER)
                m->field++;
        else
                line_key(&m->fields[m->field], k, true);
}

static menu_want secret_key(menu *m, key k)
{
        if (k.kind == KEY_ENTER && m->secret.len > 0)
                return want(m, MENU_UNLOCK);
        line_key(&m->secret, k, false);
        return MENU_NOTHING;
}

static menu_want sure_key(menu *m, key k)
{
        if (k.kind == KEY_CHARACTER && ascii_lower(k.byte) == 'y')
                return want(m, MENU_ASK);
        if (m->item == CONSOLE_NETWORK)
                m->state = MENU_FORM;
        else
                leave(m, MENU_LIST);
        return MENU_NOTHING;
}

static menu_want word_key(menu *m, key k)
{
        if (k.kind != KEY_ENTER) {
                line_key(&m->word, k, true);
                return MENU_NOTHING;
        }
        if (view_equal(line_view(&m->word), reset_word))
                return want(m, MENU_ASK);
        leave(m, MENU_LIST);
        return MENU_NOTHING;
}

menu_want menu_key(menu *m, key k, uint64_t now_ms)
{
        if (k.kind == KEY_NONE)
                return MENU_NOTHING;
        m->touched_ms = now_ms;
        if (k.kind == KEY_ESCAPE && m->state != MENU_LIST && m->state != MENU_STATUS) {
                leave(m, m->state == MENU_BUSY ? MENU_STATUS : MENU_LIST);
                return MENU_NOTHING;
        }
        switch (m->state) {
        case MENU_STATUS:
                if (k.kind == KEY_ENTER)
                        m->state = MENU_LIST;
                return MENU_NOTHING;
        case MENU_LIST:
                return choose(m, k);
        case MENU_FORM:
                fill_in(m, k);
                return MENU_NOTHING;
        case MENU_SECRET:
                return secret_key(m, k);
        case MENU_SURE:
                return sure_key(m, k);
        case MENU_WORD:
                return word_key(m, k);
        case MENU_SAID:
        case MENU_READ:
                leave(m, MENU_LIST);
                return MENU_NOTHING;
        case MENU_BUSY:
                break;
        }
        return MENU_NOTHING;
}

void menu_turn(menu *m, uint64_t now_ms)
{
        if (m->state != MENU_STATUS && now_ms - m->touched_ms >= MENU_IDLE_MS)
                leave(m, MENU_STATUS);
}

/* ---- drawing ---- */

static void put_text(screen *s, size_t row, size_t column, const char *text)
{
        screen_put(s, row, column, view_of_text(text));
}

/* Broken at blanks; the row behind it. */
static size_t put_long(screen *s, size_t row, view text)
{
        constexpr size_t ROOM = SCREEN_COLUMNS - 2 * INDENT;
        while (text.len > 0 && row < FOOT_ROW) {
                size_t len = text.len;
                if (len > ROOM)
                        for (len = ROOM; len > ROOM / 2 && text.data[len] != ' ';)
                                len--;
                screen_put(s, row++, INDENT, view_slice(text, 0, len));
                while (len < text.len && text.data[len] == ' ')
                        len++;
                text = view_slice(text, len, text.len);
        }
        return row;
}

/* What the box is and how it is stands above every page. */
static void draw_head(const menu *m, screen *out, const char *title)
{
        const screen *status = &m->show.pages[CONSOLE_PAGE_STATUS];
        memcpy(out->cells[0], status->cells[0], SCREEN_COLUMNS);
        memcpy(out->cells[2], status->cells[2], SCREEN_COLUMNS);
        put_text(out, TITLE_ROW, INDENT, title);
}

static void draw_list(const menu *m, screen *out)
{
        size_t row = BODY_ROW;
        draw_head(m, out, "Menu: press a number.");
        for (console_item i = 0; i < CONSOLE_ITEMS; i++) {
                if (!offered(m, i))
                        continue;
                uint8_t digit = (uint8_t)('1' + i);
                screen_put(out, row, INDENT, (view){&digit, 1});
                put_text(out, row++, INDENT + 3, items[i].name);
        }
        put_text(out, FOOT_ROW, 0, "Enter or Esc: back to the state of the box.");
}

static void draw_form(const menu *m, screen *out)
{
        draw_head(m, out, "Network settings");
        for (size_t i = 0; i < MENU_FIELDS; i++) {
                size_t row = BODY_ROW + 3 * i;
                view   text = line_view(&m->fields[i]);
                put_text(out, row, INDENT, fields[i].name);
                put_text(out, row, FIELD_AT - 2, i == m->field ? ">" : " ");
                text = view_slice(text, text.len > FIELD_SHOWN ? text.len - FIELD_SHOWN : 0, text.len);
                screen_put(out, row, FIELD_AT, text);
                if (i == m->field)
                        put_text(out, row, FIELD_AT + text.len, "_");
                put_text(out, row + 1, FIELD_AT, fields[i].hint);
        }
        put_text(out, FOOT_ROW, 0, "Enter: on, behind the last line use them.  Ctrl-U: empty the line.  Esc: leave.");
}

static void draw_word(const menu *m, screen *out)
{
        draw_head(m, out, "Factory reset");
        size_t row = put_long(out, BODY_ROW, view_of_text(items[CONSOLE_FACTORY_RESET].question));
        put_text(out, row + 1, INDENT, "Type the word RESET and press Enter:");
        screen_put(out, row + 2, INDENT, view_slice(line_view(&m->word), 0, FIELD_SHOWN));
        put_text(out, FOOT_ROW, 0, "Esc, or any other word: leave; nothing is changed.");
}

static void draw_secret(const menu *m, screen *out)
{
        draw_head(m, out, "Unlock the vault");
        put_text(out, BODY_ROW, INDENT, "Type the passphrase and press Enter. What you type is not shown;");
        put_text(out, BODY_ROW + 1, INDENT, "the keys are those of an English (US) keyboard.");
        put_text(out, FOOT_ROW, 0, "Ctrl-U: begin anew.  Esc: leave.");
}

void menu_draw(const menu *m, screen *out)
{
        static const char any_key[] = "Any key: back to the menu.";
        static const char enter[] = "Enter: menu.  Power button: drain and power off.  Ctrl-Alt-Del: start again.";
        if (m->state == MENU_STATUS || m->state == MENU_READ) {
                *out = m->show.pages[m->state == MENU_READ ? m->page : CONSOLE_PAGE_STATUS];
                memset(out->cells[FOOT_ROW], ' ', SCREEN_COLUMNS);
                put_text(out, FOOT_ROW, 0, m->state == MENU_READ ? any_key : enter);
                return;
        }
        screen_clear(out);
        switch (m->state) {
        case MENU_FORM:
                draw_form(m, out);
                break;
        case MENU_SECRET:
                draw_secret(m, out);
                break;
        case MENU_WORD:
                draw_word(m, out);
                break;
        case MENU_SURE:
                draw_head(m, out, items[m->item].name);
                put_long(out, BODY_ROW, view_of_text(items[m->item].question));
                put_text(out, FOOT_ROW, 0, "y: yes.  Any other key: no.");
                break;
        case MENU_BUSY:
                draw_head(m, out, items[m->item].name);
                put_text(out, BODY_ROW, INDENT, "One moment.");
                break;
        case MENU_SAID:
                draw_head(m, out, items[m->item].name);
                put_long(out, BODY_ROW, (view){m->sentence, m->sentence_len});
                put_text(out, FOOT_ROW, 0, any_key);
                break;
        case MENU_LIST:
        case MENU_STATUS:
        case MENU_READ:
                draw_list(m, out);
        }
}
