/*
 * QTest for the SMMUv3 model: substreams, stalls, events, invalidation
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The test is the guest's driver: it builds stream table, context descriptors
 * and page tables in RAM, sends commands, reads events, and lets the SVA test
 * device do the DMA. Numbers in brackets are sections of the SMMUv3
 * architecture (Arm IHI 0070).
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "sva-test-util.h"

#define SLOT                4
#define SID                 (SLOT << 3)
#define SSID                5
#define ASID                0x77
#define ASID2               0x78
#define VA                  0x10000000ULL
#define PAGE                0x1000ULL

/* Registers [6.2] */
#define SMMU                0x09050000ULL
#define IDR0                0x0
#define IDR1                0x4
#define IDR5                0x14
#define CR0                 0x20
#define   CR0_SMMUEN        BIT(0)
#define   CR0_EVENTQEN      BIT(2)
#define   CR0_CMDQEN        BIT(3)
#define   CR0_ALL           (CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN)
#define GBPA                0x44
#define   GBPA_ABORT        BIT(20)
#define   GBPA_UPDATE       BIT(31)
#define GERROR              0x60
#define GERRORN             0x64
#define   GERROR_CMDQ_ERR   BIT(0)
#define STRTAB_BASE         0x80
#define STRTAB_BASE_CFG     0x88
#define CMDQ_BASE           0x90
#define CMDQ_PROD           0x98
#define CMDQ_CONS           0x9c
#define   CMDQ_CONS_ERR     24
#define   CERROR_ILL        1
#define EVENTQ_BASE         0xa0
#define EVENTQ_PROD         0x100a8
#define EVENTQ_CONS         0x100ac
#define   EVENTQ_OVF        BIT(31)

/* Commands [4] */
#define CFGI_STE            0x03
#define CFGI_CD             0x05
#define CFGI_CD_ALL         0x06
#define TLBI_NH_ASID        0x11
#define TLBI_NH_VA          0x12
#define RESUME              0x44
#define   RESUME_RETRY      BIT(12)
#define   RESUME_ABORT      BIT(13)
#define   RESUME_TERM       0
#define STALL_TERM          0x45
#define CMD_SYNC            0x46
#define LEAF                1

/* Events [7.3] */
#define C_BAD_STE           0x04
#define F_STREAM_DISABLED   0x06
#define C_BAD_SUBSTREAMID   0x08
#define C_BAD_CD            0x0a
#define F_TRANSLATION       0x10
#define F_ADDR_SIZE         0x11
#define F_ACCESS            0x12
#define F_PERMISSION        0x13

/* STE [5.2] */
#define STE0_V              BIT_ULL(0)
#define STE0_CFG(x)         ((uint64_t)(x) << 1)
#define   CFG_ABORT         0
#define   CFG_BYPASS        4
#define   CFG_S1            5
#define STE0_S1FMT(x)       ((uint64_t)(x) << 4)
#define   S1FMT_LINEAR      0
#define   S1FMT_4K          1
#define   S1FMT_64K         2
#define STE0_S1CDMAX(x)     ((uint64_t)(x) << 59)
#define STE1_S1DSS(x)       ((uint64_t)(x))
#define   S1DSS_TERMINATE   0
#define   S1DSS_BYPASS      1
#define   S1DSS_SSID0       2
#define STE1_S1STALLD       BIT_ULL(27)

/* CD [5.4]: 39 bits of VA in TTB0, 4K pages, IPS 44 bits, AArch64 */
#define CD0_T0SZ            25ULL
#define CD0_EPD0            BIT_ULL(14)
#define CD0_EPD1            BIT_ULL(30)
#define CD0_V               BIT_ULL(31)
#define CD0_IPS             (4ULL << 32)
#define CD0_AA64            BIT_ULL(41)
#define CD0_S               BIT_ULL(44)
#define CD0_R               BIT_ULL(45)
#define CD0_A               BIT_ULL(46)
#define CD0_ASID(x)         ((uint64_t)(x) << 48)
#define CD0_OF_ASID(x) \
    (CD0_T0SZ | CD0_EPD1 | CD0_V | CD0_IPS | CD0_AA64 | CD0_R | CD0_A | \
     CD0_ASID(x))
#define CD0_DEFAULT         CD0_OF_ASID(ASID)

/* Stage 1 descriptors */
#define PTE_TABLE           3ULL
#define PTE_PAGE            3ULL
#define PTE_EL0             BIT_ULL(6)
#define PTE_RO              BIT_ULL(7)
#define PTE_AF              BIT_ULL(10)
#define PTE_PXN             BIT_ULL(53)
#define PTE_UXN             BIT_ULL(54)
#define PTE_RW              (PTE_PAGE | PTE_EL0 | PTE_AF)

/* Offsets into the RAM that the tests own */
#define OFF_CMDQ            0x000000
#define OFF_EVTQ            0x010000
#define OFF_STRTAB          0x020000
#define OFF_CDTAB           0x040000
#define OFF_L1CD            0x050000
#define OFF_CDLEAF          0x060000    /* 64K aligned, two tables */
#define OFF_PT              0x100000    /* three levels, one page each */
#define OFF_PT2             0x110000    /* of another address space */
#define OFF_DATA            0x200000
#define OFF_DATA2           0x400000

#define QUEUE_BITS          7

#define DEVICE              " -device sva-test,addr=4,dma-can-stall=on"
#define DEVICE_PRIV         DEVICE ",priv=on,exec=on"
#define SUBSTREAMS          " -global arm-smmuv3.ssidsize=16"
#define STALLS              " -global arm-smmuv3.stall=support"
#define TERM0               " -global arm-smmuv3.term-model=0"
#define LAZY(mode)          " -global arm-smmuv3.x-lazy-inv=" mode

typedef struct Bed {
    QTestState *qts;
    SvaDev dev;
    uint64_t ram;
    uint32_t cmd_prod;
    uint32_t evt_cons;
    int evt_bits;
} Bed;

typedef struct Event {
    uint32_t word[8];
} Event;

/* Registers and memory */

static uint32_t reg(Bed *b, unsigned int off)
{
    return qtest_readl(b->qts, SMMU + off);
}

static void set_reg(Bed *b, unsigned int off, uint32_t val)
{
    qtest_writel(b->qts, SMMU + off, val);
}

static uint64_t mem(Bed *b, uint64_t off)
{
    return qtest_readq(b->qts, b->ram + off);
}

static void set_mem(Bed *b, uint64_t off, uint64_t val)
{
    qtest_writeq(b->qts, b->ram + off, val);
}

static uint64_t counter(Bed *b, const char *name)
{
    QDict *rsp = qtest_qmp(b->qts, "{'execute': 'qom-get', 'arguments': {"
                           "'path': '/machine/smmuv3', 'property': %s}}", name);
    uint64_t val = qdict_get_int(rsp, "return");

    qobject_unref(rsp);
    return val;
}

/* Commands */

static void put(Bed *b, uint64_t lo, uint64_t hi)
{
    uint64_t entry = OFF_CMDQ + (b->cmd_prod & (BIT(QUEUE_BITS) - 1)) * 16;

    set_mem(b, entry, lo);
    set_mem(b, entry + 8, hi);
    b->cmd_prod = (b->cmd_prod + 1) & (BIT(QUEUE_BITS + 1) - 1);
}

static void put_cfgi_cd(Bed *b, uint32_t ssid)
{
    put(b, CFGI_CD | (uint64_t)ssid << 12 | (uint64_t)SID << 32, LEAF);
}

