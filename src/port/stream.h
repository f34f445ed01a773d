/*
 * stream.h - alternate streams of files and directories: named contents beside the one that
 * everybody sees ("file:name" on NTFS). Other systems have none, so what is done with them goes
 * through a table of functions, behind which a test can stand.
 */
#ifndef PO_PORT_STREAM_H
#define PO_PORT_STREAM_H

#include "base/buf.h"
#include "port/file.h"

/* The streams of one node, as rows of bytes. { 0 } is an empty list. */
struct po_stream_list {
    struct po_buf rows;
    uint32_t count;
};

struct po_stream {
    const char *name; /* WTF-8, as po_name_is_stream has it; points into the list */
    size_t name_size;
    uint64_t size;
};

void po_stream_list_clear(struct po_stream_list *list);
void po_stream_list_deinit(struct po_stream_list *list);
void po_stream_list_put(struct po_stream_list *list, const char *name, size_t name_size,
                        uint64_t size);
/* The row at *at (0 at first), which moves on; false behind the last. */
bool po_stream_list_next(const struct po_stream_list *list, size_t *at, struct po_stream *stream);

/* What only Windows knows of a node. */
struct po_node_extras {
    struct po_buf security; /* appended to, as po_dir_put_security does */
    struct po_stream_list streams;
    struct po_err streams_failure; /* its status is not PO_OK: not all streams are listed */
    uint32_t link_count;           /* which a listing does not tell; 0 = not known */
};

struct po_stream_ops {
    /* Whether files below this directory can have streams. */
    bool (*are_known)(struct po_dir *dir);
    /*
     * Reads the extras, opening the node once: this is done for every file while services are
     * stopped. PO_E_IO when it cannot be opened, or has rights that cannot be read.
     */
    enum po_status (*read_extras)(struct po_dir *dir, const char *path, size_t path_size,
                                  struct po_node_extras *extras, struct po_err *err);
    /*
     * Opens a stream of a file or directory ("" = the root itself). Its po_file_info says the
     * stream's size and the owner's times. PO_FILE_READ, or PO_FILE_REPLACE (made where missing);
     * the owner is never made. Writing changes the owner's write time.
     */
    enum po_status (*open)(struct po_file **out, struct po_dir *dir, const char *path,
                           size_t path_size, const char *name, size_t name_size,
                           enum po_file_how how, struct po_err *err);
};

/* The system's own; where it has no streams: none are known, none can be opened (ENOTSUP). */
extern const struct po_stream_ops po_stream_system;

#endif
