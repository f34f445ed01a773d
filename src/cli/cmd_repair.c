/* pobackup repair: a mended copy of an archive, out of its recovery data. */
#include "cli/cli.h"

#include "archive/reader.h"
#include "base/text.h"
#include "cli/cli_history.h"
#include "cli/cli_lock.h"
#include "cli/cli_rec.h"
#include "cli/cli_sign.h"
#include "engine/repair.h"
#include "engine/signature.h"
#include "engine/verify.h"
#include "port/file.h"
#include "port/sys.h"
#include "store/store.h"

#include <string.h>

#define ARCHIVE_SUFFIX ".tar.zst"
#define MENDED "-repaired"
#define DAMAGED ".damaged"

struct job {
    struct po_cli *cli;
    const char *path;
    struct pobackup_blob blob;
    struct po_cli_rec recovery;
    struct po_buf target;
    struct po_buf kept;      /* what the damaged archive is called now, in place */
    struct po_buf signature; /* that which lies beside the mended archive */
    bool is_in_place;
    bool is_ours;        /* an archive of pobackup, so it was verified deeply */
    const char *outcome; /* in JSON */
    double seconds;
};

/* In place of a link would be a file, and what it leads to would stay as it is. */
static enum po_status
check_is_no_link(const char *path, struct po_err *err)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    struct po_dir *dir = NULL;
    const char *name = NULL;
    enum po_status st = po_cli_open_parent(&dir, &name, path, err);

    if (st == PO_OK)
        st = po_dir_stat(dir, name, strlen(name), &info, &exists, err);
    if (st == PO_OK && info.type == PO_NODE_SYMLINK)
        st = po_fail(err, PO_E_USAGE, "%s: a link; name the file that it leads to", path);
    po_dir_free(dir);
    return st;
}

/* X-repaired.tar.zst for X.tar.zst, beside it; or what was wished for. */
static enum po_status
make_target(struct job *job, struct po_err *err)
{
    size_t size = strlen(job->path);
    size_t suffix = strlen(ARCHIVE_SUFFIX);
    struct po_node_info info;
    bool exists = false;
    enum po_status st;

    if (job->is_in_place) {
        po_buf_put_text(&job->target, job->path);
        return check_is_no_link(job->path, err);
    }
    if (po_cli_has(job->cli, PO_CLI_OUTPUT)) {
        po_buf_put_text(&job->target, po_cli_text(job->cli, PO_CLI_OUTPUT));
    } else if (size > suffix && strcmp(job->path + size - suffix, ARCHIVE_SUFFIX) == 0) {
        po_buf_put(&job->target, job->path, size - suffix);
        po_buf_put_text(&job->target, MENDED ARCHIVE_SUFFIX);
    } else {
        po_buf_put_text(&job->target, job->path);
        po_buf_put_text(&job->target, MENDED);
    }
    st = po_buf_check(&job->target, err);
    if (st == PO_OK)
        st = po_os_stat(po_buf_text(&job->target), &info, &exists, err);
    if (st == PO_OK && exists)
        st = po_fail(err, PO_E_USAGE, "%s: exists already", po_buf_text(&job->target));
    return st;
}

/* For the history: what lies under this name was verified deeply. */
static void
note(struct job *job, const struct po_reader *reader)
{
    struct po_history_run *run = &job->cli->history;

    *run = (struct po_history_run){ .archive = po_buf_text(&job->target),
                                    .has_archive_id = true,
                                    .created = reader->trailer.created,
                                    .outage_seconds = -1,
                                    .check = PO_HISTORY_DEEP,
                                    .is_whole = true };
    memcpy(run->archive_id, reader->trailer.archive_id, PO_ID_SIZE);
    memcpy(run->digest, reader->digest, PO_DIGEST_SIZE);
}

/* What was mended has its hashes; whether it is an archive that is whole, this tells: it may have been
 * damaged when its recovery data were made. */
