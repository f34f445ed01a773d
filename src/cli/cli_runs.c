#include "cli/cli_runs.h"

#include "base/text.h"
#include "cli/cli_good.h"
#include "cli/cli_history.h"
#include "port/sys.h"

#include <string.h>

#define TOLD_MAX 5u
#define JSON_MAX 50u
#define HOUR INT64_C(36000000000)

struct runs {
    struct po_cli *cli;
    const struct po_history *history;
    const char *site;
    int64_t now;
};

/* ---- for people ---- */

/* "done", "done, with problems", "failed (exit code 2)"; of verify what it found. */
static void
put_outcome(struct po_buf *line, const struct po_history_run *run)
{
    bool is_verify = strcmp(run->verb, "verify") == 0 && run->check != PO_HISTORY_UNCHECKED;

    if (run->untold != NULL)
        po_buf_printf(line, "exit code %d, which could not be told: %s", run->exit_code,
                      run->untold);
    else if (is_verify)
        po_buf_printf(line, "%s (%s)", run->is_whole ? "whole" : "DAMAGED",
                      po_history_check_name(run->check));
    else if (run->exit_code == PO_EXIT_DONE)
        po_buf_put_text(line, "done");
    else if (run->exit_code == PO_EXIT_PARTLY)
        po_buf_put_text(line, "done, with problems");
    else
        po_buf_printf(line, "failed (exit code %d)", run->exit_code);
}

static void
tell_run(const struct runs *runs, const struct po_history_run *run)
{
    struct po_buf line = { 0 };

    po_sys_put_local_time(&line, run->time);
    po_buf_printf(&line, "  %s: ", run->verb);
    put_outcome(&line, run);
    if (run->bytes > 0) {
        po_buf_put_text(&line, ", ");
        po_cli_put_count(&line, run->files, "file", "files");
        po_buf_put_text(&line, ", ");
        po_text_put_size(&line, run->bytes);
    }
    po_buf_put_text(&line, ", in ");
    po_text_put_seconds(&line, run->seconds);
    if (run->outage_seconds >= 0) {
        po_buf_put_text(&line, ", mail was down for ");
        po_text_put_seconds(&line, run->outage_seconds);
    }
    if (run->archive != NULL) {
        po_buf_put_text(&line, ": ");
        po_cli_put_word(&line, run->archive);
    }
    po_cli_out_tell(&runs->cli->out, PO_CLI_SAY, "%s", po_buf_text(&line));
    po_buf_deinit(&line);
}

/* "/backup/a.tar.zst, made 2026-11-24 03:00:00 +0100 (5 h 12 min ago)" */
static void
put_archive(struct po_buf *line, const struct runs *runs, const struct po_history_run *run)
{
    if (run->archive == NULL || strcmp(run->archive, "-") == 0)
        po_buf_put_text(line, "written to standard output");
    else
        po_cli_put_word(line, run->archive);
    po_buf_put_text(line, ", made ");
    po_sys_put_local_time(line, po_history_made_at(run));
    po_buf_put_text(line, " (");
    po_history_put_age(line, po_history_made_at(run), runs->now);
    po_buf_put_text(line, ")");
}

/* What was good, and is gone; what counts, and could not be looked at. */
static void
tell_presence(const struct runs *runs, struct po_cli_good *good)
{
    struct po_cli_out *out = &runs->cli->out;
    struct po_buf path = { 0 };

    if (good->gone != NULL) {
        po_cli_put_word(&path, good->gone->archive);
        po_cli_out_tell(out, PO_CLI_WARNING,
                        "the last good backup, %s, is no longer there: %s; it does not count",
                        po_buf_text(&path), po_buf_text(&good->why));
    }
    if (good->backup != NULL && good->unseen.size > 0)
        po_cli_out_tell(out, PO_CLI_NOTE,
                        "whether the last good backup is still there could not be looked at: %s",
                        po_buf_text(&good->unseen));
    po_buf_deinit(&path);
}

