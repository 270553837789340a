/* Errors in the forms of several vendors. src  protocol notes of the vendors' own documentation, read 2026-11-20 */
#include "exchange.h"

#include <string.h>

enum { FILL_BYTES = 16 * 1024 };

typedef struct refusal {
        int status;
        slice message, code, request;
} refusal;

static const char *type_of(int status)
{
        if (status >= 500 || status < 400)
                return "server_error";
        return status == 429 ? "rate_limit_error" : "invalid_request_error";
}

/* A string member, or a number where the code is one. */
static void member(text *out, const char *name, slice value, bool number)
{
        uint64_t n;
        text_fmt(out, "\"%s\":", name);
        if (number && slice_number(value, &n)) {
                text_slice(out, value);
                return;
        }
        text_str(out, "\"");
        text_json(out, value, false);
        text_str(out, "\"");
}

/* What stands around message and code; %s by the order of the members in `parts`: m message, c code, n code as a number
 * where it is one, s status, t type by status, r request id. */
static const struct {
        const char *vendor, *form;
} forms[] = {
        {"glm", "{'error':{'code':c,'message':m}}"},
        {"kimi", "{'error':{'message':m,'type':c}}"},
        {"qwen", "{'error':{'code':c,'param':null,'message':m,'type':c},'request_id':r}"},
        {"qianfan", "{'error':{'code':c,'message':m,'type':t},'id':r}"},
        {"siliconflow", "{'code':n,'message':m,'data':null}"},
        {"mistral", "{'object':'error','message':m,'type':c,'param':null,'code':n}"},
        {"xai", "{'code':c,'error':m}"},
        {"together", "{'error':m}"},
        {"openrouter", "{'error':{'code':s,'message':m,'metadata':{'provider_name':'Mock','raw':c}}}"},
        {"gemini", "[{'error':{'code':s,'message':m,'status':c}}]"},
        {"vllm", "{'object':'error','message':m,'type':c,'param':null,'code':s}"},
        {"llamacpp", "{'error':{'code':s,'message':m,'type':c}}"},
};

static void quoted(text *out, slice s)
{
        text_str(out, "\"");
        text_json(out, s, false);
        text_str(out, "\"");
}

/* A letter behind a colon stands for a value; ' stands for ". */
static void form_write(text *out, const char *form, const refusal *r)
{
        for (const char *at = form; *at != 0; at++) {
                bool value = at > form && at[-1] == ':' && *at >= 'a' && *at <= 'z' && strncmp(at, "null", 4) != 0;
                uint64_t number;
                if (!value)
                        text_add(out, *at == '\'' ? "\"" : at, 1);
                else if (*at == 's')
                        text_num(out, (uint64_t)r->status);
                else if (*at == 'n' && slice_number(r->code, &number))
                        text_num(out, number);
                else if (*at == 'm')
                        quoted(out, r->message);
                else if (*at == 't')
                        quoted(out, (slice){type_of(r->status), strlen(type_of(r->status))});
                else if (*at == 'r')
                        quoted(out, r->request);
                else
                        quoted(out, r->code);
        }
}

static void openai_write(text *out, const refusal *r, const char *param)
{
        text_str(out, "{\"error\":{");
        member(out, "message", r->message, false);
        text_fmt(out, ",\"type\":\"%s\",\"param\":", type_of(r->status));
        text_fmt(out, param == nullptr ? "null," : "\"%s\",", param);
        if (r->code.len > 0)
                member(out, "code", r->code, false);
        else
                text_str(out, "\"code\":null");
        text_str(out, "}}");
}

static void refusal_write(text *out, slice whose, const refusal *r)
{
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
                if (slice_is(whose, forms[i].vendor)) {
                        form_write(out, forms[i].form, r);
                        return;
                }
        }
        openai_write(out, r, nullptr);
}

static void refused(exchange *x, int status)
{
        x->status = status;
        x->refused = true;
        x->usage = (usage){};
        x->phase = PHASE_HEAD;
        x->reply.len = 0;
        if (x->kind == KIND_STREAM)
                x->kind = KIND_CHAT;
}

void exchange_error(exchange *x, int status, slice message, const char *code, const char *param)
{
        refused(x, status);
        const refusal r = {status, message, code == nullptr ? (slice){} : (slice){code, strlen(code)}, {}};
        openai_write(&x->reply, &r, param);
}

/* What is no error object. */
static bool body_write(exchange *x)
{
        slice body = x->fault.body;
        if (body.len == 0)
                return false;
        if (slice_is(body, "html")) {
                x->kind_of_body = "text/html";
                text_str(&x->reply, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center>"
                                    "<h1>502 Bad Gateway</h1></center><hr></body>\r\n</html>\r\n");
        } else if (slice_is(body, "text")) {
                x->kind_of_body = "text/plain";
                text_str(&x->reply, "upstream connect error or disconnect/reset before headers");
        } else if (slice_is(body, "array")) {
                text_str(&x->reply, "[]");
        }
        return true;
}

void refusal_begin(exchange *x, const http_request *req, vendor *v)
{
        const fault *f = &x->fault;
        slice words = text_all(&v->words), code = f->code.len > 0 ? f->code : SLICE("mock_fault");
        v->scratch.len = 0;
        text_str(&v->scratch, "The model name asked for this error.");
        if (f->echo_key != 0) {
                text_str(&v->scratch, " Key: ");
                text_slice(&v->scratch, req->bearer);
        }
        if (f->echo_prompt != 0) {
                text_str(&v->scratch, " Prompt: ");
                text_slice(&v->scratch, words);
        }
        if (slice_is(f->after, "text"))
                text_fmt(&v->scratch, " Please try again in %lu.5s.", f->retry_after);
        refused(x, (int)f->status);
        const refusal r = {x->status, text_all(&v->scratch), code, SLICE("req-mock")};
        if (!body_write(x))
                refusal_write(&x->reply, f->dialect, &r);
}

step refusal_fill(exchange *x, text *out)
{
        uint64_t left = x->fault.bytes - x->filled;
        size_t len = left < FILL_BYTES ? (size_t)left : FILL_BYTES;
        memset(text_room(out, len), 'e', len);
        out->len += len;
        x->filled += len;
        x->whole = x->filled == x->fault.bytes;
        return x->whole ? STEP_END : STEP_MORE;
}

void refusal_event(const exchange *x, text *out)
{
        const refusal r = {500, SLICE("The server had an error while processing your request"), x->fault.code,
                           SLICE("req-mock")};
        refusal_write(out, x->fault.dialect, &r);
}
