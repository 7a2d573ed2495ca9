/*
 * VMBus: access to mapped pages of guest memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "mem.h"

void *vmbus_mem_run(VMBusMem *mem, uint32_t off, uint32_t len, uint32_t *run)
{
    uint32_t i = off / HV_PAGE_SIZE;
    uint8_t *start = mem->page[i];
    uint32_t n = HV_PAGE_SIZE - off % HV_PAGE_SIZE;

    while (n < len && mem->page[i + 1] == mem->page[i] + HV_PAGE_SIZE) {
        n += HV_PAGE_SIZE;
        i++;
    }
    *run = MIN(n, len);
    return start + off % HV_PAGE_SIZE;
}

void vmbus_mem_read(VMBusMem *mem, uint32_t off, void *buf, uint32_t len)
{
    while (len) {
        uint32_t run;
        void *p = vmbus_mem_run(mem, off, len, &run);

        memcpy(buf, p, run);
        buf = (char *)buf + run;
        off += run;
        len -= run;
    }
}

void vmbus_mem_write(VMBusMem *mem, uint32_t off, const void *buf,
                     uint32_t len)
{
    while (len) {
        uint32_t run;
        void *p = vmbus_mem_run(mem, off, len, &run);

        memcpy(p, buf, run);
        buf = (const char *)buf + run;
        off += run;
        len -= run;
    }
}
