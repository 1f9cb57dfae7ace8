/* Reading the probe's lines. Each key has one form; a value in another form is kept as text and nothing is
 * made of it. */
#include "hosts/probe.h"

#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

void probe_init(struct probe *p, const char *token, struct host_facts *facts)
{
    memset(p, 0, sizeof *p);
    snprintf(p->token, sizeof p->token, "%s", token);
    p->facts = facts;
    p->clock_us = -1;
    host_facts_init(facts);
}

void probe_fini(struct probe *p)
{
    buf_fini(&p->line);
    buf_fini(&p->noise);
}

/* ---- forms ---- */

/* The C1 controls too: terminals obey them. */
static bool is_control(const char *at, size_t n)
{
    unsigned char c = (unsigned char)*at;
    return c < ' ' || c == 0x7f || (n == 2 && c == 0xc2 && (unsigned char)at[1] < 0xa0);
}

/* Printable text that fits. Empty text says nothing, and is fine. */
static bool take_text(char *out, size_t size, const char *value)
{
    size_t len = strlen(value);
    if (len >= size)
        return false;
    for (size_t i = 0; i < len;) {
        size_t n = text_utf8_len(value + i, len - i);
        if (n == 0 || is_control(value + i, n))
            return false;
        i += n;
    }
    memcpy(out, value, len + 1);
    return true;
}

