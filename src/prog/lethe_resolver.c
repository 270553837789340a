/* lethe-resolver: names to addresses. See role/resolver. */
#include "base/event.h"
#include "ipc/wire.h"
#include "role/resolver.h"
#include "role/sandbox.h"

int main(void)
{
        event_setup("resolver", 2);
        if (failed(sandbox_enter(ROLE_RESOLVER)))
                return EXIT_REFUSED;
        resolver *r = resolver_open(WIRE_CONTROL_FD);
        if (r == nullptr)
                return EXIT_REFUSED;
        if (failed(sandbox_close(ROLE_RESOLVER)))
                return EXIT_REFUSED;
        return resolver_serve(r);
}
