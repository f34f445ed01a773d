#include "cli/cli.h"

#include "base/mem.h"
#include "cli/cli_schedule.h"
#include "cli/cli_schedule_former.h"
#include "cli/cli_sign.h"
#include "cli/cli_site.h"
#include "cli/cli_tell.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

#define DEFAULT_NAME "backup"
#define FOLDER "folder:"

/* The job's words: the program, "backup", its options. */
struct words {
    char **list; /* NULL ends it; owned, as the texts */
    size_t count;
};

static void
words_deinit(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        po_mem_free(words->list[i]);
    po_mem_free(words->list);
}

static enum po_status
words_add(struct words *words, struct po_buf *text, struct po_err *err)
{
    char **list = po_mem_resize(words->list, words->count + 2, sizeof(*list));
    char *copy = po_mem_strdup(po_buf_text(text));
    enum po_status st = po_buf_check(text, err);

    if (list != NULL)
        words->list = list;
    if (st == PO_OK && (list == NULL || copy == NULL))
        st = po_fail_nomem(err, text->size);
    for (const char *at = copy; st == PO_OK && *at != '\0'; at++)
        if ((unsigned char)*at < ' ')
            st = po_fail(err, PO_E_USAGE, "%s: cannot be scheduled: a control character", copy);
    if (st != PO_OK) {
        po_mem_free(copy);
        return st;
    }
    list[words->count++] = copy;
    list[words->count] = NULL;
    return PO_OK;
}

/* ---- paths ---- */

