#include "registry/reg.h"

#include "base/text.h"
#include "base/utf16.h"
#include "registry/reg_text.h"

#include <string.h>

struct parse {
    const char *at; /* WTF-8 without NUL */
    const char *end;
    size_t line; /* of `at`, from 1 */
    bool is_version_4;
    enum po_reg_code_page code_page;
    struct po_reg *reg;
    /* Scratch, so that each value does not take and give back its own. */
    struct po_buf name;
    struct po_buf text;
    struct po_buf data;
    struct po_err *err;
};

static bool
is_at(const struct parse *parse, char c)
{
    return parse->at < parse->end && *parse->at == c;
}

/*
 * A carriage return counts as a space: it stands before a newline, or is a slip that changes
 * nothing.
 */
static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void
skip_blanks(struct parse *parse)
{
    while (parse->at < parse->end && is_blank(*parse->at))
        parse->at++;
}

/* Takes `word` if it is next. */
static bool
skip_word(struct parse *parse, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(parse->end - parse->at) < size || memcmp(parse->at, word, size) != 0)
        return false;
    parse->at += size;
    return true;
}

static const char *
line_end(const struct parse *parse)
{
    const char *stop = NULL;

    if (parse->at < parse->end)
        stop = memchr(parse->at, '\n', (size_t)(parse->end - parse->at));
    return stop != NULL ? stop : parse->end;
}

/* To the beginning of the next line. */
static void
skip_line(struct parse *parse)
{
    parse->at = line_end(parse);
    if (parse->at < parse->end) {
        parse->at++;
        parse->line++;
    }
}

static enum po_status
refuse(struct parse *parse, const char *why)
{
    return po_fail(parse->err, PO_E_FORMAT, "line %zu: %s", parse->line, why);
}

/* Nothing but a comment may stand behind a key or a value. */
static enum po_status
end_line(struct parse *parse)
{
    skip_blanks(parse);
    if (parse->at < parse->end && *parse->at != '\n' && *parse->at != ';')
        return refuse(parse, "text behind the end of a key or value");
    skip_line(parse);
    return PO_OK;
}

static enum po_status
parse_header(struct parse *parse)
{
    skip_blanks(parse);
    if (skip_word(parse, "REGEDIT4"))
        parse->is_version_4 = true;
    else if (!skip_word(parse, "Windows Registry Editor Version 5.00"))
        goto unsupported;
    skip_blanks(parse);
    if (parse->at < parse->end && *parse->at != '\n')
        goto unsupported;
    skip_line(parse);
    return PO_OK;
unsupported:
    return po_fail(parse->err, PO_E_UNSUPPORTED,
                   "line 1: neither \"Windows Registry Editor Version 5.00\" nor \"REGEDIT4\"");
}

/* ---- keys ---- */

/*
 * The root keys there are, long and short; a key under another name would be passed over by
 * regedit.
 */
static bool
has_root(const char *path, size_t size)
{
    static const char *const roots[] = { "HKEY_LOCAL_MACHINE",
                                         "HKEY_CURRENT_USER",
                                         "HKEY_CLASSES_ROOT",
                                         "HKEY_USERS",
                                         "HKEY_CURRENT_CONFIG",
                                         "HKEY_PERFORMANCE_DATA",
                                         "HKEY_DYN_DATA",
                                         "HKLM",
                                         "HKCU",
                                         "HKCR",
                                         "HKU",
                                         "HKCC" };
    const char *stop = memchr(path, '\\', size);
    size_t root_size = stop != NULL ? (size_t)(stop - path) : size;
    char root[32] = { 0 };

    if (root_size >= sizeof(root))
        return false;
    memcpy(root, path, root_size);
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        if (po_text_is_equal_nocase(root, roots[i]))
            return true;
    }
    return false;
}

/*
 * From behind the '['. Names have no escapes, and may hold ']': the last one of the line ends the
 * key.
 */
static enum po_status
parse_key(struct parse *parse)
{
    const char *close = line_end(parse);
    bool is_delete = is_at(parse, '-');
    const char *path;
    size_t size;
    enum po_status st;

    if (is_delete)
        parse->at++;
    path = parse->at;
    while (close > path && (close == parse->end || *close != ']'))
        close--;
    if (close == path)
        return refuse(parse, "a key without a name, or without its ]");
    size = (size_t)(close - path);
    parse->at = close + 1;
    if (is_blank(path[0]) || memchr(path, '\r', size) != NULL)
        return refuse(parse, "a key that begins with a space or holds a line break");
    /* The registry takes them for nothing. */
    while (size > 0 && path[size - 1] == '\\')
        size--;
    if (!has_root(path, size))
        return refuse(parse, "unknown root key");
    st = po_reg_add_key(parse->reg, path, size, is_delete, NULL, parse->err);
    if (st != PO_OK)
        return po_err_prefix(parse->err, "line %zu", parse->line);
    return end_line(parse);
}

