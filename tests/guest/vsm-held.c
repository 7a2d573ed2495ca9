/*
 * A guest with a secure kernel that is looked at, stopped and moved from
 * outside.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It says "# ready", does what the character that is typed asks for, and so on.
 */

#include "guest.h"

#define NEED        { F_HYPERCALL, F_VSM, F_STIMER, F_DIRECT_TIMERS }

#define VECTOR      0x6A
#define MS          10000ull    /* in units of reference time */
#define PERIOD      (10 * MS)

#define MSR_LSTAR       0xC0000082u
#define MSR_KERNEL_GS   0xC0000102u
#define LSTAR_VTL0      0x7FFF00001000ull
#define LSTAR_VTL1      0x7FFF00002000ull
#define SIRBP_VTL1      0x77000ull
#define CR0_AM          (1ull << 18)
#define SECRETS         3

static SHARED uint64_t *secret;     /* pages that VTL 0 may not access */
static SHARED uint64_t *read_only;
static uint64_t private_va;         /* mapped in VTL 1 only */
static SHARED bool stop;

static uint64_t word(int i)
{
    return 0x5EC0DE0000000000ull + i;
}

static char typed(void)
{
    char c;

    while (!console_read(&c)) {
        cpu_relax();
    }
    return c;
}

/* In VTL 1 */

static void set_up(void *unused)
{
    uint64_t *pml4 = page_alloc();

    for (int i = 0; i < SECRETS * 512; i++) {
        secret[i] = word(i);
    }
    read_only[0] = word(-1);
    for (int i = 0; i < SECRETS; i++) {
        protect_page((uintptr_t)secret + i * PAGE_SIZE, 0);
    }
    protect_page((uintptr_t)read_only, MAP_R);

    /* Page tables of its own, which know one page more */
    memcpy(pml4, (void *)read_cr3(), PAGE_SIZE);
    pml4[private_va >> 39 & 511] = 0;
    asm volatile("movq %0, %%cr3" :: "r" (pml4) : "memory");
    for (int shift = 39; shift > 12; shift -= 9) {
        uint64_t *next = page_alloc();

        pml4[private_va >> shift & 511] = (uintptr_t)next | PTE_P | PTE_W;
        pml4 = next;
    }
    pml4[private_va >> 12 & 511] = (uintptr_t)secret | PTE_P;

    hv_wr(MSR_LSTAR, LSTAR_VTL1);
    hv_wr(HV_MSR_SIRBP, SIRBP_VTL1);
}

/* Of what VTL 0 does not do here, for the monitor to show */
static void install_intercepts(void *unused)
{
    static const struct {
        uint32_t access, type;
        uint64_t param;
    } what[] = {
        { 1, 0x00, 0x98 },                      /* reads of a port */
        { 2, 0x11, 0x9A | 0x9Cull << 16 },      /* writes of some */
        { 2, 0x00, 0xFFFF },
        { 3, 0x01, 0 },                         /* unknown MSRs */
        { 4, 0x02, 0x12345 },                   /* a leaf of CPUID */
        { 4, 0x03, 4 },                         /* an exception */
    };
    uint64_t *in = page_alloc();

    for (int i = 0; i < ARRAY_SIZE(what); i++) {
        in[0] = HV_PARTITION_SELF;
        in[1] = what[i].access | (uint64_t)what[i].type << 32;
        in[2] = what[i].param;
        CHECK_EQ(hv_call(HVCALL_INSTALL_INTERCEPT, in, NULL), HV_SUCCESS,
                 "intercept %d", i);
    }
    /* Leaf, subleaf, that it matters; EBX */
    in[1] = HV_VP_SELF | 2ull << 32;
    in[2] = 0x12345 | 6ull << 32;
    in[3] = 1;
    in[4] = 0x5Aull << 32;
    in[5] = 0xFF;
    CHECK_EQ(hv_call(HVCALL_REGISTER_RESULT, in, NULL), HV_SUCCESS, "CPUID");
    vtl_set_reg(1, HV_REG_CR_INTERCEPT + 1, CR0_AM);
    vtl_set_reg(1, HV_REG_CR_INTERCEPT, 1);
}

static void check_vtl1(void *unused)
{
    for (int i = 0; i < SECRETS * 512; i++) {
        if (secret[i] != word(i)) {
            CHECK(false, "word %d of the secret", i);
            break;
        }
    }
    CHECK_EQ(*(uint64_t *)private_va, word(0), "its own mapping");
    CHECK_EQ(hv_rd(MSR_LSTAR), LSTAR_VTL1, "VTL 1's LSTAR");
    CHECK_EQ(hv_rd(HV_MSR_SIRBP), SIRBP_VTL1, "VTL 1's SIRBP");
}

