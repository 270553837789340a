/* firmware/sntp: time servers: their packets, and what to believe of several of them. Pure: time is an argument.
 * src  RFC 4330, RFC 5905, and RFC 8633 for the number that nobody else can know */
#ifndef FIRMWARE_SNTP_H
#define FIRMWARE_SNTP_H

#include "base/view.h"

enum : size_t { SNTP_BYTES = 48, SNTP_SERVERS = 4, SNTP_SAMPLES = 4, SNTP_SAMPLES_LEAST = 3 };
enum : uint64_t { SNTP_ROUND_MS = 3600000, SNTP_RETRY_MS = 15000, SNTP_ANSWER_MS = 2000 };

typedef struct sntp_sample {
        int64_t  offset_us; /* the server's time less ours */
        uint64_t delay_us;  /* there and back */
} sntp_sample;

/* `number` stands where our time would: a server gives it back, and learns nothing of our clock. */
void sntp_write(uint64_t number, uint8_t out[static SNTP_BYTES]);
/* sent_us and came_us: our clock since 1970. False: no answer to that question, or of a server that has no time. */
bool sntp_read(view packet, uint64_t number, int64_t sent_us, int64_t came_us, sntp_sample *out);

typedef struct sntp_verdict {
        int64_t  offset_us;
        unsigned agree, answered; /* servers; agree 0: nothing to believe */
} sntp_verdict;

/* Rounds: every server is asked SNTP_SAMPLES times, one after the other; its quickest answer counts; servers within a
 * second of each other agree. */
typedef struct sntp_client {
        unsigned    servers, server, sample; /* how many; whose turn; its how-manieth question */
        unsigned    got[SNTP_SERVERS];
        sntp_sample samples[SNTP_SERVERS][SNTP_SAMPLES];
        unsigned    failures;  /* rounds in a row */
        bool        asking;    /* a question is out */
        uint64_t    number;    /* of that question */
        uint64_t    turn_ms;   /* the next thing to do */
} sntp_client;

typedef enum sntp_step { SNTP_WAIT, SNTP_ASK, SNTP_DONE } sntp_step;

/* No servers: it never does anything. */
void sntp_begin(sntp_client *c, unsigned servers, uint64_t now_ms);
/* ASK: ask c->server with a number for c->number that is new and random; DONE: `out` is the round's. */
sntp_step sntp_turn(sntp_client *c, uint64_t now_ms, sntp_verdict *out);
/* The answer to the question that is out. False: it was none. */
bool sntp_hear(sntp_client *c, view packet, int64_t sent_us, int64_t came_us);
/* UINT64_MAX: never. */
uint64_t sntp_wait_ms(const sntp_client *c, uint64_t now_ms);

/* What the servers say together. */
sntp_verdict sntp_judge(const sntp_client *c);

#endif
