/*
 * REP MOVS and REP STOS, of which QEMU does many iterations at a time: the
 * result, the registers and the faults must be as if it had not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"

#define BUF_PAGES   4
#define BUF_SIZE    (BUF_PAGES * PAGE_SIZE)

#define MOVSB   "\xF3\xA4"
#define MOVSW   "\xF3\x66\xA5"
#define MOVSD   "\xF3\xA5"
#define MOVSQ   "\xF3\x48\xA5"
#define STOSB   "\xF3\xAA"
#define STOSW   "\xF3\x66\xAB"
#define STOSD   "\xF3\xAB"
#define STOSQ   "\xF3\x48\xAB"
#define ADDR32  "\x67"
#define STD     "\xFD"
#define CLD     "\xFC"
#define RET     "\xC3"

static const struct row {
    const char *name, *code;    /* without a byte of 0 */
    int step;           /* bytes, negative if it goes down */
    int count;
    unsigned src, dst;  /* offsets in one buffer */
    bool store;         /* of RAX */
    bool alias;         /* the destination by another virtual address */
    uint64_t rax;
} rows[] = {
    { "movsb", MOVSB RET, 1, 5000, 3, 9000 },
    { "movsb of few", MOVSB RET, 1, 15, 3, 9000 },
    { "movsb of none", MOVSB RET, 1, 0, 3, 9000 },
    { "movsb of a page", MOVSB RET, 1, PAGE_SIZE, 0, PAGE_SIZE },
    { "movsb, 1 up", MOVSB RET, 1, 9000, 0, 1 },
    { "movsb, 100 up", MOVSB RET, 1, 9000, 0, 100 },
    { "movsb, 5000 up", MOVSB RET, 1, 9000, 0, 5000 },
    { "movsb, 1 down", MOVSB RET, 1, 9000, 1, 0 },
    { "movsb, 100 up by an alias", MOVSB RET, 1, 9000, 0, 100,
      .alias = true },
    { "movsb, 100 down by an alias", MOVSB RET, 1, 9000, 100, 0,
      .alias = true },
    { "movsb backwards", STD MOVSB CLD RET, -1, 5000, 5000, 15000 },
    { "movsb with 32-bit addresses", ADDR32 MOVSB RET, 1, 5000, 3, 9000 },
    { "movsw", MOVSW RET, 2, 2501, 3, 9000 },
    { "movsd", MOVSD RET, 4, 1251, 3, 9001 },
    { "movsq", MOVSQ RET, 8, 700, 8, 8200 },
    { "movsq across pages", MOVSQ RET, 8, 700, 5, 8201 },
    { "movsq, 4 up", MOVSQ RET, 8, 1000, 0, 4 },
    { "movsq, 12 up", MOVSQ RET, 8, 1000, 0, 12 },
    { "movsq, 76 up", MOVSQ RET, 8, 1000, 0, 76 },
    { "movsq, 76 down", MOVSQ RET, 8, 1000, 76, 0 },
    { "stosb", STOSB RET, 1, 9000, .dst = 3, .store = true,
      .rax = 0x1234 },
    { "stosb backwards", STD STOSB CLD RET, -1, 9000, .dst = 9000,
      .store = true, .rax = 0x12 },
    { "stosw", STOSW RET, 2, 4000, .dst = 4, .store = true,
      .rax = 0x771234 },
    { "stosd", STOSD RET, 4, 2000, .dst = 3, .store = true,
      .rax = 0x775A5A5A5A },
    { "stosq", STOSQ RET, 8, 1000, .dst = 8, .store = true },
    { "stosq across pages", STOSQ RET, 8, 1000, .dst = 5, .store = true,
      .rax = -1 },
    { "stosq of a pattern", STOSQ RET, 8, 1000, .dst = 8, .store = true,
      .rax = 0x0102030405060708 },
};

static const char *row_name(int row)
{
    return rows[row].name;
}

static uint8_t *buffer(void)
{
    uint8_t *buf = pages_alloc(BUF_PAGES, PAGE_SIZE);

    for (unsigned i = 0; i < BUF_SIZE; i++) {
        buf[i] = i * 7 + i / 256;
    }
    return buf;
}

/* What the instruction is to do, in single steps */
static void expect(const struct row *r, volatile uint8_t *buf)
{
    unsigned size = r->step < 0 ? -r->step : r->step;
    uint8_t element[8];

    for (int n = 0; n < r->count; n++) {
        for (unsigned i = 0; i < size; i++) {
            element[i] = r->store ? r->rax >> 8 * i :
                                    buf[r->src + n * r->step + i];
        }
        for (unsigned i = 0; i < size; i++) {
            buf[r->dst + n * r->step + i] = element[i];
        }
    }
}

