#include "cli/cli_metrics.h"

#include "archive/entry.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#define PREFIX "pobackup_"
#define STEPS_A_SECOND INT64_C(10000000)

enum family {
    RUN_TIME,
    RUN_SUCCESS,
    RUN_EXIT_CODE,
    RUN_DURATION,
    RUN_OUTAGE,
    RUN_FILES,
    RUN_BYTES,
    RUN_ARCHIVE_BYTES,
    SUCCESS_TIME,
    VERIFIED_TIME,
    FAMILY_COUNT
};

static const struct {
    const char *name; /* behind the prefix */
    const char *help;
} families[FAMILY_COUNT] = {
    [RUN_TIME] = { "last_run_timestamp_seconds", "When the last run ended." },
    [RUN_SUCCESS] = { "last_run_success", "1 when its exit code was 0, else 0." },
    [RUN_EXIT_CODE] = { "last_run_exit_code", "Its exit code." },
    [RUN_DURATION] = { "last_run_duration_seconds", "How long it took." },
    [RUN_OUTAGE] = { "last_run_outage_seconds", "How long the services were down." },
    [RUN_FILES] = { "last_run_files", "Files that it saved, checked or restored." },
    [RUN_BYTES] = { "last_run_bytes", "Bytes in these files." },
    [RUN_ARCHIVE_BYTES] = { "last_run_archive_bytes", "Bytes of the archive." },
    [SUCCESS_TIME] = { "last_success_timestamp_seconds",
                       "When the last run ended whose exit code was 0." },
    [VERIFIED_TIME] = { "last_verified_timestamp_seconds",
                        "When a backup of the site was last found whole, byte by byte." },
};

/* One line of the old file: a name, and from '{' to '}' its labels. */
struct sample {
    const char *line;
    size_t size; /* without the newline */
    size_t name_size;
    size_t labels_size;
};

/* ---- values ---- */

/* As the format has it: '\', '"' and newline escaped, UTF-8. */
static void
put_label_value(struct po_buf *out, const char *text)
{
    size_t size = strlen(text);

    for (size_t at = 0; at < size;) {
        size_t step = po_text_utf8_step(text + at, size - at);

        if (text[at] == '\n')
            po_buf_put_text(out, "\\n");
        else if (step == 0)
            po_buf_put_u8(out, '?');
        else if (text[at] == '"' || text[at] == '\\')
            po_buf_printf(out, "\\%c", text[at]);
        else
            po_buf_put(out, text + at, step);
        at += step > 0 ? step : 1;
    }
}

static void
put_labels(struct po_buf *out, const char *verb, const char *site)
{
    po_buf_put_text(out, "{verb=\"");
    put_label_value(out, verb);
    po_buf_put_text(out, "\",site=\"");
    put_label_value(out, site);
    po_buf_put_text(out, "\"}");
}

/* No locale has a say in it. */
static void
put_seconds(struct po_buf *out, double seconds)
{
    double ms = seconds > 0 ? seconds * 1000 + 0.5 : 0;
    uint64_t whole = ms < 9e15 ? (uint64_t)ms : 0;

    po_buf_printf(out, "%" PRIu64 ".%03u", whole / 1000, (unsigned)(whole % 1000));
}

/*
 * The sum of a key over the objects of an array that have another one, too; false when none has it.
 * What prune lists are archives that it did not look into.
 */
static bool
find_sum(const json_t *array, const char *mark, const char *key, double *sum)
{
    bool is_found = false;
    size_t i;
    const json_t *item;

    *sum = 0;
    json_array_foreach(array, i, item)
    {
        const json_t *value = json_object_get(item, key);

        if (!json_is_number(value) || json_object_get(item, mark) == NULL)
            continue;
        *sum += json_number_value(value);
        is_found = true;
    }
    return is_found;
}

