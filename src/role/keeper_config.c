/* The configuration that the vault keeps: staged by the admin role in parts, handed to the supervisor as files, and
 * stored when a generation of relays has shown that it serves. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/event.h"
#include "role/keeper_state.h"

void keeper_staging_end(keeper *k)
{
        region_end(&k->staging.set);
        region_end(&k->staging.file);
        k->staging = (keeper_staging){};
}

/* ---- to the supervisor ---- */

static bool write_all(int fd, view bytes)
{
        while (bytes.len > 0) {
                ssize_t n = write(fd, bytes.data, bytes.len);
                if (n <= 0)
                        return false;
                bytes = view_slice(bytes, (size_t)n, bytes.len);
        }
        return true;
}

/* Memory that nobody can change any more. -1 when the system refuses it. */
static int memory_of(view bytes)
{
        int fd = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd >= 0 && write_all(fd, bytes)
            && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
                return fd;
        if (fd >= 0)
                close(fd);
        return -1;
}

static err say(const keeper *k, config_word what, uint64_t number, uint32_t slot)
{
        const wire_message m = {.type = WIRE_CONFIG, .what = what, .slot = slot, .number = number};
        return wire_send(k->control, &m, -1);
}

static err hand_file(const keeper *k, const config_file *f)
{
        wire_message m = {.type = WIRE_CONFIG, .what = CONFIG_FILE};
        int          fd = memory_of(f->bytes);
        if (fd < 0)
                return FAIL(SYSTEM);
        memcpy(m.name, f->name.data, f->name.len);
        err e = wire_send(k->control, &m, fd);
        close(fd);
        return e;
}

static err hand_set(const keeper *k, view set, config_word what)
{
        config_file f;
        for (size_t at = 0; config_set_next(set, &at, &f);)
                TRY(hand_file(k, &f));
        return say(k, what, config_set_number(set), (uint32_t)config_set_count(set));
}

void keeper_config_tell(keeper *k)
{
        if (!k->in_state)
                return;
        view set = store_is_open(&k->store) ? region_view(&k->store.config) : (view){};
        err  e = hand_set(k, set, CONFIG_STORED);
        if (failed(e))
                event(EVENT_CONFIG_FAILED, e.code, 0);
        else if (store_is_open(&k->store) && set.len == 0)
                event(EVENT_CONFIG_NONE, 0, 0);
}

static err keep(keeper *k)
{
        if (!store_is_open(&k->store))
                return FAIL(SEALED);
        TRY(store_set_config(&k->store, region_view(&k->staging.set), k->staging.opens));
        keeper_vault_written(k);
        return OK;
}

void keeper_config_tried(keeper *k, const wire_message *m)
{
        if (k->staging.trying == 0 || (m->number != k->staging.trying && m->what == 1))
                return;
        if (m->what == 1) {
                err e = keep(k);
                if (failed(e))
                        event(EVENT_STATE_FAILED, e.code, 0);
                (void)!failed(say(k, failed(e) ? CONFIG_LOST : CONFIG_KEPT, m->number, e.code));
        }
        keeper_staging_end(k);
}

/* ---- from the admin role ---- */

static err begin(keeper *k, view in)
{
        keeper_stage q;
        if (in.len != sizeof q)
                return FAIL(OUT_OF_RANGE);
        memcpy(&q, in.data, sizeof q);
        if (q.opens >= STORE_OPENS_COUNT)
                return FAIL(OUT_OF_RANGE);
        keeper_staging_end(k);
        keeper_staging *s = &k->staging;
        config_set_init(&s->set);
        region_init(&s->file, LIMIT_CONFIG_BYTES + SEAL_OVERHEAD);
        s->opens = q.opens == STORE_OPENS_UNSAID ? k->store.opens : (store_opens)q.opens;
        s->begun = true;
        return q.partial != 0 ? region_append(&s->set, region_view(&k->store.config)) : OK;
}

