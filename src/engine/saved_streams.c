#include "engine/saved_streams.h"

#include "base/mem.h"

#define LISTED_MAX 10000u

enum po_status
po_saved_streams_add(struct po_saved_streams *streams, const struct po_summary_stream *stream,
                     struct po_err *err)
{
    struct po_summary_stream *item;

    streams->count++;
    streams->bytes += stream->bytes;
    if (streams->listed == LISTED_MAX)
        return PO_OK;
    if (streams->listed == streams->capacity) {
        size_t capacity = streams->capacity == 0 ? 16 : streams->capacity * 2;
        struct po_summary_stream *items = po_mem_resize(streams->items, capacity, sizeof *items);

        if (items == NULL)
            return po_fail_nomem(err, capacity * sizeof *items);
        streams->items = items;
        streams->capacity = capacity;
    }
    item = &streams->items[streams->listed];
    *item = *stream;
    item->path = po_mem_copy(stream->path, stream->path_size);
    item->name = po_mem_copy(stream->name, stream->name_size);
    if (item->path == NULL || item->name == NULL) {
        po_mem_free(item->path);
        po_mem_free(item->name);
        return po_fail_nomem(err, stream->path_size + stream->name_size);
    }
    streams->listed++;
    return PO_OK;
}

void
po_saved_streams_deinit(struct po_saved_streams *streams)
{
    for (size_t i = 0; i < streams->listed; i++) {
        po_mem_free(streams->items[i].path);
        po_mem_free(streams->items[i].name);
    }
    po_mem_free(streams->items);
    *streams = (struct po_saved_streams){ 0 };
}
