#include "firmware/machine.h"

#include <sys/mman.h>

#include "base/clock.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "machine_clock";

static machine m;

static bool says(const char *part) { return text_contains(notice_view(&m.facts.time), view_of_text(part)); }

/* Nothing here may set the clock of the machine that runs the test: every word is one that is refused, or so small that
 * it needs no setting. */
static void begin(uint64_t image_s)
{
        machine_begin(&m, tree_root);
        tree_bytes("/state", (view){});
        m.kept_fd = open(tree_path("/state"), O_RDWR | O_CLOEXEC);
        if (m.kept_fd < 0 || ftruncate(m.kept_fd, KEPT_AT + KEPT_SLOTS * KEPT_SLOT_BYTES) != 0)
                abort();
        m.facts.image.epoch_s = image_s;
        m.facts.clock = CLOCK_SOURCE_CHIP;
        m.facts.clock_known = true;
}

static void test_floor(void)
{
        uint64_t now = clock_wall_s();
        begin(now - 1000);
        machine_settle_clock(&m);
        tap_ok(m.floor_s == now - 1000 && m.facts.time_state == BOX_TIME_RTC, SUBJECT, "the image's day is the floor");
        begin(now - 1000);
        (void)!failed(kept_set_u64(&m.kept, VIEW("clock"), now - 500));
        (void)!failed(kept_set_u64(&m.kept, VIEW("seen"), now + 86400));
        machine_settle_clock(&m);
        tap_ok(m.floor_s == now - 500 && m.facts.time_state == BOX_TIME_RTC, SUBJECT,
               "a later time that was borne out is; one that was only seen is not");
        begin(now - 1000);
        (void)!failed(kept_set_u64(&m.kept, VIEW("clock"), now + 2 * CLOCK_SPAN_S));
        machine_settle_clock(&m);
        tap_ok(m.floor_s == now - 1000, SUBJECT, "one that cannot be is not");
}

static void test_servers(void)
{
        uint64_t now = clock_wall_s();
        begin(now - 1000);
        machine_settle_clock(&m);
        machine_hear_time(&m, &(net_word){.kind = NET_NO_TIME}, 1);
        tap_ok(says("No time server answers"), SUBJECT, "no answer");
        machine_hear_time(&m, &(net_word){.kind = NET_NO_TIME, .number = 2}, 1);
        tap_ok(says("do not agree"), SUBJECT, "two that differ");
        machine_hear_time(&m, &(net_word){.kind = NET_TIME, .number = 1, .of = 1, .offset_us = 86400 * 1000000LL}, 1);
        tap_ok(says("it takes two that agree") && m.facts.time_state == BOX_TIME_RTC, SUBJECT,
               "one that is a day ahead");
        machine_hear_time(&m, &(net_word){.kind = NET_TIME, .number = 2, .of = 2, .offset_us = -86400 * 1000000LL}, 1);
        tap_ok(says("a day that cannot be") && m.facts.time_state == BOX_TIME_RTC, SUBJECT, "two below the floor");
        close(m.kept_fd);
}

static const net_word a_day_on = {.kind = NET_TIME, .number = 1, .of = 1, .offset_us = 86400 * 1000000LL};

/* Dates by which the clock is so far behind. */
static box_dates dates(int64_t behind_s)
{
        uint64_t now_ms = clock_ms();
        return (box_dates){.agree = 2,
                           .of = 3,
                           .origin_s = (int64_t)(clock_wall_s() - now_ms / 1000) + behind_s,
                           .oldest_ms = now_ms};
}

static void tell(box_dates d) { machine_hear_dates(&m, &d, clock_ms()); }

static bool status_has(const char *part)
{
        uint8_t room[200];
        emit    out = emit_into(room, sizeof room);
        machine_say_dates(&m, &out, clock_ms());
        return text_contains((view){out.bytes, out.len}, view_of_text(part));
}

static void test_dates(void)
{
        begin(clock_wall_s() - 1000);
        machine_settle_clock(&m);
        tap_ok(status_has("dates of no two hosts that agree\n"), SUBJECT, "before there are dates the status says so");
        machine_hear_time(&m, &a_day_on, clock_ms());
        bool waits = m.refused.kind == NET_TIME;
        tell(dates(0));
        tap_ok(waits && says("The time server says another time than the vendors' answers"), SUBJECT,
               "what a time server said last is judged again when dates come");
        tap_ok(status_has("dates 2 of 3 hosts; this clock is ") && status_has(" them by ")
                       && m.facts.time_state == BOX_TIME_RTC,
               SUBJECT, "dates are told, and set nothing");
        tell((box_dates){});
        tap_ok(says("it takes two that agree") && m.dates.agree == 0, SUBJECT, "and again when they have gone");
        net_word two = a_day_on;
        two.number = two.of = 2;
        tell(dates(-500));
        two.offset_us *= 2;
        machine_hear_time(&m, &two, clock_ms());
        tap_ok(says("The time servers say another day") && m.facts.time_state == BOX_TIME_RTC, SUBJECT,
               "two that agree are not believed against them by more than a day");
        machine_hear_time(&m, &(net_word){.kind = NET_NO_TIME}, clock_ms());
        tell(dates(-500));
        tap_ok(says("No time server answers") && m.dates.agree == 2, SUBJECT,
               "what was said before the last word is not judged again");
        machine_hear_time(&m, &a_day_on, clock_ms() + 7200001);
        tap_ok(says("it takes two that agree"), SUBJECT, "after two hours they say nothing any more");
        close(m.kept_fd);
}

