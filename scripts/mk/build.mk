# From sources to programs. Objects of each configuration: build/obj/CONFIG; what it links: build/ for the product,
# build/CONFIG/ for the others. One archive of everything but the mains: a program takes from it what it needs.
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

# V=1 shows the commands.
Q := $(if $(V),,@)

CONFIGS  := release nowipe san fuzz
SOURCES  := $(filter-out src/prog/% src/base/wiping_free.c firmware/init.c,$(sort $(shell find src firmware -name '*.c')))
SUPPORT  := $(filter-out tests/support/replay_main.c,$(sort $(wildcard tests/support/*.c)))
VENDOR   := $(sort $(wildcard tests/vendor/*.c))
# lethectl_*.c are parts of lethectl.
MAINS    := $(filter-out src/prog/lethectl_%,$(sort $(wildcard src/prog/*.c)))
PROGRAMS := $(subst _,-,$(MAINS:src/prog/%.c=%))
PARTS_lethectl := $(sort $(wildcard src/prog/lethectl_*.c))
PAGE     := $(sort $(wildcard src/admin/page/*))
UNIT     := $(sort $(shell find tests/unit -name 'test_*.c' 2>/dev/null))
FUZZ     := $(sort $(wildcard tests/fuzz/fuzz_*.c))

OUT_release := build
OUT_nowipe  := build/nowipe
OUT_san     := build/san
OUT_fuzz    := build/fuzz

build: programs mock-vendor ## the product and the mock vendor, in build/bin
programs: $(PROGRAMS:%=build/bin/%) build/bin/lethe-init
san: $(PROGRAMS:%=build/san/bin/%) ## the programs with sanitizers, in build/san/bin
nowipe: $(PROGRAMS:%=build/nowipe/bin/%) ## the programs without wiping, in build/nowipe/bin
mock-vendor: $(if $(VENDOR),build/bin/mock-vendor)
unit: $(UNIT:tests/unit/%.c=build/test/%) $(UNIT:tests/unit/%.c=build/san/test/%) ## the unit tests in both forms
replay: $(FUZZ:tests/fuzz/%.c=build/san/fuzz/%)
fuzzers: $(FUZZ:tests/fuzz/%.c=build/fuzz/%)
.PHONY: build programs san nowipe mock-vendor unit replay fuzzers

# The libraries hold calls that need the shared libc (names of users and hosts), of which the linker warns although no
# program of ours reaches them (scripts/check-relay.sh): what it says is shown when it fails.
SAY_IF_IT_FAILS = >$@.said 2>&1 && rm -f $@.said || { cat $@.said >&2; rm -f $@.said; exit 1; }

# $1 configuration
define configuration
build/obj/$1/%.o: %.c | build/gen/build_info.h
	@mkdir -p $$(@D)
	@echo '$1 $$<'
	$$Q$$(CC_$1) $$(CFLAGS_$1) $$(EXTRA) -MMD -MP -c $$< -o $$@
# What they hold as bytes, which the compiler's list of what it read leaves out: the policy that a set-up begins with, and
# the admin page.
build/obj/$1/src/prog/lethectl_setup_compose.o: policy/default.json
build/obj/$1/src/admin/page.o: $(PAGE) policy/default.json
build/obj/$1/lethe.a: $$(SOURCES:%.c=build/obj/$1/%.o)
	@rm -f $$@.new && ar rcsDT $$@.new $$^ && mv $$@.new $$@
build/obj/$1/support.a: $$(SUPPORT:%.c=build/obj/$1/%.o)
	@mkdir -p $$(@D) && rm -f $$@.new && ar rcsD $$@.new $$^ && mv $$@.new $$@
build/obj/$1/tests/%.o: EXTRA := -iquote tests -iquote . -Wno-missing-prototypes
build/obj/$1/firmware/%.o: EXTRA := -iquote .

$$(OUT_$1)/test/%: build/obj/$1/tests/unit/%.o build/obj/$1/support.a $$(WIPE_$1) build/obj/$1/lethe.a
	@mkdir -p $$(@D)
	@echo 'link $$@'
	$$Q$$(CC_$1) $$(LDFLAGS_$1) $$^ $$(LIBS) -o $$@ $$(SAY_IF_IT_FAILS)
$$(foreach main,$$(MAINS:src/prog/%.c=%),$$(eval $$(call program,$1,$$(main))))
endef

# $1 configuration, $2 file name of the main: underscores become hyphens
define program
$(OUT_$1)/bin/$(subst _,-,$2): build/obj/$1/src/prog/$2.o $(PARTS_$2:%.c=build/obj/$1/%.o) $(WIPE_$1) build/obj/$1/lethe.a
	@mkdir -p $$(@D)
	@echo 'link $$@'
	$$Q$$(CC_$1) $$(LDFLAGS_$1) -Wl,-Map=build/obj/$1/$2.map $$^ $$(LIBS) -o $$@ $$(SAY_IF_IT_FAILS)
endef

# PID 1 of the appliance: the product's form alone.
build/bin/lethe-init: build/obj/release/firmware/init.o build/obj/release/src/base/wiping_free.o build/obj/release/lethe.a
	@mkdir -p $(@D)
	@echo 'link $@'
	$Q$(CC_release) $(LDFLAGS_release) $^ $(LIBS) -o $@ $(SAY_IF_IT_FAILS)

WIPE_release := build/obj/release/src/base/wiping_free.o
$(foreach config,$(CONFIGS),$(eval $(call configuration,$(config))))

build/san/fuzz/%: build/obj/san/tests/fuzz/%.o build/obj/san/tests/support/replay_main.o build/obj/san/support.a build/obj/san/lethe.a
	@mkdir -p $(@D)
	@echo 'link $@'
	$Q$(CC_san) $(LDFLAGS_san) $^ $(LIBS) -o $@ $(SAY_IF_IT_FAILS)
build/fuzz/%: build/obj/fuzz/tests/fuzz/%.o build/obj/fuzz/support.a build/obj/fuzz/lethe.a
	@mkdir -p $(@D)
	@echo 'link $@'
	$Q$(CC_fuzz) $(LDFLAGS_fuzz) $^ $(LIBS) -o $@ $(SAY_IF_IT_FAILS)

# The mock vendor shares nothing with src/: no archive, no include path into it, another TLS library.
build/obj/vendor/%.o: tests/vendor/%.c
	@mkdir -p $(@D)
	@echo 'vendor $<'
	$Q$(CC) -std=c23 -D_GNU_SOURCE -O2 -g -iquote tests/vendor $(WARN) $(HARD) -MMD -MP -c $< -o $@
build/bin/mock-vendor: $(VENDOR:tests/vendor/%.c=build/obj/vendor/%.o)
	@mkdir -p $(@D)
	@echo 'link $@'
	$Q$(CC) $(STATIC) $^ -lssl -lcrypto -lz -lzstd -lm -o $@ $(SAY_IF_IT_FAILS)

# What takes curves from the TLS library without TLS asks for the doors that stand before them (flags.mk, FAST).
CURVES := bin/lethe-verify test/sign/test_p256 test/usage/test_audit fuzz/fuzz_tpm fuzz_tpm
$(foreach out,build build/nowipe build/san build/fuzz,$(CURVES:%=$(out)/%)): FAST += -Wl,-u,__wrap_mbedtls_ecp_mul

# Rewritten only when it says something new. No time of building: the commit's own, so that two builds are one.
build/gen/build_info.h: always
	@mkdir -p $(@D)
	@{ echo '#define LETHE_VERSION "$(or $(LETHE_VERSION),$(shell git describe --tags --always --dirty 2>/dev/null),unknown)"'; \
	echo '#define LETHE_COMMIT "$(or $(LETHE_COMMIT),$(shell git rev-parse HEAD 2>/dev/null),unknown)"'; \
	echo '#define LETHE_COMMIT_TIME $(or $(LETHE_COMMIT_TIME),$(shell git log -1 --format=%ct 2>/dev/null),1)'; } >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
.PHONY: always

ifneq ($(wildcard build/obj),)
-include $(shell find build/obj -name '*.d')
endif
.SECONDARY:
