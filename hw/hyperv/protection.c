/*
 * Hyper-V VTL protections (TLFS 15.9): the protection of each page
 *
 * A hash table of chunks of 2 MiB has a byte for each page.  A chunk that is
 * not there has the default protection throughout, so that memory is taken for
 * what is protected only.  Chunks go all together, which readers need not know
 * but for RCU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "qemu/xxhash.h"
#include "hw/hyperv/protection.h"
#include "hw/hyperv/tlfs.h"
#include "migration/qemu-file-types.h"

#define HV_CHUNK_PAGES (HV_PROTECTION_CHUNK / HV_PAGE_SIZE)

typedef struct HvChunk {
    struct rcu_head rcu;
    uint64_t number;                /* address / HV_PROTECTION_CHUNK */
    uint8_t mask[HV_CHUNK_PAGES];   /* HV_MAP_GPA_* */
} HvChunk;

static bool hv_chunk_cmp(const void *a, const void *b)
{
    const HvChunk *ca = a, *cb = b;

    return ca->number == cb->number;
}

static bool hv_chunk_is(const void *obj, const void *userp)
{
    const HvChunk *c = obj;
    const uint64_t *number = userp;

    return c->number == *number;
}

static HvChunk *hv_chunk_find(HvProtection *pr, uint64_t number)
{
    return qht_lookup_custom(&pr->chunks, &number, qemu_xxhash2(number),
                             hv_chunk_is);
}

static HvChunk *hv_chunk_add(HvProtection *pr, uint64_t number)
{
    HvChunk *c = g_new0(HvChunk, 1);

    c->number = number;
    memset(c->mask, pr->default_mask, sizeof(c->mask));
    qht_insert(&pr->chunks, c, qemu_xxhash2(number), NULL);
    return c;
}

uint8_t hv_protection_get(HvProtection *pr, hwaddr gpa, bool *chunk)
{
    HvChunk *c;

    RCU_READ_LOCK_GUARD();
    c = hv_chunk_find(pr, gpa / HV_PROTECTION_CHUNK);
    if (chunk) {
        *chunk = !c;
    }
    return c ? qatomic_read(&c->mask[gpa / HV_PAGE_SIZE % HV_CHUNK_PAGES]) :
               qatomic_read(&pr->default_mask);
}

void hv_protection_set(HvProtection *pr, hwaddr gpa, uint8_t mask)
{
    uint64_t number = gpa / HV_PROTECTION_CHUNK;
    HvChunk *c;
    uint8_t *page;

    RCU_READ_LOCK_GUARD();
    c = hv_chunk_find(pr, number);
    if (!c) {
        if (mask == pr->default_mask) {
            return;
        }
        c = hv_chunk_add(pr, number);
    }
    page = &c->mask[gpa / HV_PAGE_SIZE % HV_CHUNK_PAGES];
    pr->count -= *page != pr->default_mask;
    pr->count += mask != pr->default_mask;
    qatomic_set(page, mask);
}

void hv_protection_enable(HvProtection *pr, uint8_t default_mask)
{
    qatomic_set(&pr->default_mask, default_mask);
    qatomic_set(&pr->enabled, true);
}

static bool hv_chunk_free(void *obj, uint32_t hash, void *userp)
{
    HvChunk *c = obj;

    g_free_rcu(c, rcu);
    return true;
}

void hv_protection_reset(HvProtection *pr)
{
    qatomic_set(&pr->enabled, false);
    qatomic_set(&pr->default_mask, HV_MAP_GPA_ALL);
    qht_iter_remove(&pr->chunks, hv_chunk_free, NULL);
    pr->count = 0;
}

void hv_protection_init(HvProtection *pr)
{
    pr->default_mask = HV_MAP_GPA_ALL;
    qht_init(&pr->chunks, hv_chunk_cmp, 0, QHT_MODE_AUTO_RESIZE);
}

void hv_protection_cleanup(HvProtection *pr)
{
    hv_protection_reset(pr);
    qht_destroy(&pr->chunks);
}

/*
 * In the stream, each chunk is its number plus 1 and a byte for each page; 0
 * ends the list.
 */

static void hv_chunk_put(void *obj, uint32_t hash, void *opaque)
{
    HvChunk *c = obj;
    QEMUFile *f = opaque;

    qemu_put_be64(f, c->number + 1);
    qemu_put_buffer(f, c->mask, sizeof(c->mask));
}

static int hv_chunks_put(QEMUFile *f, void *pv, size_t size,
                         const VMStateField *field, JSONWriter *vmdesc)
{
    HvProtection *pr = container_of(pv, HvProtection, chunks);

    qht_iter(&pr->chunks, hv_chunk_put, f);
    qemu_put_be64(f, 0);
    return 0;
}

static int hv_chunks_get(QEMUFile *f, void *pv, size_t size,
                         const VMStateField *field)
{
    HvProtection *pr = container_of(pv, HvProtection, chunks);
    uint64_t number;
    unsigned i;
    HvChunk *c;

    qht_iter_remove(&pr->chunks, hv_chunk_free, NULL);
    pr->count = 0;
    while ((number = qemu_get_be64(f))) {
        number--;
        if (number >= (1ull << HV_GPA_BITS_MAX) / HV_PROTECTION_CHUNK ||
            hv_chunk_find(pr, number)) {
            return -EINVAL;
        }
        c = hv_chunk_add(pr, number);
        qemu_get_buffer(f, c->mask, sizeof(c->mask));
        for (i = 0; i < HV_CHUNK_PAGES; i++) {
            if (c->mask[i] & ~HV_MAP_GPA_ALL) {
                return -EINVAL;
            }
            pr->count += c->mask[i] != pr->default_mask;
        }
    }
    return 0;
}

static const VMStateInfo vmstate_info_hv_chunks = {
    .name = "hv-protection/chunks",
    .get = hv_chunks_get,
    .put = hv_chunks_put,
};

static bool hv_protection_loaded(void *opaque, int version_id)
{
    HvProtection *pr = opaque;

    return !(pr->default_mask & ~HV_MAP_GPA_ALL);
}

const VMStateDescription vmstate_hv_protection = {
    .name = "hv-protection",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(enabled, HvProtection),
        VMSTATE_UINT8(default_mask, HvProtection),
        VMSTATE_VALIDATE("mask of HV_MAP_GPA flags", hv_protection_loaded),
        {
            .name = "chunks",
            .info = &vmstate_info_hv_chunks,
            .flags = VMS_SINGLE,
            .offset = offsetof(HvProtection, chunks),
        },
        VMSTATE_END_OF_LIST()
    }
};
