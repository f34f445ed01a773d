#include "cli/cli.h"

#include "base/text.h"
#include "cli/cli_event.h"
#include "cli/cli_guardian.h"
#include "cli/cli_history.h"
#include "cli/cli_outage.h"
#include "cli/cli_problems.h"
#include "cli/cli_prune.h"
#include "cli/cli_recovery.h"
#include "cli/cli_site.h"
#include "cli/cli_state.h"
#include "cli/cli_target.h"
#include "engine/backup.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

#define STREAMS_NAMED_MAX 20u

static void
set_options(const struct po_cli *cli, struct po_backup_options *options)
{
    const struct po_cli_value *exclude = &cli->values.value[PO_CLI_EXCLUDE];

    options->level = (int)po_cli_number(cli, PO_CLI_LEVEL, 0);
    options->threads = (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0);
    options->frame_size = (uint32_t)po_cli_number(cli, PO_CLI_FRAME_SIZE, 0);
    options->is_by_path = po_cli_number(cli, PO_CLI_ORDER, 0) == 1;
    options->is_unchecked = po_cli_has(cli, PO_CLI_NO_FRAME_CHECK);
    options->no_services = po_cli_has(cli, PO_CLI_NO_SERVICES);
    options->is_hot = !po_cli_has(cli, PO_CLI_COLD);
    options->stop_timeout_s = (unsigned)po_cli_number(cli, PO_CLI_STOP_TIMEOUT, 0);
    options->excludes = exclude->list;
    options->exclude_count = exclude->count;
    options->created = po_sys_now();
}

/* Redirected into a file, which may lie in the site: then it is no part of it. */
static void
note_output(struct po_backup_options *options)
{
    struct po_file *output = NULL;
    struct po_node_info info;
    struct po_err ignored;

    if (po_file_standard(&output, 1, &ignored) == PO_OK &&
        po_file_info(output, &info, &ignored) == PO_OK && info.type == PO_NODE_FILE) {
        options->output_device = info.device;
        options->output_id = info.file_id;
    }
    po_file_free(output);
}

static void
put_streams_json(struct po_cli_out *out, const struct po_saved_streams *streams)
{
    po_cli_json_member(out, "stream_count", po_cli_json_u64(streams->count));
    po_cli_json_array_begin(out, "streams");
    for (size_t i = 0; i < streams->listed && out->is_open; i++) {
        const struct po_summary_stream *s = &streams->items[i];

        po_cli_json_item(out,
                         json_pack("{s:o, s:o, s:o}", po_cli_json_path_key(s->path, s->path_size),
                                   po_cli_json_path(s->path, s->path_size), "stream",
                                   po_cli_json_text(s->name), "bytes", po_cli_json_u64(s->bytes)));
    }
    po_cli_json_array_end(out);
}

static void
put_json(struct po_cli_out *out, const struct po_backup_result *result)
{
    bool has_outage = result->outage_seconds >= 0;

    po_cli_json_member(out, "files", po_cli_json_u64(result->files));
    po_cli_json_member(out, "files_hot", po_cli_json_u64(result->files_hot));
    po_cli_json_member(out, "directories", po_cli_json_u64(result->directories));
    po_cli_json_member(out, "links", po_cli_json_u64(result->links));
    po_cli_json_member(out, "excluded", po_cli_json_u64(result->excluded));
    po_cli_json_member(out, "bytes", po_cli_json_u64(result->bytes));
    po_cli_json_member(out, "seconds", json_real(result->seconds));
    po_cli_json_member(out, "outage_seconds",
                       has_outage ? json_real(result->outage_seconds) : json_null());
    po_cli_json_member(out, "outage",
                       has_outage
                           ? json_pack("{s:f, s:f, s:f, s:f}", "stop_seconds", result->stop_seconds,
                                       "walk_seconds", result->walk_seconds, "read_seconds",
                                       result->read_seconds, "start_seconds", result->start_seconds)
                           : json_null());
    po_cli_json_member(out, "services_lost", json_boolean(result->are_services_lost));
    po_cli_json_member(out, "services_text",
                       result->are_services_lost ? po_cli_json_text(result->services_text)
                                                 : json_null());
    po_cli_json_member(out, "registry_problem",
                       result->registry_problem[0] != '\0'
                           ? po_cli_json_text(result->registry_problem)
                           : json_null());
    put_streams_json(out, &result->streams);
    po_cli_problems_json(out, "skipped", &result->skipped);
    po_cli_problems_json(out, "changed_while_read", &result->changed);
    po_cli_problems_json(out, "vanished", &result->vanished);
}

