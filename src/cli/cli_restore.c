#include "cli/cli_restore.h"

#include "base/text.h"
#include "cli/cli.h"
#include "cli/cli_problems.h"
#include "cli/cli_site.h"
#include "port/sys.h"

#include <string.h>

/* ---- JSON ---- */

static json_t *
part_json(const struct po_restore_part *part, enum po_part number)
{
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "part", po_part_name(number), "place",
        po_cli_json_text(part->place), "files", po_cli_json_u64(part->files), "bytes",
        po_cli_json_u64(part->bytes), "replaced", po_cli_json_u64(part->replaced), "added",
        po_cli_json_u64(part->added), "removed", po_cli_json_u64(part->removed), "left",
        po_cli_json_u64(part->left), "space_free", po_cli_json_u64(part->space_free), "set_aside",
        po_cli_json_text(part->set_aside));
}

/* null where the site has no rights of which a restore takes care. */
static json_t *
rights_json(const struct po_restore_rights *rights)
{
    json_t *accounts;
    const char *line = rights->choices;

    if (!rights->is_wanted)
        return json_null();
    accounts = json_array();
    while (line != NULL && *line != '\0') {
        size_t size = strcspn(line, "\n");

        (void)json_array_append_new(accounts, json_stringn(line, size));
        line += size + (line[size] == '\n');
    }
    return json_pack("{s:s, s:o, s:o, s:o}", "rule", po_rights_name(rights->rights), "accounts",
                     accounts, "unknown_accounts", po_cli_json_u64(rights->unknown_count), "set",
                     po_cli_json_u64(rights->set));
}

void
po_cli_restore_json(struct po_cli_out *out, const struct po_restore_result *result, bool is_dry_run)
{
    if (!out->is_json)
        return;
    po_cli_json_member(out, "dry_run", json_boolean(is_dry_run));
    po_cli_json_array_begin(out, "parts");
    for (int i = 0; i < PO_PART_COUNT; i++)
        if (result->parts[i].is_wanted)
            po_cli_json_item(out, part_json(&result->parts[i], (enum po_part)i));
    po_cli_json_array_end(out);
    po_cli_json_member(out, "rights", rights_json(&result->rights));
    po_cli_json_member(out, "streams", po_cli_json_u64(result->streams));
    po_cli_json_member(out, "streams_left", po_cli_json_u64(result->streams_left));
    po_cli_json_member(out, "seconds", json_real(result->seconds));
    po_cli_json_member(out, "outage_seconds",
                       result->outage_seconds >= 0 ? json_real(result->outage_seconds)
                                                   : json_null());
    po_cli_json_member(out, "services_lost", json_boolean(result->are_services_lost));
    po_cli_json_member(out, "services_text",
                       result->are_services_lost ? po_cli_json_text(result->services_text)
                                                 : json_null());
    po_cli_problems_json(out, "problems", &result->problems);
}

/* ---- the plan ---- */

static void
tell_origin(struct po_cli *cli, const struct po_cli_archive *archive)
{
    json_t *manifest = json_loadb((const char *)archive->manifest.bytes, archive->manifest.size,
                                  JSON_REJECT_DUPLICATES, NULL);
    const char *created = json_string_value(json_object_get(manifest, "created"));
    const char *host =
        json_string_value(json_object_get(json_object_get(manifest, "host"), "name"));
    struct po_buf line = { 0 };
    int64_t time = 0;

    po_buf_put_text(&line, archive->path);
    if (created != NULL && po_text_parse_time(created, &time)) {
        po_buf_put_text(&line, ", taken ");
        po_sys_put_local_time(&line, time);
    }
    if (host != NULL) {
        po_buf_put_text(&line, " on ");
        po_buf_put_text(&line, host);
    }
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "restore from %s", po_buf_text(&line));
    po_buf_deinit(&line);
    json_decref(manifest);
}

/* The registry is one document: how many values are in it is not counted. */
static void
put_part(struct po_buf *line, const struct po_restore_part *part, enum po_part number)
{
    if (number == PO_PART_REGISTRY) {
        po_text_put_size(line, part->bytes);
        return;
    }
    po_cli_put_count(line, part->files, "file", "files");
    po_buf_put_text(line, ", ");
    po_text_put_size(line, part->bytes);
    po_buf_printf(line, ": %llu replaced, %llu added, %llu removed, %llu left as they are",
                  (unsigned long long)part->replaced, (unsigned long long)part->added,
                  (unsigned long long)part->removed, (unsigned long long)part->left);
}

/*
 * --path selects nothing of it. A tree of which empty directories alone are selected has no counts
 * either, but its volume has been looked at.
 */
static bool
is_untouched(const struct po_restore_part *part, enum po_part number)
{
    return part->files == 0 && (number == PO_PART_REGISTRY || part->space_free == 0);
}

