/*
 * product.h - which Post.Office it is: the version that its program carries (req: R1). Read from the
 * bytes of the file, so it works for one in an archive, and on any system.
 */
#ifndef PO_ENGINE_PRODUCT_H
#define PO_ENGINE_PRODUCT_H

#include "base/buf.h"

/* The program that tells; below bin. */
#define PO_PRODUCT_PROGRAM "Post.Office.exe"
/* Larger ones are not looked into. */
#define PO_PRODUCT_SIZE_MAX (UINT64_C(64) << 20)
#define PO_PRODUCT_VERSION_SIZE 24

/*
 * "4.2.1.0": the product version of the fixed file information (Windows' VS_FIXEDFILEINFO) in a
 * program's resources; false when there is none. Four numbers of 16 bits.
 */
bool po_product_version(char version[PO_PRODUCT_VERSION_SIZE], const void *program, size_t size);

#endif
