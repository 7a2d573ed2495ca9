/*
 * A VTL 0 that tries everything to get at what VTL 1 keeps in protected memory:
 * nothing of it is ever seen, and nothing ever changed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define NEED            { F_HYPERCALL, F_VSM }

#define CR4_OSXSAVE     (1ull << 18)
#define MSR_EFER        0xC0000080u
#define MSR_VM_HSAVE    0xC0010117u
#define EFER_SVME       (1ull << 12)
#define MSR_APIC_BASE   0x1Bu

/*
 * Intercepts.  VTL 1 does not give in: it has VTL 0 go on where call_safe()
 * does after an exception, with the registers that this takes.
 */

static struct guard {
    uint64_t *list;             /* input of HvCallSetVpRegisters */
    SHARED uint32_t count;
} guards[MAX_CPUS];

/* What VTL 0 may have spoilt */
static const uint32_t kept_regs[] = {
    HV_REG_CR3, HV_REG_IDTR, HV_REG_GDTR, HV_REG_CS, HV_REG_SS, HV_REG_DS,
    HV_REG_ES, HV_REG_TR, HV_REG_LDTR,
};

enum { LIST_RIP, LIST_RSP, LIST_RFLAGS, LIST_EVENT, LIST_KEPT,
       LIST_SIZE = LIST_KEPT + ARRAY_SIZE(kept_regs) };

/* Elements are of 32 bytes: name, padding, value */
static void list_put(uint64_t *list, int i, uint32_t name, uint64_t low,
                     uint64_t high)
{
    uint64_t *element = list + 2 + 4 * i;

    element[0] = name;
    element[2] = low;
    element[3] = high;
}

static void intercept_ends_call(void)
{
    struct cpu *me = this_cpu(), *below = cpus[me->id];
    struct guard *g = &guards[me->id];
    struct hv_message *slot = me->simp;

    slot->type = HV_MSG_NONE;
    hv_wr(HV_MSR_EOM, 0);
    if (!below->recover_rip) {
        panic("an intercept that nobody expects, on CPU %d", me->id);
    }
    list_put(g->list, LIST_RIP, HV_REG_RIP, below->recover_rip, 0);
    list_put(g->list, LIST_RSP, HV_REG_RSP, below->recover_rsp, 0);
    CHECK_EQ(hv_call(HVCALL_SET_REGISTERS | HV_REPS(LIST_SIZE), g->list, NULL),
             HV_REPS(LIST_SIZE), "VTL 0's registers");
    below->fault_vector = INTERCEPTED;
    g->count++;
}

static void guard_here(void *unused)
{
    struct guard *g = &guards[this_cpu()->id];
    uint32_t *in;
    struct hv_register *out;

    if (g->list) {
        return;
    }
    g->list = page_alloc();
    in = page_alloc();
    out = page_alloc();
    *(uint64_t *)in = HV_PARTITION_SELF;
    in[2] = HV_VP_SELF;
    memcpy(in + 4, kept_regs, sizeof(kept_regs));
    CHECK_EQ(hv_call(HVCALL_GET_REGISTERS | HV_REPS(ARRAY_SIZE(kept_regs)), in,
                     out), HV_REPS(ARRAY_SIZE(kept_regs)), "own registers");
    g->list[0] = HV_PARTITION_SELF;
    g->list[1] = HV_VP_SELF | 0x10ull << 32;        /* VTL 0 */
    list_put(g->list, LIST_RFLAGS, HV_REG_RFLAGS, 0x202, 0);
    list_put(g->list, LIST_EVENT, HV_REG_PENDING_INTERRUPTION, 0, 0);
    for (int i = 0; i < ARRAY_SIZE(kept_regs); i++) {
        list_put(g->list, LIST_KEPT + i, kept_regs[i], out[i].low, out[i].high);
    }
}

void intercepts_end_calls(int n)
{
    protection_on(n);
    guard_here(NULL);
    for (int i = 1; i < n; i++) {
        on_cpu(cpus[i], guard_here, NULL);
    }
    secure_intercept = intercept_ends_call;
}

uint32_t intercepts_here(void)
{
    return guards[this_cpu()->id].count;
}

/*
 * The secret: pages that VTL 0 may not access, and one that it may only read,
 * among such as are open to it.  Each word could be an entry of a page table,
 * and no other word in this program is like it.
 */
enum { OPEN_BEFORE, SECRET, SECRET2, OPEN_BETWEEN, READ_ONLY, OPEN_AFTER,
       NR_PAGES };

#define WORDS               (PAGE_SIZE / 8)
#define SECRET_HIGH         0x5EC00000ull
#define SECRET_LOW          0x40000067ull

static uint8_t *pages;

static uint64_t page_at(int page)
{
    return (uintptr_t)pages + page * PAGE_SIZE;
}

static bool is_kept(int page)
{
    return page == SECRET || page == SECRET2 || page == READ_ONLY;
}

static uint64_t secret_word(int page, int i)
{
    return SECRET_HIGH << 32 | (SECRET_LOW + (page * WORDS + i) * PAGE_SIZE);
}

static bool is_secret(uint32_t half)
{
    return half == SECRET_HIGH ||
           ((half & 0xFFF) == (SECRET_LOW & 0xFFF) &&
            half - SECRET_LOW < NR_PAGES * WORDS * PAGE_SIZE);
}

/* Is any of it in the memory at @p, at a multiple of @step? */
static bool leaked_at(const void *p, unsigned size, unsigned step)
{
    const uint8_t *b = p;

    for (unsigned i = 0; i + 4 <= size; i += step) {
        uint32_t half;

        memcpy(&half, b + i, 4);
        if (is_secret(half)) {
            return true;
        }
    }
    return false;
}

static bool leaked(const void *p, unsigned size)
{
    return leaked_at(p, size, 1);
}

static void keep_secret(void *unused)
{
    for (int page = 0; page < NR_PAGES; page++) {
        uint64_t *words = (uint64_t *)page_at(page);

        for (int i = 0; is_kept(page) && i < WORDS; i++) {
            words[i] = secret_word(page, i);
        }
    }
    protect_page(page_at(SECRET), 0);
    protect_page(page_at(SECRET2), 0);
    protect_page(page_at(READ_ONLY), MAP_R);
}

static void compare_secret(void *changed)
{
    for (int page = 0; page < NR_PAGES; page++) {
        const uint64_t *words = (uint64_t *)page_at(page);

        for (int i = 0; is_kept(page) && i < WORDS; i++) {
            if (words[i] != secret_word(page, i)) {
                *(uint64_t *)changed = (uintptr_t)(words + i);
            }
        }
    }
}

