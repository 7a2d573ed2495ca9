/*
 * Hyper-V registers of virtual processors by hypercall (TLFS 7.3, 7.10), and
 * starting one
 *
 * The table is written down from the specification, not from the
 * implementation's.  What needs a processor that runs is in tests/guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "libqos/hyperv.h"

#define CPUS            3

#define REG_ACTIVITY    0x00000004
#define REG_PENDING     0x00010002
#define REG_INTERRUPT_STATE  0x00010003
#define REG_IP          0x00020010
#define REG_XFEM        0x00040005
#define REG_VP_INDEX    0x00090003

typedef enum {
    RO,         /* reads, and writing is refused */
    RW,         /* holds @low and @high; RW_SAME: what was read */
    RW_SAME,
    ACTS,       /* writing is an action: not tried */
} Kind;

typedef struct Reg {
    uint32_t name;
    unsigned count;
    Kind kind;
    uint64_t low, high;
} Reg;

/* Ascending; of a CPU without XSAVE, thus neither Xfem nor Ymm */
static const Reg regs[] = {
    { REG_ACTIVITY, 1, RO },
    { 0x00000100, 1, RO },                          /* HypervisorVersion */
    { 0x00000200, 8, RO },                          /* features */
    { 0x00000210, 5, RW, 0x1234567812345678 },      /* GuestCrashP */
    { 0x00000215, 1, ACTS },                        /* GuestCrashCtl */
    { 0x00000230, 1, ACTS },                        /* SystemReset */
    { 0x00000240, 2, RO },                          /* frequencies */
    { 0x00000260, 1, RW_SAME },                     /* DebugDeviceOptions */
    { REG_PENDING, 1, RW, 3 << 1 | 1 << 4 | 13 << 16 | 5ull << 32 | 1 },
    { 0x00010003, 1, RW, 3 },                       /* InterruptState */
    { 0x00020000, 16, RW, 0x8765432112345678 },     /* Rax to R15 */
    { REG_IP, 1, RW, 0x7fff12345678 },
    { 0x00020011, 1, RW, 0x246 },                   /* Rflags */
    { 0x00030000, 16, RW, 1, UINT64_MAX },          /* Xmm */
    { 0x00030010, 8, RW, 5, 0xffff },               /* FpMmx */
    { 0x00030018, 1, RW, 0x12340042b8ff037f, 7 },   /* FpControlStatus */
    { 0x00030019, 1, RW, 9, 0xffff00001f80 },       /* XmmControlStatus */
    { 0x00040000, 1, RW, 0x60000010 },              /* Cr0 */
    { 0x00040001, 1, RW, UINT64_MAX },              /* Cr2 */
    { 0x00040002, 1, RW, 0x123456000 },             /* Cr3 */
    { 0x00040003, 1, RW, 0x6b0 },                   /* Cr4 */
    { 0x00040004, 1, RW, 7 },                       /* Cr8 */
    { 0x00050000, 4, RW, 0x1000 },                  /* Dr0 to Dr3 */
    { 0x00050004, 1, RW, 0xffff0ff1 },              /* Dr6 */
    { 0x00050005, 1, RW, 0x402 },                   /* Dr7 */
    { 0x00060000, 4, RW, 0x12345678, 0xa09b0008ffffffff },  /* Es, Cs, Ss, Ds */
    { 0x00060004, 4, RW, 0x7fff00000000, 0xc0930010ffffffff },  /* Fs to Tr */
    { 0x00070000, 2, RW, 0x1234000000000000, 0xffff800000000000 },
    { 0x00080000, 1, RO },                          /* Tsc */
    { 0x00080001, 1, RW, 0x801 },                   /* Efer */
    { 0x00080002, 1, RW, 0xffff800000001000 },      /* KernelGsBase */
    { 0x00080003, 1, RW_SAME },                     /* ApicBase */
    { 0x00080004, 1, RW, 0x0007010600070406 },      /* Pat */
    { 0x00080005, 1, RW, 0x10 },                    /* SysenterCs */
    { 0x00080006, 2, RW, 0xffff800000001000 },
    { 0x00080008, 1, RW, 0x1234567812345678 },      /* Star */
    { 0x00080009, 2, RW, 0xffff800000001000 },      /* Lstar, Cstar */
    { 0x0008000b, 1, RW, 0x47700 },                 /* Sfmask */
    { 0x0008000c, 2, RO },                          /* ApicId, MtrrCap */
    { 0x0008000e, 1, RW, 0xc06 },                   /* MtrrDefType */
    { 0x00080010, 8, RW, 0x80000006 },              /* MtrrPhysBase */
    { 0x00080040, 8, RW, 0xff80000800 },            /* MtrrPhysMask */
    { 0x00080070, 11, RW, 0x0606060606060606 },     /* MtrrFix */
    { 0x0008007b, 1, RW, 0x12345678 },              /* TscAux */
    { 0x00080089, 1, RO },                          /* microcode */
    { 0x000800a0, 1, RW_SAME },                     /* MiscEnable */
    { 0x000800b3, 1, RW, 0x123456000 },             /* AmdVmHsavePa */
    { 0x00084802, 2, RO },                          /* ApicId, ApicVersion */
    { 0x00084808, 1, RW, 0x50 },                    /* ApicTpr */
    { 0x0008480a, 1, RO },
    { 0x0008480d, 1, RO },
    { 0x0008480f, 26, RO },                         /* Spurious to Ese */
    { 0x00084832, 8, RO },                          /* Lvt */
    { 0x0008483e, 1, RO },
    { 0x00090000, 1, RO },                          /* VpRuntime */
    { 0x00090001, 2, RW_SAME },                     /* Hypercall, GuestOsId */
    { REG_VP_INDEX, 2, RO },                        /* and TimeRefCount */
    { 0x00090012, 1, RW, 0x30 },                    /* SyntheticTpr */
    { 0x00090013, 1, RW, QHV_ASSIST },              /* VpAssistPage */
    { 0x00090017, 1, RW, QHV_TSC },                 /* ReferenceTsc */
    { 0x000a0000, 16, RW, 0x10055 },                /* Sint */
    { 0x000a0010, 1, RW, 1 },                       /* Scontrol */
    { 0x000a0011, 1, RO },                          /* Sversion */
    { 0x000a0012, 2, RW, 0x700000 },                /* Siefp, Simp */
    { 0x000a0014, 1, RW, 0 },                       /* Eom */
    { 0x000a0015, 1, RW, 0x1234 },                  /* Sirbp */
    { 0x000b0000, 1, RW, 0x10000 },                 /* Stimer0Config */
    { 0x000b0001, 1, RW, 0x123456789 },             /* Stimer0Count */
};