static void put_tlbi_asid(Bed *b)
{
    put(b, TLBI_NH_ASID | (uint64_t)ASID << 48, 0);
}

static void put_sync(Bed *b)
{
    put(b, CMD_SYNC, 0);
}

static void kick(Bed *b)
{
    set_reg(b, CMDQ_PROD, b->cmd_prod);
}

static bool all_consumed(Bed *b)
{
    return (reg(b, CMDQ_CONS) & (BIT(QUEUE_BITS + 1) - 1)) == b->cmd_prod;
}

/* All that has been put, and the end of it */
static void run_commands(Bed *b)
{
    kick(b);
    g_assert_true(all_consumed(b));
    g_assert_cmphex(reg(b, GERROR), ==, reg(b, GERRORN));
}

static void cmd_sync(Bed *b)
{
    put_sync(b);
    run_commands(b);
}

static void cfgi_ste(Bed *b)
{
    put(b, CFGI_STE | (uint64_t)SID << 32, LEAF);
    cmd_sync(b);
}

static void cfgi_cd(Bed *b, uint32_t ssid)
{
    put_cfgi_cd(b, ssid);
    cmd_sync(b);
}

static void tlbi_asid(Bed *b)
{
    put_tlbi_asid(b);
    cmd_sync(b);
}

static void tlbi_va(Bed *b, uint64_t va)
{
    put(b, TLBI_NH_VA | (uint64_t)ASID << 48, va);
    cmd_sync(b);
}

static void resume(Bed *b, uint32_t sid, uint16_t stag, uint32_t action)
{
    put(b, RESUME | action | (uint64_t)sid << 32, stag);
    run_commands(b);
}

/* Expects the command that is put next to be refused [7.1] */
static void assert_illegal(Bed *b, uint64_t lo)
{
    put(b, lo, 0);
    kick(b);
    g_assert_false(all_consumed(b));
    g_assert_cmphex(reg(b, GERROR) ^ reg(b, GERRORN), ==, GERROR_CMDQ_ERR);
    g_assert_cmphex(reg(b, CMDQ_CONS) >> CMDQ_CONS_ERR, ==, CERROR_ILL);
    /* Put something legal in its place */
    b->cmd_prod = (b->cmd_prod - 1) & (BIT(QUEUE_BITS + 1) - 1);
    put_sync(b);
    set_reg(b, GERRORN, reg(b, GERROR));
    g_assert_true(all_consumed(b));
}

/* Events */

static bool next_event(Bed *b, Event *e)
{
    uint32_t mask = BIT(b->evt_bits) - 1;
    uint32_t prod = reg(b, EVENTQ_PROD);
    uint64_t entry = OFF_EVTQ + (b->evt_cons & mask) * 32;

    if (((prod ^ b->evt_cons) & (2 * mask + 1)) == 0) {
        return false;
    }
    for (int i = 0; i < 8; i++) {
        e->word[i] = qtest_readl(b->qts, b->ram + entry + 4 * i);
    }
    b->evt_cons = (b->evt_cons & EVENTQ_OVF) |
                  ((b->evt_cons + 1) & (2 * mask + 1));
    set_reg(b, EVENTQ_CONS, b->evt_cons);
    return true;
}

static void assert_no_event(Bed *b)
{
    Event e;

    g_assert_false(next_event(b, &e));
}

/* An event of @type with SSV and SSID, if @ssid is not SVA_NO_PASID */
static Event assert_event(Bed *b, uint8_t type, uint32_t ssid)
{
    Event e;

    g_assert_true(next_event(b, &e));
    g_assert_cmphex(extract32(e.word[0], 0, 8), ==, type);
    g_assert_cmphex(extract32(e.word[0], 11, 1), ==, ssid != SVA_NO_PASID);
    g_assert_cmphex(extract32(e.word[0], 12, 20), ==,
                    ssid == SVA_NO_PASID ? 0 : ssid);
    g_assert_cmphex(e.word[1], ==, SID);
    return e;
}

/* Same for those that are about an address; 3: PnU b1, InD b2, RnW b3 */
static Event assert_fault(Bed *b, uint8_t type, uint32_t ssid, uint64_t addr,
                          uint32_t attrs)
{
    Event e = assert_event(b, type, ssid);

    g_assert_cmphex(e.word[4], ==, (uint32_t)addr);
    g_assert_cmphex(e.word[5], ==, addr >> 32);
    g_assert_cmphex(e.word[3] & 0xe, ==, attrs);
    g_assert_cmphex(extract32(e.word[3], 7, 1), ==, 0);     /* S2 */
    g_assert_cmphex(extract32(e.word[3], 8, 2), ==, 2);     /* CLASS: IN */
    return e;
}

#define PNU BIT(1)
#define IND BIT(2)
#define RNW BIT(3)

static bool is_stall(const Event *e)
{
    return extract32(e->word[2], 31, 1);
}

static uint16_t stag(const Event *e)
{
    return extract32(e->word[2], 0, 16);
}

/* Tables */

static void set_ste(Bed *b, uint64_t dw0, uint64_t dw1)
{
    uint64_t off = OFF_STRTAB + SID * 64;

    set_mem(b, off + 8, dw1);
    set_mem(b, off, dw0 | STE0_V);
}

static void set_ste_linear(Bed *b, int cdmax, int s1dss)
{
    set_ste(b, STE0_CFG(CFG_S1) | STE0_S1CDMAX(cdmax) | (b->ram + OFF_CDTAB),
            STE1_S1DSS(s1dss));
}

static void set_cd_at(Bed *b, uint64_t off, uint64_t dw0, uint64_t pt)
{
    set_mem(b, off + 8, b->ram + pt);
    set_mem(b, off, dw0);
}

static void set_cd(Bed *b, uint32_t ssid, uint64_t dw0)
{
    set_cd_at(b, OFF_CDTAB + ssid * 64, dw0, OFF_PT);
}

static void set_pte(Bed *b, uint64_t pt, uint64_t va, uint64_t pte)
{
    set_mem(b, pt, (b->ram + pt + PAGE) | PTE_TABLE);
    set_mem(b, pt + PAGE + extract64(va, 21, 9) * 8,
            (b->ram + pt + 2 * PAGE) | PTE_TABLE);
    set_mem(b, pt + 2 * PAGE + extract64(va, 12, 9) * 8, pte);
}

/* Page @n of the tests' VA range to page @n of the data */
static void map(Bed *b, int n, uint64_t attrs)
{
    set_pte(b, OFF_PT, VA + n * PAGE, (b->ram + OFF_DATA + n * PAGE) | attrs);
}

static void unmap(Bed *b, int n)
{
    set_pte(b, OFF_PT, VA + n * PAGE, 0);
}

/* DMA */

static SvaTestJob job(uint32_t pasid, uint32_t op, uint64_t va)
{
    return (SvaTestJob) {
        .pasid = pasid, .op = op, .src = va, .dst = va, .len = 8, .imm = 42,
    };
}

static unsigned int dma(Bed *b, uint32_t pasid, uint32_t op, uint64_t va)
{
    SvaTestJob j = job(pasid, op, va);

    return sva_run(&b->dev, 0, &j);
}

static void dma_start(Bed *b, int queue, uint32_t pasid, uint32_t op,
                      uint64_t va)
{
    SvaTestJob j = job(pasid, op, va);

    sva_go(&b->dev, queue, &j);
    qtest_clock_step(b->qts, SVA_CHUNK_NS_DEFAULT);
}

static unsigned int dma_end(Bed *b, int queue)
{
    sva_wait_state(&b->dev, queue, SVA_STATE_IDLE, 1000);
    return sva_result(&b->dev, queue);
}

