/*
 * SVA test device: a PCI function that does DMA with PASID
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Made to test IOMMU drivers.  Its queues run jobs on the address space of a
 * PASID: translate through the IOMMU's PASID operations, with ATS and page
 * requests or with untranslated requests that may stall, then access memory.
 * It can be slow to stop, hold transactions back between translation and
 * access, and misbehave in ways that hardware has been seen to.
 *
 * Everything runs under the BQL.  A job advances by one chunk per timer tick.
 * What the IOMMU calls (end of a stall, PRG response, invalidation) comes from
 * within its register accesses: it leaves a note and a bottom half acts on it.
 *
 * A queue runs at most one transaction at a time:
 *
 *      sva_execute() -> sva_translate() -> sva_hold() -> sva_access()
 *            ^                |                              |
 *            |      SVA_WAIT_STALL, SVA_WAIT_PRG         sva_advance()
 *            +----------------+------------- timer -----------+
 *
 * After a stall or a page request the transaction begins anew from its
 * translation.
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "exec/address-spaces.h"
#include "hw/misc/sva_test_regs.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pci_pasid.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qom/object.h"
#include "system/dma.h"
#include "sva-test-atc.h"
#include "trace.h"

#define TYPE_SVA_TEST "sva-test"
OBJECT_DECLARE_SIMPLE_TYPE(SvaTest, SVA_TEST)

#define SVA_MSIX_BAR 2
/* AtomicOps of one transaction */
#define SVA_ATOMIC_BYTES 64

/* The job as the registers were when GO was written */
typedef struct SvaJob {
    uint32_t pasid;             /* or PCI_NO_PASID */
    uint32_t op;
    uint32_t flags;
    uint64_t src;
    uint64_t dst;
    uint64_t len;
    uint64_t imm;
    uint64_t retry_limit;
    bool ats;
} SvaJob;

typedef struct SvaTxn {
    hwaddr va;
    uint32_t len;
    IOMMUAccessFlags want;
} SvaTxn;

/* What the transaction of a queue waits for */
typedef enum SvaWait {
    SVA_WAIT_NONE,
    SVA_WAIT_PRG,
    SVA_WAIT_STALL,
    SVA_WAIT_HELD,              /* translated, HOLD_NS elapses */
} SvaWait;

typedef struct SvaQueue {
    SvaTest *dev;
    unsigned int index;
    QEMUTimer *timer;
    QEMUBH *bh;                 /* acts on @answer */
    PasidStall stall;

    /* Registers */
    bool irq_en;
    bool done;
    uint8_t result;
    uint32_t pasid;
    uint32_t op;
    uint64_t src;
    uint64_t dst;
    uint64_t len;
    uint64_t imm;
    uint64_t retry_limit;
    uint64_t done_bytes;
    uint64_t iter;
    uint64_t value;
    uint64_t fault_addr;
    uint64_t fault_info;
    uint64_t aborts;
    uint64_t stalls;

    /* The job and how it stands */
    SvaJob job;
    bool busy;
    bool stop;                  /* STOP was written */
    bool draining;              /* nothing outstanding, timer runs to the ack */
    bool rogue;                 /* acknowledged, but goes on until @rogue_end */
    int64_t rogue_end;
    uint64_t pos;               /* offset in the range */
    bool write_side;            /* of OP_COPY */
    uint64_t sum;               /* of OP_READ, this round */
    uint32_t attempts;          /* stalls, page requests of this transaction */
    SvaWait wait;
    bool answered;
    int answer;                 /* PasidStallResp or PRG response code */
    hwaddr held_pa;
    bool held_drain;            /* the IOMMU waits for the held transaction */
    uint32_t held_itags;        /* so do these invalidations */
    uint8_t buf[SVA_PAGE_SIZE];
} SvaQueue;

typedef struct SvaPrg {
    bool used;
    SvaQueue *q;                /* NULL: nobody waits any more */
    uint32_t pasid;
    uint32_t pages;
} SvaPrg;

struct SvaTest {
    PCIDevice parent_obj;
    MemoryRegion mmio;

    /* Properties */
    uint32_t vendor_id;
    uint32_t device_id;
    uint8_t revision;
    uint32_t nr_queues;
    uint32_t chunk;
    bool has_pasid;
    bool has_ats;
    bool has_pri;
    bool can_stall;
    bool has_priv;
    bool has_exec;
    uint8_t pasid_bits;
    uint8_t ats_qdep;
    uint32_t pri_max_req;

    /* Registers of page 0 */
    uint32_t ctrl;
    uint32_t misbehave;
    uint64_t stop_latency;
    uint64_t chunk_ns;
    uint64_t inv_delay;
    uint64_t hold_ns;
    uint32_t pasid_stop;
    uint32_t event;
    uint32_t event_mask;
    uint64_t counter[SVA_NR_CNT];

    SvaAtc *atc;
    QEMUBH *event_bh;
    uint32_t inv_pending;       /* itags not completed yet */
    uint32_t inv_late;          /* those that @inv_timer completes */
    int64_t inv_deadline[PCI_ATS_NR_ITAG];
    QEMUTimer *inv_timer;
    SvaPrg prg[PCI_PRI_NR_PRGI];
    uint16_t next_prgi;
    uint32_t pri_outstanding;   /* page requests */

    SvaQueue queue[SVA_MAX_QUEUES];
};

static void sva_execute(SvaQueue *q);

static int64_t sva_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static bool sva_bad(const SvaTest *s, uint32_t bit)
{
    return s->misbehave & bit;
}

/* Interrupts and events */

static void sva_irq(SvaTest *s, unsigned int vector)
{
    PCIDevice *pdev = PCI_DEVICE(s);

    if (msix_enabled(pdev)) {
        s->counter[SVA_CNT_IRQ]++;
        msix_notify(pdev, vector);
    }
}

static void sva_event_bh(void *opaque)
{
    SvaTest *s = opaque;

    if (s->event & s->event_mask) {
        sva_irq(s, s->nr_queues);
    }
}

static void sva_event(SvaTest *s, uint32_t bits)
{
    s->event |= bits;
    if (s->event_mask & bits) {
        qemu_bh_schedule(s->event_bh);
    }
}

/* Held transactions: what waits for one to be performed or dropped */

static void sva_inv_check(SvaTest *s, unsigned int itag)
{
    for (unsigned int i = 0; i < s->nr_queues; i++) {
        if (s->queue[i].held_itags & BIT(itag)) {
            return;
        }
    }
    if (s->inv_late & BIT(itag)) {
        return;
    }
    s->inv_pending &= ~BIT(itag);
    pci_device_ats_inv_done(PCI_DEVICE(s), itag);
}

static void sva_held_over(SvaQueue *q)
{
    SvaTest *s = q->dev;
    uint32_t itags = q->held_itags;

    q->held_itags = 0;
    for (unsigned int itag = 0; itags; itag++, itags >>= 1) {
        if (itags & 1) {
            sva_inv_check(s, itag);
        }
    }

    if (!q->held_drain) {
        return;
    }
    q->held_drain = false;
    for (unsigned int i = 0; i < s->nr_queues; i++) {
        if (s->queue[i].held_drain) {
            return;
        }
    }
    pci_device_held_done(PCI_DEVICE(s));
}

static bool sva_held(void *dev)
{
    SvaTest *s = dev;
    bool any = false;

    for (unsigned int i = 0; i < s->nr_queues; i++) {
        SvaQueue *q = &s->queue[i];

        if (q->wait == SVA_WAIT_HELD) {
            q->held_drain = true;
            any = true;
        }
    }
    return any;
}

/* The end of a job */

/* Nobody waits for the answer any more; the PRG index stays in use */
static void sva_prg_orphan(SvaQueue *q)
{
    SvaTest *s = q->dev;

    for (unsigned int i = 0; i < PCI_PRI_NR_PRGI; i++) {
        if (s->prg[i].q == q) {
            s->prg[i].q = NULL;
        }
    }
}

