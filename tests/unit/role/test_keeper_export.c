#include "sign/minisign.h"
#include "unit/role/keeper_play.h"

static const char     SUBJECT[] = "keeper_export";
static uint8_t        room[1024 * 1024], previous[1024 * 1024], signature_room[4096];
static keeper_message answer;

static bool verifies(play *p, view body, view signature)
{
        keeper_status status;
        uint8_t       bytes[512];
        emit          key = emit_into(bytes, sizeof bytes);
        if (play_ask(p, KEEPER_STATUS, (view){}, &answer) != ERR_NONE)
                return false;
        memcpy(&status, answer.bytes, sizeof status);
        minisign_write_public(status.export_key_number, status.export_key, &key);
        return !failed(minisign_verify((view){key.bytes, key.len}, signature, body));
}

static bool says_hex(view text, const char *before, view hashed)
{
        uint8_t digest[32], bytes[160];
        emit    e = emit_into(bytes, sizeof bytes);
        secret_sha256(digest, hashed);
        emit_text(&e, before);
        emit_hex(&e, (view){digest, sizeof digest});
        emit_byte(&e, 0);
        return play_says(text, (const char *)bytes);
}

static void test_series(void)
{
        play     p;
        uint64_t sequence = 0;
        play_make(&p, SLOT_KEY_FILE);
        play_start(&p);
        usage_ring *r = play_ring(&p, 0, 1);
        play_exchange(r, ENDING_WHOLE);
        play_tell(&p, WIRE_RING_DEAD, 0, 63, -1);
        wire_message m;
        play_receive(&p, &m);
        tap_ok(play_export_now(&p, &sequence) == ERR_NONE && sequence == 1, SUBJECT, "the first export has number 1");
        view body = play_export(&p, 0, 0, room), signature = play_export(&p, 1, 1, signature_room);
        tap_ok(play_says(body, "\"requests\":1,") && play_says(body, "\"kind\":\"period\""), SUBJECT,
               "it holds what relays had told until then");
        tap_ok(verifies(&p, body, signature) && says_hex(signature, "seq:1 sha256:", body), SUBJECT,
               "it is signed, and the comment names it");
        tap_ok(says_hex(body, "\"config\":{\"sha256\":\"", VIEW(PLAY_CONFIG))
                       && says_hex(body, "\"policy\":{\"sha256\":\"", VIEW(PLAY_POLICY)),
               SUBJECT, "it names the configuration and the policy in force");
        tap_ok(play_says(body, "\"software\":{\"commit\":\"c0ffee\",\"version\":\"0.1\"}")
                       && play_says(body, "\"redactions\":{") && play_says(body, ":0,"),
               SUBJECT, "and the software");
        memcpy(previous, room, body.len);
        body.data = previous;
        tap_ok(play_export_now(&p, &sequence) == ERR_NONE && sequence == 2, SUBJECT, "the second has number 2");
        view second = play_export(&p, 2, 0, room);
        tap_ok(says_hex(second, "\"prev\":\"", body) && play_says(second, "\"rows\":[]"), SUBJECT,
               "it names the first, and counts from there on");
        uint64_t one = 1;
        tap_ok(play_ask(&p, KEEPER_EXPORT_NOW, (view){(uint8_t *)&one, 8}, &answer) == ERR_OUT_OF_RANGE, SUBJECT,
               "a question with more than it needs is refused");
        play_stop(&p);
}

/* A keeper killed after the export was stored and before its period was closed. */
static void test_settling(void)
{
        play     p;
        uint64_t sequence;
        ledger  *l;
        play_make(&p, SLOT_KEY_FILE);
        play_start(&p);
        play_export_now(&p, &sequence);
        void *memory = mmap(nullptr, ledger_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, p.ledger_fd, 0);
        play_must(!failed(ledger_open(memory, ledger_bytes(), 1, &l)), "ledger");
        play_exchange(play_ring(&p, 0, 1), ENDING_WHOLE);
        play_wake(&p);
        for (int i = 0; i < 1000 && ledger_ending(l, ENDING_WHOLE) == 0; i++)
                usleep(1000);
        play_kill(&p);
        ledger_set_exporting(l, 2);
        play_start(&p);
        tap_ok(ledger_ending(l, ENDING_WHOLE) == 1 && ledger_exporting(l) == 0, SUBJECT,
               "an export that was not stored leaves its period open");
        play_kill(&p);
        ledger_set_exporting(l, 1);
        play_start(&p);
        tap_ok(ledger_ending(l, ENDING_WHOLE) == 0 && ledger_exporting(l) == 0, SUBJECT,
               "one that was stored ends it, once");
        play_stop(&p);
}

static void test_generations(void)
{
        play p;
        play_make(&p, SLOT_KEY_FILE);
        play_start(&p);
        int bad = play_file("{", 1), policy = play_file("other", 5);
        play_tell(&p, WIRE_GENERATION, 0, 2, bad);
        usage_ring  *r = play_ring(&p, 0, 2);
        usage_record record = {.version = 1, .kind = USAGE_EXCHANGE, .generation = 2, .vendor = USAGE_NO_INDEX};
        usage_ring_reserve(r, 1);
        usage_ring_commit(r, &record);
        play_generation(&p, 3);
        play_tell(&p, WIRE_GENERATION, 1, 3, policy);
        r = play_ring(&p, 1, 3);
        record.generation = 3;
        usage_ring_reserve(r, 1);
        usage_ring_commit(r, &record);
        atomic_store(&p.board->generation, 3);
        play_stop(&p);
        view last = play_stored(&p, 0, nullptr, room);
        tap_ok(play_says(last, "\"refused_records\":1,"), SUBJECT, "a generation without names has no usage");
        tap_ok(play_says(last, "\"requests\":1,") && says_hex(last, "\"policy\":{\"sha256\":\"", VIEW("other")),
               SUBJECT, "the next one has, and its own policy");
}

int main(void)
{
        test_series();
        test_settling();
        test_generations();
        return tap_done();
}