static bool
is_path(enum po_cli_id id)
{
    static const enum po_cli_id ids[] = { PO_CLI_CONFIG,
                                          PO_CLI_OUTPUT,
                                          PO_CLI_BIN,
                                          PO_CLI_SPOOL,
                                          PO_CLI_MAILBOX,
                                          PO_CLI_LOG,
                                          PO_CLI_METRICS,
                                          PO_CLI_MAIL_LOGIN,
                                          PO_CLI_MAIL_CA,
                                          PO_CLI_SIGN,
                                          PO_CLI_SIGN_PASSPHRASE_FILE };

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* What of an option's value is a path; NULL when none is. */
static const char *
path_of(enum po_cli_id id, const char *text)
{
    if (id == PO_CLI_SITE && strncmp(text, FOLDER, strlen(FOLDER)) == 0)
        return text + strlen(FOLDER);
    return is_path(id) && !(id == PO_CLI_OUTPUT && strcmp(text, "-") == 0) ? text : NULL;
}

/* Appends it as it is from any directory; *was_relative tells whether that is another path. */
static enum po_status
put_absolute(struct po_buf *out, const char *path, bool *was_relative, struct po_err *err)
{
    char *here = NULL;
    char *joined = NULL;
    enum po_status st = po_os_path_real(&here, ".", err);

    if (st == PO_OK)
        joined = po_os_path_join(here, path);
    if (st == PO_OK && joined == NULL)
        st = po_fail_nomem(err, strlen(path));
    if (st == PO_OK) {
        *was_relative = strcmp(joined, path) != 0;
        po_buf_put_text(out, joined);
    }
    po_mem_free(here);
    po_mem_free(joined);
    return st;
}

/* ---- the job's command ---- */

static enum po_status
add_option(struct words *words, const struct po_cli_option *option, const char *text,
           struct po_err *err)
{
    const char *path = text != NULL ? path_of(option->id, text) : NULL;
    struct po_buf word = { 0 };
    bool was_relative = false;
    enum po_status st = PO_OK;

    po_buf_printf(&word, "--%s", option->name);
    if (text != NULL)
        po_buf_put_u8(&word, '=');
    if (path != NULL) {
        po_buf_put(&word, text, (size_t)(path - text));
        st = put_absolute(&word, path, &was_relative, err);
    } else if (text != NULL) {
        po_buf_put_text(&word, text);
    }
    if (st == PO_OK)
        st = words_add(words, &word, err);
    po_buf_deinit(&word);
    return st;
}

/* What was typed: the job reads its configuration file itself, each time. */
static enum po_status
add_typed(struct words *words, const struct po_cli *cli, const struct po_cli_option *option,
          struct po_err *err)
{
    const struct po_cli_value *value = &cli->values.value[option->id];
    enum po_status st = PO_OK;

    if (!value->is_set || value->is_from_config)
        return PO_OK;
    if (option->kind != PO_CLI_LIST)
        return add_option(words, option, option->kind == PO_CLI_FLAG ? NULL : value->text, err);
    for (size_t i = 0; st == PO_OK && i < value->count; i++)
        st = add_option(words, option, value->list[i], err);
    return st;
}

/* Warnings and errors alone: what a run told is in its log. */
static enum po_status
make_words(struct words *words, const struct po_cli *cli, const struct po_cli_verb *backup,
           struct po_err *err)
{
    static const char *const fixed[] = { NULL, "backup", "--quiet" };
    struct po_buf word = { 0 };
    enum po_status st = po_sys_put_program(&word, err);

    for (size_t i = 0; st == PO_OK && i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        if (fixed[i] != NULL) {
            po_buf_clear(&word);
            po_buf_put_text(&word, fixed[i]);
        }
        st = words_add(words, &word, err);
    }
    if (st == PO_OK)
        st = add_typed(words, cli, po_cli_option_by_id(backup, PO_CLI_CONFIG), err);
    for (const struct po_cli_option *o = backup->options; st == PO_OK && o->name != NULL; o++)
        st = add_typed(words, cli, o, err);
    po_buf_deinit(&word);
    return st;
}

/* ---- what cannot work with nobody there ---- */

/* What is typed is absolute by now; what the file says is relative to wherever the job begins. */
static enum po_status
check_paths(const struct po_cli_values *values, const struct po_cli_verb *backup,
            struct po_err *err)
{
    enum po_status st = PO_OK;

    for (const struct po_cli_option *o = backup->options; st == PO_OK && o->name != NULL; o++) {
        const struct po_cli_value *value = &values->value[o->id];
        const char *path = value->is_set && value->is_from_config && o->kind == PO_CLI_TEXT
                               ? path_of(o->id, value->text)
                               : NULL;
        struct po_buf absolute = { 0 };
        bool was_relative = false;

        if (path != NULL)
            st = put_absolute(&absolute, path, &was_relative, err);
        if (st == PO_OK && was_relative)
            st = po_fail(err, PO_E_USAGE,
                         "%s = %s in the configuration file is relative: a job has no directory of "
                         "its own",
                         o->name, value->text);
        po_buf_deinit(&absolute);
    }
    return st;
}

static enum po_status
check_output(const struct po_cli_values *values, struct po_err *err)
{
    const struct po_cli_value *output = &values->value[PO_CLI_OUTPUT];
    struct po_node_info info = { 0 };
    bool is_there = false;
    size_t size;

    if (!output->is_set)
        return po_fail(err, PO_E_USAGE, "where to? Give -o DIR/: a directory");
    if (strcmp(output->text, "-") == 0)
        return po_fail(err, PO_E_USAGE, "-o -: a job has nobody who reads its standard output");
    size = strlen(output->text);
    if (output->text[size - 1] == '/' ||
        (po_sys_has_windows_names() && output->text[size - 1] == '\\'))
        return PO_OK;
    if (po_os_stat(output->text, &info, &is_there, err) != PO_OK)
        return err->status;
    if (!is_there || info.type != PO_NODE_DIRECTORY)
        return po_fail(err, PO_E_USAGE,
                       "-o %s: a file can be written once; give a directory, with a '/' at the end "
                       "when it is to be made",
                       output->text);
    return PO_OK;
}

/* As the job itself would read its words, and its site. */
static int
check_job(struct po_cli *cli, const struct words *words, const struct po_cli_verb *backup)
{
    struct po_cli_values own = cli->values;
    struct po_cli_values values = { 0 };
    struct po_host *host = NULL;
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;
    enum po_status st = po_cli_parse(&values, backup, (int)words->count - 2, words->list + 2, &err);

    if (st == PO_OK && values.value[PO_CLI_CONFIG].is_set)
        st = po_cli_config_load(&values, backup, values.value[PO_CLI_CONFIG].text, &err);
    if (st == PO_OK && values.value[PO_CLI_DRY_RUN].is_set)
        st = po_fail(&err, PO_E_USAGE, "--dry-run: a job that does nothing");
    if (st == PO_OK)
        st = check_paths(&values, backup, &err);
    if (st == PO_OK)
        st = check_output(&values, &err);
    cli->values = values;
    if (st == PO_OK)
        st = po_cli_tell_mail_check(cli, &err);
    if (st == PO_OK)
        st = po_cli_sign_check_unattended(cli, &err);
    if (st != PO_OK)
        code =
            err.status == PO_E_USAGE ? po_cli_usage(cli, "%s", err.text) : po_cli_failed(cli, &err);
    else if (po_cli_site_open(cli, &host, &code))
        po_cli_site_free(host);
    values = cli->values;
    cli->values = own;
    po_cli_values_deinit(&values);
    return code;
}

/* ---- the verb ---- */

/* A job of another site goes only when its name was typed: nobody would miss it before the next loss. */
static enum po_status
replace(const struct po_cli *cli, const struct po_cli_scheduler *scheduler, struct po_cli_job *job,
        const struct words *words, struct po_cli_former *former, struct po_buf *note,
        struct po_err *err)
{
    enum po_status st =
        po_cli_former_find(former, scheduler, job->name, words->list, words->count, err);

    if (st == PO_OK && !po_cli_has(cli, PO_CLI_NAME))
        st = po_cli_former_check(former, err);
    job->words = (const char *const *)words->list;
    return st == PO_OK ? scheduler->add(job, note, err) : st;
}

static int
add(struct po_cli *cli, const struct po_cli_scheduler *scheduler, const char *name)
{
    const struct po_cli_verb *backup = po_cli_verb_find("backup");
    const char *at = po_cli_text(cli, PO_CLI_AT);
    struct po_cli_job job = { .name = name, .is_weekly = po_cli_number(cli, PO_CLI_EVERY, 0) == 1 };
    struct words words = { 0 };
    struct po_cli_former former = { 0 };
    struct po_buf note = { 0 };
    struct po_buf date = { 0 };
    struct po_err err = { 0 };
    enum po_status st;
    int code = PO_EXIT_DONE;

    if (at == NULL || !po_cli_job_parse_time(at, &job.hour, &job.minute))
        return po_cli_usage(cli, "--at HH:MM: when? From 00:00 to 23:59");
    po_sys_put_local_time(&date, po_sys_now());
    if (date.size > 10)
        date.size = 10;
    job.date = po_buf_text(&date);
    st = make_words(&words, cli, backup, &err);
    if (st == PO_OK)
        code = check_job(cli, &words, backup);
    if (st == PO_OK && code == PO_EXIT_DONE)
        st = replace(cli, scheduler, &job, &words, &former, &note, &err);
    if (st != PO_OK) {
        code =
            err.status == PO_E_USAGE ? po_cli_usage(cli, "%s", err.text) : po_cli_failed(cli, &err);
    } else if (code == PO_EXIT_DONE) {
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "scheduled with %s: %s, %s at %s", scheduler->name,
                        name, job.is_weekly ? "on Sundays" : "daily", at);
        po_cli_former_tell(cli, &former);
        if (note.size > 0)
            po_cli_out_tell(&cli->out, PO_CLI_NOTE, "%s", po_buf_text(&note));
        po_cli_json_member(&cli->out, "name", po_cli_json_text(name));
    }
    words_deinit(&words);
    po_cli_former_deinit(&former);
    po_buf_deinit(&note);
    po_buf_deinit(&date);
    return code;
}

