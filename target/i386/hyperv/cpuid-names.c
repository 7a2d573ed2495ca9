/*
 * Names of the bits of the hypervisor's CPUID leaves (TLFS 2.4, 4.2), for
 * people to read
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "internal.h"

static const char *const hv_privileges_low[32] = {
    [0] = "AccessVpRunTimeReg",
    [1] = "AccessPartitionReferenceCounter",
    [2] = "AccessSynicRegs",
    [3] = "AccessSyntheticTimerRegs",
    [4] = "AccessIntrCtrlRegs",
    [5] = "AccessHypercallMsrs",
    [6] = "AccessVpIndex",
    [7] = "AccessResetReg",
    [8] = "AccessStatsReg",
    [9] = "AccessPartitionReferenceTsc",
    [10] = "AccessGuestIdleReg",
    [11] = "AccessFrequencyRegs",
    [12] = "AccessDebugRegs",
    [13] = "AccessReenlightenmentControls",
    [14] = "AccessRootSchedulerReg",
    [15] = "AccessTscInvariantControls",
};

static const char *const hv_privileges_high[32] = {
    [0] = "CreatePartitions",
    [1] = "AccessPartitionId",
    [2] = "AccessMemoryPool",
    [3] = "AdjustMessageBuffers",
    [4] = "PostMessages",
    [5] = "SignalEvents",
    [6] = "CreatePort",
    [7] = "ConnectPort",
    [8] = "AccessStats",
    [11] = "Debugging",
    [12] = "CpuManagement",
    [13] = "ConfigureProfiler",
    [14] = "AccessVpExitTracing",
    [15] = "EnableExtendedGvaRangesForFlushVirtualAddressList",
    [16] = "AccessVSM",
    [17] = "AccessVpRegisters",
    [19] = "FastHypercallOutput",
    [20] = "EnableExtendedHypercalls",
    [21] = "StartVirtualProcessor",
    [22] = "Isolation",
};

static const char *const hv_feature_names[32] = {
    [0] = "MwaitDeprecated",
    [1] = "GuestDebugging",
    [2] = "PerformanceMonitors",
    [3] = "CpuDynamicPartitioning",
    [4] = "XmmFastHypercallInput",
    [5] = "GuestIdle",
    [6] = "HypervisorSleepState",
    [7] = "NumaDistanceQuery",
    [8] = "FrequencyRegs",
    [9] = "SyntheticMachineCheck",
    [10] = "GuestCrashRegs",
    [11] = "DebugRegs",
    [12] = "Npiep1",
    [13] = "DisableHypervisor",
    [14] = "ExtendedGvaRangesForFlushVirtualAddressList",
    [15] = "XmmFastHypercallOutput",
    [16] = "SvmFeatures",
    [17] = "SintPollingMode",
    [18] = "HypercallMsrLock",
    [19] = "DirectSyntheticTimers",
    [20] = "VsmPatRegister",
    [21] = "VsmBndcfgsRegister",
    [22] = "WatchdogTimer",
    [23] = "SyntheticTimeUnhaltedTimer",
    [24] = "DeviceDomains",
    [25] = "S1DeviceDomains",
    [26] = "Lbr",
    [27] = "Ipt",
    [28] = "CrossVtlFlush",
    [29] = "IdleSpecCtrl",
    [30] = "TranslateGvaFlags",
    [31] = "ApicEoiIntercept",
};

static const char *const hv_recommendations[32] = {
    [0] = "UseHypercallForAddressSpaceSwitch",
    [1] = "UseHypercallForLocalFlush",
    [2] = "UseHypercallForRemoteFlushAndLocalFlushEntire",
    [3] = "UseApicMsrs",
    [4] = "UseHvRegisterForReset",
    [5] = "UseRelaxedTiming",
    [6] = "UseDmaRemapping",
    [7] = "UseInterruptRemapping",
    [8] = "UseX2ApicMsrs",
    [9] = "DeprecateAutoEoi",
    [10] = "UseSyntheticClusterIpi",
    [11] = "UseExProcessorMasks",
    [12] = "Nested",
    [13] = "UseIntForMbecSystemCalls",
    [14] = "UseVmcsEnlightenments",
    [15] = "UseSyncedTimeline",
    [16] = "CoreSchedulerRequested",
    [17] = "UseDirectLocalFlushEntire",
    [18] = "NoNonArchitecturalCoreSharing",
    [19] = "UseX2Apic",
    [20] = "RestoreTimeOnResume",
    [21] = "UseHypercallForMmioAccess",
    [22] = "UseGpaPinningHypercall",
    [23] = "WakeVps",
};

static const char *const hv_nested_features[32] = {
    [17] = "DirectVirtualFlush",
    [18] = "FlushGuestPhysicalHypercalls",
    [19] = "EnlightenedMsrBitmap",
    [20] = "VirtualizationExceptionInPageFault",
    [21] = "NestedDebugCtl",
    [22] = "EnlightenedNptTlb",
};

static const struct {
    uint8_t leaf;
    uint8_t reg;
    const char *const *names;
} hv_cpuid_names[] = {
    { HV_LEAF_FEATURES, R_EAX, hv_privileges_low },
    { HV_LEAF_FEATURES, R_EBX, hv_privileges_high },
    { HV_LEAF_FEATURES, R_EDX, hv_feature_names },
    { HV_LEAF_RECOMMENDATIONS, R_EAX, hv_recommendations },
    { HV_LEAF_NESTED, R_EAX, hv_nested_features },
};

const char *hv_cpuid_bit_name(unsigned leaf, unsigned reg, unsigned bit)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(hv_cpuid_names); i++) {
        if (hv_cpuid_names[i].leaf == leaf && hv_cpuid_names[i].reg == reg) {
            return hv_cpuid_names[i].names[bit];
        }
    }
    return NULL;
}