static enum po_status
verify(struct job *job, const struct pobackup_blob *blob, struct po_err *err)
{
    static const uint8_t zeros[PO_DIGEST_SIZE];
    const uint8_t *digest = job->recovery.state.header.digest;
    bool has_digest = memcmp(digest, zeros, sizeof(zeros)) != 0;
    unsigned threads = (unsigned)po_cli_number(job->cli, PO_CLI_THREADS, 0);
    struct po_verify_result result = { 0 };
    struct po_reader *reader = NULL;
    enum po_status st = po_reader_open(&reader, blob, err);

    /* Encrypted, or no archive of ours: it was taken as it was. */
    if (st == PO_E_UNSUPPORTED && !has_digest)
        return PO_OK;
    if (st == PO_E_UNSUPPORTED)
        return po_fail(err, PO_E_FORMAT,
                       "it is no archive, though the recovery data name one" PO_RULE("REC-8"));
    if (st == PO_OK && has_digest && memcmp(digest, reader->digest, PO_DIGEST_SIZE) != 0)
        st = po_fail(err, PO_E_FORMAT,
                     "it is not the archive that the recovery data name" PO_RULE("REC-8"));
    if (st == PO_OK)
        st = po_engine_verify(reader, true, threads, &job->cli->watch, &result, err);
    job->is_ours = st == PO_OK;
    if (st == PO_OK)
        note(job, reader);
    po_verify_result_deinit(&result);
    po_reader_free(reader);
    if (st == PO_E_FORMAT)
        return po_err_prefix(err, "what was protected was damaged already, and nothing is written");
    return st;
}

/* ARCHIVE.damaged: another name of the damaged file, which so outlives the mended one's taking its
 * place. */
static enum po_status
keep_damaged(struct job *job, struct po_err *err)
{
    struct po_dir *dir = NULL;
    const char *name = NULL;
    enum po_status st = po_cli_open_parent(&dir, &name, job->path, err);

    po_buf_put_text(&job->kept, job->path);
    po_buf_put_text(&job->kept, DAMAGED);
    if (st == PO_OK)
        st = po_buf_check(&job->kept, err);
    if (st == PO_OK) {
        const char *kept = po_buf_text(&job->kept) + (name - job->path);

        st = po_dir_make_hardlink(dir, kept, strlen(kept), name, strlen(name), err);
    }
    if (st == PO_OK)
        st = po_dir_sync(dir, err);
    po_dir_free(dir);
    return st == PO_OK ? PO_OK
                       : po_err_prefix(err, "the damaged archive cannot be kept as %s (use -o)",
                                       po_buf_text(&job->kept));
}

static enum po_status
mend(struct job *job, struct po_err *err)
{
    unsigned threads = (unsigned)po_cli_number(job->cli, PO_CLI_THREADS, 0);
    const char *target = po_buf_text(&job->target);
    struct pobackup_blob written = { 0 };
    struct po_store_sink *sink = NULL;
    enum po_status st = job->is_in_place ? po_store_file_replace(&sink, target, err)
                                         : po_store_file_create(&sink, target, err);

    if (st != PO_OK)
        return st;
    st = po_engine_repair(&job->recovery.state, &job->blob, sink, threads, &job->cli->watch, err);
    if (st == PO_OK)
        st = sink->ops->read_back(sink, &written, err);
    if (st == PO_OK)
        st = verify(job, &written, err);
    if (st == PO_OK && job->is_in_place)
        st = keep_damaged(job, err);
    if (st == PO_OK)
        st = sink->ops->commit(sink, err);
    sink->ops->free(sink);
    return st;
}

