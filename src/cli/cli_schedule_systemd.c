#include "cli/cli_schedule.h"

#include "port/file.h"
#include "port/sys.h"

#include <string.h>

#define PREFIX "pobackup-"
#define TIMER ".timer"
#define SERVICE ".service"
#define UNIT_SIZE_MAX 65536u
#define MODE 0644

/* ---- where, and for whom ---- */

static bool
put_variable(struct po_buf *out, const char *name)
{
    size_t size = out->size;

    return po_sys_put_environment(out, name) && out->size > size;
}

/* The administrator's units are the system's; others have their own. */
static enum po_status
open_units(struct po_dir **out, struct po_err *err)
{
    struct po_buf path = { 0 };
    enum po_status st = PO_OK;

    if (!put_variable(&path, "POBACKUP_UNIT_DIR")) {
        po_buf_clear(&path);
        if (po_sys_is_admin()) {
            po_buf_put_text(&path, "/etc/systemd/system");
        } else if (put_variable(&path, "XDG_CONFIG_HOME")) {
            po_buf_put_text(&path, "/systemd/user");
        } else {
            po_buf_clear(&path);
            if (!put_variable(&path, "HOME"))
                st = po_fail(err, PO_E_IO, "no place for units: HOME is not set");
            po_buf_put_text(&path, "/.config/systemd/user");
        }
    }
    (void)po_buf_text(&path);
    if (st == PO_OK)
        st = po_buf_check(&path, err);
    if (st == PO_OK)
        st = po_dir_open_make(out, po_buf_text(&path), err);
    po_buf_deinit(&path);
    return st;
}

static enum po_status
control(const char *what, const char *unit, struct po_err *err)
{
    struct po_buf line = { 0 };
    struct po_buf said = { 0 };
    enum po_status st;

    po_buf_printf(&line, "systemctl %s%s%s%s", po_sys_is_admin() ? "" : "--user ", what,
                  unit != NULL ? " " : "", unit != NULL ? unit : "");
    (void)po_buf_text(&line);
    st = po_buf_check(&line, err);
    if (st == PO_OK)
        st = po_cli_schedule_run(po_buf_text(&line), NULL, &said, err);
    po_buf_deinit(&line);
    po_buf_deinit(&said);
    return st;
}

/* ---- units ---- */

static const char *
unit_name(struct po_buf *out, const char *name, const char *ending)
{
    po_buf_clear(out);
    po_buf_printf(out, PREFIX "%s%s", name, ending);
    return po_buf_text(out);
}

/* *text is empty when there is no such unit. */
static enum po_status
read_unit(struct po_dir *dir, const char *unit, struct po_buf *text, struct po_err *err)
{
    struct po_node_info info;
    struct po_file *file = NULL;
    bool is_there = false;
    enum po_status st = po_dir_stat(dir, unit, strlen(unit), &info, &is_there, err);

    if (st != PO_OK || !is_there)
        return st;
    st = po_file_open(&file, dir, unit, strlen(unit), PO_FILE_READ, 0, err);
    if (st == PO_OK && !po_buf_reserve(text, UNIT_SIZE_MAX))
        st = po_buf_check(text, err);
    if (st == PO_OK)
        st = po_file_read_at(file, 0, text->bytes, UNIT_SIZE_MAX, &text->size, err);
    po_file_free(file);
    return st;
}

static bool
is_ours(const struct po_buf *text)
{
    return text->size >= strlen(PO_CLI_UNIT_MARK) &&
           memcmp(text->bytes, PO_CLI_UNIT_MARK, strlen(PO_CLI_UNIT_MARK)) == 0;
}

/* Somebody else's is not touched. */
static enum po_status
check_unit(struct po_dir *dir, const char *unit, bool *is_there, struct po_err *err)
{
    struct po_buf text = { 0 };
    enum po_status st = read_unit(dir, unit, &text, err);

    *is_there = st == PO_OK && text.size > 0;
    if (*is_there && !is_ours(&text))
        st = po_fail(err, PO_E_USAGE,
                     "%s is there, and not made by pobackup schedule: give another "
                     "--name",
                     unit);
    po_buf_deinit(&text);
    return st;
}

