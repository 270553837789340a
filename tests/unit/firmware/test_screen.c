#include "firmware/screen.h"

#include <signal.h>
#include <stdlib.h>

#include "support/tap.h"

static const char SUBJECT[] = "screen";

static screen shown;

static bool row_is(size_t row, const char *want)
{
        uint8_t line[SCREEN_COLUMNS];
        memset(line, ' ', sizeof line);
        memcpy(line, want, strlen(want));
        bool good = memcmp(line, shown.cells[row], sizeof line) == 0;
        if (!good)
                printf("# %zu: %.80s\n", row, (const char *)shown.cells[row]);
        return good;
}

static bool has(const char *part)
{
        return text_contains((view){&shown.cells[0][0], sizeof shown.cells}, view_of_text(part));
}

static screen_facts running(void)
{
        return (screen_facts){
                .image = {.version = "1.0", .commit = "0123456789abcdef", .kernel = "6.12.1", .epoch_s = 1767225600,
                          .root = {0xab, 0xcd, 0xef}},
                .phase = PHASE_RUNNING,
                .serving = true,
                .has_box = true,
                .has_card = true,
                .box = {.addresses = {{4, 24, {10, 0, 2, 15}}, {6, 64, {0x20, 1, 0xd, 0xb8, [15] = 1}}},
                        .address_count = 2,
                        .listen = "0.0.0.0:8443",
                        .admin = "[::]:9443"},
                .card = {.name = "eth0", .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56}, .link = true},
                .state = "vda3",
                .vault = SCREEN_VAULT_OPEN,
                .clock_known = true,
                .time_state = BOX_TIME_RTC,
                .button = true,
                .up_min = 61,
                .now_s = 1767225600 + 90 * 86400,
                .platform.known = true,
        };
}

static void test_running(void)
{
        screen_facts f = running();
        screen_draw(&f, &shown);
        bool good = row_is(0, "Lethe        1.0  commit 0123456789ab  kernel 6.12.1")
                    && row_is(1, "image        abcdef0000000000  of 2026-01-01")
                    && row_is(2, "state        RUNNING  serving") && row_is(3, "vault        open")
                    && row_is(4, "stored on    vda3")
                    && row_is(5, "up           61 min   time: of the clock chip, not confirmed since the start")
                    && row_is(6, "devices      power button, no watchdog")
                    && row_is(7, "started by   BIOS, Secure Boot off, no TPM")
                    && row_is(8, "interface    eth0  52:54:00:12:34:56  link up")
                    && row_is(9, "address      10.0.2.15/24") && row_is(10, "             2001:db8::1/64")
                    && row_is(11, "callers      https://10.0.2.15:8443/v1")
                    && row_is(12, "operators    https://10.0.2.15:9443") && row_is(13, "");
        tap_ok(good, SUBJECT, "a box that serves");
        f.serving = false;
        f.restart_s = 3;
        f.card.link = false;
        f.vault = SCREEN_VAULT_SEALED;
        f.clock = CLOCK_SOURCE_IMAGE;
        f.time_state = BOX_TIME_UNKNOWN;
        f.clones = 2;
        notice_set(&f.network, "No DHCP server answers on ", VIEW("eth0"), ".");
        notice_set(&f.time, "No time server answers", (view){}, ".");
        strcpy(f.box.listen, "192.0.2.1:443");
        f.tpm_refused = 3;
        screen_draw(&f, &shown);
        tap_ok(has("does not release the key: the box was started from something else"), SUBJECT,
               "a TPM that keeps its key");
        tap_ok(has("RUNNING  the relay is down, starts again in 3 s") && has("NO LINK") && has("SEALED")
                       && has("time: the clock is wrong") && has("network      No DHCP server answers on eth0.")
                       && has("time         No time server answers.") && has("copied       2 times since the start")
                       && has("https://192.0.2.1:443/v1"),
               SUBJECT, "a box in trouble");
}

/* [::] is reached over either family, 0.0.0.0 over IPv4, and an address where it is. */
static void test_doors(void)
{
        screen_facts      f = running();
        const box_address six = f.box.addresses[1];
        f.box.addresses[0] = six;
        f.box.address_count = 1;
        screen_draw(&f, &shown);
        tap_ok(has("callers      no address yet ") && has("operators    https://[2001:db8::1]:9443 "), SUBJECT,
               "a box that has IPv6 alone");
        f.box.address_count = 0;
        screen_draw(&f, &shown);
        tap_ok(has("operators    no address yet "), SUBJECT, "a box that has none yet");
        strcpy(f.box.listen, "[2001:db8::1]:443");
        screen_draw(&f, &shown);
        tap_ok(has("callers      https://[2001:db8::1]:443/v1 "), SUBJECT, "a door on one address");
}

