#include "firmware/power.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/input.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "firmware/file.h"

bool power_has_key(view bits)
{
        size_t byte = KEY_POWER / 8;
        return byte < bits.len && (bits.data[byte] >> KEY_POWER % 8 & 1) != 0;
}

static bool is_button(int fd)
{
        uint8_t bits[KEY_MAX / 8 + 1] = {};
        int     n = ioctl(fd, EVIOCGBIT(EV_KEY, sizeof bits), bits);
        return n > 0 && power_has_key((view){bits, (size_t)n});
}

static bool mask(int fd, uint32_t type, const uint8_t *bits, uint32_t bytes)
{
        struct input_mask m = {.type = type, .codes_size = bytes, .codes_ptr = (uint64_t)(uintptr_t)bits};
        return ioctl(fd, EVIOCSMASK, &m) == 0;
}

/* A keyboard may have a power key: what else is typed on it is kept neither here nor in the kernel's queue for us. */
static bool hear_power_alone(int fd)
{
        /* The kernel takes masks of whole longs alone. */
        uint8_t keys[KEY_MAX / 8 + 1] = {[KEY_POWER / 8] = 1 << KEY_POWER % 8};
        uint8_t types[sizeof(long)] = {1 << EV_SYN | 1 << EV_KEY};
        static_assert(sizeof keys % sizeof(long) == 0 && EV_MAX / 8 < sizeof types);
        return mask(fd, EV_KEY, keys, sizeof keys) && mask(fd, EV_SYN, types, sizeof types);
}

void power_open(power *p, const char *root)
{
        file_path folder;
        *p = (power){};
        DIR *d = failed(file_path_make(&folder, root, "/dev/input/", (view){})) ? nullptr : opendir(folder.text);
        if (d == nullptr)
                return;
        for (struct dirent *entry; p->count < POWER_BUTTONS && (entry = readdir(d)) != nullptr;) {
                file_path at;
                if (!view_starts(view_of_text(entry->d_name), VIEW("event"))
                    || failed(file_path_make(&at, folder.text, entry->d_name, (view){})))
                        continue;
                int fd = open(at.text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
                if (fd >= 0 && is_button(fd) && hear_power_alone(fd))
                        p->fds[p->count++] = fd;
                else if (fd >= 0)
                        close(fd);
        }
        closedir(d);
}

bool power_event(view events)
{
        bool pressed = false;
        for (struct input_event e; events.len >= sizeof e; events = view_slice(events, sizeof e, events.len)) {
                memcpy(&e, events.data, sizeof e);
                pressed = pressed || (e.type == EV_KEY && e.code == KEY_POWER && e.value == 1);
        }
        return pressed;
}

bool power_pressed(int fd)
{
        uint8_t bytes[64 * sizeof(struct input_event)];
        ssize_t n = read(fd, bytes, sizeof bytes);
        return n > 0 && power_event((view){bytes, (size_t)n});
}

void power_take_keys(void) { (void)reboot(RB_DISABLE_CAD); }

void power_end(bool again)
{
        sync();
        (void)reboot(again ? RB_AUTOBOOT : RB_POWER_OFF);
}
