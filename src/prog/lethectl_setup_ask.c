/* The questions of lethectl setup, for a person at a terminal. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "prog/lethectl_setup.h"
#include "vault/store.h"

/* One line. False: the terminal ended, or the line is too long. */
static bool terminal_line(int fd, char *out, size_t size)
{
        size_t len = 0;
        for (;;) {
                char    c;
                ssize_t n = read(fd, &c, 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0 || len + 1 >= size)
                        return false;
                if (c == '\n')
                        break;
                out[len++] = c;
        }
        while (len > 0 && (out[len - 1] == '\r' || out[len - 1] == ' '))
                len--;
        out[len] = '\0';
        return true;
}

bool line_ask(const char *prompt, const char *preset, char *out, size_t size)
{
        char text[512];
        int  fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) {
                refuse("there is no terminal to ask on",
                       "Answer by --file setup.json, --claim, --fingerprint, --stdin.");
                return false;
        }
        int  n = preset != nullptr ? snprintf(text, sizeof text, "%s [%s]: ", prompt, preset)
                                   : snprintf(text, sizeof text, "%s: ", prompt);
        bool good = n > 0 && write(fd, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1) > 0
                    && terminal_line(fd, out, size);
        close(fd);
        if (good && out[0] == '\0' && preset != nullptr)
                snprintf(out, size, "%s", preset);
        if (!good)
                refuse("the terminal gave no answer; nothing was changed", nullptr);
        return good;
}

static void choices(bool tpm)
{
        fputs("\nHow shall the vault open after a power cut?\n"
              "  1  person: the relay stays closed until somebody types the passphrase; a thief of the box gets "
              "nothing\n"
              "  2  key-file: it opens by itself while a stick with the key file is in it; who takes box and stick has "
              "all\n",
              stdout);
        fputs(tpm ? "  3  tpm: it opens by itself on this hardware with this software; who takes the disk alone gets "
                    "nothing, who takes the whole box can start it\n"
                  : "  (3  tpm: this box shows no TPM)\n",
              stdout);
        fflush(stdout);
}

bool setup_ask_opens(bool tpm, setup_opens *out)
{
        char answer[32];
        choices(tpm);
        while (*out == OPENS_UNCHOSEN) {
                if (!line_ask(tpm ? "1, 2 or 3" : "1 or 2", nullptr, answer, sizeof answer))
                        return false;
                for (unsigned i = OPENS_PERSON; i <= (tpm ? OPENS_TPM : OPENS_KEY_FILE); i++)
                        if (strcmp(answer, setup_opens_word((setup_opens)i)) == 0
                            || (answer[0] == (char)('0' + i) && answer[1] == '\0'))
                                *out = (setup_opens)i;
        }
        return true;
}

static bool ask_hosts(const char *host, tls_names *out)
{
        char answer[1024];
        while (out->count == 0) {
                if (!line_ask("Names and addresses by which callers reach it, with commas", host, answer,
                              sizeof answer))
                        return false;
                if (failed(tls_names_read(view_of_text(answer), out, nullptr))) {
                        *out = (tls_names){};
                        fputs("  up to 16 host names or addresses, without https:// and ports\n", stdout);
                        fflush(stdout);
                }
        }
        return true;
}

static bool ask_name(const char *prompt, const char *preset, char *out, size_t size)
{
        while (out[0] == '\0' || !store_name_valid(view_of_text(out)))
                if (!line_ask(prompt, preset, out, size))
                        return false;
        return true;
}

static bool ask_url(char *out, size_t size)
{
        char host[LIMIT_HOST_BYTES];
        while (out[0] == '\0' || failed(setup_vendor_host(out, host)))
                if (!line_ask("Its base URL", "https://api.openai.com/v1", out, size))
                        return false;
        return true;
}

static bool ask_filled(const char *prompt, char *out, size_t size)
{
        while (out[0] == '\0')
                if (!line_ask(prompt, nullptr, out, size))
                        return false;
        return true;
}

verdict setup_ask(const char *host, bool tpm, setup_wish *w)
{
        bool good = (w->opens != OPENS_UNCHOSEN || setup_ask_opens(tpm, &w->opens)) && ask_hosts(host, &w->hosts)
                    && ask_name("The vendor's name", "openai", w->vendor, sizeof w->vendor)
                    && ask_url(w->base_url, sizeof w->base_url)
                    && ask_name("Name of the model, as callers ask for it", "chat", w->model, sizeof w->model)
                    && ask_filled("The vendor's name of that model, e.g. gpt-4o", w->target, sizeof w->target)
                    && ask_name("Project that the first client key counts for", "default", w->project,
                                sizeof w->project);
        return good ? DONE : REFUSED;
}
