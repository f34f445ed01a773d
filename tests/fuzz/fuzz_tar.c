/* A member's header blocks. Their checksums are set right first, or little else would be tried. */
#include "archive/tar.h"

#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
seal(uint8_t *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++)
        sum += header[i];
    (void)snprintf((char *)header + 148, 8, "%06o", sum);
}

/* What was accepted can be written, and is the same member then. */
static void
check_again(const struct po_tar_member *member)
{
    struct po_tar_member again = { 0 };
    struct po_buf out = { 0 };
    struct po_err err;
    size_t header_size = 0;

    po_tar_put_header(&out, member);
    FUZZ_CHECK(!out.failed);
    FUZZ_CHECK(po_tar_parse_header(&again, &header_size, out.bytes, out.size, &err) == PO_OK);
    FUZZ_CHECK(header_size == out.size);
    FUZZ_CHECK(again.path_size == member->path_size &&
               memcmp(again.path, member->path, again.path_size) == 0);
    FUZZ_CHECK(again.link_size == member->link_size &&
               memcmp(again.link, member->link, again.link_size) == 0);
    FUZZ_CHECK(again.type == member->type && again.size == member->size);
    FUZZ_CHECK(again.write_time == member->write_time);
    FUZZ_CHECK(again.uid == member->uid && again.gid == member->gid);
    FUZZ_CHECK(again.mode == (member->mode & 07777));
    po_buf_deinit(&out);
}

static void
parse(const uint8_t *bytes, size_t size)
{
    struct po_tar_member member = { 0 };
    struct po_err err;
    size_t header_size = 0;
    enum po_status st = po_tar_parse_header(&member, &header_size, bytes, size, &err);

    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT || st == PO_E_UNSUPPORTED);
    if (st != PO_OK)
        return;
    FUZZ_CHECK(header_size <= size && header_size % 512 == 0);
    FUZZ_CHECK(member.path_size > 0 && member.path_size <= PO_PATH_MAX_SIZE);
    check_again(&member);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    FUZZ_CHECK(copy != NULL);
    parse(bytes, size);
    memcpy(copy, bytes, size);
    for (size_t at = 0; at + 512 <= size; at += 512)
        if (memcmp(copy + at + 257, "ustar", 5) == 0)
            seal(copy + at);
    parse(copy, size);
    free(copy);
    return 0;
}
