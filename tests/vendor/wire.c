#include "wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

bool wire_open(wire *w, int fd, SSL_CTX *tls)
{
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        *w = (wire){.fd = fd, .ready = tls == nullptr};
        if (tls == nullptr)
                return true;
        w->ssl = SSL_new(tls);
        if (w->ssl == nullptr || SSL_set_fd(w->ssl, fd) != 1) {
                wire_close(w, false, false);
                return false;
        }
        SSL_set_accept_state(w->ssl);
        return true;
}

static wire_state tls_state(wire *w, int result)
{
        int why = SSL_get_error(w->ssl, result);
        ERR_clear_error();
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? WIRE_BLOCKED : WIRE_GONE;
}

wire_state wire_handshake(wire *w)
{
        if (w->ready)
                return WIRE_MORE;
        int result = SSL_do_handshake(w->ssl);
        if (result != 1)
                return tls_state(w, result);
        w->ready = true;
        return WIRE_MORE;
}

static wire_state socket_state(void) { return errno == EAGAIN || errno == EINTR ? WIRE_BLOCKED : WIRE_GONE; }

wire_state wire_read(wire *w, text *in)
{
        static char buffer[READ_BYTES];
        for (;;) {
                ssize_t got;
                if (w->ssl != nullptr) {
                        int result = SSL_read(w->ssl, buffer, READ_BYTES);
                        if (result <= 0)
                                return tls_state(w, result);
                        got = result;
                } else {
                        got = recv(w->fd, buffer, READ_BYTES, 0);
                        if (got == 0)
                                return WIRE_GONE;
                        if (got < 0)
                                return socket_state();
                }
                text_add(in, buffer, (size_t)got);
        }
}

wire_state wire_write(wire *w, slice bytes, size_t *sent)
{
        *sent = 0;
        while (*sent < bytes.len) {
                const char *at = bytes.at + *sent;
                size_t left = bytes.len - *sent;
                if (w->ssl != nullptr) {
                        size_t wrote;
                        int result = SSL_write_ex(w->ssl, at, left, &wrote);
                        if (result != 1)
                                return tls_state(w, result);
                        *sent += wrote;
                } else {
                        ssize_t wrote = send(w->fd, at, left, MSG_NOSIGNAL);
                        if (wrote < 0)
                                return socket_state();
                        *sent += (size_t)wrote;
                }
        }
        return WIRE_MORE;
}

void wire_close(wire *w, bool proper, bool reset)
{
        if (w->ssl != nullptr) {
                if (proper && w->ready)
                        (void)SSL_shutdown(w->ssl);
                ERR_clear_error();
                SSL_free(w->ssl);
        }
        if (reset)
                setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
        close(w->fd);
        *w = (wire){.fd = -1};
}
