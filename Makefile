# SPDX-License-Identifier: GPL-2.0-or-later
#
# The commands of this project; every one brings what it needs up to date first.
# What is done, and when, is known to the programs called: this file only calls.

BUILD = build
PREFIX = $(shell cat $(BUILD)/prefix 2>/dev/null || echo /usr/local)
DESTDIR =

build := $(abspath $(BUILD))
meson = scripts/meson compile -C $(build)/meson

# Relative paths and variables on the command line reach the scripts through the
# environment.
export BUILD := $(build)

help:
	@echo 'make run        boot Debian'\''s kernel as a Hyper-V guest'
	@echo '                (own guest: KERNEL= INITRD= APPEND= DISK= SMP= MEM= QEMU_ARGS=)'
	@echo 'make check      run all tests; make check-SUITE runs one suite:'
	@echo '                build unit qtest guest system'
	@echo 'make bench      measure with and without hv flags'
	@echo 'make all        build QEMU and everything that the tests need'
	@echo 'make install    install QEMU (PREFIX=$(PREFIX), DESTDIR=)'
	@echo 'make clean      remove what was built; make distclean also what was downloaded'
	@echo 'On Debian these install what is missing. Elsewhere run'
	@echo './configure --qemu=DIR|TARBALL first; see ./configure --help.'

all: configured
	@$(meson)

run: need-run configured
	@$(meson) qemu
	@QEMU=$(build)/qemu/qemu-system-x86_64 scripts/run

bench: need-run configured
	@$(meson) qemu
	@QEMU=$(build)/qemu/qemu-system-x86_64 tests/bench/run

check: need-run need-check configured
	@rm -f $(build)/summary
	@$(meson)
	@scripts/check $(build)

check-%: need-run need-check configured
	@rm -f $(build)/summary
	@$(meson)
	@scripts/check $(build) $*

install: need-run configured
	@scripts/install-qemu $(build) "$(DESTDIR)" "$(PREFIX)"

# Cheap where nothing has changed.
configured: need-build
	@if [ -x $(build)/config.status ]; then $(build)/config.status; \
	else ./configure --build=$(build); fi

need-%:
	@scripts/install-deps $*

clean:
	rm -rf $(build)/qemu $(build)/meson $(build)/guest $(build)/summary

distclean:
	rm -rf $(build)

.PHONY: help all run bench check install configured clean distclean
.NOTPARALLEL:
