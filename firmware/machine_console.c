/* The console of the box: who draws it, and what the person before it asks for. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "firmware/machine.h"

enum : uint64_t { MINUTE_MS = 60000 };

static void pair_once(machine *m)
{
        if (m->keeper_pair[0] < 0
            && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, m->keeper_pair) != 0)
                m->keeper_pair[0] = m->keeper_pair[1] = -1;
}

/* Not before the kernel is locked: until then nothing but this program runs. */
void machine_attend(machine *m, uint64_t now_ms)
{
        console_role *r = &m->attendant;
        if (m->phase < PHASE_CONFIG || m->phase == PHASE_OFF || r->pid != 0)
                return;
        pair_once(m);
        (void)!failed(console_role_start_due(r, m->root, &m->console, m->keeper_pair[1], now_ms));
        if (r->pid != 0)
                console_leave(&m->console);
}

bool machine_console_reaped(machine *m, pid_t pid, int status, uint64_t now_ms)
{
        if (pid == 0 || pid != m->attendant.pid)
                return false;
        console_role_died(&m->attendant, now_ms);
        console_reopen(&m->console, m->root);
        console_renew(&m->console);
        machine_count_death(m, "console", status);
        return true;
}

/* What may be asked for now. */
static uint32_t items(const machine *m)
{
        uint32_t out = 1u << CONSOLE_PRINTS | 1u << CONSOLE_ABOUT;
        if (m->phase == PHASE_DRAIN)
                return out;
        out |= 1u << CONSOLE_RESTART | 1u << CONSOLE_POWER_OFF | 1u << CONSOLE_NETWORK;
        if (m->facts.vault == SCREEN_VAULT_SEALED)
                out |= 1u << CONSOLE_UNLOCK;
        if (m->update.facts.running != SLOT_NONE && m->update.looked)
                out |= 1u << CONSOLE_UPDATE | 1u << CONSOLE_ROLL_BACK;
        if (m->kept_fd >= 0)
                out |= 1u << CONSOLE_FACTORY_RESET;
        return out;
}

/* ---- the network ---- */

/* Who stands here could lead the traffic of a box that serves elsewhere; one that nobody reaches has none. */
static const char *network_closed(const machine *m)
{
        if (m->net.from_drive)
                return "The config drive says what the network is: change its box.conf, or take the drive away and "
                       "start the box again.";
        if (m->phase < PHASE_NETWORK)
                return "The box is not that far yet.";
        if (m->facts.vault == SCREEN_VAULT_OPEN && machine_network_up(m) && m->facts.card.link)
                return "The vault is open and the network is up: who stands here could lead its traffic elsewhere. "
                       "Settings are changed while the vault is sealed, or while the network cable is out.";
        return nullptr;
}

static const view form_keys[] = {VIEW_INIT("address"), VIEW_INIT("gateway"), VIEW_INIT("resolver"), VIEW_INIT("vlan")};

static bool of_form(view key)
{
        for (size_t i = 0; i < sizeof form_keys / sizeof *form_keys; i++)
                if (view_equal(key, form_keys[i]))
                        return true;
        return false;
}

/* The kept settings that the form has, or those that it has not. */
static void settings(const machine *m, bool form, emit *out)
{
        view key, value;
        for (size_t at = 0; kept_next(&m->kept, &at, &key, &value);) {
                if (!box_has_key(key) || of_form(key) != form)
                        continue;
                emit_view(out, key);
                emit_byte(out, ' ');
                emit_view(out, value);
                emit_byte(out, '\n');
        }
}

static view set_network(machine *m, const console_ask *a)
{
        static char   lines[KEPT_TEXT_BYTES];
        static notice why;
        const char   *closed = network_closed(m);
        if (closed != nullptr)
                return view_of_text(closed);
        emit e = emit_into((uint8_t *)lines, sizeof lines - 1);
        emit_view(&e, (view){(const uint8_t *)a->text, a->text_len});
        settings(m, false, &e);
        lines[e.len] = '\0';
        why = (notice){};
        if (e.full || strlen(lines) != e.len)
                return VIEW("These settings are too long. Nothing was changed.");
        if (!failed(machine_set_network(m, lines, &why)) && why.len == 0)
                return VIEW("The settings are kept and in use.");
        return notice_view(&why);
}

/* Bytes that a derivation of a key may use; 0 when it is not known. */
static uint64_t free_memory(const char *root)
{
        uint8_t  bytes[4096];
        view     text;
        uint64_t kib = 0;
        if (failed(file_read(root, "/proc/meminfo", bytes, sizeof bytes, &text)))
                return 0;
        while (text.len > 0) {
                view line = text_line(&text);
                if (view_equal(text_word(&line), VIEW("MemAvailable:")))
                        (void)view_decimal(text_word(&line), UINT64_MAX >> 10, &kib);
        }
        return kib << 10;
}

