/* What is said to a client: results, faults, notes. */
#ifndef ENGINE_PEERS_CLIENT_TALK_H
#define ENGINE_PEERS_CLIENT_TALK_H

#include "engine/model/model.h"

/* Something that is wrong with the job. */
void client_fault(const struct core_job *j, enum clw_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Something for people; the job goes on. */
void client_note(const struct core_job *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The answer of m to tasks of j. */
void client_forward(
    struct core_job *j, const struct daemon *m, const struct frame *f, const struct disp_verdict *v, struct blk *block);
/* A frame of two texts: text and hint (NULL: none). */
void client_text(struct peer *p, uint8_t type, uint32_t job, enum clw_err code, const char *text, const char *hint);

#endif
