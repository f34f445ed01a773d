/* The JSON document of cli_out.h. */
#include "cli/cli_out.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* ---- writing ---- */

bool
po_cli_out_has_document(const struct po_cli_out *out)
{
    return out->is_json || out->is_kept;
}

/* A failing write is told by po_cli_out_flush. */
static void
put_bytes(struct po_cli_out *out, const char *bytes, size_t size)
{
    if (out->is_kept)
        po_buf_put(&out->kept, bytes, size);
    if (out->is_json && !out->is_muted)
        (void)po_cli_out_data(out, bytes, size);
}

static void
put(struct po_cli_out *out, const char *text)
{
    put_bytes(out, text, strlen(text));
}

static int
dump(const char *bytes, size_t size, void *ctx)
{
    put_bytes(ctx, bytes, size);
    return 0;
}

/* Takes the value over. */
static void
put_value(struct po_cli_out *out, json_t *value)
{
    if (value == NULL) {
        out->has_failed = true;
        put(out, "null");
        return;
    }
    (void)json_dump_callback(value, dump, out,
                             JSON_ENCODE_ANY | JSON_PRESERVE_ORDER | JSON_COMPACT);
    json_decref(value);
}

static void
put_key(struct po_cli_out *out, const char *key)
{
    put(out, out->has_member ? ",\n \"" : "{\"");
    put(out, key); /* ours: needs no escapes */
    put(out, "\": ");
    out->has_member = true;
}

void
po_cli_json_begin(struct po_cli_out *out, const char *verb)
{
    if (!po_cli_out_has_document(out))
        return;
    out->is_open = true;
    out->has_member = false;
    po_cli_json_member(out, "verb", po_cli_json_text(verb));
}

void
po_cli_json_member(struct po_cli_out *out, const char *key, json_t *value)
{
    if (!out->is_open) {
        json_decref(value);
        return;
    }
    po_cli_json_array_end(out);
    put_key(out, key);
    put_value(out, value);
}

void
po_cli_json_array_begin(struct po_cli_out *out, const char *key)
{
    if (!out->is_open)
        return;
    po_cli_json_array_end(out);
    put_key(out, key);
    put(out, "[");
    out->is_in_array = true;
    out->has_item = false;
}

void
po_cli_json_item(struct po_cli_out *out, json_t *value)
{
    if (!out->is_in_array) {
        json_decref(value);
        return;
    }
    put(out, out->has_item ? ",\n  " : "\n  ");
    put_value(out, value);
    out->has_item = true;
}

void
po_cli_json_array_end(struct po_cli_out *out)
{
    if (!out->is_in_array)
        return;
    put(out, "]");
    out->is_in_array = false;
}

void
po_cli_json_text_begin(struct po_cli_out *out, const char *key)
{
    if (!out->is_open)
        return;
    put_key(out, key);
    put(out, "\"");
}

void
po_cli_json_text_end(struct po_cli_out *out)
{
    if (out->is_open)
        put(out, "\"");
}

void
po_cli_json_end(struct po_cli_out *out, int exit_code)
{
    if (!out->is_open)
        return;
    if (out->warnings != NULL)
        po_cli_json_member(out, "warnings", json_incref(out->warnings));
    if (out->error != NULL)
        po_cli_json_member(out, "error", json_incref(out->error));
    po_cli_json_member(out, "exit_code", json_integer(exit_code));
    put(out, "}\n");
    out->is_open = false;
}

void
po_cli_json_put_document(struct po_cli_out *out, int exit_code, struct po_buf *to)
{
    size_t size = out->kept.size;
    bool has_member = out->has_member;
    bool is_in_array = out->is_in_array;
    bool has_item = out->has_item;

    if (!out->is_kept || !out->is_open)
        return;
    out->is_muted = true;
    po_cli_json_end(out, exit_code);
    po_buf_put(to, out->kept.bytes, out->kept.size);
    if (out->kept.failed || out->has_failed)
        to->failed = true;
    out->kept.size = size;
    out->is_muted = false;
    out->is_open = true;
    out->has_member = has_member;
    out->is_in_array = is_in_array;
    out->has_item = has_item;
}

/* ---- values ---- */

json_t *
po_cli_json_text(const char *text)
{
    struct po_buf clean = { 0 };
    size_t size;
    json_t *value;

    if (text == NULL)
        return json_null();
    size = strlen(text);
    if (po_text_is_utf8(text, size))
        return json_stringn(text, size);
    for (size_t at = 0; at < size;) {
        size_t step = po_text_utf8_step(text + at, size - at);

        if (step > 0)
            po_buf_put(&clean, text + at, step);
        else
            po_buf_put_u8(&clean, '?');
        at += step > 0 ? step : 1;
    }
    value = clean.failed ? NULL : json_stringn((const char *)clean.bytes, clean.size);
    po_buf_deinit(&clean);
    return value;
}

json_t *
po_cli_json_u64(uint64_t number)
{
    /* Sizes and counts of an archive may be absurd; JSON has no unsigned integers. */
    return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

json_t *
po_cli_json_hex(const void *bytes, size_t size)
{
    struct po_buf hex = { 0 };
    json_t *value;

    po_text_put_hex(&hex, bytes, size);
    value = hex.failed ? NULL : json_stringn((const char *)hex.bytes, hex.size);
    po_buf_deinit(&hex);
    return value;
}

json_t *
po_cli_json_time(int64_t time)
{
    struct po_buf text = { 0 };
    json_t *value;

    if (time == POBACKUP_TIME_UNKNOWN)
        return json_null();
    po_text_put_time(&text, time);
    value = text.failed ? NULL : json_stringn((const char *)text.bytes, text.size);
    po_buf_deinit(&text);
    return value;
}

const char *
po_cli_json_path_key(const char *path, size_t path_size)
{
    return po_text_is_utf8(path, path_size) ? "path" : "path_hex";
}

json_t *
po_cli_json_path(const char *path, size_t path_size)
{
    return po_text_is_utf8(path, path_size) ? json_stringn(path, path_size)
                                            : po_cli_json_hex(path, path_size);
}

json_t *
po_cli_json_plain_path(const char *path, size_t path_size)
{
    if (po_text_is_utf8(path, path_size))
        return json_stringn(path, path_size);
    return json_pack("{s:o}", "hex", po_cli_json_hex(path, path_size));
}

json_t *
po_cli_json_err(const struct po_err *err)
{
    return json_pack("{s:s, s:o}", "status", po_status_name(err->status), "message",
                     po_cli_json_text(err->text));
}
