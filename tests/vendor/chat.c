#include "exchange.h"

#include <string.h>

/* Bytes of text in a message's content; with `to`, the text itself too. */
static uint64_t content_text(const json_doc *doc, int message, text *to)
{
        int content = json_member(doc, message, "content");
        uint64_t bytes = json_str(doc, content).len;
        if (to != nullptr)
                text_slice(to, json_str(doc, content));
        if (!json_is(doc, content, JSON_ARRAY))
                return bytes;
        for (int part = json_first(doc, content); part >= 0; part = json_next(doc, part)) {
                slice s = json_str(doc, json_member(doc, part, "text"));
                bytes += s.len;
                if (to != nullptr)
                        text_slice(to, s);
        }
        return bytes;
}

static bool role_is(const json_doc *doc, int message, const char *role)
{
        return slice_is(json_str(doc, json_member(doc, message, "role")), role);
}

/* Leaves the last user message in v->words; `last` is the last message of any role. */
static uint64_t read_messages(vendor *v, int messages, int *last)
{
        const json_doc *doc = &v->doc;
        uint64_t bytes = 0;
        int user = -1;
        for (int m = json_first(doc, messages); m >= 0; m = json_next(doc, m)) {
                bytes += content_text(doc, m, nullptr);
                *last = m;
                if (role_is(doc, m, "user"))
                        user = m;
        }
        if (user >= 0)
                (void)content_text(doc, user, &v->words);
        return bytes;
}

static bool wants_tool(const vendor *v)
{
        const json_doc *doc = &v->doc;
        int choice = json_member(doc, 0, "tool_choice");
        if (slice_is(json_str(doc, choice), "none"))
                return false;
        return slice_has(text_all(&v->words), "call the tool") || json_is(doc, choice, JSON_OBJECT)
               || slice_is(json_str(doc, choice), "required");
}

/* One call of the first tool; of the first two when asked to "call the tools". */
static void make_calls(exchange *x, vendor *v, int tools)
{
        int wanted = slice_has(text_all(&v->words), "call the tools") ? CALLS_MAX : 1;
        int tool = json_first(&v->doc, tools);
        for (; tool >= 0 && x->call_count < wanted; tool = json_next(&v->doc, tool)) {
                slice name = json_str(&v->doc, json_member(&v->doc, json_member(&v->doc, tool, "function"), "name"));
                if (name.len == 0)
                        continue;
                tool_call *call = &x->calls[x->call_count++];
                text_json(&call->name, name, false);
                text_str(&call->arguments, "{\"text\":\"");
                text_json(&call->arguments, text_all(&v->words), x->fault.escape != 0);
                text_str(&call->arguments, "\"}");
        }
}

static void make_reply(exchange *x, vendor *v, int last)
{
        if (x->fault.huge != 0 || x->fault.events != 0) {
                static const char filler[] = "abcdefghijklmnopqrstuvwxy ";
                uint64_t len = x->fault.huge;
                if (x->fault.events != 0 && x->kind != KIND_STREAM)
                        len = x->fault.events * x->fault.size;
                for (uint64_t done = 0; done < len; done += 26)
                        text_add(&x->reply, filler, len - done < 26 ? (size_t)(len - done) : 26);
        } else if (role_is(&v->doc, last, "tool")) {
                text_str(&x->reply, "The tool said: ");
                (void)content_text(&v->doc, last, &x->reply);
        } else {
                text_str(&x->reply, "You said: ");
                text_slice(&x->reply, text_all(&v->words));
        }
}

/* Takes from the reply what the last message says of it already. false: it was refused. */
static bool take_prefill(exchange *x, vendor *v, int last)
{
        const fault *f = &x->fault;
        char said[16] = "";
        if (f->prefill.len > 0 && f->prefill.len < sizeof said)
                memcpy(said, f->prefill.at, f->prefill.len);
        if (f->no_prefill != 0 || (*said != 0 && !json_is(&v->doc, json_member(&v->doc, last, said), JSON_TRUE))) {
                exchange_error(x, 400,
                               SLICE("This model does not support assistant message prefill. The conversation must end "
                                     "with a user message."),
                               nullptr, "messages");
                return false;
        }
        text given = {};
        (void)content_text(&v->doc, last, &given);
        if (given.len > 0 && given.len <= x->reply.len && memcmp(given.bytes, x->reply.bytes, given.len) == 0) {
                if (f->prefill_again == 0)
                        text_drop(&x->reply, given.len);
                x->prefilled = given.len;
        }
        text_free(&given);
        return true;
}

