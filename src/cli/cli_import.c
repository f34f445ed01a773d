#include "cli/cli_import.h"

#include "cli/cli.h"
#include "cli/cli_problems.h"
#include "cli/cli_state.h"
#include "engine/backup.h"
#include "port/file.h"
#include "store/store.h"

#include <string.h>

/* It is read once, and soon: the smallest effort that still is a check of every byte. */
#define LEVEL 1

bool
po_cli_import_is_set(const char *path)
{
    struct po_node_info info = { 0 };
    struct po_err ignored;
    bool exists = false;

    return po_os_stat(path, &info, &exists, &ignored) == PO_OK && exists &&
           info.type == PO_NODE_DIRECTORY;
}

static enum po_status
remove_file(const char *path, struct po_err *err)
{
    size_t dir_size;
    size_t name_start;
    struct po_buf dir_path = { 0 };
    struct po_dir *dir = NULL;
    enum po_status st;

    po_path_split(path, strlen(path), &dir_size, &name_start);
    po_buf_put(&dir_path, path, name_start);
    st = po_buf_check(&dir_path, err);
    if (st == PO_OK)
        st = po_dir_open(&dir, po_buf_text(&dir_path), err);
    if (st == PO_OK)
        st = po_dir_remove(dir, path + name_start, strlen(path + name_start), err);
    po_dir_free(dir);
    po_buf_deinit(&dir_path);
    return st;
}

/* Services of a set are nobody's: it is a copy. */
static int
read_set(struct po_cli *cli, struct po_host *set, const char *file, struct po_err *err)
{
    const struct po_backup_options options = {
        .level = LEVEL,
        .no_services = true,
        .threads = (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0),
    };
    struct po_backup_result result = { .outage_seconds = -1 };
    struct po_store_sink *sink = NULL;
    int code = PO_EXIT_DONE;
    enum po_status st = po_store_file_create(&sink, file, err);

    if (st == PO_OK)
        st = po_backup_run(set, sink, &options, &cli->watch, &result, err);
    if (st != PO_OK) {
        code = po_cli_failed(cli, err);
    } else if (result.skipped.count > 0) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "these could not be read, and are not restored:");
        po_cli_problems_tell(&cli->out, &result.skipped, NULL);
        code = PO_EXIT_PARTLY;
    }
    if (sink != NULL)
        sink->ops->free(sink);
    po_backup_result_deinit(&result);
    return code;
}

/* The place of the archive; one that a killed run has left goes. */
static enum po_status
find_file(struct po_host *set, struct po_buf *file, struct po_err *err)
{
    struct po_dir *dir = NULL;
    struct po_err ignored;
    enum po_status st = po_cli_state_open(&dir, file, err);

    po_dir_free(dir);
    po_buf_clear(file);
    if (st == PO_OK)
        st = po_cli_state_import(set, file, err);
    if (st == PO_OK)
        (void)!remove_file(po_buf_text(file), &ignored);
    return st;
}

bool
po_cli_import_open(struct po_cli *cli, struct po_cli_archive *archive, const char *path,
                   struct po_host *site, int *code)
{
    struct po_host *set = NULL;
    struct po_buf file = { 0 };
    struct po_err err = { 0 };
    bool is_open = false;
    enum po_status st = po_host_folder_open(&set, path, &err);

    if (st == PO_OK && strcmp(set->ops->identity(set), site->ops->identity(site)) == 0)
        st = po_fail(&err, PO_E_USAGE, "%s: that is the site itself", path);
    if (st == PO_OK)
        st = find_file(set, &file, &err);
    if (st != PO_OK) {
        *code = po_cli_failed(cli, &err);
        goto done;
    }
    *code = read_set(cli, set, po_buf_text(&file), &err);
    if (*code > PO_EXIT_PARTLY)
        goto done;
    st = po_cli_archive_open_quietly(archive, po_buf_text(&file), &err);
    archive->path = path;
    archive->is_import = true;
    is_open = st == PO_OK;
    if (st == PO_OK)
        st = remove_file(po_buf_text(&file), &err);
    if (st != PO_OK) {
        *code = po_cli_failed(cli, &err);
        is_open = false;
    }
done:
    po_buf_deinit(&file);
    if (set != NULL)
        set->ops->free(set);
    return is_open;
}
