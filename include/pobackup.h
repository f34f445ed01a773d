/*
 * pobackup.h - read and write pobackup archives (format-spec/format.md).
 *
 * The library does no input or output of its own and starts no threads: bytes go through the
 * callbacks given here. Objects are independent of each other; one object is used by one thread at
 * a time. All sizes and offsets are in bytes, all times in steps of 100 ns since
 * 1970-01-01T00:00:00Z (POBACKUP_TIME_UNKNOWN: not known). Names are bytes, normally UTF-8, with
 * '/' between components, never ended by a NUL; the `_size` beside them counts them.
 *
 * Functions that can fail return enum po_status and describe the failure in *err (never NULL). On
 * failure, output arguments are untouched.
 */
#ifndef POBACKUP_H
#define POBACKUP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PO_NODISCARD __attribute__((warn_unused_result))
#else
#define PO_NODISCARD
#endif

/* On Windows the library is static alone. */
#if defined(__GNUC__) && !defined(_WIN32)
#define PO_PUBLIC __attribute__((visibility("default")))
#else
#define PO_PUBLIC
#endif

/* What a call came to. Only PO_OK is success. */
enum po_status {
    PO_OK = 0,
    PO_E_CANCELLED,   /* the caller asked to stop */
    PO_E_NOMEM,       /* memory ran out */
    PO_E_IO,          /* the system or a callback could not read or write */
    PO_E_FORMAT,      /* bytes break a MUST of the format: damaged */
    PO_E_UNSUPPORTED, /* valid, but newer than this library, or not a pobackup archive */
    PO_E_AUTH,        /* wrong key, or tampering */
    PO_E_USAGE,       /* the caller asked for something that makes no sense */
};

/*
 * A failure: owned by the caller, of fixed size, so that "out of memory" can be told too. What is
 * said of an archive that is damaged or not supported ends in the rule of format.md: "index: wrong
 * magic (INDEX-1)".
 */
struct po_err {
    enum po_status status;
    uint32_t os_code; /* errno or GetLastError(), 0 if none */
    char text[1024];  /* UTF-8, one line, no full stop */
};

/* "out of memory", "damaged", ... for a status: a static string. */
PO_PUBLIC const char *po_status_name(enum po_status status);

/* The library's version, "MAJOR.MINOR.PATCH". */
PO_PUBLIC const char *pobackup_version(void);

#define POBACKUP_TIME_UNKNOWN INT64_MIN
#define POBACKUP_DIGEST_SIZE 32 /* BLAKE2b-256 */
#define POBACKUP_HASH_SIZE 16   /* XXH3-128, canonical form */
#define POBACKUP_ID_SIZE 16

/* Entry types, as in section 5 of the format. */
enum pobackup_type {
    POBACKUP_FILE = 1,
    POBACKUP_DIRECTORY = 2,
    POBACKUP_SYMLINK = 3,
    POBACKUP_HARDLINK = 4,
};

/* Where an archive's bytes go, strictly in order. A failing write ends the archive. */
struct pobackup_sink {
    void *ctx;
    enum po_status (*write)(void *ctx, const void *bytes, size_t size, struct po_err *err);
};

/*
 * Where an archive's bytes come from, in any order. read_at fills all of `size` bytes or fails; it
 * is never asked beyond `size`.
 */
struct pobackup_blob {
    void *ctx;
    uint64_t size;
    enum po_status (*read_at)(void *ctx, uint64_t offset, void *bytes, size_t size,
                              struct po_err *err);
};

/* What is known of one entry. Pointers given by the library live as long as the archive object. */
struct pobackup_entry {
    const char *path;
    size_t path_size;
    enum pobackup_type type;
    uint64_t size;       /* of the content; 0 unless a file */
    int64_t write_time;  /* 100 ns steps */
    int64_t create_time; /* or POBACKUP_TIME_UNKNOWN */
    int64_t change_time; /* or POBACKUP_TIME_UNKNOWN */
    uint64_t file_id;    /* inode or file reference number; 0 = not known */
    uint32_t attributes; /* Windows file attributes; 0 = not known */
    uint32_t mode;       /* POSIX permission bits; read: 0 if no descriptor of kind POSIX */
    uint32_t uid;
    uint32_t gid;
    const char *link; /* target of a symbolic or hard link, else NULL */
    size_t link_size;
    uint32_t source; /* 0 = in this archive, n = in parent n */
    uint32_t frame;  /* where the member begins (set by the library) */
    uint32_t offset; /* of its first header block in the frame's content (set by the library) */
    /* XXH3-128 of the content; zero unless a file (set by the library) */
    uint8_t hash[POBACKUP_HASH_SIZE];
};

/* ---- writing ---- */

struct pobackup_writer;

