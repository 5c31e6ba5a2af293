# make                engine and extension               make install       both, into the PostgreSQL of PG_CONFIG
# make installcheck   SQL tests on the running server    make check         unit tests: no server, no network
# make lint           layers and house rules             make format        apply .clang-format
# make docs           fill in the generated pages        make docs-check    fail if they are stale or a link is broken
# make tidy           clang-tidy, slow                   make clean
#
# PG_CONFIG=/usr/lib/postgresql/16/bin/pg_config chooses another PostgreSQL, BUILD=dir another build folder (made by
# CMake), WERROR=1 turns warnings into errors, LINK_DIR= leaves out the link to the engine in /usr/local/bin.

PG_CONFIG ?= pg_config
BUILD ?= build
LINK_DIR ?= /usr/local/bin
CMAKE_FLAGS ?=

bindir := $(shell $(PG_CONFIG) --bindir)
ifeq ($(bindir),)
$(error cannot run "$(PG_CONFIG)": install postgresql-server-dev, or say where it is: make PG_CONFIG=/path/to/pg_config)
endif

# All cores, unless the caller's -j already says how many.
parallel = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
extension_make = $(MAKE) -f extension.mk PG_CONFIG='$(PG_CONFIG)' BUILD='$(BUILD)' WERROR='$(WERROR)'

.PHONY: all configure engine extension install install-engine install-extension uninstall installcheck tests check \
        check-exports lint format docs docs-check tidy clean

all: engine extension

configure:
	@mkdir -p '$(BUILD)'
	@cmake -S . -B '$(BUILD)' -DARK_WERROR=$(if $(WERROR),ON,OFF) $(CMAKE_FLAGS) > '$(BUILD)/configure.log' 2>&1 \
	    || { cat '$(BUILD)/configure.log'; exit 1; }

engine: configure
	$(MAKE) -C '$(BUILD)' $(parallel) --no-print-directory pg_ark control

extension: engine
	$(extension_make) $(parallel) --no-print-directory all

install: install-engine install-extension

install-engine: engine
	install -d '$(DESTDIR)$(bindir)'
	install -m 755 '$(BUILD)/pg_ark' '$(DESTDIR)$(bindir)/pg_ark'
ifneq ($(LINK_DIR),)
	install -d '$(DESTDIR)$(LINK_DIR)'
	ln -sfn '$(bindir)/pg_ark' '$(DESTDIR)$(LINK_DIR)/pg_ark'
endif

install-extension: extension
	$(extension_make) --no-print-directory install

uninstall:
	$(extension_make) --no-print-directory uninstall
	rm -f '$(DESTDIR)$(bindir)/pg_ark'
	test ! -L '$(DESTDIR)$(LINK_DIR)/pg_ark' || rm -f '$(DESTDIR)$(LINK_DIR)/pg_ark'

# Runs what is installed; PGHOST, PGPORT and PGUSER choose the server.
installcheck:
	$(extension_make) --no-print-directory installcheck

tests: configure
	$(MAKE) -C '$(BUILD)' $(parallel) --no-print-directory all

check: tests
	cd '$(BUILD)' && ctest --output-on-failure --no-tests=error -j$(shell nproc) \
	    || { echo 'Repeat one program: cd $(BUILD) && ctest -R NAME --output-on-failure'; exit 1; }

check-exports: extension
	scripts/check-exports pg_ark.so '$(bindir)/postgres' '$(BUILD)/pg_ark'

lint:
	scripts/lint
	scripts/lint --self-test

format:
	scripts/format

docs: engine
	scripts/docs '$(BUILD)'

docs-check: engine
	scripts/docs --check '$(BUILD)'

tidy: configure
	run-clang-tidy -quiet -p '$(BUILD)' '/src/(core|cli)/'

clean:
	$(extension_make) --no-print-directory clean
	rm -rf '$(BUILD)'