/* One word of the letters that versions, machines and hashes are made of. */
static bool take_word(char *out, size_t size, const char *value)
{
    if (value[strspn(value, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._+~-")])
        return false;
    return take_text(out, size, value);
}

/* Zeros are those of a machine that we came to from itself. */
static bool take_mac(char out[18], const char *value)
{
    unsigned b[6];
    char more;
    if (strlen(value) != 17 ||
        sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%c", b, b + 1, b + 2, b + 3, b + 4, b + 5, &more) != 6)
        return false;
    bool any = b[0] | b[1] | b[2] | b[3] | b[4] | b[5];
    snprintf(out, 18, "%s", any ? value : "");
    return true;
}

static bool take_int(int64_t *out, const char *value, int64_t min, int64_t max)
{
    size_t digits = strspn(value, "0123456789");
    if (!digits || digits > 18 || value[digits])
        return false;
    int64_t n = strtoll(value, NULL, 10);
    if (n < min || n > max)
        return false;
    *out = n;
    return true;
}

static bool take_path(char *out, size_t size, const char *value)
{
    return *value == '/' && take_text(out, size, value);
}

/* "16310408 kB", "17179869184 B" */
static bool take_memory(uint64_t *out, const char *value)
{
    char digits[24];
    int64_t n;
    size_t len = strspn(value, "0123456789");
    bool kilo = strcmp(value + len, " kB") == 0;
    if (len == 0 || len >= sizeof digits || (!kilo && strcmp(value + len, " B") != 0))
        return false;
    memcpy(digits, value, len);
    digits[len] = '\0';
    if (!take_int(&n, digits, 1, (int64_t)1 << 50))
        return false;
    *out = (uint64_t)n * (kilo ? 1024u : 1u);
    return true;
}

static bool take_load(double *out, const char *value)
{
    char *end;
    if (!isdigit((unsigned char)*value) || value[strspn(value, "0123456789.")])
        return false;
    double n = strtod(value, &end);
    if (*end || !(n >= 0) || n > 1e6)
        return false;
    *out = n;
    return true;
}

/* "1700000000.123456789" */
static bool take_clock(int64_t *out_us, const char *value)
{
    char seconds[16], fraction[8] = "000000";
    int64_t s, us;
    size_t len = strspn(value, "0123456789");
    if (!len || len >= sizeof seconds || value[len] != '.')
        return false;
    memcpy(seconds, value, len);
    seconds[len] = '\0';
    const char *rest = value + len + 1;
    size_t n = strspn(rest, "0123456789");
    if (n < 1 || n > 9 || rest[n])
        return false;
    memcpy(fraction, rest, n < 6 ? n : 6);
    if (!take_int(&s, seconds, 0, 100000000000) || !take_int(&us, fraction, 0, 999999))
        return false;
    *out_us = s * 1000000 + us;
    return true;
}

/* "4.2.2 1.3.0", the second "-" when it is not there. */
static bool take_versions(char *a, char *b, size_t size, const char *value)
{
    char first[32], second[32], more;
    if (sscanf(value, "%31s %31s %c", first, second, &more) != 2 || !isdigit((unsigned char)first[0]))
        return false;
    bool none = strcmp(second, "-") == 0;
    if (!none && !isdigit((unsigned char)second[0]))
        return false;
    return take_word(a, size, first) && take_word(b, size, none ? "" : second);
}

static bool take_sshd(struct host_facts *f, const char *value)
{
    char pid[20], start[32], more;
    int64_t n;
    if (sscanf(value, "%19s %31s %c", pid, start, &more) != 2 || !take_int(&n, pid, 1, INT32_MAX) ||
        start[strspn(start, "0123456789")])
        return false;
    f->sshd_pid = n;
    snprintf(f->sshd_start, sizeof f->sshd_start, "%s", start);
    return true;
}

static bool take_sha256(char out[65], const char *value)
{
    if (strlen(value) != 64 || value[strspn(value, "0123456789abcdef")])
        return false;
    memcpy(out, value, 65);
    return true;
}

/* ---- GPUs ---- */

/* Those that every tool tells; those with what uses them; and all. */
enum { NVIDIA_LEAST = 4, NVIDIA_USED = 6, NVIDIA_FIELDS = 9 };

static struct host_gpu *new_gpu(struct host_facts *f, const char *vendor, const char *source)
{
    if (f->gpu_count == HOST_GPUS_MAX)
        return NULL;
    struct host_gpu *g = &f->gpus[f->gpu_count];
    memset(g, 0, sizeof *g);
    g->index = f->gpu_count;
    g->busy = g->temp_c = g->power_w = -1;
    snprintf(g->vendor, sizeof g->vendor, "%s", vendor);
    snprintf(g->source, sizeof g->source, "%s", source);
    return g;
}

static char *trim(char *text)
{
    while (*text == ' ')
        text++;
    for (size_t len = strlen(text); len && text[len - 1] == ' '; len--)
        text[len - 1] = '\0';
    return text;
}

/* "250.36": whole watts, or degrees. */
static int take_tenths(const char *text, int most)
{
    int64_t n;
    char whole[16];
    snprintf(whole, sizeof whole, "%.*s", (int)strcspn(text, "."), text);
    return take_int(&n, whole, 0, most) ? (int)n : -1;
}

/* "0, NVIDIA A100-SXM4-40GB, 40960, 525.85.12, 87, 30211, 61, 250.36, GPU-…": what comes after the driver is told by
 * most */
static bool take_nvidia(struct host_facts *f, const char *value)
{
    char copy[256], *fields[NVIDIA_FIELDS], *save = NULL;
    int64_t index, mib, busy;
    size_t n = 0;
    if (strlen(value) >= sizeof copy)
        return false;
    memcpy(copy, value, strlen(value) + 1);
    for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        if (n == NVIDIA_FIELDS)
            return false;
        fields[n++] = trim(p);
    }
    struct host_gpu *g =
        n == NVIDIA_LEAST || n == NVIDIA_USED || n == NVIDIA_FIELDS ? new_gpu(f, "nvidia", "nvidia-smi") : NULL;
    if (!g || !take_int(&index, fields[0], 0, 1023) || !take_text(g->name, sizeof g->name, fields[1]) || !*g->name)
        return false;
    g->index = (int)index;
    if (take_int(&mib, fields[2], 1, 1 << 24))
        g->mem_bytes = (uint64_t)mib << 20; /* "[N/A]" on machines that share their memory */
    if (!take_word(g->driver, sizeof g->driver, fields[3]))
        g->driver[0] = '\0';
    if (n >= NVIDIA_USED && take_int(&busy, fields[4], 0, 100))
        g->busy = (int)busy;
    if (n >= NVIDIA_USED && take_int(&mib, fields[5], 0, 1 << 24))
        g->mem_used_bytes = (uint64_t)mib << 20;
    if (n == NVIDIA_FIELDS) {
        g->temp_c = take_tenths(fields[6], 200);
        g->power_w = take_tenths(fields[7], 100000);
        if (!take_word(g->uuid, sizeof g->uuid, fields[8]))
            g->uuid[0] = '\0';
    }
    f->gpu_count++;
    return true;
}

/* "GPU-… 1234 2048 alice": of a card that was told before. A line that is none is left out: tools differ here. */
static bool take_gpu_process(struct host_facts *f, const char *value)
{
    char uuid[64], pid[24], mib[24], user[33], more;
    int64_t n, mem;
    struct host_gpu_process *p = &f->gpu_processes[f->gpu_process_count];
    if (sscanf(value, "%63s %23s %23s %32s %c", uuid, pid, mib, user, &more) != 4 || !take_int(&n, pid, 1, INT32_MAX) ||
        f->gpu_process_count == HOST_GPU_PROCESSES_MAX)
        return true;
    for (int i = 0; i < f->gpu_count; i++) {
        if (strcmp(f->gpus[i].uuid, uuid) != 0)
            continue;
        *p = (struct host_gpu_process){.gpu = f->gpus[i].index, .pid = n};
        if (take_int(&mem, mib, 1, 1 << 24))
            p->mem_bytes = (uint64_t)mem << 20;
        if (strcmp(user, "-") == 0 || !take_word(p->user, sizeof p->user, user))
            p->user[0] = '\0';
        f->gpu_process_count++;
        break;
    }
    return true;
}

static const char *member(const json_t *o, const char *const *names)
{
    for (; *names; names++) {
        const char *value = json_string_value(json_object_get(o, *names));
        if (value && *value)
            return value;
    }
    return "";
}

/* {"card0": {"Card series": "…", "VRAM Total Memory (B)": "…"}, …, "system": {"Driver version": "…"}} */
static bool take_rocm(struct host_facts *f, const char *value)
{
    static const char *const names[] = {"Card series", "Card Series", "Card model", "Card Model", NULL};
    static const char *const sizes[] = {"VRAM Total Memory (B)", NULL}, *const drivers[] = {"Driver version", NULL};
    static const char *const uses[] = {"GPU use (%)", NULL}, *const used[] = {"VRAM Total Used Memory (B)", NULL};
    static const char *const temps[] = {"Temperature (Sensor edge) (C)", "Temperature (Sensor junction) (C)", NULL};
    static const char *const powers[] = {
        "Average Graphics Package Power (W)", "Current Socket Graphics Package Power (W)", NULL};
    json_t *root = json_loads(value, JSON_REJECT_DUPLICATES, NULL);
    const char *key;
    json_t *card;
    bool any = false;
    json_object_foreach (root, key, card) {
        int64_t index, bytes, busy;
        if (strncmp(key, "card", 4) != 0 || !take_int(&index, key + 4, 0, 1023) || !json_is_object(card))
            continue;
        struct host_gpu *g = new_gpu(f, "amd", "rocm-smi");
        if (!g || !take_text(g->name, sizeof g->name, member(card, names)))
            continue;
        g->index = (int)index;
        if (take_int(&bytes, member(card, sizes), 1, (int64_t)1 << 50))
            g->mem_bytes = (uint64_t)bytes;
        if (take_int(&bytes, member(card, used), 0, (int64_t)1 << 50))
            g->mem_used_bytes = (uint64_t)bytes;
        if (take_int(&busy, member(card, uses), 0, 100))
            g->busy = (int)busy;
        g->temp_c = take_tenths(member(card, temps), 200);
        g->power_w = take_tenths(member(card, powers), 100000);
        if (!take_word(g->driver, sizeof g->driver, member(json_object_get(root, "system"), drivers)))
            g->driver[0] = '\0';
        f->gpu_count++;
        any = true;
    }
    json_decref(root);
    return any;
}

/* "0x10de 0x20b0 0000:01:00.0": counted when no tool told of that vendor's cards. */
static bool take_pci(struct host_facts *f, const char *value)
{
    unsigned vendor, device;
    char place[32], more;
    if (sscanf(value, "0x%4x 0x%4x %31s %c", &vendor, &device, place, &more) != 3 ||
        place[strspn(place, "0123456789abcdef:.")])
        return false;
    const char *name = vendor == 0x10de ? "nvidia" : vendor == 0x1002 ? "amd" : vendor == 0x8086 ? "intel" : NULL;
    if (!name)
        return true; /* the display of a server's board, or of a virtual machine */
    for (int i = 0; i < f->gpu_count; i++)
        if (strcmp(f->gpus[i].vendor, name) == 0 && strcmp(f->gpus[i].source, "pci") != 0)
            return true;
    struct host_gpu *g = new_gpu(f, name, "pci");
    if (!g)
        return false;
    snprintf(g->name, sizeof g->name, "%s %04x:%04x at %s", name, vendor, device, place);
    f->gpu_count++;
    return true;
}

/* ---- lines ---- */

static bool take_cache(struct host_facts *f, const char *value)
{
    if (strcmp(value, "ok") == 0) {
        f->cache_writable = true;
        return true;
    }
    return strncmp(value, "no ", 3) == 0 && take_text(f->cache_error, sizeof f->cache_error, value + 3);
}

static bool take_small(int *out, const char *value, int64_t max)
{
    int64_t n;
    if (!take_int(&n, value, 1, max))
        return false;
    *out = (int)n;
    return true;
}

static bool take_disk(struct host_facts *f, const char *value)
{
    int64_t kb;
    if (!take_int(&kb, value, 0, (int64_t)1 << 50))
        return false;
    f->disk_free_bytes = kb * 1024;
    return true;
}

/* Numbers with blanks between them. */
static bool take_numbers(int64_t *out, size_t count, const char *value)
{
    char one[32];
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(value, " ");
        if (len == 0 || len >= sizeof one)
            return false;
        memcpy(one, value, len);
        one[len] = '\0';
        if (!take_int(&out[i], one, 0, (int64_t)1 << 50))
            return false;
        value += len + (value[len] == ' ');
    }
    return *value == '\0';
}

static bool take_programs(struct host_facts *f, const char *value)
{
    int64_t n[2];
    if (!take_numbers(n, 2, value) || n[0] > INT32_MAX)
        return false;
    f->programs = (int)n[0];
    f->programs_bytes = n[1];
    return true;
}

static bool take_cleaned(struct host_facts *f, const char *value)
{
    int64_t n[4];
    if (!take_numbers(n, 4, value) || n[0] > INT32_MAX || n[2] > INT32_MAX || n[3] > INT32_MAX)
        return false;
    f->has_cleaned = true;
    f->cleaned = (int)n[0];
    f->cleaned_bytes = n[1];
    f->left = (int)n[2];
    f->ended = (int)n[3];
    return true;
}

static bool take_control(struct probe *p, const char *key, const char *value, bool *known)
{
    *known = true;
    if (strcmp(key, "begin") == 0)
        p->began = true;
    else if (strcmp(key, "pong") == 0)
        p->pongs++;
    else if (strcmp(key, "end") == 0)
        p->ended = true;
    else if (strcmp(key, "old_session") == 0)
        p->old_session_ended = true;
    else if (strcmp(key, "clock") == 0) {
        p->clock_answered = true;
        return take_clock(&p->clock_us, value);
    } else
        *known = false;
    return true;
}

static bool take_machine(struct host_facts *f, const char *key, const char *value, bool *known)
{
    int64_t n;
    *known = true;
    if (strcmp(key, "system") == 0)
        return take_word(f->system, sizeof f->system, value);
    if (strcmp(key, "os") == 0)
        return take_text(f->os, sizeof f->os, value);
    if (strcmp(key, "kernel") == 0)
        return take_text(f->kernel, sizeof f->kernel, value);
    if (strcmp(key, "arch") == 0)
        return take_word(f->arch, sizeof f->arch, value);
    if (strcmp(key, "bits") == 0)
        return take_int(&n, value, 16, 128) ? (f->word_bits = (int)n, true) : !*value;
    if (strcmp(key, "cores") == 0)
        return take_small(&f->cores, value, 65536);
    if (strcmp(key, "mem_total") == 0)
        return take_memory(&f->mem_total_bytes, value);
    if (strcmp(key, "mem_available") == 0)
        return take_memory(&f->mem_available_bytes, value);
    if (strcmp(key, "load") == 0)
        return take_load(&f->load1, value);
    if (strcmp(key, "uptime") == 0)
        return take_int(&f->uptime_s, value, 0, (int64_t)1 << 40);
    if (strcmp(key, "nvidia") == 0)
        return take_nvidia(f, value);
    if (strcmp(key, "gpu_process") == 0)
        return take_gpu_process(f, value);
    if (strcmp(key, "rocm") == 0)
        return take_rocm(f, value);
    if (strcmp(key, "pci") == 0)
        return take_pci(f, value);
    *known = false;
    return false;
}

static bool take_account(struct host_facts *f, const char *key, const char *value)
{
    if (strcmp(key, "mac") == 0)
        return take_mac(f->mac, value);
    if (strcmp(key, "user") == 0)
        return take_text(f->user, sizeof f->user, value);
    if (strcmp(key, "shell") == 0)
        return take_text(f->shell, sizeof f->shell, value);
    if (strcmp(key, "home") == 0)
        return take_path(f->home, sizeof f->home, value);
    if (strcmp(key, "cache_dir") == 0)
        return take_path(f->cache_dir, sizeof f->cache_dir, value);
    if (strcmp(key, "cache_open") == 0)
        return take_path(f->cache_open, sizeof f->cache_open, value);
    if (strcmp(key, "cache") == 0)
        return take_cache(f, value);
    if (strcmp(key, "disk_free_kb") == 0)
        return take_disk(f, value);
    if (strcmp(key, "programs") == 0)
        return take_programs(f, value);
    if (strcmp(key, "cleaned") == 0)
        return take_cleaned(f, value);
    if (strcmp(key, "program") == 0)
        return take_sha256(f->program_sha256, value);
    if (strcmp(key, "sshd") == 0)
        return take_sshd(f, value);
    if (strcmp(key, "r") == 0)
        return take_versions(f->r_version, f->mirai_version, sizeof f->r_version, value);
    if (strcmp(key, "nanonext") == 0)
        return take_word(f->nanonext_version, sizeof f->nanonext_version, strcmp(value, "-") == 0 ? "" : value);
    if (strcmp(key, "python") == 0)
        return take_versions(f->python_version, f->dask_version, sizeof f->python_version, value);
    return false;
}

static void keep_unparsed(struct host_facts *f, const char *line, size_t len)
{
    size_t used = strlen(f->unparsed);
    if (used + 64 < sizeof f->unparsed) {
        used += text_escape(f->unparsed + used, sizeof f->unparsed - used - 1, line, len < 400 ? len : 400);
        memcpy(f->unparsed + used, "\n", 2);
    }
}

static void take_line(struct probe *p, char *line, size_t len)
{
    size_t token = strlen(p->token);
    char *equals;
    bool known;
    if (len && line[len - 1] == '\r')
        line[--len] = '\0';
    if (!token || len <= token || memcmp(line, p->token, token) != 0 || line[token] != ' ') {
        if (p->noise.len + len + 1 < PROBE_NOISE_MAX && len) {
            buf_add(&p->noise, line, len);
            buf_add(&p->noise, "\n", 1);
        }
        return;
    }
    char *key = line + token + 1;
    if (strlen(line) != len || !(equals = strchr(key, '='))) {
        keep_unparsed(p->facts, key, len - token - 1);
        return;
    }
    *equals = '\0';
    bool fits = take_control(p, key, equals + 1, &known);
    if (!known) {
        fits = take_machine(p->facts, key, equals + 1, &known);
        if (!known)
            fits = take_account(p->facts, key, equals + 1);
    }
    *equals = '=';
    if (!fits)
        keep_unparsed(p->facts, key, len - token - 1);
}

void probe_feed(struct probe *p, const void *data, size_t len)
{
    const char *at = data, *end = at + len;
    while (at < end) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((eol ? eol : end) - at);
        if (p->line.len + n > PROBE_LINE_MAX)
            p->line_too_long = true;
        else
            buf_add(&p->line, at, n);
        at += n;
        if (!eol)
            break;
        at++;
        if (p->line_too_long) {
            keep_unparsed(p->facts, "a line longer than 16 KiB", 25);
            p->line_too_long = false;
        } else {
            char *line = buf_text(&p->line);
            take_line(p, line, p->line.len);
        }
        buf_clear(&p->line);
    }
}
