/*
 * inih takes the lines "key = value" apart, comments behind them included. What it would do without
 * a word is caught in the reader that feeds it: it cuts lines that are longer than its buffer, goes
 * on a value in an indented line, does not tell of a section without keys, and keeps 49 bytes of a
 * section's name. So section lines are read here, and inih sees an empty line instead; line numbers
 * stay right.
 */
#include "host/host_folder_ini.h"

#include "base/mem.h"
#include "base/text.h"
#include "host/host_folder_file.h"

#include <ini.h>
#include <string.h>

#define INI_SIZE_MAX ((uint64_t)1024 * 1024)
#define SERVICE_PREFIX "service:"

enum section { SECTION_NONE, SECTION_TREES, SECTION_PLACES, SECTION_SERVICE };

/* Bits of parse.seen: which keys the service at hand has. */
enum {
    SEEN_START = 1,
    SEEN_STOP = 2,
    SEEN_STATUS = 4,
    SEEN_STOP_TIMEOUT = 8,
    SEEN_START_TIMEOUT = 16
};

struct parse {
    struct po_host_folder_ini *ini;
    const char *at;
    const char *end;
    unsigned line;
    enum section section;
    bool has[SECTION_SERVICE]; /* sections that may stand there once */
    unsigned seen;
    enum po_status st; /* of the first failure; *err has it */
    struct po_err *err;
};

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static enum po_status
check_name_is_new(struct parse *parse, const char *name, size_t size)
{
    for (size_t i = 0; i < parse->ini->service_count; i++) {
        const char *other = parse->ini->services[i].name;

        if (strlen(other) == size && memcmp(other, name, size) == 0)
            return po_fail(parse->err, PO_E_USAGE,
                           "line %u: service %s is there already, in line %u", parse->line, other,
                           parse->ini->services[i].line);
    }
    return PO_OK;
}

static enum po_status
begin_service(struct parse *parse, const char *name, size_t size)
{
    struct po_host_folder_ini *ini = parse->ini;
    struct po_host_folder_service *services;
    struct po_host_folder_service added = { 0 };
    enum po_status st;

    if (size == 0)
        return po_fail(parse->err, PO_E_USAGE, "line %u: the service has no name", parse->line);
    st = check_name_is_new(parse, name, size);
    if (st != PO_OK)
        return st;
    services = po_mem_resize(ini->services, ini->service_count + 1, sizeof(*services));
    if (services == NULL)
        return po_fail_nomem(parse->err, sizeof(*services));
    ini->services = services;
    added.name = po_mem_copy(name, size);
    if (added.name == NULL)
        return po_fail_nomem(parse->err, size);
    added.line = parse->line;
    added.service.name = added.name;
    added.service.stop_timeout_s = PO_HOST_FOLDER_TIMEOUT_S;
    added.service.start_timeout_s = PO_HOST_FOLDER_TIMEOUT_S;
    services[ini->service_count++] = added;
    parse->section = SECTION_SERVICE;
    parse->seen = 0;
    return PO_OK;
}

/* A service needs its three commands. */
static enum po_status
end_section(struct parse *parse)
{
    static const struct {
        unsigned bit;
        const char *key;
    } needed[] = { { SEEN_START, "start" }, { SEEN_STOP, "stop" }, { SEEN_STATUS, "status" } };

    for (size_t i = 0; parse->section == SECTION_SERVICE && i < 3; i++) {
        const struct po_host_folder_service *last =
            &parse->ini->services[parse->ini->service_count - 1];

        if ((parse->seen & needed[i].bit) == 0)
            return po_fail(parse->err, PO_E_USAGE, "line %u: service %s has no \"%s\"", last->line,
                           last->name, needed[i].key);
    }
    parse->section = SECTION_NONE;
    return PO_OK;
}

/* [trees], [places]: a key a part. */
static enum po_status
begin_map(struct parse *parse, const char *name, size_t size)
{
    enum section section = SECTION_NONE;

    if (size == 5 && memcmp(name, "trees", 5) == 0)
        section = SECTION_TREES;
    else if (size == 6 && memcmp(name, "places", 6) == 0)
        section = SECTION_PLACES;
    else
        return po_fail(parse->err, PO_E_USAGE, "line %u: unknown section [%.*s]", parse->line,
                       (int)(size < 100 ? size : 100), name);
    if (parse->has[section])
        return po_fail(parse->err, PO_E_USAGE, "line %u: [%.*s] is there already", parse->line,
                       (int)size, name);
    parse->has[section] = true;
    parse->section = section;
    return PO_OK;
}

