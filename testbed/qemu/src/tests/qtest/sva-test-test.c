/*
 * QTest of the SVA test device by itself: no IOMMU on the PC, one that is not
 * enabled on arm64
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "sva-test-util.h"

#define SLOT 4
#define PAGE SVA_PAGE_SIZE
#define PATTERN 0x1122334455667788ULL

typedef struct Bed {
    QTestState *qts;
    const SvaMachine *m;
    SvaDev d;
} Bed;

static Bed bed_start(const char *options)
{
    Bed b = { .m = sva_machine() };
    g_autofree char *args = g_strdup_printf("-device sva-test,addr=%d%s", SLOT,
                                            options);

    b.qts = sva_start(b.m, args);
    b.d = sva_dev(b.qts, b.m, SLOT);
    return b;
}

static void bed_stop(Bed *b)
{
    qtest_quit(b->qts);
}

static SvaTestJob plain_job(uint32_t op, uint64_t src, uint64_t dst,
                            uint64_t len)
{
    return (SvaTestJob) {
        .pasid = SVA_NO_PASID,
        .op = op,
        .src = src,
        .dst = dst,
        .len = len,
        .imm = PATTERN,
    };
}

static void assert_pattern(Bed *b, uint64_t addr, uint64_t len)
{
    for (uint64_t i = 0; i < len; i += 8) {
        g_assert_cmphex(qtest_readq(b->qts, addr + i), ==, PATTERN + i);
    }
}

static void fill_pattern(Bed *b, uint64_t addr, uint64_t len)
{
    for (uint64_t i = 0; i < len; i += 8) {
        qtest_writeq(b->qts, addr + i, PATTERN + i);
    }
}

/* Identity and configuration space */

