/*
 * Overlay pages over guest RAM: what covers what, and what comes back
 * (TLFS 5.2.1).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

/* The MSRs that place an overlay of this VP or partition */
static const struct {
    uint32_t msr;
    const char *name;
    uint16_t need;
    bool writable;              /* by the guest */
} overlays[] = {
    { HV_MSR_HYPERCALL, "hypercall", F_HYPERCALL, false },
    { HV_MSR_REFERENCE_TSC, "reference_tsc", F_REF_TSC, false },
    { HV_MSR_SIMP, "simp", F_SYNIC, true },
    { HV_MSR_SIEFP, "siefp", F_SYNIC, true },
    { HV_MSR_VP_ASSIST_PAGE, "vp_assist", F_INTR_CTRL, true },
};

static const char *overlay_name(int row)
{
    return overlays[row].name;
}

static uint8_t *patterned_page(uint8_t byte)
{
    return memset(page_alloc(), byte, PAGE_SIZE);
}

static void place(int row, void *page)
{
    hv_wr(overlays[row].msr, (uintptr_t)page | HV_PAGE_ENABLE);
}

TEST_ROWS(overlay_hides_ram, "HC-053,SY-002,SY-004,VA-002,RT-012,HC-048",
          ARRAY_SIZE(overlays), overlay_name)
{
    uint8_t *page = patterned_page(0x5A), *other = patterned_page(0xA5);

    if (!has(overlays[row].need)) {
        SKIP("not granted");
    }
    hv_wr(overlays[row].msr, (uintptr_t)page);
    CHECK(is_filled(page, 0x5A, PAGE_SIZE), "page written while disabled");

    place(row, page);
    CHECK(!is_filled(page, 0x5A, PAGE_SIZE), "RAM shows through");
    if (overlays[row].writable) {
        page[PAGE_SIZE - 8] = 0x77;
        CHECK_EQ(page[PAGE_SIZE - 8], 0x77, "overlay is not writable");
    }

    place(row, other);
    CHECK(is_filled(page, 0x5A, PAGE_SIZE), "RAM changed by a move");
    CHECK(!is_filled(other, 0xA5, PAGE_SIZE), "not at its new place");

    hv_wr(overlays[row].msr, (uintptr_t)other);
    CHECK(is_filled(other, 0xA5, PAGE_SIZE), "RAM changed by disabling");
    CHECK(is_filled(page, 0x5A, PAGE_SIZE), "RAM changed at the old place");

    place(row, page);
    CHECK(!is_filled(page, 0x5A, PAGE_SIZE), "second time");
    hv_wr(overlays[row].msr, 0);
    CHECK(is_filled(page, 0x5A, PAGE_SIZE), "RAM changed in the end");
}

TEST_ROWS(overlay_starts_clean, "SY-002,VA-017", ARRAY_SIZE(overlays),
          overlay_name)
{
    uint8_t *page = patterned_page(0xEE);

    if (!has(overlays[row].need)) {
        SKIP("not granted");
    }
    if (!overlays[row].writable) {
        SKIP("has content of its own");
    }
    /* An earlier test may have used this overlay, and cleared it after use */
    place(row, page);
    if (overlays[row].msr == HV_MSR_VP_ASSIST_PAGE) {
        CHECK(is_filled(page, 0, 4), "first word");
    }
    CHECK(!is_filled(page, 0xEE, 256), "RAM shows through");
}

/* Written through the overlay: it keeps its own content */
TEST_ROWS(overlay_read_write, "SY-003,VA-001", ARRAY_SIZE(overlays),
          overlay_name)
{
    uint8_t *page = patterned_page(0);

    if (!has(overlays[row].need)) {
        SKIP("not granted");
    }
    if (!overlays[row].writable) {
        SKIP("read-only");
    }
    place(row, page);
    for (int i = 0; i < PAGE_SIZE; i++) {
        page[i] = i * 7;
    }
    for (int i = 0; i < PAGE_SIZE; i++) {
        CHECK_EQ(page[i], (uint8_t)(i * 7), "byte %d", i);
    }
    memset(page, 0, PAGE_SIZE);
    CHECK(is_filled(page, 0, PAGE_SIZE), "cleared");
}

