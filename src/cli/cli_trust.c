#include "cli/cli_trust.h"

#include "base/mem.h"
#include "port/file.h"
#include "store/store.h"

#include <string.h>

/* "RW...": the base64 of "Ed" begins so, and names of files seldom do in 56 characters. */
static bool
parse_text(struct po_minisign_public *key, const char *text)
{
    struct po_err ignored;

    return po_minisign_public_parse(key, text, strlen(text), &ignored) == PO_OK;
}

static enum po_status
read_file(struct po_minisign_public *key, const char *path, struct po_err *err)
{
    char text[PO_MINISIGN_TEXT_MAX];
    struct po_node_info info = { 0 };
    struct pobackup_blob blob = { 0 };
    bool exists = false;
    enum po_status st = po_os_stat(path, &info, &exists, err);

    if (st == PO_OK && (!exists || info.type != PO_NODE_FILE))
        st = po_fail(err, PO_E_USAGE, "neither a public key nor a file that has one");
    if (st == PO_OK)
        st = po_store_file_open(&blob, path, err);
    if (st == PO_OK && blob.size > sizeof(text))
        st = po_fail(err, PO_E_USAGE, "too large for a public key");
    if (st == PO_OK)
        st = blob.read_at(blob.ctx, 0, text, (size_t)blob.size, err);
    if (st == PO_OK)
        st = po_minisign_public_parse(key, text, (size_t)blob.size, err);
    /* No archive is damaged. */
    if (st == PO_E_FORMAT)
        st = err->status = PO_E_USAGE;
    po_store_blob_free(&blob);
    return st;
}

enum po_status
po_cli_trust_load(const struct po_cli *cli, struct po_cli_trust *trust, struct po_err *err)
{
    const struct po_cli_value *given = &cli->values.value[PO_CLI_TRUSTED_KEY];
    enum po_status st = PO_OK;

    *trust = (struct po_cli_trust){ .keys = po_mem_new(given->count, sizeof(*trust->keys)) };
    if (trust->keys == NULL)
        return po_fail_nomem(err, given->count * sizeof(*trust->keys));
    for (size_t i = 0; i < given->count && st == PO_OK; i++) {
        if (!parse_text(&trust->keys[i], given->list[i]))
            st = read_file(&trust->keys[i], given->list[i], err);
        if (st == PO_OK)
            trust->count++;
        else
            (void)po_err_prefix(err, "--trusted-key: %s", given->list[i]);
    }
    return st;
}

void
po_cli_trust_deinit(struct po_cli_trust *trust)
{
    po_mem_free(trust->keys);
    *trust = (struct po_cli_trust){ 0 };
}

enum po_status
po_cli_trust_require(const struct po_cli *cli, const char *path, const struct pobackup_blob *blob,
                     const struct po_reader *reader, struct po_err *err)
{
    struct po_cli_trust trust = { 0 };
    struct po_signature *signature = NULL;
    enum po_status st;

    if (!po_cli_has(cli, PO_CLI_TRUSTED_KEY))
        return PO_OK;
    st = po_cli_trust_load(cli, &trust, err);
    if (st != PO_OK)
        goto done;
    signature = po_mem_new(1, sizeof(*signature));
    if (signature == NULL) {
        st = po_fail_nomem(err, sizeof(*signature));
        goto done;
    }
    st = po_signature_check(signature, path, blob, reader, trust.keys, trust.count, &cli->watch,
                            err);
    if (st == PO_OK)
        st = po_signature_require(signature, err);
    if (st != PO_OK)
        (void)po_err_prefix(err, "%s", path);
done:
    po_mem_free(signature);
    po_cli_trust_deinit(&trust);
    return st;
}

int
po_cli_trust_failed(struct po_cli *cli, const struct po_err *err)
{
    int code = po_cli_failed(cli, err);

    if (err->status == PO_E_AUTH || err->status == PO_E_FORMAT)
        po_cli_out_tell(&cli->out, PO_CLI_HINT,
                        "Nothing was done: --trusted-key takes only what is signed by such a key. "
                        "Another archive may be; pobackup verify --trusted-key tells");
    return code;
}
