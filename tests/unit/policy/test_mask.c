#include "policy/mask.h"

#include "support/tap.h"

static const char SUBJECT[] = "mask";

static const struct {
        const char *sentence;
        uint8_t     first, last;
        view        text, masked;
} cases[] = {
        {"everything by default", 0, 0, VIEW_INIT("4111 1111"), VIEW_INIT("**** ****")},
        {"separators and the last four stay", 0, 4, VIEW_INIT("4111-1111-1111-1234"), VIEW_INIT("****-****-****-1234")},
        {"the first ones stay", 2, 0, VIEW_INIT("4111111111111111"), VIEW_INIT("41**************")},
        {"a short value shows less", 0, 4, VIEW_INIT("12345678"), VIEW_INIT("******78")},
        {"the first ones go before the last", 2, 2, VIEW_INIT("123456789"), VIEW_INIT("1******89")},
        {"a very short value shows nothing", 2, 4, VIEW_INIT("123456"), VIEW_INIT("******")},
        {"a character beyond ASCII is one mask", 0, 0, VIEW_INIT("é@a"), VIEW_INIT("*@*")},
        {"nothing that JSON escapes comes out", 0, 0, VIEW_INIT("a\"b\\c\nd"), VIEW_INIT("***** *")},
        {"nothing is nothing", 0, 0, VIEW_INIT(""), VIEW_INIT("")},
};

int main(void)
{
        uint8_t room[MASK_MOST];
        view    got;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                policy_decision d = {POLICY_MASK, cases[i].last, cases[i].first, '*'};
                emit            out = emit_into(room, sizeof room);
                mask_write(&d, cases[i].text, &out);
                if (!tap_ok(!failed(emit_done(&out, &got)) && view_equal(got, cases[i].masked), SUBJECT,
                            cases[i].sentence))
                        printf("# got %.*s\n", (int)got.len, (const char *)got.data);
        }
        static uint8_t  big[MASK_MOST + 1];
        policy_decision d = {POLICY_MASK, 0, 0, '#'};
        emit            out = emit_into(room, sizeof room);
        memset(big, 'a', sizeof big);
        mask_write(&d, (view){big, sizeof big}, &out);
        tap_ok(!failed(emit_done(&out, &got)) && view_equal(got, VIEW("########")), SUBJECT,
               "the length of a long value does not show");
        tap_ok(mask_hidden(4) == 4 && mask_hidden(9) == 6 && mask_hidden(16) == 10 && mask_hidden(11) == 7, SUBJECT,
               "six and sixty of a hundred stay hidden");
        return tap_done();
}