TEST_ROWS(overlay_read_only, "HC-052,RT-013", ARRAY_SIZE(overlays),
          overlay_name)
{
    uint8_t *page = patterned_page(0), *copy = page_alloc();
    int vector;

    if (!has(overlays[row].need)) {
        SKIP("not granted");
    }
    if (overlays[row].writable) {
        SKIP("writable");
    }
    place(row, page);
    memcpy(copy, page, PAGE_SIZE);
    vector = store64_safe((uintptr_t)page + 64, ~0ull);
    if (overlays[row].msr == HV_MSR_HYPERCALL) {
        CHECK_IN(vector, ANY(EXC_GP, EXC_MC), "store");
    } else {
        CHECK_IN(vector, ANY(NO_FAULT, EXC_GP, EXC_MC, EXC_PF), "store");
    }
    CHECK_EQ(*(uint64_t *)(page + 64), *(uint64_t *)(copy + 64), "content");
    hv_wr(overlays[row].msr, 0);
    CHECK(is_filled(page, 0, PAGE_SIZE), "the store reached RAM below");
}

TEST_ROWS(overlay_out_of_range, "MS-012", ARRAY_SIZE(overlays),
          overlay_name)
{
    if (!has(overlays[row].need)) {
        SKIP("not granted");
    }
    if (overlays[row].msr == HV_MSR_HYPERCALL) {
        SKIP("faults; tested with the hypercall page");
    }
    hv_wr(overlays[row].msr, gpa_beyond() | HV_PAGE_ENABLE);
    hv_wr(overlays[row].msr, ~0xFFFull | HV_PAGE_ENABLE);
    hv_wr(overlays[row].msr, gpa_beyond() / 2 | HV_PAGE_ENABLE);
    hv_wr(overlays[row].msr, 0);
    CHECK_EQ(hv_rd(overlays[row].msr), 0, "MSR");
}

/* Two overlays on one page: which is seen is free, that all ends well is not */
TEST(overlay_stacked, "HC-075,SY-034", .need = { F_HYPERCALL, F_SYNIC })
{
    uint8_t *page = patterned_page(0x33);

    hv_wr(HV_MSR_SIMP, (uintptr_t)page | HV_PAGE_ENABLE);
    hv_wr(HV_MSR_SIEFP, (uintptr_t)page | HV_PAGE_ENABLE);
    CHECK(!is_filled(page, 0x33, PAGE_SIZE), "RAM shows through two overlays");
    hv_wr(HV_MSR_SIMP, 0);
    CHECK(!is_filled(page, 0x33, PAGE_SIZE), "RAM shows through one overlay");
    hv_wr(HV_MSR_SIEFP, 0);
    CHECK(is_filled(page, 0x33, PAGE_SIZE), "RAM changed");

    hv_wr(HV_MSR_HYPERCALL, (uintptr_t)page | HV_PAGE_ENABLE);
    hv_wr(HV_MSR_SIMP, (uintptr_t)page | HV_PAGE_ENABLE);
    CHECK(!is_filled(page, 0x33, PAGE_SIZE), "RAM shows through two overlays");
    hv_wr(HV_MSR_SIMP, 0);
    hv_page = page;
    CHECK_EQ(hv_call_fast(HVCALL_LONG_SPIN_WAIT, 1, 0), HV_SUCCESS,
             "hypercall page after the other overlay left");
    hv_page = page_alloc();
    hv_page_on();
    CHECK(is_filled(page, 0x33, PAGE_SIZE), "RAM changed");
}

