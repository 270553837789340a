#include "firmware/platform.h"

#include <sys/mount.h>

#include "firmware/file.h"
#include "firmware/text.h"

#define VARIABLES "/sys/firmware/efi/efivars"

/* What make image calls the key that every builder makes anew (image/sign.py). */
static const view throw_away = VIEW_INIT("Lethe THROW-AWAY");

bool platform_secure_boot(view variable) { return variable.len == 5 && variable.data[4] == 1; }

box_signing platform_signing(bool secure_boot, view trusted)
{
        if (!secure_boot || trusted.len == 0)
                return BOX_UNSIGNED;
        return text_contains(trusted, throw_away) ? BOX_SIGNED_THROW_AWAY : BOX_SIGNED_OWNER;
}

void platform_look(const char *root, platform *out)
{
        static uint8_t bytes[64 * 1024];
        file_path      at;
        view           variable;
        *out = (platform){.known = true,
                          .tpm = file_exists(root, "/sys/class/tpm/tpm0"),
                          .uefi = file_exists(root, "/sys/firmware/efi")};
        if (!out->uefi || failed(file_path_make(&at, root, VARIABLES, (view){})))
                return;
        bool mounted = mount("efivarfs", at.text, "efivarfs",
                             MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0;
        if (!failed(file_read(root, VARIABLES "/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", bytes, sizeof bytes,
                              &variable)))
                out->secure_boot = platform_secure_boot(variable);
        if (failed(file_read(root, VARIABLES "/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f", bytes, sizeof bytes,
                             &variable)))
                variable = (view){};
        out->signing = platform_signing(out->secure_boot, variable);
        if (mounted)
                (void)umount2(at.text, MNT_DETACH);
}
