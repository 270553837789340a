#include "ledger.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { MODEL_SLOTS = 4096, KEYS_MAX = 65 };

/* name in the JSON */
#define SUMS(row)                                                                                                  \
        row(exchanges) row(complete) row(cut) row(errors) row(prompt_tokens) row(completion_tokens) row(reasoning) \
                row(cached) row(cache_write) row(connections) row(resumed) row(number)

typedef struct shared {
#define ROW(name) _Atomic uint64_t name;
        SUMS(ROW)
#undef ROW
        _Atomic uint64_t keys[KEYS_MAX]; /* exchanges by key, from 0: none of ours */
        struct {
                _Atomic uint64_t hash, count;
        } models[MODEL_SLOTS];
} shared;

static shared *all;

void ledger_share(void)
{
        void *map = mmap(nullptr, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED)
                abort();
        all = map;
}

uint64_t ledger_next_number(void) { return atomic_fetch_add(&all->number, 1) + 1; }

void ledger_connection(bool resumed)
{
        atomic_fetch_add(&all->connections, 1);
        if (resumed)
                atomic_fetch_add(&all->resumed, 1);
}

uint64_t ledger_times(slice model)
{
        uint64_t hash = 14695981039346656037u;
        for (size_t i = 0; i < model.len; i++)
                hash = (hash ^ (unsigned char)model.at[i]) * 1099511628211u;
        for (size_t probe = 0; probe < MODEL_SLOTS; probe++) {
                size_t slot = (size_t)((hash + probe) % MODEL_SLOTS);
                uint64_t seen = 0;
                if (atomic_compare_exchange_strong(&all->models[slot].hash, &seen, hash) || seen == hash)
                        return atomic_fetch_add(&all->models[slot].count, 1) + 1;
        }
        abort();
}

void ledger_write(const ledger_line *line, text *out)
{
        static const char *const kinds[] = {"other", "chat", "stream", "embeddings"};
        static const char *const cutters[] = {"null", "\"peer\"", "\"mock\""};
        const exchange *x = line->x;
        const usage *u = &x->usage;
        atomic_fetch_add(&all->exchanges, 1);
        if (x->key < KEYS_MAX)
                atomic_fetch_add(&all->keys[x->key], 1);
        if (x->status >= 400)
                atomic_fetch_add(&all->errors, 1);
        if (line->ending != ENDING_WHOLE)
                atomic_fetch_add(&all->cut, 1);
        if (line->complete) {
                atomic_fetch_add(&all->complete, 1);
                atomic_fetch_add(&all->prompt_tokens, u->prompt);
                atomic_fetch_add(&all->completion_tokens, u->completion);
                atomic_fetch_add(&all->reasoning, u->reasoning);
                atomic_fetch_add(&all->cached, u->cached);
                atomic_fetch_add(&all->cache_write, u->cache_write);
        }
        if (out == nullptr)
                return;
        text_str(out, "{\"model\":\"");
        text_json(out, (slice){x->model, x->model_len}, false);
        text_fmt(out, "\",\"kind\":\"%s\",\"status\":%d,\"key\":%zu,\"prefilled\":%zu", kinds[x->kind], x->status,
                 x->key, x->prefilled);
        text_fmt(out, ",\"prompt_tokens\":%lu,\"completion_tokens\":%lu", u->prompt, u->completion);
        text_fmt(out, ",\"reasoning\":%lu,\"cached\":%lu,\"cache_write\":%lu", u->reasoning, u->cached, u->cache_write);
        text_fmt(out, ",\"complete\":%s,\"cut\":%s,\"cut_by\":%s", line->complete ? "true" : "false",
                 line->ending != ENDING_WHOLE ? "true" : "false", cutters[line->ending]);
        text_fmt(out, ",\"events\":%lu,\"number\":%lu,\"connection\":%lu,\"nth\":%lu}\n", x->events, x->number,
                 line->connection, line->nth);
}

void ledger_sums(text *out)
{
        text_str(out, "{");
#define ROW(name) \
        text_fmt(out, "%s\"" #name "\":%lu", out->bytes[out->len - 1] == '{' ? "" : ",", atomic_load(&all->name));
        SUMS(ROW)
#undef ROW
        size_t last = KEYS_MAX - 1;
        while (last > 0 && atomic_load(&all->keys[last]) == 0)
                last--;
        text_str(out, ",\"keys\":[");
        for (size_t i = 0; i <= last; i++)
                text_fmt(out, "%s%lu", i == 0 ? "" : ",", atomic_load(&all->keys[i]));
        text_str(out, "]}");
}
