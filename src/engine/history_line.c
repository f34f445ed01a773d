#include "engine/history_line.h"

#include "archive/manifest.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define PART_KEY "files_%s"
#define PART_KEY_SIZE 32

static const char *const check_names[] = { [PO_HISTORY_UNCHECKED] = "none",
                                           [PO_HISTORY_FRAMES] = "frames",
                                           [PO_HISTORY_QUICK] = "quick",
                                           [PO_HISTORY_DEEP] = "deep" };

#define CHECK_COUNT (sizeof check_names / sizeof check_names[0])

const char *
po_history_check_name(enum po_history_check check)
{
    return (size_t)check < CHECK_COUNT ? check_names[check] : check_names[PO_HISTORY_UNCHECKED];
}

/* ---- printing ---- */

/* Text that is UTF-8, as a JSON string. */
static void
put_string(struct po_buf *out, const char *text)
{
    po_buf_put_u8(out, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            po_buf_printf(out, "\\%c", c);
        else if (c < 0x20)
            po_buf_printf(out, "\\u%04x", c);
        else
            po_buf_put_u8(out, c);
    }
    po_buf_put_u8(out, '"');
}

/* Bytes that are not UTF-8 are told apart by the key. */
static void
put_bytes(struct po_buf *out, const char *key, const char *text)
{
    size_t size;

    if (text == NULL)
        return;
    size = strlen(text);
    if (po_text_is_utf8(text, size)) {
        po_buf_printf(out, ",\"%s\":", key);
        put_string(out, text);
    } else {
        po_buf_printf(out, ",\"%s_hex\":\"", key);
        po_text_put_hex(out, text, size);
        po_buf_put_u8(out, '"');
    }
}

static void
put_time(struct po_buf *out, int64_t time)
{
    po_buf_put_u8(out, '"');
    po_text_put_time(out, time);
    po_buf_put_u8(out, '"');
}

static void
put_hex(struct po_buf *out, const char *key, const uint8_t *bytes, size_t size)
{
    po_buf_printf(out, ",\"%s\":\"", key);
    po_text_put_hex(out, bytes, size);
    po_buf_put_u8(out, '"');
}

/* Whole milliseconds: no locale has a say in them. */
static void
put_seconds(struct po_buf *out, const char *key, double seconds)
{
    double ms = seconds * 1000 + 0.5;

    if (seconds >= 0 && ms < 9e15)
        po_buf_printf(out, ",\"%s\":%" PRIu64, key, (uint64_t)ms);
}

static void
put_u64(struct po_buf *out, const char *key, uint64_t number)
{
    if (number <= INT64_MAX)
        po_buf_printf(out, ",\"%s\":%" PRIu64, key, number);
}

/* "files_bin", "files_spool", "files_mailbox" */
static void
put_parts(struct po_buf *out, const struct po_history_run *run)
{
    for (unsigned part = 0; part < PO_PART_COUNT; part++) {
        char key[PART_KEY_SIZE];

        (void)snprintf(key, sizeof key, PART_KEY, po_part_name((enum po_part)part));
        if (run->part_files[part] > 0)
            put_u64(out, key, run->part_files[part]);
    }
}

void
po_history_line_put(struct po_buf *out, const struct po_history_run *run)
{
    po_buf_put_text(out, "{\"time\":");
    put_time(out, run->time);
    po_buf_put_text(out, ",\"verb\":");
    put_string(out, run->verb);
    put_bytes(out, "site", run->site);
    po_buf_printf(out, ",\"exit_code\":%d", run->exit_code);
    put_seconds(out, "ms", run->seconds);
    put_seconds(out, "outage_ms", run->outage_seconds);
    put_u64(out, "files", run->files);
    put_u64(out, "bytes", run->bytes);
    put_parts(out, run);
    if (run->excluded > 0)
        put_u64(out, "excluded", run->excluded);
    put_bytes(out, "archive", run->archive);
    if (run->has_archive_id) {
        put_hex(out, "archive_id", run->archive_id, PO_ID_SIZE);
        put_hex(out, "digest", run->digest, PO_DIGEST_SIZE);
        if (run->archive_bytes > 0)
            put_u64(out, "archive_bytes", run->archive_bytes);
    }
    if (run->created != POBACKUP_TIME_UNKNOWN) {
        po_buf_put_text(out, ",\"created\":");
        put_time(out, run->created);
    }
    put_bytes(out, "archive_site", run->archive_site);
    if (run->is_complete)
        po_buf_put_text(out, ",\"complete\":true");
    if (run->check != PO_HISTORY_UNCHECKED)
        po_buf_printf(out, ",\"check\":\"%s\",\"whole\":%s", po_history_check_name(run->check),
                      run->is_whole ? "true" : "false");
    put_bytes(out, "untold", run->untold);
    if (run->has_free)
        put_u64(out, "free", run->free_bytes);
    po_buf_put_text(out, "}\n");
}

/* ---- parsing ---- */

struct object {
    const json_t *json;
    struct po_history_line *line;
    size_t text_count;
};

static uint64_t
get_u64(const struct object *object, const char *key)
{
    const json_t *value = json_object_get(object->json, key);

    return json_is_integer(value) && json_integer_value(value) > 0
               ? (uint64_t)json_integer_value(value)
               : 0;
}

static bool
get_time(const struct object *object, const char *key, int64_t *out)
{
    const char *text = json_string_value(json_object_get(object->json, key));

    return text != NULL && po_text_parse_time(text, out);
}

static bool
get_hex(const struct object *object, const char *key, uint8_t *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object->json, key));

    return text != NULL && strlen(text) == size * 2 && po_text_parse_hex(text, out, size);
}

