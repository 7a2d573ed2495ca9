/*
 * Hyper-V state over save and restore, in the middle of everything
 *
 * Every test is run over all kinds of restore: a stream that a new QEMU loads,
 * and a snapshot that the same QEMU goes back to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "libqos/hyperv.h"
#include "qobject/qdict.h"

#define CPUS    2
/* hv-passthrough is not for migration */
#define FLAGS   "hv-default=on,hv-tsc-invariant=on,hv-vp-registers=on," \
                "hv-vsm=on,tsc-frequency=2000000000"
#define MS      10000

typedef enum {
    STREAM,             /* to another QEMU, of a machine that is stopped */
    LIVE,               /* the same, of one that runs */
    STREAM_TWICE,       /* and from there, before it ran, to a third one */
    SNAPSHOT,           /* and life has gone on before it is loaded */
} Way;

typedef struct Fixture {
    Way way;
    QTestState *s;
    char *dir;
    char *stream;
    char *image;
} Fixture;

static QTestState *qemu(Fixture *f, const char *extra)
{
    g_autofree char *disk = f->way == SNAPSHOT ?
        g_strdup_printf("-blockdev driver=qcow2,node-name=d,file.driver=file,"
                        "file.filename=%s", f->image) : g_strdup("");

    return qtest_initf("-machine q35 -nodefaults -m 64 -smp %d -cpu "
                       "qemu64,%s %s %s", CPUS, FLAGS, disk, extra);
}

