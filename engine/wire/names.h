/* Names of the sockets in the folder that owner_look() tells (base/owner.h), and of other files. */
#ifndef ENGINE_WIRE_NAMES_H
#define ENGINE_WIRE_NAMES_H

#define ENGINE_CONTROL_SOCKET "engine.sock"
#define ENGINE_UPDATE_SOCKET "updates.sock"
#define ENGINE_DATA_SOCKET "data.sock"
#define ENGINE_LOCK_FILE "engine.lock"
#define ENGINE_LOG_FILE "engine.log"

#endif
