/* console/menu: what the person at the machine sees and may ask for. Pure: keys, time and PID 1's records come in; a
 * screen and what is wanted go out. There is no login: who stands here has the machine, or its hypervisor. */
#ifndef CONSOLE_MENU_H
#define CONSOLE_MENU_H

#include "base/console_wire.h"
#include "console/line.h"

enum : size_t { MENU_FIELDS = 4, MENU_SENTENCE_BYTES = 400 };
enum : uint64_t { MENU_IDLE_MS = 180000 };

typedef enum menu_state : uint8_t {
        MENU_STATUS, /* PID 1's page */
        MENU_LIST,
        MENU_FORM,   /* the network's */
        MENU_SECRET, /* a passphrase, not shown */
        MENU_SURE,   /* y or another key */
        MENU_WORD,   /* RESET, in full */
        MENU_BUSY,
        MENU_SAID,   /* how it went */
        MENU_READ,   /* a page of PID 1's */
} menu_state;

/* What the role is to do now. */
typedef enum menu_want : uint8_t {
        MENU_NOTHING,
        MENU_ASK,    /* menu_text and `item` to PID 1 */
        MENU_UNLOCK, /* with `secret`, then menu_answer; menu_forget wipes it */
} menu_want;

typedef struct menu {
        menu_state     state;
        console_item   item;
        console_page   page;
        console_record show;
        line           fields[MENU_FIELDS], secret, word;
        size_t         field;
        uint64_t       touched_ms;
        uint8_t        sentence[MENU_SENTENCE_BYTES];
        size_t         sentence_len;
} menu;

void menu_begin(menu *m);
void menu_show(menu *m, const console_record *r);
menu_want menu_key(menu *m, key k, uint64_t now_ms);
/* How what was wanted went. */
void menu_answer(menu *m, view sentence);
/* What was typed is gone; also after MENU_IDLE_MS without a key, which leads back to the status. */
void menu_forget(menu *m);
void menu_turn(menu *m, uint64_t now_ms);
void menu_draw(const menu *m, screen *out);
/* The network's form as lines of box.conf, for MENU_ASK; empty for any other item. err NO_ROOM */
err menu_text(const menu *m, emit *out);

#endif
