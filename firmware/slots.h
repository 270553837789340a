/* firmware/slots: what two slots are called on the boot partition, for both kinds of firmware. Pure.
 *
 * UEFI: EFI/Linux/lethe_NUMBER_SLOT[+LEFT[-DONE]].efi. systemd-boot starts the highest number that has tries left or no
 * counter, and takes a try by renaming; one without tries comes last. The number, not the version, is the order, so
 * that going back is a higher number. BIOS: grub/env, which GRUB reads and writes by the same rules. */
#ifndef FIRMWARE_SLOTS_H
#define FIRMWARE_SLOTS_H

#include "base/emit.h"
#include "base/view.h"

typedef enum slot_id : uint8_t { SLOT_A, SLOT_B, SLOT_COUNT, SLOT_NONE = SLOT_COUNT } slot_id;

enum : size_t { SLOT_NAME_BYTES = 64, SLOT_ENV_BYTES = 1024 };
enum : uint32_t { SLOT_TRIES = 3, SLOT_NUMBER_MOST = 999999 };

static inline slot_id slot_other(slot_id s) { return s == SLOT_A ? SLOT_B : SLOT_A; }
const char *slot_letter(slot_id s);

typedef struct slot_name {
        uint32_t number;
        slot_id  slot;
        bool     counted; /* has not proven itself yet */
        uint32_t left, done;
} slot_name;

bool slot_name_parse(view name, slot_name *out);
/* Ends with a NUL. */
void slot_name_write(const slot_name *n, char out[static SLOT_NAME_BYTES]);

/* GRUB's side. */
typedef struct slot_env {
        slot_id  first; /* tried before the other */
        bool     ok[SLOT_COUNT];
        uint32_t left[SLOT_COUNT];
} slot_env;

/* False when it is not in GRUB's form: then `out` is what grub.cfg takes for granted. */
bool slot_env_parse(view bytes, slot_env *out);
void slot_env_write(const slot_env *e, uint8_t out[static SLOT_ENV_BYTES]);
/* One value in the form of such a file, for grub.cfg to load. False when it does not fit. */
bool slot_env_one(const char *key, view value, uint8_t out[static SLOT_ENV_BYTES]);

#endif