/* The text of an answer of many events, as one. */
static void make_filler(exchange *x)
{
        fault *f = &x->fault;
        for (uint64_t e = 1; e <= f->events; e++) {
                for (uint64_t i = 0; i < f->size; i++)
                        text_add(&x->reply, &"abcdefghijklmnopqrstuvwxyz"[(i + e) % 26], 1);
        }
        f->piece = f->size;
        f->events = 0;
}

static void count_tokens(exchange *x, uint64_t prompt_bytes)
{
        uint64_t bytes = x->reply.len;
        if (x->kind == KIND_STREAM && x->fault.events != 0)
                bytes = x->fault.events * (slice_is(x->fault.endless, "tiny") ? 1 : x->fault.size);
        for (int i = 0; i < x->call_count; i++)
                bytes += x->calls[i].arguments.len;
        x->usage.prompt = prompt_bytes == 0 ? 1 : tokens_of(prompt_bytes);
        x->usage.completion = tokens_of(bytes);
}

/* Numbers no vendor should send; empty: a number like any other. */
static const char *odd_number(slice name)
{
        static const struct {
                const char *name, *number;
        } rows[] = {
                {"negative", "-5"},
                {"huge", "9223372036854775808"},
                {"string", "\"12\""},
                {"fraction", "1.5"},
                {"null", "null"},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                if (slice_is(name, rows[i].name))
                        return rows[i].number;
        }
        return "";
}

void usage_partial(const exchange *x, text *out, uint64_t completion)
{
        const usage *u = &x->usage;
        const char *odd = odd_number(x->fault.usage);
        if (*odd != 0) {
                text_fmt(out, "{\"prompt_tokens\":%s,\"completion_tokens\":%s,\"total_tokens\":%s}", odd, odd, odd);
                return;
        }
        text_fmt(out, "{\"prompt_tokens\":%lu,\"completion_tokens\":%lu,\"total_tokens\":%lu,", u->prompt, completion,
                 u->prompt + completion);
        text_fmt(out,
                 "\"prompt_tokens_details\":{\"cached_tokens\":%lu,\"cache_write_tokens\":%lu,\"audio_tokens\":0},",
                 u->cached, u->cache_write);
        text_fmt(out,
                 "\"completion_tokens_details\":{\"reasoning_tokens\":%lu,\"audio_tokens\":0,"
                 "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}",
                 u->reasoning);
}

void usage_write(const exchange *x, text *out) { usage_partial(x, out, x->usage.completion); }

static void plain_message(const exchange *x, text *out)
{
        if (x->call_count == 0) {
                text_str(out, "{\"role\":\"assistant\",\"content\":\"");
                text_json(out, text_all(&x->reply), x->fault.escape != 0);
                text_str(out, "\",\"refusal\":null,\"annotations\":[]}");
                return;
        }
        text_str(out, "{\"role\":\"assistant\",\"content\":null,\"refusal\":null,\"tool_calls\":[");
        for (int i = 0; i < x->call_count; i++) {
                text_fmt(out, "%s{\"id\":\"call_%lu_%d\",\"type\":\"function\",\"function\":{\"name\":\"",
                         i == 0 ? "" : ",", x->number, i);
                text_slice(out, text_all(&x->calls[i].name));
                text_str(out, "\",\"arguments\":\"");
                text_json(out, text_all(&x->calls[i].arguments), false);
                text_str(out, "\"}}");
        }
        text_str(out, "]}");
}

