/*
 * Hyper-V VTL protections (TLFS 15.9): setting and asking for them, and what
 * devices and hypercalls of VTL 0 see of memory then
 *
 * What instructions see is in tests/guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "libqos/hyperv.h"

#define CONFIG_ENABLE           1
#define CONFIG_DEFAULT(mask)    ((uint64_t)(mask) << 1)

#define R   1
#define W   2
#define KX  4
#define UX  8
#define ALL 15

#define SECRET      0x400000
#define APIC_PAGE   0xfee00

/* As 64-bit words of HvCallModifyVtlProtectionMask's header */
typedef struct Header {
    uint64_t partition;
    uint64_t rest;
} Header;

#define MASK(mask)      { UINT64_MAX, (mask) }
#define TARGET(vtl)     ((uint64_t)(0x10 | (vtl)) << 32)

static uint16_t modify(QTestState *s, Header h, unsigned start, unsigned nr,
                       const uint64_t *pages, unsigned *done)
{
    uint8_t in[QHV_PAGE];
    uint64_t result;
    uint16_t status;
    unsigned i;

    stq_le_p(in, h.partition);
    stq_le_p(in + 8, h.rest);
    for (i = 0; i < nr; i++) {
        stq_le_p(in + 16 + i * 8, pages[i]);
    }
    status = qhv_hcall_mem(s, 0, HC_MODIFY_VTL_PROTECTION_MASK | HC_REPS(nr) |
                           HC_START(start), in, 16 + nr * 8, &result);
    if (done) {
        *done = (result >> 32) & 0xfff;
    }
    return status;
}

static uint16_t modify_one(QTestState *s, Header h, uint64_t gpa)
{
    uint64_t page = gpa / QHV_PAGE;

    return modify(s, h, 0, 1, &page, NULL);
}

static uint16_t config(QTestState *s, uint64_t val)
{
    return qhv_set_vp_reg(s, 0, QHV_SELF, REG_VSM_PARTITION_CONFIG, val, 0);
}

/* In VTL 1, which has enabled nothing yet */
static QTestState *start_vtl1(const char *extra)
{
    QTestState *s = qhv_start(1, QHV_ALL ",hv-vsm=on", extra);

    qhv_set_guest_os_id(s);
    qhv_enable_vtl1(s, 0);
    qhv_vtl(s, 0, 1);
    qhv_set_guest_os_id(s);
    return s;
}

static QTestState *start(const char *extra)
{
    QTestState *s = start_vtl1(extra);

    g_assert_cmphex(config(s, CONFIG_ENABLE | CONFIG_DEFAULT(ALL)), ==,
                    ST_SUCCESS);
    return s;
}

static void test_enable(void)
{
    static const Header all = MASK(ALL);
    QTestState *s = start_vtl1(NULL);
    unsigned i;

    g_assert_cmphex(modify_one(s, all, SECRET), ==, ST_ACCESS_DENIED);
    /* The default has to include reading and writing, and be of a valid form */
    for (i = 0; i < 16; i++) {
        if ((i & (R | W)) != (R | W)) {
            g_assert_cmphex(config(s, CONFIG_ENABLE | CONFIG_DEFAULT(i)), ==,
                            ST_INVALID_REGISTER_VALUE);
        }
    }
    g_assert_cmphex(modify_one(s, all, SECRET), ==, ST_ACCESS_DENIED);
    g_assert_cmphex(qhv_allowed(s, 0, SECRET), ==, ALL);
    g_assert_cmphex(config(s, CONFIG_ENABLE | CONFIG_DEFAULT(R | W)), ==,
                    ST_SUCCESS);
    g_assert_cmphex(qhv_allowed(s, 0, SECRET), ==, R | W);
    g_assert_cmphex(modify_one(s, all, SECRET), ==, ST_SUCCESS);
    g_assert_cmphex(qhv_allowed(s, 0, SECRET), ==, ALL);
    g_assert_cmphex(qhv_allowed(s, 0, SECRET + QHV_PAGE), ==, R | W);

    /* It stays as it is */
    g_assert_cmphex(config(s, CONFIG_DEFAULT(R | W)), ==,
                    ST_INVALID_REGISTER_VALUE);
    g_assert_cmphex(config(s, CONFIG_ENABLE | CONFIG_DEFAULT(ALL)), ==,
                    ST_INVALID_REGISTER_VALUE);
    g_assert_cmphex(qhv_allowed(s, 0, SECRET + QHV_PAGE), ==, R | W);
    qtest_quit(s);
}

