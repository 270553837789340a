#include "firmware/slots.h"

#include "firmware/text.h"

static const char env_head[] = "# GRUB Environment Block\n";

const char *slot_letter(slot_id s) { return s == SLOT_A ? "a" : "b"; }

/* ---- names ---- */

static bool take_number(view *v, uint32_t *out)
{
        size_t   len = 0;
        uint64_t n;
        while (len < v->len && v->data[len] >= '0' && v->data[len] <= '9')
                len++;
        if (!view_decimal(view_slice(*v, 0, len), SLOT_NUMBER_MOST, &n))
                return false;
        *out = (uint32_t)n;
        *v = view_slice(*v, len, v->len);
        return true;
}

static bool take_text(view *v, const char *text)
{
        view want = view_of_text(text);
        if (!view_starts(*v, want))
                return false;
        *v = view_slice(*v, want.len, v->len);
        return true;
}

bool slot_name_parse(view name, slot_name *out)
{
        *out = (slot_name){};
        if (!take_text(&name, "lethe_") || !take_number(&name, &out->number) || !take_text(&name, "_"))
                return false;
        if (take_text(&name, "a"))
                out->slot = SLOT_A;
        else if (take_text(&name, "b"))
                out->slot = SLOT_B;
        else
                return false;
        out->counted = take_text(&name, "+");
        if (out->counted && !take_number(&name, &out->left))
                return false;
        if (out->counted && take_text(&name, "-") && !take_number(&name, &out->done))
                return false;
        return view_equal(name, VIEW(".efi"));
}

void slot_name_write(const slot_name *n, char out[static SLOT_NAME_BYTES])
{
        emit e = emit_into((uint8_t *)out, SLOT_NAME_BYTES - 1);
        emit_text(&e, "lethe_");
        emit_u64(&e, n->number);
        emit_text(&e, "_");
        emit_text(&e, slot_letter(n->slot));
        if (n->counted) {
                emit_text(&e, "+");
                emit_u64(&e, n->left);
        }
        if (n->counted && n->done > 0) {
                emit_text(&e, "-");
                emit_u64(&e, n->done);
        }
        emit_text(&e, ".efi");
        out[e.len] = '\0';
}

/* ---- GRUB's environment ---- */

static void env_take(view key, view value, slot_env *out)
{
        uint64_t n = 0;
        if (view_equal(key, VIEW("ORDER")))
                out->first = view_starts(value, VIEW("b")) ? SLOT_B : SLOT_A;
        for (slot_id s = SLOT_A; s < SLOT_COUNT; s++) {
                if (key.len == 0 || key.data[0] != (uint8_t)slot_letter(s)[0])
                        continue;
                view what = view_slice(key, 1, key.len);
                if (view_equal(what, VIEW("_ok")))
                        out->ok[s] = view_equal(value, VIEW("1"));
                else if (view_equal(what, VIEW("_left")) && view_decimal(value, SLOT_TRIES, &n))
                        out->left[s] = (uint32_t)n;
        }
}

bool slot_env_parse(view bytes, slot_env *out)
{
        *out = (slot_env){};
        if (bytes.len != SLOT_ENV_BYTES || !view_starts(bytes, VIEW(env_head)))
                return false;
        while (bytes.len > 0) {
                view           line = text_line(&bytes);
                const uint8_t *equals = line.len == 0 || line.data[0] == '#' ? nullptr
                                                                             : memchr(line.data, '=', line.len);
                if (equals == nullptr)
                        continue;
                size_t at = (size_t)(equals - line.data);
                env_take(view_slice(line, 0, at), view_slice(line, at + 1, line.len), out);
        }
        return true;
}

static emit env_begin(uint8_t *out)
{
        emit e = emit_into(out, SLOT_ENV_BYTES);
        emit_text(&e, env_head);
        return e;
}

static bool env_end(emit *e)
{
        if (!e->full)
                memset(e->bytes + e->len, '#', e->cap - e->len);
        return !e->full;
}

void slot_env_write(const slot_env *env, uint8_t out[static SLOT_ENV_BYTES])
{
        emit e = env_begin(out);
        emit_text(&e, env->first == SLOT_B ? "ORDER=b a\n" : "ORDER=a b\n");
        for (slot_id s = SLOT_A; s < SLOT_COUNT; s++) {
                emit_text(&e, slot_letter(s));
                emit_text(&e, env->ok[s] ? "_ok=1\n" : "_ok=0\n");
                emit_text(&e, slot_letter(s));
                emit_text(&e, "_left=");
                emit_u64(&e, env->left[s]);
                emit_text(&e, "\n");
        }
        (void)env_end(&e);
}

bool slot_env_one(const char *key, view value, uint8_t out[static SLOT_ENV_BYTES])
{
        emit e = env_begin(out);
        emit_text(&e, key);
        emit_text(&e, "=");
        emit_view(&e, value);
        emit_text(&e, "\n");
        return env_end(&e);
}
