#include "usage/quote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "support/tap.h"

static const char SUBJECT[] = "quote";

static uint8_t file[QUOTE_MAX], again[QUOTE_MAX];

static bool refused(const char *text, const char *code)
{
        tpm_quote    q;
        config_fault fault;
        return failed(quote_read(view_of_text(text), &q, &fault)) && strcmp(fault.code, code) == 0;
}

int main(void)
{
        FILE *f = fopen("tests/vectors/quote/2.json.quote", "rb");
        if (f == nullptr || failed(secret_setup()))
                return 1;
        view         whole = {file, fread(file, 1, sizeof file, f)};
        tpm_quote    q;
        config_fault fault;
        fclose(f);
        tap_ok(!failed(quote_read(whole, &q, &fault)) && q.attest_len == 145 && q.signature_len == 72 && q.key_len == 88
                       && q.pcrs.mask == 0x003895,
               SUBJECT, "a quote that a keeper wrote");
        emit out = emit_into(again, sizeof again);
        tap_ok(!failed(quote_write(&q, &out)) && view_equal((view){again, out.len}, whole), SUBJECT,
               "is written again as the same bytes");
        out = emit_into(again, 100);
        tap_ok(quote_write(&q, &out).code == ERR_NO_ROOM, SUBJECT, "and only where there is room");
        bool cut = true;
        for (size_t len = 0; len + 1 < whole.len; len++)
                cut = cut && failed(quote_read(view_slice(whole, 0, len), &q, &fault));
        tap_ok(cut, SUBJECT, "cut anywhere it is refused");
        static const char rest[] = "\"format\":\"relay-quote/1\",\"pcrs\":{},\"sig\":\"AA==\"}";
        char              text[512];
        snprintf(text, sizeof text, "{\"ak_pub\":\"AA==\",\"attest\":\"AA==\",%s", rest);
        tap_ok(!failed(quote_read(view_of_text(text), &q, &fault)), SUBJECT, "the form alone is looked at here");
        snprintf(text, sizeof text, "{\"ak_pub\":\"A\",\"attest\":\"AA==\",%s", rest);
        tap_ok(refused(text, "NOT_BASE64"), SUBJECT, "what is no base64");
        snprintf(text, sizeof text, "{\"ak_pub\":\"\",\"attest\":\"AA==\",%s", rest);
        tap_ok(refused(text, "NOT_BASE64"), SUBJECT, "what is empty");
        snprintf(text, sizeof text, "{\"attest\":\"AA==\",%s", rest);
        tap_ok(refused(text, "MISSING_KEY"), SUBJECT, "what is missing");
        snprintf(text, sizeof text, "{\"more\":1,\"ak_pub\":\"AA==\",\"attest\":\"AA==\",%s", rest);
        tap_ok(refused(text, "UNKNOWN_KEY"), SUBJECT, "what is too much");
        tap_ok(refused("{\"ak_pub\":\"AA==\",\"attest\":\"AA==\",\"format\":\"relay-quote/1\",\"pcrs\":{\"24\":\"00\"},"
                       "\"sig\":\"AA==\"}",
                       "NO_PCR"),
               SUBJECT, "a register that no TPM has");
        uint8_t digest[32], want[32];
        quote_binding(VIEW("{}\n"), digest);
        secret_sha256(want, VIEW("relay-usage-export-v1\0{}\n"));
        tap_ok(memcmp(digest, want, 32) == 0, SUBJECT, "what a TPM signs for an export");
        return tap_done();
}
