#include "sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

sim_trace *trace;
bool sim_verbose;
uint64_t sim_until = UINT64_MAX;

/* ---- randomness: xoshiro256**, filled by splitmix64. src  D. Blackman, S. Vigna, prng.di.unimi.it ---- */

static uint64_t state[4];

static uint64_t splitmix(uint64_t *x)
{
        uint64_t z = *x += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
}

void sim_seed(uint64_t seed)
{
        for (int i = 0; i < 4; i++)
                state[i] = splitmix(&seed);
}

static uint64_t rotated(uint64_t x, int k) { return x << k | x >> (64 - k); }

uint64_t sim_random(void)
{
        uint64_t out = rotated(state[1] * 5, 7) * 9, t = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= t;
        state[3] = rotated(state[3], 45);
        return out;
}

uint64_t sim_below(uint64_t n) { return n == 0 ? 0 : sim_random() % n; }

uint64_t sim_between(uint64_t least, uint64_t most) { return least + sim_below(most - least + 1); }

bool sim_chance(unsigned percent) { return sim_below(100) < percent; }

/* ---- the trace ---- */

static void put_line(const char *format, va_list args)
{
        char *line = trace->line[trace->lines++ % TRACE_LINES];
        int n = snprintf(line, TRACE_BYTES, "%8llu %13.6f ", (unsigned long long)trace->step,
                         (double)trace->now_us / 1e6);
        vsnprintf(line + n, TRACE_BYTES - (size_t)n, format, args);
        if (sim_verbose)
                fprintf(stderr, "%s\n", line);
}

void sim_say(const char *format, ...)
{
        va_list args;
        va_start(args, format);
        put_line(format, args);
        va_end(args);
}

void sim_fail(const char *format, ...)
{
        va_list args;
        va_start(args, format);
        if (trace->failure[0] == '\0')
                vsnprintf(trace->failure, sizeof trace->failure, format, args);
        va_end(args);
        _exit(1);
}
