#include "cli/cli_out.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli_log.h"
#include "cli/cli_progress.h"
#include "port/sys.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of what was told, this much is kept. */
#define TOLD_MAX 30000u

static const struct tone {
    const char *event; /* in JSON */
    const char *prefix;
    const char *colour;
    bool is_hidden_by_quiet;
} tones[] = {
    [PO_CLI_SAY] = { "report", "", "", true },
    [PO_CLI_NOTE] = { "note", "note: ", "", true },
    [PO_CLI_WARNING] = { "warning", "warning: ", "\033[33m", false },
    [PO_CLI_PROBLEM] = { "problem", "problem: ", "\033[33m", false },
    [PO_CLI_ERROR] = { "error", "pobackup: ", "\033[31m", false },
    [PO_CLI_HINT] = { "hint", "", "", true },
};

/* Whether a variable is set and neither empty nor `not_this` (NULL: anything counts). */
static bool
has_variable(const char *name, const char *not_this)
{
    struct po_buf value = { 0 };
    bool has = po_sys_put_environment(&value, name) && value.size > 0 &&
               (not_this == NULL || strcmp(po_buf_text(&value), not_this) != 0);

    po_buf_deinit(&value);
    return has;
}

void
po_cli_out_init(struct po_cli_out *out)
{
    bool can_colour = !has_variable("NO_COLOR", NULL) && has_variable("TERM", "dumb");

    *out = (struct po_cli_out){ 0 };
    out->is_stdout_terminal = po_sys_is_terminal(1);
    out->is_stderr_terminal = po_sys_is_terminal(2);
    out->has_stdout_colour = can_colour && out->is_stdout_terminal;
    out->has_stderr_colour = can_colour && out->is_stderr_terminal;
}

void
po_cli_out_deinit(struct po_cli_out *out)
{
    po_buf_deinit(&out->told);
    po_buf_deinit(&out->kept);
    json_decref(out->warnings);
    json_decref(out->error);
    *out = (struct po_cli_out){ 0 };
}

/* ---- text ---- */

void
po_cli_put_message(struct po_buf *to, const char *text)
{
    for (;;) {
        size_t size = strcspn(text, "\\");

        po_text_put_name(to, text, size);
        if (text[size] == '\0')
            return;
        po_buf_put_u8(to, '\\');
        text += size + 1;
    }
}

void
po_cli_put_word(struct po_buf *to, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/+:@%,=-";

    if (text[0] != '\0' && text[0] != '-' && text[strspn(text, plain)] == '\0') {
        po_buf_put_text(to, text);
        return;
    }
    po_buf_put_text(to, text[0] == '-' ? "./'" : "'");
    for (;;) {
        size_t size = strcspn(text, "'\\");

        po_text_put_name(to, text, size);
        if (text[size] == '\0')
            break;
        po_buf_put_text(to, text[size] == '\'' ? "'\\''" : "\\");
        text += size + 1;
    }
    po_buf_put_u8(to, '\'');
}

void
po_cli_put_count(struct po_buf *to, uint64_t count, const char *one, const char *many)
{
    po_buf_printf(to, "%llu %s", (unsigned long long)count, count == 1 ? one : many);
}

/* One line of standard error: the progress line gives way, data that came before stand before. */
static void
put_stderr(struct po_cli_out *out, const char *bytes, size_t size)
{
    if (out->progress != NULL)
        po_cli_progress_clear(out->progress);
    (void)fflush(stdout);
    /* Of an empty line there may be no bytes at all. */
    if (out->is_stderr_terminal) {
        if (size > 0)
            (void)po_sys_write_terminal(2, bytes, size);
        (void)po_sys_write_terminal(2, "\n", 1);
        return;
    }
    if (size > 0)
        (void)fwrite(bytes, 1, size, stderr);
    (void)fputc('\n', stderr);
    (void)fflush(stderr);
}

