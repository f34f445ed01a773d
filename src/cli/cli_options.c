#include "cli/cli_options.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_SIZE 64u

/* ---- looking names up ---- */

static bool
is_name(const char *name, const char *text, size_t size)
{
    return strlen(name) == size && memcmp(name, text, size) == 0;
}

static const struct po_cli_option *
find_in(const struct po_cli_option *options, const char *name, size_t name_size)
{
    for (; options->name != NULL; options++)
        if (is_name(options->name, name, name_size))
            return options;
    return NULL;
}

/* What it takes beside its own: schedule, which keeps a backup, has those of backup. */
static const struct po_cli_option *
options_lent(const struct po_cli_verb *verb)
{
    static const struct po_cli_option none[] = { { .name = NULL } };
    const struct po_cli_verb *lender =
        strcmp(verb->name, "schedule") == 0 ? po_cli_verb_find("backup") : NULL;

    return lender != NULL ? lender->options : none;
}

const struct po_cli_option *
po_cli_option_find(const struct po_cli_verb *verb, const char *name, size_t name_size)
{
    const struct po_cli_option *found = find_in(verb->options, name, name_size);

    if (found == NULL)
        found = find_in(po_cli_common, name, name_size);
    return found != NULL ? found : find_in(options_lent(verb), name, name_size);
}

static const struct po_cli_option *
find_letter(const struct po_cli_verb *verb, char letter)
{
    for (const struct po_cli_option *o = options_lent(verb); o->name != NULL; o++)
        if (o->letter == letter)
            return o;
    for (const struct po_cli_option *o = verb->options; o->name != NULL; o++)
        if (o->letter == letter)
            return o;
    for (const struct po_cli_option *o = po_cli_common; o->name != NULL; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

const struct po_cli_option *
po_cli_option_by_id(const struct po_cli_verb *verb, enum po_cli_id id)
{
    for (const struct po_cli_option *o = verb->options; o->name != NULL; o++)
        if (o->id == id)
            return o;
    for (const struct po_cli_option *o = po_cli_common; o->name != NULL; o++)
        if (o->id == id)
            return o;
    return NULL;
}

/* Levenshtein's distance of two short names; more than NAME_MAX_SIZE when one is too long. */
static size_t
distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t row[NAME_MAX_SIZE + 1];

    if (a_size > NAME_MAX_SIZE || b_size > NAME_MAX_SIZE)
        return NAME_MAX_SIZE + 1;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_size];
}

struct nearest {
    const char *text;
    size_t size;
    const char *best;
    size_t best_distance;
};

/* A third of the name may be wrong, and two characters in any case; the start of a name is near. */
static void
consider(struct nearest *nearest, const char *name)
{
    size_t size = strlen(name);
    size_t most = nearest->size > 8 ? nearest->size / 3 : 2;
    size_t far = size > nearest->size ? size - nearest->size : nearest->size - size;

    if (nearest->size >= 3 && strncmp(name, nearest->text, nearest->size) == 0)
        far = 1;
    else if (far <= most) /* it is not less than what their sizes differ by */
        far = distance(name, size, nearest->text, nearest->size);
    if (far < nearest->best_distance && far <= most && far < nearest->size) {
        nearest->best = name;
        nearest->best_distance = far;
    }
}

const char *
po_cli_nearest_option(const struct po_cli_verb *verb, const char *name, size_t name_size)
{
    struct nearest nearest = { name, name_size, NULL, NAME_MAX_SIZE + 1 };

    for (const struct po_cli_option *o = verb->options; o->name != NULL; o++)
        consider(&nearest, o->name);
    for (const struct po_cli_option *o = po_cli_common; o->name != NULL; o++)
        consider(&nearest, o->name);
    for (const struct po_cli_option *o = options_lent(verb); o->name != NULL; o++)
        consider(&nearest, o->name);
    return nearest.best;
}

const char *
po_cli_nearest_verb(const char *name)
{
    struct nearest nearest = { name, strlen(name), NULL, NAME_MAX_SIZE + 1 };

    for (const struct po_cli_verb *verb = po_cli_verbs; verb->name != NULL; verb++)
        consider(&nearest, verb->name);
    return nearest.best;
}

/* ---- values ---- */

