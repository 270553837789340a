#include "firmware/screen.h"

#include <string.h>
#include <sys/wait.h>

enum : size_t { VALUE_AT = 13, LINE_BYTES = 256 };

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

/* Where a browser finds it: an endpoint on every address is reached at the first. */
static void url(emit *e, const box *b, const char *endpoint)
{
        const char *colon = strrchr(endpoint, ':');
        bool        any4 = strncmp(endpoint, "0.0.0.0:", 8) == 0, any6 = strncmp(endpoint, "[::]:", 5) == 0;
        emit_text(e, "https://");
        for (size_t i = 0; (any4 || any6) && i < b->address_count; i++) {
                const box_address *a = &b->addresses[i];
                if (a->family != (any4 ? 4 : 6))
                        continue;
                emit_text(e, any6 ? "[" : "");
                box_address_text(e, a);
                emit_text(e, any6 ? "]" : "");
                emit_text(e, colon == nullptr ? "" : colon);
                return;
        }
        emit_text(e, endpoint);
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
        p->row++;
}

static const char *state_words(const screen_facts *f)
{
        if (f->phase == PHASE_RUNNING)
                return f->serving ? "  serving" : f->restart_s > 0 ? "  the relay is down" : "  the relay is starting";
        return f->phase == PHASE_REFUSED ? "  nothing serves" : "";
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
        if (f->vault != SCREEN_VAULT_UNKNOWN)
                say(p, "vault", f->vault == SCREEN_VAULT_OPEN ? "open" : "SEALED: run 'lethectl vault unlock'");
        if (f->phase >= PHASE_RUNNING && f->state[0] != '\0')
                say(p, "stored on", f->state);
        pen_begin(p, "up");
        emit_u64(&p->line, f->up_min);
        emit_text(&p->line, " min");
        if (f->clock_known && f->clock == CLOCK_SOURCE_IMAGE)
                emit_text(&p->line, "   clock: wrong, the image's day is used; set the clock chip");
        pen_end(p);
        if (f->clock_known) {
                pen_begin(p, "devices");
                emit_text(&p->line, f->button ? "power button, " : "no power button, ");
                emit_text(&p->line, f->watchdog ? "watchdog" : "no watchdog");
                pen_end(p);
        }
        p->row++;
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
        pen_begin(p, "callers");
        url(&p->line, &f->box, f->box.listen);
        emit_text(&p->line, "/v1");
        pen_end(p);
        pen_begin(p, "operators");
        url(&p->line, &f->box, f->box.admin);
        pen_end(p);
        p->row++;
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
        draw_state(&p, f);
        draw_network(&p, f);
        draw_death(&p, &f->death);
        say_long(&p, "waiting", notice_view(&f->waiting));
        say_long(&p, "FAULT", notice_view(&f->fault));
        for (size_t i = 0; i < SCREEN_WORDS; i++)
                say_long(&p, "lethed says", notice_view(&f->words[i]));
        p.row = SCREEN_ROWS - 1;
        memset(out->cells[p.row], ' ', SCREEN_COLUMNS);
        screen_put(out, SCREEN_ROWS - 1, 0, VIEW("Power button: drain and power off.  Ctrl-Alt-Del: drain and start again."));
}
