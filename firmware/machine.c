#include "firmware/machine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware/cmdline.h"
#include "firmware/gpt.h"
#include "firmware/harden.h"
#include "firmware/mounts.h"
#include "firmware/uevent.h"

enum : uint64_t { DEVICES_MS = 20000, QUIET_MS = 400, LOOK_MS = 200, LINK_MS = 5000 };
enum : int { TURN_MS = 50, TURN_IDLE_MS = 500, TURN_DRAWING_MS = 20 };

/* Loaded without being asked for: the config drive may be any of them, and a button does not name what reads it. */
static const view always[] = {VIEW_INIT("vfat"), VIEW_INIT("nls_cp437"), VIEW_INIT("nls_ascii"),
                              VIEW_INIT("nls_iso8859_1"), VIEW_INIT("isofs"), VIEW_INIT("button"), VIEW_INIT("evdev"),
                              VIEW_INIT("8021q"), VIEW_INIT("ptp_kvm"),
                              VIEW_INIT("efivarfs")};

void machine_begin(machine *m, const char *root)
{
        *m = (machine){.root = root, .uevents = -1, .kept_fd = -1, .facts_fd = -1, .kernel_log = -1};
        console_begin(&m->console);
        console_role_begin(&m->attendant);
        m->keeper_pair[0] = m->keeper_pair[1] = -1;
        service_begin(&m->service);
        netrole_begin(&m->net.role);
        box_channel_begin(&m->channel);
        machine_update_begin(&m->update);
        watchdog_begin(&m->watchdog);
}

/* The first fault is the one that led to the others. */
static cause fault(machine *m, err e, const notice *why)
{
        if (!failed(e))
                return CAUSE_DONE;
        if (m->facts.fault.len == 0)
                m->facts.fault = *why;
        return CAUSE_FAILED;
}

/* ---- EARLY ---- */

static cause early(machine *m, uint64_t)
{
        notice why = {};
        uint8_t  bytes[4096];
        view     words;
        fault(m, mounts_make(m->root, &why), &why);
        bool serial = !failed(file_read(m->root, "/proc/cmdline", bytes, sizeof bytes, &words))
                      && cmdline_has(words, VIEW("console=ttyS0"));
        console_open(&m->console, m->root, serial);
        power_take_keys();
        if (fault(m, image_read(m->root, &m->facts.image, &why), &why) == CAUSE_DONE)
                m->facts.clock_known = !failed(clock_settle(m->facts.image.epoch_s, &m->facts.clock));
        m->facts.time_state = m->facts.clock == CLOCK_SOURCE_CHIP ? BOX_TIME_RTC : BOX_TIME_UNKNOWN;
        fault(m, cmdline_check_kernel(m->root, &why), &why);
        return CAUSE_DONE;
}

/* ---- MODULES ---- */

static void modules_enter(machine *m, uint64_t now_ms)
{
        notice why = {};
        m->uevents = uevent_listen();
        machine_listen_to_kernel(m);
        m->heard_ms = now_ms;
        fault(m, modules_begin(&m->modules, m->root, &why), &why);
        modules_cold_plug(&m->modules, m->root);
        for (size_t i = 0; i < sizeof always / sizeof *always; i++)
                modules_by_name(&m->modules, always[i]);
}

static void plug_late(machine *m, uint64_t now_ms)
{
        static uint8_t bytes[16 * 1024];
        uevent         u;
        while (m->uevents >= 0 && uevent_next(m->uevents, bytes, sizeof bytes, &u)) {
                m->heard_ms = now_ms;
                modules_for_alias(&m->modules, u.modalias);
                if (u.lost)
                        modules_cold_plug(&m->modules, m->root);
        }
}