static void assert_stalled(Bed *b, int queue)
{
    qtest_clock_step(b->qts, SVA_CHUNK_NS_DEFAULT);
    g_assert_cmpuint(sva_state(&b->dev, queue), ==, SVA_STATE_STALLED);
}

#define assert_ok(result)       g_assert_cmpuint(result, ==, SVA_RES_OK)
#define assert_aborted(result)  g_assert_cmpuint(result, ==, SVA_RES_ABORT)
#define assert_razwi(result)    g_assert_cmpuint(result, ==, SVA_RES_RAZWI)

/* Set-up */

static void enable(Bed *b)
{
    set_reg(b, STRTAB_BASE, b->ram + OFF_STRTAB);
    set_reg(b, STRTAB_BASE + 4, 0);
    set_reg(b, STRTAB_BASE_CFG, 8);
    set_reg(b, CMDQ_BASE, (b->ram + OFF_CMDQ) | QUEUE_BITS);
    set_reg(b, CMDQ_BASE + 4, 0);
    set_reg(b, EVENTQ_BASE, (b->ram + OFF_EVTQ) | b->evt_bits);
    set_reg(b, EVENTQ_BASE + 4, 0);
    set_reg(b, CMDQ_PROD, 0);
    set_reg(b, CMDQ_CONS, 0);
    set_reg(b, EVENTQ_PROD, 0);
    set_reg(b, EVENTQ_CONS, 0);
    b->cmd_prod = 0;
    b->evt_cons = 0;
    set_reg(b, CR0, CR0_ALL);
}

/*
 * SID has 64 CDs in a linear table, of which SSID's is valid, and page 0 of its
 * range is mapped.
 */
static Bed *bed_new(const char *args)
{
    Bed *b = g_new0(Bed, 1);

    b->qts = sva_start(&sva_virt, args);
    b->ram = sva_virt.ram;
    b->evt_bits = QUEUE_BITS;
    b->dev = sva_dev(b->qts, &sva_virt, SLOT);
    sva_enable_pasid(&b->dev, strstr(args, "priv=on") ?
                     PCI_PASID_CTRL_PRIV | PCI_PASID_CTRL_EXEC : 0);
    set_ste_linear(b, 6, S1DSS_SSID0);
    set_cd(b, SSID, CD0_DEFAULT);
    map(b, 0, PTE_RW);
    enable(b);
    return b;
}

static void bed_free(Bed *b)
{
    qtest_quit(b->qts);
    g_free(b);
}

static Bed *bed_plain(void)
{
    return bed_new(DEVICE SUBSTREAMS);
}

/* CD.S is set */
static Bed *bed_stall(const char *args)
{
    g_autofree char *all = g_strconcat(DEVICE SUBSTREAMS, args, NULL);
    Bed *b = bed_new(all);

    set_cd(b, SSID, CD0_DEFAULT | CD0_S);
    return b;
}

/* Tests */

static void test_id_registers(void)
{
    Bed *b = bed_new(DEVICE);

    g_assert_cmphex(extract32(reg(b, IDR0), 24, 2), ==, 1); /* STALL_MODEL */
    g_assert_cmphex(extract32(reg(b, IDR0), 26, 1), ==, 1); /* TERM_MODEL */
    g_assert_cmphex(extract32(reg(b, IDR1), 6, 5), ==, 0);  /* SSIDSIZE */
    g_assert_cmphex(extract32(reg(b, IDR5), 0, 3), ==, 4);  /* OAS: 44 */
    g_assert_cmphex(extract32(reg(b, IDR5), 16, 16), ==, 0); /* STALL_MAX */
    bed_free(b);

    b = bed_new(DEVICE SUBSTREAMS STALLS TERM0
                " -global arm-smmuv3.cd2l=off -global arm-smmuv3.oas=48"
                " -global arm-smmuv3.stall-max=7"
                " -global arm-smmuv3.cmdq-bits=8"
                " -global arm-smmuv3.eventq-bits=9");
    g_assert_cmphex(extract32(reg(b, IDR0), 19, 1), ==, 0); /* CD2L */
    g_assert_cmphex(extract32(reg(b, IDR0), 24, 2), ==, 0);
    g_assert_cmphex(extract32(reg(b, IDR0), 26, 1), ==, 0);
    g_assert_cmphex(extract32(reg(b, IDR1), 6, 5), ==, 16);
    g_assert_cmphex(extract32(reg(b, IDR1), 16, 5), ==, 9); /* EVENTQS */
    g_assert_cmphex(extract32(reg(b, IDR1), 21, 5), ==, 8); /* CMDQS */
    g_assert_cmphex(extract32(reg(b, IDR5), 0, 3), ==, 5);
    g_assert_cmphex(extract32(reg(b, IDR5), 16, 16), ==, 7);
    bed_free(b);

    b = bed_new(DEVICE " -global arm-smmuv3.stall=force");
    g_assert_cmphex(extract32(reg(b, IDR0), 24, 2), ==, 2);
    bed_free(b);
}

static void test_cd_linear(void)
{
    Bed *b = bed_plain();

    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA + 0x18));
    g_assert_cmphex(mem(b, OFF_DATA + 0x18), ==, 42);
    set_mem(b, OFF_DATA + 0x20, 0x1122334455667788);
    assert_ok(dma(b, SSID, SVA_OP_READ, VA + 0x20));
    g_assert_cmphex(sva_q_readq(&b->dev, 0, SVA_Q_RESULT), ==,
                    0x1122334455667788);

    /* The last CD of the table, with tables of its own */
    set_cd_at(b, OFF_CDTAB + 63 * 64, CD0_DEFAULT, OFF_PT2);
    set_pte(b, OFF_PT2, VA, (b->ram + OFF_DATA2) | PTE_RW);
    cfgi_cd(b, 63);
    tlbi_asid(b);
    assert_ok(dma(b, 63, SVA_OP_WRITE, VA));
    g_assert_cmphex(mem(b, OFF_DATA2), ==, 42);
    assert_no_event(b);
    bed_free(b);
}

/* CD @ssid in the leaf with index 1, and the first of leaf 0 */
static void do_test_cd_2lvl(int fmt, int leaf_bits)
{
    uint32_t ssid = BIT(leaf_bits) + 3;
    uint64_t leaf1 = OFF_CDLEAF + 0x10000;
    Bed *b = bed_plain();
    Event e;

    set_mem(b, OFF_L1CD, (b->ram + OFF_CDLEAF) | 1);
    set_cd_at(b, OFF_CDLEAF + SSID * 64, CD0_DEFAULT, OFF_PT);
    set_cd_at(b, leaf1 + 3 * 64, CD0_OF_ASID(ASID2), OFF_PT2);
    set_pte(b, OFF_PT2, VA, (b->ram + OFF_DATA2) | PTE_RW);
    set_ste(b, STE0_CFG(CFG_S1) | STE0_S1FMT(fmt) | STE0_S1CDMAX(16) |
            (b->ram + OFF_L1CD), STE1_S1DSS(S1DSS_SSID0));
    cfgi_ste(b);

    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    g_assert_cmphex(mem(b, OFF_DATA), ==, 42);

    /* L1CD.V is 0 */
    assert_aborted(dma(b, ssid, SVA_OP_WRITE, VA));
    g_assert_true(next_event(b, &e));
    g_assert_cmphex(e.word[0], ==, C_BAD_SUBSTREAMID | ssid << 12);

    /* which is cached, beyond what a leaf invalidation drops [5.3.1] */
    set_mem(b, OFF_L1CD + 8, (b->ram + leaf1) | 1);
    assert_aborted(dma(b, ssid, SVA_OP_WRITE, VA));
    g_assert_true(next_event(b, &e));
    put(b, CFGI_CD | (uint64_t)SID << 32 | (ssid + 1) << 12, 0);
    cmd_sync(b);
    assert_ok(dma(b, ssid, SVA_OP_WRITE, VA));
    g_assert_cmphex(mem(b, OFF_DATA2), ==, 42);
    assert_no_event(b);
    bed_free(b);
}

