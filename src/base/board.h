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
        ROW(bytes_out,          "body bytes sent to callers")

/*      name                  text; a gauge: its column value is the present one */
#define GAUGES(ROW)                                       \
        ROW(connections_now,    "client connections open")  \
        ROW(exchanges_now,      "exchanges running")        \
        ROW(body_bytes_now,     "body bytes held")

typedef enum counter_id : uint8_t {
#define ROW(name, text) COUNTER_##name,
        COUNTERS(ROW) GAUGES(ROW)
#undef ROW
        COUNTER_COUNT
} counter_id;

/* Every slot of running exchanges of a client key, claimed by the hash of its id and never given back. */
constexpr uint32_t BOARD_KEYS = 2048;

typedef struct board_column {
        _Atomic uint32_t in_use;     /* pid of the relay; 0: free */
        _Atomic uint32_t generation;
        _Atomic uint64_t counters[COUNTER_COUNT];
        _Atomic uint16_t running[BOARD_KEYS]; /* exchanges of a key in this process */
} board_column;

typedef enum keeper_state : uint32_t { KEEPER_DOWN, KEEPER_SEALED, KEEPER_OPEN } keeper_state;

typedef struct board {
        uint32_t         magic, layout;
        _Atomic uint32_t keeper;     /* keeper_state: supervisor writes DOWN, keeper writes the others */
        _Atomic uint32_t generation; /* the one that serves */
        _Atomic uint32_t draining;   /* 1: the whole box is going down */
        _Atomic uint32_t roles_up;   /* bit per role_id */
        _Atomic uint64_t restarts;   /* of all roles since start */
        _Atomic uint64_t key_ids[BOARD_KEYS]; /* 0: free */
        _Atomic uint64_t retired[COUNTER_COUNT]; /* counters of columns that were freed */
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

/* Sum over retired and live columns. */
uint64_t board_sum(const board *b, counter_id c);
/* A dead process's column: counters are added to retired, gauges and running fall away. */
void board_retire(board *b, uint32_t column);

const char *counter_name(counter_id c);
const char *counter_text(counter_id c);
bool        counter_is_gauge(counter_id c);

#endif
