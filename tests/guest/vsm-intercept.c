/*
 * Intercepts that VTL 1 installs for VTL 0 (TLFS 13.1): I/O ports, MSRs, CPUID
 * and exceptions; events whose delivery meets a protection; and interrupts that
 * VTL 1 asserts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define NEED            { F_HYPERCALL, F_VSM }

#define TYPE_IO         0x00
#define TYPE_MSR        0x01
#define TYPE_CPUID      0x02
#define TYPE_EXCEPTION  0x03
#define TYPE_IO_RANGE   0x11

#define READ            1
#define WRITE           2
#define EXECUTE         4

#define IO_STRING       8
#define IO_REP          0x10

#define ERROR_VALID     1
#define SOFTWARE        2

#define CMOS_INDEX      0x70
#define CMOS_DATA       0x71
#define CMOS_SPARE      0x50            /* a byte that nobody uses */

#define VECTOR          0x74
#define VECTOR_INT      0x75

struct io_intercept {
    struct intercept_header h;
    uint16_t port;
    uint8_t access_info, byte_count;
    uint32_t reserved;
    uint64_t rax;
    uint8_t bytes[16];
    struct segment ds, es;
    uint64_t rcx, rsi, rdi;
};
_Static_assert(sizeof(struct io_intercept) == 128, "I/O intercept");

struct msr_intercept {
    struct intercept_header h;
    uint32_t msr, reserved;
    uint64_t rdx, rax;
};

struct cpuid_intercept {
    struct intercept_header h;
    uint64_t rax, rcx, rdx, rbx;
    uint64_t default_rax, default_rcx, default_rdx, default_rbx;
};
_Static_assert(sizeof(struct cpuid_intercept) == 104, "CPUID intercept");

struct exception_intercept {
    struct intercept_header h;
    uint16_t vector;
    uint8_t info, byte_count;
    uint32_t error;
    uint64_t parameter, reserved;
    uint8_t bytes[16];
    struct segment ds, ss;
    uint64_t regs[16];                  /* RAX RCX RDX RBX RSP RBP RSI RDI R8 */
};
_Static_assert(sizeof(struct exception_intercept) == 240, "exception");

/* What VTL 1 of the first CPU was told last, and what it does about it */
static struct {
    SHARED uint32_t count;
    struct hv_message msg;
    uint64_t skip;                      /* if the length is not told */
    bool answer;                        /* RAX to RDX are changed */
    struct call regs;
    void (*then)(void);                 /* instead of all that */
} told;

/* In VTL 1 */

static void take_message(void)
{
    struct hv_message *slot = this_cpu()->simp;

    told.msg = *slot;
    slot->type = HV_MSG_NONE;
    hv_wr(HV_MSR_EOM, 0);
    told.count++;
}

static void intercepted(void)
{
    const struct intercept_header *h = (void *)told.msg.payload;
    struct call *r = secure_regs();
    unsigned len;

    take_message();
    if (told.then) {
        told.then();
        return;
    }
    len = h->length_cr8 & 15;
    if (told.answer) {
        r->rax = told.regs.rax;
        r->rbx = told.regs.rbx;
        r->rcx = told.regs.rcx;
        r->rdx = told.regs.rdx;
    }
    vtl_set_reg(0, HV_REG_RIP, h->rip + (len ? len : told.skip));
}

struct install {
    uint32_t access, type;
    uint64_t param, status;
};

static void install_here(void *v)
{
    struct install *i = v;
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[1] = i->access | (uint64_t)i->type << 32;
    in[2] = i->param;
    i->status = hv_call(HVCALL_INSTALL_INTERCEPT, in, NULL);
}

/* In VTL 0 */

static uint64_t try_install(uint32_t type, uint32_t access, uint64_t param)
{
    struct install i = { access, type, param };

    in_vtl1(install_here, &i);
    return i.status;
}

static void install(uint32_t type, uint32_t access, uint64_t param)
{
    CHECK_EQ(try_install(type, access, param), HV_SUCCESS,
             "type %u, access %u, 0x%lx", type, access, param);
}

static void begin(void)
{
    secure_on(1);
    in_vtl1(secure_synic_on, NULL);
    told.then = NULL;
    told.answer = false;
    told.skip = 0;
    secure_intercept = intercepted;
}

static uint8_t *code_page(void)
{
    static uint8_t *page;

    if (!page) {
        page = page_alloc();
    }
    memset(page, 0xCC, 64);
    return page;
}

static uint64_t code_at;                /* where it was run last */
static unsigned code_len;

/* How often VTL 1 is told when @code is executed, which is one instruction */
static uint32_t run(const uint8_t *code, unsigned len, struct call *c,
                    void (*how)(struct call *))
{
    uint8_t *page = code_page();
    uint32_t before = told.count;

    memcpy(page, code, len);
    page[len] = 0xC3;
    code_at = (uintptr_t)page;
    code_len = len;
    c->target = code_at;
    call_safe(how, c);
    return told.count - before;
}

static void check_header(uint32_t type, unsigned size, uint8_t access,
                         bool length, bool compat, int cpl)
{
    const struct intercept_header *h = (void *)told.msg.payload;

    CHECK_EQ(told.msg.type, type, "type");
    CHECK_EQ(told.msg.size, size, "size");
    CHECK_EQ(told.msg.flags, 0, "flags");
    CHECK_EQ(told.msg.reserved, 0, "reserved");
    CHECK(told.msg.origin, "origin");
    CHECK_EQ(h->vp_index, this_cpu()->vp, "VP");
    CHECK_EQ(h->length_cr8 & 15, length ? code_len : 0, "length");
    CHECK_EQ(h->length_cr8 >> 4, read_cr8(), "CR8");
    CHECK_EQ(h->access, access, "access");
    CHECK_EQ(h->state & ~8, STATE_PE | STATE_LMA | cpl, "state");
    CHECK_EQ(h->cs.attributes & 0x60FF, compat ? 0x409B : cpl ? 0x20FB : 0x209B,
             "CS");
    CHECK_EQ(h->cs.base, 0, "base of CS");
    CHECK_EQ(h->rip, code_at, "RIP");
    CHECK_EQ(h->rflags & 2, 2, "RFLAGS");
}

static void check_data_segment(const struct segment *s, const char *what)
{
    CHECK_EQ(s->base, 0, "base of %s", what);
    CHECK_EQ(s->attributes & 0x9A, 0x92, "attributes of %s", what);
    CHECK_EQ(s->limit, 0xFFFFFFFF, "limit of %s", what);
}

/* I/O ports */

static const struct io_row {
    const char *name;
    uint8_t len, code[6];
    uint8_t size, flags;
    bool write, imm;
} io_rows[] = {
    { "outb dx", 1, { 0xEE }, 1, 0, true },
    { "outw dx", 2, { 0x66, 0xEF }, 2, 0, true },
    { "outl dx", 1, { 0xEF }, 4, 0, true },
    { "inb dx", 1, { 0xEC }, 1, 0, false },
    { "inw dx", 2, { 0x66, 0xED }, 2, 0, false },
    { "inl dx", 1, { 0xED }, 4, 0, false },
    { "outb imm", 2, { 0xE6, 0x9A }, 1, 0, true, true },
    { "inl imm", 2, { 0xE5, 0x9A }, 4, 0, false, true },
    { "outsb", 1, { 0x6E }, 1, IO_STRING, true },
    { "outsl", 1, { 0x6F }, 4, IO_STRING, true },
    { "insb", 1, { 0x6C }, 1, IO_STRING, false },
    { "rep insw", 3, { 0xF3, 0x66, 0x6D }, 2, IO_STRING | IO_REP, false },
    { "rep outsb", 2, { 0xF3, 0x6E }, 1, IO_STRING | IO_REP, true },
    { "rep outsb with address size", 3, { 0x67, 0xF3, 0x6E }, 1,
      IO_STRING | IO_REP, true },
};

