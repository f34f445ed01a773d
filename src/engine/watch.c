#include "engine/watch.h"

#include "base/err.h"

enum po_status
po_watch_check(const struct po_watch *watch, struct po_err *err)
{
    /* A backup's packer looks too, on its own thread: no plain read. */
    if (watch != NULL && watch->cancel != NULL &&
        __atomic_load_n(watch->cancel, __ATOMIC_RELAXED) != 0)
        return po_fail(err, PO_E_CANCELLED, "interrupted");
    return PO_OK;
}

static void
tell(const struct po_watch *watch, const struct po_event *event)
{
    if (watch != NULL && watch->event != NULL)
        watch->event(watch->ctx, event);
}

void
po_watch_phase(const struct po_watch *watch, const char *text)
{
    tell(watch, &(struct po_event){ .kind = PO_EVENT_PHASE, .text = text });
}

void
po_watch_note(const struct po_watch *watch, const char *text)
{
    tell(watch, &(struct po_event){ .kind = PO_EVENT_NOTE, .text = text });
}

void
po_watch_warning(const struct po_watch *watch, const char *text)
{
    tell(watch, &(struct po_event){ .kind = PO_EVENT_WARNING, .text = text });
}

void
po_watch_item(const struct po_watch *watch, const char *path, size_t path_size, const char *text)
{
    tell(watch, &(struct po_event){
                    .kind = PO_EVENT_ITEM, .text = text, .path = path, .path_size = path_size });
}

void
po_watch_progress(const struct po_watch *watch, uint64_t bytes_done, uint64_t bytes_total,
                  uint64_t files_done, uint64_t files_total)
{
    tell(watch, &(struct po_event){ .kind = PO_EVENT_PROGRESS,
                                    .text = "",
                                    .bytes_done = bytes_done,
                                    .bytes_total = bytes_total,
                                    .files_done = files_done,
                                    .files_total = files_total });
}
