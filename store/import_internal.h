/* Inside store/ only: a document that was read and found good, before it is applied. */
#ifndef STORE_IMPORT_INTERNAL_H
#define STORE_IMPORT_INTERNAL_H

#include "store/host.h"
#include "store/profile.h"
#include "store/setting.h"
#include "store/transfer.h"

struct store__document {
    struct store_host_list hosts;
    struct store_profile_list profiles;
    struct store_setting_list settings;
};

/* Reads and checks; on failure *out is empty. */
enum clw_err store__document_read(const char *json, size_t len, struct store__document *out, struct clw_error *err);
void store__document_fini(struct store__document *d);

#endif
