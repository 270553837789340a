# Compiler and linker flags. Warnings are errors.
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
COMMON := -std=c23 -D_GNU_SOURCE -g -iquote src -iquote build/gen -I/usr/local/include -ffile-prefix-map=$(CURDIR)=.
BASE_CFLAGS := $(COMMON) -O2 $(WARN)
STATIC := -static-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code -Wl,--gc-sections
# The allocator's doors, so that whatever frees leaves nothing behind: src/base/wiping_free.c.
WIPING := -Wl,--wrap=free -Wl,--wrap=realloc
# libsodium's arithmetic under the TLS library, in every configuration alike: src/net/tls_fast.c.
FAST := -Wl,--wrap=mbedtls_ecp_mul -Wl,--wrap=mbedtls_ecp_mul_restartable \
        -Wl,--wrap=mbedtls_gcm_crypt_and_tag -Wl,--wrap=mbedtls_gcm_auth_decrypt
LDFLAGS_PRODUCT = $(STATIC) $(WIPING) $(FAST)
# Named as archives: inside a shared library nothing could be wrapped.
LIBS := -L/usr/local/lib -Lbuild/native -l:libmbedtls.a -l:libmbedx509.a -l:libmbedcrypto.a -l:libsodium.a -luv -lllhttp -lcjson -lcares -lseccomp -lm

# One line per configuration. Only `release` is the product.
#   release  hardened, sandboxed, wiping
#   nowipe   the same without wiping: the canary test must find something in it, or it proves nothing
#   san      AddressSanitizer and UndefinedBehaviorSanitizer, which need calls the sandbox forbids
#   fuzz     the same by clang, for libFuzzer
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_release := $(BASE_CFLAGS) $(HARD)
CFLAGS_nowipe  := $(CFLAGS_release) -DLETHE_NO_WIPE
CFLAGS_san     := $(COMMON) -O1 $(WARN) -fPIE $(SANITIZE) -DLETHE_NO_SANDBOX
CFLAGS_fuzz    := $(COMMON) -O1 -Wno-c23-extensions -fPIE $(SANITIZE) -fsanitize=fuzzer-no-link -DLETHE_NO_SANDBOX
LDFLAGS_release = $(LDFLAGS_PRODUCT)
LDFLAGS_nowipe  = $(STATIC) $(FAST)
LDFLAGS_san     = -pie $(SANITIZE) $(FAST)
LDFLAGS_fuzz    = -pie $(SANITIZE) -fsanitize=fuzzer $(FAST)
CC_release := $(CC)
CC_nowipe  := $(CC)
CC_san     := $(CC)
CC_fuzz    := clang
