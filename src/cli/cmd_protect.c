/* pobackup protect: recovery data beside archives that are whole. */
#include "cli/cli.h"

#include "base/text.h"
#include "cli/cli_archive.h"
#include "cli/cli_rec.h"
#include "engine/verify.h"
#include "port/sys.h"
#include "store/store.h"

#include <string.h>

struct job {
    struct po_cli *cli;
    const char *path;
    struct po_cli_archive archive;
    struct pobackup_blob blob; /* of what is no archive of ours */
    struct po_rec_header header;
    double seconds;
};

/* What is damaged would be so for ever; what is not ours can only be taken as it is. */
static enum po_status
open_archive(struct job *job, struct po_err *err)
{
    struct po_cli *cli = job->cli;
    unsigned threads = (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0);
    struct po_verify_result result = { 0 };
    enum po_status st = po_cli_archive_open_quietly(&job->archive, job->path, err);

    if (st == PO_E_UNSUPPORTED) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "%s; it is protected as it is, without a look at whether it is whole",
                        err->text);
        return po_store_file_open(&job->blob, job->path, err);
    }
    if (st != PO_OK)
        return st;
    st = po_engine_verify(job->archive.own, false, threads, &cli->watch, &result, err);
    po_verify_result_deinit(&result);
    return st == PO_E_FORMAT ? po_err_prefix(err, "%s", job->path) : st;
}

static void
tell(struct job *job)
{
    const struct po_rec_layout *layout = &job->header.layout;
    struct po_cli_out *out = &job->cli->out;
    struct po_buf line = { 0 };

    po_cli_rec_put_path(&line, job->path);
    po_buf_put_text(&line, ": ");
    po_text_put_size(&line, po_rec_size(layout));
    po_buf_printf(&line, ", gives back up to %u of each %u blocks of %u bytes, in ",
                  layout->parities, layout->rows + layout->parities, layout->block_size);
    po_text_put_seconds(&line, job->seconds);
    po_cli_out_tell(out, PO_CLI_SAY, "%s", po_buf_text(&line));
    po_buf_deinit(&line);
}

static void
put_json(struct job *job, const struct po_err *err)
{
    const struct po_rec_layout *layout = &job->header.layout;
    struct po_buf sidecar = { 0 };

    if (!po_cli_out_has_document(&job->cli->out))
        return;
    po_cli_rec_put_path(&sidecar, job->path);
    po_cli_json_item(
        &job->cli->out,
        json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "path",
                  po_cli_json_plain_path(job->path, strlen(job->path)), "recovery",
                  po_cli_json_plain_path(po_buf_text(&sidecar), sidecar.size), "message",
                  err->status == PO_OK ? json_null() : po_cli_json_text(err->text), "bytes",
                  (json_int_t)(layout->blocks > 0 ? po_rec_size(layout) : 0), "block_size",
                  (json_int_t)layout->block_size, "blocks", (json_int_t)layout->blocks, "groups",
                  (json_int_t)layout->groups, "rows", (json_int_t)layout->rows, "parities",
                  (json_int_t)layout->parities, "seconds", job->seconds));
    po_buf_deinit(&sidecar);
}

static int
protect_one(struct po_cli *cli, const char *path)
{
    struct job job = { .cli = cli, .path = path };
    double began = po_sys_monotonic();
    unsigned percent = (unsigned)po_cli_number(cli, PO_CLI_RECOVERY, PO_REC_PERCENT_DEFAULT);
    bool may_replace = po_cli_has(cli, PO_CLI_OVERWRITE);
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;

    if (!may_replace && po_cli_rec_exists(path))
        (void)po_fail(&err, PO_E_USAGE, "%s has recovery data already; --overwrite makes them anew",
                      path);
    else if (open_archive(&job, &err) == PO_OK) {
        const struct po_reader *own = job.archive.own;

        err.status = PO_OK;
        (void)!po_cli_rec_write(cli, path, own != NULL ? &job.archive.blob : &job.blob, percent,
                                NULL, own != NULL ? own->digest : NULL, may_replace, &job.header,
                                &err);
    }
    job.seconds = po_sys_monotonic() - began;
    put_json(&job, &err);
    if (err.status == PO_OK)
        tell(&job);
    else
        code = po_cli_archive_failed(cli, path, &err);
    po_cli_archive_deinit(&job.archive);
    po_store_blob_free(&job.blob);
    return code;
}

int
po_cmd_protect(struct po_cli *cli)
{
    int worst = PO_EXIT_DONE;

    po_cli_catch_interrupts(cli);
    po_cli_json_array_begin(&cli->out, "archives");
    for (size_t i = 0; i < cli->values.arg_count && !po_cli_is_cancelled(cli); i++) {
        int code = protect_one(cli, cli->values.args[i]);

        if (code > worst)
            worst = code;
    }
    po_cli_json_array_end(&cli->out);
    return worst;
}
