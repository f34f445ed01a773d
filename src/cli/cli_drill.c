#include "cli/cli_drill.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli_drill_left.h"
#include "cli/cli_parents.h"
#include "cli/cli_problems.h"
#include "cli/cli_state.h"
#include "engine/drill.h"
#include "engine/verify.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

#define INI_NAME "pobackup-site.ini"
#define INI_MODE 0600u

/* ---- the scratch site ---- */

struct scratch {
    struct po_buf path;
    bool is_kept;
    struct po_lock *lock;
    struct po_dir *dir;
    struct po_host *host;
};

static enum po_status
choose_place(struct scratch *scratch, const char *keep, struct po_err *err)
{
    struct po_dir *state = NULL;
    enum po_status st;

    scratch->is_kept = keep != NULL;
    if (keep != NULL) {
        po_buf_put_text(&scratch->path, keep);
        return po_buf_check(&scratch->path, err);
    }
    st = po_cli_state_open(&state, &scratch->path, err);
    po_dir_free(state);
    if (st != PO_OK)
        return st;
    po_buf_put_text(&scratch->path, "/" PO_CLI_DRILL_PREFIX);
    po_text_put_time_compact(&scratch->path, po_sys_now());
    po_buf_printf(&scratch->path, "-%u", (unsigned)po_sys_process_id());
    st = po_buf_check(&scratch->path, err);
    return st == PO_OK ? po_cli_drill_hold(&scratch->lock, po_buf_text(&scratch->path), err) : st;
}

static enum po_status
refuse_any(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
           const struct po_err *failure, struct po_err *err)
{
    (void)ctx;
    (void)info;
    (void)failure;
    return po_fail(err, PO_E_USAGE, "it is not empty: %.*s is in it", (int)name_size, name);
}

/* What the archive has, and no more. The mail server's own paths are those of the archive: so no
 * registry data are rewritten. */
static enum po_status
put_ini(const struct po_cli_archive *archive, struct po_buf *ini, struct po_err *err)
{
    static const char *const names[] = { [PO_PART_REGISTRY] = "registry",
                                         [PO_PART_BIN] = "bin",
                                         [PO_PART_SPOOL] = "spool",
                                         [PO_PART_MAILBOX] = "mailbox" };
    const struct po_index *index = archive->own->index;
    json_t *manifest =
        json_loadb((const char *)archive->manifest.bytes, archive->manifest.size, 0, NULL);
    const json_t *trees = json_object_get(json_object_get(manifest, "site"), "trees");

    po_buf_put_text(ini, "; a scratch site of pobackup drill\n[trees]\n");
    for (int i = 0; i < PO_PART_COUNT; i++) {
        const char *member = po_part_member((enum po_part)i);

        if (po_index_find(index, member, strlen(member)) == PO_NONE)
            po_buf_printf(ini, "%s = none\n", names[i]);
    }
    po_buf_put_text(ini, "[places]\n");
    for (int i = PO_PART_BIN; i < PO_PART_COUNT; i++) {
        const char *place = json_string_value(json_object_get(trees, names[i]));

        if (place != NULL && strpbrk(place, "\r\n") == NULL)
            po_buf_printf(ini, "%s = %s\n", names[i], place);
    }
    json_decref(manifest);
    return po_buf_check(ini, err);
}

static enum po_status
make_scratch(struct scratch *scratch, const struct po_cli_archive *archive, const char *keep,
             struct po_err *err)
{
    struct po_buf ini = { 0 };
    struct po_file *file = NULL;
    enum po_status st = choose_place(scratch, keep, err);

    if (st == PO_OK)
        st = po_dir_open_make_private(&scratch->dir, po_buf_text(&scratch->path), err);
    if (st == PO_OK)
        st = po_dir_list(scratch->dir, "", 0, refuse_any, NULL, err);
    if (st == PO_E_USAGE)
        scratch->is_kept = true; /* it is not ours */
    if (st == PO_OK)
        st = put_ini(archive, &ini, err);
    if (st == PO_OK)
        st = po_file_open(&file, scratch->dir, INI_NAME, strlen(INI_NAME), PO_FILE_CREATE, INI_MODE,
                          err);
    if (st == PO_OK)
        st = po_file_write_at(file, 0, ini.bytes, ini.size, err);
    po_file_free(file);
    po_buf_deinit(&ini);
    if (st == PO_OK)
        st = po_host_folder_open(&scratch->host, po_buf_text(&scratch->path), err);
    return st == PO_OK ? st : po_err_prefix(err, "%s", po_buf_text(&scratch->path));
}

