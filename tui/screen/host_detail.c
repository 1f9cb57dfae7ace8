/* The detail pane of a host: what is known of it, what runs there, and how its link is. */
#include "tui/screen/hosts.h"

#include "base/mono.h"
#include "base/text.h"
#include "tui/screen/graph.h"
#include "tui/screen/history.h"
#include "tui/screen/host_trend.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LABEL = 10 };

struct pane {
    const struct rect *r;
    int row;
};

/* A labelled line, when there is room. */
static void line(struct pane *p, enum role role, const char *label, const char *text)
{
    if (p->row >= p->r->rows)
        return;
    draw_text(p->r->y + p->row, p->r->x + 1, LABEL, ROLE_HEADER, label);
    draw_text(p->r->y + p->row, p->r->x + 1 + LABEL, p->r->cols - LABEL - 2, role, text);
    p->row++;
}

static void add(char *out, size_t size, const char *text)
{
    size_t used = strlen(out);
    if (*text && used < size)
        snprintf(out + used, size - used, "%s%s", used ? ", " : "", text);
}

static void clock_text(uint64_t at_us, char *out, size_t size)
{
    time_t at = (time_t)(at_us / 1000000);
    struct tm local;
    localtime_r(&at, &local);
    strftime(out, size, time(NULL) - at < 86400 ? "%H:%M:%S" : "%Y-%m-%d %H:%M", &local);
}

static void draw_address(struct pane *p, const struct host_line *row)
{
    const struct store_host *h = row->host;
    char text[900];
    snprintf(text, sizeof text, "%s%s%s", h->user, *h->user ? "@" : "", *h->address ? h->address : h->name);
    if (h->port)
        snprintf(text + strlen(text), sizeof text - strlen(text), ":%u", h->port);
    if (*h->jump)
        snprintf(text + strlen(text), sizeof text - strlen(text), "   via %s", h->jump);
    if (*h->identity)
        snprintf(text + strlen(text), sizeof text - strlen(text), "   key %s", h->identity);
    snprintf(text + strlen(text), sizeof text - strlen(text), "   %s%s%s", store_launcher_text(h->launcher),
        h->direct ? "   direct" : "", h->enabled ? "" : "   disabled");
    line(p, ROLE_NORMAL, "Address", text);
}

static void draw_facts(struct pane *p, const struct host_line *row)
{
    const struct view_facts *f = row->facts;
    const struct store_host *h = row->host;
    char text[700] = "", mem[24], free_mem[24], when[32];
    if (!h->facts) {
        line(p, ROLE_DIM, "System", "not measured yet; p probes it");
        return;
    }
    add(text, sizeof text, f->os);
    add(text, sizeof text, f->kernel);
    add(text, sizeof text, f->arch);
    add(text, sizeof text, f->runtimes);
    clock_text(h->probed_at_us, when, sizeof when);
    snprintf(text + strlen(text), sizeof text - strlen(text), "   probed %s", when);
    line(p, ROLE_NORMAL, "System", text);
    snprintf(text, sizeof text, "%u core%s   %s memory, %s free", f->cores, text_plural(f->cores),
        text_bytes(mem, sizeof mem, f->mem_total), text_bytes(free_mem, sizeof free_mem, f->mem_available));
    if (f->disk_free)
        snprintf(text + strlen(text), sizeof text - strlen(text), "   %s disk free",
            text_bytes(mem, sizeof mem, f->disk_free));
    line(p, ROLE_NORMAL, "Has", text);
}

/* What it does, as far as that is known: "74% busy, 30G used, 61 C, 250 W". */
static void gpu_use(const struct view_gpu *g, char *out, size_t size)
{
    char used[24], one[40];
    *out = '\0';
    if (g->busy >= 0) {
        snprintf(one, sizeof one, "%.0f%% busy", g->busy);
        add(out, size, one);
    }
    if (g->busy >= 0 || g->mem_used) {
        snprintf(one, sizeof one, "%s used", text_bytes(used, sizeof used, g->mem_used));
        add(out, size, one);
    }
    if (g->temp_c >= 0) {
        snprintf(one, sizeof one, "%d C", g->temp_c);
        add(out, size, one);
    }
    if (g->power_w >= 0) {
        snprintf(one, sizeof one, "%d W", g->power_w);
        add(out, size, one);
    }
}

static void draw_gpu(
    struct pane *p, bool first, unsigned index, const char *name, uint64_t memory, const struct view_gpu *live)
{
    char text[400], mem[24], use[160] = "";
    if (live)
        gpu_use(live, use, sizeof use);
    snprintf(text, sizeof text, "%u  %s  %s  %s", index, name, text_bytes(mem, sizeof mem, memory), use);
    line(p, ROLE_NORMAL, first ? "GPU" : "", text);
}