static void test_masks(void)
{
    QTestState *s = start(NULL);
    unsigned i;

    for (i = 0; i < 16; i++) {
        Header h = MASK(i);
        uint64_t gpa = SECRET + i * QHV_PAGE;
        bool valid = !i || (i & R);

        g_assert_cmphex(modify_one(s, h, gpa), ==,
                        valid ? ST_SUCCESS : ST_INVALID_PARAMETER);
        g_assert_cmphex(qhv_allowed(s, 0, gpa), ==, valid ? i : ALL);
    }
    for (i = 4; i < 32; i++) {
        Header h = MASK(ALL | 1u << i);

        g_assert_cmphex(modify_one(s, h, SECRET), ==, ST_INVALID_PARAMETER);
    }
    /* To and fro */
    for (i = 0; i < 16; i++) {
        if (!i || (i & R)) {
            qhv_protect(s, 0, SECRET, i);
            g_assert_cmphex(qhv_allowed(s, 0, SECRET), ==, i);
        }
    }
    qtest_quit(s);
}

static void test_header(void)
{
    static const Header ok = MASK(R);
    QTestState *s = start(NULL);
    unsigned i;

    for (i = 0; i < 8; i++) {
        Header h = { 2 + i, R };

        g_assert_cmphex(modify_one(s, h, SECRET), ==, ST_INVALID_PARTITION_ID);
    }
    /* Reserved bits of InputVtl, a target without "use it", and padding */
    for (i = 37; i < 64; i++) {
        Header h = MASK(R | 1ull << i);

        g_assert_cmphex(modify_one(s, h, SECRET), ==, ST_INVALID_PARAMETER);
    }
    for (i = 1; i < 16; i++) {
        Header h = MASK(R | TARGET(i));

        g_assert_cmphex(modify_one(s, h, SECRET), ==, ST_INVALID_PARAMETER);
    }
    g_assert_cmphex(qhv_allowed(s, 0, SECRET), ==, ALL);
    g_assert_cmphex(modify_one(s, (Header) MASK(R | TARGET(0)), SECRET), ==,
                    ST_SUCCESS);
    g_assert_cmphex(qhv_allowed(s, 0, SECRET), ==, R);

    /* VTL 0 has nobody below it */
    qhv_vtl(s, 0, 0);
    g_assert_cmphex(modify_one(s, ok, SECRET), ==, ST_INVALID_PARAMETER);
    g_assert_cmphex(modify_one(s, (Header) MASK(ALL | TARGET(0)), SECRET), ==,
                    ST_INVALID_PARAMETER);
    g_assert_cmphex(modify_one(s, (Header) MASK(ALL | TARGET(1)), SECRET), !=,
                    ST_SUCCESS);
    g_assert_cmphex(qhv_allowed(s, 0, SECRET), ==, R);
    qtest_quit(s);
}

static void test_list(void)
{
    static const Header h = MASK(R);
    /* RAM ends at 64 MiB; above is a hole, and the APIC */
    static const uint64_t bad[] = { APIC_PAGE, 64 << 8, 1ull << 40,
                                    UINT64_MAX };
    QTestState *s = start(NULL);
    unsigned i, j, done;

    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        uint64_t gpa = SECRET + i * 16 * QHV_PAGE;
        uint64_t pages[4] = { gpa / QHV_PAGE, gpa / QHV_PAGE + 1, bad[i],
                              gpa / QHV_PAGE + 3 };

        g_assert_cmphex(modify(s, h, 1, 4, pages, &done), ==,
                        ST_INVALID_PARAMETER);
        g_assert_cmpuint(done, ==, 2);
        for (j = 0; j < 4; j++) {
            g_assert_cmphex(qhv_allowed(s, 0, gpa + j * QHV_PAGE), ==,
                            j == 1 ? R : ALL);
        }
    }
    qtest_quit(s);
}

