/* What comes out of a lane is the same for every way it is cut; never more is held than the longest placeholder less
 * one byte; and the room measured is the room used. */
#include <assert.h>
#include <stdlib.h>

#include "policy/restore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const redact_entry entries[] = {
        {.entity = ENTITY_CREDIT_CARD, .token = VIEW_INIT("CARDx8ZJ4N1QA"), .value = VIEW_INIT("4111 1111 1111 1111")},
        {.entity = ENTITY_CREDIT_CARD, .token = VIEW_INIT("CARDx8ZJ4N1QAB0B0"), .value = VIEW_INIT("5555")},
        {.entity = ENTITY_EMAIL_ADDRESS,
         .token = VIEW_INIT("EMAILxT0V9M3RW"),
         .value = VIEW_INIT("a\"b\\c\n@example.com")},
};
static const redact_table table = {entries, 3, 17, 13, 19};

/* Feeds the text in pieces of `step` bytes. */
static size_t feed(view text, size_t step, restore_mode mode, emit *out)
{
        restore_lane lane;
        restore_begin(&lane, mode);
        size_t measured = restore_measure(&table, &lane, text);
        size_t room = restore_room(&table, &lane, text.len);
        assert(measured <= room);
        for (size_t at = 0; at < text.len; at += step) {
                restore_feed(&table, &lane, view_slice(text, at, at + step), out);
                assert(lane.carried < table.longest);
        }
        restore_flush(&table, &lane, out);
        assert(!out->full);
        assert(out->len == measured);
        return out->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 2)
                return 0;
        restore_mode mode = data[0] % 2 == 0 ? RESTORE_TEXT : RESTORE_JSON_SOURCE;
        size_t       step = 1 + data[0] / 2u;
        view         text = {data + 1, size - 1};
        size_t       cap = size * 16;
        uint8_t     *one = malloc(2 * cap);
        if (one == nullptr)
                return 0;
        emit   whole = emit_into(one, cap);
        emit   cut = emit_into(one + cap, cap);
        size_t len = feed(text, text.len, mode, &whole);
        feed(text, step, mode, &cut);
        assert(cut.len == len && memcmp(one, one + cap, len) == 0);
        free(one);
        return 0;
}