/* Ends all activity of the queue at once, what is outstanding is forgotten */
static void sva_halt(SvaQueue *q)
{
    SvaWait wait = q->wait;

    timer_del(q->timer);
    qemu_bh_cancel(q->bh);
    q->answered = false;
    q->busy = false;
    q->stop = false;
    q->draining = false;
    q->rogue = false;

    switch (wait) {
    case SVA_WAIT_STALL:
        pci_device_stall_cancel(PCI_DEVICE(q->dev), &q->stall);
        break;
    case SVA_WAIT_PRG:
        sva_prg_orphan(q);
        break;
    case SVA_WAIT_HELD:
        sva_held_over(q);
        break;
    case SVA_WAIT_NONE:
        break;
    }
    q->wait = SVA_WAIT_NONE;
}

/* Not from within register accesses: it sends an interrupt */
static void sva_finish(SvaQueue *q, uint8_t result)
{
    trace_sva_test_done(PCI_DEVICE(q->dev)->devfn, q->index, result,
                        q->done_bytes, q->aborts);
    q->result = result;
    q->done = true;
    if (q->irq_en) {
        sva_irq(q->dev, q->index);
    }
}

static void sva_stop_ack(SvaQueue *q)
{
    SvaTest *s = q->dev;

    q->draining = false;
    if (sva_bad(s, SVA_BAD_DMA_AFTER_STOP)) {
        q->rogue = true;
        q->rogue_end = sva_now() + s->inv_delay;
        timer_mod(q->timer, sva_now() + s->chunk_ns);
    } else {
        sva_halt(q);
    }
    sva_event(s, SVA_EVENT_STOP_DONE);
    sva_finish(q, SVA_RES_STOPPED);
}

/* No transaction is outstanding: go on, or on with the stop */
static void sva_next(SvaQueue *q)
{
    SvaTest *s = q->dev;
    int64_t now = sva_now();

    if (q->rogue) {
        if (now >= q->rogue_end) {
            sva_halt(q);
            return;
        }
    } else if (q->stop) {
        q->draining = true;
        timer_mod(q->timer, now + s->stop_latency);
        return;
    }
    timer_mod(q->timer, now + s->chunk_ns);
}

/* The job cannot go on */
static void sva_end(SvaQueue *q, uint8_t result)
{
    if (q->stop) {
        sva_next(q);
        return;
    }
    sva_halt(q);
    sva_finish(q, result);
}

/* The range and the transactions it consists of */

static bool sva_op_words(uint32_t op)
{
    return op == SVA_OP_READ || op == SVA_OP_WRITE || op == SVA_OP_ATOMIC ||
           op == SVA_OP_VERIFY;
}

static bool sva_on_write_side(const SvaQueue *q)
{
    return q->job.op == SVA_OP_WRITE || q->write_side;
}

static uint64_t sva_page_left(uint64_t addr)
{
    return SVA_PAGE_SIZE - addr % SVA_PAGE_SIZE;
}

/* How much of the range the current chunk covers */
static uint64_t sva_step(const SvaQueue *q)
{
    const SvaJob *job = &q->job;
    uint64_t left = job->len - q->pos;
    uint64_t src = sva_page_left(job->src + q->pos);
    uint64_t dst = sva_page_left(job->dst + q->pos);
    uint64_t chunk = q->dev->chunk;

    switch (job->op) {
    case SVA_OP_TOUCH:
        return MIN(left, src);
    case SVA_OP_WRITE:
        return MIN(MIN(left, dst), chunk);
    case SVA_OP_COPY:
        return MIN(MIN(left, MIN(src, dst)), chunk);
    case SVA_OP_ATOMIC:
        return MIN(MIN(left, src), MIN(chunk, SVA_ATOMIC_BYTES));
    default:
        return MIN(MIN(left, src), chunk);
    }
}

static SvaTxn sva_txn(const SvaQueue *q)
{
    const SvaJob *job = &q->job;
    SvaTxn t = {
        .va = (sva_on_write_side(q) ? job->dst : job->src) + q->pos,
        .len = job->op == SVA_OP_TOUCH ? 1 : sva_step(q),
        .want = job->op == SVA_OP_ATOMIC ? IOMMU_RW :
                sva_on_write_side(q) ? IOMMU_WO : IOMMU_RO,
    };

    return t;
}

static bool sva_range_ok(uint64_t addr, uint64_t len, bool words)
{
    return len && addr + (len - 1) >= addr &&
           !(words && (addr % sizeof(uint64_t) || len % sizeof(uint64_t)));
}

static bool sva_job_ok(const SvaJob *job)
{
    bool words = sva_op_words(job->op);
    bool src = job->op != SVA_OP_WRITE, dst = !src || job->op == SVA_OP_COPY;

    if (job->op == SVA_OP_NOP) {
        return true;
    }
    return job->op < SVA_NR_OPS &&
           (!src || sva_range_ok(job->src, job->len, words)) &&
           (!dst || sva_range_ok(job->dst, job->len, words));
}

/* On to the next chunk of the range or the next round; that may be the end */
static void sva_skip(SvaQueue *q)
{
    q->write_side = false;
    q->attempts = 0;
    if (q->job.op != SVA_OP_NOP) {
        q->pos += sva_step(q);
        if (q->pos < q->job.len) {
            sva_next(q);
            return;
        }
    }

    q->pos = 0;
    q->iter++;
    if (q->job.op == SVA_OP_READ) {
        q->value = q->sum;
        q->sum = 0;
    }
    if (q->job.flags & SVA_Q_OP_LOOP) {
        sva_next(q);
    } else {
        sva_end(q, SVA_RES_OK);
    }
}

/* The transaction has been performed */
static void sva_advance(SvaQueue *q)
{
    SvaTest *s = q->dev;

    if (q->rogue) {
        s->counter[SVA_CNT_AFTER_STOP_ACK]++;
    } else if (q->stop) {
        s->counter[SVA_CNT_AFTER_STOP_REQ]++;
    }

    if (q->job.op == SVA_OP_COPY && !q->write_side) {
        q->write_side = true;
        q->attempts = 0;
        sva_next(q);
        return;
    }
    if (q->job.op != SVA_OP_NOP) {
        q->done_bytes += sva_txn(q).len;
    }
    sva_skip(q);
}

static void sva_note_fault(SvaQueue *q, PasidXlStatus status)
{
    q->fault_addr = sva_txn(q).va;
    q->fault_info = status | (sva_txn(q).want & IOMMU_WO ?
                              SVA_Q_FAULT_WRITE : 0) |
                    (uint64_t)q->attempts << SVA_Q_FAULT_ATTEMPTS_SHIFT;
}

/* The transaction has not been performed; CONT goes on after it */
static void sva_fail(SvaQueue *q, PasidXlStatus status, uint8_t result)
{
    sva_note_fault(q, status);
    trace_sva_test_fail(PCI_DEVICE(q->dev)->devfn, q->index, q->job.pasid,
                        q->fault_addr, status, result);
    if (status != PASID_XL_RAZWI) {
        q->aborts++;
        q->dev->counter[SVA_CNT_ABORTED]++;
    }
    if (q->job.flags & SVA_Q_OP_CONT) {
        sva_skip(q);
    } else {
        sva_end(q, result);
    }
}

/* Access to memory */

static bool sva_is_ram(const SvaTxn *t, hwaddr pa)
{
    bool is_write = t->want & IOMMU_WO;
    hwaddr xlat, len = t->len;
    MemoryRegion *mr;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(&address_space_memory, pa, &xlat, &len,
                                 is_write, MEMTXATTRS_UNSPECIFIED);
    return len >= t->len && !memory_region_is_ram_device(mr) &&
           memory_access_is_direct(mr, is_write, MEMTXATTRS_UNSPECIFIED);
}

