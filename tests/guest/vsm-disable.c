/*
 * VTL 1 is taken away, from a VP and from the partition, and comes back with
 * nothing of what it had.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define NEED            { F_HYPERCALL, F_VSM }

#define PORT            0x9A            /* nobody's */
#define SIRBP_VTL1      0x55000ull
#define TLB_LOCKED      2ull
#define SAID_RAX        0x1122334455667788ull
#define SAID_RCX        0x99AABBCCDDEEFF00ull

/* HvRegisterVsmVpStatus, HvRegisterVsmPartitionStatus */
#define VTL0_ONLY       (1ull << 16)
#define VTL0_AND_1      (3ull << 16)
#define PARTITION_VTL0  (1ull | 1ull << 16)

static uint64_t vp_status(struct cpu *c)
{
    struct hv_register r;

    CHECK_EQ(get_reg_vtl(c->vp, 0, HV_REG_VSM_VP_STATUS, &r), HV_SUCCESS,
             "VP status");
    return r.low;
}

static uint64_t partition_status(void)
{
    struct hv_register r;

    CHECK_EQ(get_reg_vtl(HV_VP_SELF, 0, HV_REG_VSM_PARTITION, &r), HV_SUCCESS,
             "partition status");
    return r.low;
}

static uint64_t disable_vp(uint64_t partition, uint32_t vp, uint32_t rest)
{
    uint64_t *in = page_alloc();

    in[0] = partition;
    in[1] = vp | (uint64_t)rest << 32;
    return hv_call(HVCALL_DISABLE_VP_VTL, in, NULL);
}

static uint64_t disable_partition(uint64_t partition, uint64_t rest)
{
    uint64_t *in = page_alloc();

    in[0] = partition;
    in[1] = rest;
    return hv_call(HVCALL_DISABLE_PARTITION_VTL, in, NULL);
}

/* In VTL 1 */

static void try_bad_input(void *unused)
{
    static const uint32_t no_vtl[] = { 0, 2, 3, 15, 255 };

    CHECK_EQ(disable_vp(5, HV_VP_SELF, 1), HV_INVALID_PARTITION_ID,
             "VP of another partition");
    CHECK_EQ(disable_partition(5, 1), HV_INVALID_PARTITION_ID,
             "another partition");
    for (int i = 0; i < ARRAY_SIZE(no_vtl); i++) {
        CHECK_EQ(disable_vp(HV_PARTITION_SELF, HV_VP_SELF, no_vtl[i]),
                 HV_INVALID_PARAMETER, "VTL %u of the VP", no_vtl[i]);
        CHECK_EQ(disable_partition(HV_PARTITION_SELF, no_vtl[i]),
                 HV_INVALID_PARAMETER, "VTL %u", no_vtl[i]);
    }
    for (int bit = 8; bit < 64; bit++) {
        if (bit < 32) {
            CHECK_EQ(disable_vp(HV_PARTITION_SELF, HV_VP_SELF, 1 | 1u << bit),
                     HV_INVALID_PARAMETER, "VP, bit %d", bit);
        }
        CHECK_EQ(disable_partition(HV_PARTITION_SELF, 1 | 1ull << bit),
                 HV_INVALID_PARAMETER, "bit %d", bit);
    }
    CHECK_EQ(disable_vp(HV_PARTITION_SELF, 0x1234, 1), HV_INVALID_VP_INDEX,
             "no such VP");
}

static void try_last_vp(void *unused)
{
    CHECK_EQ(disable_vp(HV_PARTITION_SELF, HV_VP_SELF, 1), HV_OPERATION_DENIED,
             "the last VP");
}

struct target {
    uint32_t vp;
    uint64_t status;
};

static void disable_another(void *v)
{
    struct target *t = v;

    t->status = disable_vp(HV_PARTITION_SELF, t->vp, 1);
}

/* What must not be there when it comes back */
static void leave_traces(void *unused)
{
    hv_wr(HV_MSR_SIRBP, SIRBP_VTL1);
    vtl_set_reg(1, HV_REG_CR_INTERCEPT, 1);
    vtl_set_reg(1, HV_REG_VSM_VINA, 0x70);
}

