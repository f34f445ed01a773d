#include "cli/cli_schedule.h"

#include "base/text.h"

#include <string.h>

/* Of what a program says the end is kept: a table that may have had more before is not written back. */
#define CRONTAB_MAX 65000u

/*
 * The user's crontab; empty when there is none. Twice, as what it says of an error is not to get into
 * a table that is written back.
 */
static enum po_status
read_crontab(struct po_buf *crontab, struct po_err *err)
{
    struct po_buf said = { 0 };
    enum po_status st = po_cli_schedule_run("LC_ALL=C crontab -l >/dev/null", NULL, &said, err);

    if (st == PO_E_IO && strstr(po_buf_text(&said), "no crontab") != NULL) {
        st = PO_OK;
        goto done;
    }
    if (st == PO_OK)
        st = po_cli_schedule_run("crontab -l 2>/dev/null", NULL, crontab, err);
    if (st == PO_OK && crontab->size > CRONTAB_MAX)
        st = po_fail(err, PO_E_UNSUPPORTED, "the crontab is larger than %u bytes; edit it by hand",
                     CRONTAB_MAX);
done:
    po_buf_deinit(&said);
    return st;
}

/* And looks whether it is there: other lines than ours are not to suffer. */
static enum po_status
write_crontab(const struct po_buf *crontab, struct po_err *err)
{
    struct po_buf said = { 0 };
    struct po_buf now = { 0 };
    enum po_status st = po_cli_schedule_run("crontab -", crontab, &said, err);

    if (st == PO_OK)
        st = read_crontab(&now, err);
    if (st == PO_OK && (now.size != crontab->size ||
                        (now.size > 0 && memcmp(now.bytes, crontab->bytes, now.size) != 0)))
        st = po_fail(err, PO_E_IO,
                     "crontab does not have what was given to it: look at it with "
                     "crontab -l");
    po_buf_deinit(&said);
    po_buf_deinit(&now);
    return st;
}

static enum po_status
cron_add(const struct po_cli_job *job, struct po_buf *note, struct po_err *err)
{
    struct po_buf old = { 0 };
    struct po_buf new = { 0 };
    bool was_there = false;
    enum po_status st = read_crontab(&old, err);

    if (st == PO_OK) {
        po_cli_crontab_put_others(&new, old.bytes, old.size, job->name, &was_there);
        if (new.size > 0 && new.bytes[new.size - 1] != '\n')
            po_buf_put_u8(&new, '\n');
        po_cli_job_put_cron(&new, job);
        st = po_buf_check(&new, err);
    }
    if (st == PO_OK)
        st = write_crontab(&new, err);
    po_buf_put_text(note,
                    "cron does not make up a run that is missed because the machine is off, and "
                    "finds programs in few directories only: pobackup-site.ini should have "
                    "their whole paths");
    po_buf_deinit(&old);
    po_buf_deinit(&new);
    return st;
}

static enum po_status
cron_remove(const char *name, bool *was_there, struct po_err *err)
{
    struct po_buf old = { 0 };
    struct po_buf new = { 0 };
    enum po_status st = read_crontab(&old, err);

    if (st == PO_OK) {
        /* Bytes to be given, also where none are left. */
        (void)po_buf_text(&new);
        po_cli_crontab_put_others(&new, old.bytes, old.size, name, was_there);
        st = po_buf_check(&new, err);
    }
    if (st == PO_OK && *was_there)
        st = write_crontab(&new, err);
    po_buf_deinit(&old);
    po_buf_deinit(&new);
    return st;
}

static enum po_status
cron_list(po_cli_scheduled_fn each, void *ctx, struct po_err *err)
{
    struct po_buf crontab = { 0 };
    enum po_status st = read_crontab(&crontab, err);

    if (st == PO_OK)
        po_cli_crontab_list(crontab.bytes, crontab.size, each, ctx);
    po_buf_deinit(&crontab);
    return st;
}

const struct po_cli_scheduler po_cli_cron = {
    .name = "cron",
    .put_words = po_cli_cron_put_words,
    .add = cron_add,
    .remove = cron_remove,
    .list = cron_list,
};
