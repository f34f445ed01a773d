#include "cli/cli_ask.h"

#include "base/text.h"
#include "port/sys.h"

#include <stdio.h>
#include <string.h>

bool
po_cli_can_ask(const struct po_cli *cli)
{
    return po_sys_is_terminal(0) && cli->out.is_stderr_terminal;
}

bool
po_cli_ask(struct po_cli *cli, const char *question)
{
    char answer[16] = "";

    po_cli_progress_clear(&cli->progress);
    (void)po_sys_write_terminal(2, question, strlen(question));
    if (fgets(answer, sizeof(answer), stdin) == NULL)
        return false;
    answer[strcspn(answer, "\r\n")] = '\0';
    return po_text_is_equal_nocase(answer, "y") || po_text_is_equal_nocase(answer, "yes");
}
