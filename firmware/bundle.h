/* firmware/bundle: an update as one file: a fixed head, a manifest, signatures over it, and the unified kernel image.
 *
 * head (128 bytes, little-endian): magic "LETHEUPD"; u32 format 1; u32 bytes of the manifest; 3 x u32 bytes of a
 * signature (0: none); u32 security epoch; u64 bytes of the image; char version[64]; 24 zeros. The manifest follows,
 * the signatures as minisign writes them, zeros up to a multiple of 4096, the image.
 *
 * The manifest is lines `key value`, each once and in this order, so that a reader is thirty lines and a person needs
 * no tool: product, format, version, commit, epoch, built, cmdline, uki BYTES SHA256, vmlinuz and initrd AT BYTES
 * SHA256 (as they lie in the image, for a BIOS), unsigned SHA256 (the canonical image), pcr4, pcr11. What the head says
 * must be what the manifest says. Pure. */
#ifndef FIRMWARE_BUNDLE_H
#define FIRMWARE_BUNDLE_H

#include "firmware/update_keys.h"

enum : size_t { BUNDLE_HEAD_BYTES = 128, BUNDLE_FRONT_BYTES = 16 * 1024, BUNDLE_MANIFEST_BYTES = 4096,
                BUNDLE_SIGNATURE_BYTES = 2048, BUNDLE_ALIGN = 4096, BUNDLE_CMDLINE_BYTES = 900 };
enum : uint64_t { BUNDLE_IMAGE_BYTES = 48 * 1024 * 1024 };

typedef struct bundle_part {
        uint64_t at, bytes; /* in the image */
        uint8_t  sha256[32];
} bundle_part;

typedef struct bundle_manifest {
        char        version[64], commit[64], cmdline[BUNDLE_CMDLINE_BYTES + 1];
        uint32_t    epoch;
        uint64_t    built_s;
        bundle_part uki, vmlinuz, initrd;
        uint8_t     unsigned_sha256[32], pcr4[32], pcr11[32];
} bundle_manifest;

typedef struct bundle {
        view            text; /* of the manifest, in what was read */
        bundle_manifest manifest;
        uint64_t        image_at;
        unsigned        signers; /* bit per key that signed */
} bundle;

/* What the box is now. */
typedef struct bundle_judge {
        const update_keys *keys;
        uint32_t           least_epoch;
        uint64_t           built_s; /* of the image that runs */
        bool               older;   /* an older one is meant */
} bundle_judge;

/* `front`: the first bytes of the file, BUNDLE_FRONT_BYTES or all of it. Checks everything but the image's bytes: form,
 * signatures, product, epoch, age. err BAD_FILE, BAD_SIGNATURE, ROLLED_BACK, said */
err bundle_read(view front, const bundle_judge *judge, bundle *out, notice *why);

/* The manifest alone. err BAD_FILE, said */
err bundle_manifest_parse(view text, bundle_manifest *out, notice *why);

#endif
