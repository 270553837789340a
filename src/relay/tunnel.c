#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "relay/upstream_int.h"

/* Where the proxy shall connect to is all it ever learns: TLS with the vendor, its certificate included, is spoken
 * through the tunnel. It also resolves the vendor's name, so address_allowed cannot judge what it connects to: whoever
 * configures a proxy declares its ways for their own. */

enum : size_t { HEAD_MEMORY_BYTES = 128 * 1024 };

struct tunnel {
        http1 parser;
        http1_setup setup;
        arena memory;
};

static void emit_place(emit *e, const catalog_upstream *row)
{
        bool v6 = strchr(row->host, ':') != nullptr;
        if (v6)
                emit_byte(e, '[');
        emit_text(e, row->host);
        if (v6)
                emit_byte(e, ']');
        emit_byte(e, ':');
        emit_u64(e, row->port);
}

static err emit_authorization(const upstreams_setup *s, const catalog_proxy *proxy, emit *out)
{
        lease_credential credential = {};
        err e = lease_copy_credential(s->lease, view_of_text(proxy->credential), &credential);
        if (!failed(e) && strcmp(credential.host, proxy->host) != 0)
                e = FAIL(NO_TARGET);
        if (!failed(e)) {
                emit_text(out, "\r\nProxy-Authorization: Basic ");
                base64_write(out, (view){credential.secret, credential.len});
        }
        wipe(&credential, sizeof credential);
        return e;
}

err tunnel_ask(const upstreams_setup *s, uint16_t upstream, emit *out)
{
        const catalog_upstream *row = &s->catalog->upstreams[upstream];
        view all;
        emit_text(out, "CONNECT ");
        emit_place(out, row);
        emit_text(out, " HTTP/1.1\r\nHost: ");
        emit_place(out, row);
        if (row->proxy.credential[0] != '\0')
                TRY(emit_authorization(s, &row->proxy, out));
        emit_text(out, "\r\n\r\n");
        return emit_done(out, &all);
}

tunnel *tunnel_begin(void)
{
        tunnel *t = calloc(1, sizeof *t);
        if (t == nullptr)
                return nullptr;
        arena_init(&t->memory, HEAD_MEMORY_BYTES);
        /* A 2xx to CONNECT has no body, whatever its fields say (RFC 9110 section 9.3.6): reading stops at its head. */
        t->setup = (http1_setup){.side = HTTP1_RESPONSE, .body_limit = UINT64_MAX};
        if (failed(http1_begin(&t->parser, &t->setup, &t->memory))) {
                tunnel_end(t);
                return nullptr;
        }
        return t;
}

tunnel_step tunnel_feed(tunnel *t, view in, view *early, uint16_t *status)
{
        size_t used;
        http1_event event;
        *status = 0;
        if (failed(http1_feed(&t->parser, in, &used, &event)))
                return TUNNEL_REFUSED;
        if (event != HTTP1_HEAD)
                return TUNNEL_MORE;
        *status = t->parser.head->status;
        *early = view_slice(in, used, in.len);
        return *status < 300 ? TUNNEL_OPEN : TUNNEL_REFUSED;
}

void tunnel_end(tunnel *t)
{
        if (t == nullptr)
                return;
        arena_end(&t->memory);
        wipe(t, sizeof *t);
        free(t);
}
