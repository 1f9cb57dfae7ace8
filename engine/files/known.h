/* Contents of files at home, remembered, so that a file is read for its hashes once, however many hosts want it. From
 * any thread; one that finds another reading the file waits for it. */
#ifndef ENGINE_FILES_KNOWN_H
#define ENGINE_FILES_KNOWN_H

#include "engine/wire/content.h"

#include <sys/stat.h>

/* What fd, a regular file, has now. 0: *out is held by the caller, until known_rele(); or an errno: ESTALE, it is
 * changed meanwhile; ECANCELED, stop was set. */
int known_content(int fd, const atomic_bool *stop, const struct content **out);
void known_rele(const struct content *c);

#endif
