/* The pure parts of the screens: layout, filter, graph, text that is made to fit, lists, the table of actions, views.
 */
#include "tui/screen/action.h"
#include "tui/screen/draw.h"
#include "tui/screen/filter.h"
#include "tui/screen/graph.h"
#include "tui/screen/help_screen.h"
#include "tui/screen/layout.h"
#include "tui/screen/table.h"
#include "tui/screen/view.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void layout_fits_every_size(void **state)
{
    (void)state;
    for (int cols = 1; cols < 220; cols += 7)
        for (int rows = 1; rows < 80; rows++)
            for (int detail = 0; detail < 40; detail += 3) {
                struct layout l = layout_make(cols, rows, detail, detail & 1);
                assert_int_equal(l.too_small, cols < LAYOUT_COLS_MIN || rows < LAYOUT_ROWS_MIN);
                if (l.too_small)
                    continue;
                assert_true(l.table.rows >= 5);
                assert_int_equal(l.footer, rows - 1);
                int end = l.rule < 0 ? l.table.y + l.table.rows : l.detail.y + l.detail.rows;
                assert_int_equal(end, l.message);
                if (l.rule >= 0)
                    assert_int_equal(l.rule, l.table.y + l.table.rows);
            }
}

static void split_may_write_over_its_input(void **state)
{
    (void)state;
    struct rect r = {3, 0, 20, 80}, below;
    int rule;
    layout_split(&r, 5, &r, &rule, &below);
    assert_int_equal(r.rows, 5);
    assert_int_equal(rule, 8);
    assert_int_equal(below.y, 9);
    assert_int_equal(below.rows, 14);
    layout_split(&below, 100, &r, &rule, &below);
    assert_int_equal(r.rows + 1 + below.rows, 14);
}

static const struct filter_field fields[] = {{"STATE", FIELD_WORDS}, {"HOST", 0}, {"GPU", 0}, {"TAGS", FIELD_WORDS},
    {"MEM", 0}, {"RTT", FIELD_MS}, {"OS", FIELD_NAMED}};
enum { FIELDS = sizeof fields / sizeof *fields };

static void host_field(void *arg, int field, char *text, size_t size, double *number, bool *numeric)
{
    static const char *const row[] = {"+ up\nconnected", "Alder", "4xA100", "rack2,gpu", "64G", "0.5ms", "Debian"};
    (void)arg;
    snprintf(text, size, "%s", row[field]);
    *numeric = field == 2 || field == 4 || field == 5;
    *number = field == 2 ? 4 : field == 5 ? 0.0005 : 64.0 * 1024 * 1024 * 1024;
}

static bool passes(const char *text)
{
    struct filter f;
    struct clw_error err;
    assert_int_equal(filter_parse(text, fields, FIELDS, &f, &err), CLW_OK);
    return filter_match(&f, fields, FIELDS, host_field, NULL);
}

static void filter_language(void **state)
{
    (void)state;
    static const char *const yes[] = {"", "  ", "alder", "ALD", "!birch", "state:up", "!state:down", "gpu>0", "gpu=4",
        "gpu!=3", "tag=rack2", "tags=gpu", "tag:gpu", "mem>16G", "mem<=64G", "ho:ald up", "state:connected", "rtt<1",
        "rtt<=0.5ms", "rtt<1s", "os:debian", "!debian", NULL};
    static const char *const no[] = {"birch", "!alder", "state:down", "state:u", "gpu>4", "gpu<4", "tag=rack",
        "tag:rack", "mem>64G", "alder birch", "rtt>1", "debian", NULL};
    static const char *const bad[] = {"!", "colour:red", "gpu>", "gpu>many", NULL};
    for (int i = 0; yes[i]; i++)
        if (!passes(yes[i]))
            fail_msg("'%s' should pass", yes[i]);
    for (int i = 0; no[i]; i++)
        if (passes(no[i]))
            fail_msg("'%s' should not pass", no[i]);
    for (int i = 0; bad[i]; i++) {
        struct filter f;
        struct clw_error err = {0};
        assert_int_equal(filter_parse(bad[i], fields, FIELDS, &f, &err), CLW_USAGE);
        assert_true(*err.message);
    }
}

