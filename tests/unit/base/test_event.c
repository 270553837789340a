#include "base/event.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "event";

static const char *heard(int fd)
{
        static char line[1024];
        ssize_t n = read(fd, line, sizeof line - 1);
        line[n < 0 ? 0 : n] = '\0';
        return line;
}

/* As the operator's shell makes it: whoever writes to it waits. */
static void test_full_pipe(void)
{
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[1], F_SETPIPE_SZ, 4096) < 0)
                return;
        event_setup("relay", ends[1]);
        alarm(10);
        for (int i = 0; i < 10; i++)
                for (int id = 0; id < EVENT_COUNT; id++)
                        event((event_id)id, i, 0);
        alarm(0);
        tap_ok(true, SUBJECT, "a full pipe loses lines and stops nobody");
        close(ends[0]);
        close(ends[1]);
}

int main(void)
{
        int ends[2];
        if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
                return 1;
        event_setup("keeper", ends[1]);
        event(EVENT_ROLE_READY, 7, -12);
        tap_ok(strcmp(heard(ends[0]),
                      "keeper INFO ROLE_READY generation=7 pid=-12 role is ready and has closed its sandbox\n")
                       == 0,
               SUBJECT, "a line names role, level, name, both numbers and the sentence");
        bool good = true;
        for (int id = 0; id < EVENT_COUNT; id++) {
                event((event_id)id, INT64_MIN, INT64_MAX);
                const char *line = heard(ends[0]);
                size_t len = strlen(line);
                good = good && len > 40 && line[len - 1] == '\n' && strchr(line, '\n') == line + len - 1
                       && strstr(line, "=-9223372036854775808 ") != nullptr
                       && strstr(line, "=9223372036854775807 ") != nullptr
                       && (strncmp(line, "keeper INFO ", 12) == 0 || strncmp(line, "keeper WARN ", 12) == 0
                           || strncmp(line, "keeper ERROR ", 13) == 0);
        }
        tap_ok(good, SUBJECT, "every row of the table is one line, with the largest numbers too");
        int lines = 0;
        event_setup("relay", ends[1]);
        for (int i = 0; i < 5000; i++)
                event(EVENT_OVERLOADED, i, 0);
        /* Some, when the second changes in between. */
        for (const char *l = heard(ends[0]); *l != '\0'; l = heard(ends[0]))
                for (; *l != '\0'; l++)
                        lines += *l == '\n';
        tap_ok(lines >= 20 && lines <= 41, SUBJECT,
               "one kind of line is said so often in a second, and counted from then on");
        test_full_pipe();
        event_setup("relay", -1);
        event(EVENT_OVERLOADED, 1, 2);
        tap_ok(true, SUBJECT, "without a descriptor it is silent");
        return tap_done();
}
