#!/usr/bin/env python3
"""mutants.py: bugs put into the dispatcher, the fleet, the codec and the store on purpose, one at a time, in a copy of the sources; the
unit tests must find each. Ends with 1 when one lives.

usage: mutants.py [NUMBER]...
"""
import os, shutil, subprocess, sys, tempfile

# what it would do to users, the file, what is there, what is put there
MUTANTS = [
    ("a task that a lost daemon had is forgotten", "engine/sched/disp_back.c",
     "        requeue_living(d, j, suspects);\n    if (rest.n)", "        requeue_living(d, j, suspects);\n    if (rest.n > 1)"),
    ("a task that kills its daemons is tried for ever", "engine/sched/disp_back.c",
     "else if (part.lost > j->options.retries)", "else if (part.lost > j->options.retries + 50)"),
    ("a daemon may answer what it was not given", "engine/sched/disp_back.c",
     "|| first != disp__index(&b->range) ||", "|| first > 1000000 ||"),
    ("both results of a straggler are delivered", "engine/sched/disp_pair.c",
     "    if (p->decided || !good) {", "    if (!good) {"),
    ("a failed copy ends a task that would have gone well", "engine/sched/disp_pair.c",
     "    if (p->decided || !good) {", "    if (p->decided || (!good && r->pos > 1000000)) {"),
    ("a straggler whose copy failed is copied again and again", "engine/sched/disp_pair.c",
     "b->range.n != 1 || b->range.copied ||", "b->range.n != 1 || b->paired ||"),
    ("what was cancelled while it waited runs", "engine/sched/disp_choice.c",
     "while (c->next < c->tasks.slices.n && disp__is_gone(c, c->next))", "while (c->next < c->tasks.slices.n && false)"),
    ("a job takes more memory than it was granted", "engine/sched/disp_job.c",
     "if (j->mem_used && j->mem_used + f->len > j->grant)", "if (j->mem_used && j->mem_used > 4 * j->grant)"),
    ("a chunk's memory is never given back to its submitter", "engine/sched/disp_job.c",
     "    if (c->mem_bytes && !j->done) /* nothing", "    if (c->mem_bytes > 100000 && !j->done) /* nothing"),
    ("the earliest task that came back is not the next to go", "engine/sched/disp_back.c",
     "if (child + 1 < j->back_count && disp__index(&j->back[child + 1]) < disp__index(&j->back[child]))",
     "if (child + 1 < j->back_count && disp__index(&j->back[child + 1]) > disp__index(&j->back[child]))"),
    ("a machine that cannot start a job's tasks gets them all the same", "engine/sched/disp_aside.c",
     "return is_marked(j, m->place) && disp__is_elsewhere(d, j, m->place);",
     "return is_marked(j, m->place) && disp__is_elsewhere(d, j, m->place) && !d->now_us;"),
    ("a task fails that another machine could have done", "engine/sched/disp_back.c",
     "} else if (elsewhere && !cancelled) {", "} else if (elsewhere && !cancelled && n > 1) {"),
    ("a suspect machine gets as many tasks as others", "engine/sched/disp_trial.c", "return !p->tasks && d->now_us >= p->trial_us;",
     "return d->now_us + p->tasks + p->trial_us > 0;"),
    ("what failed on a machine goes back to it", "engine/sched/disp_choice.c", "(!r->has_failed && d->now_us >= until_us)", "(d->now_us >= until_us)"),
    ("frames that came are not counted", "engine/wire/resume.c", "    r->received++;\n", "    r->received += r->received % 97 != 96;\n"),
    ("tiny tasks wake everybody", "engine/sched/disp_choice.c", "m && d->busy_count < d->most; m = next)", "m; m = next)"),
    ("long tasks never get more daemons than the first few", "engine/sched/disp_choice.c",
     "(unsigned)START_DAEMONS << (2 * steps)", "(unsigned)START_DAEMONS << (steps * 0)"),
    ("a frame's length may be anything", "engine/wire/wire.c", "f->len > max_body", "f->len > UINT32_MAX - 1"),
    ("offsets of a frame may lead outside of its bytes", "engine/wire/wire.c",
     "        if (end < previous) /*", "        if (end < s->base + 0 * previous) /*"),
    ("a field may claim more bytes than there are", "engine/wire/wire.c",
     "if (left < 6 || le_u32(w->at + 2) > left - 6)", "if (left < 6)"),
    ("what failed half-way is kept", "store/tx.c",
     "    if (code)\n        undo(s);", "    if (code && s->depth)\n        undo(s);\n    else if (code)\n        store__script(s, \"COMMIT\", NULL);"),
    ("a result that came twice replaces the first", "store/schema.c", " UNIQUE(job, first, seq)", " UNIQUE(job, first, seq) ON CONFLICT REPLACE"),
    ("an input's end is lost", "store/job_failure.c",
     "BLOB_OR_NULL(f->input, cut ? STORE_INPUT_MAX : f->input_len)", "BLOB_OR_NULL(f->input, cut ? STORE_INPUT_MAX : f->input_len / 2)"),
    ("merging the history counts some of it twice", "store/sample.c",
     "DELETE FROM sample WHERE span_s = ?1 AND at_s < ?2", "DELETE FROM sample WHERE span_s = ?1 AND at_s < ?2 - 600"),
    ("daemons are launched in a place that gave up", "engine/fleet/fleet_daemon.c",
     "        fleet_place_break(l, now_ms);\n        acts |= FLEET_GAVE_UP;", "        acts |= FLEET_GAVE_UP;"),
    ("those that end together count each", "engine/fleet/fleet_daemon.c",
     "    else if (d->started_ms < l->failed_ms)\n        return;\n", ""),
    ("pauses stay as short as the first", "engine/fleet/fleet_daemon.c",
     "(uint64_t)FLEET_BACKOFF_MS << (l->fails < 10 ? l->fails : 10)", "(uint64_t)FLEET_BACKOFF_MS"),
    ("a task that kills its daemons gives their place up", "engine/fleet/fleet_daemon.c",
     "if (!d->had_tasks || l->fails < FLEET_GIVE_UP - 1)", "if (!d->had_tasks || l->fails < FLEET_GIVE_UP)"),
    ("whoever is away has his grace twice", "engine/fleet/fleet_daemon.c",
     "(is_open ? FLEET_RETURN_MS : d->place->fleet->set->grace_ms)", "(is_open ? FLEET_RETURN_MS : 2 * d->place->fleet->set->grace_ms)"),
    ("a daemon that did not end its task is let in again", "engine/fleet/fleet_daemon.c",
     "return d->state != FLEET_LOST && !d->is_overdue;", "return d->state != FLEET_LOST || d->connected_ms;"),
    ("a daemon that came home is killed for having been away", "engine/fleet/fleet_daemon.c",
     "d->kind == FLEET_QUEUED && d->state != FLEET_AWAY ?", "d->kind == FLEET_QUEUED ?"),
    ("after a failure many are launched at once", "engine/fleet/fleet_place.c",
     "l->counts[FLEET_LAUNCHING] < (l->fails ? 1 : FLEET_LAUNCHING_MAX)", "l->counts[FLEET_LAUNCHING] < (l->fails ? 2 : FLEET_LAUNCHING_MAX)"),
    ("a daemon that works goes before one that is idle", "engine/fleet/fleet_place.c",
     "return d->state != FLEET_UP ? -1 : d->is_idle;", "return d->state != FLEET_UP ? -1 : !d->is_idle;"),
    ("silence is blamed that nobody was there to hear", "engine/fleet/fleet_talk.c",
     "now_ms - awake_since(d, d->asked_ms) > patience_ms", "now_ms - d->asked_ms > patience_ms"),
]
TESTS = ["test_disp", "test_disp_rules", "test_fleet", "test_fleet_rules", "test_wire", "test_resume", "test_store_together", "test_store_jobs", "test_store_history", "test_store_kept"]


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def main():
    chosen = [int(n) for n in sys.argv[1:]] or range(1, len(MUTANTS) + 1)
    source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    work = tempfile.mkdtemp(prefix="clowder-mutants.")
    alive = 0
    try:
        for name in run("git", "-C", source, "ls-files", "-z").stdout.split("\0"):
            if name and os.path.isfile(f"{source}/{name}"):
                os.makedirs(os.path.dirname(f"{work}/{name}"), exist_ok=True)
                shutil.copy2(f"{source}/{name}", f"{work}/{name}")
        if run("cmake", "--preset", "dev", cwd=work).returncode:
            sys.exit("the copy does not configure")
        build = ["cmake", "--build", "--preset", "dev", "--target", *TESTS]
        first = run(*build, cwd=work)
        if first.returncode:
            sys.exit(first.stdout[-2000:])
        print(f"{'BUG':<60} {'FOUND BY'}")
        for number in chosen:
            what, path, old, new = MUTANTS[number - 1]
            with open(f"{work}/{path}", encoding="utf-8") as f:
                text = f.read()
            if text.count(old) != 1:
                sys.exit(f"bug {number}: its place in {path} is not there, or not once")
            with open(f"{work}/{path}", "w", encoding="utf-8") as f:
                f.write(text.replace(old, new))
            built = run(*build, cwd=work)
            found = "the compiler" if built.returncode else ""
            for test in TESTS if not found else []:
                try:
                    status = run(f"build/dev/bin/tests/{test}", cwd=work, timeout=120).returncode
                except subprocess.TimeoutExpired:
                    status = -1
                if status:
                    found = test
                    break
            print(f"{number:>2} {what:<57} {found or 'NOBODY'}", flush=True)
            alive += not found
            with open(f"{work}/{path}", "w", encoding="utf-8") as f:
                f.write(text)
        print(f"{len(chosen) - alive} of {len(chosen)} found")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if alive else 0)


main()