static int
take_away(struct po_cli *cli, const struct po_cli_scheduler *scheduler, const char *name)
{
    struct po_err err = { 0 };
    bool was_there = false;
    enum po_status st = scheduler->remove(name, &was_there, &err);

    if (st == PO_OK && !was_there)
        st = po_fail(&err, PO_E_IO, "no job %s is scheduled with %s", name, scheduler->name);
    if (st != PO_OK)
        return po_cli_failed(cli, &err);
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "removed: %s", name);
    po_cli_json_member(&cli->out, "name", po_cli_json_text(name));
    return PO_EXIT_DONE;
}

static void
list_job(void *ctx, const struct po_cli_scheduled *job)
{
    struct po_cli *cli = ctx;
    struct po_buf line = { 0 };

    if (cli->out.is_json) {
        po_cli_json_item(
            &cli->out,
            json_pack("{s:o, s:o, s:o}", "name", po_cli_json_text(job->name), "when",
                      po_cli_json_text(job->when), "command",
                      job->command[0] != '\0' ? po_cli_json_text(job->command) : json_null()));
        return;
    }
    po_buf_printf(&line, "%s  ", job->name);
    po_cli_put_message(&line, job->when);
    po_buf_put_text(&line, job->command[0] != '\0' ? "  " : "");
    po_cli_put_message(&line, job->command);
    (void)po_cli_out_line(&cli->out, &line);
    po_buf_deinit(&line);
}

static int
list(struct po_cli *cli, const struct po_cli_scheduler *scheduler)
{
    struct po_err err = { 0 };
    enum po_status st;

    po_cli_json_array_begin(&cli->out, "jobs");
    st = scheduler->list(list_job, cli, &err);
    po_cli_json_array_end(&cli->out);
    return st == PO_OK ? PO_EXIT_DONE : po_cli_failed(cli, &err);
}

int
po_cmd_schedule(struct po_cli *cli)
{
    const struct po_cli_scheduler *scheduler = NULL;
    const char *what = cli->values.args[0];
    const char *name = po_cli_text(cli, PO_CLI_NAME);
    struct po_err err = { 0 };

    if (name == NULL)
        name = DEFAULT_NAME;
    if (!po_cli_job_is_name(name))
        return po_cli_usage(cli,
                            "--name: %s is not of letters, digits, '-', '_' and '.', %u at most",
                            name, PO_CLI_JOB_NAME_MAX);
    if (po_cli_scheduler_find(&scheduler, &err) != PO_OK)
        return po_cli_usage(cli, "%s", err.text);
    po_cli_json_member(&cli->out, "scheduler", json_string(scheduler->name));
    if (strcmp(what, "add") == 0)
        return add(cli, scheduler, name);
    if (strcmp(what, "remove") == 0)
        return take_away(cli, scheduler, name);
    if (strcmp(what, "list") == 0)
        return list(cli, scheduler);
    return po_cli_usage(cli, "%s: it is schedule add, list or remove", what);
}
