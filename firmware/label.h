/* firmware/label: the label of a volume, read from its first sectors. */
#ifndef FIRMWARE_LABEL_H
#define FIRMWARE_LABEL_H

#include "base/result.h"
#include "base/view.h"

typedef enum label_kind { LABEL_NONE, LABEL_FAT, LABEL_ISO } label_kind;

typedef struct label {
        label_kind kind;
        uint8_t    text[32]; /* without the blanks behind it */
        size_t     len;
} label;

/* Reads so many bytes at an offset of the volume. */
typedef bool (*label_reader)(void *context, uint64_t at, uint8_t *out, size_t len);

/* LABEL_NONE for whatever is neither FAT nor ISO 9660. A FAT volume's label is that of its root folder; where that has
 * none, the one of its boot sector. */
void label_probe(label_reader read, void *context, label *out);

/* As mount(2) calls it. */
const char *label_file_system(label_kind kind);

#endif