static bool
parse_choice(const char *choices, const char *text, int64_t *number)
{
    const char *at = choices;

    for (int64_t i = 0;; i++) {
        size_t size = strcspn(at, "|");

        if (is_name(text, at, size)) {
            *number = i;
            return true;
        }
        if (at[size] == '\0')
            return false;
        at += size + 1;
    }
}

/* Decimal, with a sign when negative numbers are allowed. */
static bool
parse_number(const struct po_cli_option *option, const char *text, int64_t *number)
{
    bool is_negative = text[0] == '-' && option->min < 0;
    uint64_t digits = 0;

    if (option->kind == PO_CLI_SIZE ? !po_text_parse_size(text, &digits)
                                    : !po_text_parse_u64(text + is_negative, INT32_MAX, &digits))
        return false;
    if (digits > INT64_MAX)
        return false;
    *number = is_negative ? -(int64_t)digits : (int64_t)digits;
    return *number >= option->min && *number <= option->max;
}

/* Digits, and d or w behind them. */
static bool
parse_period(const struct po_cli_option *option, const char *text, int64_t *number)
{
    char digits[8] = { 0 };
    size_t size = strlen(text);
    uint64_t count = 0;

    if (size < 2 || size > sizeof digits || (text[size - 1] != 'd' && text[size - 1] != 'w'))
        return false;
    memcpy(digits, text, size - 1);
    if (!po_text_parse_u64(digits, INT32_MAX, &count))
        return false;
    *number = (int64_t)count * (text[size - 1] == 'w' ? 7 : 1);
    return *number >= option->min && *number <= option->max;
}

static enum po_status
fail_value(const struct po_cli_option *option, const char *text, struct po_err *err)
{
    if (option->kind == PO_CLI_CHOICE)
        return po_fail(err, PO_E_USAGE, "--%s: %s is none of %s", option->name, text,
                       option->argument);
    if (option->kind == PO_CLI_SIZE)
        return po_fail(err, PO_E_USAGE,
                       "--%s: %s is not a size from %lld to %lld bytes (K, M and G are understood)",
                       option->name, text, (long long)option->min, (long long)option->max);
    if (option->kind == PO_CLI_PERIOD)
        return po_fail(err, PO_E_USAGE, "--%s: %s is not %lld to %lld days, as \"30d\" or \"4w\"",
                       option->name, text, (long long)option->min, (long long)option->max);
    return po_fail(err, PO_E_USAGE, "--%s: %s is not a number from %lld to %lld", option->name,
                   text, (long long)option->min, (long long)option->max);
}

static enum po_status
list_add(struct po_cli_value *value, const char *text, struct po_err *err)
{
    const char **list = po_mem_resize(value->list, value->count + 1, sizeof(*list));

    if (list == NULL)
        return po_fail_nomem(err, sizeof(*list));
    list[value->count] = text;
    value->list = list;
    value->count++;
    return PO_OK;
}

enum po_status
po_cli_values_set(struct po_cli_values *values, const struct po_cli_option *option,
                  const char *text, struct po_err *err)
{
    struct po_cli_value *value = &values->value[option->id];
    enum po_status st = PO_OK;

    switch (option->kind) {
    case PO_CLI_FLAG:
        break;
    case PO_CLI_TEXT:
        if (text[0] == '\0')
            st = po_fail(err, PO_E_USAGE, "--%s: the value is empty", option->name);
        break;
    case PO_CLI_LIST:
        if (text[0] == '\0')
            st = po_fail(err, PO_E_USAGE, "--%s: the value is empty", option->name);
        else
            st = list_add(value, text, err);
        break;
    case PO_CLI_CHOICE:
        if (!parse_choice(option->argument, text, &value->number))
            st = fail_value(option, text, err);
        break;
    case PO_CLI_PERIOD:
        if (!parse_period(option, text, &value->number))
            st = fail_value(option, text, err);
        break;
    case PO_CLI_NUMBER:
    case PO_CLI_SIZE:
        if (!parse_number(option, text, &value->number))
            st = fail_value(option, text, err);
        break;
    }
    if (st != PO_OK)
        return st;
    value->text = text;
    value->is_set = true;
    return PO_OK;
}

void
po_cli_values_deinit(struct po_cli_values *values)
{
    for (size_t i = 0; i < PO_CLI_ID_COUNT; i++)
        po_mem_free(values->value[i].list);
    for (size_t i = 0; i < values->kept_count; i++)
        po_mem_free(values->kept[i]);
    po_mem_free(values->kept);
    po_mem_free(values->args);
    *values = (struct po_cli_values){ 0 };
}

