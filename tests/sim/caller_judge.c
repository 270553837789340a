/* What a caller makes of an answer: all of it and nothing else, or an error that says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/play.h"

static void judge_markers(const heard *h, view v)
{
        for (size_t at = text_find(v, 0, "mk"); at != SIZE_MAX; at = text_find(v, at + 2, "mk")) {
                uint32_t serial = text_serial(view_slice(v, at, v.len));
                if (serial != UINT32_MAX && serial != h->request->serial)
                        sim_fail("request %u was answered with bytes of request %u", h->request->serial, serial);
        }
}

bool caller_has_content(const request *r, view body, size_t from)
{
        static const char field[] = "\"content\":\"";
        from = from > sizeof field + 16 ? from - sizeof field - 16 : 0;
        if (r->kind != ASK_STREAM)
                return true;
        for (size_t at = text_find(body, from, field); at != SIZE_MAX; at = text_find(body, at + 1, field))
                if (at + sizeof field - 1 < body.len && body.data[at + sizeof field - 1] != '"')
                        return true;
        return false;
}

/* ---- usage ---- */

static void judge_usage(const request *r, view json)
{
        static const char field[] = "\"usage\":{\"prompt_tokens\":";
        size_t at = text_find(json, 0, field);
        if (at == SIZE_MAX)
                return;
        uint64_t n = strtoull((const char *)json.data + at + sizeof field - 1, nullptr, 10);
        if (r->kind == ASK_STREAM && !r->usage_wanted)
                sim_fail("request %u was told of usage that it had not asked for", r->serial);
        if (r->resumed || n >= USAGE_BASE + 1000000)
                return; /* a sum of several; or the first of two statements, which passes as it stands; the ledger takes
                           the last */
        if (n < USAGE_BASE || n - USAGE_BASE >= play.answer_count || play.answers[n - USAGE_BASE].serial != r->serial)
                sim_fail("request %u was told the usage of another", r->serial);
}

/* ---- streams ---- */

typedef struct stream {
        text said;
        bool done, error, after;
        unsigned begun; /* how often the answer says who speaks */
} stream;

static void event_take(const request *r, stream *s, view json)
{
        if (s->done)
                s->after = true;
        if (view_equal(json, VIEW("[DONE]"))) {
                s->done = true;
        } else if (view_starts(json, VIEW("{\"error\""))) {
                s->error = true;
        } else {
                judge_usage(r, json);
                s->begun += text_find(json, 0, "\"role\":\"assistant\"") != SIZE_MAX;
                size_t at = text_find(json, 0, "\"content\":\"");
                if (at != SIZE_MAX && text_string(json, at + 11, &s->said) == 0)
                        sim_fail("request %u got an event that is no JSON", r->serial);
        }
}

static void stream_read(const heard *h, stream *s)
{
        for (size_t at = 0; at < h->body.len;) {
                size_t end = text_find(h->body, at, "\n\n");
                if (end == SIZE_MAX)
                        break;
                view event = view_slice(h->body, at, end);
                at = end + 2;
                if (view_starts(event, VIEW("data: ")))
                        event_take(h->request, s, view_slice(event, 6, event.len));
                else if (!view_starts(event, VIEW(":")))
                        sim_fail("request %u got an event of another form", h->request->serial);
        }
}

static bool begins_with(view whole, view part)
{
        return part.len <= whole.len && (part.len == 0 || memcmp(whole.data, part.data, part.len) == 0);
}

static void expected(const request *r, text *out)
{
        char mail[MAIL_BYTES];
        text_mail(r->serial, mail);
        const char *quoted = r->kind == ASK_EMBEDDINGS ? "" : r->has_mail ? mail : "nobody";
        text_answer(r, view_of_text(quoted), out);
}

static void got_whole(const heard *h)
{
        h->request->whole = true;
        if (h->request->content_us == 0)
                h->request->content_us = sim_now_us();
        trace->whole++;
}

static void must_be_whole(const heard *h, view said)
{
        text want = {};
        expected(h->request, &want);
        view all = text_view(&want);
        if (!view_equal(said, all))
                sim_fail("request %u was answered with other words than its vendor's (%zu of %zu bytes)",
                         h->request->serial, said.len, all.len);
        text_free(&want);
        got_whole(h);
}