static void test_check_access(void)
{
    QTestState *s = start(NULL);
    uint8_t in[24] = {}, out[8];
    unsigned mask, desired, i;

    stq_le_p(in, UINT64_MAX);
    stq_le_p(in + 16, SECRET / QHV_PAGE);
    for (mask = 0; mask < 16; mask++) {
        if (mask && !(mask & R)) {
            continue;
        }
        qhv_protect(s, 0, SECRET, mask);
        in[8] = 0x10;
        for (desired = 0; desired < 16; desired++) {
            in[9] = desired;
            g_assert_cmphex(qhv_hcall_mem(s, 0, HC_CHECK_VTL_ACCESS |
                                          HC_REPS(1), in, sizeof(in), NULL),
                            ==, ST_SUCCESS);
            qtest_memread(s, QHV_OUT, out, sizeof(out));
            g_assert_cmphex(out[0], ==, !!(desired & ~mask));
            g_assert_cmphex(out[1], ==, desired & ~mask);
        }
        /* Nobody denies VTL 1 anything */
        in[8] = 0;
        g_assert_cmphex(qhv_hcall_mem(s, 0, HC_CHECK_VTL_ACCESS | HC_REPS(1),
                                      in, sizeof(in), NULL), ==, ST_SUCCESS);
        g_assert_cmphex(qtest_readq(s, QHV_OUT), ==, 0);
    }
    in[9] = 0x10;
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_CHECK_VTL_ACCESS | HC_REPS(1), in,
                                  sizeof(in), NULL), ==, ST_INVALID_PARAMETER);
    in[9] = ALL;
    for (i = 10; i < 16; i++) {
        in[i] = 1;
        g_assert_cmphex(qhv_hcall_mem(s, 0, HC_CHECK_VTL_ACCESS | HC_REPS(1),
                                      in, sizeof(in), NULL), ==,
                        ST_INVALID_PARAMETER);
        in[i] = 0;
    }
    /* VTL 0 may ask about itself only */
    qhv_vtl(s, 0, 0);
    in[8] = 0x11;
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_CHECK_VTL_ACCESS | HC_REPS(1), in,
                                  sizeof(in), NULL), ==, ST_ACCESS_DENIED);
    qtest_quit(s);
}

/* A hundred thousand pages, each second one */
static void test_many(void)
{
    enum { PAGES = 100000, EACH = 510 };
    QTestState *s = start("-m 1G");
    uint64_t pages[EACH];
    Header h = MASK(R);
    unsigned i, n;

    for (i = 0; i < PAGES; i += n) {
        for (n = 0; n < EACH && i + n < PAGES; n++) {
            pages[n] = 0x1000 + (i + n) * 2;
        }
        g_assert_cmphex(modify(s, h, 0, n, pages, NULL), ==, ST_SUCCESS);
    }
    for (i = 0; i < PAGES; i += 997) {
        uint64_t gpa = (0x1000 + i * 2ull) * QHV_PAGE;

        g_assert_cmphex(qhv_allowed(s, 0, gpa), ==, R);
        g_assert_cmphex(qhv_allowed(s, 0, gpa + QHV_PAGE), ==, ALL);
    }
    qtest_quit(s);
}

static void test_reset(void)
{
    static const Header h = MASK(R);
    QTestState *s = start(NULL);

    qhv_protect(s, 0, SECRET, 0);
    qtest_system_reset(s);
    qhv_setup_apic(s, 1);
    qhv_set_guest_os_id(s);
    g_assert_cmphex(qhv_allowed(s, 0, SECRET), ==, ALL);
    qhv_enable_vtl1(s, 0);
    qhv_vtl(s, 0, 1);
    qhv_set_guest_os_id(s);
    g_assert_cmphex(modify_one(s, h, SECRET), ==, ST_ACCESS_DENIED);
    g_assert_cmphex(qhv_allowed(s, 0, SECRET), ==, ALL);
    qtest_quit(s);
}

