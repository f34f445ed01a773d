/* cli_recovery.h - a restore that is not finished, in the way of other jobs. */
#ifndef PO_CLI_CLI_RECOVERY_H
#define PO_CLI_CLI_RECOVERY_H

#include "cli/cli.h"
#include "engine/recover.h"
#include "host/host.h"

/*
 * Whether the site may be worked on. false when a restore of it was interrupted (told, with what to
 * type; *code is the exit code), or its journals cannot be read. `only_changed` (a backup): one
 * that had changed nothing yet, and journals that cannot be read, are only warned of; one that is
 * to be run again is a hindrance for a backup, and not for a restore.
 */
bool po_cli_recovery_allows(struct po_cli *cli, struct po_host *host, bool only_changed, int *code);
/* "--site ..." as it was given, as words for a shell, for hints; "" when it was not. */
void po_cli_recovery_put_site(struct po_buf *out, const struct po_cli *cli);
/* In words, what it is and what can be done; nothing when there is none. */
void po_cli_recovery_tell(struct po_cli *cli, const struct po_recovery *recovery);

#endif
