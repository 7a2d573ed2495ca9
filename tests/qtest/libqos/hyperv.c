/*
 * What a CPU and the devices of a Hyper-V guest do, for tests that have
 * neither
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "hyperv.h"

static uint64_t qhv_number(const char *word)
{
    uint64_t val;

    g_assert_nonnull(word);
    g_assert_cmpint(qemu_strtou64(word, NULL, 0, &val), ==, 0);
    return val;
}

static int qhv_int(const char *word)
{
    int val;

    g_assert_nonnull(word);
    g_assert_cmpint(qemu_strtoi(word, NULL, 0, &val), ==, 0);
    return val;
}

void qhv_add(const char *name, const char *rules, void (*fn)(void))
{
    g_autofree char *path = g_strdup_printf("hyperv/%s [%s]", name, rules);

    qtest_add_func(path, fn);
}

void qhv_add_row(const char *name, const char *row, const char *rules,
                 const void *data, void (*fn)(const void *data))
{
    g_autofree char *path = g_strdup_printf("hyperv/%s/%s [%s]", name, row,
                                            rules);

    qtest_add_data_func(path, data, fn);
}

QTestState *qhv_start(unsigned cpus, const char *flags, const char *extra)
{
    QTestState *s = qtest_initf("-machine q35 -nodefaults -m 64 -smp %u "
                                "-cpu qemu64,%s %s",
                                cpus, flags, extra ? extra : "");

    qhv_setup_apic(s, cpus);
    return s;
}

void qhv_setup_apic(QTestState *s, unsigned cpus)
{
    unsigned i;

    for (i = 0; i < cpus; i++) {
        qhv_wrapic(s, i, APIC_SVR, 0x1ff);
        qhv_wrapic(s, i, APIC_LINT0, 0x10000);
    }
}

bool qhv_rdmsr(QTestState *s, unsigned vp, uint32_t msr, uint64_t *val)
{
    g_auto(GStrv) words = qtest_command(s, "hv_rdmsr %u 0x%x", vp, msr);

    g_assert_nonnull(words[1]);
    if (g_str_equal(words[1], "GP")) {
        return false;
    }
    *val = qhv_number(words[1]);
    return true;
}

bool qhv_wrmsr(QTestState *s, unsigned vp, uint32_t msr, uint64_t val)
{
    g_auto(GStrv) words = qtest_command(s, "hv_wrmsr %u 0x%x 0x%" PRIx64,
                                        vp, msr, val);

    return !words[1];
}

uint64_t qhv_get(QTestState *s, unsigned vp, uint32_t msr)
{
    uint64_t val;

    if (!qhv_rdmsr(s, vp, msr, &val)) {
        g_error("VP %u: #GP from RDMSR 0x%x", vp, msr);
    }
    return val;
}

void qhv_set(QTestState *s, unsigned vp, uint32_t msr, uint64_t val)
{
    if (!qhv_wrmsr(s, vp, msr, val)) {
        g_error("VP %u: #GP from WRMSR 0x%x, 0x%" PRIx64, vp, msr, val);
    }
}

void qhv_cpuid(QTestState *s, unsigned vp, uint32_t leaf, uint32_t regs[4])
{
    g_auto(GStrv) words = qtest_command(s, "hv_cpuid %u 0x%x", vp, leaf);
    unsigned i;

    for (i = 0; i < 4; i++) {
        regs[i] = qhv_number(words[1 + i]);
    }
}

bool qhv_has(QTestState *s, uint16_t feature)
{
    uint32_t regs[4];

    if (!feature) {
        return true;
    }
    qhv_cpuid(s, 0, 0x40000000 | ((feature >> 8) & 0x7f), regs);
    return regs[(feature >> 5) & 3] & (1u << (feature & 31));
}

uint64_t qhv_rdtsc(QTestState *s, unsigned vp)
{
    g_auto(GStrv) words = qtest_command(s, "hv_rdtsc %u", vp);

    return qhv_number(words[1]);
}

uint16_t qhv_call(QTestState *s, unsigned vp, QhvCall *c)
{
    g_autoptr(GString) xmm = g_string_new("");
    g_auto(GStrv) words = NULL;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(c->xmm); i++) {
        g_string_append_printf(xmm, " 0x%" PRIx64, c->xmm[i]);
    }
    words = qtest_command(s, "hv_hypercall %u %s 0x%" PRIx64 " 0x%" PRIx64
                          " 0x%" PRIx64 "%s", vp, c->mode ? c->mode : "64",
                          c->control, c->in, c->out, xmm->str);
    g_assert_nonnull(words[1]);
    if (g_str_equal(words[1], "UD")) {
        return QHV_UD;
    }
    c->result = qhv_number(words[1]);
    c->in = qhv_number(words[2]);
    c->out = qhv_number(words[3]);
    c->changed = qhv_number(words[4]);
    for (i = 0; i < ARRAY_SIZE(c->xmm); i++) {
        c->xmm[i] = qhv_number(words[5 + i]);
    }
    /* HC-040: what callers have to ignore is to be written as zero */
    g_assert_cmphex(c->result & 0xfffff000ffff0000ull, ==, 0);
    return c->result;
}

