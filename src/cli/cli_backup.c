/* A backup from its lock to its pruning. */
#include "cli/cli_backup.h"

#include "cli/cli_backup_tell.h"
#include "cli/cli_base.h"
#include "cli/cli_drill.h"
#include "cli/cli_guardian.h"
#include "cli/cli_history.h"
#include "cli/cli_outage.h"
#include "cli/cli_prune.h"
#include "cli/cli_rec.h"
#include "cli/cli_recovery.h"
#include "cli/cli_shrink.h"
#include "cli/cli_sign.h"
#include "cli/cli_state.h"
#include "cli/cli_target.h"
#include "port/file.h"
#include "port/sys.h"
#include "store/store.h"

#include <string.h>

void
po_cli_backup_set_options(const struct po_cli *cli, struct po_backup_options *options)
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

/* Into the sink; the exit code. */
static int
save_to(struct po_cli *cli, struct po_host *host, struct po_store_sink *sink, const char *path,
        const struct po_backup_options *options, struct po_cli_base *base,
        struct po_cli_signer *signer)
{
    struct po_backup_result result = { .outage_seconds = -1 };
    struct po_err err = { 0 };
    int signed_code;
    int code;

    if (po_backup_run(host, sink, options, &cli->watch, &result, &err) == PO_OK) {
        po_cli_base_commit(base, &result);
        po_cli_history_backup(cli, host, path, options, &result);
        code = po_cli_backup_done(cli, path, options, &result);
        if (po_cli_shrink_check(cli) != PO_EXIT_DONE && code == PO_EXIT_DONE)
            code = PO_EXIT_PARTLY;
        signed_code = po_cli_signer_finish(cli, signer, path, result.archive_id);
        code = signed_code > code ? signed_code : code;
    } else {
        code = po_cli_backup_failed(cli, &result, &err);
    }
    po_cli_backup_json(&cli->out, &result);
    if (result.are_services_lost)
        code = po_cli_backup_services(cli, result.services_text);
    po_backup_result_deinit(&result);
    return code;
}

static int
save_archive(struct po_cli *cli, struct po_host *host, const char *dest, struct po_buf *path,
             struct po_backup_options *options, struct po_cli_signer *signer)
{
    const struct po_backup_result none = { .outage_seconds = -1 };
    struct po_cli_base base = { 0 };
    struct po_store_sink *sink = NULL;
    struct po_err err = { 0 };
    int code;
    enum po_status st;

    po_cli_base_choose(cli, host, dest, options->purpose != NULL, &base);
    if (base.is_diff)
        po_cli_target_set_diff(path);
    st = po_cli_target_set_free(path, dest, &err);
    if (st == PO_OK)
        st = po_buf_check(path, &err);
    if (st == PO_OK)
        st = po_cli_signer_check(signer, po_buf_text(path), &err);
    if (st == PO_OK && strcmp(po_buf_text(path), "-") != 0 && po_cli_rec_exists(po_buf_text(path)))
        st = po_fail(&err, PO_E_USAGE,
                     "%s.rec is there, recovery data of another archive of this name: move it away",
                     po_buf_text(path));
    if (st == PO_OK)
        st = strcmp(po_buf_text(path), "-") == 0
                 ? po_store_stdout_create(&sink, cli->watch.cancel, &err)
                 : po_store_file_create(&sink, po_buf_text(path), &err);
    if (st == PO_OK)
        st = po_cli_signer_tap(signer, &sink, &err);
    if (st == PO_OK) {
        po_cli_base_begin(cli, &base, options);
        code = save_to(cli, host, sink, po_buf_text(path), options, &base, signer);
        sink->ops->free(sink);
    } else {
        code = po_cli_backup_failed(cli, &none, &err);
    }
    /* They were the base's. */
    options->base = NULL;
    options->index_copy = NULL;
    po_cli_base_deinit(&base);
    return code;
}

/* What builds on a full is drilled with it: the next time. */
static int
drill(struct po_cli *cli, const char *path)
{
    if (strcmp(path, "-") == 0 || po_cli_target_is_diff(path))
        return PO_EXIT_DONE;
    return po_cli_drill(cli, path, NULL);
}

/* The archive stands, whatever comes of this. */
static int
protect(struct po_cli *cli, const char *path)
{
    const struct po_cli_rec_wish wish = { .percent = (unsigned)po_cli_number(
                                              cli, PO_CLI_RECOVERY, PO_REC_PERCENT_DEFAULT),
                                          .is_fresh = true };
    struct po_rec_header header = { 0 };
    struct po_err err = { 0 };
    double seconds = 0;
    enum po_status st = po_cli_rec_protect(cli, path, &wish, &header, &seconds, &err);

    po_cli_json_member(&cli->out, "recovery",
                       st == PO_OK ? po_cli_rec_header_json(path, &header, seconds) : json_null());
    if (st == PO_OK)
        return PO_EXIT_DONE;
    po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                    "the archive has no recovery data: they could not be made: %s", err.text);
    return st == PO_E_FORMAT ? PO_EXIT_DAMAGED : PO_EXIT_PARTLY;
}

/* With the site's lock held. */
static int
save_site(struct po_cli *cli, struct po_host *host, const char *dest, struct po_buf *path,
          struct po_backup_options *options, struct po_cli_signer *signer)
{
    struct po_cli_guardian *guardian = po_cli_guardian_begin(cli, host);
    int code;

    warn_of_stopped(cli, host);
    code = save_archive(cli, host, dest, path, options, signer);
    po_cli_guardian_end(guardian);
    return code;
}

int
po_cli_backup_run(struct po_cli *cli, struct po_host *host, const char *dest, struct po_buf *path,
                  struct po_backup_options *options)
{
    struct po_vault_lock *vault = NULL;
    struct po_lock *lock = NULL;
    struct po_cli_signer signer = { 0 };
    bool is_saved = false;
    int former = PO_EXIT_DONE;
    int code;

    /* Before anything is done; and before signals are caught, as it may ask. */
    if (!po_cli_signer_open(cli, &signer, PO_CLI_SIGN, PO_CLI_SIGN_PASSPHRASE_FILE, &code)) {
        po_cli_signer_close(&signer);
        return code;
    }
    po_cli_catch_interrupts(cli);
    if (!po_cli_site_lock(cli, host, &lock, &code)) {
        po_cli_signer_close(&signer);
        return code;
    }
    if (po_cli_recovery_allows(cli, host, true, &code)) {
        former = po_cli_outage_recover(cli, host);
        is_saved = po_cli_vault_enter(cli, dest, &vault, &code);
        if (is_saved)
            code = save_site(cli, host, dest, path, options, &signer);
    }
    /* What is left needs the archive alone: another job may have the site. */
    po_lock_free(lock);
    po_cli_signer_close(&signer);
    if (is_saved && code <= PO_EXIT_PARTLY && po_cli_has(cli, PO_CLI_RECOVERY)) {
        int protected = protect(cli, po_buf_text(path));

        code = protected > code ? protected : code;
    }
    if (is_saved && code <= PO_EXIT_PARTLY && po_cli_has(cli, PO_CLI_DRILL)) {
        int drilled = drill(cli, po_buf_text(path));

        code = drilled > code ? drilled : code;
    }
    if (is_saved)
        code = po_cli_vault_leave(cli, dest, vault, code);
    return former > code ? former : code;
}
