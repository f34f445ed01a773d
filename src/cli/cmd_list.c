#include "cli/cli.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli_archive.h"
#include "port/sys.h"

#include <stdio.h>
#include <string.h>

struct list {
    struct po_cli *cli;
    const struct po_cli_archive *archive;
    const struct po_index *index;
    bool is_long;
    bool is_null; /* -0 */
    bool is_raw;  /* names as they are: no terminal, or -0 */
    unsigned size_width;
    unsigned source_width;
    struct po_buf line;
};

static void
put_name(struct list *list, const char *name, size_t size)
{
    if (list->is_raw)
        po_buf_put(&list->line, name, size);
    else
        po_text_put_name(&list->line, name, size);
}

/* "2026-11-24T03:00:00+0100": local time, ISO 8601, one word. */
static void
put_time(struct po_buf *line, int64_t time)
{
    struct po_buf local = { 0 };

    if (time == POBACKUP_TIME_UNKNOWN) {
        po_buf_printf(line, "%-24s", "-");
        return;
    }
    po_sys_put_local_time(&local, time);
    /* "2026-11-24 03:00:00 +0100" */
    if (!local.failed && local.size == 25) {
        po_buf_put(line, local.bytes, 10);
        po_buf_put_u8(line, 'T');
        po_buf_put(line, local.bytes + 11, 8);
        po_buf_put(line, local.bytes + 20, 5);
    } else {
        po_buf_put(line, local.bytes, local.size);
    }
    po_buf_deinit(&local);
}

static void
put_source(struct list *list, uint32_t entry)
{
    unsigned source = po_index_source(list->index, entry);

    if (source == 0)
        po_buf_printf(&list->line, "%-*s", (int)list->source_width, "here");
    else
        po_buf_printf(&list->line, "p%-*u", (int)list->source_width - 1, source);
}

static void
put_details(struct list *list, uint32_t entry)
{
    static const char letters[] = "?-dlhsr";
    const struct po_index *index = list->index;
    uint8_t type = po_index_type(index, entry);

    po_buf_printf(&list->line, "%c %*llu ", letters[type < sizeof(letters) - 1 ? type : 0],
                  (int)list->size_width, (unsigned long long)po_index_size(index, entry));
    put_time(&list->line, po_index_write_time(index, entry));
    po_buf_put_u8(&list->line, ' ');
    if (type == POBACKUP_FILE)
        po_text_put_hex(&list->line, po_index_hash(index, entry), PO_HASH_SIZE);
    else
        po_buf_printf(&list->line, "%-*s", (int)PO_HASH_SIZE * 2, "-");
    po_buf_put_u8(&list->line, ' ');
    put_source(list, entry);
    po_buf_put_u8(&list->line, ' ');
}

static bool
print_entry(struct list *list, uint32_t entry)
{
    size_t size = 0;
    const char *path = po_index_path(list->index, entry, &size);
    const char *link;

    po_buf_clear(&list->line);
    if (list->is_long)
        put_details(list, entry);
    put_name(list, path, size);
    link = list->is_long ? po_index_link(list->index, entry, &size) : NULL;
    if (link != NULL) {
        po_buf_put_text(&list->line, " -> ");
        put_name(list, link, size);
    }
    po_buf_put_u8(&list->line, list->is_null ? '\0' : '\n');
    return !list->line.failed &&
           po_cli_out_data(&list->cli->out, list->line.bytes, list->line.size);
}

static json_t *
owner_json(const struct po_index *index, uint32_t entry)
{
    struct po_posix_owner owner;
    char mode[16];

    if (!po_index_owner(index, entry, &owner))
        return json_null();
    (void)snprintf(mode, sizeof(mode), "%04o", owner.mode & 07777u);
    return json_pack("{s:s, s:o, s:o}", "mode", mode, "uid", po_cli_json_u64(owner.uid), "gid",
                     po_cli_json_u64(owner.gid));
}