static void check_fresh(void *unused)
{
    CHECK_EQ(hv_rd(HV_MSR_SIRBP), 0, "SIRBP");
    CHECK_EQ(vtl_get_reg(1, HV_REG_CR_INTERCEPT), 0, "CR intercepts");
    CHECK_EQ(vtl_get_reg(1, HV_REG_VSM_VINA), 0, "VINA");
    CHECK_EQ(vtl_get_reg(1, HV_REG_VSM_SECURE_CONFIG), 0, "secure config");
}

/* Nor messages about what VTL 0 did meanwhile */
static void check_no_message(void *unused)
{
    secure_synic_on(NULL);
    CHECK_EQ(((struct hv_message *)this_cpu()->simp)->type, HV_MSG_NONE,
             "message");
}

/* With a lock that nobody else could release */
static void disable_self(void *unused)
{
    secure_last_words(SAID_RAX, SAID_RCX);
    vtl_set_reg(1, HV_REG_VSM_SECURE_CONFIG, TLB_LOCKED);
    disable_vp(HV_PARTITION_SELF, HV_VP_SELF, 1);
    CHECK(false, "nobody comes back here");
}

static SHARED bool staying, stop;

static void stay(void *unused)
{
    staying = true;
    CHECK(WAIT_FOR(stop), "it is told to stop");
}

static void install_port(void *unused)
{
    uint64_t *in = page_alloc();

    in[0] = HV_PARTITION_SELF;
    in[1] = 2;                      /* writes of a port */
    in[2] = PORT;
    CHECK_EQ(hv_call(HVCALL_INSTALL_INTERCEPT, in, NULL), HV_SUCCESS, "port");
}

static void hide(void *page)
{
    vtl_set_reg(1, HV_REG_VSM_CONFIG, 1 | MAP_ALL << 1);
    protect_page((uintptr_t)page, 0);
}

static void check_unprotected(void *unused)
{
    CHECK_EQ(vtl_get_reg(1, HV_REG_VSM_CONFIG), 1 << 5, "partition config");
}

static void try_too_early(void *unused)
{
    CHECK_EQ(disable_partition(HV_PARTITION_SELF, 1), HV_INVALID_VTL_STATE,
             "another VP has it");
}

static void disable_all(void *unused)
{
    secure_last_words(SAID_RAX, SAID_RCX);
    disable_partition(HV_PARTITION_SELF, 1);
    CHECK(false, "nobody comes back here");
}

/* In VTL 0 */

static void at_last(void (*fn)(void *))
{
    struct call c = { 0 };

    in_vtl1_at_last(fn, NULL, &c);
    CHECK_EQ(c.rax, SAID_RAX, "RAX after the last return");
    CHECK_EQ(c.rcx, SAID_RCX, "RCX after the last return");
}

static void stay_there(void *unused)
{
    in_vtl1(stay, NULL);
}

static void leave_for_good(void *unused)
{
    in_vtl1(leave_traces, NULL);
    at_last(disable_self);
    CHECK_EQ(lone_vtl_call(), EXC_UD, "VTL call");
}

static void check_fresh_there(void *unused)
{
    in_vtl1(check_fresh, NULL);
}

static void check_no_message_there(void *unused)
{
    in_vtl1(check_no_message, NULL);
}

static void load_hidden(void *v)
{
    struct call *c = v;

    c->vector = load64_safe(c->rdi, &c->rax);
}

TEST(vsm_disable_denied, "VS-065", .need = NEED)
{
    secure_on(1);
    CHECK_EQ(disable_vp(HV_PARTITION_SELF, HV_VP_SELF, 1), HV_ACCESS_DENIED,
             "VP's, from VTL 0");
    CHECK_EQ(disable_partition(HV_PARTITION_SELF, 1), HV_ACCESS_DENIED,
             "from VTL 0");
    in_vtl1(try_bad_input, NULL);
    CHECK_EQ(vp_status(this_cpu()), VTL0_AND_1, "VP status");
}

