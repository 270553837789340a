/* base/board: numbers that all roles share: a memfd of fixed layout. Relays write their own column, the supervisor
 * writes the states, admin maps it read-only. Nothing in it is text but configured key ids' hashes. */
#ifndef BASE_BOARD_H
#define BASE_BOARD_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/limit.h"

/*      name                  text for /metrics */
#define COUNTERS(ROW)                                                                                    \
        ROW(connections,        "client connections accepted")                                           \
        ROW(handshakes,         "TLS handshakes completed with clients")                                 \
        ROW(handshakes_resumed, "of these, resumed by ticket")                                           \
        ROW(handshakes_failed,  "TLS handshakes that failed or timed out")                               \
        ROW(exchanges,          "exchanges admitted")                                                    \
        ROW(exchanges_ended,    "exchanges ended")                                                       \
        ROW(exchanges_whole,    "exchanges that ended whole")                                            \
        ROW(refused_overload,   "requests refused with 503 by admission control")                        \
        ROW(refused_key_busy,   "requests refused with 429: too many of one key")                        \
        ROW(refused_auth,       "requests refused with 401")                                             \
        ROW(refused_policy,     "requests refused by policy")                                            \
        ROW(refused_input,      "requests refused as malformed")                                         \
        ROW(redactions,         "values replaced before leaving")                                        \
        ROW(restored,           "placeholders put back into answers")                                    \
        ROW(attempts,           "attempts at upstreams")                                                 \
        ROW(attempts_failed,    "attempts that failed")                                                  \
        ROW(failovers,          "exchanges that went on to another target")                              \
        ROW(upstream_connects,  "connections opened to upstreams")                                       \
        ROW(upstream_reused,    "attempts that used a warm connection")                                  \
        ROW(stream_events,      "stream events relayed")                                                 \
        ROW(client_aborts,      "exchanges the caller left")                                             \
        ROW(bytes_in,           "body bytes received from callers")                                      \
        ROW(bytes_out,          "body bytes sent to callers")                                            \
        ROW(retries,            "attempts made again after one that failed")                             \
        ROW(retries_refused,    "attempts not made again: the upstream's retry budget was spent")        \
        ROW(hedges,             "second copies sent because the first was slow")                         \
        ROW(hedges_won,         "second copies that answered first")                                     \
        ROW(continuations,      "cut streams that went on at another target")                            \
        ROW(events_skipped,     "stream events that were no JSON and were left out")                     \
        ROW(downgrades,         "exchanges answered by a lesser model with the caller's consent")        \
        ROW(larger,             "exchanges that went on to a target with a larger context")              \
        ROW(breakers_opened,    "breakers that opened")                                                  \
        ROW(breaker_probes,     "requests let through an open breaker to try it")                        \
        ROW(health_probes,      "questions to upstreams that cost no tokens")                            \
        ROW(keys_parked,        "vendor keys parked for their rate limit")                               \
        ROW(keys_disabled,      "vendor keys set aside because the vendor refused them")                 \
        ROW(waited,             "exchanges that waited for a parked vendor key")                         \
        ROW(queued,             "requests that waited for admission")                                    \
        ROW(shed_queue,         "requests shed because the queue stood")                                 \
        ROW(shed_priority,      "requests of low priority shed under pressure")                          \
        ROW(shed_pressure,      "requests refused under pressure")                                       \
        ROW(shed_streams,       "running streams ended to save the rest")                                \
        ROW(sources_refused,    "connections of penalised or crowding sources refused before TLS")       \
        ROW(tunnels,            "connections opened through a proxy")

/*      name                  text; a gauge: its column value is the present one */
#define GAUGES(ROW)                                       \
        ROW(connections_now,    "client connections open")  \
        ROW(exchanges_now,      "exchanges running")        \
        ROW(body_bytes_now,     "body bytes held")          \
        ROW(queue_now,          "requests waiting for admission") \
        ROW(memory_now,         "bytes in the memory ledger, all classes") \
        ROW(pressure_now,       "rung of the overload ladder, 0 to 4") \
        ROW(lag_us,             "delay of the loop's clock, worst of the last second")

typedef enum counter_id : uint8_t {
#define ROW(name, text) COUNTER_##name,
        COUNTERS(ROW) GAUGES(ROW)
#undef ROW
        COUNTER_COUNT
} counter_id;

