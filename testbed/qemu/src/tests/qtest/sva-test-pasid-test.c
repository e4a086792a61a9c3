/*
 * QTest of the SVA test device's requests with PASID: translation, stalls,
 * address translation cache and page requests, against the scripted IOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "sva-test-util.h"
#include "hw/misc/sva_test_iommu_regs.h"

#define SLOT 4
#define IOMMU_SLOT 3
#define PAGE SVA_PAGE_SIZE
#define PATTERN 0x1122334455667788ULL
#define VA 0x7fffdeadb000ULL
#define PASID 0x1234
#define RO 1
#define WO 2
#define RW 3
#define STEP SVA_CHUNK_NS_DEFAULT

/* As PasidXlStatus, PasidStallResp and PCI_PRG_* */
enum { XL_OK, XL_DENIED, XL_ABORT, XL_CA, XL_RAZWI, XL_STALLED };
enum { RETRY, ABORT, RAZWI };
enum { SUCCESS, INVALID, FAILURE = 0xf };

typedef struct Bed {
    QTestState *qts;
    SvaDev d;
    uint64_t iommu;
    uint64_t ram;
} Bed;

static void iommu_write(Bed *b, unsigned int reg, uint64_t val)
{
    qtest_writeq(b->qts, b->iommu + reg, val);
}

static uint64_t iommu_read(Bed *b, unsigned int reg)
{
    return qtest_readq(b->qts, b->iommu + reg);
}

static Bed bed_start(const char *options)
{
    g_autofree char *args = g_strdup_printf("-device sva-test-iommu,addr=%d "
                                            "-device sva-test,addr=%d%s",
                                            IOMMU_SLOT, SLOT, options);
    Bed b = { .iommu = sva_q35.mmio, .ram = sva_q35.ram };
    SvaDev iommu = { .machine = &sva_q35, .devfn = IOMMU_SLOT << 3 };

    b.qts = sva_start(&sva_q35, args);
    iommu.qts = b.qts;
    sva_cfg_writel(&iommu, PCI_BASE_ADDRESS_0, b.iommu);
    sva_cfg_writew(&iommu, PCI_COMMAND, PCI_COMMAND_MEMORY);
    b.d = sva_dev(b.qts, &sva_q35, SLOT);
    sva_enable_pasid(&b.d, 0);
    return b;
}

/* With ATS, and with page requests if @alloc */
static Bed bed_start_ats(const char *options, uint32_t alloc)
{
    Bed b = bed_start(options);

    sva_cfg_writew(&b.d, SVA_PCI_ATS + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
    sva_cfg_writel(&b.d, SVA_PCI_PRI + PCI_PRI_ALLOC_REQ, alloc);
    if (alloc) {
        sva_cfg_writew(&b.d, SVA_PCI_PRI + PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE);
    }
    iommu_write(&b, SVA_IOMMU_MISS, XL_DENIED);
    return b;
}

static void bed_stop(Bed *b)
{
    qtest_quit(b->qts);
}

static void map(Bed *b, unsigned int n, uint32_t pasid, uint64_t va,
                uint64_t pa, uint64_t perm)
{
    iommu_write(b, SVA_IOMMU_PAGE(n) + SVA_IOMMU_VA, va);
    iommu_write(b, SVA_IOMMU_PAGE(n) + SVA_IOMMU_PA, pa);
    iommu_write(b, SVA_IOMMU_PAGE(n) + SVA_IOMMU_PASID, pasid);
    iommu_write(b, SVA_IOMMU_PAGE(n) + SVA_IOMMU_PERM, perm);
}

static SvaTestJob write_job(uint32_t flags, uint64_t len)
{
    return (SvaTestJob) {
        .pasid = PASID,
        .op = SVA_OP_WRITE | flags,
        .dst = VA,
        .len = len,
        .imm = PATTERN,
    };
}

static SvaTestJob read_job(uint32_t flags, uint64_t len)
{
    return (SvaTestJob) {
        .pasid = PASID,
        .op = SVA_OP_READ | flags,
        .src = VA,
        .len = len,
    };
}

static void step(Bed *b)
{
    qtest_clock_step(b->qts, STEP);
}

static void assert_state(Bed *b, unsigned int queue, unsigned int state)
{
    g_assert_cmpuint(sva_state(&b->d, queue), ==, state);
}

static void assert_counter(Bed *b, unsigned int n, uint64_t val)
{
    g_assert_cmpuint(sva_counter(&b->d, n), ==, val);
}

/* Untranslated requests */

static void test_translate(void)
{
    Bed b = bed_start("");
    SvaTestJob job = write_job(0, 16);

    map(&b, 0, PASID, VA, b.ram, RW);
    map(&b, 1, PASID, VA + PAGE, b.ram + 5 * PAGE, RO);
    job.dst = VA + PAGE - 8;
    /* The second page cannot be written */
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_ABORT);
    g_assert_cmphex(qtest_readq(b.qts, b.ram + PAGE - 8), ==, PATTERN);
    g_assert_cmphex(qtest_readq(b.qts, b.ram + 5 * PAGE), ==, 0);
    g_assert_cmphex(sva_q_readq(&b.d, 0, SVA_Q_FAULT_ADDR), ==, VA + PAGE);
    g_assert_cmphex(sva_q_readq(&b.d, 0, SVA_Q_FAULT_INFO), ==,
                    XL_ABORT | SVA_Q_FAULT_WRITE);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_DONE_BYTES), ==, 8);

    job = read_job(0, 2 * PAGE);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    g_assert_cmphex(sva_q_readq(&b.d, 0, SVA_Q_RESULT), ==, PATTERN);
    job.pasid++;
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_ABORT);
    job.pasid = SVA_NO_PASID;
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_ABORT);

    /* An atomic needs both */
    job = read_job(0, 8);
    job.op = SVA_OP_ATOMIC;
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    job.src = VA + PAGE;
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_ABORT);
    bed_stop(&b);
}

