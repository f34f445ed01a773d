/* cli_problems.h - lists of items that failed, for people and in JSON. */
#ifndef PO_CLI_CLI_PROBLEMS_H
#define PO_CLI_CLI_PROBLEMS_H

#include "cli/cli_out.h"
#include "engine/problems.h"

/*
 * Names the first 20, then tells how many more there are; `more` says where they are all named
 * (NULL: nothing is said).
 */
void po_cli_problems_tell(struct po_cli_out *out, const struct po_problems *problems,
                          const char *more);
/* An array "key" of objects path (or path_hex) and reason: all of them. */
void po_cli_problems_json(struct po_cli_out *out, const char *key,
                          const struct po_problems *problems);

#endif
