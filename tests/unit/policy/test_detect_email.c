#include "find.h"

static const find_row rows[] = {
        {"an address", "write to j.o'dell@corp.example.org.", "EMAIL_ADDRESS=j.o'dell@corp.example.org"},
        {"in angle brackets and quotes", "<a@example.com> 'b@example.com' \"c@example.com\"",
         "EMAIL_ADDRESS=a@example.com EMAIL_ADDRESS=b@example.com EMAIL_ADDRESS=c@example.com"},
        {"mailto is not part of it", "mailto:a@example.com?subject=x", "EMAIL_ADDRESS=a@example.com"},
        {"a plus and capitals", "D.Mbeki+billing@EXAMPLE.COM", "EMAIL_ADDRESS=D.Mbeki+billing@EXAMPLE.COM"},
        {"Chinese around it", "邮箱d@example.com电话", "EMAIL_ADDRESS=d@example.com"},
        {"letters with accents", "jörg@exämple.de", "EMAIL_ADDRESS=jörg@exämple.de"},
        {"an internal domain", "root@db.corp", "EMAIL_ADDRESS=root@db.corp"},
        {"puny code", "a@b.xn--p1ai", "EMAIL_ADDRESS=a@b.xn--p1ai"},
        {"digits that are a telephone belong to it", "13800138000@example.com",
         "EMAIL_ADDRESS=13800138000@example.com"},
        {"no domain", "a@b, @example.com, a@.com, a@b.c", ""},
        {"a version", "npm i left-pad@1.3.0 @scope/pkg@2.0.0-rc.beta", ""},
        {"a picture of double size", "logo@2x.png", ""},
        {"a repository", "git@github.com:owner/repo.git", ""},
        {"a decorator", "@app.route('/x')", ""},
        {"two at signs", "a@b@example.com", "EMAIL_ADDRESS=b@example.com"},
        {"a placeholder of ours before the at sign", "EMAILxT0V9M3RW@example.com", ""},
        {"dots that double", "a..b@example.com", "EMAIL_ADDRESS=b@example.com"},
        {"a hyphen at the end of a label", "a@ex-.com a@example.com-", "EMAIL_ADDRESS=a@example.com"},
};

int main(void)
{
        FIND_ROWS("detect_email", rows);
        return tap_done();
}
