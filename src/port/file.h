/*
 * file.h - files and directories, always relative to an opened directory.
 *
 * A struct po_dir is a handle to a root. Paths given with it are bytes with '/' between components,
 * of any length (longer than PATH_MAX too), relative, without "." or ".." components; "" is the
 * root itself. No call follows a symbolic link, neither in the last component nor on the way: a
 * link on the way is an error (ELOOP). So nothing outside the root can be reached, whoever changes
 * the tree meanwhile.
 *
 * Errors carry the OS code; messages name the path as text.
 */
#ifndef PO_PORT_FILE_H
#define PO_PORT_FILE_H

#include "base/err.h"

#include <stdbool.h>

struct po_dir;
struct po_file;

enum po_node_type {
    PO_NODE_FILE = 1,
    PO_NODE_DIRECTORY,
    PO_NODE_SYMLINK,
    PO_NODE_FIFO,
    PO_NODE_DEVICE,
    PO_NODE_SOCKET,
    PO_NODE_OTHER
};

struct po_node_info {
    enum po_node_type type;
    uint64_t size;
    int64_t write_time; /* 100 ns steps since 1970, rounded down */
    int64_t create_time;
    int64_t change_time;
    uint64_t file_id;
    uint64_t device;
    uint32_t link_count; /* 0: not known, when listed on Windows */
    uint32_t attributes; /* Windows; 0 elsewhere */
    uint32_t tag;        /* of a reparse point (Windows); 0 = none */
    bool has_owner;      /* mode, uid and gid are known: not on Windows, which has descriptors */
    uint32_t mode;       /* permission bits, 07777 */
    uint32_t uid;
    uint32_t gid;
};

/*
 * A path of the system as the user typed it: the only calls that follow links and take absolute
 * paths.
 */
PO_NODISCARD enum po_status po_dir_open(struct po_dir **out, const char *os_path,
                                        struct po_err *err);
/* Makes it (and its parents) where missing. */
PO_NODISCARD enum po_status po_dir_open_make(struct po_dir **out, const char *os_path,
                                             struct po_err *err);
/*
 * The same; the directory itself, when it is made, is for its owner alone (mode 0700; on Windows for the
 * user, administrators and the system). One that is there stays as it is.
 */
PO_NODISCARD enum po_status po_dir_open_make_private(struct po_dir **out, const char *os_path,
                                                     struct po_err *err);
/* A directory below another as a root of its own. */
PO_NODISCARD enum po_status po_dir_open_below(struct po_dir **out, struct po_dir *dir,
                                              const char *path, size_t path_size,
                                              struct po_err *err);
void po_dir_free(struct po_dir *dir);

/* *exists = false (and PO_OK) when there is nothing; other failures are failures. */
PO_NODISCARD enum po_status po_dir_stat(struct po_dir *dir, const char *path, size_t path_size,
                                        struct po_node_info *info, bool *exists,
                                        struct po_err *err);
PO_NODISCARD enum po_status po_os_stat(const char *os_path, struct po_node_info *info, bool *exists,
                                       struct po_err *err);

/*
 * Called once for each child; `name` is one component. info->type is right; when the child cannot
 * be examined, `failure` is not NULL and info is empty.
 */
typedef enum po_status (*po_dir_list_fn)(void *ctx, const char *name, size_t name_size,
                                         const struct po_node_info *info,
                                         const struct po_err *failure, struct po_err *err);
/*
 * Lists the directory `path`; order is the system's. Stops at the first callback that fails and
 * returns its status.
 */
PO_NODISCARD enum po_status po_dir_list(struct po_dir *dir, const char *path, size_t path_size,
                                        po_dir_list_fn each, void *ctx, struct po_err *err);

PO_NODISCARD enum po_status po_dir_read_link(struct po_dir *dir, const char *path, size_t path_size,
                                             char **target, size_t *target_size,
                                             struct po_err *err);
/* Mode as POSIX; already there as a directory is PO_OK. */
PO_NODISCARD enum po_status po_dir_make(struct po_dir *dir, const char *path, size_t path_size,
                                        uint32_t mode, struct po_err *err);
/* Makes it and its missing parents. */
PO_NODISCARD enum po_status po_dir_make_all(struct po_dir *dir, const char *path, size_t path_size,
                                            struct po_err *err);
/* A file, a link, or an empty directory. */
PO_NODISCARD enum po_status po_dir_remove(struct po_dir *dir, const char *path, size_t path_size,
                                          struct po_err *err);
