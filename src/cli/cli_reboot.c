#include "cli/cli_reboot.h"

#include "base/text.h"
#include "cli/cli_state.h"
#include "host/host_folder_file.h"
#include "port/sys.h"

#include <string.h>

#define DELAY_S 60
#define NOTE_SIZE_MAX 64u
#define NOTE_MODE 0600u

static enum po_cli_reboot
choice(const struct po_cli *cli)
{
    return (enum po_cli_reboot)po_cli_number(cli, PO_CLI_REBOOT, PO_CLI_REBOOT_SCHEDULE);
}

static unsigned
delay_s(const struct po_cli *cli)
{
    return choice(cli) == PO_CLI_REBOOT_NOW
               ? 0
               : (unsigned)po_cli_number(cli, PO_CLI_REBOOT_DELAY, DELAY_S);
}

void
po_cli_reboot_plan(struct po_cli *cli, const struct po_host *host)
{
    if (host->ops->reboot == NULL)
        return;
    if (choice(cli) == PO_CLI_REBOOT_NEVER)
        po_cli_out_tell(
            &cli->out, PO_CLI_SAY,
            "reboot    none (--reboot=never): until you do it, the restore is not finished");
    else
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "reboot    %u s after it", delay_s(cli));
}

json_t *
po_cli_reboot_planned(const struct po_cli *cli, const struct po_host *host)
{
    if (host->ops->reboot == NULL || choice(cli) == PO_CLI_REBOOT_NEVER)
        return json_null();
    return json_pack("{s:b, s:i}", "scheduled", 0, "delay_seconds", (int)delay_s(cli));
}

/* ---- what runs after it ---- */

/* The same site: with the options that it was given by. */
static void
put_arguments(const struct po_cli *cli, struct po_host *host, struct po_buf *out)
{
    static const struct {
        enum po_cli_id id;
        const char *option;
        enum po_part part;
    } places[] = { { PO_CLI_BIN, "--bin", PO_PART_BIN },
                   { PO_CLI_SPOOL, "--spool", PO_PART_SPOOL },
                   { PO_CLI_MAILBOX, "--mailbox", PO_PART_MAILBOX } };
    const struct po_cli_value *services = &cli->values.value[PO_CLI_SERVICE];

    po_buf_put_text(out, "after-reboot --quiet");
    if (po_cli_has(cli, PO_CLI_REGISTRY_KEY)) {
        po_buf_put_text(out, " --registry-key ");
        po_text_put_argument(out, po_cli_text(cli, PO_CLI_REGISTRY_KEY));
    }
    /* Where they are, as the host knows it: what was typed may be relative. */
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (!po_cli_has(cli, places[i].id))
            continue;
        po_buf_printf(out, " %s ", places[i].option);
        po_text_put_argument(out, host->ops->place(host, places[i].part));
    }
    for (size_t i = 0; i < services->count; i++) {
        po_buf_put_text(out, " --service ");
        po_text_put_argument(out, services->list[i]);
    }
}

static bool
register_after(struct po_cli *cli, struct po_host *host)
{
    struct po_buf program = { 0 };
    struct po_buf arguments = { 0 };
    struct po_buf note = { 0 };
    struct po_err err;
    enum po_status st = po_sys_put_program(&program, &err);

    put_arguments(cli, host, &arguments);
    if (st == PO_OK)
        st = po_buf_check(&arguments, &err);
    if (st == PO_OK)
        st = host->ops->reboot->after(host, po_buf_text(&program), po_buf_text(&arguments), &note,
                                      &err);
    if (st != PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "nothing will look after the services by itself: %s; after the reboot run "
                        "pobackup after-reboot",
                        err.text);
    else if (note.size > 0)
        po_cli_out_tell(&cli->out, PO_CLI_NOTE, "after-reboot: %s", po_buf_text(&note));
    po_buf_deinit(&program);
    po_buf_deinit(&arguments);
    po_buf_deinit(&note);
    return st == PO_OK;
}

