/* base/console_wire: what the box's PID 1 and its console role say to each other, over a SOCK_SEQPACKET pair. The
 * role draws what it is shown, reads the keyboard, and asks; PID 1 judges every ask again. Fixed structs of native byte
 * order between programs of one image: a record of another size ends the channel. */
#ifndef BASE_CONSOLE_WIRE_H
#define BASE_CONSOLE_WIRE_H

#include "base/terminal.h"

/* The role's descriptors when it starts: terminals to draw on and read from, or /dev/null; behind standard error, which
 * is nothing, the channel to PID 1, and the one to whichever keeper runs. */
enum : int { CONSOLE_SCREEN_FD = 0, CONSOLE_SERIAL_FD = 1, CONSOLE_CHANNEL_FD = 3, CONSOLE_KEEPER_FD = 4 };
enum : size_t { CONSOLE_TEXT_BYTES = 512 };

/* What a person may ask for. PID 1 names those it can do. */
typedef enum console_item : uint32_t {
        CONSOLE_NETWORK,       /* text: lines as box.conf has them */
        CONSOLE_UNLOCK,        /* done by the role itself over the keeper's channel */
        CONSOLE_PRINTS,        /* a page of PID 1's */
        CONSOLE_UPDATE,        /* that lies on the config drive */
        CONSOLE_ROLL_BACK,
        CONSOLE_RESTART,
        CONSOLE_POWER_OFF,
        CONSOLE_FACTORY_RESET,
        CONSOLE_ABOUT,         /* a page of PID 1's */
        CONSOLE_ITEMS
} console_item;

typedef enum console_page : uint32_t {
        CONSOLE_PAGE_STATUS,
        CONSOLE_PAGE_PRINTS,
        CONSOLE_PAGE_ABOUT,
        CONSOLE_PAGES
} console_page;

/* PID 1 to the role. */
typedef enum console_told : uint32_t {
        CONSOLE_SHOW = 1, /* all but text */
        CONSOLE_ANSWER,   /* to an ask: text */
        CONSOLE_TERMINAL, /* descriptor of terminal number `items`, in the place of the one that was closed */
} console_told;

typedef struct console_record {
        uint32_t told; /* console_told */
        uint32_t items; /* bit per console_item */
        uint32_t text_len;
        uint32_t closed; /* bit per console_item: asked for at once, for the sentence that says why it cannot be now */
        uint64_t memory_bytes; /* free at this time */
        char     text[CONSOLE_TEXT_BYTES]; /* ANSWER: a sentence; SHOW: the network's settings, as box.conf has them */
        screen   pages[CONSOLE_PAGES];
} console_record;

/* The role to PID 1. */
typedef enum console_asked : uint32_t {
        CONSOLE_ASK = 1, /* item, text; answered */
        CONSOLE_FORGET,  /* a secret was typed. The kernel keeps the last 4 KiB of a terminal for as long as anybody
                            has it open: the role has closed its own, PID 1 does so too and sends new ones */
} console_asked;

typedef struct console_ask {
        uint32_t asked; /* console_asked */
        uint32_t item;  /* console_item */
        uint32_t text_len;
        uint32_t reserved;
        char     text[CONSOLE_TEXT_BYTES];
} console_ask;

#endif
