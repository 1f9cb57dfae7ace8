# Warnings and hardening, as targets that the others link.
# The folder of the daemon, as the program finds it from its own.
file(RELATIVE_PATH clw_libexec_up ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBEXECDIR}/clowder)
add_library(clw_options INTERFACE)
target_include_directories(clw_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(clw_options INTERFACE _GNU_SOURCE CLW_VERSION="${PROJECT_VERSION}"
  CLW_BINDIR="${CMAKE_INSTALL_FULL_BINDIR}" CLW_LIBEXEC_UP="${clw_libexec_up}")
target_compile_options(clw_options INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wwrite-strings -Wundef -Wvla
  -Wconversion -Wno-sign-conversion)
if(CLOWDER_WERROR)
  target_compile_options(clw_options INTERFACE -Werror)
endif()

add_library(clw_hardening INTERFACE)
if(CLOWDER_SANITIZE)
  target_compile_options(clw_hardening INTERFACE -fsanitize=${CLOWDER_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(clw_hardening INTERFACE -fsanitize=${CLOWDER_SANITIZE})
else()
  target_compile_options(clw_hardening INTERFACE -fstack-protector-strong -fstack-clash-protection
    $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection>
    $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},aarch64>:-mbranch-protection=standard>
    $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
  target_link_options(clw_hardening INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
if(CLOWDER_COVERAGE)
  target_compile_options(clw_hardening INTERFACE --coverage)
  target_link_options(clw_hardening INTERFACE --coverage)
endif()
target_link_libraries(clw_options INTERFACE clw_hardening)
