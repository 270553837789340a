/* relay/exchange: one request and its answer, all attempts: one arena, one ending.
 *
 *      HEAD ──► BODY ──► DECIDE ──► SEND ◄──► (next target) ──► RELAY ──► ENDED
 *        └────────┴─────────┴─────────┴──────────────┴────────────┘  every way out goes through exchange_end
 *
 * Files: client.c feeds it bytes; admit.c decides who may; decide.c walks the body with policy; forward.c makes
 * attempts, choose.c says where, race.c makes second copies; stream.c and answer.c bring the answer back, resume.c
 * goes on with one that was cut; reply.c speaks for ourselves; account.c tells the keeper. */
#ifndef RELAY_EXCHANGE_H
#define RELAY_EXCHANGE_H

#include "base/arena.h"
#include "base/secret.h"
#include "codec/edit.h"
#include "codec/http1.h"
#include "codec/json_scan.h"
#include "codec/sse.h"
#include "dialect/openai_answer.h"
#include "dialect/openai_error.h"
#include "dialect/openai_event.h"
#include "dialect/openai_request.h"
#include "policy/redact.h"
#include "policy/restore.h"
#include "relay/choose.h"
#include "relay/grave.h"
#include "relay/probe.h"
#include "relay/relay.h"
#include "relay/upstream.h"
#include "route/codel.h"
#include "route/pressure.h"

typedef struct exchange exchange;
typedef struct client   client;

/* Requests that wait for admission, at their heads; one list for each priority, in the order of arrival. */
typedef struct queue {
        exchange *first[PRIORITY_HIGH + 1], *last[PRIORITY_HIGH + 1];
        size_t    count;
        codel     codel;
        net_timer tick; /* while somebody waits */
        net_task  turn; /* there may be room */
} queue;

struct relay {
        relay_setup   setup;
        graveyard     graves;
        upstreams    *upstreams;
        probes       *probes;  /* null: none, or draining */
        net_listener *listener;
        client       *clients; /* all connections, doubly linked */
        net_timer     housekeeping; /* ticket keys, drain */
        net_timer     wake;         /* tells the keeper of new records */
        queue         queue;
        pressure      pressure;
        net_timer     pulse;        /* measures lag, memory and sockets */
        uint64_t      lags_us[10];  /* of the last pulses, newest first */
        uint64_t      shrunk_ms;    /* when idle connections were last looked at */
        uint64_t      own_bytes;    /* of the process before its first caller */
        uint64_t      drain_until_ms;
        size_t        exchanges;   /* admitted and not ended */
        uint64_t      body_bytes;  /* of requests and whole answers, held by exchanges */
        uint64_t      overload_said_ms;
        uint64_t      lease_version; /* when vendor keys were last looked at for change */
        uint64_t      lag_us;      /* how late the loop's clock was at worst in the last second */
        size_t        client_count;
        bool          draining;
        bool          sticky;      /* some alias looks at how prompts begin */
        arena_stock   chunks;      /* first chunks of exchanges */
        secret_stock  draws;
        uint64_t      key_numbers[LIMIT_KEYS], project_numbers[LIMIT_PROJECTS]; /* relay_number */
        uint32_t      left;        /* connections ended since memory was last given back to the system */
};

typedef enum client_wait : uint8_t { WAIT_NOTHING, WAIT_IDLE, WAIT_HEAD, WAIT_BODY, WAIT_WRITE } client_wait;

/* One caller's connection. */
struct client {
        grave       grave;
        relay      *relay;
        net_conn   *conn; /* null once it is gone */
        client     *newer, *older;
        exchange   *exchange; /* null between requests */
        http1       parser;
        http1_setup setup;
        region      held;     /* pipelined bytes that came before their turn */
        net_task    resume;   /* feeds `held` in a turn of its own */
        net_timer   timer;
        client_wait wait;
        uint64_t    taken;    /* net_taken when WAIT_WRITE was last looked at */
        bool        opened;
};