/* All that lies below and itself; "" empties the root and leaves it. */
PO_NODISCARD enum po_status po_dir_remove_all(struct po_dir *dir, const char *path,
                                              size_t path_size, struct po_err *err);
/*
 * A plain rename; `replace` false fails with EEXIST when something is there (atomically where the
 * system can).
 */
PO_NODISCARD enum po_status po_dir_rename(struct po_dir *from, const char *from_path,
                                          size_t from_size, struct po_dir *to, const char *to_path,
                                          size_t to_size, bool replace, struct po_err *err);
/* `is_directory`: what it leads to is one, which Windows wants to know when the link is made. */
PO_NODISCARD enum po_status po_dir_make_symlink(struct po_dir *dir, const char *path,
                                                size_t path_size, const char *target,
                                                size_t target_size, bool is_directory,
                                                struct po_err *err);
PO_NODISCARD enum po_status po_dir_make_hardlink(struct po_dir *dir, const char *path,
                                                 size_t path_size, const char *existing,
                                                 size_t existing_size, struct po_err *err);
/* Of a file, directory or link itself. */
PO_NODISCARD enum po_status po_dir_set_write_time(struct po_dir *dir, const char *path,
                                                  size_t path_size, int64_t time,
                                                  struct po_err *err);
/* Owner and permission bits; not being allowed to change the owner is PO_E_IO with EPERM. */
PO_NODISCARD enum po_status po_dir_set_owner(struct po_dir *dir, const char *path, size_t path_size,
                                             uint32_t uid, uint32_t gid, struct po_err *err);
PO_NODISCARD enum po_status po_dir_set_mode(struct po_dir *dir, const char *path, size_t path_size,
                                            uint32_t mode, struct po_err *err);
/*
 * What only Windows has; on other systems these do nothing. Appends the node's self-relative
 * security descriptor: owner, group, DACL, and SACL where the process may see it; nothing where the
 * file system has none.
 */
struct po_buf;
PO_NODISCARD enum po_status po_dir_put_security(struct po_dir *dir, const char *path,
                                                size_t path_size, struct po_buf *out,
                                                struct po_err *err);
/* Time of creation (POBACKUP_TIME_UNKNOWN stays) and attributes (0 stay; only those one may set). */
PO_NODISCARD enum po_status po_dir_set_windows_facts(struct po_dir *dir, const char *path,
                                                     size_t path_size, int64_t create_time,
                                                     uint32_t attributes, struct po_err *err);
PO_NODISCARD enum po_status po_file_set_windows_facts(struct po_file *file, int64_t create_time,
                                                      uint32_t attributes, struct po_err *err);
/* Everything written on the volume of this directory is on disk afterwards (syncfs). */
PO_NODISCARD enum po_status po_dir_sync_volume(struct po_dir *dir, struct po_err *err);
/* The directory's own entries (fsync of the handle). */
PO_NODISCARD enum po_status po_dir_sync(struct po_dir *dir, struct po_err *err);
PO_NODISCARD enum po_status po_dir_space(struct po_dir *dir, uint64_t *free_bytes,
                                         uint64_t *total_bytes, struct po_err *err);
uint64_t po_dir_device(const struct po_dir *dir);

enum po_file_how {
    PO_FILE_READ,
    PO_FILE_CREATE,  /* write; fails with EEXIST when something is there */
    PO_FILE_REPLACE, /* write; truncates a regular file that is there */
    PO_FILE_UPDATE,  /* write into an existing regular file */
};

/*
 * Opens a regular file; anything else is an error, and never blocks (a FIFO). Mode is for new
 * files.
 */
PO_NODISCARD enum po_status po_file_open(struct po_file **out, struct po_dir *dir, const char *path,
                                         size_t path_size, enum po_file_how how, uint32_t mode,
                                         struct po_err *err);
/*
 * A user's path, following links; FIFOs and devices are allowed too ("/dev/zero"), which have no
 * offsets: they are read and written in order.
 */
PO_NODISCARD enum po_status po_os_file_open(struct po_file **out, const char *os_path,
                                            enum po_file_how how, struct po_err *err);
/* Standard input (0) or output (1), in order only; closing does not close it. */
PO_NODISCARD enum po_status po_file_standard(struct po_file **out, int number, struct po_err *err);
PO_NODISCARD enum po_status po_file_info(struct po_file *file, struct po_node_info *info,
                                         struct po_err *err);
