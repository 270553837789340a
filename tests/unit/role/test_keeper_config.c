/* The configuration in the state, as the admin role stages it and the supervisor gets it. */
#include <fcntl.h>

#include "unit/role/keeper_play.h"
#include "vault/config_set.h"

static const char     SUBJECT[] = "keeper_config";
static keeper_message answer;

/* ---- the supervisor's part ---- */

typedef struct handed {
        size_t   files;
        char     names[8][KEEPER_CONFIG_NAME];
        char     first[64]; /* bytes of the first file */
        bool     sealed;    /* every memory refuses a change */
        uint16_t what;
        uint64_t number;
        uint32_t slot;
} handed;

/* Files and the word behind them. */
static bool hears(play *p, handed *out)
{
        *out = (handed){.sealed = true};
        for (;;) {
                struct pollfd poll_for = {.fd = p->control, .events = POLLIN};
                wire_message  m;
                int           fd = -1;
                if (poll(&poll_for, 1, 5000) <= 0 || failed(wire_receive(p->control, &m, &fd)) || m.type != WIRE_CONFIG)
                        return false;
                if (m.what != CONFIG_FILE) {
                        out->what = m.what;
                        out->number = m.number;
                        out->slot = m.slot;
                        return fd < 0;
                }
                int seals = fcntl(fd, F_GET_SEALS);
                out->sealed = out->sealed && (seals & F_SEAL_WRITE) != 0 && (seals & F_SEAL_SHRINK) != 0;
                if (out->files == 0 && pread(fd, out->first, sizeof out->first - 1, 0) < 0)
                        return false;
                memcpy(out->names[out->files++], m.name, KEEPER_CONFIG_NAME);
                close(fd);
        }
}

static bool says_nothing(play *p)
{
        struct pollfd poll_for = {.fd = p->control, .events = POLLIN};
        return poll(&poll_for, 1, 200) == 0;
}

/* ---- the admin role's part ---- */

static keeper_status status(play *p)
{
        keeper_status s = {};
        play_must(play_ask(p, KEEPER_STATUS, (view){}, &answer) == ERR_NONE, "status");
        memcpy(&s, answer.bytes, sizeof s);
        return s;
}

static err_code create(play *p)
{
        keeper_status   s = status(p);
        keeper_slot_add q = {.slot = {.kind = SLOT_KEY_FILE}};
        key_slot        slot = {.kind = SLOT_KEY_FILE};
        uint8_t         wrapping[32];
        play_must(!failed(container_wrapping_key(&slot, (view){PLAY_KEY, sizeof PLAY_KEY}, wrapping)), "wrapping key");
        seal_close(s.seal_key, (view){wrapping, sizeof wrapping}, q.sealed);
        return play_ask(p, KEEPER_CREATE, (view){(uint8_t *)&q, sizeof q}, &answer);
}

static err_code begin(play *p, uint32_t partial, uint32_t opens)
{
        keeper_stage q = {partial, opens};
        return play_ask(p, KEEPER_STAGE_BEGIN, (view){(uint8_t *)&q, sizeof q}, &answer);
}

static err_code part(play *p, keeper_stage_part q, view bytes)
{
        q.len = (uint32_t)bytes.len;
        memcpy(q.bytes, bytes.data, bytes.len);
        return play_ask(p, KEEPER_STAGE_PART, (view){(uint8_t *)&q, offsetof(keeper_stage_part, bytes) + bytes.len},
                        &answer);
}

static err_code whole(play *p, const char *name, const char *text)
{
        keeper_stage_part q = {.total = (uint32_t)strlen(text)};
        memcpy(q.name, name, strlen(name));
        return part(p, q, view_of_text(text));
}

static err_code sealed(play *p, const char *name, const char *text)
{
        uint8_t           room[256];
        size_t            len = strlen(text) + SEAL_OVERHEAD;
        keeper_stage_part q = {.sealed = 1, .total = (uint32_t)len};
        keeper_status     s = status(p);
        memcpy(q.name, name, strlen(name));
        seal_close(s.seal_key, view_of_text(text), room);
        return part(p, q, (view){room, len});
}

static err_code try_it(play *p) { return play_ask(p, KEEPER_STAGE_TRY, (view){}, &answer); }

static void tried(play *p, uint64_t number, uint16_t serves)
{
        wire_message m = {.type = WIRE_CONFIG_TRIED, .what = serves, .number = number};
        play_must(!failed(wire_send(p->control, &m, -1)), "tried");
}

/* ---- tests ---- */