static void sva_dma(SvaQueue *q, const SvaTxn *t, hwaddr pa)
{
    bool is_write = t->want == IOMMU_WO;

    q->dev->counter[is_write ? SVA_CNT_WRITTEN : SVA_CNT_READ] += t->len;
    dma_memory_rw(&address_space_memory, pa, q->buf, t->len,
                  is_write ? DMA_DIRECTION_FROM_DEVICE :
                             DMA_DIRECTION_TO_DEVICE, MEMTXATTRS_UNSPECIFIED);
}

static void sva_sum(SvaQueue *q, uint32_t len)
{
    for (uint32_t i = 0; i < len; i += sizeof(uint64_t)) {
        q->sum += ldq_le_p(q->buf + i);
    }
}

static void sva_fill(SvaQueue *q, uint32_t len)
{
    for (uint32_t i = 0; i < len; i += sizeof(uint64_t)) {
        stq_le_p(q->buf + i, q->job.imm + q->pos + i);
    }
}

static bool sva_verify(SvaQueue *q, uint32_t len)
{
    for (uint32_t i = 0; i < len; i += sizeof(uint64_t)) {
        if (ldq_le_p(q->buf + i) != q->job.imm + q->pos + i) {
            q->value = q->pos + i;
            return false;
        }
    }
    return true;
}

static void sva_atomics(SvaQueue *q, uint32_t len, hwaddr pa)
{
    for (uint32_t i = 0; i < len; i += sizeof(uint64_t)) {
        dma_atomic_add64(&address_space_memory, pa + i, q->job.imm, &q->value);
        q->dev->counter[SVA_CNT_ATOMICS]++;
    }
}

static void sva_access(SvaQueue *q, hwaddr pa)
{
    SvaTxn t = sva_txn(q);

    trace_sva_test_access(PCI_DEVICE(q->dev)->devfn, q->index, q->job.pasid,
                          t.va, pa, t.len, t.want);
    if (!sva_is_ram(&t, pa)) {
        sva_note_fault(q, PASID_XL_OK);
        sva_end(q, SVA_RES_NOT_RAM);
        return;
    }

    switch (q->job.op) {
    case SVA_OP_READ:
        sva_dma(q, &t, pa);
        sva_sum(q, t.len);
        break;
    case SVA_OP_WRITE:
        sva_fill(q, t.len);
        sva_dma(q, &t, pa);
        break;
    case SVA_OP_ATOMIC:
        sva_atomics(q, t.len, pa);
        break;
    case SVA_OP_VERIFY:
        sva_dma(q, &t, pa);
        if (!sva_verify(q, t.len)) {
            sva_note_fault(q, PASID_XL_OK);
            sva_end(q, SVA_RES_MISMATCH);
            return;
        }
        break;
    default:
        sva_dma(q, &t, pa);
        break;
    }
    sva_advance(q);
}

/* Page requests */

static uint32_t sva_pri_credit(SvaTest *s)
{
    uint32_t alloc = pcie_pri_alloc(PCI_DEVICE(s));

    if (sva_bad(s, SVA_BAD_PRI_ALLOC)) {
        return UINT32_MAX;
    }
    return alloc - MIN(alloc, s->pri_outstanding);
}

/* Returns a free index or -1 */
static int sva_prgi_alloc(SvaTest *s)
{
    for (unsigned int i = 0; i < PCI_PRI_NR_PRGI; i++) {
        unsigned int prgi = (s->next_prgi + i) % PCI_PRI_NR_PRGI;

        if (!s->prg[prgi].used) {
            s->next_prgi = (prgi + 1) % PCI_PRI_NR_PRGI;
            return prgi;
        }
    }
    return -1;
}

static void sva_prg_free(SvaTest *s, SvaPrg *prg)
{
    s->pri_outstanding -= prg->pages;
    *prg = (SvaPrg) { 0 };
    if (!s->pri_outstanding && !pcie_pri_enabled(PCI_DEVICE(s))) {
        pcie_pri_update_status(PCI_DEVICE(s), 0, PCI_PRI_STATUS_STOPPED);
    }
}

static uint32_t sva_pri_pasid(const SvaQueue *q)
{
    if (q->job.pasid != PCI_NO_PASID &&
        sva_bad(q->dev, SVA_BAD_PASID_PLUS_1)) {
        return (q->job.pasid + 1) & SVA_Q_PASID_MASK;
    }
    return q->job.pasid;
}

/* Pages from the current transaction to the end of the range */
static uint64_t sva_pages_left(const SvaQueue *q, const SvaTxn *t)
{
    hwaddr last = t->va + (q->job.len - q->pos - 1);

    return last / SVA_PAGE_SIZE - t->va / SVA_PAGE_SIZE + 1;
}

static int sva_prg_send(SvaQueue *q, const SvaTxn *t, int prgi)
{
    SvaTest *s = q->dev;
    SvaPrg *prg = &s->prg[prgi];
    unsigned int copies = sva_bad(s, SVA_BAD_PRG_TWICE) ? 2 : 1;
    hwaddr addr = QEMU_ALIGN_DOWN(t->va, SVA_PAGE_SIZE);
    uint32_t pages = prg->pages, pasid = prg->pasid;
    int ret = 0;

    for (uint32_t i = 0; i < pages * copies && !ret; i++) {
        bool last = i / copies == pages - 1 &&
                    !sva_bad(s, SVA_BAD_PRG_NO_LAST);

        s->counter[SVA_CNT_PAGE_REQ]++;
        trace_sva_test_page_request(PCI_DEVICE(s)->devfn, q->index, pasid,
                                    addr + i / copies * SVA_PAGE_SIZE, prgi,
                                    last);
        ret = pci_device_pri_request_page(PCI_DEVICE(s), pasid,
                                          q->job.flags & SVA_Q_OP_PRIV,
                                          q->job.flags & SVA_Q_OP_EXEC,
                                          addr + i / copies * SVA_PAGE_SIZE,
                                          last, prgi, t->want & IOMMU_RO,
                                          t->want & IOMMU_WO);
    }
    return ret;
}

static void sva_page_request(SvaQueue *q, const SvaTxn *t)
{
    SvaTest *s = q->dev;
    uint32_t credit = sva_pri_credit(s);
    uint64_t pages = 1;
    int prgi;

    if ((q->job.flags & SVA_Q_OP_NO_PRI) || !pcie_pri_enabled(PCI_DEVICE(s))) {
        sva_fail(q, PASID_XL_DENIED, SVA_RES_PRI_OFF);
        return;
    }
    if (q->attempts >= q->job.retry_limit) {
        sva_fail(q, PASID_XL_DENIED, SVA_RES_RETRY_LIMIT);
        return;
    }
    if (q->job.flags & SVA_Q_OP_GROUP) {
        pages = MIN(sva_pages_left(q, t), PCI_PRI_NR_PRGI);
    }
    prgi = credit ? sva_prgi_alloc(s) : -1;
    if (prgi < 0) {
        sva_next(q);            /* others will give some back */
        return;
    }

    s->prg[prgi] = (SvaPrg) {
        .used = true,
        .q = q,
        .pasid = sva_pri_pasid(q),
        .pages = MIN(pages, credit),
    };
    s->pri_outstanding += s->prg[prgi].pages;
    q->attempts++;
    q->wait = SVA_WAIT_PRG;     /* the response may come at once */
    if (sva_prg_send(q, t, prgi) < 0) {
        q->wait = SVA_WAIT_NONE;
        sva_prg_free(s, &s->prg[prgi]);
        sva_fail(q, PASID_XL_DENIED, SVA_RES_PRI_OFF);
    }
}

static void sva_stop_marker(SvaQueue *q)
{
    pci_device_pri_request_page(PCI_DEVICE(q->dev), q->job.pasid, false, false,
                                0, true, 0, false, false);
}

/* Translation */

static uint8_t sva_fault_result(const SvaQueue *q, PasidXlStatus status)
{
    switch (status) {
    case PASID_XL_RAZWI:
        return SVA_RES_RAZWI;
    case PASID_XL_CA:
        return q->job.ats ? SVA_RES_ATS_CA : SVA_RES_ABORT;
    default:
        return q->job.ats ? SVA_RES_ATS_UR : SVA_RES_ABORT;
    }
}

