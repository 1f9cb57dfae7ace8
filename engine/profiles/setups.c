/* Functions that every daemon of a profile runs before anything else. */
#include "engine/profiles/setups.h"

#include <stdlib.h>
#include <string.h>

void profile_add_setup_argv(struct profile *p, const char *const *argv, size_t argc)
{
    struct core_job from = {.profile = p};
    struct buf b = {0};
    func_init(&from.spec);
    from.spec.no_input = true;
    for (size_t i = 0; i < argc; i++)
        func_add_arg(&from.spec, argv[i]);
    func_encode(&from.spec, &b);
    from.func = blk_new(b.len);
    if (!from.func)
        abort();
    memcpy(from.func->data, b.data, b.len);
    from.func_len = b.len;
    profile_add_setup(p->engine, p, &from);
    blk_rele(from.func);
    func_fini(&from.spec);
    buf_fini(&b);
}

enum clw_err profile_add_setup(struct engine *e, struct profile *p, const struct core_job *from)
{
    (void)e;
    struct core_job *j = mem_zalloc(sizeof *j), **at = &p->setups;
    j->profile = p;
    j->func = blk_hold(from->func);
    j->func_len = from->func_len;
    func_copy(&j->spec, &from->spec);
    while (*at)
        at = &(*at)->next;
    *at = j;
    return CLW_OK;
}
