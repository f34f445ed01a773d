// The header serves C++ too: compiled, not linked.
#include <pobackup.h>

#include <cstdio>

int
main()
{
    struct po_err err = {};
    struct pobackup_blob blob = {};
    struct pobackup_archive *archive = nullptr;

    if (pobackup_open(&archive, &blob, &err) != PO_OK)
        std::printf("%s: %s\n", po_status_name(err.status), err.text);
    pobackup_close(archive);
}
