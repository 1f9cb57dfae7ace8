# nng, shared for the programs at home and static (with mbedtls) for the daemon that travels.
# Debian's libnng-dev carries a CMake package, but only for one of the two kinds, so both are found by hand.
find_path(NNG_INCLUDE_DIR nng/nng.h REQUIRED)
find_library(NNG_STATIC NAMES libnng.a REQUIRED)
find_library(MBEDTLS_STATIC NAMES libmbedtls.a REQUIRED)
find_library(MBEDX509_STATIC NAMES libmbedx509.a REQUIRED)
find_library(MBEDCRYPTO_STATIC NAMES libmbedcrypto.a REQUIRED)
add_library(clw_nng_static INTERFACE)
target_include_directories(clw_nng_static INTERFACE ${NNG_INCLUDE_DIR})
target_link_libraries(clw_nng_static INTERFACE ${NNG_STATIC} ${MBEDTLS_STATIC} ${MBEDX509_STATIC}
  ${MBEDCRYPTO_STATIC} Threads::Threads)

# libsodium, for the hashes of files, the same way.
find_path(SODIUM_INCLUDE_DIR sodium.h REQUIRED)
find_library(SODIUM_STATIC NAMES libsodium.a REQUIRED)
if(CLOWDER_ONLY_DAEMON)
  return()
endif()

find_library(NNG_SHARED NAMES nng REQUIRED)
find_library(MBEDX509_SHARED NAMES mbedx509 REQUIRED)
find_library(MBEDCRYPTO_SHARED NAMES mbedcrypto REQUIRED)
add_library(clw_nng INTERFACE)
target_include_directories(clw_nng INTERFACE ${NNG_INCLUDE_DIR})
target_link_libraries(clw_nng INTERFACE ${NNG_SHARED} Threads::Threads)
find_library(SODIUM_SHARED NAMES sodium REQUIRED)
