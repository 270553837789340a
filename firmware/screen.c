#include "firmware/screen.h"

#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum : size_t {
        VALUE_AT = 13,
        LINE_BYTES = 256,
        IMAGE_SHOWN_BYTES = 8,
        PRINT_SHOWN = 8 * 5 - 1, /* of a fingerprint, on the first page */
        EXPORT_KEY_AT = 10,      /* behind "Ed" and the key's number */
};
enum : uint64_t { DAY_S = 86400, IMAGE_OLD_DAYS = 90, EXPIRY_WARNING_DAYS = 30 };

/* A line being written; what goes beyond the screen's edge is cut. */
typedef struct pen {
        screen *to;
        size_t  row;
        emit    line;
        uint8_t bytes[LINE_BYTES];
} pen;

static void pen_begin(pen *p, const char *name)
{
        p->line = emit_into(p->bytes, sizeof p->bytes);
        emit_text(&p->line, name);
        while (p->line.len < VALUE_AT)
                emit_byte(&p->line, ' ');
}

static void pen_end(pen *p) { screen_put(p->to, p->row++, 0, (view){p->line.bytes, p->line.len}); }

static void say(pen *p, const char *name, const char *value)
{
        pen_begin(p, name);
        emit_text(&p->line, value);
        pen_end(p);
}

/* Broken at blanks where the edge is. */
static void say_long(pen *p, const char *name, view text)
{
        constexpr size_t ROOM = SCREEN_COLUMNS - VALUE_AT;
        while (text.len > 0) {
                size_t len = text.len;
                if (len > ROOM)
                        for (len = ROOM; len > ROOM / 2 && text.data[len] != ' ';)
                                len--;
                if (len == ROOM / 2 && text.len > ROOM)
                        len = ROOM;
                pen_begin(p, name);
                emit_view(&p->line, view_slice(text, 0, len));
                pen_end(p);
                while (len < text.len && text.data[len] == ' ')
                        len++;
                text = view_slice(text, len, text.len);
                name = "";
        }
}

static void address(emit *e, const box_address *a)
{
        box_address_text(e, a);
        if (a->prefix != 0) {
                emit_byte(e, '/');
                emit_u64(e, a->prefix);
        }
}

/* Where a browser finds it: a door on every address is reached at the first, [::] at one of either family. */
static const box_address *first_at(const box *b, bool any6)
{
        for (size_t i = 0; i < b->address_count; i++)
                if (any6 || b->addresses[i].family == 4)
                        return &b->addresses[i];
        return nullptr;
}

static void url(emit *e, const box *b, const char *endpoint, const char *path)
{
        const char *colon = strrchr(endpoint, ':');
        bool        any4 = strncmp(endpoint, "0.0.0.0:", 8) == 0, any6 = strncmp(endpoint, "[::]:", 5) == 0;
        const box_address *a = first_at(b, any6);
        if ((any4 || any6) && a == nullptr) {
                emit_text(e, "no address yet");
                return;
        }
        emit_text(e, "https://");
        if (any4 || any6) {
                emit_text(e, a->family == 6 ? "[" : "");
                box_address_text(e, a);
                emit_text(e, a->family == 6 ? "]" : "");
                endpoint = colon;
        }
        emit_text(e, endpoint);
        emit_text(e, path);
}

static void mac(emit *e, const network_card *card)
{
        for (size_t i = 0; i < sizeof card->mac; i++) {
                if (i > 0)
                        emit_byte(e, ':');
                emit_hex(e, (view){card->mac + i, 1});
        }
}

static void draw_image(pen *p, const image *i)
{
        pen_begin(p, "Lethe");
        emit_text(&p->line, i->version);
        emit_text(&p->line, "  commit ");
        emit_view(&p->line, view_slice(view_of_text(i->commit), 0, 12));
        emit_text(&p->line, "  kernel ");
        emit_text(&p->line, i->kernel);
        pen_end(p);
}

static void date(emit *e, uint64_t seconds)
{
        struct tm t = {};
        time_t    at = (time_t)seconds;
        char      text[sizeof "9999-12-31"] = {};
        if (gmtime_r(&at, &t) != nullptr && strftime(text, sizeof text, "%Y-%m-%d", &t) > 0)
                emit_text(e, text);
}

static uint64_t days_since(const screen_facts *f, uint64_t then_s)
{
        return f->clock_known && f->now_s > then_s ? (f->now_s - then_s) / DAY_S : 0;
}

