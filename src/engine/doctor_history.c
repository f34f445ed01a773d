/* What the history (engine/history.h) says of the site: is it saved, and will the target hold out? */
#include "base/mem.h"
#include "base/text.h"
#include "engine/doctor_checks.h"
#include "port/file.h"

#include <string.h>

#define HOUR INT64_C(36000000000)
/* A nightly backup that came a little later than the one before. */
#define BACKUP_HOURS_MAX 25
/* A line through two points says nothing, and what was long ago says nothing of now. */
#define TREND_MIN 3u
#define TREND_MAX 30u
#define FULL_SOON 14.0

static bool
is_backup_of(const struct po_history_run *run, const char *site)
{
    return po_history_is_backup(run) && run->site != NULL && strcmp(run->site, site) == 0;
}

static const struct po_history_run *
last_attempt(const struct po_doctor *doctor)
{
    for (size_t i = po_history_count(doctor->history); i > 0; i--) {
        const struct po_history_run *run = po_history_at(doctor->history, i - 1);

        if (is_backup_of(run, doctor->site))
            return run;
    }
    return NULL;
}

/* "/backup/a.tar.zst, made 5 h 12 min ago" */
static void
put_archive(struct po_buf *text, const struct po_doctor *doctor, const struct po_history_run *run)
{
    if (run->archive == NULL || strcmp(run->archive, "-") == 0)
        po_buf_put_text(text, "written to standard output");
    else
        po_text_put_name(text, run->archive, strlen(run->archive));
    po_buf_put_text(text, ", made ");
    po_history_put_age(text, po_history_made_at(run), doctor->now);
}

/* ---- backup, verified, uninstall ---- */

static void
check_backup(struct po_doctor *doctor, const struct po_history_run *backup)
{
    const struct po_history_run *last = last_attempt(doctor);
    struct po_buf text = { 0 };
    int64_t age;

    if (backup == NULL) {
        po_doctor_say(doctor, PO_CHECK_WARNING, "backup",
                      last == NULL ? "none of this site is known on this machine"
                                   : "none of this site that is known here is whole: see pobackup "
                                     "status");
        return;
    }
    put_archive(&text, doctor, backup);
    age = doctor->now - po_history_made_at(backup);
    if (last != NULL && last != backup && last->exit_code != 0)
        po_doctor_say(doctor, PO_CHECK_WARNING, "backup",
                      "the last run ended with exit code %d; the last good one is %s",
                      last->exit_code, po_buf_text(&text));
    else if (age > BACKUP_HOURS_MAX * HOUR)
        po_doctor_say(doctor, PO_CHECK_WARNING, "backup",
                      "the last good one is older than %d hours: %s", BACKUP_HOURS_MAX,
                      po_buf_text(&text));
    else if (age < -HOUR)
        po_doctor_say(doctor, PO_CHECK_WARNING, "backup",
                      "the clock has been set back, or was wrong then: the last good one is %s",
                      po_buf_text(&text));
    else
        po_doctor_say(doctor, PO_CHECK_GOOD, "backup", "%s", po_buf_text(&text));
    po_buf_deinit(&text);
}

static void
check_verified(struct po_doctor *doctor, const struct po_history_run *backup,
               const struct po_history_run *verified)
{
    struct po_buf text = { 0 };

    if (backup == NULL)
        return; /* said already */
    if (verified == NULL) {
        po_doctor_say(doctor, PO_CHECK_WARNING, "verified",
                      "no backup of this site was ever read back here: pobackup verify does it");
        return;
    }
    put_archive(&text, doctor, verified);
    po_buf_put_text(&text, ", verified ");
    po_history_put_age(&text, verified->time, doctor->now);
    po_doctor_say(doctor, PO_CHECK_GOOD, "verified", "%s", po_buf_text(&text));
    po_buf_deinit(&text);
}

/*
 * req: K1. Hardly anybody who runs this means to uninstall, so that it is no more than a note; that
 * there is no backup has been warned of above.
 */
static void
check_uninstall(struct po_doctor *doctor, const struct po_history_run *verified)
{
    struct po_buf text = { 0 };

    if (doctor->host->ops->place(doctor->host, PO_PART_REGISTRY) == NULL)
        return; /* no Post.Office */
    if (verified != NULL)
        put_archive(&text, doctor, verified);
    po_doctor_say(doctor, verified != NULL ? PO_CHECK_GOOD : PO_CHECK_NOTE, "uninstall",
                  "it would delete all accounts; spool and mailbox stay, but are no backup without "
                  "the registry: %s%s",
                  verified != NULL ? "what there is verified is " : "verify a backup before it",
                  po_buf_text(&text));
    po_buf_deinit(&text);
}

