/*
 * Hyper-V secure intercepts (TLFS 15.13): what higher trust levels want to be
 * told of, and which of them is told
 *
 * The lowest one that wants to be told is, and no other (TLFS 15.13.2).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "internal.h"

/**
 * HvSecureReg: a register that HvX64RegisterCrInterceptControl is about
 * @name: HV_REGISTER_NAME, or 0
 * @msr, @nr_msrs: the same as MSRs; none if @nr_msrs is 0
 * @read, @write: bits of the control register
 * @mask: register that says which bits matter to a write; 0 if all do
 */
typedef struct HvSecureReg {
    uint32_t name;
    uint32_t msr;
    uint8_t nr_msrs;
    uint8_t mask;
    uint32_t read;
    uint32_t write;
} HvSecureReg;

#define SECURE_REG(NAME, WRITE, ...) \
    { .name = NAME, .write = 1u << (WRITE), __VA_ARGS__ }
#define SECURE_MSR(NAME, MSR, COUNT, WRITE, ...) \
    { .name = NAME, .msr = MSR, .nr_msrs = COUNT, .write = 1u << (WRITE), \
      __VA_ARGS__ }
#define READ(BIT) .read = 1u << (BIT)

/* HV_REGISTER_CR_INTERCEPT_CONTROL */
static const HvSecureReg hv_secure_regs[] = {
    SECURE_REG(HV_X64_REGISTER_CR0, 0, .mask = HV_CR_INTERCEPT_CR0_MASK),
    SECURE_REG(HV_X64_REGISTER_CR4, 1, .mask = HV_CR_INTERCEPT_CR4_MASK),
    SECURE_REG(HV_X64_REGISTER_XFEM, 2),
    SECURE_MSR(0x000800a0, MSR_IA32_MISC_ENABLE, 1, 4, READ(3),
               .mask = HV_CR_INTERCEPT_MISC_ENABLE_MASK),
    SECURE_MSR(0x00080009, MSR_LSTAR, 1, 6, READ(5)),
    SECURE_MSR(0x00080008, MSR_STAR, 1, 8, READ(7)),
    SECURE_MSR(0x0008000a, MSR_CSTAR, 1, 10, READ(9)),
    SECURE_MSR(0x00080003, MSR_IA32_APICBASE, 1, 12, READ(11)),
    SECURE_MSR(HV_X64_REGISTER_EFER, MSR_EFER, 1, 14, READ(13)),
    SECURE_REG(HV_X64_REGISTER_GDTR, 15),
    SECURE_REG(HV_X64_REGISTER_IDTR, 16),
    SECURE_REG(HV_X64_REGISTER_LDTR, 17),
    SECURE_REG(HV_X64_REGISTER_TR, 18),
    SECURE_MSR(0x00080005, MSR_IA32_SYSENTER_CS, 1, 19),
    SECURE_MSR(0x00080006, MSR_IA32_SYSENTER_EIP, 1, 20),
    SECURE_MSR(0x00080007, MSR_IA32_SYSENTER_ESP, 1, 21),
    SECURE_MSR(0x0008000b, MSR_FMASK, 1, 22),
    SECURE_MSR(0x0008007b, MSR_TSC_AUX, 1, 23),
    SECURE_MSR(0, MSR_IA32_SGXLEPUBKEYHASH0, 4, 24),
    /* The next are newer than the TLFS: XSS, S_CET, PL0 to PL2_SSP, SSP table */
    SECURE_MSR(0, MSR_IA32_XSS, 1, 25),
    SECURE_MSR(0, 0x6a2, 1, 26),
    SECURE_MSR(0, 0x6a4, 3, 27),
    SECURE_MSR(0, 0x6a8, 1, 28),
};

void hv_intercepts_changed(HvVp *vp)
{
    uint32_t intercepts = 0;
    unsigned i;

    for (i = vp->active_vtl + 1; i < vp->partition->nr_vtls; i++) {
        if (!hv_vtl_enabled(vp, i)) {
            continue;
        }
        intercepts |= vp->partition->vtl[i].installed.types;
        if (vp->vtl[i].cr_intercept[HV_CR_INTERCEPT_CONTROL]) {
            intercepts |= HV_INTERCEPTS_REGISTER;
        }
        if (vp->vtl[i].cpuid_results.nr) {
            intercepts |= HV_INTERCEPTS_CPUID;
        }
    }
    env_archcpu(hv_env(vp))->hv_intercepts = intercepts;
}

static unsigned hv_intercepts_secure(HvVp *vp, unsigned vtl,
                                     const HvSecureReg *r, uint32_t access,
                                     uint64_t changed)
{
    unsigned i;

    for (i = vtl + 1; i < vp->partition->nr_vtls; i++) {
        const uint64_t *want = vp->vtl[i].cr_intercept;

        if (hv_vtl_enabled(vp, i) && (want[HV_CR_INTERCEPT_CONTROL] & access) &&
            (!r->mask || access == r->read || (changed & want[r->mask]))) {
            return i;
        }
    }
    return 0;
}