/* *out stays NULL when it is not there. */
static enum po_status
get_text(struct object *object, const char *key, const char **out, struct po_err *err)
{
    char hex_key[32] = "";
    const char *text = json_string_value(json_object_get(object->json, key));
    const char *hex;
    size_t size;
    char *copy;

    memcpy(hex_key, key, strlen(key));
    memcpy(hex_key + strlen(key), "_hex", sizeof "_hex");
    hex = json_string_value(json_object_get(object->json, hex_key));
    if (text == NULL && hex == NULL)
        return PO_OK;
    size = text != NULL ? strlen(text) : strlen(hex) / 2;
    copy = po_mem_new(size + 1, 1);
    if (copy == NULL)
        return po_fail_nomem(err, size);
    if (text != NULL)
        memcpy(copy, text, size);
    else if (!po_text_parse_hex(hex, (uint8_t *)copy, size))
        copy[0] = '\0';
    object->line->texts[object->text_count++] = copy;
    *out = copy;
    return PO_OK;
}

static void
get_parts(const struct object *object, struct po_history_run *run)
{
    for (unsigned part = 0; part < PO_PART_COUNT; part++) {
        char key[PART_KEY_SIZE];

        (void)snprintf(key, sizeof key, PART_KEY, po_part_name((enum po_part)part));
        run->part_files[part] = get_u64(object, key);
    }
}

static void
get_archive(const struct object *object, struct po_history_run *run)
{
    const char *check = json_string_value(json_object_get(object->json, "check"));

    run->has_archive_id = get_hex(object, "archive_id", run->archive_id, PO_ID_SIZE);
    if (!get_hex(object, "digest", run->digest, PO_DIGEST_SIZE))
        memset(run->digest, 0, PO_DIGEST_SIZE);
    run->archive_bytes = get_u64(object, "archive_bytes");
    if (!get_time(object, "created", &run->created))
        run->created = POBACKUP_TIME_UNKNOWN;
    run->is_complete = json_is_true(json_object_get(object->json, "complete"));
    for (size_t i = 0; check != NULL && i < CHECK_COUNT; i++)
        if (strcmp(check, check_names[i]) == 0)
            run->check = (enum po_history_check)i;
    run->is_whole =
        run->check != PO_HISTORY_UNCHECKED && json_is_true(json_object_get(object->json, "whole"));
    run->has_free = json_is_integer(json_object_get(object->json, "free"));
    run->free_bytes = get_u64(object, "free");
}

static enum po_status
get_run(struct object *object, struct po_history_run *run, struct po_err *err)
{
    const json_t *code = json_object_get(object->json, "exit_code");
    enum po_status st;

    if (!get_time(object, "time", &run->time))
        return po_fail(err, PO_E_FORMAT, "history: a line without a time");
    run->exit_code =
        json_is_integer(code) && json_integer_value(code) >= 0 && json_integer_value(code) <= 255
            ? (int)json_integer_value(code)
            : -1;
    run->seconds = (double)get_u64(object, "ms") / 1000;
    run->outage_seconds = json_is_integer(json_object_get(object->json, "outage_ms"))
                              ? (double)get_u64(object, "outage_ms") / 1000
                              : -1;
    run->files = get_u64(object, "files");
    run->bytes = get_u64(object, "bytes");
    get_parts(object, run);
    run->excluded = get_u64(object, "excluded");
    get_archive(object, run);
    if (!json_is_string(json_object_get(object->json, "verb")))
        return po_fail(err, PO_E_FORMAT, "history: a line without a verb");
    st = get_text(object, "verb", &run->verb, err);
    if (st == PO_OK)
        st = get_text(object, "site", &run->site, err);
    if (st == PO_OK)
        st = get_text(object, "archive", &run->archive, err);
    if (st == PO_OK)
        st = get_text(object, "archive_site", &run->archive_site, err);
    if (st == PO_OK)
        st = get_text(object, "untold", &run->untold, err);
    return st;
}

static enum po_status
parse(struct po_history_line *line, const char *bytes, size_t size, struct po_err *err)
{
    struct object object = { .line = line };
    json_error_t problem;
    json_t *root;
    enum po_status st;

    *line = (struct po_history_line){ 0 };
    /* A line that was cut off, or that a disk has filled with zeros. */
    if (size < 2 || bytes[0] != '{' || bytes[size - 1] != '}' || memchr(bytes, 0, size) != NULL ||
        !po_json_is_small(bytes, size))
        return po_fail(err, PO_E_FORMAT, "history: a line that is no record");
    root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL &&
        (problem.text[0] == '\0' || json_error_code(&problem) == json_error_out_of_memory))
        return po_fail_nomem(err, size);
    if (root == NULL)
        return po_fail(err, PO_E_FORMAT, "history: %s", problem.text);
    object.json = root;
    st = get_run(&object, &line->run, err);
    if (st != PO_OK)
        po_history_line_deinit(line);
    json_decref(root);
    return st;
}

/* Twice: jansson takes a string for which it has no memory for one that is malformed. */
enum po_status
po_history_line_parse(struct po_history_line *line, const void *bytes, size_t size,
                      struct po_err *err)
{
    enum po_status st = parse(line, bytes, size, err);

    return st == PO_E_FORMAT ? parse(line, bytes, size, err) : st;
}

void
po_history_line_deinit(struct po_history_line *line)
{
    for (size_t i = 0; i < PO_HISTORY_TEXTS; i++)
        po_mem_free(line->texts[i]);
    *line = (struct po_history_line){ 0 };
}