/* ---- the reboot ---- */

static bool
ask_for_reboot(struct po_cli *cli, struct po_host *host)
{
    unsigned delay = delay_s(cli);
    struct po_err err;

    if (host->ops->reboot->reboot(host,
                                  "pobackup has restored the mail server. It is finished by a "
                                  "reboot. To call it off: shutdown /a",
                                  delay, &err) != PO_OK) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "no reboot: %s. The restore is finished by one: do it by hand", err.text);
        return false;
    }
    if (delay == 0)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING, "the machine reboots now");
    else
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "the machine reboots in %u s; shutdown /a calls it off, but the restore is "
                        "finished by it",
                        delay);
    return true;
}

int
po_cli_reboot_run(struct po_cli *cli, struct po_host *host)
{
    bool is_registered;
    bool is_asked_for;

    if (host->ops->reboot == NULL || choice(cli) == PO_CLI_REBOOT_NEVER)
        po_cli_json_member(&cli->out, "reboot", json_null());
    if (host->ops->reboot == NULL)
        return PO_EXIT_DONE;
    if (choice(cli) == PO_CLI_REBOOT_NEVER) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "reboot the machine: until then the restore is not finished. Then run "
                        "pobackup after-reboot");
        return PO_EXIT_DONE;
    }
    is_registered = register_after(cli, host);
    is_asked_for = ask_for_reboot(cli, host);
    po_cli_json_member(
        &cli->out, "reboot",
        json_pack("{s:b, s:i}", "scheduled", is_asked_for, "delay_seconds", (int)delay_s(cli)));
    return is_registered && is_asked_for ? PO_EXIT_DONE : PO_EXIT_PARTLY;
}

bool
po_cli_reboot_is_contradictory(const struct po_cli *cli)
{
    return po_cli_has(cli, PO_CLI_REBOOT_DELAY) && po_cli_has(cli, PO_CLI_REBOOT) &&
           choice(cli) != PO_CLI_REBOOT_SCHEDULE;
}

/* ---- that one is pending ---- */

void
po_cli_reboot_note(struct po_cli *cli, struct po_host *host)
{
    struct po_buf path = { 0 };
    struct po_buf time = { 0 };
    struct po_err err;
    enum po_status st;

    if (host->ops->reboot == NULL)
        return;
    po_text_put_time(&time, po_sys_now());
    st = po_cli_state_reboot(host, &path, &err);
    if (st == PO_OK)
        st = po_buf_check(&time, &err);
    if (st == PO_OK)
        st = po_host_folder_file_replace(po_buf_text(&path), time.bytes, time.size, NULL, NOTE_MODE,
                                         POBACKUP_TIME_UNKNOWN, &err);
    if (st != PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "pobackup status will not tell that the reboot is pending: %s", err.text);
    po_buf_deinit(&path);
    po_buf_deinit(&time);
}

void
po_cli_reboot_forget(struct po_cli *cli, struct po_host *host)
{
    struct po_buf path = { 0 };
    struct po_err err;
    enum po_status st;

    if (host->ops->reboot == NULL)
        return;
    st = po_cli_state_reboot(host, &path, &err);
    if (st == PO_OK)
        st = po_host_folder_file_remove(po_buf_text(&path), &err);
    if (st != PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "pobackup status goes on to tell that a reboot is pending: %s", err.text);
    po_buf_deinit(&path);
}

bool
po_cli_reboot_is_pending(struct po_host *host, struct po_buf *since)
{
    struct po_buf path = { 0 };
    struct po_err ignored;
    bool exists = false;

    if (po_cli_state_reboot(host, &path, &ignored) == PO_OK &&
        po_host_folder_file_read(po_buf_text(&path), NOTE_SIZE_MAX, since, &exists, NULL,
                                 &ignored) != PO_OK)
        exists = true; /* what cannot be read is there */
    po_buf_deinit(&path);
    return exists;
}