/* What is missing for going on, for the console; false when nothing is. */
static bool missing(machine *m, uint64_t now_ms)
{
        disks_find_config(m->root, &m->config);
        disks_find_state(m->root, &m->state);
        network_look(m->root, &m->cards);
        const char *what = m->state.count == 0               ? "the partition lethe-state"
                           : m->cards.count == 0             ? "a network interface"
                           : machine_awaits_drive(m, now_ms) ? "the config drive (a volume labelled LETHECFG)"
                                                             : nullptr;
        m->facts.waiting.len = 0;
        if (what == nullptr)
                return false;
        notice_set(&m->facts.waiting, "for ", view_of_text(what), ", 20 s at most");
        return true;
}

static void modules_leave(machine *m)
{
        if (m->uevents >= 0)
                close(m->uevents);
        m->uevents = -1;
        if (!file_exists(m->root, "/dev/watchdog0"))
                modules_by_name(&m->modules, VIEW("softdog"));
        modules_forget(&m->modules, m->root);
        m->facts.waiting.len = 0;
        power_open(&m->power, m->root);
        m->facts.button = m->power.count > 0;
        m->facts.watchdog = file_exists(m->root, "/dev/watchdog0");
        platform_look(m->root, &m->facts.platform);
}

static cause plug(machine *m, uint64_t now_ms)
{
        if (!m->entered)
                modules_enter(m, now_ms);
        plug_late(m, now_ms);
        bool late = now_ms - m->entered_ms >= DEVICES_MS || m->facts.fault.len > 0;
        if (!late && now_ms < m->look_at_ms)
                return CAUSE_NONE;
        m->look_at_ms = now_ms + LOOK_MS;
        if (!late && (missing(m, now_ms) || now_ms - m->heard_ms < QUIET_MS))
                return CAUSE_NONE;
        modules_leave(m);
        return CAUSE_DONE;
}

/* ---- LOCKED ---- */

static cause lock(machine *m, uint64_t)
{
        notice why = {};
        fault(m, mounts_lock_root(&why), &why);
        fault(m, harden_kernel(m->root, &why), &why);
        return m->facts.fault.len == 0 ? CAUSE_DONE : CAUSE_FAILED;
}

/* ---- CONFIG, STATE ---- */

static cause configure(machine *m, uint64_t)
{
        notice why = {};
        return fault(m, machine_read_drive(m, &why), &why);
}

/* Opened before the partition is the relay's user's. What cannot be read is as if nothing had been kept. */
void machine_read_kept(machine *m)
{
        file_path device;
        if (m->kept_fd >= 0 || failed(file_path_make(&device, m->root, "/dev/", view_of_text(m->state.name))))
                return;
        m->kept_fd = open(device.text, O_RDWR | O_CLOEXEC);
        if (m->kept_fd >= 0 && failed(kept_read(m->kept_fd, &m->kept)))
                m->kept = (kept){};
}

err machine_keep(machine *m) { return kept_write(m->kept_fd, &m->kept); }

static err take_state(machine *m, notice *why)
{
        disks_find_state(m->root, &m->state);
        TRY(disks_judge_state(&m->state, why));
        memcpy(m->facts.state, m->state.name, sizeof m->facts.state);
        TRY(gpt_settle_disk_of(m->root, m->state.name, why));
        machine_read_kept(m);
        machine_settle_clock(m);
        TRY(machine_epoch_check(m, why));
        machine_settle_box(m);
        TRY(machine_make_claim(m, why));
        bool keyed = file_exists(m->root, "/config/vault.key");
        if (failed(service_command_make(&m->command, m->root, &m->facts.box, m->state.name, keyed, m->in_state))
            || chown(m->command.state.text, SERVICE_UID, SERVICE_UID) != 0 || chmod(m->command.state.text, 0600) != 0)
                return notice_fail(why, "The partition lethe-state cannot be given to the relay", (view){},
                                     ": start the box again.");
        service_give_tpm(&m->command, m->root);
        return OK;
}

static cause hold_state(machine *m, uint64_t)
{
        notice why = {};
        return fault(m, take_state(m, &why), &why);
}

/* ---- NETWORK ---- */

