/* How scalability protocols look on a socket of this machine (nng's ipc://), for both sides. Each end greets with 8
 * bytes: NUL S P NUL, the number of its protocol, two of nothing. Then messages: a byte 1, their length, and so many
 * bytes. All numbers are big-endian. A request begins with a backtrace: words of 4 bytes, the last of which has its top
 * bit set; the answer begins with the same. */
#ifndef ENGINE_CONTROL_SP_FRAME_H
#define ENGINE_CONTROL_SP_FRAME_H

#include <stdint.h>

enum { SP_GREETING = 8, SP_HEAD = 9, SP_MESSAGE = 1, SP_WORD = 4 };
enum sp_protocol { SP_PUB = 0x20, SP_SUB = 0x21, SP_REQ = 0x30, SP_REP = 0x31 };

/* The greeting of an end that speaks it. */
static inline void sp_put_greeting(uint8_t out[SP_GREETING], enum sp_protocol protocol)
{
    for (int i = 0; i < SP_GREETING; i++)
        out[i] = 0;
    out[1] = 'S';
    out[2] = 'P';
    out[5] = (uint8_t)protocol;
}

static inline void sp_put_head(uint8_t out[SP_HEAD], uint64_t len)
{
    out[0] = SP_MESSAGE;
    for (int i = 0; i < 8; i++)
        out[1 + i] = (uint8_t)(len >> (56 - 8 * i));
}

/* Bytes of the message that follows, or UINT64_MAX: that is no head. */
static inline uint64_t sp_get_head(const uint8_t head[SP_HEAD])
{
    uint64_t len = 0;
    for (int i = 1; i < SP_HEAD; i++)
        len = len << 8 | head[i];
    return head[0] == SP_MESSAGE ? len : UINT64_MAX;
}

#endif
