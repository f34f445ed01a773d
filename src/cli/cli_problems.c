#include "cli/cli_problems.h"

#define NAMED_MAX 20u

void
po_cli_problems_tell(struct po_cli_out *out, const struct po_problems *problems, const char *more)
{
    size_t named = problems->count < NAMED_MAX ? problems->count : NAMED_MAX;

    /* As events they were told when they happened. */
    if (out->is_event_json)
        return;
    for (size_t i = 0; i < named; i++)
        po_cli_out_item(out, problems->items[i].path, problems->items[i].path_size,
                        problems->items[i].reason);
    if (problems->count > named)
        po_cli_out_tell(out, PO_CLI_PROBLEM, "and %zu more%s%s", problems->count - named,
                        more != NULL ? "; " : "", more != NULL ? more : "");
}

void
po_cli_problems_json(struct po_cli_out *out, const char *key, const struct po_problems *problems)
{
    po_cli_json_array_begin(out, key);
    for (size_t i = 0; i < problems->count && out->is_open; i++) {
        const struct po_problem *p = &problems->items[i];

        po_cli_json_item(out, json_pack("{s:o, s:o}", po_cli_json_path_key(p->path, p->path_size),
                                        po_cli_json_path(p->path, p->path_size), "reason",
                                        po_cli_json_text(p->reason)));
    }
    po_cli_json_array_end(out);
}
