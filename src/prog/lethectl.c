/* lethectl: the operator's tool. The table of verbs is the manual. */
#include "prog/lethectl.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/secret.h"

typedef struct verb {
        const char *noun, *verb; /* verb is empty for a noun that does something itself */
        verb_fn    *run;
        const char *words;   /* what stands behind, for the manual */
        int         least, most;
        const char *options; /* names it takes, between spaces */
        const char *sentence;
} verb;

#define ON_FILE " --state --key-file --stdin --min-generation "
#define ON_BOTH ON_FILE "--admin --token-file --ca --fingerprint "
#define BY_ADMIN " --admin --token-file --ca --fingerprint "

/* clang-format off */
static const verb verbs[] = {
        {"vault",  "init",   vault_init,   "",      0, 0,   " --state --key-file --stdin --light ",
         "make a state file with an empty vault; asks for its passphrase twice, or makes the key file"},
        {"vault",  "status", vault_status, "",      0, 0,   ON_BOTH "--json ",
         "generation, key slots, and with the key how much is kept"},
        {"vault",  "put",    vault_put,    "NAME",  1, 1,   ON_BOTH "--host ",
         "keep a vendor key that may be sent to one host only; asks for the key"},
        {"vault",  "list",   vault_list,   "",      0, 0,   ON_BOTH "--json ",
         "names, hosts and fingerprints of the vendor keys, never the keys"},
        {"vault",  "remove", vault_remove, "NAME",  1, 1,   ON_BOTH,
         "forget a vendor key"},
        {"vault",  "unlock", vault_unlock, "",      0, 0,   BY_ADMIN "--key-file --stdin ",
         "open the vault of a running lethed; asks for the passphrase, which does not leave this program"},
        {"vault",  "export", vault_export, "",      0, 0,   ON_BOTH "--out --to --need ",
         "a backup of the vault and its configuration to the file --out, which any recipient of --to opens, or any two "
         "together with --need 2; the exports and the key that signs them are not in it"},
        {"vault",  "import", vault_import, "FILE",  1, 1,
         " --state --key-file --admin --claim --fingerprint --with --signed-by --out --stdin --light ",
         "make another box, or a new state file, from a backup: vendor keys, client keys, configuration; its exports "
         "are a series of its own that names the old one. Secrets by --stdin in this order: the passphrase of each "
         "backup key, the claim code unless given, the new vault's passphrase twice unless it gets a key file"},
        {"backup-key", "make", backup_key, "",      0, 0,   " --out --name --stdin --light ",
         "make a pair for backups: NAME.backup-pub is for vault export --to, NAME.backup-key stays with its person"},
        {"vault",  "rotate", vault_rotate, "",      0, 0,   ON_BOTH "--new-key-file --light ",
         "a new vault key under a new passphrase, or the key file of --new-key-file; all other ways to open it end. "
         "Vendor keys stay as they are: whoever saw them still has them, so renew those at the vendor. What the disk "
         "kept of old sectors opens by the old secret for ever"},
        {"vault",  "slot",   vault_slot,   "add tpm | remove N", 2, 2, BY_ADMIN,
         "let the box's TPM open the vault at start, as long as it starts what it started now; or take a key slot "
         "away"},
        {"key",    "make",   key_make,     "",      0, 0,   ON_BOTH "--project --models --expires --json ",
         "make a client key, show it once, and the entry for \"keys\" in lethe.json"},
        {"admin",  "token",  admin_token,  "",      0, 0,   " --name --json --state --key-file --stdin ",
         "make an admin token, show it once, and the entry for \"admin\" in lethe.json; with --state FILE it is the "
         "only one of the configuration in that state, for an owner who has lost every other"},
        {"export", "now",    export_now,   "",      0, 0,   BY_ADMIN "--out --no-ack ",
         "write a signed usage export now, and fetch it with --out, which acknowledges it"},
        {"export", "pull",   export_pull,  "",      0, 0,   ON_BOTH "--out --no-ack ",
         "fetch the signed usage exports and the public key that verifies them; acknowledges those it has written "
         "and verified, so that newer ones may take their place, unless --no-ack is given"},
        {"export", "list",   export_list,  "",      0, 0,   ON_BOTH "--json ",
         "which exports are kept, and which of them are acknowledged"},
        {"export", "ack",    export_ack,   "",      0, 0,   ON_BOTH "--sequences ",
         "acknowledge exports that you have verified elsewhere: they may be dropped for newer ones"},
        {"setup",  "",       setup_box,    "",      0, 0,
         " --admin --claim --fingerprint --file --out --stdin --light ",
         "make a new box serve: vault, certificates, vendor, model, client key. Asks on a terminal, or reads --file "
         "setup.json (src/prog/README.md has its keys). Secrets by --stdin, in this order: claim code unless given, "
         "the passphrase twice unless a key file opens the vault, the vendor key"},
        {"cert",   "request", cert_request, "",     0, 0,   " --host --out --admin-plane ",
         "make a private key and a request for your CA"},
        {"cert",   "import", cert_import,  "CERT",  1, 1,   BY_ADMIN "--key --admin-plane ",
         "give the box a certificate of your CA; checks key, dates and names; no stream is dropped"},
        {"cert",   "show",   cert_show,    "[FILE]", 0, 1,  BY_ADMIN "--json ",
         "names, days left and fingerprint of the box's certificates, or of a file's"},
        {"cert",   "renew",  cert_renew,   "",      0, 0,   BY_ADMIN "--out ",
         "new certificates for the same names from the CA that setup made in --out; no stream is dropped"},
        {"config", "list",   config_list,  "",      0, 0,   BY_ADMIN "--json ",
         "the files that a box keeps in its vault"},
        {"config", "pull",   config_pull,  "DIR",   1, 1,   BY_ADMIN,
         "write them to a folder; private keys stay in the vault"},
        {"config", "push",   config_push,  "DIR",   1, 1,   BY_ADMIN,
         "send a folder; it serves or nothing changes. Without private keys in it, what is not in the folder stays"},
        {"update", "",       box_update,   "FILE",  1, 1,   BY_ADMIN "--older --restart ",
         "give an appliance its next version; it is started by the next restart, three times at most until it has run "
         "a minute, and otherwise the version before is back"},
        {"box",    "status", box_status,   "",      0, 0,   BY_ADMIN "--json ",
         "what an appliance says of itself: version, slots, update keys"},
        {"box",    "restart", box_restart, "",      0, 0,   BY_ADMIN,
         "finish what runs, write the final export, start the appliance again"},
        {"box",    "power-off", box_power_off, "",  0, 0,   BY_ADMIN,
         "the same, and switch it off"},
        {"box",    "roll-back", box_roll_back, "",  0, 0,   BY_ADMIN "--restart ",
         "start the version in the other slot next"},
        {"box",    "update-keys", box_update_keys, "FILE", 1, 1, BY_ADMIN,
         "give an appliance that has none its three update keys, public keys of minisign; only a factory reset takes "
         "them away"},
        {"box",    "factory-reset", box_factory_reset, "", 0, 0, BY_ADMIN "--stdin ",
         "forget everything: vault, keys, settings, exports; asks for the words 'forget everything'"},
        {"check",  "",       check_files,  "FILE...", 1, 64, " --json ",
         "read lethe.json or policy files as lethed would, and say what is wrong and where"},
        {"status", "",       admin_status, "",      0, 0,   BY_ADMIN "--json ",
         "what a running lethed is doing"},
        {"ready",  "",       admin_ready,  "",      0, 0,   BY_ADMIN "--json ",
         "exit status 0 when it serves, else 1 and why"},
        {"routes", "explain", routes_explain, "",   0, 0,   BY_ADMIN "--model --chars --key --downgrade --json ",
         "which target and vendor key a request would take now, how often, and why not the others"},
        {"routes", "",       routes_show,  "",      0, 0,   BY_ADMIN "--model --json ",
         "where requests go: targets, breakers, vendor keys, live"},
        {"reload", "",       admin_reload, "",      0, 0,   BY_ADMIN,
         "read configuration, policy and certificates anew; a bad one changes nothing"},
};

