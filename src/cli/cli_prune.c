#include "cli/cli_prune.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli_target.h"
#include "port/sys.h"

#include <string.h>

static const enum po_cli_id rule_ids[] = { PO_CLI_KEEP_LAST, PO_CLI_KEEP_DAILY, PO_CLI_KEEP_WEEKLY,
                                           PO_CLI_KEEP_MONTHLY, PO_CLI_KEEP_YEARLY };
#define RULES (sizeof rule_ids / sizeof rule_ids[0])

struct po_local_day
po_cli_local_day(void *ctx, int64_t time)
{
    struct po_local_day day;

    (void)ctx;
    po_sys_local_date(time, &day.year, &day.month, &day.day);
    return day;
}

struct po_retention_rules
po_cli_prune_rules(const struct po_cli *cli)
{
    return (struct po_retention_rules){
        .last = (uint32_t)po_cli_number(cli, PO_CLI_KEEP_LAST, 0),
        .daily = (uint32_t)po_cli_number(cli, PO_CLI_KEEP_DAILY, 0),
        .weekly = (uint32_t)po_cli_number(cli, PO_CLI_KEEP_WEEKLY, 0),
        .monthly = (uint32_t)po_cli_number(cli, PO_CLI_KEEP_MONTHLY, 0),
        .yearly = (uint32_t)po_cli_number(cli, PO_CLI_KEEP_YEARLY, 0),
    };
}

/* ---- reasons ---- */

/* One that names another row says it before the name. */
static const char *
reason_text(const struct po_prune_plan *plan, uint32_t row, unsigned bit)
{
    switch (bit) {
    case PO_KEEP_PARENT:
        return "needed by ";
    case PO_KEEP_VERIFIED:
        return plan->rows[row].is_verified ? "the last verified full" : "the last full";
    case PO_KEEP_PURPOSE:
        return "the last for its purpose";
    case PO_KEEP_FUTURE:
        return "suspicious: dated in the future";
    case PO_KEEP_SMALL:
        return "suspicious: less than half of ";
    case PO_KEEP_BEFORE_SMALL:
        return "more than twice the suspicious ";
    case PO_KEEP_COPY:
        return "the same archive as ";
    case PO_KEEP_ONLY:
        return "the only one of its site";
    case PO_KEEP_NEWEST:
        return "the newest";
    case PO_KEEP_NO_RULE:
        return "no rule";
    case PO_KEEP_NEEDED:
        return "a file that cannot be read may need it";
    default:
        return po_retention_reason_name(bit);
    }
}

/* The row that a reason names, or PO_RETENTION_NONE. */
static uint32_t
reason_row(const struct po_prune_plan *plan, uint32_t row, unsigned bit)
{
    switch (bit) {
    case PO_KEEP_PARENT:
        return plan->verdicts[row].child;
    case PO_KEEP_SMALL:
    case PO_KEEP_BEFORE_SMALL:
        return plan->verdicts[row].small;
    case PO_KEEP_COPY:
        return plan->rows[row].copy_of;
    default:
        return PO_RETENTION_NONE;
    }
}

static void
put_reasons(struct po_buf *line, const struct po_prune_plan *plan, uint32_t row)
{
    const char *before = "";

    for (unsigned i = 0; i < PO_KEEP_REASON_COUNT; i++) {
        uint32_t named = reason_row(plan, row, 1u << i);

        if ((plan->verdicts[row].reasons & 1u << i) == 0)
            continue;
        po_buf_put_text(line, before);
        po_buf_put_text(line, reason_text(plan, row, 1u << i));
        if (named != PO_RETENTION_NONE)
            po_text_put_name(line, plan->vault->rows[named].name,
                             strlen(plan->vault->rows[named].name));
        before = ", ";
    }
}

static json_t *
reasons_json(unsigned reasons)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < PO_KEEP_REASON_COUNT; i++)
        if ((reasons & 1u << i) != 0 &&
            json_array_append_new(list, json_string(po_retention_reason_name(1u << i))) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* ---- the plan ---- */

static void
put_row(struct po_buf *line, const struct po_vault_row *row)
{
    po_text_put_name(line, row->name, strlen(row->name));
    po_buf_put_text(line, "  ");
    po_sys_put_local_time(line, row->peek.trailer.created);
    po_buf_put_text(line, "  ");
}

static void
tell_suspicious(struct po_cli *cli, const struct po_prune_plan *plan, uint32_t row)
{
    struct po_buf line = { 0 };

    po_text_put_name(&line, plan->vault->rows[row].name, strlen(plan->vault->rows[row].name));
    po_buf_put_text(&line, ": ");
    put_reasons(&line, plan, row);
    po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                    "%s. It counts for no rule and stays; look at it, then prune with --forget",
                    po_buf_text(&line));
    po_buf_deinit(&line);
}