static void test_false_dates(void)
{
        begin(clock_wall_s() - 1000);
        machine_settle_clock(&m);
        box_dates good = dates(0), bad[10];
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                bad[i] = good;
        bad[0].agree = 1;
        bad[1].agree = 4;
        bad[2].of = 4;
        bad[3].agree = bad[3].of = UINT32_MAX;
        bad[4].origin_s = INT64_MAX;
        bad[5].origin_s = INT64_MIN;
        bad[6].origin_s -= 2000; /* below the floor */
        bad[7].origin_s += (int64_t)CLOCK_SPAN_S;
        bad[8].oldest_ms = clock_ms() + 100000;
        bad[9].oldest_ms = UINT64_MAX;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                tell(good);
                bool known = m.dates.agree == 2;
                tell(bad[i]);
                tap_ok(known && m.dates.agree == 0, SUBJECT, "dates that cannot be are as none");
        }
        m.copied_ms = good.oldest_ms + 1;
        tell(good);
        tap_ok(m.dates.agree == 0, SUBJECT, "nor are those that are older than this copy of the machine");
        close(m.kept_fd);
}

static void test_facts(void)
{
        uint64_t now = clock_wall_s();
        begin(now - 1000);
        machine_settle_clock(&m);
        strcpy(m.facts.image.version, "1.0");
        m.facts.image.root[0] = 0xab;
        bool             good = !failed(machine_give_facts(&m)) && !failed(machine_give_facts(&m));
        const box_facts *f = box_facts_map(m.facts_fd);
        tap_ok(good && f != nullptr && atomic_load(&f->time_state) == BOX_TIME_RTC && f->image_digest[0] == 0xab
                       && f->has_image == 1 && m.command.gift_count == 1,
               SUBJECT, "lethed is given the box's numbers");
        tap_ok(mmap(nullptr, sizeof *f, PROT_READ | PROT_WRITE, MAP_SHARED, m.facts_fd, 0) == MAP_FAILED
                       && ftruncate(m.facts_fd, 0) != 0,
               SUBJECT, "and cannot change them");
        close(m.kept_fd);
}

static void test_keeping(void)
{
        static kept back;
        uint64_t    now = clock_wall_s(), n = 0;
        begin(now - 1000);
        machine_settle_clock(&m);
        machine_turn_clock(&m, 1000);
        machine_turn_clock(&m, 3600000);
        bool early = m.kept.generation == 0;
        machine_turn_clock(&m, 3602000);
        machine_turn_clock(&m, 7200000);
        bool good = !failed(kept_read(m.kept_fd, &back)) && back.generation == 1
                    && kept_get_u64(&back, VIEW("seen"), &n) && n >= now && kept_get(&back, VIEW("clock")).len == 0;
        tap_ok(early && good, SUBJECT, "after an hour, then daily: the time that was seen");
        m.facts.time_state = BOX_TIME_NTP;
        machine_keep_clock(&m);
        good = !failed(kept_read(m.kept_fd, &back)) && kept_get_u64(&back, VIEW("clock"), &n) && n >= now;
        tap_ok(good, SUBJECT, "and as a floor once it was borne out");
        m.facts.time_state = BOX_TIME_UNKNOWN;
        machine_keep_clock(&m);
        good = !failed(kept_read(m.kept_fd, &back)) && back.generation == 2;
        tap_ok(good, SUBJECT, "a time of nobody's is not kept");
        close(m.kept_fd);
}

static void test_copies(void)
{
        begin(clock_wall_s() - 1000);
        tree_bytes("/dev/kmsg", (view){});
        machine_listen_to_kernel(&m);
        machine_settle_clock(&m);
        (void)!failed(machine_give_facts(&m));
        int fd = open(tree_path("/dev/kmsg"), O_WRONLY | O_APPEND);
        static const char others[] = "4,7,1,-;something else: crng", stranger[] =
                "12,8,1,-;random: crng reseeded due to virtual machine fork\n";
        bool good = write(fd, others, sizeof others - 1) > 0;
        machine_hear_kernel(&m);
        tap_ok(good && m.facts.clones == 0 && !machine_is_copied(view_of_text(stranger))
                       && !machine_is_copied((view){}),
               SUBJECT, "what else stands in the kernel's log, and who else writes there");
        static const char copied[] = "5,912,81273,-;random: crng reseeded due to virtual machine fork\n";
        good = write(fd, copied, sizeof copied - 1) > 0;
        tell(dates(0));
        good = good && m.dates.agree == 2;
        machine_hear_kernel(&m);
        machine_hear_kernel(&m);
        tap_ok(m.dates.agree == 0 && m.copied_ms > 0, SUBJECT, "dates of the machine before it say nothing");
        tap_ok(good && m.facts.clones == 1 && atomic_load(&m.box_facts->clones) == 1, SUBJECT,
               "the kernel's word that this is a copy counts once, and lethed sees it");
        close(fd);
        close(m.kept_fd);
}

int main(void)
{
        tree_make();
        test_floor();
        test_servers();
        test_dates();
        test_false_dates();
        test_facts();
        test_keeping();
        test_copies();
        tree_remove();
        return tap_done();
}
