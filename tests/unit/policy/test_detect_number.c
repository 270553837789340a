#include "find.h"

static const find_row rows[] = {
        {"a count, a year and a price are nothing", "12 of 2024 for $1,999.99", ""},
        {"dates are nothing", "2024-11-20, 20.11.2024, 11/20/2024 and 2024-11-20 10:15:30", ""},
        {"a time stamp in seconds or milliseconds is nothing", "at 1732095600 and 1732095600123", ""},
        {"a UUID of digits is nothing", "12345678-1234-1234-1234-123456789012", ""},
        {"a UUID with letters is nothing", "550e8400-e29b-41d4-a716-446655440000", ""},
        {"a hexadecimal number is nothing", "0x4111111111111111 and deadbeef4155551234", ""},
        {"a bare run of ten digits is nothing", "id 4155551234 was seen", ""},
        {"a very long run is nothing", "41111111111111114111111111111111411111111111111141111111", ""},
        {"separators that do not join end a number", "card 4111 1111, 1111 1111", ""},
        {"two numbers with a space between", "ssn 123-45-6788 212-555-0175",
         "US_SSN=123-45-6788 PHONE_NUMBER=212-555-0175"},
        {"a number behind many others", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 "
                                        "30 31 32 33 34 35 36 37 38 39 40 212-555-0175",
         "PHONE_NUMBER=212-555-0175"},
        {"a number glued to letters is another thing", "X212-555-0175 212-555-0175Y v212-555-0175", ""},
        {"Chinese touches a number", "电话212-555-0175。", "PHONE_NUMBER=212-555-0175"},
};

int main(void)
{
        FIND_ROWS("detect_number", rows);
        return tap_done();
}
