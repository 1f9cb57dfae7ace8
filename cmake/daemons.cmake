# clowder-daemon for hosts of other machines, as clowder-daemon-MACHINE beside this machine's own, where upload looks for it
# (hosts/upload_program.c). Each is a build of its own below this one, that goes along with it: `./run daemons` fetches what it
# takes and switches it on.
set(CLOWDER_DAEMONS "" CACHE STRING "other machines that clowder-daemon is built for, as `uname -m` says them: aarch64")
set(CLOWDER_SYSROOTS ${PROJECT_SOURCE_DIR}/build/sysroots CACHE PATH "the folder with a folder of libraries for each of them")
include(ExternalProject)

foreach(machine ${CLOWDER_DAEMONS})
  set(program ${PROJECT_BINARY_DIR}/bin/clowder-daemon-${machine})
  ExternalProject_Add(clowder-daemon-${machine}
    SOURCE_DIR ${PROJECT_SOURCE_DIR} PREFIX ${PROJECT_BINARY_DIR}/daemons/${machine}
    BINARY_DIR ${PROJECT_BINARY_DIR}/daemons/${machine}/build
    CMAKE_GENERATOR ${CMAKE_GENERATOR}
    CMAKE_ARGS -DCMAKE_TOOLCHAIN_FILE=${PROJECT_SOURCE_DIR}/cmake/cross.cmake -DCLOWDER_MACHINE=${machine}
      -DCMAKE_SYSROOT=${CLOWDER_SYSROOTS}/${machine} -DCLOWDER_ONLY_DAEMON=ON -DCMAKE_BUILD_TYPE=Release
      -DCLOWDER_WERROR=${CLOWDER_WERROR}
    BUILD_ALWAYS ON # it knows itself what has changed
    BUILD_COMMAND ${CMAKE_COMMAND} --build <BINARY_DIR> --target clowder-daemon
    INSTALL_COMMAND ${CMAKE_COMMAND} -E copy_if_different <BINARY_DIR>/bin/clowder-daemon ${program})
  install(PROGRAMS ${program} DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/clowder)
endforeach()
