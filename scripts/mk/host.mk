# On the host: every goal but a few is made by make inside a root.
HERE := help clean image vm prove-zero-log test test-full run lock install
TEST_ROOT := bench bench-failover format
FUZZ_ROOT := fuzz
ENTER := $(filter-out $(HERE),$(or $(MAKECMDGOALS),build))
IN_ROOT := scripts/in-root
PREFIX ?= /usr/local
INSTALLED := lethed lethe-keeper lethe-relay lethe-resolver lethe-admin lethectl lethe-verify

.NOTPARALLEL:

ifneq ($(ENTER),)
.PHONY: $(ENTER)
$(ENTER):
	@exec $(IN_ROOT) $(if $(filter $@,$(TEST_ROOT)),--test,$(if $(filter $@,$(FUZZ_ROOT)),--fuzz)) $(MAKE) $@
endif

run: ## builds, starts lethed before the mock vendor, and says what to try
	@$(IN_ROOT) $(MAKE) build
	@scripts/run.sh

# The image's parts come from the mirror, which a root does not ask.
image vm prove-zero-log:
	@scripts/root/fetch.sh
	@exec $(IN_ROOT) --box $(MAKE) $@

# A browser is asked for by the long run alone, and lives in a root of its own: its versions leave the mirror soon.
WITH_BROWSER := $(if $(T),$(filter fault fault/ fault/p%,$(T)),browser)
test-full: export LETHE_BROWSER_ROOT = $(if $(WITH_BROWSER),$(shell scripts/root/make.sh browser))

# All tests want the root that starts machines; a part of them may do without. When the mirror has moved on, the image's
# are skipped and the others are not.
WITH_BOOT := $(if $(T),$(filter boot boot/%,$(T)),boot)
test test-full:
ifneq ($(WITH_BOOT),)
	@scripts/root/fetch.sh || export LETHE_NO_IMAGE=1; exec $(IN_ROOT) --box $(MAKE) $@
else
	@exec $(IN_ROOT) --test $(MAKE) $@
endif

install: ## copies the seven programs to $(DESTDIR)$(PREFIX)/bin; PREFIX is /usr/local
	@$(IN_ROOT) $(MAKE) build
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(INSTALLED:%=build/bin/%) $(DESTDIR)$(PREFIX)/bin

lock: ## pins the newest packages of Debian 13 in scripts/root.lock
	@scripts/root/lock.sh

.PHONY: image vm prove-zero-log test test-full run lock install
