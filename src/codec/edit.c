#include "codec/edit.h"

#include <assert.h>

constexpr size_t FIRST_ROOM = 16;

void edits_init(edits *e, arena *a) { *e = (edits){.arena = a}; }

static bool grow(edits *e)
{
        size_t room = e->room == 0 ? FIRST_ROOM : e->room * 2;
        edit  *list = arena_alloc(e->arena, room * sizeof *list);
        if (list == nullptr)
                return false;
        if (e->count > 0)
                memcpy(list, e->list, e->count * sizeof *list);
        e->list = list;
        e->room = room;
        return true;
}

/* Index of the first edit that starts at `start` or behind it. */
static size_t lower_bound(const edits *e, size_t start)
{
        size_t low = 0, high = e->count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (e->list[middle].start < start)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static err put(edits *e, size_t index, edit added)
{
        assert(added.start <= added.end);
        assert(index == 0 || e->list[index - 1].end <= added.start);
        assert(index == e->count || added.end <= e->list[index].start);
        if (e->count == e->room && !grow(e))
                return FAIL(NO_ROOM);
        memmove(e->list + index + 1, e->list + index, (e->count - index) * sizeof *e->list);
        e->list[index] = added;
        e->count++;
        e->removed += added.end - added.start;
        e->added += added.text.len;
        return OK;
}

err edits_add(edits *e, size_t start, size_t end, view text) { return put(e, e->count, (edit){start, end, text}); }

err edits_insert(edits *e, size_t start, size_t end, view text)
{
        size_t index = lower_bound(e, start);
        while (index < e->count && e->list[index].start == start && e->list[index].end == start)
                index++;
        return put(e, index, (edit){start, end, text});
}

void edits_change(edits *e, size_t start, view text)
{
        size_t index = lower_bound(e, start);
        assert(index < e->count && e->list[index].start == start);
        e->added = e->added - e->list[index].text.len + text.len;
        e->list[index].text = text;
}

size_t edits_length(const edits *e, size_t doc_len)
{
        assert(e->count == 0 || e->list[e->count - 1].end <= doc_len);
        return doc_len - e->removed + e->added;
}

bool edit_next(const edits *e, view doc, edit_cursor *c, size_t most, view *piece)
{
        assert(most > 0);
        for (;;) {
                const edit *due = c->next < e->count ? &e->list[c->next] : nullptr;
                size_t      until = due == nullptr ? doc.len : due->start;
                if (c->in_text == 0 && c->at < until) {
                        *piece = view_slice(doc, c->at, until - c->at > most ? c->at + most : until);
                        c->at += piece->len;
                        return true;
                }
                if (due == nullptr)
                        return false;
                size_t given = c->in_text == 0 ? 0 : c->in_text - 1;
                if (given < due->text.len) {
                        size_t end = due->text.len - given > most ? given + most : due->text.len;
                        *piece = view_slice(due->text, given, end);
                        c->in_text = 1 + given + piece->len;
                        return true;
                }
                c->at = due->end;
                c->in_text = 0;
                c->next++;
        }
}
