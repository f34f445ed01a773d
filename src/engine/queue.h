/*
 * queue.h - the mail queue, told by the names of its files alone: of a live spool or of one in an
 * archive. A message that waits is a set of three files of one name in the spool's folders
 * "control" and "messages": NAME-Control, NAME-Header, NAME-Body. Versions up to 4.0 left parts of
 * sets behind (req: W1), and a spool that is put back may send its messages again (req: R11). They
 * are told and left alone: what they are worth is for people to judge.
 *
 * A path is the spool's own ("control/1-Control"), with '/' between. Case does not matter, in
 * folders, names and kinds: Windows does not care for it, and a copy on another system keeps
 * whatever was there. Each kind is taken in either folder; deeper ones are not the queue's.
 */
#ifndef PO_ENGINE_QUEUE_H
#define PO_ENGINE_QUEUE_H

#include "base/buf.h"

struct po_queue;

/* Whether a file of this path belongs to the queue. */
bool po_queue_is_part(const char *path, size_t size);

PO_NODISCARD enum po_status po_queue_new(struct po_queue **out, struct po_err *err);
void po_queue_free(struct po_queue *queue);

/* A file (not a directory) of the spool, in any order; what is not the queue's is ignored. */
PO_NODISCARD enum po_status po_queue_add(struct po_queue *queue, const char *path, size_t size,
                                         struct po_err *err);
/* Once, when all are added. What follows is known only then. */
PO_NODISCARD enum po_status po_queue_finish(struct po_queue *queue, struct po_err *err);

/* Sets with all three files: messages that wait. */
size_t po_queue_whole(const struct po_queue *queue);
/* Sets without all of them. */
size_t po_queue_broken_count(const struct po_queue *queue);
/* "NAME: Control and Header without Body", in order of their names; number < the count. */
void po_queue_put_broken(const struct po_queue *queue, size_t number, struct po_buf *out);

#endif