static void test_identity(void)
{
    Bed b = bed_start(",queues=3,dma-can-stall=on");
    SvaDev *d = &b.d;

    g_assert_cmphex(sva_cfg_readl(d, PCI_VENDOR_ID), ==, 0x57a01234);
    g_assert_cmphex(sva_cfg_readl(d, PCI_CLASS_REVISION), ==, 0x00ff0001);
    g_assert_cmphex(sva_readl(d, SVA_ID), ==, SVA_ID_MAGIC);
    g_assert_cmpuint(sva_readl(d, SVA_NQ), ==, 3);
    g_assert_cmphex(sva_readl(d, SVA_CAPS), ==,
                    SVA_CAPS_PASID | SVA_CAPS_ATS | SVA_CAPS_PRI |
                    SVA_CAPS_STALL | SVA_CAPS_ATOMICS);
    g_assert_cmpuint(sva_cfg_readw(d, sva_find_cap(d, PCI_CAP_ID_MSIX) +
                                   PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE,
                     ==, 3);
    bed_stop(&b);

    b = bed_start(",x-vendor-id=0x19e5,x-device-id=0xa250,x-revision=0x21");
    g_assert_cmphex(sva_cfg_readl(d, PCI_VENDOR_ID), ==, 0xa25019e5);
    g_assert_cmphex(sva_cfg_readl(d, PCI_CLASS_REVISION), ==, 0x00ff0021);
    bed_stop(&b);
}

static void test_capabilities(void)
{
    Bed b = bed_start(",pasid-bits=10,priv=on,pri-max-req=17,ats-qdep=5");
    SvaDev *d = &b.d;
    unsigned int exp = sva_find_cap(d, PCI_CAP_ID_EXP);

    g_assert_cmpuint(sva_cfg_readl(d, exp + PCI_EXP_DEVCAP) &
                     PCI_EXP_DEVCAP_FLR, !=, 0);
    /* Without it an OS sends no PASID prefix */
    g_assert_cmpuint(sva_cfg_readl(d, exp + PCI_EXP_DEVCAP2) &
                     PCI_EXP_DEVCAP2_EE_PREFIX, !=, 0);

    g_assert_cmphex(sva_find_ext_cap(d, PCI_EXT_CAP_ID_PASID), ==,
                    SVA_PCI_PASID);
    g_assert_cmphex(sva_cfg_readw(d, SVA_PCI_PASID + PCI_PASID_CAP), ==,
                    10 << 8 | PCI_PASID_CAP_PRIV);
    sva_cfg_writew(d, SVA_PCI_PASID + PCI_PASID_CTRL, 0xffff);
    g_assert_cmphex(sva_cfg_readw(d, SVA_PCI_PASID + PCI_PASID_CTRL), ==,
                    PCI_PASID_CTRL_ENABLE | PCI_PASID_CTRL_PRIV);

    g_assert_cmphex(sva_find_ext_cap(d, PCI_EXT_CAP_ID_ATS), ==, SVA_PCI_ATS);
    g_assert_cmphex(sva_cfg_readw(d, SVA_PCI_ATS + PCI_ATS_CAP), ==,
                    PCI_ATS_CAP_PAGE_ALIGNED | 5);
    sva_cfg_writew(d, SVA_PCI_ATS + PCI_ATS_CTRL, 0xffff);
    g_assert_cmphex(sva_cfg_readw(d, SVA_PCI_ATS + PCI_ATS_CTRL), ==,
                    PCI_ATS_CTRL_ENABLE | 0x1f);

    g_assert_cmphex(sva_find_ext_cap(d, PCI_EXT_CAP_ID_PRI), ==, SVA_PCI_PRI);
    g_assert_cmpuint(sva_cfg_readl(d, SVA_PCI_PRI + PCI_PRI_MAX_REQ), ==, 17);
    g_assert_cmphex(sva_cfg_readw(d, SVA_PCI_PRI + PCI_PRI_STATUS), ==,
                    PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_STOPPED);
    sva_cfg_writel(d, SVA_PCI_PRI + PCI_PRI_ALLOC_REQ, 9);
    sva_cfg_writew(d, SVA_PCI_PRI + PCI_PRI_CTRL, 0xffff);
    g_assert_cmphex(sva_cfg_readw(d, SVA_PCI_PRI + PCI_PRI_CTRL), ==,
                    PCI_PRI_CTRL_ENABLE);
    g_assert_cmphex(sva_cfg_readw(d, SVA_PCI_PRI + PCI_PRI_STATUS), ==,
                    PCI_PRI_STATUS_PASID);
    sva_cfg_writew(d, SVA_PCI_PRI + PCI_PRI_CTRL, 0);
    g_assert_cmphex(sva_cfg_readw(d, SVA_PCI_PRI + PCI_PRI_STATUS), ==,
                    PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_STOPPED);
    bed_stop(&b);
}

static void test_no_capabilities(void)
{
    Bed b = bed_start(",pasid=off,ats=off,pri=off");

    g_assert_cmphex(sva_find_ext_cap(&b.d, PCI_EXT_CAP_ID_PASID), ==, 0);
    g_assert_cmphex(sva_find_ext_cap(&b.d, PCI_EXT_CAP_ID_ATS), ==, 0);
    g_assert_cmphex(sva_find_ext_cap(&b.d, PCI_EXT_CAP_ID_PRI), ==, 0);
    g_assert_cmphex(sva_readl(&b.d, SVA_CAPS), ==, SVA_CAPS_ATOMICS);
    bed_stop(&b);
}

/* Registers */

static void test_registers(void)
{
    Bed b = bed_start("");
    SvaDev *d = &b.d;
    unsigned int q = SVA_Q_PAGE(7);

    /* Read-only */
    sva_writel(d, SVA_ID, 0);
    g_assert_cmphex(sva_readl(d, SVA_ID), ==, SVA_ID_MAGIC);
    sva_writeq(d, q + SVA_Q_ITER, 5);
    g_assert_cmpuint(sva_readq(d, q + SVA_Q_ITER), ==, 0);

    /* By halves */
    sva_writeq(d, q + SVA_Q_SRC, 0x1111222233334444);
    sva_writel(d, q + SVA_Q_SRC + 4, 0x55556666);
    g_assert_cmphex(sva_readq(d, q + SVA_Q_SRC), ==, 0x5555666633334444);
    g_assert_cmphex(sva_readl(d, q + SVA_Q_SRC + 4), ==, 0x55556666);

    /* What is no register reads as 0 and cannot be written */
    g_assert_cmphex(sva_readq(d, SVA_ID), ==, 0);
    g_assert_cmphex(sva_readl(d, 0xff8), ==, 0);
    sva_writel(d, SVA_Q_PAGE(8) + SVA_Q_PASID, 1);
    g_assert_cmphex(sva_readl(d, SVA_Q_PAGE(8) + SVA_Q_PASID), ==, 0);
    sva_writeq(d, q + SVA_Q_PASID, UINT64_MAX);
    g_assert_cmphex(sva_readl(d, q + SVA_Q_PASID), ==, 0);
    g_assert_cmphex(qtest_readb(b.qts, d->bar + SVA_ID), ==, 0);
    g_assert_cmphex(qtest_readl(b.qts, d->bar + SVA_BAR_SIZE - 4), ==, 0);

    /* Reserved bits and limits */
    sva_writel(d, q + SVA_Q_PASID, UINT32_MAX);
    g_assert_cmphex(sva_readl(d, q + SVA_Q_PASID), ==, 0x800fffff);
    sva_writel(d, SVA_MISBEHAVE, UINT32_MAX);
    g_assert_cmphex(sva_readl(d, SVA_MISBEHAVE), ==, SVA_BAD_ALL);
    sva_writeq(d, SVA_CHUNK_NS, 0);
    g_assert_cmpuint(sva_readq(d, SVA_CHUNK_NS), ==, SVA_CHUNK_NS_MIN);
    sva_writeq(d, SVA_HOLD_NS, UINT64_MAX);
    g_assert_cmpuint(sva_readq(d, SVA_HOLD_NS), ==, SVA_HOLD_NS_MAX);
    sva_writel(d, SVA_ATC_SIZE, 0);
    g_assert_cmpuint(sva_readl(d, SVA_ATC_SIZE), ==, 1);
    g_assert_cmpuint(sva_readl(d, SVA_ATC_USED), ==, 0);
    bed_stop(&b);
}

/* Data */

static void test_write_read(void)
{
    Bed b = bed_start("");
    uint64_t addr = b.m->ram + 0x10ff8, len = 2 * PAGE + 16, sum = 0;
    SvaTestJob job = plain_job(SVA_OP_WRITE, 0, addr, len);

    qtest_writeq(b.qts, addr - 8, 7);
    qtest_writeq(b.qts, addr + len, 9);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    assert_pattern(&b, addr, len);
    g_assert_cmpuint(qtest_readq(b.qts, addr - 8), ==, 7);
    g_assert_cmpuint(qtest_readq(b.qts, addr + len), ==, 9);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_DONE_BYTES), ==, len);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_ITER), ==, 1);
    g_assert_cmpuint(sva_counter(&b.d, SVA_CNT_WRITTEN), ==, len);

    for (uint64_t i = 0; i < len; i += 8) {
        sum += PATTERN + i;
    }
    job = plain_job(SVA_OP_READ, addr, 0, len);
    g_assert_cmpuint(sva_run(&b.d, 1, &job), ==, SVA_RES_OK);
    g_assert_cmphex(sva_q_readq(&b.d, 1, SVA_Q_RESULT), ==, sum);
    g_assert_cmpuint(sva_counter(&b.d, SVA_CNT_READ), ==, len);

    sva_writel(&b.d, SVA_COUNTER_CLEAR, 1);
    g_assert_cmpuint(sva_counter(&b.d, SVA_CNT_READ), ==, 0);
    bed_stop(&b);
}

