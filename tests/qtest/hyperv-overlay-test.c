/*
 * Hyper-V overlay pages: the hypercall page, and what all five have in common
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "libqos/hyperv.h"

#define OTHER 0x200000

static const uint32_t overlays[] = {
    MSR_HYPERCALL, MSR_REFERENCE_TSC, MSR_SIMP, MSR_SIEFP, MSR_VP_ASSIST_PAGE,
};

static QTestState *start(void)
{
    QTestState *s = qhv_start(2, QHV_ALL, NULL);

    qhv_set_guest_os_id(s);
    return s;
}

static void fill(QTestState *s, uint64_t gpa, uint8_t byte)
{
    qtest_memset(s, gpa, byte, QHV_PAGE);
}

static bool holds(QTestState *s, uint64_t gpa, uint8_t byte)
{
    uint8_t page[QHV_PAGE];
    unsigned i;

    qtest_memread(s, gpa, page, sizeof(page));
    for (i = 0; i < sizeof(page); i++) {
        if (page[i] != byte) {
            return false;
        }
    }
    return true;
}

/* HC-053, SY-004, RT-012, VA-002: RAM is hidden, not touched */
static void test_ram_beneath(const void *data)
{
    uint32_t msr = GPOINTER_TO_UINT(data);
    QTestState *s = start();
    unsigned i;

    for (i = 0; i < 3; i++) {
        fill(s, QHV_HCALL, 0xa0 + i);
        fill(s, OTHER, 0xb0 + i);
        qhv_set(s, 0, msr, QHV_HCALL | 1);
        g_assert_cmphex(qhv_get(s, 0, msr), ==, QHV_HCALL | 1);
        g_assert_false(holds(s, QHV_HCALL, 0xa0 + i));
        g_assert_true(holds(s, OTHER, 0xb0 + i));
        /* written there now, it is not in RAM */
        qtest_memset(s, QHV_HCALL, 0x11, 64);
        /* moved */
        qhv_set(s, 0, msr, OTHER | 1);
        g_assert_true(holds(s, QHV_HCALL, 0xa0 + i));
        g_assert_false(holds(s, OTHER, 0xb0 + i));
        /* disabled */
        qhv_set(s, 0, msr, OTHER);
        g_assert_true(holds(s, OTHER, 0xb0 + i));
        g_assert_true(holds(s, QHV_HCALL, 0xa0 + i));
        g_assert_cmphex(qhv_get(s, 0, msr), ==, OTHER);
    }
    qtest_quit(s);
}

/* A page that moves takes with it what it holds */
static void test_move(void)
{
    static const uint32_t writable[] = { MSR_SIMP, MSR_SIEFP,
                                         MSR_VP_ASSIST_PAGE };
    QTestState *s = start();
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(writable); i++) {
        qhv_set(s, 0, writable[i], QHV_HCALL | 1);
        fill(s, QHV_HCALL, 0x80 + i);
        g_assert_true(holds(s, QHV_HCALL, 0x80 + i));
        qhv_set(s, 0, writable[i], OTHER | 1);
        g_assert_true(holds(s, OTHER, 0x80 + i));
        g_assert_true(holds(s, QHV_HCALL, 0));
        qhv_set(s, 0, writable[i], 0);
    }
    qtest_quit(s);
}

/*
 * The last page of RAM, the first one, device memory, ROM, a hole; but not the
 * APIC's page, which is an overlay itself
 */
static void test_places(const void *data)
{
    static const uint64_t places[] = {
        0, QHV_RAM_SIZE - QHV_PAGE, QHV_RAM_SIZE, 0xa0000, 0xf0000,
        0xfec00000, 0xfffff000, 0x100000000, 0x8000000000,
        (1ull << QHV_PHYS_BITS) - QHV_PAGE,
    };
    uint32_t msr = GPOINTER_TO_UINT(data);
    QTestState *s = start();
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(places); i++) {
        qhv_set(s, 0, msr, places[i] | 1);
        if (msr == MSR_HYPERCALL) {
            g_assert_cmphex(qtest_readb(s, places[i] + 4095), ==, 0xcc);
        } else if (msr == MSR_REFERENCE_TSC) {
            g_assert_cmphex(qtest_readl(s, places[i]), ==, 2);
        } else {
            qtest_writeq(s, places[i] + 64, 0x123456789abcdef0);
            g_assert_cmphex(qtest_readq(s, places[i] + 64), ==,
                            0x123456789abcdef0);
        }
    }
    qhv_set(s, 0, msr, 0);
    qtest_quit(s);
}