static void draw_age(pen *p, const screen_facts *f)
{
        uint64_t days = days_since(f, f->image.epoch_s);
        if (f->image.epoch_s == 0)
                return;
        pen_begin(p, "image");
        emit_hex(&p->line, (view){f->image.root, IMAGE_SHOWN_BYTES});
        emit_text(&p->line, "  of ");
        date(&p->line, f->image.epoch_s);
        if (days > IMAGE_OLD_DAYS) {
                emit_text(&p->line, "  ");
                emit_u64(&p->line, days);
                emit_text(&p->line, " DAYS OLD: look for an update");
        }
        pen_end(p);
}

static void draw_platform(pen *p, const platform *f)
{
        static const char *const signers[] = {[BOX_UNSIGNED] = "",
                                              [BOX_SIGNED_THROW_AWAY] = " WITH A THROW-AWAY KEY",
                                              [BOX_SIGNED_OWNER] = " with its owner's key"};
        if (!f->known)
                return;
        pen_begin(p, "started by");
        emit_text(&p->line, f->uefi ? "UEFI" : "BIOS");
        emit_text(&p->line, f->secure_boot ? ", Secure Boot on" : ", Secure Boot off");
        emit_text(&p->line, signers[f->signing]);
        emit_text(&p->line, f->tpm ? ", TPM" : ", no TPM");
        pen_end(p);
}

static bool known(view bytes)
{
        uint8_t any = 0;
        for (size_t i = 0; i < bytes.len; i++)
                any |= bytes.data[i];
        return any != 0;
}

/* In groups of four digits, as certificate viewers have it. */
static void print(emit *e, view bytes)
{
        for (size_t i = 0; i < bytes.len; i += 2) {
                emit_text(e, i == 0 ? "" : " ");
                emit_hex(e, view_slice(bytes, i, i + 2));
        }
}

static void draw_keys(pen *p, const screen_facts *f)
{
        const box_identity *b = &f->identity;
        const struct {
                const char *name;
                view        bytes;
        } rows[] = {{"TLS key", {b->tls_certificate, sizeof b->tls_certificate}},
                    {"admin key", {b->admin_certificate, sizeof b->admin_certificate}},
                    {"export key", {b->export_key, sizeof b->export_key}}};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                if (!known(rows[i].bytes))
                        continue;
                pen_begin(p, rows[i].name);
                print(&p->line, view_slice(rows[i].bytes, i == 2 ? EXPORT_KEY_AT : 0, i == 2 ? 42 : 32));
                p->line.len = p->line.len < VALUE_AT + PRINT_SHOWN ? p->line.len : VALUE_AT + PRINT_SHOWN;
                emit_text(&p->line, " ...");
                pen_end(p);
        }
        const bool far = f->now_s + EXPIRY_WARNING_DAYS * DAY_S < b->certificate_end_s;
        if (b->certificate_end_s == 0 || !f->clock_known || far)
                return;
        pen_begin(p, "CERTIFICATE");
        emit_text(&p->line, f->now_s >= b->certificate_end_s ? "HAS EXPIRED on " : "expires on ");
        date(&p->line, b->certificate_end_s);
        emit_text(&p->line, ": put a new one in");
        pen_end(p);
}

static const char *state_words(const screen_facts *f)
{
        if (f->phase == PHASE_RUNNING)
                return f->serving                              ? "  serving"
                       : f->restart_s > 0                      ? "  the relay is down"
                       : f->unconfigured                       ? "  to be set up"
                       : f->vault == SCREEN_VAULT_SEALED       ? "  waits for its vault to be opened"
                                                               : "  the relay is starting";
        return f->phase == PHASE_REFUSED ? "  nothing serves" : "";
}

static const char *tpm_words(int64_t why)
{
        switch (why) {
        case 3:
                return "does not release the key: the box was started from something else";
        case 4:
                return "does not know the key: it was cleared, or is another one";
        default:
                return "fails; the passphrase or key file opens the vault";
        }
}

/* What a person at another machine needs to set the box up. The admin key's fingerprint stands below. */
static void draw_claim(pen *p, const screen_facts *f)
{
        if (!f->unconfigured || f->serving || f->claim[0] == '\0')
                return;
        pen_begin(p, "SET-UP");
        emit_text(&p->line, "claim code ");
        emit_text(&p->line, f->claim);
        emit_text(&p->line, "   lethectl setup or a browser: 'operators'");
        pen_end(p);
}