static bool secret_is_whole(void)
{
    uint64_t changed = 0;

    in_vtl1(compare_secret, &changed);
    return !changed;
}

static void begin(int n)
{
    intercepts_end_calls(n);
    if (!pages) {
        pages = pages_alloc(NR_PAGES, PAGE_SIZE);
        in_vtl1(keep_secret, NULL);
    }
    CHECK(secret_is_whole(), "the secret");
}

/* Nothing of it in the registers after a call, nor in @size bytes at @p */
static void check_kept(const struct call *c, const void *p, unsigned size,
                       const char *what, uint64_t at)
{
    CHECK(!leaked_at(&c->rax, 8 * 15, 4) &&
          !leaked_at(c->xmm, sizeof(c->xmm), 4),
          "%s, 0x%lx: not seen in registers", what, at);
    CHECK(!leaked(p, size), "%s, 0x%lx: not seen in memory", what, at);
}

/* Instructions */

/*
 * RDI is the address, RSI other memory, RCX 8, RDX 0x80, R8 to R15 as RDI.
 * What spoils RSP is not to come to the RET.
 */
asm(".pushsection .text\n"
#define SNIPPET(name, insns) \
    "attempt_" #name ": " insns "; ret\n"
#define SNIPPETS                                                            \
    SNIPPET(load1, "movb (%rdi), %al")                                      \
    SNIPPET(load8, "movq (%rdi), %rax")                                     \
    SNIPPET(load16, "movdqu (%rdi), %xmm0")                                 \
    SNIPPET(movs_from, "xchgq %rdi, %rsi; movsq")                           \
    SNIPPET(rep_from, "xchgq %rdi, %rsi; rep movsb")                        \
    SNIPPET(rep_down, "addq $7, %rdi; xchgq %rdi, %rsi; addq $7, %rdi; "    \
                      "std; rep movsb; cld")                                \
    SNIPPET(lods, "movq %rdi, %rsi; lodsq")                                 \
    SNIPPET(cmps, "xchgq %rdi, %rsi; cmpsq")                                \
    SNIPPET(scas, "scasq")                                                  \
    SNIPPET(push_from, "pushq (%rdi); popq %rax")                           \
    SNIPPET(pop_at, "movq %rdi, %rsp; popq %rax; ud2")                      \
    SNIPPET(ret_at, "movq %rdi, %rsp; ret; ud2")                            \
    SNIPPET(iret_at, "movq %rdi, %rsp; iretq; ud2")                         \
    SNIPPET(leave_at, "movq %rdi, %rbp; leave; ud2")                        \
    SNIPPET(jump_by, "jmp *(%rdi)")                                         \
    SNIPPET(call_by, "call *(%rdi)")                                        \
    SNIPPET(far_by, "lcall *(%rdi)")                                        \
    SNIPPET(run, "jmp *%rdi")                                               \
    SNIPPET(cmp, "cmpq %rax, (%rdi)")                                       \
    SNIPPET(bit_test, "btq $3, (%rdi)")                                     \
    SNIPPET(fload, "fldt (%rdi); fstp %st(0)")                              \
    SNIPPET(fenv, "fldenv (%rdi)")                                          \
    SNIPPET(fxrstor, "fxrstor64 (%rdi)")                                    \
    SNIPPET(xrstor, "movl $7, %eax; xorl %edx, %edx; xrstor64 (%rdi)")      \
    SNIPPET(mxcsr, "ldmxcsr (%rdi)")                                        \
    SNIPPET(outs, "movq %rdi, %rsi; outsb")                                 \
    SNIPPET(lgdt, "lgdt (%rdi)")                                            \
    SNIPPET(lidt, "lidt (%rdi)")                                            \
    SNIPPET(lldt_from, "lldt (%rdi)")                                       \
    SNIPPET(vmload, "movq %rdi, %rax; vmload %rax")                         \
    SNIPPET(store1, "movb %al, (%rdi)")                                     \
    SNIPPET(store8, "movq %rax, (%rdi)")                                    \
    SNIPPET(store16, "movdqu %xmm0, (%rdi)")                                \
    SNIPPET(movnti, "movnti %rax, (%rdi)")                                  \
    SNIPPET(maskmov, "pcmpeqb %xmm1, %xmm1; maskmovdqu %xmm1, %xmm0")       \
    SNIPPET(movs_to, "movsq")                                               \
    SNIPPET(rep_to, "rep movsb")                                            \
    SNIPPET(stos, "stosq")                                                  \
    SNIPPET(ins, "insb")                                                    \
    SNIPPET(push_at, "leaq 8(%rdi), %rsp; pushq %rax; ud2")                 \
    SNIPPET(call_at, "leaq 8(%rdi), %rsp; call 1f; 1: ud2")                 \
    SNIPPET(trap_at, "leaq 64(%rdi), %rsp; int3; ud2")                      \
    SNIPPET(fault_at, "leaq 64(%rdi), %rsp; ud2")                           \
    SNIPPET(pop_to, "pushq %rax; popq (%rdi)")                              \
    SNIPPET(add, "addq %rax, (%rdi)")                                       \
    SNIPPET(lock_add, "lock addq %rax, (%rdi)")                             \
    SNIPPET(xchg, "xchgq %rax, (%rdi)")                                     \
    SNIPPET(xadd, "lock xaddq %rax, (%rdi)")                                \
    SNIPPET(cmpxchg, "lock cmpxchgq %rax, (%rdi)")                          \
    SNIPPET(cmpxchg16, "lock cmpxchg16b (%rdi)")                            \
    SNIPPET(bit_set, "lock btsq $3, (%rdi)")                                \
    SNIPPET(fstore, "fld1; fstpt (%rdi)")                                   \
    SNIPPET(fsave, "fnsave (%rdi)")                                         \
    SNIPPET(fxsave, "fxsave64 (%rdi)")                                      \
    SNIPPET(xsave, "movl $7, %eax; xorl %edx, %edx; xsave64 (%rdi)")        \
    SNIPPET(set, "sete (%rdi)")                                             \
    SNIPPET(str, "str (%rdi)")                                              \
    SNIPPET(sgdt, "sgdt (%rdi)")                                            \
    SNIPPET(sidt, "sidt (%rdi)")                                            \
    SNIPPET(vmsave, "movq %rdi, %rax; vmsave %rax")
    SNIPPETS
    "attempt_end:\n"
    ".popsection\n");