/* Of a backup the document has it; of a restore each part has, and of verify each archive. */
static bool
find_number(const json_t *document, enum family family, double *number)
{
    static const struct {
        const char *key;
        const char *part_key;
        const char *archive_key;
    } keys[FAMILY_COUNT] = { [RUN_OUTAGE] = { "outage_seconds", "", "" },
                             [RUN_FILES] = { "files", "files", "files" },
                             [RUN_BYTES] = { "bytes", "bytes", "content_bytes" },
                             [RUN_ARCHIVE_BYTES] = { "archive_bytes", "", "bytes" } };
    const json_t *value = json_object_get(document, keys[family].key);

    if (json_is_number(value)) {
        *number = json_number_value(value);
        return true;
    }
    /* Services that were to be stopped, had any run. */
    if (family == RUN_OUTAGE && json_is_null(value)) {
        *number = 0;
        return true;
    }
    return find_sum(json_object_get(document, "parts"), "part", keys[family].part_key, number) ||
           find_sum(json_object_get(document, "archives"), "verdict", keys[family].archive_key,
                    number);
}

/* Appends the value; false when the run has none. */
static bool
put_value(struct po_buf *out, const struct po_cli_metrics_run *run, enum family family)
{
    bool is_good = run->exit_code == 0;
    double number = 0;

    switch (family) {
    case RUN_TIME:
    case SUCCESS_TIME:
        po_buf_printf(out, "%" PRId64, run->time / STEPS_A_SECOND);
        return family == RUN_TIME || is_good;
    case RUN_SUCCESS:
        po_buf_put_text(out, is_good ? "1" : "0");
        return true;
    case RUN_EXIT_CODE:
        po_buf_printf(out, "%d", run->exit_code);
        return true;
    case RUN_DURATION:
        put_seconds(out, run->seconds);
        return true;
    case RUN_OUTAGE:
        if (!find_number(run->document, family, &number))
            return false;
        put_seconds(out, number);
        return true;
    case RUN_FILES:
    case RUN_BYTES:
    case RUN_ARCHIVE_BYTES:
        if (!find_number(run->document, family, &number) || number < 0 || number > 9e15)
            return false;
        po_buf_printf(out, "%" PRIu64, (uint64_t)number);
        return true;
    case VERIFIED_TIME:
    case FAMILY_COUNT:
        break;
    }
    return false;
}

/* ---- the old file ---- */

/* The next line, without its newline; false at the end. */
static bool
next_line(const char **at, const char *end, const char **line, size_t *size)
{
    const char *stop;

    if (*at == end)
        return false;
    stop = memchr(*at, '\n', (size_t)(end - *at));
    *line = *at;
    *size = stop != NULL ? (size_t)(stop - *at) : (size_t)(end - *at);
    *at = stop != NULL ? stop + 1 : end;
    return true;
}

static bool
begins_with(const char *line, size_t size, const char *text)
{
    return size >= strlen(text) && memcmp(line, text, strlen(text)) == 0;
}

/* PREFIX name {labels} value; false when it is none of ours. */
static bool
parse_sample(struct sample *sample, const char *line, size_t size)
{
    const char *open = memchr(line, '{', size);
    const char *close = NULL;

    for (size_t i = size; i > 0 && close == NULL; i--)
        if (line[i - 1] == '}')
            close = line + i - 1;
    if (!begins_with(line, size, PREFIX) || open == NULL || close == NULL || close < open ||
        (size_t)(close - line) + 2 >= size || close[1] != ' ' || memchr(line, '\0', size) != NULL)
        return false;
    *sample = (struct sample){ .line = line,
                               .size = size,
                               .name_size = (size_t)(open - line),
                               .labels_size = (size_t)(close + 1 - open) };
    return true;
}

static enum po_status
check_old(const char *old, size_t old_size, struct po_err *err)
{
    const char *at = old;
    const char *line;
    size_t size;
    struct sample sample;

    for (unsigned number = 1; next_line(&at, old + old_size, &line, &size); number++)
        if (size > 0 && !begins_with(line, size, "# HELP " PREFIX) &&
            !begins_with(line, size, "# TYPE " PREFIX) && !parse_sample(&sample, line, size))
            return po_fail(err, PO_E_FORMAT, "line %u: not written by pobackup, so left alone",
                           number);
    return PO_OK;
}

/* ---- both ---- */

static bool
is_labelled(const struct sample *sample, const struct po_buf *labels)
{
    return sample->labels_size == labels->size &&
           memcmp(sample->line + sample->name_size, labels->bytes, labels->size) == 0;
}