static void
tell_last(const struct runs *runs, struct po_cli_good *good, const struct po_history_run *verified)
{
    const struct po_history_run *backup = good->backup;
    struct po_cli_out *out = &runs->cli->out;
    struct po_buf line = { 0 };

    if (backup == NULL) {
        po_cli_out_tell(out, PO_CLI_SAY, "no good backup of this site is %s here",
                        good->gone != NULL ? "left" : "known");
    } else {
        put_archive(&line, runs, backup);
        po_cli_out_tell(out, PO_CLI_SAY, "last good backup: %s", po_buf_text(&line));
        po_buf_clear(&line);
    }
    if (verified == NULL) {
        po_cli_out_tell(out, PO_CLI_SAY, "no backup of this site was verified deeply here");
    } else {
        put_archive(&line, runs, verified);
        po_buf_put_text(&line, ", verified ");
        po_history_put_age(&line, verified->time, runs->now);
        po_cli_out_tell(out, PO_CLI_SAY, "last verified backup: %s", po_buf_text(&line));
    }
    po_buf_deinit(&line);
}

/* ---- JSON ---- */

static json_t *
run_json(const struct po_history_run *run)
{
    const char *path = run->archive != NULL ? run->archive : "";
    bool has_check = run->check != PO_HISTORY_UNCHECKED;

    return json_pack(
        "{s:o, s:o, s:i, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:b, s:o, s:o}", "time",
        po_cli_json_time(run->time), "verb", po_cli_json_text(run->verb), "exit_code",
        run->exit_code, "seconds", run->seconds, "outage_seconds",
        run->outage_seconds >= 0 ? json_real(run->outage_seconds) : json_null(), "files",
        po_cli_json_u64(run->files), "bytes", po_cli_json_u64(run->bytes),
        po_cli_json_path_key(path, strlen(path)),
        run->archive == NULL ? json_null() : po_cli_json_path(path, strlen(path)), "archive_id",
        run->has_archive_id ? po_cli_json_hex(run->archive_id, PO_ID_SIZE) : json_null(), "digest",
        run->has_archive_id ? po_cli_json_hex(run->digest, PO_DIGEST_SIZE) : json_null(), "created",
        po_cli_json_time(run->created), "check", po_history_check_name(run->check), "whole",
        has_check ? json_boolean(run->is_whole) : json_null(), "complete", run->is_complete,
        "untold", po_cli_json_text(run->untold), "space_free",
        run->has_free ? po_cli_json_u64(run->free_bytes) : json_null());
}

static json_t *
age_json(int64_t then, int64_t now)
{
    return json_real((double)(now - then) / 1e7);
}

static void
put_last_json(const struct runs *runs, struct po_cli_good *good,
              const struct po_history_run *verified)
{
    struct po_cli_out *out = &runs->cli->out;
    const struct po_history_run *backup = good->backup;

    po_cli_json_member(out, "last_backup", backup == NULL ? json_null() : run_json(backup));
    po_cli_json_member(out, "last_backup_age_seconds",
                       backup == NULL ? json_null()
                                      : age_json(po_history_made_at(backup), runs->now));
    po_cli_json_member(out, "last_backup_gone",
                       good->gone == NULL ? json_null()
                                          : po_cli_json_plain_path(good->gone->archive,
                                                                   strlen(good->gone->archive)));
    po_cli_json_member(out, "last_backup_unseen",
                       good->unseen.size == 0 ? json_null()
                                              : po_cli_json_text(po_buf_text(&good->unseen)));
    po_cli_json_member(out, "last_verified", verified == NULL ? json_null() : run_json(verified));
    po_cli_json_member(out, "last_verified_age_seconds",
                       verified == NULL ? json_null() : age_json(verified->time, runs->now));
}

/* ---- age ---- */

