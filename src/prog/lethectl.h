/* prog/lethectl: what its files share. The verbs speak to a door; behind it is the state file (lethectl_file.c) or a
 * running lethed's admin plane (lethectl_admin.c). */
#ifndef PROG_LETHECTL_H
#define PROG_LETHECTL_H

#include "base/arena.h"
#include "base/result.h"
#include "base/view.h"
#include "ipc/keeper.h"

/* Exit statuses. */
typedef enum verdict : int { DONE = 0, REFUSED = 1, USAGE = 2 } verdict;

typedef struct lethectl {
        const char *state;      /* --state */
        const char *key_file;   /* --key-file */
        const char *admin;      /* --admin, or LETHE_ADMIN_URL when --state is not given; null: work on the file */
        const char *token_file; /* --token-file; else LETHE_ADMIN_TOKEN */
        const char *ca;         /* --ca; else SSL_CERT_FILE */
        const char *host;       /* --host */
        const char *project;    /* --project */
        const char *models;     /* --models */
        const char *expires;    /* --expires */
        const char *out;        /* --out */
        const char *name;       /* --name */
        const char *min_generation; /* --min-generation */
        const char *model;      /* --model */
        const char *chars;      /* --chars */
        const char *key;        /* --key */
        bool        downgrade;  /* --downgrade */
        const char *new_key_file; /* --new-key-file */
        const char *sequences;  /* --sequences */
        bool        no_ack;     /* --no-ack */
        const char *to;         /* --to */
        const char *need;       /* --need */
        const char *with;       /* --with */
        const char *signed_by;  /* --signed-by */
        const char *claim;      /* --claim */
        const char *fingerprint; /* --fingerprint */
        const char *file;       /* --file */
        bool        admin_plane; /* --admin-plane */
        bool        older;      /* --older */
        bool        restart;    /* --restart */
        bool        json;       /* --json */
        bool        from_stdin; /* --stdin */
        bool        light;      /* --light */
        const char *const *words; /* what stands behind noun and verb */
        int                word_count;
} lethectl;

/* The keeper operations of ipc/keeper.h, wherever the keeper is. */
typedef struct keeper_door {
        /* in   in   payload of the request, as ipc/keeper.h defines it for `op`
         * out  out  payload of the answer, appended; initialised by the caller
         * err  the keeper's own, or what kept the door from asking it */
        err (*call)(void *ctx, keeper_op op, view in, region *out);
        void (*close)(void *ctx); /* once, by door_close */
        void *ctx;
        char  why[320]; /* one sentence for the operator, more exact than the err's; empty: none */
} keeper_door;

/* Opens the door that the options name. `unlock`: a door on the file opens the vault, asking for what it needs.
 * Prints why not. REFUSED, USAGE */
verdict door_open(const lethectl *c, bool unlock, keeper_door *door);
void    door_close(keeper_door *door);

/* Calls and demands an answer of exactly `len` bytes (0: none). Prints why not. */
verdict door_call(keeper_door *door, keeper_op op, view in, void *answer, size_t len);

/* The two doors; each fills call, close and ctx, and door->why when it fails. The one on the file prints its own
 * refusals and has why empty. */
verdict file_door_open(const lethectl *c, bool unlock, keeper_door *door);
err     admin_door_open(const lethectl *c, keeper_door *door);

/* Prints "lethectl: <text>" and, when not null, what to do about it, to standard error; returns REFUSED or USAGE. */
verdict refuse(const char *text, const char *remedy);
verdict refuse_err(const char *subject, err e, const char *remedy);
verdict misused(const char *text);

/* Secrets: by standard input (one a line) with --stdin, else by a prompt without echo on the terminal. Without its line
 * end, wiped by the caller with secret_line_wipe. False: nothing was given, and it was said. */
typedef struct secret_line {
        uint8_t bytes[2048];
        size_t  len;
} secret_line;

bool               secret_ask(const lethectl *c, const char *prompt, secret_line *out);
static inline view secret_view(const secret_line *s) { return (view){s->bytes, s->len}; }
void               secret_line_wipe(secret_line *s);

/* Argon2id: 0.4 s and 256 MiB on a server of 2020; the light form is for boxes of 256 MiB. */
constexpr uint64_t PASSPHRASE_OPS = 3;
constexpr uint64_t PASSPHRASE_MEM = 256 * 1024 * 1024;
constexpr uint64_t PASSPHRASE_MEM_LIGHT = 64 * 1024 * 1024;

/* A new passphrase, asked for twice. Prints why not. */
verdict passphrase_new(const lethectl *c, secret_line *out);
/* Reads a key file, or makes it where nothing is. Prints why not. */
verdict key_file_new(const char *path, secret_line *out);
/* What opens the vault now: the key file of --key-file, else the passphrase, asked for. Prints why not. */
verdict vault_secret(const lethectl *c, secret_line *out);

/* Whole small file into a region (initialised here; end it). err SYSTEM, NO_ROOM: longer than cap */
err file_read(const char *path, size_t cap, region *out);
/* Writes a file whole: beside it, synced, renamed. err SYSTEM */
err file_write(const char *folder, const char *name, view bytes);

/* Text as a JSON string with its quotes, to standard output. */
void print_json(view text);
void print_hex(view bytes);

typedef verdict verb_fn(const lethectl *c);

/* lethectl_vault.c */
verb_fn vault_init, vault_status, vault_put, vault_list, vault_remove, vault_unlock;
/* lethectl_backup.c, lethectl_import.c */
verb_fn backup_key, vault_export, vault_import;
/* lethectl_rotate.c */
verb_fn vault_rotate;
/* lethectl_slot.c */
verb_fn vault_slot;
/* lethectl_key.c */
verb_fn key_make, admin_token;
/* lethectl_export.c */
verb_fn export_pull, export_now, export_list, export_ack;
/* lethectl_box.c */
verb_fn box_update, box_status, box_restart, box_power_off, box_roll_back, box_update_keys, box_factory_reset;
/* lethectl_check.c */
verb_fn check_files;
/* lethectl_config.c */
verb_fn config_list, config_pull, config_push;
/* lethectl_cert.c */
verb_fn cert_request, cert_import, cert_show, cert_renew;
/* lethectl_setup.c */
verb_fn setup_box;
/* lethectl_routes.c */
verb_fn routes_show, routes_explain;
/* lethectl_admin.c: talk to the admin plane alone */
verb_fn admin_status, admin_ready, admin_reload;

#endif