/* The old one is there until the new one is whole. */
static enum po_status
write_unit(struct po_dir *dir, const char *unit, const struct po_buf *text, struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_buf new = { 0 };
    enum po_status st;

    po_buf_printf(&new, "%s.new", unit);
    (void)po_buf_text(&new);
    st = po_buf_check(&new, err);
    if (st == PO_OK)
        st = po_buf_check(text, err);
    if (st == PO_OK)
        st = po_file_open(&file, dir, po_buf_text(&new), new.size, PO_FILE_REPLACE, MODE, err);
    if (st == PO_OK)
        st = po_file_write_at(file, 0, text->bytes, text->size, err);
    if (st == PO_OK)
        st = po_file_sync(file, err);
    po_file_free(file);
    if (st == PO_OK)
        st = po_dir_rename(dir, po_buf_text(&new), new.size, dir, unit, strlen(unit), true, err);
    po_buf_deinit(&new);
    return st;
}

static void
remove_units(struct po_dir *dir, const char *name)
{
    static const char *const endings[] = { TIMER, SERVICE };
    struct po_buf unit = { 0 };
    struct po_err ignored;

    for (size_t i = 0; i < 2; i++) {
        (void)unit_name(&unit, name, endings[i]);
        (void)!po_dir_remove(dir, po_buf_text(&unit), unit.size, &ignored);
    }
    po_buf_deinit(&unit);
}

/* ---- the scheduler ---- */

static enum po_status
check_both(struct po_dir *dir, const char *name, bool *is_there, struct po_err *err)
{
    struct po_buf unit = { 0 };
    bool has_service = false;
    enum po_status st = check_unit(dir, unit_name(&unit, name, TIMER), is_there, err);

    if (st == PO_OK)
        st = check_unit(dir, unit_name(&unit, name, SERVICE), &has_service, err);
    *is_there = *is_there || has_service;
    po_buf_deinit(&unit);
    return st;
}

static enum po_status
write_both(struct po_dir *dir, const struct po_cli_job *job, struct po_err *err)
{
    struct po_buf unit = { 0 };
    struct po_buf text = { 0 };
    enum po_status st;

    po_cli_job_put_service(&text, job);
    st = write_unit(dir, unit_name(&unit, job->name, SERVICE), &text, err);
    po_buf_clear(&text);
    po_cli_job_put_timer(&text, job);
    if (st == PO_OK)
        st = write_unit(dir, unit_name(&unit, job->name, TIMER), &text, err);
    po_buf_deinit(&unit);
    po_buf_deinit(&text);
    return st;
}

/* The texts of a job's units, as they are; empty: there is no such unit. */
struct former {
    struct po_buf timer;
    struct po_buf service;
};

static enum po_status
read_both(struct po_dir *dir, const char *name, struct former *former, struct po_err *err)
{
    struct po_buf unit = { 0 };
    enum po_status st = read_unit(dir, unit_name(&unit, name, TIMER), &former->timer, err);

    if (st == PO_OK)
        st = read_unit(dir, unit_name(&unit, name, SERVICE), &former->service, err);
    po_buf_deinit(&unit);
    return st;
}

static enum po_status
put_back(struct po_dir *dir, const char *name, const struct former *former, struct po_err *err)
{
    struct po_buf unit = { 0 };
    enum po_status st = write_unit(dir, unit_name(&unit, name, SERVICE), &former->service, err);

    if (st == PO_OK)
        st = write_unit(dir, unit_name(&unit, name, TIMER), &former->timer, err);
    po_buf_deinit(&unit);
    return st;
}

/* One that runs already keeps its old time until it is started again. */
static enum po_status
start_timer(const char *timer, struct po_err *err)
{
    enum po_status st = control("daemon-reload", NULL, err);

    if (st == PO_OK)
        st = control("enable", timer, err);
    return st == PO_OK ? control("restart", timer, err) : st;
}

/* Of what could not be scheduled nothing is left: half of a job would look like one. */
static enum po_status
take_back(struct po_dir *dir, const char *name, const char *timer, const struct former *former,
          struct po_err *err)
{
    bool was_whole = former->timer.size > 0 && former->service.size > 0;
    struct po_err failure;

    if (!was_whole) {
        (void)!control("disable --now", timer, &failure);
        remove_units(dir, name);
        (void)!control("daemon-reload", NULL, &failure);
        return po_err_prefix(err, "nothing is scheduled");
    }
    if (put_back(dir, name, former, &failure) != PO_OK)
        return po_err_prefix(err, "the former job cannot be put back (%.200s)", failure.text);
    return po_err_prefix(err, start_timer(timer, &failure) == PO_OK
                                  ? "the former job is as it was"
                                  : "the former job is put back, but does not run");
}