static err open_sealed(const keeper *k, view sealed, region *out)
{
        if (sealed.len < SEAL_OVERHEAD)
                return FAIL(BAD_CREDENTIAL);
        size_t len = sealed.len - SEAL_OVERHEAD;
        /* One more, since nothing at all has no memory. */
        TRY(region_reserve(out, len + 1));
        out->len = len;
        return seal_open(&k->pair, sealed, out->bytes, len);
}

static err file_whole(keeper *k)
{
        keeper_staging *s = &k->staging;
        config_file     f = {view_of_text(s->name), region_view(&s->file)};
        region          opened;
        if (s->sealed == 0)
                return config_name_secret(f.name) ? FAIL(BAD_CREDENTIAL) : config_set_put(&s->set, &f);
        region_init(&opened, LIMIT_CONFIG_BYTES + 1);
        err e = open_sealed(k, f.bytes, &opened);
        if (!failed(e)) {
                f.bytes = region_view(&opened);
                e = config_set_put(&s->set, &f);
        }
        region_end(&opened);
        return e;
}

/* A part belongs to the file before it, or begins the next one. `there`: the bytes it brings. */
static bool part_fits(const keeper_staging *s, const keeper_stage_part *q, size_t there)
{
        if (memchr(q->name, '\0', sizeof q->name) == nullptr || !config_name_valid(view_of_text(q->name)))
                return false;
        if (q->sealed > 1 || q->len != there || q->total > LIMIT_CONFIG_BYTES + SEAL_OVERHEAD
            || q->offset != s->file.len || q->offset > q->total || q->len > q->total - q->offset
            || (q->len == 0 && q->total != 0))
                return false;
        return q->offset == 0 || (strcmp(q->name, s->name) == 0 && q->total == s->total && q->sealed == s->sealed);
}

static err take_part(keeper *k, view in)
{
        static const size_t head = offsetof(keeper_stage_part, bytes);
        keeper_staging     *s = &k->staging;
        keeper_stage_part   q;
        if (!s->begun || in.len < head || in.len > sizeof q)
                return FAIL(OUT_OF_RANGE);
        memcpy(&q, in.data, in.len);
        if (!part_fits(s, &q, in.len - head))
                return FAIL(OUT_OF_RANGE);
        memcpy(s->name, q.name, sizeof s->name);
        s->total = q.total;
        s->sealed = q.sealed;
        TRY(region_append(&s->file, view_slice(in, head, in.len)));
        if (s->file.len < s->total)
                return OK;
        err e = file_whole(k);
        region_clear(&s->file);
        return e;
}

static err try_it(keeper *k, view in, emit *out)
{
        keeper_staging *s = &k->staging;
        if (in.len != 0 || !s->begun || s->file.len != 0 || s->set.len == 0)
                return FAIL(OUT_OF_RANGE);
        /* Whoever sets a box up has to have decided: nobody may find out at the first power cut. */
        if (s->opens == STORE_OPENS_UNSAID)
                return FAIL(NO_CHOICE);
        view     set = region_view(&s->set);
        uint64_t number = config_set_number(set);
        TRY(hand_set(k, set, CONFIG_STAGED));
        s->trying = number;
        emit_view(out, (view){(const uint8_t *)&number, sizeof number});
        return OK;
}

err keeper_staging_ask(keeper *k, keeper_op op, view in, emit *out)
{
        if (!k->in_state)
                return FAIL(NOT_IMPLEMENTED);
        if (!store_is_open(&k->store))
                return FAIL(SEALED);
        if (k->staging.trying != 0)
                return FAIL(KEY_BUSY);
        if (op == KEEPER_STAGE_BEGIN)
                return begin(k, in);
        err e = op == KEEPER_STAGE_PART ? take_part(k, in) : try_it(k, in, out);
        if (failed(e))
                keeper_staging_end(k);
        return e;
}
