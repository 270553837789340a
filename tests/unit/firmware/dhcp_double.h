/* A DHCP server's answers, as bytes. */
#ifndef TESTS_UNIT_FIRMWARE_DHCP_DOUBLE_H
#define TESTS_UNIT_FIRMWARE_DHCP_DOUBLE_H

#include <string.h>

#include "firmware/dhcp.h"

static const uint8_t DOUBLE_MAC[DHCP_MAC_BYTES] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

typedef struct double_message {
        uint8_t bytes[1024]; /* IP packet */
        size_t  len;         /* of the UDP payload so far */
} double_message;

static inline uint8_t *double_payload(double_message *m) { return m->bytes + 28; }

static inline void double_begin(double_message *m, uint32_t number, const char address[4])
{
        uint8_t *p = double_payload(m);
        *m = (double_message){.len = 240};
        memcpy(p, "\2\1\6", 3);
        for (int i = 0; i < 4; i++)
                p[4 + i] = (uint8_t)(number >> (24 - 8 * i));
        memcpy(p + 16, address, 4);
        memcpy(p + 28, DOUBLE_MAC, sizeof DOUBLE_MAC);
        memcpy(p + 236, "\x63\x82\x53\x63", 4);
}

static inline void double_option(double_message *m, uint8_t code, const void *bytes, size_t len)
{
        uint8_t *p = double_payload(m) + m->len;
        p[0] = code;
        p[1] = (uint8_t)len;
        memcpy(p + 2, bytes, len);
        m->len += 2 + len;
}
#define DOUBLE_OPTION(m, code, literal) double_option((m), (code), (literal), sizeof(literal) - 1)

static inline uint16_t double_sum(uint32_t sum, const uint8_t *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++)
                sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
        while (sum > 0xffff)
                sum = (sum & 0xffff) + (sum >> 16);
        return (uint16_t)~sum;
}

/* Ends the options and puts the two heads before them. */
static inline view double_packet(double_message *m)
{
        double_payload(m)[m->len++] = 255;
        uint8_t *ip = m->bytes, *udp = ip + 20;
        size_t   udp_len = m->len + 8, all = udp_len + 20;
        memcpy(ip, "\x45\0\0\0\0\0\0\0\x40\x11\0\0\x0a\0\2\2\xff\xff\xff\xff\0\x43\0\x44\0\0\0\0", 28);
        ip[2] = (uint8_t)(all >> 8);
        ip[3] = (uint8_t)all;
        udp[4] = (uint8_t)(udp_len >> 8);
        udp[5] = (uint8_t)udp_len;
        uint16_t sum = double_sum(0, ip, 20);
        ip[10] = (uint8_t)(sum >> 8);
        ip[11] = (uint8_t)sum;
        uint32_t pseudo = 17 + (uint32_t)udp_len;
        for (size_t i = 12; i < 20; i++)
                pseudo += (uint32_t)ip[i] << (i % 2 == 0 ? 8 : 0);
        sum = double_sum(pseudo, udp, udp_len);
        udp[6] = (uint8_t)(sum >> 8);
        udp[7] = (uint8_t)sum;
        return (view){m->bytes, all};
}

/* A whole grant of 10.0.2.15/24 for an hour. */
static inline void double_grant(double_message *m, uint8_t kind, uint32_t number)
{
        double_begin(m, number, "\x0a\0\2\x0f");
        double_option(m, 53, &kind, 1);
        DOUBLE_OPTION(m, 54, "\x0a\0\2\2");
        DOUBLE_OPTION(m, 1, "\xff\xff\xff\0");
        DOUBLE_OPTION(m, 3, "\x0a\0\2\2");
        DOUBLE_OPTION(m, 6, "\x0a\0\2\3");
        DOUBLE_OPTION(m, 15, "example");
        DOUBLE_OPTION(m, 26, "\x05\x78");
        DOUBLE_OPTION(m, 42, "\x0a\0\2\x7b");
        DOUBLE_OPTION(m, 51, "\0\0\x0e\x10");
}

#endif
