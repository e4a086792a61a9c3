/*
 * Drive the SVA test device from qtests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Works on q35 and on virt with highmem-ecam=off: configuration space is
 * reached by ECAM, because that of libqos ends where the extended capabilities
 * begin.
 */

#ifndef TESTS_SVA_TEST_UTIL_H
#define TESTS_SVA_TEST_UTIL_H

#include "libqtest.h"
#include "hw/misc/sva_test_regs.h"
#include "hw/pci/pci_regs.h"

#define SVA_NO_PASID UINT32_MAX
#define SVA_EXT_CAPS 0x100

/* Where things are on a machine */
typedef struct SvaMachine {
    const char *args;
    uint64_t ecam;
    uint64_t mmio;              /* window for BARs */
    uint64_t ram;               /* free for tests, at least 64 MiB */
} SvaMachine;

static const SvaMachine sva_q35 = {
    .args = "-M q35 -m 256",
    .ecam = 0xb0000000,
    .mmio = 0xe0000000,
    .ram = 0x2000000,
};

static const SvaMachine sva_virt = {
    .args = "-M virt,iommu=smmuv3,gic-version=3,highmem-ecam=off "
            "-cpu cortex-a72 -m 256",
    .ecam = 0x3f000000,
    .mmio = 0x10000000,
    .ram = 0x42000000,
};

typedef struct SvaDev {
    QTestState *qts;
    const SvaMachine *machine;
    uint8_t devfn;
    uint64_t bar;
    uint64_t msix;
} SvaDev;

typedef struct SvaTestJob {
    uint32_t pasid;             /* or SVA_NO_PASID */
    uint32_t op;                /* with flags */
    uint64_t src;
    uint64_t dst;
    uint64_t len;
    uint64_t imm;
} SvaTestJob;

static inline const SvaMachine *sva_machine(void)
{
    return strcmp(qtest_get_arch(), "x86_64") ? &sva_virt : &sva_q35;
}

static inline QTestState *sva_start(const SvaMachine *m, const char *args)
{
    QTestState *qts = qtest_initf("%s -nodefaults %s", m->args, args);

    if (m == &sva_q35) {
        /* PCIEXBAR of the host bridge */
        qtest_outl(qts, 0xcf8, 0x80000060);
        qtest_outl(qts, 0xcfc, m->ecam | 1);
    }
    return qts;
}

/* Configuration space */

static inline uint64_t sva_cfg(const SvaDev *d, unsigned int off)
{
    return d->machine->ecam + ((uint64_t)d->devfn << 12) + off;
}

static inline uint16_t sva_cfg_readw(const SvaDev *d, unsigned int off)
{
    return qtest_readw(d->qts, sva_cfg(d, off));
}

static inline uint32_t sva_cfg_readl(const SvaDev *d, unsigned int off)
{
    return qtest_readl(d->qts, sva_cfg(d, off));
}

static inline void sva_cfg_writew(const SvaDev *d, unsigned int off,
                                  uint16_t val)
{
    qtest_writew(d->qts, sva_cfg(d, off), val);
}

static inline void sva_cfg_writel(const SvaDev *d, unsigned int off,
                                  uint32_t val)
{
    qtest_writel(d->qts, sva_cfg(d, off), val);
}

/* Returns the offset of a capability of the first 256 bytes, or 0 */
static inline unsigned int sva_find_cap(const SvaDev *d, uint8_t id)
{
    unsigned int pos = qtest_readb(d->qts, sva_cfg(d, PCI_CAPABILITY_LIST));

    while (pos && qtest_readb(d->qts, sva_cfg(d, pos)) != id) {
        pos = qtest_readb(d->qts, sva_cfg(d, pos + 1));
    }
    return pos;
}

/* Returns the offset of an extended capability, or 0 */
static inline unsigned int sva_find_ext_cap(const SvaDev *d, uint16_t id)
{
    unsigned int pos = SVA_EXT_CAPS;

    while (pos) {
        uint32_t header = sva_cfg_readl(d, pos);

        if (header && PCI_EXT_CAP_ID(header) == id) {
            return pos;
        }
        pos = header ? PCI_EXT_CAP_NEXT(header) : 0;
    }
    return 0;
}

/* Registers */

static inline uint32_t sva_readl(const SvaDev *d, unsigned int off)
{
    return qtest_readl(d->qts, d->bar + off);
}

static inline uint64_t sva_readq(const SvaDev *d, unsigned int off)
{
    return qtest_readq(d->qts, d->bar + off);
}

static inline void sva_writel(const SvaDev *d, unsigned int off, uint32_t val)
{
    qtest_writel(d->qts, d->bar + off, val);
}

