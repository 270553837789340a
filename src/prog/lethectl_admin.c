#include "prog/lethectl.h"
err admin_door_open(const lethectl *c, keeper_door *door){(void)c;(void)door;return FAIL(GONE);}
verdict admin_status(const lethectl *c){(void)c;return REFUSED;}
verdict admin_ready(const lethectl *c){(void)c;return REFUSED;}
verdict admin_reload(const lethectl *c){(void)c;return REFUSED;}
