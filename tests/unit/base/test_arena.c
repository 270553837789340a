#include "base/arena.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "arena";

/* Stands before the C library's: what goes back to the kernel is looked at. */
static size_t unmaps, left_behind;

int munmap(void *p, size_t len)
{
        unmaps++;
        for (size_t i = 0; i < len; i++)
                left_behind += ((const uint8_t *)p)[i] != 0;
        return (int)syscall(SYS_munmap, p, len);
}

static bool all_zero(const uint8_t *p, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (p[i] != 0)
                        return false;
        return true;
}

static void test_alloc(void)
{
        arena a;
        arena_init(&a, 1024 * 1024);
        tap_ok(a.mapped == 0, SUBJECT, "an empty one has no memory");
        uint8_t *one = arena_alloc(&a, 1), *two = arena_alloc(&a, 100), *none = arena_alloc(&a, 0);
        tap_ok(one != nullptr && two == one + 16 && none != nullptr, SUBJECT, "allocations follow each other");
        tap_ok(((uintptr_t)one | (uintptr_t)two | (uintptr_t)none) % 16 == 0, SUBJECT, "aligned for any object");
        memset(two, 0xa5, 100);
        uint8_t *big = arena_alloc(&a, 300 * 1024);
        tap_ok(big != nullptr && all_zero(big, 300 * 1024), SUBJECT, "a large one is zeroed memory too");
        memset(big, 0xa5, 300 * 1024);
        tap_ok(two[99] == 0xa5, SUBJECT, "earlier ones stay where they are");
        size_t before = a.mapped;
        tap_ok(arena_alloc(&a, 1024 * 1024) == nullptr && a.mapped == before, SUBJECT, "beyond the cap there is none");
        tap_ok(arena_alloc(&a, 64) != nullptr, SUBJECT, "and a small one still comes");
        tap_ok(arena_alloc(&a, SIZE_MAX) == nullptr && arena_alloc(&a, SIZE_MAX - 20) == nullptr
                       && arena_alloc(&a, SIZE_MAX - 5000) == nullptr,
               SUBJECT, "sizes that overflow are refused");
        unmaps = left_behind = 0;
        arena_end(&a);
        tap_ok(unmaps >= 2 && a.mapped == 0 && a.newest == nullptr, SUBJECT, "its end gives all of it back");
        tap_ok(left_behind == 0, SUBJECT, "wiped before it is unmapped");
        tap_ok(arena_alloc(&a, 16) != nullptr, SUBJECT, "it can be used again");
        arena_end(&a);
        arena_end(&a);
        tap_ok(a.mapped == 0, SUBJECT, "ending an empty one does nothing");
}

static void test_copy(void)
{
        arena a;
        arena_init(&a, 16 * 1024);
        view v = arena_copy(&a, VIEW("text"));
        tap_ok(view_equal(v, VIEW("text")), SUBJECT, "a copy is equal");
        tap_ok(arena_copy(&a, (view){}).len == 0, SUBJECT, "a copy of nothing is nothing");
        static const uint8_t large[20 * 1024];
        tap_ok(arena_copy(&a, (view){large, sizeof large}).data == nullptr, SUBJECT, "a copy without room is empty");
        arena_end(&a);
        arena_init(&a, 8 * 1024);
        tap_ok(arena_alloc(&a, 1) == nullptr, SUBJECT, "a cap below the first chunk gives nothing");
        arena_end(&a);
}

static void test_marks(void)
{
        arena a;
        arena_init(&a, 8 * 1024 * 1024);
        arena_mark empty = arena_here(&a);
        uint8_t *kept = arena_alloc(&a, 64);
        memset(kept, 1, 64);
        arena_mark m = arena_here(&a);
        size_t mapped = a.mapped;
        for (int turn = 0; turn < 1000; turn++) {
                uint8_t *small = arena_alloc(&a, 200), *large = arena_alloc(&a, 40 * 1024);
                if (small == nullptr || large == nullptr || !all_zero(small, 200) || !all_zero(large, 40 * 1024)) {
                        tap_ok(false, SUBJECT, "memory after a mark is zeroed every time");
                        break;
                }
                memset(small, 0xa5, 200);
                memset(large, 0xa5, 40 * 1024);
                left_behind = 0;
                arena_back(&a, m);
                if (left_behind != 0 || !all_zero(small, 200) || a.mapped != mapped)
                        break;
        }
        tap_ok(left_behind == 0 && a.mapped == mapped, SUBJECT, "going back gives memory back, wiped");
        tap_ok(all_zero(kept + 64, 4096), SUBJECT, "wiped where the chunk stays");
        tap_ok(kept[63] == 1, SUBJECT, "what was before the mark stays");
        arena_back(&a, m);
        tap_ok(a.mapped == mapped, SUBJECT, "going back to where it is changes nothing");
        arena_back(&a, empty);
        tap_ok(a.mapped == 0 && left_behind == 0, SUBJECT, "a mark of the empty arena empties it");
        arena_end(&a);
}

