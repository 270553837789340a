/* tests/sim/play: the actors and what they know of each other. */
#ifndef TESTS_SIM_PLAY_H
#define TESTS_SIM_PLAY_H

#include "relay/relay.h"
#include "sim/sim.h"

enum : size_t {
        MARKER_BYTES = 12,
        MAIL_BYTES = 40,
        MOST_REQUESTS = 2048,
        MOST_ANSWERS = 8192,
        VENDORS = 3,
        MODELS = 9
};

/* What callers may never lose to a vendor: every address of theirs ends in this. */
#define MAIL_DOMAIN "@post-office.com"

typedef enum ask_kind : uint8_t { ASK_STREAM, ASK_WHOLE, ASK_EMBEDDINGS, ASK_MODELS, ASK_KINDS } ask_kind;

/* One request of a caller; its serial is its place in `play.requests`, its marker spells the serial. */
typedef struct request {
        uint32_t serial, caller;
        ask_kind kind;
        uint16_t pieces; /* of the answer */
        uint16_t project, model;
        bool usage_wanted, calm, has_mail;
        bool resumed;                  /* a vendor was asked to go on where another had stopped */
        bool whole;                    /* the caller got all of it */
        bool refused;                  /* a vendor said that it is the caller's own making */
        uint64_t begun_us, content_us; /* content_us: first content reached the caller; 0: none yet */
        uint32_t received, stale;      /* by vendors, whole; of these on a warm connection that then died unanswered */
} request;

/* One answer of a vendor: its usage names it, so that every count of the ledger can be traced to what caused it. */
typedef struct vendor_answer {
        uint32_t serial;   /* of the request */
        bool stated;       /* all bytes of a statement of usage were written */
        bool finished;     /* all bytes of the answer were written */
        uint32_t reported; /* records that name it */
} vendor_answer;

extern struct play {
        request requests[MOST_REQUESTS];
        vendor_answer answers[MOST_ANSWERS];
        size_t request_count, answer_count;
        unsigned storm;          /* percent of what may go wrong that does; 0: calm */
        bool draining, cut_all;  /* what callers may find */
        uint64_t frozen_us;      /* when the machine last stood still */
        uint64_t short_until_us; /* memory may be refused; what begins before may end without a word */
        uint64_t longest_us;     /* a request may take, and its caller wait */
        uint64_t stream_us;      /* after so long the relay ends it, wherever it stands */
        uint64_t asking_us;      /* its asking may take */
        uint32_t attempts;       /* at most */
        net_listener *relay;
        char keys[8][80];
        unsigned key_count;
        size_t callers_busy; /* that have not finished their script */
} play;

/* Usage of answer i: prompt and completion tokens. */
enum : uint64_t { USAGE_BASE = 1000000 };

/* ---- text.c: what is said ---- */

/* Marker of a serial, NUL-terminated: "mk" and ten letters. */
void text_marker(uint32_t serial, char out[static MARKER_BYTES + 1]);
/* The serial of the marker at `v`'s beginning; UINT32_MAX: none. */
uint32_t text_serial(view v);
void text_mail(uint32_t serial, char out[static MAIL_BYTES]);
/* A growing text of the simulation's. */
typedef struct text {
        uint8_t *bytes;
        size_t len, room;
} text;
void text_add(text *t, view v);
[[gnu::format(printf, 2, 3)]] void text_put(text *t, const char *format, ...);
void text_escaped(text *t, view v);
void text_free(text *t);
static inline view text_view(const text *t) { return (view){t->bytes, t->len}; }
/* The answer to a request, the same from every vendor: with `mail` where it quotes the caller. */
void text_answer(const request *r, view mail, text *out);
/* The JSON string that begins at `at` (behind its quote), unescaped, into out. Returns the offset behind it; 0: broken.
 */
size_t text_string(view json, size_t at, text *out);
/* Where `what` begins in v from `from` on; SIZE_MAX: nowhere. */
size_t text_find(view v, size_t from, const char *what);

/* ---- vendor.c ---- */

void vendors_begin(net_loop *l);
/* Anything a vendor has not answered to its end? */
size_t vendors_busy(void);
/* The credential that belongs to a vendor. */
const char *vendor_secret(size_t vendor);

/* vendor_answer.c: writes down what a vendor will send and when. */
typedef enum vendor_then : uint8_t { THEN_KEEP, THEN_CLOSE, THEN_CUT, THEN_RESET, THEN_SILENCE } vendor_then;
enum : size_t { MOST_PAUSES = 32 };
#define EXTRA_BEGIN "\r\n"
typedef struct vendor_script {
        text bytes;
        size_t stop;             /* so many are sent, then `then` */
        size_t stated_at;        /* offset at which usage has been stated; SIZE_MAX: never */
        size_t event_end;        /* of the last event */
        size_t finished_at;      /* offset at which nothing is missing but what says so */
        size_t extra_at;         /* where what is too much begins, with EXTRA_BEGIN; 0: nothing is */
        size_t body_at, last_at; /* where the body begins; where its last event begins */
        size_t pause_count;
        struct {
                size_t at;
                uint64_t ms;
        } pauses[MOST_PAUSES];
        vendor_then then;
        uint32_t answer;   /* in play.answers */
        uint64_t first_ms; /* before the first byte */
} vendor_script;

typedef struct vendor_question {
        const request *request; /* null: not a question of ours (a health probe) */
        view mail;              /* as the vendor sees it */
        view prefill;           /* what it is to continue; empty: nothing */
        bool stream, usage;
} vendor_question;
void vendor_write(const vendor_question *q, vendor_script *out);

/* ---- caller.c ---- */

void callers_begin(size_t count, uint64_t until_us);
/* Every caller asks once more, well-behaved, and must be served. */
void callers_calm(void);
/* Writes what they are at to the trace. */
void callers_tell(void);
/* They hang up. */
void callers_leave(void);

/* caller_judge.c: what a caller makes of an answer. */
typedef struct heard {
        request *request;
        unsigned status;
        view head, body;
        bool complete; /* framed to its end */
        bool any;      /* at least one byte came */
        bool excused;  /* the caller did not behave: anything but another's bytes and a false end is right */
} heard;
void caller_judge(const heard *h);
/* Notes the moment of the first content. */
bool caller_has_content(const request *r, view body, size_t from);

extern const char *const model_names[MODELS];
/* Of these the last gives vectors, the one before it goes on with cut streams, and one has a single target. */
enum : uint16_t { MODEL_SOLO = 4, MODEL_GOES_ON = MODELS - 2, MODEL_VECTORS = MODELS - 1 };

/* ---- house*.c: the relay and what surrounds it ---- */

void house_begin(void);
void house_drain(uint64_t ms);
bool house_drained(void);
/* After each event. */
void house_look(void);
/* Nothing is left of any exchange. */
bool house_quiet(void);
/* Drained in quiet: no vendor is held any more. */
void house_no_vendors(void);
/* At the end, when it is drained and all pools have run out. */
void house_settle(void);
/* The operator, the keeper and their faults, until then. */
void house_trouble(uint64_t until_us);
void house_calm(void);

#endif