static void
tell_part(struct po_cli *cli, const struct po_restore_part *part, enum po_part number,
          bool with_space)
{
    struct po_buf line = { 0 };

    if (!part->is_wanted || (po_cli_has(cli, PO_CLI_PATH) && is_untouched(part, number)))
        return;
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "%-9s %s", po_part_name(number),
                    part->place != NULL ? part->place : "nowhere");
    put_part(&line, part, number);
    if (with_space && number != PO_PART_REGISTRY) {
        po_buf_put_text(&line, "; ");
        po_text_put_size(&line, part->space_free);
        po_buf_put_text(&line, " free there");
    }
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "          %s", po_buf_text(&line));
    po_buf_deinit(&line);
}

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

/* A problem without a path is a reason why it cannot be; one with a path is an item left out. */
static int
tell_problems(struct po_cli *cli, const struct po_problems *problems)
{
    struct po_problems items = { 0 };
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;

    for (size_t i = 0; i < problems->count; i++) {
        const struct po_problem *p = &problems->items[i];

        if (p->path_size == 0) {
            (void)po_fail(&err, PO_E_IO, "%s", p->reason);
            (void)po_cli_failed(cli, &err);
            code = PO_EXIT_FAILED;
        } else if (po_problems_add(&items, p->path, p->path_size, p->reason, &err) != PO_OK) {
            (void)po_cli_failed(cli, &err);
            code = PO_EXIT_FAILED;
            break;
        }
    }
    po_cli_problems_tell(&cli->out, &items, "--json names all");
    if (items.count > 0 && code == PO_EXIT_DONE)
        code = PO_EXIT_PARTLY;
    po_problems_deinit(&items);
    return code;
}

int
po_cli_restore_plan(struct po_cli *cli, const struct po_cli_archive *archive,
                    const struct po_restore_result *result)
{
    int code;

    tell_origin(cli, archive);
    for (int i = 0; i < PO_PART_COUNT; i++)
        tell_part(cli, &result->parts[i], (enum po_part)i, true);
    tell_rights(cli, &result->rights);
    if (po_cli_has(cli, PO_CLI_NO_SAFETY_COPY))
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "replaced files are not kept "
                        "(--no-safety-copy): there is no way back");
    code = tell_problems(cli, &result->problems);
    if (code == PO_EXIT_FAILED)
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "It cannot be done so. Nothing was changed.");
    return code;
}

/* ---- afterwards ---- */

/* req: B7 */
static int
tell_services(struct po_cli *cli, const struct po_restore_result *result)
{
    struct po_err err = { 0 };

    (void)po_fail(&err, PO_E_IO, "services could not be brought back: %s", result->services_text);
    (void)po_cli_failed(cli, &err);
    po_cli_out_tell(&cli->out, PO_CLI_HINT,
                    "Mail is down. Start them by hand, in the order of pobackup-site.ini");
    return PO_EXIT_SERVICES;
}

int
po_cli_restore_tell(struct po_cli *cli, const struct po_restore_result *result)
{
    struct po_cli_out *out = &cli->out;
    struct po_buf line = { 0 };
    int code;

    po_text_put_seconds(&line, result->seconds);
    po_buf_put_text(&line, "; ");
    po_cli_put_outage(&line, result->outage_seconds);
    po_cli_out_tell(out, PO_CLI_SAY, "restored in %s", po_buf_text(&line));
    for (int i = 0; i < PO_PART_COUNT; i++)
        tell_part(cli, &result->parts[i], (enum po_part)i, false);
    for (int i = 0; i < PO_PART_COUNT; i++)
        if (result->parts[i].set_aside != NULL)
            po_cli_out_tell(out, PO_CLI_SAY, "the old files of %s are kept in %s",
                            po_part_name((enum po_part)i), result->parts[i].set_aside);
    code = tell_problems(cli, &result->problems);
    /* Only the administrator may give files away. */
    if (!po_sys_is_admin())
        po_cli_out_tell(out, PO_CLI_NOTE,
                        "the files belong to who ran this; set their owner by hand if the mail "
                        "server runs as another");
    po_buf_deinit(&line);
    return result->are_services_lost ? tell_services(cli, result) : code;
}

int
po_cli_restore_failed(struct po_cli *cli, const struct po_restore_result *result,
                      const struct po_err *err)
{
    struct po_err told = *err;
    int code;

    /* What the engine has said itself is not said twice. */
    if (!result->is_changed && strstr(err->text, "nothing was changed") == NULL &&
        strstr(err->text, "all is as it was before") == NULL)
        po_cli_err_add(&told, "nothing was changed");
    po_cli_err_add_services(&told, result->outage_seconds, result->are_services_lost);
    code = po_cli_failed(cli, &told);
    po_cli_problems_tell(&cli->out, &result->problems, "--json names all");
    return result->are_services_lost ? tell_services(cli, result) : code;
}