typedef enum exchange_state : uint8_t {
        EXCHANGE_HEAD,
        EXCHANGE_BODY,
        EXCHANGE_DECIDE,
        EXCHANGE_SEND,
        EXCHANGE_RELAY,
        EXCHANGE_ENDED
} exchange_state;

typedef enum route_kind : uint8_t { ROUTE_NONE, ROUTE_CHAT, ROUTE_EMBEDDINGS, ROUTE_MODELS, ROUTE_MODEL } route_kind;

/* One attempt and what its answer has come to so far. Two run at once while a second copy races the first. */
typedef struct run {
        exchange     *x;
        attempt      *attempt; /* null: over */
        choice        choice;
        uint64_t      begun_us, content_us; /* started; first content came; 0: not yet */
        edit_cursor   cursor;
        view          piece;   /* what is left of the piece being sent */
        bool          sent;    /* the whole request is on its way */
        bool          second;  /* a copy */
        bool          skipped; /* an event that was none has been left out */
        net_timer     quiet;   /* comments_ms without an event */
        bool          have_head;
        attempt_head  head;
        region        answer;  /* the vendor's, when it is not a stream */
        region        out;     /* what goes to the caller next */
        arena         turn;    /* of one stream event, given back after it */
        sse           sse;
        openai_stream stream;
        openai_answer whole;
        attempt_facts facts;   /* of an attempt that is over and not yet accounted */
} run;

/* What an exchange has tried, for the next choice. */
typedef struct tries {
        uint32_t    attempts; /* made so far, second copies and continuations included */
        uint32_t    count;
        struct {
                uint8_t target, credential;
        } ways[LIMIT_ATTEMPTS];
        uint8_t     upstreams[LIMIT_UPSTREAMS];
        fault_class fault;    /* of the last one */
        uint32_t    context_over;
} tries;

struct exchange {
        grave          grave;
        relay         *relay;
        client        *client; /* null: the caller left while the answer was unsettled */
        exchange_state state;
        arena          arena;
        region         body;   /* the request's */
        region         out;    /* our own words to the caller */

        /* who and what */
        route_kind route;
        err_code   refused; /* decided at the head; answered when the body has passed by */
        bool       admitted, close_after;
        bool       queued;    /* waits for admission: its body is not read before */
        exchange  *queue_before, *queue_behind;
        uint64_t   queue_from_ms, queue_until_ms;
        bool       committed_head, committed; /* head sent; an event or answer reached the caller */
        int        key;      /* index in the catalog; -1 before */
        int        key_slot; /* of the board; -1: not counted */
        int        model;    /* index in the catalog; -1 */
        uint64_t   reserved_bytes; /* of relay.body_bytes */
        uint32_t   reserved_records;
        char       id[33];   /* x-request-id */
        bool       downgrade, hedge; /* the caller consents to a lesser model; pays for second copies */
        uint64_t   caller_ms; /* the caller gives up after so long; 0: it did not say */

        /* when, microseconds of the monotonic clock; 0: not yet */
        uint64_t begun_us, complete_us, decided_us, first_us;
        uint32_t dial_us;
        net_timer deadline; /* stream_ms */
        net_timer hold;     /* ping_ms of a role-only chunk, then heartbeats */
        net_timer next;     /* waits for a parked key or a pause to be over, then tries again */
        net_timer tail;     /* finished: what else the vendor may say */
        net_timer late;     /* no content yet: a second copy, or another target */

        /* deciding */
        net_task       work; /* goes on with decide or answer in the next turn */
        openai_request request;
        json_scan     *scan;
        redactor      *redactor;
        bool           in_string;
        edits          edits;
        redact_table   table;
        restoring      restoring;
        uint8_t        pseudonym_key[32];
        uint32_t       redacted;
        uint32_t       chars;  /* of text that may hold a prompt */
        uint64_t       sticky; /* hash of its beginning; 0: none */

