/* What stands in the way of a restore (req: R1), and of any job just now. */
#include "base/mem.h"
#include "base/text.h"
#include "engine/doctor_checks.h"
#include "engine/recover.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

#define PROGRAM "Post.Office.exe"

/* ---- product ---- */

static enum po_status
find_program(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
             const struct po_err *failure, struct po_err *err)
{
    bool *is_found = ctx;

    (void)name_size;
    (void)err;
    if (failure == NULL && info->type == PO_NODE_FILE && po_text_is_equal_nocase(name, PROGRAM))
        *is_found = true;
    return PO_OK;
}

/* The guide has the product installed before a restore. A folder site may be another's. */
enum po_status
po_doctor_product(struct po_doctor *doctor, struct po_err *err)
{
    const char *place = doctor->host->ops->place(doctor->host, PO_PART_BIN);
    bool is_folder = strcmp(doctor->host->ops->kind, "folder") == 0;
    struct po_dir *dir = NULL;
    struct po_err why;
    bool is_found = false;
    enum po_status st;

    if (place == NULL)
        return PO_OK;
    st = po_dir_open(&dir, place, &why);
    if (st == PO_OK)
        st = po_dir_list(dir, "", 0, find_program, &is_found, &why);
    po_dir_free(dir);
    if (st == PO_E_NOMEM)
        *err = why;
    else if (st == PO_OK && is_found)
        po_doctor_say(doctor, PO_CHECK_GOOD, "product", PROGRAM " is in %s", place);
    else if (st == PO_OK && !is_folder)
        po_doctor_say(doctor, PO_CHECK_WARNING, "product",
                      "no " PROGRAM " in %s: install Post.Office before a restore", place);
    return st == PO_E_NOMEM ? st : PO_OK; /* others are told by the check of the trees */
}

/* ---- pending ---- */

static void
tell_pending(struct po_doctor *doctor, const struct po_recovery *recovery)
{
    struct po_buf text = { 0 };

    po_buf_put_text(&text, "the restore from ");
    po_text_put_name(&text, recovery->archive, strlen(recovery->archive));
    po_buf_put_text(&text, ", begun ");
    po_sys_put_local_time(&text, recovery->time);
    po_doctor_say(
        doctor, PO_CHECK_BAD, "pending", "%s, was interrupted: pobackup %s", po_buf_text(&text),
        recovery->was_undoing ? "undo goes on with it" : "resume finishes it, undo takes it back");
    po_buf_deinit(&text);
}

enum po_status
po_doctor_pending(struct po_doctor *doctor, const char *journal_dir, struct po_err *err)
{
    struct po_recovery *recovery = &doctor->recovery;
    struct po_err why;
    enum po_status st = po_recovery_find(recovery, journal_dir, &why);

    if (st == PO_E_NOMEM)
        *err = why;
    else if (st != PO_OK)
        po_doctor_say(doctor, PO_CHECK_BAD, "pending",
                      "whether a restore was interrupted cannot be told: %s", why.text);
    else if (recovery->state == PO_RECOVERY_UNCHANGED ||
             recovery->state == PO_RECOVERY_INTERRUPTED ||
             recovery->state == PO_RECOVERY_INCOMPLETE)
        tell_pending(doctor, recovery);
    else
        po_doctor_say(doctor, PO_CHECK_GOOD, "pending", "no restore was interrupted");
    return st == PO_E_NOMEM ? st : PO_OK;
}

/* ---- lock ---- */

enum po_status
po_doctor_lock(struct po_doctor *doctor, const char *lock_path, struct po_err *err)
{
    struct po_lock *lock = NULL;
    struct po_node_info info;
    struct po_err why;
    bool exists = false;
    enum po_status st = po_os_stat(lock_path, &info, &exists, &why);

    /* Who takes it for a moment only is waited for (cli_state.c). Where there is none yet, nobody
     * holds it, and none is made. */
    if (st == PO_OK && exists)
        st = po_lock_take(&lock, lock_path, &why);
    if (st == PO_E_NOMEM)
        *err = why;
    else if (st != PO_OK)
        po_doctor_say(doctor, PO_CHECK_WARNING, "lock", "no job can have the site to itself: %s",
                      why.text);
    else if (exists && lock == NULL)
        po_doctor_say(doctor, PO_CHECK_NOTE, "lock",
                      "another pobackup is working on this site just now");
    else
        po_doctor_say(doctor, PO_CHECK_GOOD, "lock", "no other pobackup is working on this site");
    po_lock_free(lock);
    return st == PO_E_NOMEM ? st : PO_OK;
}

/* ---- disk ---- */

/* A volume with trees that a restore puts back (bin it leaves, R6). */
struct volume {
    uint64_t device;
    uint64_t needed;
    uint64_t free_bytes;
    const char *parts[2]; /* their names; the second NULL if there is one */
};

static void
add_tree(struct po_doctor *doctor, struct volume *volumes, size_t *count, enum po_part part)
{
    const char *place = doctor->host->ops->place(doctor->host, part);
    struct po_dir *dir = NULL;
    struct po_err why;
    struct volume found = { 0 };
    struct volume *volume = NULL;
    uint64_t total = 0;

    if (place == NULL || po_dir_open(&dir, place, &why) != PO_OK)
        return; /* told by the check of the trees */
    if (po_dir_space(dir, &found.free_bytes, &total, &why) != PO_OK) {
        po_doctor_say(doctor, PO_CHECK_WARNING, "disk", "%s: %s", po_part_name(part), why.text);
        po_dir_free(dir);
        return;
    }
    found.device = po_dir_device(dir);
    po_dir_free(dir);
    for (size_t i = 0; i < *count && volume == NULL; i++)
        if (volumes[i].device == found.device)
            volume = &volumes[i];
    if (volume == NULL) {
        volume = &volumes[(*count)++];
        *volume = found;
    }
    volume->parts[volume->parts[0] != NULL] = po_part_name(part);
    volume->needed += doctor->tree_bytes[part];
}

/* req: R1. New files are staged beside the old ones, which are kept. */
void
po_doctor_disk(struct po_doctor *doctor)
{
    struct volume volumes[2] = { { 0 } };
    size_t count = 0;

    add_tree(doctor, volumes, &count, PO_PART_SPOOL);
    add_tree(doctor, volumes, &count, PO_PART_MAILBOX);
    for (size_t i = 0; i < count; i++) {
        const struct volume *volume = &volumes[i];
        bool is_short = volume->free_bytes < volume->needed;
        struct po_buf text = { 0 };

        po_buf_printf(&text, "%s%s%s: ", volume->parts[0], volume->parts[1] != NULL ? " and " : "",
                      volume->parts[1] != NULL ? volume->parts[1] : "");
        po_text_put_size(&text, volume->free_bytes);
        po_buf_put_text(&text, " free; a restore of as much as is there now needs ");
        po_text_put_size(&text, volume->needed);
        po_doctor_say(doctor, is_short ? PO_CHECK_WARNING : PO_CHECK_GOOD, "disk", "%s beside it%s",
                      po_buf_text(&text), is_short ? ", and could not be made" : "");
        po_buf_deinit(&text);
    }
}
