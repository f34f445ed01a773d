#include "host/host.h"

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