/* MS-012, HC-049: places that there are not */
static void test_beyond(void)
{
    static const uint64_t beyond[] = {
        1ull << QHV_PHYS_BITS, 1ull << 51, 1ull << 52, 1ull << 63,
        0xfffffffffffff000,
    };
    QTestState *s = start();
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(overlays); i++) {
        for (j = 0; j < ARRAY_SIZE(beyond); j++) {
            if (overlays[i] == MSR_HYPERCALL) {
                g_assert_false(qhv_wrmsr(s, 0, overlays[i], beyond[j] | 1));
                g_assert_cmphex(qhv_get(s, 0, overlays[i]), ==, 0);
            } else {
                qhv_set(s, 0, overlays[i], beyond[j] | 1);
                g_assert_cmphex(qhv_get(s, 0, overlays[i]), ==, beyond[j] | 1);
                qhv_set(s, 0, overlays[i], 0);
            }
        }
    }
    /* messages for a page that nobody sees do no harm */
    qhv_synic_on(s, 0);
    qhv_set(s, 0, MSR_SIMP, 0xfffffffffffff001);
    qhv_set(s, 0, MSR_SINT(2), 0x40);
    g_assert_true(qhv_route_new(s, 0, 0, 2));
    qhv_route_post(s, 0, 1, 8, 1);
    qhv_route_post(s, 0, 1, 8, 1);
    qhv_route_flag(s, 0, 1);
    qtest_quit(s);
}

/* HC-075, SY-034: any two of them, and three, at one address */
static void test_stack(void)
{
    QTestState *s = start();
    unsigned i, j;

    for (i = 0; i < ARRAY_SIZE(overlays); i++) {
        for (j = 0; j < ARRAY_SIZE(overlays); j++) {
            uint8_t alone[2][QHV_PAGE], both[QHV_PAGE];

            if (i == j) {
                continue;
            }
            fill(s, QHV_HCALL, 0x33);
            qhv_set(s, 0, overlays[i], QHV_HCALL | 1);
            qtest_memset(s, QHV_HCALL, 0x40 + i, 16);
            qtest_memread(s, QHV_HCALL, alone[0], QHV_PAGE);
            qhv_set(s, 0, overlays[i], 0);
            qhv_set(s, 0, overlays[j], QHV_HCALL | 1);
            qtest_memset(s, QHV_HCALL, 0x50 + j, 16);
            qtest_memread(s, QHV_HCALL, alone[1], QHV_PAGE);
            if (overlays[i] == MSR_VP_ASSIST_PAGE) {
                /* enabling it is its beginning */
                memset(alone[0], 0, QHV_PAGE);
            }

            /* exactly one is seen; and the other when that one goes away */
            qhv_set(s, 0, overlays[i], QHV_HCALL | 1);
            qtest_memread(s, QHV_HCALL, both, QHV_PAGE);
            g_assert_true(!memcmp(both, alone[0], QHV_PAGE) ||
                          !memcmp(both, alone[1], QHV_PAGE));
            qhv_set(s, 0, overlays[i], OTHER | 1);
            qtest_memread(s, QHV_HCALL, both, QHV_PAGE);
            g_assert_cmpmem(both, QHV_PAGE, alone[1], QHV_PAGE);
            qtest_memread(s, OTHER, both, QHV_PAGE);
            g_assert_cmpmem(both, QHV_PAGE, alone[0], QHV_PAGE);
            qhv_set(s, 0, overlays[i], QHV_HCALL | 1);
            qhv_set(s, 0, overlays[j], 0);
            qtest_memread(s, QHV_HCALL, both, QHV_PAGE);
            g_assert_cmpmem(both, QHV_PAGE, alone[0], QHV_PAGE);
            qhv_set(s, 0, overlays[i], 0);
            g_assert_true(holds(s, QHV_HCALL, 0x33));
        }
    }
    /* all of them */
    for (i = 0; i < ARRAY_SIZE(overlays); i++) {
        qhv_set(s, 0, overlays[i], QHV_HCALL | 1);
    }
    for (i = 2; i < ARRAY_SIZE(overlays); i++) {
        qhv_set(s, 1, overlays[i], QHV_HCALL | 1);
    }
    qtest_memset(s, QHV_HCALL, 0x77, QHV_PAGE);
    qtest_system_reset(s);
    g_assert_true(holds(s, QHV_HCALL, 0x33));
    qtest_quit(s);
}