unsigned hv_intercepts_reg(HvVp *vp, unsigned vtl, uint32_t name, uint64_t val)
{
    HvRegValue old = {};
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(hv_secure_regs); i++) {
        const HvSecureReg *r = &hv_secure_regs[i];

        if (r->name == name) {
            if (r->mask) {
                hv_reg_get(vp, name, &old);
            }
            return hv_intercepts_secure(vp, vtl, r, r->write, old.low ^ val);
        }
    }
    return 0;
}

unsigned hv_intercepts_msr(HvVp *vp, bool write)
{
    CPUX86State *env = hv_env(vp);
    uint64_t val = deposit64(env->regs[R_EAX], 32, 32, env->regs[R_EDX]);
    uint32_t msr = env->regs[R_ECX];
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(hv_secure_regs); i++) {
        const HvSecureReg *r = &hv_secure_regs[i];

        if (msr - r->msr < r->nr_msrs) {
            /* The only one with a mask is that of MISC_ENABLE */
            return hv_intercepts_secure(vp, vp->active_vtl, r,
                                        write ? r->write : r->read,
                                        val ^ env->msr_ia32_misc_enable);
        }
    }
    return 0;
}

/* Of the trust levels above the active one, the next with such intercepts */
static unsigned hv_installed_next(HvVp *vp, unsigned vtl, uint32_t type)
{
    unsigned i;

    for (i = vtl + 1; i < vp->partition->nr_vtls; i++) {
        if (hv_vtl_enabled(vp, i) &&
            (vp->partition->vtl[i].installed.types & type)) {
            return i;
        }
    }
    return 0;
}

unsigned hv_intercepts_unknown_msr(HvVp *vp, bool write)
{
    uint8_t access = write ? HV_INTERCEPT_MASK_WRITE : HV_INTERCEPT_MASK_READ;
    unsigned i = vp->active_vtl;

    while ((i = hv_installed_next(vp, i, HV_INTERCEPTS_MSR))) {
        if (vp->partition->vtl[i].installed.msr & access) {
            break;
        }
    }
    return i;
}

unsigned hv_intercepts_io(HvVp *vp, uint16_t port, unsigned size, bool write)
{
    unsigned i = vp->active_vtl, n;

    while ((i = hv_installed_next(vp, i, HV_INTERCEPTS_IO))) {
        const uint8_t *map = vp->partition->vtl[i].installed.io[write];

        for (n = port; n < port + size; n++) {
            uint16_t p = n;

            if (map[p / 8] & (1u << (p % 8))) {
                return i;
            }
        }
    }
    return 0;
}

static bool hv_cpuid_installed(const HvInstalled *in, uint32_t leaf)
{
    unsigned i;

    for (i = 0; i < in->nr_cpuid; i++) {
        if (in->cpuid[i] == leaf) {
            return true;
        }
    }
    return false;
}

/* Returns: false if no result applies */
static bool hv_cpuid_apply(const HvCpuidResults *all, uint32_t leaf,
                           uint32_t subleaf, bool installed, uint32_t *result)
{
    /* HvCpuidResult has EAX, EBX, ECX, EDX */
    static const uint8_t regs[] = { R_EAX, R_EBX, R_ECX, R_EDX };
    bool found = false;
    unsigned i, j;

    for (i = 0; i < all->nr; i++) {
        const HvCpuidResult *r = &all->result[i];

        if (r->eax == leaf && (!r->subleaf || r->ecx == subleaf) &&
            (installed || r->always)) {
            for (j = 0; j < ARRAY_SIZE(regs); j++) {
                result[regs[j]] = (result[regs[j]] & ~r->mask[j]) |
                                  (r->val[j] & r->mask[j]);
            }
            found = true;
        }
    }
    return found;
}

unsigned hv_intercepts_cpuid(HvVp *vp, uint32_t *result)
{
    uint32_t leaf = hv_env(vp)->regs[R_EAX];
    uint32_t subleaf = hv_env(vp)->regs[R_ECX];
    unsigned i;

    for (i = vp->active_vtl + 1; i < vp->partition->nr_vtls; i++) {
        bool installed, applied;

        if (!hv_vtl_enabled(vp, i)) {
            continue;
        }
        installed = hv_cpuid_installed(&vp->partition->vtl[i].installed, leaf);
        applied = hv_cpuid_apply(&vp->vtl[i].cpuid_results, leaf, subleaf,
                                 installed, result);
        /* A result that was given beforehand saves the intercept */
        if (installed && !applied) {
            return i;
        }
    }
    return 0;
}

unsigned hv_intercepts_exception(HvVp *vp, uint8_t vector)
{
    unsigned i = vp->active_vtl;

    while ((i = hv_installed_next(vp, i, HV_INTERCEPTS_EXCEPTION))) {
        if (vp->partition->vtl[i].installed.exceptions & (1u << vector)) {
            break;
        }
    }
    return i;
}
