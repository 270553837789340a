#include "sign/minisign.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/secret.h"
#include "support/tap.h"

/* Made with minisign and signify themselves: seed 00..1f, key number 01..08. */
static const char public_file[] = "untrusted comment: minisign public key 0807060504030201\n"
                                  "RWQBAgMEBQYHCAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4\n";
static const char signature_file[] =
        "untrusted comment: relay usage export\n"
        "RWQBAgMEBQYHCLz1WUUPoH9BJXU4VgabCqhfge9mRzXkdGq9eJxyRTPnQQPHI/hm6cboEhUZbzOHutqrM0jZ9TRDvl+DnOId3Qc=\n"
        "trusted comment: seq:1 prev:0000 file:export.json\n"
        "Jj6spiC1SFUcB0pMMCXjk/6dndPGCeroUAGWb/Sfht6q460dt/UaYRHP7tJcVb56HhCqqH4AdXPjjM1oYLMoAg==\n";
/* By `minisign -S` with the same key: the prehashed form, and the tool's own comment. */
static const char hashed_file[] =
        "untrusted comment: signature from minisign secret key\n"
        "RUQBAgMEBQYHCFI0BbdArX9tfbzPOWFo3V5jdL3nEK5vrZpWiJzsAZeC6vuZlU64sECeiYdJVvI6sR6HCUV+oSz2Es9ebSQNHgY=\n"
        "trusted comment: timestamp:1767225600\tfile:export.json\thashed\n"
        "JqH2Xko7CWL2hAgBaGyNFWjDsxserW+Q1X1fhh5UKIc+rIseavmZsyf3q6c1BNcPI+LnEBeLuUwLna6vqQlFDA==\n";
static const char file[] = "{\"seq\":1,\"tokens\":123}\n";
static const char trusted[] = "seq:1 prev:0000 file:export.json";

static minisign_key vector_key(void)
{
        minisign_key k;
        uint8_t      seed[32];
        for (size_t i = 0; i < sizeof seed; i++)
                seed[i] = (uint8_t)i;
        minisign_key_from_seed(&k, seed);
        for (size_t i = 0; i < sizeof k.number; i++)
                k.number[i] = (uint8_t)(i + 1);
        return k;
}

static void test_vector(void)
{
        minisign_key k = vector_key();
        uint8_t      bytes[4096];
        emit         e = emit_into(bytes, sizeof bytes);
        view         out;
        tap_ok(!failed(minisign_write(&k, view_of_text(file), view_of_text(trusted), &e))
                       && !failed(emit_done(&e, &out)) && view_equal(out, view_of_text(signature_file)),
               "minisign", "the signature file of the vector, byte for byte");
        e = emit_into(bytes, sizeof bytes);
        minisign_write_public(k.number, k.public_key, &e);
        tap_ok(!failed(emit_done(&e, &out)) && view_equal(out, view_of_text(public_file)), "minisign",
               "the public key file of the vector, byte for byte");
        tap_ok(!failed(minisign_verify(view_of_text(public_file), view_of_text(signature_file), view_of_text(file))),
               "minisign", "it verifies");
        tap_ok(!failed(minisign_verify(view_of_text(public_file), view_of_text(hashed_file), view_of_text(file))),
               "minisign", "so does the prehashed one");
        minisign_key_wipe(&k);
        uint8_t any = 0;
        for (size_t i = 0; i < sizeof k.secret; i++)
                any |= k.secret[i];
        tap_ok(any == 0, "minisign", "a wiped key holds nothing");
}

static void test_changes(const char *form, const char *text)
{
        uint8_t signature[sizeof hashed_file + sizeof signature_file], body[sizeof file - 1],
                key[sizeof public_file - 1];
        size_t len = strlen(text), comment_end = (size_t)(strchr(text, '\n') - text);
        memcpy(signature, text, len);
        memcpy(body, file, sizeof body);
        memcpy(key, public_file, sizeof key);
        view s = {signature, len}, f = {body, sizeof body}, p = {key, sizeof key};
        bool good = true;
        for (size_t i = 0; i < sizeof body; i++)
                for (int bit = 0; bit < 8; bit++) {
                        body[i] ^= (uint8_t)(1 << bit);
                        good = good && minisign_verify(p, s, f).code == ERR_BAD_SIGNATURE;
                        body[i] ^= (uint8_t)(1 << bit);
                }
        tap_ok(good, form, "any changed bit of the file is found");
        size_t comment = sizeof "untrusted comment: " - 1;
        for (size_t i = 0; i < len; i++) {
                signature[i] ^= 1;
                bool free_text = i >= comment && i < comment_end;
                good = good && failed(minisign_verify(p, s, f)) != free_text;
                signature[i] ^= 1;
        }
        tap_ok(good, form, "any changed byte of the signature file but its untrusted comment is found");
        for (size_t cut = 0; cut + 1 < len; cut++) {
                uint8_t *exact = malloc(cut + 1);
                memcpy(exact, signature, cut);
                good = good && failed(minisign_verify(p, (view){exact, cut}, f));
                free(exact);
        }
        for (size_t cut = 0; cut + 1 < sizeof key; cut++)
                good = good && failed(minisign_verify(view_slice(p, 0, cut), s, f));
        tap_ok(good, form, "files cut anywhere are refused");
        tap_ok(!failed(minisign_verify(view_slice(p, 0, p.len - 1), view_slice(s, 0, s.len - 1), f)), form,
               "the last line end may be missing");
        tap_ok(failed(minisign_verify(p, (view){}, f)) && failed(minisign_verify((view){}, s, f)), form,
               "empty files are refused");
}