static void
put_archive_json(struct po_cli_out *out, const char *path, const struct po_backup_options *options,
                 const struct po_backup_result *result)
{
    po_cli_json_member(out, po_cli_json_path_key(path, strlen(path)),
                       po_cli_json_path(path, strlen(path)));
    po_cli_json_member(out, "archive_id", po_cli_json_hex(result->archive_id, PO_ID_SIZE));
    po_cli_json_member(out, "digest", po_cli_json_hex(result->digest, PO_DIGEST_SIZE));
    po_cli_json_member(out, "created", po_cli_json_time(options->created));
    po_cli_json_member(out, "archive_bytes", po_cli_json_u64(result->archive_bytes));
    po_cli_json_member(out, "frames", po_cli_json_u64(result->frames));
}

static void
put_counts(struct po_buf *line, const struct po_backup_result *result)
{
    po_cli_put_count(line, result->files, "file", "files");
    po_buf_put_text(line, ", ");
    po_cli_put_count(line, result->directories, "directory", "directories");
    if (result->links > 0) {
        po_buf_put_text(line, ", ");
        po_cli_put_count(line, result->links, "link", "links");
    }
    if (result->streams.count > 0) {
        po_buf_put_text(line, ", ");
        po_cli_put_count(line, result->streams.count, "alternate stream", "alternate streams");
    }
    po_buf_put_text(line, ", ");
    po_text_put_size(line, result->bytes);
    if (result->excluded > 0)
        po_buf_printf(line, " (%llu left out by --exclude)", (unsigned long long)result->excluded);
}

static void
put_outage_parts(struct po_buf *line, const struct po_backup_result *result)
{
    po_buf_put_text(line, " (stopping ");
    po_text_put_seconds(line, result->stop_seconds);
    po_buf_put_text(line, ", listing ");
    po_text_put_seconds(line, result->walk_seconds);
    po_buf_put_text(line, ", reading ");
    po_text_put_seconds(line, result->read_seconds);
    po_buf_put_text(line, ", starting ");
    po_text_put_seconds(line, result->start_seconds);
    po_buf_put_u8(line, ')');
    if (result->files_hot > 0) {
        po_buf_put_text(line, "; ");
        po_cli_put_count(line, result->files_hot, "file", "files");
        po_buf_put_text(line, " read before");
    }
}

static void
tell_archive(struct po_cli *cli, const char *path, const struct po_backup_result *result)
{
    struct po_cli_out *out = &cli->out;
    struct po_buf line = { 0 };

    po_text_put_size(&line, result->archive_bytes);
    if (result->archive_bytes > 0)
        po_buf_printf(&line, ", %.2f to 1", (double)result->bytes / (double)result->archive_bytes);
    po_buf_put_text(&line, ", in ");
    po_text_put_seconds(&line, result->seconds);
    if (result->seconds > 0) {
        po_buf_put_text(&line, " (");
        po_text_put_size(&line, (uint64_t)((double)result->bytes / result->seconds));
        po_buf_put_text(&line, "/s)");
    }
    po_cli_out_tell(out, PO_CLI_SAY, "archive  %s", po_buf_text(&line));
    po_buf_clear(&line);
    po_cli_put_outage(&line, result->outage_seconds);
    if (result->outage_seconds >= 0)
        put_outage_parts(&line, result);
    po_cli_out_tell(out, PO_CLI_SAY, "outage   %s", po_buf_text(&line));
    if (result->vanished.count > 0) {
        po_buf_clear(&line);
        po_cli_put_count(&line, result->vanished.count, "name was", "names were");
        po_cli_out_tell(out, PO_CLI_SAY,
                        "gone     %s there only while the services ran: not in the archive's list",
                        po_buf_text(&line));
    }
    po_cli_out_tell(out, PO_CLI_SAY, "where    %s",
                    strcmp(path, "-") == 0 ? "standard output" : path);
    po_buf_clear(&line);
    po_text_put_hex(&line, result->digest, PO_DIGEST_SIZE);
    po_cli_out_tell(out, PO_CLI_SAY, "digest   %s", po_buf_text(&line));
    po_buf_deinit(&line);
}

/* They are easily overlooked: no directory listing shows them. */
static void
tell_streams(struct po_cli *cli, const struct po_saved_streams *streams, bool is_saved)
{
    size_t named = streams->listed < STREAMS_NAMED_MAX ? streams->listed : STREAMS_NAMED_MAX;
    struct po_buf line = { 0 };

    for (size_t i = 0; i < named; i++) {
        const struct po_summary_stream *s = &streams->items[i];

        po_buf_clear(&line);
        po_buf_put(&line, s->path, s->path_size);
        po_buf_put_u8(&line, ':');
        po_buf_put(&line, s->name, s->name_size);
        po_buf_put_text(&line, ", ");
        po_text_put_size(&line, s->bytes);
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "stream   %s", po_buf_text(&line));
    }
    if (streams->count > named)
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "stream   and %llu more%s",
                        (unsigned long long)(streams->count - named),
                        is_saved ? ": pobackup list ARCHIVE 'pobackup/streams/*'" : "");
    po_buf_deinit(&line);
}