/* ---- values ---- */

/* One escape, from behind its '\'. */
static enum po_status
parse_escape(struct parse *parse, struct po_buf *out)
{
    /* \n and \r are what Wine's regedit writes; regedit itself writes the line break as it is. */
    if (is_at(parse, '\\') || is_at(parse, '"'))
        po_buf_put(out, parse->at, 1);
    else if (is_at(parse, 'n'))
        po_buf_put_u8(out, '\n');
    else if (is_at(parse, 'r'))
        po_buf_put_u8(out, '\r');
    else
        return refuse(parse, "a \\ in quotes that is not \\\\, \\\", \\n or \\r");
    parse->at++;
    return PO_OK;
}

/* From behind the opening quote to behind the closing one, which may stand some lines below. */
static enum po_status
parse_quoted(struct parse *parse, struct po_buf *out)
{
    size_t first_line = parse->line;

    po_buf_clear(out);
    while (parse->at < parse->end && *parse->at != '"') {
        const char *start = parse->at;
        enum po_status st;

        while (parse->at < parse->end && *parse->at != '"' && *parse->at != '\\')
            parse->line += *parse->at++ == '\n';
        po_buf_put(out, start, (size_t)(parse->at - start));
        if (!is_at(parse, '\\'))
            continue;
        parse->at++;
        st = parse_escape(parse, out);
        if (st != PO_OK)
            return st;
    }
    if (parse->at == parse->end) {
        parse->line = first_line;
        return refuse(parse, "a quote without its end");
    }
    parse->at++;
    return po_buf_check(out, parse->err);
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* 1 to `digits_max` hexadecimal digits, and none behind them. */
static bool
parse_number(struct parse *parse, int digits_max, uint32_t *out)
{
    uint32_t value = 0;
    int digits = 0;

    while (parse->at < parse->end && hex_digit(*parse->at) >= 0) {
        if (++digits > digits_max)
            return false;
        value = value << 4 | (uint32_t)hex_digit(*parse->at++);
    }
    *out = value;
    return digits > 0;
}

/*
 * Blanks inside hex data, and a '\' with the rest of its line: at most a comment. Empty lines and
 * comment lines behind it belong to it too.
 */
static enum po_status
skip_continuations(struct parse *parse)
{
    skip_blanks(parse);
    while (is_at(parse, '\\')) {
        parse->at++;
        do {
            skip_blanks(parse);
            if (parse->at < parse->end && *parse->at != '\n' && *parse->at != ';')
                return refuse(parse, "text behind the \\ at the end of a line");
            skip_line(parse);
            skip_blanks(parse);
            if (parse->at == parse->end)
                return refuse(parse, "the file ends inside a value");
        } while (*parse->at == '\n' || *parse->at == ';');
    }
    return PO_OK;
}

/* Bytes with commas between them, from behind the ':', into parse->data. */
static enum po_status
parse_hex_bytes(struct parse *parse)
{
    enum po_status st = skip_continuations(parse);

    po_buf_clear(&parse->data);
    if (st != PO_OK)
        return st;
    if (parse->at == parse->end || *parse->at == '\n' || *parse->at == ';')
        return PO_OK;
    for (;;) {
        uint32_t byte = 0;

        if (!parse_number(parse, 2, &byte))
            return refuse(parse, "hex data that are not bytes of two digits with commas between");
        po_buf_put_u8(&parse->data, (uint8_t)byte);
        st = skip_continuations(parse);
        if (st != PO_OK)
            return st;
        if (!is_at(parse, ','))
            return po_buf_check(&parse->data, parse->err);
        parse->at++;
        st = skip_continuations(parse);
        if (st != PO_OK)
            return st;
    }
}

/* Adds the value that parse->name and parse->data hold. */
static enum po_status
add_value(struct parse *parse, uint32_t type)
{
    if (po_reg_add_value(parse->reg, (const char *)parse->name.bytes, parse->name.size, type,
                         parse->data.bytes, parse->data.size, parse->err) != PO_OK)
        return po_err_prefix(parse->err, "line %zu", parse->line);
    return end_line(parse);
}

/* From behind "hex". */
static enum po_status
parse_hex(struct parse *parse)
{
    uint32_t type = PO_REG_BINARY;
    enum po_status st;

    if (is_at(parse, '(')) {
        parse->at++;
        if (!parse_number(parse, 8, &type) || !is_at(parse, ')'))
            return refuse(parse, "a type that is not hex(N) with up to eight hexadecimal digits");
        parse->at++;
    }
    if (!skip_word(parse, ":"))
        return refuse(parse, "\"hex\" without \":\"");
    st = parse_hex_bytes(parse);
    if (st != PO_OK)
        return st;
    if (parse->is_version_4 && po_reg_is_text(type)) {
        po_buf_clear(&parse->text);
        po_buf_put(&parse->text, parse->data.bytes, parse->data.size);
        po_buf_clear(&parse->data);
        if (!po_reg_text_put_code_page(&parse->data, parse->text.bytes, parse->text.size,
                                       parse->code_page))
            return refuse(parse, "text in hex data is not UTF-8");
        if (parse->text.failed || parse->data.failed)
            return po_fail_nomem(parse->err, parse->text.size);
    }
    return add_value(parse, type);
}

static enum po_status
parse_dword(struct parse *parse)
{
    uint32_t number = 0;

    skip_blanks(parse);
    if (!parse_number(parse, 8, &number))
        return refuse(parse, "a dword that is not one to eight hexadecimal digits");
    po_buf_clear(&parse->data);
    po_buf_put_u32le(&parse->data, number);
    if (parse->data.failed)
        return po_fail_nomem(parse->err, sizeof(number));
    return add_value(parse, PO_REG_DWORD);
}

static enum po_status
parse_string(struct parse *parse)
{
    enum po_status st = parse_quoted(parse, &parse->text);

    if (st != PO_OK)
        return st;
    po_buf_clear(&parse->data);
    po_utf16_put(&parse->data, (const char *)parse->text.bytes, parse->text.size);
    po_buf_put_u16le(&parse->data, 0);
    st = po_buf_check(&parse->data, parse->err);
    return st == PO_OK ? add_value(parse, PO_REG_SZ) : st;
}

static enum po_status
parse_delete(struct parse *parse)
{
    if (po_reg_add_delete(parse->reg, (const char *)parse->name.bytes, parse->name.size,
                          parse->err) != PO_OK)
        return po_err_prefix(parse->err, "line %zu", parse->line);
    return end_line(parse);
}

/* From the '"' or '@' on. */
static enum po_status
parse_value(struct parse *parse)
{
    enum po_status st = PO_OK;

    po_buf_clear(&parse->name);
    if (*parse->at++ == '"')
        st = parse_quoted(parse, &parse->name);
    if (st != PO_OK)
        return st;
    skip_blanks(parse);
    if (!skip_word(parse, "="))
        return refuse(parse, "a value's name without \"=\" behind it");
    skip_blanks(parse);
    if (skip_word(parse, "\""))
        return parse_string(parse);
    if (skip_word(parse, "dword:"))
        return parse_dword(parse);
    if (skip_word(parse, "hex"))
        return parse_hex(parse);
    if (skip_word(parse, "-"))
        return parse_delete(parse);
    return refuse(parse, "a value that is no string, dword, hex data or \"-\"");
}

static enum po_status
parse_lines(struct parse *parse)
{
    enum po_status st = PO_OK;

    while (st == PO_OK && parse->at < parse->end) {
        skip_blanks(parse);
        if (parse->at == parse->end || *parse->at == '\n' || *parse->at == ';' || *parse->at == '#')
            skip_line(parse);
        else if (skip_word(parse, "["))
            st = parse_key(parse);
        else if (*parse->at == '"' || *parse->at == '@')
            st = parse_value(parse);
        else
            st = refuse(parse, "neither a key nor a value nor a comment");
    }
    return st;
}

/* The other functions rely on it. */
static enum po_status
check_no_nul(struct parse *parse)
{
    const char *nul =
        parse->at < parse->end ? memchr(parse->at, '\0', (size_t)(parse->end - parse->at)) : NULL;

    if (nul == NULL)
        return PO_OK;
    for (const char *at = parse->at; at < nul; at++)
        parse->line += *at == '\n';
    return refuse(parse, "a NUL character");
}

enum po_status
po_reg_parse(struct po_reg **out, const void *bytes, size_t size, enum po_reg_code_page code_page,
             struct po_err *err)
{
    struct parse parse = { .line = 1, .code_page = code_page, .err = err };
    struct po_buf text = { 0 };
    enum po_status st;

    if (size > PO_REG_SIZE_MAX)
        return po_fail(err, PO_E_FORMAT, "line 1: a document of %zu bytes; %llu are allowed", size,
                       (unsigned long long)PO_REG_SIZE_MAX);
    st = po_reg_text_decode(&text, bytes, size, code_page, err);
    if (st != PO_OK)
        goto done;
    parse.at = po_buf_text(&text);
    st = po_buf_check(&text, err);
    if (st != PO_OK)
        goto done;
    parse.end = parse.at + text.size;
    st = check_no_nul(&parse);
    if (st != PO_OK)
        goto done;
    st = po_reg_new(&parse.reg, err);
    if (st != PO_OK)
        goto done;
    st = parse_header(&parse);
    if (st != PO_OK)
        goto done;
    st = parse_lines(&parse);
    if (st != PO_OK)
        goto done;
    *out = parse.reg;
    parse.reg = NULL;
done:
    po_reg_free(parse.reg);
    po_buf_deinit(&parse.data);
    po_buf_deinit(&parse.text);
    po_buf_deinit(&parse.name);
    po_buf_deinit(&text);
    return st;
}
