/* prog/lethectl_backup: backups of a vault, as lethectl holds them. */
#ifndef PROG_LETHECTL_BACKUP_H
#define PROG_LETHECTL_BACKUP_H

#include "prog/lethectl.h"
#include "vault/backup.h"
#include "vault/store.h"

typedef struct opened_backup {
        backup_facts      facts;
        store             held;        /* what it holds; open, without a file */
        store_inheritance inheritance;
} opened_backup;

/* Reads and checks the file, asks for the passphrases of the keys in --with, opens it. Prints what and why not. */
verdict opened_backup_read(const lethectl *c, const char *path, opened_backup *out);
void    opened_backup_end(opened_backup *b);

/* As KEEPER_INHERIT wants it. Wipe it. */
void opened_backup_inherit(const opened_backup *b, keeper_inherit *out);

/* lethectl_vault.c: a file or partition in which nothing is, taken for this process; -1: said why not. */
int  state_open_empty(const char *path);
void state_sync_folder(const char *path);

/* lethectl_file.c: the store behind a door on a file. */
store *file_door_store(const keeper_door *door);

#endif
