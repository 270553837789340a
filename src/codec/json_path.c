#include "codec/json_path.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"

enum : uint16_t {
        MOST_NODES = 1024,
        MOST_MEMBERS = 1024,
        SLOTS = 4096, /* of the member table: sparse, so that a miss ends at once */
};

typedef struct path_member {
        view     name;
        uint16_t node;  /* whose member it is */
        uint16_t child;
        uint16_t next;  /* next member of the same node */
} path_member;

struct json_paths {
        json_path_node nodes[MOST_NODES];
        path_member    members[MOST_MEMBERS];
        uint16_t       slots[SLOTS];
        uint16_t       node_count, member_count; /* both count an unused 0 */
        json_paths    *older;
};

/* Tables live as long as the process; held here, so that a leak checker knows it. */
static json_paths *newest;

const json_path_node *json_path_nodes(const json_paths *p) { return p->nodes; }

static uint16_t node_new(json_paths *p)
{
        assert(p->node_count < MOST_NODES);
        return p->node_count++;
}

static uint16_t member_exact(const json_paths *p, uint16_t node, view name)
{
        for (uint16_t m = p->nodes[node].members; m != 0; m = p->members[m].next)
                if (view_equal(p->members[m].name, name))
                        return p->members[m].child;
        return JSON_PATH_NOWHERE;
}

static uint16_t member_new(json_paths *p, uint16_t node, view name, uint16_t child)
{
        assert(p->member_count < MOST_MEMBERS);
        uint16_t m = p->member_count++;
        p->members[m] = (path_member){name, node, child, p->nodes[node].members};
        p->nodes[node].members = m;
        return child;
}

/* One step of a row: the child for it, made when it is not there. */
static uint16_t step_into(json_paths *p, uint16_t node, view step)
{
        bool      any = view_equal(step, VIEW("*"));
        uint16_t *edge = any ? &p->nodes[node].other : &p->nodes[node].element;
        if (any || view_equal(step, VIEW("[]"))) {
                if (*edge == 0)
                        *edge = node_new(p);
                return *edge;
        }
        assert(step.len > 0);
        uint16_t child = member_exact(p, node, step);
        return child != 0 ? child : member_new(p, node, step, node_new(p));
}

/* Cuts the next step off a path. */
static view step_cut(view *path)
{
        if (view_starts(*path, VIEW("."))) {
                *path = view_slice(*path, 1, path->len);
                assert(path->len > 0 && path->data[0] != '[');
        }
        size_t len = 0;
        if (view_starts(*path, VIEW("[]")))
                len = 2;
        else
                while (len < path->len && path->data[len] != '.' && path->data[len] != '[')
                        len++;
        view step = view_slice(*path, 0, len);
        *path = view_slice(*path, len, path->len);
        return step;
}

/* below[node]: id of everything under the node, from a row that ends in "**". */
static void row_add(json_paths *p, const json_path_row *row, uint16_t below[static MOST_NODES])
{
        assert(row->id != 0);
        view     rest = view_of_text(row->path);
        uint16_t node = JSON_PATH_ROOT;
        while (rest.len > 0) {
                view step = step_cut(&rest);
                if (view_equal(step, VIEW("**"))) {
                        assert(rest.len == 0);
                        below[node] = row->id;
                        return;
                }
                node = step_into(p, node, step);
        }
        p->nodes[node].id = row->id;
}

/* Whatever "*" says holds for named members too, where they say nothing themselves. */
static void star_into_members(json_paths *p, uint16_t node, uint16_t below[static MOST_NODES])
{
        struct {
                uint16_t from, into;
        } work[MOST_NODES];
        size_t count = 0;
        for (uint16_t m = p->nodes[node].members; m != 0; m = p->members[m].next) {
                work[count].from = p->nodes[node].other;
                work[count++].into = p->members[m].child;
        }
        while (count > 0) {
                uint16_t        from = work[--count].from, into = work[count].into;
                json_path_node *f = &p->nodes[from], *i = &p->nodes[into];
                if (i->id == 0)
                        i->id = f->id;
                if (below[into] == 0)
                        below[into] = below[from];
                for (uint16_t m = f->members; m != 0; m = p->members[m].next) {
                        uint16_t child = step_into(p, into, p->members[m].name);
                        assert(count < MOST_NODES);
                        work[count].from = p->members[m].child;
                        work[count++].into = child;
                }
                for (int edge = 0; edge < 2; edge++) {
                        uint16_t source = edge == 0 ? f->other : f->element;
                        if (source == 0)
                                continue;
                        assert(count < MOST_NODES);
                        work[count].from = source;
                        work[count++].into = step_into(p, into, edge == 0 ? VIEW("*") : VIEW("[]"));
                }
        }
}

