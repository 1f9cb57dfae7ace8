/* The ledger: what each job of a client came to, for `clowder job`, the Jobs screen, and for those who ask later. It
 * counts as results pass, keeps the tasks that failed, and hands all of it to the recorder. */
#ifndef ENGINE_RECORD_LEDGER_H
#define ENGINE_RECORD_LEDGER_H

#include "engine/model/model.h"

int64_t ledger_next_id(struct engine *e);           /* a number for a job, that no job in the store has */
void ledger_open(struct core_job *j, size_t files); /* files: how many are shipped with it */
/* A daemon's answer to n tasks of the job; input is that of the first, NULL: none. r counts only when f has a body. */
void ledger_answer(struct core_job *j, const struct daemon *m, const struct frame *f, enum wire_outcome outcome,
    const struct wire_report *r, unsigned attempts, const uint8_t *input, uint32_t input_len);
void ledger_end(struct core_job *j, const struct disp_action *a); /* tasks that ended without a daemon's word */
void ledger_close(struct core_job *j);                            /* the job is over; before its dispatcher's part is */
void ledger_tick(struct engine *e, uint64_t now_ms);
uint64_t ledger_next_ms(const struct engine *e);
json_t *ledger_json(struct engine *e, const char *profile); /* NULL: of all */
/* The profile whose dispatcher has something to carry out now (profile_act()); NULL: there is no such job. */
struct profile *ledger_cancel(struct engine *e, int64_t id);
bool ledger_has(const struct engine *e, int64_t id); /* it runs */

#endif