/* Xfem of a CPU that has XSAVE with AVX and MPX */
static const struct {
    uint64_t value;
    uint16_t status;
} xfem[] = {
    { 3, ST_SUCCESS },
    { 7, ST_SUCCESS },
    { 0x19, ST_SUCCESS },
    { 0, ST_INVALID_PARAMETER },                    /* without x87 */
    { 2, ST_INVALID_PARAMETER },
    { 5, ST_INVALID_REGISTER_VALUE },               /* AVX without SSE */
    { 9, ST_INVALID_REGISTER_VALUE },               /* half of MPX */
    { 0x11, ST_INVALID_REGISTER_VALUE },
    { 0xe3, ST_INVALID_PARAMETER },                 /* not there */
    { 1ull << 62 | 3, ST_INVALID_PARAMETER },
    { 1, ST_SUCCESS },
};

static QTestState *start(void)
{
    QTestState *s = qhv_start(CPUS, QHV_ALL, NULL);

    qhv_set_guest_os_id(s);
    return s;
}

static uint16_t get(QTestState *s, unsigned vp, uint32_t target, uint32_t name,
                    uint64_t *low, uint64_t *high)
{
    uint64_t in[] = {
        UINT64_MAX, cpu_to_le64(target), cpu_to_le64(name),
    };
    uint16_t status = qhv_hcall_mem(s, vp, HC_GET_VP_REGISTERS | HC_REPS(1),
                                    in, sizeof(in), NULL);

    *low = qtest_readq(s, QHV_OUT);
    *high = qtest_readq(s, QHV_OUT + 8);
    return status;
}

