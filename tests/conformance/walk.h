/*
 * What the guest program and the qtests do alike with the tables of
 * mktables, which are to be included before
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CONFORMANCE_WALK_H
#define CONFORMANCE_WALK_H

/*
 * How to access an MSR: false is #GP; and what to do when something is not as
 * it should be, in words, at the value @val.
 */
typedef struct ConfAccess {
    bool (*read)(void *opaque, uint32_t msr, uint64_t *val);
    bool (*write)(void *opaque, uint32_t msr, uint64_t val);
    void (*wrong)(void *opaque, const ConfMsr *r, const char *what,
                  uint64_t val);
    void *opaque;
    unsigned phys_bits;
} ConfAccess;

static inline uint64_t conf_keep(const ConfAccess *a, const ConfMsr *r)
{
    return r->keep |
           (r->keep_page ? (1ull << a->phys_bits) - (1ull << 12) : 0);
}

static inline uint64_t conf_fault(const ConfAccess *a, const ConfMsr *r)
{
    return r->fault | (r->fault_beyond ? -(1ull << a->phys_bits) : 0);
}

/* One more bit of an MSR whose @base was written, and then read as @was */
static inline void conf_try_bit(const ConfAccess *a, const ConfMsr *r,
                                uint64_t bit, uint64_t was)
{
    uint64_t val = r->base | bit, now = was;
    bool ok = a->write(a->opaque, r->msr, val);

    if (!r->writable ? ok : ok && (bit & conf_fault(a, r))) {
        a->wrong(a->opaque, r, "no #GP", val);
    }
    if (r->writable && !ok && (bit & conf_keep(a, r))) {
        a->wrong(a->opaque, r, "#GP", val);
    }
    if (!r->readable || r->reads_zero || !r->writable) {
        return;
    }
    if (!a->read(a->opaque, r->msr, &now)) {
        a->wrong(a->opaque, r, "#GP from the read after", val);
    } else if (now != (ok && (bit & conf_keep(a, r)) ? val : was)) {
        a->wrong(a->opaque, r, bit & conf_keep(a, r) ? "not kept" :
                               "changed by", val);
    }
}

/* Write all bits of an MSR that is there, and its reset value in the end */
static inline void conf_walk_msr(const ConfAccess *a, const ConfMsr *r)
{
    uint64_t was = 0;
    unsigned i;

    for (i = 0; i < 64; i++) {
        if (r->skip & (1ull << i)) {
            continue;
        }
        if (r->writable && !a->write(a->opaque, r->msr, r->base)) {
            a->wrong(a->opaque, r, "#GP", r->base);
        }
        if (r->readable && !r->waits && !a->read(a->opaque, r->msr, &was)) {
            a->wrong(a->opaque, r, "#GP from the read after", r->base);
        }
        conf_try_bit(a, r, 1ull << i, was);
    }
    if (r->writable && !r->any_reset && !(r->reset & r->skip)) {
        a->write(a->opaque, r->msr, r->reset);
    }
}

#endif