/* A page that VTL 0 names for a hypercall */
static void test_hypercall_pages(void)
{
    static const uint8_t header[16] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff,
    };
    QTestState *s = start(NULL);
    uint64_t call = HC_GET_VP_REGISTERS | HC_REPS(1);

    qtest_memset(s, SECRET, 0, QHV_PAGE);
    qtest_memwrite(s, SECRET, header, sizeof(header));
    qtest_writel(s, SECRET + 16, 0x00090003);
    qtest_memwrite(s, QHV_IN, header, sizeof(header));
    qtest_writel(s, QHV_IN + 16, 0x00090003);

    qhv_protect(s, 0, SECRET, 0);
    g_assert_cmphex(qhv_hcall(s, 0, call, SECRET, QHV_OUT, NULL), ==,
                    ST_SUCCESS);
    qtest_memwrite(s, QHV_IN, header, sizeof(header));
    qtest_writel(s, QHV_IN + 16, 0x00090003);
    qhv_vtl(s, 0, 0);
    g_assert_cmphex(qhv_hcall(s, 0, call, QHV_IN, QHV_OUT, NULL), ==,
                    ST_SUCCESS);
    g_assert_cmphex(qhv_hcall(s, 0, call, SECRET, QHV_OUT, NULL), ==,
                    ST_INVALID_HYPERCALL_INPUT);
    g_assert_cmphex(qhv_hcall(s, 0, call, QHV_IN, SECRET, NULL), !=,
                    ST_SUCCESS);

    qhv_vtl(s, 0, 1);
    qhv_protect(s, 0, SECRET, R);
    qhv_vtl(s, 0, 0);
    g_assert_cmphex(qhv_hcall(s, 0, call, SECRET, QHV_OUT, NULL), ==,
                    ST_SUCCESS);
    qtest_memwrite(s, QHV_IN, header, sizeof(header));
    qtest_writel(s, QHV_IN + 16, 0x00090003);
    g_assert_cmphex(qhv_hcall(s, 0, call, QHV_IN, SECRET, NULL), !=,
                    ST_SUCCESS);
    g_assert_cmphex(qtest_readq(s, SECRET), ==, UINT64_MAX);
    qtest_quit(s);
}

/* VTL 0 does not get a page of its own over one that it may not write */
static void test_overlays(void)
{
    static const uint32_t overlays[] = {
        MSR_HYPERCALL, MSR_REFERENCE_TSC, MSR_SIMP, MSR_SIEFP,
        MSR_VP_ASSIST_PAGE,
    };
    QTestState *s = start(NULL);
    unsigned i, mask;

    for (i = 0; i < ARRAY_SIZE(overlays); i++) {
        for (mask = 0; mask < 16; mask++) {
            if (mask && !(mask & R)) {
                continue;
            }
            qhv_vtl(s, 0, 1);
            qhv_protect(s, 0, SECRET, mask);
            qtest_memset(s, SECRET, 0x5a, QHV_PAGE);
            qhv_vtl(s, 0, 0);
            qhv_wrmsr(s, 0, overlays[i], SECRET | 1);
            g_assert_cmphex(qtest_readb(s, SECRET + 2048) == 0x5a, ==,
                            !(mask & W));
            qhv_wrmsr(s, 0, overlays[i], 0);
            g_assert_cmphex(qtest_readb(s, SECRET + 2048), ==, 0x5a);
        }
    }

    /* And VTL 1 does not take what VTL 0 has one over */
    qhv_set(s, 0, MSR_SIMP, SECRET | 1);
    qhv_vtl(s, 0, 1);
    g_assert_cmphex(modify_one(s, (Header) MASK(R), SECRET), ==,
                    ST_OPERATION_DENIED);
    g_assert_cmphex(modify_one(s, (Header) MASK(R | W), SECRET), ==,
                    ST_SUCCESS);
    qhv_vtl(s, 0, 0);
    qhv_set(s, 0, MSR_SIMP, 0);
    qhv_vtl(s, 0, 1);
    qhv_protect(s, 0, SECRET, 0);
    qtest_quit(s);
}

#define FW_CFG_DMA          0x514
#define FW_CFG_DMA_ERROR    1
#define FW_CFG_DMA_READ     2
#define FW_CFG_DMA_SELECT   8

/* Have fw_cfg write "QEMU" to @gpa; returns what it leaves of its command */
static uint32_t fw_cfg_read(QTestState *s, uint64_t gpa)
{
    uint64_t command = 0x300000;

    qtest_writel(s, command, cpu_to_be32(FW_CFG_DMA_READ | FW_CFG_DMA_SELECT));
    qtest_writel(s, command + 4, cpu_to_be32(4));
    qtest_writeq(s, command + 8, cpu_to_be64(gpa));
    qtest_outl(s, FW_CFG_DMA, 0);
    qtest_outl(s, FW_CFG_DMA + 4, cpu_to_be32(command));
    return be32_to_cpu(qtest_readl(s, command));
}

