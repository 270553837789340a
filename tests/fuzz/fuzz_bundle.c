/* Property: what nobody signed is never taken, and what is refused says a sentence of printable text. A manifest that
 * is taken by itself is within its bounds, and so are a file's name of a slot and GRUB's environment. */
#include <assert.h>

#include "firmware/bundle.h"
#include "firmware/slots.h"

/* Keys that nobody has the secret of. */
static const update_keys keys = {3,
                                 {"RWQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                  "RWQBAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                  "RWQCAAAAAAAAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}};

static void said(const notice *why)
{
        assert(why->len > 0);
        for (size_t i = 0; i < why->len; i++)
                assert(why->bytes[i] >= ' ' && why->bytes[i] <= '~');
}

static void within(const bundle_part *p, uint64_t all)
{
        assert(p->bytes > 0 && p->at <= all && p->bytes <= all - p->at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static bundle          b;
        static bundle_manifest m;
        const bundle_judge     judge = {.keys = &keys, .older = true};
        notice                 why = {};
        view                   v = {data, size};
        assert(failed(bundle_read(v, &judge, &b, &why)));
        said(&why);
        why.len = 0;
        if (failed(bundle_manifest_parse(v, &m, &why))) {
                said(&why);
        } else {
                within(&m.uki, BUNDLE_IMAGE_BYTES);
                within(&m.vmlinuz, m.uki.bytes);
                within(&m.initrd, m.uki.bytes);
                assert(strlen(m.version) > 0 && strchr(m.version, '/') == nullptr && strchr(m.version, '+') == nullptr);
        }
        slot_name n, again;
        char      text[SLOT_NAME_BYTES];
        if (slot_name_parse(v, &n)) {
                assert(n.slot < SLOT_COUNT);
                slot_name_write(&n, text);
                assert(slot_name_parse(view_of_text(text), &again) && again.number == n.number && again.slot == n.slot);
        }
        slot_env e;
        (void)slot_env_parse(v, &e);
        assert(e.first < SLOT_COUNT && e.left[SLOT_A] <= SLOT_TRIES && e.left[SLOT_B] <= SLOT_TRIES);
        return 0;
}
