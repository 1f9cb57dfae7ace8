/* Wake-on-LAN: the packet that switches a sleeping machine on. */
#ifndef HOSTS_WAKE_H
#define HOSTS_WAKE_H

#include "base/err.h"

#include <stdint.h>

enum { WAKE_PACKET = 102 };

/* "aa:bb:cc:dd:ee:ff" (or with '-', or without anything) to six bytes. CLW_USAGE. */
enum clw_err wake_parse(const char *mac, uint8_t out[6], struct clw_error *err);
/* Six times 0xff, then the address sixteen times. */
void wake_packet(const uint8_t mac[6], uint8_t packet[WAKE_PACKET]);
/* Sends it to the broadcast address of every network here (target NULL or ""), or to one address; UDP port 9.
 * CLW_UNREACHABLE when none of them took it. Whether the machine wakes up nobody tells. */
enum clw_err wake_send(const char *mac, const char *target, struct clw_error *err);

#endif