/* HC-045, HC-046: no page for a guest that has not said who it is */
static void test_guest_os_id(void)
{
    QTestState *s = qhv_start(2, QHV_ALL, NULL);

    fill(s, QHV_HCALL, 0x44);
    qhv_set(s, 0, MSR_HYPERCALL, QHV_HCALL | 1);
    g_assert_cmphex(qhv_get(s, 0, MSR_HYPERCALL), ==, QHV_HCALL);
    g_assert_true(holds(s, QHV_HCALL, 0x44));
    /* the identity alone does not enable it */
    qhv_set(s, 0, MSR_GUEST_OS_ID, 1ull << 63);
    g_assert_cmphex(qhv_get(s, 0, MSR_HYPERCALL), ==, QHV_HCALL);
    g_assert_true(holds(s, QHV_HCALL, 0x44));
    qhv_set(s, 0, MSR_HYPERCALL, QHV_HCALL | 1);
    g_assert_false(holds(s, QHV_HCALL, 0x44));
    /* another identity changes nothing */
    qhv_set(s, 1, MSR_GUEST_OS_ID, 0x1234);
    g_assert_cmphex(qhv_get(s, 1, MSR_HYPERCALL), ==, QHV_HCALL | 1);
    g_assert_false(holds(s, QHV_HCALL, 0x44));
    qhv_set(s, 1, MSR_GUEST_OS_ID, 0);
    g_assert_cmphex(qhv_get(s, 0, MSR_HYPERCALL) & 1, ==, 0);
    g_assert_true(holds(s, QHV_HCALL, 0x44));
    qtest_quit(s);
}

/* HC-048, HC-050, HC-052, HC-055: code, then int3, and not to be changed */
static void test_hypercall_page(const void *data)
{
    bool intel = GPOINTER_TO_UINT(data);
    QTestState *s = qtest_initf("-machine q35 -nodefaults -smp 2 -m 64 -cpu "
                                "qemu64,vendor=%s,hv-time",
                                intel ? "GenuineIntel" : "AuthenticAMD");
    uint8_t page[QHV_PAGE], again[QHV_PAGE];
    unsigned i;

    qhv_set_guest_os_id(s);
    qhv_set(s, 0, MSR_HYPERCALL, QHV_HCALL | 1);
    g_assert_cmphex(qhv_get(s, 1, MSR_HYPERCALL), ==, QHV_HCALL | 1);
    qtest_memread(s, QHV_HCALL, page, QHV_PAGE);
    /* VMCALL or VMMCALL, RET */
    g_assert_cmphex(page[0], ==, 0x0f);
    g_assert_cmphex(page[1], ==, 0x01);
    g_assert_cmphex(page[2], ==, intel ? 0xc1 : 0xd9);
    g_assert_cmphex(page[3], ==, 0xc3);
    for (i = 4; i < QHV_PAGE; i++) {
        g_assert_cmphex(page[i], ==, 0xcc);
    }
    qtest_memset(s, QHV_HCALL, 0, QHV_PAGE);
    qtest_writeb(s, QHV_HCALL + 1, 0);
    qtest_writeq(s, QHV_HCALL + 4088, 0);
    qtest_memread(s, QHV_HCALL, again, QHV_PAGE);
    g_assert_cmpmem(page, QHV_PAGE, again, QHV_PAGE);
    /* the same after a reset */
    qtest_system_reset(s);
    qhv_set_guest_os_id(s);
    qhv_set(s, 1, MSR_HYPERCALL, OTHER | 1);
    qtest_memread(s, OTHER, again, QHV_PAGE);
    g_assert_cmpmem(page, QHV_PAGE, again, QHV_PAGE);
    qtest_quit(s);
}