static const char *io_name(int row)
{
    return io_rows[row].name;
}

#define IO_PORT     0x9A                /* nobody's */
#define IO_RAX      0x1122334455667788

TEST_ROWS(vsm_io, "VM-045,VM-048,VM-049,VM-051,SY-021", ARRAY_SIZE(io_rows),
          io_name, .need = NEED)
{
    const struct io_row *r = &io_rows[row];
    const struct io_intercept *m = (void *)told.msg.payload;
    uint8_t *data = page_alloc();
    uint32_t access = r->write ? WRITE : READ;

    begin();
    for (int compat = 0; compat < 2; compat++) {
        struct call c = {
            .rax = compat ? (uint32_t)IO_RAX : IO_RAX, .rdx = IO_PORT,
            .rcx = 3, .rsi = (uintptr_t)data, .rdi = (uintptr_t)data + 0x100,
        }, was = c;

        /* The last port that it touches, then the one behind */
        install(TYPE_IO, access, IO_PORT + r->size - 1);
        CHECK_EQ(run(r->code, r->len, &c, compat ? call_kernel32 :
                     call_kernel64), 1, "intercepts");
        CHECK_EQ(c.vector, NO_FAULT, "fault");
        check_header(TYPE_IO_INTERCEPT, sizeof(*m),
                     r->write ? ACCESS_WRITE : ACCESS_READ, true, compat, 0);
        CHECK_EQ(m->port, IO_PORT, "port");
        CHECK_EQ(m->access_info, r->size | r->flags, "access info");
        CHECK_EQ(m->byte_count, r->flags & IO_STRING ? 16 : 0, "bytes");
        CHECK(r->flags & IO_STRING ? !memcmp(m->bytes, r->code, r->len) :
              is_filled(m->bytes, 0, 16), "bytes");
        CHECK_EQ(m->reserved, 0, "reserved");
        CHECK_EQ(m->rax, was.rax, "RAX");
        CHECK_EQ(m->rcx, was.rcx, "RCX");
        CHECK_EQ(m->rsi, was.rsi, "RSI");
        CHECK_EQ(m->rdi, was.rdi, "RDI");
        check_data_segment(&m->ds, "DS");
        check_data_segment(&m->es, "ES");
        CHECK_EQ(c.rax, was.rax, "RAX after");
        CHECK_EQ(c.rsi, was.rsi, "RSI after");
        CHECK(is_filled(data, 0, PAGE_SIZE), "nothing is stored");

        install(TYPE_IO, access == READ ? WRITE : READ, IO_PORT + r->size - 1);
        c = was;
        CHECK_EQ(run(r->code, r->len, &c, call_kernel64), 0, "other direction");
        install(TYPE_IO, 0, IO_PORT + r->size - 1);
        install(TYPE_IO, READ | WRITE, IO_PORT + r->size);
        c = was;
        CHECK_EQ(run(r->code, r->len, &c, call_kernel64), 0, "next port");
        install(TYPE_IO, 0, IO_PORT + r->size);
        memset(data, 0, PAGE_SIZE);
    }
}

static uint8_t cmos(void)
{
    outb(CMOS_INDEX, CMOS_SPARE);
    return inb(CMOS_DATA);
}

/* What is intercepted does not reach the device as well */
TEST(vsm_io_device, "VS-051,VM-045", .need = NEED)
{
    static const uint8_t out[] = { 0xEE }, in[] = { 0xEC };
    struct call c = { .rax = 0x5A, .rdx = CMOS_DATA };
    uint8_t old = cmos();
    uint32_t before;

    begin();
    install(TYPE_IO_RANGE, WRITE, CMOS_INDEX | CMOS_DATA << 16);
    before = told.count;
    CHECK_EQ(run(out, 1, &c, call_kernel64), 1, "write");
    c.rdx = CMOS_DATA;
    CHECK_EQ(run(in, 1, &c, call_kernel64), 0, "read");
    install(TYPE_IO_RANGE, 0, CMOS_INDEX | CMOS_DATA << 16);
    CHECK_EQ(cmos(), old, "CMOS");
    CHECK_EQ(told.count, before + 1, "intercepts");
    /* It reads what VTL 1 says */
    install(TYPE_IO, READ, CMOS_DATA);
    told.answer = true;
    told.regs = (struct call) { .rax = 0x77, .rbx = 1, .rcx = 2, .rdx = 3 };
    c = (struct call) { .rdx = CMOS_DATA };
    CHECK_EQ(run(in, 1, &c, call_kernel64), 1, "read");
    CHECK_EQ(c.rax, 0x77, "RAX");
    CHECK_EQ(c.rdx, 3, "RDX");
    install(TYPE_IO, 0, CMOS_DATA);
}

/* All ports at once, to the last one */
TEST(vsm_io_range, "VM-045,VM-051", .need = NEED)
{
    static const uint8_t out[] = { 0xEE };
    struct call c = { 0 };

    begin();
    install(TYPE_IO_RANGE, READ | WRITE, 0xFFFFull << 16 | 0xFF00);
    for (uint32_t port = 0xFEF0; port < 0x10000; port++) {
        c = (struct call) { .rdx = port };
        CHECK_EQ(run(out, 1, &c, call_kernel64), port >= 0xFF00, "port 0x%x",
                 port);
    }
    install(TYPE_IO_RANGE, 0, 0xFFFFull << 16);
    c = (struct call) { .rdx = 0xFFFF };
    CHECK_EQ(run(out, 1, &c, call_kernel64), 0, "removed");
}

/* Other CPUs write to a port while it becomes one that VTL 1 is told of */
static struct other {
    SHARED uint32_t outs, told;
    SHARED bool stop;
    uint64_t *input;            /* of VTL 1's hypercalls: there are many */
} others[MAX_CPUS];

static void skip_here(void)
{
    struct cpu *me = this_cpu();
    struct hv_message *slot = me->simp;
    const struct intercept_header *h = (void *)slot->payload;
    uint64_t *in = others[me->id].input;

    in[0] = HV_PARTITION_SELF;
    in[1] = HV_VP_SELF | 0x10ull << 32;
    in[2] = HV_REG_RIP;
    in[4] = h->rip + (h->length_cr8 & 15);
    slot->type = HV_MSG_NONE;
    hv_wr(HV_MSR_EOM, 0);
    CHECK_EQ(hv_call(HVCALL_SET_REGISTERS | HV_REPS(1), in, NULL), HV_REPS(1),
             "RIP");
    others[me->id].told++;
}

static void synic_here(void *unused)
{
    others[this_cpu()->id].input = page_alloc();
    in_vtl1(secure_synic_on, NULL);
}

static void write_on(void *unused)
{
    struct other *o = &others[this_cpu()->id];

    while (!o->stop) {
        outb(IO_PORT, 0);
        o->outs++;
    }
}

