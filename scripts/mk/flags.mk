# Compiler and linker flags. Warnings are errors.
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wformat=2 \
        -Wimplicit-fallthrough=5 -Wswitch-enum -Wundef -Wvla -Walloca -Wstrict-prototypes \
        -Wmissing-prototypes -Wmissing-variable-declarations -Wredundant-decls -Wnull-dereference \
        -Wduplicated-cond -Wlogical-op -Wcast-qual -Wcast-align=strict \
        -Wpointer-arith -Wwrite-strings -Wjump-misses-init -Wtrampolines -Wbidi-chars=any \
        -Wdate-time -Wenum-int-mismatch -Werror
HARD := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
        -fcf-protection=full -fstrict-flex-arrays=3 -ftrivial-auto-var-init=zero \
        -fzero-call-used-regs=used-gpr -fno-delete-null-pointer-checks -fno-strict-overflow \
        -fno-common -fvisibility=hidden -fPIE
BASE_CFLAGS := -std=c23 -D_GNU_SOURCE -O2 -g -iquote src -I/usr/local/include $(WARN) -ffile-prefix-map=$(CURDIR)=.
LDFLAGS_PRODUCT := -static-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code \
        -Wl,--gc-sections -Wl,--wrap=free -Wl,--wrap=realloc
LIBS := -L/usr/local/lib -lmbedtls -lmbedx509 -lmbedcrypto -lsodium -luv -lllhttp -lcjson -lcares -lseccomp -lm
