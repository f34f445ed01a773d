#include "cli/cli.h"

#include "base/text.h"
#include "cli/cli_prune.h"
#include "cli/cli_scrub.h"
#include "cli/cli_vault.h"
#include "port/sys.h"

#include <string.h>

struct table {
    struct po_cli *cli;
    const char *path;
    const struct po_vault *vault;
    const struct po_prune_plan *plan; /* NULL: what is suspicious is not known */
    struct po_buf line;
    struct po_buf field;
};

/* Puts the field behind the line, in so many columns; what is longer takes more. */
static void
put_field(struct table *table, unsigned width, bool is_right)
{
    size_t size = table->field.size;

    for (size_t i = size; is_right && i < width; i++)
        po_buf_put_u8(&table->line, ' ');
    po_buf_put(&table->line, table->field.bytes, size);
    for (size_t i = size; !is_right && i < width; i++)
        po_buf_put_u8(&table->line, ' ');
    po_buf_put_text(&table->line, "  ");
    po_buf_clear(&table->field);
}

static void
put_size(struct table *table, uint64_t size)
{
    po_text_put_size(&table->field, size);
    put_field(table, 10, true);
}

/* "full", "diff on 3": rows are numbered from 1. */
static void
put_kind(struct table *table, const struct po_vault_row *row)
{
    const struct po_manifest_core *manifest = &row->peek.manifest;

    po_buf_put_text(&table->field, manifest->is_diff ? "diff on " : "full");
    for (size_t i = 0; i < manifest->parent_count; i++) {
        po_buf_put_text(&table->field, i > 0 ? "," : "");
        if (row->parents[i] == PO_RETENTION_NONE)
            po_buf_put_u8(&table->field, '?');
        else
            po_buf_printf(&table->field, "%u", row->parents[i] + 1);
    }
    put_field(table, 11, false);
}

static void
put_verified(struct table *table, const struct po_vault_row *row)
{
    struct po_buf time = { 0 };

    if (row->is_damaged) {
        po_buf_put_text(&table->field, "DAMAGED");
    } else if (row->check == PO_HISTORY_UNCHECKED) {
        po_buf_put_text(&table->field, "never");
    } else {
        po_sys_put_local_time(&time, row->checked_at);
        po_buf_printf(&table->field, "%s %.10s", po_history_check_name(row->check),
                      po_buf_text(&time));
    }
    po_buf_deinit(&time);
    put_field(table, 16, false);
}

static void
put_notes(struct table *table, uint32_t number)
{
    const struct po_vault_row *row = &table->vault->rows[number];

    if (row->peek.manifest.purpose != NULL) {
        po_buf_put_text(&table->line, "  [");
        po_text_put_name(&table->line, row->peek.manifest.purpose,
                         strlen(row->peek.manifest.purpose));
        po_buf_put_text(&table->line, "]");
    }
    if (row->is_known_incomplete)
        po_buf_put_text(&table->line, "  [incomplete]");
    if (row->missing > 0)
        po_buf_put_text(&table->line, "  [a parent is not there]");
    if (row->copy_of != PO_RETENTION_NONE)
        po_buf_printf(&table->line, "  [the same as %u]", row->copy_of + 1);
    if (table->plan != NULL && table->plan->verdicts[number].is_suspicious)
        po_buf_put_text(&table->line, "  [suspicious]");
}

static void
print_row(struct table *table, uint32_t number)
{
    const struct po_vault_row *row = &table->vault->rows[number];

    po_buf_printf(&table->field, "%u", number + 1);
    put_field(table, 4, true);
    po_sys_put_local_time(&table->field, row->peek.trailer.created);
    put_field(table, 25, false);
    put_kind(table, row);
    put_size(table, row->file_bytes);
    put_size(table, row->peek.trailer.content_bytes);
    po_buf_printf(&table->field, "%llu", (unsigned long long)row->peek.trailer.entry_count);
    put_field(table, 9, true);
    put_verified(table, row);
    po_text_put_name(&table->line, row->name, strlen(row->name));
    put_notes(table, number);
    (void)po_cli_out_line(&table->cli->out, &table->line);
}