static const struct option {
        const char *name, *value, *sentence; /* value: null for a switch */
        size_t      at;
} options[] = {
        {"--state",      "FILE", "the state file or partition, when lethed does not run", offsetof(lethectl, state)},
        {"--key-file",   "FILE", "32 random bytes instead of a passphrase",               offsetof(lethectl, key_file)},
        {"--stdin",      nullptr, "take secrets from standard input, one a line, in the order they are asked for",
         offsetof(lethectl, from_stdin)},
        {"--admin",      "URL",  "a running lethed's admin plane; else LETHE_ADMIN_URL",  offsetof(lethectl, admin)},
        {"--token-file", "FILE", "the admin token; else LETHE_ADMIN_TOKEN", offsetof(lethectl, token_file)},
        {"--ca",         "FILE", "who signed the admin plane's certificate; else SSL_CERT_FILE",
         offsetof(lethectl, ca)},
        {"--host",       "HOST", "the only host that may get this vendor key, e.g. api.openai.com",
         offsetof(lethectl, host)},
        {"--project",    "NAME", "whom the client key's usage is counted for",            offsetof(lethectl, project)},
        {"--models",     "A,B",  "what the client key may ask for; * (the default) is every model",
         offsetof(lethectl, models)},
        {"--expires",    "TIME", "when it ends, e.g. 2027-01-31T00:00:00Z; default never", offsetof(lethectl, expires)},
        {"--name",       "NAME", "who holds the admin token; default admin",              offsetof(lethectl, name)},
        {"--out",        "DIR",  "the folder for the files",                              offsetof(lethectl, out)},
        {"--light",      nullptr, "64 MiB for the passphrase's Argon2id instead of 256 MiB", offsetof(lethectl, light)},
        {"--min-generation", "N", "refuse a state file older than this one (vault status shows the number)",
         offsetof(lethectl, min_generation)},
        {"--model",      "NAME", "what a caller asks for, as lethe.json names it",        offsetof(lethectl, model)},
        {"--new-key-file", "FILE", "32 random bytes for the new way to open it; made where nothing is",
         offsetof(lethectl, new_key_file)},
        {"--no-ack",     nullptr, "leave the exports unacknowledged: they are kept until somebody does it",
         offsetof(lethectl, no_ack)},
        {"--sequences",  "N,N",  "numbers of exports, as export list shows them",        offsetof(lethectl, sequences)},
        {"--chars",      "N",    "size of the request's text; default 0",                 offsetof(lethectl, chars)},
        {"--key",        "KEY",  "the caller's key, by its id in lethe.json; of cert import: the private key's file",
         offsetof(lethectl, key)},
        {"--to",         "KEY,KEY", "for whom: files of public keys, or 64 hexadecimal digits each; at most 8",
         offsetof(lethectl, to)},
        {"--need",       "N",    "how many of the recipients open it: 1 (the default) or 2", offsetof(lethectl, need)},
        {"--with",       "FILE,FILE", "the backup keys that open it; two where it needs two", offsetof(lethectl, with)},
        {"--signed-by",  "FILE", "the public key of the exports of the box it must come from (DEVICE.pub)",
         offsetof(lethectl, signed_by)},
        {"--claim",      "CODE", "the claim code on the box's console; asked for when it is not given",
         offsetof(lethectl, claim)},
        {"--fingerprint", "HEX", "of the box's certificate, as its console shows it, instead of --ca",
         offsetof(lethectl, fingerprint)},
        {"--file",       "FILE", "setup.json: all answers but the secrets",               offsetof(lethectl, file)},
        {"--admin-plane", nullptr, "the certificate of the admin plane instead of the callers'",
         offsetof(lethectl, admin_plane)},
        {"--downgrade",  nullptr, "as if the caller allowed a lesser model", offsetof(lethectl, downgrade)},
        {"--older",      nullptr, "an older version is meant",                            offsetof(lethectl, older)},
        {"--restart",    nullptr, "and restart the appliance",                            offsetof(lethectl, restart)},
        {"--json",       nullptr, "answer in JSON",                                       offsetof(lethectl, json)},
};
/* clang-format on */

