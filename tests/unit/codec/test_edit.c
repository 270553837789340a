#include "codec/edit.h"

#include "support/tap.h"

static const char SUBJECT[] = "edit";

static view joined(const edits *e, view doc, size_t most, uint8_t *out)
{
        edit_cursor c = {};
        size_t len = 0;
        view piece;
        while (edit_next(e, doc, &c, most, &piece)) {
                if (piece.len == 0 || piece.len > most)
                        return (view){};
                memcpy(out + len, piece.data, piece.len);
                len += piece.len;
        }
        return (view){out, len};
}

/* The edited document is `want` for every size of pieces, and its length is told before. */
static bool gives(const edits *e, view doc, view want)
{
        uint8_t out[256];
        bool good = edits_length(e, doc.len) == want.len;
        for (size_t most = 1; most <= 40 && good; most++)
                good = view_equal(joined(e, doc, most, out), want);
        return good;
}

int main(void)
{
        static const view doc = VIEW_INIT("0123456789");
        arena a;
        edits e;
        arena_init(&a, 1 << 20);

        edits_init(&e, &a);
        tap_ok(gives(&e, doc, doc), SUBJECT, "without edits the document is itself");
        tap_ok(gives(&e, VIEW(""), VIEW("")), SUBJECT, "an empty document is empty");

        bool good = !failed(edits_add(&e, 2, 4, VIEW("abc"))) && !failed(edits_add(&e, 4, 5, VIEW("")))
                    && !failed(edits_add(&e, 10, 10, VIEW("!")));
        tap_ok(good && gives(&e, doc, VIEW("01abc56789!")), SUBJECT, "ranges are replaced, removed and inserted");

        edits_change(&e, 4, VIEW("xyz"));
        edits_change(&e, 2, VIEW(""));
        tap_ok(gives(&e, doc, VIEW("01xyz56789!")), SUBJECT, "a text can be changed later");

        good = !failed(edits_insert(&e, 0, 0, VIEW("<"))) && !failed(edits_insert(&e, 0, 1, VIEW("")))
               && !failed(edits_insert(&e, 7, 9, VIEW("-"))) && !failed(edits_insert(&e, 10, 10, VIEW("?")));
        tap_ok(good && gives(&e, doc, VIEW("<1xyz56-9!?")), SUBJECT, "late edits find their place");

        edits_init(&e, &a);
        good = !failed(edits_add(&e, 0, 10, VIEW("")));
        tap_ok(good && gives(&e, doc, VIEW("")), SUBJECT, "the whole document can go");

        edits_init(&e, &a);
        static uint8_t many[4000], out[8000], want[8000];
        memset(many, 'a', sizeof many);
        good = true;
        for (size_t i = 0; i < sizeof many && good; i += 2)
                good = !failed(edits_add(&e, i, i + 1, VIEW("xyz")));
        for (size_t i = 0; i < sizeof many / 2; i++)
                memcpy(want + 4 * i, "xyza", 4);
        tap_ok(good && e.count == 2000 && edits_length(&e, sizeof many) == 8000
                       && view_equal(joined(&e, (view){many, sizeof many}, 7, out), (view){want, 8000}),
               SUBJECT, "two thousand edits are applied in order");

        edits_init(&e, &a);
        edit_cursor first = {}, second = {};
        view piece;
        good = !failed(edits_add(&e, 5, 5, VIEW("|"))) && edit_next(&e, doc, &first, 99, &piece)
               && edit_next(&e, doc, &second, 3, &piece) && piece.len == 3 && edit_next(&e, doc, &first, 99, &piece);
        tap_ok(good && view_equal(piece, VIEW("|")), SUBJECT, "two cursors walk one list");
        arena_end(&a);

        arena_init(&a, 16 * 1024);
        edits_init(&e, &a);
        err got = OK;
        for (size_t i = 0; i < 10000 && !failed(got); i++)
                got = edits_add(&e, i, i, VIEW("."));
        size_t count = e.count;
        tap_ok(got.code == ERR_NO_ROOM && edits_insert(&e, 0, 0, VIEW(".")).code == ERR_NO_ROOM && e.count == count
                       && e.added == count,
               SUBJECT, "a full arena is an error and leaves the list whole");
        arena_end(&a);
        return tap_done();
}