static void test_verify(void)
{
    Bed b = bed_start("");
    uint64_t addr = b.m->ram + 0x800, len = 2 * PAGE;
    SvaTestJob job = plain_job(SVA_OP_VERIFY, addr, 0, len);

    fill_pattern(&b, addr, len);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    qtest_writeq(b.qts, addr + PAGE + 40, 0);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_MISMATCH);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_RESULT), ==, PAGE + 40);
    bed_stop(&b);
}

static void test_copy(void)
{
    Bed b = bed_start("");
    uint64_t src = b.m->ram + 0x123, dst = b.m->ram + 0x20abc;
    g_autofree uint8_t *from = g_malloc(3 * PAGE), *to = g_malloc(3 * PAGE);
    SvaTestJob job = plain_job(SVA_OP_COPY, src, dst, 3 * PAGE);

    for (int i = 0; i < 3 * PAGE; i++) {
        from[i] = i * 7 + i / 256;
    }
    qtest_memwrite(b.qts, src, from, 3 * PAGE);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    qtest_memread(b.qts, dst, to, 3 * PAGE);
    g_assert_cmpint(memcmp(from, to, 3 * PAGE), ==, 0);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_DONE_BYTES), ==, 3 * PAGE);
    bed_stop(&b);
}

static void test_atomic(void)
{
    Bed b = bed_start("");
    uint64_t addr = b.m->ram + PAGE - 8;
    SvaTestJob job = plain_job(SVA_OP_ATOMIC, addr, 0, 16);

    qtest_writeq(b.qts, addr, 100);
    qtest_writeq(b.qts, addr + 8, 200);
    job.imm = -1ULL;
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    g_assert_cmpuint(qtest_readq(b.qts, addr), ==, 99);
    g_assert_cmpuint(qtest_readq(b.qts, addr + 8), ==, 199);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_RESULT), ==, 200);
    g_assert_cmpuint(sva_counter(&b.d, SVA_CNT_ATOMICS), ==, 2);
    bed_stop(&b);
}

static void test_touch(void)
{
    Bed b = bed_start("");
    SvaTestJob job = plain_job(SVA_OP_TOUCH, b.m->ram + 5, 0, 3 * PAGE);

    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    /* The last page is only touched by its first bytes */
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_DONE_BYTES), ==, 4);
    bed_stop(&b);
}

static void test_bad_ranges(void)
{
    Bed b = bed_start("");
    uint64_t ram = b.m->ram;
    const SvaTestJob jobs[] = {
        plain_job(SVA_OP_READ, ram + 4, 0, 8),
        plain_job(SVA_OP_WRITE, 0, ram, 12),
        plain_job(SVA_OP_ATOMIC, ram + 1, 0, 8),
        plain_job(SVA_OP_VERIFY, ram, 0, 0),
        plain_job(SVA_OP_TOUCH, UINT64_MAX - 7, 0, 16),
        plain_job(SVA_OP_COPY, ram, UINT64_MAX, 2),
        plain_job(SVA_NR_OPS, ram, ram, 8),
        plain_job(SVA_Q_OP_MASK, ram, ram, 8),
    };

    for (int i = 0; i < ARRAY_SIZE(jobs); i++) {
        g_assert_cmpuint(sva_run(&b.d, 0, &jobs[i]), ==, SVA_RES_MISALIGNED);
    }
    g_assert_cmpuint(sva_counter(&b.d, SVA_CNT_READ), ==, 0);
    g_assert_cmpuint(sva_counter(&b.d, SVA_CNT_WRITTEN), ==, 0);
    bed_stop(&b);
}