void
po_cli_prune_tell_plan(struct po_cli *cli, const struct po_prune_plan *plan, bool is_short)
{
    const struct po_vault *vault = plan->vault;
    struct po_buf line = { 0 };

    for (uint32_t i = 0; i < vault->count; i++) {
        if (plan->verdicts[i].is_suspicious && plan->verdicts[i].reasons != 0)
            tell_suspicious(cli, plan, i);
        if (is_short)
            continue;
        po_buf_clear(&line);
        po_buf_put_text(&line, plan->verdicts[i].reasons != 0 ? "keep    " : "remove  ");
        put_row(&line, &vault->rows[i]);
        if (plan->verdicts[i].reasons != 0)
            put_reasons(&line, plan, i);
        else
            po_text_put_size(&line, vault->rows[i].file_bytes);
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "%s", po_buf_text(&line));
    }
    po_buf_deinit(&line);
}

int
po_cli_prune_tell_kept(struct po_cli *cli, const struct po_prune_plan *plan)
{
    struct po_buf line = { 0 };
    int code = PO_EXIT_DONE;

    for (uint32_t i = 0; i < plan->vault->count; i++) {
        const char *name = plan->vault->rows[i].name;

        if (!plan->is_forgotten[i] || plan->verdicts[i].reasons == 0)
            continue;
        po_buf_clear(&line);
        po_buf_put_text(&line, "cannot be forgotten: ");
        put_reasons(&line, plan, i);
        po_cli_out_item(&cli->out, name, strlen(name), po_buf_text(&line));
        code = PO_EXIT_PARTLY;
    }
    po_buf_deinit(&line);
    return code;
}

/* ---- the removal ---- */

struct outcome {
    struct po_cli *cli;
    const struct po_prune_plan *plan;
    char **failures; /* one a row; NULL = none */
    bool *is_removed;
};

static void
on_file(void *ctx, uint32_t row, const char *name, const struct po_err *failure)
{
    struct outcome *outcome = ctx;
    bool is_archive = strcmp(name, outcome->plan->vault->rows[row].name) == 0;
    struct po_buf line = { 0 };

    if (failure == NULL) {
        po_text_put_name(&line, name, strlen(name));
        po_cli_out_tell(&outcome->cli->out, PO_CLI_SAY, "removed %s", po_buf_text(&line));
        outcome->is_removed[row] = outcome->is_removed[row] || is_archive;
    } else {
        po_cli_out_item(&outcome->cli->out, name, strlen(name), failure->text);
        if (outcome->failures[row] == NULL)
            outcome->failures[row] = po_mem_strdup(failure->text);
    }
    po_buf_deinit(&line);
}

static void
put_json(struct outcome *outcome, const char *path)
{
    const struct po_prune_plan *plan = outcome->plan;
    struct po_cli_out *out = &outcome->cli->out;

    po_cli_json_array_begin(out, "archives");
    for (uint32_t i = 0; i < plan->vault->count && po_cli_out_has_document(out); i++) {
        json_t *item = po_cli_vault_row_json(path, plan->vault, i);

        po_cli_json_add(&item, "suspicious", json_boolean(plan->verdicts[i].is_suspicious));
        po_cli_json_add(&item, "kept", json_boolean(plan->verdicts[i].reasons != 0));
        po_cli_json_add(&item, "reasons", reasons_json(plan->verdicts[i].reasons));
        po_cli_json_add(&item, "removed", json_boolean(outcome->is_removed[i]));
        po_cli_json_add(&item, "problem",
                        outcome->failures[i] == NULL ? json_null()
                                                     : po_cli_json_text(outcome->failures[i]));
        po_cli_json_item(out, item);
    }
    po_cli_json_array_end(out);
}

static void
tell_sum(struct po_cli *cli, const struct po_prune_plan *plan, const struct po_prune_result *result,
         bool is_dry)
{
    struct po_buf line = { 0 };
    uint32_t removed = is_dry ? plan->removed : result->removed;
    uint64_t bytes = result->bytes;

    for (uint32_t i = 0; i < plan->removed && is_dry; i++)
        bytes += plan->vault->rows[plan->order[i]].file_bytes;
    po_buf_put_text(&line, is_dry ? "would remove " : "removed ");
    po_cli_put_count(&line, removed, "archive", "archives");
    po_buf_put_text(&line, ", ");
    po_text_put_size(&line, bytes);
    po_buf_printf(&line, "; %u stay", plan->vault->count - removed);
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "%s", po_buf_text(&line));
    po_buf_deinit(&line);
}

