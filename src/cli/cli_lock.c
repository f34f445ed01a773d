#include "cli/cli_lock.h"

#include "base/buf.h"
#include "base/mem.h"
#include "port/sys.h"

#include <string.h>

/* It is held for as long as a line takes, or a small file and its sync. */
#define WAIT_MS 10u
#define TRIES 500

enum po_status
po_cli_lock_wait(struct po_lock **out, const char *os_path, struct po_err *err)
{
    struct po_lock *lock = NULL;
    struct po_buf path = { 0 };
    enum po_status st;

    po_buf_put_text(&path, os_path);
    po_buf_put_text(&path, ".lock");
    (void)po_buf_text(&path);
    st = po_buf_check(&path, err);
    for (int tries = 0; st == PO_OK && lock == NULL && tries < TRIES; tries++) {
        if (tries > 0)
            po_sys_sleep_ms(WAIT_MS);
        st = po_lock_take(&lock, po_buf_text(&path), err);
    }
    if (st == PO_OK && lock == NULL)
        st = po_fail(err, PO_E_IO, "%s: held by another process", po_buf_text(&path));
    if (st == PO_OK)
        *out = lock;
    po_buf_deinit(&path);
    return st;
}

enum po_status
po_cli_open_parent(struct po_dir **out, const char **name, const char *os_path, struct po_err *err)
{
    size_t size = strlen(os_path);
    size_t dir_size = 0;
    size_t name_start = 0;
    char *dir;
    enum po_status st;

    po_path_split(os_path, size, &dir_size, &name_start);
    if (name_start == size)
        return po_fail(err, PO_E_IO, "%s: not the name of a file", os_path);
    dir = name_start == 0 ? po_mem_strdup(".")
                          : po_mem_copy(os_path, dir_size > 0 ? dir_size : name_start);
    if (dir == NULL)
        return po_fail_nomem(err, size);
    st = po_dir_open(out, dir, err);
    if (st == PO_OK)
        *name = os_path + name_start;
    po_mem_free(dir);
    return st;
}
