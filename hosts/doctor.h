/* The doctor: walks the steps to one host as a link would, and says of each what it saw and the exact fix. */
#ifndef HOSTS_DOCTOR_H
#define HOSTS_DOCTOR_H

#include "hosts/ssh/session.h"

enum { DOCTOR_FINDINGS = 24 };

struct doctor_finding {
    char step[24]; /* config, agent, keys, resolve, connect, hostkey, auth, probe, clock, disk, upload,
                      tunnel, launch */
    bool ok;
    uint32_t ms; /* how long the step took; 0: not a step */
    char seen[400];
    char fix[300]; /* "" when it is well */
};

struct doctor_report {
    struct doctor_finding findings[DOCTOR_FINDINGS];
    size_t count;
    bool ok;                 /* everything is well */
    struct host_facts facts; /* as far as they were learnt */
};

/* Blocks until the walk is over, at most limit_ms (0: 90 s). options: as for a link; goal, retry and the
 * callbacks are the doctor's own but for cb.secret and cb.log, which are used. cancel_fd: readable means stop
 * (-1: none). */
enum clw_err doctor_run(const struct host_session_options *options, unsigned limit_ms, int cancel_fd,
    struct doctor_report *out, struct clw_error *err);

#endif