static hwaddr sva_entry_pa(const IOMMUTLBEntry *e, hwaddr va)
{
    return (e->translated_addr & ~e->addr_mask) | (va & e->addr_mask);
}

static PasidXlStatus sva_ask_iommu(SvaQueue *q, const SvaTxn *t,
                                   IOMMUTLBEntry *e)
{
    SvaTest *s = q->dev;
    bool stalls = s->can_stall && !q->job.ats;

    return pci_device_pasid_translate(PCI_DEVICE(s), q->job.pasid,
                                      q->job.flags & SVA_Q_OP_PRIV,
                                      q->job.flags & SVA_Q_OP_EXEC,
                                      t->va, t->want, q->job.ats, e,
                                      stalls ? &q->stall : NULL);
}

static PasidXlStatus sva_ats_request(SvaQueue *q, const SvaTxn *t,
                                     const SvaAtcTag *tag, hwaddr *pa)
{
    SvaTest *s = q->dev;
    IOMMUTLBEntry e = { 0 };
    PasidXlStatus status;

    s->counter[SVA_CNT_TRANS_REQ]++;
    status = sva_ask_iommu(q, t, &e);
    if (status == PASID_XL_OK && e.perm) {
        *pa = sva_entry_pa(&e, t->va);
        sva_atc_insert(s->atc, tag, t->va, *pa, e.perm);
    }
    if (status == PASID_XL_OK && (e.perm & t->want) != t->want) {
        status = PASID_XL_DENIED;
    }
    s->counter[status == PASID_XL_OK ? SVA_CNT_TRANS_OK :
               status == PASID_XL_DENIED ? SVA_CNT_TRANS_DENIED :
               SVA_CNT_TRANS_UR_CA]++;
    return status;
}

static PasidXlStatus sva_ats_translate(SvaQueue *q, const SvaTxn *t, hwaddr *pa)
{
    SvaTest *s = q->dev;
    SvaAtcTag tag = {
        .pasid = q->job.pasid,
        .priv = q->job.flags & SVA_Q_OP_PRIV,
        .exec = q->job.flags & SVA_Q_OP_EXEC,
    };
    IOMMUAccessFlags perm;

    if (sva_atc_lookup(s->atc, &tag, t->va, pa, &perm)) {
        if (sva_bad(s, SVA_BAD_ATC_WRITE) || (perm & t->want) == t->want) {
            s->counter[SVA_CNT_ATC_HIT]++;
            return PASID_XL_OK;
        }
    }
    s->counter[SVA_CNT_ATC_MISS]++;
    return sva_ats_request(q, t, &tag, pa);
}

static PasidXlStatus sva_translate(SvaQueue *q, const SvaTxn *t, hwaddr *pa)
{
    IOMMUTLBEntry e = { 0 };
    PasidXlStatus status;

    if (q->job.ats) {
        return sva_ats_translate(q, t, pa);
    }
    status = sva_ask_iommu(q, t, &e);
    if (status == PASID_XL_OK) {
        *pa = sva_entry_pa(&e, t->va);
    }
    return status == PASID_XL_DENIED ? PASID_XL_ABORT : status;
}

/* SVA_RES_OK if the function may send the job's requests as it is set up now */
static uint8_t sva_check(const SvaQueue *q)
{
    const SvaJob *job = &q->job;
    const PCIDevice *pdev = PCI_DEVICE(q->dev);

    if (!sva_job_ok(job)) {
        return SVA_RES_MISALIGNED;
    }
    if (!(pci_get_word(pdev->config + PCI_COMMAND) & PCI_COMMAND_MASTER)) {
        return SVA_RES_BME_OFF;
    }
    if (job->pasid != PCI_NO_PASID &&
        (!pcie_pasid_enabled(pdev) || job->pasid >> q->dev->pasid_bits)) {
        return SVA_RES_UNSUPPORTED;
    }
    /* Both need a PASID TLP prefix */
    if ((job->flags & SVA_Q_OP_PRIV) &&
        (job->pasid == PCI_NO_PASID || !pcie_pasid_priv_enabled(pdev))) {
        return SVA_RES_UNSUPPORTED;
    }
    if ((job->flags & SVA_Q_OP_EXEC) &&
        (job->pasid == PCI_NO_PASID || !pcie_pasid_exec_enabled(pdev))) {
        return SVA_RES_UNSUPPORTED;
    }
    if (job->ats && !pcie_ats_enabled(pdev)) {
        return SVA_RES_ABORT;
    }
    return SVA_RES_OK;
}

static void sva_hold(SvaQueue *q, hwaddr pa)
{
    if (!q->dev->hold_ns) {
        sva_access(q, pa);
        return;
    }
    q->wait = SVA_WAIT_HELD;
    q->held_pa = pa;
    timer_mod(q->timer, sva_now() + q->dev->hold_ns);
}

static void sva_held_tick(SvaQueue *q)
{
    uint8_t result = sva_check(q);

    q->wait = SVA_WAIT_NONE;
    if (result == SVA_RES_OK) {
        sva_access(q, q->held_pa);
    } else {
        sva_end(q, result);
    }
    /* Only now: whoever waits for the access goes on in here */
    sva_held_over(q);
}

static void sva_execute(SvaQueue *q)
{
    uint8_t result = sva_check(q);
    PasidXlStatus status;
    hwaddr pa = 0;
    SvaTxn t;

    if (result != SVA_RES_OK) {
        sva_end(q, result);
        return;
    }
    if (q->job.op == SVA_OP_NOP) {
        sva_advance(q);
        return;
    }

    t = sva_txn(q);
    status = sva_translate(q, &t, &pa);
    trace_sva_test_translate(PCI_DEVICE(q->dev)->devfn, q->index, q->job.pasid,
                             t.va, t.want, status, pa);
    switch (status) {
    case PASID_XL_OK:
        sva_hold(q, pa);
        break;
    case PASID_XL_DENIED:
        sva_page_request(q, &t);
        break;
    case PASID_XL_STALLED:
        q->wait = SVA_WAIT_STALL;
        q->attempts++;
        q->stalls++;
        q->dev->counter[SVA_CNT_STALL]++;
        break;
    default:
        sva_fail(q, status, sva_fault_result(q, status));
        break;
    }
}

static void sva_tick(void *opaque)
{
    SvaQueue *q = opaque;

    if (q->draining) {
        sva_stop_ack(q);
    } else if (q->wait == SVA_WAIT_HELD) {
        sva_held_tick(q);
    } else {
        sva_execute(q);
    }
}

/* What the IOMMU has to say */

static void sva_answer(SvaQueue *q, int answer)
{
    q->answer = answer;
    q->answered = true;
    qemu_bh_schedule(q->bh);
}

static void sva_stall_resume(PasidStall *stall, PasidStallResp resp)
{
    SvaQueue *q = container_of(stall, SvaQueue, stall);

    trace_sva_test_resume(PCI_DEVICE(q->dev)->devfn, q->index, resp);
    sva_answer(q, resp);
}

/* Even when stopping: it is the IOMMU that sends a stalled transaction again */
static void sva_stall_over(SvaQueue *q)
{
    SvaTest *s = q->dev;

    switch (q->answer) {
    case PASID_STALL_RETRY:
        s->counter[SVA_CNT_STALL_RETRY]++;
        sva_execute(q);
        break;
    case PASID_STALL_RAZWI:
        s->counter[SVA_CNT_STALL_RAZWI]++;
        sva_fail(q, PASID_XL_RAZWI, SVA_RES_RAZWI);
        break;
    default:
        s->counter[SVA_CNT_STALL_ABORT]++;
        sva_fail(q, PASID_XL_ABORT, SVA_RES_ABORT);
        break;
    }
}

