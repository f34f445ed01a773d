#include "store/store.h"

#include "base/mem.h"

struct tap_sink {
    struct po_store_sink sink; /* first: a struct po_store_sink * of ours is a struct tap_sink * */
    struct po_store_sink *inner;
    po_store_tap_fn tap;
    void *ctx;
};

static struct tap_sink *
tap_of(struct po_store_sink *sink)
{
    return (struct tap_sink *)sink;
}

static enum po_status
tap_write(struct po_store_sink *sink, const void *bytes, size_t size, struct po_err *err)
{
    const struct tap_sink *of = tap_of(sink);
    enum po_status st = of->inner->ops->write(of->inner, bytes, size, err);

    if (st == PO_OK)
        of->tap(of->ctx, bytes, size);
    return st;
}

static enum po_status
tap_read_back(struct po_store_sink *sink, struct pobackup_blob *blob, struct po_err *err)
{
    struct po_store_sink *inner = tap_of(sink)->inner;

    return inner->ops->read_back(inner, blob, err);
}

static enum po_status
tap_commit(struct po_store_sink *sink, struct po_err *err)
{
    struct po_store_sink *inner = tap_of(sink)->inner;

    return inner->ops->commit(inner, err);
}

static void
tap_free(struct po_store_sink *sink)
{
    if (sink == NULL)
        return;
    tap_of(sink)->inner->ops->free(tap_of(sink)->inner);
    po_mem_free(tap_of(sink));
}

static const struct po_store_sink_ops tap_ops = {
    .write = tap_write,
    .read_back = tap_read_back,
    .commit = tap_commit,
    .free = tap_free,
};

/* The same, for a sink that has nothing to read back. */
static const struct po_store_sink_ops tap_ops_blind = {
    .write = tap_write,
    .commit = tap_commit,
    .free = tap_free,
};

enum po_status
po_store_tap_create(struct po_store_sink **out, struct po_store_sink *sink, po_store_tap_fn tap,
                    void *ctx, struct po_err *err)
{
    struct tap_sink *of = po_mem_new(1, sizeof(*of));

    if (of == NULL) {
        sink->ops->free(sink);
        return po_fail_nomem(err, sizeof(*of));
    }
    of->sink.ops = sink->ops->read_back != NULL ? &tap_ops : &tap_ops_blind;
    of->inner = sink;
    of->tap = tap;
    of->ctx = ctx;
    *out = &of->sink;
    return PO_OK;
}
