/* lethectl config ...: what a box keeps, as a folder. Private keys go in and never come out. */
#include "prog/lethectl_config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/emit.h"
#include "codec/base64.h"
#include "vault/seal.h"

enum : uint64_t { CALL_MS = 20000, PUT_MS = 90000 };
enum : size_t { BODY_BYTES = 16 * 1024 * 1024 };

static bool is_secret(const char *name)
{
        size_t len = strlen(name);
        return len > 4 && strcmp(name + len - 4, ".key") == 0;
}

static err put_text(region *body, const char *text) { return region_append(body, view_of_text(text)); }

/* A JSON string; six bytes for one is the most that escaping takes. */
static err put_string(region *body, view text)
{
        size_t room = text.len * 6 + 2;
        TRY(region_reserve(body, room));
        emit e = emit_into(body->bytes + body->len, room);
        emit_json(&e, text);
        body->len += e.len;
        return e.full ? FAIL(NO_ROOM) : OK;
}

static err put_sealed(region *body, const uint8_t seal_key[static 32], view bytes)
{
        region sealed;
        size_t len = bytes.len + SEAL_OVERHEAD, room = (len + 2) / 3 * 4;
        region_init(&sealed, CONFIG_FILE_BYTES + SEAL_OVERHEAD);
        err e = region_reserve(&sealed, len);
        if (!failed(e))
                e = region_reserve(body, room);
        if (!failed(e)) {
                sealed.len = len;
                seal_close(seal_key, bytes, sealed.bytes);
                emit out = emit_into(body->bytes + body->len, room);
                base64_write(&out, region_view(&sealed));
                body->len += out.len;
        }
        region_end(&sealed);
        return e;
}

static err put_part(region *body, const config_send *s, const config_part *p)
{
        TRY(put_string(body, view_of_text(p->name)));
        if (!is_secret(p->name)) {
                TRY(put_text(body, ":{\"text\":"));
                TRY(put_string(body, p->bytes));
                return put_text(body, "}");
        }
        TRY(put_text(body, ":{\"sealed\":\""));
        TRY(put_sealed(body, s->seal_key, p->bytes));
        return put_text(body, "\"}");
}

static err put_body(region *body, const config_send *s)
{
        TRY(put_text(body, "{\"files\":{"));
        for (size_t i = 0; i < s->count; i++) {
                TRY(put_text(body, i > 0 ? "," : ""));
                TRY(put_part(body, s, &s->parts[i]));
        }
        TRY(put_text(body, "}"));
        if (s->opens != nullptr) {
                TRY(put_text(body, ",\"opens\":"));
                TRY(put_string(body, view_of_text(s->opens)));
        }
        return put_text(body, s->partial ? ",\"partial\":true}" : "}");
}

verdict config_put(https_client *h, const config_send *send, uint64_t *generation)
{
        region       body;
        https_answer a;
        https_why    why = {};
        region_init(&body, BODY_BYTES);
        err e = put_body(&body, send);
        if (failed(e)) {
                region_end(&body);
                return refuse_err("the configuration", e, nullptr);
        }
        const https_request q = {"PUT", VIEW("/admin/v1/config"), region_view(&body), PUT_MS};
        e = https_call(h, &q, &a, &why);
        region_end(&body);
        if (failed(e))
                return refuse(why.text, nullptr);
        verdict r = DONE;
        if (a.status != 200 || failed(told_number(region_view(&a.body), "generation", generation)))
                r = refuse_configuration(&a);
        region_end(&a.body);
        return r;
}

static bool path_of(const char *name, char *out, size_t size)
{
        int n = snprintf(out, size, "/admin/v1/config/files/%s", name);
        return n > 0 && (size_t)n < size;
}

err config_fetch(https_client *h, const char *name, region *text, https_why *why)
{
        char         path[256];
        https_answer a;
        if (!path_of(name, path, sizeof path))
                return FAIL(OUT_OF_RANGE);
        const https_request q = {"GET", view_of_text(path), {}, CALL_MS};
        TRY(remote_ask(h, &q, &a, why));
        *text = a.body;
        return OK;
}

/* ---- list ---- */

typedef struct listed {
        char     name[64];
        uint64_t bytes;
        char     sha256[65];
} listed;

static bool row_of(const config_node *n, listed *row)
{
        config_fault ignored;
        view         name, sum;
        *row = (listed){};
        if (failed(config_text(n, "name", &name, &ignored)) || name.len == 0 || name.len >= sizeof row->name
            || failed(config_u64(n, "bytes", (config_range){0, UINT32_MAX}, &row->bytes, &ignored)))
                return false;
        memcpy(row->name, name.data, name.len);
        if (!failed(config_text(n, "sha256", &sum, &ignored)) && sum.len < sizeof row->sha256 && sum.len > 0)
                memcpy(row->sha256, sum.data, sum.len);
        return true;
}

