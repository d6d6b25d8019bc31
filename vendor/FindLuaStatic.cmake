# Lua 5.4 as the program needs it; pkg-config knows only the shared library.
#   Lua::headers     the include folder
#   Lua::static      liblua5.4.a, with the headers
#   LUA_INTERPRETER  lua5.4 of the same release: it compiles the Lua half to bytecode
find_path(LUA_INCLUDE_DIR lua.h PATH_SUFFIXES lua5.4)
find_library(LUA_STATIC_LIBRARY NAMES liblua5.4.a)
find_program(LUA_INTERPRETER NAMES lua5.4)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LuaStatic
  REQUIRED_VARS LUA_STATIC_LIBRARY LUA_INCLUDE_DIR LUA_INTERPRETER)

if(LuaStatic_FOUND AND NOT TARGET Lua::static)
  add_library(Lua::headers INTERFACE IMPORTED)
  target_include_directories(Lua::headers INTERFACE ${LUA_INCLUDE_DIR})
  add_library(Lua::static STATIC IMPORTED)
  set_target_properties(Lua::static PROPERTIES IMPORTED_LOCATION ${LUA_STATIC_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${LUA_INCLUDE_DIR})
  target_link_libraries(Lua::static INTERFACE m ${CMAKE_DL_LIBS})
endif()
