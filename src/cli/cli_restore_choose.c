/* From options to what a restore is to do. */
#include "cli/cli_restore.h"

#include "base/mem.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

/* ---- which parts ---- */

/* "registry,spool": PO_E_USAGE for what is no part. *has_rights: "rights" is among them. */
static enum po_status
parse_only(const char *text, bool *parts, bool *has_rights, struct po_err *err)
{
    *has_rights = false;
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        bool is_known = false;

        for (int part = 0; part < PO_PART_COUNT; part++) {
            const char *name = po_part_name((enum po_part)part);

            if (strlen(name) == size && memcmp(name, text, size) == 0) {
                parts[part] = true;
                is_known = true;
            }
        }
        if (size == 6 && memcmp(text, "rights", 6) == 0)
            *has_rights = is_known = true;
        if (!is_known)
            return po_fail(err, PO_E_USAGE,
                           "--only: %.*s is no part; the parts are registry, spool, mailbox, bin, "
                           "and rights",
                           (int)(size < 64 ? size : 64), text);
        text += size + (text[size] == ',' ? 1 : 0);
    }
    return PO_OK;
}

static bool
archive_has(const struct po_index *index, enum po_part part)
{
    const char *member = po_part_member(part);
    size_t member_size = strlen(member);
    uint32_t at = po_index_lower_bound(index, member, member_size);
    size_t size = 0;
    const char *path = at < index->count ? po_index_path(index, at, &size) : NULL;

    /* Itself, or what lies in it: nothing demands that a directory has an entry of its own. */
    if (path != NULL && size == member_size && memcmp(path, member, size) == 0)
        return true;
    for (; at < index->count; at++) {
        path = po_index_path(index, at, &size);
        if (size < member_size || memcmp(path, member, member_size) != 0)
            return false;
        if (size > member_size && path[member_size] == '/')
            return true;
    }
    return false;
}

/* Rights belong to the files, so they are nothing to be chosen beside them; alone they are. */
static enum po_status
choose_rights_only(struct po_host *host, bool *parts, struct po_err *err)
{
    if (host->ops->rights == NULL)
        return po_fail(err, PO_E_USAGE, "--only rights: a folder site has none that are set apart");
    for (int i = PO_PART_BIN; i < PO_PART_COUNT; i++)
        parts[i] = host->ops->place(host, (enum po_part)i) != NULL;
    return PO_OK;
}

/* A part that is missing on one side is left out with a note, unless it was asked for by name. */
static enum po_status
choose_parts(struct po_cli *cli, const struct po_cli_archive *archive, struct po_host *host,
             struct po_restore_options *options, struct po_err *err)
{
    const char *only = po_cli_text(cli, PO_CLI_ONLY);
    bool *parts = options->parts;
    bool has_rights = false;
    enum po_status st = PO_OK;

    if (only != NULL)
        st = parse_only(only, parts, &has_rights, err);
    else
        parts[PO_PART_REGISTRY] = parts[PO_PART_SPOOL] = parts[PO_PART_MAILBOX] = true; /* R6 */
    options->rights_only = has_rights && !parts[PO_PART_REGISTRY] && !parts[PO_PART_BIN] &&
                           !parts[PO_PART_SPOOL] && !parts[PO_PART_MAILBOX];
    if (st == PO_OK && options->rights_only)
        return choose_rights_only(host, parts, err);
    for (int i = 0; i < PO_PART_COUNT && st == PO_OK; i++) {
        enum po_part part = (enum po_part)i;
        const char *who = !archive_has(archive->reader->index, part) ? "the archive"
                          : host->ops->place(host, part) == NULL     ? "the site"
                                                                     : NULL;

        if (!parts[part] || who == NULL)
            continue;
        if (only != NULL)
            return po_fail(err, PO_E_USAGE, "--only %s: %s has none", po_part_name(part), who);
        parts[part] = false;
        po_cli_out_tell(&cli->out, PO_CLI_NOTE, "%s is left out: %s has none", po_part_name(part),
                        who);
    }
    return st;
}