static void test_other_errors(void)
{
    static const struct {
        unsigned int miss;
        unsigned int result;
        unsigned int aborts;
    } cases[] = {
        { XL_ABORT, SVA_RES_ABORT, 1 },
        { XL_CA, SVA_RES_ABORT, 1 },
        { XL_DENIED, SVA_RES_ABORT, 1 },
        { XL_RAZWI, SVA_RES_RAZWI, 0 },
        /* The function cannot be stalled */
        { XL_STALLED, SVA_RES_ABORT, 1 },
    };
    Bed b = bed_start("");
    SvaTestJob job = read_job(0, 8);

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        iommu_write(&b, SVA_IOMMU_MISS, cases[i].miss);
        g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, cases[i].result);
        g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_ABORTS), ==,
                         cases[i].aborts);
    }
    assert_counter(&b, SVA_CNT_PAGE_REQ, 0);
    bed_stop(&b);
}

static void test_cont(void)
{
    Bed b = bed_start("");
    SvaTestJob job = write_job(SVA_Q_OP_CONT, 3 * PAGE);

    map(&b, 0, PASID, VA, b.ram, RW);
    map(&b, 1, PASID, VA + 2 * PAGE, b.ram + PAGE, RW);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_ABORTS), ==, 1);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_DONE_BYTES), ==, 2 * PAGE);
    g_assert_cmphex(sva_q_readq(&b.d, 0, SVA_Q_FAULT_ADDR), ==, VA + PAGE);
    g_assert_cmphex(qtest_readq(b.qts, b.ram + PAGE), ==, PATTERN + 2 * PAGE);
    assert_counter(&b, SVA_CNT_ABORTED, 1);
    assert_counter(&b, SVA_CNT_WRITTEN, 2 * PAGE);
    bed_stop(&b);
}

/* Stalls */

static Bed bed_stalled(const SvaTestJob *job)
{
    Bed b = bed_start(",dma-can-stall=on");

    iommu_write(&b, SVA_IOMMU_MISS, XL_STALLED);
    sva_go(&b.d, 0, job);
    step(&b);
    assert_state(&b, 0, SVA_STATE_STALLED);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_STALL), ==, 1);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_STALLS), ==, 1);
    return b;
}

static void test_stall_retry(void)
{
    SvaTestJob job = write_job(0, 8);
    Bed b = bed_stalled(&job);

    /* Not resolved: it begins anew from the translation and stalls again */
    iommu_write(&b, SVA_IOMMU_STALL, RETRY);
    step(&b);
    assert_state(&b, 0, SVA_STATE_STALLED);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_STALLS), ==, 2);

    map(&b, 0, PASID, VA, b.ram, RW);
    iommu_write(&b, SVA_IOMMU_STALL, RETRY);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_OK);
    g_assert_cmphex(qtest_readq(b.qts, b.ram), ==, PATTERN);
    g_assert_cmpuint(sva_q_readq(&b.d, 0, SVA_Q_ABORTS), ==, 0);
    assert_counter(&b, SVA_CNT_STALL, 2);
    assert_counter(&b, SVA_CNT_STALL_RETRY, 2);
    bed_stop(&b);
}

static void test_stall_abort(void)
{
    SvaTestJob job = write_job(0, 8);
    Bed b = bed_stalled(&job);

    iommu_write(&b, SVA_IOMMU_STALL, ABORT);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_ABORT);
    assert_counter(&b, SVA_CNT_STALL_ABORT, 1);
    assert_counter(&b, SVA_CNT_ABORTED, 1);

    sva_go(&b.d, 0, &job);
    step(&b);
    iommu_write(&b, SVA_IOMMU_STALL, RAZWI);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_RAZWI);
    assert_counter(&b, SVA_CNT_STALL_RAZWI, 1);
    assert_counter(&b, SVA_CNT_ABORTED, 1);
    bed_stop(&b);
}

