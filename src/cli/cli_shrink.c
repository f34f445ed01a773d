#include "cli/cli_shrink.h"

#include "base/text.h"
#include "cli/cli_history.h"
#include "port/sys.h"

#include <string.h>

/* A site with less says nothing by its numbers. */
#define FILES_MIN 20u

#define WHAT_TO_DO                                                                                 \
    "Is a disk not mounted, or a tree elsewhere now (pobackup doctor)? Until it is back, or "      \
    "--allow-shrink has said once that this is meant, no backup of the site counts as good"

/* The part that has nothing left, or PO_PART_COUNT. A queue is empty now and then. */
static unsigned
find_emptied(const struct po_history_run *now, const struct po_history_run *before)
{
    for (unsigned part = PO_PART_BIN; part < PO_PART_COUNT; part++)
        if (now->part_files[part] == 0 &&
            before->part_files[part] >= (part == PO_PART_SPOOL ? FILES_MIN : 1))
            return part;
    return PO_PART_COUNT;
}

static bool
is_less_than_half(uint64_t now, uint64_t before)
{
    return now < before / 2 + before % 2;
}

static void
put_amount(struct po_buf *text, const struct po_history_run *run)
{
    po_cli_put_count(text, run->files, "file", "files");
    po_buf_put_text(text, ", ");
    po_text_put_size(text, run->bytes);
}

/* Nothing, when nothing is wrong. */
static void
put_problem(struct po_buf *text, const struct po_history_run *now,
            const struct po_history_run *before)
{
    unsigned emptied = find_emptied(now, before);
    bool is_small = before->files >= FILES_MIN && (is_less_than_half(now->files, before->files) ||
                                                   is_less_than_half(now->bytes, before->bytes));

    if (emptied < PO_PART_COUNT) {
        po_buf_printf(text, "the %s has no file, and had ", po_part_name((enum po_part)emptied));
        po_cli_put_count(text, before->part_files[emptied], "file", "files");
        po_buf_put_text(text, " in the last good backup, ");
    } else if (is_small) {
        put_amount(text, now);
        po_buf_put_text(text, " are less than half of the last good backup, ");
        put_amount(text, before);
        po_buf_put_text(text, ", ");
    } else {
        return;
    }
    po_sys_put_local_time(text, po_history_made_at(before));
}

static int
told(struct po_cli *cli, struct po_buf *problem)
{
    if (problem->size == 0 && !problem->failed)
        return PO_EXIT_DONE;
    cli->history.is_complete = false;
    po_cli_out_tell(&cli->out, PO_CLI_WARNING, "%s. " WHAT_TO_DO, po_buf_text(problem));
    return PO_EXIT_PARTLY;
}

int
po_cli_shrink_check(struct po_cli *cli)
{
    const struct po_history_run *before = NULL;
    const struct po_history *history = NULL;
    struct po_buf problem = { 0 };
    int code;

    if (!po_cli_has(cli, PO_CLI_ALLOW_SHRINK))
        history = po_cli_history_before(cli);
    if (history != NULL)
        before = po_history_last_backup(history, cli->history.archive_site);
    /* Whoever begins to leave something out means that it is less. */
    if (before != NULL && (cli->history.excluded == 0 || before->excluded > 0))
        put_problem(&problem, &cli->history, before);
    code = told(cli, &problem);
    po_cli_json_member(&cli->out, "shrunk",
                       code == PO_EXIT_DONE ? json_null()
                                            : po_cli_json_text(po_buf_text(&problem)));
    po_buf_deinit(&problem);
    return code;
}

int
po_cli_shrink_check_empty(struct po_cli *cli)
{
    int code = PO_EXIT_DONE;

    for (unsigned part = PO_PART_SPOOL; part < PO_PART_COUNT; part++) {
        if (cli->history.part_files[part] > 0 || po_cli_has(cli, PO_CLI_ALLOW_SHRINK))
            continue;
        cli->history.is_complete = false;
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "the %s has no file at all: this is no backup of a mail server. Is its "
                        "disk mounted? (--allow-shrink: it is meant)",
                        po_part_name((enum po_part)part));
        code = PO_EXIT_PARTLY;
    }
    return code;
}
