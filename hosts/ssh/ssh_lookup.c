/* Runs `ssh -G`, and remembers what it said for as long as the files say the same. */
#include "hosts/ssh/ssh_config_private.h"

#include "base/mem.h"
#include "base/mono.h"
#include "hosts/ssh/shell_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 20, ANSWER_BYTES = 1 << 20, KEPT_MAX = 256, LIMIT_MS = 10000, NOT_THERE = 127 };

/* Whoever reaps our children may be faster than we are, so the status comes by the same way as the answer. */
static const char script[] = "ssh \"$@\"\necho \"clowder-status $?\"";
static const char status_mark[] = "clowder-status ";

struct ssh_lookup {
    struct ssh_query query; /* its alias is owned, and all that is looked at afterwards */
    char *words[WORDS_MAX]; /* of the command, owned */
    size_t word_count;
    bool settled;               /* the answer may be kept … */
    uint8_t sum[SSH_SUM_BYTES]; /* … as long as the files have this sum */
    pid_t pid;                  /* 0: nothing runs */
    int fd, notes;
    struct buf answer;
    bool over;
    int status; /* of ssh, or -1 */
};

/* ---- what was said before ---- */

struct kept {
    struct kept *next;
    uint8_t sum[SSH_SUM_BYTES];
    char *words, *answer;
};

static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER; /* held for no longer than a look at the list */
static struct kept *kept;
static size_t kept_count;

static char *all_words(const struct ssh_lookup *l)
{
    struct buf text = {0};
    for (size_t i = 0; i < l->word_count; i++)
        buf_printf(&text, "%s\n", l->words[i]);
    return buf_steal(&text);
}

static char *find_kept(const struct ssh_lookup *l)
{
    char *words = all_words(l), *answer = NULL;
    pthread_mutex_lock(&kept_lock);
    for (const struct kept *k = kept; k && !answer; k = k->next)
        if (memcmp(k->sum, l->sum, sizeof k->sum) == 0 && strcmp(k->words, words) == 0)
            answer = mem_strdup(k->answer);
    pthread_mutex_unlock(&kept_lock);
    free(words);
    return answer;
}

static void drop_all(void)
{
    for (struct kept *k = kept, *next; k; k = next) {
        next = k->next;
        free(k->words);
        free(k->answer);
        free(k);
    }
    kept = NULL;
    kept_count = 0;
}

static void keep(struct ssh_lookup *l)
{
    struct kept *k = mem_zalloc(sizeof *k);
    *k = (struct kept){.words = all_words(l), .answer = mem_strdup(buf_text(&l->answer))};
    memcpy(k->sum, l->sum, sizeof k->sum);
    pthread_mutex_lock(&kept_lock);
    if (kept_count == KEPT_MAX)
        drop_all();
    k->next = kept;
    kept = k;
    kept_count++;
    pthread_mutex_unlock(&kept_lock);
}

/* What the files say now. False: it cannot be told, and ssh is to be asked. */
static bool sum_files(const struct ssh_lookup *l, uint8_t sum[SSH_SUM_BYTES])
{
    struct ssh_files files;
    bool read = ssh_config__look(l->query.config, &files, NULL) == CLW_OK;
    memcpy(sum, files.sum, SSH_SUM_BYTES);
    ssh_words_fini(&files.names);
    return read && files.settled;
}

static void keep_if_settled(struct ssh_lookup *l)
{
    uint8_t now[SSH_SUM_BYTES];
    if (l->settled && sum_files(l, now) && memcmp(now, l->sum, sizeof now) == 0)
        keep(l);
}

/* ---- the question ---- */

static bool is_one_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

static enum clw_err check_jump(const char *jump, struct clw_error *err)
{
    char *copy = mem_strdup(jump), *save = NULL, *user, *host;
    enum clw_err code = CLW_OK;
    unsigned port;
    for (char *one = strtok_r(copy, ",", &save); one && !code; one = strtok_r(NULL, ",", &save)) {
        code = ssh_target_parse(one, &user, &host, &port, err);
        free(user);
        free(host);
    }
    free(copy);
    return code;
}

