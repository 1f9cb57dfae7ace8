/* A profile's settings as fields of a frame: what a daemon is told, by the rows of store/profile_setting.h. */
#ifndef ENGINE_WIRE_WIRE_SETTINGS_H
#define ENGINE_WIRE_WIRE_SETTINGS_H

#include "engine/wire/wire.h"
#include "store/profile_setting.h"

/* Adds those that are told then. */
void wire_add_settings(struct buf *b, const struct store_settings *s, enum store_told told);
/* The current field, if it is one of those. */
void wire_take_setting(const struct wire_fields *w, struct store_settings *s, enum store_told told);

#endif
