/* What the box knows of time, and that it is a copy; and the numbers that lethed's roles read of both. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limit.h"
#include "firmware/machine.h"

enum : uint64_t { KEEP_FIRST_MS = 3600000, KEEP_MS = 86400000, DATES_FRESH_MS = 7200000 };

/* Whoever gets the descriptor may map it for reading alone. */
static void make_facts(machine *m)
{
        int   fd = memfd_create("box", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        void *memory = MAP_FAILED;
        if (fd >= 0 && ftruncate(fd, sizeof *m->box_facts) == 0)
                memory = mmap(nullptr, sizeof *m->box_facts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        bool sealed = memory != MAP_FAILED
                      && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0;
        if (sealed) {
                m->box_facts = memory;
                m->facts_fd = fd;
                box_facts_format(m->box_facts);
                atomic_store(&m->box_facts->time_state, m->facts.time_state);
                atomic_store(&m->box_facts->clones, m->facts.clones);
                atomic_store(&m->box_facts->signing, m->facts.platform.signing);
                atomic_store(&m->box_facts->secure_boot, m->facts.platform.secure_boot);
                atomic_store(&m->box_facts->tpm, m->facts.platform.tpm);
                memcpy(m->box_facts->image_digest, m->facts.image.root, sizeof m->box_facts->image_digest);
                m->box_facts->has_image = m->facts.image.version[0] != '\0';
                return;
        }
        if (memory != MAP_FAILED)
                munmap(memory, sizeof *m->box_facts);
        if (fd >= 0)
                close(fd);
}

err machine_give_facts(machine *m)
{
        if (m->box_facts == nullptr)
                make_facts(m);
        return m->box_facts == nullptr ? FAIL(SYSTEM) : service_give(&m->command, "--box-facts", m->facts_fd);
}

/* ---- time ---- */

static void set_state(machine *m, box_time state)
{
        m->facts.time_state = state;
        if (m->box_facts != nullptr)
                atomic_store(&m->box_facts->time_state, state);
}

static void set_s(machine *m, uint64_t now_s)
{
        struct timespec t = {.tv_sec = (time_t)now_s};
        m->facts.clock_known = clock_settime(CLOCK_REALTIME, &t) == 0;
        m->refused = (net_word){};
}

/* The hypervisor could do anything to this box: believing its clock costs nothing. */
static bool ask_host(machine *m)
{
        uint64_t now_s;
        if (!clock_of_host(m->root, &now_s) || clock_judge(now_s, m->floor_s) != CLOCK_SOURCE_CHIP)
                return false;
        set_s(m, now_s);
        set_state(m, BOX_TIME_HOST);
        return true;
}

void machine_settle_clock(machine *m)
{
        uint64_t kept_s = 0, seen_s = 0;
        m->floor_s = m->facts.image.epoch_s;
        if (kept_get_u64(&m->kept, VIEW("clock"), &kept_s) && kept_s > m->floor_s
            && kept_s - m->floor_s <= CLOCK_SPAN_S)
                m->floor_s = kept_s;
        bool chip = clock_judge(clock_wall_s(), m->floor_s) == CLOCK_SOURCE_CHIP
                    && m->facts.clock == CLOCK_SOURCE_CHIP;
        set_state(m, chip ? BOX_TIME_RTC : BOX_TIME_UNKNOWN);
        m->facts.clock = chip ? CLOCK_SOURCE_CHIP : CLOCK_SOURCE_IMAGE;
        if (ask_host(m) || chip)
                return;
        /* The last time seen is not borne out by anyone, and still nearer than the floor. */
        bool seen = kept_get_u64(&m->kept, VIEW("seen"), &seen_s) && seen_s > m->floor_s
                    && seen_s - m->floor_s <= CLOCK_SPAN_S;
        uint64_t from_s = seen ? seen_s : m->floor_s;
        if (clock_wall_s() < from_s || clock_judge(clock_wall_s(), m->floor_s) != CLOCK_SOURCE_CHIP)
                set_s(m, from_s);
}

static int64_t wall_us(void)
{
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* How far the dates say that the clock is behind. False: they say nothing now. */
static bool dates_behind(const machine *m, uint64_t now_ms, int64_t *behind_us)
{
        const box_dates *d = &m->dates;
        if (d->agree == 0 || now_ms < d->oldest_ms || now_ms - d->oldest_ms > DATES_FRESH_MS)
                return false;
        *behind_us = d->origin_s * 1000000 + (int64_t)now_ms * 1000 - wall_us();
        return true;
}

static void say_refused(notice *say, clock_verdict v, unsigned agree)
{
        if (v == CLOCK_BEYOND)
                notice_set(say, "The time servers say a day that cannot be", (view){},
                           "; they are not believed. Name others with 'ntp'.");
        else if (v == CLOCK_FAR)
                notice_set(say, "One time server says a time far from this clock's", (view){},
                           "; it takes two that agree, or two vendors whose answers bear it out. Name another with "
                           "'ntp', or set the clock chip.");
        else if (agree < 2)
                notice_set(say, "The time server says another time than the vendors' answers", (view){},
                           "; it is not believed. Name others with 'ntp'.");
        else
                notice_set(say, "The time servers say another day than the vendors' answers", (view){},
                           "; they are not believed. Name others with 'ntp', or look at the vendors' clocks.");
}

static void hear_no_time(notice *say, uint32_t answered)
{
        notice_set(say, answered > 0 ? "The time servers do not agree with each other" : "No time server answers",
                   (view){}, "; they are asked on.");
}

void machine_hear_time(machine *m, const net_word *w, uint64_t now_ms)
{
        clock_word word = {.offset_us = w->offset_us, .agree = w->number};
        m->facts.time.len = 0;
        m->refused = (net_word){};
        if (w->kind == NET_NO_TIME) {
                hear_no_time(&m->facts.time, w->number);
                return;
        }
        word.dated = dates_behind(m, now_ms, &word.dates_us);
        clock_verdict v = clock_judge_servers(wall_us(), &word, m->floor_s);
        if (v != CLOCK_SLEW && v != CLOCK_STEP) {
                say_refused(&m->facts.time, v, word.agree);
                m->refused = *w;
                return;
        }
        if (failed(clock_add(w->offset_us, v)))
                return;
        bool far = w->offset_us > CLOCK_JUMP_US || w->offset_us < -CLOCK_JUMP_US;
        m->facts.clock_known = true;
        m->facts.clock = CLOCK_SOURCE_CHIP;
        set_state(m, far || m->facts.time_state == BOX_TIME_CONSTRAINED ? BOX_TIME_CONSTRAINED : BOX_TIME_NTP);
}

/* Time servers speak once an hour: what they said last is judged again, as the clock has not been set since. */
void machine_hear_dates(machine *m, const box_dates *d, uint64_t now_ms)
{
        constexpr int64_t MOST_S = 1ll << 40;
        bool sound = d->agree >= 2 && d->agree <= d->of && d->of <= LIMIT_UPSTREAMS && d->agree > d->of / 2
                     && d->oldest_ms >= m->copied_ms && d->oldest_ms <= now_ms && d->origin_s > -MOST_S
                     && d->origin_s < MOST_S;
        int64_t now_s = sound ? d->origin_s + (int64_t)(now_ms / 1000) : -1;
        sound = now_s >= 0 && clock_judge((uint64_t)now_s, m->floor_s) == CLOCK_SOURCE_CHIP;
        m->dates = sound ? *d : (box_dates){};
        const net_word refused = m->refused;
        if (refused.kind == NET_TIME)
                machine_hear_time(m, &refused, now_ms);
}

void machine_say_dates(const machine *m, emit *out, uint64_t now_ms)
{
        uint8_t room[96];
        emit    line = emit_into(room, sizeof room);
        int64_t behind_us;
        if (!dates_behind(m, now_ms, &behind_us)) {
                box_line_put(out, "dates", VIEW("of no two hosts that agree"));
                return;
        }
        emit_u64(&line, m->dates.agree);
        emit_text(&line, " of ");
        emit_u64(&line, m->dates.of);
        emit_text(&line, " hosts; this clock is ");
        emit_text(&line, behind_us < 0 ? "ahead of them by " : "behind them by ");
        emit_u64(&line, (uint64_t)(behind_us < 0 ? -behind_us : behind_us) / 1000000);
        emit_text(&line, " s");
        box_line_put(out, "dates", (view){line.bytes, line.len});
}

void machine_keep_clock(machine *m)
{
        bool good = !failed(kept_set_u64(&m->kept, VIEW("seen"), clock_wall_s()));
        /* Only what was borne out becomes a floor: a chip that is years ahead would lock the box out of its time. */
        if (good && m->facts.time_state >= BOX_TIME_HOST)
                good = !failed(kept_set_u64(&m->kept, VIEW("clock"), clock_wall_s()));
        if (good && m->facts.time_state != BOX_TIME_UNKNOWN)
                (void)!failed(machine_keep(m));
}

void machine_turn_clock(machine *m, uint64_t now_ms)
{
        machine_hear_kernel(m);
        if (m->keep_at_ms == 0)
                m->keep_at_ms = now_ms + KEEP_FIRST_MS;
        if (now_ms < m->keep_at_ms)
                return;
        m->keep_at_ms = now_ms + KEEP_MS;
        machine_keep_clock(m);
}

/* ---- copies ---- */

/* The kernel has drawn new random numbers; what was drawn before, both machines have. */
static void be_a_copy(machine *m)
{
        uint64_t chip_s;
        m->facts.clones++;
        m->dates = (box_dates){};
        m->refused = (net_word){};
        m->copied_ms = clock_ms();
        if (m->box_facts != nullptr)
                atomic_store(&m->box_facts->clones, m->facts.clones);
        m->net.reload = m->service.pid != 0;
        /* Its numbers are the other machine's too, and its lease; the time of the copy is that of its making. */
        if (m->net.role.pid != 0)
                kill(m->net.role.pid, SIGKILL);
        bool behind = clock_of_chip(m->root, &chip_s) && chip_s > clock_wall_s();
        if (!ask_host(m) && behind && clock_judge(chip_s, m->floor_s) == CLOCK_SOURCE_CHIP) {
                set_s(m, chip_s);
                set_state(m, BOX_TIME_RTC);
        }
}

/* A record of /dev/kmsg: `PRIORITY,NUMBER,TIME,FLAGS;TEXT`. Only the kernel writes with a priority below 8. */
bool machine_is_copied(view record)
{
        static const view words = VIEW_INIT("crng reseeded due to virtual machine fork");
        const uint8_t    *comma = record.len == 0 ? nullptr : memchr(record.data, ',', record.len);
        uint64_t          priority;
        return comma != nullptr && view_decimal(view_slice(record, 0, (size_t)(comma - record.data)), 7, &priority)
               && text_contains(record, words);
}

/* Before the lock: from then on (kernel/printk_devkmsg) nobody can open it, to read no more than to write. */
void machine_listen_to_kernel(machine *m)
{
        file_path at;
        if (m->kernel_log >= 0 || failed(file_path_make(&at, m->root, "/dev/kmsg", (view){})))
                return;
        m->kernel_log = open(at.text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (m->kernel_log >= 0)
                (void)lseek(m->kernel_log, 0, SEEK_END);
}

void machine_hear_kernel(machine *m)
{
        static uint8_t bytes[8 * 1024];
        /* A bounded share of a turn. What was lost by being overwritten is an error once, and then the next one. */
        for (int i = 0; i < 64 && m->kernel_log >= 0; i++) {
                ssize_t n = read(m->kernel_log, bytes, sizeof bytes);
                if (n <= 0 && errno != EPIPE)
                        return;
                if (n > 0 && machine_is_copied((view){bytes, (size_t)n}))
                        be_a_copy(m);
        }
}
