/* console/unlock: opening the vault by a passphrase that was typed here. It stays in this process: what goes to the
 * keeper is the key derived from it, sealed for the keeper of this start. */
#ifndef CONSOLE_UNLOCK_H
#define CONSOLE_UNLOCK_H

#include "base/view.h"

/* Takes as long as the key's derivation and the keeper's delay. `keeper`: the channel. Returns a sentence
 * for the person, static. */
view unlock(int keeper, view passphrase, uint64_t free_bytes);

#endif
