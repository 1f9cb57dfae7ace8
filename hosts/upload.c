/* Getting the program there: once a version, over the stdin of a shell, under a name of its own first, checked, then
 * put in its place in one act, so that two who do it at once do not meet, and nobody ever sees half a program. */
#include "hosts/upload.h"

#include "base/random.h"
#include "base/text.h"
#include "hosts/ssh/exec.h"
#include "hosts/folder_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct upload {
    struct host_session *link;
    const struct host_facts *facts;
    struct buf program;
    char sha256[65];
    char *path, *temp;
};

enum clw_err upload_is_open(const char *cache, const char *open, struct clw_error *err)
{
    char hint[300];
    snprintf(hint, sizeof hint, "on the host: chmod go-w %.200s, if it is yours", open);
    return clw_fail(err, CLW_REFUSED, hint,
        "other users of the host could replace what is in %s: %s is not yours, or they may write to it", cache, open);
}

static enum clw_err check_closed(const struct host_facts *f, struct clw_error *err)
{
    return *f->cache_open ? upload_is_open(f->cache_dir, f->cache_open, err) : CLW_OK;
}

static enum clw_err check_room(struct upload *u, struct clw_error *err)
{
    const struct host_facts *f = u->facts;
    char need[16], have[16];
    if (f->disk_free_bytes >= 0 && (uint64_t)f->disk_free_bytes < u->program.len + 65536)
        return clw_fail(err, CLW_REFUSED,
            "free space on the host, or choose another folder: clowder host edit NAME --cache DIR",
            "the disk of %s on the host is full: %s are free, %s are needed", f->cache_dir,
            text_bytes(have, sizeof have, (uint64_t)f->disk_free_bytes), text_bytes(need, sizeof need, u->program.len));
    if (!f->cache_writable)
        return clw_fail(err, CLW_REFUSED,
            "make it writable, free space there, or choose another folder: clowder host edit NAME --cache DIR",
            "cannot write to %s on the host: %s", f->cache_dir,
            *f->cache_error ? f->cache_error : "no reason was given");
    return CLW_OK;
}

/* $1: the name of its own, $2: its place, $3: its length, $4: its hash, $5: the folder of both, which is looked at once
 * more from within, so that it is the one that is written to. Ends with 2 when it reads back otherwise than it was
 * written. */
static const char script[] =
    "umask 077; " FOLDER_ENTER "enter \"$5\"; { cat >\"$1\" && chmod 700 \"$1\" && [ \"$(wc -c <\"$1\")\" -eq \"$3\" "
    "]; } || { rm -f \"$1\"; exit 1; "
    "}; "
    "s=$(sha256sum <\"$1\" 2>/dev/null) || s=$(shasum -a 256 <\"$1\" 2>/dev/null) || "
    "s=$(openssl dgst -sha256 -r <\"$1\" 2>/dev/null) || s=; "
    "case ${s%% *} in \"$4\"|\"\") mv -f \"$1\" \"$2\" && echo uploaded;; *) rm -f \"$1\"; exit 2;; esac";

static enum clw_err judge(const struct upload *u, struct exec *x, struct clw_error *err)
{
    char said[300];
    if (x->status == 0 && strstr(buf_text(&x->out), "uploaded"))
        return CLW_OK;
    if (x->status == 2)
        return clw_fail(
            err, CLW_DAMAGED, "check the host's disk", "the copy of the program on the host differs from the original");
    text_escape(said, sizeof said, (char *)x->errors.data, x->errors.len);
    if (x->status == FOLDER_OPEN)
        return upload_is_open(u->facts->cache_dir, said, err);
    return clw_fail(err, CLW_REFUSED, "free space on the host; is a quota used up? is the disk read-only?",
        "the upload to %.100s failed: %s", u->facts->cache_dir, *said ? said : "the host's shell did not say why");
}

/* Of ours: letters, digits, dots and dashes. */
static const char *base_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

static enum clw_err send_program(struct upload *u, struct clw_error *err)
{
    enum clw_err code = check_room(u, err);
    if (code)
        return code;
    char *folder = upload_quote(u->facts->cache_dir);
    char *command = mem_printf("exec sh -c '%s' sh ./%s ./%s %zu %s %s", script, base_name(u->temp), base_name(u->path),
        u->program.len, u->sha256, folder);
    struct exec x = {.out_max = 1000, .errors_max = 1000};
    code = exec_open(&x, u->link, command, err);
    if (!code)
        code = exec_write(&x, u->program.data, u->program.len, err);
    if (x.channel && (!code || code == CLW_CLOSED)) { /* it may have ended before it had read all */
        exec_send_eof(&x);
        code = exec_finish(&x, err);
    }
    if (!code)
        code = judge(u, &x, err);
    exec_close(&x);
    free(command);
    free(folder);
    return code;
}

static void name_files(struct upload *u)
{
    uint64_t random;
    random_fill(&random, sizeof random);
    u->path = mem_printf("%s/clowder-daemon-%.16s", u->facts->cache_dir, u->sha256);
    u->temp = mem_printf("%s/.up-%.16s-%016llx", u->facts->cache_dir, u->sha256, (unsigned long long)random);
}

enum clw_err link__upload(struct host_session *l, struct clw_error *err)
{
    struct host_facts *f = mem_zalloc(sizeof *f);
    struct upload u = {.link = l, .facts = f};
    char *used = NULL;
    bool there = false;
    enum clw_err code;
    host_session_facts(l, f);
    if (strcmp(f->system, "Linux") != 0)
        code = clw_fail(err, CLW_REFUSED,
            "run its daemons in a Linux container (clowder host edit NAME --launcher command), or remove it",
            "the host runs %s, the daemon program is for Linux", *f->system ? f->system : "an unknown system");
    else if (!*f->cache_dir)
        code = clw_fail(
            err, CLW_REFUSED, "give the account a home directory", "the host did not say where its home directory is");
    else
        code = upload_pick(l->o.program, f->arch, &u.program, &used, err);
    if (!code)
        code = check_closed(f, err);
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