/* STOP is acknowledged only when the transaction is over */
static void test_stall_stop(void)
{
    SvaTestJob job = write_job(SVA_Q_OP_LOOP | SVA_Q_OP_CONT, PAGE);
    Bed b = bed_stalled(&job);

    sva_stop(&b.d, 0);
    for (int i = 0; i < 10; i++) {
        step(&b);
        assert_state(&b, 0, SVA_STATE_STOPPING);
    }
    iommu_write(&b, SVA_IOMMU_STALL, ABORT);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_STOPPED);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_STALL), ==, 0);

    /* It is the IOMMU that sends it again, so it is performed */
    sva_go(&b.d, 0, &job);
    step(&b);
    sva_stop(&b.d, 0);
    map(&b, 0, PASID, VA, b.ram, RW);
    iommu_write(&b, SVA_IOMMU_STALL, RETRY);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_STOPPED);
    g_assert_cmphex(qtest_readq(b.qts, b.ram), ==, PATTERN);
    assert_counter(&b, SVA_CNT_AFTER_STOP_REQ, 1);
    assert_counter(&b, SVA_CNT_AFTER_STOP_ACK, 0);
    bed_stop(&b);
}

/* What ends a queue by force takes its transaction back */
static void test_stall_reset(void)
{
    SvaTestJob job = write_job(0, 8);
    Bed b = bed_stalled(&job);

    sva_writel(&b.d, SVA_CTRL, SVA_CTRL_RESET);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_STALL), ==, 0);
    assert_state(&b, 0, SVA_STATE_IDLE);

    sva_writel(&b.d, SVA_CTRL, SVA_CTRL_ENABLE);
    sva_go(&b.d, 0, &job);
    step(&b);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_STALL), ==, 1);
    sva_cfg_writew(&b.d, PCI_COMMAND, PCI_COMMAND_MEMORY);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_STALL), ==, 0);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_BME_OFF);

    /* An answer that is on its way when the queue is reset is forgotten */
    sva_enable(&b.d);
    sva_go(&b.d, 0, &job);
    step(&b);
    iommu_write(&b, SVA_IOMMU_STALL, RETRY);
    sva_writel(&b.d, SVA_CTRL, SVA_CTRL_RESET);
    step(&b);
    assert_state(&b, 0, SVA_STATE_IDLE);
    assert_counter(&b, SVA_CNT_STALL, 0);
    bed_stop(&b);
}

/* Address translation cache */

static void test_atc(void)
{
    Bed b = bed_start_ats("", 0);
    SvaTestJob job = write_job(0, 8);

    map(&b, 0, PASID, VA, b.ram, RW);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    g_assert_cmpuint(sva_run(&b.d, 1, &job), ==, SVA_RES_OK);
    assert_counter(&b, SVA_CNT_TRANS_REQ, 1);
    assert_counter(&b, SVA_CNT_TRANS_OK, 1);
    assert_counter(&b, SVA_CNT_ATC_MISS, 1);
    assert_counter(&b, SVA_CNT_ATC_HIT, 1);
    g_assert_cmpuint(sva_readl(&b.d, SVA_ATC_USED), ==, 1);

    /* The entry serves until it is invalidated */
    map(&b, 0, PASID, VA, b.ram + PAGE, RW);
    qtest_writeq(b.qts, b.ram, 0);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    g_assert_cmphex(qtest_readq(b.qts, b.ram), ==, PATTERN);
    /* and only its own PASID */
    job.pasid++;
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_PRI_OFF);

    /* No ATS, no ATC */
    job.pasid--;
    sva_cfg_writew(&b.d, SVA_PCI_ATS + PCI_ATS_CTRL, 0);
    g_assert_cmpuint(sva_readl(&b.d, SVA_ATC_USED), ==, 0);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    g_assert_cmphex(qtest_readq(b.qts, b.ram + PAGE), ==, PATTERN);
    g_assert_cmpuint(sva_readl(&b.d, SVA_ATC_USED), ==, 0);
    bed_stop(&b);
}

static void test_atc_size(void)
{
    Bed b = bed_start_ats("", 0);
    SvaTestJob job = read_job(0, 4 * PAGE);

    for (int i = 0; i < 4; i++) {
        map(&b, i, PASID, VA + i * PAGE, b.ram, RO);
    }
    sva_writel(&b.d, SVA_ATC_SIZE, 3);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    g_assert_cmpuint(sva_readl(&b.d, SVA_ATC_USED), ==, 3);
    /* First in, first out */
    job = read_job(0, PAGE);
    job.src = VA + PAGE;
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    assert_counter(&b, SVA_CNT_ATC_HIT, 1);
    job.src = VA;
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    assert_counter(&b, SVA_CNT_ATC_HIT, 1);
    sva_writel(&b.d, SVA_ATC_SIZE, 1);
    g_assert_cmpuint(sva_readl(&b.d, SVA_ATC_USED), ==, 1);
    bed_stop(&b);
}

