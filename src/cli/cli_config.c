#include "cli/cli_options.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "port/file.h"

#include <ini.h>
#include <string.h>

#define CONFIG_SIZE_MAX ((uint64_t)1024 * 1024)
#define CHUNK_SIZE 65536u

/* inih keeps less of a section's name: it is followed here. UNKNOWN: its keys cannot be judged. */
enum section { SECTION_ALL, SECTION_OURS, SECTION_OTHER, SECTION_UNKNOWN };

struct load {
    const struct po_cli_verb *verb;
    const struct po_cli_verb *section_verb; /* NULL in SECTION_ALL */
    struct po_cli_values *ours;             /* from [VERB] */
    struct po_cli_values *all;              /* from before any section */
    struct po_cli_values *keeper;           /* owns the strings */
    const char *at;
    const char *end;
    unsigned line;
    enum section section;
    enum po_status st; /* of the first failure; *err has it */
    struct po_err *err;
    /* To be told of each mistake, and then to go on; NULL = the first one ends it. */
    const struct po_cli_config_sink *sink;
};

/* After a mistake in a line: whether the next one is read. */
static bool
goes_on(struct load *load)
{
    if (load->st == PO_OK)
        return true;
    if (load->sink == NULL || load->st != PO_E_USAGE)
        return false;
    load->sink->mistake(load->sink->ctx, load->line, load->err->text);
    load->st = PO_OK;
    return true;
}

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static enum po_status
begin_section(struct load *load, const char *line, size_t size)
{
    const char *close = memchr(line, ']', size);
    char name[32] = { 0 };

    load->section = SECTION_UNKNOWN;
    if (close == NULL || (size_t)(close - line) - 1 >= sizeof(name))
        return po_fail(load->err, PO_E_USAGE, "line %u: a section is [VERB]", load->line);
    memcpy(name, line + 1, (size_t)(close - line) - 1);
    load->section_verb = po_cli_verb_find(name);
    if (load->section_verb == NULL)
        return po_fail(load->err, PO_E_USAGE, "line %u: [%s] is no verb", load->line, name);
    load->section = load->section_verb == load->verb ? SECTION_OURS : SECTION_OTHER;
    return PO_OK;
}

/* Takes the next line, without the space at both ends. false at the end of the file. */
static bool
next_line(struct load *load, const char **line, size_t *size)
{
    const char *start = load->at;
    const char *stop;

    if (start == load->end)
        return false;
    stop = memchr(start, '\n', (size_t)(load->end - start));
    if (stop == NULL)
        stop = load->end;
    load->at = stop < load->end ? stop + 1 : stop;
    load->line++;
    while (start < stop && is_space(*start))
        start++;
    while (stop > start && is_space(stop[-1]))
        stop--;
    *line = start;
    *size = (size_t)(stop - start);
    return true;
}

/* An ini_reader, as fgets. `room` counts the NUL. Comments and sections reach inih as empty lines.
 */
static char *
read_line(char *text, int room, void *stream)
{
    struct load *load = stream;
    const char *line = NULL;
    size_t size = 0;

    if (load->st != PO_OK || room < 4 || !next_line(load, &line, &size))
        return NULL;
    if (memchr(line, '\0', size) != NULL)
        load->st = po_fail(load->err, PO_E_USAGE, "line %u: a NUL byte", load->line);
    else if (size > 0 && line[0] == '[')
        load->st = begin_section(load, line, size);
    else if (size > 0 && line[0] != ';' && line[0] != '#' && memchr(line, '=', size) == NULL &&
             memchr(line, ':', size) == NULL)
        load->st =
            po_fail(load->err, PO_E_USAGE, "line %u: neither [VERB] nor key = value", load->line);
    if (size > 0 && (line[0] == '[' || line[0] == ';' || line[0] == '#'))
        size = 0;
    /* Newline and NUL, and one more: inih takes a line that fills its buffer for a cut one. */
    if (load->st == PO_OK && size > (size_t)room - 3)
        load->st =
            po_fail(load->err, PO_E_USAGE, "line %u: longer than %d bytes", load->line, room - 3);
    if (load->st != PO_OK)
        size = 0;
    if (!goes_on(load))
        return NULL;
    memcpy(text, line, size);
    text[size] = '\n';
    text[size + 1] = '\0';
    return text;
}

