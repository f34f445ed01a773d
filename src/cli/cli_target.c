#include "cli/cli_target.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "engine/doctor.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

#define FULL_ENDING "-full.tar.zst"
#define DIFF_ENDING "-diff.tar.zst"

void
po_cli_target_put_name(struct po_buf *out, const char *host, int64_t created)
{
    bool is_any = false;

    po_buf_put_text(out, "postoffice-");
    for (; *host != '\0'; host++) {
        char c = *host;
        bool is_plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                        (c >= '0' && c <= '9') || c == '.' || c == '-';

        if (is_plain)
            po_buf_put_u8(out, (uint8_t)c);
        is_any = is_any || is_plain;
    }
    po_buf_put_text(out, is_any ? "-" : "unknown-");
    po_text_put_time_compact(out, created);
    po_buf_put_text(out, FULL_ENDING);
}

static bool
ends_in_separator(const char *path, size_t size)
{
    size_t dir_size;
    size_t name_start;

    po_path_split(path, size, &dir_size, &name_start);
    return size > 0 && name_start == size;
}

/*
 * Cuts components off `path` until something is there: what does not exist cannot be a link, so it
 * lies where its nearest ancestor lies.
 */
static enum po_status
nearest_existing(struct po_buf *path, struct po_err *err)
{
    for (;;) {
        struct po_node_info info = { 0 };
        bool exists = false;
        size_t dir_size = 0;
        size_t name_start = 0;
        enum po_status st;

        while (!po_os_path_is_root((const char *)path->bytes, path->size) &&
               ends_in_separator((const char *)path->bytes, path->size))
            path->size--;
        st = po_os_stat(po_buf_text(path), &info, &exists, err);
        if (st != PO_OK || exists)
            return st;
        po_path_split((const char *)path->bytes, path->size, &dir_size, &name_start);
        if (name_start == 0) {
            po_buf_clear(path);
            po_buf_put_text(path, ".");
            return po_buf_check(path, err);
        }
        path->size = dir_size > 0 ? dir_size : name_start;
    }
}

static enum po_status
check_place(struct po_host *host, const char *dest, bool *is_same_volume, struct po_err *err)
{
    struct po_buf place = { 0 };
    enum po_status st;

    po_buf_put_text(&place, dest);
    st = nearest_existing(&place, err);
    if (st == PO_OK)
        st = po_doctor_target(host, po_buf_text(&place), is_same_volume, err);
    po_buf_deinit(&place);
    return st;
}

/* Whether DEST is, or is to be, a directory. PO_E_USAGE when it is a file already. */
static enum po_status
look_at(const char *dest, bool *is_directory, struct po_err *err)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    enum po_status st = po_os_stat(dest, &info, &exists, err);

    if (st != PO_OK)
        return st;
    *is_directory = exists ? info.type == PO_NODE_DIRECTORY : ends_in_separator(dest, strlen(dest));
    if (exists && !*is_directory)
        return po_fail(
            err, PO_E_USAGE,
            "%s: exists already; name another file, or a directory to have the name made", dest);
    return PO_OK;
}

bool
po_cli_target_path(struct po_cli *cli, struct po_host *host, const char *dest, int64_t created,
                   struct po_buf *path, int *code)
{
    struct po_err err = { 0 };
    struct po_buf name = { 0 };
    struct po_buf machine = { 0 };
    char *joined = NULL;
    bool is_directory = false;
    bool is_same_volume = false;
    enum po_status st;

    if (strcmp(dest, "-") == 0) {
        po_buf_put_text(path, "-");
        return true;
    }
    st = look_at(dest, &is_directory, &err);
    if (st == PO_OK)
        st = check_place(host, dest, &is_same_volume, &err); /* req: N3 */
    if (st != PO_OK)
        goto done;
    if (is_same_volume && !po_cli_has(cli, PO_CLI_ALLOW_SAME_VOLUME))
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "%s is on a volume that holds a part of the site: a disk that fails takes "
                        "both; backups belong on another disk or host (--allow-same-volume: no "
                        "warning)",
                        dest);
    if (is_directory) {
        po_sys_put_host(&machine);
        po_cli_target_put_name(&name, po_buf_text(&machine), created);
        joined = po_os_path_join(dest, po_buf_text(&name));
        if (joined == NULL || name.failed || machine.failed) {
            st = po_fail_nomem(&err, name.size);
            goto done;
        }
    }
    po_buf_put_text(path, joined != NULL ? joined : dest);
    st = po_buf_check(path, &err);
done:
    po_mem_free(joined);
    po_buf_deinit(&machine);
    po_buf_deinit(&name);
    if (st != PO_OK)
        *code = po_cli_failed(cli, &err);
    return st == PO_OK;
}

void
po_cli_target_set_diff(struct po_buf *path)
{
    size_t size = strlen(FULL_ENDING);

    if (path->failed || path->size < size ||
        memcmp(path->bytes + path->size - size, FULL_ENDING, size) != 0)
        return;
    path->size -= size;
    po_buf_put_text(path, DIFF_ENDING);
}

static enum po_status
is_taken(struct po_buf *path, bool *is_taken, struct po_err *err)
{
    struct po_node_info info = { 0 };
    enum po_status st = po_buf_check(path, err);

    return st == PO_OK ? po_os_stat(po_buf_text(path), &info, is_taken, err) : st;
}

enum po_status
po_cli_target_set_free(struct po_buf *path, const char *dest, struct po_err *err)
{
    const size_t ending = strlen(FULL_ENDING); /* a differential's is as long */
    char tail[sizeof FULL_ENDING];
    bool exists = false;
    enum po_status st;

    if (!po_cli_target_is_directory(dest))
        return PO_OK;
    st = is_taken(path, &exists, err);
    if (st != PO_OK || !exists)
        return st;
    memcpy(tail, po_buf_text(path) + path->size - ending, sizeof tail);
    path->size -= ending;
    for (unsigned number = 2; exists && st == PO_OK; number++) {
        size_t size = path->size;

        po_buf_printf(path, "-%u%s", number, tail);
        st = is_taken(path, &exists, err);
        if (exists)
            path->size = size;
    }
    return st;
}

bool
po_cli_target_is_directory(const char *dest)
{
    struct po_node_info info = { 0 };
    struct po_err ignored;
    bool exists = false;

    return strcmp(dest, "-") != 0 && po_os_stat(dest, &info, &exists, &ignored) == PO_OK &&
           exists && info.type == PO_NODE_DIRECTORY;
}

bool
po_cli_target_is_diff(const char *path)
{
    size_t size = strlen(path);

    return size >= strlen(DIFF_ENDING) &&
           strcmp(path + size - strlen(DIFF_ENDING), DIFF_ENDING) == 0;
}

enum po_status
po_cli_target_make(const char *dest, struct po_err *err)
{
    struct po_dir *dir = NULL;
    enum po_status st = PO_OK;

    if (ends_in_separator(dest, strlen(dest)))
        st = po_dir_open_make(&dir, dest, err);
    po_dir_free(dir);
    return st;
}