static const char *time_words(const screen_facts *f)
{
        static const char *const words[BOX_TIME_COUNT] = {
                [BOX_TIME_RTC] = "of the clock chip, not confirmed since the start",
                [BOX_TIME_HOST] = "of the hypervisor",
                [BOX_TIME_NTP] = "of time servers",
                [BOX_TIME_CONSTRAINED] = "of time servers, borne out",
        };
        const char *known = f->time_state < BOX_TIME_COUNT ? words[f->time_state] : nullptr;
        return known != nullptr ? known : "the clock is wrong: the image's day, or the last seen";
}

static void draw_disk(pen *p, const screen_facts *f)
{
        pen_begin(p, "stored on");
        emit_text(&p->line, f->state);
        if (f->slot != nullptr) {
                emit_text(&p->line, "   started from slot ");
                emit_text(&p->line, f->slot);
                emit_text(&p->line, f->on_trial ? ", on trial" : "");
        }
        pen_end(p);
}

static void draw_state(pen *p, const screen_facts *f)
{
        pen_begin(p, "state");
        emit_text(&p->line, phase_name(f->phase));
        emit_text(&p->line, state_words(f));
        if (f->restart_s > 0) {
                emit_text(&p->line, ", starts again in ");
                emit_u64(&p->line, f->restart_s);
                emit_text(&p->line, " s");
        }
        pen_end(p);
        static const char *const vaults[] = {[SCREEN_VAULT_OPEN] = "open",
                                             [SCREEN_VAULT_SEALED] = "SEALED: run 'lethectl vault unlock'",
                                             [SCREEN_VAULT_BLANK] = "none yet"};
        if (f->vault != SCREEN_VAULT_UNKNOWN)
                say(p, "vault", vaults[f->vault]);
        draw_claim(p, f);
        if (f->vault == SCREEN_VAULT_SEALED && f->tpm_refused != 0)
                say(p, "tpm", tpm_words(f->tpm_refused));
        if (f->phase >= PHASE_RUNNING && f->state[0] != '\0')
                draw_disk(p, f);
        pen_begin(p, "up");
        emit_u64(&p->line, f->up_min);
        emit_text(&p->line, " min");
        if (f->clock_known) {
                emit_text(&p->line, "   time: ");
                emit_text(&p->line, time_words(f));
        }
        pen_end(p);
        if (f->clock_known) {
                pen_begin(p, "devices");
                emit_text(&p->line, f->button ? "power button, " : "no power button, ");
                emit_text(&p->line, f->watchdog ? "watchdog" : "no watchdog");
                pen_end(p);
        }
}

static void say_copies(pen *p, uint32_t clones)
{
        if (clones == 0)
                return;
        pen_begin(p, "copied");
        emit_u64(&p->line, clones);
        emit_text(&p->line, clones == 1 ? " time" : " times");
        emit_text(&p->line, " since the start: TLS keys renewed; exports say so");
        pen_end(p);
}

static void draw_ways(pen *p, const box *b)
{
        if (b->gateway4.family == 0 && b->gateway6.family == 0 && b->resolver_count == 0)
                return;
        pen_begin(p, "gateway");
        if (b->gateway4.family != 0)
                address(&p->line, &b->gateway4);
        emit_text(&p->line, b->gateway4.family != 0 && b->gateway6.family != 0 ? ", " : "");
        if (b->gateway6.family != 0)
                address(&p->line, &b->gateway6);
        emit_text(&p->line, b->resolver_count > 0 ? "  DNS" : "");
        for (size_t i = 0; i < b->resolver_count; i++) {
                emit_byte(&p->line, ' ');
                address(&p->line, &b->resolvers[i]);
        }
        pen_end(p);
}

static void draw_network(pen *p, const screen_facts *f)
{
        if (f->has_card) {
                pen_begin(p, "interface");
                emit_text(&p->line, f->card.name);
                emit_text(&p->line, "  ");
                mac(&p->line, &f->card);
                emit_text(&p->line, f->card.link ? "  link up" : "  NO LINK: check the cable or the switch");
                pen_end(p);
        }
        if (!f->has_box)
                return;
        for (size_t i = 0; i < f->box.address_count; i++) {
                pen_begin(p, i == 0 ? "address" : "");
                address(&p->line, &f->box.addresses[i]);
                pen_end(p);
        }
        draw_ways(p, &f->box);
        pen_begin(p, "callers");
        url(&p->line, &f->box, f->box.listen, "/v1");
        pen_end(p);
        pen_begin(p, "operators");
        url(&p->line, &f->box, f->box.admin, "");
        pen_end(p);
}

