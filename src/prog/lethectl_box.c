/* The verbs for an appliance: its versions, its power, its end. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/box_wire.h"
#include "prog/lethectl_admin.h"

enum : uint64_t { CALL_MS = 20000, UPDATE_MS = 1800000 };

typedef struct upload {
        size_t all; /* bytes */
        unsigned shown; /* hundredths */
} upload;

static void on_sent(void *ctx, size_t bytes)
{
        upload *u = ctx;
        unsigned percent = (unsigned)(bytes * 100 / u->all);
        if (percent == u->shown || !isatty(STDERR_FILENO))
                return;
        u->shown = percent;
        fprintf(stderr, percent < 100 ? "\rsent %u %%" : "\rsent; the appliance checks and writes it\n", percent);
}

/* `u`: whose progress is shown; null: nobody's. */
static verdict ask_watched(const lethectl *c, const https_request *q, https_answer *a, upload *u)
{
        https_client *h;
        https_why why = {};
        if (c->admin == nullptr)
                return misused("say which appliance: --admin URL, or LETHE_ADMIN_URL");
        err e = admin_client(c, &h, &why);
        if (failed(e))
                return refuse(why.text, nullptr);
        https_watch(h, u == nullptr ? nullptr : on_sent, u);
        e = remote_ask(h, q, a, &why);
        https_close(h);
        return failed(e) ? refuse(why.text, nullptr) : DONE;
}

static verdict ask(const lethectl *c, const https_request *q, https_answer *a)
{
        return ask_watched(c, q, a, nullptr);
}

/* An ask whose answer has nothing to say. */
static verdict order(const lethectl *c, view path, view body, const char *done)
{
        https_answer a;
        const https_request q = {.method = "POST", .path = path, .body = body, .timeout_ms = CALL_MS};
        verdict r = ask(c, &q, &a);
        if (r != DONE)
                return r;
        region_end(&a.body);
        puts(done);
        return DONE;
}

static bool text_of(const https_answer *a, const char *key, char *out, size_t cap)
{
        config_doc *doc;
        config_fault ignored;
        view v;
        if (failed(config_parse(region_view(&a->body), &doc, &ignored)))
                return false;
        bool good = !failed(config_text(config_root(doc), key, &v, &ignored)) && v.len < cap;
        if (good) {
                memcpy(out, v.data, v.len);
                out[v.len] = '\0';
        }
        config_free(doc);
        return good;
}

/* ---- status ---- */

static void print_lines(const config_doc *doc)
{
        config_fault ignored;
        for (const config_node *n = config_first(config_root(doc)); n != nullptr; n = config_next(n)) {
                view value, name = config_key(n);
                if (!failed(config_text_of(n, &value, &ignored)))
                        printf("%-16.*s %.*s\n", (int)name.len, (const char *)name.data, (int)value.len,
                               (const char *)value.data);
        }
}

verdict box_status(const lethectl *c)
{
        https_answer a;
        config_doc *doc;
        config_fault fault;
        const https_request q = {.method = "GET", .path = VIEW("/admin/v1/box"), .timeout_ms = CALL_MS};
        verdict r = ask(c, &q, &a);
        if (r != DONE)
                return r;
        if (c->json) {
                fwrite(a.body.bytes, 1, a.body.len, stdout);
        } else if (failed(config_parse(region_view(&a.body), &doc, &fault))) {
                r = refuse("the appliance answered what this lethectl does not know", nullptr);
        } else {
                print_lines(doc);
                config_free(doc);
        }
        region_end(&a.body);
        return r;
}

/* ---- power ---- */

verdict box_restart(const lethectl *c)
{
        return order(c, VIEW("/admin/v1/box/restart"), (view){}, "It finishes what runs and starts again.");
}

verdict box_power_off(const lethectl *c)
{
        return order(c, VIEW("/admin/v1/box/power-off"), (view){}, "It finishes what runs and switches off.");
}

/* ---- updates ---- */