/* How often VTL 1 of a CPU is told while four writes end, from now on */
static uint32_t told_of_four(struct other *o)
{
    uint32_t outs, before;

    /* The one under way may have begun earlier */
    outs = o->outs;
    CHECK(WAIT_FOR(o->outs != outs), "it goes on");
    before = o->told;
    outs = o->outs;
    CHECK(WAIT_FOR(o->outs >= outs + 4), "it goes on");
    return o->told - before;
}

TEST(vsm_io_other_cpus, "VM-045", .need = NEED, .min_cpus = 2)
{
    secure_on(ncpus);
    begin();
    secure_intercept = skip_here;
    for (int i = 1; i < ncpus; i++) {
        others[i].stop = false;
        on_cpu(cpus[i], synic_here, NULL);
        on_cpu_start(cpus[i], write_on, NULL);
    }
    for (int n = 0; n < 5; n++) {
        install(TYPE_IO, WRITE, IO_PORT);
        for (int i = 1; i < ncpus; i++) {
            CHECK(told_of_four(&others[i]) >= 3, "CPU %d: installed", i);
        }
        install(TYPE_IO, 0, IO_PORT);
        for (int i = 1; i < ncpus; i++) {
            CHECK_EQ(told_of_four(&others[i]), 0, "CPU %d: removed", i);
        }
    }
    for (int i = 1; i < ncpus; i++) {
        others[i].stop = true;
        on_cpu_wait(cpus[i]);
    }
}

/* MSRs */

static uint32_t run_msr(uint32_t msr, bool write, int *vector)
{
    static const uint8_t wrmsr[] = { 0x0F, 0x30 }, rdmsr[] = { 0x0F, 0x32 };
    struct call c = { .rcx = msr, .rax = 0x1111, .rdx = 0x2222 };
    uint32_t n = run(write ? wrmsr : rdmsr, 2, &c, call_kernel64);

    *vector = c.vector;
    return n;
}

TEST(vsm_msr, "MS-003,MS-004,VM-045,VM-048", .need = NEED)
{
    /* Nobody's, and one that is the hypervisor's but that it lacks */
    static const uint32_t unknown[] = { 0x12345, 0x40000115 };
    const struct msr_intercept *m = (void *)told.msg.payload;
    int vector, before[2];

    begin();
    for (int i = 0; i < ARRAY_SIZE(unknown); i++) {
        install(TYPE_MSR, 0, 0);
        run_msr(unknown[i], false, &before[0]);
        run_msr(unknown[i], true, &before[1]);
        for (int access = 0; access <= (READ | WRITE); access++) {
            install(TYPE_MSR, access, 0);
            for (int write = 0; write < 2; write++) {
                bool want = access & (write ? WRITE : READ);

                CHECK_EQ(run_msr(unknown[i], write, &vector), want,
                         "MSR 0x%x, access %d, write %d", unknown[i], access,
                         write);
                CHECK_EQ(vector, want ? NO_FAULT : before[write],
                         "MSR 0x%x, access %d, write %d: fault", unknown[i],
                         access, write);
                if (want) {
                    check_header(TYPE_MSR_INTERCEPT, sizeof(*m),
                                 write ? ACCESS_WRITE : ACCESS_READ, true,
                                 false, 0);
                    CHECK_EQ(m->msr, unknown[i], "MSR");
                    CHECK_EQ(m->reserved, 0, "reserved");
                    CHECK_EQ(m->rax, 0x1111, "RAX");
                    CHECK_EQ(m->rdx, 0x2222, "RDX");
                }
            }
        }
    }
    install(TYPE_MSR, READ | WRITE, 0);
    CHECK_EQ(run_msr(0xC0000082, false, &vector), 0, "LSTAR");
    CHECK_EQ(run_msr(HV_MSR_GUEST_OS_ID, false, &vector), 0, "GUEST_OS_ID");
    CHECK_EQ(run_msr(HV_MSR_VP_INDEX, true, &vector), 0, "read-only");
    CHECK_EQ(vector, EXC_GP, "fault");
    install(TYPE_MSR, 0, 0);
}

/* CPUID */

static const uint8_t cpuid_insn[] = { 0x0F, 0xA2 };

static uint32_t run_cpuid(uint32_t leaf, uint32_t subleaf, struct call *c)
{
    *c = (struct call) {
        .rax = leaf | 1ull << 40, .rcx = subleaf | 1ull << 41,
        .rdx = 0xDDDDDDDDDD, .rbx = 0xBBBBBBBBBB,
    };
    return run(cpuid_insn, 2, c, call_kernel64);
}

static void check_result(const struct call *c, const struct call *want)
{
    CHECK_EQ(c->rax, want->rax, "EAX");
    CHECK_EQ(c->rbx, want->rbx, "EBX");
    CHECK_EQ(c->rcx, want->rcx, "ECX");
    CHECK_EQ(c->rdx, want->rdx, "EDX");
}

TEST(vsm_cpuid, "CP-043,VM-045,VM-048,VM-052", .need = NEED)
{
    static const uint32_t leaves[] = { 0, 7, 0x40000003, 0x80000001, 0x12345678 };
    const struct cpuid_intercept *m = (void *)told.msg.payload;
    struct call c, is;

    begin();
    told.answer = true;
    told.regs = (struct call) { .rax = 0xA, .rbx = 0xB, .rcx = 0xC, .rdx = 0xD };
    for (int i = 0; i < ARRAY_SIZE(leaves); i++) {
        CHECK_EQ(run_cpuid(leaves[i], 0, &is), 0, "without an intercept");
        install(TYPE_CPUID, EXECUTE, leaves[i]);
        CHECK_EQ(run_cpuid(leaves[i], 0, &c), 1, "leaf 0x%x", leaves[i]);
        check_header(TYPE_CPUID_INTERCEPT, sizeof(*m), ACCESS_EXECUTE, true,
                     false, 0);
        CHECK_EQ(m->rax, leaves[i] | 1ull << 40, "RAX");
        CHECK_EQ(m->rcx, 1ull << 41, "RCX");
        CHECK_EQ(m->rdx, 0xDDDDDDDDDD, "RDX");
        CHECK_EQ(m->rbx, 0xBBBBBBBBBB, "RBX");
        CHECK_EQ(m->default_rax, is.rax, "default RAX");
        CHECK_EQ(m->default_rbx, is.rbx, "default RBX");
        CHECK_EQ(m->default_rcx, is.rcx, "default RCX");
        CHECK_EQ(m->default_rdx, is.rdx, "default RDX");
        check_result(&c, &told.regs);
        CHECK_EQ(run_cpuid(leaves[i] ^ 1, 0, &c), 0, "another leaf");
        install(TYPE_CPUID, 0, leaves[i]);
        CHECK_EQ(run_cpuid(leaves[i], 0, &c), 0, "removed");
    }
}

struct result {
    uint32_t vp, type, eax, ecx;
    bool subleaf, always;
    uint32_t val[4], mask[4];
    uint64_t status;
};

static void register_here(void *v)
{
    struct result *r = v;
    uint64_t *in = page_alloc();
    uint32_t *p = (uint32_t *)(in + 2);

    in[0] = HV_PARTITION_SELF;
    in[1] = r->vp | (uint64_t)r->type << 32;
    p[0] = r->eax;
    p[1] = r->ecx;
    p[2] = r->subleaf | r->always << 8;
    for (int i = 0; i < 4; i++) {
        p[3 + 2 * i] = r->val[i];
        p[4 + 2 * i] = r->mask[i];
    }
    r->status = hv_call(HVCALL_REGISTER_RESULT, in, NULL);
}

