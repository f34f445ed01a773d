#include "cli/cli.h"

#include <locale.h>

int
main(int argc, char **argv)
{
    /*
     * The tar library shows names that are not ASCII only in a locale that has them. Nothing else
     * of the locale is changed: numbers and messages stay as they are everywhere. Where there is no
     * C.UTF-8 such names are compared with less (archive/witness.h).
     */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    return po_cli_main(argc, argv);
}
