#include "cli/cli.h"

#include "port/sys.h"

#include <locale.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
    struct po_err err;

    /*
     * The tar library shows names that are not ASCII without a warning only in a locale that has
     * them. Nothing else of the locale is changed: numbers and messages stay as they are everywhere.
     */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    if (po_sys_arguments(&argc, &argv, &err) != PO_OK) {
        (void)fprintf(stderr, "pobackup: %s\n", err.text);
        return PO_EXIT_FAILED;
    }
    return po_cli_main(argc, argv);
}
