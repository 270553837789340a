#include "firmware/service.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "service";

static const box some_box = {.listen = "0.0.0.0:8443", .admin = "[::]:9443", .relays = 2};
static service_command command;

static void joined(char *out, size_t cap)
{
        out[0] = '\0';
        for (size_t i = 0; command.argv[i] != nullptr; i++) {
                strncat(out, command.argv[i], cap - strlen(out) - 1);
                strncat(out, " ", cap - strlen(out) - 1);
        }
}

static void test_command(void)
{
        char text[2048];
        bool good = !failed(service_command_make(&command, "", &some_box, "vda3", true, false));
        joined(text, sizeof text);
        tap_ok(good && strcmp(command.program.text, "/bin/lethed") == 0
                       && strcmp(text, "lethed --config /config/config --state /dev/vda3 --key-file /config/vault.key "
                                       "--listen "
                                       "0.0.0.0:8443 --admin [::]:9443 --resolv-conf /run/resolv.conf --relays 2 ")
                                  == 0,
               SUBJECT, "what lethed is started with");
        box b = some_box;
        b.relays = 0;
        good = !failed(service_command_make(&command, "", &b, "sda2", false, false));
        joined(text, sizeof text);
        tap_ok(good && strstr(text, "--relays") == nullptr && strstr(text, "--key-file") == nullptr, SUBJECT,
               "without a key file it starts sealed; without a number it counts processors");
}

static void test_in_state(void)
{
        char text[2048];
        bool good = !failed(service_command_make(&command, "", &some_box, "vda3", false, true));
        joined(text, sizeof text);
        tap_ok(good && strncmp(text, "lethed --config-in-state --claim /run/claim --state /dev/vda3 ", 61) == 0
                       && strstr(text, "--config ") == nullptr,
               SUBJECT, "a configuration in the vault needs no folder, and a claim code");
}

static void test_tpm(void)
{
        char text[2048];
        bool good = !failed(service_command_make(&command, tree_root, &some_box, "vda3", false, false));
        service_give_tpm(&command, tree_root);
        joined(text, sizeof text);
        tap_ok(good && strstr(text, "--tpm") == nullptr, SUBJECT, "no TPM, no word of it");
        tree_file("/dev/tpmrm0", "");
        service_give_tpm(&command, tree_root);
        joined(text, sizeof text);
        tap_ok(getuid() != 0 || strstr(text, "/dev/tpmrm0 ") != nullptr, SUBJECT, "a TPM is given by its name");
}

static void test_silence(void)
{
        service s;
        int     status = 0;
        service_begin(&s);
        s.pid = fork();
        if (s.pid == 0)
                for (;;)
                        pause();
        uint64_t now = 1000;
        s.judged_ms = now;
        for (int turns = 0; turns < 60; turns++) {
                service_judge(&s, now += 1000);
                if (turns % 20 == 19)
                        service_alive(&s);
        }
        service_judge(&s, now += 3600000);
        tap_ok(waitpid(s.pid, &status, WNOHANG) == 0, SUBJECT,
               "who says that it is alive is left alone, also when the machine stood still for an hour");
        for (int turns = 0; turns < 45; turns++)
                service_judge(&s, now += 1000);
        tap_ok(waitpid(s.pid, &status, 0) == s.pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, SUBJECT,
               "who does not say so for 40 s is killed");
        s.pid = 0;
        for (int turns = 0; turns < 90; turns++)
                service_judge(&s, now += 1000);
        tap_ok(s.silent_ms == 0, SUBJECT, "what does not run is not silent");
}

