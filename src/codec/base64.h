/* codec/base64: RFC 4648 with padding (section 4) and the URL alphabet without (section 5). */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include "base/emit.h"
#include "base/view.h"

void base64_write(emit *out, view bytes);
void base64url_write(emit *out, view bytes);

/* Strict: no white space, canonical padding and trailing bits. False when it is not that; nothing is added then.
 * Room is `out`'s own affair, as with every emit. */
bool base64_read(view text, emit *out);
bool base64url_read(view text, emit *out);

#endif