static void test_atc_write(void)
{
    Bed b = bed_start_ats("", 0);
    SvaTestJob job = read_job(0, 8), wr = write_job(0, 8);

    map(&b, 0, PASID, VA, b.ram, RO);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    g_assert_cmpuint(sva_run(&b.d, 0, &wr), ==, SVA_RES_PRI_OFF);
    assert_counter(&b, SVA_CNT_TRANS_DENIED, 1);
    g_assert_cmphex(qtest_readq(b.qts, b.ram), ==, 0);
    /* A function that pays no heed to W */
    sva_writel(&b.d, SVA_MISBEHAVE, SVA_BAD_ATC_WRITE);
    g_assert_cmpuint(sva_run(&b.d, 0, &wr), ==, SVA_RES_OK);
    g_assert_cmphex(qtest_readq(b.qts, b.ram), ==, PATTERN);
    bed_stop(&b);
}

static void test_ats_errors(void)
{
    Bed b = bed_start_ats("", 8);
    SvaTestJob job = read_job(0, 8);

    iommu_write(&b, SVA_IOMMU_MISS, XL_ABORT);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_ATS_UR);
    iommu_write(&b, SVA_IOMMU_MISS, XL_CA);
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_ATS_CA);
    assert_counter(&b, SVA_CNT_TRANS_UR_CA, 2);
    assert_counter(&b, SVA_CNT_ABORTED, 2);
    assert_counter(&b, SVA_CNT_PAGE_REQ, 0);

    /* ATS is turned off under a job that uses it */
    map(&b, 0, PASID, VA, b.ram, RO);
    job.op |= SVA_Q_OP_LOOP;
    sva_go(&b.d, 0, &job);
    step(&b);
    assert_state(&b, 0, SVA_STATE_RUN);
    sva_cfg_writew(&b.d, SVA_PCI_ATS + PCI_ATS_CTRL, 0);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_ABORT);
    bed_stop(&b);
}

/* Sends an invalidation with tag 3 */
static void invalidate(Bed *b, uint32_t pasid, bool global, uint64_t addr,
                       uint64_t mask)
{
    iommu_write(b, SVA_IOMMU_INV_DONE, UINT64_MAX);
    iommu_write(b, SVA_IOMMU_INV_ADDR, addr);
    iommu_write(b, SVA_IOMMU_INV_MASK, mask);
    iommu_write(b, SVA_IOMMU_INV_ID, pasid | 3ULL << 32 |
                (uint64_t)global << 63);
}

static bool inv_done(Bed *b)
{
    return iommu_read(b, SVA_IOMMU_INV_DONE) & 8;
}

/* Two PASIDs with four pages each in the ATC */
static Bed bed_full_atc(void)
{
    Bed b = bed_start_ats("", 0);
    SvaTestJob job = read_job(0, 4 * PAGE);

    for (int i = 0; i < 8; i++) {
        map(&b, i, PASID + i / 4, VA + i % 4 * PAGE, b.ram + i * PAGE, RO);
    }
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    job.pasid++;
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_OK);
    g_assert_cmpuint(sva_readl(&b.d, SVA_ATC_USED), ==, 8);
    return b;
}

static void test_invalidate(void)
{
    static const struct {
        uint32_t pasid;
        bool global;
        uint64_t addr;
        uint64_t mask;
        unsigned int left;
    } cases[] = {
        { PASID, false, VA, 0xfff, 7 },
        /* VA is an odd page: only one of the two pages is in use */
        { PASID, false, VA, 0x1fff, 7 },
        { PASID, false, VA + PAGE, 0x1fff, 6 },
        { PASID, false, 0, UINT64_MAX, 4 },
        { PASID, true, VA, 0xfff, 6 },
        { SVA_NO_PASID, false, VA, 0xfff, 6 },
        { SVA_NO_PASID, false, 0, UINT64_MAX, 0 },
        { PASID + 2, false, 0, UINT64_MAX, 8 },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Bed b = bed_full_atc();

        invalidate(&b, cases[i].pasid, cases[i].global, cases[i].addr,
                   cases[i].mask);
        g_assert_true(inv_done(&b));
        g_assert_cmpuint(sva_readl(&b.d, SVA_ATC_USED), ==, cases[i].left);
        assert_counter(&b, SVA_CNT_INV, 1);
        assert_counter(&b, SVA_CNT_INV_PASID, cases[i].pasid != SVA_NO_PASID);
        assert_counter(&b, SVA_CNT_INV_GLOBAL, cases[i].global);
        assert_counter(&b, SVA_CNT_INV_REMOVED, 8 - cases[i].left);
        bed_stop(&b);
    }
}

