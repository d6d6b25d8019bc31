/* tests/support/wire_same.h: for the fuzzers of the wire: are these the same graphs? */
#ifndef LP_TESTS_WIRE_SAME_H
#define LP_TESTS_WIRE_SAME_H

/* A chunk of Lua that returns same(n, values.., other values..): n of each. References that are
 * shared on one side, and upvalues, must be shared on the other. It calls no metamethod, and
 * needs `debug` only when it is loaded. */
static const char SAME[] =
    "local next, rawget, rawequal, type = next, rawget, rawequal, type\n"
    "local dump, integer, debug = string.dump, math.type, debug\n"
    "local same\n"
    "local function is_object(v) return type(v) == 'table' or type(v) == 'function' end\n"
    "local function fields(a, b, seen)\n"
    "  local n = 0\n"
    "  for k, v in next, a do\n"
    "    n = n + 1\n"
    "    if not is_object(k) and not same(v, rawget(b, k), seen) then return false end\n"
    "  end\n"
    "  for _ in next, b do n = n - 1 end\n"
    "  return n == 0 and same(debug.getmetatable(a), debug.getmetatable(b), seen)\n"
    "end\n"
    "local function pair(a, b, seen)\n"
    "  if seen[a] == nil and seen[b] == nil then\n"
    "    seen[a], seen[b] = b, a\n"
    "    return true\n"
    "  end\n"
    "  return rawequal(seen[a], b)\n"
    "end\n"
    "local function upvalues(a, b, seen)\n"
    "  if dump(a) ~= dump(b) then return false end\n"
    "  for i = 1, 255 do\n"
    "    local name, v = debug.getupvalue(a, i)\n"
    "    if not name then break end\n"
    "    local _, w = debug.getupvalue(b, i)\n"
    "    if not pair(debug.upvalueid(a, i), debug.upvalueid(b, i), seen) then return false "
    "end\n"
    "    if not same(v, w, seen) then return false end\n"
    "  end\n"
    "  return true\n"
    "end\n"
    "local parts = {table = fields, ['function'] = upvalues}\n"
    "function same(a, b, seen)\n"
    "  if rawequal(a, b) then return integer(a) == integer(b) end\n"
    "  local kind = type(a)\n"
    "  if kind ~= type(b) then return false end\n"
    "  if not is_object(a) then return kind == 'number' and a ~= a and b ~= b end\n"
    "  local met = seen[a] ~= nil\n"
    "  return pair(a, b, seen) and (met or parts[kind](a, b, seen))\n"
    "end\n"
    "return function(n, ...)\n"
    "  local v, seen = {...}, {}\n"
    "  for i = 1, n do\n"
    "    if not same(v[i], v[i + n], seen) then return false end\n"
    "  end\n"
    "  return true\n"
    "end";

#endif
