/* Inside hosts/ only. The little of SFTP (version 3) that an upload needs, over a channel of its own. The
 * library's own client waits without a limit and one answer a write; this one keeps many writes in flight and
 * obeys the step's limit. */
#ifndef HOSTS_SFTP_H
#define HOSTS_SFTP_H

#include "hosts/exec.h"

enum sftp_status { SFTP_OK, SFTP_EOF, SFTP_NO_FILE, SFTP_DENIED, SFTP_FAILURE };

struct sftp {
    struct exec x;
    struct buf in; /* what came and is not yet taken apart */
    uint32_t next_id;
    bool has_rename, has_statvfs;
    bool broken;     /* the server does not keep to the protocol */
    uint32_t status; /* of the last answer that was a status */
    char said[160];  /* and its words, escaped */
};

/* CLW_REFUSED: the host has no SFTP. On failure nothing is left to close. */
enum clw_err hosts_sftp_open(struct sftp *s, struct host_link *l, struct clw_error *err);
void hosts_sftp_close(struct sftp *s);

/* These give CLW_OK, CLW_NOT_FOUND (no such file), CLW_REFUSED (permission), CLW_IO (the server's words in
 * *err), or what a wait ends with. */
enum clw_err hosts_sftp_size(struct sftp *s, const char *path, uint64_t *size, struct clw_error *err);
/* Makes a new file, mode 0700. *done: how many bytes the host has confirmed. */
enum clw_err hosts_sftp_write_file(
    struct sftp *s, const char *path, const uint8_t *data, size_t len, size_t *done, struct clw_error *err);
/* Reads at most max bytes. */
enum clw_err hosts_sftp_read_file(struct sftp *s, const char *path, size_t max, struct buf *out, struct clw_error *err);
/* Puts from in the place of to, as one act where the server can. */
enum clw_err hosts_sftp_rename(struct sftp *s, const char *from, const char *to, struct clw_error *err);
void hosts_sftp_remove(struct sftp *s, const char *path);
/* Free bytes for this user on the file system of path; -1: unknown. */
int64_t hosts_sftp_free_bytes(struct sftp *s, const char *path);

#endif
