/* The progress line: a bar when the total is known, a count and a rate always. Never more than ten times a second. */
#include "tui/cli/map.h"

#include "base/mono.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REDRAW_MS = 100, BAR = 20, WINDOW = 32 };

struct progress {
    uint64_t started_ms, drawn_ms;
    bool visible;
    /* samples for a rate that follows what happens now */
    uint64_t at_ms[WINDOW], at_done[WINDOW];
    unsigned count;
};

struct progress *progress_new(void)
{
    struct progress *p = mem_zalloc(sizeof *p);
    p->started_ms = mono_ms();
    return p;
}

static double recent_rate(struct progress *p, uint64_t now_ms, uint64_t done)
{
    unsigned newest = p->count % WINDOW;
    p->at_ms[newest] = now_ms;
    p->at_done[newest] = done;
    p->count++;
    unsigned oldest = p->count > WINDOW ? p->count % WINDOW : 0;
    uint64_t span = now_ms - p->at_ms[oldest];
    if (p->count < 2 || span == 0)
        return 0;
    return (double)(done - p->at_done[oldest]) * 1000 / (double)span;
}

static unsigned columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

void progress_draw(struct progress *p, uint64_t done, uint64_t failed, uint64_t total, bool total_known)
{
    uint64_t now_ms = mono_ms();
    char line[256], bar[BAR + 1], count[32], all[32], speed[16], eta[24] = "", fails[48] = "";
    if (!p || (p->visible && now_ms - p->drawn_ms < REDRAW_MS))
        return;
    double rate = recent_rate(p, now_ms, done);
    p->drawn_ms = now_ms;
    if (failed)
        snprintf(fails, sizeof fails, "  %llu failed", (unsigned long long)failed);
    text_count(count, sizeof count, done);
    text_rate(speed, sizeof speed, rate);
    if (total_known && total) {
        unsigned full = (unsigned)(done * BAR / total);
        memset(bar, '#', full);
        memset(bar + full, '.', BAR - full);
        bar[BAR] = '\0';
        if (rate > 0)
            text_span(eta, sizeof eta, (uint64_t)((double)(total - done) * 1000 / rate));
        snprintf(line, sizeof line, "[%s] %3llu%%  %s of %s  %s/s%s%s%s", bar, (unsigned long long)(done * 100 / total),
            count, text_count(all, sizeof all, total), speed, *eta ? "  ETA " : "", eta, fails);
    } else {
        snprintf(
            line, sizeof line, "%s done, %s given  %s/s%s", count, text_count(all, sizeof all, total), speed, fails);
    }
    fprintf(stderr, "\r%.*s\033[K", (int)columns() - 1, line);
    fflush(stderr);
    p->visible = true;
}

void progress_clear(struct progress *p)
{
    if (!p || !p->visible)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->visible = false;
}

void progress_free(struct progress *p)
{
    progress_clear(p);
    free(p);
}
