/* firmware/platform: what started the box and what it has beside processor and memory: UEFI or BIOS, Secure Boot and
 * whose key it trusts, a TPM. */
#ifndef FIRMWARE_PLATFORM_H
#define FIRMWARE_PLATFORM_H

#include "base/box_facts.h"
#include "base/view.h"

typedef struct platform {
        bool        known, uefi, secure_boot, tpm;
        box_signing signing; /* unsigned unless Secure Boot is on (without it nobody looked at a
                                * signature) and what it trusts can be read */
} platform;

/* Mounts the firmware's variables, reads two of them, and unmounts them again. What cannot be read is not there. */
void platform_look(const char *root, platform *out);

/* In a variable as efivarfs has it: four bytes of attributes, then its data. */
bool        platform_secure_boot(view variable);
box_signing platform_signing(bool secure_boot, view trusted);

#endif
