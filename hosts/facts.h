/* What a probe measured on a host. Values that the host did not tell, or told in a way that does not fit, are
 * unknown: -1, 0 or "" as each field says; the text that did not fit is kept in unparsed. Pure. */
#ifndef HOSTS_FACTS_H
#define HOSTS_FACTS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { HOST_GPUS_MAX = 32, HOST_GPU_PROCESSES_MAX = 64, HOST_UNPARSED_SIZE = 2048, HOST_PATH_SIZE = 512 };

struct host_gpu {
    int index;
    char name[96];
    char vendor[16];    /* nvidia, amd, intel */
    uint64_t mem_bytes; /* 0: unknown */
    uint64_t mem_used_bytes;
    int busy;        /* per cent of the time just before; -1: unknown */
    int temp_c;      /* -1: unknown */
    int power_w;     /* -1: unknown */
    char uuid[64];   /* "": unknown */
    char driver[32]; /* "": unknown */
    char source[16]; /* nvidia-smi, rocm-smi, pci */
};

/* Who computes on a GPU. */
struct host_gpu_process {
    int gpu; /* its index */
    int64_t pid;
    uint64_t mem_bytes; /* 0: unknown */
    char user[33];      /* "": unknown */
};

/* Of ours on a host: programs of other versions than this one; or all, and daemons that run, whoever's they are. */
enum probe_clean { PROBE_CLEAN_NOTHING, PROBE_CLEAN_OTHERS, PROBE_CLEAN_ALL };

struct host_facts {
    char system[32]; /* uname -s */
    char os[96];     /* "Debian GNU/Linux 12 (bookworm)" */
    char kernel[96]; /* uname -r */
    char arch[32];   /* uname -m */
    int word_bits;   /* 32, 64; 0: unknown */
    char user[64];
    char shell[128];
    char home[HOST_PATH_SIZE];
    char mac[18];             /* of the network card that we came in at: "52:54:00:12:34:56" */
    int cores;                /* 0: unknown */
    uint64_t mem_total_bytes; /* 0: unknown */
    uint64_t mem_available_bytes;
    double load1;     /* below 0: unknown */
    int64_t uptime_s; /* -1: unknown */
    char cache_dir[HOST_PATH_SIZE];
    bool cache_writable;
    char cache_error[200];           /* why it is not */
    char cache_open[HOST_PATH_SIZE]; /* the folder on the way to it that others may write to; "": none */
    int64_t disk_free_bytes;         /* in the cache folder; -1: unknown */
    struct host_gpu gpus[HOST_GPUS_MAX];
    int gpu_count;
    struct host_gpu_process gpu_processes[HOST_GPU_PROCESSES_MAX];
    int gpu_process_count;
    char r_version[32], mirai_version[32], nanonext_version[32], python_version[32], dask_version[32];
    bool clock_known;
    int64_t clock_offset_ms; /* the host's clock minus ours */
    uint32_t clock_error_ms; /* the measurement is at most this far off */
    uint32_t rtt_us;         /* 0: unknown */
    int programs;            /* of ours, of any version, in the cache folder, … */
    int64_t programs_bytes;
    bool has_cleaned; /* it was cleaned on the way, and so much went: */
    int cleaned, ended;
    int64_t cleaned_bytes;
    int left;                          /* daemons that run still */
    char program_sha256[65];           /* of the program that was asked about, when it is there */
    int64_t sshd_pid;                  /* of our session; 0: unknown */
    char sshd_start[32];               /* its start, as the kernel counts it */
    char unparsed[HOST_UNPARSED_SIZE]; /* what the host said and nobody understood, lines, escaped */
};

/* Everything unknown. */
void host_facts_init(struct host_facts *f);
/* A JSON object as owned text: only what is known. */
char *host_facts_json(const struct host_facts *f);

#endif
