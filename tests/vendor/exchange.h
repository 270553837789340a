/* exchange: one request of a caller and the answer it gets: what was asked, what is said, how far it went.
 *
 * Tokens are counted by a formula anyone can repeat:
 *   prompt_tokens      bytes of the text of all messages (or embedding inputs) / 4, rounded up, at least 1
 *   completion_tokens  bytes of the answer's text and tool arguments / 4, rounded up, plus reasoning
 * unless the model name says otherwise (fault.def). */
#ifndef VENDOR_EXCHANGE_H
#define VENDOR_EXCHANGE_H

#include "chance.h"
#include "fault.h"
#include "http.h"
#include "json.h"

enum { MODEL_BYTES = 256, CALLS_MAX = 2 };

struct z_stream_s;

typedef enum kind { KIND_OTHER, KIND_CHAT, KIND_STREAM, KIND_EMBEDDINGS } kind;

typedef enum phase {
        PHASE_HEAD,
        PHASE_ROLE,
        PHASE_CONTENT,
        PHASE_FINISH,
        PHASE_WAIT, /* for usage that comes late */
        PHASE_USAGE,
        PHASE_DONE,
        PHASE_LAST,
        PHASE_BYTES,    /* of a file */
        PHASE_FILL,     /* of an error body that hardly ends */
        PHASE_COMMENTS, /* and nothing else */
        PHASE_CUT,      /* close, once the wait is over */
        PHASE_END
} phase;

/* What the connection does after a step. */
typedef enum step {
        STEP_MORE,   /* call again, not before `due` */
        STEP_END,    /* the answer is whole */
        STEP_CLOSE,  /* close after what was written */
        STEP_RESET,  /* the same, by RST */
        STEP_SILENT, /* nothing more, connection open */
} step;

typedef struct usage {
        uint64_t prompt, completion, reasoning, cached, cache_write;
} usage;

typedef struct tool_call {
        text name, arguments;
        bool opened; /* its first delta is out */
        size_t sent; /* bytes of arguments that are out */
} tool_call;

typedef struct exchange {
        kind kind;
        phase phase;
        fault fault;
        char model[MODEL_BYTES];
        size_t model_len;
        uint64_t number;
        int status;
        size_t key;          /* which of the accepted keys it came with, from 1; 0: any is */
        size_t prefilled;    /* bytes of the answer that the caller had already */
        const char *kind_of_body; /* Content-Type of a plain answer */
        bool refused;        /* the body is an error, whatever the status */
        bool include_usage;
        usage usage;
        chance chance;
        text asked; /* words of the table's rows */

        text reply;      /* the text to say; a plain answer's body; a file's bytes */
        size_t reply_at; /* bytes of it that are out */
        text prefix;     /* what every chunk starts with */
        int call_count;
        tool_call calls[CALLS_MAX];

        uint64_t events; /* events (stream) written */
        uint64_t filled; /* bytes of what hardly ends */
        text held;       /* of a stream that goes out in pieces or compressed */
        size_t held_at;
        step held_step;
        bool held_usage, unframed;
        struct z_stream_s *zip;
        uint64_t due;    /* ms; the next step is not earlier */
        bool usage_out;  /* usage was written whole */
        bool whole;      /* the terminator, or the body's last byte, was written */
        bool graceful;   /* STEP_CLOSE ends TLS properly */
        bool rst;        /* STEP_CLOSE of a drop asks for RST */
        bool keep_alive;
} exchange;

/* What begins an exchange besides the request itself. */
typedef struct vendor {
        text keys; /* accepted keys, one per line; empty: any */
        const char *fixtures, *raws;
        bool show;
        int ledger_fd, record_fd; /* -1: none */
        json_doc doc;
        text scratch, words;
} vendor;

void exchange_begin(exchange *x, const http_request *req, vendor *v);

/* Appends what comes next to `out`. */
step exchange_step(exchange *x, text *out, uint64_t now_ms);

/* Keeps the memory for the next exchange of the connection. */
void exchange_clear(exchange *x);
void exchange_free(exchange *x);

uint64_t tokens_of(uint64_t bytes);

/* refusal.c: an error as the whole answer, in OpenAI's form; param and code may be null. */
void exchange_error(exchange *x, int status, slice message, const char *code, const char *param);

/* The status that was asked for, in the form of the vendor that was asked for. */
void refusal_begin(exchange *x, const http_request *req, vendor *v);

/* A part of an error body that hardly ends. */
step refusal_fill(exchange *x, text *out);

/* An error event's data. */
void refusal_event(const exchange *x, text *out);

/* head.c: the status line and all fields but those of framing; without the empty line. */
void head_write(const exchange *x, text *out);

/* chat.c: a body of POST /v1/chat/completions, parsed into v->doc. */
void chat_begin(exchange *x, vendor *v);

/* Turns the text of a plain answer into its whole body, once its usage is settled. */
void chat_body(exchange *x, vendor *v);
void usage_write(const exchange *x, text *out);

/* The same with so many completion tokens. */
void usage_partial(const exchange *x, text *out, uint64_t completion);

/* embeddings.c: a body of POST /v1/embeddings. */
void embeddings_begin(exchange *x, vendor *v);
void embeddings_body(exchange *x, vendor *v);

/* stream.c: one event or chunk. */
step stream_step(exchange *x, text *out, uint64_t now_ms);

/* One HTTP chunk, and one event in it. */
size_t stream_chunk_open(const exchange *x, text *out);
void stream_chunk_close(const exchange *x, text *out, size_t start);
size_t stream_event_open(const exchange *x, text *out);
void stream_event_close(const exchange *x, text *out, size_t start);

/* odd.c: the text that an odd stream has in place of an answer's. STEP_END: now as usual. */
step odd_content(exchange *x, text *out);

/* An event that is no JSON. */
void odd_garble(const exchange *x, text *out);

/* What comes behind [DONE]. */
void odd_after_done(const exchange *x, text *out);

/* A stream in pieces, or compressed. */
step odd_pieces(exchange *x, text *out, uint64_t now_ms);

/* `from` compressed, as the whole of `to`. */
void odd_gzip(text *to, slice from);
void odd_free(exchange *x);

#endif
