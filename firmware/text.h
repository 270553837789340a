/* firmware/text: lines and words of small files, and the sentences an operator reads. */
#ifndef FIRMWARE_TEXT_H
#define FIRMWARE_TEXT_H

#include "base/emit.h"
#include "base/result.h"
#include "base/view.h"

/* Takes the first line off, without its end (LF or CR LF). Empty and *rest empty at the end. */
view text_line(view *rest);
/* Takes the first word off a line (between blanks and tabs). Empty when there is none. */
view text_word(view *line);
bool text_contains(view all, view part);

enum : size_t { NOTICE_BYTES = 240 };

/* What went wrong and what to do about it, for the console. Never anything of a request. */
typedef struct notice {
        uint8_t bytes[NOTICE_BYTES];
        size_t  len; /* 0: nothing to say */
} notice;

static inline view notice_view(const notice *s) { return (view){s->bytes, s->len}; }

/* Sets it. Bytes that are not printable ASCII become '?', and what has no room is cut. */
void notice_set(notice *s, const char *before, view middle, const char *after);
/* The same, and FAIL(SYSTEM), so that a step can leave with it. */
err notice_fail(notice *s, const char *before, view middle, const char *after);
/* The same behind what is there. */
void notice_add(notice *s, view more);

#endif
