/*
 * Pages of RAM, and page tables above the identity map that boot.S made.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"
#include "symbols.h"

static uint64_t next_page, end_of_ram;
static uint64_t next_va = 1ull << 39;       /* the second PML4 entry on */

void mem_init(void)
{
    const uint32_t *mb = (const uint32_t *)multiboot_info;

    /* mem_upper is valid when flag 0 is set; 64 MiB is our minimum */
    end_of_ram = 64 << 20;
    if (mb[0] & 1) {
        end_of_ram = (1ull << 20) + 1024ull * mb[2];
    }
    if (end_of_ram > 0xC0000000) {
        end_of_ram = 0xC0000000;
    }
    /* The loader's own data lies close behind the image */
    next_page = ((uintptr_t)image_end + (1 << 20)) & ~(PAGE_SIZE - 1);
}

uint64_t ram_end(void)
{
    return end_of_ram;
}

void *pages_alloc(unsigned n, uint64_t align)
{
    static int lock;
    bool irqs = irq_save();
    uint64_t p;

    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) {
        cpu_relax();
    }
    p = (next_page + align - 1) & ~(align - 1);
    next_page = p + n * PAGE_SIZE;
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    irq_restore(irqs);

    /* ACPI tables and firmware data lie in the last megabyte or so */
    if (next_page > end_of_ram - (2 << 20)) {
        panic("out of memory");
    }
    return memset((void *)p, 0, n * PAGE_SIZE);
}

void *page_alloc(void)
{
    return pages_alloc(1, PAGE_SIZE);
}

uint64_t va_alloc(uint64_t size)
{
    uint64_t va = next_va;

    next_va += (size + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
    return va;
}

static uint64_t *next_level(uint64_t *entry)
{
    if (!(*entry & PTE_P)) {
        *entry = (uintptr_t)page_alloc() | PTE_P | PTE_W | PTE_U;
    }
    return (uint64_t *)(*entry & 0x000FFFFFFFFFF000);
}

uint64_t *pde_of(uint64_t va)
{
    uint64_t *pdpt = next_level(&boot_pml4[va >> 39 & 511]);
    uint64_t *pd = next_level(&pdpt[va >> 30 & 511]);

    return &pd[va >> 21 & 511];
}

uint64_t *pte_of(uint64_t va)
{
    return &next_level(pde_of(va))[va >> 12 & 511];
}

void map_page(uint64_t va, uint64_t pa, uint64_t flags)
{
    *pte_of(va) = pa | flags;
    invlpg(va);
}

uint64_t gpa_beyond(void)
{
    return 1ull << (cpuid(0x80000008).reg[R_EAX] & 0xFF);
}
