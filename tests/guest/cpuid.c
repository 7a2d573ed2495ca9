/*
 * What the hypervisor says of itself in CPUID (TLFS chapter 2).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

static uint32_t reg(uint32_t leaf, int r)
{
    return cpuid(leaf).reg[r];
}

static uint32_t max_leaf(void)
{
    return reg(HV_LEAF_BASE, R_EAX);
}

static bool zero_leaf(uint32_t leaf)
{
    struct cpuid c = cpuid(leaf);

    return is_filled(&c, 0, sizeof(c));
}

static void check_present_bit(void *unused)
{
    CHECK(cpuid(1).reg[R_ECX] >> 31, "leaf 1 ECX bit 31 on CPU %d",
          this_cpu()->id);
}

TEST(cpuid_present_on_all, "CP-001")
{
    for (int i = 0; i < ncpus; i++) {
        on_cpu(cpus[i], check_present_bit, NULL);
    }
}

TEST(cpuid_base_leaves, "CP-002,CP-003,CP-005,CP-007")
{
    struct cpuid c = cpuid(HV_LEAF_INTERFACE);

    CHECK(max_leaf() >= HV_LEAF_LIMITS, "maximum leaf 0x%x", max_leaf());
    CHECK(max_leaf() <= 0x400000FF, "maximum leaf 0x%x", max_leaf());
    CHECK_EQ(c.reg[R_EAX], HV_SIGNATURE, "interface signature");
    CHECK_EQ(c.reg[R_EBX], 0, "leaf 0x40000001 EBX");
    CHECK_EQ(c.reg[R_ECX], 0, "leaf 0x40000001 ECX");
    CHECK_EQ(c.reg[R_EDX], 0, "leaf 0x40000001 EDX");
    CHECK(!zero_leaf(HV_LEAF_FEATURES), "leaf 0x40000003 is empty");
}

TEST(cpuid_vendor, "CP-004")
{
    struct cpuid c = cpuid(HV_LEAF_BASE);

    /* Any text is allowed; an empty one helps nobody */
    CHECK(c.reg[R_EBX], "vendor id is empty");
}

TEST(cpuid_beyond_maximum, "CP-008")
{
    for (uint32_t leaf = max_leaf() + 1; leaf <= 0x400000FF; leaf++) {
        CHECK(zero_leaf(leaf), "leaf 0x%x is not zero", leaf);
    }
    for (uint32_t leaf = 0x4000000D; leaf < HV_LEAF_VIRT_STACK; leaf++) {
        CHECK(zero_leaf(leaf), "unused leaf 0x%x is not zero", leaf);
    }
}

TEST(cpuid_version, "CP-009,CP-010", .need = { F_HYPERCALL })
{
    struct cpuid with = cpuid(HV_LEAF_VERSION), without;

    CHECK(with.reg[R_EBX] >> 16, "major version is 0");
    hv_wr(HV_MSR_GUEST_OS_ID, 0);
    without = cpuid(HV_LEAF_VERSION);
    CHECK(is_filled(&without, 0, sizeof(without)) ||
          !memcmp(&with, &without, sizeof(with)),
          "version without a guest OS id is neither zero nor the same");
    hv_page_on();
    without = cpuid(HV_LEAF_VERSION);
    CHECK(!memcmp(&with, &without, sizeof(with)), "version changed");
}

TEST(cpuid_must_have, "CP-006,CP-012,CP-013")
{
    CHECK(has(F_HYPERCALL), "AccessHypercallMsrs");
    CHECK(has(F_VP_INDEX), "AccessVpIndex");
    CHECK_EQ(rdmsr_safe(HV_MSR_GUEST_OS_ID, NULL), NO_FAULT, "GUEST_OS_ID");
    CHECK_EQ(rdmsr_safe(HV_MSR_HYPERCALL, NULL), NO_FAULT, "HYPERCALL");
    CHECK_EQ(rdmsr_safe(HV_MSR_VP_INDEX, NULL), NO_FAULT, "VP_INDEX");
}

TEST(cpuid_no_root_privileges, "CP-014")
{
    /* AccessPartitionId (bit 1) may be granted on request */
    CHECK_EQ(reg(HV_LEAF_FEATURES, R_EBX) & 0x314D, 0, "root privileges");
}

TEST(cpuid_reserved_privileges, "CP-017")
{
    CHECK_EQ(reg(HV_LEAF_FEATURES, R_EAX) & 0xFFFF0000, 0, "EAX reserved");
    CHECK_EQ(reg(HV_LEAF_FEATURES, R_EBX) & 0xFF800600, 0, "EBX reserved");
}

static struct cpuid reference[11];

static void compare_leaves(void *unused)
{
    for (int i = 0; i < ARRAY_SIZE(reference); i++) {
        struct cpuid c = cpuid(HV_LEAF_BASE + i);

        CHECK(!memcmp(&c, &reference[i], sizeof(c)),
              "leaf 0x%x differs on CPU %d", HV_LEAF_BASE + i, this_cpu()->id);
    }
}