uint16_t qhv_hcall(QTestState *s, unsigned vp, uint64_t control, uint64_t in,
                   uint64_t out, uint64_t *result)
{
    QhvCall c = { .control = control, .in = in, .out = out };
    uint16_t status = qhv_call(s, vp, &c);

    if (result) {
        *result = c.result;
    }
    return status;
}

uint16_t qhv_fast(QTestState *s, unsigned vp, uint64_t control, uint64_t rdx,
                  uint64_t r8)
{
    return qhv_hcall(s, vp, control | HC_FAST, rdx, r8, NULL);
}

uint16_t qhv_hcall_mem(QTestState *s, unsigned vp, uint64_t control,
                       const void *input, size_t size, uint64_t *result)
{
    if (size) {
        qtest_memwrite(s, QHV_IN, input, size);
    }
    return qhv_hcall(s, vp, control, QHV_IN, QHV_OUT, result);
}

void qhv_set_guest_os_id(QTestState *s)
{
    qhv_set(s, 0, MSR_GUEST_OS_ID, 0x8100000000000000ull);
}

void qhv_enable_vtl1(QTestState *s, unsigned vp)
{
    /* A 64-bit kernel, as HV_INITIAL_VP_CONTEXT has it */
    static const struct {
        unsigned offset;
        uint64_t val;
    } context[] = {
        { 0, 0x1000 }, { 16, 2 },                       /* RIP, RFLAGS */
        { 32, 0xa09b0008ffffffff },                     /* CS */
        { 112, 0xc0930010ffffffff },                    /* SS */
        { 128, 0x008b001800000067 },                    /* TR */
        { 184, 0x500 }, { 192, 0x80000011 },            /* EFER, CR0 */
        { 200, 0x2000 }, { 208, 0x20 },                 /* CR3, CR4 */
        { 216, 0x0007040600070406 },                    /* PAT */
    };
    uint8_t in[240] = {};
    unsigned i;

    if (!vp) {
        g_assert_cmphex(qhv_fast(s, 0, HC_ENABLE_PARTITION_VTL, UINT64_MAX, 1),
                        ==, ST_SUCCESS);
    }
    stq_le_p(in, UINT64_MAX);
    stl_le_p(in + 8, vp);
    in[12] = 1;
    for (i = 0; i < ARRAY_SIZE(context); i++) {
        stq_le_p(in + 16 + context[i].offset, context[i].val);
    }
    g_assert_cmphex(qhv_hcall_mem(s, 0, HC_ENABLE_VP_VTL, in, sizeof(in),
                                  NULL), ==, ST_SUCCESS);
}

void qhv_vtl(QTestState *s, unsigned vp, unsigned vtl)
{
    g_strfreev(qtest_command(s, "hv_vtl %u %u", vp, vtl));
}

uint16_t qhv_set_vp_reg(QTestState *s, unsigned vp, uint32_t target,
                        uint32_t name, uint64_t low, uint64_t high)
{
    uint64_t in[] = {
        UINT64_MAX, cpu_to_le64(target), cpu_to_le64(name), 0,
        cpu_to_le64(low), cpu_to_le64(high),
    };

    return qhv_hcall_mem(s, vp, HC_SET_VP_REGISTERS | HC_REPS(1), in,
                         sizeof(in), NULL);
}

