#include "firmware/modules.h"

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "modules";

static char order[512];
static bool refuse_b;

static bool note(void *, view name)
{
        strncat(order, (const char *)name.data, name.len);
        strcat(order, " ");
        return !(refuse_b && view_equal(name, VIEW("b")));
}

static void begin(modules *m)
{
        notice why = {};
        tree_file("/lib/modules/alias", "pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci\n"
                                        "pci:v00001AF4d00001000* legacy\n"
                                        "virtio:d00000001v* virtio_net\n"
                                        "acpi*:PNP0C0C:* button\n"
                                        "input:b*v*p*e*-e*1,*k*r*a* evdev\n"
                                        "cpu:type:x86,ven*fam*mod*:feature:*00[0-9]A* odd\n");
        tree_file("/lib/modules/order", "b\na b\nvirtio_net failover net_failover a\nfailover\nnet_failover failover\n"
                                        "virtio_pci\nlegacy\nbutton\nevdev\nodd\n");
        order[0] = '\0';
        refuse_b = false;
        bool good = !failed(modules_begin(m, tree_root, &why));
        m->load = note;
        if (!good)
                abort();
}

static void test_closure(void)
{
        modules m;
        begin(&m);
        modules_for_alias(&m, VIEW("virtio:d00000001v00001AF4"));
        tap_ok(strcmp(order, "failover net_failover a virtio_net ") == 0, SUBJECT,
               "dependencies come first, in the order of the table");
        modules_for_alias(&m, VIEW("virtio:d00000001v00001AF4"));
        modules_by_name(&m, VIEW("failover"));
        tap_ok(strcmp(order, "failover net_failover a virtio_net ") == 0 && m.loaded == 4, SUBJECT,
               "each is loaded once");
        modules_by_name(&m, VIEW("no_such"));
        modules_for_alias(&m, VIEW(""));
        modules_for_alias(&m, VIEW("usb:v1234"));
        tap_ok(m.loaded == 4 && m.failed == 0, SUBJECT, "what the image does not have is nothing");
        begin(&m);
        refuse_b = true;
        modules_by_name(&m, VIEW("a"));
        tap_ok(strcmp(order, "b a ") == 0 && m.failed == 1 && view_equal(m.last_failed, VIEW("b")), SUBJECT,
               "one that the kernel refuses is counted, and the rest goes on");
}

static const struct {
        const char *sentence, *modalias, *want;
} rows[] = {
        {"all patterns that match, in the table's order", "pci:v00001AF4d00001000sv1sd1bc02sc00i00",
         "virtio_pci legacy "},
        {"capital letters are others", "PCI:v00001AF4d00001000sv1sd1bc02sc00i00", ""},
        {"a star before the colon", "acpi:PNP0C0C:", "button "},
        {"a set of characters", "cpu:type:x86,ven0000fam0006mod0055:feature:,000A,", "odd "},
        {"not one of the set", "cpu:type:x86,ven0000fam0006mod0055:feature:,00BA,", ""},
        {"a pattern is the whole name", "virtio:d00000001", ""},
        {"commas and minus signs", "input:b0019v0000p0001e0000-e0,1,k74,ramlsfw", "evdev "},
};

static void test_patterns(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                modules m;
                begin(&m);
                modules_for_alias(&m, view_of_text(rows[i].modalias));
                if (!tap_ok(strcmp(order, rows[i].want) == 0, SUBJECT, rows[i].sentence))
                        printf("# %s\n", order);
        }
}

static void test_cold_plug(void)
{
        modules m;
        begin(&m);
        tree_file("/sys/devices/pci0000:00/0000:00:03.0/virtio0/modalias", "virtio:d00000001v00001AF4\n");
        tree_file("/sys/devices/LNXSYSTM:00/LNXPWRBN:00/modalias", "acpi:PNP0C0C:\n");
        tree_file("/sys/elsewhere/modalias", "pci:v00001AF4d00001000sv1sd1bc02sc00i00\n");
        if (symlink("../../elsewhere", tree_path("/sys/devices/LNXSYSTM:00/link")) != 0)
                abort();
        modules_cold_plug(&m, tree_root);
        tap_ok(m.loaded == 5 && strstr(order, "button ") != nullptr && strstr(order, "legacy") == nullptr, SUBJECT,
               "every device below /sys/devices, and none behind a link");
        modules_forget(&m, tree_root);
        modules_for_alias(&m, VIEW("acpi:PNP0C0C:"));
        modules_by_name(&m, VIEW("odd"));
        tap_ok(m.loaded == 5 && access(tree_path("/lib/modules"), F_OK) != 0, SUBJECT,
               "forgotten tables load nothing, and the folder is gone");
        notice why = {};
        tap_ok(failed(modules_begin(&m, tree_root, &why)) && why.len > 0 && !m.load(m.context, VIEW("odd")), SUBJECT,
               "an image without tables, or without the file of a driver, says so");
}

int main(void)
{
        tree_make();
        test_closure();
        test_patterns();
        test_cold_plug();
        tree_remove();
        return tap_done();
}
