/* A name server in a child process whose answers the question's name asks for. */
#ifndef TESTS_UNIT_ROLE_DNS_DOUBLE_H
#define TESTS_UNIT_ROLE_DNS_DOUBLE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct dns_double {
        pid_t            pid;
        uint16_t         port;
        _Atomic unsigned *queries; /* seen so far, all of them */
} dns_double;

typedef struct dns_query {
        uint8_t  bytes[512];
        size_t   len, question_end;
        char     name[256]; /* its first label */
        unsigned type;
} dns_query;

enum { DNS_A = 1, DNS_AAAA = 28, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3 };

static inline bool dns_query_read(dns_query *q)
{
        size_t at = 12;
        if (q->len < 17)
                return false;
        size_t first = q->bytes[at];
        memcpy(q->name, q->bytes + at + 1, first);
        q->name[first] = '\0';
        while (at < q->len && q->bytes[at] != 0)
                at += q->bytes[at] + 1u;
        q->type = (unsigned)(q->bytes[at + 1] << 8 | q->bytes[at + 2]);
        q->question_end = at + 5;
        return q->question_end <= q->len;
}

static inline void dns_put16(uint8_t *p, unsigned n)
{
        p[0] = (uint8_t)(n >> 8);
        p[1] = (uint8_t)n;
}

/* Head and question; returns the length. */
static inline size_t dns_head(const dns_query *q, uint8_t *out, unsigned code, unsigned answers)
{
        memcpy(out, q->bytes, q->question_end);
        out[2] = 0x81;
        out[3] = (uint8_t)(0x80 | code);
        dns_put16(out + 6, answers);
        memset(out + 8, 0, 4);
        return q->question_end;
}

static inline size_t dns_record(uint8_t *out, size_t at, unsigned type, unsigned ttl, unsigned last)
{
        size_t len = type == DNS_A ? 4 : 16;
        dns_put16(out + at, 0xc00c);
        dns_put16(out + at + 2, type);
        dns_put16(out + at + 4, 1);
        dns_put16(out + at + 6, 0);
        dns_put16(out + at + 8, ttl);
        dns_put16(out + at + 10, (unsigned)len);
        memset(out + at + 12, 0, len);
        if (type == DNS_A)
                memcpy(out + at + 12, "\xc0\x00\x02", 3); /* 192.0.2.0/24 */
        else
                memcpy(out + at + 12, "\x20\x01\x0d\xb8", 4);
        out[at + 12 + len - 1] = (uint8_t)last;
        return at + 12 + len;
}

/* The answer to a name; 0: silence. */
static inline size_t dns_answer(const dns_query *q, uint8_t *out, bool tcp)
{
        static unsigned flips, lates;
        unsigned        count = 1, ttl = 60, last = 1;
        if (strncmp(q->name, "silent", 6) == 0)
                return 0;
        if (strcmp(q->name, "gone") == 0)
                return dns_head(q, out, DNS_NXDOMAIN, 0);
        if (strcmp(q->name, "broken") == 0)
                return dns_head(q, out, DNS_SERVFAIL, 0);
        if (strcmp(q->name, "four") == 0 && q->type != DNS_A)
                return dns_head(q, out, 0, 0);
        if (strcmp(q->name, "slow") == 0)
                usleep(60000);
        if (strcmp(q->name, "flip") == 0) {
                last = ++flips;
                ttl = 0;
        }
        if (strcmp(q->name, "late") == 0) {
                ttl = 0;
                lates += q->type == DNS_A;
                last = lates > 1 ? 2 : 1;
                if (lates == 2 && q->type == DNS_A)
                        usleep(3000000);
        }
        if (strcmp(q->name, "large") == 0) {
                size_t len = dns_head(q, out, 0, 0);
                out[2] |= 2; /* truncated: come back by TCP */
                if (!tcp)
                        return len;
                count = 60;
        }
        if (strcmp(q->name, "long") == 0)
                ttl = 40000;
        size_t at = dns_head(q, out, 0, count);
        for (unsigned i = 0; i < count; i++)
                at = dns_record(out, at, q->type, ttl, last + i);
        if (strcmp(q->name, "cut") == 0)
                at -= 3;
        return at;
}

