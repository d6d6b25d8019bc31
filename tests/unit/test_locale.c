/* A host with a locale in which numbers have a comma: what is written for others has a point.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/luapool.h"
#include "tests/support/clean.h"
#include "tests/support/guest.h"

static char folder[] = "/tmp/luapool-locale-XXXXXX";

/* Makes German numbers: the system need not have them. */
static int make_locale(void **state) {
  char command[300];
  if (clean_group(state) || !mkdtemp(folder)) return 1;
  snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8", folder);
  if (system(command) != 0) return 1;
  setenv("LOCPATH", folder, 1);
  return !setlocale(LC_ALL, "de_DE.UTF-8");
}

static int remove_locale(void **state) {
  char command[300];
  (void)state;
  setlocale(LC_ALL, "C");
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command);
}

static const char numbers[] =
    "assert(tostring(1.5) == '1,5', 'the locale is not there')\n"
    "local json, yaml, csv = require 'luapool.json', require 'luapool.yaml', require "
    "'luapool.csv'\n"
    "local function same(a, b) if a ~= b then error(('%s, not %s'):format(a, b), 2) end end\n"
    "same(json.encode { 1.5, 0.1, 1e100, 2.0, -3.25e-7 }, '[1.5,0.1,1e+100,2.0,-3.25e-07]')\n"
    "same(json.encode(json.decode '[1.5,1e5,-0.25,1e400]' [1]), '1.5')\n"
    "same(json.decode '{\"a\":-0.25}' .a, -1 / 4)\n"
    "same(yaml.dump { a = 1.5 }, 'a: 1.5\\n') same(yaml.load('a: 1.5').a, 3 / 2)\n"
    "same(yaml.load(yaml.dump { a = 1e100, b = 0.1, c = -2.0 }).b, 1 / 10)\n"
    "same(yaml.dump { 1e100, -2.0, 1 / 0 }, '- 1.0e+100\\n- -2.0\\n- .inf\\n')\n"
    "local path = os.tmpname() local w = csv.writer(path, { columns = { 'a', 'b' } })\n"
    "w:write { a = 1.5, b = 7 } w:close()\n"
    "same(io.open(path):read 'a', 'a,b\\n1.5,7\\n') os.remove(path)\n"
    "local page = require('luapool.html').parse('<form action=\"http://h/\"><input "
    "name=a></form>')\n"
    "local form = page:form() form:set('a', 1.5)\n"
    "same(select(2, form:request()), 'http://h/?a=1.5')\n"
    "local db <close> = require('luapool.sqlite').open ':memory:'\n"
    "same(db:first('select ? as x', 1.5).x, 3 / 2) same(db:first('select 0.5 as x').x, 1 / 2)\n"
    "same(db:first('select cast(? as text) as x', 1.5).x, '1.5')\n"
    "local doc = require('luapool.html').parse '<p>1.5<p>2.5'\n"
    "same(doc:xpath 'sum(//p)', 4) same(doc:xpath 'string(1.5)', '1.5')\n";

static void test_numbers(void **state) {
  (void)state;
  luapool_options options = LUAPOOL_OPTIONS;
  guest_expect(&options, numbers);
  assert_string_equal(setlocale(LC_NUMERIC, NULL), "de_DE.UTF-8");
}

int main(void) {
  const struct CMUnitTest tests[] = {clean_test(test_numbers)};
  return cmocka_run_group_tests(tests, make_locale, remove_locale);
}
