/* route/codel: does a queue stand, or does it only take up bursts? Pure: the clock is an argument.
 * src  K. Nichols, V. Jacobson, "Controlled delay" (RFC 8289); B. Maurer, "Fail at Scale": newest first and short waits
 *      while a queue stands
 *
 * What is looked at is the wait of the oldest: when it was above the target through a whole window, the queue has not
 * been short once in it, and whoever joins waits for nothing that he would not get without a queue. Then those who came
 * last are served, because the others' callers are nearest to giving up, and who has waited twice the target is
 * refused. The target fits answers that take seconds. */
#ifndef ROUTE_CODEL_H
#define ROUTE_CODEL_H

#include <stdint.h>

constexpr uint64_t CODEL_TARGET_MS = 50;
constexpr uint64_t CODEL_WINDOW_MS = 1000;

/* All zero: nobody has waited. */
typedef struct codel {
        uint64_t until_ms; /* end of the window */
        uint64_t least_ms; /* in it */
        bool stands;
} codel;

/* The oldest has been waiting for so long; 0: nobody waits. To be told when the queue changes and from time to time. */
void codel_note(codel *c, uint64_t oldest_ms, uint64_t now_ms);

/* Is to be refused after such a wait? */
bool codel_sheds(const codel *c, uint64_t waited_ms);

#endif
