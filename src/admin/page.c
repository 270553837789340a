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
PAGE_FILE(script, "src/admin/page/page.js");

typedef struct page_file {
        view           name, type;
        const uint8_t *begin, *end;
} page_file;

#define HTML VIEW_INIT("text/html; charset=utf-8")
#define STYLE VIEW_INIT("text/css; charset=utf-8")
#define SCRIPT VIEW_INIT("text/javascript; charset=utf-8")

static const page_file files[] = {
        {VIEW_INIT("page.html"), HTML, page_html_begin, page_html_end},
        {VIEW_INIT("page.css"), STYLE, page_style_begin, page_style_end},
        {VIEW_INIT("page.js"), SCRIPT, page_script_begin, page_script_end},
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