static void arm(void *unused)
{
    irq_set(VECTOR, NULL);
    hv_wr(HV_MSR_STIMER_CONFIG(1), 0);
    hv_wr(HV_MSR_STIMER_COUNT(1), PERIOD);
    hv_wr(HV_MSR_STIMER_CONFIG(1),
          HV_STIMER_ENABLE | HV_STIMER_PERIODIC | HV_STIMER_DIRECT |
          HV_STIMER_VECTOR(VECTOR));
}

static void get_ticks(void *n)
{
    *(uint32_t *)n = this_cpu()->irqs[VECTOR];
}

/* Until somebody lets it go: by turns with interrupts on and off */
static void stay(void *unused)
{
    uint32_t before, now;

    note("in VTL 1");
    while (typed() != 'r') {
        note("still in VTL 1");
        get_ticks(&before);
        irq_enable();
        CHECK(WAIT_FOR((get_ticks(&now), now != before)), "VTL 1 ticks");
        irq_disable();
        check_vtl1(NULL);
    }
}

static void show_gs(void *unused)
{
    note("VTL 1's GS 0x%lx", hv_rd(MSR_KERNEL_GS));
}

static void nothing(void *unused)
{
}

/* In VTL 0 */

static uint32_t ticks(bool vtl1)
{
    uint32_t n;

    if (vtl1) {
        in_vtl1(get_ticks, &n);
    } else {
        get_ticks(&n);
    }
    return n;
}

/* All is as it was, and goes on */
static void check_all(void)
{
    uint32_t vtl0 = ticks(false), vtl1 = ticks(true), before;
    uint64_t v;

    CHECK(WAIT_FOR(ticks(false) != vtl0), "VTL 0 ticks");
    CHECK(WAIT_FOR(ticks(true) != vtl1), "VTL 1 ticks");
    in_vtl1(check_vtl1, NULL);
    CHECK_EQ(hv_rd(MSR_LSTAR), LSTAR_VTL0, "VTL 0's LSTAR");
    CHECK_EQ(hv_rd(HV_MSR_SIRBP), 0, "VTL 0's SIRBP");

    before = intercepts_here();
    for (int i = 0; i < SECRETS; i++) {
        struct call c = { .rdi = (uintptr_t)secret + i * PAGE_SIZE };

        CHECK(intercepted_load(&c), "secret page %d", i);
    }
    CHECK_EQ(intercepts_here(), before + SECRETS, "intercepts");
    CHECK(load64_safe((uintptr_t)read_only, &v) == NO_FAULT && v == word(-1),
          "page to be read");
    CHECK(load64_safe(private_va, &v) != NO_FAULT, "VTL 1's own mapping");
}

/* Other CPUs go to VTL 1 and back as fast as they can */
static void call_on(void *unused)
{
    while (!stop) {
        in_vtl1(nothing, NULL);
    }
}

TEST(vsm_held, "MS-032,VS-017,VS-036", .need = NEED,
     .explicit = true)
{
    char c;

    intercepts_end_calls(ncpus);
    secret = pages_alloc(SECRETS, PAGE_SIZE);
    read_only = page_alloc();
    private_va = va_alloc(LARGE_PAGE);
    hv_wr(MSR_LSTAR, LSTAR_VTL0);
    in_vtl1(set_up, NULL);
    in_vtl1(install_intercepts, NULL);
    for (int i = 1; i < ncpus; i++) {
        on_cpu_start(cpus[i], call_on, NULL);
    }
    note("secret 0x%lx, of VTL 1 0x%lx", (uintptr_t)secret, private_va);
    do {
        note("ready");
        c = typed();
        switch (c) {
        case 'a':
            arm(NULL);
            in_vtl1(arm, NULL);
            break;
        case 'c':
            in_vtl1(nothing, NULL);
            break;
        case 'g':
            note("VTL 0's GS 0x%lx", hv_rd(MSR_KERNEL_GS));
            in_vtl1(show_gs, NULL);
            break;
        case 't':
            check_all();
            break;
        case 'v':
            in_vtl1(stay, NULL);
            break;
        }
    } while (c != 'e');
    stop = true;
    for (int i = 1; i < ncpus; i++) {
        on_cpu_wait(cpus[i]);
    }
}

/* Where memory cannot be kept from all devices, there are no protections */

static void try_to_enable(void *status)
{
    *(uint64_t *)status = vtl_try_reg(1, HV_REG_VSM_CONFIG, 1 | MAP_ALL << 1);
}

static void try_to_protect(void *status)
{
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[2] = (uintptr_t)in / PAGE_SIZE;
    *(uint64_t *)status = hv_call(HVCALL_MODIFY_PROTECTION | HV_REPS(1), in,
                                  NULL);
}

TEST(vsm_refused, "VS-058", .need = NEED, .explicit = true)
{
    uint64_t status;

    secure_on(1);
    in_vtl1(try_to_enable, &status);
    CHECK_EQ(status, HV_OPERATION_DENIED, "protections");
    in_vtl1(try_to_protect, &status);
    CHECK_EQ(HV_STATUS(status), HV_ACCESS_DENIED, "protection of a page");
}
