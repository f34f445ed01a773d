/*
 * The mail queue. A message that waits is a set of three files of one name in the spool's folders
 * "control" and "messages": NAME-Control, NAME-Header, NAME-Body. Versions up to 4.0 left parts of
 * sets behind. They are told and left alone: what they are worth is for people to judge (req: W1).
 */
#include "base/mem.h"
#include "base/sort.h"
#include "base/text.h"
#include "engine/doctor_checks.h"
#include "port/file.h"

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

struct queue {
    struct po_doctor *doctor;
    struct po_dir *spool;
    struct po_buf folders; /* names of "control" and "messages" as found, each ended by a NUL */
    struct po_buf names;
    struct part *parts;
    size_t count;
    size_t capacity;
};

/* Windows does not care for case, and a copy on another system keeps whatever was there. */
static bool
ends_with(const char *name, size_t name_size, const char *suffix)
{
    char end[16];
    size_t size = strlen(suffix);

    if (name_size <= size || size >= sizeof end)
        return false;
    memcpy(end, name + name_size - size, size);
    end[size] = '\0';
    return po_text_is_equal_nocase(end, suffix);
}

static enum po_status
add_part(struct queue *queue, const char *name, size_t size, unsigned bit, struct po_err *err)
{
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity == 0 ? 256 : queue->capacity * 2;
        struct part *parts = po_mem_resize(queue->parts, capacity, sizeof *parts);

        if (parts == NULL)
            return po_fail_nomem(err, capacity * sizeof *parts);
        queue->parts = parts;
        queue->capacity = capacity;
    }
    queue->parts[queue->count++] =
        (struct part){ .start = queue->names.size, .size = size, .bit = bit };
    po_buf_put(&queue->names, name, size);
    return po_buf_check(&queue->names, err);
}

static enum po_status
take_file(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
          const struct po_err *failure, struct po_err *err)
{
    if (failure != NULL || info->type != PO_NODE_FILE)
        return PO_OK; /* what cannot be looked at is told by the check of the trees */
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (ends_with(name, name_size, kinds[i].suffix))
            return add_part(ctx, name, name_size - strlen(kinds[i].suffix), kinds[i].bit, err);
    return PO_OK;
}

static enum po_status
take_folder(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
            const struct po_err *failure, struct po_err *err)
{
    struct queue *queue = ctx;

    if (failure != NULL || info->type != PO_NODE_DIRECTORY ||
        !(po_text_is_equal_nocase(name, "control") || po_text_is_equal_nocase(name, "messages")))
        return PO_OK;
    po_buf_put(&queue->folders, name, name_size);
    po_buf_put_u8(&queue->folders, 0);
    return po_buf_check(&queue->folders, err);
}

static int
compare_parts(const void *ctx, uint32_t a, uint32_t b)
{
    const struct queue *queue = ctx;
    const struct part *left = &queue->parts[a];
    const struct part *right = &queue->parts[b];

    return po_text_compare(queue->names.bytes + left->start, left->size,
                           queue->names.bytes + right->start, right->size);
}

static enum po_status
tell_set(struct queue *queue, const struct part *part, unsigned bits, struct po_err *err)
{
    struct po_buf text = { 0 };
    const char *between = "";
    enum po_status st;

    po_text_put_name(&text, queue->names.bytes + part->start, part->size);
    po_buf_put_text(&text, ": ");
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if ((bits & kinds[i].bit) == 0)
            continue;
        po_buf_printf(&text, "%s%s", between, kinds[i].name);
        between = " and ";
    }
    between = " without ";
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if ((bits & kinds[i].bit) != 0)
            continue;
        po_buf_printf(&text, "%s%s", between, kinds[i].name);
        between = " and ";
    }
    st = po_buf_check(&text, err);
    if (st == PO_OK)
        po_doctor_say(queue->doctor, PO_CHECK_WARNING, "queue", "%s", po_buf_text(&text));
    po_buf_deinit(&text);
    return st;
}

/* `order`: the parts by name, so that a set stands together. */
static enum po_status
tell_sets(struct queue *queue, const uint32_t *order, struct po_err *err)
{
    const char *motion =
        queue->doctor->is_any_running ? " (services run: it may be in motion just now)" : "";
    size_t whole = 0;
    size_t broken = 0;
    enum po_status st = PO_OK;

    for (size_t i = 0; i < queue->count && st == PO_OK;) {
        size_t first = i;
        unsigned bits = 0;

        for (; i < queue->count && compare_parts(queue, order[first], order[i]) == 0; i++)
            bits |= queue->parts[order[i]].bit;
        if (bits == WHOLE)
            whole++;
        else if (++broken <= PO_DOCTOR_NAMED_MAX)
            st = tell_set(queue, &queue->parts[order[first]], bits, err);
    }
    if (st != PO_OK)
        return st;
    if (broken == 0)
        po_doctor_say(queue->doctor, PO_CHECK_GOOD, "queue", "%zu messages wait", whole);
    else
        po_doctor_say(queue->doctor, PO_CHECK_WARNING, "queue",
                      "%zu messages wait; %zu incomplete sets beside them, which are backed up and "
                      "left alone%s",
                      whole, broken, motion);
    return PO_OK;
}

static enum po_status
list_queue(struct queue *queue, struct po_err *err)
{
    enum po_status st = po_dir_list(queue->spool, "", 0, take_folder, queue, err);
    uint32_t *numbers = NULL;

    if (st == PO_OK && queue->folders.size == 0) {
        po_doctor_say(queue->doctor, PO_CHECK_NOTE, "queue",
                      "the spool has no folders control and messages");
        return PO_OK;
    }
    for (size_t at = 0; st == PO_OK && at < queue->folders.size;) {
        const char *folder = (const char *)queue->folders.bytes + at;

        st = po_dir_list(queue->spool, folder, strlen(folder), take_file, queue, err);
        at += strlen(folder) + 1;
    }
    if (st != PO_OK)
        return st;
    if (queue->count > UINT32_MAX / 2)
        return po_fail(err, PO_E_IO, "more files in the queue than can be counted");
    numbers = po_mem_new(queue->count, 2 * sizeof *numbers); /* and as many spare ones */
    if (numbers == NULL)
        return po_fail_nomem(err, queue->count * 2 * sizeof *numbers);
    for (uint32_t i = 0; i < queue->count; i++)
        numbers[i] = i;
    po_sort_numbers(numbers, numbers + queue->count, (uint32_t)queue->count, compare_parts, queue);
    st = tell_sets(queue, numbers, err);
    po_mem_free(numbers);
    return st;
}

enum po_status
po_doctor_queue(struct po_doctor *doctor, struct po_err *err)
{
    const char *place = doctor->host->ops->place(doctor->host, PO_PART_SPOOL);
    struct queue queue = { .doctor = doctor };
    struct po_err why;
    enum po_status st;

    /* A spool that is not there or no directory is told by the check of the trees. */
    if (place == NULL || po_dir_open(&queue.spool, place, &why) != PO_OK)
        return PO_OK;
    st = list_queue(&queue, &why);
    if (st == PO_E_NOMEM)
        *err = why;
    else if (st != PO_OK)
        po_doctor_say(doctor, PO_CHECK_BAD, "queue", "%s", why.text);
    po_dir_free(queue.spool);
    po_buf_deinit(&queue.folders);
    po_buf_deinit(&queue.names);
    po_mem_free(queue.parts);
    return st == PO_E_NOMEM ? st : PO_OK;
}
