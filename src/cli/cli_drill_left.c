#include "cli/cli_drill_left.h"

#include "cli/cli_state.h"

#include <string.h>

#define LOCK_ENDING ".lock"

/* ---- the lock ---- */

static enum po_status
put_lock_path(struct po_buf *out, const char *scratch, struct po_err *err)
{
    po_buf_printf(out, "%s" LOCK_ENDING, scratch);
    (void)po_buf_text(out);
    return po_buf_check(out, err);
}

enum po_status
po_cli_drill_hold(struct po_lock **lock, const char *scratch, struct po_err *err)
{
    struct po_buf path = { 0 };
    enum po_status st = put_lock_path(&path, scratch, err);

    if (st == PO_OK)
        st = po_lock_take(lock, po_buf_text(&path), err);
    if (st == PO_OK && *lock == NULL)
        st = po_fail(err, PO_E_IO, "another drill has it");
    po_buf_deinit(&path);
    return st;
}

void
po_cli_drill_let_go(struct po_lock *lock, const char *scratch)
{
    struct po_buf path = { 0 };
    struct po_buf above = { 0 };
    struct po_dir *dir = NULL;
    struct po_err ignored;
    size_t dir_size = 0;
    size_t name_start = 0;

    if (lock == NULL)
        return;
    /* A file that is open cannot be removed everywhere. */
    po_lock_free(lock);
    if (put_lock_path(&path, scratch, &ignored) == PO_OK) {
        po_path_split(po_buf_text(&path), path.size, &dir_size, &name_start);
        po_buf_put(&above, path.bytes, dir_size);
        if (po_dir_open(&dir, po_buf_text(&above), &ignored) == PO_OK)
            (void)!po_dir_remove(dir, po_buf_text(&path) + name_start, path.size - name_start,
                                 &ignored);
    }
    po_dir_free(dir);
    po_buf_deinit(&above);
    po_buf_deinit(&path);
}

/* ---- what is left ---- */

struct left {
    struct po_buf names; /* a NUL behind each */
};

/* A po_dir_list_fn. */
static enum po_status
note_folder(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
            const struct po_err *failure, struct po_err *err)
{
    struct left *left = ctx;

    (void)failure;
    (void)err;
    if (info->type == PO_NODE_DIRECTORY && name_size > strlen(PO_CLI_DRILL_PREFIX) &&
        memcmp(name, PO_CLI_DRILL_PREFIX, strlen(PO_CLI_DRILL_PREFIX)) == 0) {
        po_buf_put(&left->names, name, name_size);
        po_buf_put_u8(&left->names, 0);
    }
    return PO_OK;
}

static void
tell_left(struct po_cli *cli, struct po_dir *dir, const char *name, const char *path,
          bool is_removed)
{
    struct po_err err = { 0 };

    if (!is_removed)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "%s was left by a drill that was cut off: a copy of the mail. The next "
                        "drill removes it",
                        path);
    else if (po_dir_remove_all(dir, name, strlen(name), &err) == PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_NOTE,
                        "removed: %s, which a drill that was cut off had left", path);
    else
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "%s, left by a drill that was cut off, stays: %s", path, err.text);
}

static void
look_at(struct po_cli *cli, struct po_dir *dir, const char *state, const char *name,
        bool is_removed)
{
    struct po_buf path = { 0 };
    struct po_lock *lock = NULL;
    struct po_err ignored;

    po_buf_printf(&path, "%s/%s", state, name);
    (void)po_buf_text(&path);
    if (po_buf_check(&path, &ignored) == PO_OK &&
        po_cli_drill_hold(&lock, po_buf_text(&path), &ignored) == PO_OK)
        tell_left(cli, dir, name, po_buf_text(&path), is_removed);
    po_cli_drill_let_go(lock, po_buf_text(&path));
    po_buf_deinit(&path);
}

void
po_cli_drill_left(struct po_cli *cli, bool is_removed)
{
    struct left left = { { 0 } };
    struct po_buf state = { 0 };
    struct po_dir *dir = NULL;
    struct po_err ignored;

    if (po_cli_state_dir(&state, &ignored) == PO_OK &&
        po_dir_open(&dir, po_buf_text(&state), &ignored) == PO_OK &&
        po_dir_list(dir, "", 0, note_folder, &left, &ignored) == PO_OK &&
        po_buf_check(&left.names, &ignored) == PO_OK) {
        for (size_t at = 0; at < left.names.size;) {
            const char *name = (const char *)left.names.bytes + at;

            at += strlen(name) + 1;
            look_at(cli, dir, po_buf_text(&state), name, is_removed);
        }
    }
    po_dir_free(dir);
    po_buf_deinit(&left.names);
    po_buf_deinit(&state);
}
