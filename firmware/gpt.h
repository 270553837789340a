/* firmware/gpt: the numbers by which a disk and its state partition are told from others: GUIDs of the partition
 * table (UEFI 2.10, chapter 5.3). Every image comes with the same ones; the box draws its own at its first start, for
 * two disks of one image in one machine would not be told apart.
 *
 * The table stands twice, at the disk's beginning and at its end. They are written one after the other, never the only
 * whole one: a cut at any sector leaves one of them whole, and the next start goes on from that one. The kernel reads
 * the second where the first is broken because of its word "gpt". */
#ifndef FIRMWARE_GPT_H
#define FIRMWARE_GPT_H

#include "firmware/text.h"

enum : size_t { GPT_SECTOR_BYTES = 512, GPT_GUID_BYTES = 16, GPT_DRAWN_BYTES = 2 * GPT_GUID_BYTES };

/* As they stand on the disk; image/disk.py has them too. */
extern const uint8_t gpt_image_disk[GPT_GUID_BYTES], gpt_image_state[GPT_GUID_BYTES];

typedef struct gpt_disk {
        void    *context;
        uint64_t sectors;
        bool (*read)(void *context, uint64_t at, uint8_t *out, size_t len);
        bool (*write)(void *context, uint64_t at, const uint8_t *bytes, size_t len); /* durable when it returns */
} gpt_disk;

typedef enum gpt_done {
        GPT_KEPT,     /* both tables are whole and the numbers its own: nothing was written */
        GPT_NUMBERED, /* it has its own numbers now */
        GPT_MENDED,   /* it had its own, and a broken or older table was made from the whole one */
} gpt_done;

/* `drawn`: random bytes, used where a number is the image's. err BAD_FILE: neither table is whole, or one is of a form
 * that no tool for disks of 512-byte sectors writes, and nothing was written; SYSTEM: it cannot be read or written */
err gpt_settle(const gpt_disk *d, const uint8_t drawn[static GPT_DRAWN_BYTES], gpt_done *out);

/* The disk that a partition of /sys/class/block is part of; where it is part of none, nothing is done.
 * err SYSTEM, said */
err gpt_settle_disk_of(const char *root, const char *partition, notice *why);

#endif