static void test_cd_2lvl_4k(void)
{
    do_test_cd_2lvl(S1FMT_4K, 6);
}

static void test_cd_2lvl_64k(void)
{
    do_test_cd_2lvl(S1FMT_64K, 10);
}

static void test_bad_ste(void)
{
    Bed *b = bed_new(DEVICE SUBSTREAMS " -global arm-smmuv3.cd2l=off");

    set_ste_linear(b, 17, S1DSS_SSID0); /* more than SSIDSIZE */
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_event(b, C_BAD_STE, SSID);

    set_ste(b, STE0_CFG(CFG_S1) | STE0_S1FMT(S1FMT_4K) | STE0_S1CDMAX(6) |
            (b->ram + OFF_L1CD), 0);
    cfgi_ste(b);
    assert_aborted(dma(b, SVA_NO_PASID, SVA_OP_WRITE, VA));
    assert_event(b, C_BAD_STE, SVA_NO_PASID);

    set_ste(b, STE0_CFG(CFG_S1) | (b->ram + OFF_CDTAB), STE1_S1STALLD);
    cfgi_ste(b);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_event(b, C_BAD_STE, SSID);
    bed_free(b);
}

static void assert_bad_substream(Bed *b, uint32_t ssid)
{
    Event e;

    cfgi_ste(b);
    assert_aborted(dma(b, ssid, SVA_OP_WRITE, VA));
    g_assert_true(next_event(b, &e));
    /* There is no SSV in this event [7.3.9] */
    g_assert_cmphex(e.word[0], ==, C_BAD_SUBSTREAMID | ssid << 12);
    g_assert_cmphex(e.word[1], ==, SID);
    assert_no_event(b);
}

static void test_bad_substreamid(void)
{
    Bed *b = bed_plain();

    set_cd(b, 64, CD0_DEFAULT);
    assert_bad_substream(b, 64);
    set_ste_linear(b, 0, 0);
    assert_bad_substream(b, SSID);
    set_ste(b, STE0_CFG(CFG_BYPASS), 0);
    assert_bad_substream(b, SSID);

    /* Config 0b000 says nothing */
    set_ste(b, STE0_CFG(CFG_ABORT), 0);
    cfgi_ste(b);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_aborted(dma(b, SVA_NO_PASID, SVA_OP_WRITE, VA));
    assert_no_event(b);
    bed_free(b);

    /* SSIDSIZE 0: S1CDMax is ignored */
    b = bed_new(DEVICE);
    assert_bad_substream(b, SSID);
    bed_free(b);
}

static void assert_bad_cd(Bed *b, uint64_t dw0)
{
    set_cd(b, SSID, dw0);
    cfgi_cd(b, SSID);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_event(b, C_BAD_CD, SSID);
}

/* [5.5] */
static void test_bad_cd(void)
{
    Bed *b = bed_plain();

    assert_bad_cd(b, 0);
    assert_bad_cd(b, CD0_DEFAULT & ~CD0_A);     /* TERM_MODEL is 1 */
    assert_bad_cd(b, CD0_DEFAULT | CD0_S);      /* STALL_MODEL is 1 */
    bed_free(b);

    b = bed_new(DEVICE SUBSTREAMS STALLS);
    set_ste(b, STE0_CFG(CFG_S1) | STE0_S1CDMAX(6) | (b->ram + OFF_CDTAB),
            STE1_S1STALLD);
    assert_bad_cd(b, CD0_DEFAULT | CD0_S);
    set_cd(b, SSID, CD0_DEFAULT);
    cfgi_cd(b, SSID);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    bed_free(b);

    b = bed_new(DEVICE SUBSTREAMS " -global arm-smmuv3.stall=force");
    assert_bad_cd(b, CD0_DEFAULT);
    set_cd(b, SSID, CD0_DEFAULT | CD0_S);
    cfgi_cd(b, SSID);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    bed_free(b);
}

/* STE.S1DSS [5.2] */
static void test_default_substream(void)
{
    Bed *b = bed_plain();

    set_ste_linear(b, 6, S1DSS_TERMINATE);
    assert_aborted(dma(b, SVA_NO_PASID, SVA_OP_WRITE, VA));
    assert_event(b, F_STREAM_DISABLED, SVA_NO_PASID);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));

    set_ste_linear(b, 6, S1DSS_BYPASS);
    cfgi_ste(b);
    assert_ok(dma(b, SVA_NO_PASID, SVA_OP_WRITE, b->ram + OFF_DATA2));
    g_assert_cmphex(mem(b, OFF_DATA2), ==, 42);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));

    set_ste_linear(b, 6, S1DSS_SSID0);
    set_cd_at(b, OFF_CDTAB, CD0_OF_ASID(ASID2), OFF_PT2);
    set_pte(b, OFF_PT2, VA, (b->ram + OFF_DATA2 + PAGE) | PTE_RW);
    cfgi_ste(b);
    assert_ok(dma(b, SVA_NO_PASID, SVA_OP_WRITE, VA));
    g_assert_cmphex(mem(b, OFF_DATA2 + PAGE), ==, 42);
    assert_aborted(dma(b, 0, SVA_OP_WRITE, VA));
    /* The event does not tell the substream [7.3.7] */
    assert_event(b, F_STREAM_DISABLED, SVA_NO_PASID);

    /* The default substream is invalidated as CD 0 [4.3.3] */
    set_cd_at(b, OFF_CDTAB, 0, OFF_PT2);
    cfgi_cd(b, SSID);
    assert_ok(dma(b, SVA_NO_PASID, SVA_OP_WRITE, VA));
    cfgi_cd(b, 0);
    assert_aborted(dma(b, SVA_NO_PASID, SVA_OP_WRITE, VA));
    assert_event(b, C_BAD_CD, SVA_NO_PASID);
    bed_free(b);
}

static void test_translation_fault(void)
{
    Bed *b = bed_plain();

    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA + PAGE + 8));
    assert_fault(b, F_TRANSLATION, SSID, VA + PAGE + 8, 0);
    assert_aborted(dma(b, SSID, SVA_OP_READ, VA + PAGE));
    assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, RNW);
    /* Beyond T0SZ */
    assert_aborted(dma(b, SSID, SVA_OP_READ, 1ULL << 40));
    assert_fault(b, F_TRANSLATION, SSID, 1ULL << 40, RNW);
    g_assert_cmpuint(counter(b, "x-events-recorded"), ==, 3);

    /* CD.R == 0 */
    set_cd(b, SSID, CD0_DEFAULT & ~CD0_R);
    cfgi_cd(b, SSID);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA + PAGE));
    assert_no_event(b);
    g_assert_cmpuint(counter(b, "x-events-recorded"), ==, 3);
    g_assert_cmpuint(counter(b, "x-events-suppressed"), ==, 1);
    bed_free(b);
}