static void sva_prg_over(SvaQueue *q)
{
    if (q->stop && !q->rogue) {
        sva_next(q);
        return;
    }
    switch (q->answer) {
    case PCI_PRG_SUCCESS:
        sva_execute(q);
        break;
    case PCI_PRG_INVALID:
        sva_fail(q, PASID_XL_DENIED, SVA_RES_PRG_INVALID);
        break;
    default:
        sva_fail(q, PASID_XL_DENIED, SVA_RES_PRG_FAILURE);
        break;
    }
}

static void sva_answer_bh(void *opaque)
{
    SvaQueue *q = opaque;
    SvaWait wait = q->wait;

    if (!q->answered) {
        return;
    }
    q->answered = false;
    q->wait = SVA_WAIT_NONE;
    if (wait == SVA_WAIT_STALL) {
        sva_stall_over(q);
    } else if (wait == SVA_WAIT_PRG) {
        sva_prg_over(q);
    }
}

static void sva_prg_response(void *dev, uint32_t pasid, uint16_t prgi,
                             uint8_t code)
{
    SvaTest *s = dev;
    SvaPrg *prg = prgi < PCI_PRI_NR_PRGI ? &s->prg[prgi] : NULL;
    SvaQueue *q;

    trace_sva_test_prg_response(PCI_DEVICE(s)->devfn, pasid, prgi, code);
    if (sva_bad(s, SVA_BAD_PRG_IGNORED)) {
        return;
    }
    if (!prg || !prg->used || prg->pasid != pasid) {
        s->counter[SVA_CNT_BAD_RESPONSE]++;
        pcie_pri_update_status(PCI_DEVICE(s), 0, PCI_PRI_STATUS_UPRGI);
        sva_event(s, SVA_EVENT_BAD_RESPONSE);
        return;
    }

    s->counter[code == PCI_PRG_SUCCESS ? SVA_CNT_PRG_SUCCESS :
               code == PCI_PRG_INVALID ? SVA_CNT_PRG_INVALID :
               SVA_CNT_PRG_FAILURE]++;
    if (code != PCI_PRG_SUCCESS && code != PCI_PRG_INVALID) {
        pcie_pri_update_status(PCI_DEVICE(s), 0, PCI_PRI_STATUS_RF);
    }
    q = prg->q;
    sva_prg_free(s, prg);
    if (q) {
        sva_answer(q, code);
    }
}

static void sva_inv_timer(void *opaque)
{
    SvaTest *s = opaque;
    int64_t now = sva_now(), next = INT64_MAX;

    for (unsigned int itag = 0; itag < PCI_ATS_NR_ITAG; itag++) {
        if (!(s->inv_late & BIT(itag))) {
            continue;
        }
        if (s->inv_deadline[itag] > now) {
            next = MIN(next, s->inv_deadline[itag]);
            continue;
        }
        s->inv_late &= ~BIT(itag);
        sva_inv_check(s, itag);
    }
    if (next != INT64_MAX) {
        timer_mod_anticipate(s->inv_timer, next);
    }
}

static void sva_inv_count(SvaTest *s, uint32_t pasid, bool global, hwaddr addr,
                          hwaddr mask)
{
    s->counter[SVA_CNT_INV]++;
    s->counter[SVA_CNT_INV_PASID] += pasid != PCI_NO_PASID;
    s->counter[SVA_CNT_INV_GLOBAL] += global;
    s->counter[SVA_CNT_LAST_INV_ADDR] = addr & ~mask;
    s->counter[SVA_CNT_LAST_INV_SIZE] = (uint64_t)ctpop64(mask) << 32 |
        (pasid != PCI_NO_PASID ? SVA_Q_PASID_VALID | pasid : 0);
}

/* Translated requests under way count as use of the entries invalidated */
static bool sva_inv_held(SvaTest *s, uint16_t itag, uint32_t pasid, bool any)
{
    bool held = false;

    for (unsigned int i = 0; i < s->nr_queues; i++) {
        SvaQueue *q = &s->queue[i];

        if (q->wait == SVA_WAIT_HELD && q->job.ats &&
            (any || q->job.pasid == pasid)) {
            q->held_itags |= BIT(itag);
            held = true;
        }
    }
    return held;
}

static bool sva_invalidate(void *dev, uint16_t itag, uint32_t pasid,
                           bool global, hwaddr addr, hwaddr mask)
{
    SvaTest *s = dev;
    bool any = global || pasid == PCI_NO_PASID;
    bool wait = false;

    trace_sva_test_invalidate(PCI_DEVICE(s)->devfn, itag, pasid, global, addr,
                              mask);
    assert(itag < PCI_ATS_NR_ITAG);
    sva_inv_count(s, pasid, global, addr, mask);
    if (!sva_bad(s, SVA_BAD_INV_IGNORED)) {
        s->counter[SVA_CNT_INV_REMOVED] +=
            sva_atc_invalidate(s->atc, pasid, any, addr, mask);
        wait = sva_inv_held(s, itag, pasid, any);
    }
    if (sva_bad(s, SVA_BAD_INV_NEVER)) {
        s->inv_pending |= BIT(itag);
        return false;
    }
    if (sva_bad(s, SVA_BAD_INV_LATE)) {
        s->inv_late |= BIT(itag);
        s->inv_deadline[itag] = sva_now() + s->inv_delay;
        timer_mod_anticipate(s->inv_timer, s->inv_deadline[itag]);
        wait = true;
    }
    if (wait) {
        s->inv_pending |= BIT(itag);
    }
    return !wait;
}

static const PCIATSClientOps sva_ats_client_ops = {
    .invalidate = sva_invalidate,
    .prg_response = sva_prg_response,
    .held = sva_held,
};

/* GO, STOP and reset */

static void sva_latch_job(SvaQueue *q)
{
    SvaTest *s = q->dev;

    q->job = (SvaJob) {
        .pasid = q->pasid & SVA_Q_PASID_VALID ? q->pasid & SVA_Q_PASID_MASK :
                                                PCI_NO_PASID,
        .op = q->op & SVA_Q_OP_MASK,
        .flags = q->op & SVA_Q_OP_FLAGS,
        .src = q->src,
        .dst = q->dst,
        .len = q->len,
        .imm = q->imm,
        .retry_limit = q->retry_limit,
        .ats = pcie_ats_enabled(PCI_DEVICE(s)) &&
               !(s->ctrl & SVA_CTRL_FORCE_UNTRANSLATED) &&
               !(q->op & SVA_Q_OP_UNTRANSLATED),
    };
}

/* Forget what the last job has come to */
static void sva_result_clear(SvaQueue *q)
{
    q->done = false;
    q->result = SVA_RES_OK;
    q->done_bytes = 0;
    q->iter = 0;
    q->value = 0;
    q->fault_addr = 0;
    q->fault_info = 0;
    q->aborts = 0;
    q->stalls = 0;
}

static void sva_go(SvaQueue *q)
{
    SvaTest *s = q->dev;

    if (q->rogue) {
        sva_halt(q);
    }
    if (q->busy || !(s->ctrl & SVA_CTRL_ENABLE)) {
        qemu_log_mask(LOG_GUEST_ERROR, "sva-test: GO on %s queue %u\n",
                      q->busy ? "running" : "disabled", q->index);
        sva_event(s, SVA_EVENT_PROTOCOL);
        return;
    }

    sva_latch_job(q);
    q->pos = 0;
    q->write_side = false;
    q->sum = 0;
    q->attempts = 0;
    sva_result_clear(q);
    q->busy = true;
    trace_sva_test_go(PCI_DEVICE(s)->devfn, q->index, q->op, q->job.pasid,
                      q->src, q->dst, q->len);
    timer_mod(q->timer, sva_now());
}