TEST(vsm_disable_vp, "VS-016,VS-027", .need = { F_HYPERCALL, F_VSM,
                                                F_HINT_REMOTE_FLUSH },
     .min_cpus = 2)
{
    struct cpu *c = cpus[1];
    struct target t = { c->vp };
    struct hv_register r;
    uint64_t *in = page_alloc();

    secure_on(2);
    /* One that runs VTL 1 keeps it */
    staying = stop = false;
    on_cpu_start(c, stay_there, NULL);
    CHECK(WAIT_FOR(staying), "VTL 1 runs there");
    in_vtl1(disable_another, &t);
    CHECK_EQ(t.status, HV_INVALID_VP_STATE, "a VP that runs it");
    stop = true;
    on_cpu_wait(c);
    CHECK_EQ(vp_status(c), VTL0_AND_1, "status");

    /* From elsewhere */
    in_vtl1(disable_another, &t);
    CHECK_EQ(t.status, HV_SUCCESS, "a VP that runs VTL 0");
    secure_gone(c);
    CHECK_EQ(vp_status(c), VTL0_ONLY, "status");
    CHECK_EQ(get_reg_vtl(c->vp, 0x11, HV_REG_RIP, &r), HV_ACCESS_DENIED,
             "registers, from VTL 0");
    in_vtl1(disable_another, &t);
    CHECK_EQ(t.status, HV_INVALID_VTL_STATE, "twice");

    /* By itself */
    secure_on(2);
    on_cpu(c, leave_for_good, NULL);
    CHECK_EQ(vp_status(c), VTL0_ONLY, "status");
    in[1] = HV_FLUSH_ALL_VPS | HV_FLUSH_ALL_SPACES;
    CHECK_EQ(hv_call(HVCALL_FLUSH_SPACE, in, NULL), HV_SUCCESS, "flush");
    secure_on(2);
    CHECK_EQ(vp_status(c), VTL0_AND_1, "status");
    on_cpu(c, check_fresh_there, NULL);
}

TEST(vsm_disable_partition, "VS-026,VS-028", .need = NEED)
{
    uint64_t *page = page_alloc(), before;
    struct call c = { .rdi = (uintptr_t)page };
    struct target t;

    secure_on(ncpus);
    page[0] = 0x5EC;
    in_vtl1(hide, page);
    in_vtl1(install_port, NULL);
    if (ncpus > 1) {
        in_vtl1(try_too_early, NULL);
    }
    for (int i = 1; i < ncpus; i++) {
        t.vp = cpus[i]->vp;
        in_vtl1(disable_another, &t);
        CHECK_EQ(t.status, HV_SUCCESS, "VP %d", i);
        secure_gone(cpus[i]);
        /* What is protected is so still, and nobody is there to be told */
        on_cpu(cpus[i], load_hidden, &c);
        CHECK_EQ(c.vector, EXC_GP, "protected page on VP %d", i);
    }
    in_vtl1(try_last_vp, NULL);
    before = partition_status();
    CHECK_EQ(before & 2, 2, "partition status");
    at_last(disable_all);

    CHECK_EQ(partition_status(), PARTITION_VTL0, "partition status after");
    CHECK_EQ(vp_status(this_cpu()), VTL0_ONLY, "VP status after");
    CHECK_EQ(lone_vtl_call(), EXC_UD, "VTL call");
    for (int i = 0; i < ncpus; i++) {
        on_cpu(cpus[i], load_hidden, &c);
        CHECK_EQ(c.vector, NO_FAULT, "page on VP %d", i);
        CHECK_EQ(c.rax, 0x5EC, "page on VP %d", i);
    }

    /* It can be had again */
    secure_on(ncpus);
    CHECK_EQ(partition_status(), before, "partition status at last");
    in_vtl1(check_unprotected, NULL);
    in_vtl1(check_fresh, NULL);
    for (int i = 0; i < ncpus; i++) {
        on_cpu(cpus[i], check_no_message_there, NULL);
    }
    outb(PORT, 0);
}