static void unregister_here(void *v)
{
    struct result *r = v;
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[1] = r->vp | (uint64_t)r->type << 32;
    in[2] = r->eax | (uint64_t)r->ecx << 32;
    /* Nobody looks at what is padding */
    in[3] = r->subleaf | ~0xFFull;
    r->status = hv_call(HVCALL_UNREGISTER_RESULT, in, NULL);
}

static uint64_t register_result(struct result *r)
{
    in_vtl1(register_here, r);
    return r->status;
}

static void remove_result(struct result *r)
{
    memset(r->mask, 0, sizeof(r->mask));
    CHECK_EQ(register_result(r), HV_SUCCESS, "removal");
}

TEST(vsm_cpuid_result, "CP-043,VM-052", .need = NEED)
{
    struct result r = {
        HV_VP_SELF, TYPE_CPUID, 7, 0, false, false,
        { 0x11111111, 0x22222222, 0x33333333, 0x44444444 },
        { ~0, 0xFF, 0, 0xFFFF0000 },
    };
    struct call is, is1, c, want;

    begin();
    run_cpuid(7, 0, &is);
    run_cpuid(7, 1, &is1);
    CHECK_EQ(register_result(&r), HV_SUCCESS, "result");
    run_cpuid(7, 0, &c);
    check_result(&c, &is);
    /* The leaf is intercepted: by this result, not by a message */
    install(TYPE_CPUID, EXECUTE, 7);
    CHECK_EQ(run_cpuid(7, 0, &c), 0, "intercepts");
    want = is;
    want.rax = 0x11111111;
    want.rbx = (is.rbx & ~0xFFull) | 0x22;
    want.rdx = (is.rdx & 0xFFFF) | 0x44440000;
    check_result(&c, &want);
    CHECK_EQ(run_cpuid(7, 1, &c), 0, "any subleaf");
    CHECK_EQ(c.rax, 0x11111111, "EAX");
    remove_result(&r);
    CHECK_EQ(run_cpuid(7, 0, &c), 1, "no result: it is intercepted");
    install(TYPE_CPUID, 0, 7);

    /* Without an intercept, of one subleaf, on all VPs */
    r = (struct result) { ~0u, TYPE_CPUID, 7, 0, true, true, { 5 }, { ~0 } };
    CHECK_EQ(register_result(&r), HV_SUCCESS, "result");
    CHECK_EQ(run_cpuid(7, 0, &c), 0, "intercepts");
    CHECK_EQ(c.rax, 5, "EAX");
    run_cpuid(7, 1, &c);
    check_result(&c, &is1);
    r.val[0] = 6;
    CHECK_EQ(register_result(&r), HV_SUCCESS, "another");
    run_cpuid(7, 0, &c);
    CHECK_EQ(c.rax, 6, "EAX");
    remove_result(&r);
    run_cpuid(7, 0, &c);
    check_result(&c, &is);
}

TEST(vsm_cpuid_result_unregister, "VM-052", .need = NEED)
{
    struct result r = {
        HV_VP_SELF, TYPE_CPUID, 7, 0, true, true, { 5 }, { ~0 },
    }, any = r, all = r;
    struct call is, c;

    begin();
    any.subleaf = false;
    any.val[0] = 6;
    all.vp = ~0u;
    run_cpuid(7, 0, &is);
    CHECK_EQ(register_result(&any), HV_SUCCESS, "of any subleaf");
    CHECK_EQ(register_result(&r), HV_SUCCESS, "of a subleaf");
    run_cpuid(7, 0, &c);
    CHECK_EQ(c.rax, 5, "EAX");
    unregister_here(&r);
    CHECK_EQ(r.status, HV_ACCESS_DENIED, "from VTL 0");
    run_cpuid(7, 0, &c);
    CHECK_EQ(c.rax, 5, "EAX still");
    in_vtl1(unregister_here, &r);
    CHECK_EQ(r.status, HV_SUCCESS, "one is taken away");
    run_cpuid(7, 0, &c);
    CHECK_EQ(c.rax, 6, "EAX of the other");
    in_vtl1(unregister_here, &any);
    CHECK_EQ(any.status, HV_SUCCESS, "the other, too");
    run_cpuid(7, 0, &c);
    check_result(&c, &is);
    CHECK_EQ(register_result(&all), HV_SUCCESS, "of all VPs");
    in_vtl1(unregister_here, &all);
    CHECK_EQ(all.status, HV_SUCCESS, "from all VPs");
    run_cpuid(7, 0, &c);
    check_result(&c, &is);

    all.vp = 0x1234;
    in_vtl1(unregister_here, &all);
    CHECK_EQ(all.status, HV_INVALID_VP_INDEX, "no such VP");
    r.type = TYPE_MSR;
    in_vtl1(unregister_here, &r);
    CHECK_EQ(r.status, HV_INVALID_PARAMETER, "MSR");
}

TEST(vsm_cpuid_result_denied, "VM-052", .need = NEED)
{
    struct result r = { HV_VP_SELF, TYPE_CPUID, .mask = { 1 } }, many = r;
    int i;

    begin();
    register_here(&r);
    CHECK_EQ(r.status, HV_ACCESS_DENIED, "from VTL 0");
    r.vp = 0x1234;
    CHECK_EQ(register_result(&r), HV_INVALID_VP_INDEX, "no such VP");
    r.vp = HV_VP_SELF;
    for (r.type = 0; r.type < 32; r.type++) {
        if (r.type != TYPE_CPUID) {
            CHECK_EQ(register_result(&r), HV_INVALID_PARAMETER, "type %u",
                     r.type);
        }
    }
    /* There is an end to it, and what was made can be taken away */
    for (i = 0; i < 1000; i++) {
        many.eax = i + 0x90000000;
        if (register_result(&many)) {
            CHECK_EQ(many.status, 11, "no more room");
            break;
        }
    }
    CHECK(i >= 16 && i < 1000, "%d results", i);
    while (i--) {
        many.eax = i + 0x90000000;
        remove_result(&many);
    }
    r.type = TYPE_CPUID;
    CHECK_EQ(register_result(&r), HV_SUCCESS, "there is room");
    remove_result(&r);
}

/* Exceptions */

static const struct exception_row {
    const char *name;
    uint8_t vector, skip;
    uint8_t code[8];
    uint8_t info;
    bool user;
} exceptions[] = {
    { "ud2", 6, 2, { 0x0F, 0x0B } },
    { "div", 0, 2, { 0xF7, 0xF1 } },
    { "page fault", 14, 3, { 0x48, 0x8B, 0x07 }, ERROR_VALID },
    { "page fault in user mode", 14, 3, { 0x48, 0x89, 0x07 }, ERROR_VALID,
      true },
    { "general protection", 13, 3, { 0x49, 0x8B, 0x00 }, ERROR_VALID },
    { "hlt in user mode", 13, 1, { 0xF4 }, ERROR_VALID, true },
    { "selector", 13, 2, { 0x8E, 0xE2 }, ERROR_VALID },
    { "int3", 3, 1, { 0xCC }, SOFTWARE },
    { "int3 with a prefix", 3, 2, { 0x66, 0xCC }, SOFTWARE },
};

