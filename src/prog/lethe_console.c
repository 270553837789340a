/* lethe-console: the keyboard and the screen of the appliance, started by its PID 1. See console/console. */
#include <sys/prctl.h>

#include "base/console_wire.h"
#include "base/secret.h"
#include "console/console.h"
#include "ipc/wire.h"
#include "role/sandbox.h"

int main(void)
{
        const int kept = CONSOLE_KEEPER_FD;
        /* Started by a descriptor, its number would be its name. */
        (void)prctl(PR_SET_NAME, "lethe-console", 0, 0, 0);
        if (failed(sandbox_enter_keeping(ROLE_CONSOLE, &kept, 1)) || failed(secret_setup())
            || failed(sandbox_close(ROLE_CONSOLE)))
                return EXIT_REFUSED;
        return console_serve();
}
