#include "exchange.h"

#include "ledger.h"

#include <string.h>
#include <unistd.h>

uint64_t tokens_of(uint64_t bytes) { return (bytes + 3) / 4; }

void exchange_error(exchange *x, int status, slice message, const char *code, const char *param)
{
        x->status = status;
        x->reply.len = 0;
        x->usage = (usage){};
        text_str(&x->reply, "{\"error\":{\"message\":\"");
        text_json(&x->reply, message, false);
        text_fmt(&x->reply, "\",\"type\":\"%s\",\"param\":", status >= 500 ? "server_error" : "invalid_request_error");
        text_fmt(&x->reply, param == nullptr ? "null" : "\"%s\"", param);
        text_str(&x->reply, ",\"code\":");
        text_fmt(&x->reply, code == nullptr ? "null" : "\"%s\"", code);
        text_str(&x->reply, "}}");
}

static bool key_is_known(const vendor *v, slice key)
{
        const char *at = v->keys.bytes, *end = at + v->keys.len;
        if (v->keys.len == 0)
                return true;
        while (at < end) {
                const char *stop = memchr(at, '\n', (size_t)(end - at));
                size_t len = (size_t)((stop == nullptr ? end : stop) - at);
                if (len > 0 && len == key.len && memcmp(at, key.at, len) == 0)
                        return true;
                at += len + 1;
        }
        return false;
}

static void models_begin(exchange *x)
{
        static const char *const names[] = {"mock-1", "mock-2", "mock-embed"};
        text_str(&x->reply, "{\"object\":\"list\",\"data\":[");
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                text_fmt(&x->reply,
                         "%s{\"id\":\"%s\",\"object\":\"model\",\"created\":1790000000,\"owned_by\":\"mock\"}",
                         i == 0 ? "" : ",", names[i]);
        text_str(&x->reply, "]}");
}

/* The status the model name asks for, with what it wants quoted. */
static void fault_status(exchange *x, const http_request *req, vendor *v)
{
        slice words = text_all(&v->words);
        char code[100] = "mock_fault";
        if (x->fault.code.len > 0 && x->fault.code.len < sizeof code) {
                memcpy(code, x->fault.code.at, x->fault.code.len);
                code[x->fault.code.len] = 0;
        }
        v->scratch.len = 0;
        text_str(&v->scratch, "The model name asked for this error.");
        if (x->fault.echo_key != 0) {
                text_str(&v->scratch, " Key: ");
                text_slice(&v->scratch, req->bearer);
        }
        if (x->fault.echo_prompt != 0) {
                text_str(&v->scratch, " Prompt: ");
                text_slice(&v->scratch, words);
        }
        exchange_error(x, (int)x->fault.status, text_all(&v->scratch), code, nullptr);
        x->phase = PHASE_HEAD;
        if (x->kind == KIND_STREAM)
                x->kind = KIND_CHAT;
}

/* A file instead of an answer of our own making. */
static void fault_file(exchange *x, const char *folder, slice name, const char *suffix)
{
        text path = {};
        text_str(&path, folder == nullptr ? "." : folder);
        text_str(&path, "/");
        text_slice(&path, name);
        text_str(&path, suffix);
        text_add(&path, "", 1);
        x->reply.len = 0;
        bool found = text_read_file(&x->reply, path.bytes);
        text_free(&path);
        if (!found) {
                exchange_error(x, 500, SLICE("mock vendor: no such file"), "no_such_file", nullptr);
                x->kind = KIND_CHAT;
                x->fault = (fault){};
        }
}

static uint64_t number_after(slice s, const char *key)
{
        const char *at = memmem(s.at, s.len, key, strlen(key)), *end = s.at + s.len;
        if (at == nullptr)
                return 0;
        uint64_t n = 0;
        for (at += strlen(key); at < end && *at >= '0' && *at <= '9'; at++)
                n = n * 10 + (uint64_t)(*at - '0');
        return n;
}

/* A transcript's own usage is what this exchange reported. */
static void fixture_usage(exchange *x)
{
        slice s = text_all(&x->reply);
        x->usage = (usage){
                .prompt = number_after(s, "\"prompt_tokens\":"),
                .completion = number_after(s, "\"completion_tokens\":"),
                .reasoning = number_after(s, "\"reasoning_tokens\":"),
                .cached = number_after(s, "\"cached_tokens\":"),
        };
}

static void apply_faults(exchange *x, const http_request *req, vendor *v)
{
        if (x->fault.times != 0 && ledger_times((slice){x->model, x->model_len}) > x->fault.times)
                (void)fault_parse((slice){}, &x->fault);
        const fault *f = &x->fault;
        if (f->prompt != 0)
                x->usage.prompt = f->prompt;
        if (f->completion != 0)
                x->usage.completion = f->completion;
        x->usage.completion += f->reasoning;
        x->usage.reasoning = f->reasoning;
        x->usage.cached = f->cached;
        x->usage.cache_write = f->cache_write;
        if (f->status != 0)
                fault_status(x, req, v);
        else if (f->raw.len > 0)
                fault_file(x, v->raws, f->raw, "");
        else if (f->fixture.len > 0)
                fault_file(x, v->fixtures, f->fixture, ".sse");
        if (x->fault.fixture.len > 0)
                fixture_usage(x);
}

