#include "cli/cli_sign.h"

#include "cli/cli_lock.h"
#include "cli/cli_secret.h"
#include "engine/signature.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

/* ---- the key ---- */

static enum po_status
read_key(struct po_cli_signer *signer, const char *path, struct po_err *err)
{
    char text[PO_MINISIGN_TEXT_MAX + 1];
    size_t got = 0;
    enum po_status st = po_cli_secret_read(text, sizeof(text), path, "the secret key", &got, err);

    if (st == PO_OK) {
        st = po_minisign_secret_parse(&signer->secret, text, got, err);
        /* No archive is damaged. */
        if (st == PO_E_FORMAT || st == PO_E_UNSUPPORTED)
            st = err->status = PO_E_USAGE;
        if (st != PO_OK)
            (void)po_err_prefix(err, "%s", path);
    }
    po_cli_secret_wipe(text, sizeof(text));
    return st;
}

static enum po_status
open_key(struct po_cli *cli, struct po_cli_signer *signer, const char *path,
         enum po_cli_id passphrase_file, struct po_err *err)
{
    struct po_cli_passphrase passphrase;
    enum po_status st = read_key(signer, path, err);

    if (st != PO_OK || !signer->secret.is_encrypted)
        return st;
    st = po_cli_passphrase_get(cli, &passphrase, passphrase_file, path, false, err);
    if (st == PO_OK)
        st = po_minisign_secret_open(&signer->secret, passphrase.text, passphrase.size, err);
    po_cli_secret_wipe(&passphrase, sizeof(passphrase));
    return st == PO_OK || st == PO_E_USAGE ? st : po_err_prefix(err, "%s", path);
}

bool
po_cli_signer_open(struct po_cli *cli, struct po_cli_signer *signer, enum po_cli_id key,
                   enum po_cli_id passphrase_file, int *code)
{
    const char *path = po_cli_text(cli, key);
    struct po_err err = { 0 };
    enum po_status st;

    *signer = (struct po_cli_signer){ .is_on = path != NULL };
    *code = PO_EXIT_DONE;
    if (path == NULL)
        return true;
    st = open_key(cli, signer, path, passphrase_file, &err);
    if (st == PO_OK)
        st = po_minisign_hasher_new(&signer->hasher, &err);
    if (st != PO_OK)
        *code = po_cli_failed(cli, &err);
    return st == PO_OK;
}

enum po_status
po_cli_sign_check_unattended(const struct po_cli *cli, struct po_err *err)
{
    const char *path = po_cli_text(cli, PO_CLI_SIGN);
    struct po_cli_signer signer = { 0 };
    enum po_status st;

    if (path == NULL)
        return PO_OK;
    st = read_key(&signer, path, err);
    if (st == PO_OK && signer.secret.is_encrypted && !po_cli_has(cli, PO_CLI_SIGN_PASSPHRASE_FILE))
        st = po_fail(err, PO_E_USAGE,
                     "--sign=%s: a job has nobody who types its passphrase; give "
                     "--sign-passphrase-file, or a key without one",
                     path);
    po_cli_signer_close(&signer);
    return st;
}

void
po_cli_signer_close(struct po_cli_signer *signer)
{
    po_minisign_hasher_free(signer->hasher);
    po_cli_secret_wipe(signer, sizeof(*signer));
    *signer = (struct po_cli_signer){ .is_on = false };
}

/* ---- the sidecar ---- */

static enum po_status
put_path(struct po_buf *out, const char *path, struct po_err *err)
{
    po_buf_put_text(out, path);
    po_buf_put_text(out, PO_SIGNATURE_ENDING);
    return po_buf_check(out, err);
}

enum po_status
po_cli_signer_check(const struct po_cli_signer *signer, const char *path, struct po_err *err)
{
    struct po_node_info info = { 0 };
    struct po_buf file = { 0 };
    bool exists = false;
    enum po_status st = signer->is_on ? put_path(&file, path, err) : PO_OK;

    if (st == PO_OK && signer->is_on)
        st = po_os_stat(po_buf_text(&file), &info, &exists, err);
    if (st == PO_OK && exists)
        st = po_fail(err, PO_E_USAGE, "%s: exists already", po_buf_text(&file));
    po_buf_deinit(&file);
    return st;
}

