/* Settings on the wire: numbers, and the hours as text. */
#include "engine/wire/wire_settings.h"

void wire_add_settings(struct buf *b, const struct store_settings *s, enum store_told told)
{
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++)
        if (row->told == told && row->type == STORE_TYPE_HOURS)
            wire_add_text(b, row->wire, store_row_text(row, s));
        else if (row->told == told)
            wire_add_number(b, row->wire, store_row_number(row, s));
}

void wire_take_setting(const struct wire_fields *w, struct store_settings *s, enum store_told told)
{
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++)
        if (row->told == told && row->wire == w->key && row->type == STORE_TYPE_HOURS)
            wire_field_copy(w, store_row_room(row, s), HOURS_SIZE);
        else if (row->told == told && row->wire == w->key)
            store_row_set(row, s, wire_field_number(w));
}