/* Neither other devices nor nothing at all is written or read */
static void test_not_ram(void)
{
    Bed b = bed_start("");
    SvaDev *d = &b.d;
    const uint64_t targets[] = { d->bar + SVA_STOP_LATENCY, d->msix,
                                 b.m->ecam };
    SvaTestJob hole = plain_job(SVA_OP_WRITE, 0, 1ULL << 45, 8);

    /* The IOMMU may be the one that refuses */
    g_assert_cmpuint(sva_run(d, 0, &hole), !=, SVA_RES_OK);
    for (int i = 0; i < ARRAY_SIZE(targets); i++) {
        SvaTestJob job = plain_job(SVA_OP_WRITE, 0, targets[i], 8);

        g_assert_cmpuint(sva_run(d, 0, &job), ==, SVA_RES_NOT_RAM);
        g_assert_cmphex(sva_q_readq(d, 0, SVA_Q_FAULT_ADDR), ==, targets[i]);
        job = plain_job(SVA_OP_READ, targets[i], 0, 8);
        g_assert_cmpuint(sva_run(d, 0, &job), ==, SVA_RES_NOT_RAM);
        job = plain_job(SVA_OP_ATOMIC, targets[i], 0, 8);
        g_assert_cmpuint(sva_run(d, 0, &job), ==, SVA_RES_NOT_RAM);
    }
    g_assert_cmpuint(sva_readq(d, SVA_STOP_LATENCY), ==, 0);
    g_assert_cmpuint(sva_counter(d, SVA_CNT_WRITTEN), ==, 0);
    bed_stop(&b);
}

/* Requests that may not be sent */

static void test_pasid_limits(void)
{
    Bed b = bed_start(",pasid-bits=10");
    SvaTestJob job = plain_job(SVA_OP_READ, b.m->ram, 0, 8);

    job.pasid = 1;
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_UNSUPPORTED);
    sva_enable_pasid(&b.d, 0);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), !=, SVA_RES_UNSUPPORTED);
    job.pasid = 1 << 10;
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_UNSUPPORTED);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_ABORTS), ==, 0);
    bed_stop(&b);
}

static void test_priv_exec(void)
{
    static const struct {
        const char *options;
        uint16_t enable;
        uint32_t flag;
        bool ok;
    } cases[] = {
        { "", PCI_PASID_CTRL_PRIV, SVA_Q_OP_PRIV, false },
        { "", PCI_PASID_CTRL_EXEC, SVA_Q_OP_EXEC, false },
        { ",priv=on", 0, SVA_Q_OP_PRIV, false },
        { ",priv=on", PCI_PASID_CTRL_PRIV, SVA_Q_OP_PRIV, true },
        { ",priv=on", PCI_PASID_CTRL_PRIV, SVA_Q_OP_EXEC, false },
        { ",exec=on", PCI_PASID_CTRL_EXEC, SVA_Q_OP_EXEC, true },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Bed b = bed_start(cases[i].options);
        SvaTestJob job = plain_job(SVA_OP_READ | cases[i].flag, b.m->ram, 0, 8);

        sva_enable_pasid(&b.d, cases[i].enable);
        job.pasid = 1;
        if (cases[i].ok) {
            g_assert_cmpuint(sva_run(&b.d, 0, &job), !=, SVA_RES_UNSUPPORTED);
        } else {
            g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_UNSUPPORTED);
        }
        job.pasid = SVA_NO_PASID;
        g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_UNSUPPORTED);
        bed_stop(&b);
    }
}

