#include "chance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS_MAX = 600000 };

static uint64_t seeded = 1;

void chance_seed(uint64_t seed) { seeded = seed; }

/* splitmix64 */
static uint64_t next(chance *c)
{
        uint64_t z = c->state += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
}

chance chance_begin(uint64_t number)
{
        chance c = {seeded};
        c.state = next(&c) ^ number * 0xd1342543de82ef95u;
        return c;
}

uint64_t chance_below(chance *c, uint64_t bound) { return next(c) % bound; }

bool chance_hit(chance *c, uint64_t permille) { return chance_below(c, 1000) < permille; }

/* Above 0, at most 1. */
static double fraction(chance *c) { return ((double)(next(c) >> 11) + 1) / 9007199254740992.0; }

bool chance_lognormal(chance *c, slice said, uint64_t *ms)
{
        char copy[64], *end;
        if (said.len == 0 || said.len >= sizeof copy)
                return false;
        memcpy(copy, said.at, said.len);
        copy[said.len] = 0;
        double median = strtod(copy, &end);
        if (*end != ':' || median <= 0)
                return false;
        double sigma = strtod(end + 1, &end);
        if (*end != 0 || sigma < 0)
                return false;
        double normal = sqrt(-2 * log(fraction(c))) * cos(2 * 3.14159265358979323846 * fraction(c));
        double drawn = median * exp(sigma * normal);
        *ms = drawn > WAIT_MS_MAX ? WAIT_MS_MAX : (uint64_t)(drawn + 0.5);
        return true;
}
