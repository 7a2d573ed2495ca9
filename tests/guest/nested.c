/*
 * Flushes that a nested guest makes, under a hypervisor of our own on SVM
 * (TLFS 16.8, 16.13).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define MSR_EFER        0xC0000080u
#define MSR_VM_HSAVE_PA 0xC0010117u
#define EFER_SVME       (1ull << 12)

/* Offsets in a VMCB */
#define VMCB_MISC1      0x00C
#define VMCB_MISC2      0x010
#define VMCB_ASID       0x058
#define VMCB_EXITCODE   0x070
#define VMCB_EXITINFO1  0x078
#define VMCB_HV_CONTROL 0x3E0
#define VMCB_HV_ASSIST  0x3F0
#define VMCB_ES         0x400
#define VMCB_CS         0x410
#define VMCB_SS         0x420
#define VMCB_DS         0x430
#define VMCB_GDTR       0x460
#define VMCB_IDTR       0x480
#define VMCB_EFER       0x4D0
#define VMCB_CR4        0x548
#define VMCB_CR3        0x550
#define VMCB_CR0        0x558
#define VMCB_RFLAGS     0x570
#define VMCB_RIP        0x578
#define VMCB_RAX        0x5F8

#define MISC1_HLT       (1u << 24)
#define MISC2_VMRUN     (1u << 0)
#define MISC2_VMMCALL   (1u << 1)

#define EXIT_VMMCALL    0x81
#define EXIT_HV         0xF0000000ull

#define DIRECT_FLUSH    1u      /* in the VMCB and in the VP assist page */
#define TRAP_AFTER_FLUSH 1

extern char l2_start[], l2_behind_call[];

/* The nested guest: it calls its hypervisor, and stops */
asm(".pushsection .text\n"
    "l2_start: vmmcall\n"
    "l2_behind_call: hlt\n"
    ".popsection\n");

static uint8_t *vmcb;

static void put64(unsigned off, uint64_t v)
{
    memcpy(vmcb + off, &v, sizeof(v));
}

static uint64_t get64(unsigned off)
{
    uint64_t v;

    memcpy(&v, vmcb + off, sizeof(v));
    return v;
}

static void put32(unsigned off, uint32_t v)
{
    memcpy(vmcb + off, &v, sizeof(v));
}

static void put_segment(unsigned off, uint16_t selector, uint16_t attributes)
{
    put32(off, selector | (uint32_t)attributes << 16);
    put32(off + 4, 0xFFFFFFFF);
    put64(off + 8, 0);
}

static void put_table(unsigned off, const uint8_t *dtr)
{
    uint64_t base;

    memcpy(&base, dtr + 2, sizeof(base));
    put32(off + 4, dtr[0] | dtr[1] << 8);
    put64(off + 8, base);
}

bool svm_on(void)
{
    uint64_t efer;

    if (!(cpuid(0x80000001).reg[R_ECX] & 4)) {
        return false;
    }
    efer = hv_rd(MSR_EFER);
    hv_wr(MSR_EFER, efer | EFER_SVME);
    hv_wr(MSR_VM_HSAVE_PA, (uintptr_t)page_alloc());
    return true;
}

void svm_off(void)
{
    hv_wr(MSR_EFER, hv_rd(MSR_EFER) & ~EFER_SVME);
}

/* A guest in our own address space, in 64-bit kernel mode */
void l2_init(void)
{
    uint8_t dtr[10];
    uint16_t cs, ss;
    uint64_t cr0;

    vmcb = page_alloc();
    put32(VMCB_MISC1, MISC1_HLT);
    put32(VMCB_MISC2, MISC2_VMRUN | MISC2_VMMCALL);
    put32(VMCB_ASID, 1);
    asm("mov %%cs, %0" : "=r" (cs));
    asm("mov %%ss, %0" : "=r" (ss));
    put_segment(VMCB_CS, cs, 0x29B);
    put_segment(VMCB_SS, ss, 0xC93);
    put_segment(VMCB_DS, ss, 0xC93);
    put_segment(VMCB_ES, ss, 0xC93);
    asm("sgdt %0" : "=m" (dtr));
    put_table(VMCB_GDTR, dtr);
    asm("sidt %0" : "=m" (dtr));
    put_table(VMCB_IDTR, dtr);
    asm("mov %%cr0, %0" : "=r" (cr0));
    put64(VMCB_CR0, cr0);
    put64(VMCB_CR3, read_cr3());
    put64(VMCB_CR4, read_cr4());
    put64(VMCB_EFER, hv_rd(MSR_EFER));
}

/* Let it run from @rip on; returns its exit code */
static uint64_t l2_enter(uint64_t rip, uint64_t control, const void *in)
{
    register uint64_t r8 asm("r8") = 0;
    uint64_t rcx = control, rdx = (uintptr_t)in;
    bool on = irq_save();

    put64(VMCB_RIP, rip);
    put64(VMCB_RFLAGS, 2);
    put64(VMCB_RAX, 0x5A5A);
    asm volatile("clgi; vmrun %%rax; stgi"
                 : "+c" (rcx), "+d" (rdx), "+r" (r8)
                 : "a" (vmcb)
                 : "rbx", "rsi", "rdi", "r9", "r10", "r11", "memory", "cc");
    irq_restore(on);
    return get64(VMCB_EXITCODE);
}