static err list_of(view json, listed rows[static CONFIG_PARTS], size_t *count)
{
        config_doc  *doc;
        config_fault ignored;
        *count = 0;
        if (failed(config_parse(json, &doc, &ignored)))
                return FAIL(BAD_FILE);
        const config_node *list = config_get(config_root(doc), "files");
        err                e = list != nullptr && config_kind_of(list) == CONFIG_ARRAY ? OK : FAIL(BAD_FILE);
        for (const config_node *n = failed(e) ? nullptr : config_first(list); n != nullptr; n = config_next(n))
                if (*count == CONFIG_PARTS || !row_of(n, &rows[(*count)++])) {
                        e = FAIL(BAD_FILE);
                        break;
                }
        config_free(doc);
        return e;
}

static verdict open_admin(const lethectl *c, https_client **h)
{
        https_why why = {};
        if (c->admin == nullptr)
                return misused("say which lethed: --admin URL, or LETHE_ADMIN_URL");
        return failed(admin_client(c, h, &why)) ? refuse(why.text, nullptr) : DONE;
}

static verdict ask_list(https_client *h, region *json, listed rows[static CONFIG_PARTS], size_t *count)
{
        https_answer        a;
        https_why           why = {};
        const https_request q = {"GET", VIEW("/admin/v1/config"), {}, CALL_MS};
        err                 e = remote_ask(h, &q, &a, &why);
        if (e.code == ERR_NO_ROUTE || e.code == ERR_NOT_IMPLEMENTED)
                return refuse("this lethed reads its configuration from a folder (--config), not from its vault",
                              "Change the files there, then lethectl reload.");
        if (failed(e))
                return refuse(why.text, nullptr);
        *json = a.body;
        e = list_of(region_view(json), rows, count);
        if (!failed(e))
                return DONE;
        region_end(json);
        return refuse("the admin plane answered what this lethectl does not know", nullptr);
}

verdict config_list(const lethectl *c)
{
        static listed rows[CONFIG_PARTS];
        https_client *h;
        region        json;
        size_t        count;
        verdict       r = open_admin(c, &h);
        if (r != DONE)
                return r;
        r = ask_list(h, &json, rows, &count);
        https_close(h);
        if (r != DONE)
                return r;
        if (c->json)
                fwrite(json.bytes, 1, json.len, stdout);
        for (size_t i = 0; i < count && !c->json; i++)
                printf("%-24s %8lu  %s\n", rows[i].name, rows[i].bytes,
                       is_secret(rows[i].name) ? "secret" : rows[i].sha256);
        region_end(&json);
        return DONE;
}

/* ---- pull ---- */

/* Names came from the network: nothing but a plain name, or one folder and a plain name. */
static bool name_safe(const char *name)
{
        unsigned slashes = 0;
        for (const char *at = name; *at != '\0'; at++) {
                bool first = at == name || at[-1] == '/';
                if (*at == '/' ? first || ++slashes > 1 : (first && *at == '.') || (uint8_t)*at <= ' ' || *at == 0x7f)
                        return false;
        }
        return *name != '\0' && name[strlen(name) - 1] != '/';
}

static verdict write_below(const char *folder, const char *name, view bytes)
{
        char        path[4096];
        const char *slash = strchr(name, '/');
        int         n = slash == nullptr ? snprintf(path, sizeof path, "%s", folder)
                                         : snprintf(path, sizeof path, "%s/%.*s", folder, (int)(slash - name), name);
        if (n < 0 || (size_t)n >= sizeof path)
                return refuse("the path of the folder is too long", nullptr);
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
                return refuse_err(path, FAIL(SYSTEM), nullptr);
        err e = file_write(path, slash == nullptr ? name : slash + 1, bytes);
        return failed(e) ? refuse_err(path, e, nullptr) : DONE;
}

static verdict pull_one(https_client *h, const char *folder, const char *name)
{
        region    text;
        https_why why = {};
        if (!name_safe(name))
                return refuse("the box has a file whose name is no name", nullptr);
        if (failed(config_fetch(h, name, &text, &why)))
                return refuse(why.text, nullptr);
        verdict r = write_below(folder, name, region_view(&text));
        region_end(&text);
        return r;
}

