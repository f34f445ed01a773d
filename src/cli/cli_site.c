#include "cli/cli_site.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "port/file.h"

#include <string.h>

#define FOLDER_PREFIX "folder:"

/* This machine, with what the user knows of it. */
static enum po_status
open_windows(struct po_cli *cli, struct po_host **host, struct po_err *err)
{
    const struct po_cli_value *services = &cli->values.value[PO_CLI_SERVICE];
    struct po_host_windows_options options = {
        .key = po_cli_text(cli, PO_CLI_REGISTRY_KEY),
        .place = { [PO_PART_BIN] = po_cli_text(cli, PO_CLI_BIN),
                   [PO_PART_SPOOL] = po_cli_text(cli, PO_CLI_SPOOL),
                   [PO_PART_MAILBOX] = po_cli_text(cli, PO_CLI_MAILBOX) },
    };
    const size_t most = sizeof(options.services) / sizeof(options.services[0]);

    if (services->count > most)
        return po_fail(err, PO_E_USAGE, "--service: %zu names; the mail server has %zu",
                       services->count, most);
    for (size_t i = 0; i < services->count; i++)
        options.services[i] = services->list[i];
    return po_host_windows_open(host, &options, err);
}

bool
po_cli_site_open(struct po_cli *cli, struct po_host **host, int *code)
{
    const char *site = po_cli_text(cli, PO_CLI_SITE);
    const size_t prefix_size = sizeof(FOLDER_PREFIX) - 1;
    struct po_err err = { 0 };
    enum po_status st;

    if (site == NULL || strcmp(site, "windows") == 0) {
        st = open_windows(cli, host, &err);
    } else if (strncmp(site, FOLDER_PREFIX, prefix_size) == 0 && site[prefix_size] != '\0') {
        st = po_host_folder_open(host, site + prefix_size, &err);
    } else {
        *code = po_cli_usage(cli, "--site %s: a site is folder:DIR, or windows", site);
        return false;
    }
    if (st == PO_OK)
        return true;
    if (st == PO_E_UNSUPPORTED && site == NULL)
        *code = po_cli_usage(cli, "which site? Give --site folder:DIR, a directory in the guide's "
                                  "layout or with a pobackup-site.ini");
    else if (st == PO_E_UNSUPPORTED)
        *code = po_cli_usage(cli, "--site windows: %s; give --site folder:DIR", err.text);
    else
        *code = po_cli_failed(cli, &err);
    return false;
}

/*
 * The absolute, link-free form of a path, as far as it exists: what does not cannot be a link, and
 * keeps its name. NULL: out of memory.
 */
static char *
real_as_far(const char *path, size_t size)
{
    size_t dir_size = 0;
    size_t name_start = 0;
    char *copy;
    char *dir = NULL;
    char *real = NULL;
    struct po_err ignored;

    po_path_split(path, size, &dir_size, &name_start);
    while (name_start == size && size > 0 && !po_os_path_is_root(path, size))
        po_path_split(path, --size, &dir_size, &name_start);
    copy = po_mem_copy(path, size);
    if (copy == NULL || po_os_path_real(&real, copy, &ignored) == PO_OK) {
        po_mem_free(copy);
        return real;
    }
    if (size == 0 || strcmp(copy, ".") == 0 || po_os_path_is_root(path, size))
        return copy;
    dir = name_start == 0 ? real_as_far(".", 1)
                          : real_as_far(path, dir_size > 0 ? dir_size : name_start);
    if (dir != NULL)
        real = po_os_path_join(dir, copy + name_start);
    po_mem_free(dir);
    po_mem_free(copy);
    return real;
}

char *
po_cli_site_typed(const struct po_cli *cli)
{
    const char *site = po_cli_text(cli, PO_CLI_SITE);
    const size_t prefix_size = sizeof(FOLDER_PREFIX) - 1;
    struct po_buf name = { 0 };
    char *real;
    char *copy;

    if (site == NULL || strncmp(site, FOLDER_PREFIX, prefix_size) != 0 || site[prefix_size] == '\0')
        return site == NULL ? NULL : po_mem_strdup(site);
    real = real_as_far(site + prefix_size, strlen(site + prefix_size));
    po_buf_put_text(&name, FOLDER_PREFIX);
    po_buf_put_text(&name, real != NULL ? real : site + prefix_size);
    copy = po_mem_strdup(po_buf_text(&name));
    po_buf_deinit(&name);
    po_mem_free(real);
    return copy;
}

void
po_cli_site_free(struct po_host *host)
{
    if (host != NULL)
        host->ops->free(host);
}

void
po_cli_put_outage(struct po_buf *to, double outage_seconds)
{
    if (outage_seconds < 0) {
        po_buf_put_text(to, "no service was stopped");
        return;
    }
    po_buf_put_text(to, "mail was down for ");
    po_text_put_seconds(to, outage_seconds);
}

void
po_cli_err_add(struct po_err *err, const char *text)
{
    size_t room = sizeof(err->text) - sizeof("; ") - strlen(text);

    (void)po_fail(err, err->status, "%.*s; %s", (int)room, err->text, text);
}

void
po_cli_err_add_services(struct po_err *err, double outage_seconds, bool are_lost)
{
    if (are_lost)
        po_cli_err_add(err, "services are missing");
    else if (outage_seconds >= 0)
        po_cli_err_add(err, "services are running again");
    else if (strstr(err->text, "nothing was stopped") == NULL) /* engine/services.c says it, too */
        po_cli_err_add(err, "no service was stopped");
}