static json_t *
entry_json(const struct list *list, uint32_t entry)
{
    const struct po_index *index = list->index;
    size_t size = 0;
    size_t link_size = 0;
    const char *path = po_index_path(index, entry, &size);
    const char *link = po_index_link(index, entry, &link_size);
    bool is_file = po_index_type(index, entry) == POBACKUP_FILE;
    json_t *object = json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", po_cli_json_path_key(path, size),
        po_cli_json_path(path, size), "type", po_cli_type_name(po_index_type(index, entry)), "size",
        po_cli_json_u64(po_index_size(index, entry)), "time",
        po_cli_json_time(po_index_write_time(index, entry)), "hash",
        is_file ? po_cli_json_hex(po_index_hash(index, entry), PO_HASH_SIZE) : json_null(),
        "source", json_integer(po_index_source(index, entry)), "owner", owner_json(index, entry));

    if (object != NULL && link != NULL &&
        json_object_set_new(object, "link", po_cli_json_plain_path(link, link_size)) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static unsigned
digits(uint64_t number)
{
    unsigned count = 1;

    for (; number >= 10; number /= 10)
        count++;
    return count;
}

static bool
is_selected(const struct list *list, uint32_t entry)
{
    const struct po_cli_values *values = &list->cli->values;
    size_t size = 0;
    const char *path = po_index_path(list->index, entry, &size);

    for (size_t i = 1; i < values->arg_count; i++)
        if (po_text_glob(values->args[i], path, size))
            return true;
    return values->arg_count == 1;
}

static void
set_widths(struct list *list)
{
    uint64_t largest = 0;

    for (uint32_t i = 0; i < list->index->count; i++)
        if (po_index_size(list->index, i) > largest)
            largest = po_index_size(list->index, i);
    list->size_width = digits(largest);
    list->source_width = digits(list->index->parent_count) + 1;
    if (list->source_width < 4)
        list->source_width = 4;
}

/* What "p1" in the source column stands for. */
static void
tell_parents(struct list *list)
{
    for (uint32_t i = 0; i < list->index->parent_count; i++) {
        struct po_parent parent;
        const char *name = NULL;
        size_t size = 0;
        struct po_buf text = { 0 };

        po_index_parent(list->index, i, &parent, &name, &size);
        po_text_put_name(&text, name, size);
        po_cli_out_tell(&list->cli->out, PO_CLI_NOTE, "p%u is %s", i + 1, po_buf_text(&text));
        po_buf_deinit(&text);
    }
}

static void
print_all(struct list *list)
{
    bool is_json = list->cli->out.is_json;

    if (list->is_long)
        set_widths(list);
    po_cli_json_array_begin(&list->cli->out, "entries");
    for (uint32_t i = 0; i < list->index->count; i++) {
        if (!is_selected(list, i))
            continue;
        if (is_json)
            po_cli_json_item(&list->cli->out, entry_json(list, i));
        else if (!print_entry(list, i))
            break; /* nobody reads on; the flush tells */
    }
    po_cli_json_array_end(&list->cli->out);
    if (list->is_long && !is_json)
        tell_parents(list);
}

int
po_cmd_list(struct po_cli *cli)
{
    const char *path = cli->values.args[0];
    struct po_cli_archive archive = { 0 };
    int code;

    if (po_cli_archive_open(cli, &archive, path, &code)) {
        struct list list = { .cli = cli,
                             .archive = &archive,
                             .index = archive.reader->index,
                             .is_long = po_cli_has(cli, PO_CLI_LONG),
                             .is_null = po_cli_has(cli, PO_CLI_NULL) };

        list.is_raw = list.is_null || !cli->out.is_stdout_terminal;
        print_all(&list);
        if (po_cli_archive_unmatched(cli, &archive, cli->values.args + 1,
                                     cli->values.arg_count - 1) > 0 &&
            code == PO_EXIT_DONE)
            code = PO_EXIT_PARTLY;
        po_buf_deinit(&list.line);
    }
    po_cli_archive_deinit(&archive);
    return code;
}
