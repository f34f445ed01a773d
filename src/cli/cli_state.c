#include "cli/cli_state.h"

#include "archive/hash.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/cli_outage.h"
#include "host/host.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

#define LOCK_ID_SIZE 8u /* bytes of the hash in a lock's name */
#define LOCK_POLL_MS 50u
#define LOCK_WAIT_MS 100u
#define OUTAGE_WAIT_MS 30000u

/* Appends a variable's value; one that is empty counts as not set. */
static bool
put_variable(struct po_buf *out, const char *name)
{
    size_t size = out->size;

    return po_sys_put_environment(out, name) && out->size > size;
}

enum po_status
po_cli_state_dir(struct po_buf *out, struct po_err *err)
{
    if (put_variable(out, "POBACKUP_STATE_DIR"))
        return po_buf_check(out, err);
    if (po_sys_is_admin()) {
        if (po_sys_put_data_dir(out, err) != PO_OK)
            return err->status;
        po_buf_put_text(out, "/pobackup");
        return po_buf_check(out, err);
    }
    if (po_sys_put_user_dir(out)) {
        po_buf_put_text(out, "/pobackup");
        return po_buf_check(out, err);
    }
    /* One that is relative is to be ignored, as XDG has it. */
    if (put_variable(out, "XDG_STATE_HOME") && out->bytes[0] == '/') {
        po_buf_put_text(out, "/pobackup");
        return po_buf_check(out, err);
    }
    po_buf_clear(out);
    if (!put_variable(out, "HOME"))
        return po_fail(err, PO_E_IO,
                       "no state directory: neither POBACKUP_STATE_DIR nor HOME is set");
    po_buf_put_text(out, "/.local/state/pobackup");
    return po_buf_check(out, err);
}

enum po_status
po_cli_state_open(struct po_dir **out, struct po_buf *path, struct po_err *err)
{
    enum po_status st = po_cli_state_dir(path, err);

    return st == PO_OK ? po_dir_open_make_private(out, po_buf_text(path), err) : st;
}

/* The name in the directory: of one length, and of characters that any file system takes. */
static void
put_name(struct po_buf *out, struct po_host *host, const char *ending)
{
    const char *identity = host->ops->identity(host);
    uint8_t hash[PO_HASH_SIZE];

    po_xxh3(identity, strlen(identity), hash);
    po_buf_put_text(out, "site-");
    po_text_put_hex(out, hash, LOCK_ID_SIZE);
    po_buf_put_text(out, ending);
}

static enum po_status
put_path(struct po_host *host, const char *ending, struct po_buf *out, struct po_err *err)
{
    enum po_status st = po_cli_state_dir(out, err);

    if (st != PO_OK)
        return st;
    po_buf_put_text(out, "/");
    put_name(out, host, ending);
    return po_buf_check(out, err);
}

enum po_status
po_cli_state_journals(struct po_host *host, struct po_buf *out, struct po_err *err)
{
    return put_path(host, ".restores", out, err);
}

enum po_status
po_cli_state_import(struct po_host *set, struct po_buf *out, struct po_err *err)
{
    return put_path(set, ".import.tar.zst", out, err);
}

enum po_status
po_cli_state_reboot(struct po_host *host, struct po_buf *out, struct po_err *err)
{
    return put_path(host, ".reboot", out, err);
}

enum po_status
po_cli_state_catalogs(struct po_host *host, struct po_buf *out, struct po_err *err)
{
    return put_path(host, ".catalogs", out, err);
}

enum po_status
po_cli_state_outage(struct po_host *host, struct po_buf *out, struct po_err *err)
{
    return put_path(host, ".outage", out, err);
}

enum po_status
po_cli_state_lock(struct po_host *host, struct po_buf *out, struct po_err *err)
{
    return put_path(host, ".lock", out, err);
}

enum po_status
po_cli_site_lock_wait(struct po_host *host, unsigned wait_ms, struct po_lock **lock,
                      struct po_err *err)
{
    struct po_buf path = { 0 };
    struct po_dir *dir = NULL;
    double deadline = po_sys_monotonic() + (double)wait_ms / 1000;
    enum po_status st = po_cli_state_open(&dir, &path, err);

    if (st != PO_OK)
        goto done;
    po_buf_clear(&path);
    st = po_cli_state_lock(host, &path, err);
    if (st == PO_OK)
        st = po_lock_take(lock, po_buf_text(&path), err);
    while (st == PO_OK && *lock == NULL && po_sys_monotonic() < deadline) {
        po_sys_sleep_ms(LOCK_POLL_MS);
        st = po_lock_take(lock, po_buf_text(&path), err);
    }
done:
    po_dir_free(dir);
    po_buf_deinit(&path);
    return st;
}

bool
po_cli_site_lock(struct po_cli *cli, struct po_host *host, struct po_lock **lock, int *code)
{
    struct po_err err = { 0 };
    enum po_status st;

    *lock = NULL;
    /* `doctor` takes it for a moment, to see whether it is free. */
    st = po_cli_site_lock_wait(host, LOCK_WAIT_MS, lock, &err);
    if (st == PO_OK && *lock == NULL && po_cli_outage_is_taken_over(host)) {
        po_cli_out_tell(&cli->out, PO_CLI_NOTE,
                        "the services of a run that was killed are being started; waiting for it");
        st = po_cli_site_lock_wait(host, OUTAGE_WAIT_MS, lock, &err);
    }
    if (st != PO_OK) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "no lock on the site, so see to it that no other pobackup works on it "
                        "meanwhile: %s",
                        err.text);
        return true;
    }
    if (*lock != NULL)
        return true;
    (void)po_fail(&err, PO_E_IO,
                  "another pobackup is working on this site (backup or restore); wait until it has "
                  "ended");
    *code = po_cli_failed(cli, &err);
    return false;
}