static void test_bad_invalidate(void)
{
    Bed b = bed_full_atc();

    sva_writel(&b.d, SVA_MISBEHAVE, SVA_BAD_INV_IGNORED);
    invalidate(&b, PASID, false, VA, 0xfff);
    g_assert_true(inv_done(&b));
    g_assert_cmpuint(sva_readl(&b.d, SVA_ATC_USED), ==, 8);

    sva_writeq(&b.d, SVA_INV_DELAY, 1000000);
    sva_writel(&b.d, SVA_MISBEHAVE, SVA_BAD_INV_LATE);
    invalidate(&b, PASID, false, VA, 0xfff);
    g_assert_cmpuint(sva_readl(&b.d, SVA_ATC_USED), ==, 7);
    qtest_clock_step(b.qts, 999999);
    g_assert_false(inv_done(&b));
    qtest_clock_step(b.qts, 1);
    g_assert_true(inv_done(&b));

    sva_writel(&b.d, SVA_MISBEHAVE, SVA_BAD_INV_NEVER);
    invalidate(&b, PASID + 1, false, VA, 0xfff);
    g_assert_cmpuint(sva_readl(&b.d, SVA_ATC_USED), ==, 6);
    qtest_clock_step(b.qts, 1000000000);
    g_assert_false(inv_done(&b));
    /* Only a reset ends that */
    sva_writel(&b.d, SVA_CTRL, SVA_CTRL_RESET);
    g_assert_true(inv_done(&b));
    bed_stop(&b);
}

/* Held transactions */

static void test_held(void)
{
    Bed b = bed_start("");
    SvaTestJob job = write_job(SVA_Q_OP_LOOP, 8);

    map(&b, 0, PASID, VA, b.ram, RW);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_HELD), ==, 0);
    sva_writeq(&b.d, SVA_HOLD_NS, 1000000);
    for (int i = 0; i < 2; i++) {
        sva_go(&b.d, i, &job);
        step(&b);
    }
    /* The IOMMU changes its mind, the transactions are under way */
    map(&b, 0, PASID, VA, b.ram, 0);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_HELD), ==, 1);
    /* One of the two has been performed, then both */
    qtest_clock_step(b.qts, 1000000 - 3 * STEP / 2);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_HELD_DONE), ==, 0);
    g_assert_cmphex(qtest_readq(b.qts, b.ram), ==, PATTERN);
    step(&b);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_HELD_DONE), ==, 1);
    step(&b);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_ABORT);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_HELD), ==, 0);
    /* Nobody has asked again */
    qtest_clock_step(b.qts, 2000000);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_HELD_DONE), ==, 1);
    bed_stop(&b);
}

static void test_held_reset(void)
{
    Bed b = bed_start("");
    SvaTestJob job = write_job(SVA_Q_OP_LOOP, 8);

    map(&b, 0, PASID, VA, b.ram, RW);
    sva_writeq(&b.d, SVA_HOLD_NS, 1000000);
    sva_go(&b.d, 0, &job);
    step(&b);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_HELD), ==, 1);
    sva_writel(&b.d, SVA_CTRL, SVA_CTRL_RESET);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_HELD_DONE), ==, 1);
    qtest_clock_step(b.qts, 2000000);
    g_assert_cmphex(qtest_readq(b.qts, b.ram), ==, 0);
    bed_stop(&b);
}

/* An invalidation is complete when nothing uses the entry any more */
static void test_held_invalidate(void)
{
    Bed b = bed_start_ats("", 0);
    SvaTestJob job = write_job(0, 8);

    map(&b, 0, PASID, VA, b.ram, RW);
    sva_writeq(&b.d, SVA_HOLD_NS, 1000000);
    sva_go(&b.d, 0, &job);
    step(&b);
    invalidate(&b, PASID + 1, false, VA, 0xfff);
    g_assert_true(inv_done(&b));
    invalidate(&b, PASID, false, VA, 0xfff);
    g_assert_false(inv_done(&b));
    g_assert_cmphex(qtest_readq(b.qts, b.ram), ==, 0);
    qtest_clock_step(b.qts, 1000000);
    g_assert_true(inv_done(&b));
    g_assert_cmphex(qtest_readq(b.qts, b.ram), ==, PATTERN);
    bed_stop(&b);
}

/* Page requests */

static unsigned int last_prgi(Bed *b)
{
    return extract64(iommu_read(b, SVA_IOMMU_PR_ID), 32, 9);
}