static void test_other_faults(void)
{
    Bed *b = bed_plain();

    map(b, 1, PTE_RW & ~PTE_AF);
    assert_aborted(dma(b, SSID, SVA_OP_READ, VA + PAGE));
    assert_fault(b, F_ACCESS, SSID, VA + PAGE, RNW);
    set_pte(b, OFF_PT, VA + 2 * PAGE, (1ULL << 45) | PTE_RW);
    assert_aborted(dma(b, SSID, SVA_OP_READ, VA + 2 * PAGE));
    assert_fault(b, F_ADDR_SIZE, SSID, VA + 2 * PAGE, RNW);
    bed_free(b);
}

/* CD.A == 0 [5.5] */
static void test_razwi(void)
{
    Bed *b = bed_new(DEVICE SUBSTREAMS TERM0);

    set_cd(b, SSID, CD0_DEFAULT & ~CD0_A);
    set_mem(b, OFF_DATA + PAGE, 1);
    assert_razwi(dma(b, SSID, SVA_OP_WRITE, VA + PAGE));
    g_assert_cmphex(mem(b, OFF_DATA + PAGE), ==, 1);
    assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, 0);

    set_cd(b, SSID, CD0_DEFAULT & ~(CD0_A | CD0_R));
    cfgi_cd(b, SSID);
    assert_razwi(dma(b, SSID, SVA_OP_READ, VA + PAGE));
    assert_no_event(b);
    bed_free(b);
}

/* What is not one of the four translation faults ignores A and R */
static void test_config_error_ignores_flags(void)
{
    Bed *b = bed_new(DEVICE SUBSTREAMS TERM0);

    set_cd(b, SSID, CD0_DEFAULT & ~(CD0_A | CD0_R | CD0_V));
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_event(b, C_BAD_CD, SSID);
    bed_free(b);
}

static void test_permissions(void)
{
    Bed *b = bed_new(DEVICE_PRIV SUBSTREAMS);

    /* Not for EL0 */
    map(b, 1, PTE_RW & ~PTE_EL0);
    assert_aborted(dma(b, SSID, SVA_OP_READ, VA + PAGE));
    assert_fault(b, F_PERMISSION, SSID, VA + PAGE, RNW);
    assert_ok(dma(b, SSID, SVA_OP_READ | SVA_Q_OP_PRIV, VA + PAGE));
    assert_ok(dma(b, SSID, SVA_OP_WRITE | SVA_Q_OP_PRIV, VA + PAGE));
    assert_aborted(dma(b, SSID, SVA_OP_READ, VA + PAGE));
    assert_fault(b, F_PERMISSION, SSID, VA + PAGE, RNW);

    /* Read only */
    map(b, 2, PTE_RW | PTE_RO);
    assert_ok(dma(b, SSID, SVA_OP_READ, VA + 2 * PAGE));
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA + 2 * PAGE));
    assert_fault(b, F_PERMISSION, SSID, VA + 2 * PAGE, 0);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE | SVA_Q_OP_PRIV, VA + 2 * PAGE));
    assert_fault(b, F_PERMISSION, SSID, VA + 2 * PAGE, PNU);

    /* Execute */
    map(b, 3, PTE_RW | PTE_UXN);
    assert_aborted(dma(b, SSID, SVA_OP_READ | SVA_Q_OP_EXEC, VA + 3 * PAGE));
    assert_fault(b, F_PERMISSION, SSID, VA + 3 * PAGE, RNW | IND);
    assert_ok(dma(b, SSID, SVA_OP_READ, VA + 3 * PAGE));
    assert_ok(dma(b, SSID, SVA_OP_READ | SVA_Q_OP_EXEC, VA));
    map(b, 4, (PTE_RW & ~PTE_EL0) | PTE_PXN);
    assert_aborted(dma(b, SSID, SVA_OP_READ | SVA_Q_OP_EXEC | SVA_Q_OP_PRIV,
                       VA + 4 * PAGE));
    assert_fault(b, F_PERMISSION, SSID, VA + 4 * PAGE, RNW | IND | PNU);
    /* What EL0 may write EL1 does not execute */
    assert_aborted(dma(b, SSID, SVA_OP_READ | SVA_Q_OP_EXEC | SVA_Q_OP_PRIV,
                       VA));
    assert_fault(b, F_PERMISSION, SSID, VA, RNW | IND | PNU);

    /* Requests without PASID are unprivileged */
    set_cd(b, 0, CD0_DEFAULT);
    assert_aborted(dma(b, SVA_NO_PASID, SVA_OP_READ, VA + PAGE));
    assert_fault(b, F_PERMISSION, SVA_NO_PASID, VA + PAGE, RNW);
    bed_free(b);
}

/* Table descriptors take rights away from what is below */
static void test_table_permissions(void)
{
    uint64_t l2 = OFF_PT + PAGE + extract64(VA, 21, 9) * 8;
    Bed *b = bed_plain();
    uint64_t table = mem(b, l2);

    set_mem(b, l2, table | BIT_ULL(62));        /* APTable[1]: no writes */
    assert_ok(dma(b, SSID, SVA_OP_READ, VA));
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_fault(b, F_PERMISSION, SSID, VA, 0);
    set_mem(b, l2, table | BIT_ULL(61));        /* APTable[0]: not for EL0 */
    tlbi_asid(b);
    assert_aborted(dma(b, SSID, SVA_OP_READ, VA));
    assert_fault(b, F_PERMISSION, SSID, VA, RNW);
    bed_free(b);
}

/* More rights without an invalidation */
static void test_rights_widened(void)
{
    Bed *b = bed_plain();

    map(b, 1, PTE_RW | PTE_RO);
    assert_ok(dma(b, SSID, SVA_OP_READ, VA + PAGE));
    map(b, 1, PTE_RW);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA + PAGE));
    bed_free(b);

    b = bed_new(DEVICE SUBSTREAMS " -global arm-smmuv3.x-sticky-perm=on");
    map(b, 1, PTE_RW | PTE_RO);
    assert_ok(dma(b, SSID, SVA_OP_READ, VA + PAGE));
    map(b, 1, PTE_RW);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA + PAGE));
    tlbi_va(b, VA + PAGE);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA + PAGE));
    bed_free(b);
}

static void test_not_ram(void)
{
    Bed *b = bed_plain();

    set_pte(b, OFF_PT, VA + PAGE, 0x09000000 | PTE_RW);     /* the UART */
    g_assert_cmpuint(dma(b, SSID, SVA_OP_WRITE, VA + PAGE), ==,
                     SVA_RES_NOT_RAM);
    assert_no_event(b);
    bed_free(b);
}

static void test_disabled(void)
{
    Bed *b = bed_plain();

    set_reg(b, CR0, CR0_EVENTQEN | CR0_CMDQEN);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, b->ram + OFF_DATA2));
    g_assert_cmphex(mem(b, OFF_DATA2), ==, 42);
    set_reg(b, GBPA, GBPA_UPDATE | GBPA_ABORT);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, b->ram + OFF_DATA2));
    assert_no_event(b);
    bed_free(b);
}

/* Caches */

static void test_cd_stays_cached(void)
{
    Bed *b = bed_plain();

    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    set_cd(b, SSID, 0);
    tlbi_asid(b);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    cfgi_cd(b, SSID + 1);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    cfgi_cd(b, SSID);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_event(b, C_BAD_CD, SSID);

    /* and so does an invalid one [3.21.3] */
    set_cd(b, SSID, CD0_DEFAULT);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_event(b, C_BAD_CD, SSID);
    put(b, CFGI_CD_ALL | (uint64_t)SID << 32, 0);
    cmd_sync(b);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    bed_free(b);
}

