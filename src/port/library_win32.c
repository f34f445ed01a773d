#include "port/library.h"

#include "base/mem.h"

#include <windows.h>

struct po_library {
    HMODULE handle;
};

enum po_status
po_library_open(struct po_library **out, const char *name, struct po_err *err)
{
    struct po_library *library = po_mem_new(1, sizeof(*library));

    if (library == NULL)
        return po_fail_nomem(err, sizeof(*library));
    library->handle = LoadLibraryA(name);
    if (library->handle == NULL) {
        po_mem_free(library);
        return po_fail(err, PO_E_UNSUPPORTED, "%s is not on this machine (%s)", name, "library");
    }
    *out = library;
    return PO_OK;
}

void
po_library_free(struct po_library *library)
{
    if (library == NULL)
        return;
    (void)FreeLibrary(library->handle);
    po_mem_free(library);
}

po_library_fn
po_library_find(const struct po_library *library, const char *name)
{
    return (po_library_fn)GetProcAddress(library->handle, name);
}