void qhv_protect(QTestState *s, unsigned vp, uint64_t gpa, uint8_t mask)
{
    uint8_t in[24] = {};

    stq_le_p(in, UINT64_MAX);
    stl_le_p(in + 8, mask);
    stq_le_p(in + 16, gpa / QHV_PAGE);
    g_assert_cmphex(qhv_hcall_mem(s, vp, HC_MODIFY_VTL_PROTECTION_MASK |
                                  HC_REPS(1), in, sizeof(in), NULL), ==,
                    ST_SUCCESS);
}

uint8_t qhv_allowed(QTestState *s, unsigned vp, uint64_t gpa)
{
    uint8_t in[24] = {}, out[8];

    /* VTL 0, and all that it could want */
    stq_le_p(in, UINT64_MAX);
    in[8] = 0x10;
    in[9] = 0xf;
    stq_le_p(in + 16, gpa / QHV_PAGE);
    g_assert_cmphex(qhv_hcall_mem(s, vp, HC_CHECK_VTL_ACCESS | HC_REPS(1), in,
                                  sizeof(in), NULL), ==, ST_SUCCESS);
    qtest_memread(s, QHV_OUT, out, sizeof(out));
    g_assert_cmphex(out[0], ==, out[1] ? 1 : 0);
    g_assert_cmphex(ldl_le_p(out) >> 16, ==, out[1] ? 1 : 0);
    g_assert_cmphex(ldl_le_p(out + 4), ==, 0);
    return 0xf & ~out[1];
}

uint64_t qhv_rdapic(QTestState *s, unsigned vp, unsigned reg)
{
    g_auto(GStrv) words = qtest_command(s, "hv_rdapic %u 0x%x", vp, reg);

    return qhv_number(words[1]);
}

void qhv_wrapic(QTestState *s, unsigned vp, unsigned reg, uint64_t val)
{
    g_strfreev(qtest_command(s, "hv_wrapic %u 0x%x 0x%" PRIx64, vp, reg, val));
}

bool qhv_irr(QTestState *s, unsigned vp, uint8_t vector)
{
    return qhv_rdapic(s, vp, APIC_IRR + vector / 32) & (1u << (vector % 32));
}

bool qhv_isr(QTestState *s, unsigned vp, uint8_t vector)
{
    return qhv_rdapic(s, vp, APIC_ISR + vector / 32) & (1u << (vector % 32));
}

int qhv_take_irq(QTestState *s, unsigned vp)
{
    g_auto(GStrv) words = qtest_command(s, "hv_take_irq %u", vp);

    g_assert_nonnull(words[1]);
    return g_str_equal(words[1], "NONE") ? -1 : qhv_int(words[1]);
}

void qhv_eoi(QTestState *s, unsigned vp)
{
    qhv_wrapic(s, vp, APIC_EOI, 0);
}

void qhv_step(QTestState *s, uint64_t units)
{
    qtest_clock_step(s, units * 100);
}

void qhv_clock_set(QTestState *s, uint64_t ns)
{
    g_strfreev(qtest_command(s, "hv_clock_set 0x%" PRIx64, ns));
}

void qhv_synic_on(QTestState *s, unsigned vp)
{
    qhv_set(s, vp, MSR_SIMP, (QHV_SIMP + vp * QHV_PAGE) | 1);
    qhv_set(s, vp, MSR_SIEFP, (QHV_SIEFP + vp * QHV_PAGE) | 1);
    qhv_set(s, vp, MSR_SCONTROL, 1);
}

uint64_t qhv_slot(unsigned vp, unsigned sint)
{
    return QHV_SIMP + vp * QHV_PAGE + sint * 256;
}

QhvMessage qhv_message(QTestState *s, unsigned vp, unsigned sint)
{
    uint8_t slot[256];
    QhvMessage m;

    qtest_memread(s, qhv_slot(vp, sint), slot, sizeof(slot));
    m.type = ldl_le_p(slot);
    m.size = slot[4];
    m.flags = slot[5];
    m.sender = ldq_le_p(slot + 8);
    memcpy(m.payload, slot + 16, sizeof(m.payload));
    return m;
}

uint32_t qhv_message_type(QTestState *s, unsigned vp, unsigned sint)
{
    return qtest_readl(s, qhv_slot(vp, sint));
}

