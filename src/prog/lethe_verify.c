/* lethe-verify: checks usage exports, a TPM's quotes beside them and the release they speak of, on any machine, without
 * a relay and without a network. Every check is a line; one that fails is a sentence and exit status 1. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/secret.h"
#include "build_info.h"
#include "sign/minisign.h"
#include "usage/audit.h"

enum : int { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_MISUSED = 2 };
enum : size_t { FILE_MAX = 64 * 1024 * 1024 };

static const char manual[] =
        "lethe-verify: checks usage exports of a Lethe relay, offline\n"
        "\n"
        "  lethe-verify export FILE... --pub FILE [--ak FILE [--manifest FILE]] [--quote FILE] [--quiet]\n"
        "      FILE           an export; its signature is FILE.sig, its quote FILE.quote. Several are one series, in\n"
        "                     the order given: 'lethectl export pull' names them so that the shell sorts them right\n"
        "      --pub FILE     the relay's public key, as it was when the box was set up\n"
        "      --ak FILE      the key of the box's TPM, likewise (PEM): every export must have a quote by it\n"
        "      --manifest FILE  the release's manifest.json (check its signatures first): what was started must be it\n"
        "      --quote FILE   the quote, when it is not FILE.quote; for one export\n"
        "      --quiet        only what fails\n"
        "  lethe-verify ak QUOTE\n"
        "      the key of the TPM that made this quote, as PEM: keep it when you set the box up, and compare it there\n"
        "  --version, --help\n"
        "\n"
        "A quote says what was started and that this export was there then. It says nothing of what ran later, and a\n"
        "TPM of a virtual machine is as good as who runs the host.\n"
        "Exit status: 0 all checks hold, 1 one does not, 2 wrong use or a file that cannot be read.\n";

typedef struct files {
        const char *pub, *ak, *manifest, *quote;
        bool        quiet;
        const char *exports[1024];
        size_t      count;
} files;

typedef struct state {
        const files  *f;
        const char   *about; /* the file a line is about */
        bool          quiet, bad;
        region        pub;
        p256_key      ak;
        audit_release release;
} state;

[[noreturn]] static void misused(const char *subject, const char *text)
{
        fprintf(stderr, "lethe-verify: %s%s\n", subject, text);
        exit(EXIT_MISUSED);
}

static void say(void *ctx, bool good, const char *sentence)
{
        state *s = ctx;
        s->bad = s->bad || !good;
        if (!good || !s->quiet)
                printf("%s: %s: %s\n", s->about, good ? "good" : "FAILED", sentence);
}

/* Whole file into a region; false: it is not there. Another error ends the program. */
static bool read_file(const char *path, region *out)
{
        region_init(out, FILE_MAX);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return false;
        if (fd < 0)
                misused(path, ": cannot be opened");
        for (;;) {
                if (failed(region_reserve(out, 64 * 1024)))
                        misused(path, ": is larger than 64 MiB");
                ssize_t n = read(fd, out->bytes + out->len, 64 * 1024);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        misused(path, ": cannot be read");
                if (n == 0)
                        break;
                out->len += (size_t)n;
        }
        close(fd);
        return true;
}

static void need_file(const char *path, region *out)
{
        if (!read_file(path, out))
                misused(path, ": is not there");
}

static void say_fault(state *s, const char *what, const config_fault *fault)
{
        char text[640];
        const char *place = fault->pointer[0] != '\0' ? fault->pointer : "/";
        snprintf(text, sizeof text, "%s at %s: %s", what, place, fault->text);
        say(s, false, text);
}

static void check_quote(state *s, view body, view quote_file, const audit_export *e)
{
        tpm_quote          q;
        config_fault       fault;
        const audit_report to = {say, s};
        if (failed(quote_read(quote_file, &q, &fault))) {
                say_fault(s, "the quote cannot be read", &fault);
                return;
        }
        audit_quote(&q, body, e, &s->ak, &to);
        if (s->f->manifest != nullptr)
                audit_started(&q, e, &s->release, &to);
}

static void check_signature(state *s, const char *path, view body)
{
        char   beside[4096 + 8];
        region signature;
        snprintf(beside, sizeof beside, "%s.sig", path);
        if (!read_file(beside, &signature))
                say(s, false, "its signature, FILE.sig, is not there");
        else if (failed(minisign_verify(region_view(&s->pub), region_view(&signature), body)))
                say(s, false, "the signature is not by this key over these bytes");
        else
                say(s, true, "the relay's signature verifies");
        region_end(&signature);
}

/* False: it cannot be read at all. */
static bool check_one(state *s, const char *path, audit_export *e)
{
        char         beside[4096 + 8];
        region       body, quote;
        config_fault fault;
        s->about = path;
        need_file(path, &body);
        check_signature(s, path, region_view(&body));
        snprintf(beside, sizeof beside, "%s.quote", path);
        bool quoted = read_file(s->f->quote != nullptr ? s->f->quote : beside, &quote);
        err  read = audit_read_export(region_view(&body), region_view(&quote), e, &fault);
        if (failed(read))
                say_fault(s, "the export cannot be read", &fault);
        else if (quoted && s->f->ak != nullptr)
                check_quote(s, region_view(&body), region_view(&quote), e);
        else if (s->f->ak != nullptr || s->f->quote != nullptr)
                say(s, false, "there is no quote beside it: no TPM has signed it, or the quote was taken away");
        else if (quoted)
                printf("%s: note: its quote is not checked; --ak FILE names the TPM's key\n", path);
        region_end(&body);
        region_end(&quote);
        return !failed(read);
}