static void
end_scratch(struct po_cli *cli, struct scratch *scratch)
{
    struct po_err err;
    size_t dir_size = 0;
    size_t name_start = 0;
    struct po_dir *parent = NULL;

    if (scratch->host != NULL)
        scratch->host->ops->free(scratch->host);
    if (scratch->dir != NULL && !scratch->is_kept) {
        const char *path = po_buf_text(&scratch->path);
        struct po_buf above = { 0 };
        enum po_status st;

        po_path_split(path, scratch->path.size, &dir_size, &name_start);
        po_buf_put(&above, path, dir_size);
        po_dir_free(scratch->dir);
        scratch->dir = NULL;
        st = po_buf_check(&above, &err);
        if (st == PO_OK)
            st = po_dir_open(&parent, po_buf_text(&above), &err);
        if (st == PO_OK)
            st = po_dir_remove_all(parent, path + name_start, strlen(path + name_start), &err);
        if (st != PO_OK)
            po_cli_out_tell(&cli->out, PO_CLI_WARNING, "%s stays: %s", path, err.text);
        po_dir_free(parent);
        po_buf_deinit(&above);
    }
    po_dir_free(scratch->dir);
    po_cli_drill_let_go(scratch->lock, po_buf_text(&scratch->path));
    po_buf_deinit(&scratch->path);
}

/* ---- the record ---- */

struct record {
    const struct po_cli_archive *archive;
    int64_t begun;
    int64_t finished;
    const char *kept; /* where it lies, or NULL */
    const struct po_drill_result *result;
};

static json_t *
problems_json(const struct po_problems *problems)
{
    json_t *list = json_array();

    for (size_t i = 0; i < problems->count; i++)
        (void)json_array_append_new(
            list,
            json_pack("{s:o, s:o}",
                      po_cli_json_path_key(problems->items[i].path, problems->items[i].path_size),
                      po_cli_json_path(problems->items[i].path, problems->items[i].path_size),
                      "reason", po_cli_json_text(problems->items[i].reason)));
    return list;
}

static void
put_json(struct po_cli *cli, const struct record *record)
{
    const struct po_reader *own = record->archive->own;
    const struct po_drill_result *r = record->result;

    po_cli_json_member(
        &cli->out, "drill",
        json_pack(
            "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:f, s:f, s:o, s:o, "
            "s:b}",
            "archive", po_cli_json_text(record->archive->path), "archive_id",
            po_cli_json_hex(own->trailer.archive_id, PO_ID_SIZE), "digest",
            po_cli_json_hex(own->digest, PO_DIGEST_SIZE), "created",
            po_cli_json_time(own->trailer.created), "begun", po_cli_json_time(record->begun),
            "finished", po_cli_json_time(record->finished), "archive_bytes",
            po_cli_json_u64(own->blob.size), "files", po_cli_json_u64(r->files), "bytes",
            po_cli_json_u64(r->bytes), "same", po_cli_json_u64(r->same), "registry_parsed",
            (int)r->has_registry, "kept",
            record->kept == NULL ? json_null() : po_cli_json_text(record->kept), "restore_seconds",
            r->restore_seconds, "compare_seconds", r->compare_seconds, "faults",
            problems_json(&r->faults), "notes", problems_json(&r->notes), "good",
            (int)(r->faults.count == 0)));
}

static void
tell_line(struct po_cli *cli, const char *what, struct po_buf *line)
{
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "%-9s%s", what, po_buf_text(line));
    po_buf_clear(line);
}

