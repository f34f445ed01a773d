/* The verb of the process that is told by cli_guardian.c; not for people. */
#include "cli/cli.h"

#include "base/text.h"
#include "cli/cli_guardian.h"
#include "cli/cli_outage.h"
#include "cli/cli_site.h"
#include "cli/cli_state.h"
#include "engine/services.h"
#include "port/file.h"
#include "port/sys.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX_SIZE 1024
#define LOCK_WAIT_MS 60000u

/* Names of services, a NUL behind each. */
struct heard {
    struct po_buf asked;   /* to stop, and they have perhaps not */
    struct po_buf stopped; /* they have, and were not started */
    bool is_noted;
};

static bool
is_word(const char *line, const char *word, const char **name)
{
    size_t size = strlen(word);

    *name = line + size;
    return strncmp(line, word, size) == 0;
}

static void
hear(struct heard *heard, const char *line)
{
    const char *name = NULL;
    struct po_buf *to = NULL;

    if (is_word(line, PO_CLI_GUARDIAN_STOP, &name))
        to = &heard->asked;
    else if (is_word(line, PO_CLI_GUARDIAN_STOPPED, &name))
        to = &heard->stopped;
    else if (!is_word(line, PO_CLI_GUARDIAN_STARTED, &name))
        return;
    po_cli_outage_move(to, &heard->asked, &heard->stopped, name);
}

/* Whether the other side has said that nothing is left to do; false: it is dead. */
static bool
listen_to_end(struct heard *heard)
{
    char line[LINE_MAX_SIZE];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (strcmp(line, PO_CLI_GUARDIAN_END) == 0)
            return true;
        if (strcmp(line, PO_CLI_GUARDIAN_NOTED) == 0)
            heard->is_noted = true;
        else
            hear(heard, line);
    }
    return false;
}

static int
bring_back(struct po_cli *cli, struct po_host *host, const struct heard *heard)
{
    struct po_buf time = { 0 };
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;

    po_sys_put_local_time(&time, po_sys_now());
    po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                    "%s: a pobackup was killed while services were stopped; they are started",
                    po_buf_text(&time));
    po_buf_deinit(&time);
    if (po_services_bring_back(host, &heard->asked, &heard->stopped, &cli->watch, &err) == PO_OK) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING, "they run again");
    } else {
        (void)po_cli_failed(cli, &err);
        code = PO_EXIT_SERVICES;
    }
    return code;
}

/* The dead one's lock is free, unless somebody was quicker: who has it sets the services right. */
static int
take_over(struct po_cli *cli, struct po_host *host, const struct heard *heard)
{
    struct po_lock *lock = NULL;
    struct po_err err = { 0 };
    bool is_locked = po_cli_site_lock_wait(host, LOCK_WAIT_MS, &lock, &err) == PO_OK;
    int code = PO_EXIT_DONE;

    if (is_locked && lock == NULL) {
        (void)po_fail(&err, PO_E_IO, "another pobackup works on the site: it is left to that one");
        code = po_cli_failed(cli, &err);
    } else if (!heard->is_noted || po_cli_outage_is_noted(host)) {
        po_cli_outage_take_over(host);
        code = bring_back(cli, host, heard);
        if (code == PO_EXIT_DONE)
            /* Else the next run tries again. */
            po_cli_outage_forget_these(host, &heard->asked, &heard->stopped);
    }
    po_lock_free(lock);
    return code;
}

int
po_cmd_guardian(struct po_cli *cli)
{
    struct po_host *host = NULL;
    struct heard heard = { 0 };
    int code = PO_EXIT_DONE;

    if (!po_cli_site_open(cli, &host, &code))
        return code;
    if (!listen_to_end(&heard) && (heard.asked.size > 0 || heard.stopped.size > 0))
        code = take_over(cli, host, &heard);
    po_buf_deinit(&heard.asked);
    po_buf_deinit(&heard.stopped);
    po_cli_site_free(host);
    return code;
}