static const char *exception_name(int row)
{
    return exceptions[row].name;
}

TEST_ROWS(vsm_exception, "VM-045,VM-049,VM-053", ARRAY_SIZE(exceptions),
          exception_name, .need = NEED)
{
    const struct exception_row *r = &exceptions[row];
    const struct exception_intercept *m = (void *)told.msg.payload;
    uint64_t hole = va_alloc(LARGE_PAGE), cr2, cr2_before;
    struct call c = {
        .rax = 0xA0, .rbx = 0xB0, .rcx = 0, .rdx = 0x2228, .rsi = 0x50,
        .rdi = hole, .rbp = 0xE0, .r8 = 1ull << 63, .r9 = 9, .r10 = 10,
        .r11 = 11, .r12 = 12, .r13 = 13, .r14 = 14, .r15 = 15,
    };
    void (*how)(struct call *) = r->user ? call_user : call_kernel64;
    uint32_t error = r->vector == 14 ? (r->user ? 6 : 0) :
                     r->code[0] == 0x8E ? 0x2228 : 0;

    begin();
    told.skip = r->skip;
    install(TYPE_EXCEPTION, EXECUTE, r->vector);
    asm volatile("movq %%cr2, %0" : "=r" (cr2_before));
    CHECK_EQ(run(r->code, r->skip, &c, how), 1, "intercepts");
    asm volatile("movq %%cr2, %0" : "=r" (cr2));
    CHECK_EQ(c.vector, NO_FAULT, "its own handler");
    check_header(TYPE_EXCEPTION_INTERCEPT, sizeof(*m), ACCESS_EXECUTE, false,
                 false, r->user ? 3 : 0);
    CHECK_EQ(m->vector, r->vector, "vector");
    CHECK_EQ(m->info, r->info, "info");
    CHECK_EQ(m->error, error, "error code");
    CHECK_EQ(m->parameter, r->vector == 14 ? hole : 0, "parameter");
    CHECK_EQ(cr2, cr2_before, "CR2");
    CHECK_EQ(m->reserved, 0, "reserved");
    CHECK_EQ(m->byte_count, 16, "bytes");
    CHECK(!memcmp(m->bytes, r->code, r->skip), "bytes");
    check_data_segment(&m->ds, "DS");
    CHECK_EQ(m->ss.selector & 3, r->user ? 3 : 0, "SS");
    CHECK_EQ(m->regs[0], 0xA0, "RAX");
    CHECK_EQ(m->regs[1], 0, "RCX");
    CHECK_EQ(m->regs[2], 0x2228, "RDX");
    CHECK_EQ(m->regs[3], 0xB0, "RBX");
    CHECK(m->regs[4] > PAGE_SIZE, "RSP");
    CHECK_EQ(m->regs[5], 0xE0, "RBP");
    CHECK_EQ(m->regs[6], 0x50, "RSI");
    CHECK_EQ(m->regs[7], hole, "RDI");
    CHECK_EQ(m->regs[8], 1ull << 63, "R8");
    for (int i = 9; i < 16; i++) {
        CHECK_EQ(m->regs[i], i, "R%d", i);
    }

    install(TYPE_EXCEPTION, 0, r->vector);
    CHECK_EQ(run(r->code, r->skip, &c, how), 0, "removed");
    CHECK_EQ(c.vector, r->vector, "its own handler");
}

/* A trap, behind its instruction */
static void end_trap(void)
{
    struct exception_intercept *m = (void *)told.msg.payload;

    vtl_set_reg(0, HV_REG_RFLAGS, m->h.rflags & ~0x100ull);
}

TEST(vsm_exception_debug, "VM-053", .need = NEED)
{
    /* pushfq; orb $1, 1(%rsp); popfq; nop */
    static const uint8_t step[] = {
        0x9C, 0x80, 0x4C, 0x24, 0x01, 0x01, 0x9D, 0x90,
    };
    const struct exception_intercept *m = (void *)told.msg.payload;
    struct call c = { 0 };

    begin();
    told.then = end_trap;
    install(TYPE_EXCEPTION, EXECUTE, 1);
    CHECK_EQ(run(step, sizeof(step), &c, call_kernel64), 1, "intercepts");
    CHECK_EQ(c.vector, NO_FAULT, "its own handler");
    CHECK_EQ(m->vector, 1, "vector");
    CHECK_EQ(m->info, 0, "info");
    CHECK_EQ(m->parameter & 0x4000, 0x4000, "DR6.BS");
    CHECK_EQ(m->h.rip, code_at + sizeof(step), "RIP");
    CHECK_EQ(m->h.rflags & 0x100, 0x100, "TF");
    install(TYPE_EXCEPTION, 0, 1);
}

/* INT with the vector of an exception is none */
TEST(vsm_exception_int, "VM-053", .need = NEED)
{
    static const uint8_t int_3[] = { 0xCD, 3 }, int_6[] = { 0xCD, 6 };
    struct call c = { 0 };

    begin();
    told.skip = 2;
    for (int v = 0; v < 32; v++) {
        if (v != 2) {
            install(TYPE_EXCEPTION, EXECUTE, v);
        }
    }
    CHECK_EQ(run(int_3, 2, &c, call_kernel64), 0, "INT 3");
    CHECK_EQ(c.vector, 3, "INT 3");
    CHECK_EQ(run(int_6, 2, &c, call_kernel64), 0, "INT 6");
    CHECK_EQ(c.vector, 6, "INT 6");
    for (int v = 0; v < 32; v++) {
        if (v != 2) {
            install(TYPE_EXCEPTION, 0, v);
        }
    }
}

/* VTL 1 makes an exception of it after all */
static void inject_gp(void)
{
    const struct exception_intercept *m = (void *)told.msg.payload;

    vtl_set_reg(0, HV_REG_PENDING_INTERRUPTION,
                1 | 3 << 1 | 1 << 4 | EXC_GP << 16 | 0x1230ull << 32);
    vtl_set_reg(0, HV_REG_RIP, m->h.rip);
}

TEST(vsm_exception_injected, "VM-053", .need = NEED)
{
    static const uint8_t ud2[] = { 0x0F, 0x0B };
    struct call c = { 0 };

    begin();
    told.then = inject_gp;
    install(TYPE_EXCEPTION, EXECUTE, EXC_UD);
    install(TYPE_EXCEPTION, EXECUTE, EXC_GP);
    CHECK_EQ(run(ud2, 2, &c, call_kernel64), 1, "intercepts");
    CHECK_EQ(c.vector, EXC_GP, "what VTL 1 made of it");
    CHECK_EQ(this_cpu()->fault_error, 0x1230, "its error code");
    install(TYPE_EXCEPTION, 0, EXC_UD);
    install(TYPE_EXCEPTION, 0, EXC_GP);
}

/* Statuses */

static void another_partition(void *v)
{
    static const uint16_t calls[] = {
        HVCALL_INSTALL_INTERCEPT, HVCALL_REGISTER_RESULT,
        HVCALL_UNREGISTER_RESULT, HVCALL_ASSERT_INTERRUPT,
        HVCALL_CLEAR_INTERRUPT,
    };
    uint64_t *in = page_alloc();

    in[0] = 5;
    for (int i = 0; i < ARRAY_SIZE(calls); i++) {
        CHECK_EQ(hv_call(calls[i], in, NULL), HV_INVALID_PARTITION_ID,
                 "call 0x%x", calls[i]);
    }
}