/* ---- trend ---- */

/* The directory part of a path, with the '/' of a root; its size. */
static size_t
directory_size(const char *path)
{
    size_t dir_size;
    size_t name_start;

    po_path_split(path, strlen(path), &dir_size, &name_start);
    return dir_size > 0 ? dir_size : name_start;
}

/* The free space after each of the last backups into one directory, the newest first. */
struct trend {
    const struct po_history_run *newest;
    double free[TREND_MAX];
    unsigned count;
};

static void
collect(struct trend *trend, const struct po_doctor *doctor)
{
    for (size_t i = po_history_count(doctor->history); i > 0 && trend->count < TREND_MAX; i--) {
        const struct po_history_run *run = po_history_at(doctor->history, i - 1);
        size_t size;

        if (!is_backup_of(run, doctor->site) || !run->has_free || run->archive == NULL)
            continue;
        if (trend->newest == NULL)
            trend->newest = run;
        size = directory_size(run->archive);
        if (size != directory_size(trend->newest->archive) ||
            memcmp(run->archive, trend->newest->archive, size) != 0)
            continue;
        trend->free[trend->count++] = (double)run->free_bytes;
    }
}

/* How much less there is with each backup: the line with the least squares. */
static double
loss_of(const struct trend *trend)
{
    double mean_x = (trend->count - 1) / 2.0;
    double mean_y = 0;
    double above = 0;
    double below = 0;

    for (unsigned i = 0; i < trend->count; i++)
        mean_y += trend->free[i] / trend->count;
    for (unsigned i = 0; i < trend->count; i++) {
        above += (i - mean_x) * (trend->free[i] - mean_y);
        below += (i - mean_x) * (i - mean_x);
    }
    return above / below; /* the newest is 0: what came earlier had more */
}

static void
check_trend(struct po_doctor *doctor)
{
    struct trend trend = { 0 };
    struct po_buf text = { 0 };
    double loss;
    double left;

    collect(&trend, doctor);
    if (trend.count < TREND_MIN)
        return;
    loss = loss_of(&trend);
    po_text_put_size(&text, trend.newest->free_bytes);
    po_buf_put_text(&text, " free in ");
    po_text_put_name(&text, trend.newest->archive, directory_size(trend.newest->archive));
    left = loss >= 1 ? (double)trend.newest->free_bytes / loss : -1;
    if (trend.newest->free_bytes < trend.newest->archive_bytes) {
        po_doctor_say(doctor, PO_CHECK_WARNING, "trend",
                      "%s after the last backup: less than it is large, so the next may not fit",
                      po_buf_text(&text));
    } else if (left < 0) {
        po_doctor_say(doctor, PO_CHECK_GOOD, "trend", "%s, and no less than %u backups ago",
                      po_buf_text(&text), trend.count - 1);
    } else {
        po_buf_put_text(&text, ", ");
        po_text_put_size(&text, (uint64_t)loss);
        po_doctor_say(doctor, left < FULL_SOON ? PO_CHECK_WARNING : PO_CHECK_GOOD, "trend",
                      "%s less with each of the last %u backups: full after about %.0f more",
                      po_buf_text(&text), trend.count, left);
    }
    po_buf_deinit(&text);
}

/* ---- all ---- */

void
po_doctor_history(struct po_doctor *doctor)
{
    const struct po_history_run *backup;
    const struct po_history_run *verified;

    if (doctor->history == NULL)
        return;
    backup = po_history_last_backup(doctor->history, doctor->site);
    verified = po_history_last_verified(doctor->history, doctor->site);
    check_backup(doctor, backup);
    check_verified(doctor, backup, verified);
    check_uninstall(doctor, verified);
    check_trend(doctor);
}

enum po_status
po_doctor_usual_target(struct po_doctor *doctor, struct po_err *err)
{
    const struct po_history_run *backup =
        doctor->history == NULL ? NULL : po_history_last_backup(doctor->history, doctor->site);
    struct po_node_info info;
    struct po_err why;
    bool exists = false;
    size_t size;
    char *path;
    enum po_status st = PO_OK;

    if (backup == NULL || backup->archive == NULL || directory_size(backup->archive) == 0)
        return PO_OK;
    size = directory_size(backup->archive);
    path = po_mem_copy(backup->archive, size);
    if (path == NULL)
        return po_fail_nomem(err, size);
    if (po_os_stat(path, &info, &exists, &why) == PO_OK && !exists)
        po_doctor_say(doctor, PO_CHECK_WARNING, "target",
                      "%s, where the last good backup went, is not there", path);
    else
        st = po_doctor_check_target(doctor, path, err);
    po_mem_free(path);
    return st;
}
