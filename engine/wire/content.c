/* Contents: blocks, hashes, names. */
#include "engine/wire/content.h"

#include "base/err.h"
#include "base/le.h"
#include "base/mem.h"

#include <sodium.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUSY_MS = 20, SHORT_MS = 10000 };

const uint8_t content_zeros[CONTENT_BLOCK];

uint32_t content_blocks(uint64_t size)
{
    return (uint32_t)((size + CONTENT_BLOCK - 1) / CONTENT_BLOCK);
}

size_t content_block_size(uint64_t size, uint32_t block)
{
    uint64_t left = size - (uint64_t)block * CONTENT_BLOCK;
    return left < CONTENT_BLOCK ? (size_t)left : CONTENT_BLOCK;
}

void content_hash(uint8_t out[CONTENT_HASH], const void *data, size_t len)
{
    crypto_generichash(out, CONTENT_HASH, data, len, NULL, 0);
}

void content_name(uint8_t out[CONTENT_HASH], uint64_t size, const uint8_t (*hashes)[CONTENT_HASH], uint32_t blocks)
{
    crypto_generichash_state state;
    uint8_t number[8];
    le_put_u64(number, size);
    crypto_generichash_init(&state, NULL, 0, CONTENT_HASH);
    crypto_generichash_update(&state, number, sizeof number);
    crypto_generichash_update(&state, (const uint8_t *)hashes, (size_t)blocks * CONTENT_HASH);
    crypto_generichash_final(&state, out, CONTENT_HASH);
}

void content_hex(char out[CONTENT_HEX], const uint8_t name[CONTENT_HASH])
{
    sodium_bin2hex(out, CONTENT_HEX, name, CONTENT_HASH);
}

int content_read_block(int fd, uint64_t size, uint32_t block, uint8_t *at)
{
    size_t len = content_block_size(size, block);
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(fd, at + done, len - done, (off_t)block * CONTENT_BLOCK + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : ESTALE;
        done += (size_t)n;
    }
    return 0;
}

bool content_is_zero(const uint8_t *data, size_t len)
{
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

int content_write_block(int fd, uint32_t block, const uint8_t *data, size_t len)
{
    off_t at = (off_t)block * CONTENT_BLOCK;
    if (content_is_zero(data, len))
        return ftruncate(fd, at + (off_t)len) ? errno : 0;
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(fd, data + done, len - done, at + (off_t)done);
        if (n < 0 && errno != EINTR)
            return errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int content_read(struct content *c, int fd, uint64_t size, const atomic_bool *stop)
{
    uint8_t *block = mem_alloc(CONTENT_BLOCK), more;
    int rv = 0;
    *c = (struct content){.size = size, .blocks = content_blocks(size)};
    c->hashes = mem_alloc(((size_t)c->blocks + 1) * CONTENT_HASH);
    for (uint32_t i = 0; i < c->blocks && !rv; i++) {
        rv = atomic_load(stop) ? ECANCELED : content_read_block(fd, size, i, block);
        if (!rv)
            content_hash(c->hashes[i], block, content_block_size(size, i));
    }
    if (!rv && pread(fd, &more, 1, (off_t)size) > 0)
        rv = ESTALE;
    free(block);
    if (rv)
        content_fini(c);
    else
        content_name(c->name, size, (const uint8_t(*)[CONTENT_HASH])c->hashes, c->blocks);
    return rv;
}

void content_fini(struct content *c)
{
    free(c->hashes);
    c->hashes = NULL;
}

int content_copy(int from, int to, uint64_t size)
{
    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    uint8_t *block = mem_alloc(CONTENT_BLOCK);
    int rv = 0;
    for (uint32_t i = 0, n = content_blocks(size); i < n && !rv; i++) {
        rv = content_read_block(from, size, i, block);
        if (!rv)
            rv = content_write_block(to, i, block, content_block_size(size, i));
    }
    free(block);
    return rv;
}

int content_open(const char *file, int flags, mode_t mode, const atomic_bool *stop)
{
    for (int waited = 0;; waited += BUSY_MS) {
        int fd = open(file, flags, mode);
        if (fd >= 0 || !clw_is_short(errno) || waited >= SHORT_MS || atomic_load(stop))
            return fd;
        nanosleep(&(struct timespec){.tv_nsec = BUSY_MS * 1000000L}, NULL);
    }
}

/* We have its lock, and it is still the file of that name. */
static bool is_ours(int fd, const char *part)
{
    struct stat st, named;
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && stat(part, &named) == 0 &&
           st.st_ino == named.st_ino;
}

int content_open_part(const char *part, const atomic_bool *stop)
{
    for (;;) {
        int fd = content_open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600, stop);
        if (fd < 0 || is_ours(fd, part))
            return fd;
        close(fd);
        if (atomic_load(stop)) {
            errno = ECANCELED;
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = BUSY_MS * 1000000L}, NULL);
    }
}
