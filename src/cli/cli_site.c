#include "cli/cli_site.h"

#include "base/text.h"
#include "cli/cli.h"

#include <string.h>

#define FOLDER_PREFIX "folder:"

bool
po_cli_site_open(struct po_cli *cli, struct po_host **host, int *code)
{
    const char *site = po_cli_text(cli, PO_CLI_SITE);
    const size_t prefix_size = sizeof(FOLDER_PREFIX) - 1;
    struct po_err err = { 0 };

    if (site == NULL) {
        *code = po_cli_usage(cli, "which site? Give --site folder:DIR, a directory in the guide's "
                                  "layout or with a pobackup-site.ini");
        return false;
    }
    if (strcmp(site, "windows") == 0) {
        *code = po_cli_usage(cli, "--site windows: this machine is no Windows host; give --site "
                                  "folder:DIR");
        return false;
    }
    if (strncmp(site, FOLDER_PREFIX, prefix_size) != 0 || site[prefix_size] == '\0') {
        *code = po_cli_usage(cli, "--site %s: a site is folder:DIR", site);
        return false;
    }
    if (po_host_folder_open(host, site + prefix_size, &err) == PO_OK)
        return true;
    *code = po_cli_failed(cli, &err);
    return false;
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