static void graph_shapes(void **state)
{
    (void)state;
    static char rows[2][GRAPH_ROW_SIZE];
    const double ramp[] = {0, 2, 4, 8}, gap[] = {NAN, 8, NAN, 8};
    assert_true(graph_area(GRAPH_ASCII, ramp, NULL, 4, 0, 4, 2, rows) == 8);
    assert_string_equal(rows[0], "   :");
    assert_string_equal(rows[1], " .::");
    graph_area(GRAPH_BLOCKS, gap, NULL, 4, 0, 4, 1, rows);
    assert_string_equal(rows[0], " █ █");
    graph_area(GRAPH_BRAILLE, ramp, NULL, 4, 8, 3, 1, rows); /* fewer values stand at the right */
    assert_string_equal(rows[0], " ⢀⣼");
    assert_true(graph_area(GRAPH_ASCII, ramp, NULL, 0, 0, 4, 1, rows) == 0);
    assert_string_equal(rows[0], "    ");
    double means[2], peaks[2];
    graph_squeeze(ramp, 4, means, peaks, 2);
    assert_true(means[0] == 1 && means[1] == 6 && peaks[0] == 2 && peaks[1] == 8);
    graph_squeeze(gap, 4, means, NULL, 2);
    assert_true(means[0] == 8 && means[1] == 8);
    const double flat[] = {2, 2}, high[] = {8, NAN}; /* a peak is a dot above the area, and sets the scale */
    assert_true(graph_area(GRAPH_BRAILLE, flat, high, 2, 0, 1, 2, rows) == 8);
    assert_string_equal(rows[0], "⠁");
    assert_string_equal(rows[1], "⣤");
    graph_area(GRAPH_ASCII, flat, high, 2, 0, 2, 2, rows);
    assert_string_equal(rows[0], "' ");
    assert_string_equal(rows[1], "..");
}

static void fits(const char *text, size_t len, int cols, bool utf8, const char *want)
{
    char out[200];
    int used = draw_fit(out, sizeof out, text, len, cols, utf8, true);
    assert_true(used <= cols);
    assert_string_equal(out, want);
}

static void text_is_made_harmless(void **state)
{
    (void)state;
    fits("plain", 5, 10, true, "plain");
    fits("too long", 8, 5, true, "too …");
    fits("too long", 8, 5, false, "too ~");
    fits("\033[31mred\a", 9, 20, true, "\\x1b[31mred\\x07");
    fits("a\tb", 3, 10, true, "a b");
    fits("\xff\xc3", 2, 10, true, "\\xff\\xc3");
    fits("\xc2\x9b", 2, 10, true, "\\x9b");
    fits("宽宽宽", 9, 6, true, "宽宽宽");
    fits("宽宽宽", 9, 5, true, "宽宽…");
    fits("a\xe2\x80\xae"
         "b",
        5, 10, true, "ab"); /* turns the line round: left out */
    fits("e\xcc\x81x", 4, 10, true, "e\xcc\x81x");
    fits("é", 2, 10, false, "?");
}

static size_t many(void *arg)
{
    return *(size_t *)arg;
}

static uint64_t many_id(void *arg, size_t row)
{
    (void)arg;
    return row * 7 + 1;
}

static void many_cell(void *arg, size_t row, int column, struct table_cell *c)
{
    (void)arg;
    snprintf(c->text, sizeof c->text, column ? "row %zu" : "%zu", column ? row : 1000000 - row);
    c->number = (double)(1000000 - row);
    c->numeric = column == 0;
}

static void list_keeps_its_row(void **state)
{
    (void)state;
    static const struct table_column columns[] = {{"N", 5, 0, COLUMN_RIGHT}, {"NAME", 8, 0, COLUMN_GROW}};
    static const struct table_source source = {many, many_id, many_cell};
    size_t count = 10000, n;
    struct table t;
    table_init(&t, columns, 2, &source, &count, NULL);
    table_update(&t);
    assert_true(table_goto(&t, many_id(NULL, 42)));
    t.sort = 0;
    table_update(&t); /* turned round */
    assert_int_equal(table_row(&t), 42);
    assert_int_equal(t.order[0], 9999);
    assert_int_equal(table_filter(&t, "name:999", NULL), CLW_OK);
    assert_int_equal(t.shown, 19);
    table_mark_all(&t);
    table_filter(&t, "name=9990", NULL);
    size_t *rows = table_chosen(&t, &n);
    free(rows);
    table_filter(&t, "name:9990", NULL);
    rows = table_chosen(&t, &n);
    assert_int_equal(n, 1);
    assert_int_equal(rows[0], 9990);
    free(rows);
    struct clw_error err;
    assert_int_equal(table_filter(&t, "nothing:1", &err), CLW_USAGE);
    assert_string_equal(t.filter_text, "name:9990"); /* a bad one leaves the last */
    assert_false(table_show(&t, 5));                 /* no row: the filter stays */
    assert_true(table_show(&t, many_id(NULL, 9990)));
    assert_int_equal(t.shown, 1);
    assert_true(table_show(&t, many_id(NULL, 17))); /* hidden by it: it goes */
    assert_int_equal(table_row(&t), 17);
    assert_int_equal(t.shown, 10000);
    count = 0;
    table_update(&t);
    assert_true(table_row(&t) == SIZE_MAX);
    table_fini(&t);
}

