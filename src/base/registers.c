#include "base/registers.h"

#if defined(__x86_64__)

#define EACH_OF_16(X) \
        X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define EACH_UPPER_16(X) \
        X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
#define SSE(n)    "pcmpeqd %%xmm" #n ", %%xmm" #n "\n\t"
#define AVX(n)    "vcmptrueps %%ymm" #n ", %%ymm" #n ", %%ymm" #n "\n\t"
#define AVX512(n) "vpternlogd $255, %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n\t"
#define TOUCHED                                                                                                       \
        "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",    \
                "xmm13", "xmm14", "xmm15"

void registers_cover(void)
{
        if (__builtin_cpu_supports("avx512f"))
                __asm__ volatile(EACH_OF_16(AVX512) EACH_UPPER_16(AVX512)::: TOUCHED);
        else if (__builtin_cpu_supports("avx"))
                __asm__ volatile(EACH_OF_16(AVX)::: TOUCHED);
        else
                __asm__ volatile(EACH_OF_16(SSE)::: TOUCHED);
}

void registers_uncover(void)
{
        if (__builtin_cpu_supports("avx"))
                __asm__ volatile("vzeroupper" ::: TOUCHED);
}

#else

void registers_cover(void) {}

void registers_uncover(void) {}

#endif
