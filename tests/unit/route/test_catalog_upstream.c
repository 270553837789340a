#include "unit/route/catalog_rows.h"

static const char SUBJECT[] = "catalog_upstream";

/* What the first upstream is, and what the second is from its URL on. */
#define ONE "\"base_url\":\"https://api.example.org/v1\",\"ca\":\"ca.pem\""
#define TWO "\"base_url\":\"http://127.0.0.1:8000/v1\",\"plain_http\":true,\"local\":[\"127.0.0.0/8\"]"
#define URL "https://api.example.org/v1"

static const catalog_row rows[] = {
        {"upstreams are required", "\"upstreams\"", "\"note\"", "MISSING_KEY", ""},
        {"an upstream is an object", "[\n {\"name\":\"one\"", "[7,\n {\"name\":\"one\"", "WRONG_TYPE", "/upstreams/0"},
        {"an upstream's unknown key", "\"base_url\"", "\"base_uri\"", "UNKNOWN_KEY", "/upstreams/0/base_uri"},
        {"an upstream needs a name", "\"name\":\"one\",", "", "MISSING_KEY", "/upstreams/0"},
        {"a name is not empty", "\"name\":\"one\"", "\"name\":\"\"", "BAD_NAME", "/upstreams/0/name"},
        {"a name has no space", "\"name\":\"one\"", "\"name\":\"o ne\"", "BAD_NAME", "/upstreams/0/name"},
        {"a name has at most 31 characters", "\"name\":\"one\"", "\"name\":\"12345678901234567890123456789012\"",
         "BAD_NAME", "/upstreams/0/name"},
        {"names are unique", "\"name\":\"two\"", "\"name\":\"one\"", "DUPLICATE_NAME", "/upstreams/1/name"},
        {"an upstream needs a vendor", "\"vendor\":\"openai\",", "", "MISSING_KEY", "/upstreams/0"},
        {"a vendor is a name", "\"vendor\":\"openai\"", "\"vendor\":1", "WRONG_TYPE", "/upstreams/0/vendor"},
        {"an upstream needs a base URL", "\"base_url\":\"" URL "\",", "", "MISSING_KEY", "/upstreams/0"},
        {"a base URL has no user", URL, "https://u@api.example.org/v1", "BAD_URL", "/upstreams/0/base_url"},
        {"a base URL has no query", URL, URL "?a", "BAD_URL", "/upstreams/0/base_url"},
        {"TLS needs a CA", ",\"ca\":\"ca.pem\"", "", "MISSING_KEY", "/upstreams/0"},
        {"a CA is in no folder", "ca.pem", "a/ca.pem", "BAD_FILE_NAME", "/upstreams/0/ca"},
        {"a CA begins with no dot", "ca.pem", "..", "BAD_FILE_NAME", "/upstreams/0/ca"},
        {"a CA has no colon", "ca.pem", "a:b", "BAD_FILE_NAME", "/upstreams/0/ca"},
        {"http needs to be wanted", TWO, "\"base_url\":\"http://127.0.0.1:8000/v1\",\"local\":[\"127.0.0.0/8\"]",
         "NOT_ALLOWED", "/upstreams/1/base_url"},
        {"http unwanted is the same", "\"plain_http\":true", "\"plain_http\":false", "NOT_ALLOWED",
         "/upstreams/1/base_url"},
        {"the wish is true or false", "\"plain_http\":true", "\"plain_http\":1", "WRONG_TYPE",
         "/upstreams/1/plain_http"},
        {"https is not wanted plain", ONE, ONE ",\"plain_http\":true", "NOT_ALLOWED", "/upstreams/0/plain_http"},
        {"https may say that it is not", ONE, ONE ",\"plain_http\":false", "", ""},
        {"http to a name without addresses", "http://127.0.0.1:8000", "http://gpu.example:8000", "NOT_LOCAL",
         "/upstreams/1/base_url"},
        {"http to a public address", "http://127.0.0.1:8000", "http://8.8.8.8:8000", "NOT_LOCAL",
         "/upstreams/1/base_url"},
        {"http to a name with local addresses", TWO,
         "\"base_url\":\"http://gpu.example\",\"plain_http\":true,\"local\":[\"127.0.0.0/"
         "8\"],\"addresses\":[\"127.0.0.2\"]",
         "", ""},
        {"http with one address outside", TWO,
         "\"base_url\":\"http://gpu.example\",\"plain_http\":true,\"local\":[\"127.0.0.0/"
         "8\"],\"addresses\":[\"127.0.0.2\",\"8.8.8.8\"]",
         "NOT_LOCAL", "/upstreams/1/base_url"},
        {"no CA without TLS", TWO, TWO ",\"ca\":\"x.pem\"", "NOT_ALLOWED", "/upstreams/1/ca"},
        {"no pins without TLS", TWO, TWO ",\"pins\":[]", "NOT_ALLOWED", "/upstreams/1/pins"},
        {"a literal address must be public", URL, "https://10.0.0.1/v1", "NOT_PUBLIC", "/upstreams/0/base_url"},
        {"or declared", ONE, "\"base_url\":\"https://10.0.0.1/v1\",\"ca\":\"ca.pem\",\"local\":[\"10.0.0.0/8\"]", "",
         ""},
        {"addresses must be public", ONE, ONE ",\"addresses\":[\"8.8.8.8\",\"192.168.1.1\"]", "NOT_PUBLIC",
         "/upstreams/0/addresses/1"},
        {"or declared too", ONE, ONE ",\"addresses\":[\"192.168.1.1\"],\"local\":[\"192.168.0.0/16\"]", "", ""},
        {"addresses are addresses", ONE, ONE ",\"addresses\":[\"localhost\"]", "BAD_ADDRESS",
         "/upstreams/0/addresses/0"},
        {"addresses are texts", ONE, ONE ",\"addresses\":[1]", "WRONG_TYPE", "/upstreams/0/addresses/0"},
        {"addresses are a list", ONE, ONE ",\"addresses\":\"8.8.8.8\"", "WRONG_TYPE", "/upstreams/0/addresses"},
        {"an address stands once", ONE, ONE ",\"addresses\":[\"2606:4700::1\",\"2606:4700:0::1\"]", "DUPLICATE_NAME",
         "/upstreams/0/addresses/1"},
        {"at most 8 addresses", ONE,
         ONE ",\"addresses\":[\"8.8.8.1\",\"8.8.8.2\",\"8.8.8.3\",\"8.8.8.4\",\"8.8.8.5\",\"8.8.8.6\",\"8.8.8.7\",\"8."
             "8.8.8\",\"8.8.8.9\"]",
         "TOO_MANY", "/upstreams/0/addresses"},
        {"another address than the literal one", ONE,
         "\"base_url\":\"https://8.8.8.8/v1\",\"ca\":\"ca.pem\",\"addresses\":[\"8.8.4.4\"]", "NOT_ALLOWED",
         "/upstreams/0/addresses/0"},
        {"the literal address again", ONE,
         "\"base_url\":\"https://8.8.8.8/v1\",\"ca\":\"ca.pem\",\"addresses\":[\"8.8.8.8\"]", "", ""},
        {"a range needs clean bits", ONE, ONE ",\"local\":[\"10.0.0.1/8\"]", "BAD_CIDR", "/upstreams/0/local/0"},
        {"a range is a text", ONE, ONE ",\"local\":[8]", "WRONG_TYPE", "/upstreams/0/local/0"},
        {"a range stands once", ONE, ONE ",\"local\":[\"10.0.0.0/8\",\"10.0.0.0/8\"]", "DUPLICATE_NAME",
         "/upstreams/0/local/1"},
        {"at most 4 ranges", ONE,
         ONE ",\"local\":[\"10.0.0.0/8\",\"11.0.0.0/8\",\"12.0.0.0/8\",\"13.0.0.0/8\",\"14.0.0.0/8\"]", "TOO_MANY",
         "/upstreams/0/local"},
        {"a pin is 64 digits", ONE, ONE ",\"pins\":[\"00\"]", "BAD_HASH", "/upstreams/0/pins/0"},
        {"a pin stands once", ONE, ONE ",\"pins\":[\"" HASH_A "\",\"" HASH_B "\",\"" HASH_A "\"]", "DUPLICATE_NAME",
         "/upstreams/0/pins/2"},
        {"at most 4 pins", ONE, ONE ",\"pins\":[1,2,3,4,5]", "TOO_MANY", "/upstreams/0/pins"},
        {"the old Baidu interface is refused", URL, "https://aip.baidubce.com/rpc/2.0", "BAD_URL",
         "/upstreams/0/base_url"},
        {"whatever its case", URL, "https://AIP.BaiduBCE.com", "BAD_URL", "/upstreams/0/base_url"},
        {"the new one is not", URL, "https://qianfan.baidubce.com/v2", "", ""},
        {"health is an object", ONE, ONE ",\"health\":\"/models\"", "WRONG_TYPE", "/upstreams/0/health"},
        {"health's unknown key", ONE, ONE ",\"health\":{\"path\":\"/models\",\"every\":1}", "UNKNOWN_KEY",
         "/upstreams/0/health/every"},
        {"health needs a path", ONE, ONE ",\"health\":{}", "MISSING_KEY", "/upstreams/0/health"},
        {"that is a text", ONE, ONE ",\"health\":{\"path\":1}", "WRONG_TYPE", "/upstreams/0/health/path"},
        {"that begins with a slash", ONE, ONE ",\"health\":{\"path\":\"models\"}", "BAD_PATH",
         "/upstreams/0/health/path"},
        {"that is more than a slash", ONE, ONE ",\"health\":{\"path\":\"/\"}", "BAD_PATH", "/upstreams/0/health/path"},
        {"that has no query", ONE, ONE ",\"health\":{\"path\":\"/models?x=1\"}", "BAD_PATH",
         "/upstreams/0/health/path"},
        {"that leads nowhere else", ONE, ONE ",\"health\":{\"path\":\"/../models\"}", "BAD_PATH",
         "/upstreams/0/health/path"},
        {"that has at most 63 characters", ONE,
         ONE ",\"health\":{\"path\":\"/234567890123456789012345678901234567890123456789012345678901234\"}", "BAD_PATH",
         "/upstreams/0/health/path"},
        {"and 63 are well", ONE,
         ONE ",\"health\":{\"path\":\"/23456789012345678901234567890123456789012345678901234567890123\"}", "", ""},
        {"asked at most once a second", ONE, ONE ",\"health\":{\"path\":\"/models\",\"every_ms\":999}", "OUT_OF_RANGE",
         "/upstreams/0/health/every_ms"},
        {"and at least every ten minutes", ONE, ONE ",\"health\":{\"path\":\"/models\",\"every_ms\":600001}",
         "OUT_OF_RANGE", "/upstreams/0/health/every_ms"},
};