static void actions_are_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < action_count; i++) {
        assert_true(*actions[i].label && *actions[i].help && actions[i].twin && actions[i].keys[0]);
        for (size_t k = 0; k < i; k++)
            for (int a = 0; a < 4 && actions[i].keys[a]; a++)
                for (int b = 0; b < 4 && actions[k].keys[b]; b++)
                    if (actions[i].screens & actions[k].screens && actions[i].keys[a] == actions[k].keys[b])
                        fail_msg("'%s' and '%s' have the same key", actions[i].label, actions[k].label);
    }
    for (int screen = 0; screen < SCREEN_COUNT; screen++) {
        size_t len;
        char *text = help_text(screen, &len);
        for (size_t i = 0; i < action_count; i++)
            if (!strstr(text, actions[i].help))
                fail_msg("the help of %s lacks '%s'", screens[screen]->name, actions[i].help);
        free(text);
    }
}

static void views_take_anything(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "[]", "{}", "{\"engine\":1,\"profiles\":[]}", "{\"engine\":{}}", NULL};
    for (int i = 0; bad[i]; i++)
        assert_null(view_engine_read(bad[i]));
    struct view_engine *v = view_engine_read("{\"engine\":{\"pid\":\"x\"},\"profiles\":[{},{\"name\":7,\"rate\":[],"
                                             "\"daemon_list\":[{\"done\":-5},3]},null]}");
    assert_non_null(v);
    assert_int_equal(v->profile_count, 3);
    assert_int_equal(v->profiles[1].daemon_count, 2);
    view_engine_rele(v);
    struct view_links *l = view_links_read("{\"hosts\":[{\"host\":\"a\",\"steps_ms\":{\"auth\":3}}]}", "nonsense");
    assert_int_equal(l->link_count, 1);
    assert_int_equal(l->links[0].steps_ms[3], 3);
    assert_true(l->links[0].steps_ms[0] < 0);
    view_links_rele(l);
}

static struct view_engine *engine_with(const char *profile)
{
    char json[200];
    snprintf(json, sizeof json, "{\"engine\":{},\"profiles\":[{\"name\":\"%s\"}]}", profile);
    return view_engine_read(json);
}

/* What a screen that is not shown has made its rows of stays, and goes when it makes new ones. */
static void rows_outlive_new_views(void **state)
{
    (void)state;
    static struct ui ui;
    const struct screen *s = screens[SCREEN_PROFILES];
    ui.engine = engine_with("alpha");
    for (int i = 0; i < SCREEN_COUNT; i++)
        ui.state[i] = screens[i]->open(&ui);
    ui_go(&ui, SCREEN_PROFILES);
    ui_settle(&ui);
    ui_go(&ui, SCREEN_OVERVIEW);
    ui_settle(&ui);
    view_engine_rele(ui.engine);
    ui.engine = engine_with("beta");
    ui.data_changed = true;
    ui_settle(&ui);
    char *hidden = s->json(ui.state[SCREEN_PROFILES], &ui);
    ui_go(&ui, SCREEN_PROFILES);
    ui_settle(&ui);
    char *shown = s->json(ui.state[SCREEN_PROFILES], &ui);
    assert_non_null(strstr(hidden, "\"alpha\""));
    assert_non_null(strstr(shown, "\"beta\""));
    free(hidden);
    free(shown);
    for (int i = 0; i < SCREEN_COUNT; i++)
        screens[i]->close(ui.state[i]);
    ui_views_fini(&ui);
}

/* Enter goes to the alert under the cursor, also when others have come before it and its numbers have changed. */
static void alerts_keep_their_row(void **state)
{
    (void)state;
    static struct ui ui;
    static const char before[] = "{\"hosts\":[{\"host\":\"a\",\"state\":\"backoff\",\"retry_in_s\":9},"
                                 "{\"host\":\"b\",\"state\":\"backoff\",\"retry_in_s\":9}]}";
    static const char after[] = "{\"hosts\":[{\"host\":\"c\",\"state\":\"refused\"},"
                                "{\"host\":\"a\",\"state\":\"backoff\",\"retry_in_s\":8},"
                                "{\"host\":\"b\",\"state\":\"backoff\",\"retry_in_s\":8}]}";
    ui.engine_alive = true;
    ui.links = view_links_read(before, NULL);
    alerts_update(&ui);
    alerts_open(&ui);
    struct table *t = ui.overlay->state;
    table_update(t);
    ui.overlay->type->key(&ui, t, 'j');
    view_links_rele(ui.links);
    ui.links = view_links_read(after, NULL);
    alerts_update(&ui);
    ui.overlay->type->key(&ui, t, '\r');
    assert_null(ui.overlay);
    assert_int_equal(ui.screen, SCREEN_HOSTS);
    assert_string_equal(ui.cursor_on[SCREEN_HOSTS], "b");
    view_links_rele(ui.links);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_fits_every_size),
        cmocka_unit_test(split_may_write_over_its_input),
        cmocka_unit_test(filter_language),
        cmocka_unit_test(graph_shapes),
        cmocka_unit_test(text_is_made_harmless),
        cmocka_unit_test(list_keeps_its_row),
        cmocka_unit_test(actions_are_whole),
        cmocka_unit_test(views_take_anything),
        cmocka_unit_test(rows_outlive_new_views),
        cmocka_unit_test(alerts_keep_their_row),
    };
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