static enum po_status
systemd_add(const struct po_cli_job *job, struct po_buf *note, struct po_err *err)
{
    struct po_dir *dir = NULL;
    struct po_buf timer = { 0 };
    struct former former = { 0 };
    bool was_there = false;
    enum po_status st = open_units(&dir, err);

    (void)unit_name(&timer, job->name, TIMER);
    if (st == PO_OK)
        st = check_both(dir, job->name, &was_there, err);
    if (st == PO_OK)
        st = read_both(dir, job->name, &former, err);
    if (st != PO_OK)
        goto done;
    st = write_both(dir, job, err);
    if (st == PO_OK)
        st = start_timer(po_buf_text(&timer), err);
    if (st != PO_OK)
        st = take_back(dir, job->name, po_buf_text(&timer), &former, err);
    if (!po_sys_is_admin())
        po_buf_put_text(note, "it runs only while you are logged in, unless loginctl enable-linger "
                              "was run for you");
done:
    po_buf_deinit(&former.timer);
    po_buf_deinit(&former.service);
    po_buf_deinit(&timer);
    po_dir_free(dir);
    return st;
}

static enum po_status
systemd_remove(const char *name, bool *was_there, struct po_err *err)
{
    struct po_dir *dir = NULL;
    struct po_buf timer = { 0 };
    struct po_err ignored;
    enum po_status st = open_units(&dir, err);

    (void)unit_name(&timer, name, TIMER);
    *was_there = false;
    if (st == PO_OK)
        st = check_both(dir, name, was_there, err);
    if (st == PO_OK && *was_there) {
        st = control("disable --now", po_buf_text(&timer), err);
        /* Else a job of this name that comes later would make up for what this one did not run. Older
         * systemd has no such command. */
        (void)!control("clean --what=state", po_buf_text(&timer), &ignored);
        if (st == PO_OK)
            remove_units(dir, name);
        if (st == PO_OK)
            st = control("daemon-reload", NULL, err);
    }
    po_buf_deinit(&timer);
    po_dir_free(dir);
    return st;
}

/* ---- listing ---- */

struct listing {
    struct po_dir *dir;
    po_cli_scheduled_fn each;
    void *ctx;
};

static enum po_status
list_job(const struct listing *listing, const char *name, struct po_err *err)
{
    struct po_buf unit = { 0 };
    struct po_buf timer = { 0 };
    struct po_buf service = { 0 };
    struct po_buf when = { 0 };
    struct po_buf command = { 0 };
    enum po_status st = read_unit(listing->dir, unit_name(&unit, name, TIMER), &timer, err);

    if (st == PO_OK)
        st = read_unit(listing->dir, unit_name(&unit, name, SERVICE), &service, err);
    if (st == PO_OK && is_ours(&timer)) {
        (void)po_cli_unit_put_value(&when, po_buf_text(&timer), "OnCalendar=");
        (void)po_cli_unit_put_value(&command, po_buf_text(&service), "ExecStart=");
        listing->each(listing->ctx, &(struct po_cli_scheduled){ .name = name,
                                                                .when = po_buf_text(&when),
                                                                .command = po_buf_text(&command) });
    }
    po_buf_deinit(&unit);
    po_buf_deinit(&timer);
    po_buf_deinit(&service);
    po_buf_deinit(&when);
    po_buf_deinit(&command);
    return st;
}

static enum po_status
list_node(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
          const struct po_err *failure, struct po_err *err)
{
    size_t start = strlen(PREFIX);
    size_t ending = strlen(TIMER);
    char job[PO_CLI_JOB_NAME_MAX + 1] = "";

    (void)failure;
    if (info->type != PO_NODE_FILE || name_size <= start + ending ||
        name_size - start - ending >= sizeof(job) || memcmp(name, PREFIX, start) != 0 ||
        memcmp(name + name_size - ending, TIMER, ending) != 0)
        return PO_OK;
    memcpy(job, name + start, name_size - start - ending);
    return po_cli_job_is_name(job) ? list_job(ctx, job, err) : PO_OK;
}

static enum po_status
systemd_list(po_cli_scheduled_fn each, void *ctx, struct po_err *err)
{
    struct listing listing = { .each = each, .ctx = ctx };
    enum po_status st = open_units(&listing.dir, err);

    if (st == PO_OK)
        st = po_dir_list(listing.dir, "", 0, list_node, &listing, err);
    po_dir_free(listing.dir);
    return st;
}

const struct po_cli_scheduler po_cli_systemd = {
    .name = "systemd",
    .put_words = po_cli_unit_put_words,
    .add = systemd_add,
    .remove = systemd_remove,
    .list = systemd_list,
};
