#include "cli/cli_history.h"

#include "base/mem.h"
#include "cli/cli_site.h"
#include "cli/cli_state.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

/* What is left at the target, for the trend. Not to be learned: then not. */
static void
note_space(struct po_history_run *run, const char *path)
{
    size_t dir_size;
    size_t name_start;
    struct po_dir *dir = NULL;
    struct po_err ignored;
    uint64_t total;
    char *dir_path;

    po_path_split(path, strlen(path), &dir_size, &name_start);
    dir_path = name_start == 0 ? po_mem_strdup(".")
                               : po_mem_copy(path, dir_size > 0 ? dir_size : name_start);
    run->has_free = dir_path != NULL && po_dir_open(&dir, dir_path, &ignored) == PO_OK &&
                    po_dir_space(dir, &run->free_bytes, &total, &ignored) == PO_OK;
    po_dir_free(dir);
    po_mem_free(dir_path);
}

void
po_cli_history_backup(struct po_cli *cli, struct po_host *host, const char *path,
                      const struct po_backup_options *options,
                      const struct po_backup_result *result)
{
    struct po_history_run *run = &cli->history;

    run->archive = path;
    run->has_archive_id = true;
    memcpy(run->archive_id, result->archive_id, PO_ID_SIZE);
    memcpy(run->digest, result->digest, PO_DIGEST_SIZE);
    run->created = options->created;
    run->archive_bytes = result->archive_bytes;
    run->archive_site = host->ops->identity(host);
    run->is_complete = po_backup_is_complete(result);
    run->check = options->is_unchecked ? PO_HISTORY_UNCHECKED : PO_HISTORY_FRAMES;
    run->is_whole = !options->is_unchecked;
    run->files = result->files;
    run->bytes = result->bytes;
    run->excluded = result->excluded;
    memcpy(run->part_files, result->part_files, sizeof run->part_files);
    run->seconds = result->seconds;
    run->outage_seconds = result->outage_seconds;
    if (strcmp(path, "-") != 0)
        note_space(run, path);
}

void
po_cli_history_consolidate(struct po_cli *cli, const struct po_history *history,
                           const uint8_t own[PO_DIGEST_SIZE], const char *path,
                           const struct po_consolidate_result *result)
{
    struct po_history_run *run = &cli->history;
    size_t count = history == NULL ? 0 : po_history_count(history);

    run->archive = path;
    run->has_archive_id = true;
    memcpy(run->archive_id, result->archive_id, PO_ID_SIZE);
    memcpy(run->digest, result->digest, PO_DIGEST_SIZE);
    run->created = result->created;
    run->archive_bytes = result->archive_bytes;
    run->check = PO_HISTORY_DEEP;
    run->is_whole = true;
    run->files = result->files;
    run->bytes = result->bytes;
    run->seconds = result->seconds;
    note_space(run, path);
    for (size_t i = count; i > 0 && run->archive_site == NULL; i--) {
        const struct po_history_run *of = po_history_at(history, i - 1);

        if (!of->has_archive_id || memcmp(of->digest, own, PO_DIGEST_SIZE) != 0)
            continue;
        run->archive_site = of->archive_site;
        run->is_complete = of->is_complete;
    }
}

void
po_cli_history_restore(struct po_cli *cli, const struct po_cli_archive *archive,
                       const struct po_restore_result *result)
{
    struct po_history_run *run = &cli->history;

    run->archive = archive->path;
    run->has_archive_id = true;
    memcpy(run->archive_id, archive->reader->trailer.archive_id, PO_ID_SIZE);
    memcpy(run->digest, archive->reader->digest, PO_DIGEST_SIZE);
    run->created = archive->reader->trailer.created;
    /* Of a part of it only what is needed is looked at; a set made by hand is no archive. */
    run->is_whole = result->is_verified && !archive->is_import;
    run->check = run->is_whole ? PO_HISTORY_DEEP : PO_HISTORY_UNCHECKED;
    for (int i = 0; i < PO_PART_COUNT; i++) {
        if (!result->parts[i].is_wanted)
            continue;
        run->files += result->parts[i].files;
        run->bytes += result->parts[i].bytes;
    }
    run->seconds = result->seconds;
    run->outage_seconds = result->outage_seconds;
}

void
po_cli_history_recover(struct po_cli *cli, const struct po_recover_result *result)
{
    cli->history.seconds = result->seconds;
    cli->history.outage_seconds = result->outage_seconds;
}

/* false: there is no state directory, or it cannot be made. */
static bool
find_dir(struct po_buf *path, bool is_made)
{
    struct po_node_info info;
    struct po_dir *dir = NULL;
    struct po_err ignored;
    bool exists = false;

    if (is_made)
        exists = po_cli_state_open(&dir, path, &ignored) == PO_OK;
    else if (po_cli_state_dir(path, &ignored) == PO_OK)
        (void)!po_os_stat(po_buf_text(path), &info, &exists, &ignored);
    po_dir_free(dir);
    return exists;
}

