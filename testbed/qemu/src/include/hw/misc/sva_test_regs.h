/*
 * Registers of the SVA test device, a PCI function that does DMA with PASID
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * BAR 0 is 64 KiB: page 0 belongs to the function, page 1 + q to queue q.
 * Registers are little endian; those of 64 bits may be accessed by halves.
 */

#ifndef HW_MISC_SVA_TEST_REGS_H
#define HW_MISC_SVA_TEST_REGS_H

#include "qemu/bitops.h"

#define SVA_DEVICE_ID           0x57a0
#define SVA_BAR_SIZE            0x10000
#define SVA_PAGE_SIZE           0x1000
#define SVA_MAX_QUEUES          15

/* PCI Express extended capabilities */
#define SVA_PCI_PASID           0x100
#define SVA_PCI_ATS             0x110
#define SVA_PCI_PRI             0x120

/* Page 0 */
#define SVA_ID                  0x000
#define   SVA_ID_MAGIC          0x53564131
#define SVA_NQ                  0x004
#define SVA_CAPS                0x008
#define   SVA_CAPS_PASID        BIT(0)
#define   SVA_CAPS_ATS          BIT(1)
#define   SVA_CAPS_PRI          BIT(2)
#define   SVA_CAPS_STALL        BIT(3)
#define   SVA_CAPS_ATOMICS      BIT(4)
#define   SVA_CAPS_PRIV         BIT(5)
#define   SVA_CAPS_EXEC         BIT(6)
#define SVA_CTRL                0x00c
#define   SVA_CTRL_ENABLE       BIT(0)
#define   SVA_CTRL_RESET        BIT(1)
#define   SVA_CTRL_FORCE_UNTRANSLATED BIT(2)
#define SVA_MISBEHAVE           0x010
#define   SVA_BAD_INV_IGNORED   BIT(0)  /* completed, but the ATC is kept */
#define   SVA_BAD_INV_NEVER     BIT(1)  /* done, but never completed */
#define   SVA_BAD_INV_LATE      BIT(2)  /* completed after INV_DELAY */
#define   SVA_BAD_DMA_AFTER_STOP BIT(3) /* for INV_DELAY */
#define   SVA_BAD_PRG_IGNORED   BIT(4)  /* PRG responses are not received */
#define   SVA_BAD_PRG_NO_LAST   BIT(5)
#define   SVA_BAD_PRI_ALLOC     BIT(6)  /* more requests than allocated */
#define   SVA_BAD_PASID_PLUS_1  BIT(7)  /* page requests with another PASID */
#define   SVA_BAD_PRG_TWICE     BIT(8)
#define   SVA_BAD_ATC_WRITE     BIT(9)  /* cached entries without W written */
#define   SVA_BAD_STOP_MARKER   BIT(10) /* Stop Marker, no wait for the PRG */
#define   SVA_BAD_ALL           0x7ff
#define SVA_STOP_LATENCY        0x018   /* ns from drained to acknowledged */
#define   SVA_STOP_LATENCY_MAX  (60 * 1000 * 1000 * 1000ULL)
#define SVA_CHUNK_NS            0x020   /* ns per chunk of DMA */
#define   SVA_CHUNK_NS_MIN      100
#define   SVA_CHUNK_NS_DEFAULT  20000
#define   SVA_CHUNK_NS_MAX      (1000 * 1000 * 1000ULL)
#define SVA_INV_DELAY           0x028   /* ns */
#define   SVA_INV_DELAY_MAX     (60 * 1000 * 1000 * 1000ULL)
#define SVA_HOLD_NS             0x030   /* ns from translation to access */
#define   SVA_HOLD_NS_MAX       (1000 * 1000 * 1000ULL)
#define SVA_ATC_SIZE            0x038
#define   SVA_ATC_SIZE_DEFAULT  64
#define   SVA_ATC_SIZE_MAX      65536
#define SVA_ATC_USED            0x03c
#define SVA_PASID_STOP          0x040   /* stop all queues with this PASID */
#define SVA_PASID_STOP_BUSY     0x044   /* the last PASID_STOP is under way */
#define SVA_EVENT               0x048   /* write 1 to clear */
#define   SVA_EVENT_STOP_DONE   BIT(0)
#define   SVA_EVENT_BAD_RESPONSE BIT(1) /* to no page request of ours */
#define   SVA_EVENT_PROTOCOL    BIT(2)  /* by the driver: GO while running */
#define   SVA_EVENT_ALL         0x7
#define SVA_EVENT_MASK          0x04c   /* events that send vector NQ */
#define SVA_COUNTERS            0x100
#define SVA_COUNTER(n)          (SVA_COUNTERS + 8 * (n))
#define SVA_COUNTER_CLEAR       0x1f8

