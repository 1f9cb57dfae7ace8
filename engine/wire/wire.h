/* The wire: one codec for client, engine and daemon. A frame is a fixed header of WIRE_HEADER bytes, little-endian,
 * and `len` bytes of body. Nothing here does I/O. docs/protocol.md is the same in words.
 *
 *   offset  0 u32 len      bytes of body
 *           4 u8  type     enum wire_type
 *           5 u8  flags    enum wire_flag
 *           6 u16 code     enum wire_outcome of a REPORT, enum clw_err of a REFUSE or FAULT
 *           8 u32 job      the job's number on this connection (0: none)
 *          12 u32 n        how many tasks the frame speaks of
 *          16 u64 first    index of the first of them (0-based); GRANT: bytes
 *          24 u32 run_us   RESULT: time that the n tasks took together, saturating
 *          28 u32 daemon   number of the daemon that ran them; attempts in the upper 8 bits */
#ifndef ENGINE_WIRE_WIRE_H
#define ENGINE_WIRE_WIRE_H

#include "base/err.h"
#include "base/le.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    WIRE_VERSION = 1,
    WIRE_HEADER = 32,
    WIRE_HELLO_MAX = 4096,       /* body of a frame before the hello was accepted */
    WIRE_BODY_MAX = 256 << 20,   /* body of any other frame */
    WIRE_INPUT_MAX = 128 << 20,  /* one task's input */
    WIRE_OUTPUT_MAX = 128 << 20, /* highest limit that a job may set for a task's stdout */
    WIRE_CHUNK_BYTES = 64 << 10, /* a client closes a chunk at this size … */
    WIRE_CHUNK_TASKS = 4096,     /* … or at this many tasks */
    WIRE_TOKEN = 64,             /* hex digits of a token, or of an instance */
};

enum wire_type {
    WIRE_HELLO = 1, /* first frame of who dials: fields MAGIC VERSION ROLE [TOKEN INSTANCE DAEMON PID HOST
                       RECEIVED] */
    WIRE_WELCOME,   /* answer: fields VERSION [CLIENT | the daemon's settings] [RECEIVED] */
    WIRE_REFUSE,    /* answer: code, text; then the connection is closed */
    WIRE_OPEN,      /* a job and its function: client to engine, engine to daemon; fields of func.h */
    WIRE_OPENED,    /* engine to client: n tasks exist already (everywhere); or code and text: refused */
    WIRE_TASKS,     /* n inputs: u32 end offsets, then the bytes; offsets may start above 0 */
    WIRE_RESULT,    /* n tasks that went well: the same layout, of their outputs */
    WIRE_REPORT,    /* one task in full (struct wire_report), or n tasks with the same fate and no body */
    WIRE_GRANT,     /* engine to client: `first` more bytes of TASKS bodies may be sent for this job */
    WIRE_END,       /* client: no more tasks for this job */
    WIRE_CANCEL,    /* tasks first..first+n-1, or the whole job when n is 0 */
    WIRE_CLOSE,     /* engine to daemon: forget the job; client to engine: drop it */
    WIRE_CLOSED,    /* the answer, when all that belonged to it is gone */
    WIRE_FAULT,     /* something is wrong with the job as a whole: code, text */
    WIRE_NAME,      /* engine to client: daemon number's fields DAEMON_NAME HOST */
    WIRE_PING,
    WIRE_PONG,
    WIRE_LEAVE,  /* daemon: I would stop (text: why) */
    WIRE_QUIT,   /* engine to daemon: finish what you have and stop; WIRE_NOW: stop at once */
    WIRE_USAGE,  /* daemon: it and its tasks use `n` thousandths of a core and `first` bytes of memory */
    WIRE_TERMS,  /* engine to daemon: the owner's terms as of now: fields [NICE .. HOURS] */
    WIRE_LIMITS, /* daemon: which limits are in force (text) */
    WIRE_YIELD,  /* daemon: it pauses, and takes no new tasks (text: why), or it goes on (no text) */
    WIRE_BACK,   /* daemon: the tasks first..first+n-1, the last ones of a batch, not begun */
    WIRE_NOTE,   /* engine to client: something about the job for people (text), which goes on */
    WIRE_HAVE,   /* engine and daemon: `first` frames have come (PING and PONG say it, too): engine/wire/resume.h */
    /* On a connection of files (docs/protocol.md), job and first naming the task: */
    WIRE_WANT,   /* daemon: which files does it need? Of first UINT64_MAX: which files does its job ship? */
    WIRE_LIST,   /* engine, the answer: a list of parcel.h; or code and text: they cannot be had */
    WIRE_GET,    /* daemon: the content of entry n of that list, from block u64 on */
    WIRE_HASHES, /* engine, the answer: a hash for each of the n blocks; BLOCKs follow; or code and text */
    WIRE_BLOCK,  /* block n of the content that is sent: its bytes, or none when all are 0 */
    WIRE_PUT,    /* daemon: a list of what the task made */
    WIRE_NEED, /* engine, the answer when content is to follow: from which block on, u64 for each entry with content */
    WIRE_HOME, /* engine: it is all home, n files of first bytes; or code and text: it cannot be */
    WIRE_TYPE_COUNT
};

/* RESUMED: of a WELCOME: it goes on where the connection before broke, and nothing else in it counts. */
enum wire_flag { WIRE_NOW = 1, WIRE_RESUMED = 2 };

