/* req: U1, U2, U3, K1. A full before an update or an uninstall, proven to be one, and what to do by hand. */
#include "cli/cli.h"

#include "base/text.h"
#include "cli/cli_archive.h"
#include "cli/cli_backup.h"
#include "cli/cli_drill.h"
#include "cli/cli_event.h"
#include "cli/cli_shrink.h"
#include "cli/cli_site.h"
#include "cli/cli_target.h"
#include "engine/checklist.h"
#include "engine/extract.h"
#include "port/sys.h"
#include "store/store.h"

#include <string.h>

#define CHECKLIST_ENDING ".checklist.txt"

/* req: U1. A registry alone is no backup; nor is what lacks the mail. */
static bool
is_whole_site(struct po_cli *cli, struct po_host *host, int *code)
{
    static const enum po_part needed[] = { PO_PART_REGISTRY, PO_PART_SPOOL, PO_PART_MAILBOX };

    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (host->ops->place(host, needed[i]) != NULL)
            continue;
        *code = po_cli_usage(cli,
                             "this site has no %s: a backup before an update needs the registry, "
                             "the spool and the mailbox",
                             po_part_name(needed[i]));
        return false;
    }
    return true;
}

/* ---- the checklist ---- */

/* The registry of the archive: what the values were when it was taken. Not to be had, or no export:
 * then nothing is recognised. */
static struct po_reg *
read_registry(const char *path)
{
    struct po_cli_archive archive = { 0 };
    struct po_buf bytes = { 0 };
    struct po_reg *reg = NULL;
    struct po_err ignored;
    const char *member = po_part_member(PO_PART_REGISTRY);
    uint32_t entry = PO_NONE;

    if (po_cli_archive_open_quietly(&archive, path, &ignored) == PO_OK)
        entry = po_index_find(archive.own->index, member, strlen(member));
    if (entry != PO_NONE && po_cat_to_buf(archive.own, entry, &bytes, &ignored) == PO_OK)
        (void)!po_reg_parse(&reg, bytes.bytes, bytes.size, PO_REG_CODE_PAGE_AUTO, &ignored);
    po_buf_deinit(&bytes);
    po_cli_archive_deinit(&archive);
    return reg;
}

static void
put_values(struct po_buf *text, const struct po_checklist_item *item)
{
    for (size_t v = 0; v < item->count; v++) {
        const struct po_checklist_value *value = &item->values[v];

        po_buf_put_text(text, "      ");
        po_text_put_name(text, value->key, strlen(value->key));
        po_buf_put_text(text, ": ");
        po_text_put_name(text, value->name[0] == '\0' ? "@" : value->name,
                         value->name[0] == '\0' ? 1 : strlen(value->name));
        po_buf_put_text(text, " = ");
        po_text_put_name(text, value->data, strlen(value->data));
        po_buf_put_u8(text, '\n');
    }
    if (item->found > item->count)
        po_buf_printf(text, "      and %zu more\n", item->found - item->count);
}

static void
put_checklist(struct po_buf *text, const struct po_checklist *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct po_checklist_item *item = &list->items[i];

        po_buf_printf(text, "[ ] %s.\n", item->what);
        put_values(text, item);
        if (item->where != NULL && item->count == 0)
            po_buf_printf(text, "      not recognised: note it by hand from %s\n", item->where);
        else if (item->where != NULL)
            po_buf_printf(text, "      where it is set: %s\n", item->where);
    }
}

static void
put_json(struct po_cli *cli, const struct po_checklist *list)
{
    po_cli_json_array_begin(&cli->out, "checklist");
    for (size_t i = 0; i < list->count; i++) {
        const struct po_checklist_item *item = &list->items[i];
        json_t *values = json_array();

        for (size_t v = 0; v < item->count; v++)
            (void)json_array_append_new(
                values, json_pack("{s:o, s:o, s:o}", "key", po_cli_json_text(item->values[v].key),
                                  "name", po_cli_json_text(item->values[v].name), "data",
                                  po_cli_json_text(item->values[v].data)));
        po_cli_json_item(
            &cli->out,
            json_pack("{s:s, s:s, s:o, s:o, s:o}", "id", item->id, "what", item->what, "where",
                      item->where == NULL ? json_null() : po_cli_json_text(item->where), "found",
                      po_cli_json_u64(item->found), "values", values));
    }
    po_cli_json_array_end(&cli->out);
}

/* Beside the archive: whoever finds the one finds the other. */
static enum po_status
store_checklist(const struct po_buf *text, const char *path, struct po_buf *file,
                struct po_err *err)
{
    struct po_store_sink *sink = NULL;
    enum po_status st;