/* A moment for a link and a lease, so that lethed finds its addresses and name servers; then it goes on by itself. */
static cause connect_up(machine *m, uint64_t now_ms)
{
        machine_turn_network(m, now_ms);
        return machine_network_up(m) || now_ms - m->entered_ms >= LINK_MS ? CAUSE_DONE : CAUSE_NONE;
}

/* ---- RUNNING ---- */

/* Each start has a channel of its own: what the one before had asked for is nobody's any more. */
static void start(machine *m, uint64_t now_ms)
{
        int theirs = -1;
        if (m->service.pid != 0 || now_ms < m->service.start_at_ms || failed(box_channel_open(&m->channel, &theirs)))
                return;
        err e = service_give(&m->command, "--box-channel", theirs);
        if (!failed(e) && m->keeper_pair[0] >= 0)
                e = service_give(&m->command, "--console", m->keeper_pair[0]);
        if (!failed(e))
                e = machine_give_facts(m);
        if (!failed(e))
                e = service_start_due(&m->service, &m->command, now_ms);
        m->facts.waiting.len = 0;
        if (failed(e))
                notice_set(&m->facts.waiting, "for a process: the kernel had none for lethed; give the box more memory",
                           (view){}, "");
        close(theirs);
}

static cause serve(machine *m, uint64_t now_ms)
{
        bool was_down = m->service.pid == 0;
        start(m, now_ms);
        if (was_down && m->service.pid != 0) {
                m->words_old = true;
                m->lines = (said_lines){};
        }
        service_judge(&m->service, now_ms);
        if (m->service.pid != 0)
                watchdog_feed(&m->watchdog, m->root, now_ms);
        machine_turn_network(m, now_ms);
        machine_turn_clock(m, now_ms);
        uint64_t wait = m->service.start_at_ms > now_ms ? m->service.start_at_ms - now_ms : 0;
        m->facts.restart_s = m->service.pid != 0 ? 0 : (wait + 999) / 1000;
        return CAUSE_NONE;
}

static void take_sentence(machine *m, view text)
{
        screen_facts *f = &m->facts;
        /* Whoever serves could write here: no words of that time are shown. */
        if (f->serving)
                return;
        if (m->words_old)
                memset(f->words, 0, sizeof f->words);
        m->words_old = false;
        size_t at = 0;
        while (at < SCREEN_WORDS && f->words[at].len > 0)
                at++;
        if (at == SCREEN_WORDS) {
                memmove(f->words, f->words + 1, sizeof f->words - sizeof *f->words);
                at--;
        }
        f->words[at].len = 0;
        notice_add(&f->words[at], text);
}

void machine_count_death(machine *m, const char *role, int status)
{
        m->facts.death = (screen_death){role, status, m->facts.death.count + 1};
}

static void take_line(void *context, view line)
{
        machine   *m = context;
        const said s = said_parse(line);
        switch (s.kind) {
        case SAID_SENTENCE:
                take_sentence(m, s.sentence);
                break;
        case SAID_UP:
                m->facts.serving = true;
                m->facts.unconfigured = false;
                memset(m->facts.words, 0, sizeof m->facts.words);
                break;
        case SAID_ROLE_DIED:
                machine_count_death(m, said_role_name(s.first), (int)(s.second & 0xffff));
                break;
        case SAID_TPM_REFUSED:
                m->facts.tpm_refused = s.first;
                break;
        case SAID_SEALED:
        case SAID_OPEN:
        case SAID_BLANK:
                m->facts.vault = s.kind == SAID_OPEN     ? SCREEN_VAULT_OPEN
                                 : s.kind == SAID_SEALED ? SCREEN_VAULT_SEALED
                                                         : SCREEN_VAULT_BLANK;
                m->facts.unconfigured = s.kind == SAID_BLANK;
                break;
        case SAID_NO_CONFIG:
                m->facts.unconfigured = true;
                break;
        case SAID_NOTHING:
                break;
        }
}

