#include "firmware/watchdog.h"

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "watchdog";

int main(void)
{
        watchdog w;
        tree_make();
        watchdog_begin(&w);
        watchdog_feed(&w, tree_root, 1000);
        tap_ok(w.looked && w.fd < 0, SUBJECT, "a box without one goes on");
        tree_file("/dev/watchdog0", "");
        watchdog_begin(&w);
        watchdog_feed(&w, tree_root, 1000);
        size_t first = tree_read("/dev/watchdog0").len;
        watchdog_feed(&w, tree_root, 1000 + WATCHDOG_FEED_MS - 1);
        size_t before = tree_read("/dev/watchdog0").len;
        watchdog_feed(&w, tree_root, 1000 + WATCHDOG_FEED_MS);
        view fed = tree_read("/dev/watchdog0");
        tap_ok(first == 1 && before == 1 && fed.len == 2, SUBJECT, "it is fed at once, and every 10 s");
        tap_ok(memchr(fed.data, 'V', fed.len) == nullptr, SUBJECT, "and never switched off");
        close(w.fd);
        tree_remove();
        return tap_done();
}
