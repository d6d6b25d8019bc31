# What `make install` puts where. The tree may be moved as a whole: whatever names another file of it does so
# from its own place.
include(CMakePackageConfigHelpers)
set(lp_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/luapool)
set(lp_pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(lp_out ${PROJECT_BINARY_DIR}/generated)

# A static library's users link what luapool is built on; not what that is built on in its turn, whose
# packages for developers need not be there. So Requires.private would be too much.
foreach(package ${lp_packages})
  list(APPEND lp_static_libraries ${${package}_LIBRARIES})
endforeach()
list(APPEND lp_static_libraries rt m ${CMAKE_DL_LIBS})
list(REMOVE_DUPLICATES lp_static_libraries)
list(TRANSFORM lp_static_libraries PREPEND -l OUTPUT_VARIABLE lp_pc_private)
list(JOIN lp_pc_private " " lp_pc_private)
string(APPEND lp_pc_private " ${CMAKE_THREAD_LIBS_INIT}")

file(RELATIVE_PATH lp_pc_to_prefix /${lp_pc_dir} /)
string(REGEX REPLACE "/$" "" lp_pc_to_prefix "${lp_pc_to_prefix}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/luapool.pc.in ${lp_out}/luapool.pc @ONLY)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/luapoolConfig.cmake.in
  ${lp_out}/luapoolConfig.cmake INSTALL_DESTINATION ${lp_cmake_dir}
  PATH_VARS CMAKE_INSTALL_BINDIR CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${lp_out}/luapoolConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)

# The types for editors, where `luapool new` looks for them.
set(lp_types ${lp_out}/docs/types/luapool/init.lua)
add_custom_command(OUTPUT ${lp_types}
  COMMAND ${LUA_INTERPRETER} docs/generator/main.lua docs ${lp_out}/docs
  DEPENDS ${lp_pages}
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  COMMENT "Making the types for editors" VERBATIM)
add_custom_target(luapool_types ALL DEPENDS ${lp_types})

# The man pages and the completions, out of the same tables as `--help`.
set(lp_shell ${lp_out}/shell)
set(lp_shell_made ${lp_shell}/man1/luapool.1)
add_custom_command(OUTPUT ${lp_shell_made}
  COMMAND ${LUA_INTERPRETER} docs/generator/main.lua shell ${lp_shell}
  DEPENDS ${lp_pages} CMakeLists.txt CHANGELOG.md
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  COMMENT "Making the man pages and the completions" VERBATIM)
add_custom_target(luapool_shell ALL DEPENDS ${lp_shell_made})

install(TARGETS luapool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS luapool_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS luapool_module LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/${lp_module_dir})
install(FILES ${lp_archive} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES runtime/luapool.h runtime/luapool.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${lp_out}/luapool.pc DESTINATION ${lp_pc_dir})
install(FILES ${lp_out}/luapoolConfig.cmake ${lp_out}/luapoolConfigVersion.cmake
  DESTINATION ${lp_cmake_dir})
install(DIRECTORY ${lp_out}/docs/types DESTINATION ${CMAKE_INSTALL_DATADIR}/luapool)
install(DIRECTORY ${lp_shell}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${lp_shell}/completions/bash RENAME luapool
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${lp_shell}/completions/zsh RENAME _luapool
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${lp_shell}/completions/fish RENAME luapool.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

# systemd looks below /usr/local, too.
install(FILES examples/systemd/luapool@.service DESTINATION lib/systemd/system)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
# Without the programs that may have been built among the examples.
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR}
  PATTERN ".*" EXCLUDE
  PATTERN "systemd" EXCLUDE
  REGEX "/embed_(cpp/embed_cpp|loop/poll|loop/uv|threads/embed_threads|tool/embed_tool)$" EXCLUDE)