static void
put_known(struct po_buf *line, const char *before, const char *text)
{
    if (text == NULL)
        return;
    po_buf_put_text(line, before);
    po_text_put_name(line, text, strlen(text));
}

/* Whose they are; where there are more than one. */
static void
print_group(struct table *table, const struct po_manifest_core *manifest)
{
    put_known(&table->line, "", manifest->host_name != NULL ? manifest->host_name : "not known");
    put_known(&table->line, ", ", manifest->host_kind);
    put_known(&table->line, ", registry ", manifest->registry);
    put_known(&table->line, ", bin ", manifest->bin);
    put_known(&table->line, ", spool ", manifest->spool);
    put_known(&table->line, ", mailbox ", manifest->mailbox);
    (void)po_cli_out_line(&table->cli->out, &table->line);
}

static void
print_table(struct table *table)
{
    const struct po_vault *vault = table->vault;

    po_buf_printf(&table->line, "%4s  %-25s  %-11s  %10s  %10s  %9s  %-16s  %s", "", "taken",
                  "kind", "size", "content", "entries", "verified", "name");
    (void)po_cli_out_line(&table->cli->out, &table->line);
    for (uint32_t group = 0; group < vault->group_count; group++) {
        bool is_first = true;

        for (uint32_t i = 0; i < vault->count; i++) {
            if (vault->rows[i].group != group)
                continue;
            if (is_first && vault->group_count > 1)
                print_group(table, &vault->rows[i].peek.manifest);
            is_first = false;
            print_row(table, i);
        }
    }
}

static void
put_json(struct table *table)
{
    struct po_cli_out *out = &table->cli->out;

    po_cli_json_array_begin(out, "archives");
    for (uint32_t i = 0; i < table->vault->count && out->is_json; i++) {
        json_t *item = po_cli_vault_row_json(table->path, table->vault, i);

        po_cli_json_add(&item, "suspicious",
                        table->plan == NULL ? json_null()
                                            : json_boolean(table->plan->verdicts[i].is_suspicious));
        po_cli_json_item(out, item);
    }
    po_cli_json_array_end(out);
}

/* A differential without its parent cannot be restored; one that was found damaged, neither. */
static int
judge(struct table *table)
{
    const struct po_vault *vault = table->vault;
    struct po_buf line = { 0 };
    uint64_t bytes = 0;
    int code = PO_EXIT_DONE;

    for (uint32_t i = 0; i < vault->count; i++) {
        bytes += vault->rows[i].file_bytes;
        if (vault->rows[i].missing > 0 || vault->rows[i].is_damaged)
            code = PO_EXIT_PARTLY;
    }
    po_cli_put_count(&line, vault->count, "archive", "archives");
    po_buf_put_text(&line, ", ");
    po_text_put_size(&line, bytes);
    po_cli_out_tell(&table->cli->out, PO_CLI_SAY, "%s", po_buf_text(&line));
    po_buf_deinit(&line);
    return code;
}

int
po_cmd_snapshots(struct po_cli *cli)
{
    const struct po_prune_options options = { .now = po_sys_now(), .local_day = po_cli_local_day };
    struct table table = { .cli = cli, .path = cli->values.args[0] };
    struct po_vault *vault = NULL;
    struct po_prune_plan *plan = NULL;
    struct po_err ignored;
    int problems_code;
    int code;

    if (!po_cli_vault_open(cli, table.path, false, &vault, &code))
        return code;
    po_cli_scrub_apply(cli, table.path, vault);
    table.vault = vault;
    if (po_prune_plan_new(&plan, vault, &options, &ignored) == PO_OK)
        table.plan = plan;
    if (cli->out.is_json)
        put_json(&table);
    else if (vault->count > 0)
        print_table(&table);
    problems_code = po_cli_vault_problems(cli, table.path, vault);
    code = judge(&table);
    po_buf_deinit(&table.line);
    po_buf_deinit(&table.field);
    po_prune_plan_free(plan);
    po_vault_free(vault);
    return problems_code > code ? problems_code : code;
}