static int check_exports(const files *f)
{
        static state       s;
        static audit_export pair[2];
        const audit_report to = {say, &s};
        s = (state){.f = f, .quiet = f->quiet};
        need_file(f->pub, &s.pub);
        if (f->ak != nullptr) {
                region pem;
                need_file(f->ak, &pem);
                if (failed(p256_read_pem(region_view(&pem), &s.ak)))
                        misused(f->ak, ": is not the PEM of a P-256 key; 'lethe-verify ak QUOTE' makes one");
                region_end(&pem);
        }
        if (f->manifest != nullptr) {
                region       manifest;
                config_fault fault;
                need_file(f->manifest, &manifest);
                if (failed(audit_read_release(region_view(&manifest), &s.release, &fault)))
                        misused(f->manifest, ": is not the manifest of a release");
                region_end(&manifest);
        }
        bool before = false;
        for (size_t i = 0; i < f->count; i++) {
                bool now = check_one(&s, f->exports[i], &pair[i % 2]);
                if (now && before)
                        audit_series(&pair[(i + 1) % 2], &pair[i % 2], &to);
                else if (now && i == 0)
                        audit_first(&pair[0], &to);
                before = now;
        }
        region_end(&s.pub);
        printf(s.bad ? "NOT GOOD\n" : "all checks hold\n");
        return s.bad ? EXIT_BAD : EXIT_GOOD;
}

static int print_key(const char *path)
{
        region       file;
        tpm_quote    q;
        config_fault fault;
        p256_key     key;
        uint8_t      bytes[512];
        emit         pem = emit_into(bytes, sizeof bytes);
        need_file(path, &file);
        bool good = !failed(quote_read(region_view(&file), &q, &fault))
                    && !failed(tpm_read_quoting_key((view){q.key, q.key_len}, key.x, key.y));
        region_end(&file);
        if (!good) {
                fprintf(stderr, "lethe-verify: %s: is not a quote of a box's TPM\n", path);
                return EXIT_BAD;
        }
        p256_write_pem(&key, &pem);
        fwrite(bytes, 1, pem.len, stdout);
        return EXIT_GOOD;
}

static void parse(int argc, char *argv[], files *f)
{
        const struct {
                const char  *name;
                const char **to;
        } rows[] = {{"--pub", &f->pub}, {"--ak", &f->ak}, {"--manifest", &f->manifest}, {"--quote", &f->quote}};
        for (int i = 2; i < argc; i++) {
                if (strcmp(argv[i], "--quiet") == 0) {
                        f->quiet = true;
                        continue;
                }
                if (strncmp(argv[i], "--", 2) != 0) {
                        if (f->count == sizeof f->exports / sizeof *f->exports)
                                misused(argv[i], ": is one file too many; at most 1024 at once");
                        f->exports[f->count++] = argv[i];
                        continue;
                }
                size_t r = 0;
                while (r < sizeof rows / sizeof *rows && strcmp(argv[i], rows[r].name) != 0)
                        r++;
                if (r == sizeof rows / sizeof *rows)
                        misused(argv[i], ": unknown option; 'lethe-verify --help' lists them");
                if (i + 1 == argc)
                        misused(argv[i], ": needs a value");
                *rows[r].to = argv[++i];
        }
}

int main(int argc, char *argv[])
{
        static files f;
        if (argc < 2 || strcmp(argv[1], "--help") == 0) {
                fputs(manual, argc < 2 ? stderr : stdout);
                return argc < 2 ? EXIT_MISUSED : EXIT_GOOD;
        }
        if (strcmp(argv[1], "--version") == 0) {
                puts("lethe-verify " LETHE_VERSION " (" LETHE_COMMIT ")");
                return EXIT_GOOD;
        }
        if (failed(secret_setup()))
                misused("", "no random numbers from the kernel");
        parse(argc, argv, &f);
        if (strcmp(argv[1], "ak") == 0 && f.count == 1)
                return print_key(f.exports[0]);
        if (strcmp(argv[1], "export") != 0 || f.count == 0 || f.pub == nullptr)
                misused("", "use it so: lethe-verify export FILE... --pub FILE [--ak FILE]; --help says more");
        if (f.quote != nullptr && f.count != 1)
                misused("--quote", ": is for one export; for several the quotes stand beside them");
        if (f.manifest != nullptr && f.ak == nullptr)
                misused("--manifest", ": is compared with what a TPM has signed; name its key with --ak");
        int status = check_exports(&f);
        return fflush(stdout) == 0 ? status : EXIT_MISUSED;
}