static void
tell_record(struct po_cli *cli, const struct record *record)
{
    const struct po_reader *own = record->archive->own;
    const struct po_drill_result *r = record->result;
    struct po_buf line = { 0 };

    po_buf_put_text(&line, record->archive->path);
    po_buf_put_text(&line, ", taken ");
    po_sys_put_local_time(&line, own->trailer.created);
    tell_line(cli, "drill", &line);
    po_text_put_hex(&line, own->digest, PO_DIGEST_SIZE);
    tell_line(cli, "digest", &line);
    po_sys_put_local_time(&line, record->begun);
    po_buf_put_text(&line, " to ");
    po_sys_put_local_time(&line, record->finished);
    tell_line(cli, "when", &line);
    po_cli_put_count(&line, r->files, "file", "files");
    po_buf_put_text(&line, ", ");
    po_text_put_size(&line, r->bytes);
    po_buf_put_text(&line, ", in ");
    po_text_put_seconds(&line, r->restore_seconds);
    tell_line(cli, "restored", &line);
    po_cli_put_count(&line, r->same, "entry is", "entries are");
    po_buf_put_text(&line, " as in the archive, in ");
    po_text_put_seconds(&line, r->compare_seconds);
    if (r->streams_left > 0) {
        po_buf_put_text(&line, "; ");
        po_cli_put_count(&line, r->streams_left, "alternate stream", "alternate streams");
        po_buf_put_text(&line, " cannot be here");
    }
    tell_line(cli, "compared", &line);
    po_buf_put_text(&line, r->has_registry ? "parsed" : "the archive has none");
    tell_line(cli, "registry", &line);
    if (record->kept != NULL) {
        po_buf_put_text(&line, record->kept);
        tell_line(cli, "kept in", &line);
    }
    po_buf_put_text(&line, r->faults.count == 0 ? "good: it can be restored"
                                                : "not good: see what follows");
    tell_line(cli, "result", &line);
    po_buf_deinit(&line);
    if (r->notes.count > 0)
        po_cli_problems_tell(&cli->out, &r->notes, NULL);
    if (r->faults.count > 0)
        po_cli_problems_tell(&cli->out, &r->faults, NULL);
}

/* ---- the drill ---- */

/* It is the deepest look that there is. */
static void
note_history(struct po_cli *cli, const struct po_cli_archive *archive, bool is_whole)
{
    struct po_history_run *run = &cli->history;

    /* After a backup the line is the backup's: its archive has been looked at all the same. */
    if (!run->has_archive_id) {
        run->archive = archive->path;
        run->has_archive_id = true;
        memcpy(run->archive_id, archive->own->trailer.archive_id, PO_ID_SIZE);
        memcpy(run->digest, archive->own->digest, PO_DIGEST_SIZE);
        run->created = archive->own->trailer.created;
        run->archive_bytes = archive->own->blob.size;
    }
    run->check = PO_HISTORY_DEEP;
    run->is_whole = is_whole;
}

/* Joined with its parents it is not looked at as a whole: so it is before. */
static enum po_status
verify(struct po_cli *cli, const struct po_cli_archive *archive, unsigned threads,
       struct po_err *err)
{
    struct po_verify_result verified = { 0 };
    enum po_status st = archive->joined == NULL ? PO_OK
                                                : po_engine_verify(archive->own, true, threads,
                                                                   &cli->watch, &verified, err);

    po_verify_result_deinit(&verified);
    return st;
}

static int
run(struct po_cli *cli, const struct po_cli_archive *archive, const char *keep)
{
    const struct po_drill_options options = { .has_parents = archive->joined != NULL,
                                              .threads =
                                                  (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0) };
    struct scratch scratch = { 0 };
    struct po_drill_result result = { 0 };
    struct record record = { .archive = archive, .begun = po_sys_now(), .result = &result };
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;
    enum po_status st = verify(cli, archive, options.threads, &err);

    po_cli_drill_left(cli, true);
    if (st == PO_OK)
        st = make_scratch(&scratch, archive, keep, &err);
    if (st == PO_OK)
        st = po_drill_run(archive->reader, scratch.host, &options, &cli->watch, &result, &err);
    record.finished = po_sys_now();
    record.kept = scratch.is_kept ? po_buf_text(&scratch.path) : NULL;
    if (st == PO_OK) {
        tell_record(cli, &record);
        put_json(cli, &record);
        code = result.faults.count == 0 ? PO_EXIT_DONE : PO_EXIT_PARTLY;
    } else {
        code = po_cli_archive_failed(cli, archive->path, &err);
    }
    if (st == PO_OK || st == PO_E_FORMAT)
        note_history(cli, archive, code == PO_EXIT_DONE);
    po_drill_result_deinit(&result);
    end_scratch(cli, &scratch);
    return code;
}

int
po_cli_drill(struct po_cli *cli, const char *path, const char *keep)
{
    struct po_cli_archive archive = { 0 };
    int code;

    if (po_cli_archive_open(cli, &archive, path, &code) && code == PO_EXIT_DONE &&
        po_cli_parents_join(cli, &archive, &code))
        code = run(cli, &archive, keep);
    po_cli_archive_deinit(&archive);
    return code;
}
