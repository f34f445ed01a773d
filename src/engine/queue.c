#include "engine/queue.h"

#include "base/mem.h"
#include "base/sort.h"
#include "base/text.h"

#include <string.h>

#define CONTROL 1u
#define HEADER 2u
#define BODY 4u
#define WHOLE (CONTROL | HEADER | BODY)

static const struct {
    const char *suffix;
    const char *name;
    unsigned bit;
} kinds[] = {
    { "-Control", "Control", CONTROL },
    { "-Header", "Header", HEADER },
    { "-Body", "Body", BODY },
};

#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

/* A file of the queue: the name of its set, and which of the three it is. */
struct part {
    size_t start; /* in `names` */
    size_t size;
    unsigned bit;
};

/* After po_queue_finish the first `broken_count` parts stand for the sets without all their files,
 * each with the bits of what is there. */
struct po_queue {
    struct po_buf names;
    struct part *parts;
    size_t count;
    size_t capacity;
    size_t whole;
    size_t broken_count;
};

static unsigned char
lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

/* po_text_is_equal_nocase for what does not end with a NUL. */
static bool
is_same(const char *bytes, size_t size, const char *text)
{
    if (size != strlen(text))
        return false;
    for (size_t i = 0; i < size; i++)
        if (lower((unsigned char)bytes[i]) != lower((unsigned char)text[i]))
            return false;
    return true;
}

/* 0: not the queue's. Else which of the three, and where the name of the set is. */
static unsigned
part_of(const char *path, size_t size, const char **name, size_t *name_size)
{
    const char *slash = size == 0 ? NULL : memchr(path, '/', size);
    size_t folder_size = slash == NULL ? 0 : (size_t)(slash - path);
    const char *file;
    size_t file_size;

    if (slash == NULL ||
        !(is_same(path, folder_size, "control") || is_same(path, folder_size, "messages")))
        return 0;
    file = slash + 1;
    file_size = size - folder_size - 1;
    if (file_size == 0 || memchr(file, '/', file_size) != NULL)
        return 0;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        size_t suffix_size = strlen(kinds[i].suffix);

        if (file_size <= suffix_size ||
            !is_same(file + file_size - suffix_size, suffix_size, kinds[i].suffix))
            continue;
        *name = file;
        *name_size = file_size - suffix_size;
        return kinds[i].bit;
    }
    return 0;
}

bool
po_queue_is_part(const char *path, size_t size)
{
    const char *name;
    size_t name_size;

    return part_of(path, size, &name, &name_size) != 0;
}

enum po_status
po_queue_new(struct po_queue **out, struct po_err *err)
{
    struct po_queue *queue = po_mem_new(1, sizeof *queue);

    if (queue == NULL)
        return po_fail_nomem(err, sizeof *queue);
    *out = queue;
    return PO_OK;
}

void
po_queue_free(struct po_queue *queue)
{
    if (queue == NULL)
        return;
    po_buf_deinit(&queue->names);
    po_mem_free(queue->parts);
    po_mem_free(queue);
}

enum po_status
po_queue_add(struct po_queue *queue, const char *path, size_t size, struct po_err *err)
{
    const char *name = NULL;
    size_t name_size = 0;
    unsigned bit = part_of(path, size, &name, &name_size);

    if (bit == 0)
        return PO_OK;
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity == 0 ? 256 : queue->capacity * 2;
        struct part *parts = po_mem_resize(queue->parts, capacity, sizeof *parts);

        if (parts == NULL)
            return po_fail_nomem(err, capacity * sizeof *parts);
        queue->parts = parts;
        queue->capacity = capacity;
    }
    queue->parts[queue->count++] =
        (struct part){ .start = queue->names.size, .size = name_size, .bit = bit };
    po_buf_put(&queue->names, name, name_size);
    return po_buf_check(&queue->names, err);
}

static int
compare_parts(const void *ctx, uint32_t a, uint32_t b)
{
    const struct po_queue *queue = ctx;
    const struct part *left = &queue->parts[a];
    const struct part *right = &queue->parts[b];
    const uint8_t *left_name = queue->names.bytes + left->start;
    const uint8_t *right_name = queue->names.bytes + right->start;

    for (size_t i = 0; i < left->size && i < right->size; i++) {
        int difference = lower(left_name[i]) - lower(right_name[i]);

        if (difference != 0)
            return difference;
    }
    return (left->size > right->size) - (left->size < right->size);
}

/* `order`: the parts by name, so that a set stands together. */
static void
count_sets(struct po_queue *queue, const uint32_t *order, struct part *broken)
{
    for (size_t i = 0; i < queue->count;) {
        struct part set = queue->parts[order[i]];
        uint32_t first = order[i];

        for (; i < queue->count && compare_parts(queue, first, order[i]) == 0; i++)
            set.bit |= queue->parts[order[i]].bit;
        if (set.bit == WHOLE)
            queue->whole++;
        else
            broken[queue->broken_count++] = set;
    }
}

enum po_status
po_queue_finish(struct po_queue *queue, struct po_err *err)
{
    uint32_t *numbers = NULL;
    struct part *broken = NULL;
    enum po_status st = PO_OK;

    if (queue->count > UINT32_MAX / 2)
        return po_fail(err, PO_E_IO, "more files in the queue than can be counted");
    numbers = po_mem_new(queue->count, 2 * sizeof *numbers); /* and as many spare ones */
    broken = po_mem_new(queue->count, sizeof *broken);
    if (numbers == NULL || broken == NULL) {
        st = po_fail_nomem(err, queue->count * (2 * sizeof *numbers + sizeof *broken));
        goto done;
    }
    for (uint32_t i = 0; i < queue->count; i++)
        numbers[i] = i;
    po_sort_numbers(numbers, numbers + queue->count, (uint32_t)queue->count, compare_parts, queue);
    count_sets(queue, numbers, broken);
    po_mem_free(queue->parts);
    queue->parts = broken;
    queue->count = queue->broken_count;
    broken = NULL;
done:
    po_mem_free(numbers);
    po_mem_free(broken);
    return st;
}

size_t
po_queue_whole(const struct po_queue *queue)
{
    return queue->whole;
}

size_t
po_queue_broken_count(const struct po_queue *queue)
{
    return queue->broken_count;
}

/* "Control and Header", of the kinds whose bits are in `bits`. */
static void
put_kinds(struct po_buf *out, unsigned bits)
{
    const char *between = "";

    for (size_t i = 0; i < KIND_COUNT; i++) {
        if ((bits & kinds[i].bit) == 0)
            continue;
        po_buf_printf(out, "%s%s", between, kinds[i].name);
        between = " and ";
    }
}

void
po_queue_put_broken(const struct po_queue *queue, size_t number, struct po_buf *out)
{
    const struct part *set = &queue->parts[number];

    po_text_put_name(out, queue->names.bytes + set->start, set->size);
    po_buf_put_text(out, ": ");
    put_kinds(out, set->bit);
    po_buf_put_text(out, " without ");
    put_kinds(out, WHOLE & ~set->bit);
}
