/*
 * Requests with PASID: from a PCI function to its IOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_pasid.h"

/* Returns the IOMMU's operations or NULL; @bus and @devfn as it knows them */
static const PCIIOMMUOps *pci_pasid_ops(PCIDevice *dev, PCIBus **bus,
                                        void **opaque, int *devfn)
{
    PCIBus *iommu_bus;

    pci_device_get_iommu_bus_devfn(dev, &iommu_bus, bus, devfn);
    if (!iommu_bus) {
        return NULL;
    }
    *opaque = iommu_bus->iommu_opaque;
    return iommu_bus->iommu_ops;
}

/* Through the address space that all other DMA of @dev goes through */
static PasidXlStatus pci_plain_translate(PCIDevice *dev, hwaddr iova,
                                         IOMMUAccessFlags want,
                                         IOMMUTLBEntry *out)
{
    AddressSpace *as = pci_device_iommu_address_space(dev);

    if (as == &address_space_memory) {
        *out = (IOMMUTLBEntry) {
            .target_as = as,
            .iova = iova & ~(hwaddr)0xfff,
            .translated_addr = iova & ~(hwaddr)0xfff,
            .addr_mask = 0xfff,
            .perm = IOMMU_RW,
        };
        return PASID_XL_OK;
    }

    RCU_READ_LOCK_GUARD();
    *out = address_space_get_iotlb_entry(as, iova, want & IOMMU_WO,
                                         MEMTXATTRS_UNSPECIFIED);
    return (out->perm & want) == want ? PASID_XL_OK : PASID_XL_ABORT;
}

PasidXlStatus pci_device_pasid_translate(PCIDevice *dev, uint32_t pasid,
                                         bool priv, bool exec, hwaddr iova,
                                         IOMMUAccessFlags want,
                                         bool is_ats_req, IOMMUTLBEntry *out,
                                         PasidStall *stall)
{
    const PCIIOMMUOps *ops;
    void *opaque;
    PCIBus *bus;
    int devfn;

    ops = pci_pasid_ops(dev, &bus, &opaque, &devfn);
    if (ops && ops->pasid_translate) {
        return ops->pasid_translate(bus, opaque, devfn, pasid, priv, exec,
                                    iova, want, is_ats_req, out, stall);
    }
    if (pasid != PCI_NO_PASID || is_ats_req) {
        return PASID_XL_ABORT;
    }
    return pci_plain_translate(dev, iova, want, out);
}

void pci_device_stall_cancel(PCIDevice *dev, PasidStall *stall)
{
    const PCIIOMMUOps *ops;
    void *opaque;
    PCIBus *bus;
    int devfn;

    ops = pci_pasid_ops(dev, &bus, &opaque, &devfn);
    if (ops && ops->stall_cancel) {
        ops->stall_cancel(bus, opaque, devfn, stall);
    }
}

int pci_device_pri_request_page(PCIDevice *dev, uint32_t pasid, bool priv,
                                bool exec, hwaddr addr, bool lpig,
                                uint16_t prgi, bool is_read, bool is_write)
{
    const PCIIOMMUOps *ops;
    void *opaque;
    PCIBus *bus;
    int devfn;

    ops = pci_pasid_ops(dev, &bus, &opaque, &devfn);
    if (!ops || !ops->pri_request_page) {
        return -ENODEV;
    }
    return ops->pri_request_page(bus, opaque, devfn, pasid, priv, exec, addr,
                                 lpig, prgi, is_read, is_write);
}

void pci_device_set_ats_client(PCIDevice *dev, const PCIATSClientOps *client)
{
    const PCIIOMMUOps *ops;
    void *opaque;
    PCIBus *bus;
    int devfn;

    ops = pci_pasid_ops(dev, &bus, &opaque, &devfn);
    if (ops && ops->set_ats_client) {
        ops->set_ats_client(bus, opaque, devfn, client, dev);
    }
}

void pci_device_ats_inv_done(PCIDevice *dev, uint16_t itag)
{
    const PCIIOMMUOps *ops;
    void *opaque;
    PCIBus *bus;
    int devfn;

    ops = pci_pasid_ops(dev, &bus, &opaque, &devfn);
    if (ops && ops->ats_inv_done) {
        ops->ats_inv_done(bus, opaque, devfn, itag);
    }
}

void pci_device_held_done(PCIDevice *dev)
{
    const PCIIOMMUOps *ops;
    void *opaque;
    PCIBus *bus;
    int devfn;

    ops = pci_pasid_ops(dev, &bus, &opaque, &devfn);
    if (ops && ops->held_done) {
        ops->held_done(bus, opaque, devfn);
    }
}
