#include "codec/json_path.h"

#include "support/tap.h"

static const char SUBJECT[] = "json_path";

static const json_path_row table[] = {
        {"", 1},           {"model", 2},
        {"messages[]", 3}, {"messages[].content[].text", 4},
        {"tools[].**", 5}, {"tools[].function.name", 6},
        {"map.*.x", 7},    {"map.fixed.y", 8},
        {"map.fixed", 9},  {"meta.**", 10},
        {"meta.keep", 11}, {"list[][].v", 12},
        {"any.*[].k", 13}, {"any.one", 14},
        {"ID", 15},        {"id", 16},
};

/* A place is written as a path with "#" for an array element. */
static const struct {
        const char *name, *place;
        uint16_t want;
} rows[] = {
        {"the document itself has a row", "", 1},
        {"a named member is found", "model", 2},
        {"another member has no id", "other", 0},
        {"nothing is below the unknown", "other.model", 0},
        {"an element is found", "messages.#", 3},
        {"the array itself is not its element", "messages", 0},
        {"steps go through arrays and objects", "messages.#.content.#.text", 4},
        {"a member is not an element", "messages.0", 0},
        {"an element is not a member", "#", 0},
        {"two stars give all below their id", "tools.#.a.b.#.c", 5},
        {"two stars are not the place itself", "tools.#", 0},
        {"a named place wins over two stars", "tools.#.function.name", 6},
        {"its parent is still below the two stars", "tools.#.function", 5},
        {"its neighbours are still below the two stars", "tools.#.function.description", 5},
        {"and so is what lies below it", "tools.#.function.name.z", 5},
        {"one star is any key", "map.whatever.x", 7},
        {"one star is one step", "map.x", 0},
        {"a named member keeps what the star says", "map.fixed.x", 7},
        {"and adds its own", "map.fixed.y", 8},
        {"and has its own id", "map.fixed", 9},
        {"what only the named one has is not under the star", "map.whatever.y", 0},
        {"two stars behind a name", "meta.a", 10},
        {"with an exception", "meta.keep", 11},
        {"below the exception they hold again", "meta.keep.a", 10},
        {"arrays in arrays", "list.#.#.v", 12},
        {"a star before an array", "any.thing.#.k", 13},
        {"a star before an array, under a named member", "any.one.#.k", 13},
        {"the named member itself", "any.one", 14},
        {"rows that differ in case are both known", "ID", 15},
        {"each under its own id", "id", 16},
};

static uint16_t walk(const json_paths *p, const char *place, bool *known)
{
        uint16_t node = JSON_PATH_ROOT;
        *known = true;
        for (view rest = view_of_text(place); rest.len > 0 && *known;) {
                size_t len = 0;
                while (len < rest.len && rest.data[len] != '.')
                        len++;
                view step = view_slice(rest, 0, len);
                rest = view_slice(rest, len + 1, rest.len);
                if (view_equal(step, VIEW("#")))
                        node = json_path_nodes(p)[node].element;
                else
                        *known = json_path_member(p, node, step, &node);
        }
        return json_path_nodes(p)[node].id;
}

int main(void)
{
        const json_paths *p = json_paths_compile(table, sizeof table / sizeof table[0]);
        bool known;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                uint16_t id = walk(p, rows[i].place, &known);
                tap_ok(known && id == rows[i].want, SUBJECT, rows[i].name);
        }
        static const char *const variants[] = {"Model",
                                               "MODEL",
                                               "meta.Keep",
                                               "tools.#.Function",
                                               "Id",
                                               "meSSages",
                                               "map.Fixed",
                                               "me\xc5\xbf"
                                               "sages"};
        for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
                walk(p, variants[i], &known);
                tap_ok(!known, SUBJECT, "a case variant of a known key is told");
        }
        static const json_path_row kelvin[] = {{"key", 1}};
        walk(json_paths_compile(kelvin, 1),
             "\xe2\x84\xaa"
             "ey",
             &known);
        tap_ok(!known, SUBJECT, "the Kelvin sign folds to k");
        static const char *const free_keys[] = {
                "", "mod\xc3\xa9l", "modelmodelmodelmodelmodelmodelmodelmodelmodelmodelmodelmodelmodel\xc5\xbf"};
        for (size_t i = 0; i < sizeof free_keys / sizeof free_keys[0]; i++) {
                uint16_t child;
                tap_ok(json_path_member(p, JSON_PATH_ROOT, view_of_text(free_keys[i]), &child) && child == 0, SUBJECT,
                       "a key that folds to none is free");
        }
        return tap_done();
}
