/* The dispatcher in virtual time, driven from a seed. CLW_SEED=N runs one seed. */
#include "tests/unit/disp_lab.h"

static void random_event(struct model *m)
{
    struct model_job *j = &m->job[rnd(m, m->job_count)];
    unsigned i = (unsigned)rnd(m, DAEMONS);
    uint64_t what = rnd(m, 100);
    m->now_us += rnd(m, 50);
    if (what < 30) {
        put(m, j, 1 + (uint32_t)rnd(m, 60), (uint32_t)rnd(m, 40), rnd(m, 20) ? 0 : rnd(m, 5));
    } else if (what < 80) {
        if (m->daemon[i])
            answer(m, i, 1 + (uint32_t)rnd(m, 40), true);
    } else if (what < 86) {
        if (!m->daemon[i])
            join(m, i, rnd(m, 4) ? 0 : 1 + rnd(m, 50));
        else if (rnd(m, 3) == 0)
            lose(m, i);
    } else if (what < 88 && !j->done) {
        j->paused = !j->paused;
        disp_job_pause(m->d, j->job, j->paused, m->now_us);
        drain(m);
    } else if (what < 90 && !j->done && j->next) { /* one, or a few */
        uint64_t first = rnd(m, j->next);
        uint32_t n = 1 + (uint32_t)rnd(m, 5);
        for (uint64_t t = first; t < first + n && t < TASKS_MAX; t++)
            j->cancel[t] = 1;
        disp_job_cancel(m->d, j->job, first, n, m->now_us);
        drain(m);
    } else if (what == 90 && !j->done && rnd(m, 8) == 0) {
        j->cancelled = true;
        disp_job_cancel(m->d, j->job, 0, 0, m->now_us);
        drain(m);
    } else if (what == 91 && !j->done && rnd(m, 8) == 0) {
        j->abandoned = j->cancelled = j->input_ended = true;
        disp_job_abandon(m->d, j->job, m->now_us);
        drain(m);
    } else if (what == 92 && m->daemon[i]) {
        m->daemon[i]->drained = true;
        disp_daemon_drain(m->d, m->daemon[i]->daemon);
        drain(m);
    } else if (what == 93 && rnd(m, 3) == 0) { /* a machine is suspect, or is cleared */
        disp_place_suspect(m->d, (unsigned)rnd(m, 3), rnd(m, 2), m->now_us);
        drain(m);
    } else if (what == 93 && j->done && m->job_count < JOBS * 2) {
        open_any(m);
    } else if (what == 95) { /* time goes by */
        m->now_us += rnd(m, 3) ? 1000 : 1000000;
        tick(m);
    } else if (what == 96 && m->daemon[i]) {
        pause_or_go_on(m, i, !m->daemon[i]->paused);
    } else if (what > 96 && m->daemon[i]) {
        give_back(m, i);
    } else if (what == 94 && j->next > 10) {
        uint64_t t = rnd(m, j->next);
        j->poison[t] |= !j->ended[t] && !j->given[t];
    }
}

static void run_seed(uint64_t seed)
{
    struct model *m = calloc(1, sizeof *m);
    struct disp_stats s;
    m->random = seed * 0x9e3779b97f4a7c15u + 1;
    m->d = disp_new(4 << 20);
    m->check = true;
    for (int i = 0; i < JOBS; i++)
        open_any(m);
    for (unsigned i = 0; i < DAEMONS / 2; i++)
        join(m, i, 0);
    for (int i = 0; i < 1500; i++)
        random_event(m);
    finish(m);
    disp_stats(m->d, &s);
    assert_int_equal(s.awaiting, 0);
    assert_int_equal(s.executing, 0);
    assert_int_equal(s.mem_used, 0);
    assert_true(s.mem_peak <= 4 << 20);
    uint64_t total = 0;
    for (unsigned k = 0; k < m->job_count; k++) {
        assert_true(m->job[k].done);
        total += m->job[k].total;
    }
    assert_int_equal(s.completed + s.failed + s.cancelled, total);
    for (unsigned i = 0; i < DAEMONS; i++)
        free(m->daemon[i]);
    disp_free(m->d);
    free(m);
}

static void test_any_seed(void **state)
{
    (void)state;
    const char *one = getenv("CLW_SEED"), *many = getenv("CLW_SEEDS");
    uint64_t last = many ? strtoull(many, NULL, 10) : 60;
    for (uint64_t seed = one ? strtoull(one, NULL, 10) : 1; seed <= (one ? strtoull(one, NULL, 10) : last); seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        run_seed(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
