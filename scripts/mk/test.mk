# Everything that judges. One runner counts: scripts/run-tests.
test: build san nowipe unit replay ## the tests for every day (T=unit/base: only those); ends in one line: N passed, N failed, N skipped
	@scripts/run-tests $(T)

test-full: build san nowipe unit replay ## and those that take long
	@scripts/run-tests --full $(T)

check: build ## the rules of the house, checked by scripts/check-*
	@scripts/run-tests check

fuzz: fuzzers ## every fuzz target for a minute (FUZZ_SECONDS)
	@scripts/fuzz.sh

bench: build ## beside nginx and HAProxy in one run, as ratios
	@tests/bench/run.py

format: ## sets all C by .clang-format
	@find src tests -name '*.[ch]' -print0 | xargs -0 clang-format -i

run: build
	@scripts/run.sh

lock:
	@echo "make lock needs a host with mmdebstrap; it writes scripts/root.lock for everyone" >&2; exit 1

.PHONY: test test-full check fuzz bench format run lock