uint64_t l2_run(uint64_t rip)
{
    return l2_enter(rip, 0, NULL);
}

/* Let it make a call */
static uint64_t l2_call(uint64_t control, const void *in)
{
    return l2_enter((uintptr_t)l2_start, control, in);
}

/*
 * VP indexes of the nested guest are its own: whichever it names, its VPs may
 * have run anywhere.
 */
static void direct_flush_elsewhere(uint64_t *in)
{
    uint64_t va = va_alloc(PAGE_SIZE);
    struct touch t = { .p = (uint64_t *)va };
    uint64_t *old = page_alloc(), *new = page_alloc();

    old[0] = 1;
    new[0] = 2;
    map_page(va, (uintptr_t)old, PTE_P | PTE_W);
    on_cpu(cpus[1], touch, &t);
    CHECK_EQ(t.seen, 1, "before");
    *pte_of(va) = (uintptr_t)new | PTE_P | PTE_W;
    in[1] = 2;          /* all address spaces of VP 0 */
    in[2] = 1;
    CHECK_EQ(l2_call(HVCALL_FLUSH_SPACE, in), EXIT_HLT, "of VP 0");
    CHECK_EQ(get64(VMCB_RAX), HV_SUCCESS, "status");
    on_cpu(cpus[1], touch, &t);
    CHECK_EQ(t.seen, 2, "stale translation on another VP");
    in[1] = 3;
}

TEST(nested_direct_flush, "NE-013,NE-015",
     .need = { F_HYPERCALL, F_INTR_CTRL, F_NESTED_DIRECT })
{
    uint64_t *in = page_alloc();
    uint32_t *lock_count = page_alloc();
    struct cpu *c = this_cpu();

    if (!svm_on()) {
        SKIP("the processor has no SVM");
    }
    l2_init();
    in[1] = 3;          /* all processors, all address spaces */
    if (!c->assist) {
        c->assist = page_alloc();
    }
    hv_wr(HV_MSR_VP_ASSIST_PAGE, (uintptr_t)c->assist | HV_PAGE_ENABLE);
    put64(VMCB_HV_ASSIST, (uintptr_t)lock_count);

    CHECK_EQ(l2_call(HVCALL_FLUSH_SPACE, in), EXIT_VMMCALL, "not asked for");
    put32(VMCB_HV_CONTROL, DIRECT_FLUSH);
    CHECK_EQ(l2_call(HVCALL_FLUSH_SPACE, in), EXIT_VMMCALL, "in the VMCB only");

    ((SHARED uint32_t *)c->assist)[8] = DIRECT_FLUSH;
    CHECK_EQ(l2_call(HVCALL_FLUSH_SPACE, in), EXIT_HLT, "direct");
    CHECK_EQ(get64(VMCB_RAX), HV_SUCCESS, "status");
    CHECK_EQ(get64(VMCB_RIP), (uintptr_t)l2_behind_call, "RIP");
    CHECK_EQ(l2_call(HVCALL_FLUSH_SPACE | HV_REPS(1), in), EXIT_HLT,
             "direct, of a wrong shape");
    CHECK_EQ(get64(VMCB_RAX), HV_INVALID_INPUT, "status");
    CHECK_EQ(l2_call(HVCALL_POST_MESSAGE, in), EXIT_VMMCALL, "another call");
    if (ncpus > 1) {
        direct_flush_elsewhere(in);
    }

    *lock_count = 1;
    CHECK_EQ(l2_call(HVCALL_FLUSH_SPACE, in), EXIT_HV, "with a locked TLB");
    CHECK_EQ(get64(VMCB_EXITINFO1), TRAP_AFTER_FLUSH, "reason");
    CHECK_EQ(get64(VMCB_RAX), HV_SUCCESS, "status");
    CHECK_EQ(get64(VMCB_RIP), (uintptr_t)l2_behind_call, "RIP");

    ((SHARED uint32_t *)c->assist)[8] = 0;
    hv_wr(HV_MSR_VP_ASSIST_PAGE, 0);
    svm_off();
}

TEST(nested_gpa_flush, "NE-019,NE-020,NE-021",
     .need = { F_HYPERCALL, F_NESTED_GPA_FLUSH })
{
    uint64_t *in = page_alloc();

    CHECK_EQ(hv_call_fast(HVCALL_FLUSH_GPA_SPACE, 0, 0), HV_INVALID_VP_STATE,
             "while not nested");
    if (!svm_on()) {
        SKIP("the processor has no SVM");
    }
    CHECK_EQ(hv_call_fast(HVCALL_FLUSH_GPA_SPACE, 0, 0), HV_SUCCESS, "space");
    CHECK_EQ(hv_call_fast(HVCALL_FLUSH_GPA_SPACE, 0, 1), HV_INVALID_PARAMETER,
             "flag 0");
    CHECK_EQ(hv_call(HVCALL_FLUSH_GPA_LIST | HV_REPS(2), in, NULL),
             HV_SUCCESS | 2ull << 32, "list");
    svm_off();
}