static void
put_new_line(struct po_buf *out, const char *name, const struct po_buf *labels,
             const struct po_buf *value)
{
    po_buf_put_text(out, name);
    po_buf_put(out, labels->bytes, labels->size);
    po_buf_put_u8(out, ' ');
    po_buf_put(out, value->bytes, value->size);
    po_buf_put_u8(out, '\n');
}

/* Whether one of the new values has the sample's labels; those of the last good run stay. Out of
 * memory, it cannot be told, and `out` has failed. */
static bool
is_replaced(const struct sample *sample, const struct po_cli_metrics_run *run, enum family family,
            struct po_buf *out)
{
    struct po_buf labels = { 0 };
    bool has_failed = false;
    bool is_same = false;

    if (family == SUCCESS_TIME && run->exit_code != 0)
        return false;
    if (family != VERIFIED_TIME) {
        put_labels(&labels, run->verb, run->site);
        is_same = is_labelled(sample, &labels);
        has_failed = labels.failed;
    }
    for (size_t i = 0; family == VERIFIED_TIME && !is_same && i < run->verified_count; i++) {
        po_buf_clear(&labels);
        put_labels(&labels, "verify", run->verified[i].site);
        is_same = is_labelled(sample, &labels);
        has_failed = has_failed || labels.failed;
    }
    if (has_failed)
        out->failed = true;
    po_buf_deinit(&labels);
    return is_same;
}

static void
put_old_lines(struct po_buf *out, const char *old, size_t old_size, const char *name,
              const struct po_cli_metrics_run *run, enum family family)
{
    const char *at = old;
    const char *line;
    size_t size;
    struct sample sample;

    while (next_line(&at, old + old_size, &line, &size)) {
        if (!parse_sample(&sample, line, size) || sample.name_size != strlen(name) ||
            memcmp(line, name, sample.name_size) != 0 || is_replaced(&sample, run, family, out))
            continue;
        po_buf_put(out, line, size);
        po_buf_put_u8(out, '\n');
    }
}

static void
put_new_lines(struct po_buf *out, const char *name, const struct po_cli_metrics_run *run,
              enum family family)
{
    struct po_buf labels = { 0 };
    struct po_buf value = { 0 };

    put_labels(&labels, run->verb, run->site);
    if (family != VERIFIED_TIME && put_value(&value, run, family))
        put_new_line(out, name, &labels, &value);
    for (size_t i = 0; family == VERIFIED_TIME && i < run->verified_count; i++) {
        if (run->verified[i].time == POBACKUP_TIME_UNKNOWN)
            continue;
        po_buf_clear(&labels);
        po_buf_clear(&value);
        put_labels(&labels, "verify", run->verified[i].site);
        po_buf_printf(&value, "%" PRId64, run->verified[i].time / STEPS_A_SECOND);
        put_new_line(out, name, &labels, &value);
    }
    if (labels.failed || value.failed)
        out->failed = true;
    po_buf_deinit(&labels);
    po_buf_deinit(&value);
}

enum po_status
po_cli_metrics_merge(struct po_buf *out, const void *old, size_t old_size,
                     const struct po_cli_metrics_run *run, struct po_err *err)
{
    struct po_buf name = { 0 };
    struct po_buf lines = { 0 };
    enum po_status st = check_old(old, old_size, err);

    for (int i = 0; st == PO_OK && i < FAMILY_COUNT; i++) {
        po_buf_clear(&name);
        po_buf_clear(&lines);
        po_buf_put_text(&name, PREFIX);
        po_buf_put_text(&name, families[i].name);
        (void)po_buf_text(&name);
        st = po_buf_check(&name, err);
        if (st != PO_OK)
            break;
        put_old_lines(&lines, old, old_size, po_buf_text(&name), run, (enum family)i);
        put_new_lines(&lines, po_buf_text(&name), run, (enum family)i);
        st = po_buf_check(&lines, err);
        if (st != PO_OK || lines.size == 0)
            continue;
        po_buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", po_buf_text(&name), families[i].help,
                      po_buf_text(&name));
        po_buf_put(out, lines.bytes, lines.size);
    }
    if (st == PO_OK)
        st = po_buf_check(out, err);
    po_buf_deinit(&name);
    po_buf_deinit(&lines);
    return st;
}
