/*
 * example.c - the library from outside: writes an archive into memory, opens it, walks through it,
 * reads a message and verifies it. Uses nothing but pobackup.h and the C standard library. Built
 * against the shared and the static library, and against an installed one (tests/install.sh).
 */
#include <pobackup.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE "Post.OfficemailboxBackup/example.com/user01/00000001.MSG"

static const char text[] = "Subject: minutes\r\n\r\nThe minutes are attached.\r\n";

struct memory {
    unsigned char *bytes;
    size_t size;
    size_t capacity;
};

static enum po_status
memory_fail(struct po_err *err, enum po_status status, const char *what)
{
    err->status = status;
    err->os_code = 0;
    snprintf(err->text, sizeof err->text, "%s", what);
    return status;
}

static enum po_status
memory_write(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct memory *memory = ctx;

    if (memory->capacity - memory->size < size) {
        size_t capacity = 2 * memory->capacity + size;
        unsigned char *grown = realloc(memory->bytes, capacity);

        if (grown == NULL)
            return memory_fail(err, PO_E_NOMEM, "out of memory");
        memory->bytes = grown;
        memory->capacity = capacity;
    }
    memcpy(memory->bytes + memory->size, bytes, size);
    memory->size += size;
    return PO_OK;
}

static enum po_status
memory_read_at(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    const struct memory *memory = ctx;

    if (offset > memory->size || memory->size - offset < size)
        return memory_fail(err, PO_E_IO, "read beyond the end");
    memcpy(bytes, memory->bytes + offset, size);
    return PO_OK;
}

static enum po_status
text_read(void *ctx, void *bytes, size_t size, size_t *got, struct po_err *err)
{
    size_t *done = ctx;
    size_t left = sizeof text - 1 - *done;

    (void)err;
    *got = size < left ? size : left;
    memcpy(bytes, text + *done, *got);
    *done += *got;
    return PO_OK;
}

static enum po_status
write_archive(struct memory *memory, unsigned char *digest, struct po_err *err)
{
    struct pobackup_sink sink = { memory, memory_write };
    struct pobackup_writer_options options = { .host = "example", .archive_id = { 1, 2, 3 } };
    struct pobackup_entry directory = {
        .path = "Post.OfficemailboxBackup/example.com/user01",
        .path_size = strlen("Post.OfficemailboxBackup/example.com/user01"),
        .type = POBACKUP_DIRECTORY,
        .write_time = 17639784001234567,
        .create_time = POBACKUP_TIME_UNKNOWN,
        .change_time = POBACKUP_TIME_UNKNOWN,
    };
    struct pobackup_entry message = directory;
    struct pobackup_writer *writer = NULL;
    size_t done = 0;
    enum po_status st;

    message.path = MESSAGE;
    message.path_size = strlen(MESSAGE);
    message.type = POBACKUP_FILE;
    message.size = sizeof text - 1;
    st = pobackup_writer_open(&writer, &sink, &options, err);
    if (st == PO_OK)
        st = pobackup_writer_add(writer, &directory, NULL, NULL, err);
    if (st == PO_OK)
        st = pobackup_writer_add(writer, &message, text_read, &done, err);
    if (st == PO_OK)
        st = pobackup_writer_commit(writer, digest, err);
    pobackup_writer_free(writer);
    return st;
}

/* Lists all entries and reads the message; PO_E_FORMAT if it is not what was written. */
static enum po_status
read_archive(struct pobackup_archive *archive, struct po_err *err)
{
    char content[256] = "";
    size_t got = 0;
    int64_t number;
    enum po_status st;

    for (uint64_t i = 0; i < pobackup_entry_count(archive); i++) {
        struct pobackup_entry entry;

        st = pobackup_entry_at(archive, i, &entry, err);
        if (st != PO_OK)
            return st;
        printf("%8llu  %.*s\n", (unsigned long long)entry.size, (int)entry.path_size, entry.path);
    }
    number = pobackup_entry_find(archive, MESSAGE, strlen(MESSAGE));
    if (number < 0)
        return memory_fail(err, PO_E_FORMAT, "the message is not there");
    st = pobackup_read(archive, (uint64_t)number, 0, content, sizeof content, &got, err);
    if (st != PO_OK)
        return st;
    if (got != sizeof text - 1 || memcmp(content, text, got) != 0)
        return memory_fail(err, PO_E_FORMAT, "the message is not the one that was written");
    return pobackup_verify(archive, 1, NULL, NULL, err);
}

int
main(void)
{
    struct po_err err = { 0 };
    struct memory memory = { 0 };
    struct pobackup_archive *archive = NULL;
    unsigned char written[POBACKUP_DIGEST_SIZE], read[POBACKUP_DIGEST_SIZE];
    enum po_status st;

    st = write_archive(&memory, written, &err);
    if (st == PO_OK) {
        struct pobackup_blob blob = { &memory, memory.size, memory_read_at };

        printf("pobackup %s: %zu bytes\n", pobackup_version(), memory.size);
        st = pobackup_open(&archive, &blob, &err);
    }
    if (st == PO_OK) {
        pobackup_digest(archive, read);
        if (memcmp(written, read, sizeof read) != 0)
            st = memory_fail(&err, PO_E_FORMAT, "the digest is another");
    }
    if (st == PO_OK)
        st = read_archive(archive, &err);
    if (st != PO_OK)
        fprintf(stderr, "%s: %s\n", po_status_name(st), err.text);
    pobackup_close(archive);
    free(memory.bytes);
    return st == PO_OK ? 0 : 1;
}
