/* cli_ask.h - questions to whoever sits at the terminal. */
#ifndef PO_CLI_CLI_ASK_H
#define PO_CLI_CLI_ASK_H

#include "cli/cli.h"

/* Whether there is one. */
bool po_cli_can_ask(const struct po_cli *cli);
/* "y" or "yes" is yes; all else, and no answer, is no. */
bool po_cli_ask(struct po_cli *cli, const char *question);

#endif
