#include "admin/fault.h"

static const admin_fault rows[] = {
        {ERR_SYSTEM, 500, "internal_error", "The role failed inside. Its events say more."},
        {ERR_BAD_HTTP, 400, "bad_http", "The request is not well-formed HTTP/1.1, or its Host is not one of ours."},
        {ERR_BAD_BODY, 400, "invalid_body", "The body lacks a field this address requires."},
        {ERR_NO_KEY, 401, "unauthorized",
         "Send 'Authorization: Bearer <admin token>'; 'lethectl admin token' makes one."},
        {ERR_NO_ROUTE, 404, "unknown_url", "There is nothing at this address. The API lives under /admin/v1/."},
        {ERR_NO_TARGET, 404, "not_found", "There is nothing of this name or number."},
        {ERR_BAD_METHOD, 405, "method_not_allowed", "This address does not answer that method."},
        {ERR_TIMEOUT_CLIENT, 408, "request_timeout", "The request did not arrive in time."},
        {ERR_KEY_BUSY, 409, "busy", "A reload is already running. Try again when it has ended."},
        {ERR_NO_LENGTH, 411, "length_required", "A body needs Content-Length or Transfer-Encoding: chunked."},
        {ERR_TOO_LARGE, 413, "request_too_large", "The body is larger than this address accepts."},
        {ERR_URI_TOO_LONG, 414, "uri_too_long", "The request target is longer than 8 KiB."},
        {ERR_ENCODED_BODY, 415, "unsupported_media_type", "Send the body as application/json, uncompressed."},
        {ERR_EXPECTATION, 417, "expectation_failed", "Only 'Expect: 100-continue' is understood."},
        {ERR_HEAD_TOO_LARGE, 431, "header_too_large", "The request head is larger than this server accepts."},
        {ERR_NOT_IMPLEMENTED, 501, "not_implemented", "The request uses a transfer coding this server does not speak."},
        {ERR_BAD_VERSION, 505, "http_version", "Only HTTP/1.1 is spoken here."},
        {ERR_BAD_CREDENTIAL, 403, "bad_credential", "The passphrase or key file does not open this vault."},
        {ERR_ROLLED_BACK, 409, "rolled_back",
         "The state file is older than one already seen. Put the newest one back."},
        {ERR_EXISTS, 409, "exists", "It is there already: a vault, or the last way to open one, is not replaced."},
        {ERR_FORBIDDEN, 403, "private", "A private key is never given out again."},
        {ERR_UPSTREAM_RATE, 429, "too_many_tries",
         "Too many wrong claim codes. Read the code on the box's console and try again later."},
        {ERR_OUT_OF_RANGE, 422, "out_of_range", "A name, host or number is outside its range."},
        {ERR_BAD_FILE, 422, "bad_file", "What was sent, or the state file, is damaged or of another format."},
        {ERR_NO_ROOM, 507, "no_room", "There is no room for it: the vault or the answer is full."},
        {ERR_EXPORTS_FULL, 507, "exports_full",
         "The place for exports is full of ones that nobody has acknowledged. Usage is counted on in the running "
         "period. Run 'lethectl export pull', then try again."},
        {ERR_SEALED, 503, "vault_sealed", "The vault is sealed. Run 'lethectl vault unlock'."},
        {ERR_NO_KEEPER, 503, "no_keeper", "The keeper role is not there. It is started again by itself."},
        {ERR_AGAIN, 504, "keeper_timeout", "The keeper did not answer in time. What was asked may still happen."},
        {ERR_NO_BOX, 404, "no_box", "This relay does not run as an appliance: its host is not its own."},
        {ERR_BOX_BUSY, 409, "box_busy", "Another update is on its way to this box. Try again when it has ended."},
        {ERR_BOX_LATE, 504, "box_timeout", "The box did not answer in time. What was asked may still happen."},
        {ERR_NO_CHOICE, 422, "no_choice",
         "Nothing was stored: choose first how the vault opens after a power cut. Send \"opens\" as \"person\" "
         "(somebody types the passphrase), \"key-file\" (a stick holds it) or \"tpm\"."},
        {ERR_LAST_SLOT, 409, "last_slot", "The last passphrase or key file of the vault stays. Add another one first."},
        {ERR_NO_TPM, 409, "no_tpm",
         "This box has no TPM. Switch it on in the firmware's set-up, or add one to the machine."},
        {ERR_TPM_FAILED, 502, "tpm_failed",
         "The TPM refused. If it was used before, clear it in the firmware's set-up, then try again."},
        {ERR_UPSTREAM_TIMEOUT, 504, "reload_timeout",
         "The new generation is still starting. Look at /admin/v1/status."},
};

const admin_fault *admin_fault_of(err_code code)
{
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                if (rows[i].code == code)
                        return &rows[i];
        return &rows[0];
}

err_code admin_fault_code(view word)
{
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                if (view_equal(word, view_of_text(rows[i].word)))
                        return rows[i].code;
        return ERR_BAD_FILE;
}

void admin_fault_write(const admin_fault *row, emit *out)
{
        emit_text(out, "{\"error\":{\"code\":");
        emit_json(out, view_of_text(row->word));
        emit_text(out, ",\"message\":");
        emit_json(out, view_of_text(row->text));
        emit_text(out, "}}\n");
}

void admin_fault_write_place(const config_fault *f, view file, emit *out)
{
        emit_text(out, "{\"error\":{\"code\":");
        emit_json(out, view_of_text(f->code));
        emit_text(out, ",\"message\":");
        emit_json(out, view_of_text(f->text));
        if (file.len > 0) {
                emit_text(out, ",\"file\":");
                emit_json(out, file);
        }
        emit_text(out, ",\"line\":");
        emit_u64(out, f->line);
        emit_text(out, ",\"column\":");
        emit_u64(out, f->column);
        emit_text(out, ",\"pointer\":");
        emit_json(out, view_of_text(f->pointer));
        emit_text(out, "}}\n");
}
