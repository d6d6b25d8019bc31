/* loop/usage.h: a call that is wrong raises kind `usage`, here and nowhere else.
 *
 * The error stands at the line of the user's code and has one of three shapes:
 *   task.sleep: no task is running
 *   bad argument #1 to 'task.sleep' (a number of seconds expected, got "1")
 *   'queue:put' was not called on a luapool.sync.queue (but on nothing): is it called with ':'?
 * A function is named as in the reference: "task.sleep", a method "queue:put"; `arg` is a place
 * on the stack, where a method has its object at 1, and which the message does not count. The
 * Lua half (luapool.internal.usage) raises through the same functions. They never return when
 * the call is wrong. Only the module `socket` keeps conventions of its own: LuaSocket's, which
 * it stands in for. Layer: loop. */
#ifndef LP_LOOP_USAGE_H
#define LP_LOOP_USAGE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Raises "<function>: <text>"; the text as for lua_pushfstring. */
int lp_usage_raise(lua_State *L, const char *function, const char *text, ...);

/* Raises that the argument at `arg` is not what is `expected`: "a string". */
int lp_usage_argument(lua_State *L, int arg, const char *function, const char *expected);

/* Raises that the method was not called on an object of `class`, but on what stands at 1. */
int lp_usage_self(lua_State *L, const char *method, const char *class);

/* The string at `arg`, or a number as one; `len` may be NULL: then it holds no zero byte. */
const char *lp_usage_string(lua_State *L, int arg, const char *function, size_t *len);

/* The number of seconds at `arg`, at least 0; -1 when there is none or nil. */
double lp_usage_opt_seconds(lua_State *L, int arg, const char *function);

/* The same, where nil is wrong. */
double lp_usage_seconds(lua_State *L, int arg, const char *function);

/* Can the value be called: a function, or one with __call? Pushes nothing. */
bool lp_usage_is_callable(lua_State *L, int index);

/* The value at `arg` must be a function, or have __call. */
void lp_usage_callable(lua_State *L, int arg, const char *function);

/* What a value is, as a message shows it: 5, "text", nil, a table, a luapool.Task. Pushes the
 * text, which the stack keeps alive. */
const char *lp_usage_describe(lua_State *L, int index);

/* The text of an error value on one line: what tostring gives, or of a table that has no text
 * of its own its fields, {code = 5, why = "late"}. Pushes it. */
const char *lp_usage_error_text(lua_State *L, int index);

/* Sets what the Lua half uses in the table at the top: usage, argument, not_self, describe,
 * text. */
void lp_usage_open(lua_State *L);

#endif
