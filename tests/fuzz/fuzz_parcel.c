/* Lists of files from a daemon, or from home: whatever they are, paths stay inside. */
#include "engine/wire/parcel.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct parcel_list list;
    if (parcel_list_read(&list, data, len, NULL))
        return 0;
    struct buf again = {0};
    for (size_t i = 0; i < list.count; i++) {
        const struct parcel_entry *e = &list.entries[i];
        if (!parcel_path_is_plain(e->path) || e->path[0] == '/')
            abort();
        parcel_add(&again, e);
    }
    struct parcel_list back;
    if (parcel_list_read(&back, again.data, again.len, NULL) || back.count != list.count)
        abort();
    parcel_list_fini(&back);
    parcel_list_fini(&list);
    buf_fini(&again);
    return 0;
}
