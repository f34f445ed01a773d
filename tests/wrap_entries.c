/*
 * Writes an archive of the entries that standard input names, whatever their names are; for the
 * tests with hostile ones.
 *
 *   wrap_entries ARCHIVE <LINES
 *
 * A line is "TYPE PATH TEXT", path and text in hexadecimal ("-" for nothing): f a file, d a
 * directory, l a symbolic link, h a hard link, whose text is the target. Prints for each entry
 * "ok", or why the format does not have it; then "committed", or why not.
 */
#include <pobackup.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 70000
#define TIME INT64_C(17639784000000000)

struct content {
    const char *text;
    size_t left;
};

static enum po_status
give(void *ctx, void *bytes, size_t size, size_t *got, struct po_err *err)
{
    struct content *content = ctx;

    (void)err;
    *got = content->left < size ? content->left : size;
    memcpy(bytes, content->text, *got);
    content->text += *got;
    content->left -= *got;
    return PO_OK;
}

static enum po_status
put(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    if (fwrite(bytes, 1, size, ctx) == size)
        return PO_OK;
    err->status = PO_E_IO;
    return PO_E_IO;
}

/* Of the next word; SIZE_MAX at the end of the input. */
static size_t
read_hex(char *out)
{
    static char word[2 * TEXT_MAX + 1];
    size_t size = 0;

    if (scanf(" %140000s", word) != 1)
        return SIZE_MAX;
    for (const char *at = word; at[0] != '\0' && at[0] != '-' && at[1] != '\0'; at += 2) {
        char digits[3] = { at[0], at[1], '\0' };

        out[size++] = (char)strtoul(digits, NULL, 16);
    }
    out[size] = '\0';
    return size;
}

static void
add(struct pobackup_writer *writer, char type, const char *path, size_t path_size, const char *text,
    size_t text_size)
{
    struct pobackup_entry entry = { .path = path,
                                    .path_size = path_size,
                                    .type = type == 'd'   ? POBACKUP_DIRECTORY
                                            : type == 'l' ? POBACKUP_SYMLINK
                                            : type == 'h' ? POBACKUP_HARDLINK
                                                          : POBACKUP_FILE,
                                    .write_time = TIME,
                                    .create_time = POBACKUP_TIME_UNKNOWN,
                                    .change_time = POBACKUP_TIME_UNKNOWN,
                                    .mode = type == 'd' ? 0755 : 0644 };
    struct content content = { text, text_size };
    struct po_err err = { 0 };

    if (entry.type == POBACKUP_FILE)
        entry.size = text_size;
    if (entry.type == POBACKUP_SYMLINK || entry.type == POBACKUP_HARDLINK) {
        entry.link = text;
        entry.link_size = text_size;
    }
    puts(pobackup_writer_add(writer, &entry, give, &content, &err) == PO_OK ? "ok" : err.text);
}

int
main(int argc, char **argv)
{
    static char path[TEXT_MAX + 1];
    static char text[TEXT_MAX + 1];
    const struct pobackup_writer_options options = { .level = 1 };
    struct pobackup_sink sink = { .write = put };
    struct pobackup_writer *writer = NULL;
    struct po_err err = { 0 };
    FILE *file = argc == 2 ? fopen(argv[1], "wb") : NULL;
    char type;
    int code = EXIT_FAILURE;

    if (file == NULL)
        return EXIT_FAILURE;
    sink.ctx = file;
    if (pobackup_writer_open(&writer, &sink, &options, &err) == PO_OK) {
        while (scanf(" %c", &type) == 1) {
            size_t path_size = read_hex(path);
            size_t text_size = read_hex(text);

            if (path_size == SIZE_MAX || text_size == SIZE_MAX)
                break;
            add(writer, type, path, path_size, text, text_size);
        }
        if (pobackup_writer_commit(writer, NULL, &err) == PO_OK)
            code = EXIT_SUCCESS;
    }
    puts(code == EXIT_SUCCESS ? "committed" : err.text);
    pobackup_writer_free(writer);
    if (fclose(file) != 0)
        code = EXIT_FAILURE;
    return code;
}