enum {
    SVA_CNT_TRANS_REQ,          /* ATS translation requests */
    SVA_CNT_TRANS_OK,
    SVA_CNT_TRANS_DENIED,       /* R=W=0, or less than the access needs */
    SVA_CNT_TRANS_UR_CA,
    SVA_CNT_ATC_HIT,
    SVA_CNT_ATC_MISS,
    SVA_CNT_PAGE_REQ,
    SVA_CNT_PRG_SUCCESS,
    SVA_CNT_PRG_INVALID,
    SVA_CNT_PRG_FAILURE,
    SVA_CNT_STALL,
    SVA_CNT_STALL_RETRY,
    SVA_CNT_STALL_ABORT,
    SVA_CNT_STALL_RAZWI,
    SVA_CNT_ABORTED,            /* transactions */
    SVA_CNT_INV,                /* ATC invalidations received */
    SVA_CNT_INV_PASID,
    SVA_CNT_INV_GLOBAL,
    SVA_CNT_INV_REMOVED,        /* ATC entries */
    SVA_CNT_LAST_INV_ADDR,
    SVA_CNT_LAST_INV_SIZE,      /* PASID, b31 valid, [39:32] log2 of the size */
    SVA_CNT_READ,               /* bytes */
    SVA_CNT_WRITTEN,
    SVA_CNT_ATOMICS,
    SVA_CNT_AFTER_STOP_REQ,     /* chunks done */
    SVA_CNT_AFTER_STOP_ACK,     /* chunks done: 0 unless told to misbehave */
    SVA_CNT_BAD_RESPONSE,
    SVA_CNT_IRQ,
    SVA_NR_CNT
};

/* Pages of queues */
#define SVA_Q_PAGE(q)           (SVA_PAGE_SIZE * (1 + (q)))
#define SVA_Q_CTRL              0x00
#define   SVA_Q_CTRL_GO         BIT(0)
#define   SVA_Q_CTRL_STOP       BIT(1)
#define   SVA_Q_CTRL_IRQ_EN     BIT(2)
#define SVA_Q_STATUS            0x04
#define   SVA_Q_STATUS_STATE    0xf
#define   SVA_Q_STATUS_RESULT_SHIFT 8
#define   SVA_Q_STATUS_DONE     BIT(31) /* write 1 to clear */
#define SVA_Q_PASID             0x08
#define   SVA_Q_PASID_MASK      0xfffff
#define   SVA_Q_PASID_VALID     BIT(31)
#define SVA_Q_OP                0x0c
#define   SVA_Q_OP_MASK         0xff
#define   SVA_Q_OP_LOOP         BIT(8)  /* until STOP */
#define   SVA_Q_OP_UNTRANSLATED BIT(9)  /* no ATS */
#define   SVA_Q_OP_NO_PRI       BIT(10) /* what is denied fails */
#define   SVA_Q_OP_GROUP        BIT(11) /* all that is left in one PRG */
#define   SVA_Q_OP_CONT         BIT(12) /* what fails is counted and skipped */
#define   SVA_Q_OP_PRIV         BIT(13)
#define   SVA_Q_OP_EXEC         BIT(14)
#define   SVA_Q_OP_FLAGS        0x7f00
#define SVA_Q_SRC               0x10
#define SVA_Q_DST               0x18
#define SVA_Q_LEN               0x20
#define SVA_Q_IMM               0x28
#define SVA_Q_DONE_BYTES        0x30
#define SVA_Q_ITER              0x38
#define SVA_Q_RESULT            0x40
#define SVA_Q_FAULT_ADDR        0x48
#define SVA_Q_FAULT_INFO        0x50
#define   SVA_Q_FAULT_STATUS    0xff    /* PasidXlStatus */
#define   SVA_Q_FAULT_WRITE     BIT(8)
#define   SVA_Q_FAULT_ATTEMPTS_SHIFT 16
#define SVA_Q_RETRY_LIMIT       0x58
#define   SVA_Q_RETRY_DEFAULT   16
#define SVA_Q_ABORTS            0x60
#define SVA_Q_STALLS            0x68

enum {
    SVA_STATE_IDLE,
    SVA_STATE_RUN,
    SVA_STATE_WAIT_PRG,
    SVA_STATE_STALLED,
    SVA_STATE_STOPPING,         /* a transaction is outstanding */
    SVA_STATE_DRAINING,         /* none is, STOP_LATENCY elapses */
};

enum {
    SVA_OP_NOP,
    SVA_OP_READ,                /* RESULT: sum of the 64-bit words */
    SVA_OP_WRITE,               /* the word at DST + n is IMM + n */
    SVA_OP_COPY,
    SVA_OP_ATOMIC,              /* add IMM to each word, RESULT: last old one */
    SVA_OP_VERIFY,              /* SRC for OP_WRITE's pattern, RESULT: offset */
    SVA_OP_TOUCH,               /* read one byte per page */
    SVA_NR_OPS
};

enum {
    SVA_RES_OK,
    SVA_RES_ABORT,
    SVA_RES_ATS_UR,
    SVA_RES_ATS_CA,
    SVA_RES_PRG_INVALID,
    SVA_RES_PRG_FAILURE,
    SVA_RES_RAZWI,
    SVA_RES_NOT_RAM,
    SVA_RES_STOPPED,
    SVA_RES_PRI_OFF,
    SVA_RES_BME_OFF,
    SVA_RES_MISALIGNED,         /* or an operation or range without sense */
    SVA_RES_RETRY_LIMIT,
    SVA_RES_MISMATCH,
    SVA_RES_UNSUPPORTED,        /* by a capability, or that is not enabled */
};

#endif
