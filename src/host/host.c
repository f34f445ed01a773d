#include "host/host.h"

#include <string.h>

static const struct {
    const char *member;
    const char *name;
} parts[PO_PART_COUNT] = {
    [PO_PART_REGISTRY] = { "Post.OfficeRegKeyBackup.reg", "registry" },
    [PO_PART_BIN] = { "Post.OfficeexeBackup", "bin" },
    [PO_PART_SPOOL] = { "Post.OfficeConfigBackup", "spool" },
    [PO_PART_MAILBOX] = { "Post.OfficemailboxBackup", "mailbox" },
};

const char *
po_part_member(enum po_part part)
{
    return parts[part].member;
}

const char *
po_part_name(enum po_part part)
{
    return parts[part].name;
}

const char *
po_service_state_name(enum po_service_state state)
{
    switch (state) {
    case PO_SERVICE_STOPPED:
        return "stopped";
    case PO_SERVICE_RUNNING:
        return "running";
    case PO_SERVICE_UNKNOWN:
        break;
    }
    return "unknown";
}

static const char *const rights_names[PO_RIGHTS_COUNT] = { [PO_RIGHTS_RECORDED] = "recorded",
                                                           [PO_RIGHTS_DEFAULT] = "default",
                                                           [PO_RIGHTS_POPERMS] = "poperms",
                                                           [PO_RIGHTS_KEEP] = "keep" };

const char *
po_rights_name(enum po_rights rights)
{
    return rights_names[rights];
}

bool
po_rights_parse(enum po_rights *out, const char *name)
{
    for (int i = 0; i < PO_RIGHTS_COUNT; i++) {
        if (strcmp(rights_names[i], name) == 0) {
            *out = (enum po_rights)i;
            return true;
        }
    }
    return false;
}

const char *
po_host_known_place(struct po_host *host, enum po_part part)
{
    const char *place = host->ops->known_place == NULL ? NULL : host->ops->known_place(host, part);

    return place != NULL ? place : host->ops->place(host, part);
}