    po_buf_put_text(file, path);
    po_buf_put_text(file, CHECKLIST_ENDING);
    st = po_buf_check(file, err);
    if (st == PO_OK)
        st = po_store_file_create(&sink, po_buf_text(file), err);
    if (st == PO_OK)
        st = sink->ops->write(sink, text->bytes, text->size, err);
    if (st == PO_OK)
        st = sink->ops->commit(sink, err);
    if (sink != NULL)
        sink->ops->free(sink);
    return st;
}

static void
put_heading(struct po_buf *text, const char *path, bool is_upgrade)
{
    po_buf_printf(text, "What to do by hand when Post.Office is %s\n",
                  is_upgrade ? "updated" : "uninstalled");
    po_buf_put_text(text, "backup: ");
    po_buf_put_text(text, path);
    po_buf_put_text(text, "\nmade:   ");
    po_sys_put_local_time(text, po_sys_now());
    po_buf_put_text(text, "\n\n");
}

/* One by one: a line that is told has no end of a line in it. */
static void
tell_lines(struct po_cli *cli, const struct po_buf *text)
{
    for (size_t at = 0; at < text->size;) {
        const char *line = (const char *)text->bytes + at;
        const char *stop = memchr(line, '\n', text->size - at);
        size_t size = stop == NULL ? text->size - at : (size_t)(stop - line);

        po_cli_out_tell(&cli->out, PO_CLI_SAY, "%.*s", (int)size, line);
        at += size + (stop != NULL);
    }
}

static int
tell_checklist(struct po_cli *cli, struct po_host *host, const char *path, bool is_upgrade)
{
    struct po_reg *reg = read_registry(path);
    struct po_checklist list = { 0 };
    struct po_buf text = { 0 };
    struct po_buf file = { 0 };
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;
    enum po_status st = po_checklist_make(
        &list, is_upgrade ? PO_CHECKLIST_UPGRADE : PO_CHECKLIST_UNINSTALL, reg, host, &err);

    if (st == PO_OK) {
        put_json(cli, &list);
        put_heading(&text, path, is_upgrade);
        put_checklist(&text, &list);
        st = po_buf_check(&text, &err);
    }
    if (st == PO_OK) {
        tell_lines(cli, &text);
        st = store_checklist(&text, path, &file, &err);
    }
    if (st == PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "This list is kept in %s", po_buf_text(&file));
    else
        code = po_cli_failed(cli, &err);
    po_buf_deinit(&file);
    po_buf_deinit(&text);
    po_checklist_deinit(&list);
    po_reg_free(reg);
    return code;
}

/* ---- the verb ---- */

static int
save(struct po_cli *cli, struct po_host *host, const char *dest, struct po_buf *path)
{
    bool is_upgrade = po_cli_number(cli, PO_CLI_FOR, 0) == 0;
    struct po_backup_options options = { .purpose = is_upgrade ? "pre-upgrade" : "pre-uninstall" };
    int code;
    int more;

    po_cli_backup_set_options(cli, &options);
    if (!po_cli_target_path(cli, host, dest, options.created, path, &code))
        return code;
    code = po_cli_backup_run(cli, host, dest, path, &options);
    if (code > PO_EXIT_PARTLY)
        return code;
    more = po_cli_shrink_check_empty(cli);
    code = more > code ? more : code;
    /* Every byte is read back, verified and compared. */
    more = po_cli_drill(cli, po_buf_text(path), NULL);
    code = more > code ? more : code;
    if (code <= PO_EXIT_PARTLY) {
        more = tell_checklist(cli, host, po_buf_text(path), is_upgrade);
        code = more > code ? more : code;
    }
    if (code != PO_EXIT_DONE)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "do not %s yet: see what is wrong with the backup first",
                        is_upgrade ? "update" : "uninstall");
    return code;
}

int
po_cmd_pre_upgrade(struct po_cli *cli)
{
    const char *dest = po_cli_text(cli, PO_CLI_OUTPUT);
    struct po_host *host = NULL;
    struct po_buf path = { 0 };
    int code;

    if (dest == NULL || strcmp(dest, "-") == 0)
        return po_cli_usage(cli, "where to? Give -o DEST: a file or a directory");
    if (!po_cli_site_open(cli, &host, &code))
        return code;
    if (is_whole_site(cli, host, &code)) {
        code = save(cli, host, dest, &path);
        po_cli_event(cli, host, PO_CLI_EVENT_BACKUP, code);
    }
    po_buf_deinit(&path);
    po_cli_site_free(host);
    return code;
}
