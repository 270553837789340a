#include "firmware/platform.h"

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "platform";

int main(void)
{
        tap_ok(platform_secure_boot(VIEW("\6\0\0\0\1")) && !platform_secure_boot(VIEW("\6\0\0\0\0"))
                       && !platform_secure_boot(VIEW("\6\0\0\0")) && !platform_secure_boot(VIEW("\6\0\0\0\1\1")),
               SUBJECT, "Secure Boot is one byte behind four");
        tap_ok(platform_signing(false, VIEW("Lethe THROW-AWAY db")) == BOX_UNSIGNED
                       && platform_signing(true, VIEW("..Lethe THROW-AWAY db..")) == BOX_SIGNED_THROW_AWAY
                       && platform_signing(true, VIEW("Example AG")) == BOX_SIGNED_OWNER
                       && platform_signing(true, (view){}) == BOX_UNSIGNED,
               SUBJECT, "whose key it is counts where it is asked for and can be read");
        tree_make();
        platform p;
        platform_look(tree_root, &p);
        tap_ok(p.known && !p.uefi && !p.secure_boot && !p.tpm && p.signing == BOX_UNSIGNED, SUBJECT, "a BIOS");
        tree_folder("/sys/class/tpm/tpm0");
        tree_file("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "\6");
        tree_bytes("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", VIEW("\6\0\0\0\1"));
        tree_file("/sys/firmware/efi/efivars/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f", "xxxxLethe THROW-AWAY db");
        platform_look(tree_root, &p);
        tap_ok(p.uefi && p.secure_boot && p.tpm && p.signing == BOX_SIGNED_THROW_AWAY, SUBJECT,
               "UEFI, Secure Boot by the throw-away key, a TPM");
        tree_remove();
        return tap_done();
}
