#include "base/registers.h"

#include <string.h>

#include "support/tap.h"

static const char SUBJECT[] = "registers";

#if defined(__x86_64__)

enum { XMM = 16, YMM = 32 };

/* Three of the sixteen, of both halves where there are two: what a copy of memory leaves. */
static void leave_words(const unsigned char words[static YMM])
{
        if (__builtin_cpu_supports("avx"))
                __asm__ volatile("vmovdqu (%0), %%ymm0\n\tvmovdqu (%0), %%ymm7\n\tvmovdqu (%0), %%ymm15"
                                 :
                                 : "r"(words)
                                 : "xmm0", "xmm7", "xmm15", "memory");
        else
                __asm__ volatile("movdqu (%0), %%xmm0\n\tmovdqu (%0), %%xmm7\n\tmovdqu (%0), %%xmm15"
                                 :
                                 : "r"(words)
                                 : "xmm0", "xmm7", "xmm15", "memory");
}

static void read_words(unsigned char out[static 3 * YMM])
{
        if (__builtin_cpu_supports("avx"))
                __asm__ volatile("vmovdqu %%ymm0, (%0)\n\tvmovdqu %%ymm7, 32(%0)\n\tvmovdqu %%ymm15, 64(%0)"
                                 :
                                 : "r"(out)
                                 : "memory");
        else
                __asm__ volatile("movdqu %%xmm0, (%0)\n\tmovdqu %%xmm7, 32(%0)\n\tmovdqu %%xmm15, 64(%0)"
                                 :
                                 : "r"(out)
                                 : "memory");
}

static bool all(const unsigned char *bytes, size_t len, unsigned char want)
{
        for (size_t i = 0; i < len; i++)
                if (bytes[i] != want)
                        return false;
        return true;
}

static void test_cover(void)
{
        const size_t  width = __builtin_cpu_supports("avx") ? YMM : XMM;
        unsigned char words[YMM], found[3 * YMM] = {};
        memset(words, 'w', sizeof words);
        leave_words(words);
        registers_cover();
        read_words(found);
        bool good = true;
        for (size_t at = 0; at < 3; at++)
                good = good && all(found + at * YMM, width, 0xff);
        tap_ok(good, SUBJECT, "hold nothing of what went through them");
        registers_uncover();
        read_words(found);
        good = true;
        for (size_t at = 0; at < 3; at++)
                good = good && all(found + at * YMM + XMM, width - XMM, 0);
        tap_ok(good, SUBJECT, "are out of the way afterwards");
}

int main(void)
{
        test_cover();
        return tap_done();
}

#else

int main(void)
{
        tap_skip(SUBJECT, "only those of x86-64 are known");
        return tap_done();
}

#endif
