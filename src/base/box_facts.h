/* base/box_facts: what the first process of the appliance knows of its box, as numbers in a memfd of fixed layout:
 * PID 1 writes, keeper and admin map it read-only. On a host there is none.
 *
 * New fields go to the end, before `spare`, and take from it. */
#ifndef BASE_BOX_FACTS_H
#define BASE_BOX_FACTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* How the clock came by its time; a later row is worth more. */
typedef enum box_time : uint32_t {
        BOX_TIME_UNKNOWN,     /* no clock: the floor, which is the image's day or the last time seen */
        BOX_TIME_RTC,         /* the clock chip */
        BOX_TIME_HOST,        /* the hypervisor */
        BOX_TIME_NTP,         /* time servers, within what the clock before them allowed */
        BOX_TIME_CONSTRAINED, /* time servers, further away, and a second source bore them out */
        BOX_TIME_COUNT
} box_time;

typedef enum box_signing : uint32_t {
        BOX_UNSIGNED,
        BOX_SIGNED_THROW_AWAY, /* by the key that every builder makes anew */
        BOX_SIGNED_OWNER,
        BOX_SIGNING_COUNT
} box_signing;

enum : size_t { BOX_FACTS_BYTES = 4096 };

typedef struct box_facts {
        uint32_t         magic, layout;
        _Atomic uint32_t time_state;  /* box_time */
        _Atomic uint32_t clones;      /* times the hypervisor said that this machine is a copy, since the start */
        _Atomic uint32_t signing;     /* box_signing */
        _Atomic uint32_t secure_boot; /* 1: on */
        _Atomic uint32_t tpm;         /* 1: present */
        uint32_t         has_image;   /* 1: image_digest is set; before lethed starts, like all that is not atomic */
        uint8_t          image_digest[32];
        _Atomic uint32_t throw_away_updates; /* 1: anyone with the build folder of this image can sign its updates */
        _Atomic uint32_t settled; /* 1: the image that runs has proven itself, and no other is to be started next */
        uint8_t          spare[BOX_FACTS_BYTES - 72];
} box_facts;
static_assert(sizeof(box_facts) == BOX_FACTS_BYTES);

/* Formats fresh, zeroed memory. */
void box_facts_format(box_facts *f);
/* A read-only mapping of the memfd; null when it is not one. The descriptor stays the caller's. */
const box_facts *box_facts_map(int fd);

/* As exports and the admin API say them; never null. */
const char *box_time_name(uint32_t state);
const char *box_signing_name(uint32_t signing);

#endif
