/*
 * Everything the tests may use: processor, console, memory, APIC, other
 * CPUs, the Hyper-V interface and the registration of tests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv.h"
#include "layout.h"

#define PAGE_SIZE       4096ull
#define LARGE_PAGE      0x200000ull
#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))
#define MAX_CPUS        320

/*
 * What handlers and other CPUs read or write while a test runs.  Access is
 * atomic as it is naturally aligned, and x86 keeps the order of stores.
 */
#define SHARED volatile

/* string.c */
void *memset(void *d, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
bool str_equal(const char *a, const char *b);
bool is_filled(const void *p, uint8_t byte, size_t n);

/* console.c */
void printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void vprintf(const char *fmt, va_list ap);
void console_lock(void);
void console_unlock(void);
bool console_read(char *c);             /* false: nobody has typed */
void guest_exit(int code) __attribute__((noreturn));
void panic(const char *fmt, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

/* Registers as the trap stub leaves them on the stack */
struct trap {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

struct tss {
    uint32_t reserved0;
    uint64_t rsp0, rsp1, rsp2;
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, iomap;
} __attribute__((packed));

/* A call with every register given and returned */
struct call {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t pad;
    uint64_t xmm[12];
    uint64_t target;
    int64_t rsp_delta;          /* RSP after minus RSP before */
    int vector;                 /* exception that ended it, or -1 */
};

struct cpu {
    struct cpu *self;
    uint64_t recover_rip, recover_rsp;
    struct call *call;
    uint64_t target, scratch;
    struct tss tss_at_48;       /* its rsp0 lies at CPU_TSS_RSP0 */
    uint64_t gdt[8];

    int id;                     /* ours: 0 is the boot CPU */
    int slot;                   /* which AP stack it uses */
    uint32_t apic_id;
    uint32_t vp;                /* VP index, or id when it is not known */
    bool x2apic;
    SHARED bool online;

    /* The last exception that was caught here */
    SHARED int fault_vector;
    uint64_t fault_error, fault_addr;

    /* An exception nobody expects ends the test that raised it */
    void *abort_buf[5];
    bool abort_set;

    void (*SHARED work)(void *);
    void *work_arg;
    SHARED bool busy;

    bool hv_dirty;              /* a test ran here; state to be put back */
    void *simp, *siefp, *assist;
    uint8_t *hv_page;           /* of its own, above VTL 0 */
    SHARED uint32_t irqs[256];
};
_Static_assert(offsetof(struct cpu, recover_rip) == CPU_RECOVER_RIP, "");
_Static_assert(offsetof(struct cpu, recover_rsp) == CPU_RECOVER_RSP, "");
_Static_assert(offsetof(struct cpu, call) == CPU_CALL, "");
_Static_assert(offsetof(struct cpu, target) == CPU_TARGET, "");
_Static_assert(offsetof(struct cpu, scratch) == CPU_SCRATCH, "");
_Static_assert(offsetof(struct cpu, tss_at_48.rsp0) == CPU_TSS_RSP0, "");
_Static_assert(offsetof(struct call, r15) == CALL_R15, "");
_Static_assert(offsetof(struct call, xmm) == CALL_XMM, "");
_Static_assert(offsetof(struct call, target) == CALL_TARGET, "");
_Static_assert(offsetof(struct call, rsp_delta) == CALL_RSP_DELTA, "");

static inline struct cpu *this_cpu(void)
{
    struct cpu *c;

    asm volatile("movq %%gs:0, %0" : "=r" (c));
    return c;
}

/* Processor instructions */
static inline void outb(uint16_t port, uint8_t v)
{
    asm volatile("outb %0, %1" :: "a" (v), "Nd" (port));
}

static inline void outl(uint16_t port, uint32_t v)
{
    asm volatile("outl %0, %1" :: "a" (v), "Nd" (port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t v;

    asm volatile("inb %1, %0" : "=a" (v) : "Nd" (port));
    return v;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t v;

    asm volatile("inl %1, %0" : "=a" (v) : "Nd" (port));
    return v;
}

static inline void cpu_relax(void)
{
    asm volatile("pause" : : : "memory");
}

static inline void barrier(void)
{
    asm volatile("" : : : "memory");
}

static inline void irq_enable(void)
{
    asm volatile("sti; nop" : : : "memory");
}

static inline void irq_disable(void)
{
    asm volatile("cli" : : : "memory");
}

static inline bool irq_save(void)
{
    uint64_t flags;

    asm volatile("pushfq; popq %0; cli" : "=r" (flags) :: "memory");
    return flags & 0x200;
}

static inline void irq_restore(bool on)
{
    if (on) {
        irq_enable();
    }
}

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    asm volatile("rdtsc" : "=a" (lo), "=d" (hi) :: "memory");
    return lo | (uint64_t)hi << 32;
}

static inline uint64_t read_cr8(void)
{
    uint64_t v;

    asm volatile("movq %%cr8, %0" : "=r" (v));
    return v;
}

static inline void write_cr8(uint64_t v)
{
    asm volatile("movq %0, %%cr8" :: "r" (v) : "memory");
}

static inline uint64_t read_cr3(void)
{
    uint64_t v;

    asm volatile("movq %%cr3, %0" : "=r" (v));
    return v;
}

static inline uint64_t read_cr4(void)
{
    uint64_t v;

    asm volatile("movq %%cr4, %0" : "=r" (v));
    return v;
}

static inline void write_cr4(uint64_t v)
{
    asm volatile("movq %0, %%cr4" :: "r" (v) : "memory");
}

static inline void invlpg(uint64_t va)
{
    asm volatile("invlpg (%0)" :: "r" (va) : "memory");
}

/* reg[0..3] are EAX, EBX, ECX, EDX, as R_EAX... count them */
struct cpuid {
    uint32_t reg[4];
};

static inline struct cpuid cpuid(uint32_t leaf)
{
    struct cpuid c;

    asm volatile("cpuid"
                 : "=a" (c.reg[0]), "=b" (c.reg[1]), "=c" (c.reg[2]),
                   "=d" (c.reg[3])
                 : "a" (leaf), "c" (0));
    return c;
}

/*
 * trap.c.  The safe accessors return the vector of the exception that the
 * access raised, or -1.
 */
#define NO_FAULT (-1)
#define EXC_UD 6
#define EXC_GP 13
#define EXC_PF 14
#define EXC_MC 18

typedef void irq_fn(struct trap *t);

void trap_init_cpu(struct cpu *c);
void irq_set(int vector, irq_fn *fn);   /* NULL: count and EOI */
void irq_no_eoi(struct trap *t);        /* only count */
int rdmsr_safe(uint32_t msr, uint64_t *v);
int wrmsr_safe(uint32_t msr, uint64_t v);
int load64_safe(uint64_t va, uint64_t *v);
int store64_safe(uint64_t va, uint64_t v);
void call_kernel64(struct call *c);
void call_kernel32(struct call *c);
void call_user(struct call *c);
void call_safe(void (*how)(struct call *), struct call *c);

/* mem.c */
#define PTE_P   0x001ull
#define PTE_W   0x002ull
#define PTE_U   0x004ull
#define PTE_PS  0x080ull
#define PTE_G   0x100ull

void mem_init(void);
void *page_alloc(void);                 /* one zeroed page, VA == PA */
void *pages_alloc(unsigned n, uint64_t align);
uint64_t va_alloc(uint64_t size);       /* unmapped addresses, 2 MiB aligned */
uint64_t *pte_of(uint64_t va);          /* of a 4 KiB page, tables made */
uint64_t *pde_of(uint64_t va);
void map_page(uint64_t va, uint64_t pa, uint64_t flags);
uint64_t gpa_beyond(void);              /* first address past the GPA space */
uint64_t ram_end(void);                 /* of RAM below 3 GiB */

/* clock.c: bounds on waiting, from the real-time clock, good on any machine */
struct deadline {
    unsigned polls, last, left;
};

#define WAIT_SECONDS 60

struct deadline deadline_start(unsigned seconds);
bool deadline_passed(struct deadline *d);

/* True once @cond holds; false only when it does not for a very long time */
#define WAIT_FOR(cond) ({                                               \
    struct deadline wait_d_ = deadline_start(WAIT_SECONDS);             \
    bool wait_ok_;                                                      \
    while (!(wait_ok_ = !!(cond)) && !deadline_passed(&wait_d_)) {      \
        cpu_relax();                                                    \
    }                                                                   \
    wait_ok_;                                                           \
})

/* apic.c */
#define APIC_ID     0x020
#define APIC_VER    0x030
#define APIC_TPR    0x080
#define APIC_PPR    0x0A0
#define APIC_EOI    0x0B0
#define APIC_SVR    0x0F0
#define APIC_ISR    0x100
#define APIC_IRR    0x200
#define APIC_ICR    0x300
#define APIC_ICR_HI 0x310
#define APIC_LVTT   0x320
#define APIC_LVT0   0x350
#define APIC_LVT1   0x360
#define LVT_MASKED      0x10000
#define LVT_PERIODIC    0x20000
#define APIC_TMICT  0x380
#define APIC_TMCCT  0x390
#define APIC_TDCR   0x3E0

#define ICR_FIXED       0x00000
#define ICR_INIT        0x00500
#define ICR_STARTUP     0x00600
#define ICR_ASSERT      0x04000
#define ICR_SELF        0x40000
#define ICR_ALL_BUT_ME  0xC0000

void apic_init_cpu(bool x2apic);
uint32_t apic_read(unsigned reg);
void apic_write(unsigned reg, uint32_t v);
void apic_eoi(void);
void apic_icr(uint32_t dest, uint32_t low);
void apic_self_ipi(int vector);
bool apic_bit(unsigned base, int vector);       /* of APIC_ISR or APIC_IRR */
bool apic_shows_isr(void);      /* some hosts' KVM keeps APIC_ISR to itself */
uint64_t apic_icr_value(uint32_t dest, uint32_t low);
void ioapic_write(unsigned pin, uint32_t low, uint32_t high);

/* smp.c */
extern struct cpu *cpus[MAX_CPUS];
extern int ncpus;

struct cpu *cpu_bootstrap(void);
void smp_init(bool x2apic);
void on_cpu_start(struct cpu *c, void (*fn)(void *), void *arg);
bool on_cpu_wait(struct cpu *c);
bool on_cpu(struct cpu *c, void (*fn)(void *), void *arg);

/* For on_cpu(): read a word, and have the translation cached there */
struct touch {
    SHARED uint64_t *p;
    uint64_t seen;
};

void touch(void *touch);

/* Calls @target, below 64 KiB, in real mode on @c; which exception it raised */
#define REAL_MODE_OK 0x100
int in_real_mode(struct cpu *c, uint32_t target, uint32_t eax, uint32_t edx);

/* acpi.c */
int acpi_apic_ids(uint32_t *ids, int max);
bool acpi_dsdt_names(const char *word);     /* is the word in the DSDT? */

/* hyperv.c: helpers on top of the interface */
#define HV_FAULT(vector) (1ull << 63 | (vector))    /* in place of a result */

/* An x86-64 guest identity: open source, type and version of no real system */
#define OUR_OS_ID 0x8100000000000001ull

extern uint8_t *hv_page;                /* the hypercall page */
extern bool hv_present;
bool has(unsigned feature);
void hv_init(void);
void hv_init_cpu(void);
void hv_quiesce(void *unused);
void hv_page_on(void);
uint8_t *hv_page_here(void);            /* of the VTL that runs */
uint64_t hv_rd(uint32_t msr);
void hv_wr(uint32_t msr, uint64_t v);
uint64_t hv_call(uint64_t control, const void *in, void *out);
uint64_t hv_user_fault(void);   /* of a call from user mode */
uint64_t hv_call_gpa(uint64_t control, uint64_t in, uint64_t out);
uint64_t hv_call_fast(uint64_t control, uint64_t rdx, uint64_t r8);
uint64_t hv_call_xmm(uint64_t control, void *block);    /* 112 bytes, in, out */
uint64_t hv_call_with(struct call *c, uint64_t control,
                      void (*how)(struct call *));

/*
 * The same from 32-bit code, with control EDX:EAX, input EBX:ECX and output
 * EDI:ESI; checks that all but the result is kept
 */
uint64_t hv_call32(struct call *c, uint64_t control, uint64_t in,
                   uint64_t out);
uint64_t ref_now(void);                 /* the counter */
struct hv_ref_tsc *ref_page_on(void);
/* ((TSC * scale) >> 64) + offset, or false while the page is not valid */
bool ref_page_time(const SHARED struct hv_ref_tsc *page, uint64_t *time);

/* HV_INITIAL_VP_CONTEXT: as we are, but elsewhere */
void vp_context(void *context, uint64_t rip, uint64_t rsp);

void synic_on(void);
struct hv_message *msg_slot(int sint);
struct hv_timer_payload *timer_payload(int sint);
void sint_set(int sint, uint64_t v);
bool event_flag(int sint, int flag);
void event_flag_clear(int sint, int flag);

/* Control of QEMU's hyperv-testdev, which loops messages and events back */
#define TESTDEV_MSG_CREATE  4
#define TESTDEV_MSG_DESTROY 5
#define TESTDEV_EVT_CREATE  6
#define TESTDEV_EVT_DESTROY 7
bool testdev_present(void);
void testdev(int op, uint32_t vp, int sint, int conn);

/* nested.c: a guest of our own, which ends by HLT */
#define EXIT_HLT 0x78
bool svm_on(void);                      /* false if there is no SVM */
void svm_off(void);
void l2_init(void);
uint64_t l2_run(uint64_t rip);          /* its exit code */

/* vsm.c: a small secure kernel in VTL 1 */
extern void (*SHARED secure_intercept)(void);   /* called there, or NULL */
void secure_on(int n);                  /* on the first n CPUs */
void in_vtl1(void (*fn)(void *), void *arg);
void vtl_set_reg(unsigned vtl, uint32_t name, uint64_t v);
uint64_t vtl_get_reg(unsigned vtl, uint32_t name);
uint64_t vtl_try_reg(unsigned vtl, uint32_t name, uint64_t v);  /* status */
struct call *secure_regs(void);
void secure_synic_on(void *unused);
uint64_t get_reg_vtl(uint32_t vp, uint64_t vtl, uint32_t name,
                     struct hv_register *r);         /* status */
void secure_last_words(uint64_t rax, uint64_t rcx);
void in_vtl1_at_last(void (*fn)(void *), void *arg, struct call *c);
void secure_gone(struct cpu *c);
int lone_vtl_call(void);

/* Messages about what VTL 0 did (TLFS 13.2), and where parts of them are */
#define TYPE_GPA_INTERCEPT          0x80000001u
#define TYPE_IO_INTERCEPT           0x80010000u
#define TYPE_MSR_INTERCEPT          0x80010001u
#define TYPE_CPUID_INTERCEPT        0x80010002u
#define TYPE_EXCEPTION_INTERCEPT    0x80010003u
#define TYPE_REGISTER_INTERCEPT     0x80010006u

#define ACCESS_READ     0
#define ACCESS_WRITE    1
#define ACCESS_EXECUTE  2

#define STATE_PE        (1u << 2)
#define STATE_LMA       (1u << 4)
#define STATE_DEBUG     (1u << 5)
#define STATE_PENDING   (1u << 6)
#define STATE_SHADOW    (1u << 12)

struct segment {
    uint64_t base;
    uint32_t limit;
    uint16_t selector, attributes;
};

struct intercept_header {
    uint32_t vp_index;
    uint8_t length_cr8;
    uint8_t access;
    uint16_t state;
    struct segment cs;
    uint64_t rip, rflags;
};
_Static_assert(sizeof(struct intercept_header) == 40, "intercept header");

/* vsm-memory.c: VTL 1 protects pages, for all that it sets no mask of may be
 * accessed */
#define MAP_R   1
#define MAP_W   2
#define MAP_KX  4
#define MAP_UX  8
#define MAP_ALL 15
void protection_on(int n);              /* on the first n CPUs */
void protect(uint64_t gpa, uint32_t mask);
void protect_page(uint64_t gpa, uint32_t mask);     /* called in VTL 1 */

/* vsm-hostile.c: an access that VTL 1 does not allow ends what call_safe() or
 * load64_safe() does, as an exception would */
#define INTERCEPTED 0x1000
void intercepts_end_calls(int n);       /* on the first n CPUs */
uint32_t intercepts_here(void);         /* how many there were on this CPU */
bool intercepted_load(struct call *c);  /* a load from RDI */

/* tap.c */
struct test {
    const char *name;
    const char *rules;          /* ids of tests/conformance/rules.tsv */
    void (*fn)(void);
    void (*row_fn)(int row);
    int rows;
    const char *(*row_name)(int row);
    const char *(*row_rules)(int row);  /* instead of rules */
    bool (*row_here)(int row);          /* can this row be judged here? */
    uint16_t need[4];           /* features without which it is skipped */
    uint16_t absent;            /* runs only when this one is not there */
    uint8_t min_cpus;
    bool testdev;               /* needs the hyperv-testdev */
    bool without_hv;            /* runs only when there is no Hv#1 */
    bool explicit;              /* runs only when named: it ends the boot */
    bool anywhere;              /* with or without Hv#1 */
} __attribute__((aligned(64)));

#define TEST_RECORD(id, rule_ids, ...)                                  \
    static const struct test desc_##id                                  \
    __attribute__((section(".tests"), used)) = {                        \
        .name = #id, .rules = rule_ids, __VA_ARGS__                     \
    }

#define TEST(id, rule_ids, ...)                                         \
    static void test_##id(void);                                        \
    TEST_RECORD(id, rule_ids, .fn = test_##id, ##__VA_ARGS__);          \
    static void test_##id(void)

/* One numbered test for every row of a table */
#define TEST_ROWS(id, rule_ids, count, namer, ...)                      \
    static void test_##id(int row);                                     \
    TEST_RECORD(id, rule_ids, .row_fn = test_##id, .rows = (count),     \
                .row_name = (namer), ##__VA_ARGS__);                    \
    static void test_##id(int row)

void check(bool ok, const char *file, int line, const char *cond,
           const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void check_in(uint64_t got, const uint64_t *want, int n, const char *file,
              int line, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void test_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool test_failed(void);
void test_died(const char *fmt, ...)
    __attribute__((noreturn, format(printf, 1, 2)));
bool boot_option(const char *word);

/* registers.c: input that has @c started where an AP begins */
void vp_start_input(uint64_t *in, struct cpu *c);

/* misc.c: restart the machine by @c; is this the boot after that? */
void boot_again(struct cpu *c);
bool second_boot(void);

/* misc.c: notes, before anything is written, what is not as after a reset */
void record_reset_values(void);

#define CHECK(cond, ...) \
    check((cond), __FILE_NAME__, __LINE__, #cond, __VA_ARGS__)
#define CHECK_IN(got, want, ...) \
    check_in((got), (want), ARRAY_SIZE(want), __FILE_NAME__, __LINE__, \
             __VA_ARGS__)
#define CHECK_EQ(got, want, ...)                                        \
    check_in((got), (const uint64_t[]){ (want) }, 1, __FILE_NAME__,     \
             __LINE__, __VA_ARGS__)
#define ANY(...) ((const uint64_t[]){ __VA_ARGS__ })

#define SKIP(...) do {          \
    test_skip(__VA_ARGS__);     \
    return;                     \
} while (0)

#endif