void qhv_message_done(QTestState *s, unsigned vp, unsigned sint)
{
    qtest_writel(s, qhv_slot(vp, sint), 0);
}

bool qhv_route_new(QTestState *s, unsigned id, unsigned vp, unsigned sint)
{
    g_auto(GStrv) words = qtest_command(s, "hv_route_new %u %u %u",
                                        id, vp, sint);

    return qhv_int(words[1]) == 0;
}

void qhv_route_free(QTestState *s, unsigned id)
{
    g_strfreev(qtest_command(s, "hv_route_free %u", id));
}

int qhv_route_post(QTestState *s, unsigned id, uint32_t type, unsigned size,
                   uint8_t byte)
{
    g_auto(GStrv) words = qtest_command(s, "hv_route_post %u 0x%x %u 0x%x",
                                        id, type, size, byte);

    return qhv_int(words[1]);
}

int qhv_route_flag(QTestState *s, unsigned id, unsigned flag)
{
    g_auto(GStrv) words = qtest_command(s, "hv_route_flag %u %u", id, flag);

    return qhv_int(words[1]);
}

int qhv_route_signal(QTestState *s, unsigned id)
{
    g_auto(GStrv) words = qtest_command(s, "hv_route_signal %u", id);

    return qhv_int(words[1]);
}

unsigned qhv_route_status(QTestState *s, unsigned id, int *status)
{
    g_auto(GStrv) words = qtest_command(s, "hv_route_status %u", id);

    if (status) {
        *status = qhv_int(words[2]);
    }
    return qhv_int(words[1]);
}

/*
 * Sections of migration streams, with their versions and the types of what is
 * in them, other than sections: what other builds of QEMU have sent and will expect
 */
static const struct {
    const char *name;
    const char *version;
    const char *types;
} qhv_sections[] = {
    { "hv-cpuid", "1",
      "tmp" },
    { "hv-cpuid-stream", "0",
      "uint32 uint32 bool" },
    { "hv-net", "1",
      "uint16 equal uint32 uint32 uint32 uint64 uint32 uint16 uint32 "
      "uint32 uint32 uint32 uint16 uint32 bool bool bool uint32 uint32 "
      "uint32 bool uint32 uint8 uint32" },
    { "hv-net/mac", "1",
      "uint8" },
    { "hv-net/queue", "1",
      "uint32" },
    { "hv-net/stats", "1",
      "uint64 uint64 uint64 uint64 uint64 uint64 uint64 uint64 uint64 "
      "uint64" },
    { "hv-partition", "1",
      "uint64 uint64 uint64 uint64 uint64 uint64 uint64 uint64" },
    { "hv-partition/protection", "1",
      "uint16" },
    { "hv-partition/tsc-page", "1",
      "buffer" },
    { "hv-partition/vtl", "1",
      "uint64 uint64 uint64 uint64" },
    { "hv-partition/vtls", "1",
      "uint16" },
    { "hv-protection", "1",
      "bool uint8 hv-protection/chunks" },
    { "hv-scsi", "1",
      "int32 uint16 bool" },
    { "hv-vp", "1",
      "uint8 uint8 uint64 bool bool" },
    { "hv-vp/assist-page", "1",
      "buffer" },
    { "hv-vp/pending-event", "1",
      "uint64" },
    { "hv-vp/stimer", "1",
      "uint64 uint64" },
    { "hv-vtl", "1",
      "uint64 bool uint64 uint64 uint64 uint64 uint64 uint64 uint64 uint8 "
      "uint8" },
    { "hv-vtl-context", "1",
      "uint64 uint64 uint64 uint32 uint32 uint64 uint64 uint64 uint64 "
      "uint64 bool uint64 uint64 uint32 uint64 uint64 uint64 uint64 "
      "uint64 uint64 uint64 uint64 uint64 uint32 int32 int32 uint64 int32 "
      "int32 uint64 bool bool uint64 uint64 uint64 uint64 uint16 uint16 "
      "uint16 uint16 uint32 uint64 uint32 uint8 uint32" },
    { "hv-vtl-context/segment", "1",
      "uint32 uint64 uint32 uint32" },
    { "hv-vtl/stimer", "1",
      "uint64 uint64 uint64 uint64" },
    { "hv-vtls", "1",
      "uint16 uint32" },
    { "vmbus", "1",
      "uint32 uint32 uint32 uint64 uint8 bool bool uint32 qtailq qtailq "
      "bool bool uint32 uint32 int32" },
    { "vmbus-bridge", "1",
      "" },
    { "vmbus-dev", "1",
      "uint8" },
    { "vmbus-testdev", "1",
      "uint64" },
    { "vmbus/gpadl", "1",
      "uint32 uint32 uint32 uint32 uint32 uint32 uint64" },
    { "vmbus/message-in", "1",
      "uint32 uint8" },
    { "vmbus/message-out", "1",
      "uint32 uint32 uint32 uint8" },
    { "vmbus/offer", "1",
      "uint8 uint8 uint16 uint32 uint8 bool bool bool" },
    { "vmbus/open", "1",
      "uint32 uint32 uint32 uint32 uint32 uint32 bool uint8" },
};

