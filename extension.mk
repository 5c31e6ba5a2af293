# The extension, built by PostgreSQL's own rules (PGXS). The Makefile at the top runs this from there, after CMake
# has built the core's static libraries in $(BUILD).

MODULE_big = pg_ark
EXTENSION = pg_ark
PGFILEDESC = "pg_ark: backups that PostgreSQL takes of itself"

BUILD ?= build
PG_CONFIG ?= pg_config
version := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" pg_ark.control)

# The parts of the core that may run inside a server process: no threads, no network, no compression.
core := $(foreach part,config schedule retention pgdata base,$(if $(wildcard src/core/$(part)/*.cpp),$(BUILD)/libark_$(part).a))

OBJS = $(patsubst src/extension/%.cpp,$(BUILD)/extension/%.o,$(sort $(wildcard src/extension/*.cpp)))
DATA = $(sort $(wildcard extension/upgrade/pg_ark--*--*.sql))
DATA_built = extension/pg_ark--$(version).sql
EXTRA_CLEAN = $(BUILD)/extension

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS =

PG_CPPFLAGS = -Isrc/core -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) -DARK_VERSION='"$(version)"'
PG_CXXFLAGS = -std=c++20 -fvisibility=hidden -Wall -Wextra -Wshadow -Wno-unused-parameter \
              -Wno-missing-field-initializers $(if $(WERROR),-Werror)
SHLIB_LINK = $(core) -lfmt -lstdc++ -lm -Wl,--version-script=exports.map -Wl,--exclude-libs,ALL -Wl,--as-needed

# C++ needs no bitcode, and building it would need clang.
override with_llvm = no
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(BUILD)/extension/%.o: src/extension/%.cpp
	@mkdir -p $(@D)
	$(strip $(shell command -v ccache) $(CXX)) $(CXXFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

# -MMD writes which headers an object saw: a stale object in C++ is silent memory corruption.
-include $(OBJS:.o=.d)

# Objects are of one server: with another PG_CONFIG in the same build folder all are made again. (-MMD leaves out system headers.)
built_for := $(BUILD)/extension/built_for
$(shell mkdir -p $(BUILD)/extension; $(PG_CONFIG) --version --includedir-server > $(built_for).now; \
    cmp -s $(built_for).now $(built_for) || cp $(built_for).now $(built_for))
$(OBJS): extension.mk $(built_for)
$(shlib): $(core) exports.map extension.mk

extension/pg_ark--$(version).sql: $(sort $(wildcard extension/sql/*.sql)) pg_ark.control
	cat $(filter %.sql,$^) > $@.new
	mv $@.new $@