static void test_tlb_stays_cached(void)
{
    Bed *b = bed_plain();

    map(b, 1, PTE_RW);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA + PAGE));
    unmap(b, 0);
    unmap(b, 1);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    tlbi_va(b, VA);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_fault(b, F_TRANSLATION, SSID, VA, 0);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA + PAGE));
    tlbi_asid(b);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA + PAGE));
    bed_free(b);
}

/* EPD0 faults on a TLB miss only [5.4]; A, R and S of the CD apply */
static void test_epd0(void)
{
    Bed *b = bed_plain();

    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    /* T0SZ, TG0 and TTB0 are ignored */
    set_mem(b, OFF_CDTAB + SSID * 64 + 8, 0);
    set_mem(b, OFF_CDTAB + SSID * 64,
            (CD0_DEFAULT & ~0xffULL) | CD0_EPD0);
    cfgi_cd(b, SSID);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    tlbi_asid(b);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_fault(b, F_TRANSLATION, SSID, VA, 0);

    set_cd(b, SSID, (CD0_DEFAULT | CD0_EPD0) & ~CD0_R);
    cfgi_cd(b, SSID);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_no_event(b);
    bed_free(b);

    b = bed_stall(STALLS);
    set_cd(b, SSID, CD0_DEFAULT | CD0_EPD0 | CD0_S);
    dma_start(b, 0, SSID, SVA_OP_WRITE, VA);
    assert_stalled(b, 0);
    bed_free(b);
}

/* Invalidations that take effect late [4.7.3] */

static void test_lazy_needs_sync(void)
{
    Bed *b = bed_new(DEVICE SUBSTREAMS LAZY("on"));

    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));

    /* A TLBI that has been consumed but not synchronised */
    unmap(b, 0);
    put_tlbi_asid(b);
    run_commands(b);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    cmd_sync(b);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    assert_fault(b, F_TRANSLATION, SSID, VA, 0);

    /* Same for a CFGI */
    map(b, 0, PTE_RW);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    set_cd(b, SSID, 0);
    put_cfgi_cd(b, SSID);
    run_commands(b);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    cmd_sync(b);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA));
    bed_free(b);
}

/* The quiet CD, with or without a CMD_SYNC before or after the TLBI */
static unsigned int quiet_cd(const char *args, bool tlbi_first,
                             bool sync_between)
{
    Bed *b = bed_new(args);
    unsigned int result;

    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    set_cd(b, SSID, (CD0_DEFAULT | CD0_EPD0) & ~CD0_R);
    if (tlbi_first) {
        put_tlbi_asid(b);
    } else {
        put_cfgi_cd(b, SSID);
    }
    if (sync_between) {
        put_sync(b);
    }
    if (tlbi_first) {
        put_cfgi_cd(b, SSID);
    } else {
        put_tlbi_asid(b);
    }
    cmd_sync(b);
    result = dma(b, SSID, SVA_OP_WRITE, VA);
    bed_free(b);
    return result;
}

static void test_lazy_order(void)
{
    const char *off = DEVICE SUBSTREAMS;
    const char *reverse = DEVICE SUBSTREAMS LAZY("reverse");
    const char *tlb_first = DEVICE SUBSTREAMS LAZY("tlb-first");

    /* Nothing is seen by a model that obeys at once */
    assert_aborted(quiet_cd(off, false, false));

    assert_ok(quiet_cd(reverse, false, false));
    assert_aborted(quiet_cd(reverse, false, true));
    assert_aborted(quiet_cd(reverse, true, false));

    assert_ok(quiet_cd(tlb_first, false, false));
    assert_aborted(quiet_cd(tlb_first, false, true));
    assert_ok(quiet_cd(tlb_first, true, false));
}

/* Stalls */

static void test_stall_retry(void)
{
    Bed *b = bed_stall(STALLS);
    Event e;

    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE + 8);
    assert_stalled(b, 0);
    e = assert_fault(b, F_TRANSLATION, SSID, VA + PAGE + 8, 0);
    g_assert_true(is_stall(&e));

    /* Retried too early it stalls again, with another STAG */
    resume(b, SID, stag(&e), RESUME_RETRY);
    assert_stalled(b, 0);
    e = assert_fault(b, F_TRANSLATION, SSID, VA + PAGE + 8, 0);
    g_assert_true(is_stall(&e));

    map(b, 1, PTE_RW);
    resume(b, SID, stag(&e), RESUME_RETRY);
    assert_ok(dma_end(b, 0));
    g_assert_cmphex(mem(b, OFF_DATA + PAGE + 8), ==, 42);
    assert_no_event(b);
    g_assert_cmpuint(counter(b, "x-stalls-recorded"), ==, 2);
    g_assert_cmpuint(counter(b, "x-cmd-resume"), ==, 2);
    bed_free(b);
}

/* CD.R makes no difference to a stall [5.5] */
static void test_stall_ignores_r(void)
{
    Bed *b = bed_stall(STALLS);
    Event e;

    set_cd(b, SSID, (CD0_DEFAULT | CD0_S) & ~CD0_R);
    dma_start(b, 0, SSID, SVA_OP_READ, VA + PAGE);
    assert_stalled(b, 0);
    e = assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, RNW);
    g_assert_true(is_stall(&e));
    bed_free(b);
}

static unsigned int stall_and_resume(const char *args, uint32_t action)
{
    Bed *b = bed_stall(args);
    unsigned int result;
    Event e;

    set_mem(b, OFF_DATA + PAGE, 1);
    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE);
    assert_stalled(b, 0);
    e = assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, 0);
    resume(b, SID, stag(&e), action);
    result = dma_end(b, 0);
    g_assert_cmphex(mem(b, OFF_DATA + PAGE), ==, 1);
    assert_no_event(b);
    bed_free(b);
    return result;
}

static void test_stall_abort(void)
{
    assert_aborted(stall_and_resume(STALLS TERM0, RESUME_ABORT));
}

static void test_stall_terminate(void)
{
    assert_razwi(stall_and_resume(STALLS TERM0, RESUME_TERM));
    /* TERM_MODEL is 1: Ab is ignored */
    assert_aborted(stall_and_resume(STALLS, RESUME_TERM));
}

static void test_resume_mismatch(void)
{
    Bed *b = bed_stall(STALLS);
    Event e;

    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE);
    assert_stalled(b, 0);
    e = assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, 0);
    resume(b, SID + 1, stag(&e), RESUME_ABORT);
    assert_stalled(b, 0);
    resume(b, SID, stag(&e) + 1, RESUME_ABORT);
    assert_stalled(b, 0);
    resume(b, SID, stag(&e), RESUME_ABORT);
    assert_aborted(dma_end(b, 0));
    bed_free(b);
}

static void test_stall_term(void)
{
    Bed *b = bed_stall(STALLS TERM0);

    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE);
    dma_start(b, 1, SSID, SVA_OP_WRITE, VA + 2 * PAGE);
    assert_stalled(b, 1);
    put(b, STALL_TERM | (uint64_t)(SID + 1) << 32, 0);
    run_commands(b);
    assert_stalled(b, 0);
    put(b, STALL_TERM | (uint64_t)SID << 32, 0);
    run_commands(b);
    assert_aborted(dma_end(b, 0));
    assert_aborted(dma_end(b, 1));
    bed_free(b);
}

/* SMMUEN 1 -> 0 aborts all stalls [6.3.9.6] */
static void test_stall_disable(void)
{
    Bed *b = bed_stall(STALLS);

    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE);
    assert_stalled(b, 0);
    set_reg(b, CR0, CR0_EVENTQEN | CR0_CMDQEN);
    assert_aborted(dma_end(b, 0));
    bed_free(b);
}

