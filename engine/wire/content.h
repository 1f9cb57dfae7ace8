/* The content of a file, as both ends of the file plane name it: cut into blocks, a hash for each, and one hash over
 * those, which is its name. BLAKE2b with 256 bits, by libsodium. */
#ifndef ENGINE_WIRE_CONTENT_H
#define ENGINE_WIRE_CONTENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    CONTENT_HASH = 32,
    CONTENT_BLOCK = 1 << 20, /* bytes; the last block may be shorter */
    CONTENT_HEX = 2 * CONTENT_HASH + 1
};

struct content {
    uint64_t size;
    uint32_t blocks;
    uint8_t (*hashes)[CONTENT_HASH]; /* owned */
    uint8_t name[CONTENT_HASH];
};

uint32_t content_blocks(uint64_t size);
/* How long that block is. */
size_t content_block_size(uint64_t size, uint32_t block);
void content_hash(uint8_t out[CONTENT_HASH], const void *data, size_t len);
/* The name of a content from the hashes of its blocks. */
void content_name(uint8_t out[CONTENT_HASH], uint64_t size, const uint8_t (*hashes)[CONTENT_HASH], uint32_t blocks);
void content_hex(char out[CONTENT_HEX], const uint8_t name[CONTENT_HASH]);
/* Reads the file from its start: 0; or an errno, ESTALE when it is not size bytes long, ECANCELED when stop was set
 * meanwhile. c->hashes is owned by the caller after 0. */
int content_read(struct content *c, int fd, uint64_t size, const atomic_bool *stop);
void content_fini(struct content *c);
/* Reads that block of fd to at, which has room for CONTENT_BLOCK bytes. 0, or an errno; ESTALE: the file is shorter. */
int content_read_block(int fd, uint64_t size, uint32_t block, uint8_t *at);
/* Writes it, or leaves a hole when all its bytes are 0. 0, or an errno. */
int content_write_block(int fd, uint32_t block, const uint8_t *data, size_t len);
/* Copies a file of that size, or clones it where the file systems can. 0, or an errno; ESTALE: it is shorter. */
int content_copy(int from, int to, uint64_t size);
/* open(), which waits for a while when the process is out of descriptors: that is no task's fault. */
int content_open(const char *file, int flags, mode_t mode, const atomic_bool *stop);
/* Opens a file that grows, for ourselves: another that is at the same is waited for. -1: errno, ECANCELED when stop was
 * set. */
int content_open_part(const char *part, const atomic_bool *stop);
extern const uint8_t content_zeros[CONTENT_BLOCK]; /* of a block that came without its bytes */
bool content_is_zero(const uint8_t *data, size_t len);

#endif
