/* covers: machine_network.c netd.c */
#include "firmware/machine.h"

#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "machine_network";

static machine m;

static int state(void)
{
        tree_bytes("/state", (view){});
        int fd = open(tree_path("/state"), O_RDWR | O_CLOEXEC);
        if (fd < 0 || ftruncate(fd, KEPT_AT + KEPT_SLOTS * KEPT_SLOT_BYTES) != 0)
                abort();
        return fd;
}

static bool says(const notice *n, const char *part) { return text_contains(notice_view(n), view_of_text(part)); }

static void begin(void)
{
        machine_begin(&m, tree_root);
        m.kept_fd = state();
        tree_folder("/run");
}

static void test_settings(void)
{
        begin();
        machine_settle_network(&m);
        tap_ok(m.net.settings.dhcp && !m.net.from_drive && strcmp(m.facts.box.listen, "[::]:8443") == 0, SUBJECT,
               "nothing said, nothing kept: DHCP");
        begin();
        bool good = !failed(kept_add(&m.kept, VIEW("clock"), VIEW("1")))
                    && !failed(kept_add(&m.kept, VIEW("address"), VIEW("10.1.2.3/24")))
                    && !failed(kept_add(&m.kept, VIEW("gateway"), VIEW("10.1.2.1")));
        machine_settle_network(&m);
        tap_ok(good && !m.net.settings.dhcp && m.net.settings.address_count == 1
                       && m.net.settings.gateway4.family == 4,
               SUBJECT, "what was kept, without what is not of the network");
        begin();
        (void)!failed(kept_add(&m.kept, VIEW("address"), VIEW("later-form")));
        machine_settle_network(&m);
        tap_ok(m.net.settings.dhcp, SUBJECT, "kept lines that are not understood: DHCP");
        begin();
        (void)!failed(kept_add(&m.kept, VIEW("address"), VIEW("10.1.2.3/24")));
        box_default(&m.facts.box);
        m.facts.box.vlan = 7;
        m.facts.has_box = true;
        machine_settle_network(&m);
        tap_ok(m.net.settings.vlan == 7 && m.net.from_drive, SUBJECT, "the drive's settings come first");
        notice why = {};
        tap_ok(failed(machine_set_network(&m, "address dhcp\n", &why)) && says(&why, "The config drive says"), SUBJECT,
               "and are not changed here");
}

static void test_changing(void)
{
        notice      why = {};
        static kept back;
        begin();
        (void)!failed(kept_set(&m.kept, VIEW("opens"), VIEW("person")));
        machine_settle_network(&m);
        bool good = !failed(machine_set_network(&m, "# new\naddress 10.1.2.3/24\ngateway 10.1.2.1\n", &why));
        good = good && why.len == 0 && !failed(kept_read(m.kept_fd, &back))
               && view_equal((view){back.text, back.len},
                                  VIEW("opens person\naddress 10.1.2.3/24\ngateway 10.1.2.1\n"));
        tap_ok(good && m.net.settings.address_count == 1 && m.facts.box.address_count == 1, SUBJECT,
               "new settings count and are kept");
        tap_ok(failed(machine_set_network(&m, "adress 10.1.2.3/24\n", &why)) && says(&why, "the nearest is 'address'")
                       && m.net.settings.address_count == 1,
               SUBJECT, "wrong ones change nothing, with a sentence");
        good = !failed(machine_set_network(&m, "address dhcp\nlisten 0.0.0.0:443\n", &why));
        tap_ok(good && says(&why, "next start"), SUBJECT, "another door is said to wait for the next start");
        good = !failed(kept_read(m.kept_fd, &back)) && view_equal(kept_get(&back, VIEW("address")), VIEW("dhcp"))
               && kept_get(&back, VIEW("gateway")).len == 0;
        tap_ok(good, SUBJECT, "nothing of the old ones stays");
        close(m.kept_fd);
        m.kept_fd = -1;
        good = failed(machine_set_network(&m, "address 10.1.2.4/24\n", &why)) && says(&why, "lethe-state");
        tap_ok(good && m.net.settings.dhcp && view_equal(kept_get(&m.kept, VIEW("address")), VIEW("dhcp")), SUBJECT,
               "what cannot be kept is not done");
}

/* A card in a network of our own, whose role is this test. */
static bool attach(int *role)
{
        int ends[2];
        begin();
        tree_file("/sys/class/net/lo/device", "");
        tree_file("/sys/class/net/lo/ifindex", "1\n");
        tree_file("/sys/class/net/lo/address", "52:54:00:12:34:56\n");
        tree_file("/sys/class/net/lo/carrier", "1\n");
        machine_settle_network(&m);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) != 0)
                return false;
        m.net.role.pid = fork();
        if (m.net.role.pid == 0) {
                pause();
                _exit(0);
        }
        m.net.role.channel = ends[0];
        *role = ends[1];
        return true;
}

