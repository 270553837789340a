#include "base/result.h"

#include <string.h>

#include "support/tap.h"

static const char SUBJECT[] = "result";

static int calls;

static err gives(err_code code)
{
        calls++;
        return (err){code};
}

static err tries(err_code first, err_code second)
{
        TRY(gives(first));
        TRY(gives(second));
        return OK;
}

int main(void)
{
        bool statuses = true, words = true, escapes = true;
        for (int c = 0; c < ERR_COUNT; c++) {
                const err_row *r = err_describe((err_code)c);
                statuses = statuses && r->http >= 200 && r->http < 600 && (c == ERR_NONE) == (r->http == 200);
                words = words && r->text != nullptr && strlen(r->text) > 3 && r->type != nullptr && r->code != nullptr;
                for (const char *p = r->text; *p != '\0'; p++)
                        escapes = escapes && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20;
                for (const char *p = r->code; *p != '\0'; p++)
                        words = words && ((*p >= 'a' && *p <= 'z') || *p == '_' || *p == '8');
        }
        tap_ok(statuses, SUBJECT, "every error has a status of its kind");
        tap_ok(words, SUBJECT, "a code and a sentence");
        tap_ok(escapes, SUBJECT, "and no sentence needs escaping in JSON");
        tap_ok(!failed(OK) && failed(FAIL(NO_ROOM)) && FAIL(NO_ROOM).code == ERR_NO_ROOM, SUBJECT,
               "failure is told from success");
        tap_ok(!failed(tries(ERR_NONE, ERR_NONE)) && calls == 2, SUBJECT, "TRY goes on after success");
        calls = 0;
        tap_ok(tries(ERR_GONE, ERR_NO_ROOM).code == ERR_GONE && calls == 1, SUBJECT,
               "and leaves with the first failure");
        return tap_done();
}
