/* Updates as PID 1 sees them: who may bring one, when an image has proven itself, and what becomes of one that does
 * not. */
#include <fcntl.h>
#include <unistd.h>

#include "firmware/cmdline.h"
#include "firmware/machine.h"

enum : uint64_t { GOOD_MS = 60000, GOOD_SOON_MS = 10000, TRIAL_TIMES = 5 };

static const view kept_epoch = VIEW_INIT("epoch");

void machine_update_begin(machine_update *u)
{
        *u = (machine_update){.bundle = -1, .facts = {.running = SLOT_NONE}};
        updater_begin(&u->child);
}

/* What was kept, and what the running image is of. */
static uint32_t least_epoch(const machine *m)
{
        uint64_t n = 0;
        (void)kept_get_u64(&m->kept, kept_epoch, &n);
        return n > m->facts.image.security && n <= UINT32_MAX ? (uint32_t)n : m->facts.image.security;
}

err machine_epoch_check(const machine *m, notice *why)
{
        if (m->facts.image.security >= least_epoch(m))
                return OK;
        return notice_fail(why, "This version is of before a security release that this box has run", (view){},
                           ": start the other slot, or install a newer version.");
}

static err start_child(machine *m, updater_op op, uint64_t now_ms)
{
        machine_update  *u = &m->update;
        update_keys      keys = {};
        notice           unsaid;
        const updater_job job = {.op = op,
                                 .root = m->root,
                                 .folder = u->folder,
                                 .state = m->facts.state,
                                 .image = &m->facts.image,
                                 .keys = &keys,
                                 .least_epoch = least_epoch(m),
                                 .older = u->older,
                                 .bundle = u->bundle};
        (void)!failed(update_keys_read(m->root, &m->kept, &keys, &unsaid));
        return updater_start(&u->child, &job, now_ms);
}

/* ---- an image proves itself ---- */

static uint64_t good_ms(const machine *m)
{
        uint8_t bytes[4096];
        view    words;
        bool    soon = !failed(file_read(m->root, "/proc/cmdline", bytes, sizeof bytes, &words))
                    && cmdline_has(words, VIEW("lethe.good=10s"));
        return soon ? GOOD_SOON_MS : GOOD_MS;
}

/* Waiting for a person, to open the vault or to set the box up, is not a failure. */
static bool is_up(const machine *m)
{
        bool waits = m->facts.vault != SCREEN_VAULT_OPEN && m->update.admin_spoke;
        return m->phase == PHASE_RUNNING && m->service.pid != 0
               && (m->facts.serving || m->facts.vault == SCREEN_VAULT_SEALED || waits);
}

static void raise_epoch(machine *m)
{
        uint64_t n = 0;
        if ((kept_get_u64(&m->kept, kept_epoch, &n) && n >= m->facts.image.security) || m->facts.image.security == 0
            || m->kept_fd < 0)
                return;
        if (!failed(kept_set_u64(&m->kept, kept_epoch, m->facts.image.security)))
                (void)!failed(machine_keep(m));
}

static void prove(machine *m, uint64_t now_ms)
{
        machine_update *u = &m->update;
        if (u->good_after_ms == 0)
                u->good_after_ms = good_ms(m);
        if (!is_up(m))
                u->up_since_ms = now_ms;
        if (u->proven || !u->looked || u->child.pid != 0)
                return;
        if (now_ms - u->up_since_ms >= u->good_after_ms) {
                if (u->facts.running == SLOT_NONE || !u->facts.on_trial) {
                        u->proven = true;
                        if (u->facts.running != SLOT_NONE)
                                raise_epoch(m);
                } else if (now_ms >= u->try_at_ms) {
                        u->try_at_ms = now_ms + GOOD_SOON_MS;
                        (void)!failed(start_child(m, UPDATER_MARK_GOOD, now_ms));
                }
        } else if (u->facts.on_trial && now_ms - u->began_ms >= TRIAL_TIMES * u->good_after_ms) {
                /* It does not come up. The next start is another of its tries, or the version before it. */
                machine_end(m, true, now_ms);
        }
}

/* For the keeper, before anybody is told that something is installed. */
static void note_settled(machine *m)
{
        const boot_facts *f = &m->update.facts;
        bool settled = f->running != SLOT_NONE && !f->on_trial
                       && boot_state_of(f, slot_other(f->running)) != BOOT_TO_PROVE;
        if (m->box_facts != nullptr)
                atomic_store(&m->box_facts->settled, settled);
}

