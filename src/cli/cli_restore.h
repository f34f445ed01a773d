/* cli_restore.h - a restore in words: the plan, what was done, what failed. */
#ifndef PO_CLI_CLI_RESTORE_H
#define PO_CLI_CLI_RESTORE_H

#include "cli/cli_archive.h"
#include "cli/cli_out.h"
#include "engine/restore.h"

/* What the options ask for. */
struct po_cli_restore_choice {
    struct po_restore_options options;
    enum po_rights rights;
    struct po_reg_move *maps;
    char **texts;
};
/* PO_E_USAGE when they cannot be. Deinit in any case. */
PO_NODISCARD enum po_status po_cli_restore_choose(struct po_cli *cli,
                                                  const struct po_cli_archive *archive,
                                                  struct po_host *host,
                                                  struct po_cli_restore_choice *choice,
                                                  struct po_err *err);
void po_cli_restore_choice_deinit(struct po_cli_restore_choice *choice);

/*
 * Prints the plan (cli_restore_plan.c), and puts what the report does not have into the JSON
 * document; PO_EXIT_FAILED when there is a reason why it cannot be, 1 when items cannot.
 */
int po_cli_restore_plan(struct po_cli *cli, const struct po_cli_archive *archive,
                        struct po_host *host, const struct po_restore_result *result);
/* What was done, where the old files are; the exit code. */
int po_cli_restore_tell(struct po_cli *cli, const struct po_restore_result *result);
/* What a failure left behind; the exit code. */
int po_cli_restore_failed(struct po_cli *cli, const struct po_restore_result *result,
                          const struct po_err *err);
void po_cli_restore_json(struct po_cli_out *out, const struct po_restore_result *result,
                         bool is_dry_run);

/* One part's lines; `with_space`: of a plan. */
void po_cli_restore_part(struct po_cli *cli, const struct po_restore_part *part,
                         enum po_part number, bool with_space);
/* What cannot be; the exit code. */
int po_cli_restore_problems(struct po_cli *cli, const struct po_problems *problems);
/* "changed", "rewritten" and so on. */
const char *po_cli_restore_value_kind(enum po_restore_value_kind kind);

#endif