constexpr size_t VERBS = sizeof verbs / sizeof *verbs;
constexpr size_t OPTIONS = sizeof options / sizeof *options;

static bool verb_takes(const verb *v, const char *option)
{
        size_t len = strlen(option);
        for (const char *at = strstr(v->options, option); at != nullptr; at = strstr(at + 1, option))
                if (at[-1] == ' ' && at[len] == ' ')
                        return true;
        return false;
}

static void print_verb(FILE *to, const verb *v)
{
        fprintf(to, "  lethectl %s%s%s%s%s\n      %s\n", v->noun, *v->verb != '\0' ? " " : "", v->verb,
                *v->words != '\0' ? " " : "", v->words, v->sentence);
        fputs("      ", to);
        for (size_t i = 0; i < OPTIONS; i++)
                if (verb_takes(v, options[i].name))
                        fprintf(to, "[%s%s%s] ", options[i].name, options[i].value != nullptr ? " " : "",
                                options[i].value != nullptr ? options[i].value : "");
        fputs("\n", to);
}

static void print_options(FILE *to, const char *noun)
{
        fputs("\noptions\n", to);
        for (size_t i = 0; i < OPTIONS; i++) {
                bool wanted = noun == nullptr;
                for (size_t k = 0; k < VERBS && !wanted; k++)
                        wanted = strcmp(verbs[k].noun, noun) == 0 && verb_takes(&verbs[k], options[i].name);
                if (!wanted)
                        continue;
                char head[40];
                snprintf(head, sizeof head, "%s %s", options[i].name,
                         options[i].value != nullptr ? options[i].value : "");
                fprintf(to, "  %-20s %s\n", head, options[i].sentence);
        }
}