/* ---- parsing ---- */

struct parse {
    struct po_cli_values *values;
    const struct po_cli_verb *verb;
    int argc;
    char *const *argv;
    int at;
    struct po_err *err;
};

static enum po_status
fail_unknown(const struct parse *parse, const char *name, size_t name_size)
{
    const char *nearest;

    nearest = po_cli_nearest_option(parse->verb, name, name_size);
    if (nearest != NULL)
        return po_fail(parse->err, PO_E_USAGE, "--%.*s: %s has no such option; is --%s meant?",
                       (int)name_size, name, parse->verb->name, nearest);
    return po_fail(parse->err, PO_E_USAGE, "--%.*s: %s has no such option", (int)name_size, name,
                   parse->verb->name);
}

/* Stores an option's value, which is `inline_text` or, if that is NULL, the next word. */
static enum po_status
take_value(struct parse *parse, const struct po_cli_option *option, const char *inline_text)
{
    const char *text = inline_text;

    if (option->kind == PO_CLI_FLAG) {
        if (text != NULL)
            return po_fail(parse->err, PO_E_USAGE, "--%s takes no value", option->name);
    } else if (text == NULL) {
        if (parse->at == parse->argc)
            return po_fail(parse->err, PO_E_USAGE, "--%s needs a value: --%s %s", option->name,
                           option->name, option->argument);
        text = parse->argv[parse->at++];
    }
    return po_cli_values_set(parse->values, option, text, parse->err);
}

static enum po_status
take_long(struct parse *parse, const char *word)
{
    size_t name_size = strcspn(word, "=");
    const struct po_cli_option *option = po_cli_option_find(parse->verb, word, name_size);

    if (option == NULL)
        return fail_unknown(parse, word, name_size < NAME_MAX_SIZE ? name_size : NAME_MAX_SIZE);
    return take_value(parse, option, word[name_size] == '=' ? word + name_size + 1 : NULL);
}

/* -x, -xy (flags), -xvalue, -x value. */
static enum po_status
take_letters(struct parse *parse, const char *word)
{
    for (size_t i = 0; word[i] != '\0'; i++) {
        const struct po_cli_option *option = find_letter(parse->verb, word[i]);
        enum po_status st;

        if (option == NULL)
            return po_fail(parse->err, PO_E_USAGE, "-%c: %s has no such option", word[i],
                           parse->verb->name);
        if (option->kind != PO_CLI_FLAG)
            return take_value(parse, option, word[i + 1] != '\0' ? word + i + 1 : NULL);
        st = take_value(parse, option, NULL);
        if (st != PO_OK)
            return st;
    }
    return PO_OK;
}

static enum po_status
check_count(const struct parse *parse)
{
    const struct po_cli_values *values = parse->values;

    if (values->value[PO_CLI_HELP].is_set)
        return PO_OK;
    if (values->arg_count < parse->verb->args_min)
        return po_fail(parse->err, PO_E_USAGE, "something is missing: pobackup %s %s",
                       parse->verb->name, parse->verb->arguments);
    if (values->arg_count > parse->verb->args_max)
        return po_fail(parse->err, PO_E_USAGE, "%s: one argument too many",
                       values->args[parse->verb->args_max]);
    return PO_OK;
}

enum po_status
po_cli_parse(struct po_cli_values *values, const struct po_cli_verb *verb, int argc,
             char *const *argv, struct po_err *err)
{
    struct parse parse = { values, verb, argc, argv, 0, err };
    bool is_over = false;
    enum po_status st = PO_OK;

    values->args = po_mem_new((size_t)argc + 1, sizeof(*values->args));
    if (values->args == NULL)
        return po_fail_nomem(err, (size_t)argc * sizeof(*values->args));
    while (st == PO_OK && parse.at < argc) {
        const char *word = argv[parse.at++];

        if (!is_over && strcmp(word, "--") == 0)
            is_over = true;
        else if (!is_over && word[0] == '-' && word[1] == '-')
            st = take_long(&parse, word + 2);
        else if (!is_over && word[0] == '-' && word[1] != '\0')
            st = take_letters(&parse, word + 1);
        else
            values->args[values->arg_count++] = word;
    }
    return st == PO_OK ? check_count(&parse) : st;
}

bool
po_cli_is_asked(int argc, char *const *argv, const char *word)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}
