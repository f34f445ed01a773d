/* A pattern, a NUL, and a path. */
#include "base/text.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = memchr(bytes, 0, size);
    size_t pattern_size;
    size_t path_size;
    char *pattern;
    char *path;

    if (size == 0 || end == NULL)
        return 0;
    pattern_size = (size_t)(end - bytes);
    path_size = size - pattern_size - 1;
    pattern = malloc(pattern_size + 1);
    path = malloc(path_size + 2); /* not ended by a NUL */
    FUZZ_CHECK(pattern != NULL && path != NULL);
    memcpy(pattern, bytes, pattern_size + 1);
    memcpy(path, end + 1, path_size);
    if (po_text_glob(pattern, path, path_size) && path_size > 0 && path[path_size - 1] != '/') {
        /* What lies in what is matched is matched. */
        memcpy(path + path_size, "/x", 2);
        FUZZ_CHECK(po_text_glob(pattern, path, path_size + 2));
    }
    free(pattern);
    free(path);
    return 0;
}
