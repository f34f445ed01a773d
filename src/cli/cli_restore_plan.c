/*
 * The first page of a restore, and all of a dry run: what would be done, what cannot be, and what
 * will have to be done by hand afterwards.
 */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/cli_problems.h"
#include "cli/cli_reboot.h"
#include "cli/cli_restore.h"
#include "cli/cli_site.h"
#include "port/sys.h"

#include <string.h>

/* Of more registry values of a kind the page tells how many. */
#define NAMED_MAX 10u

/* ---- where it is from ---- */

struct origin {
    json_t *manifest;
    const char *created;
    const char *host;
    const char *version; /* of the program that made it */
};

static struct origin
load_origin(const struct po_cli_archive *archive)
{
    struct origin origin = { 0 };

    if (archive->is_import)
        return origin;
    origin.manifest = json_loadb((const char *)archive->manifest.bytes, archive->manifest.size,
                                 JSON_REJECT_DUPLICATES, NULL);
    origin.created = json_string_value(json_object_get(origin.manifest, "created"));
    origin.host =
        json_string_value(json_object_get(json_object_get(origin.manifest, "host"), "name"));
    origin.version =
        json_string_value(json_object_get(json_object_get(origin.manifest, "program"), "version"));
    return origin;
}

static void
tell_origin(struct po_cli *cli, const struct po_cli_archive *archive, const struct origin *origin)
{
    struct po_buf line = { 0 };
    int64_t time = 0;

    po_buf_put_text(&line, archive->path);
    if (origin->created != NULL && po_text_parse_time(origin->created, &time)) {
        po_buf_put_text(&line, ", taken ");
        po_sys_put_local_time(&line, time);
    }
    if (origin->host != NULL) {
        po_buf_put_text(&line, " on ");
        po_buf_put_text(&line, origin->host);
    }
    if (origin->version != NULL) {
        po_buf_put_text(&line, " by pobackup ");
        po_buf_put_text(&line, origin->version);
    }
    if (archive->is_import)
        po_buf_put_text(&line, ", a set that was made by hand");
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "restore from %s", po_buf_text(&line));
    po_buf_deinit(&line);
    po_cli_json_member(&cli->out, "created", po_cli_json_text(origin->created));
    po_cli_json_member(&cli->out, "host", po_cli_json_text(origin->host));
    po_cli_json_member(&cli->out, "program_version", po_cli_json_text(origin->version));
}

/* req: R1 */
static void
tell_product(struct po_cli *cli, const struct po_restore_result *result)
{
    const char *set = result->version_set[0] != '\0' ? result->version_set : NULL;
    const char *here = result->version_here[0] != '\0' ? result->version_here : NULL;

    if (set != NULL || here != NULL)
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "product   Post.Office %s in the archive, %s here",
                        set != NULL ? set : "of unknown version",
                        here != NULL ? here : "not known");
    po_cli_json_member(
        &cli->out, "product",
        json_pack("{s:o, s:o}", "archive", po_cli_json_text(set), "site", po_cli_json_text(here)));
}

/* ---- registry ---- */

static void
tell_value(struct po_cli *cli, const struct po_restore_value *value)
{
    const char *name = value->name[0] != '\0' ? value->name : "(default)";

    switch (value->kind) {
    case PO_RESTORE_VALUE_REWRITTEN:
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "            %s in %s: %s -> %s", name, value->key,
                        value->before, value->after);
        return;
    case PO_RESTORE_VALUE_OLD_PLACE:
    case PO_RESTORE_VALUE_OLD_HOST:
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "            %s in %s: %s", name, value->key,
                        value->after != NULL ? value->after : "data that are no text");
        return;
    case PO_RESTORE_VALUE_CHANGED:
    case PO_RESTORE_VALUE_ADDED:
    case PO_RESTORE_VALUE_LEFT:
    case PO_RESTORE_VALUE_REMOVED:
    case PO_RESTORE_VALUE_KINDS:
        break;
    }
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "            %s in %s", name, value->key);
}

static void
tell_values(struct po_cli *cli, const struct po_restore_registry *registry,
            enum po_restore_value_kind kind)
{
    size_t told = 0;

    for (size_t i = 0; i < registry->count && told < NAMED_MAX; i++) {
        if (registry->values[i].kind != kind)
            continue;
        tell_value(cli, &registry->values[i]);
        told++;
    }
    if (registry->counts[kind] > told)
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "            and %llu more (--json names them)",
                        (unsigned long long)(registry->counts[kind] - told));
}