/* As it was when it was opened, or is now: for who looks again later, and wants no call of the system for it. */
PO_NODISCARD enum po_status po_file_info_opened(struct po_file *file, struct po_node_info *info,
                                                struct po_err *err);
/*
 * Up to `size` bytes at `offset`; *got less than size only at the end of the file. Interrupted
 * calls go on.
 */
PO_NODISCARD enum po_status po_file_read_at(struct po_file *file, uint64_t offset, void *bytes,
                                            size_t size, size_t *got, struct po_err *err);
/* All of it at `offset`. */
PO_NODISCARD enum po_status po_file_write_at(struct po_file *file, uint64_t offset,
                                             const void *bytes, size_t size, struct po_err *err);
/*
 * From now on a write to a stream that nobody reads looks at *cancel several times a second, and is
 * PO_E_CANCELLED when it is not 0. (Not on Windows, whose pipes cannot be asked.)
 */
void po_file_set_cancel(struct po_file *file, const volatile int *cancel);
/* All of it at the current end of a stream or file. */
PO_NODISCARD enum po_status po_file_write(struct po_file *file, const void *bytes, size_t size,
                                          struct po_err *err);
PO_NODISCARD enum po_status po_file_set_size(struct po_file *file, uint64_t size,
                                             struct po_err *err);
PO_NODISCARD enum po_status po_file_set_owner(struct po_file *file, uint32_t uid, uint32_t gid,
                                              struct po_err *err);
PO_NODISCARD enum po_status po_file_set_mode(struct po_file *file, uint32_t mode,
                                             struct po_err *err);
PO_NODISCARD enum po_status po_file_set_write_time(struct po_file *file, int64_t time,
                                                   struct po_err *err);
PO_NODISCARD enum po_status po_file_sync(struct po_file *file, struct po_err *err);
/* Whether writes by other threads go on while a file is synced. */
bool po_file_syncs_beside_writes(void);
/* It will be read from front to back: a hint, never fails. */
void po_file_hint_sequential(struct po_file *file);
/* What was written may go to the disk now, which po_file_sync then need not wait for: a hint, never fails. */
void po_file_hint_write(struct po_file *file);
/* Closes and reports what the system held back until then. Frees in any case. */
PO_NODISCARD enum po_status po_file_close(struct po_file *file, struct po_err *err);
/* Closes, reporting nothing. NULL is fine. */
void po_file_free(struct po_file *file);

/*
 * Path text, no file is touched: *dir_size bytes are the directory part ("" = none), the rest
 * behind the '/' (on Windows '\\' too) is the name.
 */
void po_path_split(const char *path, size_t path_size, size_t *dir_size, size_t *name_start);
/* Whether it is the top of a file system, which has nothing above: "/", "C:/", "//server/share". */
bool po_os_path_is_root(const char *path, size_t path_size);
/*
 * "a/b" from "a" and "b" (either may be absolute or end in '/'); NULL when out of memory. Uses the
 * system's separator.
 */
char *po_os_path_join(const char *dir, const char *name);
/*
 * Whether an absolute path is another one or lies below it, as text: neither has links, "." or "..";
 * case does not count where the system's names have none.
 */
PO_NODISCARD enum po_status po_os_path_is_inside(bool *is_inside, const char *path,
                                                 const char *directory, struct po_err *err);
/* The absolute, link-free form of an existing path; NULL and PO_E_IO when it does not exist. */
PO_NODISCARD enum po_status po_os_path_real(char **out, const char *os_path, struct po_err *err);

/*
 * A lock between processes, on a file that is made (mode 0600) where missing; a link or anything
 * else is an error. Held until po_lock_free or the end of the process, however it ends. *out = NULL
 * (and PO_OK) when somebody holds it, in this process too. What is locked is the file that has the
 * name when the call returns, whatever a former holder did with the one that had it before.
 */
struct po_lock;
PO_NODISCARD enum po_status po_lock_take(struct po_lock **out, const char *os_path,
                                         struct po_err *err);
/*
 * The same, for a file of secrets: it is always made by this call, for its owner alone (mode 0600; on
 * Windows for the user, administrators and the system), so that nobody else has it open or owns it. One
 * that is there, and that nobody holds, is removed first.
 */
PO_NODISCARD enum po_status po_lock_take_private(struct po_lock **out, const char *os_path,
                                                 struct po_err *err);
/* Lets go; the file stays. NULL is fine. */
void po_lock_free(struct po_lock *lock);

#endif
