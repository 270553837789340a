# Everything that judges. One runner counts: scripts/run-tests.
# The simulation is many programs: it is built where it may be asked for.
SIMULATION := $(if $(filter-out fault fault/ fault/s%,$(T)),,sim)
# So is the image, where machines can be started.
IMAGE := $(if $(shell command -v swtpm),$(if $(T),$(if $(filter boot boot/%,$(T)),image-for-test),image-for-test))
test: build san nowipe unit replay $(SIMULATION) $(IMAGE) build/bench/load ## the tests for every day (T=unit/base: only those); ends in one line: N passed, N failed, N skipped
	@scripts/run-tests $(T)

test-full: build san nowipe unit replay $(SIMULATION) $(IMAGE) build/bench/load ## and those that take long
	@scripts/run-tests --full $(T)

check: build ## the rules of the house, checked by scripts/check-*
	@scripts/run-tests check

fuzz: fuzzers ## every fuzz target for a minute (FUZZ_SECONDS)
	@scripts/fuzz.sh

bench: build build/bench/load build/bench/bench_policy ## beside nginx and HAProxy in one run, as ratios (LETHE_BENCH_SHORT=1: a smoke)
	@tests/bench/run.py

bench-failover: build build/bench/callers ## 500 callers before three vendors that fail, directly and through Lethe (LETHE_BENCH_SHORT=1: a smoke)
	@tests/bench/failover.py

# The load generators share nothing with src/, like the mock vendor.
build/bench/callers: tests/bench/callers.c tests/bench/load_answer.c tests/bench/load_numbers.c tests/bench/load.h
	@mkdir -p $(@D)
	@echo 'bench $@'
	$Q$(CC) -std=c23 -D_GNU_SOURCE -O2 -g -iquote tests/bench $(WARN) $(HARD) $(STATIC) $(filter %.c,$^) -lssl -lcrypto -lz -lzstd -lm -o $@ $(SAY_IF_IT_FAILS)
build/bench/load: $(wildcard tests/bench/load*.c) tests/bench/load.h
	@mkdir -p $(@D)
	@echo 'bench $@'
	$Q$(CC) -std=c23 -D_GNU_SOURCE -O2 -g -iquote tests/bench $(WARN) $(HARD) $(STATIC) $(filter %.c,$^) -lssl -lcrypto -lz -lzstd -o $@ $(SAY_IF_IT_FAILS)
build/bench/bench_policy: build/obj/release/tests/bench/bench_policy.o build/obj/release/src/base/wiping_free.o build/obj/release/lethe.a
	@mkdir -p $(@D)
	@echo 'link $@'
	$Q$(CC) $(LDFLAGS_release) $^ $(LIBS) -o $@ $(SAY_IF_IT_FAILS)

# Its own allocator stands before everybody's.
REFUSING := $(foreach name,malloc calloc mmap mremap,-Wl,--wrap=$(name))
build/test/relay/test_torture: LDFLAGS_release += $(REFUSING)
build/san/test/relay/test_torture: LDFLAGS_san += $(REFUSING) -Wl,--wrap=realloc

format: ## sets all C by .clang-format
	@find src firmware tests -name '*.[ch]' -print0 | xargs -0 clang-format -i

run: build
	@scripts/run.sh

lock:
	@echo "make lock needs a host with mmdebstrap; it writes scripts/root.lock for everyone" >&2; exit 1

.PHONY: test test-full check fuzz bench bench-failover format run lock
