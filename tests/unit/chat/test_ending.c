#include "chat/ending.h"

#include <string.h>

#include "support/tap.h"

int main(void)
{
        bool codes = true, fields = true, distinct = true;
        for (int e = 0; e < ENDING_COUNT; e++) {
                const char *code = ending_code((ending)e), *field = ending_field((ending)e);
                codes = codes && strlen(code) == 2 && strchr("CVL-", code[0]) != nullptr;
                fields = fields && field[0] >= 'a' && field[0] <= 'z'
                         && strspn(field, "abcdefghijklmnopqrstuvwxyz_") == strlen(field);
                for (int o = 0; o < e; o++)
                        distinct = distinct && strcmp(code, ending_code((ending)o)) != 0
                                   && strcmp(field, ending_field((ending)o)) != 0;
        }
        tap_ok(codes, "ending", "every code has two letters, the first of who ended it");
        tap_ok(fields, "ending", "every field is a name of an export");
        tap_ok(distinct, "ending", "no two endings look alike");
        tap_ok(strcmp(ending_code(ENDING_WHOLE), "--") == 0 && strcmp(ending_field(ENDING_WHOLE), "ok") == 0, "ending",
               "a whole one is nobody's");
        return tap_done();
}