static int
check_age(const struct runs *runs, const struct po_cli_good *good, int64_t max_age_hours)
{
    const struct po_history_run *backup = good->backup;
    int64_t age = backup == NULL ? 0 : runs->now - po_history_made_at(backup);
    struct po_buf text = { 0 };

    if (max_age_hours == 0)
        return PO_EXIT_DONE;
    /* A clock that was ahead once is not to hide for years that no backup is made. */
    if (backup != NULL && age <= max_age_hours * HOUR && age >= -HOUR)
        return PO_EXIT_DONE;
    if (backup == NULL) {
        po_buf_printf(&text, "no good backup of this site is %s here",
                      good->gone != NULL ? "left" : "known");
    } else {
        po_buf_put_text(&text, "the last good backup was made ");
        po_history_put_age(&text, po_history_made_at(backup), runs->now);
    }
    po_buf_put_text(&text, "; it is to be no older than ");
    po_cli_put_count(&text, (uint64_t)max_age_hours, "hour", "hours");
    po_cli_out_tell(&runs->cli->out, PO_CLI_WARNING, "%s", po_buf_text(&text));
    po_buf_deinit(&text);
    return PO_EXIT_PARTLY;
}

static void
tell_runs(const struct runs *runs)
{
    struct po_cli_out *out = &runs->cli->out;
    size_t told = 0;

    po_cli_json_array_begin(out, "runs");
    for (size_t i = po_history_count(runs->history); i > 0 && told < JSON_MAX; i--) {
        const struct po_history_run *run = po_history_at(runs->history, i - 1);

        if (!po_history_is_of(run, runs->site))
            continue;
        if (told++ < TOLD_MAX)
            tell_run(runs, run);
        if (out->is_json)
            po_cli_json_item(out, run_json(run));
    }
    po_cli_json_array_end(out);
}

/* One that did not get as far as a site may have been this one's. */
static bool
is_untold_of(const struct po_history_run *run, const char *site)
{
    return run->untold != NULL &&
           (po_history_is_of(run, site) || (run->site == NULL && run->archive_site == NULL));
}

/* What was to be told to somebody and was not is told here, until it runs again. */
static void
warn_of_untold(const struct runs *runs)
{
    for (size_t i = po_history_count(runs->history); i > 0; i--) {
        const struct po_history_run *run = po_history_at(runs->history, i - 1);
        bool is_last = is_untold_of(run, runs->site);
        struct po_buf when = { 0 };

        for (size_t j = i; is_last && j < po_history_count(runs->history); j++)
            is_last = strcmp(po_history_at(runs->history, j)->verb, run->verb) != 0 ||
                      !po_history_is_of(po_history_at(runs->history, j), runs->site);
        if (!is_last)
            continue;
        po_sys_put_local_time(&when, run->time);
        po_cli_out_tell(&runs->cli->out, PO_CLI_WARNING,
                        "how %s ended at %s (exit code %d) could not be told: %s", run->verb,
                        po_buf_text(&when), run->exit_code, run->untold);
        po_buf_deinit(&when);
    }
}

int
po_cli_runs_tell(struct po_cli *cli, struct po_host *host, int64_t max_age_hours)
{
    struct po_history *history = NULL;
    const struct po_history_run *verified;
    struct po_cli_good good;
    struct runs runs = { .cli = cli, .site = host->ops->identity(host), .now = po_sys_now() };
    int code;

    if (!po_cli_history_load(cli, &history))
        return max_age_hours == 0 ? PO_EXIT_DONE : PO_EXIT_PARTLY;
    runs.history = history;
    po_cli_good_find(&good, history, runs.site);
    verified = po_history_last_verified(history, runs.site);
    tell_runs(&runs);
    tell_last(&runs, &good, verified);
    tell_presence(&runs, &good);
    warn_of_untold(&runs);
    put_last_json(&runs, &good, verified);
    code = check_age(&runs, &good, max_age_hours);
    po_cli_good_deinit(&good);
    po_history_free(history);
    return code;
}