/* For the screen and for exports. */
static void note_keys(machine *m)
{
        update_keys keys = {};
        notice      unsaid;
        m->facts.throw_away_updates = !failed(update_keys_read(m->root, &m->kept, &keys, &unsaid))
                                      && update_keys_throw_away(&keys);
        if (m->box_facts != nullptr)
                atomic_store(&m->box_facts->throw_away_updates, m->facts.throw_away_updates);
}

/* ---- what was asked for ---- */

static void answer(machine *m, err_code code, view bytes)
{
        machine_update *u = &m->update;
        if (u->asked)
                box_channel_answer(&m->channel, u->asked_op, u->asked_number, code, bytes);
        u->asked = false;
}

static void drop_bundle(machine_update *u)
{
        if (u->bundle >= 0)
                close(u->bundle);
        u->bundle = -1;
}

static void put_digest(emit *out, const char *key, const uint8_t digest[static 32])
{
        uint8_t text[64];
        emit    e = emit_into(text, sizeof text);
        emit_hex(&e, (view){digest, 32});
        box_line_put(out, key, (view){e.bytes, e.len});
}

static void say_done(machine *m)
{
        const updater_report *r = &m->update.child.report;
        uint8_t               bytes[512];
        emit                  out = emit_into(bytes, sizeof bytes);
        box_line_put(&out, "version", view_of_text(r->version));
        if (m->update.child.op == UPDATER_INSTALL) {
                put_digest(&out, "pcr4", r->pcr4);
                put_digest(&out, "pcr11", r->pcr11);
        }
        answer(m, ERR_NONE, (view){out.bytes, out.len});
}

bool machine_update_reaped(machine *m, pid_t pid)
{
        machine_update *u = &m->update;
        if (pid == 0 || pid != u->child.pid)
                return false;
        updater_reaped(&u->child);
        const updater_report *r = &u->child.report;
        drop_bundle(u);
        bool asked = u->child.op == UPDATER_INSTALL || u->child.op == UPDATER_ROLL_BACK;
        if (r->code == ERR_NONE)
                u->facts = r->facts;
        else
                u->said = r->why;
        note_settled(m);
        if (asked && r->code == ERR_NONE) {
                notice_set(&u->said, "Version ", view_of_text(r->version), " is started next.");
                say_done(m);
        } else if (asked) {
                answer(m, r->code, notice_view(&r->why));
        } else if (u->child.op == UPDATER_MARK_GOOD && r->code == ERR_NONE) {
                raise_epoch(m);
        }
        return true;
}

static void refuse(machine *m, const box_message *q, err_code code, const notice *why)
{
        box_channel_answer(&m->channel, q->op, q->number, code, notice_view(why));
}

static void begin_asked(machine *m, const box_message *q, updater_op op, uint64_t now_ms)
{
        machine_update *u = &m->update;
        notice          why;
        if (u->child.pid != 0 || failed(start_child(m, op, now_ms))) {
                notice_set(&why, "The boot partition is being worked on", (view){}, ": try again in a minute.");
                refuse(m, q, ERR_KEY_BUSY, &why);
                return;
        }
        u->said.len = 0;
        u->asked = true;
        u->asked_op = q->op;
        u->asked_number = q->number;
}

void machine_asked_update(machine *m, const box_message *q, int *fd, uint64_t now_ms)
{
        machine_update *u = &m->update;
        notice          why;
        if (*fd < 0 || q->len != 1) {
                notice_set(&why, "There is no update in this", (view){},
                           ": lethectl and the box are of different versions.");
                refuse(m, q, ERR_BAD_FILE, &why);
                return;
        }
        if (u->child.pid == 0) {
                drop_bundle(u);
                u->bundle = *fd;
                u->older = (q->bytes[0] & BOX_FLAG_OLDER) != 0;
                *fd = -1;
        }
        begin_asked(m, q, UPDATER_INSTALL, now_ms);
        if (u->child.pid == 0)
                drop_bundle(u);
}

void machine_asked_roll_back(machine *m, const box_message *q, uint64_t now_ms)
{
        begin_asked(m, q, UPDATER_ROLL_BACK, now_ms);
}

