#include "cli/cli.h"

#include "cli/cli_archive.h"
#include "cli/cli_sign.h"
#include "engine/signature.h"
#include "engine/verify.h"

#include <string.h>

/* What is damaged is not vouched for. */
static enum po_status
verify(struct po_cli *cli, const struct po_cli_archive *archive, struct po_err *err)
{
    struct po_verify_result result = { 0 };
    enum po_status st = po_engine_verify(archive->own, false, 0, &cli->watch, &result, err);

    po_verify_result_deinit(&result);
    return st;
}

static enum po_status
sign(struct po_cli *cli, const struct po_cli_signer *signer, const char *path, struct po_err *err)
{
    struct po_cli_archive archive = { 0 };
    uint8_t hash[PO_MINISIGN_HASH_SIZE];
    enum po_status st = po_cli_signer_check(signer, path, err);

    if (st == PO_OK)
        st = po_cli_archive_open_quietly(&archive, path, err);
    if (st == PO_OK)
        st = verify(cli, &archive, err);
    if (st == PO_OK)
        st = po_signature_hash(hash, &archive.blob, archive.own, &cli->watch, err);
    if (st == PO_OK)
        st = po_cli_sign_write(&signer->secret, path, hash, archive.own->trailer.archive_id, err);
    po_cli_archive_deinit(&archive);
    return st;
}

static int
sign_one(struct po_cli *cli, const struct po_cli_signer *signer, const char *path)
{
    struct po_buf id = { 0 };
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;
    enum po_status st = sign(cli, signer, path, &err);

    po_minisign_put_id(&id, signer->secret.key_id);
    if (st == PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "signed by key %s: %s" PO_SIGNATURE_ENDING,
                        po_buf_text(&id), path);
    else
        code = po_cli_archive_failed(cli, path, &err);
    if (po_cli_out_has_document(&cli->out))
        po_cli_json_item(&cli->out,
                         json_pack("{s:o, s:b, s:s, s:o}", po_cli_json_path_key(path, strlen(path)),
                                   po_cli_json_path(path, strlen(path)), "signed", st == PO_OK,
                                   "key_id", po_buf_text(&id), "message",
                                   st == PO_OK ? json_null() : po_cli_json_text(err.text)));
    po_buf_deinit(&id);
    return code;
}

int
po_cmd_sign(struct po_cli *cli)
{
    struct po_cli_signer signer = { 0 };
    int code;
    int worst = PO_EXIT_DONE;

    if (!po_cli_has(cli, PO_CLI_KEY))
        return po_cli_usage(cli, "by which key? Give --key KEYFILE, as pobackup keygen makes it");
    if (po_cli_signer_open(cli, &signer, PO_CLI_KEY, PO_CLI_PASSPHRASE_FILE, &code)) {
        po_cli_catch_interrupts(cli);
        po_cli_json_array_begin(&cli->out, "archives");
        for (size_t i = 0; i < cli->values.arg_count && !po_cli_is_cancelled(cli); i++) {
            code = sign_one(cli, &signer, cli->values.args[i]);
            worst = code > worst ? code : worst;
        }
        po_cli_json_array_end(&cli->out);
        if (po_cli_is_cancelled(cli) && worst < PO_EXIT_FAILED)
            worst = PO_EXIT_FAILED;
    } else {
        worst = code;
    }
    po_cli_signer_close(&signer);
    return worst;
}
