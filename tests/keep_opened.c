/* Keeps each archive that a test opens. Linked with --wrap=po_reader_open. */
#include "keep_archives.h"

#include "archive/reader.h"

enum po_status __real_po_reader_open(struct po_reader **out, const struct pobackup_blob *blob,
                                     struct po_err *err);
enum po_status __wrap_po_reader_open(struct po_reader **out, const struct pobackup_blob *blob,
                                     struct po_err *err);

enum po_status
__wrap_po_reader_open(struct po_reader **out, const struct pobackup_blob *blob, struct po_err *err)
{
    if (getenv("POBACKUP_TEST_ARCHIVES") != NULL && blob->size > 0 && blob->size <= KEEP_SIZE_MAX) {
        uint8_t *bytes = malloc((size_t)blob->size + 1);
        struct po_err ignored;

        if (bytes != NULL &&
            blob->read_at(blob->ctx, 0, bytes, (size_t)blob->size, &ignored) == PO_OK)
            keep_archive(bytes, (size_t)blob->size);
        free(bytes);
    }
    return __real_po_reader_open(out, blob, err);
}
