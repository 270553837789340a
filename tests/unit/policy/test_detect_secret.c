/* The keys here are not keys: they are put together when the test runs, so that no scanner takes them for any. */
#include "find.h"

static const char SUBJECT[] = "detect_secret";

/* `len` letters and digits without a pattern. */
static const char *body(size_t len)
{
        static char text[512];
        uint32_t    seed = 7;
        for (size_t i = 0; i < len; i++) {
                seed = seed * 1103515245 + 12345;
                text[i] = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"[(seed >> 16) % 56];
        }
        text[0] = 'a';
        text[1] = '7';
        text[len] = 0;
        return text;
}

static const struct {
        const char *vendor, *head, *tail;
        size_t      body;
        bool        found;
} keys[] = {
        {"an OpenAI key", "sk-", "", 48, true},
        {"an OpenAI project key", "sk-" "proj-", "", 60, true},
        {"an Anthropic key", "sk-" "ant-api03-", "AA", 93, true},
        {"an OpenRouter key", "sk-" "or-v1-", "", 64, true},
        {"a Google key", "AI" "za", "", 35, true},
        {"a GitHub token", "gh" "p_", "", 36, true},
        {"a fine-grained GitHub token", "github" "_pat_", "", 82, true},
        {"a GitLab token", "gl" "pat-", "", 20, true},
        {"a Slack token", "xo" "xb-1234567890-", "", 24, true},
        {"a Stripe key", "sk" "_live_", "", 24, true},
        {"a restricted Stripe key", "rk" "_live_", "", 24, true},
        {"a Hugging Face token", "h" "f_", "", 34, true},
        {"an npm token", "np" "m_", "", 36, true},
        {"a SendGrid key", "S" "G.", "", 66, true},
        {"a Groq key", "gs" "k_", "", 52, true},
        {"an xAI key", "xa" "i-", "", 80, true},
        {"a key of this relay", "lk" "1_", "", 43, true},
        {"a key that is too short", "sk-", "", 12, false},
        {"an AWS id that is too long", "AK" "IA", "", 17, false},
        {"a word before it", "risk-", "", 48, false},
};

static void test_keys(void)
{
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
                char text[512], want[600];
                snprintf(text, sizeof text, "key=%s%s%s, then", keys[i].head, body(keys[i].body), keys[i].tail);
                snprintf(want, sizeof want, "API_KEY=%s%s%s", keys[i].head, body(keys[i].body), keys[i].tail);
                const char *got = find(view_of_text(text));
                if (!tap_ok(strcmp(got, keys[i].found ? want : "") == 0, SUBJECT, keys[i].vendor))
                        printf("# got %s\n", got);
        }
        tap_ok(strcmp(find(VIEW("AK" "IA2345ABCDEFGH67JK.")), "API_KEY=AK" "IA2345ABCDEFGH67JK") == 0, SUBJECT,
               "an AWS key id");
        tap_ok(find(VIEW("sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx and <sk-your-key-here-please-now>"))[0] == 0, SUBJECT,
               "a placeholder for a key is none");
        char text[256], want[256];
        snprintf(text, sizeof text, "https://%s%s@git.example.com/x", "gh" "p_", body(36));
        snprintf(want, sizeof want, "API_KEY=%s%s", "gh" "p_", body(36));
        tap_ok(strcmp(find(view_of_text(text)), want) == 0, SUBJECT, "a key before an at sign is a key");
}