verdict config_pull(const lethectl *c)
{
        static listed rows[CONFIG_PARTS];
        https_client *h;
        region        json;
        size_t        count, pulled = 0, secret = 0;
        const char   *folder = c->words[0];
        verdict       r = open_admin(c, &h);
        if (r != DONE)
                return r;
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
                r = refuse_err(folder, FAIL(SYSTEM), nullptr);
        if (r == DONE)
                r = ask_list(h, &json, rows, &count);
        if (r != DONE)
                return r;
        region_end(&json);
        for (size_t i = 0; i < count && r == DONE; i++) {
                if (is_secret(rows[i].name)) {
                        secret++;
                        continue;
                }
                r = pull_one(h, folder, rows[i].name);
                pulled += r == DONE;
        }
        https_close(h);
        if (r == DONE)
                printf("%zu files in %s; %zu private keys stay in the vault\n", pulled, folder, secret);
        return r;
}

/* ---- push ---- */

typedef struct folder_set {
        config_part parts[CONFIG_PARTS];
        region      bytes[CONFIG_PARTS];
        size_t      count;
} folder_set;

static verdict set_add(folder_set *s, const char *folder, const char *name)
{
        char path[4096];
        if (s->count == CONFIG_PARTS)
                return refuse("there are more files in the folder than a box takes", nullptr);
        config_part *p = &s->parts[s->count];
        int          a = snprintf(path, sizeof path, "%s/%s", folder, name);
        int          b = snprintf(p->name, sizeof p->name, "%s", name);
        if (a < 0 || (size_t)a >= sizeof path || b < 0 || (size_t)b >= sizeof p->name)
                return refuse("a file's name is too long", nullptr);
        err e = file_read(path, CONFIG_FILE_BYTES, &s->bytes[s->count]);
        s->count++;
        p->bytes = region_view(&s->bytes[s->count - 1]);
        return failed(e) ? refuse_err(path, e, nullptr) : DONE;
}

/* Files of a folder whose names end so. A folder that is not there has none. */
static verdict set_add_folder(folder_set *s, const char *folder, const char *below, const char *const endings[])
{
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, below);
        DIR *d = opendir(path);
        if (d == nullptr)
                return errno == ENOENT ? DONE : refuse_err(path, FAIL(SYSTEM), nullptr);
        verdict r = DONE;
        for (struct dirent *one; r == DONE && (one = readdir(d)) != nullptr;) {
                char   name[300];
                size_t len = strlen(one->d_name);
                for (size_t i = 0; endings[i] != nullptr; i++) {
                        size_t end = strlen(endings[i]);
                        if (one->d_name[0] == '.' || len <= end || strcmp(one->d_name + len - end, endings[i]) != 0)
                                continue;
                        snprintf(name, sizeof name, "%s/%s", below, one->d_name);
                        r = set_add(s, folder, name);
                }
        }
        closedir(d);
        return r;
}

static void set_end(folder_set *s)
{
        for (size_t i = 0; i < s->count; i++)
                region_end(&s->bytes[i]);
}

static bool set_has_keys(const folder_set *s)
{
        for (size_t i = 0; i < s->count; i++)
                if (is_secret(s->parts[i].name))
                        return true;
        return false;
}

static verdict push(const lethectl *c, const folder_set *s)
{
        keeper_door   door;
        keeper_status status;
        https_client *h;
        uint64_t      generation;
        verdict       r = door_open(c, false, &door);
        if (r == DONE)
                r = door_call(&door, KEEPER_STATUS, (view){}, &status, sizeof status);
        door_close(&door);
        if (r == DONE)
                r = open_admin(c, &h);
        if (r != DONE)
                return r;
        /* A pulled folder has no private keys: those in the vault stay. */
        const config_send send = {s->parts, s->count, status.seal_key, nullptr, !set_has_keys(s)};
        r = config_put(h, &send, &generation);
        https_close(h);
        if (r == DONE)
                printf("%zu files stored; generation %lu serves\n", s->count, generation);
        return r;
}

verdict config_push(const lethectl *c)
{
        static const char *const tls[] = {".crt", ".key", nullptr};
        static const char *const roots[] = {".pem", nullptr};
        static folder_set        s;
        const char              *folder = c->words[0];
        if (c->admin == nullptr)
                return misused("say which lethed: --admin URL, or LETHE_ADMIN_URL");
        verdict r = set_add(&s, folder, "lethe.json");
        if (r == DONE)
                r = set_add(&s, folder, "policy.json");
        if (r == DONE)
                r = set_add_folder(&s, folder, "tls", tls);
        if (r == DONE)
                r = set_add_folder(&s, folder, "ca", roots);
        if (r == DONE)
                r = push(c, &s);
        set_end(&s);
        return r;
}