/* PC only: nobody translates a PASID there */
static void test_no_iommu(void)
{
    Bed b = bed_start("");
    SvaDev *d = &b.d;
    SvaTestJob job = plain_job(SVA_OP_READ, b.m->ram + 0x100, 0, 3 * PAGE);

    sva_enable_pasid(d, 0);
    job.pasid = 5;
    g_assert_cmpuint(sva_run(d, 0, &job), ==, SVA_RES_ABORT);
    g_assert_cmphex(sva_q_readq(d, 0, SVA_Q_FAULT_ADDR), ==, job.src);
    g_assert_cmpuint(sva_q_readq(d, 0, SVA_Q_ABORTS), ==, 1);
    g_assert_cmpuint(sva_q_readq(d, 0, SVA_Q_DONE_BYTES), ==, 0);

    /* One transaction in each of the four pages */
    job.op |= SVA_Q_OP_CONT;
    g_assert_cmpuint(sva_run(d, 0, &job), ==, SVA_RES_OK);
    g_assert_cmpuint(sva_q_readq(d, 0, SVA_Q_ABORTS), ==, 4);
    g_assert_cmpuint(sva_counter(d, SVA_CNT_ABORTED), ==, 5);
    g_assert_cmpuint(sva_counter(d, SVA_CNT_READ), ==, 0);

    /* Translation requests go nowhere either */
    sva_cfg_writew(d, SVA_PCI_ATS + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
    job.op = SVA_OP_READ;
    g_assert_cmpuint(sva_run(d, 0, &job), ==, SVA_RES_ATS_UR);
    g_assert_cmpuint(sva_counter(d, SVA_CNT_TRANS_REQ), ==, 1);
    g_assert_cmpuint(sva_counter(d, SVA_CNT_TRANS_UR_CA), ==, 1);
    job.op |= SVA_Q_OP_UNTRANSLATED;
    g_assert_cmpuint(sva_run(d, 0, &job), ==, SVA_RES_ABORT);
    job.op = SVA_OP_READ;
    sva_writel(d, SVA_CTRL, SVA_CTRL_ENABLE | SVA_CTRL_FORCE_UNTRANSLATED);
    g_assert_cmpuint(sva_run(d, 0, &job), ==, SVA_RES_ABORT);
    g_assert_cmpuint(sva_counter(d, SVA_CNT_TRANS_REQ), ==, 1);
    bed_stop(&b);
}

/* PC only: a job that only aborts is as quick as any other */
static void test_abort_rate(void)
{
    Bed b = bed_start("");
    SvaTestJob job = plain_job(SVA_OP_WRITE | SVA_Q_OP_LOOP | SVA_Q_OP_CONT, 0,
                               b.m->ram, PAGE);

    sva_enable_pasid(&b.d, 0);
    job.pasid = 5;
    sva_go(&b.d, 0, &job);
    for (int i = 0; i < 1000; i++) {
        qtest_clock_step(b.qts, SVA_CHUNK_NS_DEFAULT);
    }
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_ABORTS), >=, 1000);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_ABORTS), <=, 1001);
    g_assert_cmpuint(sva_state(&b.d, 0), ==, SVA_STATE_RUN);
    bed_stop(&b);
}

/* Stopping */

static void start_loop(Bed *b, unsigned int queue, uint64_t addr)
{
    SvaTestJob job = plain_job(SVA_OP_WRITE | SVA_Q_OP_LOOP, 0, addr, PAGE);

    sva_go(&b->d, queue, &job);
    qtest_clock_step(b->qts, 3 * SVA_CHUNK_NS_DEFAULT);
    g_assert_cmpuint(sva_state(&b->d, queue), ==, SVA_STATE_RUN);
}

/* Nothing is written any more, however long one waits */
static void assert_quiet(Bed *b, uint64_t addr)
{
    qtest_writeq(b->qts, addr, 0);
    for (int i = 0; i < 10; i++) {
        qtest_clock_step(b->qts, 3 * SVA_CHUNK_NS_DEFAULT);
    }
    g_assert_cmphex(qtest_readq(b->qts, addr), ==, 0);
}

static void test_stop(void)
{
    Bed b = bed_start("");
    SvaDev *d = &b.d;

    /* Nothing to stop */
    sva_stop(d, 0);
    g_assert_cmpuint(sva_state(d, 0), ==, SVA_STATE_IDLE);
    g_assert_false(sva_done(d, 0));

    start_loop(&b, 0, b.m->ram);
    g_assert_cmpuint(sva_q_readq(d, 0, SVA_Q_ITER), >=, 1);
    sva_stop(d, 0);
    sva_wait_state(d, 0, SVA_STATE_IDLE, 1);
    g_assert_true(sva_done(d, 0));
    g_assert_cmpuint(sva_result(d, 0), ==, SVA_RES_STOPPED);
    g_assert_cmphex(sva_readl(d, SVA_EVENT), ==, SVA_EVENT_STOP_DONE);
    assert_quiet(&b, b.m->ram);
    g_assert_cmpuint(sva_counter(d, SVA_CNT_AFTER_STOP_REQ), ==, 0);
    g_assert_cmpuint(sva_counter(d, SVA_CNT_AFTER_STOP_ACK), ==, 0);

    sva_writel(d, SVA_EVENT, SVA_EVENT_STOP_DONE);
    g_assert_cmphex(sva_readl(d, SVA_EVENT), ==, 0);
    sva_writel(d, SVA_Q_PAGE(0) + SVA_Q_STATUS, SVA_Q_STATUS_DONE);
    g_assert_false(sva_done(d, 0));
    bed_stop(&b);
}

static void test_stop_latency(void)
{
    Bed b = bed_start("");
    const int64_t latency = 5000000;

    sva_writeq(&b.d, SVA_STOP_LATENCY, latency);
    start_loop(&b, 0, b.m->ram);
    sva_stop(&b.d, 0);
    g_assert_cmpuint(sva_state(&b.d, 0), ==, SVA_STATE_DRAINING);
    assert_quiet(&b, b.m->ram);
    qtest_clock_step(b.qts, latency - 30 * SVA_CHUNK_NS_DEFAULT - 1);
    g_assert_cmpuint(sva_state(&b.d, 0), ==, SVA_STATE_DRAINING);
    g_assert_false(sva_done(&b.d, 0));
    qtest_clock_step(b.qts, 1);
    g_assert_cmpuint(sva_state(&b.d, 0), ==, SVA_STATE_IDLE);
    g_assert_true(sva_done(&b.d, 0));
    bed_stop(&b);
}

