/* fuzz.h - what the fuzz targets share. A target ends by abort() when a promise is broken. */
#ifndef PO_TESTS_FUZZ_H
#define PO_TESTS_FUZZ_H

#include <pobackup.h>
#include <stdbool.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Prints what is broken and where, and aborts. */
#define FUZZ_CHECK(condition) fuzz_check((condition), #condition, __FILE__, __LINE__)
void fuzz_check(bool is_true, const char *what, const char *file, int line);

/* Opens these bytes as an archive, verifies it both ways and reads all that is in it. */
void fuzz_read_archive(const uint8_t *bytes, size_t size);

#endif