static void test_stall_duplicates(void)
{
    Bed *b = bed_stall(STALLS);
    Event e;

    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE);
    dma_start(b, 1, SSID, SVA_OP_WRITE, VA + PAGE + 0x100);
    dma_start(b, 2, SSID, SVA_OP_READ, VA + PAGE);
    assert_stalled(b, 0);
    assert_stalled(b, 1);
    assert_stalled(b, 2);
    /* The read is another matter than the writes */
    e = assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, 0);
    assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, RNW);
    assert_no_event(b);
    map(b, 1, PTE_RW);
    resume(b, SID, stag(&e), RESUME_RETRY);
    assert_ok(dma_end(b, 0));
    assert_ok(dma_end(b, 1));
    assert_stalled(b, 2);
    g_assert_cmpuint(counter(b, "x-stalls-duplicate"), ==, 1);
    bed_free(b);

    b = bed_stall(STALLS " -global arm-smmuv3.stall-suppress-duplicates=off");
    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE);
    dma_start(b, 1, SSID, SVA_OP_WRITE, VA + PAGE + 0x100);
    assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, 0);
    assert_fault(b, F_TRANSLATION, SSID, VA + PAGE + 0x100, 0);
    bed_free(b);
}

/* No STAG is free: the stall waits, and is not lost */
static void test_stag_exhausted(void)
{
    Bed *b = bed_stall(STALLS " -global arm-smmuv3.stall-max=1");
    Event e;

    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE);
    dma_start(b, 1, SSID, SVA_OP_WRITE, VA + 2 * PAGE);
    assert_stalled(b, 1);
    e = assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, 0);
    assert_no_event(b);
    resume(b, SID, stag(&e), RESUME_ABORT);
    assert_aborted(dma_end(b, 0));
    assert_stalled(b, 1);
    e = assert_fault(b, F_TRANSLATION, SSID, VA + 2 * PAGE, 0);
    resume(b, SID, stag(&e), RESUME_ABORT);
    assert_aborted(dma_end(b, 1));
    bed_free(b);
}

/* Such a function is aborted and its fault reported with Stall == 0 [3.12] */
static void test_cannot_stall(void)
{
    Bed *b = bed_new(" -device sva-test,addr=4" SUBSTREAMS STALLS);
    Event e;

    set_cd(b, SSID, CD0_DEFAULT | CD0_S);
    assert_aborted(dma(b, SSID, SVA_OP_WRITE, VA + PAGE));
    e = assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, 0);
    g_assert_false(is_stall(&e));
    bed_free(b);
}

/* Stalls on page 1, and is reset */
static Event stall_and_forget(Bed *b)
{
    Event e;

    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE);
    assert_stalled(b, 0);
    e = assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, 0);
    sva_writel(&b->dev, SVA_CTRL, SVA_CTRL_RESET);
    sva_writel(&b->dev, SVA_CTRL, SVA_CTRL_ENABLE);
    g_assert_cmpuint(sva_state(&b->dev, 0), ==, SVA_STATE_IDLE);
    return e;
}

/* The function forgets a transaction; its STAG stays taken [3.12.2] */
static void test_stall_forgotten(void)
{
    Bed *b = bed_stall(STALLS);
    Event e;

    /* The answer to the old event is none to the new one */
    e = stall_and_forget(b);
    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + 2 * PAGE);
    assert_stalled(b, 0);
    resume(b, SID, stag(&e), RESUME_ABORT);
    assert_stalled(b, 0);
    bed_free(b);

    b = bed_stall(STALLS " -global arm-smmuv3.stall-max=1");
    e = stall_and_forget(b);
    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + 2 * PAGE);
    assert_stalled(b, 0);
    assert_no_event(b);
    resume(b, SID, stag(&e), RESUME_ABORT);
    assert_stalled(b, 0);
    assert_fault(b, F_TRANSLATION, SSID, VA + 2 * PAGE, 0);
    bed_free(b);
}

/* A system reset gives all STAGs back */
static void test_reset_while_stalled(void)
{
    Bed *b = bed_stall(STALLS " -global arm-smmuv3.stall-max=1");

    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE);
    assert_stalled(b, 0);
    qtest_system_reset(b->qts);
    b->dev = sva_dev(b->qts, &sva_virt, SLOT);
    sva_enable_pasid(&b->dev, 0);
    enable(b);
    assert_ok(dma(b, SSID, SVA_OP_WRITE, VA));
    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE);
    assert_stalled(b, 0);
    assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, 0);
    bed_free(b);
}

static void test_illegal_commands(void)
{
    Bed *b = bed_plain();

    assert_illegal(b, RESUME | RESUME_RETRY);
    assert_illegal(b, STALL_TERM);
    assert_illegal(b, CMD_SYNC | 3 << 12);      /* reserved signal */
    put(b, CMD_SYNC | 1 << 12, 0);              /* SIG_IRQ */
    put(b, CMD_SYNC | 2 << 12, 0);              /* SIG_SEV */
    run_commands(b);
    bed_free(b);
}

/* Event queue overflow [7.2.1, 7.4] */

/* A queue of two entries, both taken */
static Bed *bed_full_queue(void)
{
    Bed *b = bed_stall(STALLS);

    set_reg(b, CR0, 0);
    b->evt_bits = 1;
    enable(b);
    set_cd(b, 6, CD0_DEFAULT);
    assert_aborted(dma(b, 6, SVA_OP_WRITE, VA + PAGE));
    assert_aborted(dma(b, 6, SVA_OP_WRITE, VA + 2 * PAGE));
    g_assert_cmphex(reg(b, EVENTQ_PROD), ==, 2);
    return b;
}

static void test_overflow(void)
{
    Bed *b = bed_full_queue();

    /* One overflow is one toggle until it is acknowledged */
    assert_aborted(dma(b, 6, SVA_OP_WRITE, VA + 3 * PAGE));
    g_assert_cmphex(reg(b, EVENTQ_PROD), ==, EVENTQ_OVF | 2);
    assert_aborted(dma(b, 6, SVA_OP_WRITE, VA + 3 * PAGE));
    g_assert_cmphex(reg(b, EVENTQ_PROD), ==, EVENTQ_OVF | 2);
    g_assert_cmphex(reg(b, GERROR), ==, 0);
    g_assert_cmpuint(counter(b, "x-events-lost"), ==, 2);

    /* The records that made it are as they were */
    b->evt_cons = EVENTQ_OVF;
    assert_fault(b, F_TRANSLATION, 6, VA + PAGE, 0);
    assert_fault(b, F_TRANSLATION, 6, VA + 2 * PAGE, 0);
    assert_no_event(b);

    /* The flag keeps its place next to the index, and toggles back */
    assert_aborted(dma(b, 6, SVA_OP_WRITE, VA + PAGE));
    g_assert_cmphex(reg(b, EVENTQ_PROD), ==, EVENTQ_OVF | 3);
    assert_aborted(dma(b, 6, SVA_OP_WRITE, VA + PAGE));
    assert_aborted(dma(b, 6, SVA_OP_WRITE, VA + PAGE));
    g_assert_cmphex(reg(b, EVENTQ_PROD), ==, 0);
    bed_free(b);
}

