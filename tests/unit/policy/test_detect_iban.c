#include "find.h"

static const find_row rows[] = {
        {"an account in groups of four", "GB82 WEST 1234 5698 7654 32.", "IBAN=GB82 WEST 1234 5698 7654 32"},
        {"an unbroken one", "DE89370400440532013000", "IBAN=DE89370400440532013000"},
        {"in small letters", "iban pl47941860915203739829059295 ", "IBAN=pl47941860915203739829059295"},
        {"with letters in the account", "FR14 2004 1010 0505 0001 3M02 606", "IBAN=FR14 2004 1010 0505 0001 3M02 606"},
        {"the next word is not taken", "DE89 3704 0044 0532 0130 00 BIC COBADEFF", "IBAN=DE89 3704 0044 0532 0130 00"},
        {"wrapped over lines", "FR14\n2004\n1010\n0505\n0001\n3M02\n606\n",
         "IBAN=FR14\n2004\n1010\n0505\n0001\n3M02\n606"},
        {"a wrong check digit", "GB82 WEST 1234 5698 7654 37", ""},
        {"a country that has none", "US82 WEST 1234 5698 7654 32", ""},
        {"letters where digits belong", "DE89 3704 0044 0532 0130 AA", ""},
        {"too short", "DE89 3704 0044", ""},
        {"too long", "DE893704004405320130001", ""},
        {"inside a word", "XDE89370400440532013000", ""},
        {"mixed separators", "DE89 3704-0044 0532 0130 00", ""},
};

int main(void)
{
        FIND_ROWS("detect_iban", rows);
        return tap_done();
}
