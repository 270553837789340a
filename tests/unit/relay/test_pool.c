/* Connections that are kept and dialled ahead. Which may be kept at all is told by test_upstream.c. */
#include "unit/relay/vendor_side.h"

static const char SUBJECT[] = "pool";

static way *ways(size_t i) { return &vs.up->ways[i]; }

static bool two_idle(void *) { return ways(1)->idle == 2; }

static bool ask(void) { return try_ended(1, false) == ATTEMPT_DONE; }

static void test_ahead(place *vendor)
{
        vs.catalog->settings.warm_connections = 2;
        bool good = ask();
        run_for(50);
        tap_ok(good && vendor->arrived == 1 && ways(1)->idle == 1, SUBJECT, "one attempt dials nothing ahead");
        good = ask();
        tap_ok(good && run_until(two_idle, nullptr, 1000) && t.facts.reused, SUBJECT,
               "the second within 10 s has another connection made ready");
        run_for(50);
        tap_ok(vendor->arrived <= 3 && ways(1)->warming == nullptr, SUBJECT, "and no more than are to be kept");
        size_t arrived = vendor->arrived;
        vendor->answer = nullptr;
        try_begin(1, false);
        tap_ok(ways(1)->idle == 1 && ways(1)->warming != nullptr && run_until(two_idle, nullptr, 1000)
                       && vendor->arrived == arrived + 1,
               SUBJECT, "what is taken is replaced");
        attempt_facts facts;
        upstream_cancel(t.attempt, &facts);
        vendor->answer = VS_ANSWER;
        vs.catalog->settings.warm_connections = 0;
        ways_forget();
        arrived = vendor->arrived;
        good = ask() && ask() && ask();
        run_for(50);
        tap_ok(good && vendor->arrived == arrived + 1, SUBJECT, "none where none are wanted");
        vs.catalog->settings.warm_connections = 2;
}

static void test_not_ahead(place *vendor)
{
        ways_forget();
        size_t arrived = vendor->arrived;
        bool good = ask();
        ways(1)->used_ms -= WARM_BETWEEN_MS + 1;
        good = good && ask();
        run_for(50);
        tap_ok(good && vendor->arrived == arrived + 1, SUBJECT, "attempts more than 10 s apart dial nothing ahead");
        ways(1)->dial_failed = true;
        good = ask();
        run_for(50);
        tap_ok(good && vendor->arrived == arrived + 1, SUBJECT, "nor where the newest dial reached nobody");
        good = try_ended(1, true) == ATTEMPT_DONE;
        for (int i = 0; i < 200 && vendor->arrived < arrived + 3; i++)
                run_for(5);
        tap_ok(good && vendor->arrived == arrived + 3, SUBJECT, "once one did, they are dialled again");
        upstreams_close_idle(vs.up);
        arrived = vendor->arrived;
        good = ask() && ask();
        run_for(50);
        tap_ok(good && vendor->arrived == arrived + 1, SUBJECT, "while the process drains none is dialled ahead");
        ways_forget();
        good = ask();
        place_shut(vendor);
        place_hole(0, v4(1));
        vs.catalog->settings.connect_ms = 100;
        try_begin(1, true);
        run_for(20);
        tap_ok(good && ways(1)->warming != nullptr && ways(1)->idle == 0, SUBJECT, "a dial ahead may hang");
        run_for(200);
        tap_ok(ways(1)->warming == nullptr && ways(1)->dial_failed && t.ends == 1 && t.why == ATTEMPT_TIMEOUT, SUBJECT,
               "no longer than connect_ms, and ends it for now");
        ways(1)->dial_failed = false;
        try_begin(1, true);
        run_for(20);
        upstreams_close_idle(vs.up);
        tap_ok(ways(1)->warming == nullptr, SUBJECT, "and is given up when nothing more will be asked");
        run_for(200);
        vs.catalog->settings.connect_ms = 2000;
        place_shut(&places[0]);
}

/* ---- less ---- */

static void test_purge(void)
{
        place *vendor = place_open(0, v4(1), vs.server, VS_ANSWER);
        ways_forget();
        vs.up->closing = true;
        for (size_t i = 0; i < 8; i++)
                (void)try_ended(1, true);
        tap_ok(ways(1)->idle == 8 && vs.up->warm_count == 8 && vendor->arrived == 8, SUBJECT, "eight are idle");
        upstreams_purge(vs.up);
        tap_ok(ways(1)->idle == 8, SUBJECT, "what has just come is not surplus");
        upstreams_purge(vs.up);
        tap_ok(ways(1)->idle == 5, SUBJECT, "of six that nobody needed three are closed");
        bool good = ask() && t.facts.reused;
        upstreams_purge(vs.up);
        tap_ok(good && ways(1)->idle == 4, SUBJECT, "of five that are left one was needed: one of two is closed");
        for (int i = 0; i < 6; i++)
                upstreams_purge(vs.up);
        tap_ok(ways(1)->idle == 2, SUBJECT, "as many as are kept ready stay");
        run_for(10);
        tap_ok(place_live(vendor) == 2 && vendor->conns[7]->conn != nullptr, SUBJECT, "and the youngest of them");
        vs.catalog->settings.warm_connections = 0;
        upstreams_purge(vs.up);
        upstreams_purge(vs.up);
        tap_ok(ways(1)->idle == 0 && vs.up->warm == nullptr, SUBJECT, "none where none are kept");
        (void)try_ended(1, true);
        (void)try_ended(1, true);
        tap_ok(ways(1)->idle == 2 && net_timer_pending(&vs.up->purge), SUBJECT,
               "with the first idle one its timer runs");
        vs.up->purge.fire(vs.up->purge.ctx);
        vs.up->purge.fire(vs.up->purge.ctx);
        vs.up->purge.fire(vs.up->purge.ctx);
        tap_ok(ways(1)->idle == 0, SUBJECT, "which is what purges");
}

static void test_bounds(void)
{
        place *vendor = &places[0];
        (void)try_ended(1, true);
        tap_ok(ways(1)->idle == 1, SUBJECT, "one is idle");
        vs.up->warm->born_ms = net_now_ms(vs.loop) - LIMIT_POOL_AGE_MS;
        bool good = ask() && t.facts.reused;
        run_for(10);
        tap_ok(good && ways(1)->idle == 0 && place_live(vendor) == 0, SUBJECT, "one that is too old is not kept again");
        (void)try_ended(1, true);
        vs.up->warm->idle.fire(vs.up->warm->idle.ctx);
        tap_ok(ways(1)->idle == 0 && vs.up->warm_count == 0, SUBJECT, "one that idles too long is closed");
        (void)try_ended(1, true);
        size_t kept = vs.up->warm_count;
        vs.up->warm_count = LIMIT_POOL_IDLE;
        (void)try_ended(1, true);
        tap_ok(ways(1)->idle == 1 && vs.up->warm_count == LIMIT_POOL_IDLE, SUBJECT,
               "no more are kept than there are places");
        vs.up->warm_count = kept;
}

int main(void)
{
        vs_begin();
        row_addresses(1, (const catalog_address[]){v4(1)}, 1);
        row(1)->credentials[0] = (catalog_credential){.name = "first"};
        place *vendor = place_open(0, v4(1), vs.server, VS_ANSWER);
        test_ahead(vendor);
        test_not_ahead(vendor);
        test_purge();
        test_bounds();
        return vs_end();
}
