/* admin/routes: which address does what. */
#ifndef ADMIN_ROUTES_H
#define ADMIN_ROUTES_H

#include "admin/exchange.h"
#include "codec/http1.h"

typedef struct admin_route {
        http1_method method;
        view path;
        bool prefix; /* a name follows the path */
        bool body;   /* a JSON body is wanted */
        void (*handle)(admin_exchange *x);
} admin_route;

/* What stands behind the question mark; empty: nothing. */
view route_query(view target);

/* Its body goes into the memory for updates as it comes. */
bool route_uploads(const admin_route *r);

/* How large its body may be: one address takes a whole configuration. */
size_t route_body_most(const admin_route *r);

/* in   target  as sent; a query is ignored
 * out  rest    what follows a prefix route's path
 * err  NO_ROUTE, BAD_METHOD */
err route_find(http1_method method, view target, const admin_route **out, view *rest);

/* "GET, POST": what the address answers. */
void route_methods(view target, emit *out);

/* Everything below /admin/ wants a token, whether it exists or not. */
bool route_needs_token(view target);

#endif