struct pobackup_writer_options {
    int level;                            /* zstd level; 0 = 3 */
    uint32_t frame_size;                  /* content bytes a frame, 64 KiB to 32 MiB; 0 = 8 MiB */
    int no_frame_check;                   /* not 0: do not decode each frame before it is written */
    const char *host;                     /* for the manifest; NULL = "" */
    int64_t created;                      /* for the manifest */
    uint8_t archive_id[POBACKUP_ID_SIZE]; /* random */
};

/* Begins an archive; *sink and *options are copied. Writes the manifest. */
PO_PUBLIC PO_NODISCARD enum po_status
pobackup_writer_open(struct pobackup_writer **out, const struct pobackup_sink *sink,
                     const struct pobackup_writer_options *options, struct po_err *err);

/* Gives the next bytes of an entry's content: up to `size` into `bytes`, *got = 0 at the end. */
typedef enum po_status (*pobackup_read_fn)(void *ctx, void *bytes, size_t size, size_t *got,
                                           struct po_err *err);

/*
 * Adds an entry. A file's content is asked for through `read` until entry->size bytes came; PO_E_IO
 * if it ends before. For other types `read` may be NULL. A directory need not come before what lies
 * in it. PO_E_USAGE if the path is not allowed (TAR-8); that it was added
 * before is found at the commit.
 */
PO_PUBLIC PO_NODISCARD enum po_status pobackup_writer_add(struct pobackup_writer *writer,
                                                          const struct pobackup_entry *entry,
                                                          pobackup_read_fn read, void *ctx,
                                                          struct po_err *err);

/*
 * Writes summary, index, trailer and seek table. The archive is whole only after PO_OK. `digest`
 * may be NULL.
 */
PO_PUBLIC PO_NODISCARD enum po_status pobackup_writer_commit(struct pobackup_writer *writer,
                                                             uint8_t digest[POBACKUP_DIGEST_SIZE],
                                                             struct po_err *err);

/* Frees it; without a commit before, what was written is no archive. NULL is fine. */
PO_PUBLIC void pobackup_writer_free(struct pobackup_writer *writer);

/* ---- reading ---- */

struct pobackup_archive;

/*
 * Opens an archive: reads and checks seek table, trailer, index and manifest (every rule of
 * format.md but those of the data frames' bytes). PO_E_FORMAT: damaged. PO_E_UNSUPPORTED: not an
 * archive, or newer. *blob is copied.
 */
PO_PUBLIC PO_NODISCARD enum po_status
pobackup_open(struct pobackup_archive **out, const struct pobackup_blob *blob, struct po_err *err);
PO_PUBLIC void pobackup_close(struct pobackup_archive *archive);

/* The number of entries, sorted by path (byte order). */
PO_PUBLIC uint64_t pobackup_entry_count(const struct pobackup_archive *archive);

/* Entry `number` (0 to count - 1); a greater number is PO_E_USAGE. */
PO_PUBLIC PO_NODISCARD enum po_status pobackup_entry_at(const struct pobackup_archive *archive,
                                                        uint64_t number,
                                                        struct pobackup_entry *entry,
                                                        struct po_err *err);

/* The number of the entry with this path, or -1. */
PO_PUBLIC int64_t pobackup_entry_find(const struct pobackup_archive *archive, const char *path,
                                      size_t path_size);

/* The manifest: JSON text of *size bytes, not ended by a NUL. */
PO_PUBLIC const char *pobackup_manifest(const struct pobackup_archive *archive, size_t *size);

/* The archive's digest (format.md, section 6). */
PO_PUBLIC void pobackup_digest(const struct pobackup_archive *archive,
                               uint8_t digest[POBACKUP_DIGEST_SIZE]);

/*
 * Reads `size` bytes at `offset` of a file's content into `bytes`; *got is less only at the end of
 * the file. The frames' digests are checked; the file's own hash too when the whole file is read in
 * one call. PO_E_USAGE if it is no file or lies in a parent.
 */
PO_PUBLIC PO_NODISCARD enum po_status pobackup_read(struct pobackup_archive *archive,
                                                    uint64_t number, uint64_t offset, void *bytes,
                                                    size_t size, size_t *got, struct po_err *err);

/* Told once for each entry that damage hits. */
typedef void (*pobackup_hit_fn)(void *ctx, const struct pobackup_entry *entry);

/*
 * Checks every byte. deep = 0: hashes of all frames. deep = 1: also decodes every frame, hashes
 * every file and compares tar and index. Goes on after damage in a data frame, so that `hit` (may
 * be NULL) is told of every entry hit; returns PO_E_FORMAT then, *err has the first.
 */
PO_PUBLIC PO_NODISCARD enum po_status pobackup_verify(struct pobackup_archive *archive, int deep,
                                                      pobackup_hit_fn hit, void *ctx,
                                                      struct po_err *err);

#ifdef __cplusplus
}
#endif

#endif
