/* admin/handle: what the addresses of admin/routes do. Each function answers its exchange once, now or later. */
#ifndef ADMIN_HANDLE_H
#define ADMIN_HANDLE_H

#include "admin/exchange.h"
#include "ipc/wire.h"

/* handle_box.c */
void handle_health(admin_exchange *x);
void handle_ready(admin_exchange *x);
void handle_metrics(admin_exchange *x);
void handle_status(admin_exchange *x);
void handle_reload(admin_exchange *x);
/* The supervisor's answer to the running reload. */
void handle_reloaded(admin_box *box, const wire_message *m);

/* handle_appliance.c */
void handle_appliance(admin_exchange *x);
void handle_appliance_restart(admin_exchange *x);
void handle_appliance_power_off(admin_exchange *x);
void handle_appliance_update(admin_exchange *x);
void handle_appliance_update_keys(admin_exchange *x);
void handle_appliance_roll_back(admin_exchange *x);
void handle_appliance_factory_reset(admin_exchange *x);

/* handle_vault.c */
void handle_vault(admin_exchange *x);
void handle_unlock(admin_exchange *x);
void handle_rotate(admin_exchange *x);
void handle_inherit(admin_exchange *x);
/* handle_backup.c */
void handle_backup(admin_exchange *x);
void handle_credentials(admin_exchange *x);
void handle_credential_put(admin_exchange *x);
void handle_credential_remove(admin_exchange *x);
void handle_key_hash(admin_exchange *x);

/* handle_setup.c */
void handle_setup(admin_exchange *x);
void handle_setup_vault(admin_exchange *x);

/* handle_config.c */
void handle_config(admin_exchange *x);
void handle_config_put(admin_exchange *x);
/* "{name}" */
void handle_config_file(admin_exchange *x);
/* The supervisor's answer to the set that is tried. */
void handle_config_tried(admin_exchange *x, const wire_message *m);

/* handle_export.c */
void handle_export_now(admin_exchange *x);
void handle_export_key(admin_exchange *x);
void handle_export_list(admin_exchange *x);
void handle_export_ack(admin_exchange *x);
/* "{sequence}", "latest", either with "/signature" or "/quote". */
void handle_export_get(admin_exchange *x);

/* handle_slots.c */
void handle_slot_add(admin_exchange *x);
void handle_slot_remove(admin_exchange *x);

/* handle_routes.c */
void handle_routes(admin_exchange *x);
void handle_routes_explain(admin_exchange *x);

/* page.c */
void handle_page(admin_exchange *x);
/* "{file}" of src/admin/page/ */
void handle_page_file(admin_exchange *x);

#endif