TEST(vsm_another_partition, "VS-065", .need = NEED)
{
    secure_on(1);
    in_vtl1(another_partition, NULL);
}

TEST(vsm_install_denied, "VM-045", .need = NEED)
{
    static const struct {
        uint32_t type, valid;
        uint64_t param, bad;
    } types[] = {
        { TYPE_IO, READ | WRITE, 0x9A, 0x10000 },
        { TYPE_IO_RANGE, READ | WRITE, 0x9B009A, 0x9A009B },
        { TYPE_MSR, READ | WRITE, 0x10, 0 },
        { TYPE_CPUID, EXECUTE, 7, 1ull << 32 },
        { TYPE_EXCEPTION, EXECUTE, 6, 32 },
        { TYPE_EXCEPTION, EXECUTE, 6, 2 },
        { TYPE_EXCEPTION, EXECUTE, 6, 1ull << 32 },
    };
    struct install i;
    int n;

    begin();
    for (int t = 0; t < ARRAY_SIZE(types); t++) {
        for (uint32_t access = 0; access < 16; access++) {
            i = (struct install) { access, types[t].type, types[t].param };
            install_here(&i);
            CHECK_EQ(i.status, HV_ACCESS_DENIED, "from VTL 0");
            CHECK_EQ(try_install(types[t].type, access, types[t].param),
                     access & ~types[t].valid ? HV_INVALID_PARAMETER :
                     HV_SUCCESS, "type %u, access %u", types[t].type, access);
        }
        if (types[t].bad) {
            CHECK_EQ(try_install(types[t].type, types[t].valid, types[t].bad),
                     HV_INVALID_PARAMETER, "type %u, 0x%lx", types[t].type,
                     types[t].bad);
        }
        install(types[t].type, 0, types[t].param);
    }
    for (uint32_t type = 4; type < 0x40; type++) {
        if (type != TYPE_IO_RANGE) {
            CHECK_EQ(try_install(type, 0, 0), HV_INVALID_PARAMETER, "type %u",
                     type);
        }
    }
    for (n = 0; n < 1000; n++) {
        uint64_t status = try_install(TYPE_CPUID, EXECUTE, n + 0x90000000);

        if (status) {
            CHECK_EQ(status, 11, "no more room");
            break;
        }
    }
    CHECK(n >= 64 && n < 1000, "%d leaves", n);
    while (n--) {
        install(TYPE_CPUID, 0, n + 0x90000000);
    }
}

/* An event whose delivery meets a protection */

static SHARED uint64_t allowed_page, pending_seen;
static SHARED bool drop_event;

static void allow(void)
{
    uint64_t *in = page_alloc(), *out = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[1] = HV_VP_SELF | 0x10ull << 32;
    in[2] = HV_REG_PENDING_INTERRUPTION;
    CHECK_EQ(hv_call(HVCALL_GET_REGISTERS | HV_REPS(1), in, out), HV_REPS(1),
             "pending interruption");
    pending_seen = out[0];
    protect_page(allowed_page, MAP_ALL);
    if (drop_event) {
        vtl_set_reg(0, HV_REG_PENDING_INTERRUPTION, 0);
    }
}

