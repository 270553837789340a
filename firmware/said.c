#include "firmware/said.h"

#include "firmware/text.h"

static const char *const role_names[] = {"keeper", "resolver", "admin", "relay", "lethed"};

const char *said_role_name(int64_t role)
{
        return role >= 0 && role < (int64_t)(sizeof role_names / sizeof *role_names) ? role_names[role] : "a role";
}

/* `name=NUMBER` */
static bool number(view word, int64_t *out)
{
        const uint8_t *sign = word.len == 0 ? nullptr : memchr(word.data, '=', word.len);
        uint64_t       n;
        if (sign == nullptr
            || !view_decimal(view_slice(word, (size_t)(sign - word.data) + 1, word.len), INT64_MAX, &n))
                return false;
        *out = (int64_t)n;
        return true;
}

static const struct {
        view      role, name;
        said_kind kind;
} rows[] = {
        {VIEW_INIT("lethed"), VIEW_INIT("GENERATION_UP"), SAID_UP},
        {VIEW_INIT("lethed"), VIEW_INIT("ROLE_DIED"), SAID_ROLE_DIED},
        {VIEW_INIT("keeper"), VIEW_INIT("TPM_REFUSED"), SAID_TPM_REFUSED},
        {VIEW_INIT("keeper"), VIEW_INIT("VAULT_SEALED"), SAID_SEALED},
        {VIEW_INIT("keeper"), VIEW_INIT("VAULT_OPEN"), SAID_OPEN},
        {VIEW_INIT("keeper"), VIEW_INIT("VAULT_BLANK"), SAID_BLANK},
        {VIEW_INIT("keeper"), VIEW_INIT("CONFIG_NONE"), SAID_NO_CONFIG},
};

said said_parse(view line)
{
        static const view mark = VIEW_INIT("lethed: ");
        if (view_starts(line, mark))
                return (said){.kind = SAID_SENTENCE, .sentence = view_slice(line, mark.len, line.len)};
        said out = {};
        view role = text_word(&line);
        text_word(&line);
        view name = text_word(&line), first = text_word(&line), second = text_word(&line);
        if (!number(first, &out.first) || !number(second, &out.second))
                return (said){};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                if (view_equal(role, rows[i].role) && view_equal(name, rows[i].name))
                        out.kind = rows[i].kind;
        return out;
}

void said_feed(said_lines *l, view piece, void (*take)(void *context, view line), void *context)
{
        for (size_t i = 0; i < piece.len; i++) {
                if (piece.data[i] == '\n') {
                        if (!l->too_long)
                                take(context, (view){l->bytes, l->len});
                        l->len = 0;
                        l->too_long = false;
                } else if (l->len < sizeof l->bytes) {
                        l->bytes[l->len++] = piece.data[i];
                } else {
                        l->too_long = true;
                }
        }
}
