#include "cli/cli.h"

#include "base/mem.h"
#include "cli/cli_scrub.h"
#include "cli/cli_vault.h"
#include "cli/cli_verify.h"

/* What was named: each an archive, or a vault. */
struct job {
    struct po_cli *cli;
    struct po_cli_trust trust;
    struct po_vault **vaults; /* one an argument; NULL: it is no vault */
    size_t vault_count;
    json_t *summaries; /* of shares; NULL: none */
};

static void
raise_code(int *worst, int code)
{
    if (code > *worst)
        *worst = code;
}

static int
verify_file(struct job *job, const char *path)
{
    struct po_cli *cli = job->cli;
    struct po_cli_check check = { .path = path,
                                  .trust = &job->trust,
                                  .is_deep = !po_cli_has(cli, PO_CLI_QUICK) &&
                                             !po_cli_has(cli, PO_CLI_BUDGET),
                                  .has_recovery = po_cli_has(cli, PO_CLI_RECOVERY) };

    return po_cli_verify_one(cli, &check);
}

static int
verify_named(struct job *job, const char *vault_path, const char *name)
{
    char *path = po_os_path_join(vault_path, name);
    struct po_err err;
    int code;

    if (path == NULL) {
        (void)!po_fail_nomem(&err, 1);
        return po_cli_failed(job->cli, &err);
    }
    code = verify_file(job, path);
    po_mem_free(path);
    return code;
}

/* Those that are too damaged to be rows are archives, too; whatever else is named at the end. */
static int
verify_damaged(struct job *job, const char *path, const struct po_vault *vault)
{
    int worst = PO_EXIT_DONE;

    for (uint32_t i = 0; i < vault->problem_count && !po_cli_is_cancelled(job->cli); i++)
        if (vault->problems[i].fault == PO_VAULT_DAMAGED)
            raise_code(&worst, verify_named(job, path, vault->problems[i].name));
    return worst;
}

static int
verify_vault(struct job *job, const char *path, const struct po_vault *vault)
{
    int worst = PO_EXIT_DONE;

    for (uint32_t i = 0; i < vault->count && !po_cli_is_cancelled(job->cli); i++)
        raise_code(&worst, verify_named(job, path, vault->rows[i].name));
    return worst;
}

static int
verify_share(struct job *job, const char *path, const struct po_vault *vault)
{
    json_t *summary = NULL;
    int code = po_cli_scrub_run(job->cli, path, vault, &summary);

    if (job->summaries == NULL)
        job->summaries = json_array();
    if (summary != NULL)
        (void)json_array_append_new(job->summaries, summary);
    return code;
}

/* A vault in which nothing is may be a disk that is not mounted: nothing was verified. */
static int
verify_any(struct job *job, const char *path, struct po_vault *vault)
{
    struct po_cli *cli = job->cli;
    int worst = PO_EXIT_DONE;

    if (vault == NULL)
        return verify_file(job, path);
    if (vault->count == 0) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "%s: there is no archive in it, so none was verified", path);
        worst = PO_EXIT_PARTLY;
    } else if (po_cli_has(cli, PO_CLI_BUDGET)) {
        raise_code(&worst, verify_share(job, path, vault));
    } else {
        raise_code(&worst, verify_vault(job, path, vault));
    }
    raise_code(&worst, verify_damaged(job, path, vault));
    return worst;
}

/* ---- what was named ---- */

/* false: told, *code is the exit code. */
static bool
check_usage(struct po_cli *cli, int *code)
{
    *code = PO_EXIT_USAGE;
    if (po_cli_has(cli, PO_CLI_QUICK) && po_cli_has(cli, PO_CLI_DEEP))
        return po_cli_usage(cli, "--quick or --deep: one of them") == 0;
    if (po_cli_has(cli, PO_CLI_BUDGET) && po_cli_has(cli, PO_CLI_DEEP))
        return po_cli_usage(cli, "--budget reads, as --quick does: not with --deep") == 0;
    if (po_cli_has(cli, PO_CLI_BUDGET) && po_cli_has(cli, PO_CLI_RECOVERY))
        return po_cli_usage(cli, "--budget checks recovery data once in its time: not with "
                                 "--recovery") == 0;
    if (po_cli_has(cli, PO_CLI_BUDGET) && po_cli_has(cli, PO_CLI_TRUSTED_KEY))
        return po_cli_usage(cli, "a signature is of all of an archive: --budget not with "
                                 "--trusted-key") == 0;
    return true;
}

static bool
open_vaults(struct job *job, int *code)
{
    struct po_cli *cli = job->cli;
    struct po_err err = { 0 };

    for (size_t i = 0; i < cli->values.arg_count; i++) {
        const char *path = cli->values.args[i];
        enum po_status st = po_cli_vault_check(path, &err);

        if (st != PO_OK && po_cli_has(cli, PO_CLI_BUDGET)) {
            *code = po_cli_failed(cli, &err);
            return false;
        }
        if (st != PO_OK)
            continue; /* an archive, or what is told as one */
        if (!po_cli_vault_open(cli, path, false, &job->vaults[i], code))
            return false;
        job->vault_count++;
    }
    return true;
}

static int
run(struct job *job)
{
    struct po_cli *cli = job->cli;
    int worst = PO_EXIT_DONE;

    po_cli_json_array_begin(&cli->out, "archives");
    for (size_t i = 0; i < cli->values.arg_count && !po_cli_is_cancelled(cli); i++)
        raise_code(&worst, verify_any(job, cli->values.args[i], job->vaults[i]));
    po_cli_json_array_end(&cli->out);
    if (job->vault_count == 0)
        return worst;
    po_cli_json_array_begin(&cli->out, "problems");
    for (size_t i = 0; i < cli->values.arg_count; i++)
        if (job->vaults[i] != NULL)
            raise_code(&worst,
                       po_cli_vault_name_problems(cli, cli->values.args[i], job->vaults[i]));
    po_cli_json_array_end(&cli->out);
    if (po_cli_has(cli, PO_CLI_BUDGET)) {
        po_cli_json_member(&cli->out, "vaults",
                           job->summaries != NULL ? job->summaries : json_array());
        job->summaries = NULL;
    }
    return worst;
}

int
po_cmd_verify(struct po_cli *cli)
{
    struct job job = { .cli = cli };
    struct po_err err = { 0 };
    int code;

    if (!check_usage(cli, &code))
        return code;
    if (po_cli_trust_load(cli, &job.trust, &err) != PO_OK) {
        po_cli_trust_deinit(&job.trust);
        return po_cli_failed(cli, &err);
    }
    po_cli_catch_interrupts(cli);
    job.vaults = po_mem_new(cli->values.arg_count, sizeof(struct po_vault *));
    if (job.vaults == NULL) {
        (void)!po_fail_nomem(&err, cli->values.arg_count);
        po_cli_trust_deinit(&job.trust);
        return po_cli_failed(cli, &err);
    }
    if (open_vaults(&job, &code))
        code = run(&job);
    for (size_t i = 0; i < cli->values.arg_count; i++)
        po_vault_free(job.vaults[i]);
    po_mem_free(job.vaults);
    po_cli_trust_deinit(&job.trust);
    return po_cli_is_cancelled(cli) && code < PO_EXIT_FAILED ? PO_EXIT_FAILED : code;
}