/* IDT of a CPU in a page of its own */
struct table_ptr {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static void ipi(void)
{
    apic_self_ipi(VECTOR);
}

static void nmi(void)
{
    apic_icr(this_cpu()->apic_id, 0x400 | ICR_ASSERT);
}

static void software(void)
{
    asm volatile("int %0" :: "i" (VECTOR_INT) : "memory");
}

static const struct delivery {
    const char *name;
    void (*raise)(void);
    uint8_t vector;
    uint64_t pending;           /* what VTL 1 sees, less the vector */
} deliveries[] = {
    { "interrupt", ipi, VECTOR, 1 },
    { "NMI", nmi, 2, 1 | 2 << 1 },
    { "INT", software, VECTOR_INT, 1 | 4 << 1 | 2 << 5 },
};

static const char *delivery_name(int row)
{
    return deliveries[row].name;
}

static void handle(struct trap *t)
{
    if (t->vector == VECTOR) {
        apic_eoi();
    }
}

TEST_ROWS(vsm_delivery, "VS-036,VM-049", ARRAY_SIZE(deliveries), delivery_name,
          .need = NEED)
{
    const struct delivery *d = &deliveries[row];
    struct cpu *me = this_cpu();
    const struct intercept_header *h = (void *)told.msg.payload;
    SHARED uint32_t *irqs = &me->irqs[d->vector];
    uint8_t *page = page_alloc();
    struct table_ptr old, new;
    uint32_t before, count;

    begin();
    told.then = allow;
    irq_set(VECTOR, handle);
    irq_set(VECTOR_INT, handle);
    asm volatile("sidt %0" : "=m" (old));
    memcpy(page, (void *)old.base, old.limit + 1);
    new = (struct table_ptr) { old.limit, (uintptr_t)page };
    asm volatile("lidt %0" :: "m" (new));
    irq_enable();
    /* The table of gates; then with the event dropped by VTL 1 */
    for (int drop = 0; drop < 2; drop++) {
        before = *irqs;
        count = told.count;
        allowed_page = (uintptr_t)page;
        drop_event = drop;
        protect((uintptr_t)page, 0);
        d->raise();
        CHECK(WAIT_FOR(told.count != count), "VTL 1 is told");
        CHECK(drop || WAIT_FOR(*irqs != before), "it is delivered");
        for (int i = 0; i < 1000; i++) {
            outb(0x80, 0);
        }
        CHECK_EQ(told.count, count + 1, "intercepts");
        /* INT is executed again if it is not delivered: RIP is its own */
        CHECK_EQ(*irqs, before + (!drop || d->raise == software), "deliveries");
        CHECK_EQ(told.msg.type, TYPE_GPA_INTERCEPT, "type");
        CHECK_EQ(h->access, ACCESS_READ, "access");
        CHECK_EQ(h->state & STATE_PENDING, STATE_PENDING, "state");
        CHECK_EQ(told.msg.payload[44], 0, "no instruction is to blame");
        CHECK_EQ(pending_seen, d->pending | (uint64_t)d->vector << 16,
                 "pending interruption");
        if (drop && d->vector == VECTOR) {
            apic_eoi();
        } else if (drop && d->vector == 2) {
            /* Unmask NMIs: what VTL 1 has dropped has no IRET */
            asm volatile("movq %%rsp, %%rax\n\t"
                         "pushq %[ss]\n\t"
                         "pushq %%rax\n\t"
                         "pushfq\n\t"
                         "pushq %[cs]\n\t"
                         "leaq 1f(%%rip), %%rax\n\t"
                         "pushq %%rax\n\t"
                         "iretq\n\t"
                         "1:"
                         :: [ss] "i" (SEL_DATA), [cs] "i" (SEL_CODE64)
                         : "rax", "memory");
        }
    }
    asm volatile("lidt %0" :: "m" (old));
    irq_set(VECTOR, NULL);
    irq_set(VECTOR_INT, NULL);
}

/* Exceptions, too: their error code and address are not lost */
TEST(vsm_delivery_exception, "VS-036", .need = NEED)
{
    uint8_t *page = page_alloc();
    uint64_t hole = va_alloc(LARGE_PAGE), v;
    struct table_ptr old, new;
    uint32_t count;

    begin();
    told.then = allow;
    drop_event = false;
    asm volatile("sidt %0" : "=m" (old));
    memcpy(page, (void *)old.base, old.limit + 1);
    new = (struct table_ptr) { old.limit, (uintptr_t)page };
    asm volatile("lidt %0" :: "m" (new));
    count = told.count;
    allowed_page = (uintptr_t)page;
    protect((uintptr_t)page, 0);
    CHECK_EQ(load64_safe(hole, &v), EXC_PF, "load");
    asm volatile("lidt %0" :: "m" (old));
    CHECK_EQ(told.count, count + 1, "intercepts");
    CHECK_EQ(this_cpu()->fault_error, 0, "error code");
    CHECK_EQ(this_cpu()->fault_addr, hole, "address");
    CHECK_EQ(pending_seen, 1 | 3 << 1 | 1 << 4 | EXC_PF << 16, "pending");
}

/* The stack that the frame of an NMI is pushed on */
TEST(vsm_delivery_stack, "VS-036", .need = NEED)
{
    struct cpu *me = this_cpu();
    uint64_t stack = me->tss_at_48.ist[0] - PAGE_SIZE;
    const struct intercept_header *h = (void *)told.msg.payload;
    uint32_t before, count;

    begin();
    told.then = allow;
    drop_event = false;
    before = me->irqs[2];
    count = told.count;
    allowed_page = stack;
    protect(stack, READ);
    nmi();
    CHECK(WAIT_FOR(me->irqs[2] != before), "it is delivered");
    CHECK_EQ(me->irqs[2], before + 1, "deliveries");
    CHECK_EQ(told.count, count + 1, "intercepts");
    CHECK_EQ(h->access, ACCESS_WRITE, "access");
}

/* Interrupts that VTL 1 asserts */

struct assertion {
    uint64_t control, dest;
    uint32_t vector;
    uint32_t vtl;
    uint64_t status;
};

static void assert_here(void *v)
{
    struct assertion *a = v;
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[1] = a->control;
    in[2] = a->dest;
    in[3] = a->vector | (uint64_t)a->vtl << 32;
    a->status = hv_call(HVCALL_ASSERT_INTERRUPT, in, NULL);
}

static uint64_t assert_interrupt(struct assertion a)
{
    in_vtl1(assert_here, &a);
    return a.status;
}

static void assert_to_itself(void *v)
{
    uint32_t before = this_cpu()->irqs[VECTOR];

    assert_here(v);
    irq_enable();
    CHECK(WAIT_FOR(this_cpu()->irqs[VECTOR] == before + 1), "VTL 1 gets it");
    irq_disable();
}

TEST(vsm_assert, "VM-061", .need = NEED)
{
    struct cpu *me = this_cpu();
    uint32_t before, nmis;
    struct assertion a;

    begin();
    irq_set(VECTOR, NULL);
    irq_enable();
    before = me->irqs[VECTOR];
    nmis = me->irqs[2];
    CHECK_EQ(assert_interrupt((struct assertion) { 0, me->apic_id, VECTOR }),
             HV_SUCCESS, "fixed");
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "fixed");
    CHECK_EQ(assert_interrupt((struct assertion) { 1, me->apic_id, VECTOR }),
             HV_SUCCESS, "lowest priority");
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 2), "lowest priority");
    CHECK_EQ(assert_interrupt((struct assertion) { 4, me->apic_id, 0 }),
             HV_SUCCESS, "NMI");
    CHECK(WAIT_FOR(me->irqs[2] == nmis + 1), "NMI");
    if (!me->x2apic) {
        apic_write(0x0D0, 1 << 24);
        CHECK_EQ(assert_interrupt((struct assertion) { 1ull << 33, 1, VECTOR }),
                 HV_SUCCESS, "logical");
        CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 3), "logical");
        CHECK_EQ(assert_interrupt((struct assertion) { 1ull << 33, 2, VECTOR }),
                 HV_SUCCESS, "another");
    }
    a = (struct assertion) { 0, me->apic_id, VECTOR, 1 };
    before = me->irqs[VECTOR];
    in_vtl1(assert_to_itself, &a);
    CHECK_EQ(a.status, HV_SUCCESS, "to itself");
    CHECK_EQ(me->irqs[VECTOR], before, "VTL 0's");

    for (int vector = 0; vector < 16; vector++) {
        CHECK_EQ(assert_interrupt((struct assertion) { 0, 0, vector }),
                 HV_INVALID_PARAMETER, "vector %d", vector);
    }
    CHECK_EQ(assert_interrupt((struct assertion) { 0, 0, 256 }),
             HV_INVALID_PARAMETER, "vector 256");
    CHECK_EQ(assert_interrupt((struct assertion) { 4, 0, VECTOR }),
             HV_INVALID_PARAMETER, "NMI with a vector");
    CHECK_EQ(assert_interrupt((struct assertion) { 4, 0, 0, 1 }),
             HV_INVALID_PARAMETER, "NMI of VTL 1");
    for (int type = 2; type < 12; type++) {
        if (type != 4 && type != 7) {
            CHECK_EQ(assert_interrupt((struct assertion) { type, 0, VECTOR }),
                     HV_INVALID_PARAMETER, "type %d", type);
        }
    }
    for (int bit = 34; bit < 64; bit++) {
        CHECK_EQ(assert_interrupt((struct assertion) { 1ull << bit, 0, VECTOR }),
                 HV_INVALID_PARAMETER, "bit %d", bit);
    }
    CHECK_EQ(assert_interrupt((struct assertion) { 0, 1ull << 32, VECTOR }),
             HV_INVALID_PARAMETER, "destination");
    for (int bit = 1; bit < 32; bit++) {
        CHECK_EQ(assert_interrupt((struct assertion) { 0, 0, VECTOR,
                                                       1u << bit }),
                 HV_INVALID_PARAMETER, "VTL, bit %d", bit);
    }
    a = (struct assertion) { 0, me->apic_id, VECTOR };
    assert_here(&a);
    CHECK_EQ(a.status, HV_ACCESS_DENIED, "from VTL 0");
}

/* Pinned pages */

struct pin {
    uint64_t call, reserved, range, status;
};

static void pin_here(void *v)
{
    struct pin *p = v;
    uint64_t *in = page_alloc();

    in[0] = p->reserved;
    in[1] = 0x100000;           /* the first of two is good */
    in[2] = p->range;
    p->status = hv_call(p->call | HV_REPS(2), in, NULL);
}

#define LEVEL       (1ull << 32)
#define NONE        0xFFFFFFFFu
#define NMI         4
#define INIT        5
#define EXTINT      7

static void expect(struct assertion a, uint64_t status, const char *what)
{
    CHECK_EQ(assert_interrupt(a), status, "%s", what);
}