        /* attempting */
        tries    tries;
        run      runs[2];
        run     *run;    /* the one that is answering, or the first of two; null: none is under way */
        run     *copy;   /* the second of two */
        int      target; /* of the last attempt started; -1 */
        uint64_t waited_ms; /* for parked keys and pauses, so far */
        bool     stale_retried, fresh, waiting, hedged;
        uint32_t retry_after_s;

        /* answering */
        bool     streaming;
        bool     unsettled; /* the vendor's whole answer is here, its attempt not yet accounted */
        view     piece;     /* what is left of a whole body on its way to the caller */
        uint32_t restored;
        ending   ending;

        /* going on with a cut stream */
        region   said;      /* text delivered so far, as the vendor escaped it; kept only where the alias allows it */
        openai_stream cut;  /* as it was when it was cut */
        uint64_t said_tokens; /* an estimate */
        bool     resumed;   /* this answer is the continuation of another attempt's */
};

/* ---- client.c ---- */
client *client_new(relay *r, net_conn *conn);
extern const net_user client_user;
/* The exchange has been answered (close: end the connection after it). */
void client_answered(client *c, bool close);
/* A queued exchange's time has come: it is admitted, or refused for the reason it carries. */
void client_judged(client *c);
/* Sets the connection's one deadline by what it waits for. */
void client_wait_for(client *c, client_wait wait);
/* Cuts the connection. */
void client_cut(client *c);

/* ---- relay.c ---- */
/* A connection has ended. */
void relay_left(relay *r);

/* secret_key_number of a name of the catalog, kept where `kept` points; 0 there: not asked yet. */
uint64_t relay_number(uint64_t *kept, const char *name);

/* ---- exchange.c ---- */
/* Begins the stock that exchanges take their first memory from. */
void exchange_stock(relay *r);
exchange *exchange_new(client *c);
/* The one ending: accounts, cancels, wipes, frees. The caller's connection is told by client_answered before. */
void exchange_end(exchange *x, ending why);
/* The caller has left: ends it, at once or when the vendor's answer that is already here has been accounted. */
void exchange_abandon(exchange *x);
/* We end it, wherever it stands: `code` is said where something can still be said. */
void exchange_stop(exchange *x, ending why, err_code code);

/* ---- admit.c ---- */
/* Looks at the head: route, key, limits. Sets x->refused, admits, or lets it wait (x->queued). */
void admit_head(exchange *x);
/* Is there room for one more exchange? */
bool admit_room(const relay *r);
/* Takes a place for one that has waited, or sets x->refused. */
void admit_queued(exchange *x);
/* Room for so many more bytes of body or whole answer, and for what the exchange has come to hold besides? Counts it.
 */
bool admit_bytes(exchange *x, uint64_t bytes);
void admit_release(exchange *x);

/* ---- queue.c: requests that wait for admission ---- */
void queue_begin(relay *r);
/* False: it is full, or the caller would not wait. */
bool queue_join(exchange *x);
void queue_leave(exchange *x);
/* There may be room. */
void queue_wake(relay *r);

/* ---- pressure.c: the overload ladder's eyes and hands ---- */
void pressure_begin(relay *r);
/* Starts to measure. */
void pressure_start(relay *r);
/* Ends one that holds too much: says so, or cuts it where words would come too late. */
void pressure_shed(exchange *x);
/* What an admitted exchange may hold before it is counted singly (admit_bytes). */
enum : size_t { EXCHANGE_BYTES = 96 * 1024 };
/* How late the loop is or was in the last second, microseconds. */
uint64_t pressure_lag_us(const relay *r);
/* Bytes of the ledger, all classes. */
uint64_t pressure_memory(const relay *r);

/* ---- decide.c ---- */
/* The body is complete: walks it with policy, then goes on to forward_first or reply_error. */
void decide_begin(exchange *x);