static void sva_stop(SvaQueue *q)
{
    if (!q->busy || q->stop) {
        return;
    }
    trace_sva_test_stop(PCI_DEVICE(q->dev)->devfn, q->index, q->wait);
    q->stop = true;
    if (q->wait == SVA_WAIT_PRG && sva_bad(q->dev, SVA_BAD_STOP_MARKER)) {
        sva_stop_marker(q);
        sva_prg_orphan(q);
        q->answered = false;
        q->wait = SVA_WAIT_NONE;
    }
    if (q->wait == SVA_WAIT_NONE) {
        sva_next(q);
    }
}

static bool sva_stopping(const SvaQueue *q)
{
    return q->busy && q->stop && !q->rogue;
}

static void sva_pasid_stop(SvaTest *s, uint32_t pasid)
{
    s->pasid_stop = pasid & SVA_Q_PASID_MASK;
    for (unsigned int i = 0; i < s->nr_queues; i++) {
        if (s->queue[i].job.pasid == s->pasid_stop) {
            sva_stop(&s->queue[i]);
        }
    }
}

static bool sva_pasid_stop_busy(const SvaTest *s)
{
    for (unsigned int i = 0; i < s->nr_queues; i++) {
        if (s->queue[i].job.pasid == s->pasid_stop &&
            sva_stopping(&s->queue[i])) {
            return true;
        }
    }
    return false;
}

static void sva_queue_reset(SvaQueue *q)
{
    sva_halt(q);
    sva_result_clear(q);
    q->irq_en = false;
    q->pasid = 0;
    q->op = 0;
    q->src = 0;
    q->dst = 0;
    q->len = 0;
    q->imm = 0;
    q->retry_limit = SVA_Q_RETRY_DEFAULT;
}

/* PRGs that are still open will be answered to nobody */
static void sva_pri_forget(SvaTest *s)
{
    for (unsigned int i = 0; i < PCI_PRI_NR_PRGI; i++) {
        SvaQueue *q = s->prg[i].q;

        if (s->prg[i].used) {
            sva_prg_free(s, &s->prg[i]);
        }
        if (q) {
            sva_answer(q, PCI_PRG_FAILURE);
        }
    }
}

static void sva_inv_complete_all(SvaTest *s)
{
    uint32_t pending = s->inv_pending;

    s->inv_pending = 0;
    s->inv_late = 0;
    timer_del(s->inv_timer);
    for (unsigned int itag = 0; pending; itag++, pending >>= 1) {
        if (pending & 1) {
            pci_device_ats_inv_done(PCI_DEVICE(s), itag);
        }
    }
}

static void sva_reset_function(SvaTest *s)
{
    for (unsigned int i = 0; i < s->nr_queues; i++) {
        sva_queue_reset(&s->queue[i]);
    }
    sva_pri_forget(s);
    sva_atc_flush(s->atc);
    sva_atc_resize(s->atc, SVA_ATC_SIZE_DEFAULT);
    sva_inv_complete_all(s);
    qemu_bh_cancel(s->event_bh);

    s->ctrl = 0;
    s->misbehave = 0;
    s->stop_latency = 0;
    s->chunk_ns = SVA_CHUNK_NS_DEFAULT;
    s->inv_delay = 0;
    s->hold_ns = 0;
    s->pasid_stop = 0;
    s->event = 0;
    s->event_mask = 0;
    memset(s->counter, 0, sizeof(s->counter));
}

/* Registers */

typedef struct SvaReg {
    uint16_t off;
    uint8_t size;
    bool ro;
} SvaReg;

static const SvaReg sva_function_regs[] = {
    { SVA_ID, 4, true },
    { SVA_NQ, 4, true },
    { SVA_CAPS, 4, true },
    { SVA_CTRL, 4 },
    { SVA_MISBEHAVE, 4 },
    { SVA_STOP_LATENCY, 8 },
    { SVA_CHUNK_NS, 8 },
    { SVA_INV_DELAY, 8 },
    { SVA_HOLD_NS, 8 },
    { SVA_ATC_SIZE, 4 },
    { SVA_ATC_USED, 4, true },
    { SVA_PASID_STOP, 4 },
    { SVA_PASID_STOP_BUSY, 4, true },
    { SVA_EVENT, 4 },
    { SVA_EVENT_MASK, 4 },
    { SVA_COUNTER_CLEAR, 8 },
};

static const SvaReg sva_queue_regs[] = {
    { SVA_Q_CTRL, 4 },
    { SVA_Q_STATUS, 4 },
    { SVA_Q_PASID, 4 },
    { SVA_Q_OP, 4 },
    { SVA_Q_SRC, 8 },
    { SVA_Q_DST, 8 },
    { SVA_Q_LEN, 8 },
    { SVA_Q_IMM, 8 },
    { SVA_Q_DONE_BYTES, 8, true },
    { SVA_Q_ITER, 8, true },
    { SVA_Q_RESULT, 8, true },
    { SVA_Q_FAULT_ADDR, 8, true },
    { SVA_Q_FAULT_INFO, 8, true },
    { SVA_Q_RETRY_LIMIT, 8 },
    { SVA_Q_ABORTS, 8, true },
    { SVA_Q_STALLS, 8, true },
};

/* Finds the register that contains all of the access */
static bool sva_reg_find(const SvaTest *s, hwaddr addr, unsigned int size,
                         SvaReg *reg)
{
    hwaddr page = addr / SVA_PAGE_SIZE, off = addr % SVA_PAGE_SIZE;
    const SvaReg *regs = page ? sva_queue_regs : sva_function_regs;
    unsigned int n = page ? ARRAY_SIZE(sva_queue_regs) :
                            ARRAY_SIZE(sva_function_regs);

    if (page > s->nr_queues) {
        return false;
    }
    if (!page && off >= SVA_COUNTERS && off + size <= SVA_COUNTER(SVA_NR_CNT)) {
        *reg = (SvaReg) { QEMU_ALIGN_DOWN(off, 8), 8, true };
        return true;
    }
    for (unsigned int i = 0; i < n; i++) {
        if (off >= regs[i].off && off + size <= regs[i].off + regs[i].size) {
            *reg = regs[i];
            return true;
        }
    }
    return false;
}

static uint32_t sva_caps(const SvaTest *s)
{
    return (s->has_pasid ? SVA_CAPS_PASID : 0) |
           (s->has_ats ? SVA_CAPS_ATS : 0) |
           (s->has_pri ? SVA_CAPS_PRI : 0) |
           (s->can_stall ? SVA_CAPS_STALL : 0) |
           SVA_CAPS_ATOMICS |
           (s->has_pasid && s->has_priv ? SVA_CAPS_PRIV : 0) |
           (s->has_pasid && s->has_exec ? SVA_CAPS_EXEC : 0);
}

static uint64_t sva_function_get(const SvaTest *s, unsigned int reg)
{
    switch (reg) {
    case SVA_ID:
        return SVA_ID_MAGIC;
    case SVA_NQ:
        return s->nr_queues;
    case SVA_CAPS:
        return sva_caps(s);
    case SVA_CTRL:
        return s->ctrl;
    case SVA_MISBEHAVE:
        return s->misbehave;
    case SVA_STOP_LATENCY:
        return s->stop_latency;
    case SVA_CHUNK_NS:
        return s->chunk_ns;
    case SVA_INV_DELAY:
        return s->inv_delay;
    case SVA_HOLD_NS:
        return s->hold_ns;
    case SVA_ATC_SIZE:
        return sva_atc_size(s->atc);
    case SVA_ATC_USED:
        return sva_atc_used(s->atc);
    case SVA_PASID_STOP:
        return s->pasid_stop;
    case SVA_PASID_STOP_BUSY:
        return sva_pasid_stop_busy(s);
    case SVA_EVENT:
        return s->event;
    case SVA_EVENT_MASK:
        return s->event_mask;
    case SVA_COUNTERS ... SVA_COUNTER(SVA_NR_CNT - 1):
        return s->counter[(reg - SVA_COUNTERS) / 8];
    default:
        return 0;
    }
}

