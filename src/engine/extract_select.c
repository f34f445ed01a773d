/* Which entries are extracted, and where to. */
#include "engine/extract.h"

#include "base/text.h"

uint32_t
po_extract_select(const struct po_index *index, const char *const *patterns, size_t pattern_count,
                  uint8_t *wanted)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < index->count; i++) {
        bool is_wanted = pattern_count == 0;
        size_t size;
        const char *path = po_index_path(index, i, &size);

        for (size_t p = 0; p < pattern_count && !is_wanted; p++)
            is_wanted = po_text_glob(patterns[p], path, size);
        wanted[i] = is_wanted;
        count += is_wanted;
    }
    return count;
}

bool
po_extract_place_entry(void *ctx, uint32_t number, struct po_dir **dir, const char **path,
                       size_t *path_size)
{
    const struct po_extract_place *place = ctx;

    *dir = place->dir;
    *path = po_index_path(place->index, number, path_size);
    return true;
}