static enum po_status
fail_unknown(struct load *load, const struct po_cli_verb *verb, const char *key)
{
    const char *nearest = po_cli_nearest_option(verb, key, strlen(key));

    /* Before any section it may be meant for another verb. */
    for (const struct po_cli_verb *other = po_cli_verbs;
         nearest == NULL && load->section == SECTION_ALL && other->name != NULL; other++)
        nearest = po_cli_nearest_option(other, key, strlen(key));
    if (nearest != NULL)
        return po_fail(load->err, PO_E_USAGE, "line %u: unknown key \"%s\"; is \"%s\" meant?",
                       load->line, key, nearest);
    return po_fail(load->err, PO_E_USAGE, "line %u: unknown key \"%s\"", load->line, key);
}

/* A key before any section that this verb does not have: fine if any other does. */
static enum po_status
check_key_of_others(struct load *load, const char *key)
{
    for (const struct po_cli_verb *verb = po_cli_verbs; verb->name != NULL; verb++)
        if (po_cli_option_find(verb, key, strlen(key)) != NULL)
            return PO_OK;
    return fail_unknown(load, load->verb, key);
}

static const char *
keep(struct po_cli_values *keeper, const char *text, struct po_err *err)
{
    char *copy = po_mem_strdup(text);
    char **kept = po_mem_resize(keeper->kept, keeper->kept_count + 1, sizeof(*kept));

    if (kept != NULL)
        keeper->kept = kept;
    if (copy == NULL || kept == NULL) {
        po_mem_free(copy);
        (void)po_fail_nomem(err, strlen(text));
        return NULL;
    }
    kept[keeper->kept_count++] = copy;
    return copy;
}

/* "yes" sets a flag, "no" leaves it; so does a number, as what is a flag here may be one of another
 * verb. */
static enum po_status
take_flag(struct load *load, struct po_cli_values *to, const struct po_cli_option *option,
          const char *value)
{
    static const char *const yes[] = { "yes", "true", "on", "1" };
    static const char *const no[] = { "no", "false", "off", "0" };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (po_text_is_equal_nocase(value, yes[i]))
            return po_cli_values_set(to, option, NULL, load->err);
        if (po_text_is_equal_nocase(value, no[i]))
            return PO_OK;
    }
    if (value[0] != '\0' && value[strspn(value, "0123456789")] == '\0')
        return po_cli_values_set(to, option, NULL, load->err);
    return po_fail(load->err, PO_E_USAGE, "line %u: \"%s\" is yes or no, not \"%s\"", load->line,
                   option->name, value);
}

static enum po_status
take_option(struct load *load, struct po_cli_values *to, const struct po_cli_option *option,
            const char *value)
{
    const char *copy;
    enum po_status st;

    if (option->id == PO_CLI_CONFIG || option->id == PO_CLI_HELP)
        return po_fail(load->err, PO_E_USAGE, "line %u: \"%s\" belongs on the command line",
                       load->line, option->name);
    if (to->value[option->id].is_set && option->kind != PO_CLI_LIST)
        return po_fail(load->err, PO_E_USAGE, "line %u: \"%s\" is there already", load->line,
                       option->name);
    if (option->kind == PO_CLI_FLAG)
        return take_flag(load, to, option, value);
    copy = keep(load->keeper, value, load->err);
    if (copy == NULL)
        return PO_E_NOMEM;
    st = po_cli_values_set(to, option, copy, load->err);
    return st == PO_OK ? PO_OK : po_err_prefix(load->err, "line %u", load->line);
}

/* An ini_handler. 0 is a failure to inih, which goes on until read_line ends it. */
static int
take_key(void *user, const char *section, const char *key, const char *value)
{
    struct load *load = user;
    const struct po_cli_verb *verb = load->section_verb != NULL ? load->section_verb : load->verb;
    const struct po_cli_option *option = po_cli_option_find(verb, key, strlen(key));

    (void)section;
    if (load->st != PO_OK)
        return 0;
    if (load->section == SECTION_UNKNOWN)
        return 1;
    if (option == NULL)
        load->st = load->section == SECTION_ALL ? check_key_of_others(load, key)
                                                : fail_unknown(load, verb, key);
    else if (load->section != SECTION_OTHER)
        load->st = take_option(load, load->section == SECTION_OURS ? load->ours : load->all, option,
                               value);
    if (load->st == PO_OK && load->sink != NULL)
        load->sink->key(load->sink->ctx, load->section_verb, key);
    return goes_on(load);
}

static enum po_status
parse_text(struct load *load)
{
    int bad_line = ini_parse_stream(read_line, load, take_key, load);

    /* What inih itself cannot read it remembers, and passes over: the first failure of both. */
    if (load->st != PO_OK && (bad_line <= 0 || (unsigned)bad_line >= load->line))
        return load->st;
    if (bad_line > 0)
        return po_fail(load->err, PO_E_USAGE, "line %d: neither [VERB] nor key = value", bad_line);
    return bad_line < 0 ? po_fail_nomem(load->err, 0) : PO_OK;
}