/* Every register, the caller's own and another VP's */
static void test_walk(const void *data)
{
    uint32_t target = GPOINTER_TO_UINT(data);
    uint32_t vp = target == QHV_SELF ? 1 : target;
    QTestState *s = start();
    uint64_t low, high, low2, high2;
    unsigned i, n;

    for (i = 0; i < ARRAY_SIZE(regs); i++) {
        for (n = 0; n < regs[i].count; n++) {
            const Reg *r = &regs[i];
            uint32_t name = r->name + n;

            g_test_message("register 0x%x", name);
            g_assert_cmphex(get(s, 1, target, name, &low, &high), ==,
                            ST_SUCCESS);
            if (r->kind == ACTS) {
                continue;
            }
            if (r->kind == RO) {
                g_assert_cmphex(qhv_set_vp_reg(s, 1, target, name, low, high),
                                ==, ST_INVALID_PARAMETER);
                continue;
            }
            if (r->kind == RW) {
                low = r->low;
                high = r->high;
            }
            g_assert_cmphex(qhv_set_vp_reg(s, 1, target, name, low, high), ==,
                            ST_SUCCESS);
            g_assert_cmphex(get(s, 1, target, name, &low2, &high2), ==,
                            ST_SUCCESS);
            /* The tests' commands put back some of what the VP itself changes */
            if (target != QHV_SELF) {
                g_assert_cmphex(low2, ==, low);
                g_assert_cmphex(high2, ==, high);
            }
        }
    }
    g_assert_cmphex(get(s, 1, target, REG_VP_INDEX, &low, &high), ==,
                    ST_SUCCESS);
    g_assert_cmphex(low, ==, vp);
    qtest_quit(s);
}

static const Reg *reg_of(uint32_t name)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(regs); i++) {
        if (name >= regs[i].name && name < regs[i].name + regs[i].count) {
            return &regs[i];
        }
    }
    return NULL;
}

/* VM-029: names beside those that there are, and samples of all others */
static void test_absent(void)
{
    /* Write-only, or of things that the table leaves out for their effect */
    static const uint32_t known[] = {
        0x90010, 0x90011, 0xb0002, 0xb0003, 0xb0004, 0xb0005, 0xb0006, 0xb0007,
    };
    QTestState *s = start();
    uint64_t low, high;
    uint32_t name;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(regs); i++) {
        uint32_t beside[] = {
            regs[i].name - 1, regs[i].name + regs[i].count,
        };
        unsigned n, k;

        for (n = 0; n < ARRAY_SIZE(beside); n++) {
            for (k = 0; k < ARRAY_SIZE(known) && beside[n] != known[k]; k++) {
                continue;
            }
            if (reg_of(beside[n]) || k < ARRAY_SIZE(known)) {
                continue;
            }
            g_test_message("register 0x%x", beside[n]);
            g_assert_cmphex(get(s, 0, QHV_SELF, beside[n], &low, &high), ==,
                            ST_INVALID_PARAMETER);
            g_assert_cmphex(qhv_set_vp_reg(s, 0, QHV_SELF, beside[n], 0, 0),
                            ==, ST_INVALID_PARAMETER);
        }
    }
    for (name = 0x31; name < 0x110000; name += 0x1f1) {
        if (!reg_of(name)) {
            g_assert_cmphex(get(s, 0, QHV_SELF, name, &low, &high), ==,
                            ST_INVALID_PARAMETER);
        }
    }
    qtest_quit(s);
}

/* VM-030: no value of any register is a danger to QEMU */
static void test_fuzz(void)
{
    static const uint64_t patterns[] = {
        0, 1, 2, 0x10, 0x80000011, UINT32_MAX, UINT64_MAX, 1ull << 47,
        1ull << 63, 0x00ff00ff00ff00ff,
    };
    QTestState *s = start();
    g_autoptr(GRand) rand = g_rand_new_with_seed(1968);
    unsigned i;

    for (i = 0; i < 6000; i++) {
        const Reg *r = &regs[g_rand_int_range(rand, 0, ARRAY_SIZE(regs))];
        uint32_t name = r->name + g_rand_int_range(rand, 0, r->count);
        unsigned vp = g_rand_int_range(rand, 0, CPUS);
        unsigned target = g_rand_int_range(rand, 0, CPUS);
        uint64_t v[2], low, high;
        unsigned j;

        if (r->kind == ACTS) {
            continue;
        }
        for (j = 0; j < 2; j++) {
            v[j] = patterns[g_rand_int_range(rand, 0, ARRAY_SIZE(patterns))];
            if (g_rand_boolean(rand)) {
                v[j] ^= 1ull << g_rand_int_range(rand, 0, 64);
            }
        }
        if (g_rand_boolean(rand)) {
            v[1] = 0;
        }
        qhv_set_vp_reg(s, vp, target, name, v[0], v[1]);
        get(s, target, QHV_SELF, name, &low, &high);
        qhv_set_guest_os_id(s);
    }
    qtest_quit(s);
}

