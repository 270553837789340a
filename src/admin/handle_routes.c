#include "admin/handle.h"
#include "admin/query.h"
#include "admin/ways.h"

static ways_facts facts_of(const admin_exchange *x)
{
        return (ways_facts){x->box->catalog, x->box->board, net_now_ms(x->box->loop)};
}

/* More than admin_document's room: a catalog may name thousands of targets. */
static emit document(admin_exchange *x)
{
        bool room = !failed(region_reserve(&x->file, WAYS_BYTES));
        return emit_into(x->file.bytes, room ? WAYS_BYTES : 0);
}

static void answer(admin_exchange *x, const emit *out)
{
        x->file.len = out->len; /* is wiped so far */
        admin_answer_document(x, 200, out);
}

void handle_routes(admin_exchange *x)
{
        static const char *const names[] = {"model", nullptr};
        query_value q[1];
        int model = -1;
        if (failed(query_read(x->query, names, q))) {
                admin_answer_error(x, ERR_OUT_OF_RANGE);
                return;
        }
        if (q[0].there && (model = catalog_find_model(x->box->catalog, view_of_text(q[0].text))) < 0) {
                admin_answer_error(x, ERR_NO_TARGET);
                return;
        }
        const ways_facts f = facts_of(x);
        emit out = document(x);
        ways_write(&f, model, &out);
        answer(x, &out);
}

enum asked : size_t { MODEL, CHARS, KEY, DOWNGRADE, ASKED };

static err_code understand(const catalog *c, view query, ways_question *out)
{
        static const char *const names[] = {
                [MODEL] = "model", [CHARS] = "chars", [KEY] = "key", [DOWNGRADE] = "downgrade", [ASKED] = nullptr};
        query_value q[ASKED];
        uint64_t chars = 0;
        if (failed(query_read(query, names, q)))
                return ERR_OUT_OF_RANGE;
        bool one = strcmp(q[DOWNGRADE].text, "1") == 0;
        if (!q[MODEL].there || (q[CHARS].there && !view_decimal(view_of_text(q[CHARS].text), UINT32_MAX, &chars))
            || (q[DOWNGRADE].there && !one && strcmp(q[DOWNGRADE].text, "0") != 0))
                return ERR_OUT_OF_RANGE;
        out->model = catalog_find_model(c, view_of_text(q[MODEL].text));
        out->key = q[KEY].there ? catalog_find_key(c, view_of_text(q[KEY].text)) : -1;
        out->chars = (uint32_t)chars;
        out->downgrade = one;
        bool allowed =
                out->model >= 0
                && (!q[KEY].there || (out->key >= 0 && catalog_key_allows(&c->keys[out->key], (size_t)out->model)));
        return allowed ? ERR_NONE : ERR_NO_TARGET;
}

void handle_routes_explain(admin_exchange *x)
{
        ways_question q;
        err_code code = understand(x->box->catalog, x->query, &q);
        if (code != ERR_NONE) {
                admin_answer_error(x, code);
                return;
        }
        const ways_facts f = facts_of(x);
        emit out = document(x);
        ways_write_explain(&f, &q, &out);
        answer(x, &out);
}