void machine_asked_update_keys(machine *m, const box_message *q)
{
        notice why;
        err    e = update_keys_keep(m->root, &m->kept, box_bytes(q), &why);
        if (!failed(e) && failed(machine_keep(m))) {
                kept_remove(&m->kept, VIEW("update-key"));
                e = notice_fail(&why, "The box cannot write what it keeps", (view){}, ": the disk may be failing.");
        }
        if (failed(e))
                refuse(m, q, e.code, &why);
        else
                box_channel_answer(&m->channel, q->op, q->number, ERR_NONE, (view){});
        note_keys(m);
}

/* ---- from a volume ---- */

err machine_update_from_volume(machine *m, notice *why)
{
        machine_update *u = &m->update;
        file_path       path;
        if (u->child.pid != 0)
                return notice_fail(why, "The boot partition is being worked on", (view){}, ": try again in a minute.");
        TRY(file_path_make(&path, m->root, "/config/lethe.update", (view){}));
        int fd = open(path.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
                return notice_fail(why, "There is no file lethe.update on the config drive", (view){},
                                   ": put it there, start the box again with the drive attached, and choose again.");
        drop_bundle(u);
        u->bundle = fd;
        u->older = false;
        u->asked = false;
        if (failed(start_child(m, UPDATER_INSTALL, u->now_ms)))
                return notice_fail(why, "The update cannot be started", (view){}, ": try again in a minute.");
        u->said.len = 0;
        return OK;
}

err machine_roll_back(machine *m, notice *why)
{
        if (m->update.child.pid != 0 || failed(start_child(m, UPDATER_ROLL_BACK, m->update.now_ms)))
                return notice_fail(why, "The boot partition is being worked on", (view){}, ": try again in a minute.");
        m->update.asked = false;
        m->update.said.len = 0;
        return OK;
}

/* ---- turns, and what is said ---- */

void machine_update_turn(machine *m, uint64_t now_ms)
{
        machine_update *u = &m->update;
        u->now_ms = now_ms;
        updater_hear(&u->child, now_ms);
        if (m->phase < PHASE_NETWORK || m->phase > PHASE_REFUSED)
                return;
        if (u->began_ms == 0) {
                u->began_ms = u->up_since_ms = now_ms;
                note_keys(m);
        }
        if (!u->looked && m->facts.state[0] != '\0' && u->child.pid == 0)
                u->looked = !failed(start_child(m, UPDATER_LOOK, now_ms));
        prove(m, now_ms);
}

/* What the console and the admin role may say of an update that runs; empty when none does. */
static void say_progress(const machine_update *u, notice *out)
{
        uint8_t bytes[16];
        emit    e = emit_into(bytes, sizeof bytes);
        out->len = 0;
        if (u->child.pid == 0 || u->child.op != UPDATER_INSTALL)
                return;
        emit_u64(&e, u->child.report.percent);
        if (u->child.report.percent == 0)
                notice_set(out, "checking", (view){}, "");
        else
                notice_set(out, "writing ", (view){e.bytes, e.len}, " %");
}

static void put_other(const boot_facts *f, emit *out)
{
        const boot_slot *other = &f->slot[slot_other(f->running)];
        if (!other->there || !other->known)
                return;
        box_line_put(out, "other_version", view_of_text(other->version));
        static const char *const words[] = {"none", "proven", "next", "did not start"};
        box_line_put(out, "other_state", view_of_text(words[boot_state_of(f, slot_other(f->running))]));
}

void machine_update_say(const machine *m, emit *out)
{
        const machine_update *u = &m->update;
        update_keys           keys = {};
        notice                words;
        (void)!failed(update_keys_read(m->root, &m->kept, &keys, &words));
        box_line_put(out, "update_keys", keys.count == 0                  ? VIEW("none")
                                         : update_keys_throw_away(&keys) ? VIEW("throw-away")
                                                                         : VIEW("set"));
        uint8_t bytes[16];
        emit    e = emit_into(bytes, sizeof bytes);
        emit_u64(&e, least_epoch(m));
        box_line_put(out, "security_epoch", (view){e.bytes, e.len});
        if (u->facts.running != SLOT_NONE && u->child.report.done) {
                box_line_put(out, "slot", view_of_text(slot_letter(u->facts.running)));
                box_line_put(out, "proven", u->facts.on_trial ? VIEW("not yet") : VIEW("yes"));
                put_other(&u->facts, out);
        }
        say_progress(u, &words);
        if (words.len > 0)
                box_line_put(out, "update", notice_view(&words));
        else if (u->said.len > 0)
                box_line_put(out, "update", notice_view(&u->said));
}