static void sva_ctrl_set(SvaTest *s, uint32_t val)
{
    if (val & SVA_CTRL_RESET) {
        sva_reset_function(s);
        return;
    }
    s->ctrl = val & (SVA_CTRL_ENABLE | SVA_CTRL_FORCE_UNTRANSLATED);
    if (val & SVA_CTRL_ENABLE) {
        return;
    }
    for (unsigned int i = 0; i < s->nr_queues; i++) {
        sva_stop(&s->queue[i]);
    }
}

static void sva_function_set(SvaTest *s, unsigned int reg, uint64_t val)
{
    switch (reg) {
    case SVA_CTRL:
        sva_ctrl_set(s, val);
        break;
    case SVA_MISBEHAVE:
        s->misbehave = val & SVA_BAD_ALL;
        break;
    case SVA_STOP_LATENCY:
        s->stop_latency = MIN(val, SVA_STOP_LATENCY_MAX);
        break;
    case SVA_CHUNK_NS:
        s->chunk_ns = MIN(MAX(val, SVA_CHUNK_NS_MIN), SVA_CHUNK_NS_MAX);
        break;
    case SVA_INV_DELAY:
        s->inv_delay = MIN(val, SVA_INV_DELAY_MAX);
        break;
    case SVA_HOLD_NS:
        s->hold_ns = MIN(val, SVA_HOLD_NS_MAX);
        break;
    case SVA_ATC_SIZE:
        sva_atc_resize(s->atc, MIN(MAX(val, 1), SVA_ATC_SIZE_MAX));
        break;
    case SVA_PASID_STOP:
        sva_pasid_stop(s, val);
        break;
    case SVA_EVENT:
        s->event &= ~val;
        break;
    case SVA_EVENT_MASK:
        s->event_mask = val & SVA_EVENT_ALL;
        break;
    case SVA_COUNTER_CLEAR:
        memset(s->counter, 0, sizeof(s->counter));
        break;
    }
}

static uint32_t sva_queue_state(const SvaQueue *q)
{
    if (!q->busy || q->rogue) {
        return SVA_STATE_IDLE;
    }
    if (q->stop) {
        return q->draining ? SVA_STATE_DRAINING : SVA_STATE_STOPPING;
    }
    switch (q->wait) {
    case SVA_WAIT_PRG:
        return SVA_STATE_WAIT_PRG;
    case SVA_WAIT_STALL:
        return SVA_STATE_STALLED;
    default:
        return SVA_STATE_RUN;
    }
}

static uint64_t sva_queue_get(const SvaQueue *q, unsigned int reg)
{
    switch (reg) {
    case SVA_Q_CTRL:
        return q->irq_en ? SVA_Q_CTRL_IRQ_EN : 0;
    case SVA_Q_STATUS:
        return sva_queue_state(q) |
               q->result << SVA_Q_STATUS_RESULT_SHIFT |
               (q->done ? SVA_Q_STATUS_DONE : 0);
    case SVA_Q_PASID:
        return q->pasid;
    case SVA_Q_OP:
        return q->op;
    case SVA_Q_SRC:
        return q->src;
    case SVA_Q_DST:
        return q->dst;
    case SVA_Q_LEN:
        return q->len;
    case SVA_Q_IMM:
        return q->imm;
    case SVA_Q_DONE_BYTES:
        return q->done_bytes;
    case SVA_Q_ITER:
        return q->iter;
    case SVA_Q_RESULT:
        return q->value;
    case SVA_Q_FAULT_ADDR:
        return q->fault_addr;
    case SVA_Q_FAULT_INFO:
        return q->fault_info;
    case SVA_Q_RETRY_LIMIT:
        return q->retry_limit;
    case SVA_Q_ABORTS:
        return q->aborts;
    case SVA_Q_STALLS:
        return q->stalls;
    default:
        return 0;
    }
}

static void sva_queue_ctrl_set(SvaQueue *q, uint32_t val)
{
    q->irq_en = val & SVA_Q_CTRL_IRQ_EN;
    if (val & SVA_Q_CTRL_GO) {
        sva_go(q);
    }
    if (val & SVA_Q_CTRL_STOP) {
        sva_stop(q);
    }
}

static void sva_queue_set(SvaQueue *q, unsigned int reg, uint64_t val)
{
    switch (reg) {
    case SVA_Q_CTRL:
        sva_queue_ctrl_set(q, val);
        break;
    case SVA_Q_STATUS:
        if (val & SVA_Q_STATUS_DONE) {
            q->done = false;
        }
        break;
    case SVA_Q_PASID:
        q->pasid = val & (SVA_Q_PASID_VALID | SVA_Q_PASID_MASK);
        break;
    case SVA_Q_OP:
        q->op = val & (SVA_Q_OP_MASK | SVA_Q_OP_FLAGS);
        break;
    case SVA_Q_SRC:
        q->src = val;
        break;
    case SVA_Q_DST:
        q->dst = val;
        break;
    case SVA_Q_LEN:
        q->len = val;
        break;
    case SVA_Q_IMM:
        q->imm = val;
        break;
    case SVA_Q_RETRY_LIMIT:
        q->retry_limit = val;
        break;
    }
}

static uint64_t sva_get(const SvaTest *s, hwaddr addr, unsigned int reg)
{
    hwaddr page = addr / SVA_PAGE_SIZE;

    return page ? sva_queue_get(&s->queue[page - 1], reg) :
                  sva_function_get(s, reg);
}

static uint64_t sva_mmio_read(void *opaque, hwaddr addr, unsigned int size)
{
    SvaTest *s = opaque;
    SvaReg reg;

    if (!sva_reg_find(s, addr, size, &reg)) {
        qemu_log_mask(LOG_GUEST_ERROR, "sva-test: no %u-byte register to read "
                      "at 0x%" HWADDR_PRIx "\n", size, addr);
        return 0;
    }
    return extract64(sva_get(s, addr, reg.off),
                     (addr % SVA_PAGE_SIZE - reg.off) * 8, size * 8);
}

static void sva_mmio_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned int size)
{
    hwaddr page = addr / SVA_PAGE_SIZE;
    SvaTest *s = opaque;
    SvaReg reg;

    if (!sva_reg_find(s, addr, size, &reg) || reg.ro) {
        qemu_log_mask(LOG_GUEST_ERROR, "sva-test: no %u-byte register to write "
                      "at 0x%" HWADDR_PRIx "\n", size, addr);
        return;
    }
    if (size < reg.size) {
        val = deposit64(sva_get(s, addr, reg.off),
                        (addr % SVA_PAGE_SIZE - reg.off) * 8, size * 8, val);
    }
    if (page) {
        sva_queue_set(&s->queue[page - 1], reg.off, val);
    } else {
        sva_function_set(s, reg.off, val);
    }
}

static const MemoryRegionOps sva_mmio_ops = {
    .read = sva_mmio_read,
    .write = sva_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
};

/* Configuration space */

static void sva_bus_master_off(SvaTest *s)
{
    for (unsigned int i = 0; i < s->nr_queues; i++) {
        SvaQueue *q = &s->queue[i];

        if (q->busy) {
            sva_halt(q);
            /* No interrupt: that would be a memory write */
            q->result = SVA_RES_BME_OFF;
            q->done = true;
        }
    }
}

static void sva_pri_ctrl_written(SvaTest *s)
{
    PCIDevice *pdev = PCI_DEVICE(s);
    uint8_t *ctrl = pdev->config + pdev->exp.pri_cap + PCI_PRI_CTRL;

    if (!pdev->exp.pri_cap) {
        return;
    }
    if (pcie_pri_enabled(pdev)) {
        pcie_pri_update_status(pdev, PCI_PRI_STATUS_STOPPED, 0);
    } else {
        if (pci_get_word(ctrl) & PCI_PRI_CTRL_RESET) {
            sva_pri_forget(s);
        }
        if (!s->pri_outstanding) {
            pcie_pri_update_status(pdev, 0, PCI_PRI_STATUS_STOPPED);
        }
    }
    pci_word_test_and_clear_mask(ctrl, PCI_PRI_CTRL_RESET);
}