/* No other page does: what is nowhere is read and written in vain */
TEST(overlay_or_nowhere, "")
{
    uint64_t va = va_alloc(PAGE_SIZE), v;

    *pte_of(va) = gpa_beyond() / 2 | PTE_P | PTE_W;
    CHECK_EQ(load64_safe(va, &v), NO_FAULT, "load");
    CHECK_EQ(store64_safe(va, 1), NO_FAULT, "store");
}

/* Overlays live in the GPA space, whatever maps them (and however) */
TEST(overlay_seen_through_any_mapping, "HC-053,HC-054", .need = { F_SYNIC })
{
    uint8_t *page = patterned_page(0x44);
    uint64_t va = va_alloc(PAGE_SIZE);
    SHARED uint8_t *alias = (uint8_t *)va;

    map_page(va, (uintptr_t)page, PTE_P | PTE_W);
    CHECK_EQ(alias[5], 0x44, "RAM by its alias");
    hv_wr(HV_MSR_SIMP, (uintptr_t)page | HV_PAGE_ENABLE);
    page[5] = 0x66;
    CHECK_EQ(alias[5], 0x66, "overlay by its alias");
    alias[6] = 0x67;
    CHECK_EQ(page[6], 0x67, "overlay written by its alias");
    page[5] = 0;
    page[6] = 0;
    hv_wr(HV_MSR_SIMP, 0);
    CHECK_EQ(alias[5], 0x44, "RAM by its alias again");
}

struct peek {
    SHARED uint8_t *page;
    uint8_t seen;
    int vector;
};

static void do_peek(void *arg)
{
    struct peek *p = arg;
    uint64_t v = 0;

    p->vector = load64_safe((uintptr_t)p->page, &v);
    p->seen = v;
}

TEST(overlay_seen_from_other_vps, "HC-050,SY-035",
     .need = { F_HYPERCALL, F_SYNIC }, .min_cpus = 2)
{
    struct peek p = { .page = hv_page };

    on_cpu(cpus[1], do_peek, &p);
    CHECK_EQ(p.vector, NO_FAULT, "hypercall page on CPU 1");
    CHECK_EQ(p.seen, hv_page[0], "hypercall page on CPU 1");

    /* Message pages of others: allowed to be seen or to raise #MC */
    synic_on();
    p.page = (uint8_t *)msg_slot(0);
    on_cpu(cpus[1], do_peek, &p);
    CHECK_IN(p.vector, ANY(NO_FAULT, EXC_MC), "message page of CPU 0");
}

/* Moved by one VP while another one calls through it */
static SHARED bool stop_calling;
static uint64_t calls_made;

static void keep_calling(void *unused)
{
    calls_made = 0;
    while (!stop_calling) {
        CHECK_EQ(hv_call_fast(HVCALL_LONG_SPIN_WAIT, 1, 0), HV_SUCCESS,
                 "call number %lu", calls_made);
        __atomic_fetch_add(&calls_made, 1, __ATOMIC_RELAXED);
        cpu_relax();            /* where VPs take turns, let the other go */
    }
}

TEST(overlay_moves_while_in_use, "HC-053", .need = { F_HYPERCALL, F_SYNIC },
     .min_cpus = 2)
{
    uint8_t *page = patterned_page(0x21);

    stop_calling = false;
    on_cpu_start(cpus[1], keep_calling, NULL);
    for (int i = 0; i < 100; i++) {
        uint64_t before = __atomic_load_n(&calls_made, __ATOMIC_RELAXED);

        hv_wr(HV_MSR_SIMP, (uintptr_t)page | HV_PAGE_ENABLE);
        hv_wr(HV_MSR_SIMP, 0);
        if (i % 10 == 0 &&
            !WAIT_FOR(__atomic_load_n(&calls_made, __ATOMIC_RELAXED) !=
                      before)) {
            CHECK(false, "CPU 1 makes no calls any more");
            break;
        }
    }
    stop_calling = true;
    on_cpu_wait(cpus[1]);
    CHECK(is_filled(page, 0x21, PAGE_SIZE), "RAM changed");
}
