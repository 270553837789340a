/* lethe-keeper: vault, usage, exports. See role/keeper. */
#include "build_info.h"

#include "base/event.h"
#include "ipc/wire.h"
#include "role/keeper.h"
#include "role/sandbox.h"

int main(void)
{
        static const keeper_build build = {LETHE_VERSION, LETHE_COMMIT};
        event_setup("keeper", 2);
        if (failed(sandbox_enter(ROLE_KEEPER)))
                return EXIT_REFUSED;
        keeper *k = keeper_open(WIRE_CONTROL_FD, &build);
        if (k == nullptr)
                return EXIT_REFUSED;
        if (failed(sandbox_close(ROLE_KEEPER)))
                return EXIT_REFUSED;
        return keeper_serve(k);
}
