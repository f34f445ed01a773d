#include "archive/frame_probe.h"

#include "base/cursor.h"

#define MAGIC 0xFD2FB528u
#define DESCRIPTOR_SINGLE 0x20u
#define DESCRIPTOR_CHECKSUM 0x04u
/* Unused, reserved, dictionary id: none may be set. spec: FRAME-1 */
#define DESCRIPTOR_FORBIDDEN 0x1Bu
#define HEADER_MAX 14u /* magic, descriptor, window, content size */
#define BLOCK_MAX (128u << 10)
#define BLOCK_HEADER_SIZE 3u
#define CHECKSUM_SIZE 4u

enum block_type { BLOCK_RAW, BLOCK_RLE, BLOCK_COMPRESSED, BLOCK_RESERVED };

bool
po_probe_is_magic(const uint8_t *bytes)
{
    return po_load_u32le(bytes) == MAGIC;
}

static uint64_t
window_size(uint8_t descriptor)
{
    uint64_t base = UINT64_C(1) << (10 + (descriptor >> 3));

    return base + base / 8 * (descriptor & 7);
}

/* RFC 8878, section 3.1.1.1. *header_size with the magic number; false: no frame of an archive. */
static bool
parse_header(const uint8_t *bytes, uint64_t *content_size, uint64_t *window, size_t *header_size)
{
    uint8_t descriptor = bytes[4];
    bool is_single = (descriptor & DESCRIPTOR_SINGLE) != 0;
    const uint8_t *field = bytes + (is_single ? 5 : 6);
    size_t field_size = (size_t)1 << (descriptor >> 6);

    if (!po_probe_is_magic(bytes) || (descriptor & DESCRIPTOR_FORBIDDEN) != 0 ||
        (descriptor & DESCRIPTOR_CHECKSUM) == 0 || (field_size == 1 && !is_single))
        return false;
    switch (field_size) {
    case 1:
        *content_size = field[0];
        break;
    case 2:
        *content_size = po_load_u16le(field) + UINT64_C(256);
        break;
    case 4:
        *content_size = po_load_u32le(field);
        break;
    default:
        *content_size = po_load_u64le(field);
        break;
    }
    *window = is_single ? *content_size : window_size(bytes[5]);
    *header_size = (size_t)(field - bytes) + field_size;
    return *content_size > 0 && *content_size <= PO_FRAME_CONTENT_MAX && /* spec: FRAME-2 */
           *window <= PO_FRAME_CONTENT_MAX;
}

bool
po_probe_frame(struct po_probe *probe, uint64_t offset, po_probe_peek_fn peek, void *ctx)
{
    const uint8_t *bytes = peek(ctx, offset, HEADER_MAX);
    uint64_t content_size;
    uint64_t window;
    uint64_t made = 0;      /* by blocks that tell how much */
    uint64_t made_most = 0; /* by all at the most */
    size_t at;
    bool is_last = false;

    *probe = (struct po_probe){ 0 };
    if (bytes == NULL || !parse_header(bytes, &content_size, &window, &at))
        return false;
    if (window > BLOCK_MAX)
        window = BLOCK_MAX;
    for (uint64_t end = at; !is_last; end = at) {
        uint32_t header;
        uint32_t size;
        enum block_type type;

        bytes = peek(ctx, offset + end, BLOCK_HEADER_SIZE);
        if (bytes == NULL)
            return false;
        probe->steps++;
        header = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
        is_last = (header & 1) != 0;
        type = header >> 1 & 3;
        size = header >> 3;
        if (type == BLOCK_RESERVED || size > window)
            return false;
        made += type == BLOCK_COMPRESSED ? 0 : size;
        made_most += type == BLOCK_COMPRESSED ? window : size;
        at += BLOCK_HEADER_SIZE + (type == BLOCK_RLE ? 1 : size);
        if (made > content_size || at > content_size + content_size / 128 + 512)
            return false;
    }
    at += CHECKSUM_SIZE;
    probe->content_size = (uint32_t)content_size;
    probe->compressed_size = (uint32_t)at;
    return made_most >= content_size && po_frame_sizes_are_possible(content_size, at) &&
           peek(ctx, offset + at - CHECKSUM_SIZE, CHECKSUM_SIZE) != NULL;
}