/* HV_INITIAL_VP_CONTEXT of a VP in long mode, behind the header */
static void start_context(uint64_t *in, uint32_t vp)
{
    static const uint64_t context[] = {
        0xffff800000001000, 0x5000, 2,
        0, 0xa09b0008ffffffff, 0, 0xc0930010ffffffff, 0, 0xc0930010ffffffff,
        0x1000, 0xc0930010ffffffff, 0x2000, 0xc0930010ffffffff,
        0, 0xc0930010ffffffff, 0x3000, 0x008b001800000067, 0, 0x0082000000000000,
        0x0fff000000000000, 0x4000, 0x001f000000000000, 0x6000,
        0x500, 0x80000011, 0x7000, 0x20, 0x0007010600070406,
    };
    unsigned i;

    in[0] = UINT64_MAX;
    in[1] = cpu_to_le64(vp);
    for (i = 0; i < ARRAY_SIZE(context); i++) {
        in[2 + i] = cpu_to_le64(context[i]);
    }
}

static void assert_reg(QTestState *s, uint32_t vp, uint32_t name, uint64_t want)
{
    uint64_t low, high;

    g_assert_cmphex(get(s, 0, vp, name, &low, &high), ==, ST_SUCCESS);
    g_assert_cmphex(low, ==, want);
}

/* VS-012 */
static void test_start(void)
{
    QTestState *s = start();
    uint64_t in[30];

    QEMU_BUILD_BUG_ON(sizeof(in) != 240);
    /* The boot processor has begun, the others wait for SIPI */
    assert_reg(s, 1, REG_ACTIVITY, 1);
    start_context(in, 0);
    g_assert_cmphex(qhv_hcall_mem(s, 1, HC_START_VP, in, sizeof(in), NULL), ==,
                    ST_INVALID_VP_STATE);
    start_context(in, CPUS);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_START_VP, in, sizeof(in), NULL), ==,
                    ST_INVALID_VP_INDEX);
    /* CR0 without ET */
    start_context(in, 1);
    in[2 + 24] = cpu_to_le64(0x80000001);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_START_VP, in, sizeof(in), NULL), ==,
                    ST_INVALID_REGISTER_VALUE);
    assert_reg(s, 1, REG_ACTIVITY, 1);
    assert_reg(s, 1, REG_IP, 0xfff0);

    start_context(in, 1);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_START_VP, in, sizeof(in), NULL), ==,
                    ST_SUCCESS);
    assert_reg(s, 1, REG_ACTIVITY, 0);
    assert_reg(s, 1, REG_IP, 0xffff800000001000);
    assert_reg(s, 1, 0x00020004, 0x5000);           /* RSP */
    assert_reg(s, 1, 0x00060004, 0x1000);           /* FS */
    assert_reg(s, 1, 0x00060005, 0x2000);           /* GS */
    assert_reg(s, 1, 0x00060007, 0x3000);           /* TR */
    assert_reg(s, 1, 0x00070001, 0x001f000000000000);   /* GDTR */
    assert_reg(s, 1, 0x00040000, 0x80000011);       /* CR0 */
    assert_reg(s, 1, 0x00040002, 0x7000);           /* CR3 */
    /* LMA follows */
    assert_reg(s, 1, 0x00080001, 0x500);            /* EFER */
    assert_reg(s, 2, REG_ACTIVITY, 1);
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_START_VP, in, sizeof(in), NULL), ==,
                    ST_INVALID_VP_STATE);
    qtest_quit(s);
}

