#include <fcntl.h>

#include "unit/role/keeper_play.h"

static const char SUBJECT[] = "keeper";
static uint8_t    room[1024 * 1024];

static void test_life(void)
{
        play        p;
        store_chain chain;
        play_make(&p, SLOT_KEY_FILE);
        tap_ok(play_start(&p), SUBJECT, "a keeper with its grants and a key file gets ready");
        for (int i = 0; i < 200 && atomic_load(&p.board->keeper) != KEEPER_OPEN; i++)
                usleep(1000);
        tap_ok(atomic_load(&p.board->keeper) == KEEPER_OPEN && lease_is_open(p.lease), SUBJECT,
               "it opens the vault at once and says so on the board");
        usage_ring *r = play_ring(&p, 0, 1);
        play_exchange(r, ENDING_WHOLE);
        tap_ok(play_stop(&p) == 0, SUBJECT, "told to stop it ends cleanly");
        view last = play_stored(&p, 0, &chain, room);
        tap_ok(play_says(last, "\"kind\":\"final\"") && play_says(last, "\"requests\":1,")
                       && play_says(last, "\"project\":\"alpha\"") && play_says(last, "\"vendor\":\"acme\""),
               SUBJECT, "a final export with all usage is in the state file");
        tap_ok(chain.clean && chain.next_sequence == 2 && chain.boot_count == 1, SUBJECT,
               "the chain says that the end was clean");
        uint8_t any = 0;
        for (size_t i = 0; i < 4096; i++)
                any |= p.page[i];
        tap_ok(any == 0 && !lease_is_open(p.lease), SUBJECT, "no key is left in the memory that survives");
        tap_ok(play_start(&p) && play_stop(&p) == 0, SUBJECT, "it starts again on the same file");
        tap_ok(play_says(play_stored(&p, 0, &chain, room), "\"boot\":{\"count\":2,")
                       && play_says(play_stored(&p, 0, &chain, room), "\"previous_clean\":1"),
               SUBJECT, "the next boot knows that the last end was clean");
}

static void test_refusals(void)
{
        play p;
        play_make(&p, SLOT_KEY_FILE);
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", p.state);
        int other = open(path, O_RDWR);
        play_must(other >= 0 && !failed(container_lock(other)), "lock");
        tap_ok(play_refused_with(&p, "IN_USE"), SUBJECT, "a state file in use is refused with a reason");
        close(other);
        p.without_lease = true;
        tap_ok(play_refused_with(&p, "BAD_GRANT"), SUBJECT, "a missing grant is refused with a reason");
        p.without_lease = false;
        p.no_policy = true;
        tap_ok(play_refused_with(&p, "NO_POLICY"), SUBJECT, "a missing policy is refused with a reason");
        p.no_policy = false;
        int good = p.key_file;
        p.key_file = play_file("10234567890123456789012345678901", 32);
        tap_ok(play_refused_with(&p, "BAD_CREDENTIAL"), SUBJECT, "another key file is refused with a reason");
        p.key_file = play_file(PLAY_KEY, 31);
        tap_ok(play_refused_with(&p, "BAD_CREDENTIAL"), SUBJECT, "a short key file is refused with a reason");
        p.key_file = play_file("012345678901234567890123456789012", 33);
        tap_ok(play_refused_with(&p, "BAD_CREDENTIAL"), SUBJECT, "a long key file is refused with a reason");
        p.key_file = good;
        int state = p.state;
        p.state = play_file("", 0);
        tap_ok(play_refused_with(&p, "BAD_FILE"), SUBJECT, "an empty state file is refused with a reason");
        p.state = state;
        int board_fd = p.board_fd;
        p.board_fd = play_memory(sizeof(board), nullptr);
        tap_ok(play_refused_with(&p, "BAD_GRANT"), SUBJECT, "memory of another layout is refused");
        p.board_fd = play_memory(16, nullptr);
        tap_ok(play_refused_with(&p, "BAD_GRANT"), SUBJECT, "memory that is too small is refused");
        p.board_fd = board_fd;
        tap_ok(play_start(&p) && play_stop(&p) == 0, SUBJECT, "and after all that the right ones start");
}

static void test_orphan(void)
{
        play p;
        play_make(&p, SLOT_KEY_FILE);
        play_start(&p);
        usage_ring *r = play_ring(&p, 0, 1);
        play_exchange(r, ENDING_WHOLE);
        close(p.control);
        int status = 0;
        waitpid(p.pid, &status, 0);
        tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 1, SUBJECT, "the supervisor's death ends it");
        store_chain chain;
        view        last = play_stored(&p, 0, &chain, room);
        tap_ok(play_says(last, "\"kind\":\"period\"") && play_says(last, "\"requests\":1,") && !chain.clean, SUBJECT,
               "what was counted is exported, and the end is not called clean");
}

/* Killed again and again while records come; nothing is lost, nothing counted twice, and it comes back unlocked. */
static void test_kills(void)
{
        constexpr uint64_t EXCHANGES = 20000;
        play p;
        play_make(&p, SLOT_KEY_FILE);
        bool ready = play_start(&p);
        p.with_key_file = false;
        usage_ring *r = play_ring(&p, 0, 1);
        uint64_t    sent = 0;
        int         kills = 0;
        while (sent < EXCHANGES && ready) {
                for (int i = 0; i < 800 && sent < EXCHANGES; i++, sent++) {
                        while (!usage_ring_reserve(r, 2))
                                usleep(100);
                        usage_ring_release(r, 2);
                        play_exchange(r, sent % 2 == 0 ? ENDING_WHOLE : ENDING_CLIENT_ABORT);
                }
                play_wake(&p);
                usleep((useconds_t)(random() % 2000));
                play_kill(&p);
                ready = play_start(&p);
                kills++;
        }
        printf("# %d kills\n", kills);
        tap_ok(ready && kills >= 20, SUBJECT, "a killed keeper comes back unlocked, without its key file");
        /* Twice over a dead relay: the notice that its ring is done was lost with the keeper. */
        usage_ring_admit(r);
        play_tell(&p, WIRE_RING_DEAD, 0, 0, -1);
        wire_message m = {};
        bool         done = play_receive(&p, &m) && m.type == WIRE_RING_DONE && m.slot == 0;
        tap_ok(done, SUBJECT, "a dead relay's ring is read to its end");
        play_kill(&p);
        ready = play_start(&p);
        play_tell(&p, WIRE_RING_DEAD, 0, 0, -1);
        done = ready && play_receive(&p, &m) && m.type == WIRE_RING_DONE;
        tap_ok(done && play_stop(&p) == 0, SUBJECT, "and once more for a supervisor that did not hear it");
        view last = play_stored(&p, 0, nullptr, room);
        tap_ok(play_says(last, "\"ok\":10000,") && play_says(last, "\"client_abort\":10000,")
                       && play_says(last, "\"reported\":{\"cache_read\":0,\"cache_write\":0,\"input\":60000,"),
               SUBJECT, "every exchange is counted exactly once");
        tap_ok(play_says(last, "\"lost\":1,") && play_says(last, "\"boot\":{\"count\":1,"), SUBJECT,
               "one that had no end is lost once; all of it was one boot");
}

int main(void)
{
        test_life();
        test_refusals();
        test_orphan();
        test_kills();
        return tap_done();
}