/* B8: each item that is not in the archive, or perhaps not of one age. */
static int
tell_problems(struct po_cli *cli, const struct po_backup_result *result, const char *more)
{
    struct po_cli_out *out = &cli->out;
    struct po_buf line = { 0 };

    if (result->skipped.count > 0) {
        po_cli_put_count(&line, result->skipped.count, "item is", "items are");
        po_cli_out_tell(out, PO_CLI_WARNING, "%s not in the archive:", po_buf_text(&line));
        po_cli_problems_tell(out, &result->skipped, more);
    }
    po_buf_clear(&line);
    if (result->changed.count > 0) {
        po_cli_put_count(&line, result->changed.count, "file was", "files were");
        po_cli_out_tell(out, PO_CLI_WARNING, "%s written to while being read:", po_buf_text(&line));
        po_cli_problems_tell(out, &result->changed, more);
    }
    po_buf_deinit(&line);
    return result->skipped.count > 0 || result->changed.count > 0 ||
                   result->registry_problem[0] != '\0'
               ? PO_EXIT_PARTLY
               : PO_EXIT_DONE;
}

/* req: B7. Whatever the backup came to, this is worse. */
static int
tell_services(struct po_cli *cli, const char *text)
{
    struct po_err err = { 0 };

    (void)po_fail(&err, PO_E_IO, "services could not be brought back: %s", text);
    (void)po_cli_failed(cli, &err);
    po_cli_out_tell(&cli->out, PO_CLI_HINT,
                    "Mail is down. Start them by hand, in the order of pobackup-site.ini");
    return PO_EXIT_SERVICES;
}

static int
tell_failure(struct po_cli *cli, const struct po_backup_result *result, const struct po_err *err)
{
    struct po_err told = *err;

    if (err->status == PO_E_CANCELLED)
        (void)po_fail(&told, PO_E_CANCELLED, "interrupted: no archive was written");
    po_cli_err_add_services(&told, result->outage_seconds, result->are_services_lost);
    return po_cli_failed(cli, &told);
}

static int
finish(struct po_cli *cli, const char *path, const struct po_backup_options *options,
       const struct po_backup_result *result)
{
    bool is_stdout = strcmp(path, "-") == 0;
    struct po_buf line = { 0 };
    struct po_buf more = { 0 };
    int code;

    put_archive_json(&cli->out, path, options, result);
    put_counts(&line, result);
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "saved    %s", po_buf_text(&line));
    tell_streams(cli, &result->streams, true);
    tell_archive(cli, path, result);
    po_buf_put_text(&more, "see pobackup show ");
    po_cli_put_word(&more, path);
    code = tell_problems(cli, result, is_stdout ? NULL : po_buf_text(&more));
    if (!is_stdout)
        po_cli_out_tell(&cli->out, PO_CLI_HINT, "Check it: pobackup verify %s",
                        po_buf_text(&more) + strlen("see pobackup show "));
    po_buf_deinit(&more);
    po_buf_deinit(&line);
    return code;
}

/*
 * A run that was killed could not start its services again, and those that come after it take them
 * for services that are to stay stopped. req: B7
 */
static void
warn_of_stopped(struct po_cli *cli, struct po_host *host)
{
    size_t count = po_cli_has(cli, PO_CLI_NO_SERVICES) ? 0 : host->ops->service_count(host);

    for (size_t i = 0; i < count; i++) {
        enum po_service_state state = PO_SERVICE_UNKNOWN;
        struct po_err ignored; /* the engine asks again, and fails then */

        if (host->ops->service_state(host, i, &state, &ignored) == PO_OK &&
            state == PO_SERVICE_STOPPED)
            po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                            "service %s was stopped before the backup and stays stopped",
                            host->ops->service(host, i)->name);
    }
}

