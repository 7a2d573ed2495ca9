/*
 * What the tests want of ACPI: the APIC ids of all processors, and what devices
 * there are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

struct header {
    char signature[4];
    uint32_t length;
    uint8_t rest[28];
} __attribute__((packed));

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return v;
}

static const uint8_t *find_rsdp(void)
{
    for (uintptr_t p = 0xE0000; p < 0x100000; p += 16) {
        if (!memcmp((void *)p, "RSD PTR ", 8)) {
            return (const uint8_t *)p;
        }
    }
    return NULL;
}

static const struct header *find_table(const char *signature)
{
    const uint8_t *rsdp = find_rsdp();
    const struct header *rsdt;

    if (!rsdp) {
        return NULL;
    }
    rsdt = (void *)(uintptr_t)get32(rsdp + 16);
    for (uint32_t o = sizeof(*rsdt); o < rsdt->length; o += 4) {
        const struct header *h;

        h = (void *)(uintptr_t)get32((const uint8_t *)rsdt + o);
        if (!memcmp(h->signature, signature, 4)) {
            return h;
        }
    }
    return NULL;
}

bool acpi_dsdt_names(const char *word)
{
    const struct header *fadt = find_table("FACP"), *dsdt;
    size_t n = strlen(word);

    if (!fadt) {
        return false;
    }
    dsdt = (void *)(uintptr_t)get32((const uint8_t *)fadt + 40);
    for (uint32_t o = sizeof(*dsdt); o + n <= dsdt->length; o++) {
        if (!memcmp((const uint8_t *)dsdt + o, word, n)) {
            return true;
        }
    }
    return false;
}

int acpi_apic_ids(uint32_t *ids, int max)
{
    const struct header *madt = find_table("APIC");
    const uint8_t *p, *end;
    int n = 0;

    if (!madt) {
        return 0;
    }
    p = (const uint8_t *)madt + 44;
    end = (const uint8_t *)madt + madt->length;
    for (; p < end && p[1] && n < max; p += p[1]) {
        if (p[0] == 0 && get32(p + 4) & 1) {            /* local APIC */
            ids[n++] = p[3];
        } else if (p[0] == 9 && get32(p + 8) & 1) {     /* local x2APIC */
            ids[n++] = get32(p + 4);
        }
    }
    return n;
}
