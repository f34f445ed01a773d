#include "chain_help.h"

#include "os_help.h"
#include "port/sys.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct help_chain help_chain;

void
help_chain_begin(void)
{
    help_enter();
    help_host_init(&help_chain.host);
    help_chain.options = (struct po_backup_options){ .threads = 2,
                                                     .frame_size = FRAME_SIZE,
                                                     .hot_margin_ms = HELP_CHAIN_MARGIN_MS };
    help_chain.result = (struct po_backup_result){ 0 };
    help_chain.count = 0;
}

void
help_chain_drop(void)
{
    while (help_chain.count > 0) {
        help_chain.count--;
        help_close(&help_chain.archives[help_chain.count]);
        help_sink_deinit(&help_chain.sinks[help_chain.count]);
    }
}

void
help_chain_end(void)
{
    po_backup_result_deinit(&help_chain.result);
    help_chain_drop();
    help_leave();
}

void
help_chain_settle(void)
{
    po_sys_sleep_ms(HELP_CHAIN_MARGIN_MS + 30);
}

struct help_archive *
help_chain_save(int base)
{
    struct help_archive *archive = &help_chain.archives[help_chain.count];
    struct help_sink *sink = &help_chain.sinks[help_chain.count];
    struct po_backup_base on = { .share = 1000000, .margin_ms = HELP_CHAIN_MARGIN_MS };
    struct po_err err = { 0 };
    char name[32];

    help_chain_settle();
    if (base >= 0) {
        const struct po_reader *reader = help_chain.archives[base].reader;

        (void)snprintf(name, sizeof name, "%d.tar.zst", base);
        on.index = reader->index;
        memcpy(on.digest, reader->digest, PO_DIGEST_SIZE);
        on.created = reader->trailer.created;
        on.name = name;
        on.share = help_chain.options.base == NULL ? on.share : help_chain.options.base->share;
    }
    po_backup_result_deinit(&help_chain.result);
    help_chain.result = (struct po_backup_result){ 0 };
    help_sink_init(sink);
    {
        struct po_backup_options with_base = help_chain.options;

        with_base.base = base >= 0 ? &on : NULL;
        help_chain.host.calls = 0;
        help_chain.host.log[0] = '\0';
        help_must(po_backup_run(&help_chain.host.host, &sink->sink, &with_base, NULL,
                                &help_chain.result, &err),
                  &err);
    }
    ck_assert(sink->is_committed);
    help_open(archive, sink->bytes.bytes, sink->bytes.size);
    help_assert_whole(archive);
    help_chain.count++;
    help_chain_settle(); /* so that what is done next is later than what was read */
    return archive;
}

/* The number of the archive with this digest. */
static unsigned
find_archive(const uint8_t digest[PO_DIGEST_SIZE])
{
    for (unsigned i = 0; i < help_chain.count; i++)
        if (memcmp(help_chain.archives[i].reader->digest, digest, PO_DIGEST_SIZE) == 0)
            return i;
    ck_abort_msg("a parent that there is not");
    return 0;
}

struct po_joined *
help_chain_join(const struct help_archive *archive)
{
    const struct po_index *index = archive->reader->index;
    struct po_reader *parents[HELP_CHAIN] = { NULL };
    struct po_joined *joined = NULL;
    struct po_err err = { 0 };

    ck_assert_uint_le(index->parent_count, HELP_CHAIN);
    for (uint32_t i = 0; i < index->parent_count; i++) {
        struct po_parent parent;
        const char *name;
        size_t size;

        po_index_parent(index, i, &parent, &name, &size);
        parents[i] = help_chain.archives[find_archive(parent.digest)].reader;
    }
    help_must(po_joined_new(&joined, archive->reader, parents, &err), &err);
    return joined;
}

void
help_chain_work(uint64_t *chance, unsigned steps)
{
    char path[64];
    char other[64];

    while (steps-- > 0) {
        (void)snprintf(path, sizeof path, BOX "/work/%u", help_random(chance) % HELP_CHAIN_FILES);
        (void)snprintf(other, sizeof other, BOX "/work/%u", help_random(chance) % HELP_CHAIN_FILES);
        switch (help_random(chance) % 6) {
        case 0:
            help_write_random(path, help_random(chance) % 3000, *chance);
            break;
        case 1:
            (void)unlink(path);
            break;
        case 2:
            (void)rename(path, other);
            break;
        case 3:
            (void)!link(path, other);
            break;
        case 4:
            if (os_exists(path))
                (void)os_set_size(path, help_random(chance) % 100);
            break;
        default:
            if (os_exists(path))
                os_set_time(path, INT64_C(12345678900000000));
            break;
        }
    }
}

/* Things happen between the passes too. */
struct busy {
    uint64_t *chance;
    bool is_done;
};

static void
work_at_stop(void *ctx, const char *call)
{
    struct busy *busy = ctx;

    if (strcmp(call, "stop") != 0 || busy->is_done)
        return;
    busy->is_done = true;
    help_chain_work(busy->chance, 10);
}

struct help_archive *
help_chain_save_busy(int base, uint64_t *chance)
{
    struct busy busy = { .chance = chance };
    struct help_archive *archive;

    help_chain.options.is_hot = help_random(chance) % 2 == 0;
    help_chain.host.hook = work_at_stop;
    help_chain.host.ctx = &busy;
    archive = help_chain_save(base);
    help_chain.host.hook = NULL;
    return archive;
}
