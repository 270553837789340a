# The simulation: the objects of a relay but the network and the clock, which tests/sim has of its own; and one such
# program for each guard of tests/sim/mutants.txt, built without it.
SIM      := $(sort $(wildcard tests/sim/*.c))
SIM_REAL := $(filter-out src/net/% src/role/% src/admin/% src/base/clock.c firmware/%,$(SOURCES))
SIM_WRAP := $(foreach name,malloc calloc realloc free mmap munmap mremap malloc_trim open json_paths_compile upstream_open \
            event,-Wl,--wrap=$(name))
GUARDS   := $(shell awk -F '\t' '!/^\#/ && NF > 1 {print $$1}' tests/sim/mutants.txt)

# $1 configuration
define simulation
build/obj/$1/sim.a: $(SIM:%.c=build/obj/$1/%.o) $(SIM_REAL:%.c=build/obj/$1/%.o)
	@rm -f $$@.new && ar rcsDT $$@.new $$^ && mv $$@.new $$@
$(OUT_$1)/sim/sim: build/obj/$1/sim.a
	@mkdir -p $$(@D)
	@echo 'link $$@'
	$$Q$$(CC_$1) $(filter-out $(WIPING),$(LDFLAGS_$1)) $(SIM_WRAP) $$^ $$(LIBS) -o $$@ $$(SAY_IF_IT_FAILS)
endef
$(foreach config,release san,$(eval $(call simulation,$(config))))

# The changed object comes before the archive, which then does not give its own.
build/sim/without/%.c: tests/sim/mutants.txt tests/sim/mutate.py $(SIM_REAL)
	@tests/sim/mutate.py $* $@
build/sim/without/%.o: build/sim/without/%.c | build/gen/build_info.h
	@echo 'without $*'
	$Q$(CC_release) $(filter-out $(WARN),$(CFLAGS_release)) -MMD -MP -c $< -o $@
build/sim/without/%: build/sim/without/%.o build/obj/release/sim.a
	$Q$(CC_release) $(filter-out $(WIPING),$(LDFLAGS_release)) $(SIM_WRAP) $^ $(LIBS) -o $@ $(SAY_IF_IT_FAILS)

# A guard that has moved is the test's to tell, and no reason to build nothing.
sim: build/sim/sim build/san/sim/sim ## the simulation, and itself without each of its guards
	@$(MAKE) -k $(GUARDS:%=build/sim/without/%) || echo 'not all guards could be left out: tests/fault/simulation.py says which'
.PHONY: sim

# The compiler writes them; without this make looks for a guard of that name.
build/sim/without/%.d: ;
-include $(wildcard build/sim/without/*.d)
