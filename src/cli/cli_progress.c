#include "cli/cli_progress.h"

#include "base/text.h"
#include "cli/cli_out.h"
#include "port/sys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REDRAW_SECONDS 0.1
#define COLUMNS_DEFAULT 80u
#define COLUMNS_MAX 1000u
#define RATE_MIN_SECONDS 0.5 /* before that a rate is a guess */

void
po_cli_progress_init(struct po_cli_progress *progress, struct po_cli_out *out)
{
    struct po_buf columns = { 0 };
    uint64_t wide = 0;

    *progress = (struct po_cli_progress){ .out = out, .columns = COLUMNS_DEFAULT };
    progress->is_shown = out->is_stderr_terminal && !out->is_quiet && !out->is_event_json;
    if (po_sys_put_environment(&columns, "COLUMNS") &&
        po_text_parse_u64(po_buf_text(&columns), COLUMNS_MAX, &wide) && wide >= 20)
        progress->columns = (unsigned)wide;
    po_buf_deinit(&columns);
}

void
po_cli_progress_clear(struct po_cli_progress *progress)
{
    char blank[COLUMNS_MAX + 2];

    if (!progress->is_drawn)
        return;
    memset(blank, ' ', sizeof(blank));
    /* Not by an escape sequence: older consoles of Windows would show it. */
    blank[0] = '\r';
    blank[progress->columns] = '\r';
    (void)po_sys_write_terminal(2, blank, progress->columns + 1);
    progress->is_drawn = false;
}

/*
 * Cuts a safe line to the terminal's width, or it would wrap and could not be rewritten. All that
 * is not ASCII is taken for two columns wide: without a table of widths too short is better than
 * too long.
 */
static size_t
fitting(const char *text, size_t size, unsigned columns)
{
    unsigned used = 0;
    size_t at = 0;

    while (at < size) {
        size_t step = po_text_utf8_step(text + at, size - at);

        used += step == 1 ? 1 : 2;
        if (used >= columns)
            break;
        at += step > 0 ? step : 1;
    }
    return at;
}

static void
put_counters(struct po_buf *line, const struct po_cli_progress *progress, double now)
{
    const struct po_event *last = &progress->last;
    double seconds = now - progress->began;
    double rate = 0;

    po_text_put_size(line, last->bytes_done);
    if (last->bytes_total > 0) {
        po_buf_put_text(line, " of ");
        po_text_put_size(line, last->bytes_total);
    }
    if (last->files_total > 0)
        po_buf_printf(line, "  %llu/%llu files", (unsigned long long)last->files_done,
                      (unsigned long long)last->files_total);
    else if (last->files_done > 0)
        po_buf_printf(line, "  %llu files", (unsigned long long)last->files_done);
    if (seconds < RATE_MIN_SECONDS || last->bytes_done <= progress->began_at)
        return;
    rate = (double)(last->bytes_done - progress->began_at) / seconds;
    po_buf_put_text(line, "  ");
    po_text_put_size(line, (uint64_t)rate);
    po_buf_put_text(line, "/s");
    if (last->bytes_total > last->bytes_done && rate > 0) {
        po_buf_put_text(line, "  ");
        po_text_put_seconds(line, (double)(last->bytes_total - last->bytes_done) / rate);
        po_buf_put_text(line, " left");
    }
}

/* The phase gives way to the counters: those are what changes. */
static void
put_line(struct po_buf *line, const struct po_cli_progress *progress, double now)
{
    struct po_buf phase = { 0 };
    struct po_buf counters = { 0 };
    unsigned used;

    po_cli_put_message(&phase, progress->phase);
    if (progress->has_counters)
        put_counters(&counters, progress, now);
    used = (unsigned)counters.size + (counters.size > 0 ? 2 : 0); /* ASCII */
    if (used < progress->columns) {
        po_buf_put(line, phase.bytes,
                   fitting((const char *)phase.bytes, phase.size, progress->columns - used));
        if (line->size > 0 && counters.size > 0)
            po_buf_put_text(line, "  ");
    }
    po_buf_put(line, counters.bytes,
               fitting((const char *)counters.bytes, counters.size, progress->columns));
    line->failed = line->failed || phase.failed || counters.failed;
    po_buf_deinit(&phase);
    po_buf_deinit(&counters);
}

static void
draw(struct po_cli_progress *progress, bool is_urgent)
{
    double now = po_sys_monotonic();
    struct po_buf line = { 0 };

    if (!progress->is_shown || (!is_urgent && now - progress->drawn_at < REDRAW_SECONDS))
        return;
    put_line(&line, progress, now);
    if (!line.failed && line.size > 0) {
        (void)fflush(stdout);
        po_cli_progress_clear(progress);
        (void)po_sys_write_terminal(2, line.bytes, line.size);
        progress->is_drawn = true;
        progress->drawn_at = now;
    }
    po_buf_deinit(&line);
}

static void
take_counters(struct po_cli_progress *progress, const struct po_event *event)
{
    /* Counters that go back count something else. */
    if (!progress->has_counters || event->bytes_done < progress->last.bytes_done) {
        progress->began = po_sys_monotonic();
        progress->began_at = event->bytes_done;
    }
    progress->last = *event;
    progress->last.text = NULL;
    progress->last.path = NULL;
    progress->has_counters = true;
}

/* Notes, warnings and items become JSON in cli_out.c. */
static void
tell_json(struct po_cli_progress *progress, const struct po_event *event)
{
    double now = po_sys_monotonic();
    bool is_end = event->bytes_total > 0 && event->bytes_done == event->bytes_total;
    json_t *line;
    FILE *to = stderr;

    if (event->kind == PO_EVENT_PHASE) {
        line = json_pack("{s:s, s:o}", "event", "phase", "text", po_cli_json_text(event->text));
    } else {
        if (!is_end && now - progress->told_at < REDRAW_SECONDS)
            return;
        progress->told_at = now;
        line = json_pack("{s:s, s:o, s:o, s:o, s:o, s:f}", "event", "progress", "bytes_done",
                         po_cli_json_u64(event->bytes_done), "bytes_total",
                         po_cli_json_u64(event->bytes_total), "files_done",
                         po_cli_json_u64(event->files_done), "files_total",
                         po_cli_json_u64(event->files_total), "seconds", now - progress->began);
    }
    if (line != NULL && json_dumpf(line, to, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0)
        (void)fputc('\n', to);
    json_decref(line);
}

void
po_cli_progress_event(void *ctx, const struct po_event *event)
{
    struct po_cli_progress *progress = ctx;
    const char *text = event->text != NULL ? event->text : "";

    switch (event->kind) {
    case PO_EVENT_PHASE:
        (void)snprintf(progress->phase, sizeof(progress->phase), "%s", text);
        progress->has_counters = false;
        if (progress->out->is_event_json)
            tell_json(progress, event);
        draw(progress, true);
        break;
    case PO_EVENT_PROGRESS:
        take_counters(progress, event);
        if (progress->out->is_event_json)
            tell_json(progress, event);
        draw(progress, progress->drawn_at <= 0);
        break;
    case PO_EVENT_NOTE:
        po_cli_out_tell(progress->out, PO_CLI_NOTE, "%s", text);
        break;
    case PO_EVENT_WARNING:
        po_cli_out_tell(progress->out, PO_CLI_WARNING, "%s", text);
        break;
    case PO_EVENT_ITEM:
        if (progress->tells_items || progress->out->is_event_json)
            po_cli_out_item(progress->out, event->path != NULL ? event->path : "", event->path_size,
                            text);
        break;
    }
}