void machine_hear(machine *m)
{
        uint8_t bytes[4096];
        ssize_t n;
        /* A bounded share of a turn: what floods the pipe waits, and costs its writer its own lines. */
        for (int reads = 0; reads < 16 && m->service.words >= 0; reads++) {
                n = read(m->service.words, bytes, sizeof bytes);
                if (n <= 0)
                        return;
                said_feed(&m->lines, (view){bytes, (size_t)n}, take_line, m);
        }
}

void machine_reaped(machine *m, pid_t pid, int status, uint64_t now_ms)
{
        if (machine_console_reaped(m, pid, status, now_ms) || machine_network_reaped(m, pid, status, now_ms)
            || machine_update_reaped(m, pid) || pid != m->service.pid || pid == 0)
                return;
        machine_hear(m);
        if (m->phase != PHASE_DRAIN)
                machine_count_death(m, "lethed", status);
        service_died(&m->service, now_ms);
        box_channel_end(&m->channel);
        m->update.admin_spoke = false;
        m->facts.serving = false;
        m->facts.vault = SCREEN_VAULT_UNKNOWN;
        m->facts.unconfigured = false;
        m->facts.tpm_refused = 0;
}

/* ---- DRAIN ---- */

static cause drain(machine *m, uint64_t now_ms)
{
        if (m->watchdog.looked)
                watchdog_feed(&m->watchdog, m->root, now_ms);
        if (!service_drain(&m->service, now_ms))
                return CAUSE_NONE;
        /* What is half written costs nothing but the work: it is waited for, not long. */
        if (m->update.child.pid != 0 && now_ms - m->entered_ms < SERVICE_DRAIN_MS)
                return CAUSE_NONE;
        machine_keep_clock(m);
        if (m->reset)
                machine_reset_state(m);
        mounts_leave_config(m->root);
        return CAUSE_DONE;
}

void machine_end(machine *m, bool again, uint64_t now_ms)
{
        if (m->phase == PHASE_DRAIN || m->phase == PHASE_OFF)
                return;
        m->again = again;
        m->facts.restart_s = 0;
        m->facts.waiting.len = 0;
        m->phase = phase_next(m->phase, CAUSE_POWER);
        m->entered = false;
        m->entered_ms = now_ms;
}

/* ---- turning ---- */

static cause step(machine *m, uint64_t now_ms)
{
        static cause (*const steps[PHASE_COUNT])(machine *, uint64_t) = {
                [PHASE_EARLY] = early,       [PHASE_MODULES] = plug,       [PHASE_LOCK] = lock,
                [PHASE_CONFIG] = configure,  [PHASE_STATE] = hold_state,   [PHASE_NETWORK] = connect_up,
                [PHASE_RUNNING] = serve,     [PHASE_DRAIN] = drain,
        };
        cause why = steps[m->phase] == nullptr ? CAUSE_NONE : steps[m->phase](m, now_ms);
        m->entered = true;
        return why;
}

void machine_turn(machine *m, uint64_t now_ms)
{
        cause why;
        do {
                why = step(m, now_ms);
                phase next = phase_next(m->phase, why);
                if (next != m->phase) {
                        m->phase = next;
                        m->entered = false;
                        m->entered_ms = now_ms;
                        m->look_at_ms = 0;
                        machine_show(m, now_ms);
                }
        } while (why != CAUSE_NONE && m->phase != PHASE_OFF);
        machine_update_turn(m, now_ms);
        machine_attend(m, now_ms);
        machine_show(m, now_ms);
}

int machine_wait_ms(const machine *m)
{
        for (size_t i = 0; i < CONSOLES; i++) {
                const terminal *t = &m->console.tty[i];
                if (t->fd >= 0 && (t->dirty || t->sent < t->len))
                        return TURN_DRAWING_MS;
        }
        /* A death is heard at once; a start that waits is never late by more than it has waited. */
        if (m->update.child.pid != 0)
                return TURN_MS;
        bool idle = m->phase == PHASE_REFUSED || (m->phase == PHASE_RUNNING && m->service.pid != 0);
        return idle ? TURN_IDLE_MS : TURN_MS;
}