static void respond(Bed *b, uint32_t pasid, unsigned int prgi,
                    unsigned int code)
{
    iommu_write(b, SVA_IOMMU_PRG_RESPONSE, pasid | (uint64_t)prgi << 32 |
                (uint64_t)code << 48);
}

static Bed bed_waiting(const char *options, uint32_t alloc,
                       const SvaTestJob *job)
{
    Bed b = bed_start_ats(options, alloc);

    sva_go(&b.d, 0, job);
    step(&b);
    assert_state(&b, 0, SVA_STATE_WAIT_PRG);
    return b;
}

static uint16_t pri_status(Bed *b)
{
    return sva_cfg_readw(&b->d, SVA_PCI_PRI + PCI_PRI_STATUS);
}

static void test_page_request(void)
{
    SvaTestJob job = write_job(0, 8);
    Bed b = bed_waiting("", 8, &job);

    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_PR_COUNT), ==, 1);
    g_assert_cmphex(iommu_read(&b, SVA_IOMMU_PR_ADDR), ==, VA | 2 | 4);
    g_assert_cmphex(iommu_read(&b, SVA_IOMMU_PR_ID) & UINT32_MAX, ==, PASID);
    g_assert_cmphex(iommu_read(&b, SVA_IOMMU_PR_ID) >> 62, ==, 0);

    map(&b, 0, PASID, VA, b.ram, RW);
    respond(&b, PASID, last_prgi(&b), SUCCESS);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_OK);
    g_assert_cmphex(qtest_readq(b.qts, b.ram), ==, PATTERN);
    assert_counter(&b, SVA_CNT_TRANS_DENIED, 1);
    assert_counter(&b, SVA_CNT_PAGE_REQ, 1);
    assert_counter(&b, SVA_CNT_PRG_SUCCESS, 1);
    assert_counter(&b, SVA_CNT_ABORTED, 0);
    bed_stop(&b);
}

static void test_page_request_failed(void)
{
    SvaTestJob job = read_job(0, 8);
    Bed b = bed_waiting("", 8, &job);

    g_assert_cmphex(iommu_read(&b, SVA_IOMMU_PR_ADDR), ==, VA | 1 | 4);
    respond(&b, PASID, last_prgi(&b), INVALID);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_PRG_INVALID);
    g_assert_cmphex(pri_status(&b), ==, PCI_PRI_STATUS_PASID);

    sva_go(&b.d, 0, &job);
    step(&b);
    respond(&b, PASID, last_prgi(&b), FAILURE);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_PRG_FAILURE);
    g_assert_cmphex(pri_status(&b), ==,
                    PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_RF);
    sva_cfg_writew(&b.d, SVA_PCI_PRI + PCI_PRI_STATUS, PCI_PRI_STATUS_RF);
    g_assert_cmphex(pri_status(&b), ==, PCI_PRI_STATUS_PASID);
    assert_counter(&b, SVA_CNT_PRG_INVALID, 1);
    assert_counter(&b, SVA_CNT_PRG_FAILURE, 1);
    assert_counter(&b, SVA_CNT_ABORTED, 2);

    job.op |= SVA_Q_OP_NO_PRI;
    g_assert_cmpuint(sva_run(&b.d, 0, &job), ==, SVA_RES_PRI_OFF);
    assert_counter(&b, SVA_CNT_PAGE_REQ, 2);
    bed_stop(&b);
}

static void test_retry_limit(void)
{
    Bed b = bed_start_ats("", 8);
    SvaTestJob job = read_job(0, 8);

    sva_writeq(&b.d, SVA_Q_PAGE(0) + SVA_Q_RETRY_LIMIT, 3);
    sva_go(&b.d, 0, &job);
    step(&b);
    for (int i = 0; i < 3; i++) {
        assert_state(&b, 0, SVA_STATE_WAIT_PRG);
        respond(&b, PASID, last_prgi(&b), SUCCESS);
        step(&b);
    }
    assert_state(&b, 0, SVA_STATE_IDLE);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_RETRY_LIMIT);
    assert_counter(&b, SVA_CNT_PAGE_REQ, 3);
    bed_stop(&b);
}

/* As many requests as allocated; who gets none waits for one */
static void test_allocation(void)
{
    SvaTestJob job = read_job(0, 8);
    Bed b = bed_waiting("", 1, &job);
    unsigned int prgi = last_prgi(&b);

    job.src += PAGE;
    sva_go(&b.d, 1, &job);
    step(&b);
    step(&b);
    assert_state(&b, 1, SVA_STATE_RUN);
    assert_counter(&b, SVA_CNT_PAGE_REQ, 1);
    respond(&b, PASID, prgi, INVALID);
    sva_wait_state(&b.d, 1, SVA_STATE_WAIT_PRG, 2);
    assert_counter(&b, SVA_CNT_PAGE_REQ, 2);
    g_assert_cmpuint(last_prgi(&b), !=, prgi);

    sva_writel(&b.d, SVA_MISBEHAVE, SVA_BAD_PRI_ALLOC);
    sva_go(&b.d, 0, &job);
    step(&b);
    assert_state(&b, 0, SVA_STATE_WAIT_PRG);
    assert_counter(&b, SVA_CNT_PAGE_REQ, 3);
    bed_stop(&b);
}

