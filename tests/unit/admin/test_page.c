#include <dirent.h>
#include <stdio.h>

#include "admin/handle.h"
#include "harness.h"

static bool has(const char *part) { return memmem(h.body, h.body_len, part, strlen(part)) != nullptr; }

static bool ends(const char *text, const char *ending)
{
        size_t len = strlen(text), tail = strlen(ending);
        return len >= tail && strcmp(text + len - tail, ending) == 0;
}

static const char *type_of(const char *name)
{
        return ends(name, ".html")  ? "text/html; charset=utf-8"
               : ends(name, ".css") ? "text/css; charset=utf-8"
                                    : "text/javascript; charset=utf-8";
}

static bool same_as_file(const char *name)
{
        static uint8_t bytes[sizeof h.body];
        char path[512];
        snprintf(path, sizeof path, "src/admin/page/%s", name);
        FILE *f = fopen(path, "rb");
        size_t len = f != nullptr ? fread(bytes, 1, sizeof bytes, f) : 0;
        if (f != nullptr)
                fclose(f);
        return len > 0 && len == h.body_len && memcmp(bytes, h.body, len) == 0;
}

static bool harmless(void)
{
        static const char *const words[] = {"innerHTML", "outerHTML",    "insertAdjacent", "document.write", "eval(",
                                            "Function(", "localStorage", "sessionStorage", "indexedDB",      "cookie",
                                            "http://", " url(", ":url("};
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
                if (has(words[i]))
                        return false;
        return true;
}

static void every_file(void)
{
        DIR *folder = opendir("src/admin/page");
        bool served = folder != nullptr, calm = true;
        unsigned count = 0;
        for (struct dirent *e; folder != nullptr && (e = readdir(folder)) != nullptr;) {
                if (e->d_name[0] == '.')
                        continue;
                handle_page_file(harness_exchange(e->d_name, ""));
                bool good = h.status == 200 && strcmp(h.type, type_of(e->d_name)) == 0 && same_as_file(e->d_name);
                if (!good || !harmless())
                        printf("# %s\n", e->d_name);
                served = served && good;
                calm = calm && harmless();
                count++;
        }
        if (folder != nullptr)
                closedir(folder);
        tap_ok(served && count > 10, "page", "every file of the page is served as it stands, by its type");
        tap_ok(calm, "page", "none keeps anything, fetches a picture or writes markup");
}

int main(void)
{
        harness_start();
        handle_page(harness_exchange("", ""));
        tap_ok(h.status == 200 && strcmp(h.type, "text/html; charset=utf-8") == 0 && has("</html>"), "page",
               "the page is whole");
        tap_ok(!has("<style") && !has(" style=") && !has(" onclick") && !has("<script>") && !has("src=\"http")
                       && !has("href=\"http"),
               "page", "nothing is inline and nothing comes from elsewhere");
        every_file();
        handle_page_file(harness_exchange("default-policy.json", ""));
        tap_ok(h.status == 200 && strcmp(h.type, "application/json") == 0 && has("\"policy\""), "page",
               "the policy that a set-up begins with is there");
        handle_page_file(harness_exchange("none.js", ""));
        tap_ok(h.status == 404, "page", "what is no file of the page is not there");
        return harness_done();
}
