# The libraries that hosts link, and the module that makes luapool a library of a plain lua5.4. Nothing but
# the names luapool_* of luapool.h can be seen in either library: a host may have a function of any other name.
pkg_check_modules(LUA REQUIRED IMPORTED_TARGET lua5.4)

# libluapool.so stands on the shared liblua5.4: Debian's static one is not made for shared libraries, and the
# host, its C functions and the C modules of Lua have to meet the same Lua.
set(lp_exports ${CMAKE_CURRENT_LIST_DIR}/libluapool.map)
add_library(luapool_shared SHARED $<TARGET_OBJECTS:lp_objects>)
target_link_libraries(luapool_shared PRIVATE lp_needs PkgConfig::LUA)
target_link_options(luapool_shared PRIVATE -Wl,--no-undefined -Wl,--version-script=${lp_exports})
set_target_properties(luapool_shared PROPERTIES OUTPUT_NAME luapool VERSION ${PROJECT_VERSION}
  SOVERSION 0 LINK_DEPENDS ${lp_exports})

# libluapool.a holds one object, whose hidden names have become local ones. A host links it with liblua5.4 and
# what Libs.private of luapool.pc lists.
set(lp_archive ${PROJECT_BINARY_DIR}/libluapool.a)
add_custom_command(OUTPUT ${lp_archive}
  COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -o luapool.o $<TARGET_OBJECTS:lp_objects>
  COMMAND ${CMAKE_OBJCOPY} --localize-hidden luapool.o
  COMMAND ${CMAKE_COMMAND} -E rm -f ${lp_archive}
  COMMAND ${CMAKE_AR} qcs ${lp_archive} luapool.o
  COMMAND ${CMAKE_COMMAND} -E rm luapool.o
  DEPENDS lp_objects $<TARGET_OBJECTS:lp_objects>
  WORKING_DIRECTORY ${PROJECT_BINARY_DIR}
  COMMENT "Linking the static library" COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(luapool_static ALL DEPENDS ${lp_archive})

# `require "luapool"` in a plain lua5.4: a host of libluapool.so, which it finds from its own place.
set(lp_module_dir lua/5.4)
file(RELATIVE_PATH lp_module_to_lib /${lp_module_dir} /)
string(REGEX REPLACE "/$" "" lp_module_to_lib "${lp_module_to_lib}")
file(GLOB lp_module CONFIGURE_DEPENDS runtime/module/*.c)
add_library(luapool_module MODULE ${lp_module})
target_link_libraries(luapool_module PRIVATE lp_flags Lua::headers luapool_shared)
set_target_properties(luapool_module PROPERTIES PREFIX "" OUTPUT_NAME luapool
  LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${lp_module_dir}
  INSTALL_RPATH "$ORIGIN/${lp_module_to_lib}")
