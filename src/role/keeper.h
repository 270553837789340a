/* role/keeper: the process that holds what is secret and what is counted: vault, lease, ledger, signing key.
 *
 * It reads no byte of a request: only usage records of fixed size from rings, sealed blobs of bounded length from the
 * admin role, and what the supervisor sends. What must survive it lies in memory that the supervisor holds open. */
#ifndef ROLE_KEEPER_H
#define ROLE_KEEPER_H

typedef struct keeper keeper;

/* Words for the export. */
typedef struct keeper_build {
        const char *version, *commit;
} keeper_build;

/* Receives the grants until WIRE_START and opens everything: last call before the sandbox is closed. Null when the
 * start was refused; the supervisor has been told why then, and the process exits with EXIT_REFUSED. */
keeper *keeper_open(int control, const keeper_build *build);

/* Says READY and serves until WIRE_STOP. Returns the exit status: 0 after a clean end with its final export stored. */
int keeper_serve(keeper *k);

#endif