/* Returns: false if there is nothing to make an image with */
static bool begin(Fixture *f, const void *data)
{
    const char *img = g_getenv("QTEST_QEMU_IMG");

    f->way = GPOINTER_TO_UINT(data);
    f->dir = g_dir_make_tmp("hyperv-migration-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->stream = g_build_filename(f->dir, "stream", NULL);
    f->image = g_build_filename(f->dir, "image", NULL);
    if (f->way == SNAPSHOT) {
        g_autofree char *cmd = NULL;
        int status;

        if (!img) {
            g_test_skip("QTEST_QEMU_IMG is not set");
            rmdir(f->dir);
            g_free(f->dir);
            g_free(f->stream);
            g_free(f->image);
            return false;
        }
        cmd = g_strdup_printf("%s create -q -f qcow2 %s 256M", img, f->image);
        g_assert_true(g_spawn_command_line_sync(cmd, NULL, NULL, &status,
                                                NULL));
        g_assert_cmpint(status, ==, 0);
    }
    f->s = qemu(f, "");
    qhv_setup_apic(f->s, CPUS);
    /* not at 0, where much is equal that should not be mixed up */
    qhv_step(f->s, 54321);
    return true;
}

static void end(Fixture *f)
{
    qtest_quit(f->s);
    unlink(f->stream);
    unlink(f->image);
    rmdir(f->dir);
    g_free(f->stream);
    g_free(f->image);
    g_free(f->dir);
}

static uint64_t now(Fixture *f)
{
    return qhv_get(f->s, 0, MSR_TIME_REF_COUNT);
}

static void cont(Fixture *f)
{
    qtest_qmp_assert_success(f->s, "{ 'execute': 'cont' }");
}

static void wait_for_job(QTestState *s, const char *command)
{
    while (true) {
        QDict *rsp = qtest_qmp(s, command, NULL);
        const char *status;
        QDict *ret;

        g_assert_true(qdict_haskey(rsp, "return"));
        ret = qdict_get_qdict(rsp, "return");
        status = qdict_get_try_str(ret, "status");
        g_assert_cmpstr(status, !=, "failed");
        if (status && g_str_equal(status, "completed")) {
            qobject_unref(rsp);
            return;
        }
        qobject_unref(rsp);
        g_usleep(1000);
    }
}

static void migrate_to(QTestState *s, const char *stream)
{
    g_autofree char *uri = g_strdup_printf("file:%s", stream);

    qtest_qmp_assert_success(s, "{ 'execute': 'migrate', 'arguments': "
                             "{ 'uri': %s } }", uri);
    wait_for_job(s, "{ 'execute': 'query-migrate' }");
}

static void migrate_once(Fixture *f)
{
    g_autofree char *uri = g_strdup_printf("file:%s", f->stream);
    uint64_t t = now(f);

    migrate_to(f->s, f->stream);
    qhv_assert_stream(f->stream);
    qtest_quit(f->s);

    f->s = qemu(f, "-incoming defer");
    /* the clock of a qtest machine is the test's, so it does not migrate */
    qhv_clock_set(f->s, t * 100);
    qtest_qmp_assert_success(f->s, "{ 'execute': 'migrate-incoming', "
                             "'arguments': { 'uri': %s } }", uri);
    wait_for_job(f->s, "{ 'execute': 'query-migrate' }");
}

static void run_job(QTestState *s, const char *name)
{
    g_autofree char *cmd = g_strdup_printf("{ 'execute': 'snapshot-%s', "
        "'arguments': { 'job-id': '%s', 'tag': 'here', 'vmstate': 'd', "
        "'devices': [ 'd' ] } }", name, name);

    qtest_qmp_assert_success(s, cmd, NULL);
    while (true) {
        QDict *event = qtest_qmp_eventwait_ref(s, "JOB_STATUS_CHANGE");
        QDict *data = qdict_get_qdict(event, "data");
        bool done = g_str_equal(qdict_get_str(data, "status"), "concluded");

        qobject_unref(event);
        if (done) {
            break;
        }
    }
    g_free(cmd);
    cmd = g_strdup_printf("{ 'execute': 'job-dismiss', 'arguments': "
                          "{ 'id': '%s' } }", name);
    qtest_qmp_assert_success(s, cmd, NULL);
}

/* Make a mess of the state that a snapshot was taken of */
static void live_on(QTestState *s)
{
    unsigned vp, i;

    qtest_qmp_assert_success(s, "{ 'execute': 'cont' }");
    for (vp = 0; vp < CPUS; vp++) {
        for (i = 0; i < 4; i++) {
            qhv_set(s, vp, MSR_STIMER_CONFIG(i), 0);
            qhv_set(s, vp, MSR_STIMER_COUNT(i), 1 + i);
        }
        for (i = 0; i < 16; i++) {
            qhv_set(s, vp, MSR_SINT(i), 0x10099);
        }
        qtest_memset(s, QHV_SIMP + vp * QHV_PAGE, 0x5a, QHV_PAGE);
        qhv_set(s, vp, MSR_SIMP, 0x300001 + vp * QHV_PAGE);
        qhv_set(s, vp, MSR_SIEFP, 0x400001 + vp * QHV_PAGE);
        qhv_set(s, vp, MSR_VP_ASSIST_PAGE, 0x500001 + vp * QHV_PAGE);
    }
    qhv_set(s, 0, MSR_REFERENCE_TSC, 0x600001);
    qhv_wrmsr(s, 0, MSR_GUEST_OS_ID, 0);
    qhv_step(s, 3 * MS);
    qtest_qmp_assert_success(s, "{ 'execute': 'stop' }");
}

/* Save all and restore it; what ran is to run again with cont() */
static void save_and_load(Fixture *f)
{
    uint64_t t = now(f);

    if (f->way != LIVE) {
        qtest_qmp_assert_success(f->s, "{ 'execute': 'stop' }");
    }
    switch (f->way) {
    case STREAM:
    case LIVE:
        migrate_once(f);
        break;
    case STREAM_TWICE:
        migrate_once(f);
        migrate_once(f);
        break;
    case SNAPSHOT:
        run_job(f->s, "save");
        live_on(f->s);
        qhv_clock_set(f->s, t * 100);
        run_job(f->s, "load");
        break;
    }
    /* RT-005 */
    g_assert_cmpuint(now(f), ==, t);
}

static void synic_on(Fixture *f)
{
    unsigned vp;

    for (vp = 0; vp < CPUS; vp++) {
        qhv_synic_on(f->s, vp);
        qhv_set(f->s, vp, MSR_SINT(2), 0x40);
        qhv_set(f->s, vp, MSR_SINT(3), SINT_AUTO_EOI | 0x50);
    }
}

static void assert_timer(Fixture *f, unsigned vp, unsigned timer, uint64_t due,
                         uint64_t delivered)
{
    QhvMessage m = qhv_message(f->s, vp, 2);

    g_assert_cmphex(m.type, ==, MESSAGE_TIMER);
    g_assert_cmpuint(ldl_le_p(m.payload), ==, timer);
    g_assert_cmpuint(ldq_le_p(m.payload + 8), ==, due);
    g_assert_cmpuint(ldq_le_p(m.payload + 16), ==, delivered);
    g_assert_cmpint(qhv_take_irq(f->s, vp), ==, 0x40);
}

static void done(Fixture *f, unsigned vp)
{
    qhv_message_done(f->s, vp, 2);
    qhv_eoi(f->s, vp);
}

/* Every register that can be written and is there */
static void test_msrs(const void *data)
{
    static const uint32_t partition[] = {
        MSR_GUEST_OS_ID, MSR_HYPERCALL, MSR_REFERENCE_TSC, MSR_CRASH_P(0),
        MSR_CRASH_P(1), MSR_CRASH_P(2), MSR_CRASH_P(3), MSR_CRASH_P(4),
        MSR_REENLIGHTENMENT, MSR_TSC_EMULATION_CONTROL,
        MSR_TSC_INVARIANT_CONTROL,
    };
    static const uint64_t values[] = {
        0x8100000000000123, QHV_HCALL | 3, QHV_TSC | 1, 1, 2, 3, 4, 5,
        0x100000041, 1, 1,
    };
    uint64_t per_vp[CPUS][0x100] = { 0 };
    Fixture f;
    unsigned vp, i;
    uint32_t r[4];

    if (!begin(&f, data)) {
        return;
    }
    for (i = 0; i < ARRAY_SIZE(partition); i++) {
        qhv_set(f.s, 0, partition[i], values[i]);
    }
    for (vp = 0; vp < CPUS; vp++) {
        qhv_set(f.s, vp, MSR_TPR, 0x20 + vp * 0x10);
        qhv_set(f.s, vp, MSR_VP_ASSIST_PAGE, (QHV_ASSIST + vp * QHV_PAGE) | 1);
        qhv_set(f.s, vp, MSR_SIRBP, 0x777000 + vp);
        for (i = 0; i < 16; i++) {
            qhv_set(f.s, vp, MSR_SINT(i), 0x20000 + 0x20 + 16 * vp + i);
        }
        for (i = 0; i < 4; i++) {
            qhv_set(f.s, vp, MSR_STIMER_COUNT(i), 1ull << (50 + i + vp));
            qhv_set(f.s, vp, MSR_STIMER_CONFIG(i),
                    STIMER_SINT(1 + i) | (i % 2) | (vp ? STIMER_PERIODIC : 0));
        }
        qhv_synic_on(f.s, vp);
        for (i = 0x70; i < 0x100; i++) {
            if (i != 0xf0) {
                qhv_rdmsr(f.s, vp, 0x40000000 + i, &per_vp[vp][i]);
            }
        }
    }

    save_and_load(&f);

    for (i = 0; i < ARRAY_SIZE(partition); i++) {
        g_assert_cmphex(qhv_get(f.s, 1, partition[i]), ==, values[i]);
    }
    for (vp = 0; vp < CPUS; vp++) {
        for (i = 0x70; i < 0x100; i++) {
            uint64_t val = 0;

            if (i != 0xf0) {
                qhv_rdmsr(f.s, vp, 0x40000000 + i, &val);
                g_assert_cmphex(val, ==, per_vp[vp][i]);
            }
        }
    }
    qhv_cpuid(f.s, 0, 0x80000007, r);
    g_assert_cmphex(r[3] & 1 << 8, ==, 1 << 8);
    /* HC-051: still locked; and hypercalls go on */
    qhv_wrmsr(f.s, 0, MSR_HYPERCALL, 0);
    g_assert_cmphex(qhv_get(f.s, 0, MSR_HYPERCALL), ==, QHV_HCALL | 3);
    g_assert_cmphex(qhv_fast(f.s, 0, HC_LONG_SPIN_WAIT, 1, 0), ==, ST_SUCCESS);
    cont(&f);
    qtest_system_reset(f.s);
    g_assert_cmphex(qhv_get(f.s, 0, MSR_HYPERCALL), ==, 0);
    g_assert_cmphex(qhv_get(f.s, 1, MSR_SIMP), ==, 0);
    end(&f);
}

/* Overlays, what they hold, and the RAM beneath them */
static void test_overlays(const void *data)
{
    static const uint32_t msrs[] = {
        MSR_HYPERCALL, MSR_REFERENCE_TSC, MSR_SIMP, MSR_SIEFP,
        MSR_VP_ASSIST_PAGE,
    };
    static const uint64_t pages[] = {
        QHV_HCALL, QHV_TSC, QHV_SIMP, QHV_SIEFP, QHV_ASSIST,
    };
    uint8_t before[ARRAY_SIZE(pages)][QHV_PAGE], after[QHV_PAGE];
    uint8_t beneath[QHV_PAGE];
    Fixture f;
    unsigned i;

    if (!begin(&f, data)) {
        return;
    }
    qhv_set_guest_os_id(f.s);
    for (i = 0; i < ARRAY_SIZE(pages); i++) {
        qtest_memset(f.s, pages[i], 0x60 + i, QHV_PAGE);
        qhv_set(f.s, 0, msrs[i], pages[i] | 1);
        qtest_memset(f.s, pages[i] + 512, 0x70 + i, 64);
        qtest_memread(f.s, pages[i], before[i], QHV_PAGE);
    }
    /* one that is disabled holds something too */
    qhv_set(f.s, 1, MSR_SIMP, (QHV_SIMP + QHV_PAGE) | 1);
    qtest_memset(f.s, QHV_SIMP + QHV_PAGE, 0x99, QHV_PAGE);
    qhv_set(f.s, 1, MSR_SIMP, 0);

    save_and_load(&f);

    for (i = 0; i < ARRAY_SIZE(pages); i++) {
        qtest_memread(f.s, pages[i], after, QHV_PAGE);
        g_assert_cmpmem(before[i], QHV_PAGE, after, QHV_PAGE);
        qhv_set(f.s, 0, msrs[i], 0);
        qtest_memread(f.s, pages[i], after, QHV_PAGE);
        memset(beneath, 0x60 + i, QHV_PAGE);
        g_assert_cmpmem(beneath, QHV_PAGE, after, QHV_PAGE);
    }
    qhv_set(f.s, 1, MSR_SIMP, (QHV_SIMP + QHV_PAGE) | 1);
    g_assert_cmphex(qtest_readb(f.s, QHV_SIMP + QHV_PAGE + 7), ==, 0x99);
    end(&f);
}

/* RT-005, RT-008, CP-042: time goes on, and the page agrees with it */
static void test_time(const void *data)
{
    uint64_t tsc;
    Fixture f;

    if (!begin(&f, data)) {
        return;
    }
    qhv_set(f.s, 0, MSR_REFERENCE_TSC, QHV_TSC | 1);
    tsc = qhv_rdtsc(f.s, 0);
    g_assert_cmpuint(tsc, ==, now(&f) * 200);
    save_and_load(&f);
    g_assert_cmpuint(qhv_rdtsc(f.s, 0), ==, tsc);
    g_assert_cmpuint(qhv_rdtsc(f.s, 1), ==, tsc);
    g_assert_cmpuint(qhv_get(f.s, 0, MSR_TSC_FREQUENCY), ==, 2000000000);
    cont(&f);
    qhv_step(f.s, 1);
    g_assert_cmpuint(qhv_rdtsc(f.s, 0), ==, tsc + 200);
    g_assert_cmphex(qtest_readl(f.s, QHV_TSC), !=, 0);
    /* 2^64 / 200, rounded up */
    g_assert_cmphex(qtest_readq(f.s, QHV_TSC + 8), ==,
                    UINT64_MAX / 200 + 1);
    g_assert_cmphex(qtest_readq(f.s, QHV_TSC + 16), ==, 0);
    end(&f);
}

/* ST-028: timers of all kinds, in the middle of their time */
static void test_timers(const void *data)
{
    uint64_t t0;
    Fixture f;
    unsigned i;

    if (!begin(&f, data)) {
        return;
    }
    synic_on(&f);
    t0 = now(&f);
    qhv_set(f.s, 0, MSR_STIMER_COUNT(0), t0 + 10 * MS);
    qhv_set(f.s, 0, MSR_STIMER_CONFIG(0), STIMER_ENABLE | STIMER_SINT(2));
    qhv_set(f.s, 1, MSR_STIMER_COUNT(1), 4 * MS);
    qhv_set(f.s, 1, MSR_STIMER_CONFIG(1), STIMER_ENABLE | STIMER_PERIODIC |
            STIMER_SINT(2));
    qhv_set(f.s, 1, MSR_STIMER_COUNT(2), 3 * MS);
    qhv_set(f.s, 1, MSR_STIMER_CONFIG(2), STIMER_ENABLE | STIMER_PERIODIC |
            STIMER_LAZY | STIMER_DIRECT | STIMER_VECTOR(0x60));
    qhv_set(f.s, 0, MSR_STIMER_CONFIG(3), STIMER_AUTO | STIMER_SINT(2));
    /* to be in the middle of a later period, 4..8 and 3..6 */
    qhv_step(f.s, 5 * MS);
    g_assert_cmpint(qhv_take_irq(f.s, 1), ==, 0x60);
    qhv_eoi(f.s, 1);
    assert_timer(&f, 1, 1, t0 + 4 * MS, t0 + 4 * MS);
    done(&f, 1);

    save_and_load(&f);
    g_assert_cmpint(qhv_take_irq(f.s, 0), ==, -1);
    g_assert_cmpint(qhv_take_irq(f.s, 1), ==, -1);
    cont(&f);

    qhv_step(f.s, MS - 1);
    g_assert_cmpint(qhv_take_irq(f.s, 1), ==, -1);
    qhv_step(f.s, 1);
    g_assert_cmpint(qhv_take_irq(f.s, 1), ==, 0x60);
    qhv_eoi(f.s, 1);
    qhv_step(f.s, 2 * MS - 1);
    g_assert_cmpint(qhv_take_irq(f.s, 1), ==, -1);
    qhv_step(f.s, 1);
    assert_timer(&f, 1, 1, t0 + 8 * MS, t0 + 8 * MS);
    done(&f, 1);
    qhv_step(f.s, MS);
    g_assert_cmpint(qhv_take_irq(f.s, 1), ==, 0x60);
    qhv_eoi(f.s, 1);
    qhv_step(f.s, MS - 1);
    g_assert_cmpint(qhv_take_irq(f.s, 0), ==, -1);
    qhv_step(f.s, 1);
    assert_timer(&f, 0, 0, t0 + 10 * MS, t0 + 10 * MS);
    g_assert_cmphex(qhv_get(f.s, 0, MSR_STIMER_CONFIG(0)), ==, STIMER_SINT(2));
    done(&f, 0);
    /* neither lost nor doubled */
    qhv_set(f.s, 0, MSR_STIMER_COUNT(3), now(&f) + MS);
    for (i = 11; i <= 30; i++) {
        qhv_step(f.s, MS);
        if (i == 11) {
            assert_timer(&f, 0, 3, t0 + 11 * MS, t0 + 11 * MS);
            done(&f, 0);
        }
        if (i % 3 == 0) {
            g_assert_cmpint(qhv_take_irq(f.s, 1), ==, 0x60);
            qhv_eoi(f.s, 1);
        }
        if (i % 4 == 0) {
            assert_timer(&f, 1, 1, t0 + i * MS, t0 + i * MS);
            done(&f, 1);
        }
        g_assert_cmpint(qhv_take_irq(f.s, 0), ==, -1);
        g_assert_cmpint(qhv_take_irq(f.s, 1), ==, -1);
    }
    end(&f);
}

/* A slot that is full, and timers whose messages wait behind it */
static void test_queue(const void *data)
{
    bool seen[4] = { false };
    uint64_t t0;
    QhvMessage m;
    Fixture f;
    unsigned i;

    if (!begin(&f, data)) {
        return;
    }
    synic_on(&f);
    t0 = now(&f);
    qtest_writel(f.s, qhv_slot(0, 2), 0x4321);
    qtest_writel(f.s, qhv_slot(0, 2) + 16, 0x8765);
    for (i = 0; i < 4; i++) {
        qhv_set(f.s, 0, MSR_STIMER_COUNT(i), t0 + (4 - i) * MS);
        qhv_set(f.s, 0, MSR_STIMER_CONFIG(i), STIMER_ENABLE | STIMER_SINT(2));
    }
    /* three of them wait, one is to come */
    qhv_step(f.s, 3 * MS + 5);

    save_and_load(&f);
    cont(&f);

    m = qhv_message(f.s, 0, 2);
    g_assert_cmphex(m.type, ==, 0x4321);
    g_assert_cmphex(m.flags, ==, MESSAGE_PENDING);
    g_assert_cmphex(ldl_le_p(m.payload), ==, 0x8765);
    g_assert_cmpint(qhv_take_irq(f.s, 0), ==, -1);
    qhv_step(f.s, 10 * MS);
    for (i = 0; i < 4; i++) {
        uint32_t timer;

        qhv_message_done(f.s, 0, 2);
        qhv_set(f.s, 0, MSR_EOM, 0);
        timer = ldl_le_p(qhv_message(f.s, 0, 2).payload);
        g_assert_cmpuint(timer, <, 4);
        g_assert_false(seen[timer]);
        seen[timer] = true;
        assert_timer(&f, 0, timer, t0 + (4 - timer) * MS, now(&f));
        qhv_eoi(f.s, 0);
    }
    qhv_message_done(f.s, 0, 2);
    qhv_set(f.s, 0, MSR_EOM, 0);
    g_assert_cmphex(qhv_message_type(f.s, 0, 2), ==, 0);
    end(&f);
}

/* The slot is free, but the guest has not said so when it is saved */
static void test_freed_slot(const void *data)
{
    uint64_t due;
    Fixture f;

    if (!begin(&f, data)) {
        return;
    }
    synic_on(&f);
    due = now(&f) + MS;
    qtest_writel(f.s, qhv_slot(1, 2), 1);
    qhv_set(f.s, 1, MSR_STIMER_COUNT(0), due);
    qhv_set(f.s, 1, MSR_STIMER_CONFIG(0), STIMER_ENABLE | STIMER_SINT(2));
    qhv_step(f.s, 2 * MS);
    qhv_message_done(f.s, 1, 2);

    save_and_load(&f);
    cont(&f);
    /* either at once or with the EOM, but once */
    qhv_set(f.s, 1, MSR_EOM, 0);
    assert_timer(&f, 1, 0, due, now(&f));
    done(&f, 1);
    qhv_set(f.s, 1, MSR_EOM, 0);
    g_assert_cmphex(qhv_message_type(f.s, 1, 2), ==, 0);
    g_assert_cmpint(qhv_take_irq(f.s, 1), ==, -1);
    end(&f);
}

/* A message and its interrupt, both delivered, neither taken; event flags */
static void test_delivered(const void *data)
{
    uint64_t due;
    Fixture f;

    if (!begin(&f, data)) {
        return;
    }
    synic_on(&f);
    due = now(&f) + MS;
    qhv_set(f.s, 0, MSR_STIMER_COUNT(0), due);
    qhv_set(f.s, 0, MSR_STIMER_CONFIG(0), STIMER_ENABLE | STIMER_SINT(2));
    qhv_step(f.s, MS);
    g_assert_true(qhv_route_new(f.s, 0, 1, 3));
    g_assert_cmpint(qhv_route_flag(f.s, 0, 77), ==, 0);

    save_and_load(&f);
    cont(&f);
    assert_timer(&f, 0, 0, due, due);
    done(&f, 0);
    g_assert_cmpint(qhv_take_irq(f.s, 0), ==, -1);
    g_assert_cmphex(qtest_readb(f.s, QHV_SIEFP + QHV_PAGE + 3 * 256 + 9), ==,
                    1 << 5);
    /* AutoEOI is in force */
    g_assert_cmpint(qhv_take_irq(f.s, 1), ==, 0x50);
    g_assert_false(qhv_isr(f.s, 1, 0x50));
    end(&f);
}

/* VA-004: between the interrupt and its end, by the VP assist page */
static void test_eoi_assist(const void *data)
{
    Fixture f;

    if (!begin(&f, data)) {
        return;
    }
    qhv_set(f.s, 0, MSR_VP_ASSIST_PAGE, QHV_ASSIST | 1);
    qhv_set(f.s, 0, MSR_ICR, 0x44050);
    g_assert_cmpint(qhv_take_irq(f.s, 0), ==, 0x50);
    g_assert_cmphex(qtest_readl(f.s, QHV_ASSIST), ==, 1);

    save_and_load(&f);
    cont(&f);
    g_assert_cmphex(qtest_readl(f.s, QHV_ASSIST), ==, 1);
    qtest_writel(f.s, QHV_ASSIST, 0);
    g_assert_false(qhv_isr(f.s, 0, 0x50));
    qhv_set(f.s, 0, MSR_ICR, 0x44050);
    g_assert_cmpint(qhv_take_irq(f.s, 0), ==, 0x50);
    end(&f);
}

/* NE-023, NE-025: the guest is told; its TSC is as fast as before */
static void test_reenlightenment(const void *data)
{
    Fixture f;
    uint64_t tsc;

    if (!begin(&f, data)) {
        return;
    }
    qhv_set(f.s, 0, MSR_REENLIGHTENMENT, 1ull << 32 | 1 << 16 | 0x55);
    qhv_set(f.s, 0, MSR_TSC_EMULATION_CONTROL, 1);
    qhv_set(f.s, 0, MSR_REFERENCE_TSC, QHV_TSC | 1);
    tsc = qtest_readq(f.s, QHV_TSC + 8);

    save_and_load(&f);
    cont(&f);
    g_assert_cmpint(qhv_take_irq(f.s, 1), ==, 0x55);
    qhv_eoi(f.s, 1);
    g_assert_cmpint(qhv_take_irq(f.s, 1), ==, -1);
    g_assert_cmpint(qhv_take_irq(f.s, 0), ==, -1);
    g_assert_cmphex(qhv_get(f.s, 0, MSR_TSC_EMULATION_CONTROL), ==, 1);
    g_assert_cmphex(qhv_get(f.s, 0, MSR_TSC_EMULATION_STATUS), ==, 0);
    /* NE-026: the scale is that of the frequency */
    g_assert_cmphex(qtest_readq(f.s, QHV_TSC + 8), ==, tsc);
    end(&f);
}

/* NE-024: a vector that no interrupt has; or it is not asked for */
static void test_reenlightenment_off(const void *data)
{
    Fixture f;

    if (!begin(&f, data)) {
        return;
    }
    qhv_set(f.s, 0, MSR_REENLIGHTENMENT, 1 << 16 | 2);
    save_and_load(&f);
    cont(&f);
    g_assert_cmpint(qhv_take_irq(f.s, 0), ==, -1);
    qhv_set(f.s, 0, MSR_REENLIGHTENMENT, 0x55);
    save_and_load(&f);
    cont(&f);
    g_assert_cmpint(qhv_take_irq(f.s, 0), ==, -1);
    end(&f);
}

/* VM-036: an event that a VP was given and has not taken yet */
static void test_pending_event(const void *data)
{
    /* #GP with error code 5 */
    const uint64_t event = 1 | 3 << 1 | 1 << 4 | 13 << 16 | 5ull << 32;
    uint64_t set[] = {
        UINT64_MAX, cpu_to_le64(1), cpu_to_le64(0x00010002), 0,
        cpu_to_le64(event), 0,
    };
    uint64_t get[] = { UINT64_MAX, cpu_to_le64(1), cpu_to_le64(0x00010002) };
    Fixture f;

    if (!begin(&f, data)) {
        return;
    }
    qhv_set_guest_os_id(f.s);
    g_assert_cmphex(qhv_hcall_mem(f.s, 0, HC_SET_VP_REGISTERS | HC_REPS(1), set,
                                  sizeof(set), NULL), ==, ST_SUCCESS);
    save_and_load(&f);
    cont(&f);
    g_assert_cmphex(qhv_hcall_mem(f.s, 0, HC_GET_VP_REGISTERS | HC_REPS(1), get,
                                  sizeof(get), NULL), ==, ST_SUCCESS);
    g_assert_cmphex(qtest_readq(f.s, QHV_OUT), ==, event);
    end(&f);
}

/* A guest that would see something else is not loaded: which flag it is */
/* VTL 1's protections, some in each of several chunks, and the default */
static void test_protections(const void *data)
{
    static const uint64_t base[] = { 0x200000, 0x3ff000, 0x3000000 };
    static const uint8_t masks[] = { 0, 1, 3, 7, 9, 13, 15 };
    Fixture f;
    unsigned i, j;

    if (!begin(&f, data)) {
        return;
    }
    qhv_set_guest_os_id(f.s);
    qhv_enable_vtl1(f.s, 0);
    qhv_vtl(f.s, 0, 1);
    qhv_set_guest_os_id(f.s);
    /* to read and to write, unless said otherwise */
    g_assert_cmphex(qhv_set_vp_reg(f.s, 0, QHV_SELF, REG_VSM_PARTITION_CONFIG,
                                   7, 0), ==, ST_SUCCESS);
    for (i = 0; i < ARRAY_SIZE(base); i++) {
        for (j = 0; j < ARRAY_SIZE(masks); j++) {
            qhv_protect(f.s, 0, base[i] + j * QHV_PAGE, masks[j]);
        }
    }

    save_and_load(&f);
    cont(&f);
    for (i = 0; i < ARRAY_SIZE(base); i++) {
        for (j = 0; j < ARRAY_SIZE(masks); j++) {
            g_assert_cmphex(qhv_allowed(f.s, 0, base[i] + j * QHV_PAGE), ==,
                            masks[j]);
        }
        g_assert_cmphex(qhv_allowed(f.s, 0, base[i] + j * QHV_PAGE), ==, 3);
    }
    qhv_protect(f.s, 0, base[0], 15);
    g_assert_cmphex(qhv_allowed(f.s, 0, base[0]), ==, 15);
    /* VTL 0's devices and hypercalls keep away */
    qhv_vtl(f.s, 0, 0);
    g_assert_cmphex(qhv_hcall(f.s, 0, HC_LONG_SPIN_WAIT, base[1], 0, NULL), ==,
                    ST_INVALID_HYPERCALL_INPUT);
    g_assert_cmphex(qhv_hcall(f.s, 0, HC_LONG_SPIN_WAIT, base[0], 0, NULL), ==,
                    ST_SUCCESS);
    end(&f);
}

static void test_other_flags(void)
{
    static const struct {
        const char *source, *target, *named;
    } tests[] = {
        { "hv-time", "hv-time,hv-crash", "hv-crash" },
        { "hv-time,hv-vapic", "hv-time", "hv-vapic" },
        { "hv-vapic", "hv-vapic,hv-avic", "hv-avic" },
        { "hv-vpindex", "hv-vpindex,hv-synic", "hv-synic" },
        { "hv-vpindex,hv-ipi", "hv-vpindex,hv-tlbflush", "hv-tlbflush" },
        { "hv-vapic", "hv-vapic,hv-tlbflush-direct", "hv-tlbflush-direct" },
        { "hv-xmm-input,hv-xmm-output", "hv-xmm-input", "hv-xmm-output" },
        { "hv-relaxed,hv-spinlocks=9", "hv-relaxed", "hv-spinlocks" },
        { "hv-relaxed", "hv-relaxed,hv-no-nonarch-coresharing=on",
          "hv-no-nonarch-coresharing" },
        { "hv-relaxed", "hv-relaxed,hv-enforce-cpuid", "hv-enforce-cpuid" },
        { "hv-relaxed,hv-vendor-id=Somebody", "hv-relaxed", "hv-vendor-id" },
        { "hv-relaxed,hv-version-id-build=20348", "hv-relaxed",
          "hv-version-id-build" },
        { "hv-relaxed,hv-version-id-major=6", "hv-relaxed",
          "hv-version-id-minor" },
        { "hv-vpindex,hv-synic,hv-relaxed",
          "hv-vpindex,hv-synic,hv-relaxed,hv-syndbg", "hv-syndbg" },
        /* as from the Hyper-V of a kernel, of which the stream says nothing */
        { "hv-relaxed=off", "hv-relaxed", "no hv-* flags" },
    };
    g_autofree char *dir = g_dir_make_tmp("hyperv-migration-XXXXXX", NULL);
    g_autofree char *stream = g_build_filename(dir, "stream", NULL);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(tests); i++) {
        g_autofree char *cmd = g_strdup_printf("%s -accel qtest -machine q35 "
            "-nodefaults -display none -m 64 -cpu qemu64,%s "
            "-incoming file:%s",
            g_getenv("QTEST_QEMU_BINARY"), tests[i].target, stream);
        g_autofree char *err = NULL;
        QTestState *s = qtest_initf("-machine q35 -nodefaults -m 64 -cpu "
                                    "qemu64,%s", tests[i].source);
        int status;

        migrate_to(s, stream);
        qtest_quit(s);
        g_assert_true(g_spawn_command_line_sync(cmd, NULL, &err, &status,
                                                NULL));
        g_assert_cmpint(status, !=, 0);
        if (!strstr(err, "The migrated guest cannot go on here") ||
            !strstr(err, tests[i].named)) {
            g_error("%s to %s: expected '%s', got '%s'", tests[i].source,
                    tests[i].target, tests[i].named, err);
        }
    }
    unlink(stream);
    rmdir(dir);
}