TEST(vsm_assert_level, "VM-059,VM-060,VM-063", .need = NEED)
{
    struct cpu *me = this_cpu();
    uint32_t id = me->apic_id, before;

    begin();
    irq_set(VECTOR, NULL);
    irq_disable();
    before = me->irqs[VECTOR];
    expect((struct assertion) { LEVEL, id, VECTOR }, HV_SUCCESS, "level");
    CHECK(apic_bit(APIC_IRR, VECTOR), "IRR, level");
    expect((struct assertion) { 0, id, NONE }, HV_SUCCESS, "edge's end");
    CHECK(apic_bit(APIC_IRR, VECTOR), "IRR after the end of an edge");
    expect((struct assertion) { LEVEL, id, NONE }, HV_SUCCESS, "level's end");
    CHECK(!apic_bit(APIC_IRR, VECTOR), "IRR after the end of a level");
    irq_enable();
    irq_disable();
    CHECK_EQ(me->irqs[VECTOR], before, "interrupts");

    expect((struct assertion) { 0, id, VECTOR }, HV_SUCCESS, "edge");
    expect((struct assertion) { LEVEL, id, NONE }, HV_SUCCESS, "level's end");
    CHECK(apic_bit(APIC_IRR, VECTOR), "IRR, edge");
    expect((struct assertion) { LEVEL, id, VECTOR_INT }, HV_SUCCESS, "level");
    expect((struct assertion) { 0, id, VECTOR_INT }, HV_SUCCESS, "edge as well");
    expect((struct assertion) { LEVEL, id, NONE }, HV_SUCCESS, "level's end");
    CHECK(apic_bit(APIC_IRR, VECTOR_INT), "IRR, edge as well");
    irq_set(VECTOR_INT, NULL);
    irq_enable();
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "edge");

    expect((struct assertion) { LEVEL, id, VECTOR }, HV_SUCCESS, "level");
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 2), "level");
    expect((struct assertion) { LEVEL, id, NONE }, HV_SUCCESS, "too late");
    CHECK_EQ(me->irqs[VECTOR], before + 2, "interrupts");

    for (int type = NMI; type <= INIT; type++) {
        for (uint32_t vector = 1; vector < 256; vector++) {
            expect((struct assertion) { type, id, vector },
                   HV_INVALID_PARAMETER, "NMI or INIT with a vector");
        }
        expect((struct assertion) { type, id, NONE }, HV_INVALID_PARAMETER,
               "NMI or INIT to end");
    }
    expect((struct assertion) { 0, id, 256 }, HV_INVALID_PARAMETER, "256");
    expect((struct assertion) { 0, id, NONE - 1 }, HV_INVALID_PARAMETER,
           "nearly none");
    /* Where VTL 1 is, INIT is dropped */
    expect((struct assertion) { INIT, id, 0 }, HV_SUCCESS, "INIT");
}

static void clear_here(void *status)
{
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    *(uint64_t *)status = hv_call(HVCALL_CLEAR_INTERRUPT, in, NULL);
}

static uint64_t clear_interrupt(void)
{
    uint64_t status;

    in_vtl1(clear_here, &status);
    return status;
}

#define SVR_ENABLE  0x100

TEST(vsm_assert_external, "VM-057,VM-058,VM-062", .need = NEED)
{
    struct cpu *me = this_cpu();
    uint32_t svr = apic_read(APIC_SVR), before, other;
    uint64_t status;

    begin();
    irq_set(VECTOR, irq_no_eoi);
    irq_set(VECTOR_INT, irq_no_eoi);
    irq_disable();
    before = me->irqs[VECTOR];
    other = me->irqs[VECTOR_INT];
    clear_here(&status);
    CHECK_EQ(status, HV_ACCESS_DENIED, "clear, from VTL 0");
    CHECK_EQ(clear_interrupt(), HV_NOT_ACKNOWLEDGED, "nothing to clear");
    expect((struct assertion) { EXTINT, 1, VECTOR }, HV_INVALID_PARAMETER,
           "destination");
    expect((struct assertion) { EXTINT, 0, VECTOR, 1 }, HV_INVALID_PARAMETER,
           "VTL 1");
    expect((struct assertion) { EXTINT | LEVEL, 0, VECTOR },
           HV_INVALID_PARAMETER, "level");
    expect((struct assertion) { EXTINT, 0, 256 }, HV_INVALID_PARAMETER, "256");

    /* Taken back, in time */
    expect((struct assertion) { EXTINT, 0, VECTOR }, HV_SUCCESS, "assertion");
    CHECK_EQ(clear_interrupt(), HV_NOT_ACKNOWLEDGED, "not acknowledged");
    expect((struct assertion) { EXTINT, 0, NONE }, HV_SUCCESS, "end");
    irq_enable();
    irq_disable();
    CHECK_EQ(me->irqs[VECTOR], before, "interrupts");

    /* Replaced; neither priority nor a disabled APIC matters */
    expect((struct assertion) { EXTINT, 0, VECTOR }, HV_SUCCESS, "assertion");
    expect((struct assertion) { EXTINT, 0, VECTOR_INT }, HV_SUCCESS, "another");
    write_cr8(15);
    apic_write(APIC_SVR, svr & ~SVR_ENABLE);
    irq_enable();
    CHECK(WAIT_FOR(me->irqs[VECTOR_INT] == other + 1), "the second one");
    irq_disable();
    apic_write(APIC_SVR, svr);
    write_cr8(0);
    CHECK_EQ(me->irqs[VECTOR], before, "the first one");

    /* No other before it is cleared */
    expect((struct assertion) { EXTINT, 0, VECTOR }, HV_ACKNOWLEDGED,
           "acknowledged");
    expect((struct assertion) { EXTINT, 0, NONE }, HV_ACKNOWLEDGED,
           "acknowledged");
    irq_enable();
    irq_disable();
    CHECK_EQ(me->irqs[VECTOR], before, "interrupts");
    CHECK_EQ(clear_interrupt(), HV_SUCCESS, "clear");
    CHECK_EQ(clear_interrupt(), HV_NOT_ACKNOWLEDGED, "clear twice");
    /* With one of the APIC's behind it */
    irq_set(VECTOR, NULL);
    apic_self_ipi(VECTOR);
    expect((struct assertion) { EXTINT, 0, VECTOR_INT }, HV_SUCCESS, "again");
    irq_enable();
    CHECK(WAIT_FOR(me->irqs[VECTOR_INT] == other + 2), "again");
    CHECK(WAIT_FOR(me->irqs[VECTOR] == before + 1), "the APIC's");
    CHECK_EQ(clear_interrupt(), HV_SUCCESS, "clear");
}

TEST(vsm_pin, "HC-032,HC-044", .need = NEED)
{
    static const struct {
        uint64_t range, status;
    } ranges[] = {
        { 0x100000, HV_REPS(2) }, { 0x1007FF, HV_REPS(2) },
        { 0x200800, HV_REPS(2) }, { 0x201800, HV_REPS(2) },
        { 0x202800, HV_REPS(1) | HV_INVALID_PARAMETER },
        { 1ull << 52, HV_REPS(1) | HV_INVALID_PARAMETER },
        { (1ull << 52) - 0x1000 + 1, HV_REPS(1) | HV_INVALID_PARAMETER },
        { (1ull << 52) - 0x1000, HV_REPS(2) },
    };

    begin();
    for (int i = 0; i < ARRAY_SIZE(ranges); i++) {
        for (uint64_t call = HVCALL_PIN; call <= HVCALL_UNPIN; call++) {
            struct pin p = { call, 0, ranges[i].range };

            in_vtl1(pin_here, &p);
            CHECK_EQ(p.status, ranges[i].status, "range 0x%lx", p.range);
            p.reserved = 1;
            in_vtl1(pin_here, &p);
            CHECK_EQ(p.status, HV_INVALID_PARAMETER, "reserved");
            p.reserved = 0;
            pin_here(&p);
            CHECK_EQ(p.status, HV_ACCESS_DENIED, "from VTL 0");
        }
    }
}
