/* exchange: one request of a caller and the answer it gets: what was asked, what is said, how far it went.
 *
 * Tokens are counted by a formula anyone can repeat:
 *   prompt_tokens      bytes of the text of all messages (or embedding inputs) / 4, rounded up, at least 1
 *   completion_tokens  bytes of the answer's text and tool arguments / 4, rounded up, plus reasoning
 * unless the model name says otherwise (fault.def). */
#ifndef VENDOR_EXCHANGE_H
#define VENDOR_EXCHANGE_H

#include "fault.h"
#include "http.h"
#include "json.h"

enum { MODEL_BYTES = 256, CALLS_MAX = 2 };

typedef enum kind { KIND_OTHER, KIND_CHAT, KIND_STREAM, KIND_EMBEDDINGS } kind;

typedef enum phase {
        PHASE_HEAD,
        PHASE_ROLE,
        PHASE_CONTENT,
        PHASE_FINISH,
        PHASE_USAGE,
        PHASE_DONE,
        PHASE_LAST,
        PHASE_BYTES,
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
        bool include_usage;
        usage usage;

        text reply;      /* the text to say; a plain answer's body; a file's bytes */
        size_t reply_at; /* bytes of it that are out */
        text prefix;     /* what every chunk starts with */
        int call_count;
        tool_call calls[CALLS_MAX];

        uint64_t events; /* events (stream) written */
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

/* An error in the vendor's shape as the whole answer; param and code may be null. */
void exchange_error(exchange *x, int status, slice message, const char *code, const char *param);
uint64_t tokens_of(uint64_t bytes);

/* chat.c: a body of POST /v1/chat/completions, parsed into v->doc. */
void chat_begin(exchange *x, vendor *v);

/* Turns the text of a plain answer into its whole body, once its usage is settled. */
void chat_body(exchange *x, vendor *v);
void usage_write(const exchange *x, text *out);

/* embeddings.c: a body of POST /v1/embeddings. */
void embeddings_begin(exchange *x, vendor *v);
void embeddings_body(exchange *x, vendor *v);

/* stream.c: one event or chunk. */
void stream_head(exchange *x, text *out);
step stream_step(exchange *x, text *out, uint64_t now_ms);

#endif