/* The mended archive has recovery data too; where those that are there are damaged, made of itself. */
static enum po_status
protect_target(struct job *job, struct po_err *err)
{
    const struct po_rec_header *header = &job->recovery.state.header;
    struct pobackup_blob blob = { 0 };
    enum po_status st;

    if (po_rec_state_is_whole(&job->recovery.state))
        return job->is_in_place
                   ? PO_OK
                   : po_cli_rec_copy(job->cli, &job->recovery, po_buf_text(&job->target), err);
    st = po_store_file_open(&blob, po_buf_text(&job->target), err);
    if (st != PO_OK)
        return st;
    st = po_cli_rec_write(job->cli, po_buf_text(&job->target), &blob, 0, &header->layout,
                          header->digest, job->is_in_place, NULL, err);
    po_store_blob_free(&blob);
    return st;
}

/*
 * The mended archive is the bytes that were signed, so their signature is its own: it lies beside it, or
 * is copied there as it is.
 */
static enum po_status
bring_signature(struct job *job, struct po_err *err)
{
    const char *target = po_buf_text(&job->target);
    struct po_buf text = { 0 };
    bool is_there = false;
    enum po_status st = po_cli_sign_read(&text, &is_there, job->path, err);

    if (st == PO_OK && is_there && !job->is_in_place)
        st = po_cli_sign_store(&text, target, err);
    if (st == PO_OK && is_there) {
        po_buf_put_text(&job->signature, target);
        po_buf_put_text(&job->signature, PO_SIGNATURE_ENDING);
        st = po_buf_check(&job->signature, err);
    }
    po_buf_deinit(&text);
    return st;
}

/* What lies beside the archive, which is whole by now. The exit code. */
static int
finish_sidecars(struct job *job)
{
    struct po_cli_out *out = &job->cli->out;
    const char *target = po_buf_text(&job->target);
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;

    if (bring_signature(job, &err) != PO_OK) {
        /* In place nothing was to be done with it. */
        if (!job->is_in_place) {
            po_cli_out_tell(out, PO_CLI_WARNING,
                            "%s is whole, but its signature could not be copied: %s", target,
                            err.text);
            code = PO_EXIT_PARTLY;
        }
    } else if (job->signature.size > 0 && !job->is_in_place) {
        po_cli_out_tell(out, PO_CLI_SAY, "its signature is copied: %s",
                        po_buf_text(&job->signature));
    }
    if (protect_target(job, &err) != PO_OK) {
        po_cli_out_tell(out, PO_CLI_WARNING,
                        "%s is whole, but its recovery data could not be written: %s", target,
                        err.text);
        code = PO_EXIT_PARTLY;
    }
    return code;
}

static void
hint_salvage(struct job *job)
{
    struct po_buf word = { 0 };

    po_cli_put_word(&word, job->path);
    po_cli_out_tell(&job->cli->out, PO_CLI_HINT,
                    "What is left of it: pobackup salvage %s -C DIR; which files are hit: pobackup "
                    "verify %s",
                    po_buf_text(&word), po_buf_text(&word));
    po_buf_deinit(&word);
}

static void
tell_mended(struct job *job)
{
    const struct po_rec_state *state = &job->recovery.state;
    struct po_buf line = { 0 };

    po_cli_put_count(&line, state->lost, "block", "blocks");
    po_buf_put_text(&line, " of ");
    po_text_put_size(&line, state->header.layout.block_size);
    po_buf_printf(&line, " computed, %u put back into their places, %s, in ", state->moved,
                  job->is_ours ? "verified deeply" : "every block verified");
    po_text_put_seconds(&line, job->seconds);
    po_cli_out_tell(&job->cli->out, PO_CLI_SAY, "mended: %s: %s", po_buf_text(&job->target),
                    po_buf_text(&line));
    if (job->kept.size > 0)
        po_cli_out_tell(&job->cli->out, PO_CLI_SAY, "the damaged one is kept as %s",
                        po_buf_text(&job->kept));
    po_buf_deinit(&line);
}