static void test_overflow_keeps_stalls(void)
{
    Bed *b = bed_full_queue();
    Event e;

    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + 3 * PAGE);
    assert_stalled(b, 0);
    /* A stall record is not discarded, so there is no overflow */
    g_assert_cmphex(reg(b, EVENTQ_PROD), ==, 2);
    g_assert_cmpuint(counter(b, "x-stalls-unrecorded"), ==, 1);

    assert_fault(b, F_TRANSLATION, 6, VA + PAGE, 0);
    assert_stalled(b, 0);
    assert_fault(b, F_TRANSLATION, 6, VA + 2 * PAGE, 0);
    e = assert_fault(b, F_TRANSLATION, SSID, VA + 3 * PAGE, 0);
    g_assert_true(is_stall(&e));
    map(b, 3, PTE_RW);
    resume(b, SID, stag(&e), RESUME_RETRY);
    assert_ok(dma_end(b, 0));
    bed_free(b);
}

/* Not enabled is not writable: no record, no overflow, stalls wait */
static void test_event_queue_disabled(void)
{
    Bed *b = bed_stall(STALLS);
    Event e;

    set_reg(b, CR0, CR0_SMMUEN | CR0_CMDQEN);
    set_cd(b, 6, CD0_DEFAULT);
    assert_aborted(dma(b, 6, SVA_OP_WRITE, VA + PAGE));
    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE);
    assert_stalled(b, 0);
    g_assert_cmphex(reg(b, EVENTQ_PROD), ==, 0);
    set_reg(b, CR0, CR0_ALL);
    assert_stalled(b, 0);
    e = assert_fault(b, F_TRANSLATION, SSID, VA + PAGE, 0);
    g_assert_true(is_stall(&e));
    bed_free(b);
}

/* CMD_SYNC and transactions on their way [3.21.1, 3.21.3] */

#define HOLD_NS (10 * 1000 * 1000ULL)

static void dma_start_held(Bed *b)
{
    sva_writeq(&b->dev, SVA_HOLD_NS, HOLD_NS);
    dma_start(b, 0, SSID, SVA_OP_WRITE, VA);
    set_mem(b, OFF_DATA, 0);
}

static void test_sync_waits(void)
{
    Bed *b = bed_plain();
    uint32_t cons;

    /* No invalidation, nothing to wait for */
    dma_start_held(b);
    cmd_sync(b);
    g_assert_cmphex(mem(b, OFF_DATA), ==, 0);
    assert_ok(dma_end(b, 0));

    dma_start_held(b);
    unmap(b, 0);
    put_tlbi_asid(b);
    cons = b->cmd_prod;
    put_sync(b);
    put_sync(b);
    kick(b);
    g_assert_cmphex(reg(b, CMDQ_CONS), ==, cons);
    g_assert_cmphex(mem(b, OFF_DATA), ==, 0);
    qtest_clock_step(b->qts, HOLD_NS / 2);
    g_assert_cmphex(reg(b, CMDQ_CONS), ==, cons);
    kick(b);
    g_assert_cmphex(reg(b, CMDQ_CONS), ==, cons);
    qtest_clock_step(b->qts, HOLD_NS);
    g_assert_true(all_consumed(b));
    g_assert_cmphex(mem(b, OFF_DATA), ==, 42);
    g_assert_cmpuint(counter(b, "x-sync-waits"), ==, 1);
    assert_ok(dma_end(b, 0));
    bed_free(b);
}

/* The queue is turned off and on again while CMD_SYNC waits */
static void test_sync_wait_disabled(void)
{
    Bed *b = bed_plain();

    dma_start_held(b);
    put_cfgi_cd(b, SSID);
    put_sync(b);
    kick(b);
    g_assert_false(all_consumed(b));
    set_reg(b, CR0, CR0_SMMUEN | CR0_EVENTQEN);
    set_reg(b, CR0, CR0_ALL);
    g_assert_false(all_consumed(b));
    set_reg(b, CR0, CR0_SMMUEN | CR0_EVENTQEN);
    qtest_clock_step(b->qts, 2 * HOLD_NS);
    g_assert_false(all_consumed(b));
    set_reg(b, CR0, CR0_ALL);
    g_assert_true(all_consumed(b));
    bed_free(b);
}

static void test_sync_ignores_stalls(void)
{
    Bed *b = bed_stall(STALLS);

    dma_start(b, 0, SSID, SVA_OP_WRITE, VA + PAGE);
    assert_stalled(b, 0);
    tlbi_asid(b);
    cfgi_cd(b, SSID);
    assert_stalled(b, 0);
    bed_free(b);
}

static void test_counters(void)
{
    Bed *b = bed_plain();

    cfgi_cd(b, SSID);
    cfgi_ste(b);
    tlbi_asid(b);
    tlbi_va(b, VA);
    tlbi_va(b, VA);
    g_assert_cmpuint(counter(b, "x-cmd-cfgi-cd"), ==, 1);
    g_assert_cmpuint(counter(b, "x-cmd-cfgi-ste"), ==, 1);
    g_assert_cmpuint(counter(b, "x-cmd-tlbi-nh-asid"), ==, 1);
    g_assert_cmpuint(counter(b, "x-cmd-tlbi-nh-va"), ==, 2);
    g_assert_cmpuint(counter(b, "x-cmd-sync"), ==, 5);
    bed_free(b);
}

static void add(const char *name, void (*fn)(void))
{
    g_autofree char *path = g_strdup_printf("/smmuv3-sva/%s", name);

    qtest_add_func(path, fn);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    add("id-registers", test_id_registers);
    add("cd/linear", test_cd_linear);
    add("cd/two-level-4k", test_cd_2lvl_4k);
    add("cd/two-level-64k", test_cd_2lvl_64k);
    add("cd/bad-ste", test_bad_ste);
    add("cd/bad-substreamid", test_bad_substreamid);
    add("cd/bad-cd", test_bad_cd);
    add("cd/default-substream", test_default_substream);
    add("fault/translation", test_translation_fault);
    add("fault/other", test_other_faults);
    add("fault/razwi", test_razwi);
    add("fault/config-error", test_config_error_ignores_flags);
    add("fault/permissions", test_permissions);
    add("fault/table-permissions", test_table_permissions);
    add("fault/rights-widened", test_rights_widened);
    add("fault/not-ram", test_not_ram);
    add("disabled", test_disabled);
    add("cache/cd", test_cd_stays_cached);
    add("cache/tlb", test_tlb_stays_cached);
    add("cache/epd0", test_epd0);
    add("lazy/needs-sync", test_lazy_needs_sync);
    add("lazy/order", test_lazy_order);
    add("stall/retry", test_stall_retry);
    add("stall/ignores-r", test_stall_ignores_r);
    add("stall/abort", test_stall_abort);
    add("stall/terminate", test_stall_terminate);
    add("stall/resume-mismatch", test_resume_mismatch);
    add("stall/term", test_stall_term);
    add("stall/disable", test_stall_disable);
    add("stall/duplicates", test_stall_duplicates);
    add("stall/stag-exhausted", test_stag_exhausted);
    add("stall/not-possible", test_cannot_stall);
    add("stall/forgotten", test_stall_forgotten);
    add("stall/reset", test_reset_while_stalled);
    add("commands/illegal", test_illegal_commands);
    add("commands/counters", test_counters);
    add("events/overflow", test_overflow);
    add("events/overflow-keeps-stalls", test_overflow_keeps_stalls);
    add("events/queue-disabled", test_event_queue_disabled);
    add("sync/waits", test_sync_waits);
    add("sync/wait-disabled", test_sync_wait_disabled);
    add("sync/ignores-stalls", test_sync_ignores_stalls);

    return g_test_run();
}