/* ---- forward.c ---- */
void forward_first(exchange *x);
/* Chooses and starts an attempt; waits for one that will be free soon; or tells the caller why there is none. */
void forward_next(exchange *x, fault_where where);
/* Starts the chosen attempt as `r`. False: no memory. */
bool forward_start(exchange *x, run *r, const choice *to);
/* The run is over by a fault; it has been accounted. Goes on elsewhere or tells the caller. */
void forward_failed(run *r, fault_class fault, view vendor_body);
/* Cancels the run's attempt and accounts it. */
void forward_drop(run *r, fault_class fault);
/* Ends every run under way, accounted with `fault`. */
void forward_drop_all(exchange *x, fault_class fault);
/* Gives back what the run holds; it may be started again. */
void run_end(run *r);
extern const attempt_user forward_user;

/* ---- race.c ---- */
/* The request is on its way: sets the clock for a second copy or for the alias's first-token limit. */
void race_watch(exchange *x);
/* The run has content, or a whole answer: the other one, if any, has lost. */
void race_won(run *r);
/* The run failed while another still runs: true, and that one goes on alone. */
bool race_goes_on(run *r);

/* ---- stream.c ---- */
void stream_begin(run *r);
void stream_data(run *r, view bytes);
/* The vendor's body ended: whole, or by `fault`. */
void stream_done(run *r, bool whole, fault_class fault, const attempt_facts *f);
/* After the commit point or the head: the error event instead of the terminator. */
void stream_fail(exchange *x, err_code code, view detail);

/* ---- resume.c ---- */
/* An event's text has reached the caller: kept for another vendor, while it can be. */
void resume_note(run *r, view text);
/* The stream was cut after the commit point. May it go on elsewhere? */
bool resume_prepare(run *r);
/* What may heal this fault. */
fault_where resume_where(const exchange *x, fault_class fault);
/* Puts the text so far into the request, as this target wants it. False: no memory. */
bool resume_bind(exchange *x, const catalog_target *t);

/* ---- answer.c ---- */
/* A whole answer has arrived: puts values back, takes its usage, sends it. */
void answer_begin(run *r, const attempt_facts *f);

/* ---- reply.c ---- */
/* Our own error in the caller's dialect; `detail` from closed vocabulary. Ends the exchange. */
void reply_error(exchange *x, err_code code, view detail);
/* A vendor's error that is the caller's making. Ends the exchange. */
void reply_vendor_error(exchange *x, uint16_t status, err_code fallback, view vendor_body);
/* The head of an answer with a body of `length` bytes, or chunked when UINT64_MAX. */
void reply_head(exchange *x, uint16_t status, view type, uint64_t length, emit *out);
/* Sends a whole body and ends the exchange. */
void reply_whole(exchange *x, uint16_t status, view body, ending why);
/* The caller has taken some: the rest of a whole body goes on. */
void reply_continue(exchange *x);

/* ---- models.c ---- */
void reply_models(exchange *x);
/* The prebuilt refusals: for when nothing is left. `spread`: any number, so that not all come back at once. */
const char *reply_overloaded(bool close, uint64_t spread);

/* ---- vendor_message.c ---- */
/* A vendor's sentence on its way to the caller: values put back, key shapes taken out. */
void vendor_message_pass(exchange *x, openai_error *e);

/* ---- account.c ---- */
/* Once for each run: tells the keeper what it cost and the board how it went. */
void account_attempt(run *r, fault_class fault, bool whole, const attempt_facts *f);
/* A warm connection was dead: nothing was lost, the same way is taken again and not yet reported. */
void account_stale(run *r, const attempt_facts *f);
void account_exchange(exchange *x, ending why);
/* Tells the keeper that there are records. */
void account_wake(void *ctx);
void count(relay *r, counter_id c, uint64_t n);
void gauge(relay *r, counter_id c, uint64_t now);

#endif
