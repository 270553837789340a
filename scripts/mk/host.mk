# On the host: every goal but a few is made by make inside a root.
HERE := help clean image vm prove-zero-log run lock install
TEST_ROOT := test test-full bench bench-failover format
FUZZ_ROOT := fuzz
ENTER := $(filter-out $(HERE),$(or $(MAKECMDGOALS),build))
IN_ROOT := scripts/in-root
PREFIX ?= /usr/local
INSTALLED := lethed lethe-keeper lethe-relay lethe-resolver lethe-admin lethectl

.NOTPARALLEL:

ifneq ($(ENTER),)
.PHONY: $(ENTER)
$(ENTER):
	@exec $(IN_ROOT) $(if $(filter $@,$(TEST_ROOT)),--test,$(if $(filter $@,$(FUZZ_ROOT)),--fuzz)) $(MAKE) $@
endif

run: ## builds, starts lethed before the mock vendor, and says what to try
	@$(IN_ROOT) $(MAKE) build
	@scripts/run.sh

install: ## copies the six programs to $(DESTDIR)$(PREFIX)/bin; PREFIX is /usr/local
	@$(IN_ROOT) $(MAKE) build
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(INSTALLED:%=build/bin/%) $(DESTDIR)$(PREFIX)/bin

lock: ## pins the newest packages of Debian 13 in scripts/root.lock
	@scripts/root/lock.sh

.PHONY: run lock install
