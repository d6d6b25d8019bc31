# The one door: each target is a line over a CMake preset. PRESET=asan make test, JOBS=4 make.
PRESET ?= release
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
PREFIX ?= /usr/local
export DESTDIR

build: build-$(PRESET) docs

# Builds build/<preset>; configures it first when it is new.
build-%:
	@test -f build/$*/build.ninja || cmake --preset $* -Wno-dev
	@cmake --build --preset $* -j $(JOBS)

# The reference and the types for editors, out of the comments of the sources: build/docs.
docs:
	@lua5.4 docs/generator/main.lua docs build/docs

# The same, the guides and the examples as pages for a browser, which need no server: build/site.
site:
	@lua5.4 docs/generator/main.lua site build/site

# PREFIX=/usr: where to. DESTDIR=folder: below that folder, for those who make packages.
install: build-release
	@cmake --install build/release --prefix $(PREFIX)
	@test -n "$(DESTDIR)" -o "$$(id -u)" -ne 0 || PATH="$$PATH:/sbin" ldconfig

# Takes back what `make install` with the same PREFIX and DESTDIR has put there.
uninstall: build-release
	@vendor/uninstall build/release $(PREFIX)

# Debian packages of what `make` has built: build/deb/*.deb. dpkg-buildpackage and debian/ do it.
deb: build-$(PRESET)
	@rm -rf build/deb && mkdir -p build/deb
	@PRESET=$(PRESET) OUT=$(CURDIR)/build/deb dpkg-buildpackage -b -d -uc -us \
	  --buildinfo-option=-ubuild/deb --buildinfo-file=build/deb/luapool.buildinfo \
	  --changes-option=-ubuild/deb --changes-file=build/deb/luapool.changes >build/deb/log 2>&1 \
	  || { cat build/deb/log; exit 1; }
	@debian/rules clean >/dev/null
	@ls build/deb/*.deb

# The sources of HEAD, the same bytes whoever makes it: build/luapool-VERSION.tar.gz.
tarball:
	@vendor/tarball build

# ONLY=http: just the test files whose path contains it.
test: build
	@tests/run build/$(PRESET) $(ONLY)

# Layout, static analysis and the rules of the house, and all tests under ASan and UBSan. What is
# shipped is built once more with warnings as errors: some are only found by the optimizer.
check: build-asan build-strict
	@tests/run --lint build/asan

lint: build-asan
	@tests/run build/asan tests/lint/run

bench: build-release
	@tests/bench/run build/release $(ONLY)

# Workers killed at random for 20 s; then for 60 s all processes at a queue on Redis, its connections
# and the server; then those of `luapool serve` on SQLite. The short forms are part of the tests.
storm: build
	@build/$(PRESET)/luapool run tests/support/storm.lua
	@LUAPOOL=build/$(PRESET)/luapool build/$(PRESET)/luapool run tests/support/queue_storm.lua -- 50000 60 3 4
	@STORM_JOBS=50000 STORM_SECONDS=60 TEST_LIMIT=3600 tests/run build/$(PRESET) cli/serve_storm

# 50 processes that take 1,000 turns each with a lock on a file, on Redis, on etcd, while some are
# killed; the short form is part of the tests.
locks: build
	@LOCK_STORM=1 SPEC_LIMIT=3600 TEST_LIMIT=14400 tests/run build/$(PRESET) spec/lock_storm

# 500 runs with deaths, stops and long items in which no deadlock may be reported; the short form is
# part of the tests.
alarms: build
	@tests/support/false_alarms build/$(PRESET)/luapool 500

# 1,000 rounds of each row of the hostile server, and a look at the memory; the short form is part of
# the tests.
hostile: build
	@HOSTILE_ROUNDS=1000 SPEC_LIMIT=3600 TEST_LIMIT=36000 tests/run build/$(PRESET) spec/hostile_$(ONLY)

# All tests with: buffers of a few bytes; a collection at every await.
tiny gcstress: %: build-%
	@tests/run build/$@ $(ONLY)

# The specs run by a plain lua5.4 that has the module luapool.
plain: build
	@PLAIN=1 tests/run build/$(PRESET) $(or $(ONLY),tests/spec/*_spec.lua)

# The unit tests and the hosts under the thread sanitizer, which keeps signals back: no script is sliced
# there.
tsan: build-tsan
	@tests/run build/tsan $(or $(ONLY),tests/unit/*.c tests/embed/*.c tests/embed/*.cpp)

fuzz: build-fuzz
	@tests/fuzz/run build/fuzz $(FUZZ_SECONDS)

demo: build-release
	@examples/image_scraper/demo build/release

format:
	@find runtime bindings tests -name '*.[ch]' | xargs clang-format-14 -i
	@lua5.4 tests/lint/wrap.lua

clean:
	@rm -rf build

.PHONY: build docs site install uninstall deb tarball test check lint bench storm locks alarms hostile tiny gcstress plain tsan fuzz demo format clean