static verdict send_update(const lethectl *c, view file)
{
        https_answer a;
        upload u = {.all = file.len};
        char version[80] = "?", tpm[40] = "";
        const https_request q = {.method = "POST",
                                 .path = c->older ? VIEW("/admin/v1/box/update?older") : VIEW("/admin/v1/box/update"),
                                 .body = file,
                                 .timeout_ms = UPDATE_MS};
        verdict r = ask_watched(c, &q, &a, &u);
        if (r != DONE)
                return r;
        (void)text_of(&a, "version", version, sizeof version);
        (void)text_of(&a, "tpm", tpm, sizeof tpm);
        region_end(&a.body);
        printf("Version %s is in the other slot%s.\n", version,
               c->restart ? "" : " and is started by the next restart: lethectl box restart");
        if (strcmp(tpm, "resealed") == 0)
                puts("The TPM opens the vault for it too.");
        else if (strcmp(tpm, "not resealed") == 0)
                puts("The TPM could not be prepared for it: be ready to open the vault by hand after the restart.");
        return c->restart ? box_restart(c) : DONE;
}

/* A wrong token or address is found before the file is sent. */
static verdict knock(const lethectl *c)
{
        https_answer a;
        const https_request q = {.method = "GET", .path = VIEW("/admin/v1/box"), .timeout_ms = CALL_MS};
        verdict r = ask(c, &q, &a);
        if (r == DONE)
                region_end(&a.body);
        return r;
}

verdict box_update(const lethectl *c)
{
        struct stat st;
        int fd = open(c->words[0], O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
                if (fd >= 0)
                        close(fd);
                return refuse("the update cannot be read", nullptr);
        }
        if (st.st_size > (off_t)BOX_BUNDLE_BYTES) {
                close(fd);
                return refuse("that is too large for an update of Lethe", nullptr);
        }
        void *bytes = mmap(nullptr, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        close(fd);
        if (bytes == MAP_FAILED)
                return refuse("the update cannot be read", nullptr);
        verdict r = knock(c);
        if (r == DONE)
                r = send_update(c, (view){bytes, (size_t)st.st_size});
        munmap(bytes, (size_t)st.st_size);
        return r;
}

verdict box_roll_back(const lethectl *c)
{
        https_answer a;
        char version[80] = "?";
        const https_request q = {.method = "POST", .path = VIEW("/admin/v1/box/roll-back"), .timeout_ms = UPDATE_MS};
        verdict r = ask(c, &q, &a);
        if (r != DONE)
                return r;
        (void)text_of(&a, "version", version, sizeof version);
        region_end(&a.body);
        printf("Version %s is started %s.\n", version,
               c->restart ? "next" : "by the next restart: lethectl box restart");
        return c->restart ? box_restart(c) : DONE;
}

static verdict order_text(const lethectl *c, view path, const char *key, view text, const char *done)
{
        uint8_t body[2 * BOX_MESSAGE_BYTES];
        emit e = emit_into(body, sizeof body);
        emit_text(&e, "{");
        emit_json(&e, view_of_text(key));
        emit_text(&e, ":");
        emit_json(&e, text);
        emit_text(&e, "}");
        return e.full ? refuse("that is too long", nullptr) : order(c, path, (view){e.bytes, e.len}, done);
}

verdict box_update_keys(const lethectl *c)
{
        region text;
        if (failed(file_read(c->words[0], BOX_MESSAGE_BYTES, &text))) {
                region_end(&text);
                return refuse("the file of public keys cannot be read", nullptr);
        }
        verdict r = order_text(c, VIEW("/admin/v1/box/update-keys"), "keys", region_view(&text),
                               "The appliance takes updates that two of these three keys have signed.");
        region_end(&text);
        return r;
}

verdict box_factory_reset(const lethectl *c)
{
        secret_line words;
        static const char prompt[] = "Vault, keys, settings and exports of this box go. Type '" BOX_RESET_WORD "': ";
        if (!secret_ask(c, prompt, &words))
                return REFUSED;
        verdict r = REFUSED;
        if (view_equal(secret_view(&words), VIEW(BOX_RESET_WORD)))
                r = order_text(c, VIEW("/admin/v1/box/factory-reset"), "words", VIEW(BOX_RESET_WORD),
                               "It forgets everything and starts again.");
        else
                refuse("nothing was reset: those were other words", nullptr);
        secret_line_wipe(&words);
        return r;
}
