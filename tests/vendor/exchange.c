#include "exchange.h"

#include "ledger.h"
#include "table.h"

#include <string.h>
#include <unistd.h>

uint64_t tokens_of(uint64_t bytes) { return (bytes + 3) / 4; }

/* The number of the caller's key, from 1; 0: it is none of ours. */
static size_t key_number(const vendor *v, slice key)
{
        const char *at = v->keys.bytes, *end = at + v->keys.len;
        for (size_t number = 1; at < end; number++) {
                const char *stop = memchr(at, '\n', (size_t)(end - at));
                size_t len = (size_t)((stop == nullptr ? end : stop) - at);
                if (len > 0 && len == key.len && memcmp(at, key.at, len) == 0)
                        return number;
                at += len + 1;
        }
        return 0;
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
                fault_clear(&x->fault);
                exchange_error(x, 500, SLICE("mock vendor: no such file"), "no_such_file", nullptr);
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

/* One of the four ways vendors fail most. */
static void fault_mix(exchange *x)
{
        fault *f = &x->fault;
        switch (chance_below(&x->chance, 4)) {
        case 0:
                f->status = 429;
                f->code = SLICE("rate_limit_exceeded");
                break;
        case 1:
                f->status = 500;
                f->code = SLICE("server_error");
                break;
        case 2:
                f->drop = f->reset = 1;
                break;
        default:
                f->cut_head = 1;
        }
}

/* Gathers what the model name and the table ask for. false: a word nobody knows. */
static bool read_faults(exchange *x, const http_request *req)
{
        slice model = {x->model, x->model_len};
        fault *f = &x->fault;
        x->chance = chance_begin(x->number);
        if (!fault_add(fault_words(model), f))
                return false;
        uint64_t share = f->permille + 10 * f->percent;
        if ((f->times != 0 && ledger_times(model) > f->times) || (share != 0 && !chance_hit(&x->chance, share)))
                fault_clear(f);
        table_words(&x->asked, req->bearer, model, &x->chance);
        if (!fault_add(text_all(&x->asked), f))
                return false;
        if (f->mix != 0)
                fault_mix(x);
        if (f->lognormal.len > 0) {
                if (!chance_lognormal(&x->chance, f->lognormal, &f->first_token_ms))
                        return false;
                if (chance_hit(&x->chance, 10 * f->tail_percent))
                        f->first_token_ms *= f->tail_factor;
        }
        return true;
}

static void apply_faults(exchange *x, const http_request *req, vendor *v)
{
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
                refusal_begin(x, req, v);
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
        if (!read_faults(x, req)) {
                fault_clear(&x->fault);
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
        bool own_words = x->status == 200 && !x->refused && x->fault.raw.len == 0 && x->fault.fixture.len == 0;
        if (own_words && x->kind == KIND_CHAT)
                chat_body(x, v);
        else if (own_words && x->kind == KIND_EMBEDDINGS)
                embeddings_body(x, v);
        if (v->show)
                show(x, v);
}

/* What speaks to the vendor itself, not to its models. */
static bool manage(exchange *x, const http_request *req)
{
        if (slice_is(req->method, "GET") && slice_is(req->path, "/mock/ledger")) {
                ledger_sums(&x->reply);
                return true;
        }
        if (!slice_is(req->method, "POST") || !slice_is(req->path, "/mock/faults"))
                return false;
        int line = table_set(req->body);
        text_fmt(&x->reply, "{\"line\":%d}", line);
        x->status = line == 0 ? 200 : 400;
        return true;
}

/* Rows for a key or for all are the vendor's own state: its list of models fails with it. */
static void list_begin(exchange *x, const http_request *req, vendor *v)
{
        x->chance = chance_begin(x->number);
        table_words(&x->asked, req->bearer, (slice){}, &x->chance);
        (void)fault_add(text_all(&x->asked), &x->fault);
        if (x->fault.mix != 0)
                fault_mix(x);
        if (x->fault.status != 0)
                refusal_begin(x, req, v);
        else
                models_begin(x);
}

void exchange_begin(exchange *x, const http_request *req, vendor *v)
{
        exchange_clear(x);
        x->status = 200;
        x->phase = PHASE_HEAD;
        x->number = ledger_next_number();
        x->keep_alive = !req->close;
        x->kind_of_body = "application/json";
        x->key = key_number(v, req->bearer);
        fault_clear(&x->fault);
        bool get = slice_is(req->method, "GET"), post = slice_is(req->method, "POST");
        if (manage(x, req))
                return;
        if (v->keys.len > 0 && x->key == 0)
                exchange_error(x, 401, SLICE("Incorrect API key provided."), "invalid_api_key", nullptr);
        else if (get && slice_is(req->path, "/v1/models"))
                list_begin(x, req, v);
        else if (post && (slice_is(req->path, "/v1/chat/completions") || slice_is(req->path, "/v1/embeddings")))
                post_begin(x, req, v);
        else
                exchange_error(x, 404, SLICE("Invalid URL"), nullptr, nullptr);
        if (x->fault.close != 0)
                x->keep_alive = false;
}

/* Head and body of an answer that is no stream. */
static step plain_step(exchange *x, text *out)
{
        const fault *f = &x->fault;
        bool endless = x->refused && slice_is(f->body, "endless");
        if (f->gzip != 0) {
                text zipped = {};
                odd_gzip(&zipped, text_all(&x->reply));
                text_free(&x->reply);
                x->reply = zipped;
        }
        head_write(x, out);
        text_fmt(out, "Content-Type: %s\r\nContent-Length: %lu\r\n", x->kind_of_body,
                 endless ? f->bytes : (uint64_t)x->reply.len);
        text_str(out, x->keep_alive ? "\r\n" : "Connection: close\r\n\r\n");
        if (endless) {
                x->phase = PHASE_FILL;
                return STEP_MORE;
        }
        bool cut = f->cut_after != 0 && f->cut_after < x->reply.len;
        text_add(out, x->reply.bytes, cut ? (size_t)f->cut_after : x->reply.len);
        if (cut)
                return f->reset != 0 ? STEP_RESET : STEP_CLOSE;
        x->usage_out = x->status == 200 && !x->refused && x->kind != KIND_OTHER && f->nousage == 0;
        x->whole = true;
        return STEP_END;
}

static void stream_head(exchange *x, text *out)
{
        head_write(x, out);
        text_str(out, "Content-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
                      "Transfer-Encoding: chunked\r\n");
        text_str(out, x->keep_alive ? "\r\n" : "Connection: close\r\n\r\n");
}

static uint64_t head_wait(const exchange *x)
{
        const fault *f = &x->fault;
        bool head_too = x->kind != KIND_STREAM || f->head_waits != 0;
        return x->refused ? f->delay_ms : f->delay_ms + (head_too ? f->first_token_ms : 0);
}

static step head_step(exchange *x, text *out, uint64_t now_ms)
{
        const fault *f = &x->fault;
        uint64_t wait = head_wait(x);
        if (wait != 0 && x->due == 0) {
                x->due = now_ms + wait;
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
        if (x->kind != KIND_STREAM && f->cut_head == 0)
                return plain_step(x, out);
        stream_head(x, out);
        if (f->cut_head != 0)
                return f->reset != 0 ? STEP_RESET : STEP_CLOSE;
        x->phase = f->fixture.len > 0 ? PHASE_BYTES : PHASE_ROLE;
        x->due = f->first_byte_ms != 0 ? now_ms + f->first_byte_ms : 0;
        return STEP_MORE;
}

step exchange_step(exchange *x, text *out, uint64_t now_ms)
{
        if (x->phase == PHASE_HEAD)
                return head_step(x, out, now_ms);
        if (x->phase == PHASE_FILL)
                return refusal_fill(x, out);
        if (x->fault.drip != 0 || x->fault.gzip != 0)
                return odd_pieces(x, out, now_ms);
        return stream_step(x, out, now_ms);
}

void exchange_clear(exchange *x)
{
        exchange old = *x;
        odd_free(&old);
        *x = (exchange){.reply = old.reply, .prefix = old.prefix, .held = old.held, .asked = old.asked};
        text_clear(&x->reply);
        text_clear(&x->prefix);
        text_clear(&x->held);
        text_clear(&x->asked);
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
        text_free(&x->held);
        text_free(&x->asked);
}