TEST_ROWS(rep, "-", ARRAY_SIZE(rows), row_name, .anywhere = true)
{
    const struct row *r = &rows[row];
    uint8_t *buf = buffer(), *want = buffer();
    uint64_t dst = (uintptr_t)buf;
    struct call c = {
        .target = (uintptr_t)memcpy(page_alloc(), r->code, strlen(r->code)),
        .rax = r->rax, .rcx = r->count,
        .rsi = (uintptr_t)buf + r->src,
    };

    if (r->alias) {
        dst = va_alloc(BUF_SIZE);
        for (unsigned i = 0; i < BUF_PAGES; i++) {
            map_page(dst + i * PAGE_SIZE, (uintptr_t)buf + i * PAGE_SIZE,
                     PTE_P | PTE_W);
        }
    }
    c.rdi = dst + r->dst;
    call_safe(call_kernel64, &c);
    expect(r, want);
    CHECK_EQ(c.vector, NO_FAULT, "fault");
    CHECK_EQ(c.rcx, 0, "RCX");
    CHECK_EQ(c.rdi, dst + r->dst + r->count * r->step, "RDI");
    CHECK_EQ(c.rsi, (uintptr_t)buf + r->src +
                    (r->store ? 0 : r->count * r->step), "RSI");
    for (unsigned i = 0; i < BUF_SIZE; i++) {
        if (buf[i] != want[i]) {
            CHECK_EQ(buf[i], want[i], "byte %u", i);
            break;
        }
    }
}

/* @shift: of an element's size; @size: of what may be accessed from @at on */
static void check_fault(const char *code, unsigned shift, uint64_t src,
                        uint64_t dst, uint64_t at, uint64_t size)
{
    const uint64_t done = size >> shift, count = BUF_SIZE >> shift;
    struct call c = {
        .target = (uintptr_t)memcpy(page_alloc(), code, strlen(code)),
        .rcx = count, .rsi = src, .rdi = dst, .rax = 0,
    };

    call_safe(call_kernel64, &c);
    CHECK_EQ(c.vector, EXC_PF, "fault");
    CHECK_EQ(c.rcx, count - done, "RCX");
    CHECK_EQ(c.rdi, dst + (done << shift), "RDI");
    if (src) {
        CHECK_EQ(c.rsi, src + (done << shift), "RSI");
    }
    if (!(size & ((1 << shift) - 1))) {
        CHECK_EQ(this_cpu()->fault_addr, at + size, "address");
    }
}

TEST(rep_faults, "-", .anywhere = true)
{
    uint64_t buf = (uintptr_t)buffer();
    uint64_t va = va_alloc(BUF_SIZE);

    /* two pages, one that is read-only, and none */
    for (unsigned i = 0; i < 3; i++) {
        map_page(va + i * PAGE_SIZE, (uintptr_t)page_alloc(),
                 i < 2 ? PTE_P | PTE_W : PTE_P);
    }
    check_fault(MOVSB RET, 0, buf, va, va, 2 * PAGE_SIZE);
    check_fault(MOVSB RET, 0, buf, va + 5, va + 5, 2 * PAGE_SIZE - 5);
    check_fault(MOVSB RET, 0, va, buf, va, 3 * PAGE_SIZE);
    check_fault(MOVSQ RET, 3, buf, va, va, 2 * PAGE_SIZE);
    check_fault(MOVSQ RET, 3, buf, va + 5, va + 5, 2 * PAGE_SIZE - 5);
    check_fault(MOVSQ RET, 3, va + 5, buf, va + 5, 3 * PAGE_SIZE - 5);
    check_fault(STOSB RET, 0, 0, va, va, 2 * PAGE_SIZE);
    check_fault(STOSQ RET, 3, 0, va + 5, va + 5, 2 * PAGE_SIZE - 5);
}

/* Code that is overwritten, and may have been translated with what does so */
TEST(rep_onto_code, "-", .anywhere = true)
{
    static const char code[] =
        MOVSB "\x48\xFF\xC0\x48\xFF\xC0\x48\xFF\xC0\x48\xFF\xC0"
        "\x48\xFF\xC0\x48\xFF\xC0\x48\xFF\xC0\x48\xFF\xC0" RET;
    uint8_t *page = page_alloc();
    struct call c = {
        .target = (uintptr_t)memcpy(page, code, sizeof(code)),
        .rsi = (uintptr_t)memset(page_alloc(), 0x90, PAGE_SIZE),
        .rdi = (uintptr_t)page + strlen(MOVSB),
    };

    call_safe(call_kernel64, &c);
    CHECK_EQ(c.rax, 8, "increments");
    c.rcx = 24;
    call_safe(call_kernel64, &c);
    CHECK_EQ(c.vector, NO_FAULT, "fault");
    CHECK_EQ(c.rax, 8, "after they are gone");
    CHECK_EQ(c.rcx, 0, "RCX");
}