void chat_body(exchange *x, vendor *v)
{
        text *out = &v->scratch;
        out->len = 0;
        text_fmt(out,
                 "{\"id\":\"chatcmpl-mock-%lu\",\"object\":\"chat.completion\",\"created\":1795000000,\"model\":\"",
                 x->number);
        text_json(out, (slice){x->model, x->model_len}, false);
        text_str(out, "\",\"choices\":[{\"index\":0,\"message\":");
        plain_message(x, out);
        text_str(out, ",\"logprobs\":null,\"finish_reason\":\"");
        if (x->fault.finish.len > 0)
                text_slice(out, x->fault.finish);
        else
                text_str(out, x->call_count > 0 ? "tool_calls" : "stop");
        text_str(out, "\"}]");
        if (x->fault.nousage == 0) {
                text_str(out, ",\"usage\":");
                usage_write(x, out);
        }
        text_str(out, ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_mock\"}");
        text swap = x->reply;
        x->reply = *out;
        *out = swap;
}

/* false: the prompt is too long, and was refused as OpenAI does. */
static bool fits(exchange *x, uint64_t prompt_bytes)
{
        uint64_t most = x->fault.context, tokens = tokens_of(prompt_bytes);
        if (most == 0 || tokens <= most)
                return true;
        text said = {};
        text_fmt(&said, "This model's maximum context length is %lu tokens. ", most);
        text_fmt(&said, "However, your messages resulted in %lu tokens. ", tokens);
        text_str(&said, "Please reduce the length of the messages.");
        exchange_error(x, 400, text_all(&said), "context_length_exceeded", "messages");
        text_free(&said);
        return false;
}

/* What every chunk of the stream starts with. */
static void stream_prefix(exchange *x)
{
        text_fmt(&x->prefix,
                 "{\"id\":\"chatcmpl-mock-%lu\",\"object\":\"chat.completion.chunk\",\"created\":1795000000,"
                 "\"model\":\"",
                 x->number);
        text_json(&x->prefix, (slice){x->model, x->model_len}, false);
        text_str(&x->prefix, "\",\"system_fingerprint\":\"fp_mock\",\"choices\":[");
}

void chat_begin(exchange *x, vendor *v)
{
        const json_doc *doc = &v->doc;
        int messages = json_member(doc, 0, "messages"), options = json_member(doc, 0, "stream_options");
        int tools = json_member(doc, 0, "tools"), last = -1;
        if (!json_is(doc, messages, JSON_ARRAY) || json_first(doc, messages) < 0) {
                exchange_error(x, 400, SLICE("[] is too short - 'messages'"), nullptr, "messages");
                return;
        }
        if (json_is(doc, json_member(doc, 0, "stream"), JSON_TRUE))
                x->kind = KIND_STREAM;
        if (options >= 0 && !json_is(doc, options, JSON_NULL) && x->kind != KIND_STREAM) {
                exchange_error(x, 400,
                               SLICE("The 'stream_options' parameter is only allowed when 'stream' is enabled."),
                               nullptr, "stream_options");
                return;
        }
        int n = json_member(doc, 0, "n");
        if (json_is(doc, n, JSON_NUMBER)
            && !slice_is((slice){doc->input.at + doc->nodes[n].str, doc->nodes[n].str_len}, "1")) {
                exchange_error(x, 400, SLICE("This vendor gives one choice: 'n' must be 1."), "invalid_value", "n");
                return;
        }
        x->include_usage = json_is(doc, json_member(doc, options, "include_usage"), JSON_TRUE);
        uint64_t prompt_bytes = read_messages(v, messages, &last);
        if (json_is(doc, tools, JSON_ARRAY) && wants_tool(v) && !role_is(doc, last, "tool"))
                make_calls(x, v, tools);
        bool prefill = role_is(doc, last, "assistant");
        if (prefill && x->kind == KIND_STREAM && x->fault.events != 0 && x->fault.huge == 0)
                make_filler(x);
        else if (x->call_count == 0)
                make_reply(x, v, last);
        if ((prefill && !take_prefill(x, v, last)) || !fits(x, prompt_bytes))
                return;
        count_tokens(x, prompt_bytes);
        if (x->kind == KIND_STREAM)
                stream_prefix(x);
}
