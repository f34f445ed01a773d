#include "cli/cli_good.h"

#include "base/mem.h"
#include "engine/vault.h"
#include "port/file.h"
#include "store/store.h"

#include <string.h>

enum presence { PRESENT, UNSEEN, GONE };

static enum presence
unseen(struct po_buf *why, const char *text)
{
    po_buf_put_text(why, text);
    return UNSEEN;
}

static enum presence
gone(struct po_buf *why, const char *text)
{
    po_buf_put_text(why, text);
    return GONE;
}

/* The directory part of a path; NULL: out of memory. */
static char *
directory_of(const char *path)
{
    size_t dir_size = 0;
    size_t name_start = 0;

    po_path_split(path, strlen(path), &dir_size, &name_start);
    if (name_start == 0)
        return po_mem_strdup(".");
    return po_mem_copy(path, dir_size > 0 ? dir_size : name_start);
}

/* A share that is not mounted is not the same as an archive that was removed. */
static enum presence
look_for_directory(const char *dir, struct po_buf *why)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    struct po_err err = { 0 };

    if (po_os_stat(dir, &info, &exists, &err) != PO_OK)
        return unseen(why, err.text);
    if (!exists || info.type != PO_NODE_DIRECTORY)
        return unseen(why, "its directory cannot be reached");
    return gone(why, "its directory is there, and it is not");
}

/* What it builds on, as whoever restores it looks for it. */
static enum presence
look_for_parents(const char *path, const char *dir, struct po_buf *why)
{
    struct po_vault *vault = NULL;
    enum presence presence = PRESENT;
    size_t dir_size = 0;
    size_t name_start = 0;
    uint32_t row;
    struct po_err err = { 0 };

    po_path_split(path, strlen(path), &dir_size, &name_start);
    if (po_vault_open(&vault, dir, NULL, NULL, &err) != PO_OK)
        return unseen(why, err.text);
    row = po_vault_find(vault, path + name_start);
    if (row != PO_RETENTION_NONE && vault->rows[row].missing > 0)
        presence = gone(why, "what it builds on is not beside it any more");
    po_vault_free(vault);
    return presence;
}

static enum presence
look_into(const struct po_history_run *run, const char *dir, struct po_buf *why)
{
    struct pobackup_blob blob = { 0 };
    struct po_peek peek = { 0 };
    struct po_err err = { 0 };
    enum presence presence = PRESENT;
    enum po_status st = po_store_file_open(&blob, run->archive, &err);
    bool is_open = st == PO_OK;

    if (st == PO_OK)
        st = po_peek_read(&peek, &blob, &err);
    if (st == PO_E_FORMAT || st == PO_E_UNSUPPORTED)
        presence = gone(why, err.text);
    else if (st != PO_OK)
        presence = unseen(why, err.text);
    else if (memcmp(peek.digest, run->digest, PO_DIGEST_SIZE) != 0)
        presence = gone(why, "another archive has its name now");
    else if (peek.manifest.parent_count > 0)
        presence = look_for_parents(run->archive, dir, why);
    if (st == PO_OK)
        po_peek_deinit(&peek);
    if (is_open)
        po_store_blob_free(&blob);
    return presence;
}

static enum presence
look(const struct po_history_run *run, struct po_buf *why)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    struct po_err err = { 0 };
    enum presence presence;
    char *dir;

    if (run->archive == NULL || strcmp(run->archive, "-") == 0)
        return unseen(why, "it was written to standard output");
    if (po_os_stat(run->archive, &info, &exists, &err) != PO_OK)
        return unseen(why, err.text);
    dir = directory_of(run->archive);
    if (dir == NULL)
        presence = unseen(why, "out of memory");
    else if (!exists)
        presence = look_for_directory(dir, why);
    else if (run->archive_bytes > 0 && info.size != run->archive_bytes)
        presence = gone(why, "it has another size now");
    else
        presence = look_into(run, dir, why);
    po_mem_free(dir);
    return presence;
}

/* A full made of the backup's archive, which is there; NULL = none. */
static const struct po_history_run *
find_stand_in(const struct po_history *history, const struct po_history_run *backup)
{
    const struct po_history_run *found = NULL;

    for (size_t i = po_history_count(history); found == NULL && i > 0; i--) {
        const struct po_history_run *run = po_history_at(history, i - 1);
        struct po_buf ignored = { 0 };

        if (po_history_is_made_of(history, run, backup) && look(run, &ignored) == PRESENT)
            found = run;
        po_buf_deinit(&ignored);
    }
    return found;
}

void
po_cli_good_find(struct po_cli_good *good, const struct po_history *history, const char *site)
{
    size_t before = po_history_count(history);
    const struct po_history_run *run;

    *good = (struct po_cli_good){ 0 };
    while (good->backup == NULL &&
           (run = po_history_backup_before(history, site, &before)) != NULL) {
        struct po_buf why = { 0 };
        enum presence presence = look(run, &why);

        good->backup = presence == GONE ? find_stand_in(history, run) : run;
        if (presence == UNSEEN) {
            good->unseen = why;
        } else if (good->backup == NULL && good->gone == NULL) {
            good->gone = run;
            good->why = why;
        } else {
            po_buf_deinit(&why);
        }
    }
}

void
po_cli_good_deinit(struct po_cli_good *good)
{
    po_buf_deinit(&good->unseen);
    po_buf_deinit(&good->why);
    *good = (struct po_cli_good){ 0 };
}
