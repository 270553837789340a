#include "policy/context.h"

#include "support/tap.h"

static const char SUBJECT[] = "context";

/* The number is the last run of nines. */
static const struct {
        const char *sentence, *text;
        uint8_t     all, nearest;
} cases[] = {
        {"no word, no cue", "it is 999", 0, 0},
        {"a word before", "phone 999", CUE_PHONE, CUE_PHONE},
        {"a word behind", "999 is my ssn", CUE_SSN, CUE_SSN},
        {"case does not matter", "PHONE: 999", CUE_PHONE, CUE_PHONE},
        {"a part of a word is none", "headphones 999, recall", 0, 0},
        {"an underscore ends a word", "user_phone_no 999", CUE_PHONE, CUE_PHONE},
        {"a change to capitals ends a word", "userPhone=999", CUE_PHONE, CUE_PHONE},
        {"Chinese needs no word ends", "我的手机号999", CUE_PHONE, CUE_PHONE},
        {"words with accents", "téléphone 999", CUE_PHONE, CUE_PHONE},
        {"another line does not count", "phone\n999\nphone", 0, 0},
        {"too far away does not count", "phone ................................................ 999", 0, 0},
        {"the nearest word before wins", "phone of order 999", CUE_PHONE | CUE_OTHER, CUE_OTHER},
        {"words before come before words behind", "phone 999 order", CUE_PHONE | CUE_OTHER, CUE_PHONE},
        {"several words are one cue", "my number is 999", CUE_PHONE, CUE_PHONE},
        {"a version", "version 999", CUE_VERSION, CUE_VERSION},
};

int main(void)
{
        static scan s;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                s.text = view_of_text(cases[i].text);
                size_t  at = (size_t)(strstr(cases[i].text, "999") - cases[i].text);
                context c = context_of(&s, at, at + 3);
                if (!tap_ok(c.all == cases[i].all && c.nearest == cases[i].nearest, SUBJECT, cases[i].sentence))
                        printf("# got %u %u\n", c.all, c.nearest);
        }
        return tap_done();
}
