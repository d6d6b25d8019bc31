# Lua 5.4 as the program needs it; pkg-config knows only the shared library.
#   Lua::headers     the include folder
#   Lua::static      liblua5.4.a, with the headers
#                    LP_CHECKED_LUA: built here from the same version's source, with its own
#                    assertions, its checks of the C API and our sanitizers
#   LUA_INTERPRETER  lua5.4 of the same release: it compiles the Lua half to bytecode
find_path(LUA_INCLUDE_DIR lua.h PATH_SUFFIXES lua5.4)
find_library(LUA_STATIC_LIBRARY NAMES liblua5.4.a)
find_program(LUA_INTERPRETER NAMES lua5.4)

# Debian's source is fetched once for a build folder. Without it Debian's library is linked.
set(lua_source ${PROJECT_BINARY_DIR}/lua)
if(LP_CHECKED_LUA AND NOT EXISTS ${lua_source}/src)
  execute_process(COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/lua_source ${lua_source}
    ERROR_VARIABLE lua_trouble ERROR_STRIP_TRAILING_WHITESPACE)
  if(NOT EXISTS ${lua_source}/src)
    message(WARNING "Lua is linked without its assertions. ${lua_trouble}")
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LuaStatic
  REQUIRED_VARS LUA_STATIC_LIBRARY LUA_INCLUDE_DIR LUA_INTERPRETER)

if(LuaStatic_FOUND AND NOT TARGET Lua::static)
  add_library(Lua::headers INTERFACE IMPORTED)
  target_include_directories(Lua::headers INTERFACE ${LUA_INCLUDE_DIR})
  if(LP_CHECKED_LUA AND EXISTS ${lua_source}/src)
    file(GLOB lua_files ${lua_source}/src/l*.c)
    list(FILTER lua_files EXCLUDE REGEX "/luac?\\.c$")
    add_library(lua_checked STATIC ${lua_files})
    add_library(Lua::static ALIAS lua_checked)
    target_compile_definitions(lua_checked PRIVATE LUA_USE_LINUX LUA_COMPAT_5_3 LUAI_ASSERT
      LUA_USE_APICHECK)
    set_target_properties(lua_checked PROPERTIES C_VISIBILITY_PRESET default)
    target_compile_options(lua_checked PRIVATE -O2) # nobody steps through it
    if(LP_SANITIZE)
      target_compile_options(lua_checked PRIVATE -fsanitize=${LP_SANITIZE}
        -fno-omit-frame-pointer -fno-sanitize-recover=all)
    endif()
    # The thread sanitizer does not follow _longjmp: its copy of the stack would grow with each yield.
    if(LP_SANITIZE MATCHES thread)
      target_compile_options(lua_checked PRIVATE "-Dluai_jmpbuf=jmp_buf"
        "-DLUAI_THROW(L,c)=longjmp((c)->b,1)" "-DLUAI_TRY(L,c,a)=if(setjmp((c)->b)==0){a}")
    endif()
    target_include_directories(lua_checked INTERFACE ${LUA_INCLUDE_DIR})
    target_link_libraries(lua_checked INTERFACE m ${CMAKE_DL_LIBS})
  else()
    add_library(Lua::static STATIC IMPORTED)
    set_target_properties(Lua::static PROPERTIES IMPORTED_LOCATION ${LUA_STATIC_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${LUA_INCLUDE_DIR})
    target_link_libraries(Lua::static INTERFACE m ${CMAKE_DL_LIBS})
  endif()
endif()