static void test_pasid_stop(void)
{
    Bed b = bed_start("");
    SvaDev *d = &b.d;
    SvaTestJob job = { .op = SVA_OP_NOP | SVA_Q_OP_LOOP };

    sva_enable_pasid(d, 0);
    sva_writeq(d, SVA_STOP_LATENCY, 1000000);
    for (int i = 0; i < 3; i++) {
        job.pasid = i == 2 ? 8 : 7;
        sva_go(d, i, &job);
    }
    start_loop(&b, 3, b.m->ram);
    sva_writel(d, SVA_PASID_STOP, 7);
    g_assert_cmpuint(sva_readl(d, SVA_PASID_STOP_BUSY), ==, 1);
    g_assert_cmpuint(sva_state(d, 0), ==, SVA_STATE_DRAINING);
    g_assert_cmpuint(sva_state(d, 1), ==, SVA_STATE_DRAINING);
    qtest_clock_step(b.qts, 1000000);
    g_assert_cmpuint(sva_readl(d, SVA_PASID_STOP_BUSY), ==, 0);
    g_assert_cmpuint(sva_state(d, 0), ==, SVA_STATE_IDLE);
    g_assert_cmpuint(sva_state(d, 1), ==, SVA_STATE_IDLE);
    g_assert_cmpuint(sva_state(d, 2), ==, SVA_STATE_RUN);
    g_assert_cmpuint(sva_state(d, 3), ==, SVA_STATE_RUN);
    bed_stop(&b);
}

static void test_bad_stop(void)
{
    Bed b = bed_start("");
    const int64_t delay = 100 * SVA_CHUNK_NS_DEFAULT;

    sva_writel(&b.d, SVA_MISBEHAVE, SVA_BAD_DMA_AFTER_STOP);
    sva_writeq(&b.d, SVA_INV_DELAY, delay);
    start_loop(&b, 0, b.m->ram);
    sva_stop(&b.d, 0);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 1);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_STOPPED);
    qtest_writeq(b.qts, b.m->ram, 0);
    for (int i = 0; i < 100; i++) {
        qtest_clock_step(b.qts, SVA_CHUNK_NS_DEFAULT);
    }
    g_assert_cmphex(qtest_readq(b.qts, b.m->ram), ==, PATTERN);
    g_assert_cmpuint(sva_counter(&b.d, SVA_CNT_AFTER_STOP_ACK), >=, 90);
    qtest_clock_step(b.qts, SVA_CHUNK_NS_DEFAULT);
    assert_quiet(&b, b.m->ram);
    bed_stop(&b);
}

static void test_go_twice(void)
{
    Bed b = bed_start("");
    SvaTestJob other = plain_job(SVA_OP_WRITE, 0, b.m->ram + PAGE, 8);

    start_loop(&b, 0, b.m->ram);
    qtest_writeq(b.qts, b.m->ram + PAGE, 0);
    sva_go(&b.d, 0, &other);
    g_assert_cmphex(sva_readl(&b.d, SVA_EVENT), ==, SVA_EVENT_PROTOCOL);
    qtest_clock_step(b.qts, 2 * SVA_CHUNK_NS_DEFAULT);
    g_assert_cmpuint(sva_state(&b.d, 0), ==, SVA_STATE_RUN);
    g_assert_cmphex(qtest_readq(b.qts, b.m->ram + PAGE), ==, 0);
    bed_stop(&b);
}

static void test_disabled(void)
{
    Bed b = bed_start("");
    SvaTestJob job = plain_job(SVA_OP_WRITE, 0, b.m->ram, 8);

    start_loop(&b, 0, b.m->ram);
    sva_writel(&b.d, SVA_CTRL, 0);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 1);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_STOPPED);
    sva_go(&b.d, 1, &job);
    g_assert_cmpuint(sva_state(&b.d, 1), ==, SVA_STATE_IDLE);
    g_assert_cmphex(sva_readl(&b.d, SVA_EVENT) & SVA_EVENT_PROTOCOL, !=, 0);
    assert_quiet(&b, b.m->ram);
    bed_stop(&b);
}

/* Resets */