static void test_blank(play *p)
{
        handed h;
        tap_ok(play_start(p) && hears(p, &h) && h.what == CONFIG_STORED && h.number == 0 && h.files == 0, SUBJECT,
               "a state of zeros is a keeper without a vault, which says that it keeps nothing");
        tap_ok(status(p).blank == 1 && status(p).open == 0 && atomic_load(&p->board->keeper) == KEEPER_BLANK, SUBJECT,
               "and so do its status and the board");
        tap_ok(begin(p, 0, 0) == ERR_SEALED && play_ask(p, KEEPER_LIST, (view){}, &answer) == ERR_SEALED, SUBJECT,
               "nothing is staged or listed before there is a vault");
        tap_ok(create(p) == ERR_NONE && hears(p, &h) && h.what == CONFIG_STORED && h.number == 0, SUBJECT,
               "a vault is made, open, and empty");
        tap_ok(create(p) == ERR_EXISTS, SUBJECT, "once");
        tap_ok(status(p).open == 1 && atomic_load(&p->board->keeper) == KEEPER_OPEN, SUBJECT, "the board says open");
}

static void test_parts(play *p)
{
        keeper_stage_part q = {.name = "lethe.json", .total = 6};
        tap_ok(part(p, q, VIEW("abc")) == ERR_OUT_OF_RANGE, SUBJECT, "no part before a beginning");
        tap_ok(begin(p, 0, 99) == ERR_OUT_OF_RANGE, SUBJECT, "no way to open that there is not");
        static const struct {
                const char       *sentence;
                keeper_stage_part q;
                const char       *bytes;
                err_code          code;
        } rows[] = {
                {"a name that is none", {.name = "x", .total = 3}, "abc", ERR_OUT_OF_RANGE},
                {"a part beyond its file", {.name = "lethe.json", .total = 2}, "abc", ERR_OUT_OF_RANGE},
                {"a part that leaves a gap", {.name = "lethe.json", .total = 9, .offset = 1}, "abc", ERR_OUT_OF_RANGE},
                {"a file beyond the most", {.name = "lethe.json", .total = LIMIT_CONFIG_BYTES + 49}, "a",
                        ERR_OUT_OF_RANGE},
                {"no bytes of a file that has some", {.name = "lethe.json", .total = 2}, "", ERR_OUT_OF_RANGE},
                {"a flag of another kind", {.name = "lethe.json", .total = 3, .sealed = 2}, "abc", ERR_OUT_OF_RANGE},
                {"a private key in the clear", {.name = "tls/server.key", .total = 3}, "abc", ERR_BAD_CREDENTIAL},
                {"what is not sealed to this keeper", {.name = "tls/server.key", .total = 3, .sealed = 1}, "abc",
                 ERR_BAD_CREDENTIAL},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                bool good = begin(p, 0, 0) == ERR_NONE && part(p, rows[i].q,
                        view_of_text(rows[i].bytes)) == rows[i].code
                            && try_it(p) == ERR_OUT_OF_RANGE;
                tap_ok(good, SUBJECT, rows[i].sentence);
        }
        tap_ok(begin(p, 0, 0) == ERR_NONE && part(p, q, VIEW("abc")) == ERR_NONE && try_it(p) == ERR_OUT_OF_RANGE,
               SUBJECT,
               "a file that is not whole is not tried");
        tap_ok(begin(p, 0, 0) == ERR_NONE && whole(p, "lethe.json", "{}") == ERR_NONE && try_it(p) == ERR_NO_CHOICE
                       && begin(p, 1, 0) == ERR_NONE && whole(p, "lethe.json", "{}") == ERR_NONE
                       && try_it(p) == ERR_NO_CHOICE,
               SUBJECT, "nor anything before it is chosen how the vault opens");
        tap_ok(begin(p, 0, 0) == ERR_NONE && try_it(p) == ERR_OUT_OF_RANGE, SUBJECT, "nor a set without a file");
}

static uint64_t stage(play *p, const char *text)
{
        handed            h;
        keeper_stage_part q = {.name = "lethe.json", .total = (uint32_t)strlen(text)};
        bool              good = begin(p, 0, STORE_OPENS_PERSON) == ERR_NONE
                    && part(p, q, view_slice(view_of_text(text), 0, 3)) == ERR_NONE;
        q.offset = 3;
        good = good && part(p, q, view_slice(view_of_text(text), 3, SIZE_MAX)) == ERR_NONE
               && whole(p, "policy.json", "{}") == ERR_NONE && sealed(p, "tls/server.key", "private") == ERR_NONE
               && whole(p, "ca/empty.pem", "") == ERR_NONE && try_it(p) == ERR_NONE;
        tap_ok(good && hears(p, &h) && h.what == CONFIG_STAGED && h.files == 4 && h.slot == 4 && h.sealed, SUBJECT,
               "a staged set is handed over as memory that nobody changes");
        tap_ok(begin(p, 0, 0) == ERR_KEY_BUSY, SUBJECT, "while it is tried there is no other");
        return h.number;
}