static void sva_config_write(PCIDevice *pdev, uint32_t addr, uint32_t val,
                             int len)
{
    SvaTest *s = SVA_TEST(pdev);

    pci_default_write_config(pdev, addr, val, len);
    pcie_cap_flr_write_config(pdev, addr, val, len);

    if (!(pci_get_word(pdev->config + PCI_COMMAND) & PCI_COMMAND_MASTER)) {
        sva_bus_master_off(s);
    }
    if (!pcie_ats_enabled(pdev)) {
        sva_atc_flush(s->atc);
    }
    sva_pri_ctrl_written(s);
}

/* Life cycle */

static void sva_reset_hold(Object *obj, ResetType type)
{
    PCIDevice *pdev = PCI_DEVICE(obj);

    sva_reset_function(SVA_TEST(obj));
    pcie_ats_reset(pdev);
    pcie_pasid_reset(pdev);
    pcie_pri_reset(pdev);
}

/* An IOMMU that comes later on the command line was not there at realize */
static void sva_reset_exit(Object *obj, ResetType type)
{
    pci_device_set_ats_client(PCI_DEVICE(obj), &sva_ats_client_ops);
}

static bool sva_check_properties(const SvaTest *s, Error **errp)
{
    if (!s->nr_queues || s->nr_queues > SVA_MAX_QUEUES) {
        error_setg(errp, "queues must be 1 to %d", SVA_MAX_QUEUES);
    } else if (s->chunk < 8 || s->chunk > SVA_PAGE_SIZE || s->chunk % 8) {
        error_setg(errp, "chunk must be a multiple of 8 up to %d",
                   SVA_PAGE_SIZE);
    } else if (!s->pasid_bits || s->pasid_bits > PCI_EXT_CAP_PASID_MAX_WIDTH) {
        error_setg(errp, "pasid-bits must be 1 to %d",
                   PCI_EXT_CAP_PASID_MAX_WIDTH);
    } else if (s->ats_qdep >= PCI_ATS_MAX_QDEP) {
        error_setg(errp, "ats-qdep must be below %d", PCI_ATS_MAX_QDEP);
    } else if (!s->pri_max_req || s->pri_max_req > PCI_PRI_NR_PRGI) {
        error_setg(errp, "pri-max-req must be 1 to %d", PCI_PRI_NR_PRGI);
    } else {
        return true;
    }
    return false;
}

static void sva_init_capabilities(SvaTest *s)
{
    PCIDevice *pdev = PCI_DEVICE(s);

    if (s->has_pasid) {
        pcie_pasid_init(pdev, SVA_PCI_PASID, s->pasid_bits, s->has_exec,
                        s->has_priv);
    }
    if (s->has_ats) {
        pcie_ats_init(pdev, SVA_PCI_ATS, true);
        pci_word_test_and_set_mask(pdev->config + SVA_PCI_ATS + PCI_ATS_CAP,
                                   PCI_ATS_CAP_QDEP(s->ats_qdep));
    }
    if (s->has_pri) {
        pcie_pri_init(pdev, SVA_PCI_PRI, s->pri_max_req, true);
    }
}

static void sva_init_queues(SvaTest *s)
{
    for (unsigned int i = 0; i < s->nr_queues; i++) {
        SvaQueue *q = &s->queue[i];

        q->dev = s;
        q->index = i;
        q->stall.resume = sva_stall_resume;
        q->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, sva_tick, q);
        q->bh = qemu_bh_new_guarded(sva_answer_bh, q,
                                    &DEVICE(s)->mem_reentrancy_guard);
    }
    s->event_bh = qemu_bh_new_guarded(sva_event_bh, s,
                                      &DEVICE(s)->mem_reentrancy_guard);
    s->inv_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, sva_inv_timer, s);
    s->atc = sva_atc_new(SVA_ATC_SIZE_DEFAULT);
}

static void sva_realize(PCIDevice *pdev, Error **errp)
{
    SvaTest *s = SVA_TEST(pdev);

    if (!sva_check_properties(s, errp)) {
        return;
    }
    pci_config_set_vendor_id(pdev->config, s->vendor_id);
    pci_config_set_device_id(pdev->config, s->device_id);
    pci_config_set_revision(pdev->config, s->revision);

    if (pcie_endpoint_cap_init(pdev, 0) < 0) {
        error_setg(errp, "no room for the PCI Express capability");
        return;
    }
    if (msix_init_exclusive_bar(pdev, s->nr_queues + 1, SVA_MSIX_BAR, errp)) {
        pcie_cap_exit(pdev);
        return;
    }
    for (unsigned int i = 0; i <= s->nr_queues; i++) {
        msix_vector_use(pdev, i);
    }
    pcie_cap_flr_init(pdev);
    sva_init_capabilities(s);
    sva_init_queues(s);

    memory_region_init_io(&s->mmio, OBJECT(s), &sva_mmio_ops, s, "sva-test",
                          SVA_BAR_SIZE);
    pci_register_bar(pdev, 0, PCI_BASE_ADDRESS_MEM_TYPE_64, &s->mmio);
}

static void sva_exit(PCIDevice *pdev)
{
    SvaTest *s = SVA_TEST(pdev);

    sva_reset_function(s);
    pci_device_set_ats_client(pdev, NULL);
    for (unsigned int i = 0; i < s->nr_queues; i++) {
        timer_free(s->queue[i].timer);
        qemu_bh_delete(s->queue[i].bh);
    }
    qemu_bh_delete(s->event_bh);
    timer_free(s->inv_timer);
    sva_atc_free(s->atc);
    msix_uninit_exclusive_bar(pdev);
    pcie_cap_exit(pdev);
}

static const Property sva_properties[] = {
    DEFINE_PROP_UINT32("x-vendor-id", SvaTest, vendor_id, PCI_VENDOR_ID_QEMU),
    DEFINE_PROP_UINT32("x-device-id", SvaTest, device_id, SVA_DEVICE_ID),
    DEFINE_PROP_UINT8("x-revision", SvaTest, revision, 1),
    DEFINE_PROP_UINT32("queues", SvaTest, nr_queues, 8),
    DEFINE_PROP_UINT32("chunk", SvaTest, chunk, SVA_PAGE_SIZE),
    DEFINE_PROP_BOOL("pasid", SvaTest, has_pasid, true),
    DEFINE_PROP_BOOL("ats", SvaTest, has_ats, true),
    DEFINE_PROP_BOOL("pri", SvaTest, has_pri, true),
    DEFINE_PROP_BOOL("dma-can-stall", SvaTest, can_stall, false),
    DEFINE_PROP_BOOL("priv", SvaTest, has_priv, false),
    DEFINE_PROP_BOOL("exec", SvaTest, has_exec, false),
    DEFINE_PROP_UINT8("pasid-bits", SvaTest, pasid_bits, 16),
    DEFINE_PROP_UINT8("ats-qdep", SvaTest, ats_qdep, 0),
    DEFINE_PROP_UINT32("pri-max-req", SvaTest, pri_max_req, 32),
};

static const VMStateDescription sva_vmstate = {
    .name = TYPE_SVA_TEST,
    .unmigratable = 1,
};

static void sva_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    pc->realize = sva_realize;
    pc->exit = sva_exit;
    pc->config_write = sva_config_write;
    pc->class_id = PCI_CLASS_OTHERS;
    rc->phases.hold = sva_reset_hold;
    rc->phases.exit = sva_reset_exit;
    dc->desc = "PCI function for tests of shared virtual addressing";
    dc->vmsd = &sva_vmstate;
    device_class_set_props(dc, sva_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo sva_info = {
    .name = TYPE_SVA_TEST,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(SvaTest),
    .class_init = sva_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_PCIE_DEVICE },
        { }
    },
};

static void sva_register_types(void)
{
    type_register_static(&sva_info);
}

type_init(sva_register_types)