static const find_row tokens[] = {
        {"a signed token", "t=ey" "JhbGciOiJIUzI1NiJ9.ey" "JzdWIiOiIxMjM0In0.c2lnbmF0dXJl;",
         "JWT=ey" "JhbGciOiJIUzI1NiJ9.ey" "JzdWIiOiIxMjM0In0.c2lnbmF0dXJl"},
        {"a token without signature", "ey" "JhbGciOiJub25lIn0.ey" "JzdWIiOiIxMjM0In0.",
         "JWT=ey" "JhbGciOiJub25lIn0.ey" "JzdWIiOiIxMjM0In0."},
        {"an encrypted token of five parts", "ey" "JhbGciOiJkaXIifQ..aXZpdml2.Y2lwaGVy.dGFn",
         "JWT=ey" "JhbGciOiJkaXIifQ..aXZpdml2.Y2lwaGVy.dGFn"},
        {"a header alone", "ey" "JhbGciOiJIUzI1NiJ9", ""},
        {"base64 of some object", "ey" "JhIjoxfQ.com", ""},
};

static const find_row pems[] = {
        {"a key from its first to its last line",
         "x\n-----BEGIN " "RSA PRIVATE KEY-----\nMIIabc123+/=\nAAAA\n-----END " "RSA PRIVATE KEY-----\ny",
         "PRIVATE_KEY=-----BEGIN " "RSA PRIVATE KEY-----\nMIIabc123+/=\nAAAA\n-----END " "RSA PRIVATE KEY-----"},
        {"a key in one line",
         "K=-----BEGIN " "PRIVATE KEY----- MIIabc AAAA -----END " "PRIVATE KEY-----.",
         "PRIVATE_KEY=-----BEGIN " "PRIVATE KEY----- MIIabc AAAA -----END " "PRIVATE KEY-----"},
        {"with headers and a quoted margin",
         "> -----BEGIN " "EC PRIVATE KEY-----\n> Proc-Type: 4,ENCRYPTED\n>\n> AAAA\n> -----END " "EC PRIVATE KEY-----",
         "PRIVATE_KEY=-----BEGIN " "EC PRIVATE KEY-----\n> Proc-Type: 4,ENCRYPTED\n>\n> AAAA\n> -----END "
         "EC PRIVATE KEY-----"},
        {"without its end it goes to the last line of base64",
         "-----BEGIN " "PRIVATE KEY-----\nMIIabc123\nAAAA\nThat was it.",
         "PRIVATE_KEY=-----BEGIN " "PRIVATE KEY-----\nMIIabc123\nAAAA"},
        {"a PGP block", "-----BEGIN " "PGP PRIVATE KEY BLOCK-----\n\nlQ\n-----END " "PGP PRIVATE KEY BLOCK-----",
         "PRIVATE_KEY=-----BEGIN " "PGP PRIVATE KEY BLOCK-----\n\nlQ\n-----END " "PGP PRIVATE KEY BLOCK-----"},
        {"a certificate is none", "-----BEGIN CERTIFICATE-----\nMIIabc\n-----END CERTIFICATE-----", ""},
        {"a public key is none", "-----BEGIN PUBLIC KEY-----\nMIIabc\n-----END PUBLIC KEY-----", ""},
        {"a line of dashes is none", "--------------------\n-----BEGIN", ""},
};

static void test_open(void)
{
        find_scan.last = false;
        find_scan.text = VIEW("-----BEGIN " "PRIVATE KEY-----\nMIIabc");
        detect(&find_scan);
        tap_ok(find_scan.open == 0 && find_scan.open_entity == ENTITY_PRIVATE_KEY && find_scan.horizon == 0, SUBJECT,
               "a key that runs into the end of a window is left open");
        find_scan.text = VIEW("a ey" "JhbGciOiJIUzI1NiJ9.ey" "JzdWIiOiIxMj");
        detect(&find_scan);
        tap_ok(find_scan.open == 2 && find_scan.open_entity == ENTITY_JWT, SUBJECT, "and so is a token");
        find_scan.last = true;
        detect(&find_scan);
        tap_ok(find_scan.open == SIZE_MAX, SUBJECT, "but not at the end of the string");
}

int main(void)
{
        test_keys();
        FIND_ROWS(SUBJECT, tokens);
        FIND_ROWS(SUBJECT, pems);
        test_open();
        return tap_done();
}
