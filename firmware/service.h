/* firmware/service: lethed, started whenever it is not there. */
#ifndef FIRMWARE_SERVICE_H
#define FIRMWARE_SERVICE_H

#include <sys/types.h>

#include "firmware/box.h"
#include "firmware/file.h"

/* Whom the programs run as: nobody of the kernel's, with no privilege. */
enum : uint32_t { SERVICE_UID = 100 };
enum : uint64_t { SERVICE_BACKOFF_FIRST_MS = 200, SERVICE_BACKOFF_MOST_MS = 30000, SERVICE_STABLE_MS = 60000,
                SERVICE_DRAIN_MS = 40000, SERVICE_SILENT_MS = 40000 };
enum : size_t { SERVICE_ARGUMENTS = 32, SERVICE_GIFTS = 4 };
/* The number of the first descriptor lethed is given; the others follow it. */
enum : int { SERVICE_GIFT_FD = 3 };

typedef struct service_gift {
        const char *option; /* static: what lethed is told its number by */
        int         fd;     /* ours, borrowed */
        char        number[4];
} service_gift;

/* What lethed is started with. */
typedef struct service_command {
        const char  *argv[SERVICE_ARGUMENTS];
        size_t       arguments;
        service_gift gifts[SERVICE_GIFTS];
        size_t       gift_count;
        file_path   program, config, claim, key_file, state, resolvers, tpm;
        char        relays[8];
} service_command;

/* `state` names the partition; `keyed`: the config drive holds vault.key. `in_state`:
 * the configuration is in the vault, the claim code in /run/claim. err NO_ROOM */
err service_command_make(service_command *c, const char *root, const box *b, const char *state, bool keyed,
                         bool in_state);

/* From the next start on lethed inherits this descriptor. Given again it replaces the one before.
 * err NO_ROOM */
err service_give(service_command *c, const char *option, int fd);

/* The TPM where there is one. One that cannot be given is none: a person opens the vault then. */
void service_give_tpm(service_command *c, const char *root);

typedef struct service {
        pid_t    pid;   /* 0: it does not run */
        int      words; /* what it and its roles write; -1 while it does not run */
        uint32_t deaths;
        uint64_t started_ms, start_at_ms;
        uint64_t silent_ms, judged_ms; /* since it last said that it is alive; when that was last added to */
        bool     draining;
        uint64_t kill_at_ms;
} service;

void service_begin(service *s);
/* How long to wait after so many deaths in a row. */
uint64_t service_backoff_ms(uint32_t deaths);
/* Starts it when its time has come. err SYSTEM: the kernel has no process for it; it is tried again later */
err service_start_due(service *s, const service_command *c, uint64_t now_ms);
/* It has said that it is alive. */
void service_alive(service *s);
/* Kills it when it has not said so for SERVICE_SILENT_MS: it hangs. */
void service_judge(service *s, uint64_t now_ms);
/* It has ended. */
void service_died(service *s, uint64_t now_ms);
/* Asks it to end; kills it when it takes too long. True once it has ended. */
bool service_drain(service *s, uint64_t now_ms);

#endif