/* `line` begins with '[' and has no space at its ends. */
static enum po_status
begin_section(struct parse *parse, const char *line, size_t size)
{
    const size_t prefix_size = sizeof(SERVICE_PREFIX) - 1;
    const char *name = line + 1;
    const char *close = memchr(line, ']', size);
    const char *rest = close != NULL ? close + 1 : NULL;
    size_t name_size;
    enum po_status st = end_section(parse);

    if (st != PO_OK)
        return st;
    while (rest != NULL && rest < line + size && is_space(*rest))
        rest++;
    if (rest == NULL || (rest < line + size && *rest != ';'))
        return po_fail(parse->err, PO_E_USAGE,
                       "line %u: a section is [name], and nothing behind it", parse->line);
    while (name < close && is_space(*name))
        name++;
    name_size = (size_t)(close - name);
    while (name_size > 0 && is_space(name[name_size - 1]))
        name_size--;
    if (name_size >= prefix_size && memcmp(name, SERVICE_PREFIX, prefix_size) == 0)
        return begin_service(parse, name + prefix_size, name_size - prefix_size);
    return begin_map(parse, name, name_size);
}

/* Takes the next line, without the space at both ends. false at the end of the file. */
static bool
next_line(struct parse *parse, const char **line, size_t *size)
{
    const char *start = parse->at;
    const char *stop;

    if (start == parse->end)
        return false;
    stop = memchr(start, '\n', (size_t)(parse->end - start));
    if (stop == NULL)
        stop = parse->end;
    parse->at = stop < parse->end ? stop + 1 : stop;
    parse->line++;
    while (start < stop && is_space(*start))
        start++;
    while (stop > start && is_space(stop[-1]))
        stop--;
    *line = start;
    *size = (size_t)(stop - start);
    return true;
}

/*
 * Says what is wrong with the bytes of a line, or gives it to inih. *size becomes what inih sees.
 */
static enum po_status
check_line(struct parse *parse, const char *line, size_t *size, size_t room)
{
    if (memchr(line, '\0', *size) != NULL)
        return po_fail(parse->err, PO_E_USAGE, "line %u: a NUL byte", parse->line);
    if (!po_text_is_utf8(line, *size))
        return po_fail(parse->err, PO_E_USAGE, "line %u: not UTF-8", parse->line);
    if (*size > 0 && line[0] == '[') {
        enum po_status st = begin_section(parse, line, *size);

        *size = 0;
        return st;
    }
    if (*size > 0 && (line[0] == ';' || line[0] == '#'))
        *size = 0;
    if (*size > room)
        return po_fail(
            parse->err, PO_E_USAGE,
            "line %u: longer than %zu bytes; put long commands into a script of their own",
            parse->line, room);
    return PO_OK;
}

/* An ini_reader, as fgets. `room` counts the NUL. */
static char *
read_line(char *text, int room, void *stream)
{
    struct parse *parse = stream;
    const char *line = NULL;
    size_t size = 0;

    if (parse->st != PO_OK || room < 4 || !next_line(parse, &line, &size))
        return NULL;
    /* Newline and NUL, and one more: inih takes a line that fills its buffer for a cut one. */
    parse->st = check_line(parse, line, &size, (size_t)room - 3);
    if (parse->st != PO_OK)
        return NULL;
    memcpy(text, line, size);
    text[size] = '\n';
    text[size + 1] = '\0';
    return text;
}

static enum po_status
set_text(struct parse *parse, const char *key, const char *value, char **to)
{
    if (value[0] == '\0')
        return po_fail(parse->err, PO_E_USAGE, "line %u: \"%s\" has no value", parse->line, key);
    *to = po_mem_strdup(value);
    return *to != NULL ? PO_OK : po_fail_nomem(parse->err, strlen(value));
}

static enum po_status
set_seconds(struct parse *parse, const char *key, const char *value, unsigned *to)
{
    uint64_t seconds = 0;

    if (!po_text_parse_u64(value, PO_HOST_FOLDER_TIMEOUT_MAX_S, &seconds) || seconds == 0)
        return po_fail(parse->err, PO_E_USAGE, "line %u: \"%s\" is 1 to %u seconds, not \"%s\"",
                       parse->line, key, PO_HOST_FOLDER_TIMEOUT_MAX_S, value);
    *to = (unsigned)seconds;
    return PO_OK;
}

static enum po_status
fail_twice(const struct parse *parse, const char *key)
{
    return po_fail(parse->err, PO_E_USAGE, "line %u: \"%s\" is there already", parse->line, key);
}

/* `first`: the first part that may have one. */
static enum po_status
set_part(struct parse *parse, char **map, enum po_part first, const char *key, const char *value)
{
    for (int part = (int)first; part < PO_PART_COUNT; part++) {
        if (strcmp(key, po_part_name((enum po_part)part)) != 0)
            continue;
        if (map[part] != NULL)
            return fail_twice(parse, key);
        return set_text(parse, key, value, &map[part]);
    }
    return po_fail(parse->err, PO_E_USAGE, "line %u: unknown key \"%s\" in [%s]", parse->line, key,
                   map == parse->ini->tree ? "trees" : "places");
}

