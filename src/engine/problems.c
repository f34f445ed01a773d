#include "engine/problems.h"

#include "base/mem.h"

enum po_status
po_problems_add(struct po_problems *problems, const char *path, size_t path_size,
                const char *reason, struct po_err *err)
{
    struct po_problem *problem;

    if (problems->count == problems->capacity) {
        size_t capacity = problems->capacity == 0 ? 16 : problems->capacity * 2;
        struct po_problem *items = po_mem_resize(problems->items, capacity, sizeof *items);

        if (items == NULL)
            return po_fail_nomem(err, capacity * sizeof *items);
        problems->items = items;
        problems->capacity = capacity;
    }
    problem = &problems->items[problems->count];
    problem->path = po_mem_copy(path, path_size);
    problem->path_size = path_size;
    problem->reason = po_mem_strdup(reason);
    if (problem->path == NULL || problem->reason == NULL) {
        po_mem_free(problem->path);
        po_mem_free(problem->reason);
        return po_fail_nomem(err, path_size);
    }
    problems->count++;
    return PO_OK;
}

void
po_problems_deinit(struct po_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        po_mem_free(problems->items[i].path);
        po_mem_free(problems->items[i].reason);
    }
    po_mem_free(problems->items);
    *problems = (struct po_problems){ 0 };
}