static void test_soft_reset(void)
{
    Bed b = bed_start("");
    SvaDev *d = &b.d;

    sva_writeq(d, SVA_STOP_LATENCY, 1000000);
    sva_writel(d, SVA_ATC_SIZE, 5);
    start_loop(&b, 0, b.m->ram);
    start_loop(&b, 1, b.m->ram + PAGE);
    sva_writel(d, SVA_CTRL, SVA_CTRL_RESET);
    g_assert_cmphex(sva_readl(d, SVA_CTRL), ==, 0);
    g_assert_cmphex(sva_status(d, 0), ==, 0);
    g_assert_cmphex(sva_status(d, 1), ==, 0);
    assert_quiet(&b, b.m->ram);
    assert_quiet(&b, b.m->ram + PAGE);
    g_assert_cmpuint(sva_readq(d, SVA_STOP_LATENCY), ==, 0);
    g_assert_cmpuint(sva_readq(d, SVA_CHUNK_NS), ==, SVA_CHUNK_NS_DEFAULT);
    g_assert_cmpuint(sva_readl(d, SVA_ATC_SIZE), ==, SVA_ATC_SIZE_DEFAULT);
    g_assert_cmpuint(sva_counter(d, SVA_CNT_WRITTEN), ==, 0);
    g_assert_cmpuint(sva_q_readq(d, 0, SVA_Q_RETRY_LIMIT), ==,
                     SVA_Q_RETRY_DEFAULT);
    /* Not what belongs to the configuration space */
    g_assert_cmphex(sva_cfg_readw(d, PCI_COMMAND), ==,
                    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    bed_stop(&b);
}

static void test_flr(void)
{
    Bed b = bed_start("");
    SvaDev *d = &b.d;
    unsigned int exp = sva_find_cap(d, PCI_CAP_ID_EXP);

    sva_enable_pasid(d, 0);
    sva_cfg_writew(d, SVA_PCI_ATS + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
    sva_cfg_writel(d, SVA_PCI_PRI + PCI_PRI_ALLOC_REQ, 9);
    sva_cfg_writew(d, SVA_PCI_PRI + PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE);
    sva_writel(d, SVA_CTRL, SVA_CTRL_ENABLE | SVA_CTRL_FORCE_UNTRANSLATED);
    start_loop(&b, 0, b.m->ram);

    sva_cfg_writew(d, exp + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR);
    assert_quiet(&b, b.m->ram);
    g_assert_cmphex(sva_cfg_readw(d, PCI_COMMAND), ==, 0);
    g_assert_cmphex(sva_cfg_readw(d, SVA_PCI_PASID + PCI_PASID_CTRL), ==, 0);
    g_assert_cmphex(sva_cfg_readw(d, SVA_PCI_ATS + PCI_ATS_CTRL), ==, 0);
    g_assert_cmphex(sva_cfg_readw(d, SVA_PCI_PRI + PCI_PRI_CTRL), ==, 0);
    g_assert_cmphex(sva_cfg_readl(d, SVA_PCI_PRI + PCI_PRI_ALLOC_REQ), ==, 0);
    g_assert_cmphex(sva_cfg_readw(d, SVA_PCI_PRI + PCI_PRI_STATUS), ==,
                    PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_STOPPED);

    sva_enable(d);
    g_assert_cmphex(sva_status(d, 0), ==, 0);
    start_loop(&b, 0, b.m->ram);
    bed_stop(&b);
}

static void test_system_reset(void)
{
    Bed b = bed_start("");

    start_loop(&b, 0, b.m->ram);
    qtest_system_reset(b.qts);
    assert_quiet(&b, b.m->ram);
    bed_stop(&b);
}

static void test_bus_master_off(void)
{
    Bed b = bed_start("");
    SvaTestJob job = plain_job(SVA_OP_WRITE, 0, b.m->ram, 8);

    start_loop(&b, 0, b.m->ram);
    sva_cfg_writew(&b.d, PCI_COMMAND, PCI_COMMAND_MEMORY);
    g_assert_cmpuint(sva_state(&b.d, 0), ==, SVA_STATE_IDLE);
    g_assert_true(sva_done(&b.d, 0));
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_BME_OFF);
    assert_quiet(&b, b.m->ram);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_BME_OFF);
    g_assert_cmphex(qtest_readq(b.qts, b.m->ram), ==, 0);
    bed_stop(&b);
}

/* Time and interrupts */

static void test_hold(void)
{
    Bed b = bed_start("");
    SvaTestJob job = plain_job(SVA_OP_WRITE, 0, b.m->ram, 8);

    sva_writeq(&b.d, SVA_HOLD_NS, 1000000);
    qtest_writeq(b.qts, b.m->ram, 0);
    sva_go(&b.d, 0, &job);
    qtest_clock_step(b.qts, 1);
    qtest_clock_step(b.qts, 999990);
    g_assert_cmphex(qtest_readq(b.qts, b.m->ram), ==, 0);
    g_assert_cmpuint(sva_state(&b.d, 0), ==, SVA_STATE_RUN);
    /* A stop waits for what has been translated */
    sva_stop(&b.d, 0);
    g_assert_cmpuint(sva_state(&b.d, 0), ==, SVA_STATE_STOPPING);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmphex(qtest_readq(b.qts, b.m->ram), ==, PATTERN);
    g_assert_cmpuint(sva_counter(&b.d, SVA_CNT_AFTER_STOP_REQ), ==, 1);
    g_assert_cmpuint(sva_counter(&b.d, SVA_CNT_AFTER_STOP_ACK), ==, 0);
    bed_stop(&b);
}

static void test_chunk_ns(void)
{
    Bed b = bed_start(",chunk=64");
    SvaTestJob job = plain_job(SVA_OP_WRITE, 0, b.m->ram, 256);

    sva_writeq(&b.d, SVA_CHUNK_NS, 1000000);
    sva_go(&b.d, 0, &job);
    qtest_clock_step(b.qts, 1);
    for (int i = 1; i < 4; i++) {
        g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_DONE_BYTES), ==, i * 64);
        qtest_clock_step(b.qts, 1000000);
    }
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_DONE_BYTES), ==, 256);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_OK);
    bed_stop(&b);
}

