/* admin/token: who may manage this box. */
#ifndef ADMIN_TOKEN_H
#define ADMIN_TOKEN_H

#include "base/view.h"
#include "route/catalog.h"

/* in  authorization  the field's value
 * True when it is "Bearer" and one of the configured tokens. The time does not depend on which, nor on how much of it
 * is right. */
bool token_known(const catalog *c, view authorization);

#endif
