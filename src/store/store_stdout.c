#include "store/store.h"

#include "base/mem.h"
#include "port/file.h"

#define STANDARD_OUTPUT 1
#define NAME "standard output"

struct stdout_sink {
    struct po_store_sink
        sink;             /* first: a struct po_store_sink * of ours is a struct stdout_sink * */
    struct po_file *file; /* NULL once committed */
    bool has_failed;
};

static struct stdout_sink *
sink_of(struct po_store_sink *sink)
{
    return (struct stdout_sink *)sink;
}

static void
stdout_sink_free(struct po_store_sink *sink)
{
    if (sink == NULL)
        return;
    po_file_free(sink_of(sink)->file);
    po_mem_free(sink_of(sink));
}

static enum po_status
check_writing(const struct stdout_sink *stdout_sink, struct po_err *err)
{
    if (stdout_sink->has_failed)
        return po_fail(err, PO_E_IO, NAME ": an earlier write failed");
    if (stdout_sink->file == NULL)
        return po_fail(err, PO_E_USAGE, NAME ": committed already");
    return PO_OK;
}

static enum po_status
stdout_sink_write(struct po_store_sink *sink, const void *bytes, size_t size, struct po_err *err)
{
    struct stdout_sink *stdout_sink = sink_of(sink);
    enum po_status st = check_writing(stdout_sink, err);

    if (st != PO_OK)
        return st;
    st = po_file_write(stdout_sink->file, bytes, size, err);
    stdout_sink->has_failed = st != PO_OK;
    return st == PO_OK ? PO_OK : po_err_prefix(err, NAME);
}

/* Redirected into a file it can be made durable; a pipe knows nothing of that. */
static enum po_status
flush(struct stdout_sink *stdout_sink, struct po_err *err)
{
    struct po_file *file = stdout_sink->file;
    struct po_node_info info = { 0 };
    enum po_status st = po_file_info(file, &info, err);

    if (st == PO_OK && info.type == PO_NODE_FILE)
        st = po_file_sync(file, err);
    if (st != PO_OK)
        return st;
    stdout_sink->file = NULL;
    return po_file_close(file, err);
}

static enum po_status
stdout_sink_commit(struct po_store_sink *sink, struct po_err *err)
{
    struct stdout_sink *stdout_sink = sink_of(sink);
    enum po_status st = check_writing(stdout_sink, err);

    if (st != PO_OK)
        return st;
    st = flush(stdout_sink, err);
    stdout_sink->has_failed = st != PO_OK;
    return st == PO_OK ? PO_OK : po_err_prefix(err, NAME);
}

static const struct po_store_sink_ops stdout_sink_ops = {
    .write = stdout_sink_write,
    .commit = stdout_sink_commit,
    .free = stdout_sink_free,
};

enum po_status
po_store_stdout_create(struct po_store_sink **out, const volatile int *cancel, struct po_err *err)
{
    struct stdout_sink *stdout_sink = po_mem_new(1, sizeof(*stdout_sink));
    enum po_status st;

    if (stdout_sink == NULL)
        return po_fail_nomem(err, sizeof(*stdout_sink));
    stdout_sink->sink.ops = &stdout_sink_ops;
    st = po_file_standard(&stdout_sink->file, STANDARD_OUTPUT, err);
    if (st != PO_OK)
        goto done;
    po_file_set_cancel(stdout_sink->file, cancel);
    *out = &stdout_sink->sink;
    stdout_sink = NULL;
done:
    if (stdout_sink != NULL)
        stdout_sink_free(&stdout_sink->sink);
    return st;
}