/* Nothing of it may be an option to ssh, or a second line of its configuration. */
static enum clw_err check(const struct ssh_query *q, struct clw_error *err)
{
    if (!q->alias || !ssh_config__host_is_sane(q->alias))
        return clw_fail(err, CLW_USAGE, NULL, "'%.60s' is not the name or address of a host", q->alias ? q->alias : "");
    if (q->user && *q->user && !ssh_config__user_is_sane(q->user))
        return clw_fail(err, CLW_USAGE, NULL, "'%.60s' is not the name of a user", q->user);
    if (q->port > 65535)
        return clw_fail(err, CLW_USAGE, NULL, "%u is not a port number", q->port);
    if (q->identity && !is_one_line(q->identity))
        return clw_fail(err, CLW_USAGE, NULL, "the path of the key has control characters");
    return q->jump ? check_jump(q->jump, err) : CLW_OK;
}

static void add_word(struct ssh_lookup *l, char *owned)
{
    l->words[l->word_count++] = owned;
}

static void add_words(struct ssh_lookup *l, const char *option, char *owned)
{
    add_word(l, mem_strdup(option));
    add_word(l, owned);
}

/* -o IdentityFile="...": unlike -i it does not leave out a file that cannot be read, which is to be told. */
static char *identity_option(const char *path)
{
    struct buf text = {0};
    buf_add_text(&text, "IdentityFile=\"");
    for (; *path; path++) {
        if (*path == '"' || *path == '\\')
            buf_add_text(&text, "\\");
        buf_add(&text, path, 1);
    }
    buf_add_text(&text, "\"");
    return buf_steal(&text);
}

static void make_words(struct ssh_lookup *l, const struct ssh_query *q)
{
    add_words(l, "-G", mem_strdup("-T"));
    if (q->config)
        add_words(l, "-F", mem_strdup(q->config));
    if (q->user && *q->user)
        add_words(l, "-l", mem_strdup(q->user));
    if (q->port)
        add_words(l, "-p", mem_printf("%u", q->port));
    if (q->identity && *q->identity)
        add_words(l, "-o", identity_option(q->identity));
    if (q->jump && *q->jump)
        add_words(l, "-o", mem_printf("ProxyJump=%s", q->jump));
    add_words(l, "--", mem_strdup(q->alias));
}

/* ---- the run ---- */

static enum clw_err start(struct ssh_lookup *l, struct clw_error *err)
{
    int out[2];
    if (pipe2(out, O_CLOEXEC | O_NONBLOCK))
        return clw_fail(err, CLW_IO, NULL, "cannot make a pipe: %s", strerror(errno));
    fcntl(out[1], F_SETFL, 0); /* ssh's end waits */
    l->fd = out[0];
    l->notes = shell_child_notes();
    bool started = shell_child_start(script, l->words, -1, out[1], l->notes, &l->pid);
    int problem = errno;
    close(out[1]);
    if (started)
        return CLW_OK;
    l->pid = 0;
    return clw_fail(err, CLW_IO, "wait until less runs here, or raise the limit (ulimit -u)", "cannot start ssh: %s",
        strerror(problem));
}

enum clw_err ssh_lookup_begin(const struct ssh_query *query, struct ssh_lookup **out, struct clw_error *err)
{
    enum clw_err code = check(query, err);
    *out = NULL;
    if (code)
        return code;
    struct ssh_lookup *l = mem_zalloc(sizeof *l);
    struct ssh_query q = *query;
    q.config = ssh_config__file(q.config);
    l->fd = l->notes = l->status = -1;
    l->query = (struct ssh_query){.alias = mem_strdup(q.alias), .config = q.config ? mem_strdup(q.config) : NULL};
    make_words(l, &q);
    l->settled = sum_files(l, l->sum);
    char *answer = l->settled ? find_kept(l) : NULL;
    if (answer) {
        buf_add_text(&l->answer, answer);
        l->settled = false; /* it is kept already */
        l->over = true;
        l->status = 0;
        free(answer);
    } else {
        code = start(l, err);
    }
    if (code)
        ssh_lookup_end(l, NULL, NULL);
    else
        *out = l;
    return code;
}

