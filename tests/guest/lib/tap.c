/*
 * The test runner: which tests, their checks, their report in TAP.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "guest.h"
#include "symbols.h"

static char cmdline[1024];
static int number, failures;
static const struct test *current;

/* Of the current test; any CPU may fail it */
static SHARED int failed_checks;
static bool skipped;

#define MAX_REPORTED 20         /* diagnostics of one test */

static void report_at(const char *file, int line)
{
    printf("# %s:%d: ", file, line);
}

/* Counts a failed check; true while there is room to report it */
static bool count_failure(void)
{
    return __atomic_fetch_add(&failed_checks, 1, __ATOMIC_SEQ_CST) <
           MAX_REPORTED;
}

static void locked_line(const char *fmt, va_list ap)
{
    console_lock();
    vprintf(fmt, ap);
    console_unlock();
}

void check(bool ok, const char *file, int line, const char *cond,
           const char *fmt, ...)
{
    va_list ap;

    if (ok || !count_failure()) {
        return;
    }
    report_at(file, line);
    va_start(ap, fmt);
    locked_line(fmt, ap);
    va_end(ap);
    printf(" (expected: %s)\n", cond);
}

void check_in(uint64_t got, const uint64_t *want, int n, const char *file,
              int line, const char *fmt, ...)
{
    va_list ap;

    for (int i = 0; i < n; i++) {
        if (got == want[i]) {
            return;
        }
    }
    if (!count_failure()) {
        return;
    }
    report_at(file, line);
    va_start(ap, fmt);
    locked_line(fmt, ap);
    va_end(ap);
    printf(": got 0x%lx, expected 0x%lx", got, want[0]);
    for (int i = 1; i < n; i++) {
        printf(" or 0x%lx", want[i]);
    }
    printf("\n");
}

void note(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    printf("# ");
    locked_line(fmt, ap);
    printf("\n");
    va_end(ap);
}

/* A test that has nothing to judge here is not part of the report */
void test_skip(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    printf("# %s not run: ", current->name);
    locked_line(fmt, ap);
    printf("\n");
    va_end(ap);
    skipped = true;
}

bool test_failed(void)
{
    return failed_checks;
}

void test_died(const char *fmt, ...)
{
    struct cpu *c = this_cpu();
    va_list ap;

    va_start(ap, fmt);
    if (!c || !c->abort_set) {
        printf("Bail out! ");
        locked_line(fmt, ap);
        printf("\n");
        guest_exit(3);
    }
    count_failure();
    printf("# ");
    locked_line(fmt, ap);
    printf("\n");
    va_end(ap);
    __builtin_longjmp(c->abort_buf, 1);
}

/* Command line */

static bool word_is(const char *word, size_t n, const char *s)
{
    return strlen(s) == n && !memcmp(word, s, n);
}

/* The next word at *p, its length, or 0 at the end */
static size_t next_word(const char **p)
{
    size_t n = 0;

    while (**p == ' ') {
        ++*p;
    }
    while ((*p)[n] && (*p)[n] != ' ') {
        n++;
    }
    return n;
}

bool boot_option(const char *word)
{
    const char *p = cmdline;
    size_t n;

    for (; (n = next_word(&p)); p += n) {
        if (word_is(p, n, word)) {
            return true;
        }
    }
    return false;
}

static bool is_option(const char *word, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (word[i] == '/' || word[i] == '.') {
            return true;        /* the name of our own file */
        }
    }
    return word_is(word, n, "list") || word_is(word, n, "x2apic");
}

/* Words select tests by name or first part of a name; "-word" leaves out */
static bool selected(const struct test *t)
{
    const char *p = cmdline;
    bool any = false, match = false;
    size_t n;

    if (t->explicit) {
        return boot_option(t->name);
    }
    for (; (n = next_word(&p)); p += n) {
        if (is_option(p, n)) {
            continue;
        }
        if (p[0] == '-') {
            if (!memcmp(p + 1, t->name, n - 1)) {
                return false;
            }
            continue;
        }
        any = true;
        if (!memcmp(p, t->name, n)) {
            match = true;
        }
    }
    return match || !any;
}