static void judge_stream(const heard *h)
{
        const request *r = h->request;
        stream s = {};
        text want = {};
        expected(r, &want);
        stream_read(h, &s);
        bool good_end = text_find(h->head, 0, "x-lethe-end: --") != SIZE_MAX;
        if (!begins_with(text_view(&want), text_view(&s.said)))
                sim_fail("request %u was answered with other words than its vendor's, after %zu bytes", r->serial,
                         s.said.len);
        if (s.begun > 1)
                sim_fail("request %u: its answer begins %u times", r->serial, s.begun);
        if (s.after || (s.done && s.error))
                sim_fail("request %u: something follows its terminator or its error", r->serial);
        if (h->complete && !s.done && !s.error)
                sim_fail("request %u: a stream without terminator and without error was passed off as whole",
                         r->serial);
        if (s.error && good_end)
                sim_fail("request %u: an error ends with the code of a good end", r->serial);
        if (s.done)
                must_be_whole(h, text_view(&s.said));
        if (s.error)
                trace->broken++;
        if (!h->complete && !h->excused)
                sim_fail("request %u: its stream broke off although its caller behaved", r->serial);
        text_free(&want);
        text_free(&s.said);
}

/* ---- whole answers and errors ---- */

static void judge_whole(const heard *h)
{
        const char *field = h->request->kind == ASK_EMBEDDINGS ? "\"note\":\"" : "\"content\":\"";
        if (!h->complete) {
                if (!h->excused)
                        sim_fail("request %u: its answer broke off although its caller behaved", h->request->serial);
                return;
        }
        if (h->request->kind == ASK_MODELS) {
                if (text_find(h->body, 0, "\"object\":\"list\"") == SIZE_MAX)
                        sim_fail("request %u: no list of models", h->request->serial);
                got_whole(h);
                return;
        }
        text said = {};
        size_t at = text_find(h->body, 0, field);
        if (at == SIZE_MAX || text_string(h->body, at + strlen(field), &said) == 0)
                sim_fail("request %u: an answer without content", h->request->serial);
        judge_usage(h->request, h->body);
        must_be_whole(h, text_view(&said));
        text_free(&said);
}

static bool may_be_told(const request *r, unsigned status)
{
        switch (status) {
        case 400:
                return r->refused;
        case 408:
                return play.frozen_us > r->begun_us;
        case 429:
        case 502:
        case 503:
        case 504:
                return true;
        default:
                return false;
        }
}

static void judge_error(const heard *h)
{
        const request *r = h->request;
        if (h->complete && text_find(h->body, 0, "\"error\"") == SIZE_MAX)
                sim_fail("request %u: status %u without an error", r->serial, h->status);
        if (text_find(h->head, 0, "x-lethe-end: --") != SIZE_MAX)
                sim_fail("request %u: status %u with the code of a good end", r->serial, h->status);
        trace->refused++;
        if (h->excused)
                return;
        if (!h->complete)
                sim_fail("request %u: its error broke off although its caller behaved", r->serial);
        if (!may_be_told(r, h->status))
                sim_fail("request %u: status %u, which nothing can have caused", r->serial, h->status);
        char mail[MAIL_BYTES];
        text_mail(r->serial, mail);
        if (h->status == 400 && r->has_mail && r->kind != ASK_EMBEDDINGS && text_find(h->body, 0, mail) == SIZE_MAX)
                sim_fail("request %u: a vendor's message came without the caller's own words: %.*s", r->serial,
                         (int)h->body.len, (const char *)h->body.data);
}

void caller_judge(const heard *h)
{
        judge_markers(h, h->head);
        judge_markers(h, h->body);
        sim_say("request %u: status %u, %zu bytes%s", h->request->serial, h->status, h->body.len,
                h->complete ? "" : ", broken off");
        if (h->status == 0) {
                if (!h->excused)
                        sim_fail("request %u was not answered at all although its caller behaved", h->request->serial);
        } else if (h->status != 200) {
                judge_error(h);
        } else if (h->request->kind == ASK_STREAM) {
                judge_stream(h);
        } else {
                judge_whole(h);
        }
        if (h->request->calm && !h->request->whole)
                sim_fail("request %u was not served (status %u) although no fault was left", h->request->serial,
                         h->status);
}
