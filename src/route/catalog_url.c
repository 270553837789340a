#include "route/catalog_url.h"

#include <arpa/inet.h>
#include <assert.h>

constexpr size_t NAME_MOST = 253; /* RFC 1035 section 3.1, without the trailing dot */
constexpr size_t LABEL_MOST = 63;

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

static bool is_alnum(uint8_t c)
{
        uint8_t low = ascii_lower(c);
        return is_digit(c) || (low >= 'a' && low <= 'z');
}

static bool label_valid(view label)
{
        if (label.len == 0 || label.len > LABEL_MOST || label.data[0] == '-' || label.data[label.len - 1] == '-')
                return false;
        for (size_t i = 0; i < label.len; i++)
                if (!is_alnum(label.data[i]) && label.data[i] != '-')
                        return false;
        return true;
}

static bool label_numeric(view label)
{
        if (label.len > 1 && label.data[0] == '0' && ascii_lower(label.data[1]) == 'x')
                return true;
        for (size_t i = 0; i < label.len; i++)
                if (!is_digit(label.data[i]))
                        return false;
        return true;
}

static bool name_valid(view name)
{
        if (name.len == 0 || name.len > NAME_MOST)
                return false;
        for (;;) {
                const uint8_t *dot = memchr(name.data, '.', name.len);
                view           label = view_slice(name, 0, dot == nullptr ? name.len : (size_t)(dot - name.data));
                if (!label_valid(label))
                        return false;
                if (dot == nullptr)
                        return !label_numeric(label);
                name = view_slice(name, label.len + 1, name.len);
                if (name.len == 0)
                        return false;
        }
}

bool catalog_host_parse(view text, catalog_host *out)
{
        static_assert(LIMIT_HOST_BYTES > NAME_MOST && LIMIT_HOST_BYTES > INET6_ADDRSTRLEN);
        memset(out, 0, sizeof *out);
        out->literal = address_parse(text, &out->address);
        if (out->literal) {
                int         family = out->address.family == 4 ? AF_INET : AF_INET6;
                const char *written = inet_ntop(family, out->address.bytes, out->name, sizeof out->name);
                assert(written != nullptr);
                return true;
        }
        if (!name_valid(text))
                return false;
        for (size_t i = 0; i < text.len; i++)
                out->name[i] = (char)ascii_lower(text.data[i]);
        return true;
}

uint16_t catalog_port_parse(view text)
{
        if (text.len == 0 || text.len > 5 || text.data[0] == '0')
                return 0;
        uint32_t n = 0;
        for (size_t i = 0; i < text.len; i++) {
                if (!is_digit(text.data[i]))
                        return 0;
                n = n * 10 + (uint32_t)(text.data[i] - '0');
        }
        return n <= UINT16_MAX ? (uint16_t)n : 0;
}

bool catalog_host_split(view text, view *host, view *port)
{
        *port = (view){};
        *host = (view){};
        if (text.len == 0)
                return false;
        bool           bracket = text.data[0] == '[';
        const uint8_t *end = memchr(text.data, bracket ? ']' : ':', text.len);
        if (bracket && end == nullptr)
                return false;
        size_t at = end == nullptr ? text.len : (size_t)(end - text.data);
        *host = view_slice(text, bracket, at);
        view rest = view_slice(text, at + bracket, text.len);
        if (host->len == 0 || (bracket && memchr(host->data, ':', host->len) == nullptr))
                return false;
        if (rest.len == 0)
                return true;
        *port = view_slice(rest, 1, rest.len);
        return rest.data[0] == ':' && catalog_port_parse(*port) != 0;
}

static bool segment_valid(view segment)
{
        if (segment.len == 0 || view_equal(segment, VIEW(".")) || view_equal(segment, VIEW("..")))
                return false;
        for (size_t i = 0; i < segment.len; i++)
                if (!is_alnum(segment.data[i]) && memchr("-._~", segment.data[i], 4) == nullptr)
                        return false;
        return true;
}

bool catalog_path_valid(view path)
{
        while (path.len > 0) {
                if (path.data[0] != '/')
                        return false;
                path = view_slice(path, 1, path.len);
                const uint8_t *slash = path.len == 0 ? nullptr : memchr(path.data, '/', path.len);
                view           segment = view_slice(path, 0, slash == nullptr ? path.len : (size_t)(slash - path.data));
                if (!segment_valid(segment))
                        return false;
                path = view_slice(path, segment.len, path.len);
        }
        return true;
}

static bool path_read(view path, char out[static LIMIT_HOST_BYTES])
{
        if (path.len > 0 && path.data[path.len - 1] == '/')
                path = view_slice(path, 0, path.len - 1);
        if (path.len >= LIMIT_HOST_BYTES)
                return false;
        if (path.len > 0)
                memcpy(out, path.data, path.len);
        return catalog_path_valid(path);
}

const char *catalog_url_parse(view text, catalog_url *out)
{
        memset(out, 0, sizeof *out);
        out->tls = view_starts(text, VIEW("https://"));
        if (!out->tls && !view_starts(text, VIEW("http://")))
                return "must begin with https://";
        view           rest = view_slice(text, out->tls ? 8 : 7, text.len);
        const uint8_t *slash = rest.len == 0 ? nullptr : memchr(rest.data, '/', rest.len);
        size_t         cut = slash == nullptr ? rest.len : (size_t)(slash - rest.data);
        view           authority = view_slice(rest, 0, cut), host, port;
        if (authority.len > 0 && memchr(authority.data, '@', authority.len) != nullptr)
                return "must not hold a user name or password";
        if (rest.len > 0
            && (memchr(rest.data, '?', rest.len) != nullptr || memchr(rest.data, '#', rest.len) != nullptr))
                return "must not hold a query or fragment";
        if (!catalog_host_split(authority, &host, &port) || !catalog_host_parse(host, &out->host))
                return "the host must be a DNS name or an address (IPv6 in brackets), the port 1 to 65535";
        out->port = port.len > 0 ? catalog_port_parse(port) : out->tls ? 443 : 80;
        if (!path_read(view_slice(rest, cut, rest.len), out->path))
                return "the path may hold letters, digits and -._~ between single slashes";
        return nullptr;
}
