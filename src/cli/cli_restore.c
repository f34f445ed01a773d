#include "cli/cli_restore.h"

#include "base/text.h"
#include "cli/cli.h"
#include "cli/cli_problems.h"
#include "cli/cli_site.h"
#include "port/sys.h"

#include <string.h>

/* ---- what plan and report share ---- */

/* The registry is one document: how many values are in it is not counted. */
static void
put_part(struct po_buf *line, const struct po_restore_part *part, enum po_part number)
{
    if (number == PO_PART_REGISTRY) {
        po_text_put_size(line, part->bytes);
        return;
    }
    po_cli_put_count(line, part->files, "file", "files");
    po_buf_put_text(line, ", ");
    po_text_put_size(line, part->bytes);
    po_buf_printf(line, ": %llu replaced, %llu added, %llu removed, %llu left as they are",
                  (unsigned long long)part->replaced, (unsigned long long)part->added,
                  (unsigned long long)part->removed, (unsigned long long)part->left);
}

/*
 * --path selects nothing of it. A tree of which empty directories alone are selected has no counts
 * either, but its volume has been looked at.
 */
static bool
is_untouched(const struct po_restore_part *part, enum po_part number)
{
    return part->files == 0 && (number == PO_PART_REGISTRY || part->space_free == 0);
}

void
po_cli_restore_part(struct po_cli *cli, const struct po_restore_part *part, enum po_part number,
                    bool with_space)
{
    struct po_buf line = { 0 };

    if (!part->is_wanted || (po_cli_has(cli, PO_CLI_PATH) && is_untouched(part, number)))
        return;
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "%-9s %s", po_part_name(number),
                    part->place != NULL ? part->place : "nowhere");
    put_part(&line, part, number);
    if (with_space && number != PO_PART_REGISTRY) {
        po_buf_put_text(&line, "; ");
        po_text_put_size(&line, part->space_needed);
        po_buf_put_text(&line, " needed there, ");
        po_text_put_size(&line, part->space_free);
        po_buf_put_text(&line, " free");
    }
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "          %s", po_buf_text(&line));
    po_buf_deinit(&line);
}

/* A problem without a path is a reason why it cannot be; one with a path is an item left out. */
int
po_cli_restore_problems(struct po_cli *cli, const struct po_problems *problems)
{
    struct po_problems items = { 0 };
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;

    for (size_t i = 0; i < problems->count; i++) {
        const struct po_problem *p = &problems->items[i];

        if (p->path_size == 0) {
            (void)po_fail(&err, PO_E_IO, "%s", p->reason);
            (void)po_cli_failed(cli, &err);
            code = PO_EXIT_FAILED;
        } else if (po_problems_add(&items, p->path, p->path_size, p->reason, &err) != PO_OK) {
            (void)po_cli_failed(cli, &err);
            code = PO_EXIT_FAILED;
            break;
        }
    }
    po_cli_problems_tell(&cli->out, &items, "--json names all");
    if (items.count > 0 && code == PO_EXIT_DONE)
        code = PO_EXIT_PARTLY;
    po_problems_deinit(&items);
    return code;
}

/* ---- afterwards ---- */

/* req: B7 */
static int
tell_services(struct po_cli *cli, const struct po_restore_result *result)
{
    struct po_err err = { 0 };

    (void)po_fail(&err, PO_E_IO, "services could not be brought back: %s", result->services_text);
    (void)po_cli_failed(cli, &err);
    po_cli_out_tell(&cli->out, PO_CLI_HINT,
                    "Mail is down. Start them by hand, in the order of pobackup-site.ini");
    return PO_EXIT_SERVICES;
}

int
po_cli_restore_tell(struct po_cli *cli, const struct po_restore_result *result)
{
    struct po_cli_out *out = &cli->out;
    struct po_buf line = { 0 };
    int code;

    po_text_put_seconds(&line, result->seconds);
    po_buf_put_text(&line, "; ");
    po_cli_put_outage(&line, result->outage_seconds);
    po_cli_out_tell(out, PO_CLI_SAY, "restored in %s", po_buf_text(&line));
    for (int i = 0; i < PO_PART_COUNT; i++)
        po_cli_restore_part(cli, &result->parts[i], (enum po_part)i, false);
    for (int i = 0; i < PO_PART_COUNT; i++)
        if (result->parts[i].set_aside != NULL)
            po_cli_out_tell(out, PO_CLI_SAY, "the old files of %s are kept in %s",
                            po_part_name((enum po_part)i), result->parts[i].set_aside);
    code = po_cli_restore_problems(cli, &result->problems);
    /* Only the administrator may give files away. */
    if (!po_sys_is_admin())
        po_cli_out_tell(out, PO_CLI_NOTE,
                        "the files belong to who ran this; set their owner by hand if the mail "
                        "server runs as another");
    po_buf_deinit(&line);
    return result->are_services_lost ? tell_services(cli, result) : code;
}

int
po_cli_restore_failed(struct po_cli *cli, const struct po_restore_result *result,
                      const struct po_err *err)
{
    struct po_err told = *err;
    int code;

    /* What the engine has said itself is not said twice. */
    if (!result->is_changed && strstr(err->text, "nothing was changed") == NULL &&
        strstr(err->text, "all is as it was before") == NULL)
        po_cli_err_add(&told, "nothing was changed");
    po_cli_err_add_services(&told, result->outage_seconds, result->are_services_lost);
    code = po_cli_failed(cli, &told);
    po_cli_problems_tell(&cli->out, &result->problems, "--json names all");
    return result->are_services_lost ? tell_services(cli, result) : code;
}
