#include "cli/cli.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli_history.h"
#include "cli/cli_parents.h"
#include "cli/cli_problems.h"
#include "cli/cli_sign.h"
#include "cli/cli_target.h"
#include "cli/cli_vault.h"
#include "port/file.h"

#include <string.h>

struct job {
    struct po_cli *cli;
    const char *vault;
    struct po_buf path; /* of the differential */
    struct po_cli_archive archive;
    uint8_t digest[PO_DIGEST_SIZE]; /* the differential's */
    uint32_t parents;
    struct po_buf target;
    struct po_history *history;
    struct po_consolidate_options options;
    struct po_consolidate_result result;
    struct po_cli_signer signer;
};

/* A path; or what has none of its own is looked for in the vault. */
static enum po_status
find_archive(struct job *job, const char *typed, struct po_err *err)
{
    struct po_node_info info = { 0 };
    size_t dir_size = 0;
    size_t name_start = 0;
    bool exists = false;
    char *joined = NULL;
    enum po_status st = po_os_stat(typed, &info, &exists, err);

    if (st != PO_OK)
        return st;
    po_path_split(typed, strlen(typed), &dir_size, &name_start);
    if (!exists && name_start == 0) {
        joined = po_os_path_join(job->vault, typed);
        if (joined == NULL)
            return po_fail_nomem(err, strlen(typed));
    }
    po_buf_put_text(&job->path, joined != NULL ? joined : typed);
    po_mem_free(joined);
    return po_buf_check(&job->path, err);
}

/* The name of the full: HOST is the machine of the snapshot, TIME that of the snapshot. */
static enum po_status
make_target(struct job *job, struct po_err *err)
{
    struct po_manifest_core core = { 0 };
    struct po_node_info info = { 0 };
    struct po_buf name = { 0 };
    char *joined = NULL;
    bool exists = false;
    enum po_status st =
        po_manifest_parse(&core, job->archive.manifest.bytes, job->archive.manifest.size, err);

    if (st != PO_OK)
        goto done;
    po_cli_target_put_name(&name, core.host_name == NULL ? "" : core.host_name, core.created);
    st = po_buf_check(&name, err);
    if (st != PO_OK)
        goto done;
    joined = po_os_path_join(job->vault, po_buf_text(&name));
    if (joined == NULL) {
        st = po_fail_nomem(err, name.size);
        goto done;
    }
    po_buf_put_text(&job->target, joined);
    st = po_buf_check(&job->target, err);
    if (st == PO_OK)
        st = po_os_stat(joined, &info, &exists, err);
    if (st == PO_OK && exists)
        st = po_fail(err, PO_E_USAGE, "%s: exists already: the full of this differential's time",
                     joined);
done:
    po_mem_free(joined);
    po_buf_deinit(&name);
    po_manifest_core_deinit(&core);
    return st;
}

/* false: told, *code is the exit code. */
static bool
open_archive(struct job *job, int *code)
{
    const char *path = po_buf_text(&job->path);
    struct po_err err = { 0 };
    enum po_status st;

    if (!po_cli_archive_open(job->cli, &job->archive, path, code) ||
        job->archive.is_manifest_damaged) /* told; it is needed */
        return false;
    memcpy(job->digest, job->archive.own->digest, PO_DIGEST_SIZE);
    job->parents = job->archive.own->index->parent_count;
    if (job->parents == 0)
        st = po_fail(&err, PO_E_USAGE,
                     "%s: a full archive already; name a differential, which builds on others",
                     path);
    else
        st = make_target(job, &err);
    if (st == PO_OK)
        return po_cli_parents_join(job->cli, &job->archive, code);
    *code = po_cli_failed(job->cli, &err);
    return false;
}

static void
put_line(struct po_buf *line, const struct po_consolidate_result *result)
{
    po_cli_put_count(line, result->files, "file", "files");
    po_buf_put_text(line, ", ");
    po_text_put_size(line, result->bytes);
    po_buf_put_text(line, "; ");
    po_cli_put_count(line, result->frames_copied, "frame", "frames");
    po_buf_put_text(line, " copied (");
    po_text_put_size(line, result->bytes_copied);
    po_buf_printf(line, "), %u packed anew, %u left out; ", result->frames_remade,
                  result->frames_dropped);
}

static void
tell(struct job *job, bool is_dry)
{
    const struct po_consolidate_result *result = &job->result;
    struct po_cli_out *out = &job->cli->out;
    struct po_buf line = { 0 };

    put_line(&line, result);
    if (is_dry)
        po_buf_put_text(&line, "about ");
    po_text_put_size(&line, result->archive_bytes);
    if (!is_dry) {
        po_buf_put_text(&line, ", verified, in ");
        po_text_put_seconds(&line, result->seconds);
    }
    po_cli_out_tell(out, PO_CLI_SAY, "%s %s: %s", is_dry ? "would make" : "made",
                    po_buf_text(&job->target), po_buf_text(&line));
    if (!is_dry)
        po_cli_out_tell(out, PO_CLI_HINT,
                        "%s and what it builds on stay; pobackup prune removes them by its rules",
                        po_buf_text(&job->path));
    po_buf_deinit(&line);
}

