/* cli_prune.h - retention in words: what stays and why, what goes; after a backup too. */
#ifndef PO_CLI_CLI_PRUNE_H
#define PO_CLI_CLI_PRUNE_H

#include "cli/cli_vault.h"

/* As po_local_day_fn: this machine's local time. */
struct po_local_day po_cli_local_day(void *ctx, int64_t time);

/* What the options --keep-* say. */
struct po_retention_rules po_cli_prune_rules(const struct po_cli *cli);

/* Each archive that stays with its reasons, each that goes; what is suspicious is warned of. With
 * `is_short` only the last. */
void po_cli_prune_tell_plan(struct po_cli *cli, const struct po_prune_plan *plan, bool is_short);
/* Archives that were to be forgotten and stay are problems: PO_EXIT_PARTLY. */
int po_cli_prune_tell_kept(struct po_cli *cli, const struct po_prune_plan *plan);
/*
 * Removes, names each file, and ends with the JSON array "archives"; `is_dry`: removes nothing. The
 * exit code: PO_EXIT_PARTLY when something could not be removed.
 */
int po_cli_prune_run(struct po_cli *cli, const char *path, const struct po_prune_plan *plan,
                     bool is_dry);

/*
 * Around a backup into DEST. Enter: where DEST is a directory (made, when it ends in '/'), the vault's
 * lock is taken. false: told, *code is the exit code. Leave: after a backup that came to `code` 0 or
 * 1, what the options --keep-* let go is removed; the lock is let go of. Returns the exit code: no
 * failure of pruning makes a good backup more than PO_EXIT_PARTLY.
 */
bool po_cli_vault_enter(struct po_cli *cli, const char *dest, struct po_vault_lock **lock,
                        int *code);
int po_cli_vault_leave(struct po_cli *cli, const char *dest, struct po_vault_lock *lock, int code);
/* Prunes a vault whose lock is held, after a backup. */
int po_cli_prune_after(struct po_cli *cli, const char *path);

#endif
