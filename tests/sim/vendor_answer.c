/* What a vendor answers: rightly, or with one of the faults that vendors have. */
#include <stdio.h>
#include <string.h>

#include "sim/play.h"

typedef enum vendor_fault : uint8_t {
        GOOD,
        RATE_LIMITED,
        SERVER_ERROR,
        BUSY,
        HTML_GATEWAY,
        REDIRECT,
        BAD_KEY,
        CALLERS_FAULT,
        RESET_AT_ONCE,
        RESET_LATER,
        CUT_SOMEWHERE,
        CLOSE_SOMEWHERE,
        SILENT,
        STALLS,
        SLOW_FIRST,
        BAD_EVENT,
        ERROR_EVENT,
        NO_TERMINATOR,
        NO_FINISH,
        NO_USAGE,
        USAGE_TWICE,
        EXTRA_BYTES,
        ROLE_THEN_PAUSE,
        ONLY_COMMENTS,
        ERROR_AS_ANSWER,
        GARBAGE,
        FAULTS
} vendor_fault;

static const char *const names[] = {
        "good",        "rate limited", "server error", "busy",          "html",      "redirect", "bad key",
        "caller's",    "reset",        "reset later",  "cut",           "close",     "silent",   "stalls",
        "slow first",  "bad event",    "error event",  "no terminator", "no finish", "no usage", "usage twice",
        "extra bytes", "role, pause",  "comments",     "error answer",  "garbage"};
static_assert(sizeof names / sizeof *names == FAULTS);

typedef struct writing {
        const vendor_question *q;
        vendor_script *s;
        vendor_fault fault;
        bool chunked;
} writing;

static void pause_here(writing *w, uint64_t ms)
{
        if (w->s->pause_count == MOST_PAUSES)
                return;
        w->s->pauses[w->s->pause_count].at = w->s->bytes.len;
        w->s->pauses[w->s->pause_count++].ms = ms;
}

/* A piece of the body, in the framing of this answer. */
static void body_put(writing *w, view v)
{
        if (w->chunked)
                text_put(&w->s->bytes, "%zx\r\n", v.len);
        text_add(&w->s->bytes, v);
        if (w->chunked)
                text_put(&w->s->bytes, "\r\n");
}

static void usage_put(const writing *w, text *t, uint32_t answer)
{
        text_put(t, "\"usage\":{\"prompt_tokens\":%llu,\"completion_tokens\":%u,\"total_tokens\":%llu}",
                 (unsigned long long)(USAGE_BASE + answer), w->q->request->pieces,
                 (unsigned long long)(USAGE_BASE + answer + w->q->request->pieces));
}

/* ---- streams ---- */

static void event_put(writing *w, view json)
{
        text line = {};
        static const char *const forms[] = {"data: %.*s\n\n", "data:%.*s\r\n\r\n", ": x\ndata: %.*s\n\n"};
        const char *form = forms[sim_below(3)];
        size_t at = (size_t)(strchr(form, '%') - form);
        text_add(&line, (view){(const uint8_t *)form, at});
        text_add(&line, json);
        text_put(&line, "%s", form + at + 4);
        w->s->last_at = w->s->bytes.len;
        body_put(w, text_view(&line));
        /* A carriage return ends a line before its newline comes; the end of the connection ends it too. */
        w->s->event_end =
                w->chunked ? w->s->bytes.len - 3 : w->s->last_at + (size_t)(strchr(form, '%') - form) + json.len;
        text_free(&line);
}

static void chunk_put(writing *w, const char *delta, view content, const char *finish)
{
        char marker[MARKER_BYTES + 1];
        text json = {};
        text_marker(w->q->request->serial, marker);
        text_put(&json,
                 "{\"id\":\"c-%s\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"vm\",\"choices\":"
                 "[{\"index\":0,\"delta\":{%s",
                 marker, delta);
        if (content.len > 0) {
                text_put(&json, "\"content\":\"");
                text_escaped(&json, content);
                text_put(&json, "\"");
        }
        text_put(&json, "},\"finish_reason\":%s}]}", finish);
        event_put(w, text_view(&json));
        text_free(&json);
}

static void usage_event(writing *w, uint32_t answer)
{
        text json = {};
        text_put(&json,
                 "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"vm\",\"choices\":[],");
        usage_put(w, &json, answer);
        text_put(&json, "}");
        event_put(w, text_view(&json));
        text_free(&json);
}

