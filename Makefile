# Provisional: builds inside the build root. The ground's own Makefile replaces it.
include scripts/mk/flags.mk
B := build/$(or $(SAN:1=san),native)
ifeq ($(SAN),1)
CFLAGS := $(BASE_CFLAGS) -fPIE -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -DLETHE_NO_SANDBOX
LDFLAGS := -pie -fsanitize=address,undefined
else
CFLAGS := $(BASE_CFLAGS) $(HARD)
LDFLAGS := $(LDFLAGS_PRODUCT)
endif
SRC := $(filter-out src/prog/% src/base/wiping_free.c,$(shell find src -name '*.c' 2>/dev/null))
OBJ := $(SRC:%.c=$B/obj/%.o)
PROGS := $(patsubst src/prog/%.c,%,$(wildcard src/prog/lethe*.c))
TESTS := $(shell find tests/unit -name 'test_*.c' 2>/dev/null)
all: $(foreach p,$(PROGS),$B/bin/$(subst _,-,$p))
$B/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c $< -o $@
$B/lethe.a: $(OBJ)
	@rm -f $@; ar rcs $@ $^
WIPE_OBJ := $(if $(SAN),,$B/obj/src/base/wiping_free.o)
define prog
$B/bin/$(subst _,-,$1): $B/obj/src/prog/$1.o $B/lethe.a $(WIPE_OBJ)
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS) $$^ $(LIBS) -o $$@
endef
$(foreach p,$(PROGS),$(eval $(call prog,$p)))
$B/test/%: $B/obj/tests/unit/%.o $B/lethe.a $(WIPE_OBJ)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ $(LIBS) -o $@
$B/obj/tests/%.o: CFLAGS += -iquote tests -Wno-missing-prototypes
unit: $(TESTS:tests/unit/%.c=$B/test/%)
	@for t in $^; do echo "# $$t"; $$t || exit 1; done
-include $(shell find $B -name '*.d' 2>/dev/null)
.SECONDARY:
