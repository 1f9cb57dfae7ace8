# The toolchain for clowder-daemon on another machine: Debian's cross compiler, and libraries of that machine in a folder of
# their own (cmake/sysroot.sh). CLOWDER_MACHINE says which, as `uname -m` does; CMAKE_SYSROOT where its libraries are.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CLOWDER_MACHINE)
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${CLOWDER_MACHINE})
set(CMAKE_LIBRARY_ARCHITECTURE ${CLOWDER_MACHINE}-linux-gnu)
set(CMAKE_C_COMPILER ${CLOWDER_MACHINE}-linux-gnu-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # there are no shared libraries to link a program with
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_EXE_LINKER_FLAGS_INIT -s) # it travels