static void
put_event(struct po_cli_out *out, json_t *event)
{
    char *text = event != NULL ? json_dumps(event, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_malloc_t get = NULL;
    json_free_t release = NULL;

    if (text != NULL)
        put_stderr(out, text, strlen(text));
    json_get_alloc_funcs(&get, &release);
    if (text != NULL)
        release(text);
    json_decref(event);
}

/* Warnings and the first error are in the document too. */
static void
note_for_document(struct po_cli_out *out, enum po_cli_tone tone, const char *text)
{
    if (!po_cli_out_has_document(out) || tone != PO_CLI_WARNING)
        return;
    if (out->warnings == NULL)
        out->warnings = json_array();
    if (json_array_append_new(out->warnings, po_cli_json_text(text)) != 0)
        out->has_failed = true;
}

static void
tell_text(struct po_cli_out *out, enum po_cli_tone tone, const char *text)
{
    const struct tone *how = &tones[tone];
    struct po_buf line = { 0 };

    note_for_document(out, tone, text);
    if (out->is_event_json) {
        put_event(out,
                  json_pack("{s:s, s:o}", "event", how->event, "text", po_cli_json_text(text)));
        return;
    }
    if (out->is_quiet && how->is_hidden_by_quiet)
        return;
    if (out->has_stderr_colour)
        po_buf_put_text(&line, how->colour);
    po_buf_put_text(&line, how->prefix);
    if (out->has_stderr_colour && how->colour[0] != '\0')
        po_buf_put_text(&line, "\033[0m");
    po_cli_put_message(&line, text);
    if (line.failed)
        put_stderr(out, text,
                   strspn(text, "abcdefghijklmnopqrstuvwxyz ")); /* better than silence */
    else
        put_stderr(out, (const char *)line.bytes, line.size);
    po_buf_deinit(&line);
}

/* Told or not, because of --quiet: a log has it. */
void
po_cli_out_keep(struct po_cli_out *out, enum po_cli_tone tone, const char *text)
{
    size_t size = strlen(text);

    /* What is only good to know, or what to type next, is for whoever looks on. */
    if (out->log != NULL && tone != PO_CLI_NOTE && tone != PO_CLI_HINT)
        po_cli_log_line(out->log, tone == PO_CLI_ERROR ? "error: " : tones[tone].prefix, text);
    if (out->told.size + size >= TOLD_MAX)
        return;
    po_buf_put(&out->told, text, size);
    po_buf_put_u8(&out->told, '\n');
}

void
po_cli_out_tell(struct po_cli_out *out, enum po_cli_tone tone, const char *format, ...)
{
    char text[2048];
    char *longer = NULL;
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    /* A path may have 131,072 bytes; when memory is out it is cut. */
    if (length >= (int)sizeof(text))
        longer = po_mem_new((size_t)length + 1, 1);
    if (longer != NULL) {
        va_start(args, format);
        (void)vsnprintf(longer, (size_t)length + 1, format, args);
        va_end(args);
    }
    po_cli_out_keep(out, tone, longer != NULL ? longer : text);
    tell_text(out, tone, longer != NULL ? longer : text);
    po_mem_free(longer);
}

void
po_cli_out_item(struct po_cli_out *out, const char *path, size_t path_size, const char *reason)
{
    struct po_buf line = { 0 };

    po_text_put_name(&line, path, path_size);
    po_buf_put_text(&line, ": ");
    po_buf_put_text(&line, reason);
    if (!out->is_event_json) {
        po_cli_out_tell(out, PO_CLI_PROBLEM, "%s", po_buf_text(&line));
    } else {
        po_cli_out_keep(out, PO_CLI_PROBLEM, po_buf_text(&line));
        put_event(out,
                  json_pack("{s:s, s:o, s:o}", "event", "item",
                            po_cli_json_path_key(path, path_size),
                            po_cli_json_path(path, path_size), "text", po_cli_json_text(reason)));
    }
    po_buf_deinit(&line);
}

/* ---- data ---- */

bool
po_cli_out_data(struct po_cli_out *out, const void *bytes, size_t size)
{
    if (out->progress != NULL && out->is_stdout_terminal)
        po_cli_progress_clear(out->progress);
    if (out->is_stdout_terminal)
        return po_sys_write_terminal(1, bytes, size);
    /* After what is lost comes nothing: a document without its middle could pass for a whole one. */
    if (ferror(stdout) != 0)
        return false;
    return fwrite(bytes, 1, size, stdout) == size;
}

bool
po_cli_out_line(struct po_cli_out *out, struct po_buf *line)
{
    bool is_good;

    po_buf_put_u8(line, '\n');
    is_good = !line->failed && po_cli_out_data(out, line->bytes, line->size);
    po_buf_clear(line);
    return is_good;
}

enum po_status
po_cli_out_flush(struct po_cli_out *out, struct po_err *err)
{
    if (out->has_failed)
        return po_fail(err, PO_E_NOMEM, "out of memory for the JSON document");
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        return po_fail(err, PO_E_IO, "standard output could not be written");
    return PO_OK;
}