static void show_update(machine *m)
{
        const machine_update *u = &m->update;
        uint8_t               bytes[8];
        emit                  e = emit_into(bytes, sizeof bytes);
        m->facts.slot = u->looked && u->facts.running != SLOT_NONE ? slot_letter(u->facts.running) : nullptr;
        m->facts.on_trial = u->facts.on_trial;
        m->facts.update = u->said;
        if (u->child.pid == 0 || u->child.op != UPDATER_INSTALL)
                return;
        emit_u64(&e, u->child.report.percent);
        notice_set(&m->facts.update, "is being checked and installed, ", (view){e.bytes, e.len}, " %");
}

static void show_settings(const machine *m, console_record *out)
{
        emit e = emit_into((uint8_t *)out->text, sizeof out->text);
        memset(out->text, 0, sizeof out->text);
        settings(m, true, &e);
        if (e.len == 0)
                emit_text(&e, "address dhcp\n");
        out->text_len = (uint32_t)e.len;
}

void machine_show(machine *m, uint64_t now_ms)
{
        static console_record record;
        screen               *status = &record.pages[CONSOLE_PAGE_STATUS];
        m->facts.phase = m->phase;
        m->facts.identity = m->identity;
        m->facts.now_s = clock_wall_s();
        show_update(m);
        if (m->facts.up_min != now_ms / MINUTE_MS)
                console_renew(&m->console);
        m->facts.up_min = now_ms / MINUTE_MS;
        screen_draw(&m->facts, status);
        if (m->attendant.pid == 0) {
                console_show(&m->console, status);
                return;
        }
        screen_draw_prints(&m->facts, &record.pages[CONSOLE_PAGE_PRINTS]);
        screen_draw_about(&m->facts, &record.pages[CONSOLE_PAGE_ABOUT]);
        record.items = items(m);
        record.closed = network_closed(m) != nullptr ? 1u << CONSOLE_NETWORK : 0;
        show_settings(m, &record);
        record.memory_bytes = (record.items >> CONSOLE_UNLOCK & 1) != 0 ? free_memory(m->root) : 0;
        console_role_show(&m->attendant, &record, now_ms);
}

static view begun(err e, const notice *why, view sentence) { return failed(e) ? notice_view(why) : sentence; }

/* The person is told what becomes of it. */
static view do_ask(machine *m, const console_ask *a, uint64_t now_ms)
{
        static notice why;
        why = (notice){};
        switch ((console_item)a->item) {
        case CONSOLE_RESTART:
                machine_end(m, true, now_ms);
                return VIEW("The box ends what runs, writes its final export and starts again.");
        case CONSOLE_POWER_OFF:
                machine_end(m, false, now_ms);
                return VIEW("The box ends what runs, writes its final export and powers off.");
        case CONSOLE_NETWORK:
                return set_network(m, a);
        case CONSOLE_UPDATE:
                return begun(machine_update_from_volume(m, &why), &why,
                             VIEW("It is checked, then installed. The state of the box says how it goes."));
        case CONSOLE_ROLL_BACK:
                return begun(machine_roll_back(m, &why), &why,
                             VIEW("The state of the box says when it is done. Then start the box again."));
        case CONSOLE_FACTORY_RESET:
                machine_factory_reset(m, now_ms);
                return VIEW("The box ends what runs, empties its state and starts again as a new one.");
        case CONSOLE_UNLOCK:
        case CONSOLE_PRINTS:
        case CONSOLE_ABOUT:
        case CONSOLE_ITEMS:
                break;
        }
        return VIEW("This version of the box does not know that.");
}

static void renew_terminals(machine *m)
{
        console_reopen(&m->console, m->root);
        console_leave(&m->console);
        console_role_terminals(&m->attendant, &m->console);
}

void machine_hear_console(machine *m, uint64_t now_ms)
{
        static console_ask a;
        /* A bounded share of a turn. */
        for (int i = 0; i < 8 && console_role_hear(&m->attendant, &a); i++) {
                if (a.asked == CONSOLE_FORGET)
                        renew_terminals(m);
                else if (a.asked == CONSOLE_ASK && (items(m) >> a.item & 1) != 0)
                        console_role_answer(&m->attendant, do_ask(m, &a, now_ms));
                else
                        console_role_answer(&m->attendant, VIEW("That cannot be done now."));
        }
}
