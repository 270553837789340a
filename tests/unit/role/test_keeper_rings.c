#include "unit/role/keeper_play.h"

static const char SUBJECT[] = "keeper_rings";
static uint8_t    room[1024 * 1024];

static bool done_came(play *p, uint32_t slot)
{
        wire_message m;
        return play_receive(p, &m) && m.type == WIRE_RING_DONE && m.slot == slot;
}

static void test_slots(void)
{
        play p;
        play_make(&p, SLOT_KEY_FILE);
        play_start(&p);
        usage_ring *first = play_ring(&p, 3, 1);
        play_exchange(first, ENDING_WHOLE);
        usage_ring_admit(first);
        play_tell(&p, WIRE_RING_DEAD, 0, 3, -1);
        tap_ok(done_came(&p, 3), SUBJECT, "a dead relay's ring is done");
        usage_ring *second = play_ring(&p, 3, 1);
        play_exchange(second, ENDING_TIMEOUT);
        usage_ring_admit(second);
        usage_ring *third = play_ring(&p, 3, 1);
        play_exchange(third, ENDING_WHOLE);
        play_tell(&p, WIRE_RING_DEAD, 0, 5, -1);
        tap_ok(done_came(&p, 5), SUBJECT, "a slot without a ring is done at once");
        play_tell(&p, WIRE_RING_DEAD, 0, LIMIT_COLUMNS, -1);
        play_grant(&p, GRANT_RING, LIMIT_COLUMNS, 1, p.ring_fds[3]);
        play_grant(&p, GRANT_RING, 4, 1, p.wake);
        play_tell(&p, WIRE_RING_DEAD, 0, 3, -1);
        tap_ok(done_came(&p, 3), SUBJECT, "what is no ring and no slot changes nothing");
        play_stop(&p);
        view last = play_stored(&p, 0, nullptr, room);
        tap_ok(play_says(last, "\"lost\":2,") && play_says(last, "\"ok\":2,") && play_says(last, "\"timeout\":1,"),
               SUBJECT, "rings that followed one another in a slot are all counted, and what they lost");
}

static void test_hostile(void)
{
        play p;
        play_make(&p, SLOT_KEY_FILE);
        play_start(&p);
        usage_ring  *r = play_ring(&p, 0, 1);
        usage_record bad = {.version = 7};
        for (int i = 0; i < 1000 && usage_ring_reserve(r, 1); i++)
                usage_ring_commit(r, &bad);
        play_exchange(r, ENDING_WHOLE);
        usage_ring *other = play_ring(&p, 1, 1);
        ((_Atomic uint64_t *)(void *)other)[8] = UINT64_MAX / 2; /* the mark of the last record */
        play_tell(&p, WIRE_RING_DEAD, 0, 1, -1);
        tap_ok(done_came(&p, 1), SUBJECT, "a ring that lies about its end is done all the same");
        play_stop(&p);
        view last = play_stored(&p, 0, nullptr, room);
        tap_ok(play_says(last, "\"refused_records\":1000,") && play_says(last, "\"ok\":1,"), SUBJECT,
               "records out of range are counted as refused and passed over");
}

static void test_wake(void)
{
        play p;
        play_make(&p, SLOT_KEY_FILE);
        play_start(&p);
        usage_ring *r = play_ring(&p, 0, 1);
        usleep(50000);
        for (uint32_t i = 0; i < LIMIT_RING_RECORDS / 2; i++)
                play_exchange(r, ENDING_WHOLE);
        uint64_t before = clock_ms();
        play_wake(&p);
        while (!usage_ring_reserve(r, LIMIT_RING_RECORDS) && clock_ms() - before < 5000)
                usleep(500);
        uint64_t took = clock_ms() - before;
        printf("# %u records in %llu ms\n", (unsigned)LIMIT_RING_RECORDS, (unsigned long long)took);
        tap_ok(took < 700, SUBJECT, "a wake-up empties the ring at once");
        usage_ring_release(r, LIMIT_RING_RECORDS);
        play_exchange(r, ENDING_WHOLE);
        before = clock_ms();
        while (!usage_ring_reserve(r, LIMIT_RING_RECORDS) && clock_ms() - before < 5000)
                usleep(500);
        tap_ok(clock_ms() - before < 2500, SUBJECT, "a lost wake-up costs a second at most");
        play_stop(&p);
}

int main(void)
{
        test_slots();
        test_hostile();
        test_wake();
        return tap_done();
}