static enum po_status
set_service(struct parse *parse, const char *key, const char *value)
{
    struct po_host_folder_service *last = &parse->ini->services[parse->ini->service_count - 1];
    const struct {
        const char *key;
        unsigned bit;
        char **text;
        unsigned *seconds;
    } keys[] = {
        { "start", SEEN_START, &last->start, NULL },
        { "stop", SEEN_STOP, &last->stop, NULL },
        { "status", SEEN_STATUS, &last->status, NULL },
        { "stop-timeout", SEEN_STOP_TIMEOUT, NULL, &last->service.stop_timeout_s },
        { "start-timeout", SEEN_START_TIMEOUT, NULL, &last->service.start_timeout_s },
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(key, keys[i].key) != 0)
            continue;
        if ((parse->seen & keys[i].bit) != 0)
            return fail_twice(parse, key);
        parse->seen |= keys[i].bit;
        if (keys[i].text != NULL)
            return set_text(parse, key, value, keys[i].text);
        if (keys[i].seconds != NULL)
            return set_seconds(parse, key, value, keys[i].seconds);
    }
    return po_fail(parse->err, PO_E_USAGE, "line %u: unknown key \"%s\" in [" SERVICE_PREFIX "%s]",
                   parse->line, key, last->name);
}

/* An ini_handler. 0 is a failure to inih, which goes on until read_line ends it. */
static int
take_key(void *user, const char *section, const char *key, const char *value)
{
    struct parse *parse = user;

    (void)section;
    if (parse->st != PO_OK)
        return 0;
    switch (parse->section) {
    case SECTION_TREES:
        parse->st = set_part(parse, parse->ini->tree, PO_PART_REGISTRY, key, value);
        break;
    case SECTION_PLACES:
        parse->st = set_part(parse, parse->ini->known, PO_PART_BIN, key, value);
        break;
    case SECTION_SERVICE:
        parse->st = set_service(parse, key, value);
        break;
    case SECTION_NONE:
        parse->st = po_fail(parse->err, PO_E_USAGE, "line %u: \"%s\" stands before any section",
                            parse->line, key);
        break;
    }
    return parse->st == PO_OK;
}

/*
 * Stops at the first line that inih itself cannot read, which it remembers and passes over. Each
 * line goes through both, so what it returns is the first failure of all unless parse->st came
 * before.
 */
static enum po_status
parse_text(struct parse *parse)
{
    int bad_line = ini_parse_stream(read_line, parse, take_key, parse);

    if (parse->st != PO_OK && (bad_line <= 0 || (unsigned)bad_line >= parse->line))
        return parse->st;
    if (bad_line > 0)
        return po_fail(parse->err, PO_E_USAGE, "line %d: neither [section] nor key = value",
                       bad_line);
    if (bad_line < 0)
        return po_fail_nomem(parse->err, 0);
    return end_section(parse);
}

enum po_status
po_host_folder_ini_parse(struct po_host_folder_ini *ini, const char *text, size_t size,
                         struct po_err *err)
{
    struct parse parse = {
        .ini = ini, .at = text, .end = text + size, .section = SECTION_NONE, .st = PO_OK, .err = err
    };

    /* Notepad's UTF-8 begins with it. */
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        parse.at += 3;
    return parse_text(&parse);
}

enum po_status
po_host_folder_ini_load(struct po_host_folder_ini *ini, const char *path, struct po_err *err)
{
    const char *bytes;
    struct po_buf text = { 0 };
    bool exists = false;
    enum po_status st;

    st = po_host_folder_file_read(path, INI_SIZE_MAX, &text, &exists, NULL, err);
    if (st != PO_OK || !exists)
        goto done;
    bytes = po_buf_text(&text);
    st = po_buf_check(&text, err);
    if (st != PO_OK)
        goto done;
    st = po_host_folder_ini_parse(ini, bytes, text.size, err);
    if (st != PO_OK)
        st = po_err_prefix(err, "%s", path);
done:
    po_buf_deinit(&text);
    return st;
}

void
po_host_folder_ini_deinit(struct po_host_folder_ini *ini)
{
    for (int part = 0; part < PO_PART_COUNT; part++) {
        po_mem_free(ini->tree[part]);
        po_mem_free(ini->known[part]);
    }
    for (size_t i = 0; i < ini->service_count; i++) {
        po_mem_free(ini->services[i].name);
        po_mem_free(ini->services[i].start);
        po_mem_free(ini->services[i].stop);
        po_mem_free(ini->services[i].status);
    }
    po_mem_free(ini->services);
    *ini = (struct po_host_folder_ini){ 0 };
}