/* A byte sequence that stands nowhere as a whole but where it is put. */
static uint8_t marker(size_t i) { return (uint8_t)(0x91 + i * 37 + i * i); }

enum : size_t { MARKER = 64 };

#ifndef __SANITIZE_ADDRESS__
static size_t markers_in(const uint8_t *p, size_t len)
{
        size_t found = 0;
        for (size_t at = 0; at + MARKER <= len; at++) {
                size_t i = 0;
                while (i < MARKER && p[at + i] == marker(i))
                        i++;
                found += i == MARKER;
        }
        return found;
}

/* How often the marker stands in the readable memory of this process. */
static size_t markers_in_process(void)
{
        enum : size_t { PIECE = 1024 * 1024 };
        uint8_t *buffer = mmap(nullptr, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        FILE *maps = fopen("/proc/self/maps", "r"), *mem = fopen("/proc/self/mem", "r");
        size_t found = 0;
        char line[512];
        if (buffer == MAP_FAILED || maps == nullptr || mem == nullptr)
                return SIZE_MAX;
        setbuf(mem, nullptr);
        while (fgets(line, sizeof line, maps) != nullptr) {
                unsigned long from, to;
                char access[5];
                if (sscanf(line, "%lx-%lx %4s", &from, &to, access) != 3 || access[0] != 'r')
                        continue;
                for (unsigned long at = from; at < to; at += PIECE - MARKER) {
                        size_t want = to - at < PIECE ? to - at : PIECE;
                        if (at == (unsigned long)buffer)
                                break;
                        if (pread(fileno(mem), buffer, want, (off_t)at) != (ssize_t)want)
                                break;
                        size_t here = markers_in(buffer, want);
                        /* One that lies in the overlap of two pieces is counted by the second. */
                        if (want == PIECE)
                                here -= markers_in(buffer + PIECE - MARKER, MARKER);
                        found += here;
                        memset(buffer, 0, want);
                        if (want < PIECE)
                                break;
                }
        }
        fclose(maps);
        fclose(mem);
        syscall(SYS_munmap, buffer, PIECE);
        return found;
}
#endif

static void test_region_growth(void)
{
        region r;
        region_init(&r, 64 * 1024 * 1024);
        uint8_t bytes[MARKER];
        for (size_t i = 0; i < MARKER; i++)
                bytes[i] = marker(i);
        bool good = !failed(region_append(&r, (view){bytes, MARKER}));
        wipe(bytes, sizeof bytes);
        const uint8_t *first = r.bytes;
        /* Neighbours, so that it has to move. */
        for (int i = 0; i < 8; i++)
                (void)mmap(r.bytes + r.mapped, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                           0);
        for (int i = 0; i < 200 && good; i++) {
                static const uint8_t more[10 * 1024] = {1};
                good = !failed(region_append(&r, (view){more, sizeof more}));
        }
        tap_ok(good && r.bytes != first && r.bytes[0] == marker(0) && r.bytes[MARKER - 1] == marker(MARKER - 1),
               "region", "it grows and keeps its content");
#ifdef __SANITIZE_ADDRESS__
        tap_skip("region: growth leaves no copy behind", "the sanitizer's own memory cannot be searched");
#else
        tap_ok(markers_in_process() == 1, "region", "growth leaves no copy behind");
#endif
        unmaps = left_behind = 0;
        region_end(&r);
        tap_ok(unmaps == 1 && left_behind == 0 && r.bytes == nullptr && r.len == 0 && r.cap == 64 * 1024 * 1024,
               "region", "its end wipes and unmaps");
#ifndef __SANITIZE_ADDRESS__
        tap_ok(markers_in_process() == 0, "region", "nothing is left of it");
#endif
}

static void test_region_bounds(void)
{
        region r;
        region_init(&r, 10000);
        tap_ok(!failed(region_reserve(&r, 0)) && r.bytes == nullptr, "region", "room for nothing costs nothing");
        tap_ok(!failed(region_append(&r, (view){})) && r.bytes == nullptr, "region", "nor does nothing appended");
        static const uint8_t bytes[10001] = {7};
        tap_ok(!failed(region_append(&r, (view){bytes, 9000})), "region", "takes what fits its cap");
        tap_ok(region_append(&r, (view){bytes, 1001}).code == ERR_NO_ROOM && r.len == 9000 && r.bytes[0] == 7, "region",
               "refuses what does not, content unchanged");
        tap_ok(!failed(region_append(&r, (view){bytes, 1000})), "region", "the last byte of the cap is there");
        tap_ok(region_reserve(&r, SIZE_MAX).code == ERR_NO_ROOM, "region", "an overflow is refused");
        size_t mapped = r.mapped;
        region_clear(&r);
        tap_ok(r.len == 0 && r.mapped == mapped && all_zero(r.bytes, 10000), "region",
               "clearing wipes and keeps the mapping");
        left_behind = 0;
        region_end(&r);
        region_end(&r);
        region_clear(&r);
        tap_ok(left_behind == 0 && r.mapped == 0, "region", "an ended one may be ended again");
}

static void test_region_at_home(void)
{
        arena a;
        region r;
        arena_init(&a, 1 << 20);
        region_init_in(&r, 100000, &a);
        uint8_t bytes[9000];
        memset(bytes, 7, sizeof bytes);
        bool good = !failed(region_append(&r, (view){bytes, 3000}));
        tap_ok(good && r.at_home && a.newest != nullptr, "region", "a small one stands in its arena");
        const uint8_t *home = r.bytes;
        good = !failed(region_append(&r, (view){bytes, sizeof bytes}));
        tap_ok(good && !r.at_home && r.len == 12000 && memcmp(r.bytes, bytes, sizeof bytes) == 0 && r.bytes[11999] == 7,
               "region", "grown, it has a mapping of its own and its content");
        tap_ok(all_zero(home, 3000), "region", "and has wiped the place it left");
        unmaps = left_behind = 0;
        region_end(&r);
        tap_ok(unmaps == 1 && left_behind == 0 && r.home == &a, "region", "which its end wipes and unmaps");
        good = !failed(region_append(&r, (view){bytes, 100}));
        home = r.bytes;
        unmaps = 0;
        region_end(&r);
        tap_ok(good && unmaps == 0 && all_zero(home, 100), "region", "at home its end wipes, and unmaps nothing");
        arena_end(&a);
        tap_ok(unmaps == 1 && left_behind == 0, "region", "the arena's end does");
        region_init_in(&r, 100000, &a);
        tap_ok(!failed(region_append(&r, (view){bytes, sizeof bytes})) && !r.at_home && a.newest == nullptr, "region",
               "one that is large from the beginning never stands there");
        region_end(&r);
        a.first = 64 * 1024;
        tap_ok(arena_alloc(&a, 1) != nullptr && a.mapped == 64 * 1024, "arena",
               "its first chunk is as large as was asked");
        arena_end(&a);
}

static void test_stock(void)
{
        enum : size_t { CHUNK = 8 * 1024, MOST = 2 };
        arena_stock stock;
        arena a[3];
        void *was[3];
        arena_stock_begin(&stock, CHUNK, MOST);
        for (size_t i = 0; i < 3; i++) {
                arena_init(&a[i], 1024 * 1024);
                a[i].first = CHUNK;
                a[i].stock = &stock;
                was[i] = arena_alloc(&a[i], 5000);
                memset(was[i], 0xa5, 5000);
        }
        unmaps = left_behind = 0;
        for (size_t i = 0; i < 3; i++)
                arena_end(&a[i]);
        tap_ok(stock.count == MOST && unmaps == 1 && left_behind == 0, SUBJECT,
               "a stock takes chunks up to its most; the kernel gets the others");
        uint8_t *again = arena_alloc(&a[2], 5000);
        tap_ok(again == was[1] && stock.count == MOST - 1 && a[2].mapped == CHUNK, SUBJECT,
               "the next arena begins in a spare one, and counts it");
        tap_ok(all_zero(again, 5000) && all_zero(again + 5000, CHUNK - 5000 - 64), SUBJECT, "which is wiped");
        memset(again, 0xa5, 5000);
        uint8_t *second = arena_alloc(&a[2], 6000);
        tap_ok(second != nullptr && stock.count == MOST - 1, SUBJECT, "a chunk of another size is the kernel's");
        unmaps = left_behind = 0;
        arena_end(&a[2]);
        tap_ok(unmaps == 1 && stock.count == MOST, SUBJECT, "and goes back to it");
        a[0].first = 2 * CHUNK;
        tap_ok(arena_alloc(&a[0], 1) != nullptr && stock.count == MOST, SUBJECT,
               "who begins with another size takes none");
        arena_end(&a[0]);
        unmaps = left_behind = 0;
        arena_stock_clear(&stock);
        tap_ok(unmaps == MOST && left_behind <= MOST * sizeof(void *) && stock.count == 0, SUBJECT,
               "cleared, it gives all back, and nothing in them but the list they stood in");
        a[1].cap = CHUNK / 2;
        tap_ok(arena_alloc(&a[1], 1) == nullptr && a[1].mapped == 0, SUBJECT, "a stock lifts no cap");
}

int main(void)
{
        test_stock();
        test_alloc();
        test_copy();
        test_marks();
        test_region_growth();
        test_region_bounds();
        test_region_at_home();
        return tap_done();
}