/* Every slot of running exchanges of a client key, claimed by the hash of its id and never given back. */
constexpr uint32_t BOARD_KEYS = 2048;

/* What is known of one vendor key, upstream or model at a vendor: shared by all relays, found by the hash of its kind
 * and names, so that it survives reloads. What it holds is route/health.h's business; base only keeps it. */
constexpr uint32_t BOARD_CELLS = 1024;
constexpr size_t   BOARD_CELL_BYTES = 1024;

typedef struct board_cell {
        _Atomic uint64_t id;   /* 0: free; never freed */
        _Atomic uint32_t lock; /* column + 1 of the process that is changing it; 0: nobody */
        uint32_t         reserved;
        alignas(8) uint8_t bytes[BOARD_CELL_BYTES];
} board_cell;

/* Exchanges by how they ended: chat/ending.h numbers them. */
constexpr uint32_t BOARD_ENDINGS = 16;

typedef struct board_column {
        _Atomic uint32_t in_use;     /* pid of the relay; 0: free */
        _Atomic uint32_t generation;
        _Atomic uint64_t counters[COUNTER_COUNT];
        _Atomic uint64_t endings[BOARD_ENDINGS];
        _Atomic uint16_t running[BOARD_KEYS]; /* exchanges of a key in this process */
        _Atomic uint16_t in_flight[BOARD_CELLS]; /* attempts of this process at what a cell stands for */
} board_column;

/* Adds to a number of one's own column: it has one writer, so that no other's addition can be lost. */
static inline void board_add(_Atomic uint64_t *number, uint64_t by)
{
        atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + by, memory_order_relaxed);
}

/* BLANK: the state holds no vault yet. */
typedef enum keeper_state : uint32_t { KEEPER_DOWN, KEEPER_SEALED, KEEPER_OPEN, KEEPER_BLANK } keeper_state;

typedef struct board {
        uint32_t         magic, layout;
        _Atomic uint32_t keeper;     /* keeper_state: supervisor writes DOWN, keeper writes the others */
        _Atomic uint32_t generation; /* the one that serves */
        _Atomic uint32_t draining;   /* 1: the whole box is going down */
        _Atomic uint32_t roles_up;   /* bit per role_id */
        _Atomic uint64_t restarts;   /* of all roles since start */
        _Atomic uint32_t exports_fill; /* percent of their place that unacknowledged exports take; of the keeper */
        uint32_t         reserved;
        _Atomic uint64_t key_ids[BOARD_KEYS]; /* 0: free */
        _Atomic uint64_t retired[COUNTER_COUNT]; /* counters of columns that were freed */
        _Atomic uint64_t retired_endings[BOARD_ENDINGS];
        board_cell       cells[BOARD_CELLS];
        board_column     columns[LIMIT_COLUMNS];
} board;

/* Formats fresh, zeroed memory. */
void board_format(board *b);
/* False when the memory is of another layout. */
bool board_valid(const board *b);

/* The slot of a client key's id hash (never 0); -1 when the table is full. */
int board_key_slot(board *b, uint64_t id_hash);
/* Exchanges of that key in all processes. */
uint32_t board_running(const board *b, int slot);

/* The cell with this id (not 0), claimed when it is new; -1 when the table is full. */
int board_cell_of(board *b, uint64_t id);
/* The same without claiming, for readers: -1 when there is none. */
int board_cell_find(const board *b, uint64_t id);
/* Takes the cell for a change. False after some thousand tries: another process died or stands in there; its change is
 * not waited for, the caller's is lost. board_retire frees what a dead process held. */
bool board_cell_lock(board *b, int cell, const board_column *mine);
void board_cell_unlock(board *b, int cell);
/* Attempts in flight at that cell in all processes. */
uint32_t board_in_flight(const board *b, int cell);

/* Sum over retired and live columns. */
uint64_t board_sum(const board *b, counter_id c);
uint64_t board_endings(const board *b, uint32_t ending);
/* A dead process's column: counters are added to retired, gauges and running fall away. */
void board_retire(board *b, uint32_t column);

const char *counter_name(counter_id c);
const char *counter_text(counter_id c);
bool        counter_is_gauge(counter_id c);

#endif
