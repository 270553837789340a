#include "admin/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "admin/status.h"

static const view json = VIEW_INIT("application/json");

void admin_answer_json(admin_exchange *x, uint16_t status, view body)
{
        admin_answer(x, &(admin_reply){status, json, body, {}});
}

void admin_answer_error(admin_exchange *x, err_code code)
{
        const admin_fault *row = admin_fault_of(code);
        uint8_t room[512];
        emit out = emit_into(room, sizeof room);
        admin_fault_write(row, &out);
        view extra = code == ERR_NO_KEY ? VIEW("WWW-Authenticate: Bearer realm=\"lethe-admin\"\r\n") : (view){};
        admin_answer(x, &(admin_reply){row->http, json, {out.bytes, out.len}, extra});
}

void admin_answer_fault(admin_exchange *x, uint16_t status, const config_fault *f, view file)
{
        emit out = admin_document(x);
        admin_fault_write_place(f, file, &out);
        admin_answer_document(x, status, &out);
}

emit admin_document(admin_exchange *x)
{
        uint8_t *bytes = arena_alloc(&x->memory, STATUS_BYTES);
        return emit_into(bytes, bytes == nullptr ? 0 : STATUS_BYTES);
}

void admin_answer_document(admin_exchange *x, uint16_t status, const emit *document)
{
        view body;
        if (failed(emit_done(document, &body)))
                admin_answer_error(x, ERR_NO_ROOM);
        else
                admin_answer_json(x, status, body);
}

void admin_ask(admin_exchange *x, keeper_op op, view payload, void (*done)(void *ctx, err_code code, view answer))
{
        x->call = (keeper_call){.op = op, .payload = payload, .done = done, .ctx = x};
        keeper_link_ask(&x->box->keeper, &x->call);
}

status_certificates admin_certificates(const admin_box *box)
{
        status_certificates c = box->certificates;
        c.now_s = box->wall_s();
        return c;
}

/* Its pages go back to the system, its size stays. */
static void forget_bundle(const admin_box *box)
{
        (void)fallocate(box->bundle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)BOX_BUNDLE_BYTES);
}

err admin_upload_begin(admin_exchange *x)
{
        admin_box *box = x->box;
        if (box->bundle < 0 || box->link.fd < 0)
                return FAIL(NO_BOX);
        if (box->upload != nullptr)
                return FAIL(BOX_BUSY);
        forget_bundle(box);
        box->upload = x;
        x->uploaded = 0;
        return OK;
}

err admin_upload_take(admin_exchange *x, view piece)
{
        if (piece.len > BOX_BUNDLE_BYTES - x->uploaded)
                return FAIL(TOO_LARGE);
        while (piece.len > 0) {
                ssize_t n = pwrite(x->box->bundle, piece.data, piece.len, (off_t)x->uploaded);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return FAIL(NO_ROOM);
                x->uploaded += (uint64_t)n;
                piece = view_slice(piece, (size_t)n, piece.len);
        }
        return OK;
}

void admin_upload_end(admin_exchange *x)
{
        if (x->box->upload != x)
                return;
        x->box->upload = nullptr;
        forget_bundle(x->box);
}

/* The keeper's channel is of our own build: another length is a broken keeper. */
bool admin_taken(admin_exchange *x, err_code code, view answer, void *out, size_t len)
{
        if (code == ERR_NONE && answer.len == len) {
                memcpy(out, answer.data, len);
                return true;
        }
        admin_answer_error(x, code == ERR_NONE ? ERR_SYSTEM : code);
        return false;
}