/* ---- registry data ---- */

/* "OLD=NEW": neither may be empty, and OLD has no '='. */
static enum po_status
parse_map(const char *text, struct po_reg_move *map, char **from, struct po_err *err)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text || equals[1] == '\0')
        return po_fail(err, PO_E_USAGE, "--map: %.200s is not OLD=NEW", text);
    *from = po_mem_copy(text, (size_t)(equals - text));
    if (*from == NULL)
        return po_fail_nomem(err, strlen(text));
    *map = (struct po_reg_move){ .from = *from, .to = equals + 1 };
    return PO_OK;
}

static enum po_status
choose_maps(const struct po_cli *cli, struct po_cli_restore_choice *choice, struct po_err *err)
{
    const struct po_cli_value *list = &cli->values.value[PO_CLI_MAP];
    enum po_status st = PO_OK;

    if (list->count == 0)
        return PO_OK;
    choice->maps = po_mem_new(list->count, sizeof *choice->maps);
    choice->texts = po_mem_new(list->count, sizeof *choice->texts);
    if (choice->maps == NULL || choice->texts == NULL)
        return po_fail_nomem(err, list->count * sizeof *choice->maps);
    choice->options.maps = choice->maps;
    for (size_t i = 0; i < list->count && st == PO_OK; i++) {
        st = parse_map(list->list[i], &choice->maps[i], &choice->texts[i], err);
        choice->options.map_count += st == PO_OK;
    }
    return st;
}

/* ---- all of it ---- */

enum po_status
po_cli_restore_choose(struct po_cli *cli, const struct po_cli_archive *archive,
                      struct po_host *host, struct po_cli_restore_choice *choice,
                      struct po_err *err)
{
    const struct po_cli_value *path = &cli->values.value[PO_CLI_PATH];
    bool is_live = po_cli_has(cli, PO_CLI_LIVE);
    enum po_status st;

    choice->options = (struct po_restore_options){
        .patterns = path->list,
        .pattern_count = path->count,
        .is_exact = po_cli_has(cli, PO_CLI_EXACT),
        .is_registry_exact = po_cli_number(cli, PO_CLI_REGISTRY, 0) == 1,
        .holds_queue = po_cli_number(cli, PO_CLI_QUEUE, 0) == 1,
        .is_live = is_live,
        .no_safety_copy = po_cli_has(cli, PO_CLI_NO_SAFETY_COPY),
        .no_services = is_live || po_cli_has(cli, PO_CLI_NO_SERVICES),
        .stop_timeout_s = (unsigned)po_cli_number(cli, PO_CLI_STOP_TIMEOUT, 0),
        .threads = (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0),
    };
    /* The choices of the option are in the order of the enum. */
    choice->rights = (enum po_rights)po_cli_number(cli, PO_CLI_RIGHTS, 0);
    if (po_cli_has(cli, PO_CLI_RIGHTS) && host->ops->rights != NULL)
        choice->options.rights = &choice->rights;
    if (host->ops->rights == NULL &&
        (choice->rights == PO_RIGHTS_DEFAULT || choice->rights == PO_RIGHTS_POPERMS))
        return po_fail(err, PO_E_USAGE, "--rights=%s: a folder site has no such rights",
                       po_rights_name(choice->rights));
    if (is_live && po_cli_text(cli, PO_CLI_ONLY) == NULL)
        return po_fail(err, PO_E_USAGE,
                       "--live is for --only mailbox: all else needs the services "
                       "stopped");
    st = choose_maps(cli, choice, err);
    return st == PO_OK ? choose_parts(cli, archive, host, &choice->options, err) : st;
}

void
po_cli_restore_choice_deinit(struct po_cli_restore_choice *choice)
{
    for (size_t i = 0; choice->texts != NULL && i < choice->options.map_count; i++)
        po_mem_free(choice->texts[i]);
    po_mem_free(choice->texts);
    po_mem_free(choice->maps);
    *choice = (struct po_cli_restore_choice){ 0 };
}