static void test_group(void)
{
    SvaTestJob job = read_job(SVA_Q_OP_GROUP, 3 * PAGE);
    Bed b;

    job.src += 8;
    b = bed_waiting("", 8, &job);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_PR_COUNT), ==, 4);
    g_assert_cmphex(iommu_read(&b, SVA_IOMMU_PR_ADDR), ==,
                    (VA + 3 * PAGE) | 1 | 4);
    for (int i = 0; i < 4; i++) {
        map(&b, i, PASID, VA + i * PAGE, b.ram, RO);
    }
    respond(&b, PASID, last_prgi(&b), SUCCESS);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 10);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_OK);
    assert_counter(&b, SVA_CNT_PRG_SUCCESS, 1);
    bed_stop(&b);
}

static void test_prg_stop(void)
{
    SvaTestJob job = read_job(SVA_Q_OP_LOOP, 8);
    Bed b = bed_waiting("", 8, &job);

    sva_stop(&b.d, 0);
    step(&b);
    assert_state(&b, 0, SVA_STATE_STOPPING);
    respond(&b, PASID, last_prgi(&b), SUCCESS);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_STOPPED);
    /* Nothing new is asked for */
    assert_counter(&b, SVA_CNT_TRANS_REQ, 1);

    /* With a Stop Marker it does not wait; the response still is expected */
    sva_writel(&b.d, SVA_MISBEHAVE, SVA_BAD_STOP_MARKER);
    sva_go(&b.d, 0, &job);
    step(&b);
    sva_stop(&b.d, 0);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_PR_COUNT), ==, 3);
    g_assert_cmphex(iommu_read(&b, SVA_IOMMU_PR_ADDR), ==, 4);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_STOPPED);
    respond(&b, PASID, 1, SUCCESS);
    assert_counter(&b, SVA_CNT_PRG_SUCCESS, 2);
    assert_counter(&b, SVA_CNT_BAD_RESPONSE, 0);
    bed_stop(&b);
}

static void test_unexpected_response(void)
{
    SvaTestJob job = read_job(0, 8);
    Bed b = bed_waiting("", 8, &job);
    unsigned int prgi = last_prgi(&b);

    respond(&b, PASID, prgi + 1, SUCCESS);
    respond(&b, PASID + 1, prgi, SUCCESS);
    respond(&b, SVA_NO_PASID, prgi, SUCCESS);
    respond(&b, PASID, 0xffff, SUCCESS);
    step(&b);
    assert_state(&b, 0, SVA_STATE_WAIT_PRG);
    assert_counter(&b, SVA_CNT_BAD_RESPONSE, 4);
    g_assert_cmphex(sva_readl(&b.d, SVA_EVENT), ==, SVA_EVENT_BAD_RESPONSE);
    g_assert_cmphex(pri_status(&b), ==,
                    PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_UPRGI);
    bed_stop(&b);
}

static void test_pri_disable(void)
{
    SvaTestJob job = read_job(0, 8);
    Bed b = bed_waiting("", 8, &job);

    /* Stopped only when nothing is outstanding */
    sva_cfg_writew(&b.d, SVA_PCI_PRI + PCI_PRI_CTRL, 0);
    g_assert_cmphex(pri_status(&b), ==, PCI_PRI_STATUS_PASID);
    respond(&b, PASID, last_prgi(&b), SUCCESS);
    g_assert_cmphex(pri_status(&b), ==,
                    PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_STOPPED);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_PRI_OFF);
    assert_counter(&b, SVA_CNT_PAGE_REQ, 1);
    bed_stop(&b);

    /* Reset gives up what is outstanding */
    b = bed_waiting("", 8, &job);
    sva_cfg_writew(&b.d, SVA_PCI_PRI + PCI_PRI_CTRL, PCI_PRI_CTRL_RESET);
    g_assert_cmphex(pri_status(&b), ==,
                    PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_STOPPED);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_PRG_FAILURE);
    bed_stop(&b);
}

