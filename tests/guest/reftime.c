/*
 * Reference time: the counter and the reference TSC page (TLFS 12.4-12.7).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

static SHARED struct hv_ref_tsc *page;

static void page_on(void)
{
    page = ref_page_on();
}

static bool page_time(uint64_t *time)
{
    return ref_page_time(page, time);
}

TEST(reftime_counter, "RT-001,RT-002,MS-010", .need = { F_REF_COUNTER })
{
    uint64_t first = ref_now(), last = first;

    /* Not even a day: it starts when the partition does */
    CHECK(first < 864000000000, "counter at start: %lu", first);
    CHECK(WAIT_FOR(ref_now() > first), "counter stands");
    for (int i = 0; i < 10000; i++) {
        uint64_t now = ref_now();

        CHECK(now >= last, "went back from %lu to %lu", last, now);
        last = now;
    }
    CHECK_EQ(wrmsr_safe(HV_MSR_TIME_REF_COUNT, 0), EXC_GP, "write");
}

/* Every reader must see a time not before the last one that anyone saw */
static uint64_t latest;
static bool by_page;

static void read_in_order(void *unused)
{
    for (int i = 0; i < 3000; i++) {
        uint64_t seen = __atomic_load_n(&latest, __ATOMIC_SEQ_CST);
        uint64_t now, old = seen;

        if (by_page && i % 2) {
            asm volatile("lfence" : : : "memory");
            if (!page_time(&now)) {
                return;
            }
            now++;              /* rounding between page and counter */
        } else {
            now = ref_now();
        }
        CHECK(now >= seen, "CPU %d reads %lu after %lu", this_cpu()->id, now,
              seen);
        now -= by_page && i % 2;
        while (old < now &&
               !__atomic_compare_exchange_n(&latest, &old, now, false,
                                            __ATOMIC_SEQ_CST,
                                            __ATOMIC_SEQ_CST)) {
            cpu_relax();
        }
    }
}

static void read_everywhere(bool use_page)
{
    int n = ncpus < 4 ? ncpus : 4;

    by_page = use_page;
    latest = 0;
    for (int i = 1; i < n; i++) {
        on_cpu_start(cpus[i], read_in_order, NULL);
    }
    read_in_order(NULL);
    for (int i = 1; i < n; i++) {
        on_cpu_wait(cpus[i]);
    }
}

TEST(reftime_same_on_all, "RT-002", .need = { F_REF_COUNTER }, .min_cpus = 2)
{
    read_everywhere(false);
}

TEST(reftime_page_valid, "RT-007,RT-009,RT-018", .need = { F_REF_TSC })
{
    page_on();
    CHECK(page->sequence != 0, "offered, but not valid");
    CHECK(page->sequence != ~0u, "sequence of old editions");
    CHECK_EQ(page->reserved, 0, "reserved word");
    CHECK(page->scale != 0, "scale");
}

static void compare_with_counter(void *unused)
{
    for (int i = 0; i < 2000; i++) {
        uint64_t before = ref_now(), now, after;

        if (!page_time(&now)) {
            return;
        }
        after = ref_now();
        /* One unit either way for rounding */
        CHECK(now + 1 >= before && now <= after + 1,
              "page %lu, counter %lu to %lu, CPU %d", now, before, after,
              this_cpu()->id);
    }
}

TEST(reftime_page_equals_counter, "RT-008,RT-016", .need = { F_REF_TSC })
{
    page_on();
    if (!page->sequence) {
        SKIP("page is not valid");
    }
    for (int i = 0; i < ncpus && i < 4; i++) {
        on_cpu(cpus[i], compare_with_counter, NULL);
    }
}

TEST(reftime_page_same_on_all, "RT-002,RT-008,RT-014", .need = { F_REF_TSC },
     .min_cpus = 2)
{
    page_on();
    if (!page->sequence) {
        SKIP("page is not valid");
    }
    read_everywhere(true);
}

TEST(reftime_page_scale, "RT-003,RT-007",
     .need = { F_REF_TSC, F_FREQUENCIES, F_FREQUENCIES_PRIV })
{
    uint64_t hz, low;

    page_on();
    if (!page->sequence) {
        SKIP("page is not valid");
    }
    asm("mulq %3" : "=a" (low), "=d" (hz)
        : "0" (page->scale), "rm" (hv_rd(HV_MSR_TSC_FREQUENCY)) : "cc");
    /* A frequency known in kHz only is off by one part in a thousand */
    CHECK(hz > 9990000 && hz < 10010000, "scale makes %lu Hz of the TSC", hz);
}

TEST(reftime_page_moves, "RT-010,RT-012,RT-015", .need = { F_REF_TSC })
{
    for (int i = 0; i < 20; i++) {
        uint64_t before = ref_now(), now;

        page = page_alloc();
        hv_wr(HV_MSR_REFERENCE_TSC, (uintptr_t)page | HV_PAGE_ENABLE);
        if (page_time(&now)) {
            CHECK(now + 1 >= before && now <= ref_now() + 1,
                  "page %lu at its place number %d, counter %lu", now, i,
                  before);
        }
    }
    hv_wr(HV_MSR_REFERENCE_TSC, 0);
    CHECK(is_filled((void *)page, 0, PAGE_SIZE), "page after disabling");
}

static void read_tsc(void *t)
{
    *(uint64_t *)t = rdtsc();
}

TEST(reftime_tsc_synchronised, "RT-014", .need = { F_REF_TSC }, .min_cpus = 2)
{
    for (int i = 1; i < ncpus; i++) {
        for (int round = 0; round < 3; round++) {
            uint64_t before = rdtsc(), there, after;

            on_cpu(cpus[i], read_tsc, &there);
            after = rdtsc();
            CHECK(before <= there && there <= after,
                  "TSC of CPU %d: %lu, not in %lu to %lu", i, there, before,
                  after);
        }
    }
}