static void test_backoff(void)
{
        static const uint64_t want[] = {200, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
        bool good = true;
        for (uint32_t i = 0; i < sizeof want / sizeof *want; i++)
                good = good && service_backoff_ms(i) == want[i];
        tap_ok(good && service_backoff_ms(UINT32_MAX) == 30000, SUBJECT, "twice as long each time, 30 s at most");
        service s;
        service_begin(&s);
        s.pid = 1;
        s.started_ms = 1000;
        service_died(&s, 2000);
        tap_ok(s.deaths == 1 && s.start_at_ms == 2200 && s.pid == 0, SUBJECT, "a first death");
        s.started_ms = 2200;
        service_died(&s, 2300);
        tap_ok(s.deaths == 2 && s.start_at_ms == 2700, SUBJECT, "a second one soon after it");
        s.started_ms = 3000;
        service_died(&s, 63000);
        tap_ok(s.deaths == 1 && s.start_at_ms == 63200, SUBJECT, "after a minute all is forgotten");
}

static bool ends(const service *s, int *status, int tries)
{
        for (; tries > 0; tries--, usleep(2000))
                if (waitpid(s->pid, status, WNOHANG) == s->pid)
                        return true;
        return false;
}

static view words(const service *s)
{
        static uint8_t bytes[4096];
        ssize_t n = read(s->words, bytes, sizeof bytes);
        return (view){bytes, n < 0 ? 0 : (size_t)n};
}

static void test_life(void)
{
        service s;
        int status = 0;
        service_begin(&s);
        tree_file("/bin/lethed",
                  "#!/bin/sh\necho \"args $*\"\nenv | grep -v '^PWD=\\|^_=\\|^SHLVL=\\|^OLDPWD='\nid -u\nexit 7\n");
        chmod(tree_path("/bin/lethed"), 0755);
        (void)!failed(service_command_make(&command, tree_root, &some_box, "vda3", false, false));
        bool good = !failed(service_start_due(&s, &command, 5)) && s.pid > 0 && ends(&s, &status, 1000);
        view said = words(&s);
        tap_ok(good && WIFEXITED(status) && WEXITSTATUS(status) == 7, SUBJECT, "it is started, and its end is seen");
        char uid[32], all[4096] = "";
        memcpy(all, said.data, said.len);
        snprintf(uid, sizeof uid, "\n%u\n", getuid() == 0 ? SERVICE_UID : getuid());
        const char *behind = strchr(all, '\n');
        tap_ok(strncmp(all, "args --config", 13) == 0 && behind != nullptr && strcmp(behind, uid) == 0, SUBJECT,
               "with its arguments, no environment, and no privilege");
        service_died(&s, 10);
        pid_t none = s.pid;
        tap_ok(!failed(service_start_due(&s, &command, 100)) && none == 0 && s.pid == 0 && s.words == -1, SUBJECT,
               "it is not started again before its time");
}

static void test_gifts(void)
{
        service s;
        int status = 0, first[2], second[2];
        service_begin(&s);
        tree_file("/bin/lethed", "#!/bin/sh\nshift 10\necho \"$*\"\necho one >&3\necho two >&4\n");
        const box b = {.listen = "a", .admin = "b"};
        (void)!failed(service_command_make(&command, tree_root, &b, "vda3", false, false));
        if (pipe2(first, O_CLOEXEC) != 0 || pipe2(second, O_CLOEXEC) != 0)
                abort();
        /* The second stands where the first is to go. */
        bool good = !failed(service_give(&command, "--one", -1)) && !failed(service_give(&command, "--two", first[1]))
                    && !failed(service_give(&command, "--one", second[1]))
                    && !failed(service_start_due(&s, &command, 5)) && ends(&s, &status, 1000);
        char one[8] = "", two[8] = "";
        good = good && read(second[0], one, sizeof one) == 4 && read(first[0], two, sizeof two) == 4;
        view said = words(&s);
        tap_ok(good && strcmp(one, "one\n") == 0 && strcmp(two, "two\n") == 0
                       && view_starts(said, VIEW("--one 3 --two 4\n")),
               SUBJECT, "descriptors are given by number");
        service_died(&s, 6);
        (void)!failed(service_give(&command, "--one", 600));
        service_begin(&s);
        good = !failed(service_start_due(&s, &command, 5)) && ends(&s, &status, 1000);
        tap_ok(good && WEXITSTATUS(status) == 127, SUBJECT, "without one that was promised it is not started");
        service_died(&s, 6);
        good = true;
        for (size_t i = 2; i < SERVICE_GIFTS; i++) {
                static const char *const names[] = {"--c", "--d"};
                good = good && !failed(service_give(&command, names[i - 2], 0));
        }
        tap_ok(good && failed(service_give(&command, "--more", 0)), SUBJECT, "there is room for so many");
        for (int i = 0; i < 2; i++) {
                close(first[i]);
                close(second[i]);
        }
}

static void test_drain(void)
{
        service s;
        int status = 0;
        service_begin(&s);
        (void)!failed(service_command_make(&command, tree_root, &some_box, "vda3", false, false));
        tap_ok(service_drain(&s, 0), SUBJECT, "what does not run has drained");
        tree_file("/bin/lethed", "#!/bin/sh\ntrap 'exit 0' TERM\necho ready\nwhile :; do sleep 0.01; done\n");
        bool good = !failed(service_start_due(&s, &command, 5));
        for (int i = 0; i < 1000 && words(&s).len == 0; i++)
                usleep(2000);
        good = good && !service_drain(&s, 5) && ends(&s, &status, 1000);
        tap_ok(good && WIFEXITED(status) && WEXITSTATUS(status) == 0, SUBJECT, "it is asked to end");
        service_died(&s, 6);
        tap_ok(service_drain(&s, 7), SUBJECT, "and has drained then");

        service_begin(&s);
        tree_file("/bin/lethed", "#!/bin/sh\ntrap '' TERM\necho ready\nwhile :; do sleep 0.01; done\n");
        good = !failed(service_start_due(&s, &command, 5));
        for (int i = 0; i < 1000 && words(&s).len == 0; i++)
                usleep(2000);
        good = good && !service_drain(&s, 5) && !service_drain(&s, SERVICE_DRAIN_MS) && !ends(&s, &status, 20)
               && !service_drain(&s, SERVICE_DRAIN_MS + 5) && ends(&s, &status, 1000);
        tap_ok(good && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, SUBJECT,
               "after 40 s it is not asked any more");
        service_died(&s, 6);
}

int main(void)
{
        tree_make();
        setenv("SECRET", "1", 1);
        test_command();
        test_in_state();
        test_tpm();
        test_backoff();
        test_silence();
        test_life();
        test_gifts();
        test_drain();
        tree_remove();
        return tap_done();
}