static void test_tried(play *p)
{
        handed   h;
        uint64_t number = stage(p, "first text");
        tried(p, number + 1, 1);
        tap_ok(says_nothing(p) && status(p).config_files == 0, SUBJECT, "another set's word is not this one's");
        tried(p, number, 0);
        tap_ok(says_nothing(p) && status(p).config_files == 0, SUBJECT, "a set that does not serve is dropped");
        number = stage(p, "other text");
        tried(p, number, 1);
        tap_ok(hears(p, &h) && h.what == CONFIG_KEPT && h.number == number && status(p).config_files == 4
                       && status(p).opens == STORE_OPENS_PERSON,
               SUBJECT, "one that serves is stored");
        tried(p, number, 1);
        tap_ok(says_nothing(p), SUBJECT, "once");
        keeper_config_get get = {.name = "tls/server.key"};
        view              asked = {(uint8_t *)&get, sizeof get};
        tap_ok(play_ask(p, KEEPER_CONFIG_GET, asked, &answer) == ERR_FORBIDDEN, SUBJECT,
               "a private key is not given out");
        memcpy(get.name, "lethe.json", sizeof "lethe.json");
        tap_ok(play_ask(p, KEEPER_CONFIG_GET, asked, &answer) == ERR_NONE && answer.len == 8 + 10
                       && memcmp(answer.bytes + 8, "other text", 10) == 0,
               SUBJECT, "other files are");
        get.offset = 11;
        tap_ok(play_ask(p, KEEPER_CONFIG_GET, asked, &answer) == ERR_OUT_OF_RANGE, SUBJECT, "not beyond their end");
        bool good = begin(p, 1, 0) == ERR_NONE && whole(p, "ca/empty.pem", "not any more") == ERR_NONE
                    && try_it(p) == ERR_NONE && hears(p, &h) && h.files == 4;
        tap_ok(good && h.number != number, SUBJECT, "a part of a set takes the rest from what is stored");
        tried(p, 0, 0);
        tap_ok(begin(p, 0, 0) == ERR_NONE, SUBJECT, "a word for no set drops what is tried");
}

static void test_restart(play *p)
{
        handed h;
        play_kill(p);
        tap_ok(play_start(p) && hears(p, &h) && h.what == CONFIG_STORED && h.files == 4 && h.slot == 4, SUBJECT,
               "a keeper started again hands over what is stored");
        tap_ok(strcmp(h.names[0], "ca/empty.pem") == 0 && strcmp(h.names[1], "lethe.json") == 0, SUBJECT,
               "files in the order of their names");
        play_kill(p);
        play_must(ftruncate(p->state, 0) == 0 && ftruncate(p->state, 8 << 20) == 0, "zeros");
        tap_ok(play_refused_with(p, "BAD_FILE"), SUBJECT, "a vault that was there is not taken for a new box");
}

static void test_folder(void)
{
        play p;
        play_make(&p, SLOT_KEY_FILE);
        tap_ok(play_start(&p) && says_nothing(&p) && begin(&p, 0, 0) == ERR_NOT_IMPLEMENTED
                       && create(&p) == ERR_NOT_IMPLEMENTED,
               SUBJECT, "with a folder nothing is staged, made or handed over");
        play_kill(&p);
        play_must(ftruncate(p.state, 0) == 0 && ftruncate(p.state, 8 << 20) == 0, "zeros");
        memset(p.page, 0, 4096);
        tap_ok(play_refused_with(&p, "BAD_FILE"), SUBJECT, "and a state of zeros is damaged");
}

int main(void)
{
        play p;
        play_make(&p, SLOT_KEY_FILE);
        p.in_state = true;
        p.with_key_file = false;
        play_must(ftruncate(p.state, 0) == 0 && ftruncate(p.state, 8 << 20) == 0, "zeros");
        test_blank(&p);
        test_parts(&p);
        test_tried(&p);
        test_restart(&p);
        test_folder();
        return tap_done();
}