static enum po_status
read_text(struct po_buf *text, struct po_dir *dir, const char *name, struct po_err *err)
{
    struct po_file *file = NULL;
    size_t got = 0;
    enum po_status st = po_file_open(&file, dir, name, strlen(name), PO_FILE_READ, 0, err);

    if (st == PO_OK && !po_buf_reserve(text, PO_MINISIGN_TEXT_MAX + 1))
        st = po_fail_nomem(err, PO_MINISIGN_TEXT_MAX + 1);
    if (st == PO_OK)
        st = po_file_read_at(file, 0, text->bytes, PO_MINISIGN_TEXT_MAX + 1, &got, err);
    if (st == PO_OK && got > PO_MINISIGN_TEXT_MAX)
        st = po_fail(err, PO_E_IO, "too large for a signature");
    if (st == PO_OK)
        text->size = got;
    po_file_free(file);
    return st;
}

enum po_status
po_cli_sign_read(struct po_buf *text, bool *is_there, const char *path, struct po_err *err)
{
    struct po_node_info info = { 0 };
    struct po_dir *dir = NULL;
    struct po_buf file = { 0 };
    const char *name = NULL;
    enum po_status st = put_path(&file, path, err);

    *is_there = false;
    if (st == PO_OK)
        st = po_cli_open_parent(&dir, &name, po_buf_text(&file), err);
    if (st == PO_OK)
        st = po_dir_stat(dir, name, strlen(name), &info, is_there, err);
    if (st == PO_OK && *is_there) {
        st = read_text(text, dir, name, err);
        if (st != PO_OK)
            (void)po_err_prefix(err, "%s", po_buf_text(&file));
    }
    po_dir_free(dir);
    po_buf_deinit(&file);
    return st;
}

enum po_status
po_cli_sign_store(const struct po_buf *text, const char *path, struct po_err *err)
{
    struct po_store_sink *sink = NULL;
    struct po_buf file = { 0 };
    enum po_status st = put_path(&file, path, err);

    if (st == PO_OK)
        st = po_store_file_create(&sink, po_buf_text(&file), err);
    if (st == PO_OK)
        st = sink->ops->write(sink, text->bytes, text->size, err);
    if (st == PO_OK)
        st = sink->ops->commit(sink, err);
    if (sink != NULL)
        sink->ops->free(sink);
    po_buf_deinit(&file);
    return st;
}

static void
add_written(void *ctx, const void *bytes, size_t size)
{
    po_minisign_hasher_add(ctx, bytes, size);
}

enum po_status
po_cli_signer_tap(struct po_cli_signer *signer, struct po_store_sink **sink, struct po_err *err)
{
    struct po_store_sink *inner = *sink;

    if (!signer->is_on)
        return PO_OK;
    *sink = NULL;
    return po_store_tap_create(sink, inner, add_written, signer->hasher, err);
}

enum po_status
po_cli_sign_write(const struct po_minisign_secret *secret, const char *path,
                  const uint8_t hash[PO_MINISIGN_HASH_SIZE], const uint8_t archive_id[PO_ID_SIZE],
                  struct po_err *err)
{
    struct po_buf text = { 0 };
    enum po_status st = po_signature_put(&text, secret, hash, path, archive_id, po_sys_now(), err);

    if (st == PO_OK)
        st = po_cli_sign_store(&text, path, err);
    po_buf_deinit(&text);
    return st;
}

int
po_cli_signer_finish(struct po_cli *cli, struct po_cli_signer *signer, const char *path,
                     const uint8_t archive_id[PO_ID_SIZE])
{
    uint8_t hash[PO_MINISIGN_HASH_SIZE];
    struct po_buf file = { 0 };
    struct po_buf id = { 0 };
    struct po_err err = { 0 };
    enum po_status st;

    if (!signer->is_on)
        return PO_EXIT_DONE;
    po_minisign_hasher_end(signer->hasher, hash);
    po_minisign_put_id(&id, signer->secret.key_id);
    st = put_path(&file, path, &err);
    if (st == PO_OK)
        st = po_cli_sign_write(&signer->secret, path, hash, archive_id, &err);
    if (st == PO_OK) {
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "signed by key %s: %s", po_buf_text(&id),
                        po_buf_text(&file));
    } else {
        (void)po_err_prefix(&err, "%s stands, but is not signed", path);
        (void)po_cli_failed(cli, &err);
        po_cli_out_tell(&cli->out, PO_CLI_HINT, "Sign it: pobackup sign --key KEYFILE ARCHIVE");
    }
    po_cli_json_member(&cli->out, "signature",
                       st != PO_OK ? json_null()
                                   : json_pack("{s:o, s:s}",
                                               po_cli_json_path_key(po_buf_text(&file), file.size),
                                               po_cli_json_path(po_buf_text(&file), file.size),
                                               "key_id", po_buf_text(&id)));
    po_buf_deinit(&id);
    po_buf_deinit(&file);
    return st == PO_OK ? PO_EXIT_DONE : PO_EXIT_PARTLY;
}
