#include "cli/cli_ask.h"
#include "cli/cli_prune.h"

#include "port/sys.h"

#include <stdio.h>
#include <string.h>

struct prune {
    struct po_cli *cli;
    const char *path;
    struct po_prune_options options;
    struct po_vault_lock *lock;
    struct po_vault *vault;
    struct po_prune_plan *plan;
};

static void
forget_plan(struct prune *prune)
{
    po_prune_plan_free(prune->plan);
    po_vault_free(prune->vault);
    prune->plan = NULL;
    prune->vault = NULL;
}

/* false: told, *code is the exit code. */
static bool
make_plan(struct prune *prune, int *code)
{
    struct po_err err = { 0 };

    if (!po_cli_vault_open(prune->cli, prune->path, true, &prune->vault, code))
        return false;
    if (po_prune_plan_new(&prune->plan, prune->vault, &prune->options, &err) == PO_OK)
        return true;
    (void)po_cli_vault_problems(prune->cli, prune->path, prune->vault);
    *code = po_cli_failed(prune->cli, &err);
    return false;
}

/* Whether nothing goes that `shown` did not say. */
static bool
is_as_shown(const struct po_prune_plan *plan, const struct po_buf *shown)
{
    for (uint32_t i = 0; i < plan->removed; i++) {
        const uint8_t *digest = plan->vault->rows[plan->order[i]].peek.digest;
        bool is_found = false;

        for (size_t at = 0; at < shown->size && !is_found; at += PO_DIGEST_SIZE)
            is_found = memcmp(shown->bytes + at, digest, PO_DIGEST_SIZE) == 0;
        if (!is_found)
            return false;
    }
    return true;
}

/*
 * Whoever is asked may take hours, in which no backup is to be kept waiting: so the lock is taken
 * after the answer, and what was shown is looked at again.
 */
static bool
lock_again(struct prune *prune, int *code)
{
    struct po_buf shown = { 0 };
    struct po_err err = { 0 };
    bool is_good = false;

    for (uint32_t i = 0; i < prune->plan->removed; i++)
        po_buf_put(&shown, prune->vault->rows[prune->plan->order[i]].peek.digest, PO_DIGEST_SIZE);
    forget_plan(prune);
    if (po_buf_check(&shown, &err) != PO_OK) {
        *code = po_cli_failed(prune->cli, &err);
    } else if (po_cli_vault_lock(prune->cli, prune->path, &prune->lock, code) &&
               make_plan(prune, code)) {
        is_good = is_as_shown(prune->plan, &shown);
        if (!is_good) {
            (void)po_fail(&err, PO_E_IO, "%s: it has changed meanwhile; nothing was removed",
                          prune->path);
            *code = po_cli_failed(prune->cli, &err);
        }
    }
    po_buf_deinit(&shown);
    return is_good;
}

/* What is to go is known. */
static int
run(struct prune *prune, bool asks)
{
    struct po_cli *cli = prune->cli;
    bool is_dry = po_cli_has(cli, PO_CLI_DRY_RUN);
    bool is_quiet = cli->out.is_quiet;
    struct po_err err = { 0 };
    int kept_code;
    int code;

    asks = asks && prune->plan->removed > 0;
    cli->out.is_quiet = is_quiet && !asks; /* nobody can say yes to what he has not seen */
    po_cli_prune_tell_plan(cli, prune->plan, false);
    cli->out.is_quiet = is_quiet;
    code = po_cli_vault_problems(cli, prune->path, prune->vault);
    kept_code = po_cli_prune_tell_kept(cli, prune->plan);
    code = kept_code > code ? kept_code : code;
    if (asks) {
        int lock_code = PO_EXIT_DONE;

        if (!po_cli_ask(cli, "Remove? [y/N] ")) {
            (void)po_fail(&err, PO_E_CANCELLED, "nothing was removed");
            return po_cli_failed(cli, &err);
        }
        if (!lock_again(prune, &lock_code))
            return lock_code;
    }
    po_cli_catch_interrupts(cli);
    po_cli_json_member(&cli->out, "dry_run", json_boolean(is_dry));
    kept_code = po_cli_prune_run(cli, prune->path, prune->plan, is_dry);
    return kept_code > code ? kept_code : code;
}

int
po_cmd_prune(struct po_cli *cli)
{
    const struct po_cli_value *forget = &cli->values.value[PO_CLI_FORGET];
    struct prune prune = { .cli = cli,
                           .path = cli->values.args[0],
                           .options = { .rules = po_cli_prune_rules(cli),
                                        .forget = forget->list,
                                        .forget_count = forget->count,
                                        .now = po_sys_now(),
                                        .local_day = po_cli_local_day } };
    bool asks = !po_cli_has(cli, PO_CLI_YES) && !po_cli_has(cli, PO_CLI_DRY_RUN);
    int code;

    if (!po_retention_has_rule(&prune.options.rules) && forget->count == 0)
        return po_cli_usage(cli, "which archives are to stay? For example: pobackup prune VAULT "
                                 "--keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run");
    if (asks && !po_cli_can_ask(cli))
        return po_cli_usage(cli, "nobody can be asked here, as there is no terminal; --yes does it "
                                 "without asking, --dry-run shows what it would do");
    if (!asks && !po_cli_has(cli, PO_CLI_DRY_RUN) &&
        !po_cli_vault_lock(cli, prune.path, &prune.lock, &code))
        return code;
    if (make_plan(&prune, &code))
        code = run(&prune, asks);
    forget_plan(&prune);
    po_vault_lock_free(prune.lock);
    return code;
}
