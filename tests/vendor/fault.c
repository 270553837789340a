#include "fault.h"

#include <string.h>

static const struct {
        const char *name;
        size_t offset;
        uint64_t fallback;
        const char *what;
} numbers[] = {
#define FAULT(name, fallback, what) {#name, offsetof(fault, name), fallback, what},
#include "fault.def"
#undef FAULT
};

static const struct {
        const char *name;
        size_t offset;
        const char *what;
} words[] = {
        {"fixture", offsetof(fault, fixture), "NAME: send NAME.sse of --fixtures as the stream"},
        {"raw", offsetof(fault, raw), "NAME: send the file NAME of --raws instead of a response, then close"},
        {"finish", offsetof(fault, finish), "WORD: the finish_reason"},
        {"code", offsetof(fault, code), "WORD: with status or an error event, the error code"},
        {"after", offsetof(fault, after),
         "FORM: of retry_after: ms azure fraction date rfc850 asctime skewed past garbage negative huge empty zero "
         "text reset; skewed and ahead: of Date too"},
        {"dialect", offsetof(fault, dialect),
         "VENDOR: with status, whose error body: glm kimi qwen qianfan siliconflow mistral xai together openrouter "
         "gemini vllm llamacpp"},
        {"body", offsetof(fault, body), "KIND: with status, instead of the error body: html empty endless text array"},
        {"endless", offsetof(fault, endless), "KIND: a stream with too much of: line event comment tiny"},
        {"usage", offsetof(fault, usage),
         "KIND: twice cumulative negative huge string fraction wrong null; choice (Kimi) and x_groq (Groq): there too"},
        {"prefill", offsetof(fault, prefill), "prefix or partial: continue only a message that says so"},
        {"lognormal", offsetof(fault, lognormal), "MEDIAN_MS:SIGMA: first_token_ms drawn anew for each exchange"},
};

static bool set_number(fault *out, slice key, slice value)
{
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
                if (!slice_is(key, numbers[i].name))
                        continue;
                uint64_t n = 1;
                if (value.at != nullptr && !slice_number(value, &n))
                        return false;
                memcpy((char *)out + numbers[i].offset, &n, sizeof n);
                return true;
        }
        return false;
}

/* A name becomes part of a path: it must stay in its folder. */
static bool word_is_safe(slice s)
{
        for (size_t i = 0; i < s.len; i++) {
                char c = s.at[i];
                if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-'
                      || ((c == '.' || c == ':') && i > 0)))
                        return false;
        }
        return s.len > 0 && s.len < 100;
}

static bool set_word(fault *out, slice key, slice value)
{
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
                if (slice_is(key, words[i].name) && word_is_safe(value)) {
                        memcpy((char *)out + words[i].offset, &value, sizeof value);
                        return true;
                }
        }
        return false;
}

static size_t length_before(slice s, const char *stops)
{
        size_t len = 0;
        while (len < s.len && strchr(stops, s.at[len]) == nullptr)
                len++;
        return len;
}

void fault_clear(fault *out)
{
        *out = (fault){};
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
                memcpy((char *)out + numbers[i].offset, &numbers[i].fallback, sizeof numbers[i].fallback);
}

slice fault_words(slice model)
{
        if (model.len < 5 || memcmp(model.at, "mock:", 5) != 0)
                return (slice){};
        return (slice){model.at + 5, model.len - 5};
}

bool fault_add(slice rest, fault *out)
{
        while (rest.len > 0) {
                slice key = {rest.at, length_before(rest, ",/")}, value = {};
                size_t used = key.len + (key.len < rest.len), name_len = length_before(key, "=:");
                rest = (slice){rest.at + used, rest.len - used};
                if (name_len < key.len) {
                        value = (slice){key.at + name_len + 1, key.len - name_len - 1};
                        key.len = name_len;
                }
                if (!set_number(out, key, value) && !set_word(out, key, value))
                        return false;
        }
        if (out->error_event != 0 && out->error_after == 0)
                out->error_after = 2;
        return true;
}

void fault_manual(text *out)
{
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
                text_fmt(out, "  %-16s %s\n", numbers[i].name, numbers[i].what);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                text_fmt(out, "  %-16s %s\n", words[i].name, words[i].what);
}