/* What XSETBV refuses is refused, and changes nothing */
static void test_xfem(void)
{
    QTestState *s = qhv_start(CPUS, QHV_ALL ",+xsave,+avx,+mpx", NULL);
    uint64_t low, high, last = 1;
    unsigned i;

    qhv_set_guest_os_id(s);
    for (i = 0; i < ARRAY_SIZE(xfem); i++) {
        g_assert_cmphex(get(s, 1, 2, REG_XFEM, &low, &high), ==, ST_SUCCESS);
        g_assert_cmphex(low, ==, last);
        g_assert_cmphex(high, ==, 0);
        g_assert_cmphex(qhv_set_vp_reg(s, 1, 2, REG_XFEM, xfem[i].value, 0),
                        ==, xfem[i].status);
        if (xfem[i].status == ST_SUCCESS) {
            last = xfem[i].value;
        }
    }
    g_assert_cmphex(get(s, 1, 2, REG_XFEM, &low, &high), ==, ST_SUCCESS);
    g_assert_cmphex(low, ==, last);
    qtest_quit(s);
}

/* Is there such an event? Types and vectors as in an SVM event injection */
static bool event_exists(unsigned type, unsigned vector, bool error)
{
    /* of a processor without shadow stacks */
    static const uint32_t with_error = 1 << 8 | 0x1f << 10 | 1 << 17;

    switch (type) {
    case 0:     /* external interrupt */
        return !error && vector >= 32 && vector < 256;
    case 2:     /* NMI */
        return !error && vector == 2;
    case 3:     /* exception */
        return vector < 32 && vector != 2 &&
               error == !!(with_error & 1u << vector);
    case 4:     /* INT n */
        return !error && vector < 256;
    case 5:     /* INT1 */
        return !error && vector == 1;
    case 6:     /* INT3, INTO */
        return !error && (vector == 3 || vector == 4);
    default:
        return false;
    }
}

/* VM-036: every event that there is, and those that are none */
static void test_events(void)
{
    g_autofree char *all = NULL;
    QTestState *s = start();
    unsigned type, vector, error;

    for (type = 0; type < 8; type++) {
        for (vector = 0; vector < 260; vector++) {
            for (error = 0; error < 2; error++) {
                uint64_t event = vector << 16 | error << 4 | type << 1 | 1;

                g_assert_cmphex(qhv_set_vp_reg(s, 1, 2, REG_PENDING, event, 0),
                                ==, event_exists(type, vector, error) ?
                                ST_SUCCESS : ST_INVALID_REGISTER_VALUE);
            }
        }
    }
    g_assert_cmphex(qhv_set_vp_reg(s, 1, 2, REG_PENDING, 0, 0), ==,
                    ST_SUCCESS);

    /* only an NMI keeps others out, and none starts a VP that waits for it */
    g_assert_cmphex(qhv_set_vp_reg(s, 1, 2, REG_INTERRUPT_STATE, 0, 0), ==,
                    ST_SUCCESS);
    for (type = 0; type < 8; type++) {
        vector = type ? 3 : 0x20;
        if (event_exists(type, vector, false)) {
            g_assert_cmphex(qhv_set_vp_reg(s, 1, 2, REG_PENDING,
                                           vector << 16 | type << 1 | 1, 0),
                            ==, ST_SUCCESS);
            assert_reg(s, 2, REG_INTERRUPT_STATE, 0);
        }
    }
    assert_reg(s, 2, REG_ACTIVITY, 1);
    all = qtest_hmp(s, "info registers -a");
    g_assert_nonnull(strstr(strstr(all, "CPU#2"), "HLT=1"));
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qhv_add_row("regs/walk", "self", "VM-030,VM-032,VM-033,VM-035",
                GUINT_TO_POINTER(QHV_SELF), test_walk);
    qhv_add_row("regs/walk", "other", "VM-030,VM-032,VM-033,VM-035",
                GUINT_TO_POINTER(2), test_walk);
    qhv_add("regs/xfem", "VM-030", test_xfem);
    qhv_add("regs/events", "VM-036", test_events);
    qhv_add("regs/absent", "VM-029", test_absent);
    qhv_add("regs/fuzz", "VM-030", test_fuzz);
    qhv_add("regs/start", "VS-012", test_start);
    return g_test_run();
}
