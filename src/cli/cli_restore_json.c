/* The plan and the report of a restore as JSON; the man page has the schema. */
#include "cli/cli.h"
#include "cli/cli_problems.h"
#include "cli/cli_restore.h"

#include <string.h>

static json_t *
part_json(const struct po_restore_part *part, enum po_part number)
{
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "part", po_part_name(number),
        "place", po_cli_json_text(part->place), "files", po_cli_json_u64(part->files), "bytes",
        po_cli_json_u64(part->bytes), "replaced", po_cli_json_u64(part->replaced), "added",
        po_cli_json_u64(part->added), "removed", po_cli_json_u64(part->removed), "left",
        po_cli_json_u64(part->left), "space_needed", po_cli_json_u64(part->space_needed),
        "space_free", po_cli_json_u64(part->space_free), "set_aside",
        po_cli_json_text(part->set_aside));
}

/* Lines of text as an array. */
static json_t *
lines_json(const char *line)
{
    json_t *list = json_array();

    while (line != NULL && *line != '\0') {
        size_t size = strcspn(line, "\n");

        (void)json_array_append_new(list, json_stringn(line, size));
        line += size + (line[size] == '\n');
    }
    return list;
}

/* null where the site has no rights of which a restore takes care. */
static json_t *
rights_json(const struct po_restore_rights *rights)
{
    if (!rights->is_wanted)
        return json_null();
    return json_pack("{s:s, s:o, s:o, s:o}", "rule", po_rights_name(rights->rights), "accounts",
                     lines_json(rights->choices), "unknown_accounts",
                     po_cli_json_u64(rights->unknown_count), "set", po_cli_json_u64(rights->set));
}

const char *
po_cli_restore_value_kind(enum po_restore_value_kind kind)
{
    static const char *const names[PO_RESTORE_VALUE_KINDS] = {
        [PO_RESTORE_VALUE_CHANGED] = "changed",     [PO_RESTORE_VALUE_ADDED] = "added",
        [PO_RESTORE_VALUE_LEFT] = "left",           [PO_RESTORE_VALUE_REMOVED] = "removed",
        [PO_RESTORE_VALUE_REWRITTEN] = "rewritten", [PO_RESTORE_VALUE_OLD_PLACE] = "old_place",
        [PO_RESTORE_VALUE_OLD_HOST] = "old_host",
    };

    return names[kind];
}

/* null when the registry is not restored, or could not be read. */
static json_t *
registry_json(const struct po_restore_registry *registry)
{
    json_t *root;
    json_t *list;

    if (!registry->is_compared)
        return json_null();
    root = json_object();
    list = json_array();
    for (int kind = 0; kind < PO_RESTORE_VALUE_KINDS; kind++)
        (void)json_object_set_new(root, po_cli_restore_value_kind((enum po_restore_value_kind)kind),
                                  po_cli_json_u64(registry->counts[kind]));
    for (size_t i = 0; i < registry->count; i++) {
        const struct po_restore_value *value = &registry->values[i];

        (void)json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o, s:o}", "what",
                                                    po_cli_restore_value_kind(value->kind), "key",
                                                    po_cli_json_text(value->key), "name",
                                                    po_cli_json_text(value->name), "before",
                                                    po_cli_json_text(value->before), "after",
                                                    po_cli_json_text(value->after)));
    }
    (void)json_object_set_new(root, "values", list);
    return root;
}

static json_t *
queue_json(const struct po_restore_queue *queue)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "messages", po_cli_json_u64(queue->whole),
                     "incomplete", po_cli_json_u64(queue->broken), "incomplete_sets",
                     lines_json(queue->texts), "held",
                     queue->held[0] != '\0' ? json_string(queue->held) : json_null());
}

void
po_cli_restore_json(struct po_cli_out *out, const struct po_restore_result *result, bool is_dry_run)
{
    if (!po_cli_out_has_document(out))
        return;
    po_cli_json_member(out, "dry_run", json_boolean(is_dry_run));
    po_cli_json_array_begin(out, "parts");
    for (int i = 0; i < PO_PART_COUNT; i++)
        if (result->parts[i].is_wanted)
            po_cli_json_item(out, part_json(&result->parts[i], (enum po_part)i));
    po_cli_json_array_end(out);
    po_cli_json_member(out, "registry", registry_json(&result->registry));
    po_cli_json_member(out, "queue", queue_json(&result->queue));
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
