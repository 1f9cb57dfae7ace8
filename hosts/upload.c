/* Getting the program there: once a version, under a name of its own first, checked by reading it back, then
 * put in its place in one act, so that two who do it at once do not meet, and nobody ever sees half a
 * program. */
#include "hosts/upload.h"

#include "base/random.h"
#include "base/text.h"
#include "hosts/sftp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct upload {
    struct host_link *link;
    const struct host_facts *facts;
    struct buf program;
    char sha256[65];
    char *path, *temp;
};

static enum clw_err check_room(struct upload *u, struct clw_error *err)
{
    const struct host_facts *f = u->facts;
    char need[16], have[16];
    if (f->disk_free_bytes >= 0 && (uint64_t)f->disk_free_bytes < u->program.len + 65536)
        return clw_fail(err, CLW_REFUSED, "free space on the host",
            "the disk of %s on the host is full: %s are free, %s are needed", f->cache_dir,
            text_bytes(have, sizeof have, (uint64_t)f->disk_free_bytes), text_bytes(need, sizeof need, u->program.len));
    if (!f->cache_writable)
        return clw_fail(err, CLW_REFUSED, "make ~/.cache writable on the host, or free space there",
            "cannot write to %s on the host: %s", f->cache_dir,
            *f->cache_error ? f->cache_error : "no reason was given");
    return CLW_OK;
}

static bool same_bytes(struct sftp *s, struct upload *u, const char *path)
{
    struct buf back = {0};
    struct clw_error ignored;
    char sum[65] = "";
    uint64_t size = 0;
    if (hosts_sftp_size(s, path, &size, &ignored) == CLW_OK && size == u->program.len &&
        hosts_sftp_read_file(s, path, u->program.len, &back, &ignored) == CLW_OK)
        upload_sha256(back.data, back.len, sum);
    buf_fini(&back);
    return strcmp(sum, u->sha256) == 0;
}

static enum clw_err say_why(struct sftp *s, struct upload *u, enum clw_err code, size_t done, struct clw_error *err)
{
    char have[16], words[400];
    if (code != CLW_IO && code != CLW_REFUSED && code != CLW_NOT_FOUND)
        return code;
    int64_t left = hosts_sftp_free_bytes(s, u->facts->cache_dir);
    snprintf(words, sizeof words, "%.300s", err ? err->message : "");
    return clw_fail(err, CLW_REFUSED,
        left >= 0 && left < 1 << 20 ? "free space on the host" : "is a quota used up? is the disk read-only?",
        "the upload to %.100s stopped at %zu of %zu bytes (%s; %s free there)", u->facts->cache_dir, done,
        u->program.len, words,
        left >= 0 ? text_bytes(have, sizeof have, (uint64_t)left) : "an unknown number of bytes");
}

/* Was somebody faster? Then the file of his stays: processes may run from it. */
static bool is_there(struct sftp *s, struct upload *u)
{
    struct clw_error ignored;
    uint64_t size = 0;
    return hosts_sftp_size(s, u->path, &size, &ignored) == CLW_OK && size == u->program.len;
}

static enum clw_err by_sftp(struct sftp *s, struct upload *u, struct clw_error *err)
{
    size_t done = 0;
    enum clw_err code;
    bool was_there = is_there(s, u);
    if (was_there && same_bytes(s, u, u->path))
        return CLW_OK;
    code = hosts_sftp_write_file(s, u->temp, u->program.data, u->program.len, &done, err);
    if (code)
        code = say_why(s, u, code, done, err);
    else if (!same_bytes(s, u, u->temp))
        code = clw_fail(err, CLW_DAMAGED, "check the host's disk",
            "the program does not read back from the host as it was written");
    else if (!was_there && is_there(s, u))
        hosts_sftp_remove(s, u->temp);
    else
        code = hosts_sftp_rename(s, u->temp, u->path, err);
    if (code) {
        hosts_sftp_remove(s, u->temp);
        /* Without an atomic rename, somebody who was faster may be in the place. */
        if (code != CLW_TIMED_OUT && code != CLW_CANCELLED && same_bytes(s, u, u->path))
            code = CLW_OK;
    }
    return code;
}

