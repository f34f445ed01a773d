/*
 * Windows' Task Scheduler by schtasks.exe, which every version has. Its COM interfaces are two, one a
 * generation; they would tell more in a list.
 */
#include "cli/cli_schedule.h"

#include "cli/cli_state.h"
#include "port/file.h"

#include <string.h>

#define NAME "\"pobackup %s\""

/* The definition goes through a file. */
static enum po_status
write_definition(struct po_buf *path, const struct po_buf *definition, struct po_err *err)
{
    struct po_dir *dir = NULL;
    struct po_file *file = NULL;
    enum po_status st = po_cli_state_open(&dir, path, err);

    po_buf_put_text(path, "/task.xml");
    (void)po_buf_text(path);
    if (st == PO_OK)
        st = po_buf_check(path, err);
    if (st == PO_OK)
        st = po_file_open(&file, dir, "task.xml", strlen("task.xml"), PO_FILE_REPLACE, 0600, err);
    if (st == PO_OK)
        st = po_file_write_at(file, 0, definition->bytes, definition->size, err);
    po_file_free(file);
    po_dir_free(dir);
    for (size_t i = 0; i < path->size; i++)
        if (path->bytes[i] == '/')
            path->bytes[i] = '\\';
    return st;
}

static void
remove_definition(struct po_err *ignored)
{
    struct po_buf path = { 0 };
    struct po_dir *dir = NULL;

    if (po_cli_state_dir(&path, ignored) == PO_OK &&
        po_dir_open(&dir, po_buf_text(&path), ignored) == PO_OK)
        (void)!po_dir_remove(dir, "task.xml", strlen("task.xml"), ignored);
    po_dir_free(dir);
    po_buf_deinit(&path);
}

static enum po_status
create_by_definition(const struct po_cli_job *job, struct po_err *err)
{
    struct po_buf definition = { 0 };
    struct po_buf path = { 0 };
    struct po_buf line = { 0 };
    struct po_buf said = { 0 };
    struct po_err ignored;
    enum po_status st = po_cli_job_put_task(&definition, job, err);

    if (st == PO_OK)
        st = write_definition(&path, &definition, err);
    if (st == PO_OK) {
        po_buf_printf(&line, "schtasks /Create /F /TN " NAME " /XML \"%s\"", job->name,
                      po_buf_text(&path));
        (void)po_buf_text(&line);
        st = po_buf_check(&line, err);
    }
    if (st == PO_OK)
        st = po_cli_schedule_run(po_buf_text(&line), NULL, &said, err);
    remove_definition(&ignored);
    po_buf_deinit(&definition);
    po_buf_deinit(&path);
    po_buf_deinit(&line);
    po_buf_deinit(&said);
    return st;
}

/* Before Vista there are no definitions, and the schtasks there does not know the word. */
static enum po_status
tasks_add(const struct po_cli_job *job, struct po_buf *note, struct po_err *err)
{
    struct po_buf line = { 0 };
    struct po_buf said = { 0 };
    struct po_err first = { 0 };
    enum po_status st = create_by_definition(job, &first);

    if (st == PO_OK)
        return PO_OK;
    st = po_cli_job_put_schtasks(&line, job, err);
    if (st == PO_OK)
        st = po_cli_schedule_run(po_buf_text(&line), NULL, &said, err);
    if (st == PO_OK)
        po_buf_put_text(note, "a run that is missed because the machine is off is not made up");
    else
        /* What the newer way said is what counts on a newer system. */
        *err = first;
    st = st == PO_OK ? PO_OK : first.status;
    po_buf_deinit(&line);
    po_buf_deinit(&said);
    return st;
}

static void
note_name(void *ctx, const struct po_cli_scheduled *job)
{
    struct po_buf *names = ctx;

    po_buf_put(names, job->name, strlen(job->name) + 1);
}

/* Nothing is found when findstr ends with 1, and nothing is wrong then. */
static enum po_status
tasks_list(po_cli_scheduled_fn each, void *ctx, struct po_err *err)
{
    struct po_buf csv = { 0 };
    enum po_status st = po_cli_schedule_run(
        "schtasks /Query /FO CSV | findstr /C:\"pobackup \" || ver >nul", NULL, &csv, err);

    if (st == PO_OK)
        po_cli_tasks_list(csv.bytes, csv.size, each, ctx);
    po_buf_deinit(&csv);
    return st;
}

static enum po_status
tasks_remove(const char *name, bool *was_there, struct po_err *err)
{
    struct po_buf names = { 0 };
    struct po_buf line = { 0 };
    struct po_buf said = { 0 };
    enum po_status st = tasks_list(note_name, &names, err);

    *was_there = false;
    if (st == PO_OK)
        st = po_buf_check(&names, err);
    for (size_t at = 0; st == PO_OK && at < names.size;
         at += strlen((const char *)names.bytes + at) + 1)
        *was_there = *was_there || strcmp((const char *)names.bytes + at, name) == 0;
    if (st == PO_OK && *was_there) {
        po_buf_printf(&line, "schtasks /Delete /F /TN " NAME, name);
        (void)po_buf_text(&line);
        st = po_buf_check(&line, err);
        if (st == PO_OK)
            st = po_cli_schedule_run(po_buf_text(&line), NULL, &said, err);
    }
    po_buf_deinit(&names);
    po_buf_deinit(&line);
    po_buf_deinit(&said);
    return st;
}

const struct po_cli_scheduler po_cli_tasks = {
    .name = "Task Scheduler",
    .add = tasks_add,
    .remove = tasks_remove,
    .list = tasks_list,
};
