# Lethe's one makefile. On any host it enters a Debian 13 root that scripts/ makes, and builds there; inside the root,
# or with NATIVE=1 on a Debian 13 host, it builds.
.DEFAULT_GOAL := build
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:

ifneq ($(wildcard /etc/lethe-root)$(NATIVE),)
ifeq ($(wildcard /etc/lethe-root),)
ifneq ($(shell scripts/root/native.sh >&2 || echo no),)
$(error NATIVE=1 does not work here yet)
endif
endif
include scripts/mk/flags.mk
include scripts/mk/build.mk
include scripts/mk/sim.mk
include scripts/mk/test.mk
include scripts/mk/image.mk
else
include scripts/mk/host.mk
endif

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## */\1\t/p' scripts/mk/*.mk Makefile | sort -u | expand -t 18

clean: ## removes what was built; the roots in the cache stay
	rm -rf build

.PHONY: help clean