static void
tell_kind(struct po_cli *cli, const struct po_restore_registry *registry,
          enum po_restore_value_kind kind, const char *title)
{
    if (registry->counts[kind] == 0)
        return;
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "          %s", title);
    tell_values(cli, registry, kind);
}

/* req: R3, R4, W2 */
static void
tell_registry(struct po_cli *cli, const struct po_restore_registry *registry, bool is_import)
{
    const uint64_t *counts = registry->counts;

    if (!registry->is_compared)
        return;
    po_cli_out_tell(
        &cli->out, PO_CLI_SAY,
        "          values: %llu changed, %llu added, %llu removed, %llu left as they are "
        "(only here)",
        (unsigned long long)counts[PO_RESTORE_VALUE_CHANGED],
        (unsigned long long)counts[PO_RESTORE_VALUE_ADDED],
        (unsigned long long)counts[PO_RESTORE_VALUE_REMOVED],
        (unsigned long long)counts[PO_RESTORE_VALUE_LEFT]);
    if (is_import)
        po_cli_out_tell(&cli->out, PO_CLI_SAY,
                        "          where the old machine had its directories is not in the set: "
                        "[places] in its pobackup-site.ini can say it, or --map OLD=NEW");
    tell_kind(cli, registry, PO_RESTORE_VALUE_REWRITTEN, "rewritten for the places of this site:");
    tell_kind(cli, registry, PO_RESTORE_VALUE_OLD_PLACE,
              "not rewritten, though an old place is in them (--map OLD=NEW can):");
    tell_kind(cli, registry, PO_RESTORE_VALUE_REMOVED, "removed:");
    tell_kind(cli, registry, PO_RESTORE_VALUE_LEFT, "left, as the archive does not have them:");
}

/* ---- queue, services ---- */

/* req: R11, W1 */
static void
tell_queue(struct po_cli *cli, const struct po_restore_queue *queue)
{
    const char *line = queue->texts;
    struct po_buf count = { 0 };

    if (queue->whole + queue->broken == 0)
        return;
    po_cli_put_count(&count, queue->whole, "message", "messages");
    if (queue->held[0] != '\0')
        po_cli_out_tell(
            &cli->out, PO_CLI_SAY,
            "queue     %s, held in PostOfficeBackup/%s of the spool: not sent until they "
            "are moved back",
            po_buf_text(&count), queue->held);
    else if (queue->whole > 0)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "%s waited in the queue when the archive was made. What has been delivered "
                        "since is sent again; --queue=hold sets them aside",
                        po_buf_text(&count));
    po_buf_clear(&count);
    po_cli_put_count(&count, queue->broken, "incomplete set", "incomplete sets");
    if (queue->broken > 0)
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "queue     %s, as they are in the archive",
                        po_buf_text(&count));
    po_buf_deinit(&count);
    while (line != NULL && *line != '\0') {
        size_t size = strcspn(line, "\n");

        po_cli_out_tell(&cli->out, PO_CLI_SAY, "          %.*s", (int)size, line);
        line += size + (line[size] == '\n');
    }
}

static void
tell_services(struct po_cli *cli, struct po_host *host)
{
    const char *what = po_cli_has(cli, PO_CLI_LIVE)          ? "runs on (--live)"
                       : po_cli_has(cli, PO_CLI_NO_SERVICES) ? "is not touched (--no-services)"
                                                             : NULL;

    po_cli_json_array_begin(&cli->out, "services");
    for (size_t i = 0; i < host->ops->service_count(host); i++) {
        enum po_service_state state = PO_SERVICE_UNKNOWN;
        const char *name = host->ops->service(host, i)->name;
        struct po_err ignored;

        if (host->ops->service_state(host, i, &state, &ignored) != PO_OK)
            state = PO_SERVICE_UNKNOWN;
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "service   %s: %s", name,
                        what != NULL ? what
                        : state == PO_SERVICE_RUNNING
                            ? "stopped for the renames, then started again"
                        : state == PO_SERVICE_STOPPED ? "does not run, and stays so"
                                                      : "its state is not known");
        po_cli_json_item(&cli->out, json_pack("{s:o, s:s}", "name", po_cli_json_text(name), "state",
                                              po_service_state_name(state)));
    }
    po_cli_json_array_end(&cli->out);
}

/* ---- rights ---- */

/* req: R7 */
static void
tell_rights(struct po_cli *cli, const struct po_restore_rights *rights)
{
    static const char *const texts[PO_RIGHTS_COUNT] = {
        [PO_RIGHTS_RECORDED] = "as the archive recorded them, accounts found by name",
        [PO_RIGHTS_DEFAULT] = "Administrators, SYSTEM, and the services' account and group",
        [PO_RIGHTS_POPERMS] = "by poperms.exe -a -u, which takes a minute for 4,000 files",
        [PO_RIGHTS_KEEP] =
            "what new files get where they are; run poperms.exe if that is not enough",
    };
    const char *line = rights->choices;

    if (!rights->is_wanted)
        return;
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "rights    %s", texts[rights->rights]);
    while (line != NULL && *line != '\0') {
        size_t size = strcspn(line, "\n");

        po_cli_out_tell(&cli->out, PO_CLI_SAY, "          %.*s", (int)size, line);
        line += size + (line[size] == '\n');
    }
    if (rights->unknown_count > 0)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "%zu accounts that have rights are not known here: nobody gets theirs. If "
                        "the mail server needs them, make them first, or use --rights=default",
                        rights->unknown_count);
}

/* ---- by hand ---- */

static void
say_by_hand(struct po_cli *cli, bool *is_first, const char *text)
{
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "%-9s %s", *is_first ? "by hand" : "", text);
    po_cli_json_item(&cli->out, po_cli_json_text(text));
    *is_first = false;
}

/* What no program can do, once all is in place. req: L1, W2, U2 */
static void
tell_by_hand(struct po_cli *cli, const struct po_host *host, const struct origin *origin,
             const struct po_restore_result *result)
{
    struct po_buf here = { 0 };
    struct po_buf text = { 0 };
    bool is_first = true;

    po_sys_put_host(&here);
    po_cli_json_array_begin(&cli->out, "by_hand");
    if (result->parts[PO_PART_REGISTRY].is_wanted && origin->host != NULL &&
        !po_text_is_equal_nocase(origin->host, po_buf_text(&here)))
        say_by_hand(cli, &is_first,
                    "this is another machine: register the licence again, and check host name, "
                    "addresses and DNS in the system configuration");
    if (result->registry.counts[PO_RESTORE_VALUE_OLD_HOST] > 0) {
        po_buf_printf(&text, "registry values that hold the old machine's name or address: %llu",
                      (unsigned long long)result->registry.counts[PO_RESTORE_VALUE_OLD_HOST]);
        say_by_hand(cli, &is_first, po_buf_text(&text));
        tell_values(cli, &result->registry, PO_RESTORE_VALUE_OLD_HOST);
    }
    if (strcmp(host->ops->kind, "windows") == 0 && result->parts[PO_PART_SPOOL].is_wanted)
        say_by_hand(cli, &is_first,
                    "a set of version 4.1.0.2 or older has its LDAP access limits in a form that "
                    "newer versions do not read: enter them again in the LDAP server's settings");
    po_cli_json_array_end(&cli->out);
    po_buf_deinit(&text);
    po_buf_deinit(&here);
}

/* ---- all of it ---- */

int
po_cli_restore_plan(struct po_cli *cli, const struct po_cli_archive *archive, struct po_host *host,
                    const struct po_restore_result *result)
{
    struct origin origin = load_origin(archive);
    int code;

    tell_origin(cli, archive, &origin);
    tell_product(cli, result);
    for (int i = 0; i < PO_PART_COUNT; i++) {
        po_cli_restore_part(cli, &result->parts[i], (enum po_part)i, true);
        if (i == PO_PART_REGISTRY)
            tell_registry(cli, &result->registry, archive->is_import);
    }
    tell_queue(cli, &result->queue);
    tell_rights(cli, &result->rights);
    tell_services(cli, host);
    if (result->makes_room)
        po_cli_out_tell(
            &cli->out, PO_CLI_WARNING,
            "old and new files do not fit at once: the old ones are removed, with the "
            "services stopped, before the new ones are written. If that is interrupted, "
            "files are missing until a restore is run again");
    if (po_cli_has(cli, PO_CLI_NO_SAFETY_COPY))
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "replaced files are not kept (--no-safety-copy): there is no way back");
    tell_by_hand(cli, host, &origin, result);
    code = po_cli_restore_problems(cli, &result->problems);
    if (code == PO_EXIT_FAILED)
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "It cannot be done so. Nothing was changed.");
    json_decref(origin.manifest);
    return code;
}