static void test_bounds(void)
{
        minisign_key k = vector_key(), other;
        uint8_t      bytes[4096], longest[MINISIGN_TRUSTED_MAX + 1];
        memset(longest, 'x', sizeof longest);
        emit e = emit_into(bytes, sizeof bytes);
        tap_ok(!failed(minisign_write(&k, VIEW("f"), (view){longest, MINISIGN_TRUSTED_MAX}, &e))
                       && !failed(minisign_verify(view_of_text(public_file), (view){bytes, e.len}, VIEW("f"))),
               "minisign", "the longest comment");
        tap_ok(minisign_write(&k, VIEW("f"), (view){longest, sizeof longest}, &e).code == ERR_OUT_OF_RANGE, "minisign",
               "a longer one is refused");
        tap_ok(minisign_write(&k, VIEW("f"), VIEW("a\nb"), &e).code == ERR_OUT_OF_RANGE, "minisign",
               "a comment with a line end is refused");
        e = emit_into(bytes, 200);
        tap_ok(minisign_write(&k, VIEW("f"), VIEW(""), &e).code == ERR_NO_ROOM, "minisign", "no room is told");
        uint8_t seed[32] = {9}, other_public[256];
        minisign_key_from_seed(&other, seed);
        memcpy(other.number, k.number, sizeof k.number);
        emit p = emit_into(other_public, sizeof other_public);
        minisign_write_public(other.number, other.public_key, &p);
        tap_ok(minisign_verify((view){other_public, p.len}, view_of_text(signature_file), view_of_text(file)).code
                       == ERR_BAD_SIGNATURE,
               "minisign", "another key of the same number does not verify");
        other.number[0] ^= 1;
        p = emit_into(other_public, sizeof other_public);
        minisign_write_public(other.number, k.public_key, &p);
        tap_ok(minisign_verify((view){other_public, p.len}, view_of_text(signature_file), view_of_text(file)).code
                       == ERR_BAD_SIGNATURE,
               "minisign", "nor the same key of another number");
}

static void put(const char *folder, const char *name, view v)
{
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, name);
        FILE *f = fopen(path, "w");
        if (f == nullptr || fwrite(v.data, 1, v.len, f) != v.len || fclose(f) != 0)
                abort();
}

/* The tool itself, where it is installed. */
static void test_tool(const char *tool, const char *arguments)
{
        char command[512], folder[] = "/tmp/minisignXXXXXX";
        snprintf(command, sizeof command, "command -v %s >/dev/null", tool);
        if (system(command) != 0 || mkdtemp(folder) == nullptr) {
                tap_skip("minisign", "the tool is not here");
                return;
        }
        minisign_key k;
        uint8_t      seed[32], bytes[2048], public_bytes[256];
        secret_random(seed, sizeof seed);
        minisign_key_from_seed(&k, seed);
        emit s = emit_into(bytes, sizeof bytes), p = emit_into(public_bytes, sizeof public_bytes);
        if (failed(minisign_write(&k, view_of_text(file), VIEW("seq:7"), &s)))
                abort();
        minisign_write_public(k.number, k.public_key, &p);
        put(folder, "f", view_of_text(file));
        put(folder, "f.sig", (view){bytes, s.len});
        put(folder, "f.pub", (view){public_bytes, p.len});
        snprintf(command, sizeof command, "cd %s && %s %s >/dev/null 2>&1", folder, tool, arguments);
        tap_ok(system(command) == 0, tool, "verifies a file under a key of ours");
        put(folder, "f", VIEW("{\"seq\":1,\"tokens\":124}\n"));
        tap_ok(system(command) != 0, tool, "refuses it when it was changed");
        snprintf(command, sizeof command, "rm -r %s", folder);
        if (system(command) != 0)
                abort();
}

static view get(const char *folder, const char *name, uint8_t *bytes, size_t cap)
{
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, name);
        FILE  *f = fopen(path, "r");
        size_t len = f == nullptr ? 0 : fread(bytes, 1, cap, f);
        if (f != nullptr)
                fclose(f);
        return (view){bytes, len};
}

/* And what it signs, in the form that it takes by itself and in the older one. */
static void test_tool_signs(const char *how, const char *words)
{
        char command[512], folder[] = "/tmp/minisignXXXXXX";
        if (system("command -v minisign >/dev/null") != 0 || mkdtemp(folder) == nullptr) {
                tap_skip("minisign", "the tool is not here");
                return;
        }
        put(folder, "f", view_of_text(file));
        snprintf(command, sizeof command,
                 "cd %s && { minisign -G -W -p f.pub -s f.key && minisign -S %s -s f.key -m f -x f.sig; } "
                 ">/dev/null 2>&1",
                 folder, how);
        uint8_t bytes[2048], public_bytes[256];
        bool made = system(command) == 0;
        view s = get(folder, "f.sig", bytes, sizeof bytes), p = get(folder, "f.pub", public_bytes, sizeof public_bytes);
        tap_ok(made && !failed(minisign_verify(p, s, view_of_text(file))), "minisign", words);
        snprintf(command, sizeof command, "rm -r %s", folder);
        if (system(command) != 0)
                abort();
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        test_vector();
        test_changes("minisign", signature_file);
        test_changes("minisign, prehashed", hashed_file);
        test_bounds();
        test_tool("minisign", "-V -p f.pub -m f -x f.sig");
        test_tool("signify-openbsd", "-V -p f.pub -m f -x f.sig");
        test_tool_signs("", "what the tool signs is good");
        test_tool_signs("-l", "also in its older form");
        return tap_done();
}