static void say(int role, const net_word *w, uint64_t now)
{
        if (send(role, w, sizeof *w, 0) != sizeof *w)
                abort();
        machine_hear_network(&m, now);
}

static bool resolvers_are(const char *text)
{
        uint8_t bytes[512];
        view    is;
        return !failed(file_read(tree_root, "/run/resolv.conf", bytes, sizeof bytes, &is))
               && view_equal(is, view_of_text(text));
}

static bool test_lease(void)
{
        int       role;
        net_order o;
        net_word  w = {.kind = NET_LEASE, .lease = {.address = {10, 1, 2, 9}, .prefix = 24, .seconds = 60,
                                                     .resolver_count = 1, .resolvers = {{10, 1, 2, 53}}}};
        if (unshare(CLONE_NEWNET) != 0 || !attach(&role)) {
                tap_skip(SUBJECT, "a network of its own needs a privilege here");
                return false;
        }
        machine_turn_network(&m, 1000);
        bool good = recv(role, &o, sizeof o, 0) == sizeof o && o.dhcp && o.link && o.index == 1 && o.mac[0] == 0x52;
        tap_ok(good && m.facts.has_card && !machine_network_up(&m), SUBJECT, "a card with a link: its role is told");
        machine_turn_network(&m, 20000);
        tap_ok(says(&m.facts.network, "No DHCP server answers on lo"), SUBJECT, "no answer is a sentence");
        say(role, &(net_word){.kind = NET_REFUSED, .number = 2}, 21000);
        tap_ok(says(&m.facts.network, "refuses"), SUBJECT, "a refusal is another");
        say(role, &w, 22000);
        tap_ok(machine_network_up(&m) && m.facts.box.address_count == 1 && m.facts.network.len == 0
                       && resolvers_are("nameserver 10.1.2.53\n"),
               SUBJECT, "a lease is what the box has");
        m.facts.serving = false;
        m.net.reload = true;
        machine_turn_network(&m, 23000);
        tap_ok(m.net.reload, SUBJECT, "a lethed that does not serve yet is not told of name servers");
        say(role, &(net_word){.kind = NET_LOST}, 24000);
        tap_ok(!machine_network_up(&m) && m.facts.box.address_count == 0 && resolvers_are(""), SUBJECT,
               "its end takes all of it away");
        say(role, &w, 25000);
        machine_turn_network(&m, 25000 + 59000);
        good = machine_network_up(&m);
        machine_turn_network(&m, 25000 + 61000);
        tap_ok(good && !machine_network_up(&m), SUBJECT, "and so does its time, should the role forget it");
        say(role, &w, 90000);
        notice why;
        good = !failed(machine_set_network(&m, "address 10.1.2.7/24\n", &why));
        int   status;
        pid_t pid = m.net.role.pid;
        good = good && !m.net.leased && waitpid(pid, &status, 0) == pid
               && machine_network_reaped(&m, pid, status, 91000) && m.facts.death.count == 0;
        machine_turn_network(&m, 92000);
        tap_ok(good && machine_network_up(&m) && m.facts.box.address_count == 1
                       && m.facts.box.addresses[0].bytes[3] == 7,
               SUBJECT, "an address in its place: the leased one goes, and with it the role");
        nftw(tree_path("/sys/class/net/lo"), tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
        machine_turn_network(&m, 120000);
        machine_turn_network(&m, 140000);
        tap_ok(!m.facts.has_card && says(&m.facts.network, "no network interface"), SUBJECT,
               "a card that goes is said");
        close(role);
        return true;
}

/* After test_lease, in its network. */
static void test_routers(void)
{
        int role, status;
        if (!attach(&role)) {
                tap_skip(SUBJECT, "no socket pair");
                return;
        }
        pid_t pid = m.net.role.pid;
        tree_file("/proc/sys/net/ipv6/conf/lo/accept_ra", "0\n");
        tree_file("/proc/sys/net/ipv6/conf/lo/autoconf", "0\n");
        m.net.settings.automatic = true;
        m.net.settings.dhcp = false;
        machine_turn_network(&m, 1000);
        bool good = m.facts.network.len == 0
                    && view_equal(tree_read("/proc/sys/net/ipv6/conf/lo/accept_ra"), VIEW("1\n"));
        machine_turn_network(&m, 20000);
        tap_ok(good && says(&m.facts.network, "No router advertises IPv6 addresses on lo"), SUBJECT,
               "routers that say nothing are a sentence");
        tree_file("/proc/net/if_inet6", "20010db8000000000000000000000001 01 40 00 00       lo\n");
        machine_turn_network(&m, 23000);
        tap_ok(m.facts.network.len == 0 && m.facts.box.address_count == 1 && m.facts.box.addresses[0].family == 6,
               SUBJECT, "until one names an address, which is shown");
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        close(role);
}

int main(void)
{
        tree_make();
        test_settings();
        test_changing();
        if (test_lease())
                test_routers();
        tree_remove();
        return tap_done();
}