/* For hosts without SFTP: the bytes on the stdin of a shell. */
static enum clw_err by_shell(struct upload *u, struct clw_error *err)
{
    static const char script[] = "umask 077; cat >\"$1\" && chmod 700 \"$1\" && [ \"$(wc -c <\"$1\")\" -eq \"$3\" ] && "
                                 "mv -f \"$1\" \"$2\" && echo uploaded";
    char *temp = upload_quote(u->temp), *path = upload_quote(u->path), said[300];
    char *command = mem_printf("exec sh -c '%s' sh %s %s %zu", script, temp, path, u->program.len);
    struct exec x = {.out_max = 1000, .errors_max = 1000};
    enum clw_err code = exec_open(&x, u->link, command, NULL, err);
    if (!code) {
        code = exec_write(&x, u->program.data, u->program.len, err);
        if (!code || code == CLW_CLOSED) {
            exec_send_eof(&x);
            code = exec_finish(&x, err);
        }
        if (!code && (x.status != 0 || !strstr(buf_text(&x.out), "uploaded"))) {
            text_escape(said, sizeof said, (char *)x.errors.data, x.errors.len);
            code = clw_fail(err, CLW_REFUSED, "free space on the host, or make ~/.cache writable",
                "the upload to %s failed: %s", u->facts->cache_dir, said);
        }
    }
    exec_close(&x);
    free(command);
    free(temp);
    free(path);
    return code;
}

static enum clw_err send_program(struct upload *u, struct clw_error *err)
{
    struct sftp s;
    enum clw_err code = check_room(u, err);
    if (code)
        return code;
    code = hosts_sftp_open(&s, u->link, err);
    if (code == CLW_REFUSED) {
        link__log(u->link, LOG_INFO, "step=upload note=\"no SFTP on the host, using a shell\"");
        return by_shell(u, err);
    }
    if (code)
        return code;
    code = by_sftp(&s, u, err);
    hosts_sftp_close(&s);
    return code;
}

static void name_files(struct upload *u)
{
    uint64_t random;
    random_fill(&random, sizeof random);
    u->path = mem_printf("%s/clowder-daemon-%.16s", u->facts->cache_dir, u->sha256);
    u->temp = mem_printf("%s/.up-%.16s-%016llx", u->facts->cache_dir, u->sha256, (unsigned long long)random);
}

enum clw_err link__upload(struct host_link *l, struct clw_error *err)
{
    struct host_facts *f = mem_zalloc(sizeof *f);
    struct upload u = {.link = l, .facts = f};
    char *used = NULL;
    bool there = false;
    enum clw_err code;
    host_link_facts(l, f);
    if (strcmp(f->system, "Linux") != 0)
        code = clw_fail(err, CLW_REFUSED, "use a foreign runtime on it, or remove it",
            "the host runs %s, the daemon program is for Linux", *f->system ? f->system : "an unknown system");
    else if (!*f->cache_dir)
        code = clw_fail(
            err, CLW_REFUSED, "give the account a home directory", "the host did not say where its home directory is");
    else
        code = upload_pick(l->o.program, f->arch, &u.program, &used, err);
    if (!code) {
        upload_sha256(u.program.data, u.program.len, u.sha256);
        name_files(&u);
        there = strcmp(f->program_sha256, u.sha256) == 0;
        if (!there)
            code = send_program(&u, err);
    }
    if (!code) {
        snprintf(l->program_path, sizeof l->program_path, "%s", u.path);
        link__log(l, LOG_INFO, "step=upload path=%s bytes=%zu %s", u.path, u.program.len, there ? "was there" : "sent");
    }
    buf_fini(&u.program);
    free(used);
    free(u.path);
    free(u.temp);
    free(f);
    return code;
}