int ssh_lookup_fd(const struct ssh_lookup *l)
{
    return l->over ? -1 : l->fd;
}

/* The last line says that it is over, and how. */
static void look_for_status(struct ssh_lookup *l)
{
    char *text = buf_text(&l->answer), *last;
    if (!l->answer.len || text[l->answer.len - 1] != '\n')
        return;
    text[l->answer.len - 1] = '\0';
    last = strrchr(text, '\n');
    last = last ? last + 1 : text;
    if (strncmp(last, status_mark, sizeof status_mark - 1) == 0) {
        l->status = atoi(last + sizeof status_mark - 1);
        l->over = true;
        *last = '\0';
        l->answer.len = (size_t)(last - text);
    } else {
        text[l->answer.len - 1] = '\n';
    }
}

bool ssh_lookup_step(struct ssh_lookup *l)
{
    while (!l->over) {
        ssize_t n = read(l->fd, buf_reserve(&l->answer, 8192), 8192);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n > 0)
            l->answer.len += (size_t)n;
        look_for_status(l);
        l->over |= n <= 0 || l->answer.len > ANSWER_BYTES;
    }
    return l->over;
}

/* ---- its end ---- */

static enum clw_err explain(const struct ssh_lookup *l, struct clw_error *err)
{
    char said[300], hint[200];
    shell_child_said(l->notes, said, sizeof said);
    if (l->status == NOT_THERE)
        return clw_fail(err, CLW_REFUSED, "install OpenSSH's client: apt install openssh-client",
            "ssh, which reads the ssh configuration, cannot be run: %s", said);
    snprintf(hint, sizeof hint, "correct the ssh configuration: 'ssh -G %.100s' says the same", l->query.alias);
    if (l->status > 0)
        return clw_fail(err, CLW_REFUSED, hint, "ssh refuses its configuration: %s", said);
    return clw_fail(err, CLW_IO, NULL, "'ssh -G' ended without an answer%s%s", *said ? ": " : "", said);
}

enum clw_err ssh_lookup_end(struct ssh_lookup *l, struct ssh_host *out, struct clw_error *err)
{
    enum clw_err code = CLW_TIMED_OUT;
    if (l->over && l->status == 0)
        code = ssh_config_read(&l->query, buf_text(&l->answer), out, err);
    else if (l->over)
        code = explain(l, err);
    else
        clw_fail(err, code, "which command does a 'Match exec' of the ssh configuration run?",
            "'ssh -G %.100s' gave no answer in time", l->query.alias);
    if (!code)
        keep_if_settled(l);
    if (l->pid && l->status < 0)
        shell_child_end(l->pid);
    else if (l->pid)
        waitpid(l->pid, NULL, 0); /* that line was its last */
    if (l->fd >= 0)
        close(l->fd);
    if (l->notes >= 0)
        close(l->notes);
    for (size_t i = 0; i < l->word_count; i++)
        free(l->words[i]);
    free((char *)(uintptr_t)l->query.alias);
    free((char *)(uintptr_t)l->query.config);
    buf_fini(&l->answer);
    free(l);
    return code;
}

enum clw_err ssh_config_lookup(
    const struct ssh_query *query, int cancel_fd, struct ssh_host *out, struct clw_error *err)
{
    struct ssh_lookup *l;
    uint64_t until = mono_ms() + LIMIT_MS, now;
    enum clw_err code = ssh_lookup_begin(query, &l, err);
    if (code)
        return code;
    struct pollfd fds[2] = {{.events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
    while (!ssh_lookup_step(l) && !fds[1].revents && (now = mono_ms()) < until) {
        fds[0].fd = ssh_lookup_fd(l);
        poll(fds, 2, (int)(until - now));
    }
    bool cancelled = fds[1].revents && !ssh_lookup_step(l);
    code = ssh_lookup_end(l, out, err);
    return cancelled ? clw_fail(err, CLW_CANCELLED, NULL, "stopped") : code;
}
