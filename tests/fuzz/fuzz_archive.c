/* A whole archive as it stands. Most changes end at a hash: fuzz_sealed.c goes behind those. */
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_read_archive(bytes, size);
    return 0;
}
