#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>

#include "net/conn_int.h"

static void on_connected(uv_connect_t *req, int status)
{
        net_conn *c = req->data;
        if (c->state != CONN_CONNECTING)
                return;
        if (status != 0)
                conn_end(c, NET_UNREACHABLE);
        else
                conn_begin(c, nullptr, c->client);
}

net_conn *net_dial(net_loop *l, const net_target *t, const net_user *user, void *ctx)
{
        union {
                struct sockaddr     any;
                struct sockaddr_in  v4;
                struct sockaddr_in6 v6;
        } to = {};
        if (t->family == 4) {
                to.v4.sin_family = AF_INET;
                to.v4.sin_port = htons(t->port);
                memcpy(&to.v4.sin_addr, t->address, 4);
        } else {
                assert(t->family == 6);
                to.v6.sin6_family = AF_INET6;
                to.v6.sin6_port = htons(t->port);
                memcpy(&to.v6.sin6_addr, t->address, 16);
        }
        net_conn *c = conn_new(l);
        if (c == nullptr)
                return nullptr;
        c->client = t->tls;
        c->peer = (net_peer){.family = t->family, .port = t->port};
        memcpy(c->peer.address, t->address, t->family == 4 ? 4 : sizeof c->peer.address);
        c->connect.data = c;
        if (uv_tcp_connect(&c->connect, &c->tcp, &to.any, on_connected) != 0) {
                conn_destroy(c);
                return nullptr;
        }
        net_own(c, user, ctx);
        return c;
}
