#include "cli/cli_guardian.h"

#include "base/mem.h"
#include "cli/cli_outage.h"
#include "cli/cli_state.h"
#include "host/host_guard.h"
#include "port/guardian.h"
#include "port/sys.h"

#include <string.h>

struct po_cli_guardian {
    struct po_cli *cli;
    struct po_guardian *process;
    struct po_host_guard *guard;
    struct po_cli_outage *outage;
    bool is_noted;
    bool is_unnoted; /* no note can be had: told once */
    bool is_lost;
};

/* ---- telling it ---- */

static void
send_line(struct po_cli_guardian *guardian, const char *word, const char *name)
{
    struct po_buf line = { 0 };
    struct po_err err;
    enum po_status st;

    if (guardian->is_lost)
        return;
    po_buf_printf(&line, "%s%s\n", word, name);
    st = po_buf_check(&line, &err);
    if (st == PO_OK)
        st = po_guardian_send(guardian->process, line.bytes, line.size, &err);
    po_buf_deinit(&line);
    if (st == PO_OK)
        return;
    guardian->is_lost = true;
    po_cli_out_tell(&guardian->cli->out, PO_CLI_WARNING,
                    "%s: nothing would start the services if this program were killed", err.text);
}

static void
tell_unnoted(struct po_cli_guardian *guardian, const struct po_err *err)
{
    guardian->is_unnoted = true;
    po_cli_out_tell(&guardian->cli->out, PO_CLI_WARNING,
                    "%s: nothing would start the services after a power cut", err->text);
}

/* On the disk before the guardian hears of it. */
static void
write_down(struct po_cli_guardian *guardian, enum po_host_guard_news news, const char *service)
{
    struct po_err err;

    if (guardian->is_unnoted)
        return;
    if (po_cli_outage_add(guardian->outage, news, service, &err) != PO_OK) {
        tell_unnoted(guardian, &err);
    } else if (!guardian->is_noted) {
        guardian->is_noted = true;
        send_line(guardian, PO_CLI_GUARDIAN_NOTED, "");
    }
}

/* Nothing is noted yet that the guardian could hear of. */
static void
prepare(struct po_cli_guardian *guardian)
{
    struct po_err err;

    if (!guardian->is_unnoted && po_cli_outage_prepare(guardian->outage, &err) != PO_OK)
        tell_unnoted(guardian, &err);
}

/* A po_host_guard_fn. */
static void
note(void *ctx, enum po_host_guard_news news, const char *service)
{
    static const char *const words[] = { [PO_HOST_GUARD_STOP] = PO_CLI_GUARDIAN_STOP,
                                         [PO_HOST_GUARD_STOPPED] = PO_CLI_GUARDIAN_STOPPED,
                                         [PO_HOST_GUARD_STARTED] = PO_CLI_GUARDIAN_STARTED };

    if (news == PO_HOST_GUARD_READY) {
        prepare(ctx);
        return;
    }
    write_down(ctx, news, service);
    send_line(ctx, words[news], service);
}

/* ---- starting it ---- */

/* The verb, the site as it was given (it runs in the same directory), and NULL; NULL = no memory. */
static const char **
make_arguments(const struct po_cli *cli)
{
    static const struct {
        enum po_cli_id id;
        const char *option;
    } options[] = { { PO_CLI_SITE, "--site" },
                    { PO_CLI_REGISTRY_KEY, "--registry-key" },
                    { PO_CLI_BIN, "--bin" },
                    { PO_CLI_SPOOL, "--spool" },
                    { PO_CLI_MAILBOX, "--mailbox" } };
    const size_t option_count = sizeof(options) / sizeof(options[0]);
    const struct po_cli_value *services = &cli->values.value[PO_CLI_SERVICE];
    const char **arguments =
        po_mem_new(2 + 2 * (option_count + services->count), sizeof(*arguments));
    size_t count = 0;

    if (arguments == NULL)
        return NULL;
    arguments[count++] = "guardian";
    for (size_t i = 0; i < option_count; i++) {
        if (!po_cli_has(cli, options[i].id))
            continue;
        arguments[count++] = options[i].option;
        arguments[count++] = po_cli_text(cli, options[i].id);
    }
    for (size_t i = 0; i < services->count; i++) {
        arguments[count++] = "--service";
        arguments[count++] = services->list[i];
    }
    return arguments;
}

static enum po_status
start(struct po_cli_guardian *guardian, struct po_host *host, struct po_err *err)
{
    const char **arguments = make_arguments(guardian->cli);
    struct po_buf program = { 0 };
    struct po_buf log = { 0 };
    struct po_err ignored;
    enum po_status st = po_sys_put_program(&program, err);

    if (st == PO_OK && arguments == NULL)
        st = po_fail_nomem(err, sizeof(*arguments));
    /* Whoever took the lock has told that there is no state directory. */
    guardian->is_unnoted = po_cli_outage_new(&guardian->outage, host, &ignored) != PO_OK;
    if (po_cli_state_dir(&log, &ignored) == PO_OK)
        po_buf_put_text(&log, "/pobackup.log");
    if (st == PO_OK)
        st = po_guardian_start(&guardian->process, po_buf_text(&program), arguments,
                               log.size > 0 ? po_buf_text(&log) : NULL, err);
    if (st == PO_OK)
        st = po_host_guard_begin(&guardian->guard, host, note, guardian, err);
    po_mem_free(arguments);
    po_buf_deinit(&program);
    po_buf_deinit(&log);
    return st;
}

struct po_cli_guardian *
po_cli_guardian_begin(struct po_cli *cli, struct po_host *host)
{
    struct po_cli_guardian *guardian = NULL;
    struct po_err err = { 0 };
    enum po_status st = PO_OK;

    if (po_cli_has(cli, PO_CLI_NO_SERVICES) || host->ops->service_count(host) == 0)
        return NULL;
    guardian = po_mem_new(1, sizeof(*guardian));
    if (guardian == NULL) {
        st = po_fail_nomem(&err, sizeof(*guardian));
    } else {
        guardian->cli = cli;
        st = start(guardian, host, &err);
    }
    if (st == PO_OK)
        return guardian;
    po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                    "nothing will start the services if this program is killed: %s", err.text);
    if (guardian != NULL)
        po_guardian_free(guardian->process);
    if (guardian != NULL)
        po_cli_outage_end(guardian->outage);
    po_mem_free(guardian);
    return NULL;
}

void
po_cli_guardian_end(struct po_cli_guardian *guardian)
{
    if (guardian == NULL)
        return;
    po_host_guard_end(guardian->guard);
    po_cli_outage_end(guardian->outage);
    send_line(guardian, PO_CLI_GUARDIAN_END, "");
    po_guardian_free(guardian->process);
    po_mem_free(guardian);
}
