/*
 * Requests with PASID: what a PCI function and an IOMMU say to each other
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A PASID is 20 bits wide and a translation may be denied, aborted or parked;
 * MemTxAttrs and MemTxResult can express none of that.  A function that sends
 * such requests therefore asks the IOMMU for a translation through PCIIOMMUOps
 * and then accesses system memory itself.
 *
 * All of this happens under the BQL.  Everything the IOMMU calls (PasidStall
 * and PCIATSClientOps) is called from within a register access or a command
 * queue: the function only takes note and does its DMA later, from a bottom
 * half.
 */

#ifndef HW_PCI_PASID_H
#define HW_PCI_PASID_H

#include "exec/memory.h"

/* "Request without PASID" wherever a PASID is asked for */
#define PCI_NO_PASID UINT32_MAX

/* PRG response codes */
#define PCI_PRG_SUCCESS 0
#define PCI_PRG_INVALID 1
#define PCI_PRG_FAILURE 0xf

/* Invalidation tags and page request group indexes of a function */
#define PCI_ATS_NR_ITAG 32
#define PCI_PRI_NR_PRGI 512

typedef enum PasidXlStatus {
    PASID_XL_OK,        /* translated, with the permissions in the entry */
    PASID_XL_DENIED,    /* ATS request: R=W=0, page requests may help */
    PASID_XL_ABORT,     /* Unsupported Request, possibly logged by the IOMMU */
    PASID_XL_CA,        /* Completer Abort */
    PASID_XL_RAZWI,     /* reads return zero, writes are dropped */
    PASID_XL_STALLED,   /* parked; PasidStall.resume() will be called */
} PasidXlStatus;

typedef enum PasidStallResp {
    PASID_STALL_RETRY,  /* ask for the translation again, from the start */
    PASID_STALL_ABORT,
    PASID_STALL_RAZWI,
} PasidStallResp;

/**
 * struct PasidStall: a transaction that the IOMMU may park
 *
 * Embedded in the function's state.  It belongs to the IOMMU from the moment
 * @pasid_translate returned PASID_XL_STALLED until @resume is called or
 * @stall_cancel returned; one PasidStall holds one transaction.
 *
 * @resume: called once, the transaction is not parked any more.
 */
typedef struct PasidStall PasidStall;
struct PasidStall {
    void (*resume)(PasidStall *stall, PasidStallResp resp);
};

/**
 * struct PCIATSClientOps: what an IOMMU may ask of a function that sends
 * translated requests or requests with PASID; one client per function
 */
typedef struct PCIATSClientOps {
    /**
     * @invalidate: ATS Invalidate Request
     *
     * @itag: identifies the request until it is completed
     * @pasid: only entries of that PASID, PCI_NO_PASID: of every address space
     * @global: only with a PASID; the PASID is to be ignored
     * @addr: any address in the range
     * @mask: size of the range (a power of two) less one
     *
     * Returns: true if the invalidation is complete; else the function calls
     * pci_device_ats_inv_done() when it is.
     */
    bool (*invalidate)(void *dev, uint16_t itag, uint32_t pasid, bool global,
                       hwaddr addr, hwaddr mask);
    /**
     * @prg_response: Page Request Group response
     *
     * @code: PCI_PRG_*
     */
    void (*prg_response)(void *dev, uint32_t pasid, uint16_t prgi,
                         uint8_t code);
    /**
     * @held: are there transactions that have been translated (by the IOMMU or
     * by the function's own cache) but not performed?
     *
     * If this returns true the function calls pci_device_held_done() when the
     * last of the transactions that existed at the time of the call has been
     * performed or dropped; those that started later do not matter.  A further
     * call before that extends the wait to the transactions of its own time.
     */
    bool (*held)(void *dev);
} PCIATSClientOps;

/*
 * The IOMMU of @dev; each does nothing sensible if there is none.
 */

/**
 * pci_device_pasid_translate: translate for one access, at most up to the end
 * of the page @out describes
 *
 * @dev: the requester
 * @pasid: PASID or PCI_NO_PASID
 * @priv: Privileged Mode Requested
 * @exec: Execute Requested (or instruction fetch)
 * @iova: untranslated address
 * @want: access the function is going to perform
 * @is_ats_req: Translation Request; the answer may be DENIED, never STALLED
 * @out: filled for PASID_XL_OK; addr_mask also for PASID_XL_DENIED
 * @stall: what to park the transaction with, NULL if it cannot be parked
 *
 * Without an IOMMU addresses are system addresses and a request with PASID is
 * not supported.  An IOMMU that knows nothing of PASIDs translates a request
 * without PASID as it does for other DMA and aborts the rest.
 */
PasidXlStatus pci_device_pasid_translate(PCIDevice *dev, uint32_t pasid,
                                         bool priv, bool exec, hwaddr iova,
                                         IOMMUAccessFlags want,
                                         bool is_ats_req, IOMMUTLBEntry *out,
                                         PasidStall *stall);

/**
 * pci_device_stall_cancel: the function forgets a parked transaction
 *
 * @stall->resume() will not be called; @stall may be used again.
 */
void pci_device_stall_cancel(PCIDevice *dev, PasidStall *stall);

/**
 * pci_device_pri_request_page: send a page request
 *
 * A request with @lpig and neither @is_read nor @is_write is a Stop Marker and
 * is not answered.
 *
 * Returns: 0, or a negative errno if no IOMMU takes page requests.
 */
int pci_device_pri_request_page(PCIDevice *dev, uint32_t pasid, bool priv,
                                bool exec, hwaddr addr, bool lpig,
                                uint16_t prgi, bool is_read, bool is_write);

/**
 * pci_device_set_ats_client: make @ops known to the IOMMU
 *
 * For every function with an ATS, PASID or PRI capability, at the end of each
 * reset (an IOMMU may be realized after the function); with @ops NULL before
 * the function goes away, after all its stalls are cancelled.
 */
void pci_device_set_ats_client(PCIDevice *dev, const PCIATSClientOps *ops);

/* pci_device_ats_inv_done: Invalidate Completion for @itag */
void pci_device_ats_inv_done(PCIDevice *dev, uint16_t itag);

/* pci_device_held_done: see @held in PCIATSClientOps */
void pci_device_held_done(PCIDevice *dev);

#endif