TEST(cpuid_same_on_all, "CP-016")
{
    for (int i = 0; i < ARRAY_SIZE(reference); i++) {
        reference[i] = cpuid(HV_LEAF_BASE + i);
    }
    for (int i = 0; i < ncpus; i++) {
        on_cpu(cpus[i], compare_leaves, NULL);
    }
}

TEST(cpuid_pairs, "CP-019,CP-020,CP-023,CP-028")
{
    CHECK(!has(F_REF_TSC) || has(F_REF_COUNTER),
          "reference TSC page without reference counter");
    CHECK(has(F_FREQUENCIES) == has(F_FREQUENCIES_PRIV),
          "frequency privilege and feature differ");
    CHECK(has(F_GUEST_IDLE) == has(F_GUEST_IDLE_PRIV),
          "guest idle privilege and feature differ");
    CHECK(!has(F_DIRECT_TIMERS) || has(F_STIMER),
          "direct timers without timers");
    CHECK_EQ(rdmsr_safe(HV_MSR_CRASH_CTL, NULL),
             has(F_CRASH) ? NO_FAULT : EXC_GP, "CRASH_CTL against EDX.10");
    CHECK_EQ(rdmsr_safe(0x40000114, NULL),
             has(F_UNHALTED_TIMER) ? NO_FAULT : EXC_GP,
             "unhalted timer against EDX.23");
}

TEST(cpuid_no_limit_no_masks, "CP-031")
{
    if (reg(HV_LEAF_LIMITS, R_EAX) == 0xFFFFFFFF) {
        CHECK_EQ(reg(HV_LEAF_HINTS, R_EAX) & 6, 0,
                 "64-VP flushes recommended without a limit of VPs");
    }
}

TEST(cpuid_limits, "CP-032,CP-033", .need = { F_VP_INDEX })
{
    uint32_t max_vp = reg(HV_LEAF_LIMITS, R_EAX);

    for (int i = 0; i < ncpus && max_vp; i++) {
        CHECK(cpus[i]->vp < max_vp, "VP index %u of at most %u", cpus[i]->vp,
              max_vp);
    }
    CHECK(!max_vp || max_vp >= ncpus, "%u VPs allowed, %d here", max_vp, ncpus);
}

TEST(cpuid_hints, "CP-030,CP-034,CP-035")
{
    uint32_t bits = reg(HV_LEAF_HINTS, R_ECX) & 0x7F;
    uint32_t real = reg(0x80000008, R_EAX) & 0xFF;

    CHECK(!bits || bits == real, "%u physical address bits, CPU has %u", bits,
          real);
    CHECK_EQ(reg(HV_LEAF_HINTS, R_ECX) >> 7, 0, "ECX reserved");
    CHECK_EQ(reg(HV_LEAF_HINTS, R_EDX), 0, "EDX reserved");
    if (ncpus > 64 && (has(F_HINT_REMOTE_FLUSH) || has(F_HINT_CLUSTER_IPI))) {
        CHECK(has(F_HINT_EX_MASKS), "more than 64 VPs without sparse sets");
    }
}

TEST(cpuid_hardware, "CP-036,CP-037")
{
    CHECK_EQ(reg(HV_LEAF_HARDWARE, R_EAX) >> 10 & 0xF, 0, "hypervisor level");
    CHECK_EQ(reg(HV_LEAF_HARDWARE, R_ECX), 0, "ECX reserved");
    CHECK_EQ(reg(HV_LEAF_HARDWARE, R_EDX), 0, "EDX reserved");
}

TEST(cpuid_nested_leaves, "CP-038,CP-040")
{
    if (has(F_HINT_EVMCS)) {
        CHECK_EQ(reg(HV_LEAF_NESTED_FEAT, R_EAX) & 0xFFFF, 0x0101,
                 "enlightened VMCS versions");
    }
    if (max_leaf() >= 0x40000009) {
        CHECK_EQ(reg(0x40000009, R_EAX) & ~0x1074, 0, "leaf 9 EAX reserved");
    }
    if (max_leaf() >= HV_LEAF_NESTED_FEAT) {
        CHECK_EQ(reg(HV_LEAF_NESTED_FEAT, R_EAX) & 0xFF810000, 0,
                 "leaf 0xA EAX reserved");
    }
}

TEST(cpuid_not_isolated, "CP-041")
{
    if (max_leaf() >= 0x4000000C && !(reg(HV_LEAF_FEATURES, R_EBX) >> 22 & 1)) {
        CHECK(zero_leaf(0x4000000C), "leaf 0x4000000C without isolation");
    }
}

TEST(cpuid_parent_leaves, "CP-047")
{
    if (max_leaf() < HV_LEAF_VIRT_STACK) {
        CHECK(zero_leaf(HV_LEAF_VIRT_STACK), "leaf 0x40000080");
    } else {
        /* "VS#1", with the leaves in between all empty */
        CHECK_EQ(reg(0x40000081, R_EAX), 0x31235356, "leaf 0x40000081");
        CHECK(max_leaf() >= 0x40000082, "maximum leaf 0x%x", max_leaf());
    }
}