static void test_dma(void)
{
    QTestState *s = start(NULL);

    qtest_writel(s, SECRET, 0x12345678);
    qhv_protect(s, 0, SECRET, R);
    fw_cfg_read(s, SECRET);
    g_assert_cmphex(qtest_readl(s, SECRET), ==, 0x12345678);
    qhv_protect(s, 0, SECRET, 0);
    fw_cfg_read(s, SECRET);
    g_assert_cmphex(qtest_readl(s, SECRET), ==, 0x12345678);
    qhv_protect(s, 0, SECRET, R | W);
    g_assert_cmphex(fw_cfg_read(s, SECRET), ==, 0);
    g_assert_cmphex(qtest_readl(s, SECRET), ==, 0x554d4551);
    /* Its command is read by DMA as well */
    qhv_protect(s, 0, 0x300000, 0);
    qtest_writel(s, SECRET, 0x12345678);
    fw_cfg_read(s, SECRET);
    g_assert_cmphex(qtest_readl(s, SECRET), ==, 0x12345678);
    qtest_quit(s);
}

#define EDU_DEV         4
#define EDU_BAR         0xfe000000ull
#define EDU_BUFFER      0x40000
#define EDU_SRC         0x80
#define EDU_DST         0x88
#define EDU_COUNT       0x90
#define EDU_COMMAND     0x98
#define EDU_RUN         1
#define EDU_TO_MEMORY   2

static void edu_config(QTestState *s, unsigned reg, uint32_t val)
{
    qtest_outl(s, 0xcf8, 0x80000000u | EDU_DEV << 11 | reg);
    qtest_outl(s, 0xcfc, val);
}

static void edu_dma(QTestState *s, uint64_t src, uint64_t dst, unsigned flags)
{
    qtest_writeq(s, EDU_BAR + EDU_SRC, src);
    qtest_writeq(s, EDU_BAR + EDU_DST, dst);
    qtest_writeq(s, EDU_BAR + EDU_COUNT, 8);
    qtest_writeq(s, EDU_BAR + EDU_COMMAND, EDU_RUN | flags);
    while (qtest_readq(s, EDU_BAR + EDU_COMMAND) & EDU_RUN) {
        qtest_clock_step(s, 100000000);
    }
}

/* A bus master; what it has read, it writes to a page of VTL 0's */
static void test_pci_dma(void)
{
    uint64_t open = 0x500000;
    QTestState *s = start("-device edu,addr=4");
    unsigned mask;

    edu_config(s, 0x10, EDU_BAR);
    edu_config(s, 0x04, 6);
    for (mask = 0; mask < 16; mask++) {
        if (mask && !(mask & R)) {
            continue;
        }
        qhv_protect(s, 0, SECRET, ALL);
        qtest_writeq(s, open, 0x1111111111111111);
        edu_dma(s, open, EDU_BUFFER, 0);
        qhv_protect(s, 0, SECRET, mask);

        qtest_writeq(s, SECRET, 0x5ec2e75ec2e75ec2);
        edu_dma(s, SECRET, EDU_BUFFER, 0);
        edu_dma(s, EDU_BUFFER, open, EDU_TO_MEMORY);
        g_assert_cmphex(qtest_readq(s, open) == 0x5ec2e75ec2e75ec2, ==,
                        !!(mask & R));

        qtest_writeq(s, open, 0x2222222222222222);
        edu_dma(s, open, EDU_BUFFER, 0);
        edu_dma(s, EDU_BUFFER, SECRET, EDU_TO_MEMORY);
        g_assert_cmphex(qtest_readq(s, SECRET), ==, mask & W ?
                        0x2222222222222222 : 0x5ec2e75ec2e75ec2);
    }
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qhv_add("protection/enable", "VS-030,VS-031,VS-032,VS-033", test_enable);
    qhv_add("protection/masks", "", test_masks);
    qhv_add("protection/header", "VS-034", test_header);
    qhv_add("protection/list", "VS-035", test_list);
    qhv_add("protection/check-access", "VS-067", test_check_access);
    qhv_add("protection/many", "", test_many);
    qhv_add("protection/reset", "VS-031", test_reset);
    qhv_add("protection/hypercall-pages", "", test_hypercall_pages);
    qhv_add("protection/overlays", "", test_overlays);
    qhv_add("protection/dma", "VS-058", test_dma);
    qhv_add("protection/pci-dma", "VS-058", test_pci_dma);
    return g_test_run();
}
