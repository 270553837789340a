/* chat/tokens: what an exchange used, in five disjoint classes: their sum is what the vendor bills for. */
#ifndef CHAT_TOKENS_H
#define CHAT_TOKENS_H

#include <stdint.h>

typedef enum token_class : uint8_t {
        TOKENS_INPUT,       /* prompt tokens that were neither read from nor written to a cache */
        TOKENS_CACHE_READ,  /* prompt tokens served from the vendor's cache */
        TOKENS_CACHE_WRITE, /* prompt tokens written to it */
        TOKENS_OUTPUT,      /* completion tokens that are not reasoning */
        TOKENS_REASONING,   /* completion tokens spent on reasoning */
        TOKENS_CLASSES
} token_class;

typedef struct tokens {
        uint64_t count[TOKENS_CLASSES];
} tokens;

#define TOKENS_MAX 2147483648u /* a larger statement is suspect */

#endif
