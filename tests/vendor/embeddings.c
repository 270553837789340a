#include "exchange.h"

#include <string.h>

/* Tells apart a single input from a list: one string, or one array of token numbers, is one input. */
static bool one_input(const json_doc *doc, int input)
{
        return json_is(doc, input, JSON_STRING) || json_is(doc, json_first(doc, input), JSON_NUMBER);
}

static uint64_t input_tokens(const json_doc *doc, int input)
{
        if (json_is(doc, input, JSON_STRING))
                return tokens_of(json_str(doc, input).len);
        return (uint64_t)doc->nodes[input].count;
}

void embeddings_begin(exchange *x, vendor *v)
{
        const json_doc *doc = &v->doc;
        int input = json_member(doc, 0, "input");
        if (!json_is(doc, input, JSON_STRING) && json_first(doc, input) < 0) {
                exchange_error(x, 400, SLICE("'input' cannot be empty."), nullptr, "input");
                return;
        }
        for (int i = one_input(doc, input) ? input : json_first(doc, input); i >= 0; i = json_next(doc, i)) {
                x->usage.prompt += input_tokens(doc, i);
                if (v->words.len > 0)
                        text_str(&v->words, "\n");
                text_slice(&v->words, json_str(doc, i));
                if (i == input)
                        break;
        }
        if (x->usage.prompt == 0)
                x->usage.prompt = 1;
}

/* Coordinate `i` of an input: a whole number of 1/1024, so that text and base64 form say exactly the same. */
static int32_t coordinate(slice s, uint64_t i)
{
        uint32_t hash = 2166136261u + (uint32_t)i * 16777619u;
        for (size_t k = 0; k < s.len; k++)
                hash = (hash ^ (unsigned char)s.at[k]) * 16777619u;
        return (int32_t)(hash >> 8 & 2047) - 1024;
}

static void put_base64(text *out, const unsigned char *bytes, size_t len)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (size_t i = 0; i < len; i += 3) {
                uint32_t group = (uint32_t)bytes[i] << 16;
                if (i + 1 < len)
                        group |= (uint32_t)bytes[i + 1] << 8;
                if (i + 2 < len)
                        group |= bytes[i + 2];
                char four[4] = {digits[group >> 18], digits[group >> 12 & 63], '=', '='};
                if (i + 1 < len)
                        four[2] = digits[group >> 6 & 63];
                if (i + 2 < len)
                        four[3] = digits[group & 63];
                text_add(out, four, 4);
        }
}

static void put_vector(text *out, slice s, uint64_t dimensions, bool base64)
{
        text raw = {};
        if (!base64)
                text_str(out, "[");
        for (uint64_t i = 0; i < dimensions; i++) {
                float f = (float)coordinate(s, i) / 1024.0f;
                if (base64)
                        text_add(&raw, (const char *)&f, sizeof f);
                else
                        text_fmt(out, "%s%.10f", i == 0 ? "" : ",", (double)f);
        }
        if (base64) {
                text_str(out, "\"");
                put_base64(out, (const unsigned char *)raw.bytes, raw.len);
                text_str(out, "\"");
        } else {
                text_str(out, "]");
        }
        text_free(&raw);
}

void embeddings_body(exchange *x, vendor *v)
{
        const json_doc *doc = &v->doc;
        text *out = &x->reply;
        int input = json_member(doc, 0, "input"), asked = json_member(doc, 0, "dimensions");
        bool base64 = slice_is(json_str(doc, json_member(doc, 0, "encoding_format")), "base64");
        uint64_t dimensions = 8, index = 0;
        if (json_is(doc, asked, JSON_NUMBER)
            && (!slice_number((slice){doc->input.at + doc->nodes[asked].str, doc->nodes[asked].str_len}, &dimensions)
                || dimensions == 0 || dimensions > 4096)) {
                exchange_error(x, 400, SLICE("'dimensions' must be 1 to 4096."), "invalid_value", "dimensions");
                return;
        }
        text_str(out, "{\"object\":\"list\",\"data\":[");
        for (int i = one_input(doc, input) ? input : json_first(doc, input); i >= 0; i = json_next(doc, i)) {
                text_fmt(out, "%s{\"object\":\"embedding\",\"index\":%lu,\"embedding\":", index == 0 ? "" : ",", index);
                put_vector(out, json_str(doc, i), dimensions, base64);
                text_str(out, "}");
                index++;
                if (i == input)
                        break;
        }
        text_str(out, "],\"model\":\"");
        text_json(out, (slice){x->model, x->model_len}, false);
        text_fmt(out, "\",\"usage\":{\"prompt_tokens\":%lu,\"total_tokens\":%lu}}", x->usage.prompt, x->usage.prompt);
}