int
po_cli_prune_run(struct po_cli *cli, const char *path, const struct po_prune_plan *plan,
                 bool is_dry)
{
    uint32_t count = plan->vault->count;
    struct outcome outcome = { .cli = cli,
                               .plan = plan,
                               .failures = po_mem_new(count, sizeof(char *)),
                               .is_removed = po_mem_new(count, sizeof(bool)) };
    struct po_prune_result result = { 0 };
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;
    enum po_status st = outcome.failures == NULL || outcome.is_removed == NULL
                            ? po_fail_nomem(&err, count * sizeof(char *))
                            : PO_OK;

    if (st == PO_OK && !is_dry)
        st = po_prune_run(plan, on_file, &outcome, &cli->watch, &result, &err);
    if (outcome.failures != NULL && outcome.is_removed != NULL)
        put_json(&outcome, path);
    tell_sum(cli, plan, &result, is_dry);
    if (st != PO_OK)
        code = po_cli_failed(cli, &err);
    else if (result.failed > 0)
        code = PO_EXIT_PARTLY;
    for (uint32_t i = 0; i < count && outcome.failures != NULL; i++)
        po_mem_free(outcome.failures[i]);
    po_mem_free(outcome.failures);
    po_mem_free(outcome.is_removed);
    return code;
}

/* ---- around a backup ---- */

/* In a configuration file the rules may stand for all backups, also those into a file. */
static bool
has_typed_rule(const struct po_cli *cli)
{
    for (size_t i = 0; i < RULES; i++)
        if (po_cli_has(cli, rule_ids[i]) && !cli->values.value[rule_ids[i]].is_from_config)
            return true;
    return false;
}

bool
po_cli_vault_enter(struct po_cli *cli, const char *dest, struct po_vault_lock **lock, int *code)
{
    struct po_err err = { 0 };

    *lock = NULL;
    if (strcmp(dest, "-") != 0 && po_cli_target_make(dest, &err) != PO_OK) {
        *code = po_cli_failed(cli, &err);
        return false;
    }
    if (po_cli_target_is_directory(dest))
        return po_cli_vault_lock(cli, dest, lock, code);
    if (!has_typed_rule(cli))
        return true;
    *code = po_cli_usage(cli, "--keep-...: rules are for a vault: give -o a directory");
    return false;
}

/* This run is not in the history yet, and what it made must not push out a good one if it lacks
 * something. */
static void
note_this_run(const struct po_cli *cli, struct po_vault *vault)
{
    const struct po_history_run *run = &cli->history;

    for (uint32_t i = 0; i < vault->count; i++)
        if (run->has_archive_id &&
            memcmp(vault->rows[i].peek.digest, run->digest, PO_DIGEST_SIZE) == 0) {
            vault->rows[i].is_known_complete = run->is_complete;
            vault->rows[i].is_known_incomplete = !run->is_complete;
        }
}

int
po_cli_prune_after(struct po_cli *cli, const char *path)
{
    const struct po_prune_options options = { .rules = po_cli_prune_rules(cli),
                                              .now = po_sys_now(),
                                              .local_day = po_cli_local_day };
    struct po_vault *vault = NULL;
    struct po_prune_plan *plan = NULL;
    struct po_err err = { 0 };
    int problems;
    int code;

    if (!po_cli_vault_open(cli, path, true, &vault, &code))
        return PO_EXIT_PARTLY;
    note_this_run(cli, vault);
    problems = po_cli_vault_problems(cli, path, vault);
    if (po_prune_plan_new(&plan, vault, &options, &err) == PO_OK) {
        po_cli_prune_tell_plan(cli, plan, true);
        code = po_cli_prune_run(cli, path, plan, false);
    } else {
        code = po_cli_failed(cli, &err);
    }
    po_prune_plan_free(plan);
    po_vault_free(vault);
    return code == PO_EXIT_DONE ? problems : PO_EXIT_PARTLY;
}

int
po_cli_vault_leave(struct po_cli *cli, const char *dest, struct po_vault_lock *lock, int code)
{
    const struct po_retention_rules rules = po_cli_prune_rules(cli);
    int prune_code = PO_EXIT_DONE;

    if ((code == PO_EXIT_DONE || code == PO_EXIT_PARTLY) && po_retention_has_rule(&rules) &&
        po_cli_target_is_directory(dest))
        prune_code = po_cli_prune_after(cli, dest);
    po_vault_lock_free(lock);
    return prune_code > code ? prune_code : code;
}
