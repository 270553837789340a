/* The files of the admin page, src/admin/page/: what a browser gets of us. */
#include "admin/handle.h"

/* The bytes of a file as they stand in the repository; its path is from there. */
#define PAGE_FILE(name, path)                                                                                          \
        __asm__(".pushsection .rodata\n"                                                                               \
                "page_" #name "_begin:\n"                                                                              \
                ".incbin \"" path "\"\n"                                                                               \
                "page_" #name "_end:\n"                                                                                \
                ".popsection\n");                                                                                      \
        extern const uint8_t page_##name##_begin[], page_##name##_end[]

PAGE_FILE(html, "src/admin/page/page.html");
PAGE_FILE(style, "src/admin/page/page.css");
PAGE_FILE(policy, "policy/default.json");
PAGE_FILE(script, "src/admin/page/page.js");
PAGE_FILE(answers, "src/admin/page/answers.js");
PAGE_FILE(argon2, "src/admin/page/argon2.js");
PAGE_FILE(argon2_worker, "src/admin/page/argon2_worker.js");
PAGE_FILE(blake2b, "src/admin/page/blake2b.js");
PAGE_FILE(box, "src/admin/page/box.js");
PAGE_FILE(bytes, "src/admin/page/bytes.js");
PAGE_FILE(certificate, "src/admin/page/certificate.js");
PAGE_FILE(compose, "src/admin/page/compose.js");
PAGE_FILE(dashboard, "src/admin/page/dashboard.js");
PAGE_FILE(der, "src/admin/page/der.js");
PAGE_FILE(elements, "src/admin/page/elements.js");
PAGE_FILE(keys, "src/admin/page/keys.js");
PAGE_FILE(names, "src/admin/page/names.js");
PAGE_FILE(salsa20, "src/admin/page/salsa20.js");
PAGE_FILE(seal, "src/admin/page/seal.js");
PAGE_FILE(setup, "src/admin/page/setup.js");
PAGE_FILE(steps, "src/admin/page/steps.js");

typedef struct page_file {
        view           name, type;
        const uint8_t *begin, *end;
} page_file;

#define HTML VIEW_INIT("text/html; charset=utf-8")
#define STYLE VIEW_INIT("text/css; charset=utf-8")
#define JSON VIEW_INIT("application/json")
#define SCRIPT VIEW_INIT("text/javascript; charset=utf-8")

static const page_file files[] = {
        {VIEW_INIT("page.html"), HTML, page_html_begin, page_html_end},
        {VIEW_INIT("page.css"), STYLE, page_style_begin, page_style_end},
        {VIEW_INIT("default-policy.json"), JSON, page_policy_begin, page_policy_end},
        {VIEW_INIT("page.js"), SCRIPT, page_script_begin, page_script_end},
        {VIEW_INIT("answers.js"), SCRIPT, page_answers_begin, page_answers_end},
        {VIEW_INIT("argon2.js"), SCRIPT, page_argon2_begin, page_argon2_end},
        {VIEW_INIT("argon2_worker.js"), SCRIPT, page_argon2_worker_begin, page_argon2_worker_end},
        {VIEW_INIT("blake2b.js"), SCRIPT, page_blake2b_begin, page_blake2b_end},
        {VIEW_INIT("box.js"), SCRIPT, page_box_begin, page_box_end},
        {VIEW_INIT("bytes.js"), SCRIPT, page_bytes_begin, page_bytes_end},
        {VIEW_INIT("certificate.js"), SCRIPT, page_certificate_begin, page_certificate_end},
        {VIEW_INIT("compose.js"), SCRIPT, page_compose_begin, page_compose_end},
        {VIEW_INIT("dashboard.js"), SCRIPT, page_dashboard_begin, page_dashboard_end},
        {VIEW_INIT("der.js"), SCRIPT, page_der_begin, page_der_end},
        {VIEW_INIT("elements.js"), SCRIPT, page_elements_begin, page_elements_end},
        {VIEW_INIT("keys.js"), SCRIPT, page_keys_begin, page_keys_end},
        {VIEW_INIT("names.js"), SCRIPT, page_names_begin, page_names_end},
        {VIEW_INIT("salsa20.js"), SCRIPT, page_salsa20_begin, page_salsa20_end},
        {VIEW_INIT("seal.js"), SCRIPT, page_seal_begin, page_seal_end},
        {VIEW_INIT("setup.js"), SCRIPT, page_setup_begin, page_setup_end},
        {VIEW_INIT("steps.js"), SCRIPT, page_steps_begin, page_steps_end},
};

static void answer(admin_exchange *x, const page_file *f)
{
        admin_answer(x, &(admin_reply){200, f->type, {f->begin, (size_t)(f->end - f->begin)}, {}});
}

void handle_page(admin_exchange *x) { answer(x, &files[0]); }

void handle_page_file(admin_exchange *x)
{
        for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
                if (view_equal(x->rest, files[i].name)) {
                        answer(x, &files[i]);
                        return;
                }
        admin_answer_error(x, ERR_NO_ROUTE);
}