/* hv-passthrough is another set of flags with another QEMU */
static void test_passthrough(void)
{
    QTestState *s = qhv_start(1, "hv-passthrough=on", NULL);
    QDict *rsp = qtest_qmp(s, "{ 'execute': 'migrate', 'arguments': "
                           "{ 'uri': 'exec:cat >/dev/null' } }");

    g_assert_true(qdict_haskey(rsp, "error"));
    g_assert_nonnull(strstr(qdict_get_str(qdict_get_qdict(rsp, "error"),
                                          "desc"), "hv-passthrough"));
    qobject_unref(rsp);
    qtest_quit(s);
}

static void add(const char *what, const char *rules,
                void (*fn)(const void *data))
{
    static const char *const ways[] = {
        [STREAM] = "stream",
        [LIVE] = "live",
        [STREAM_TWICE] = "stream-twice",
        [SNAPSHOT] = "snapshot",
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(ways); i++) {
        qhv_add_row(what, ways[i], rules, GUINT_TO_POINTER(i), fn);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("migration/msrs", "HC-051,MS-030", test_msrs);
    add("migration/overlays", "HC-053,SY-004", test_overlays);
    add("migration/time", "RT-005,RT-008,CP-042", test_time);
    add("migration/timers", "ST-028", test_timers);
    add("migration/queue", "ST-028,ST-011", test_queue);
    add("migration/freed-slot", "ST-020,ST-028", test_freed_slot);
    add("migration/delivered", "SY-010,SY-024", test_delivered);
    add("migration/eoi-assist", "VA-004", test_eoi_assist);
    add("migration/reenlightenment", "NE-023,NE-025,NE-026",
        test_reenlightenment);
    add("migration/reenlightenment-off", "NE-023,NE-024",
        test_reenlightenment_off);
    add("migration/pending-event", "VM-036", test_pending_event);
    add("migration/protections", "VS-031", test_protections);
    qhv_add("migration/other-flags", "", test_other_flags);
    qhv_add("migration/passthrough", "", test_passthrough);
    return g_test_run();
}