typedef struct QhvSection {
    char *name;
    char *version;
    GString *types;
    unsigned depth;
} QhvSection;

static void qhv_assert_section(QhvSection *section)
{
    const char *types = section->types->str;

    for (unsigned i = 0; i < ARRAY_SIZE(qhv_sections); i++) {
        if (g_str_equal(section->name, qhv_sections[i].name)) {
            g_assert_cmpstr(section->version, ==, qhv_sections[i].version);
            g_assert_cmpstr(types, ==, qhv_sections[i].types);
            return;
        }
    }
    if (g_str_has_prefix(section->name, "hv-") ||
        g_str_has_prefix(section->name, "vmbus")) {
        g_test_message("%s is missing in qhv_sections[]", section->name);
        g_test_fail();
    }
}

static void qhv_section_free(gpointer data)
{
    QhvSection *section = data;

    g_free(section->name);
    g_free(section->version);
    g_string_free(section->types, true);
    g_free(section);
}

void qhv_assert_stream(const char *path)
{
    g_autoptr(GRegex) words = g_regex_new(
        "\"(vmsd_name|version|type)\": \"?([^\",]*)|[][]", 0, 0, NULL);
    g_autoptr(GPtrArray) open = g_ptr_array_new_with_free_func(
        qhv_section_free);
    g_autoptr(GMatchInfo) m = NULL;
    g_autofree char *stream = NULL;
    QhvSection *last = NULL;
    unsigned depth = 0;
    const char *json;
    gsize len;

    g_assert_true(g_file_get_contents(path, &stream, &len, NULL));
    /* its end describes it, as a byte 6, a length and JSON text */
    for (json = stream + len - 5; json > stream; json--) {
        if (json[0] == 6 && ldl_be_p(json + 1) == (uintptr_t)(stream + len - json - 5)) {
            break;
        }
    }
    g_assert_true(json > stream);
    /* no parser takes it: keys of an object repeat where there are lists */
    g_regex_match_full(words, json + 5, stream + len - json - 5, 0, 0, &m,
                       NULL);
    for (; g_match_info_matches(m); g_match_info_next(m, NULL)) {
        g_autofree char *what = g_match_info_fetch(m, 0);
        g_autofree char *key = g_match_info_fetch(m, 1);
        g_autofree char *value = g_match_info_fetch(m, 2);

        if (*what == '[') {
            depth++;
        } else if (*what == ']') {
            depth--;
            if (last && last->depth == depth) {
                qhv_assert_section(last);
                g_ptr_array_set_size(open, open->len - 1);
                last = open->len ? open->pdata[open->len - 1] : NULL;
            }
        } else if (g_str_equal(key, "vmsd_name")) {
            last = g_new0(QhvSection, 1);
            last->name = g_steal_pointer(&value);
            last->types = g_string_new("");
            last->depth = depth;
            g_ptr_array_add(open, last);
        } else if (last && g_str_equal(key, "version")) {
            last->version = g_steal_pointer(&value);
        } else if (last && !g_str_equal(value, "struct")) {
            g_string_append_printf(last->types, "%s%s",
                                   last->types->len ? " " : "", value);
        }
    }
    g_assert_cmpuint(open->len, ==, 0);
}
