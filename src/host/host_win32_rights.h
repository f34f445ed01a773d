/*
 * host_win32_rights.h - setting the rights of files and directories (req: R7), beneath an opened
 * root, never following a link. Two ways: a descriptor that an archive recorded, for one node; or
 * our own rule (security_rule.h) for whole trees.
 *
 * What is set is exactly what is given: the native call changes one node and nothing below it, so
 * there is no inheriting by the system that would walk trees on its own. It needs the privileges
 * SeRestore (any owner, any node) and SeSecurity (SACLs): host_win32_admin.h enables them.
 */
#ifndef PO_HOST_HOST_WIN32_RIGHTS_H
#define PO_HOST_HOST_WIN32_RIGHTS_H

#include "host/security_descriptor.h"
#include "port/file_win32.h"

/* The calls below it, so that they can fail. Each returns an NTSTATUS. */
struct po_win32_rights_calls {
    LONG (*open)(const struct po_place *place, HANDLE *out, ACCESS_MASK access);
    /* As NtSetSecurityObject; the descriptor is self-relative and right. */
    LONG (*set)(HANDLE handle, SECURITY_INFORMATION parts, const void *descriptor, size_t size);
};
extern const struct po_win32_rights_calls po_win32_rights_calls;

/* A descriptor made ready for setting, once for all nodes that get it. { 0 } is none. */
struct po_win32_rights {
    struct po_buf descriptor;
    SECURITY_INFORMATION parts;
};
/*
 * Checks the bytes, whoever they come from (PO_E_FORMAT), and takes the parts that they have: a
 * descriptor without a DACL leaves that of the node as it is, and does not open it to everyone.
 */
PO_NODISCARD enum po_status po_win32_rights_prepare(struct po_win32_rights *out, const void *bytes,
                                                    size_t size, struct po_err *err);
void po_win32_rights_deinit(struct po_win32_rights *rights);

/*
 * Of one open file or directory. The handle must have WRITE_DAC, WRITE_OWNER and, for a SACL,
 * ACCESS_SYSTEM_SECURITY. PO_E_UNSUPPORTED where the file system has no rights.
 */
PO_NODISCARD enum po_status po_win32_rights_set_handle(const struct po_win32_rights_calls *calls,
                                                       HANDLE handle,
                                                       const struct po_win32_rights *rights,
                                                       struct po_err *err);
/*
 * Of the node at a path ("" = the root itself; of a link itself, not what it leads to). A SACL that
 * may not be set is left out, and *sacl_left_out set to true; it is never set to false.
 */
PO_NODISCARD enum po_status po_win32_rights_set(const struct po_win32_rights_calls *calls,
                                                struct po_dir *dir, const char *path,
                                                size_t path_size,
                                                const struct po_win32_rights *rights,
                                                bool *sacl_left_out, struct po_err *err);

/* ---- the default rule, for trees ---- */

/*
 * How a tree is watched; all may be NULL. A node whose rights could not be set is a problem: named
 * by the number of its root and its path below it, counted, and passed over; a problem that does not
 * return PO_OK ends the run.
 */
struct po_win32_rights_watch {
    enum po_status (*problem)(void *ctx, size_t root, const char *path, size_t path_size,
                              const struct po_err *failure, struct po_err *err);
    void (*progress)(void *ctx, uint64_t done);
    void *ctx;
    const volatile int *cancel;
};

struct po_win32_rights_count {
    uint64_t done;
    uint64_t failed;
};

/*
 * Sets the default rule: at each root, and below it on everything, so that all inherits from the
 * root alone. Roots come first; a root that fails ends the run. Links get rights themselves and are
 * not followed, and a root that lies in another is done once.
 *
 * A file with several names (hard links) is done only when all of them lie in these trees. Else it
 * is a problem and stays as it is: whoever may write in a tree could have put a link there to a file
 * of the system, and would get rights to that.
 */
PO_NODISCARD enum po_status
po_win32_rights_default(const struct po_win32_rights_calls *calls, struct po_dir *const *roots,
                        size_t root_count, const struct po_sid *account, const struct po_sid *group,
                        const struct po_win32_rights_watch *watch,
                        struct po_win32_rights_count *count, struct po_err *err);

#endif