static enum po_status
read_file(struct po_buf *text, const char *os_path, struct po_err *err)
{
    struct po_file *file = NULL;
    size_t got = CHUNK_SIZE;
    enum po_status st = po_os_file_open(&file, os_path, PO_FILE_READ, err);

    while (st == PO_OK && got == CHUNK_SIZE) {
        if (text->size >= CONFIG_SIZE_MAX)
            st = po_fail(err, PO_E_USAGE, "too large for a configuration file");
        else if (!po_buf_reserve(text, CHUNK_SIZE))
            st = po_buf_check(text, err);
        else
            st = po_file_read_at(file, text->size, text->bytes + text->size, CHUNK_SIZE, &got, err);
        if (st == PO_OK)
            text->size += got;
    }
    po_file_free(file);
    if (st == PO_OK) {
        (void)po_buf_text(text); /* an empty one has bytes too then */
        st = po_buf_check(text, err);
    }
    return st;
}

/* What is set in `from` and not in `to` moves. */
static void
merge(struct po_cli_values *to, struct po_cli_values *from)
{
    for (size_t i = 0; i < PO_CLI_ID_COUNT; i++) {
        if (to->value[i].is_set || !from->value[i].is_set)
            continue;
        to->value[i] = from->value[i];
        to->value[i].is_from_config = true;
        from->value[i] = (struct po_cli_value){ 0 };
    }
}

/* Notepad's UTF-8 begins with a mark of its own. */
static void
begin(struct load *load, const char *text, size_t size)
{
    load->at = text;
    load->end = text + size;
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        load->at += 3;
}

enum po_status
po_cli_config_parse(struct po_cli_values *values, const struct po_cli_verb *verb, const char *text,
                    size_t size, struct po_err *err)
{
    struct po_cli_values ours = { 0 };
    struct po_cli_values all = { 0 };
    struct load load = { .verb = verb, .ours = &ours, .all = &all, .keeper = values, .err = err };
    enum po_status st;

    begin(&load, text, size);
    st = parse_text(&load);
    /* What stands before a mistake counts: how the run's end is told, above all. */
    merge(values, &ours);
    merge(values, &all);
    po_cli_values_deinit(&ours);
    po_cli_values_deinit(&all);
    return st;
}

enum po_status
po_cli_config_load(struct po_cli_values *values, const struct po_cli_verb *verb,
                   const char *os_path, struct po_err *err)
{
    struct po_buf text = { 0 };
    enum po_status st = read_file(&text, os_path, err);

    if (st == PO_OK)
        st = po_cli_config_parse(values, verb, po_buf_text(&text), text.size, err);
    if (st != PO_OK && strstr(err->text, os_path) == NULL)
        st = po_err_prefix(err, "%s", os_path);
    po_buf_deinit(&text);
    return st;
}

/* As one verb reads it. Mistakes are told and no failure. */
static enum po_status
check_for(const struct po_cli_verb *verb, const char *text, size_t size,
          const struct po_cli_config_sink *sink, struct po_err *err)
{
    struct po_cli_values ours = { 0 };
    struct po_cli_values all = { 0 };
    struct po_cli_values keeper = { 0 };
    struct load load = {
        .verb = verb, .ours = &ours, .all = &all, .keeper = &keeper, .err = err, .sink = sink
    };
    enum po_status st;

    begin(&load, text, size);
    st = parse_text(&load);
    if (st == PO_E_USAGE) {
        sink->mistake(sink->ctx, load.line, err->text);
        st = PO_OK;
    }
    po_cli_values_deinit(&ours);
    po_cli_values_deinit(&all);
    po_cli_values_deinit(&keeper);
    return st;
}

enum po_status
po_cli_config_check_text(const char *text, size_t size, const struct po_cli_config_sink *sink,
                         struct po_err *err)
{
    enum po_status st = PO_OK;

    for (const struct po_cli_verb *verb = po_cli_verbs; st == PO_OK && verb->name != NULL; verb++)
        st = check_for(verb, text, size, sink, err);
    return st;
}

enum po_status
po_cli_config_check(const char *os_path, const struct po_cli_config_sink *sink, struct po_err *err)
{
    struct po_buf text = { 0 };
    enum po_status st = read_file(&text, os_path, err);

    if (st == PO_OK)
        st = po_cli_config_check_text(po_buf_text(&text), text.size, sink, err);
    if (st != PO_OK && strstr(err->text, os_path) == NULL)
        st = po_err_prefix(err, "%s", os_path);
    po_buf_deinit(&text);
    return st;
}
