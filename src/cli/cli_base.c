#include "cli/cli_base.h"

#include "base/mem.h"
#include "cli/cli_state.h"
#include "cli/cli_target.h"
#include "cli/cli_vault.h"
#include "engine/base_choice.h"
#include "port/file.h"
#include "port/sys.h"

#include <errno.h>
#include <string.h>

#define FULL_DAYS 7
#define FULL_SHARE 50 /* percent */

static struct po_base_rules
rules_of(const struct po_cli *cli)
{
    return (struct po_base_rules){
        .kind = po_cli_number(cli, PO_CLI_BASE, 0) == 1 ? PO_BASE_LAST : PO_BASE_FULL,
        .full_days = (unsigned)po_cli_number(cli, PO_CLI_FULL_EVERY, FULL_DAYS),
        .full_share = (unsigned)po_cli_number(cli, PO_CLI_FULL_SHARE, FULL_SHARE)
    };
}

/* The catalog; or the archive's own index, and then the archive stays open. */
static enum po_status
load(struct po_cli_base *base, const char *dest, const struct po_vault_row *row, struct po_err *err)
{
    enum po_status st = PO_E_IO;

    if (base->catalogs.size > 0)
        st = po_catalog_load(&base->index, po_buf_text(&base->catalogs), row->peek.digest, err);
    if (st == PO_OK || st == PO_E_NOMEM)
        return st;
    base->path = po_os_path_join(dest, row->name);
    if (base->path == NULL)
        return po_fail_nomem(err, strlen(row->name));
    st = po_cli_archive_open_quietly(&base->archive, base->path, err);
    if (st == PO_OK && memcmp(base->archive.own->digest, row->peek.digest, PO_DIGEST_SIZE) != 0)
        st = po_fail(err, PO_E_IO, "%s: it was changed meanwhile", base->path);
    return st;
}

static enum po_status
build_on(struct po_cli_base *base, const char *dest, const struct po_vault_row *row,
         struct po_err *err)
{
    enum po_status st;

    base->name = po_mem_strdup(row->name);
    if (base->name == NULL)
        return po_fail_nomem(err, strlen(row->name));
    st = load(base, dest, row, err);
    if (st != PO_OK)
        return st;
    base->base.index = base->index != NULL ? base->index : base->archive.own->index;
    memcpy(base->base.digest, row->peek.digest, PO_DIGEST_SIZE);
    base->base.created = row->peek.manifest.created;
    base->base.name = base->name;
    base->is_diff = true;
    return PO_OK;
}

void
po_cli_base_choose(struct po_cli *cli, struct po_host *host, const char *dest, bool is_full,
                   struct po_cli_base *base)
{
    const struct po_base_rules rules = rules_of(cli);
    struct po_base_choice choice = { .row = PO_RETENTION_NONE };
    struct po_vault *vault = NULL;
    struct po_err err = { 0 };
    enum po_status st = PO_OK;

    if (!po_cli_target_is_directory(dest))
        return;
    if (po_cli_state_catalogs(host, &base->catalogs, &err) != PO_OK)
        po_buf_clear(&base->catalogs);
    if (is_full || po_cli_has(cli, PO_CLI_FULL))
        return;
    if (!po_cli_vault_look(cli, dest, &vault, &err)) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "a full is made, as what is in the vault cannot be told: %s", err.text);
        return;
    }
    po_base_choose(&choice, vault, host, &rules, po_sys_now());
    if (choice.row != PO_RETENTION_NONE)
        st = build_on(base, dest, &vault->rows[choice.row], &err);
    else
        po_cli_out_tell(&cli->out, PO_CLI_NOTE, "a full is made: %s", choice.reason);
    if (st != PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "a full is made, as the last one cannot be built on: %s", err.text);
    po_vault_free(vault);
}

/* What a later run may build on: a full, or any archive where chains are wanted. */
static bool
is_worth_a_catalog(const struct po_cli *cli, const struct po_cli_base *base)
{
    return base->catalogs.size > 0 && (!base->is_diff || rules_of(cli).kind == PO_BASE_LAST);
}

void
po_cli_base_begin(struct po_cli *cli, struct po_cli_base *base, struct po_backup_options *options)
{
    struct po_err ignored; /* the archive itself is read next time */

    if (base->is_diff)
        options->base = &base->base;
    if (!is_worth_a_catalog(cli, base) ||
        po_catalog_create(&base->catalog, po_buf_text(&base->catalogs), &ignored) != PO_OK)
        return;
    base->copy = po_catalog_sink(base->catalog);
    options->index_copy = &base->copy;
}

void
po_cli_base_commit(struct po_cli_base *base, const struct po_backup_result *result)
{
    uint8_t keep[2 * PO_DIGEST_SIZE];
    struct po_err ignored; /* likewise */

    if (base->catalog == NULL ||
        po_catalog_commit(base->catalog, result->digest, &ignored) != PO_OK)
        return;
    memcpy(keep, result->digest, PO_DIGEST_SIZE);
    memcpy(keep + PO_DIGEST_SIZE, base->base.digest, PO_DIGEST_SIZE);
    po_catalog_keep(po_buf_text(&base->catalogs), keep, base->is_diff ? 2 : 1);
}

void
po_cli_base_deinit(struct po_cli_base *base)
{
    po_catalog_free(base->catalog);
    po_index_free(base->index);
    po_cli_archive_deinit(&base->archive);
    po_buf_deinit(&base->catalogs);
    po_mem_free(base->path);
    po_mem_free(base->name);
    *base = (struct po_cli_base){ 0 };
}
