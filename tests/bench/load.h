/* load: a client that asks many times over TLS 1.3 and measures. Shares nothing with src/. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

/* ---- load_answer.c: one answer as it arrives, cut anywhere ---- */

typedef enum answer_at {
        AT_HEAD,
        AT_LENGTH,
        AT_CHUNK_SIZE,
        AT_CHUNK_LINE,
        AT_CHUNK,
        AT_CHUNK_END,
        AT_TRAILER,
        AT_WHOLE,
        AT_BAD
} answer_at;

enum { ANSWER_HEAD_BYTES = 16 * 1024, ANSWER_LINE_BYTES = 2048 };

typedef struct answer {
        answer_at at;
        char head[ANSWER_HEAD_BYTES];
        size_t head_len;
        int status;
        uint64_t left;   /* of the body, or of the chunk */
        uint64_t events; /* blank lines seen in the body */
        uint64_t line;   /* bytes in the line being read, of the body or of the trailer */
        /* With `look` the events themselves are read too: is there text in one, an error, the end? */
        bool look, content, failed, done;
        size_t text_len;
        char text[ANSWER_LINE_BYTES]; /* the beginning of that line */
} answer;

/* Leaves `look` as it is. */
void answer_reset(answer *a);
/* Takes bytes; returns how many belonged to this answer. a->at says how it stands. */
size_t answer_feed(answer *a, const char *bytes, size_t len);

/* A field of the head; null: it has none. */
const char *answer_field(const answer *a, const char *name);

/* ---- load_numbers.c: what was measured ---- */

typedef struct numbers {
        double *rows;
        size_t count, room;
} numbers;

void numbers_add(numbers *n, double value);
/* `share` of 1: 0.99 is the 99th percentile; NaN-free: 0 when nothing was measured. Sorts. */
double numbers_at(numbers *n, double share);

/* ---- load.c ---- */

typedef struct options {
        int port, conns;
        const char *ca, *name, *path;
        const char *keys, *body, *warm_body; /* files */
        double seconds, rate;                /* rate 0: closed loop */
        uint64_t requests;                   /* 0: until the time is over */
        uint64_t mark;                       /* say so after each so many events */
        int fresh, resume, idle, hold;
        int refusals; /* 503 with Retry-After is counted and no error; any number of errors is only counted */
} options;

#endif
