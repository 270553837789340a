/* admin/identity: tells PID 1 of the appliance which certificates and which export key the box has, for its console:
 * at the start, and whenever the vault has been opened, closed or made. */
#ifndef ADMIN_IDENTITY_H
#define ADMIN_IDENTITY_H

#include "admin/box_link.h"
#include "admin/keeper_link.h"
#include "base/board.h"

typedef struct identity_teller {
        const board *board;
        keeper_link *keeper;
        box_link *box;
        box_identity identity; /* certificates are given; the export key comes from the keeper */
        keeper_call call;
        net_timer timer;
        uint32_t told; /* keeper_state that was told; UINT32_MAX: none */
} identity_teller;

/* Begins to tell; `t` stays where it is. Only where there is a box. */
void identity_begin(identity_teller *t, const board *b, keeper_link *keeper, box_link *box, const box_identity *known);
void identity_end(identity_teller *t);

#endif