/* Each key of the file is seen in the result: a reader that ignored it would fail here. */
static void seen(void)
{
        const catalog *c = catalog_with("", "");
        tap_ok(c != nullptr && c->upstream_count == 3 && strcmp(c->upstreams[0].name, "one") == 0
                       && strcmp(c->upstreams[1].name, "two") == 0,
               SUBJECT, "names are kept in order");
        tap_ok(c != nullptr && c->vendor_count == 2 && strcmp(c->vendors[0], "openai") == 0
                       && strcmp(c->vendors[1], "house") == 0 && c->upstreams[0].vendor_index == 0
                       && c->upstreams[1].vendor_index == 1 && c->upstreams[2].vendor_index == 0
                       && strcmp(c->upstreams[1].vendor, "house") == 0,
               SUBJECT, "vendors are numbered in order of first use");
        tap_ok(c != nullptr && c->upstreams[0].tls && strcmp(c->upstreams[0].host, "api.example.org") == 0
                       && c->upstreams[0].port == 443 && strcmp(c->upstreams[0].path, "/v1") == 0
                       && c->upstreams[2].path[0] == 0 && strcmp(c->upstreams[0].ca, "ca.pem") == 0,
               SUBJECT, "URL and CA are kept");
        tap_ok(c != nullptr && !c->upstreams[1].tls && c->upstreams[1].port == 8000
                       && c->upstreams[1].address_count == 1 && c->upstreams[1].addresses[0].bytes[0] == 127
                       && c->upstreams[1].local_count == 1 && c->upstreams[1].local[0].bits == 8
                       && c->upstreams[0].address_count == 0,
               SUBJECT, "a literal address is the address to connect to");
        tap_ok(c != nullptr && c->upstreams[0].pin_count == 0, SUBJECT, "without pins there are none");
        c = catalog_with(ONE, ONE ",\"pins\":[\"" HASH_A "\",\"" HASH_B "\"],\"addresses\":[\"8.8.8.8\"]");
        tap_ok(c != nullptr && c->upstreams[0].pin_count == 2 && c->upstreams[0].pins[1][0] == 0xff
                       && c->upstreams[0].pins[0][1] == 0x11,
               SUBJECT, "pins are kept");
        tap_ok(c != nullptr && c->upstreams[0].address_count == 1 && c->upstreams[0].addresses[0].bytes[3] == 8,
               SUBJECT, "addresses are kept");
        tap_ok(c != nullptr && c->upstreams[0].health_path[0] == 0, SUBJECT, "health is not asked for unless said");
        c = catalog_with(ONE, ONE ",\"health\":{\"path\":\"/models\"}");
        tap_ok(c != nullptr && strcmp(c->upstreams[0].health_path, "/models") == 0 && c->upstreams[0].health_ms == 5000,
               SUBJECT, "its path is kept, every 5 s");
        c = catalog_with(ONE, ONE ",\"health\":{\"path\":\"/a/b\",\"every_ms\":600000}");
        tap_ok(c != nullptr && c->upstreams[0].health_ms == 600000, SUBJECT, "or as often as is said");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        catalog_check(SUBJECT, rows, sizeof rows / sizeof rows[0]);
        seen();
        return tap_done();
}
