/* Machines that could become hosts: those that announce SSH on the network (what avahi-browse says), those that ssh
 * has met (known_hosts), and the neighbours that the kernel knows. Pure: text in, machines out; nobody is contacted. */
#ifndef HOSTS_SCAN_H
#define HOSTS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCAN_MAX = 1024 };

struct scan_machine {
    char name[64];      /* as it may be called in the inventory */
    char hostname[256]; /* "": none is known */
    char address[64];   /* IPv4 or IPv6; "": unknown */
    char mac[18];       /* "": unknown */
    uint16_t port;
    bool is_announced, is_known, is_near;
};

struct scan {
    struct scan_machine *items;
    size_t count;
    unsigned hashed; /* names in known_hosts that nobody can read */
};

/* Each adds what its source tells, to the same machine where the source means the same; lines that are none are passed
 * over, and so is what comes after SCAN_MAX machines. */
void scan_announced(struct scan *s, const char *text);  /* avahi-browse -rpt _ssh._tcp */
void scan_known(struct scan *s, const char *text);      /* a known_hosts file */
void scan_neighbours(struct scan *s, const char *text); /* /proc/net/arp */
/* Announced ones first, then by name. */
void scan_sort(struct scan *s);
void scan_fini(struct scan *s);

#endif