/* What is damaged is not restored, and so has noted nothing; that it is damaged is worth to know. */
static void
note_damage(struct po_cli *cli)
{
    if (strcmp(cli->verb->name, "restore") != 0 || cli->values.arg_count == 0)
        return;
    cli->history.archive = cli->values.args[0];
    cli->history.check = PO_HISTORY_DEEP;
    cli->history.is_whole = false;
}

void
po_cli_history_end(struct po_cli *cli, struct po_host *host, int code)
{
    struct po_history_run *run = &cli->history;
    const char *typed;
    struct po_buf path = { 0 };
    char *real = NULL;
    struct po_err err = { 0 };

    if (code == PO_EXIT_DAMAGED)
        note_damage(cli);
    typed = run->archive;
    run->time = po_sys_now();
    run->verb = cli->verb->name;
    run->exit_code = code;
    run->site = host == NULL ? NULL : host->ops->identity(host);
    if (run->site != NULL && cli->site == NULL)
        cli->site = po_mem_strdup(run->site);
    if (run->seconds <= 0)
        run->seconds = po_sys_monotonic() - cli->began;
    if (typed != NULL && strcmp(typed, "-") != 0 && po_os_path_real(&real, typed, &err) == PO_OK)
        run->archive = real;
    if (find_dir(&path, host != NULL) &&
        po_history_append(po_buf_text(&path), run, PO_HISTORY_SIZE_MAX, &err) != PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING, "this run is not noted: %s", err.text);
    run->archive = typed;
    po_mem_free(real);
    po_buf_deinit(&path);
}

static bool
is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Owned. Of a run that could not open its site, what was typed. NULL = not known. */
static char *
site_of(const struct po_cli *cli)
{
    return cli->site != NULL ? po_mem_strdup(cli->site) : po_cli_site_typed(cli);
}

/*
 * The last run of this one's verb and site that ended before it began; NULL = none. One that could
 * not be told, and did not get as far as a site, may have been this one's.
 */
static const struct po_history_run *
find_before(const struct po_cli *cli, const struct po_history *history)
{
    const struct po_history_run *found = NULL;
    char *site = site_of(cli);

    for (size_t i = po_history_count(history); found == NULL && i > 0; i--) {
        const struct po_history_run *run = po_history_at(history, i - 1);

        if (run->time < cli->began_at && is_same(run->verb, cli->verb->name) &&
            (is_same(run->site, site) || (run->untold != NULL && run->site == NULL)))
            found = run;
    }
    po_mem_free(site);
    return found;
}

/* Of an archive that was verified, whose it is: only so does `status` of that site show the line. */
static void
add_archive_site(const struct po_cli *cli, const struct po_history *history,
                 struct po_history_run *run)
{
    size_t count = po_history_count(history);
    const struct po_history_run *last = count > 0 ? po_history_at(history, count - 1) : NULL;

    if (last != NULL && last->time >= cli->began_at && is_same(last->verb, run->verb))
        run->archive_site = last->archive_site;
}

void
po_cli_history_untold(struct po_cli *cli, int code, const char *why)
{
    char *site = site_of(cli);
    struct po_history_run run = { .time = po_sys_now(),
                                  .verb = cli->verb->name,
                                  .site = site,
                                  .exit_code = code,
                                  .seconds = po_sys_monotonic() - cli->began,
                                  .outage_seconds = -1,
                                  .created = POBACKUP_TIME_UNKNOWN,
                                  .untold = why };
    struct po_history *history = NULL;
    struct po_buf path = { 0 };
    struct po_err err = { 0 };

    if (!find_dir(&path, cli->site != NULL) || !po_cli_history_load(cli, &history))
        goto done;
    add_archive_site(cli, history, &run);
    if (po_history_append(po_buf_text(&path), &run, PO_HISTORY_SIZE_MAX, &err) != PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING, "this run is not noted: %s", err.text);
done:
    po_mem_free(site);
    po_history_free(history);
    po_buf_deinit(&path);
}

void
po_cli_history_put_untold(struct po_cli *cli, struct po_buf *out)
{
    const struct po_history *history = NULL;
    const struct po_history_run *run = NULL;
    struct po_buf path = { 0 };

    if (find_dir(&path, false))
        history = po_cli_history_before(cli);
    if (history != NULL)
        run = find_before(cli, history);
    if (run != NULL && run->untold != NULL) {
        po_sys_put_local_time(out, run->time);
        po_buf_printf(out, " (exit code %d): %s", run->exit_code, run->untold);
    }
    po_buf_deinit(&path);
}

bool
po_cli_history_load(struct po_cli *cli, struct po_history **out)
{
    struct po_buf path = { 0 };
    struct po_err err = { 0 };
    enum po_status st = po_cli_state_dir(&path, &err);

    *out = NULL;
    if (st == PO_OK)
        st = po_history_load(out, po_buf_text(&path), &err);
    if (st != PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING, "what was run before cannot be told: %s",
                        err.text);
    po_buf_deinit(&path);
    return st == PO_OK;
}

const struct po_history *
po_cli_history_before(struct po_cli *cli)
{
    if (!cli->is_before_read)
        (void)po_cli_history_load(cli, &cli->before);
    cli->is_before_read = true;
    return cli->before;
}
