/* A page of slots. What names a slot is a hash of the prompt, so that nothing else has to be kept. */
#include "hosts/secrets.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { SLOTS = 12 };

struct slot {
    bool used;
    uint64_t prompt;
    uint64_t age;
    char secret[SECRET_SIZE];
};

struct secrets {
    uint64_t clock;
    struct slot slots[SLOTS];
};

_Static_assert(sizeof(struct secrets) <= 4096, "the slots fit in a page");

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

static uint64_t hash(const char *text)
{
    uint64_t h = 1469598103934665603u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

static struct slot *find(struct secrets *s, uint64_t prompt)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (s->slots[i].used && s->slots[i].prompt == prompt)
            return &s->slots[i];
    return NULL;
}

void secrets_put(struct secrets *s, const char *prompt, const char *secret)
{
    struct slot *slot = find(s, hash(prompt));
    for (size_t i = 0; i < SLOTS && !slot; i++)
        if (!s->slots[i].used)
            slot = &s->slots[i];
    if (!slot) {
        slot = &s->slots[0];
        for (size_t i = 1; i < SLOTS; i++)
            if (s->slots[i].age < slot->age)
                slot = &s->slots[i];
    }
    mem_wipe(slot, sizeof *slot);
    slot->used = true;
    slot->prompt = hash(prompt);
    slot->age = ++s->clock;
    strncpy(slot->secret, secret, SECRET_SIZE - 1);
}

bool secrets_get(struct secrets *s, const char *prompt, char *out)
{
    struct slot *slot = find(s, hash(prompt));
    if (!slot && (slot = find(s, hash(""))) != NULL)
        slot->prompt = hash(prompt);
    if (!slot)
        return false;
    memcpy(out, slot->secret, SECRET_SIZE);
    return true;
}

void secrets_drop(struct secrets *s, const char *prompt)
{
    struct slot *slot = find(s, hash(prompt));
    if (slot)
        mem_wipe(slot, sizeof *slot);
}

void secrets_drop_all(struct secrets *s)
{
    mem_wipe(s, sizeof *s);
}
