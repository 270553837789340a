/* codec/utf8: code points out of bytes that the JSON scanner has accepted, and the check itself. */
#ifndef CODEC_UTF8_H
#define CODEC_UTF8_H

#include "base/view.h"

/* Length in bytes of the valid sequence at the start of v (1 to 4), 0 when it is invalid or cut.
 * Overlong forms, surrogates and values above U+10FFFF are invalid. src RFC 3629 section 4 */
size_t utf8_length(view v);

/* The code point at the start of v and its length; v is valid and not empty. */
uint32_t utf8_next(view v, size_t *len);

/* Writes a code point (not a surrogate); returns its length, 1 to 4. */
size_t utf8_write(uint32_t point, uint8_t out[static 4]);

bool utf8_valid(view v);

#endif
