/* A page of slots. A slot is named by a hash that nobody can find a second text for: who asks chooses the question. */
#include "hosts/ssh/secrets.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <mbedtls/md.h>

enum { SLOTS = 12 };

struct slot {
    bool used;
    struct secret_key key;
    uint64_t age;
    char secret[SECRET_SIZE];
};

struct secrets {
    uint64_t clock;
    struct slot slots[SLOTS];
};

_Static_assert(sizeof(struct secrets) <= 4096, "the slots fit in a page");

struct secret_key secret_key(const char *kind, const char *asker, const char *question)
{
    struct secret_key key;
    const char *const parts[] = {kind, asker, question};
    mbedtls_md_context_t md;
    mbedtls_md_init(&md);
    if (mbedtls_md_setup(&md, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 0) || mbedtls_md_starts(&md))
        abort();
    for (size_t i = 0; i < 3; i++) /* with the NUL: no part can end in another */
        if (mbedtls_md_update(&md, (const unsigned char *)parts[i], strlen(parts[i]) + 1))
            abort();
    if (mbedtls_md_finish(&md, key.sum))
        abort();
    mbedtls_md_free(&md);
    return key;
}

struct secrets *secrets_new(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    /* Both are best effort: without the right to lock, the page may at worst be swapped. */
    (void)mlock(page, 4096);
    (void)madvise(page, 4096, MADV_DONTDUMP);
    (void)madvise(page, 4096, MADV_WIPEONFORK);
    return page;
}

void secrets_free(struct secrets *s)
{
    if (s) {
        mem_wipe(s, 4096);
        munmap(s, 4096);
    }
}

static struct slot *find(struct secrets *s, const struct secret_key *key)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (s->slots[i].used && memcmp(&s->slots[i].key, key, sizeof *key) == 0)
            return &s->slots[i];
    return NULL;
}

static struct slot *free_or_oldest(struct secrets *s)
{
    struct slot *oldest = &s->slots[0];
    for (size_t i = 0; i < SLOTS; i++) {
        if (!s->slots[i].used)
            return &s->slots[i];
        if (s->slots[i].age < oldest->age)
            oldest = &s->slots[i];
    }
    return oldest;
}

void secrets_put(struct secrets *s, const struct secret_key *key, const char *secret)
{
    struct slot *slot = find(s, key);
    if (!slot)
        slot = free_or_oldest(s);
    mem_wipe(slot, sizeof *slot);
    slot->used = true;
    slot->key = *key;
    slot->age = ++s->clock;
    strncpy(slot->secret, secret, SECRET_SIZE - 1);
}

bool secrets_get(struct secrets *s, const struct secret_key *key, char *out)
{
    const struct slot *slot = find(s, key);
    if (!slot)
        return false;
    memcpy(out, slot->secret, SECRET_SIZE);
    return true;
}

void secrets_drop(struct secrets *s, const struct secret_key *key)
{
    struct slot *slot = find(s, key);
    if (slot)
        mem_wipe(slot, sizeof *slot);
}

void secrets_drop_all(struct secrets *s)
{
    mem_wipe(s, sizeof *s);
}