/* How a task ended. */
enum wire_outcome {
    WIRE_DONE,      /* it ran and exited 0 */
    WIRE_FAILED,    /* it ran and ended otherwise: exit status or signal */
    WIRE_TIMEOUT,   /* killed by its time limit */
    WIRE_CANCELLED, /* taken back by the caller */
    WIRE_LOST,      /* its daemons died, retries+1 times */
    WIRE_OUTCOME_COUNT,
    WIRE_CANNOT = 100 /* a daemon's word to its engine alone: this machine cannot start it. Elsewhere, or FAILED */
};

enum wire_role { WIRE_ROLE_CLIENT = 1, WIRE_ROLE_DAEMON, WIRE_ROLE_FILES };

struct frame {
    uint8_t type, flags;
    uint16_t code;
    uint32_t job, n, run_us, daemon, len;
    uint64_t first;
    const uint8_t *body; /* borrowed */
};

void wire_put_header(uint8_t out[WIRE_HEADER], const struct frame *f);
/* Reads a header; body is left NULL. PROTOCOL when type or length cannot be right (max_body is the caller's bound). */
enum clw_err wire_get_header(const uint8_t in[WIRE_HEADER], uint32_t max_body, struct frame *f, struct clw_error *err);

/* The body of TASKS and RESULT, taken apart and checked: offsets rise, and span the bytes exactly. */
struct wire_slices {
    const uint8_t *ends; /* n little-endian u32, borrowed */
    const uint8_t *bytes;
    uint32_t n, base, bytes_len; /* bytes of item i: [end(i-1) - base, end(i) - base), end(-1) = base */
};
enum clw_err wire_slices(const struct frame *f, struct wire_slices *s, struct clw_error *err);
/* Start and end of item i within s->bytes. */
static inline uint32_t wire_slice_start(const struct wire_slices *s, uint32_t i);
static inline uint32_t wire_slice_end(const struct wire_slices *s, uint32_t i);

/* Fields: u16 key, u32 length, bytes; keys may repeat, unknown ones are passed over. */
enum wire_key {
    WIRE_K_MAGIC = 1,
    WIRE_K_VERSION,
    WIRE_K_ROLE,
    WIRE_K_TOKEN,
    WIRE_K_DAEMON,
    WIRE_K_PID,
    WIRE_K_HOST,
    WIRE_K_DAEMON_NAME,
    WIRE_K_CLIENT,
    WIRE_K_ENV,
    WIRE_K_PROFILE = 17,
    WIRE_K_INSTANCE,      /* a daemon's own secret, by which its token is bound to it */
    WIRE_K_RECEIVED = 98, /* frames that came over the connections before */
    WIRE_K_GPUS = 99,     /* indices of those that are there, "0 1": the daemon takes one that is free */
    WIRE_K_FUNC = 100     /* keys of func.c start here; what is free below: settings, store/profile_setting.h */
};
#define WIRE_MAGIC "clowder"

/* The variables that show a process one GPU alone, by its index, in the words of their makers; NULL ends them. */
extern const char *const wire_gpu_variables[];

/* Who dials, as it says itself; fields that it left out are 0 or "". */
struct wire_hello {
    uint64_t version, role, daemon, pid, received;
    bool has_received;
    char magic[16], token[WIRE_TOKEN + 1], instance[WIRE_TOKEN + 1];
};
/* False: it is no hello of ours. */
bool wire_get_hello(const struct frame *f, struct wire_hello *h);

/* A new token or instance: random hex digits. */
void wire_new_secret(char text[WIRE_TOKEN + 1]);

void wire_add_field(struct buf *b, unsigned key, const void *data, size_t len);
void wire_add_text(struct buf *b, unsigned key, const char *text);
void wire_add_number(struct buf *b, unsigned key, uint64_t value);

struct wire_fields {
    const uint8_t *at, *end;
    unsigned key;
    uint32_t len;
    const uint8_t *data;
    bool broken; /* a field claimed more bytes than there are */
};
void wire_fields_init(struct wire_fields *w, const uint8_t *data, size_t len);
/* Moves to the next field; false at the end or when broken. */
bool wire_fields_next(struct wire_fields *w);
/* The current field as a number (0 when its size is not 8), or as an owned, NUL-terminated string (NULs inside: NULL).
 */
uint64_t wire_field_number(const struct wire_fields *w);
char *wire_field_text(const struct wire_fields *w);
/* The same into a fixed array; false when it does not fit or holds a NUL. */
bool wire_field_copy(const struct wire_fields *w, char *out, size_t size);

/* One task in full. Byte ranges are borrowed from the frame. */
struct wire_report {
    int32_t exit_status; /* -1: ended by a signal or never ran */
    int32_t signal;
    uint64_t run_us, queued_us;
    uint64_t out_total; /* bytes that the task wrote to stdout; more than out_len when it was cut */
    uint32_t out_len, err_len, why_len;
    uint32_t file_count; /* that it brought home, … */
    uint64_t file_bytes; /* … and what is in them */
    const uint8_t *out, *err, *why;
};
enum { WIRE_REPORT_HEAD = 56 };
void wire_put_report(uint8_t head[WIRE_REPORT_HEAD], const struct wire_report *r);
enum clw_err wire_get_report(const struct frame *f, struct wire_report *r, struct clw_error *err);

static inline uint32_t wire_slice_end(const struct wire_slices *s, uint32_t i)
{
    return le_u32(s->ends + 4 * (size_t)i) - s->base;
}
static inline uint32_t wire_slice_start(const struct wire_slices *s, uint32_t i)
{
    return i ? wire_slice_end(s, i - 1) : 0;
}

#endif
