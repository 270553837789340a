/* Property: what is taken is whole and within its bounds; what is refused says a sentence of printable text; a remark
 * or an empty line in front changes nothing but the line's number. */
#include <assert.h>
#include <stdlib.h>

#include "firmware/box.h"

static void check(const box *b)
{
        assert(b->address_count <= BOX_ADDRESSES_SAID && b->resolver_count <= BOX_RESOLVERS_SAID);
        assert(b->address_count > 0 || b->dhcp || b->automatic);
        assert(b->ntp_count <= BOX_NTP && b->vlan <= 4094);
        for (size_t i = 0; i < b->address_count; i++) {
                const box_address *a = &b->addresses[i];
                assert((a->family == 4 && a->prefix <= 32) || (a->family == 6 && a->prefix <= 128));
                assert(a->prefix > 0);
        }
        assert(b->mtu == 0 || (b->mtu >= 576 && b->mtu <= 9216));
        assert(b->relays <= LIMIT_RELAYS);
        assert(b->listen[0] != '\0' && memchr(b->listen, '\0', sizeof b->listen) != nullptr);
        assert(b->admin[0] != '\0' && memchr(b->admin, '\0', sizeof b->admin) != nullptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        box b, again;
        notice why, other;
        bool refused = failed(box_parse((view){data, size}, &b, &why));
        assert(refused == (why.len > 0) && why.len <= sizeof why.bytes);
        for (size_t i = 0; i < why.len; i++)
                assert(why.bytes[i] >= ' ' && why.bytes[i] <= '~');
        if (!refused)
                check(&b);
        uint8_t *more = malloc(size + 3);
        assert(more != nullptr);
        memcpy(more, "#\n\n", 3);
        memcpy(more + 3, data, size);
        assert(failed(box_parse((view){more, size + 3}, &again, &other)) == refused);
        assert(refused || memcmp(&b, &again, sizeof b) == 0);
        free(more);
        return 0;
}
