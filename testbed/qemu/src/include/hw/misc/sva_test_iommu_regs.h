/*
 * Registers of the scripted IOMMU for tests of PASID, ATS and PRI
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * BAR 0, 4 KiB, little endian, 8-byte accesses only.
 */

#ifndef HW_MISC_SVA_TEST_IOMMU_REGS_H
#define HW_MISC_SVA_TEST_IOMMU_REGS_H

#define SVA_IOMMU_DEVICE_ID     0x57a1
#define SVA_IOMMU_BAR_SIZE      0x1000
#define SVA_IOMMU_MAX_PAGES     16

/* Page n of the translation table, which is looked up from its start */
#define SVA_IOMMU_PAGE(n)       (0x20 * (n))
#define   SVA_IOMMU_VA          0x00
#define   SVA_IOMMU_PA          0x08
#define   SVA_IOMMU_PASID       0x10
#define   SVA_IOMMU_PERM        0x18    /* IOMMUAccessFlags, 0: no entry */
/* PasidXlStatus for what the table does not translate */
#define SVA_IOMMU_MISS          0x400
/* The transaction parked last; write: resume it with this PasidStallResp */
#define SVA_IOMMU_STALL         0x408   /* 1: there is one */
/* Page requests: how many so far, and the last one */
#define SVA_IOMMU_PR_COUNT      0x410
#define SVA_IOMMU_PR_ADDR       0x418   /* and b0 read, b1 write, b2 last */
#define SVA_IOMMU_PR_ID         0x420   /* PASID, PRGI << 32, b62 priv, b63 X */
/* Write: PRG response; PASID, PRGI << 32, code << 48 */
#define SVA_IOMMU_PRG_RESPONSE  0x428
/* Invalidation of [ADDR, ADDR + MASK]; written last, ID sends it */
#define SVA_IOMMU_INV_ADDR      0x430
#define SVA_IOMMU_INV_MASK      0x438
#define SVA_IOMMU_INV_ID        0x440   /* PASID, itag << 32, b63 global */
#define SVA_IOMMU_INV_DONE      0x448   /* bit per itag; write 1 to clear */
/* Read: does the function hold transactions? */
#define SVA_IOMMU_HELD          0x450
#define SVA_IOMMU_HELD_DONE     0x458   /* how often it said they are over */

#endif