/* What an owner compares, and what grows old. */
static void test_keys(void)
{
        screen_facts f = running();
        memset(f.identity.tls_certificate, 0x1a, sizeof f.identity.tls_certificate);
        memset(f.identity.export_key, 0x2b, sizeof f.identity.export_key);
        memcpy(f.identity.export_key, "Ed12345678", 10);
        f.identity.certificate_end_s = f.now_s + 31 * 86400;
        f.platform = (platform){true, true, true, true, BOX_SIGNED_THROW_AWAY};
        f.box.gateway4 = (box_address){4, 0, {10, 0, 2, 2}};
        f.box.resolvers[0] = (box_address){4, 0, {10, 0, 2, 3}};
        f.box.resolver_count = 1;
        screen_draw(&f, &shown);
        tap_ok(has("started by   UEFI, Secure Boot on WITH A THROW-AWAY KEY, TPM")
                       && has("gateway      10.0.2.2  DNS 10.0.2.3")
                       && has("TLS key      1a1a 1a1a 1a1a 1a1a 1a1a 1a1a 1a1a 1a1a ...")
                       && has("export key   2b2b 2b2b 2b2b") && !has("admin key") && !has("CERTIFICATE"),
               SUBJECT, "who started it, the way out, the keys that are known");
        f.now_s += 86400;
        f.slot = "a";
        f.on_trial = true;
        notice_set(&f.update, "is being checked and installed, ", VIEW("7"), " %");
        screen_draw(&f, &shown);
        tap_ok(has("stored on    vda3   started from slot a, on trial")
                       && has("update       is being checked and installed, 7 %"),
               SUBJECT,
               "whose slot runs, and how far an update is");
        tap_ok(has("91 DAYS OLD: look for an update") && has("CERTIFICATE  expires on 2026-05-02: put a new one in"),
               SUBJECT, "an old image, and a certificate 30 days ahead");
        f.now_s += 31 * 86400;
        screen_draw(&f, &shown);
        tap_ok(has("CERTIFICATE  HAS EXPIRED on 2026-05-02"), SUBJECT, "an expired one");
        screen_draw_prints(&f, &shown);
        tap_ok(has("callers' TLS certificate, SHA-256") && has("2b2b 2b2b 2b2b 2b2b 2b2b 2b2b 2b2b 2b2b")
                       && has("             not known yet: the relay") && has("abcd ef00 0000"),
               SUBJECT, "all fingerprints in full");
        screen_draw_about(&f, &shown);
        tap_ok(has("GPL-2.0") && has("image/README.md"), SUBJECT, "where the sources are");
}

static void test_deaths(void)
{
        screen_facts f = running();
        f.death = (screen_death){"relay", SIGSEGV, 2};
        screen_draw(&f, &shown);
        tap_ok(has("last death   relay by signal 11 SEGV; deaths since the start: 2"), SUBJECT,
               "who died by which signal");
        f.death = (screen_death){"lethed", 2 << 8, 1};
        screen_draw(&f, &shown);
        tap_ok(has("lethed with exit status 2"), SUBJECT, "or by its own will");
}

static void test_sentences(void)
{
        screen_facts f = {.phase = PHASE_REFUSED};
        notice_set(&f.fault,
                   "The kernel was started with the word 'page_poison=1', which this image does not know: take it ",
                   VIEW("out of the boot entry."), "");
        uint8_t many[NOTICE_BYTES];
        memset(many, 'x', sizeof many);
        for (size_t i = 0; i < SCREEN_WORDS; i++)
                notice_set(&f.words[i], "", (view){many, sizeof many}, "");
        screen_draw(&f, &shown);
        tap_ok(has("REFUSED  nothing serves")
                       && has("FAULT        The kernel was started with the word 'page_poison=1', which this")
                       && has("             image does not know: take it out of the boot entry."),
               SUBJECT, "a long sentence is broken between its words");
        tap_ok(has("lethed says  xxxx"), SUBJECT, "one without blanks at the edge");
        tap_ok(row_is(SCREEN_ROWS - 1, "Power button: drain and power off.  Ctrl-Alt-Del: drain and start again."),
               SUBJECT, "the last line stays");
}

/* Facts of every length: nothing leaves its line, and nothing but printable text is shown. */
static void test_any(void)
{
        bool good = true;
        for (unsigned seed = 1; seed < 2000; seed++) {
                screen_facts f = running();
                srandom(seed);
                for (size_t i = 0; i < SCREEN_WORDS; i++) {
                        f.words[i].len = (size_t)random() % (NOTICE_BYTES + 1);
                        for (size_t k = 0; k < f.words[i].len; k++)
                                f.words[i].bytes[k] = (uint8_t)(random() % 5 == 0 ? ' ' : random());
                }
                f.phase = (phase)((unsigned long)random() % PHASE_COUNT);
                f.box.address_count = (size_t)random() % (BOX_ADDRESSES + 1);
                f.up_min = (uint64_t)random() << (random() % 33);
                screen_draw(&f, &shown);
                for (size_t i = 0; i < sizeof shown.cells; i++)
                        good = good && (&shown.cells[0][0])[i] >= ' ' && (&shown.cells[0][0])[i] <= '~';
        }
        tap_ok(good, SUBJECT, "whatever the facts are, the screen is text");
}

int main(void)
{
        test_running();
        test_doors();
        test_keys();
        test_deaths();
        test_sentences();
        test_any();
        return tap_done();
}
