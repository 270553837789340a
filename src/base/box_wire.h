/* base/box_wire: what the admin role and PID 1 of the appliance say to each other, over a SOCK_SEQPACKET pair of which
 * lethed is given one end (--box-channel) and grants it to the admin role.
 *
 * An ask is answered once, with the same op and number, later perhaps; asks may overtake each other. A tell is not
 * answered. Only the used part of `bytes` is sent. PID 1 believes nothing of what comes this way: it says less than
 * PID 1 may do, and an update is judged by its signatures. */
#ifndef BASE_BOX_WIRE_H
#define BASE_BOX_WIRE_H

#include "base/emit.h"
#include "base/result.h"
#include "base/view.h"

typedef enum box_op : uint32_t {
        /* asks */
        BOX_STATUS = 1,    /* lines `key value` (box_line); none of them is a secret */
        BOX_UPDATE,        /* with a memfd that holds a bundle; 1 byte: BOX_FLAG_ bits. Answered when it is installed,
                              by lines: version, pcr4, pcr11 */
        BOX_ROLL_BACK,     /* the other slot is started next. Answered when that is written, by a line: version */
        BOX_RESTART,       /* orderly: drain, final export, start again */
        BOX_POWER_OFF,
        BOX_FACTORY_RESET, /* the bytes BOX_RESET_WORD: the state partition is emptied, and the box starts again */
        BOX_UPDATE_KEYS,   /* three public keys of minisign, a line each, for a box that has none yet */
        /* tells */
        BOX_TELL_IDENTITY = 32, /* box_identity */
        BOX_TELL_ALIVE,         /* of the supervisor, every few seconds: it turns */
        BOX_TELL_DATES,         /* box_dates */
} box_op;

constexpr size_t BOX_MESSAGE_BYTES = 4080;
/* The memory an update is gathered in; what is larger is no bundle. */
constexpr size_t BOX_BUNDLE_BYTES = 64 * 1024 * 1024;
enum : uint8_t { BOX_FLAG_OLDER = 1 }; /* an older version is meant */
#define BOX_RESET_WORD "forget everything"

/* `code` of an answer: err_code of base/result; unless NONE, `bytes` is one sentence for the operator. */
typedef struct box_message {
        uint32_t op, code, len, number;
        uint8_t  bytes[BOX_MESSAGE_BYTES];
} box_message;

/* What the console shows of the box's own keys. All zero: not known. */
typedef struct box_identity {
        uint8_t  tls_certificate[32];   /* SHA-256 of its DER */
        uint8_t  admin_certificate[32];
        uint8_t  export_key[42];        /* "Ed", key number, key: as in minisign's public key file */
        uint8_t  reserved[6];
        uint64_t certificate_end_s;     /* the first of the two to expire, seconds since 1970 */
} box_identity;

/* What vendors' answers over verified TLS say of the time. */
typedef struct box_dates {
        uint32_t agree, of; /* hosts: that say this time within a minute; whose answers are known */
        int64_t  origin_s;  /* the median: when CLOCK_MONOTONIC was 0, seconds since 1970; no setting of the clock makes
                               it wrong */
        uint64_t oldest_ms; /* CLOCK_MONOTONIC, when the oldest of the answers that agree came */
} box_dates;

/* Neither waits. The descriptor (-1: none) stays open here. err GONE; AGAIN: the other side does not read; SYSTEM */
err box_send(int channel, const box_message *m, int fd);

/* *fd is -1 or a descriptor that the caller owns. m->len is what came. err GONE, also of a malformed one; AGAIN */
err box_receive(int channel, box_message *m, int *fd);

static inline view box_bytes(const box_message *m) { return (view){m->bytes, m->len}; }

/* Takes the next line `key value` of *rest. False: there is none, or what is left is none. */
bool box_line(view *rest, view *key, view *value);

/* Writes one. A value with a line's end in it is cut there. */
void box_line_put(emit *out, const char *key, view value);

#endif
