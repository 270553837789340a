/* Where the box has its configuration from: the folder on the config drive, or the vault, into which its owner brings
 * it over the management plane. Without a folder on a drive it is the vault; a drive may still hold box.conf and the
 * key file that opens it. */
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "firmware/machine.h"
#include "firmware/mounts.h"

/* So long a drive is waited for where the box has not seen one at its last start. */
enum : uint64_t { DRIVE_MS = 6000 };

static const view drive_key = VIEW_INIT("drive");

bool machine_awaits_drive(machine *m, uint64_t now_ms)
{
        if (m->config.count > 0)
                return false;
        if (m->state.count == 1)
                machine_read_kept(m);
        return view_equal(kept_get(&m->kept, drive_key), VIEW("yes")) || now_ms - m->entered_ms < DRIVE_MS;
}

err machine_read_drive(machine *m, notice *why)
{
        file_path device;
        disks_find_config(m->root, &m->config);
        m->in_state = true;
        if (m->config.count == 0)
                return OK;
        TRY(disks_judge_config(&m->config, why));
        TRY(file_path_make(&device, m->root, "/dev/", view_of_text(m->config.name)));
        TRY(mounts_config(m->root, device.text, label_file_system(m->config.kind), why));
        m->in_state = !file_exists(m->root, "/config/config");
        if (!file_exists(m->root, "/config/box.conf"))
                return OK;
        TRY(box_read(m->root, &m->facts.box, why));
        m->facts.has_box = true;
        return OK;
}

static void remember_drive(machine *m)
{
        view now = m->config.count > 0 ? VIEW("yes") : VIEW("no");
        if (!view_equal(kept_get(&m->kept, drive_key), now) && !failed(kept_set(&m->kept, drive_key, now)))
                (void)!failed(machine_keep(m));
}

void machine_settle_box(machine *m)
{
        remember_drive(m);
        machine_settle_network(m);
}

/* ---- the claim code ---- */

void machine_claim_text(const uint8_t random[static 5], char out[static MACHINE_CLAIM_BYTES])
{
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* RFC 4648, base32 */
        uint64_t          bits = 0;
        size_t            at = 0;
        for (size_t i = 0; i < 5; i++)
                bits = bits << 8 | random[i];
        for (int i = 7; i >= 0; i--) {
                if (i == 3)
                        out[at++] = '-';
                out[at++] = letters[bits >> (5 * i) & 31];
        }
        out[at] = '\0';
}

static bool write_claim(const char *path, const char *text)
{
        (void)unlink(path);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
        if (fd < 0)
                return false;
        size_t len = strlen(text);
        bool   given = getuid() != 0 || fchown(fd, SERVICE_UID, SERVICE_UID) == 0;
        bool   good = given && write(fd, text, len) == (ssize_t)len;
        close(fd);
        return good;
}

err machine_make_claim(machine *m, notice *why)
{
        uint8_t   random[5];
        file_path path;
        if (!m->in_state)
                return OK;
        if (getrandom(random, sizeof random, 0) != sizeof random || failed(file_path_make(&path, m->root, "/run/claim",
                                                                                          (view){})))
                return notice_fail(why, "The system gives no random bytes", (view){}, ": start the box again.");
        machine_claim_text(random, m->facts.claim);
        if (!write_claim(path.text, m->facts.claim))
                return notice_fail(why, "/run/claim cannot be written", (view){}, ": start the box again.");
        return OK;
}
