/*
 * Hyper-V guest interface: what QEMU without CONFIG_HYPERV has instead
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hyperv-i386.h"

bool hv_expand_features(X86CPU *cpu, Error **errp)
{
    return true;
}

bool hv_cpu_realize(X86CPU *cpu, Error **errp)
{
    if (cpu->hyperv_features || cpu->hyperv_default ||
        cpu->hyperv_passthrough) {
        error_setg(errp, "Hyper-V enlightenments (hv-*) are not compiled into "
                   "this QEMU; build it with CONFIG_HYPERV=y");
        return false;
    }
    return true;
}