/* Messages are writes to memory like any other: have them sent to RAM */
static void set_vector(Bed *b, unsigned int vector, uint64_t addr,
                       uint32_t data)
{
    uint64_t entry = b->d.msix + vector * PCI_MSIX_ENTRY_SIZE;

    qtest_writel(b->qts, entry + PCI_MSIX_ENTRY_LOWER_ADDR, addr);
    qtest_writel(b->qts, entry + PCI_MSIX_ENTRY_UPPER_ADDR, addr >> 32);
    qtest_writel(b->qts, entry + PCI_MSIX_ENTRY_DATA, data);
    qtest_writel(b->qts, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
}

static void test_interrupts(void)
{
    Bed b = bed_start(",queues=2");
    SvaDev *d = &b.d;
    SvaTestJob job = { .pasid = SVA_NO_PASID, .op = SVA_OP_NOP };
    uint64_t box = b.m->ram + PAGE;

    sva_cfg_writew(d, sva_find_cap(d, PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS,
                   PCI_MSIX_FLAGS_ENABLE);
    for (int i = 0; i < 3; i++) {
        qtest_writel(b.qts, box + 4 * i, 0);
        set_vector(&b, i, box + 4 * i, 0x100 + i);
    }
    g_assert_cmpuint(sva_run(d, 1, &job), ==, SVA_RES_OK);
    g_assert_cmphex(qtest_readl(b.qts, box), ==, 0);
    g_assert_cmphex(qtest_readl(b.qts, box + 4), ==, 0x101);
    g_assert_cmpuint(sva_counter(d, SVA_CNT_IRQ), ==, 1);

    /* Also when stopped; the event vector only when it is wanted */
    start_loop(&b, 0, b.m->ram);
    sva_stop(d, 0);
    sva_wait_state(d, 0, SVA_STATE_IDLE, 1);
    g_assert_cmphex(qtest_readl(b.qts, box), ==, 0x100);
    g_assert_cmphex(qtest_readl(b.qts, box + 8), ==, 0);
    sva_writel(d, SVA_EVENT_MASK, SVA_EVENT_STOP_DONE);
    start_loop(&b, 0, b.m->ram);
    sva_stop(d, 0);
    sva_wait_state(d, 0, SVA_STATE_IDLE, 1);
    qtest_clock_step(b.qts, 1);
    g_assert_cmphex(qtest_readl(b.qts, box + 8), ==, 0x102);

    /* Not without IRQ_EN */
    qtest_writel(b.qts, box + 4, 0);
    sva_writel(d, SVA_Q_PAGE(1) + SVA_Q_CTRL, SVA_Q_CTRL_GO);
    sva_wait_state(d, 1, SVA_STATE_IDLE, 2);
    g_assert_cmphex(qtest_readl(b.qts, box + 4), ==, 0);
    bed_stop(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/sva-test/identity", test_identity);
    qtest_add_func("/sva-test/capabilities", test_capabilities);
    qtest_add_func("/sva-test/no-capabilities", test_no_capabilities);
    qtest_add_func("/sva-test/registers", test_registers);
    qtest_add_func("/sva-test/write-read", test_write_read);
    qtest_add_func("/sva-test/verify", test_verify);
    qtest_add_func("/sva-test/copy", test_copy);
    qtest_add_func("/sva-test/atomic", test_atomic);
    qtest_add_func("/sva-test/touch", test_touch);
    qtest_add_func("/sva-test/bad-ranges", test_bad_ranges);
    qtest_add_func("/sva-test/not-ram", test_not_ram);
    qtest_add_func("/sva-test/pasid-limits", test_pasid_limits);
    qtest_add_func("/sva-test/priv-exec", test_priv_exec);
    if (sva_machine() == &sva_q35) {
        qtest_add_func("/sva-test/no-iommu", test_no_iommu);
        qtest_add_func("/sva-test/abort-rate", test_abort_rate);
    }
    qtest_add_func("/sva-test/stop", test_stop);
    qtest_add_func("/sva-test/stop-latency", test_stop_latency);
    qtest_add_func("/sva-test/pasid-stop", test_pasid_stop);
    qtest_add_func("/sva-test/bad-stop", test_bad_stop);
    qtest_add_func("/sva-test/go-twice", test_go_twice);
    qtest_add_func("/sva-test/disabled", test_disabled);
    qtest_add_func("/sva-test/soft-reset", test_soft_reset);
    qtest_add_func("/sva-test/flr", test_flr);
    qtest_add_func("/sva-test/system-reset", test_system_reset);
    qtest_add_func("/sva-test/bus-master-off", test_bus_master_off);
    qtest_add_func("/sva-test/hold", test_hold);
    qtest_add_func("/sva-test/chunk-ns", test_chunk_ns);
    qtest_add_func("/sva-test/interrupts", test_interrupts);

    return g_test_run();
}
