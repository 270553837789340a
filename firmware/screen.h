/* firmware/screen: what the console shows, as 25 lines of 80 characters. */
#ifndef FIRMWARE_SCREEN_H
#define FIRMWARE_SCREEN_H

#include "base/box_facts.h"
#include "base/box_wire.h"
#include "base/terminal.h"
#include "firmware/box.h"
#include "firmware/clock.h"
#include "firmware/image.h"
#include "firmware/network.h"
#include "firmware/phase.h"
#include "firmware/platform.h"
#include "firmware/text.h"

enum : size_t { SCREEN_WORDS = 3, SCREEN_CLAIM_BYTES = 10 };

typedef enum screen_vault {
        SCREEN_VAULT_UNKNOWN,
        SCREEN_VAULT_SEALED,
        SCREEN_VAULT_OPEN,
        SCREEN_VAULT_BLANK, /* there is none yet */
} screen_vault;

/* A role, or lethed itself, that died. */
typedef struct screen_death {
        const char *role;   /* static; null: none has */
        int         status; /* as wait(2) gives it */
        uint64_t    count;  /* of all since the start */
} screen_death;

typedef struct screen_facts {
        image        image;
        phase        phase;
        bool         serving;    /* a generation of relays is up */
        bool         has_box;    /* `box` was read */
        bool         has_card;   /* `card` is in use */
        box          box;
        network_card card;
        char         state[FILE_NAME_BYTES];
        screen_vault vault;
        bool         unconfigured; /* whoever reads the claim code may set the box up */
        char         claim[SCREEN_CLAIM_BYTES]; /* empty: none was made */
        int64_t      tpm_refused; /* why the TPM does not open the vault, as the keeper says it; 0: nothing said */
        bool         clock_known;
        clock_source clock;
        bool         watchdog, button;
        uint64_t     up_min;     /* since the start */
        uint64_t     restart_s;  /* until lethed starts again; 0: it runs, or is not wanted */
        screen_death death;
        box_identity identity;   /* all zero: not known yet */
        platform     platform;
        uint64_t     now_s;      /* the box's clock */
        uint32_t   time_state; /* box_time */
        uint32_t   clones;     /* times this machine was found to be a copy */
        const char *slot;      /* static: whose image runs; null: not known */
        bool       on_trial;   /* it has not proven itself yet */
        notice     update;     /* how far one is, or how the last ended */
        bool       throw_away_updates; /* the keys that sign them are nobody's */
        notice     network;    /* what is wrong with the network, or missing */
        notice     time;       /* what is wrong with the time servers */
        notice     fault;      /* of the box itself */
        notice     waiting;    /* what is missing for now */
        notice     words[SCREEN_WORDS]; /* of lethed's last start, the oldest first */
} screen_facts;

void screen_draw(const screen_facts *f, screen *out);
/* Pages of the console's menu. */
void screen_draw_prints(const screen_facts *f, screen *out);
void screen_draw_about(const screen_facts *f, screen *out);

#endif
