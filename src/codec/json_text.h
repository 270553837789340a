/* codec/json_text: what may stand inside a JSON string. */
#ifndef CODEC_JSON_TEXT_H
#define CODEC_JSON_TEXT_H

#include "base/view.h"

/* The offset in [at, stop) of the first byte that is not plain: quote, backslash, control or 0x80 and above;
 * `stop` when there is none. Several bytes at a step: strings are nearly all of a body. */
size_t json_plain_run(const uint8_t *doc, size_t at, size_t stop);

/* Length of the escape at the start of v (2, 6, or 12 for a surrogate pair); 0 when it is none, stands for NUL or is
 * half a pair. */
size_t json_escape_length(view v);

#endif