/* HC-051, CP-025: locked, until a reset */
static void test_locked(void)
{
    QTestState *s = start();

    fill(s, OTHER, 0x55);
    qhv_set(s, 0, MSR_HYPERCALL, QHV_HCALL | 3);
    g_assert_cmphex(qhv_get(s, 0, MSR_HYPERCALL), ==, QHV_HCALL | 3);
    /* moved, disabled, unlocked: as a #GP, or as nothing */
    qhv_wrmsr(s, 0, MSR_HYPERCALL, OTHER | 3);
    g_assert_cmphex(qhv_get(s, 0, MSR_HYPERCALL), ==, QHV_HCALL | 3);
    qhv_wrmsr(s, 1, MSR_HYPERCALL, 0);
    g_assert_cmphex(qhv_get(s, 0, MSR_HYPERCALL), ==, QHV_HCALL | 3);
    qhv_wrmsr(s, 1, MSR_HYPERCALL, QHV_HCALL | 1);
    g_assert_cmphex(qhv_get(s, 0, MSR_HYPERCALL), ==, QHV_HCALL | 3);
    g_assert_true(holds(s, OTHER, 0x55));
    g_assert_cmphex(qtest_readb(s, QHV_HCALL + 4095), ==, 0xcc);
    qtest_system_reset(s);
    g_assert_cmphex(qhv_get(s, 0, MSR_HYPERCALL), ==, 0);
    qhv_set_guest_os_id(s);
    qhv_set(s, 0, MSR_HYPERCALL, OTHER | 1);
    g_assert_cmphex(qtest_readb(s, OTHER + 4095), ==, 0xcc);
    qtest_quit(s);

    /* without the feature there is no such bit */
    s = qhv_start(1, "hv-time", NULL);
    qhv_set_guest_os_id(s);
    qhv_set(s, 0, MSR_HYPERCALL, QHV_HCALL | 3);
    g_assert_cmphex(qhv_get(s, 0, MSR_HYPERCALL) & 2, ==, 0);
    qhv_set(s, 0, MSR_HYPERCALL, OTHER | 1);
    g_assert_cmphex(qhv_get(s, 0, MSR_HYPERCALL), ==, OTHER | 1);
    qtest_quit(s);
}

/* VA-001: one assist page for each VP */
static void test_vp_assist(void)
{
    QTestState *s = start();

    qhv_set(s, 0, MSR_VP_ASSIST_PAGE, QHV_ASSIST | 1);
    qhv_set(s, 1, MSR_VP_ASSIST_PAGE, OTHER | 1);
    fill(s, QHV_ASSIST, 0x10);
    fill(s, OTHER, 0x20);
    g_assert_true(holds(s, QHV_ASSIST, 0x10));
    /* changed places */
    qhv_set(s, 0, MSR_VP_ASSIST_PAGE, OTHER | 1);
    qhv_set(s, 1, MSR_VP_ASSIST_PAGE, QHV_ASSIST | 1);
    g_assert_true(holds(s, QHV_ASSIST, 0x20));
    g_assert_true(holds(s, OTHER, 0x10));
    qtest_quit(s);
}

static void add(const char *what, const char *rules,
                void (*fn)(const void *data))
{
    static const char *names[] = {
        "hypercall", "reference-tsc", "simp", "siefp", "vp-assist",
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(overlays); i++) {
        qhv_add_row(what, names[i], rules, GUINT_TO_POINTER(overlays[i]), fn);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("overlay/ram-beneath", "HC-053,SY-004,RT-012,VA-002",
        test_ram_beneath);
    add("overlay/places", "HC-048,HC-054", test_places);
    qhv_add("overlay/move", "SY-003,VA-001", test_move);
    qhv_add("overlay/beyond", "HC-049,MS-012", test_beyond);
    qhv_add("overlay/stack", "HC-075,SY-034", test_stack);
    qhv_add("overlay/guest-os-id", "HC-045,HC-046", test_guest_os_id);
    qhv_add_row("overlay/hypercall-page", "amd", "HC-048,HC-050,HC-052,HC-055",
                GUINT_TO_POINTER(0), test_hypercall_page);
    qhv_add_row("overlay/hypercall-page", "intel",
                "HC-048,HC-050,HC-052,HC-055", GUINT_TO_POINTER(1),
                test_hypercall_page);
    qhv_add("overlay/locked", "HC-051,CP-025", test_locked);
    qhv_add("overlay/vp-assist", "VA-001", test_vp_assist);
    return g_test_run();
}
