/* Help, made from the tables of cli_verbs.c. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS 79u
#define HELP_COLUMN 26u

static const char exit_codes[] =
    "Exit codes: 0 done; 1 done, but some items failed or differ; 2 failed; 3 wrong\n"
    "use; 4 the archive is damaged; 5 services could not be brought back.\n";

/* Words of ASCII text, wrapped; the first line begins at `column`, others are indented. */
static void
put_wrapped(struct po_buf *out, const char *text, size_t column, size_t indent)
{
    bool is_first = true;

    while (*text != '\0') {
        size_t size = strcspn(text, " ");

        if (!is_first && column + 1 + size > COLUMNS) {
            po_buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
            is_first = true;
        }
        if (!is_first)
            po_buf_put_u8(out, ' ');
        column += size + !is_first;
        po_buf_put(out, text, size);
        text += size + strspn(text + size, " ");
        is_first = false;
    }
    po_buf_put_u8(out, '\n');
}

static void
put_option(struct po_buf *out, const struct po_cli_option *option)
{
    size_t start = out->size;
    size_t used;

    if (option->letter != 0)
        po_buf_printf(out, "  -%c, ", option->letter);
    else
        po_buf_put_text(out, "      ");
    po_buf_printf(out, "--%s", option->name);
    if (option->kind == PO_CLI_CHOICE)
        po_buf_printf(out, "=%s", option->argument);
    else if (option->kind != PO_CLI_FLAG)
        po_buf_printf(out, " %s", option->argument);
    used = out->size - start;
    if (used + 2 > HELP_COLUMN)
        po_buf_printf(out, "\n%*s", (int)HELP_COLUMN, "");
    else
        po_buf_printf(out, "%*s", (int)(HELP_COLUMN - used), "");
    put_wrapped(out, option->help, HELP_COLUMN, HELP_COLUMN);
}

void
po_cli_help_verb(struct po_buf *out, const struct po_cli_verb *verb)
{
    po_buf_printf(out, "pobackup %s%s%s\n\n", verb->name, verb->arguments[0] != '\0' ? " " : "",
                  verb->arguments);
    po_buf_printf(out, "%s: ", verb->name);
    put_wrapped(out, verb->summary, strlen(verb->name) + 2, 0);
    if (verb->text != NULL) {
        po_buf_put_u8(out, '\n');
        put_wrapped(out, verb->text, 0, 0);
    }
    if (verb->options[0].name != NULL)
        po_buf_put_text(out, "\nOptions:\n");
    for (const struct po_cli_option *o = verb->options; o->name != NULL; o++)
        put_option(out, o);
    po_buf_put_text(out, "\nOptions of every verb:\n");
    for (const struct po_cli_option *o = po_cli_common; o->name != NULL; o++)
        put_option(out, o);
    po_buf_printf(out, "\n%s", exit_codes);
}

void
po_cli_help_all(struct po_buf *out)
{
    po_buf_put_text(out, "pobackup VERB [OPTIONS] ARGUMENTS\n\n"
                         "Backs up and restores an InterMail Post.Office mail server.\n\n");
    for (const struct po_cli_verb *verb = po_cli_verbs; verb->name != NULL; verb++)
        po_buf_printf(out, "  %-9s %s\n", verb->name, verb->summary);
    po_buf_printf(out, "\npobackup help VERB tells more; the manual page tells all.\n\n%s",
                  exit_codes);
}

static json_t *
json_options(const struct po_cli_option *options)
{
    json_t *list = json_array();

    for (; options->name != NULL; options++) {
        char letter[2] = { options->letter, '\0' };

        if (json_array_append_new(
                list, json_pack("{s:s, s:o, s:o, s:b, s:s}", "name", options->name, "letter",
                                options->letter != 0 ? json_string(letter) : json_null(),
                                "argument", po_cli_json_text(options->argument), "repeatable",
                                options->kind == PO_CLI_LIST, "help", options->help)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static void
put_json(struct po_cli *cli)
{
    po_cli_json_array_begin(&cli->out, "verbs");
    for (const struct po_cli_verb *verb = po_cli_verbs; verb->name != NULL; verb++)
        po_cli_json_item(&cli->out,
                         json_pack("{s:s, s:s, s:s, s:o}", "name", verb->name, "arguments",
                                   verb->arguments, "summary", verb->summary, "options",
                                   json_options(verb->options)));
    po_cli_json_array_end(&cli->out);
    po_cli_json_member(&cli->out, "common_options", json_options(po_cli_common));
}

int
po_cmd_help(struct po_cli *cli)
{
    const char *name = cli->values.arg_count > 0 ? cli->values.args[0] : NULL;
    const struct po_cli_verb *verb = name != NULL ? po_cli_verb_find(name) : NULL;
    const char *nearest;
    struct po_buf text = { 0 };

    if (name != NULL && verb == NULL) {
        nearest = po_cli_nearest_verb(name);
        return nearest != NULL ? po_cli_usage(cli, "%s: no such verb; is %s meant?", name, nearest)
                               : po_cli_usage(cli, "%s: no such verb", name);
    }
    if (cli->out.is_json) {
        put_json(cli);
        return PO_EXIT_DONE;
    }
    if (verb != NULL)
        po_cli_help_verb(&text, verb);
    else
        po_cli_help_all(&text);
    (void)po_cli_out_data(&cli->out, text.bytes, text.size);
    po_buf_deinit(&text);
    return PO_EXIT_DONE;
}

int
po_cmd_version(struct po_cli *cli)
{
    struct po_buf line = { 0 };

    po_cli_json_member(&cli->out, "version", json_string(pobackup_version()));
    po_cli_json_member(&cli->out, "format_version", json_integer(1));
    if (!cli->out.is_json) {
        po_buf_printf(&line, "pobackup %s (archive format 1)", pobackup_version());
        (void)po_cli_out_line(&cli->out, &line);
    }
    po_buf_deinit(&line);
    return PO_EXIT_DONE;
}