/* There is something to do. */
static int
run(struct job *job)
{
    struct po_cli *cli = job->cli;
    double began = po_sys_monotonic();
    bool is_archive_whole = po_rec_state_is_archive_whole(&job->recovery.state);
    struct po_err err = { 0 };
    enum po_status st;
    int code;

    if (is_archive_whole) {
        job->is_in_place = true; /* only the sidecar is made anew */
        po_buf_put_text(&job->target, job->path);
        st = po_buf_check(&job->target, &err);
    } else {
        st = make_target(job, &err);
        if (st == PO_OK)
            st = mend(job, &err);
    }
    job->seconds = po_sys_monotonic() - began;
    if (st != PO_OK) {
        code = po_cli_failed(cli, &err);
        if (st == PO_E_FORMAT)
            hint_salvage(job);
        return code;
    }
    job->outcome = is_archive_whole ? "recovery-data" : "mended";
    if (job->is_ours)
        po_cli_history_end(cli, NULL, PO_EXIT_DONE);
    if (!is_archive_whole)
        tell_mended(job);
    code = finish_sidecars(job);
    if (is_archive_whole && code == PO_EXIT_DONE)
        po_cli_out_tell(&cli->out, PO_CLI_SAY,
                        "%s is whole; its recovery data were damaged and are made anew", job->path);
    return code;
}

static int
look(struct job *job)
{
    struct po_cli *cli = job->cli;
    struct po_cli_rec *recovery = &job->recovery;
    struct po_buf text = { 0 };
    struct po_err err = { 0 };
    int code;
    enum po_status st = po_store_file_open(&job->blob, job->path, &err);

    if (st == PO_OK)
        st = po_cli_rec_open(cli, recovery, job->path, &job->blob, &err);
    if (st != PO_OK)
        return po_cli_failed(cli, &err);
    if (po_cli_rec_is_whole(recovery)) {
        job->outcome = "whole";
        po_cli_out_tell(&cli->out, PO_CLI_SAY,
                        "%s and its recovery data are whole: nothing is to be mended", job->path);
        return PO_EXIT_DONE;
    }
    po_cli_rec_put_text(&text, recovery);
    if (recovery->is_usable && recovery->is_mendable) {
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "%s: %s", job->path, po_buf_text(&text));
        po_buf_deinit(&text);
        return run(job);
    }
    (void)po_fail(&err, recovery->err.status, "%s: %s", po_buf_text(&recovery->path),
                  po_buf_text(&text));
    po_buf_deinit(&text);
    job->outcome = "cannot-be-mended";
    code = po_cli_failed(cli, &err);
    hint_salvage(job);
    return code;
}

int
po_cmd_repair(struct po_cli *cli)
{
    struct job job = { .cli = cli, .path = cli->values.args[0], .outcome = "failed" };
    struct po_cli_out *out = &cli->out;
    struct po_vault_lock *lock = NULL;
    int code;

    job.is_in_place = po_cli_has(cli, PO_CLI_IN_PLACE);
    if (job.is_in_place && po_cli_has(cli, PO_CLI_OUTPUT))
        return po_cli_usage(cli, "--in-place or -o: one of them");
    po_cli_catch_interrupts(cli);
    if (po_cli_rec_lock(cli, job.path, &lock, &code))
        code = look(&job);
    po_vault_lock_free(lock);
    po_cli_json_member(out, "archive", po_cli_json_plain_path(job.path, strlen(job.path)));
    po_cli_json_member(out, "outcome", json_string(job.outcome));
    po_cli_json_member(out, "path",
                       job.target.size > 0
                           ? po_cli_json_plain_path(po_buf_text(&job.target), job.target.size)
                           : json_null());
    po_cli_json_member(out, "signature",
                       job.signature.size > 0
                           ? po_cli_json_plain_path(po_buf_text(&job.signature), job.signature.size)
                           : json_null());
    po_cli_json_member(out, "recovery", po_cli_rec_json(&job.recovery));
    po_cli_json_member(out, "seconds", json_real(job.seconds));
    po_cli_rec_deinit(&job.recovery);
    po_store_blob_free(&job.blob);
    po_buf_deinit(&job.target);
    po_buf_deinit(&job.kept);
    po_buf_deinit(&job.signature);
    return code;
}
