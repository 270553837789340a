/* A backup of a vault, and a backup key's file. First byte: which; the rest: it. */
#include <assert.h>

#include "base/secret.h"
#include "vault/backup.h"
#include "vault/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void backup(view file)
{
        static const backup_pair nobody;
        backup_facts f;
        region payload;
        const char *why = nullptr;
        err e = backup_read(file, &f, &why);
        assert(!failed(e) || why != nullptr);
        assert(failed(e) || (f.count >= f.need && f.count <= BACKUP_RECIPIENTS));
        /* Nobody's key opens nothing. */
        e = backup_open(file, &nobody, 1, &payload, &why);
        assert(failed(e) && why != nullptr);
        region_end(&payload);
}

static void key_file(view file)
{
        uint8_t public_key[32];
        (void)!failed(backup_key_public(file, public_key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
        if (failed(secret_setup()) || len == 0)
                return 0;
        view rest = {data + 1, len - 1};
        if (data[0] == 'b')
                backup(rest);
        else
                key_file(rest);
        return 0;
}
