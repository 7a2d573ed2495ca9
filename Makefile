# SPDX-License-Identifier: GPL-2.0-or-later
#
# The commands of this project; every one brings what it needs up to date first.
# What is done, and when, is known to the programs called: this file only calls.

BUILD = build
RUNS = 10
PREFIX = $(shell cat $(BUILD)/prefix 2>/dev/null || echo /usr/local)
DESTDIR =

# The scripts get this and the variables of the command line in their
# environment.
override BUILD := $(abspath $(BUILD))
export BUILD

meson = scripts/meson compile -C $(BUILD)/meson

help:
	@echo 'make run        boot Debian'\''s kernel as a Hyper-V guest'
	@echo '                (own guest: KERNEL= INITRD= APPEND= DISK= SMP= MEM= QEMU_ARGS=)'
	@echo 'make check      run all tests; make check-SUITE runs one suite:'
	@echo '                build unit qtest guest system'
	@echo 'make steady     run quick ones RUNS=$(RUNS) times beside a load, and report flakes'
	@echo 'make bench      measure with and without hv flags'
	@echo 'make mutants    break the code in small ways and see what no test catches'
	@echo '                (MUTANTS= SEED= FILES= TESTS=, see scripts/mutants)'
	@echo 'make sanitize   run unit tests and qtests with AddressSanitizer, LeakSanitizer'
	@echo 'make all        build QEMU and everything that the tests need'
	@echo 'make install    install QEMU (PREFIX=$(PREFIX), DESTDIR=)'
	@echo 'make clean      remove what was built; make distclean also what was downloaded'
	@echo 'On Debian these install what is missing. Elsewhere run'
	@echo './configure --qemu=DIR|TARBALL first; see ./configure --help.'

all: configured
	@$(meson)

run: configured
	@$(meson) qemu
	@QEMU=$(BUILD)/qemu/qemu-system-x86_64 scripts/run

bench: configured
	@$(meson) qemu
	@QEMU=$(BUILD)/qemu/qemu-system-x86_64 tests/bench/run

check: configured
	@rm -f $(BUILD)/summary
	@$(meson)
	@scripts/check $(BUILD)

check-%: configured
	@rm -f $(BUILD)/summary
	@$(meson)
	@scripts/check $(BUILD) $*

# The script makes a build of its own.
mutants: configured
	@scripts/mutants

steady: configured
	@$(meson)
	@scripts/steady $(BUILD) $(RUNS)

# So does this one.
sanitize: configured
	@scripts/sanitize $(BUILD)

install: configured
	@scripts/install-qemu $(BUILD) "$(DESTDIR)" "$(PREFIX)"

# What is to be there; prerequisites inherit it.
NEEDS = build run
check check-% mutants steady sanitize: NEEDS = build run check

# Cheap where nothing has changed.
configured:
	@scripts/install-deps $(NEEDS)
	@if [ -x $(BUILD)/config.status ]; then $(BUILD)/config.status; \
	else ./configure --build=$(BUILD); fi

clean:
	rm -rf $(BUILD)/qemu $(BUILD)/meson $(BUILD)/guest $(BUILD)/mutants \
	    $(BUILD)/sanitize $(BUILD)/summary

distclean:
	rm -rf $(BUILD)

.PHONY: help all run bench check mutants steady sanitize install configured \
	clean distclean
.NOTPARALLEL:
