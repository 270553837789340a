/* firmware/update_keys: who may sign an update: three Ed25519 keys in minisign's form, of which two must. They stand in
 * the image (/etc/lethe/update-keys, for a maker that has keys) or were given to this box once (`update-key` lines of
 * what it keeps). */
#ifndef FIRMWARE_UPDATE_KEYS_H
#define FIRMWARE_UPDATE_KEYS_H

#include "firmware/kept.h"
#include "firmware/text.h"

enum : size_t { UPDATE_KEYS = 3, UPDATE_KEYS_NEEDED = 2, UPDATE_KEY_BYTES = 56 };

typedef struct update_keys {
        size_t  count;                               /* 0 or UPDATE_KEYS */
        uint8_t lines[UPDATE_KEYS][UPDATE_KEY_BYTES]; /* base64, as the second line of a .pub file */
} update_keys;

/* One key a line; empty lines, and lines that begin with '#' or "untrusted comment:", are passed over. No key at all is
 * an empty set; else there are three different ones. err SYSTEM, said */
err update_keys_parse(view text, update_keys *out, notice *why);

/* The image's, or else the kept ones. err SYSTEM, said: the image's are damaged */
err update_keys_read(const char *root, const kept *k, update_keys *out, notice *why);

/* Gives them to a box that has none. err SYSTEM, said; nothing has changed then */
err update_keys_keep(const char *root, kept *k, view text, notice *why);

/* Made by `make image` for whoever built it: their number begins with "throway". */
bool update_keys_throw_away(const update_keys *k);

#endif
