/* The mail queue of the live spool (engine/queue.h). */
#include "base/text.h"
#include "engine/doctor_checks.h"
#include "engine/queue.h"
#include "port/file.h"

#include <string.h>

struct listing {
    struct po_queue *queue;
    struct po_dir *spool;
    struct po_buf folders; /* names of "control" and "messages" as found, each ended by a NUL */
    struct po_buf path;    /* of the file at hand */
    size_t folder_size;    /* what of it stays: the folder and its '/' */
};

static enum po_status
take_file(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
          const struct po_err *failure, struct po_err *err)
{
    struct listing *listing = ctx;
    enum po_status st;

    if (failure != NULL || info->type != PO_NODE_FILE)
        return PO_OK; /* what cannot be looked at is told by the check of the trees */
    listing->path.size = listing->folder_size;
    po_buf_put(&listing->path, name, name_size);
    st = po_buf_check(&listing->path, err);
    if (st == PO_OK)
        st = po_queue_add(listing->queue, po_buf_text(&listing->path), listing->path.size, err);
    return st;
}

static enum po_status
take_folder(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
            const struct po_err *failure, struct po_err *err)
{
    struct listing *listing = ctx;

    if (failure != NULL || info->type != PO_NODE_DIRECTORY ||
        !(po_text_is_equal_nocase(name, "control") || po_text_is_equal_nocase(name, "messages")))
        return PO_OK;
    po_buf_put(&listing->folders, name, name_size);
    po_buf_put_u8(&listing->folders, 0);
    return po_buf_check(&listing->folders, err);
}

static enum po_status
tell_sets(struct po_doctor *doctor, const struct po_queue *queue, struct po_err *err)
{
    const char *motion =
        doctor->is_any_running ? " (services run: it may be in motion just now)" : "";
    size_t whole = po_queue_whole(queue);
    size_t broken = po_queue_broken_count(queue);
    struct po_buf text = { 0 };
    enum po_status st = PO_OK;

    for (size_t i = 0; i < broken && i < PO_DOCTOR_NAMED_MAX && st == PO_OK; i++) {
        po_buf_clear(&text);
        po_queue_put_broken(queue, i, &text);
        st = po_buf_check(&text, err);
        if (st == PO_OK)
            po_doctor_say(doctor, PO_CHECK_WARNING, "queue", "%s", po_buf_text(&text));
    }
    po_buf_deinit(&text);
    if (st != PO_OK)
        return st;
    if (broken == 0)
        po_doctor_say(doctor, PO_CHECK_GOOD, "queue", "%zu messages wait", whole);
    else
        po_doctor_say(doctor, PO_CHECK_WARNING, "queue",
                      "%zu messages wait; %zu incomplete sets beside them, which are backed up and "
                      "left alone%s",
                      whole, broken, motion);
    return PO_OK;
}

static enum po_status
list_queue(struct po_doctor *doctor, struct listing *listing, struct po_err *err)
{
    enum po_status st = po_dir_list(listing->spool, "", 0, take_folder, listing, err);

    if (st == PO_OK && listing->folders.size == 0) {
        po_doctor_say(doctor, PO_CHECK_NOTE, "queue",
                      "the spool has no folders control and messages");
        return PO_OK;
    }
    for (size_t at = 0; st == PO_OK && at < listing->folders.size;) {
        const char *folder = (const char *)listing->folders.bytes + at;

        po_buf_clear(&listing->path);
        po_buf_printf(&listing->path, "%s/", folder);
        listing->folder_size = listing->path.size;
        st = po_buf_check(&listing->path, err);
        if (st == PO_OK)
            st = po_dir_list(listing->spool, folder, strlen(folder), take_file, listing, err);
        at += strlen(folder) + 1;
    }
    if (st == PO_OK)
        st = po_queue_finish(listing->queue, err);
    if (st == PO_OK)
        st = tell_sets(doctor, listing->queue, err);
    return st;
}

enum po_status
po_doctor_queue(struct po_doctor *doctor, struct po_err *err)
{
    const char *place = doctor->host->ops->place(doctor->host, PO_PART_SPOOL);
    struct listing listing = { 0 };
    struct po_err why;
    enum po_status st;

    /* A spool that is not there or no directory is told by the check of the trees. */
    if (place == NULL || po_dir_open(&listing.spool, place, &why) != PO_OK)
        return PO_OK;
    st = po_queue_new(&listing.queue, &why);
    if (st == PO_OK)
        st = list_queue(doctor, &listing, &why);
    if (st == PO_E_NOMEM)
        *err = why;
    else if (st != PO_OK)
        po_doctor_say(doctor, PO_CHECK_BAD, "queue", "%s", why.text);
    po_dir_free(listing.spool);
    po_queue_free(listing.queue);
    po_buf_deinit(&listing.folders);
    po_buf_deinit(&listing.path);
    return st == PO_E_NOMEM ? st : PO_OK;
}