static void draw_gpus(struct pane *p, const struct host_line *row)
{
    enum { MOST = 4 };
    const struct view_at_host *live = row->live;
    for (size_t i = 0; row->host && i < row->host->gpu_count && i < MOST; i++) {
        const struct store_gpu *g = &row->host->gpus[i];
        const struct view_gpu *now = NULL;
        for (unsigned k = 0; live && k < live->gpu_count; k++)
            if (live->gpus[k].index == (int)g->index)
                now = &live->gpus[k];
        draw_gpu(p, i == 0, g->index, g->name, g->mem_bytes, now);
    }
    for (unsigned k = 0; !row->host && live && k < live->gpu_count && k < MOST; k++)
        draw_gpu(p, k == 0, (unsigned)live->gpus[k].index, live->gpus[k].name, live->gpus[k].mem_bytes, &live->gpus[k]);
}

static void draw_load(struct pane *p, const struct host_line *row, const struct host_trend *t)
{
    char spark[GRAPH_ROW_SIZE], text[GRAPH_ROW_SIZE + 80], now[24] = "now unknown";
    if (row->load < 0 && t->peak < 0)
        return;
    if (row->load >= 0)
        snprintf(now, sizeof now, "%.1f", row->load);
    graph_spark(history_style(), t->load, TREND_VALUES, TREND_VALUES / graph_values_per_column(history_style()), spark);
    size_t used = (size_t)snprintf(text, sizeof text, "%s", now);
    if (row->facts && row->facts->cores)
        used += (size_t)snprintf(text + used, sizeof text - used, " of %u", row->facts->cores);
    if (t->peak >= 0)
        snprintf(text + used, sizeof text - used, "  %s  up to %.1f in the last hour", spark, t->peak);
    line(p, ROLE_NORMAL, "Load", text);
}

static void draw_runs(struct pane *p, const struct ui *ui, const struct host_line *row)
{
    char text[600] = "", one[300], rate[16];
    for (size_t i = 0; ui->engine && i < ui->engine->profile_count; i++) {
        const struct view_profile *v = &ui->engine->profiles[i];
        for (size_t h = 0; h < v->host_count; h++) {
            if (strcmp(v->hosts[h].host, row->name) != 0)
                continue;
            snprintf(one, sizeof one, "profile %s: %u daemon%s, %s tasks/s", v->name, v->hosts[h].daemons,
                text_plural(v->hosts[h].daemons),
                text_rate(rate, sizeof rate, v->hosts[h].rate < 0 ? 0 : v->hosts[h].rate));
            add(text, sizeof text, one);
        }
        for (size_t d = 0; d < v->daemon_count; d++) {
            if (strcmp(v->daemons[d].host, row->name) != 0 || strcmp(v->daemons[d].state, "paused") != 0)
                continue;
            snprintf(one, sizeof one, "paused: %s", v->daemons[d].reason);
            add(text, sizeof text, one);
            break; /* the others for the same, most likely */
        }
    }
    line(p, *text ? ROLE_NORMAL : ROLE_DIM, "Runs", *text ? text : "nothing");
}

static void draw_link(struct pane *p, const struct view_link *l)
{
    char text[700], up[24], down[24], since[24];
    snprintf(text, sizeof text, "%s for %s   sent %s, received %s", l->state,
        text_span(since, sizeof since, l->since_s * 1000), text_bytes(up, sizeof up, l->bytes_up),
        text_bytes(down, sizeof down, l->bytes_down));
    if (l->retry_in_s)
        snprintf(text + strlen(text), sizeof text - strlen(text), "   tries again in %llu s",
            (unsigned long long)l->retry_in_s);
    if (l->failures)
        snprintf(text + strlen(text), sizeof text - strlen(text), "   failed %llu time%s",
            (unsigned long long)l->failures, text_plural(l->failures));
    line(p, ROLE_NORMAL, "Link", text);
    text[0] = '\0';
    for (int i = 0; i < VIEW_STEPS; i++)
        if (l->steps_ms[i] >= 0)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %lldms", *text ? "  " : "", view_steps[i],
                (long long)l->steps_ms[i]);
    if (*text)
        line(p, ROLE_DIM, "Steps", text);
}

static void draw_reason(struct pane *p, const struct host_line *row)
{
    const struct view_link *l = row->link;
    const char *reason = l ? l->reason : row->host ? row->host->reason : "";
    if (*reason)
        line(p, ROLE_WARN, "Reason", reason);
    if (row->live && *row->live->suspicion)
        line(p, ROLE_WARN, "Suspect", row->live->suspicion);
    if (l && *l->hint)
        line(p, ROLE_NORMAL, "Next", l->hint);
}

void hosts_draw_detail(
    const struct ui *ui, const struct host_line *row, const struct host_trend *trend, const struct rect *r)
{
    struct pane p = {r, 0};
    char text[600] = "";
    if (row->host) {
        draw_reason(&p, row);
        draw_address(&p, row);
        draw_facts(&p, row);
    } else {
        line(&p, ROLE_NORMAL, "Address", "this machine; daemons on it need no login");
    }
    draw_gpus(&p, row);
    draw_load(&p, row, trend);
    draw_runs(&p, ui, row);
    if (row->link)
        draw_link(&p, row->link);
    for (size_t i = 0; row->host && i < row->host->tags.count; i++)
        add(text, sizeof text, row->host->tags.items[i]);
    if (*text)
        line(&p, ROLE_NORMAL, "Tags", text);
    if (row->host && *row->host->note)
        line(&p, ROLE_NORMAL, "Note", row->host->note);
}
