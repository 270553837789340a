#include "find.h"

static const find_row rows[] = {
        {"a card in groups of four", "4111 1111 1111 1111", "CREDIT_CARD=4111 1111 1111 1111"},
        {"a card with hyphens", "4000-0060-6324-6531", "CREDIT_CARD=4000-0060-6324-6531"},
        {"an American Express card", "3782 822463 10005", "CREDIT_CARD=3782 822463 10005"},
        {"an unbroken card with a word", "my visa 4111111111111111", "CREDIT_CARD=4111111111111111"},
        {"an unbroken card without one is nothing", "row 4111111111111111", ""},
        {"a wrong check digit", "card 4111 1111 1111 1112", ""},
        {"an unknown issuer", "card 9111 1111 1111 1111", ""},
        {"mixed separators", "card 4111-1111 1111-1111", ""},
        {"all digits the same", "card 0000 0000 0000 0000", ""},
        {"digits one by one with a word", "card 5 5 5 5 5 5 5 5 5 5 5 5 4 4 4 4",
         "CREDIT_CARD=5 5 5 5 5 5 5 5 5 5 5 5 4 4 4 4"},
        {"a card and its code", "4111 1111 1111 1111 123", "CREDIT_CARD=4111 1111 1111 1111"},
        {"a card of nineteen digits", "银联卡6222000908040663567，", "CREDIT_CARD=6222000908040663567"},
        {"a social security number", "625-08-4086", "US_SSN=625-08-4086"},
        {"with spaces it needs a word", "SSN 827 15 8111 and 827 15 8112 ", "US_SSN=827 15 8111 US_SSN=827 15 8112"},
        {"with spaces and no word it is nothing", "rooms 827 15 8111", ""},
        {"unbroken with a word", "ssn: 625084086", "US_SSN=625084086"},
        {"unbroken, and another word nearer", "ssn unknown, routing 625084086", ""},
        {"areas that were never given", "ssn 000-12-3456, 666-12-3456, 900-12-3456", ""},
        {"group or serial of zeros", "ssn 625-00-4086, 625-08-0000", ""},
        {"numbers from advertisements", "ssn 078-05-1120", ""},
        {"a sequence only with a word", "123-45-6789", ""},
        {"a resident identity number", "11010519491231002X", "CN_RESIDENT_ID=11010519491231002X"},
        {"with a small x", "身份证11010519491231002x，", "CN_RESIDENT_ID=11010519491231002x"},
        {"in groups", "440106 19741121 0836", "CN_RESIDENT_ID=440106 19741121 0836"},
        {"with a wrong check symbol", "110105194912310021", ""},
        {"with a date that is none", "110105194902300020", ""},
        {"of a province that is none", "990105194912310029", ""},
        {"an address of version four", "192.0.2.241", "IP_ADDRESS=192.0.2.241"},
        {"an address with a port", "at 10.170.69.44:8080.", "IP_ADDRESS=10.170.69.44"},
        {"a version is no address", "version 10.4.2.1, v1.2.3.4", ""},
        {"five parts are no address", "1.2.3.4.5", ""},
        {"an octet above 255", "192.0.2.256", ""},
        {"a leading zero", "192.0.02.1", ""},
        {"loopback, masks and broadcast", "127.0.0.1 255.255.255.0 0.0.0.0", ""},
};

int main(void)
{
        FIND_ROWS("number_id", rows);
        bool off = find_in_regions(VIEW("625-08-4086 11010519491231002X"), 0)[0] == 0;
        tap_ok(off, "number_id", "numbers of regions that are off are nothing");
        return tap_done();
}