static int
tell_failure(struct job *job, const struct po_err *err)
{
    const char *path = po_buf_text(&job->path);
    struct po_err told = *err;
    int code;

    if (job->result.hits.count == 0)
        return po_cli_archive_failed(job->cli, path, err);
    (void)po_err_prefix(&told, "%s", path);
    code = po_cli_failed(job->cli, &told);
    po_cli_out_tell(&job->cli->out, PO_CLI_WARNING,
                    "nothing was made, as the frame is needed; in it lies:");
    po_cli_problems_tell(&job->cli->out, &job->result.hits, "--json names all");
    return code;
}

static void
put_json(struct job *job, bool is_dry, bool is_done)
{
    const struct po_consolidate_result *result = &job->result;
    struct po_cli_out *out = &job->cli->out;

    po_cli_json_member(out, "dry_run", json_boolean(is_dry));
    po_cli_json_member(out, "archive",
                       po_cli_json_plain_path(po_buf_text(&job->path), job->path.size));
    po_cli_json_member(out, "path",
                       po_cli_json_plain_path(po_buf_text(&job->target), job->target.size));
    po_cli_json_member(out, "archive_id",
                       is_done ? po_cli_json_hex(result->archive_id, PO_ID_SIZE) : json_null());
    po_cli_json_member(out, "digest",
                       is_done ? po_cli_json_hex(result->digest, PO_DIGEST_SIZE) : json_null());
    po_cli_json_member(out, "created", po_cli_json_time(result->created));
    po_cli_json_member(out, "parents", po_cli_json_u64(job->parents));
    po_cli_json_member(out, "files", po_cli_json_u64(result->files));
    po_cli_json_member(out, "bytes", po_cli_json_u64(result->bytes));
    po_cli_json_member(out, "frames_copied", po_cli_json_u64(result->frames_copied));
    po_cli_json_member(out, "frames_remade", po_cli_json_u64(result->frames_remade));
    po_cli_json_member(out, "frames_dropped", po_cli_json_u64(result->frames_dropped));
    po_cli_json_member(out, "bytes_copied", po_cli_json_u64(result->bytes_copied));
    po_cli_json_member(out, "archive_bytes", po_cli_json_u64(result->archive_bytes));
    po_cli_json_member(out, "seconds", json_real(result->seconds));
    po_cli_problems_json(out, "problems", &result->hits);
}

static int
dry_run(struct job *job)
{
    struct po_err err = { 0 };
    enum po_status st = po_consolidate_plan(job->archive.own, job->archive.joined, &job->options,
                                            &job->result, &err);

    put_json(job, true, false);
    if (st != PO_OK)
        return tell_failure(job, &err);
    tell(job, true);
    return PO_EXIT_DONE;
}

static int
run(struct job *job)
{
    struct po_cli *cli = job->cli;
    const char *target = po_buf_text(&job->target);
    struct po_store_sink *sink = NULL;
    struct po_err err = { 0 };
    enum po_status st = po_cli_signer_check(&job->signer, target, &err);

    if (st == PO_OK)
        st = po_store_file_create(&sink, target, &err);
    if (st == PO_OK)
        st = po_cli_signer_tap(&job->signer, &sink, &err);
    if (st != PO_OK)
        return po_cli_failed(cli, &err);
    st = po_consolidate_write(job->archive.own, job->archive.joined, sink, &job->options,
                              &cli->watch, &job->result, &err);
    po_cli_archive_deinit(&job->archive); /* for its memory */
    if (st == PO_OK)
        st = po_consolidate_commit(sink, job->options.threads, &cli->watch, &job->result, &err);
    sink->ops->free(sink);
    put_json(job, false, st == PO_OK);
    if (st == PO_E_CANCELLED)
        (void)po_fail(&err, PO_E_CANCELLED, "interrupted: nothing was made");
    if (st != PO_OK)
        return tell_failure(job, &err);
    (void)po_cli_history_load(cli, &job->history);
    po_cli_history_consolidate(cli, job->history, job->digest, target, &job->result);
    tell(job, false);
    return po_cli_signer_finish(cli, &job->signer, target, job->result.archive_id);
}

int
po_cmd_consolidate(struct po_cli *cli)
{
    struct job job = { .cli = cli, .vault = cli->values.args[0] };
    bool is_dry = po_cli_has(cli, PO_CLI_DRY_RUN);
    struct po_vault_lock *lock = NULL;
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;
    enum po_status st = po_cli_vault_check(job.vault, &err);

    if (st == PO_OK)
        st = find_archive(&job, cli->values.args[1], &err);
    if (st != PO_OK) {
        code = po_cli_failed(cli, &err);
        goto done;
    }
    /* It may ask: before signals are caught. */
    if (!is_dry &&
        !po_cli_signer_open(cli, &job.signer, PO_CLI_SIGN, PO_CLI_SIGN_PASSPHRASE_FILE, &code))
        goto done;
    job.options.threads = (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0);
    po_cli_catch_interrupts(cli);
    /* Before anything is opened: nobody is to remove a parent meanwhile. */
    if (!is_dry && !po_cli_vault_lock(cli, job.vault, &lock, &code))
        goto done;
    if (open_archive(&job, &code)) {
        code = is_dry ? dry_run(&job) : run(&job);
        if (!is_dry)
            po_cli_history_end(cli, NULL, code);
    }
done:
    po_cli_signer_close(&job.signer);
    po_vault_lock_free(lock);
    po_history_free(job.history);
    po_consolidate_result_deinit(&job.result);
    po_cli_archive_deinit(&job.archive);
    po_buf_deinit(&job.target);
    po_buf_deinit(&job.path);
    return code;
}