static inline void dns_serve_udp(int fd, _Atomic unsigned *queries)
{
        dns_query          q = {};
        uint8_t            out[4096];
        struct sockaddr_in from;
        socklen_t          from_len = sizeof from;
        q.len = (size_t)recvfrom(fd, q.bytes, sizeof q.bytes, 0, (struct sockaddr *)&from, &from_len);
        ++*queries;
        if (q.len > sizeof q.bytes || !dns_query_read(&q))
                return;
        size_t len = dns_answer(&q, out, false);
        if (strcmp(q.name, "forged") == 0) {
                /* What someone else would send who does not see the question. */
                uint8_t wrong[4096];
                memcpy(wrong, out, len);
                wrong[len - 1] = 66;
                wrong[0] ^= 0x55;
                sendto(fd, wrong, len, 0, (struct sockaddr *)&from, from_len);
                memcpy(wrong, out, len);
                wrong[len - 1] = 67;
                wrong[13] ^= 1;
                sendto(fd, wrong, len, 0, (struct sockaddr *)&from, from_len);
        }
        if (len > 0)
                sendto(fd, out, len, 0, (struct sockaddr *)&from, from_len);
}

static inline void dns_serve_tcp(int listener, _Atomic unsigned *queries)
{
        int       fd = accept(listener, nullptr, nullptr);
        uint8_t   head[2], out[4096];
        dns_query q = {};
        while (recv(fd, head, 2, MSG_WAITALL) == 2) {
                q.len = (size_t)(head[0] << 8 | head[1]);
                if (q.len > sizeof q.bytes || recv(fd, q.bytes, q.len, MSG_WAITALL) != (ssize_t)q.len
                    || !dns_query_read(&q))
                        break;
                ++*queries;
                size_t len = dns_answer(&q, out + 2, true);
                dns_put16(out, (unsigned)len);
                if (send(fd, out, len + 2, MSG_NOSIGNAL) < 0)
                        break;
        }
        close(fd);
}

/* Both sockets on one port, which is nobody else's in either protocol. */
static inline bool dns_double_bind(dns_double *d, int *udp, int *tcp)
{
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t          len = sizeof a;
        *udp = socket(AF_INET, SOCK_DGRAM, 0);
        *tcp = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(*udp, (struct sockaddr *)&a, sizeof a) == 0 && getsockname(*udp, (struct sockaddr *)&a, &len) == 0
            && bind(*tcp, (struct sockaddr *)&a, sizeof a) == 0 && listen(*tcp, 8) == 0) {
                d->port = ntohs(a.sin_port);
                return true;
        }
        close(*udp);
        close(*tcp);
        return false;
}

static inline void dns_double_start(dns_double *d)
{
        int udp, tcp, tries = 20;
        d->queries = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        while (!dns_double_bind(d, &udp, &tcp))
                if (--tries == 0)
                        abort();
        d->pid = fork();
        /* A test that ends early takes its server with it. */
        if (d->pid == 0)
                prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (d->pid == 0) {
                struct pollfd fds[2] = {{.fd = udp, .events = POLLIN}, {.fd = tcp, .events = POLLIN}};
                poll(fds, 2, -1);
                if (fds[0].revents != 0)
                        dns_serve_udp(udp, d->queries);
                if (fds[1].revents != 0)
                        dns_serve_tcp(tcp, d->queries);
        }
        close(udp);
        close(tcp);
}

static inline void dns_double_stop(dns_double *d)
{
        kill(d->pid, SIGKILL);
        waitpid(d->pid, nullptr, 0);
}

#endif
