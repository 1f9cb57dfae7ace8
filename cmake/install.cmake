# What is installed: two programs, the library in both kinds, its headers, pkg-config and CMake packages, manuals, completions.
include(CMakePackageConfigHelpers)

install(TARGETS clowder RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
# Nobody types it: it is found from the program's own place (base/paths.c).
install(TARGETS clowder-daemon RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/clowder)
install(TARGETS clowder_shared clowder_static
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES engine/client/clowder.h engine/client/clowder_worker.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# Where Debian's python3 looks; elsewhere PYTHONPATH names the folder (docs/python.md).
install(FILES engine/client/python/clowder.py DESTINATION lib/python3/dist-packages)
install(FILES engine/client/r/clowder_worker.R DESTINATION ${CMAKE_INSTALL_DATADIR}/clowder)

# Relative, so that the tree may be installed anywhere.
file(RELATIVE_PATH clowder_pc_up /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(cmake/clowder.pc.in clowder.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/clowder.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

configure_package_config_file(cmake/clowderConfig.cmake.in clowderConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/clowder PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(clowderConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/clowderConfig.cmake ${PROJECT_BINARY_DIR}/clowderConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/clowder)

install(DIRECTORY docs/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Completions come out of the program itself.
foreach(shell bash zsh fish)
  add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/completion.${shell}
    COMMAND clowder completion ${shell} > ${PROJECT_BINARY_DIR}/completion.${shell} DEPENDS clowder VERBATIM)
  list(APPEND completions ${PROJECT_BINARY_DIR}/completion.${shell})
endforeach()
add_custom_target(completions ALL DEPENDS ${completions})
install(FILES ${PROJECT_BINARY_DIR}/completion.bash RENAME clowder
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${PROJECT_BINARY_DIR}/completion.zsh RENAME _clowder DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${PROJECT_BINARY_DIR}/completion.fish RENAME clowder.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
