#include "port/stream.h"

#include "base/cursor.h"

#define ROW_HEAD_SIZE 12u

void
po_stream_list_clear(struct po_stream_list *list)
{
    po_buf_clear(&list->rows);
    list->count = 0;
}

void
po_stream_list_deinit(struct po_stream_list *list)
{
    po_buf_deinit(&list->rows);
    *list = (struct po_stream_list){ 0 };
}

void
po_stream_list_put(struct po_stream_list *list, const char *name, size_t name_size, uint64_t size)
{
    po_buf_put_u64le(&list->rows, size);
    po_buf_put_u32le(&list->rows, (uint32_t)name_size);
    po_buf_put(&list->rows, name, name_size);
    list->count += list->rows.failed ? 0 : 1;
}

bool
po_stream_list_next(const struct po_stream_list *list, size_t *at, struct po_stream *stream)
{
    const uint8_t *row;

    if (list->rows.failed || *at >= list->rows.size)
        return false;
    row = list->rows.bytes + *at;
    stream->size = po_load_u64le(row);
    stream->name_size = po_load_u32le(row + 8);
    stream->name = (const char *)row + ROW_HEAD_SIZE;
    *at += ROW_HEAD_SIZE + stream->name_size;
    return true;
}