static void print_manual(FILE *to, const char *noun)
{
        if (noun == nullptr)
                fputs("lethectl: keys, vault and exports of a Lethe relay\n\n", to);
        for (size_t i = 0; i < VERBS; i++)
                if (noun == nullptr || strcmp(verbs[i].noun, noun) == 0)
                        print_verb(to, &verbs[i]);
        print_options(to, noun);
        fputs("\nSecrets are asked for or read from standard input; no argument ever holds one.\n"
              "Exit status: 0 done, 1 refused, 2 wrong use.\n"
              "First steps: lethectl vault init --state state --key-file vault.key\n"
              "             lethectl vault put openai --host api.openai.com --state state --key-file vault.key\n"
              "             lethectl key make --project demo --state state --key-file vault.key\n",
              to);
}

static bool is_noun(const char *word)
{
        for (size_t i = 0; i < VERBS; i++)
                if (strcmp(verbs[i].noun, word) == 0)
                        return true;
        return false;
}

static const verb *find_verb(int count, const char *const words[])
{
        for (size_t i = 0; i < VERBS; i++) {
                if (count < 1 || strcmp(verbs[i].noun, words[0]) != 0)
                        continue;
                if (*verbs[i].verb == '\0' || (count > 1 && strcmp(verbs[i].verb, words[1]) == 0))
                        return &verbs[i];
        }
        return nullptr;
}

static const struct option *find_option(const char *text)
{
        for (size_t i = 0; i < OPTIONS; i++)
                if (strcmp(options[i].name, text) == 0)
                        return &options[i];
        return nullptr;
}

static void set_option(lethectl *c, const struct option *o, const char *value)
{
        uint8_t *field = (uint8_t *)c + o->at;
        if (o->value == nullptr)
                memcpy(field, &(bool){true}, sizeof(bool));
        else
                memcpy(field, &value, sizeof value);
}

typedef struct line {
        const char *words[80];
        int         count;
        bool        help;
        const struct option *given[32];
        size_t               given_count;
} line;

/* Options may stand anywhere. The argument itself is not repeated: it may be a secret that went astray. */
static verdict read_line(int argc, char *argv[], lethectl *c, line *l)
{
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
                        l->help = true;
                        continue;
                }
                if (strncmp(argv[i], "--", 2) != 0) {
                        if (l->count == (int)(sizeof l->words / sizeof *l->words))
                                return misused("too many words");
                        l->words[l->count++] = argv[i];
                        continue;
                }
                const struct option *o = find_option(argv[i]);
                if (o == nullptr || l->given_count == sizeof l->given / sizeof *l->given)
                        return misused("there is no such option; lethectl --help lists them");
                if (o->value != nullptr && i + 1 == argc)
                        return misused("the last option needs a value");
                if (o->value != nullptr)
                        i++;
                set_option(c, o, argv[i]);
                l->given[l->given_count++] = o;
        }
        return DONE;
}

static verdict check_options(const verb *v, const line *l)
{
        for (size_t i = 0; i < l->given_count; i++)
                if (!verb_takes(v, l->given[i]->name)) {
                        fprintf(stderr, "lethectl: %s %s does not take %s\n", v->noun, v->verb, l->given[i]->name);
                        return USAGE;
                }
        int skip = *v->verb == '\0' ? 1 : 2;
        if (l->count - skip < v->least || l->count - skip > v->most) {
                fputs("lethectl: use it so:\n", stderr);
                print_verb(stderr, v);
                return USAGE;
        }
        return DONE;
}

int main(int argc, char *argv[])
{
        /* No core file, and no other process of this user looks in while secrets pass through. */
        prctl(PR_SET_DUMPABLE, 0);
        if (failed(secret_setup()))
                return refuse("no random numbers from the kernel", nullptr);
        lethectl c = {};
        line     l = {};
        verdict  r = read_line(argc, argv, &c, &l);
        if (r != DONE)
                return r;
        if (l.count == 0 || l.help) {
                print_manual(stdout, l.count > 0 && is_noun(l.words[0]) ? l.words[0] : nullptr);
                return l.count == 0 && !l.help ? USAGE : DONE;
        }
        const verb *v = find_verb(l.count, l.words);
        if (v == nullptr) {
                print_manual(stderr, is_noun(l.words[0]) ? l.words[0] : nullptr);
                return misused("there is no such command; the list is above");
        }
        r = check_options(v, &l);
        if (r != DONE)
                return r;
        int skip = *v->verb == '\0' ? 1 : 2;
        c.words = l.words + skip;
        c.word_count = l.count - skip;
        const char *standing = getenv("LETHE_ADMIN_URL");
        if (c.admin == nullptr && c.state == nullptr && standing != nullptr && *standing != '\0')
                c.admin = standing;
        r = v->run(&c);
        /* A full disk or a closed pipe must not look like success. */
        if (fflush(stdout) != 0 && r == DONE)
                return refuse("standard output could not be written", nullptr);
        return r;
}