#undef SNIPPET
#define SNIPPET(name, insns) attempt_##name[],
extern const char SNIPPETS attempt_end[];

#define KERNEL  1       /* not in user mode */
#define SVM     2

static const struct attempt {
    const char *name;
    const char *code;
    uint16_t size;
    uint16_t align;
    bool writes;
    uint8_t flags;
} attempts[] = {
#define LOAD(n, size, align, ...) \
    { #n, attempt_##n, size, align, false, ##__VA_ARGS__ }
#define STORE(n, size, align, ...) \
    { #n, attempt_##n, size, align, true, ##__VA_ARGS__ }
    LOAD(load1, 1, 1), LOAD(load8, 8, 1), LOAD(load16, 16, 1),
    LOAD(movs_from, 8, 1), LOAD(rep_from, 8, 1), LOAD(rep_down, 8, 1),
    LOAD(lods, 8, 1), LOAD(cmps, 8, 1), LOAD(scas, 8, 1),
    LOAD(push_from, 8, 1), LOAD(pop_at, 8, 1, KERNEL),
    LOAD(ret_at, 8, 1, KERNEL), LOAD(iret_at, 40, 1, KERNEL),
    LOAD(leave_at, 8, 1, KERNEL), LOAD(jump_by, 8, 1), LOAD(call_by, 8, 1),
    LOAD(far_by, 6, 1), LOAD(run, 1, 1), LOAD(cmp, 8, 1), LOAD(bit_test, 8, 1),
    LOAD(fload, 10, 1), LOAD(fenv, 28, 1), LOAD(fxrstor, 512, 16),
    LOAD(xrstor, 576, 64), LOAD(mxcsr, 4, 1), LOAD(outs, 1, 1, KERNEL),
    LOAD(lgdt, 10, 1, KERNEL), LOAD(lidt, 10, 1, KERNEL),
    LOAD(lldt_from, 2, 1, KERNEL), LOAD(vmload, 4096, 4096, KERNEL | SVM),
    STORE(store1, 1, 1), STORE(store8, 8, 1), STORE(store16, 16, 1),
    STORE(movnti, 8, 1), STORE(maskmov, 16, 1), STORE(movs_to, 8, 1),
    STORE(rep_to, 8, 1), STORE(stos, 8, 1), STORE(ins, 1, 1, KERNEL),
    STORE(push_at, 8, 1, KERNEL), STORE(call_at, 8, 1, KERNEL),
    STORE(trap_at, 64, 16, KERNEL), STORE(fault_at, 64, 16, KERNEL),
    STORE(pop_to, 8, 1), STORE(add, 8, 1), STORE(lock_add, 8, 1),
    STORE(xchg, 8, 1), STORE(xadd, 8, 1), STORE(cmpxchg, 8, 1),
    STORE(cmpxchg16, 16, 16), STORE(bit_set, 8, 1), STORE(fstore, 10, 1),
    STORE(fsave, 108, 1), STORE(fxsave, 512, 16), STORE(xsave, 576, 64),
    STORE(set, 1, 1), STORE(str, 2, 1), STORE(sgdt, 10, 1, KERNEL),
    STORE(sidt, 10, 1, KERNEL), STORE(vmsave, 4096, 4096, KERNEL | SVM),
};

static bool svm_here(void)
{
    return cpuid(0x80000001).reg[R_ECX] & 4;
}

static void attempt_at(const struct attempt *a, uint64_t at, bool user)
{
    uint8_t *other = (uint8_t *)page_at(OPEN_AFTER) + 1024;
    struct call c = {
        .target = (uintptr_t)a->code, .rdi = at, .rsi = (uintptr_t)other,
        .rax = 0x1111111111111111, .rbx = 0x2222222222222222, .rcx = 8,
        .rdx = 0x80, .r8 = at, .r9 = at, .r10 = at, .r11 = at,
        .r12 = at, .r13 = at, .r14 = at, .r15 = at,
    };

    memset(other, 0x11, 64);
    call_safe(user ? call_user : call_kernel64, &c);
    CHECK_EQ(c.vector, INTERCEPTED, "%s at 0x%lx, user %d", a->name, at, user);
    check_kept(&c, other, 64, a->name, at);
}

bool intercepted_load(struct call *c)
{
    c->target = (uintptr_t)attempt_load8;
    call_safe(call_kernel64, c);
    return c->vector == INTERCEPTED;
}

/* In the page, and over its borders */
static void attempt_in(const struct attempt *a, uint64_t page, bool user)
{
    uint64_t end = page + PAGE_SIZE;
    uint64_t half = (a->size / 2 + a->align - 1) / a->align * a->align;

    attempt_at(a, page, user);
    if (a->align <= 1024) {
        attempt_at(a, page + 1024, user);
    }
    attempt_at(a, end - (a->size + a->align - 1) / a->align * a->align, user);
    /* What has its size as alignment lies on no border */
    if (half && half < a->size) {
        attempt_at(a, page - half, user);
        attempt_at(a, end - half, user);
    }
}

static void attempt_all(bool user)
{
    bool svm = svm_here();

    write_cr4(read_cr4() | CR4_OSXSAVE);
    if (svm) {
        hv_wr(MSR_EFER, hv_rd(MSR_EFER) | EFER_SVME);
    }
    for (int i = 0; i < ARRAY_SIZE(attempts); i++) {
        const struct attempt *a = &attempts[i];

        if ((user && (a->flags & KERNEL)) || ((a->flags & SVM) && !svm)) {
            continue;
        }
        attempt_in(a, page_at(SECRET), user);
        attempt_in(a, page_at(SECRET2), user);
        if (a->writes) {
            attempt_in(a, page_at(READ_ONLY), user);
        }
        CHECK(secret_is_whole(), "%s: the secret is whole", a->name);
    }
    if (svm) {
        hv_wr(MSR_EFER, hv_rd(MSR_EFER) & ~EFER_SVME);
    }
    write_cr4(read_cr4() & ~CR4_OSXSAVE);
}

static void attempt_all_kernel(void *unused)
{
    attempt_all(false);
}

static void attempt_all_user(void *unused)
{
    attempt_all(true);
}

/* On all CPUs at the same time */
static void on_all(void (*fn)(void *))
{
    for (int i = 1; i < ncpus; i++) {
        on_cpu_start(cpus[i], fn, NULL);
    }
    fn(NULL);
    for (int i = 1; i < ncpus; i++) {
        on_cpu_wait(cpus[i]);
    }
}

TEST(vsm_hostile_instructions, "VM-021,VM-022,VS-036",
     .need = NEED)
{
    begin(ncpus);
    attempt_all_kernel(NULL);
    CHECK(secret_is_whole(), "the secret is whole");
}

TEST(vsm_hostile_user_mode, "VM-021,VS-036", .need = NEED)
{
    begin(ncpus);
    attempt_all_user(NULL);
    CHECK(secret_is_whole(), "the secret is whole");
}

/* Execution of what is in the page, and of an instruction that ends there */
TEST(vsm_hostile_execute, "VS-036", .need = NEED)
{
    uint8_t *before = (uint8_t *)page_at(SECRET) - 2;
    struct call c = { .target = (uintptr_t)before };

    begin(1);
    before[0] = 0x48;           /* movabs, whose number is the secret */
    before[1] = 0xB8;
    call_safe(call_kernel64, &c);
    CHECK_EQ(c.vector, INTERCEPTED, "its end is in the page");
    check_kept(&c, before, 2, "movabs", c.target);
    before[0] = 0x90;
    before[1] = 0x90;
    call_safe(call_kernel64, &c);
    CHECK_EQ(c.vector, INTERCEPTED, "the next one is in the page");
    for (int page = 0; page < NR_PAGES; page++) {
        c = (struct call) { .target = page_at(page) };
        if (is_kept(page)) {
            call_safe(call_kernel64, &c);
            CHECK_EQ(c.vector, INTERCEPTED, "page %d", page);
        }
    }
    CHECK(secret_is_whole(), "the secret is whole");
}

/* Tables that the processor looks at */

static uint64_t one_pte(uint64_t to)
{
    uint64_t va = va_alloc(LARGE_PAGE);

    *pde_of(va) = to | PTE_P | PTE_W | PTE_U;
    return va;
}

/* call_safe() goes on after it as if it had been called */
asm(".pushsection .text\n"
    "table_cr3: movq %rdi, %cr3; movq (%rsi), %rax; ret\n"
    "table_idt: movw $4095, -16(%rsp); movq %rdi, -14(%rsp); lidt -16(%rsp)\n"
    "           int3; ret\n"
    "table_gdt: movw $4095, -16(%rsp); movq %rdi, -14(%rsp); lgdt -16(%rsp)\n"
    "           movw $0x40, %ax; movw %ax, %fs; ret\n"
    "table_ltr: movw $4095, -16(%rsp); movq %rdi, -14(%rsp); lgdt -16(%rsp)\n"
    "           movw $0x40, %ax; ltr %ax; ret\n"
    "table_lldt: movw $4095, -16(%rsp); movq %rdi, -14(%rsp); lgdt -16(%rsp)\n"
    "           movw $0x40, %ax; lldt %ax; ret\n"
    "table_lar: movw $4095, -16(%rsp); movq %rdi, -14(%rsp); lgdt -16(%rsp)\n"
    "           movw $0x40, %cx; larl %ecx, %eax; ret\n"
    "table_lsl: movw $4095, -16(%rsp); movq %rdi, -14(%rsp); lgdt -16(%rsp)\n"
    "           movw $0x40, %cx; lsll %ecx, %eax; ret\n"
    "table_verr: movw $4095, -16(%rsp); movq %rdi, -14(%rsp); lgdt -16(%rsp)\n"
    "           movw $0x40, %cx; verr %cx; ret\n"
    ".popsection\n");
extern const char table_cr3[], table_idt[], table_gdt[], table_ltr[],
                  table_lldt[], table_lar[], table_lsl[], table_verr[];

TEST(vsm_hostile_tables, "VM-023,VS-036", .need = NEED)
{
    static const struct {
        const char *name, *code;
    } tables[] = {
        { "CR3", table_cr3 }, { "IDT", table_idt }, { "GDT", table_gdt },
        { "TSS's descriptor", table_ltr }, { "LDT's descriptor", table_lldt },
        { "LAR", table_lar }, { "LSL", table_lsl }, { "VERR", table_verr },
    };
    uint64_t va, v;

    begin(1);
    for (int i = 0; i < ARRAY_SIZE(tables); i++) {
        struct call c = {
            .target = (uintptr_t)tables[i].code, .rdi = page_at(SECRET),
            .rsi = page_at(OPEN_AFTER),
        };

        call_safe(call_kernel64, &c);
        CHECK_EQ(c.vector, INTERCEPTED, "%s", tables[i].name);
        check_kept(&c, NULL, 0, tables[i].name, 0);
    }
    /* The last level of a walk; then one with bits to be set in what is R */
    for (int page = SECRET; page <= READ_ONLY; page += READ_ONLY - SECRET) {
        struct call c = { .target = (uintptr_t)attempts[1].code };

        va = one_pte(page_at(page));
        for (int i = 0; i < 4; i++) {
            c.rdi = va + i * PAGE_SIZE;
            call_safe(call_kernel64, &c);
            if (page == SECRET) {
                CHECK_EQ(c.vector, INTERCEPTED, "page table, entry %d", i);
            }
        }
        *pde_of(va) = 0;
    }
    asm volatile("movq %0, %%cr3" :: "r" (read_cr3()) : "memory");
    CHECK(secret_is_whole(), "the secret is whole");
    v = guards[0].count;
    CHECK(v, "intercepts");
}

/* What a change to user mode and back takes from the TSS */
TEST(vsm_hostile_tss, "VS-036", .need = NEED)
{
    struct cpu *me = this_cpu();
    uint64_t tss = page_at(SECRET), kept[2] = { me->gdt[6], me->gdt[7] };
    struct call c = { .target = (uintptr_t)attempt_fault_at };

    begin(1);
    me->gdt[6] = (sizeof(struct tss) - 1) | (tss & 0xFFFFFF) << 16 |
                 0x89ull << 40 | (tss >> 24 & 0xFF) << 56;
    me->gdt[7] = tss >> 32;
    asm volatile("ltr %w0" :: "r" (SEL_TSS));
    call_safe(call_user, &c);
    CHECK_EQ(c.vector, INTERCEPTED, "its stack pointers");
    me->gdt[6] = kept[0] & ~(2ull << 40);       /* is not busy any more */
    me->gdt[7] = kept[1];
    asm volatile("ltr %w0" :: "r" (SEL_TSS));
    CHECK(secret_is_whole(), "the secret is whole");
}

/* Hypercalls */

static uint8_t *exchange;       /* a page that is open */

static void try_hypercall(uint64_t control, uint64_t in, uint64_t out)
{
    struct call c = { .rdx = in, .r8 = out, .rax = 1 };

    hv_call_with(&c, control, call_kernel64);
    check_kept(&c, exchange, PAGE_SIZE, "hypercall", control);
}

static void try_code(uint64_t code)
{
    static const uint64_t shapes[] = {
        0, HV_REPS(1), HV_REPS(3) | HV_START(1), HV_VARHEAD(1), HV_FAST,
        HV_FAST | HV_REPS(1), HV_FAST | HV_VARHEAD(1),
    };
    uint64_t open = (uintptr_t)exchange, secret = page_at(SECRET);
    uint64_t read_only = page_at(READ_ONLY);
    const struct {
        uint64_t in, out;
    } places[] = {
        { secret, open }, { secret + 8, secret + 2048 }, { open, secret },
        { open, secret + PAGE_SIZE - 8 }, { secret - 8, open },
        { open, read_only }, { read_only, read_only + 8 },
    };

    for (int i = 0; i < ARRAY_SIZE(shapes); i++) {
        for (int j = 0; j < ARRAY_SIZE(places); j++) {
            memset(exchange, 0, 64);
            try_hypercall(code | shapes[i], places[j].in, places[j].out);
            /* As if for this partition and this VP */
            *(uint64_t *)exchange = HV_PARTITION_SELF;
            ((uint64_t *)exchange)[1] = HV_VP_SELF;
            ((uint32_t *)exchange)[4] = HV_REG_RIP;
            try_hypercall(code | shapes[i], places[j].in, places[j].out);
        }
    }
}

TEST(vsm_hostile_hypercalls, "", .need = NEED)
{
    begin(1);
    exchange = page_alloc();
    for (int code = 0; code < 0x210; code++) {
        /* Beyond what is assigned come those of another kind */
        try_code(code < 0x200 ? code : 0x8000 + code - 0x200);
        CHECK(secret_is_whole(), "code 0x%x: the secret is whole", code);
    }
}

/* With input that is good, and its output or what it points to a secret */
TEST(vsm_hostile_good_hypercalls, "VM-023,VS-052", .need = NEED)
{
    static const uint32_t page_regs[] = {
        HV_REG_SIMP, HV_REG_SIEFP, HV_REG_HYPERCALL,
    };
    uint64_t *in = page_alloc(), *out = page_alloc(), secret, va, v;

    begin(1);
    secret = page_at(SECRET);
    in[0] = HV_PARTITION_SELF;
    in[1] = HV_VP_SELF;
    in[2] = HV_REG_RIP | (uint64_t)HV_REG_RSP << 32;
    v = hv_call_gpa(HVCALL_GET_REGISTERS | HV_REPS(2), (uintptr_t)in, secret);
    CHECK(HV_STATUS(v) != HV_SUCCESS, "registers to it: 0x%lx", v);
    v = hv_call_gpa(HVCALL_GET_REGISTERS | HV_REPS(2), (uintptr_t)in,
                    page_at(READ_ONLY));
    CHECK(HV_STATUS(v) != HV_SUCCESS, "registers to a page to read: 0x%lx", v);
    v = hv_call_gpa(HVCALL_GET_PARTITION_ID, 0, secret);
    CHECK(HV_STATUS(v) != HV_SUCCESS, "partition id to it: 0x%lx", v);
    CHECK(secret_is_whole(), "the secret is whole");

    /* Every register of VTL 1 */
    for (uint32_t name = 0; name < 0x100000; name += name & 0x3F ? 1 : 0x40) {
        in[1] = HV_VP_SELF | 0x11ull << 32;
        in[2] = name;
        memset(out, 0, 16);
        v = hv_call(HVCALL_GET_REGISTERS | HV_REPS(1), in, out);
        CHECK_EQ(HV_STATUS(v), HV_ACCESS_DENIED, "VTL 1's register 0x%x", name);
        CHECK(!out[0] && !out[1], "VTL 1's register 0x%x", name);
    }
    for (int i = 0; i < ARRAY_SIZE(page_regs); i++) {
        in[1] = HV_VP_SELF;
        in[2] = page_regs[i];
        in[3] = 0;
        in[4] = secret | HV_PAGE_ENABLE;
        in[5] = 0;
        hv_call(HVCALL_SET_REGISTERS | HV_REPS(1), in, NULL);
        hv_page_on();
        CHECK(secret_is_whole(), "register 0x%x", page_regs[i]);
        in[4] = 0;
        if (page_regs[i] != HV_REG_HYPERCALL) {
            hv_call(HVCALL_SET_REGISTERS | HV_REPS(1), in, NULL);
        }
    }

    /* A walk through it */
    va = one_pte(secret);
    memset(in, 0, 64);
    in[0] = HV_PARTITION_SELF;
    in[1] = HV_VP_SELF;
    in[2] = HV_TR_READ;
    for (int i = 0; i < WORDS; i++) {
        in[3] = va / PAGE_SIZE + i;
        memset(out, 0, 64);
        v = hv_call(HVCALL_TRANSLATE, in, out);
        CHECK(HV_STATUS(v) == HV_SUCCESS && (uint32_t)out[0] != HV_TR_SUCCESS,
              "translation %d: 0x%lx", i, out[0]);
        CHECK(!out[1], "translation %d: page 0x%lx", i, out[1]);
    }
    *pde_of(va) = 0;
    asm volatile("movq %0, %%cr3" :: "r" (read_cr3()) : "memory");
    CHECK(secret_is_whole(), "the secret is whole");
}

/* MSRs */

static bool msr_left_out(uint32_t msr)
{
    switch (msr) {
    case HV_MSR_RESET:
    case HV_MSR_ICR:            /* no address, and the destination would be */
    case HV_MSR_GUEST_IDLE:     /* sleeps */
    case HV_MSR_CRASH_CTL:
        return true;
    default:
        return false;
    }
}

static void point_msr_at(uint32_t msr, uint64_t to)
{
    static const uint32_t flags[] = { 1, 0, 0x801, 5 };
    uint64_t v;

    for (int i = 0; i < ARRAY_SIZE(flags); i++) {
        irq_disable();
        wrmsr_safe(msr, to | flags[i]);
        if (rdmsr_safe(msr, &v) == NO_FAULT) {
            CHECK(!is_secret(v) && !is_secret(v >> 32), "MSR 0x%x reads 0x%lx",
                  msr, v);
        }
        wrmsr_safe(msr, 0);
        hv_page_on();
        irq_enable();
    }
}

TEST(vsm_hostile_msrs, "", .need = NEED)
{
    begin(1);
    for (uint32_t msr = 0x40000000; msr < 0x40000200; msr++) {
        if (!msr_left_out(msr)) {
            point_msr_at(msr, page_at(SECRET));
            point_msr_at(msr, page_at(READ_ONLY));
            CHECK(secret_is_whole(), "MSR 0x%x: the secret is whole", msr);
        }
    }
}

/* Messages, flags, clocks and interrupts to pages that are not to be written */
TEST(vsm_hostile_overlays, "",
     .need = { F_HYPERCALL, F_VSM, F_SYNIC, F_STIMER })
{
    uint64_t secret;

    begin(1);
    secret = page_at(SECRET);
    synic_on();
    for (int page = SECRET; page <= READ_ONLY; page++) {
        if (!is_kept(page)) {
            continue;
        }
        secret = page_at(page);
        hv_wr(HV_MSR_SIMP, secret | HV_PAGE_ENABLE);
        hv_wr(HV_MSR_SIEFP, secret | HV_PAGE_ENABLE);
        hv_wr(HV_MSR_REFERENCE_TSC, secret | HV_PAGE_ENABLE);
        hv_wr(HV_MSR_VP_ASSIST_PAGE, secret | HV_PAGE_ENABLE);
        for (int sint = 0; sint < HV_SINT_COUNT; sint++) {
            sint_set(sint, 0x60);
            hv_wr(HV_MSR_STIMER_CONFIG(0), 0);
            hv_wr(HV_MSR_STIMER_COUNT(0), ref_now());
            hv_wr(HV_MSR_STIMER_CONFIG(0),
                  HV_STIMER_ENABLE | HV_STIMER_SINT(sint));
            /* It is not to come, but if it did, it would by now */
            for (int i = 0; i < 100; i++) {
                outb(0x80, 0);
            }
            apic_self_ipi(0x61);
        }
        CHECK(secret_is_whole(), "page %d: the secret is whole", page);
    }
    hv_wr(HV_MSR_VP_ASSIST_PAGE, 0);
    hv_wr(HV_MSR_SIMP, 0);
    hv_wr(HV_MSR_SIEFP, 0);
    CHECK(secret_is_whole(), "the secret is whole");
}

/* Nested virtualization: what VMRUN takes and leaves by physical address */
asm(".pushsection .text\n"
    "vm_run: movq %rdi, %rax; vmrun %rax; ret\n"
    ".popsection\n");
extern const char vm_run[];

#define VMCB_INTERCEPT_VMRUN    0x010
#define VMCB_IOPM               0x040
#define VMCB_MSRPM              0x048
#define VMCB_ASID               0x058

TEST(vsm_hostile_nested, "VM-021", .need = NEED)
{
    uint8_t *vmcb = page_alloc();
    uint64_t secret, open = (uintptr_t)page_alloc();

    if (!svm_here()) {
        SKIP("no SVM");
    }
    begin(1);
    secret = page_at(SECRET);
    *(uint32_t *)(vmcb + VMCB_INTERCEPT_VMRUN) = 1;
    *(uint32_t *)(vmcb + VMCB_ASID) = 1;
    *(uint64_t *)(vmcb + VMCB_IOPM) = secret;
    *(uint64_t *)(vmcb + VMCB_MSRPM) = secret;
    hv_wr(MSR_EFER, hv_rd(MSR_EFER) | EFER_SVME);
    for (int i = 0; i < 5; i++) {
        const uint64_t at[] = {
            secret, page_at(READ_ONLY), (uintptr_t)vmcb, (uintptr_t)vmcb,
            (uintptr_t)vmcb,
        };
        const uint64_t hsave[] = {
            open, open, secret, page_at(READ_ONLY), open,
        };
        struct call c = { .target = (uintptr_t)vm_run, .rdi = at[i] };

        hv_wr(MSR_VM_HSAVE, hsave[i]);
        call_safe(call_kernel64, &c);
        /* #VMEXIT leaves the global interrupt flag off */
        asm volatile("stgi");
        CHECK_EQ(c.vector, i < 4 ? INTERCEPTED : NO_FAULT, "VMRUN %d", i);
        check_kept(&c, vmcb, PAGE_SIZE, "VMRUN", i);
        CHECK(secret_is_whole(), "VMRUN %d: the secret is whole", i);
    }
    hv_wr(MSR_VM_HSAVE, 0);
    hv_wr(MSR_EFER, hv_rd(MSR_EFER) & ~EFER_SVME);
}

/* Devices: QEMU's educational one, which copies where it is told to */

#define PCI_ADDRESS     0xCF8
#define PCI_DATA        0xCFC
#define PCI_COMMAND     0x04
#define PCI_BAR0        0x10
#define PCI_ENABLE      6               /* memory, bus master */
#define EDU_ID          0x11E81234u

#define EDU_SOURCE      0x80
#define EDU_DEST        0x88
#define EDU_COUNT       0x90
#define EDU_COMMAND     0x98
#define EDU_RUN         1
#define EDU_TO_RAM      2
#define EDU_BUFFER      0x40000

static uint32_t pci_read(unsigned dev, unsigned reg)
{
    outl(PCI_ADDRESS, 1u << 31 | dev << 11 | reg);
    return inl(PCI_DATA);
}

static void pci_write(unsigned dev, unsigned reg, uint32_t v)
{
    outl(PCI_ADDRESS, 1u << 31 | dev << 11 | reg);
    outl(PCI_DATA, v);
}

static SHARED uint8_t *edu_find(void)
{
    for (unsigned dev = 0; dev < 32; dev++) {
        if (pci_read(dev, 0) == EDU_ID) {
            pci_write(dev, PCI_COMMAND, PCI_ENABLE);
            return (uint8_t *)(uintptr_t)(pci_read(dev, PCI_BAR0) & ~15u);
        }
    }
    return NULL;
}

static void edu_start(SHARED uint8_t *edu, uint64_t ram, unsigned n,
                      bool to_ram)
{
    *(SHARED uint64_t *)(edu + EDU_SOURCE) = to_ram ? EDU_BUFFER : ram;
    *(SHARED uint64_t *)(edu + EDU_DEST) = to_ram ? ram : EDU_BUFFER;
    *(SHARED uint64_t *)(edu + EDU_COUNT) = n;
    *(SHARED uint64_t *)(edu + EDU_COMMAND) =
        EDU_RUN | (to_ram ? EDU_TO_RAM : 0);
}

static bool edu_wait(SHARED uint8_t *edu)
{
    return WAIT_FOR(!(*(SHARED uint64_t *)(edu + EDU_COMMAND) & EDU_RUN));
}

static void edu_copy(SHARED uint8_t *edu, uint64_t ram, unsigned n, bool to_ram)
{
    edu_start(edu, ram, n, to_ram);
    CHECK(edu_wait(edu), "the device is done");
}

static uint8_t *late;           /* becomes a secret while the device waits */

static void keep_late(void *unused)
{
    protect_page((uintptr_t)late, 0);
    memcpy(late, (void *)page_at(SECRET), PAGE_SIZE);
}

static void compare_late(void *same)
{
    *(bool *)same = !memcmp(late, (void *)page_at(SECRET), PAGE_SIZE);
    memset(late, 0, PAGE_SIZE);
    protect_page((uintptr_t)late, MAP_ALL);
}

TEST(vsm_hostile_device, "VS-058", .need = NEED)
{
    SHARED uint8_t *edu = edu_find();
    uint8_t *open = page_alloc();
    uint64_t border;

    if (!edu) {
        SKIP("no edu device");
    }
    begin(1);
    border = page_at(SECRET) - 64;
    memset(open, 0x5A, PAGE_SIZE);
    edu_copy(edu, (uintptr_t)open, 1024, false);
    memset(open, 0, PAGE_SIZE);
    edu_copy(edu, (uintptr_t)open, 1024, true);
    CHECK(is_filled(open, 0x5A, 1024), "it copies");

    for (int i = 0; i < 2; i++) {
        edu_copy(edu, i ? border : page_at(SECRET), 1024, false);
        edu_copy(edu, (uintptr_t)open, 1024, true);
        CHECK(!leaked(open, PAGE_SIZE), "it has read the secret");
        memset(open, 0x5A, PAGE_SIZE);
        edu_copy(edu, (uintptr_t)open, 1024, false);
        edu_copy(edu, i ? border : page_at(SECRET), 1024, true);
        edu_copy(edu, page_at(READ_ONLY) + (i ? -64 : 0), 1024, true);
        CHECK(secret_is_whole(), "the secret is whole");
    }

    /* Told to before the page is protected, done after that */
    late = page_alloc();
    for (int to_ram = 0; to_ram < 2; to_ram++) {
        bool same = false;

        edu_start(edu, (uintptr_t)late, 1024, to_ram);
        in_vtl1(keep_late, NULL);
        CHECK(edu_wait(edu), "the device is done");
        in_vtl1(compare_late, &same);
        CHECK(same, "the new secret is whole");
        edu_copy(edu, (uintptr_t)open, 1024, true);
        CHECK(!leaked(open, PAGE_SIZE), "it has read the new secret");
    }
}

#define FW_CFG_DMA      0x514

/* The command itself, which a device reads and answers, in the secret */
TEST(vsm_hostile_command, "VS-058", .need = NEED)
{
    begin(1);
    for (int page = SECRET; page <= READ_ONLY; page++) {
        if (is_kept(page)) {
            outl(FW_CFG_DMA, 0);
            outl(FW_CFG_DMA + 4, __builtin_bswap32(page_at(page)));
        }
    }
    CHECK(secret_is_whole(), "the secret is whole");
}

/*
 * System management mode: VTL 0 changes the firmware's handler, which is not
 * locked on this machine, such that the next SMI saves state in a secret
 */

#define APM_PORT        0xB2
#define SMRAM_REG       0x70            /* of the host bridge, byte 2 */
#define SMRAM_OPEN      (0x40u << 16)
#define SMRAM_LOCKED    (0x10u << 16)
#define SMBASE          0xA0000u
#define SMM_PAGES       16              /* from SMBASE on, with handler, state */
#define SMM_HANDLER     0x8000
#define SMM_COUNT       0x9000

/* incb %cs:SMM_COUNT; movl $to, %cs:SMBASE's field; rsm */
static void smm_handler(uint8_t *base, uint32_t to)
{
    static const uint8_t code[] = {
        0x2E, 0xFE, 0x06, 0x00, 0x90, 0x66, 0x2E, 0xC7, 0x06, 0x00, 0xFF,
        0, 0, 0, 0, 0x0F, 0xAA,
    };

    memcpy(base + SMM_HANDLER, code, sizeof(code));
    memcpy(base + SMM_HANDLER + 11, &to, 4);
    base[SMM_COUNT] = 0;
}

TEST(vsm_hostile_smm, "", .need = NEED)
{
    uint32_t smram = pci_read(0, SMRAM_REG);
    uint8_t *base = pages_alloc(SMM_PAGES, PAGE_SIZE);
    SHARED uint8_t *count = base + SMM_COUNT;
    SHARED uint8_t *first = (uint8_t *)(uintptr_t)(SMBASE + SMM_COUNT);
    uint8_t kept[32];
    bool same = false;

    if (smram & SMRAM_LOCKED) {
        SKIP("the firmware has locked it");
    }
    begin(1);
    pci_write(0, SMRAM_REG, smram | SMRAM_OPEN);
    memcpy(kept, (uint8_t *)(uintptr_t)SMBASE + SMM_HANDLER, sizeof(kept));
    smm_handler((uint8_t *)(uintptr_t)SMBASE, (uintptr_t)base);
    smm_handler(base, SMBASE);
    outb(APM_PORT, 0);
    CHECK(WAIT_FOR(*first == 1), "the first SMI");

    late = base + (SMM_PAGES - 1) * PAGE_SIZE;
    in_vtl1(keep_late, NULL);
    outb(APM_PORT, 0);
    for (int i = 0; i < 1000; i++) {
        outb(0x80, 0);
    }
    CHECK_EQ(*count, 0, "SMIs with state in a secret");
    in_vtl1(compare_late, &same);
    CHECK(same, "the new secret is whole");
    /* It is open again */
    CHECK(WAIT_FOR(*count == 1), "the second SMI");
    memcpy((uint8_t *)(uintptr_t)SMBASE + SMM_HANDLER, kept, sizeof(kept));
    pci_write(0, SMRAM_REG, smram);
}

/*
 * Races: VTL 0 of all other CPUs uses a page in its way, over and over, while
 * VTL 1 of this one takes it, has a secret in it, and gives it back.
 */

#define RACES           100
#define CODE_OPEN       0xC3C031u       /* xor %eax, %eax; ret */
#define CODE_LEAK       0xC300000055B8u /* mov $0x55, %eax; ret */
#define RAX_LEAK        0x55

static struct race {
    SHARED uint64_t *page;
    void (*use)(struct race *r);
    SHARED uint32_t uses;
    SHARED bool stop, leaked, changed;
    uint64_t va;                /* is mapped to the page or to an open one */
    uint64_t open;
} race;

static void use_load(struct race *r)
{
    struct call c = { .target = (uintptr_t)attempt_load8,
                      .rdi = (uintptr_t)r->page };

    call_safe(call_kernel64, &c);
    if (c.vector == NO_FAULT && is_secret(c.rax >> 32)) {
        r->leaked = true;
    }
}

static void use_copy(struct race *r)
{
    static uint8_t to[MAX_CPUS][1024];
    uint8_t *mine = to[this_cpu()->id];
    struct call c = { .target = (uintptr_t)attempt_rep_from, .rcx = 1024,
                      .rdi = (uintptr_t)r->page, .rsi = (uintptr_t)mine };

    call_safe(call_kernel64, &c);
    if (leaked(mine, 1024)) {
        r->leaked = true;
    }
}

static void use_store(struct race *r)
{
    struct call c = { .target = (uintptr_t)attempt_store8, .rax = 0x77,
                      .rdi = (uintptr_t)r->page };

    call_safe(call_kernel64, &c);
}

static void use_add(struct race *r)
{
    struct call c = { .target = (uintptr_t)attempt_lock_add, .rax = 0x100,
                      .rdi = (uintptr_t)r->page };

    call_safe(call_kernel64, &c);
}

static void use_save(struct race *r)
{
    struct call c = { .target = (uintptr_t)attempt_fxsave,
                      .rdi = (uintptr_t)r->page };

    call_safe(call_kernel64, &c);
}

static void use_run(struct race *r)
{
    struct call c = { .target = (uintptr_t)r->page, .rax = 1 };

    call_safe(call_kernel64, &c);
    if (c.vector == NO_FAULT && c.rax == RAX_LEAK) {
        r->leaked = true;
    }
}

static void use_hypercall(struct race *r)
{
    hv_call_gpa(HVCALL_GET_PARTITION_ID, 0, (uintptr_t)r->page);
}

static void use_mapping(struct race *r)
{
    struct call c = { .target = (uintptr_t)attempt_load8, .rdi = r->va };

    invlpg(r->va);
    call_safe(call_kernel64, &c);
    if (c.vector == NO_FAULT && is_secret(c.rax >> 32)) {
        r->leaked = true;
    }
}

static void race_on(void *v)
{
    struct race *r = v;

    while (!r->stop) {
        r->use(r);
        __atomic_fetch_add(&r->uses, 1, __ATOMIC_SEQ_CST);
    }
}

static void race_turn(void *v)
{
    struct race *r = v;
    uint32_t uses;

    protect_page((uintptr_t)r->page, 0);
    for (int i = 0; i < WORDS; i++) {
        r->page[i] = secret_word(SECRET, i);
    }
    if (r->use == use_run) {
        r->page[0] = CODE_LEAK;
    }
    uses = r->uses;
    for (int i = 0; i < 200 || r->uses == uses; i++) {
        for (int j = 1; j < WORDS; j++) {
            if (r->page[j] != secret_word(SECRET, j)) {
                r->changed = true;
            }
        }
        if (r->use != use_run && r->page[0] != secret_word(SECRET, 0)) {
            r->changed = true;
        }
    }
    for (int i = 0; i < WORDS; i++) {
        r->page[i] = r->use == use_run ? CODE_OPEN : 0;
    }
    protect_page((uintptr_t)r->page, MAP_ALL);
}

static const struct {
    const char *name;
    void (*use)(struct race *r);
} uses[] = {
    { "load", use_load }, { "copy", use_copy }, { "store", use_store },
    { "add", use_add }, { "save", use_save }, { "run", use_run },
    { "hypercall", use_hypercall }, { "mapping", use_mapping },
};

static const char *race_name(int row)
{
    return uses[row].name;
}

TEST_ROWS(vsm_hostile_race, "VS-037", ARRAY_SIZE(uses), race_name,
          .need = NEED, .min_cpus = 2)
{
    struct race *r = &race;

    begin(ncpus);
    if (!r->page) {
        r->page = page_alloc();
        r->open = (uintptr_t)page_alloc();
        r->va = va_alloc(LARGE_PAGE);
    }
    *r->page = CODE_OPEN;
    r->use = uses[row].use;
    r->stop = r->leaked = r->changed = false;
    map_page(r->va, r->open, PTE_P | PTE_W);
    for (int i = 1; i < ncpus; i++) {
        on_cpu_start(cpus[i], race_on, r);
    }
    for (int i = 0; i < RACES; i++) {
        in_vtl1(race_turn, r);
        *(SHARED uint64_t *)pte_of(r->va) =
            (i & 1 ? r->open : (uintptr_t)r->page) | PTE_P | PTE_W;
    }
    r->stop = true;
    for (int i = 1; i < ncpus; i++) {
        on_cpu_wait(cpus[i]);
    }
    CHECK(!r->leaked, "nobody has seen the secret");
    CHECK(!r->changed, "nobody has changed it");
}

/* All CPUs try everything at once, while VTL 1 of the first one looks on */
TEST(vsm_hostile_all_cpus, "VS-036", .need = NEED, .min_cpus = 2)
{
    begin(ncpus);
    on_all(attempt_all_kernel);
    CHECK(secret_is_whole(), "the secret is whole");
    on_all(attempt_all_user);
    CHECK(secret_is_whole(), "the secret is whole");
}

/* VTL 1's translations, and its translated code, are not VTL 0's */
static void run_in_vtl1(void *v)
{
    struct call *c = v;

    *(uint64_t *)c->target = CODE_LEAK;
    protect_page(c->target, 0);
    call_kernel64(c);
}

TEST(vsm_hostile_stale, "VS-036", .need = NEED)
{
    uint64_t page = (uintptr_t)page_alloc();

    begin(1);
    for (int i = 0; i < 20; i++) {
        struct call up = { .target = page }, down = { .target = page };
        struct call load = { .target = (uintptr_t)attempt_load8, .rdi = page };

        in_vtl1(run_in_vtl1, &up);
        CHECK_EQ(up.rax, RAX_LEAK, "VTL 1 runs its code");
        call_safe(call_kernel64, &down);
        CHECK_EQ(down.vector, INTERCEPTED, "VTL 0 does not");
        call_safe(call_kernel64, &load);
        CHECK_EQ(load.vector, INTERCEPTED, "nor read it");
        protect(page, MAP_ALL);
        call_safe(call_kernel64, &down);
        CHECK_EQ(down.rax, RAX_LEAK, "until it may");
    }
}