static void draw_death(pen *p, const screen_death *d)
{
        if (d->role == nullptr)
                return;
        pen_begin(p, "last death");
        emit_text(&p->line, d->role);
        if (WIFSIGNALED(d->status)) {
                emit_text(&p->line, " by signal ");
                emit_u64(&p->line, (uint64_t)WTERMSIG(d->status));
                const char *name = sigabbrev_np(WTERMSIG(d->status));
                emit_text(&p->line, name == nullptr ? "" : " ");
                emit_text(&p->line, name == nullptr ? "" : name);
        } else {
                emit_text(&p->line, " with exit status ");
                emit_u64(&p->line, (uint64_t)WEXITSTATUS(d->status));
        }
        emit_text(&p->line, "; deaths since the start: ");
        emit_u64(&p->line, d->count);
        pen_end(p);
}

void screen_draw(const screen_facts *f, screen *out)
{
        screen_clear(out);
        pen p = {.to = out};
        draw_image(&p, &f->image);
        draw_age(&p, f);
        draw_state(&p, f);
        draw_platform(&p, &f->platform);
        draw_network(&p, f);
        draw_keys(&p, f);
        draw_death(&p, &f->death);
        say_long(&p, "network", notice_view(&f->network));
        say_long(&p, "time", notice_view(&f->time));
        say_copies(&p, f->clones);
        if (f->throw_away_updates)
                say_long(&p, "update keys", VIEW("THROW-AWAY: this box takes what its builder's folder signs"));
        say_long(&p, "update", notice_view(&f->update));
        say_long(&p, "waiting", notice_view(&f->waiting));
        say_long(&p, "FAULT", notice_view(&f->fault));
        for (size_t i = 0; i < SCREEN_WORDS; i++)
                say_long(&p, "lethed says", notice_view(&f->words[i]));
        p.row = SCREEN_ROWS - 1;
        memset(out->cells[p.row], ' ', SCREEN_COLUMNS);
        screen_put(out, SCREEN_ROWS - 1, 0,
                   VIEW("Power button: drain and power off.  Ctrl-Alt-Del: drain and start again."));
}

/* 32 bytes in two rows. */
static void draw_whole(pen *p, const char *name, view bytes)
{
        p->row++;
        say(p, name, "");
        if (!known(bytes))
                say(p, "", "not known yet: the relay has not told it");
        for (size_t at = 0; known(bytes) && at < bytes.len; at += 16) {
                pen_begin(p, "");
                print(&p->line, view_slice(bytes, at, at + 16));
                pen_end(p);
        }
}

void screen_draw_prints(const screen_facts *f, screen *out)
{
        const box_identity *b = &f->identity;
        screen_clear(out);
        pen p = {.to = out};
        draw_image(&p, &f->image);
        draw_whole(&p, "callers' TLS certificate, SHA-256", (view){b->tls_certificate, 32});
        draw_whole(&p, "operators' TLS certificate, SHA-256", (view){b->admin_certificate, 32});
        draw_whole(&p, "key that signs the usage exports, Ed25519",
                   view_slice((view){b->export_key, sizeof b->export_key}, EXPORT_KEY_AT, sizeof b->export_key));
        draw_whole(&p, "this image, 'root' in its manifest.json", (view){f->image.root, 32});
}

void screen_draw_about(const screen_facts *f, screen *out)
{
        static const char *const rows[] = {
                "Lethe, the relay that forgets. Its source, its licence, and how to make this image",
                "again to the bit: the repository that this commit names.",
                "",
                "Third parts in this image, unmodified, from Debian:",
                "  the Linux kernel and its modules   GPL-2.0",
                "  systemd's boot loader and stub     LGPL-2.1-or-later",
                "  GRUB                               GPL-3.0-or-later",
                "and in the programs: mbedTLS, libsodium, libuv, c-ares, llhttp, cJSON, libseccomp.",
                "",
                "sbom.spdx.json beside the image names each with its version and digest;",
                "image/README.md says where the source packages of the GPL's parts are.",
        };
        screen_clear(out);
        pen p = {.to = out};
        draw_image(&p, &f->image);
        draw_age(&p, f);
        p.row++;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                screen_put(out, p.row++, 0, view_of_text(rows[i]));
}