/* A node without an edge of some kind leads to the node that stands for "everything below". */
static void below_into_children(json_paths *p, uint16_t node, uint16_t below[static MOST_NODES])
{
        if (below[node] == 0)
                return;
        uint16_t        sink = node_new(p);
        json_path_node *n = &p->nodes[node];
        p->nodes[sink] = (json_path_node){.id = below[node], .other = sink, .element = sink};
        uint16_t children[MOST_MEMBERS + 2];
        size_t   count = 0;
        for (uint16_t m = n->members; m != 0; m = p->members[m].next)
                children[count++] = p->members[m].child;
        children[count++] = n->other;
        children[count++] = n->element;
        for (size_t i = 0; i < count; i++) {
                uint16_t child = children[i];
                if (child == 0)
                        continue;
                if (p->nodes[child].id == 0)
                        p->nodes[child].id = below[node];
                if (below[child] == 0)
                        below[child] = below[node];
        }
        if (n->other == 0)
                n->other = sink;
        if (n->element == 0)
                n->element = sink;
}

static uint32_t slot_of(uint16_t node, view key)
{
        uint32_t first = ascii_lower(key.data[0]), last = ascii_lower(key.data[key.len - 1]);
        return (node * 0x9e37u + (uint32_t)key.len * 0x85ebu + first * 0x27d4u + last * 0x1656u) >> 2 & (SLOTS - 1);
}

static void table_fill(json_paths *p)
{
        for (uint16_t m = 1; m < p->member_count; m++) {
                uint32_t at = slot_of(p->members[m].node, p->members[m].name);
                while (p->slots[at] != 0)
                        at = (at + 1) & (SLOTS - 1);
                p->slots[at] = m;
        }
}

const json_paths *json_paths_compile(const json_path_row *rows, size_t count)
{
        json_paths *p = calloc(1, sizeof *p);
        uint16_t   *below = calloc(MOST_NODES, sizeof *below);
        assert(p != nullptr && below != nullptr);
        p->node_count = JSON_PATH_ROOT + 1;
        p->member_count = 1;
        for (size_t i = 0; i < count; i++)
                row_add(p, &rows[i], below);
        /* Children have higher numbers than their parents, so one pass in order reaches all depths. */
        for (uint16_t n = JSON_PATH_ROOT; n < p->node_count; n++)
                if (p->nodes[n].other != 0)
                        star_into_members(p, n, below);
        uint16_t own = p->node_count;
        for (uint16_t n = JSON_PATH_ROOT; n < own; n++)
                below_into_children(p, n, below);
        table_fill(p);
        free(below);
        p->older = newest;
        newest = p;
        return p;
}

/* The key with everything that folds to an ASCII letter folded; empty when it cannot equal any ASCII name.
 * src Unicode CaseFolding.txt: U+017F folds to s and U+212A to k; Go's encoding/json follows it. */
static view folded(view key, uint8_t *out, size_t cap)
{
        size_t n = 0;
        for (size_t i = 0; i < key.len; n++) {
                view rest = view_slice(key, i, key.len);
                bool s = view_starts(rest, VIEW("\xc5\xbf")), k = view_starts(rest, VIEW("\xe2\x84\xaa"));
                if (n == cap || (rest.data[0] >= 0x80 && !s && !k))
                        return (view){};
                out[n] = s ? 's' : k ? 'k' : ascii_lower(rest.data[0]);
                i += s ? 2 : k ? 3 : 1;
        }
        return (view){out, n};
}

static bool all_ascii(view v)
{
        uint8_t bits = 0;
        for (size_t i = 0; i < v.len; i++)
                bits |= v.data[i];
        return bits < 0x80;
}

/* Looks for `key` among the members; `variant` is set when one equals it but for case. */
static uint16_t member_find(const json_paths *p, uint16_t node, view key, bool *variant)
{
        for (uint32_t at = slot_of(node, key); p->slots[at] != 0; at = (at + 1) & (SLOTS - 1)) {
                const path_member *m = &p->members[p->slots[at]];
                if (m->node != node || m->name.len != key.len)
                        continue;
                if (view_equal(m->name, key))
                        return m->child;
                *variant = *variant || view_equal_nocase(m->name, key);
        }
        return JSON_PATH_NOWHERE;
}

bool json_path_member(const json_paths *p, uint16_t node, view key, uint16_t *child)
{
        *child = p->nodes[node].other;
        if (p->nodes[node].members == 0 || key.len == 0)
                return true;
        bool     variant = false;
        uint16_t found = JSON_PATH_NOWHERE;
        if (all_ascii(key)) {
                found = member_find(p, node, key, &variant);
        } else {
                uint8_t scratch[64];
                view    ascii = folded(key, scratch, sizeof scratch);
                variant = ascii.len > 0 && (member_find(p, node, ascii, &variant) != JSON_PATH_NOWHERE || variant);
                wipe(scratch, sizeof scratch);
        }
        if (found != JSON_PATH_NOWHERE) {
                *child = found;
                return true;
        }
        return !variant;
}