static int
save_archive(struct po_cli *cli, struct po_host *host, const char *dest, const char *path,
             const struct po_backup_options *options)
{
    struct po_backup_result result = { .outage_seconds = -1 };
    struct po_store_sink *sink = NULL;
    struct po_err err = { 0 };
    int code;
    enum po_status st;

    if (strcmp(path, "-") == 0) {
        st = po_store_stdout_create(&sink, cli->watch.cancel, &err);
    } else {
        st = po_cli_target_make(dest, &err);
        if (st == PO_OK)
            st = po_store_file_create(&sink, path, &err);
    }
    if (st != PO_OK)
        return tell_failure(cli, &result, &err);
    st = po_backup_run(host, sink, options, &cli->watch, &result, &err);
    if (st == PO_OK) {
        po_cli_history_backup(cli, host, path, options, &result);
        code = finish(cli, path, options, &result);
    } else {
        code = tell_failure(cli, &result, &err);
    }
    put_json(&cli->out, &result);
    if (result.are_services_lost)
        code = tell_services(cli, result.services_text);
    sink->ops->free(sink);
    po_backup_result_deinit(&result);
    return code;
}

static int
save(struct po_cli *cli, struct po_host *host, const char *dest, const char *path,
     const struct po_backup_options *options)
{
    struct po_vault_lock *vault = NULL;
    int code;

    if (!po_cli_vault_enter(cli, dest, &vault, &code))
        return code;
    code = save_archive(cli, host, dest, path, options);
    return po_cli_vault_leave(cli, dest, vault, code);
}

static int
run(struct po_cli *cli, struct po_host *host, const char *dest, const char *path,
    const struct po_backup_options *options)
{
    struct po_lock *lock = NULL;
    int code;

    po_cli_catch_interrupts(cli);
    if (!po_cli_site_lock(cli, host, &lock, &code))
        return code;
    if (po_cli_recovery_allows(cli, host, true, &code)) {
        int former = po_cli_outage_recover(cli, host);
        struct po_cli_guardian *guardian = po_cli_guardian_begin(cli, host);

        warn_of_stopped(cli, host);
        code = save(cli, host, dest, path, options);
        po_cli_guardian_end(guardian);
        code = former > code ? former : code;
    }
    po_lock_free(lock);
    return code;
}

static int
dry_run(struct po_cli *cli, struct po_host *host, const char *path,
        const struct po_backup_options *options)
{
    struct po_backup_result result = { .outage_seconds = -1 };
    struct po_err err = { 0 };
    struct po_buf line = { 0 };
    int code;

    po_cli_catch_interrupts(cli);
    po_cli_json_member(&cli->out, "dry_run", json_true());
    if (po_backup_plan(host, options, &cli->watch, &result, &err) != PO_OK) {
        code = po_cli_failed(cli, &err);
    } else {
        put_counts(&line, &result);
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "would save %s to %s", po_buf_text(&line),
                        strcmp(path, "-") == 0 ? "standard output" : path);
        tell_streams(cli, &result.streams, false);
        code = tell_problems(cli, &result, NULL);
        put_json(&cli->out, &result);
    }
    po_buf_deinit(&line);
    po_backup_result_deinit(&result);
    return code;
}

/* What cannot be: before the site is looked at. */
static int
check_dest(struct po_cli *cli, const char *dest)
{
    if (dest == NULL)
        return po_cli_usage(cli, "where to? Give -o DEST: a file, a directory, or - for standard "
                                 "output");
    if (strcmp(dest, "-") != 0 || po_cli_has(cli, PO_CLI_DRY_RUN))
        return PO_EXIT_DONE;
    if (cli->out.is_json)
        return po_cli_usage(cli, "-o - and --json both want standard output; --progress=json tells "
                                 "what happens on standard error");
    if (cli->out.is_stdout_terminal)
        return po_cli_usage(cli, "-o -: standard output is a terminal; an archive is no text");
    return PO_EXIT_DONE;
}

int
po_cmd_backup(struct po_cli *cli)
{
    const char *dest = po_cli_text(cli, PO_CLI_OUTPUT);
    struct po_backup_options options = { 0 };
    struct po_host *host = NULL;
    struct po_buf path = { 0 };
    int code = check_dest(cli, dest);

    if (code != PO_EXIT_DONE)
        return code;
    if (!po_cli_site_open(cli, &host, &code))
        return code;
    set_options(cli, &options);
    if (strcmp(dest, "-") == 0)
        note_output(&options);
    if (po_cli_target_path(cli, host, dest, options.created, &path, &code))
        code = po_cli_has(cli, PO_CLI_DRY_RUN) ? dry_run(cli, host, po_buf_text(&path), &options)
                                               : run(cli, host, dest, po_buf_text(&path), &options);
    if (!po_cli_has(cli, PO_CLI_DRY_RUN))
        po_cli_event(cli, host, PO_CLI_EVENT_BACKUP, code);
    po_buf_deinit(&path);
    po_cli_site_free(host);
    return code;
}