/* One test */

/* Has this machine what the test is about? */
static bool runnable(const struct test *t)
{
    for (int i = 0; i < ARRAY_SIZE(t->need) && t->need[i]; i++) {
        if (!has(t->need[i])) {
            return false;
        }
    }
    return (t->anywhere || t->without_hv != hv_present) &&
           !(t->absent && has(t->absent)) && ncpus >= t->min_cpus &&
           (!t->testdev || testdev_present());
}

static void run_body(const struct test *t, int row)
{
    struct cpu *c = this_cpu();

    if (!__builtin_setjmp(c->abort_buf)) {
        c->abort_set = true;
        if (t->row_fn) {
            t->row_fn(row);
        } else {
            t->fn();
        }
    }
    c->abort_set = false;

    /* What a test left behind must not reach the next one */
    if (!__builtin_setjmp(c->abort_buf)) {
        c->abort_set = true;
        c->hv_dirty = true;
        for (int i = ncpus - 1; i >= 0 && hv_present; i--) {
            if (cpus[i]->hv_dirty) {
                if (i) {
                    on_cpu_wait(cpus[i]);
                }
                on_cpu(cpus[i], hv_quiesce, NULL);
                cpus[i]->hv_dirty = false;
            }
        }
    }
    c->abort_set = false;
}

static void run_test(const struct test *t, int row)
{
    failed_checks = 0;
    skipped = false;
    current = t;

    run_body(t, row);
    if (skipped && !failed_checks) {
        return;
    }
    printf("%s %d - %s%s%s [%s]\n", failed_checks ? "not ok" : "ok", ++number,
           t->name, t->row_name ? "/" : "", t->row_name ? t->row_name(row) : "",
           t->row_rules ? t->row_rules(row) : t->rules);
    if (failed_checks) {
        failures++;
    }
}

static void read_cmdline(void)
{
    const uint32_t *mb = (const uint32_t *)multiboot_info;
    const char *s = (const char *)(uintptr_t)mb[4];

    if (!(mb[0] & 4)) {
        return;
    }
    for (size_t i = 0; i < sizeof(cmdline) - 1 && s[i]; i++) {
        cmdline[i] = s[i];
    }
}

static void banner(void)
{
    struct cpuid c = cpuid(HV_LEAF_BASE);
    char id[13] = { 0 };

    memcpy(id, &c.reg[R_EBX], 12);
    if (!(cpuid(1).reg[R_ECX] >> 31)) {
        memcpy(id, "none", 5);
    }
    printf("# hypervisor \"%s\", %d CPUs, %s, Hv#1 %s\n", id, ncpus,
           this_cpu()->x2apic ? "x2APIC" : "xAPIC", hv_present ? "yes" : "no");
    if (hv_present) {
        for (int i = 3; i <= 5; i++) {
            c = cpuid(HV_LEAF_BASE + i);
            printf("# leaf 0x4000000%d: %08x %08x %08x %08x\n", i, c.reg[0],
                   c.reg[1], c.reg[2], c.reg[3]);
        }
    }
}

void bsp_main(void)
{
    read_cmdline();
    mem_init();
    cpu_bootstrap();
    printf("TAP version 13\n");

    if (boot_option("list")) {
        for (const struct test *t = tests_start; t < tests_end; t++) {
            printf("# %s [%s]\n", t->name, t->rules);
        }
        printf("1..0 # SKIP list only\n");
        guest_exit(0);
    }

    smp_init(boot_option("x2apic"));
    irq_enable();
    hv_init();
    banner();

    for (const struct test *t = tests_start; t < tests_end; t++) {
        if (!selected(t) || !runnable(t)) {
            continue;
        }
        for (int row = 0; row < (t->row_fn ? t->rows : 1); row++) {
            if (!t->row_here || t->row_here(row)) {
                run_test(t, row);
            }
        }
    }
    printf("1..%d%s\n", number, number ? "" : " # SKIP nothing to judge here");
    printf("# %d failed\n", failures);
    guest_exit(failures ? 1 : 0);
}
