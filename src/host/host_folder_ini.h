/* host_folder_ini.h - pobackup-site.ini: where the trees of a folder site are, and its services. */
#ifndef PO_HOST_HOST_FOLDER_INI_H
#define PO_HOST_HOST_FOLDER_INI_H

#include "host/host.h"

/* What timeouts are where the file says nothing, and at most. */
#define PO_HOST_FOLDER_TIMEOUT_S 60
#define PO_HOST_FOLDER_TIMEOUT_MAX_S 86400u /* a day */

struct po_host_folder_service {
    struct po_service service; /* its name is `name` below */
    char *name;
    char *start;
    char *stop;
    char *status;
    unsigned line; /* of the section */
};

struct po_host_folder_ini {
    char *tree[PO_PART_COUNT];  /* as written; NULL = not in the file */
    char *known[PO_PART_COUNT]; /* [places]; likewise */
    struct po_host_folder_service *services;
    size_t service_count;
};

/*
 * Reads `path` into an empty *ini; a file that does not exist leaves it empty. PO_E_USAGE names
 * file and line. Deinit in any case.
 */
PO_NODISCARD enum po_status po_host_folder_ini_load(struct po_host_folder_ini *ini,
                                                    const char *path, struct po_err *err);
/* The same of what is in memory; PO_E_USAGE names the line. */
PO_NODISCARD enum po_status po_host_folder_ini_parse(struct po_host_folder_ini *ini,
                                                     const char *text, size_t size,
                                                     struct po_err *err);
void po_host_folder_ini_deinit(struct po_host_folder_ini *ini);

#endif