static void test_bad_page_requests(void)
{
    SvaTestJob job = read_job(0, 8);
    Bed b = bed_start_ats("", 8);

    sva_writel(&b.d, SVA_MISBEHAVE, SVA_BAD_PASID_PLUS_1);
    sva_go(&b.d, 0, &job);
    step(&b);
    g_assert_cmphex(iommu_read(&b, SVA_IOMMU_PR_ID) & UINT32_MAX, ==,
                    PASID + 1);
    sva_writel(&b.d, SVA_MISBEHAVE, SVA_BAD_PRG_NO_LAST);
    sva_go(&b.d, 1, &job);
    step(&b);
    g_assert_cmphex(iommu_read(&b, SVA_IOMMU_PR_ADDR), ==, VA | 1);
    sva_writel(&b.d, SVA_MISBEHAVE, SVA_BAD_PRG_TWICE);
    sva_go(&b.d, 2, &job);
    step(&b);
    g_assert_cmpuint(iommu_read(&b, SVA_IOMMU_PR_COUNT), ==, 4);
    sva_writel(&b.d, SVA_MISBEHAVE, SVA_BAD_PRG_IGNORED);
    respond(&b, PASID, last_prgi(&b), SUCCESS);
    step(&b);
    assert_state(&b, 2, SVA_STATE_WAIT_PRG);
    assert_counter(&b, SVA_CNT_PRG_SUCCESS, 0);
    bed_stop(&b);
}

static void test_priv_exec(void)
{
    Bed b = bed_start_ats(",priv=on,exec=on", 8);
    SvaTestJob job = read_job(SVA_Q_OP_PRIV, 8);

    sva_enable_pasid(&b.d, PCI_PASID_CTRL_PRIV | PCI_PASID_CTRL_EXEC);
    sva_go(&b.d, 0, &job);
    step(&b);
    g_assert_cmphex(iommu_read(&b, SVA_IOMMU_PR_ID) >> 62, ==, 1);
    job = read_job(SVA_Q_OP_EXEC, 8);
    sva_go(&b.d, 1, &job);
    step(&b);
    g_assert_cmphex(iommu_read(&b, SVA_IOMMU_PR_ID) >> 62, ==, 2);
    bed_stop(&b);
}

static void test_pasid_disable(void)
{
    Bed b = bed_start("");
    SvaTestJob job = read_job(SVA_Q_OP_LOOP, 8);

    map(&b, 0, PASID, VA, b.ram, RO);
    sva_go(&b.d, 0, &job);
    step(&b);
    assert_state(&b, 0, SVA_STATE_RUN);
    sva_cfg_writew(&b.d, SVA_PCI_PASID + PCI_PASID_CTRL, 0);
    sva_wait_state(&b.d, 0, SVA_STATE_IDLE, 2);
    g_assert_cmpuint(sva_result(&b.d, 0), ==, SVA_RES_UNSUPPORTED);
    bed_stop(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/sva-test-pasid/translate", test_translate);
    qtest_add_func("/sva-test-pasid/other-errors", test_other_errors);
    qtest_add_func("/sva-test-pasid/cont", test_cont);
    qtest_add_func("/sva-test-pasid/pasid-disable", test_pasid_disable);
    qtest_add_func("/sva-test-pasid/stall/retry", test_stall_retry);
    qtest_add_func("/sva-test-pasid/stall/abort", test_stall_abort);
    qtest_add_func("/sva-test-pasid/stall/stop", test_stall_stop);
    qtest_add_func("/sva-test-pasid/stall/reset", test_stall_reset);
    qtest_add_func("/sva-test-pasid/atc/lookup", test_atc);
    qtest_add_func("/sva-test-pasid/atc/size", test_atc_size);
    qtest_add_func("/sva-test-pasid/atc/write", test_atc_write);
    qtest_add_func("/sva-test-pasid/atc/errors", test_ats_errors);
    qtest_add_func("/sva-test-pasid/atc/invalidate", test_invalidate);
    qtest_add_func("/sva-test-pasid/atc/bad-invalidate", test_bad_invalidate);
    qtest_add_func("/sva-test-pasid/held/done", test_held);
    qtest_add_func("/sva-test-pasid/held/reset", test_held_reset);
    qtest_add_func("/sva-test-pasid/held/invalidate", test_held_invalidate);
    qtest_add_func("/sva-test-pasid/pri/request", test_page_request);
    qtest_add_func("/sva-test-pasid/pri/failed", test_page_request_failed);
    qtest_add_func("/sva-test-pasid/pri/retry-limit", test_retry_limit);
    qtest_add_func("/sva-test-pasid/pri/allocation", test_allocation);
    qtest_add_func("/sva-test-pasid/pri/group", test_group);
    qtest_add_func("/sva-test-pasid/pri/stop", test_prg_stop);
    qtest_add_func("/sva-test-pasid/pri/unexpected", test_unexpected_response);
    qtest_add_func("/sva-test-pasid/pri/disable", test_pri_disable);
    qtest_add_func("/sva-test-pasid/pri/bad", test_bad_page_requests);
    qtest_add_func("/sva-test-pasid/pri/priv-exec", test_priv_exec);

    return g_test_run();
}