static inline void sva_writeq(const SvaDev *d, unsigned int off, uint64_t val)
{
    qtest_writeq(d->qts, d->bar + off, val);
}

static inline uint64_t sva_counter(const SvaDev *d, unsigned int n)
{
    return sva_readq(d, SVA_COUNTER(n));
}

/* Life cycle */

/* Assigns BARs, enables memory, bus mastering and the function itself */
static inline void sva_enable(SvaDev *d)
{
    uint64_t base = d->machine->mmio + 0x100000 + d->devfn * 0x20000;

    d->bar = base;
    d->msix = base + 0x10000;
    sva_cfg_writel(d, PCI_BASE_ADDRESS_0, d->bar);
    sva_cfg_writel(d, PCI_BASE_ADDRESS_1, 0);
    sva_cfg_writel(d, PCI_BASE_ADDRESS_2, d->msix);
    sva_cfg_writew(d, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    sva_writel(d, SVA_CTRL, SVA_CTRL_ENABLE);
}

static inline SvaDev sva_dev(QTestState *qts, const SvaMachine *m,
                             unsigned int slot)
{
    SvaDev d = { .qts = qts, .machine = m, .devfn = slot << 3 };

    sva_enable(&d);
    return d;
}

static inline void sva_enable_pasid(SvaDev *d, uint16_t features)
{
    sva_cfg_writew(d, SVA_PCI_PASID + PCI_PASID_CTRL,
                   PCI_PASID_CTRL_ENABLE | features);
}

/* Jobs */

static inline void sva_go(const SvaDev *d, unsigned int queue,
                          const SvaTestJob *job)
{
    unsigned int q = SVA_Q_PAGE(queue);

    sva_writel(d, q + SVA_Q_PASID, job->pasid == SVA_NO_PASID ? 0 :
               SVA_Q_PASID_VALID | job->pasid);
    sva_writel(d, q + SVA_Q_OP, job->op);
    sva_writeq(d, q + SVA_Q_SRC, job->src);
    sva_writeq(d, q + SVA_Q_DST, job->dst);
    sva_writeq(d, q + SVA_Q_LEN, job->len);
    sva_writeq(d, q + SVA_Q_IMM, job->imm);
    sva_writel(d, q + SVA_Q_STATUS, SVA_Q_STATUS_DONE);
    sva_writel(d, q + SVA_Q_CTRL, SVA_Q_CTRL_GO | SVA_Q_CTRL_IRQ_EN);
}

static inline void sva_stop(const SvaDev *d, unsigned int queue)
{
    sva_writel(d, SVA_Q_PAGE(queue) + SVA_Q_CTRL,
               SVA_Q_CTRL_STOP | SVA_Q_CTRL_IRQ_EN);
}

static inline uint32_t sva_status(const SvaDev *d, unsigned int queue)
{
    return sva_readl(d, SVA_Q_PAGE(queue) + SVA_Q_STATUS);
}

static inline unsigned int sva_state(const SvaDev *d, unsigned int queue)
{
    return sva_status(d, queue) & SVA_Q_STATUS_STATE;
}

static inline bool sva_done(const SvaDev *d, unsigned int queue)
{
    return sva_status(d, queue) & SVA_Q_STATUS_DONE;
}

static inline unsigned int sva_result(const SvaDev *d, unsigned int queue)
{
    return extract32(sva_status(d, queue), SVA_Q_STATUS_RESULT_SHIFT, 8);
}

static inline uint64_t sva_q_readq(const SvaDev *d, unsigned int queue,
                                   unsigned int reg)
{
    return sva_readq(d, SVA_Q_PAGE(queue) + reg);
}

/*
 * Lets time pass until the queue is in @state; the clock stands still in
 * between.  Fails if that takes more than @chunks chunks.
 */
static inline void sva_wait_state(const SvaDev *d, unsigned int queue,
                                  unsigned int state, unsigned int chunks)
{
    while (sva_state(d, queue) != state && chunks--) {
        qtest_clock_step(d->qts, SVA_CHUNK_NS_DEFAULT);
    }
    g_assert_cmpuint(sva_state(d, queue), ==, state);
}

/* Runs a job to its end and returns the result */
static inline unsigned int sva_run(const SvaDev *d, unsigned int queue,
                                   const SvaTestJob *job)
{
    sva_go(d, queue, job);
    sva_wait_state(d, queue, SVA_STATE_IDLE, 100000);
    g_assert_true(sva_done(d, queue));
    return sva_result(d, queue);
}

#endif
