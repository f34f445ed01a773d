/* What came of a backup, for people and in JSON. */
#include "cli/cli_backup_tell.h"

#include "base/text.h"
#include "cli/cli_problems.h"
#include "cli/cli_site.h"

#include <string.h>

#define STREAMS_NAMED_MAX 20u

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

void
po_cli_backup_json(struct po_cli_out *out, const struct po_backup_result *result)
{
    bool has_outage = result->outage_seconds >= 0;

    po_cli_json_member(out, "files", po_cli_json_u64(result->files));
    po_cli_json_member(out, "files_hot", po_cli_json_u64(result->files_hot));
    po_cli_json_member(out, "files_new", po_cli_json_u64(result->files_new));
    po_cli_json_member(out, "bytes_new", po_cli_json_u64(result->bytes_new));
    po_cli_json_member(out, "rechecked", po_cli_json_u64(result->rechecked));
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
    po_cli_json_member(out, "without_rights", po_cli_json_u64(result->without_rights));
    put_streams_json(out, &result->streams);
    po_cli_problems_json(out, "skipped", &result->skipped);
    po_cli_problems_json(out, "changed_while_read", &result->changed);
    po_cli_problems_json(out, "vanished", &result->vanished);
    po_cli_problems_json(out, "silently_changed", &result->silent);
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
    po_cli_json_member(out, "kind", json_string(options->base == NULL ? "full" : "diff"));
    po_cli_json_member(out, "parent",
                       options->base == NULL ? json_null() : po_cli_json_text(options->base->name));
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

/* Of a differential. */
static void
tell_new(struct po_cli *cli, const struct po_backup_base *base,
         const struct po_backup_result *result)
{
    struct po_buf line = { 0 };

    po_cli_put_count(&line, result->files_new, "file", "files");
    po_buf_put_text(&line, ", ");
    po_text_put_size(&line, result->bytes_new);
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "new      %s; what is unchanged lies in %s",
                    po_buf_text(&line), base->name);
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
    po_buf_clear(&line);
    if (result->silent.count > 0) {
        po_cli_put_count(&line, result->silent.count, "file is", "files are");
        po_cli_out_tell(out, PO_CLI_WARNING,
                        "%s not as the archive before has it:", po_buf_text(&line));
        po_cli_problems_tell(out, &result->silent, more);
    }
    po_buf_deinit(&line);
    return po_backup_is_complete(result) && result->silent.count == 0 ? PO_EXIT_DONE
                                                                      : PO_EXIT_PARTLY;
}

/* req: B7. Whatever the backup came to, this is worse. */
int
po_cli_backup_services(struct po_cli *cli, const char *text)
{
    struct po_err err = { 0 };

    (void)po_fail(&err, PO_E_IO, "services could not be brought back: %s", text);
    (void)po_cli_failed(cli, &err);
    po_cli_out_tell(&cli->out, PO_CLI_HINT,
                    "Mail is down. Start them by hand, in the order of pobackup-site.ini");
    return PO_EXIT_SERVICES;
}

int
po_cli_backup_failed(struct po_cli *cli, const struct po_backup_result *result,
                     const struct po_err *err)
{
    struct po_err told = *err;

    if (err->status == PO_E_CANCELLED)
        (void)po_fail(&told, PO_E_CANCELLED, "interrupted: no archive was written");
    po_cli_err_add_services(&told, result->outage_seconds, result->are_services_lost);
    return po_cli_failed(cli, &told);
}

int
po_cli_backup_done(struct po_cli *cli, const char *path, const struct po_backup_options *options,
                   const struct po_backup_result *result)
{
    bool is_stdout = strcmp(path, "-") == 0;
    struct po_buf line = { 0 };
    struct po_buf more = { 0 };
    int code;

    put_archive_json(&cli->out, path, options, result);
    put_counts(&line, result);
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "saved    %s", po_buf_text(&line));
    if (options->base != NULL)
        tell_new(cli, options->base, result);
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

int
po_cli_backup_planned(struct po_cli *cli, const char *path, const struct po_backup_result *result)
{
    struct po_buf line = { 0 };
    int code;

    put_counts(&line, result);
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "would save %s to %s", po_buf_text(&line),
                    strcmp(path, "-") == 0 ? "standard output" : path);
    tell_streams(cli, &result->streams, false);
    code = tell_problems(cli, result, NULL);
    po_cli_backup_json(&cli->out, result);
    po_buf_deinit(&line);
    return code;
}
