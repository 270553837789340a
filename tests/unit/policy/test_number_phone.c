#include "find.h"

static const find_row rows[] = {
        {"international with spaces", "+44 7700 900506", "PHONE_NUMBER=+44 7700 900506"},
        {"international unbroken", "+14155550123,", "PHONE_NUMBER=+14155550123"},
        {"the trunk zero in brackets", "+49 (0)30 23125 759", "PHONE_NUMBER=+49 (0)30 23125 759"},
        {"a country without a plan here", "+992 37 221 5555", "PHONE_NUMBER=+992 37 221 5555"},
        {"with mixed separators", "+7 986 175-36-89", "PHONE_NUMBER=+7 986 175-36-89"},
        {"00 for the plus", "0049 30 23125 759", "PHONE_NUMBER=0049 30 23125 759"},
        {"too few digits for the country", "+1 415 555", ""},
        {"a plus in a sum", "x+4155550123456 and 1+14155550123", ""},
        {"brackets", "(617) 555-0124", "PHONE_NUMBER=(617) 555-0124"},
        {"dots", "702.555.0115", "PHONE_NUMBER=702.555.0115"},
        {"a leading one", "1-212-555-0175", "PHONE_NUMBER=1-212-555-0175"},
        {"an extension belongs to it", "(425) 555-0169 ext. 825!", "PHONE_NUMBER=(425) 555-0169 ext. 825"},
        {"an extension that is glued on", "425-555-0169x12", "PHONE_NUMBER=425-555-0169x12"},
        {"spaces alone need a word", "routes 431 587 7503", ""},
        {"spaces with a word", "call 431 587 7503", "PHONE_NUMBER=431 587 7503"},
        {"unbroken with a word", "phone: 4155550123", "PHONE_NUMBER=4155550123"},
        {"unbroken behind another word", "order 4155550123", ""},
        {"an area code that is none", "115-555-0175 and 211-555-0175", ""},
        {"a part number goes on", "617-555-0124-B", ""},
        {"a price", "$617-555-0124 #617-555-0124", ""},
        {"a British mobile", "07700 900878", "PHONE_NUMBER=07700 900878"},
        {"a London number", "020 7946 0148", "PHONE_NUMBER=020 7946 0148"},
        {"a French number", "01 99 00 70 43", "PHONE_NUMBER=01 99 00 70 43"},
        {"a French number with dots", "01.99.00.70.43", "PHONE_NUMBER=01.99.00.70.43"},
        {"a German mobile in groups", "0171 39 200 97", "PHONE_NUMBER=0171 39 200 97"},
        {"a German number with a slash", "030/23125759", "PHONE_NUMBER=030/23125759"},
        {"a German number, slash between spaces", "030 / 23125759", "PHONE_NUMBER=030 / 23125759"},
        {"a Chinese mobile", "打17361881673吧", "PHONE_NUMBER=17361881673"},
        {"a Chinese mobile in groups", "135 3801 7940", "PHONE_NUMBER=135 3801 7940"},
        {"a Chinese mobile with its country", "8617361881673", "PHONE_NUMBER=8617361881673"},
        {"a Chinese landline", "0755-79582461", "PHONE_NUMBER=0755-79582461"},
        {"eleven digits that are an order number", "订单编号17361881673", ""},
        {"digits one by one with a word", "手机 1 3 8 0 0 1 3 8 0 0 0", "PHONE_NUMBER=1 3 8 0 0 1 3 8 0 0 0"},
        {"a shape of another country with a word", "携帯は090-5533-8081です", "PHONE_NUMBER=090-5533-8081"},
        {"all digits the same", "phone 000-000-0000", ""},
};

int main(void)
{
        static const char SUBJECT[] = "number_phone";
        FIND_ROWS(SUBJECT, rows);
        tap_ok(find_in_regions(VIEW("call 212-555-0175"), 1u << REGION_DE)[0] == 0, SUBJECT,
               "an American shape is nothing where that region is off");
        tap_ok(find_in_regions(VIEW("+1 212-555-0175"), 0)[0] != 0, SUBJECT, "international forms are always on");
        return tap_done();
}
