#include "vault/lease.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/tap.h"

static lease *map(void)
{
        void *p = mmap(nullptr, sizeof(lease), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        return p == MAP_FAILED ? nullptr : p;
}

static void fill(lease *l, uint8_t byte)
{
        lease_write_begin(l);
        memset(l->pepper, byte, sizeof l->pepper);
        memset(l->pseudonym_key, byte, sizeof l->pseudonym_key);
        memset(l->tickets, byte, sizeof l->tickets);
        l->credential_count = 2;
        l->credentials[0] = (lease_credential){.name = "one", .host = "a.example", .len = 3, .secret = "abc"};
        l->credentials[1] = (lease_credential){.name = "two", .host = "b.example"};
        l->credentials[1].len = LIMIT_CREDENTIAL_BYTES;
        memset(l->credentials[1].secret, byte, LIMIT_CREDENTIAL_BYTES);
        lease_write_end(l, true);
}

static void test_reading(lease *l)
{
        lease_credential c;
        uint8_t          key[32];
        lease_ticket_key tickets[2];
        tap_ok(!lease_is_open(l) && lease_copy_pepper(l, key).code == ERR_SEALED, "lease", "a new lease is sealed");
        fill(l, 7);
        tap_ok(lease_is_open(l) && !failed(lease_copy_credential(l, VIEW("one"), &c)) && c.len == 3
                       && strcmp(c.host, "a.example") == 0,
               "lease", "a credential is found by its name");
        tap_ok(lease_copy_credential(l, VIEW("on"), &c).code == ERR_NO_TARGET
                       && lease_copy_credential(l, VIEW("ones"), &c).code == ERR_NO_TARGET
                       && lease_copy_credential(l, VIEW(""), &c).code == ERR_NO_TARGET,
               "lease", "not by a part of it");
        tap_ok(c.len == 0, "lease", "what is not found leaves nothing");
        tap_ok(lease_copy_credential(l, VIEW("a name that is longer than any can be"), &c).code == ERR_NO_TARGET,
               "lease", "a name too long is not there");
        tap_ok(!failed(lease_copy_pseudonym_key(l, key)) && key[31] == 7 && !failed(lease_copy_tickets(l, tickets))
                       && tickets[1].key[31] == 7,
               "lease", "keys are copied whole");
        l->credential_count = UINT32_MAX;
        tap_ok(lease_copy_credential(l, VIEW("none"), &c).code == ERR_NO_TARGET, "lease",
               "a torn count reads nothing beyond");
        fill(l, 7);
        lease_write_begin(l);
        lease_write_end(l, false);
        tap_ok(lease_copy_credential(l, VIEW("one"), &c).code == ERR_SEALED, "lease", "sealed again");
}

static void test_dead_writer(lease *l)
{
        uint8_t key[32];
        fill(l, 1);
        lease_write_begin(l);
        tap_ok(lease_copy_pepper(l, key).code == ERR_AGAIN, "lease",
               "a writer that died keeps readers out, not hanging");
        fill(l, 2);
        tap_ok(!failed(lease_copy_pepper(l, key)) && key[0] == 2, "lease", "the next write repairs it");
}

/* A process that writes without end beside us: what is read is of one writing. */
static void test_torn(lease *l)
{
        fill(l, 0);
        pid_t child = fork();
        if (child == 0)
                for (uint8_t b = 0;; b++)
                        fill(l, b);
        unsigned         seen = 0;
        bool             good = true;
        lease_credential c;
        for (int i = 0; i < 200000 && good; i++) {
                if (failed(lease_copy_credential(l, VIEW("two"), &c)))
                        continue;
                seen++;
                for (size_t k = 1; k < LIMIT_CREDENTIAL_BYTES; k++)
                        good = good && c.secret[k] == c.secret[0];
        }
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        tap_ok(good && seen > 0, "lease", "no copy mixes two writings");
}

int main(void)
{
        lease *l = map();
        if (l == nullptr)
                return 1;
        test_reading(l);
        test_dead_writer(l);
        test_torn(l);
        return tap_done();
}