static bool strange_event(writing *w)
{
        switch ((unsigned)w->fault) {
        case BAD_EVENT:
                event_put(w, VIEW("{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}"));
                return sim_chance(50); /* or it goes on as if nothing had been */
        case ERROR_EVENT:
                event_put(
                        w,
                        VIEW("{\"error\":{\"message\":\"the engine died\",\"type\":\"server_error\",\"code\":null}}"));
                return true;
        case GARBAGE:
                text_put(&w->s->bytes, "\x01\x02 zz\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
                return true;
        default:
                return false;
        }
}

static void stream_end(writing *w)
{
        if (w->fault != NO_FINISH) {
                chunk_put(w, "", (view){}, "\"stop\"");
                w->s->finished_at = w->s->event_end;
        }
        if (w->q->usage && w->fault != NO_USAGE) {
                if (w->fault == USAGE_TWICE)
                        usage_event(w, (uint32_t)play.answer_count + 1000000);
                usage_event(w, w->s->answer);
                w->s->stated_at = w->s->bytes.len;
        }
        if (w->fault != NO_TERMINATOR)
                event_put(w, VIEW("[DONE]"));
        if (w->chunked)
                text_put(&w->s->bytes, "0\r\n\r\n");
}

static void stream_write(writing *w, view answer)
{
        size_t largest = sim_between(answer.len > 20000 ? 100 : 1, 200), strange = sim_below(answer.len + 1);
        unsigned gap = sim_chance(50) ? 0 : (unsigned)sim_below(4);
        text_put(&w->s->bytes, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%s\r\n",
                 w->chunked ? "Transfer-Encoding: chunked\r\n" : "Connection: close\r\n");
        w->s->body_at = w->s->bytes.len;
        chunk_put(w, "\"role\":\"assistant\"", (view){}, "null");
        if (w->fault == ROLE_THEN_PAUSE)
                pause_here(w, sim_between(1000, 40000));
        for (unsigned i = 0; w->fault == ONLY_COMMENTS && i < MOST_PAUSES; i++) {
                body_put(w, VIEW(": still here\n\n"));
                pause_here(w, 30000);
        }
        for (size_t at = 0; at < answer.len;) {
                size_t n = sim_between(1, largest);
                n = n < answer.len - at ? n : answer.len - at;
                if (at <= strange && strange < at + n && strange_event(w))
                        return;
                chunk_put(w, "", view_slice(answer, at, at + n), "null");
                at += n;
                if (gap > 0 && sim_below(10) < gap)
                        pause_here(w, sim_below(400));
        }
        stream_end(w);
}

/* ---- whole answers ---- */

static void whole_write(writing *w, view answer)
{
        text body = {};
        if (w->fault == ERROR_AS_ANSWER) {
                text_put(&body, "{\"error\":{\"message\":\"sorry\",\"type\":\"server_error\",\"code\":null}}");
        } else if (w->q->request->kind == ASK_EMBEDDINGS) {
                text_put(&body, "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0."
                                "5,-1.25]}],"
                                "\"note\":\"");
                text_escaped(&body, answer);
                text_put(&body, "\",");
        } else {
                text_put(&body, "{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":"
                                "{\"role\":\"assistant\",\"content\":\"");
                text_escaped(&body, answer);
                text_put(&body, "\"},\"finish_reason\":\"stop\"}],");
        }
        if (w->fault != ERROR_AS_ANSWER && w->fault != NO_USAGE)
                usage_put(w, &body, w->s->answer);
        else if (w->fault == NO_USAGE)
                text_put(&body, "\"x\":0");
        if (w->fault != ERROR_AS_ANSWER)
                text_put(&body, "}");
        bool until_close = !w->chunked && sim_chance(20);
        text_put(&w->s->bytes, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
        if (w->chunked)
                text_put(&w->s->bytes, "Transfer-Encoding: chunked\r\n\r\n");
        else if (until_close)
                text_put(&w->s->bytes, "Connection: close\r\n\r\n");
        else
                text_put(&w->s->bytes, "Content-Length: %zu\r\n\r\n", body.len);
        w->s->body_at = w->s->bytes.len;
        for (size_t at = 0; at < body.len;) {
                size_t n = sim_between(1, 4000);
                n = n < body.len - at ? n : body.len - at;
                body_put(w, view_slice(text_view(&body), at, at + n));
                at += n;
        }
        w->s->last_at = w->s->bytes.len - 1;
        if (w->chunked)
                text_put(&w->s->bytes, "0\r\n\r\n");
        w->s->finished_at = w->s->bytes.len;
        if (until_close)
                w->s->then = THEN_CLOSE;
        if (w->fault != NO_USAGE && w->fault != ERROR_AS_ANSWER)
                w->s->stated_at = w->s->bytes.len;
        text_free(&body);
}

/* ---- refusals ---- */

static void refusal(writing *w, const char *line, const char *fields, const char *json)
{
        text_put(&w->s->bytes, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s", line,
                 fields, strlen(json), json);
        w->s->body_at = w->s->bytes.len;
}

static bool refuse(writing *w)
{
        static const char *const after[] = {"Retry-After: 0\r\n",
                                            "Retry-After: 1\r\n",
                                            "Retry-After: 3\r\n",
                                            "Retry-After: -5\r\n",
                                            "Retry-After: 10000000000000000000000000\r\n",
                                            "Retry-After: soon\r\n",
                                            "retry-after-ms: 700\r\n",
                                            "Retry-After: Fri, 20 Nov 2026 00:00:00 GMT\r\n",
                                            ""};
        char own[300], marker[MARKER_BYTES + 1];
        switch ((unsigned)w->fault) {
        case RATE_LIMITED:
                refusal(w, "429 Too Many", after[sim_below(sizeof after / sizeof *after)],
                        "{\"error\":{\"message\":\"slow "
                        "down\",\"type\":\"requests\",\"code\":\"rate_limit_exceeded\"}}");
                return true;
        case SERVER_ERROR:
                refusal(w, "500 Oops", "",
                        "{\"error\":{\"message\":\"oops\",\"type\":\"server_error\",\"code\":null}}");
                return true;
        case BUSY:
                refusal(w, sim_chance(50) ? "503 Busy" : "529 Overloaded", "",
                        "{\"error\":{\"message\":\"busy\",\"type\":\"overloaded_error\"}}");
                return true;
        case HTML_GATEWAY:
                text_put(&w->s->bytes,
                         "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
                         "<html><body>502</body></html>");
                w->s->then = THEN_CLOSE;
                return true;
        case REDIRECT:
                refusal(w, "302 Found", "Location: https://elsewhere.example/\r\n", "{}");
                return true;
        case BAD_KEY:
                refusal(w, "401 No", "", "{\"error\":{\"message\":\"key\",\"code\":\"invalid_api_key\"}}");
                return true;
        case CALLERS_FAULT:
                text_marker(w->q->request->serial, marker);
                snprintf(own, sizeof own,
                         "{\"error\":{\"message\":\"%s is not %.*s\",\"type\":\"invalid_request_error\","
                         "\"code\":\"bad_thing\"}}",
                         marker, (int)w->q->mail.len, (const char *)w->q->mail.data);
                refusal(w, "400 Bad", "", own);
                play.requests[w->q->request->serial].refused = true;
                return true;
        default:
                return false;
        }
}

/* ---- where it stops ---- */

static void stop_somewhere(writing *w)
{
        vendor_script *s = w->s;
        s->stop = s->bytes.len;
        switch ((unsigned)w->fault) {
        case RESET_AT_ONCE:
                s->stop = 0;
                s->then = THEN_RESET;
                break;
        case RESET_LATER:
                s->stop = sim_below(s->bytes.len);
                s->then = THEN_RESET;
                break;
        case CUT_SOMEWHERE:
                s->stop = sim_below(s->bytes.len);
                s->then = THEN_CUT;
                break;
        case CLOSE_SOMEWHERE:
                /* Often just before the end: what is missing then is only the terminator. */
                s->stop = sim_chance(50) && s->last_at > 0 ? s->last_at : sim_below(s->bytes.len);
                s->then = THEN_CLOSE;
                break;
        case SILENT:
                s->stop = 0;
                s->then = THEN_SILENCE;
                break;
        case STALLS:
                s->stop = sim_below(s->bytes.len);
                s->then = THEN_SILENCE;
                break;
        case SLOW_FIRST:
                s->first_ms = sim_between(1000, 90000);
                break;
        case GARBAGE:
                s->then = THEN_CLOSE;
                break;
        case EXTRA_BYTES:
                s->extra_at = s->bytes.len;
                text_put(&s->bytes, EXTRA_BEGIN "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                                "Content-Length: 2\r\n\r\n{}");
                s->stop = s->bytes.len;
                break;
        default:
                break;
        }
}

void vendor_write(const vendor_question *q, vendor_script *out)
{
        writing w = {.q = q, .s = out, .fault = GOOD, .chunked = sim_chance(q->stream ? 80 : 40)};
        *out = (vendor_script){
                .then = THEN_KEEP, .stated_at = SIZE_MAX, .finished_at = SIZE_MAX, .first_ms = sim_below(300)};
        if (q->request == nullptr) {
                refusal(&w, "200 OK", "", "{}");
                out->stop = out->bytes.len;
                return;
        }
        if (sim_chance(play.storm))
                w.fault = sim_chance(8) ? EXTRA_BYTES : (vendor_fault)sim_below(FAULTS);
        if (play.answer_count == MOST_ANSWERS)
                sim_fail("more answers than the simulation has room for");
        out->answer = (uint32_t)play.answer_count++;
        play.answers[out->answer] = (vendor_answer){.serial = q->request->serial};
        sim_say("vendor answers %u to request %u: %s%s", out->answer, q->request->serial, names[w.fault],
                q->prefill.len > 0 ? ", goes on" : "");
        text answer = {};
        text_answer(q->request, q->request->kind == ASK_EMBEDDINGS ? (view){} : q->mail, &answer);
        view whole = text_view(&answer);
        if (!view_starts(whole, q->prefill))
                sim_fail("request %u: a vendor is to go on with words that are not its own", q->request->serial);
        if (!refuse(&w)) {
                if (q->stream)
                        stream_write(&w, view_slice(whole, q->prefill.len, whole.len));
                else
                        whole_write(&w, whole);
                if (q->stream && !w.chunked)
                        out->then = THEN_CLOSE;
        }
        text_free(&answer);
        stop_somewhere(&w);
}
