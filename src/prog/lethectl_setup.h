/* prog/lethectl_setup: what an owner answers when a box is set up, and what is made of it. */
#ifndef PROG_LETHECTL_SETUP_H
#define PROG_LETHECTL_SETUP_H

#include "prog/lethectl_own_ca.h"
#include "vault/client_key.h"
#include "vault/container.h"

/* How the vault opens after a power cut. */
typedef enum setup_opens : uint8_t { OPENS_UNCHOSEN, OPENS_PERSON, OPENS_KEY_FILE, OPENS_TPM } setup_opens;

const char *setup_opens_word(setup_opens o); /* "person", "key-file", "tpm" */

typedef struct setup_list {
        char   text[8][64];
        size_t count;
} setup_list;

enum : size_t { SETUP_PATH = 1024, SETUP_URL = 512 };

/* All texts end in NUL; empty: not said. */
typedef struct setup_wish {
        char        claim[64];
        uint8_t     fingerprint[32];
        bool        has_fingerprint;
        setup_opens opens;
        bool        light;
        tls_names   hosts;
        uint16_t    port; /* of the callers' address, for the line to try */
        char        project[LIMIT_NAME_BYTES];
        char        model[LIMIT_NAME_BYTES * 2], target[LIMIT_NAME_BYTES * 4];
        char        vendor[LIMIT_NAME_BYTES], base_url[SETUP_URL];
        bool        vendor_key_wanted;
        setup_list  addresses, local, residency;
        char        roots[SETUP_PATH], policy[SETUP_PATH];
        char        server_crt[SETUP_PATH], server_key[SETUP_PATH], admin_crt[SETUP_PATH], admin_key[SETUP_PATH];
} setup_wish;

/* setup.json, strictly. err BAD_CONFIG with *fault */
err setup_read(view json, setup_wish *out, config_fault *fault);

/* lethectl_known.c: what certificate the box shows at an address; nothing is said to it. Prints why not. */
verdict known_learn(const char *url, https_known *known);
/* Compares with what was given, or has a person compare with the console. Prints the difference. */
verdict known_compare(const https_known *known, const uint8_t *expected);

/* Asks on the terminal for all that is not said yet; `host` is the one of the admin URL, `tpm` whether the box has one.
 * Prints why not. */
verdict setup_ask(const char *host, bool tpm, setup_wish *w);

/* The choice alone. False: no answer; said so. */
bool setup_ask_opens(bool tpm, setup_opens *out);

/* A line from the terminal, shown as it is typed, into `out`; an empty line takes `preset`, where there is one. False:
 * no terminal, or it ended; said so. */
bool line_ask(const char *prompt, const char *preset, char *out, size_t size);

/* What setup makes itself. */
typedef struct setup_made {
        uint8_t client_key[CLIENT_KEY_BYTES];
        char    client_key_id[9];
        uint8_t client_key_hash[32];
        uint8_t token[4 + 64]; /* of the admin plane */
        uint8_t token_hash[32];
} setup_made;

typedef struct setup {
        const lethectl *c;
        const char     *out;
        char            host[LIMIT_HOST_BYTES]; /* of the admin URL */
        setup_wish      wish;
        https_client   *h;
        https_known     known;
        https_why       why; /* of the last call */
        told_setup_doc  box;
        secret_line     opener; /* passphrase or key file */
        key_slot        slot;
        secret_line     vendor_key;
        setup_made      made;
        own_pair        server, admin;
        region          ca, lethe_json, policy, roots;
} setup;

/* lethectl_setup_box.c: the steps by which a box that nobody has claimed is met and gets its vault. Each prints why
 * not. */
bool    setup_host_of(const char *url, char out[static LIMIT_HOST_BYTES]);
verdict setup_learn(setup *s);
verdict setup_compare(setup *s);
verdict setup_ask_claim(setup *s);
verdict setup_connect(setup *s);
verdict setup_describe(setup *s);
verdict setup_prove_claim(setup *s);
verdict setup_make_opener(setup *s);
verdict setup_make_vault(setup *s);
/* One request under the claim code; s->why says what was wrong with it. err as remote_ask */
err setup_post(setup *s, const char *path, view body);
/* {"sealed":...} for the box's keeper; end the answer's body when it is DONE. */
verdict setup_post_sealed(setup *s, const char *path, view plain, https_answer *a);
/* The offered key slot of a TPM, where the owner chose it. */
verdict setup_bind_tpm(setup *s);

/* lethe.json from the answers; checked as the box will check it. Prints why not. */
verdict setup_compose(const setup_wish *w, const setup_made *m, const char *admin_host, region *text);

/* The project's policy/default.json. */
view setup_default_policy(void);

/* The host of a base URL, for which the vendor key is kept. err OUT_OF_RANGE */
err setup_vendor_host(const char *base_url, char out[static LIMIT_HOST_BYTES]);

static inline bool setup_wants_roots(const setup_wish *w) { return strncmp(w->base_url, "https://", 8) == 0; }

#endif
