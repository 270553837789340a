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
        out |= 1u << CONSOLE_RESTART | 1u << CONSOLE_POWER_OFF;
        if (m->facts.vault == SCREEN_VAULT_SEALED)
                out |= 1u << CONSOLE_UNLOCK;
        return out;
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

void machine_show(machine *m, uint64_t now_ms)
{
        static console_record record;
        screen               *status = &record.pages[CONSOLE_PAGE_STATUS];
        m->facts.phase = m->phase;
        m->facts.identity = m->identity;
        m->facts.now_s = clock_wall_s();
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
        record.memory_bytes = (record.items >> CONSOLE_UNLOCK & 1) != 0 ? free_memory(m->root) : 0;
        console_role_show(&m->attendant, &record, now_ms);
}

/* The person is told what becomes of it. */
static view do_ask(machine *m, const console_ask *a, uint64_t now_ms)
{
        switch ((console_item)a->item) {
        case CONSOLE_RESTART:
                machine_end(m, true, now_ms);
                return VIEW("The box ends what runs, writes its final export and starts again.");
        case CONSOLE_POWER_OFF:
                machine_end(m, false, now_ms);
                return VIEW("The box ends what runs, writes its final export and powers off.");
        case CONSOLE_NETWORK:
        case CONSOLE_UPDATE:
        case CONSOLE_ROLL_BACK:
        case CONSOLE_FACTORY_RESET:
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