/* What a newcomer watches: the words that left the relay. One write, so that workers do not mix. */
static void show(const exchange *x, vendor *v)
{
        enum { SHOWN_BYTES = 2000 };
        static const char *const kinds[] = {"other", "chat", "stream", "embeddings"};
        slice words = text_all(&v->words);
        if (words.len > SHOWN_BYTES)
                words.len = SHOWN_BYTES;
        v->scratch.len = 0;
        text_fmt(&v->scratch, "vendor received  %s %.*s  \"", kinds[x->kind], (int)x->model_len, x->model);
        text_json(&v->scratch, words, false);
        text_str(&v->scratch, "\"\n");
        if (write(STDOUT_FILENO, v->scratch.bytes, v->scratch.len) < 0)
                v->show = false;
}

static void post_begin(exchange *x, const http_request *req, vendor *v)
{
        bool chat = slice_is(req->path, "/v1/chat/completions");
        x->kind = chat ? KIND_CHAT : KIND_EMBEDDINGS;
        if (!json_parse(&v->doc, req->body) || !json_is(&v->doc, 0, JSON_OBJECT)) {
                exchange_error(x, 400, SLICE("We could not parse the JSON body of your request."), nullptr, nullptr);
                return;
        }
        slice model = json_str(&v->doc, json_member(&v->doc, 0, "model"));
        if (model.len == 0 || model.len >= MODEL_BYTES) {
                exchange_error(x, 400, SLICE("you must provide a model parameter"), nullptr, "model");
                return;
        }
        memcpy(x->model, model.at, model.len);
        x->model_len = model.len;
        if (!fault_parse((slice){x->model, x->model_len}, &x->fault)) {
                exchange_error(x, 404, SLICE("The model does not exist."), "model_not_found", nullptr);
                return;
        }
        v->words.len = 0;
        if (chat)
                chat_begin(x, v);
        else
                embeddings_begin(x, v);
        if (x->status == 200)
                apply_faults(x, req, v);
        bool own_words = x->status == 200 && x->fault.raw.len == 0 && x->fault.fixture.len == 0;
        if (own_words && x->kind == KIND_CHAT)
                chat_body(x, v);
        else if (own_words && x->kind == KIND_EMBEDDINGS)
                embeddings_body(x, v);
        if (v->show)
                show(x, v);
}

void exchange_begin(exchange *x, const http_request *req, vendor *v)
{
        exchange_clear(x);
        x->status = 200;
        x->phase = PHASE_HEAD;
        x->number = ledger_next_number();
        x->keep_alive = !req->close;
        (void)fault_parse((slice){}, &x->fault);
        bool get = slice_is(req->method, "GET"), post = slice_is(req->method, "POST");
        if (get && slice_is(req->path, "/mock/ledger"))
                ledger_sums(&x->reply);
        else if (!key_is_known(v, req->bearer))
                exchange_error(x, 401, SLICE("Incorrect API key provided."), "invalid_api_key", nullptr);
        else if (get && slice_is(req->path, "/v1/models"))
                models_begin(x);
        else if (post && (slice_is(req->path, "/v1/chat/completions") || slice_is(req->path, "/v1/embeddings")))
                post_begin(x, req, v);
        else
                exchange_error(x, 404, SLICE("Invalid URL"), nullptr, nullptr);
        if (x->fault.close != 0)
                x->keep_alive = false;
}

static const char *reason_of(int status) { return status == 200 ? "OK" : status < 500 ? "Refused" : "Failed"; }

/* Head and body of an answer that is no stream. */
static step plain_step(exchange *x, text *out)
{
        const fault *f = &x->fault;
        text_fmt(out, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n", x->status,
                 reason_of(x->status), x->reply.len);
        text_fmt(out, "x-request-id: req_mock_%lu\r\n", x->number);
        if (x->status >= 400 && f->retry_after != 0)
                text_fmt(out, "Retry-After: %lu\r\n", f->retry_after);
        text_str(out, x->keep_alive ? "\r\n" : "Connection: close\r\n\r\n");
        bool cut = f->cut_after != 0 && f->cut_after < x->reply.len;
        text_add(out, x->reply.bytes, cut ? (size_t)f->cut_after : x->reply.len);
        if (cut)
                return f->reset != 0 ? STEP_RESET : STEP_CLOSE;
        x->usage_out = x->status == 200 && x->kind != KIND_OTHER && f->nousage == 0;
        x->whole = true;
        return STEP_END;
}

static step head_step(exchange *x, text *out, uint64_t now_ms)
{
        const fault *f = &x->fault;
        if (f->delay_ms != 0 && x->due == 0) {
                x->due = now_ms + f->delay_ms;
                return STEP_MORE;
        }
        if (f->hang != 0)
                return STEP_SILENT;
        if (f->drop != 0)
                return f->reset != 0 ? STEP_RESET : STEP_CLOSE;
        if (f->raw.len > 0) {
                x->phase = PHASE_BYTES;
                return STEP_MORE;
        }
        if (x->kind != KIND_STREAM)
                return plain_step(x, out);
        stream_head(x, out);
        x->phase = f->fixture.len > 0 ? PHASE_BYTES : PHASE_ROLE;
        x->due = f->first_byte_ms != 0 ? now_ms + f->first_byte_ms : 0;
        return STEP_MORE;
}

step exchange_step(exchange *x, text *out, uint64_t now_ms)
{
        return x->phase == PHASE_HEAD ? head_step(x, out, now_ms) : stream_step(x, out, now_ms);
}

void exchange_clear(exchange *x)
{
        exchange old = *x;
        *x = (exchange){.reply = old.reply, .prefix = old.prefix};
        text_clear(&x->reply);
        text_clear(&x->prefix);
        for (int i = 0; i < old.call_count; i++) {
                text_free(&old.calls[i].name);
                text_free(&old.calls[i].arguments);
        }
}

void exchange_free(exchange *x)
{
        exchange_clear(x);
        text_free(&x->reply);
        text_free(&x->prefix);
}
