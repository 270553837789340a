#include "firmware/power.h"

#include <linux/input.h>

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "power";

static bool pressed(uint16_t type, uint16_t code, int32_t value)
{
        const struct input_event rows[] = {
                {.type = EV_SYN}, {.type = type, .code = code, .value = value}, {.type = EV_SYN}};
        return power_event((view){(const uint8_t *)rows, sizeof rows});
}

int main(void)
{
        tap_ok(pressed(EV_KEY, KEY_POWER, 1), SUBJECT, "the power key going down");
        tap_ok(!pressed(EV_KEY, KEY_POWER, 0) && !pressed(EV_KEY, KEY_POWER, 2) && !pressed(EV_KEY, KEY_A, 1)
                       && !pressed(EV_MSC, KEY_POWER, 1) && !power_event((view){}) && !power_event(VIEW("short")),
               SUBJECT, "and nothing else");
        uint8_t bits[KEY_MAX / 8 + 1] = {};
        bool none = power_has_key((view){bits, sizeof bits});
        bits[KEY_POWER / 8] = 1 << KEY_POWER % 8;
        tap_ok(!none && power_has_key((view){bits, sizeof bits}) && !power_has_key((view){bits, KEY_POWER / 8}),
               SUBJECT, "a device that has the key");
        power p;
        tree_make();
        tree_file("/dev/input/event0", "");
        tree_file("/dev/input/mouse0", "");
        power_open(&p, tree_root);
        bool good = p.count == 0;
        tree_remove();
        power_open(&p, tree_root);
        tap_ok(good && p.count == 0, SUBJECT, "what is no input device is no button");
        int ends[2];
        if (pipe(ends) != 0)
                abort();
        const struct input_event e = {.type = EV_KEY, .code = KEY_POWER, .value = 1};
        good = write(ends[1], &e, sizeof e) == sizeof e && power_pressed(ends[0]);
        tap_ok(good && !power_pressed(-1), SUBJECT, "what a button says is read");
        return tap_done();
}
