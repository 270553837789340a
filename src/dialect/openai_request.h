/* dialect/openai_request: what the relay must know of a request in the OpenAI dialect, and the edits it makes.
 * src  OpenAI API reference, chat completions and embeddings; read 2026-11-20 */
#ifndef DIALECT_OPENAI_REQUEST_H
#define DIALECT_OPENAI_REQUEST_H

#include "base/result.h"
#include "codec/edit.h"
#include "codec/json_scan.h"

typedef enum openai_endpoint : uint8_t { OPENAI_CHAT, OPENAI_EMBEDDINGS } openai_endpoint;

/* What a token of the body is for the policy. */
typedef enum openai_text : uint8_t {
        OPENAI_NO_TEXT,     /* not a string, or functional */
        OPENAI_SCAN,        /* a string to be scanned */
        OPENAI_KEY,         /* an object's key that is no plain word: scanned too, or data could leave in a name */
        OPENAI_MESSAGE_END, /* the end of a message: its role is known now */
} openai_text;

typedef enum openai_role : uint8_t {
        OPENAI_OTHER,
        OPENAI_SYSTEM,
        OPENAI_USER,
        OPENAI_ASSISTANT,
        OPENAI_TOOL
} openai_role;

typedef struct openai_request {
        openai_endpoint endpoint;
        openai_role role; /* of the message being read, or of the one that ended */
        bool in_message;
        bool stream;
        bool usage_wanted; /* the caller asked for stream_options.include_usage */
        bool has_model, has_payload;
        size_t model_start, model_end; /* raw string range without quotes */
        /* stream_options as it stands: absent when start is 0 */
        size_t options_start, options_end; /* whole value */
        bool options_object, options_empty;
        size_t flag_start, flag_end; /* value of include_usage; 0: absent */
        size_t root_end;             /* offset of the document's closing brace */
        bool root_empty;
        /* going on with a cut answer */
        bool one_text; /* one choice of free text is asked for, and no beginning of it is given */
        bool messages_empty;
        size_t messages_end; /* offset of the closing bracket; 0: there are none */
        struct {
                size_t start, end;
                uint64_t tokens;
        } most[2]; /* max_tokens, max_completion_tokens; end 0: absent, or no number */
} openai_request;

/* The path table for json_scan; compiled on first use. */
const json_paths *openai_request_paths(void);

void openai_request_begin(openai_request *r, openai_endpoint endpoint);

/* Takes the tokens of the body one by one. err BAD_BODY when a known field has the wrong type;
 * POLICY_LIMIT for input given as token ids */
err openai_request_token(openai_request *r, view doc, const json_token *t, openai_text *text);

/* After the last token. err BAD_BODY when a required field is missing. Adds the edits that ask for usage. NO_ROOM */
err openai_request_finish(openai_request *r, edits *e);

/* After openai_request_finish: the request may be made again with the text so far behind its messages, and so many
 * tokens less to write. False: it asks for something else than one text, or there are none left. */
bool openai_request_resumable(const openai_request *r, uint64_t tokens_said);

/* Makes it so: `prefill` is the message. Again: changes what was made before. The texts live as long as the edits.
 * err NO_ROOM */
err openai_request_resume(const openai_request *r, view prefill, uint64_t tokens_said, edits *e);

#endif
