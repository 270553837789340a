#include "admin/handle.h"
#include "harness.h"

static bool has(const char *part) { return memmem(h.body, h.body_len, part, strlen(part)) != nullptr; }

int main(void)
{
        harness_start();
        handle_page(harness_exchange("", ""));
        tap_ok(h.status == 200 && strcmp(h.type, "text/html; charset=utf-8") == 0 && has("</html>"), "page",
               "the page is whole");
        tap_ok(!has("<style") && !has(" style=") && !has(" onclick") && !has("<script>") && !has("http:")
                       && !has("https:"),
               "page", "nothing is inline and nothing comes from elsewhere");
        handle_page_file(harness_exchange("page.css", ""));
        tap_ok(h.status == 200 && strcmp(h.type, "text/css; charset=utf-8") == 0 && !has("url("), "page",
               "the style fetches nothing");
        handle_page_file(harness_exchange("page.js", ""));
        tap_ok(h.status == 200 && strcmp(h.type, "text/javascript; charset=utf-8") == 0, "page",
               "the script is a script");
        tap_ok(!has("innerHTML") && !has("eval") && !has("localStorage") && !has("cookie"), "page",
               "it keeps no token and writes no markup");
        handle_page_file(harness_exchange("none.js", ""));
        tap_ok(h.status == 404, "page", "what is no file of the page is not there");
        return harness_done();
}
