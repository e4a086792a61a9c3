/*
 * Scripted IOMMU for tests of PASID, ATS and PRI
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A PCI function that makes itself the IOMMU of its bus.  It has no tables in
 * memory and no queues: a qtest writes what shall be answered into its
 * registers and sends responses and invalidations by hand.  That is how the
 * half of a PASID-capable function that an IOMMU sees is tested without one.
 * It serves a single client.
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "exec/address-spaces.h"
#include "hw/misc/sva_test_iommu_regs.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pci_pasid.h"
#include "migration/vmstate.h"
#include "qom/object.h"

#define TYPE_SVA_TEST_IOMMU "sva-test-iommu"
OBJECT_DECLARE_SIMPLE_TYPE(SvaTestIommu, SVA_TEST_IOMMU)

#define PAGE_MASK_4K (~(hwaddr)0xfff)

typedef struct SvaIommuPage {
    uint64_t va;
    uint64_t pa;
    uint64_t pasid;
    uint64_t perm;
} SvaIommuPage;

struct SvaTestIommu {
    PCIDevice parent_obj;
    MemoryRegion mmio;

    SvaIommuPage page[SVA_IOMMU_MAX_PAGES];
    uint64_t miss;
    uint64_t pr_count;
    uint64_t pr_addr;
    uint64_t pr_id;
    uint64_t inv_addr;
    uint64_t inv_mask;
    uint64_t inv_done;
    uint64_t held_done;

    PasidStall *stall;
    const PCIATSClientOps *client;
    void *client_dev;
};

/* What functions ask */

static AddressSpace *siommu_get_address_space(PCIBus *bus, void *opaque,
                                              int devfn)
{
    return &address_space_memory;
}

static const SvaIommuPage *siommu_find(const SvaTestIommu *s, uint32_t pasid,
                                       hwaddr iova)
{
    for (int i = 0; i < SVA_IOMMU_MAX_PAGES; i++) {
        const SvaIommuPage *p = &s->page[i];

        if (p->perm && p->pasid == pasid && !((p->va ^ iova) & PAGE_MASK_4K)) {
            return p;
        }
    }
    return NULL;
}

static PasidXlStatus siommu_translate(PCIBus *bus, void *opaque, int devfn,
                                      uint32_t pasid, bool priv, bool exec,
                                      hwaddr iova, IOMMUAccessFlags want,
                                      bool is_ats_req, IOMMUTLBEntry *out,
                                      PasidStall *stall)
{
    SvaTestIommu *s = opaque;
    const SvaIommuPage *p = siommu_find(s, pasid, iova);

    /* A Translation Request is told the permissions, whatever they are */
    if (p && (is_ats_req || (p->perm & want) == want)) {
        *out = (IOMMUTLBEntry) {
            .target_as = &address_space_memory,
            .iova = iova & PAGE_MASK_4K,
            .translated_addr = p->pa & PAGE_MASK_4K,
            .addr_mask = ~PAGE_MASK_4K,
            .perm = p->perm & IOMMU_RW,
        };
        return PASID_XL_OK;
    }
    if (s->miss != PASID_XL_STALLED) {
        return s->miss;
    }
    if (!stall || is_ats_req || s->stall) {
        return PASID_XL_ABORT;
    }
    s->stall = stall;
    return PASID_XL_STALLED;
}

static void siommu_stall_cancel(PCIBus *bus, void *opaque, int devfn,
                                PasidStall *stall)
{
    SvaTestIommu *s = opaque;

    if (s->stall == stall) {
        s->stall = NULL;
    }
}

static int siommu_request_page(PCIBus *bus, void *opaque, int devfn,
                               uint32_t pasid, bool priv, bool exec,
                               hwaddr addr, bool lpig, uint16_t prgi,
                               bool is_read, bool is_write)
{
    SvaTestIommu *s = opaque;

    s->pr_count++;
    s->pr_addr = (addr & PAGE_MASK_4K) | is_read | is_write << 1 | lpig << 2;
    s->pr_id = pasid | (uint64_t)prgi << 32 | (uint64_t)priv << 62 |
               (uint64_t)exec << 63;
    return 0;
}

static void siommu_set_client(PCIBus *bus, void *opaque, int devfn,
                              const PCIATSClientOps *ops, void *dev)
{
    SvaTestIommu *s = opaque;

    s->client = ops;
    s->client_dev = dev;
}

static void siommu_inv_done(PCIBus *bus, void *opaque, int devfn,
                            uint16_t itag)
{
    SvaTestIommu *s = opaque;

    s->inv_done |= BIT_ULL(itag);
}

static void siommu_held_done(PCIBus *bus, void *opaque, int devfn)
{
    SvaTestIommu *s = opaque;

    s->held_done++;
}

static const PCIIOMMUOps siommu_ops = {
    .get_address_space = siommu_get_address_space,
    .pasid_translate = siommu_translate,
    .stall_cancel = siommu_stall_cancel,
    .pri_request_page = siommu_request_page,
    .set_ats_client = siommu_set_client,
    .ats_inv_done = siommu_inv_done,
    .held_done = siommu_held_done,
};

/* What the test asks */

static void siommu_resume(SvaTestIommu *s, PasidStallResp resp)
{
    PasidStall *stall = s->stall;

    s->stall = NULL;
    if (stall) {
        stall->resume(stall, resp);
    }
}

static void siommu_respond(SvaTestIommu *s, uint64_t val)
{
    if (s->client) {
        s->client->prg_response(s->client_dev, extract64(val, 0, 32),
                                extract64(val, 32, 16), extract64(val, 48, 4));
    }
}

static void siommu_invalidate(SvaTestIommu *s, uint64_t val)
{
    uint16_t itag = extract64(val, 32, 5);

    if (s->client &&
        s->client->invalidate(s->client_dev, itag, extract64(val, 0, 32),
                              val >> 63, s->inv_addr, s->inv_mask)) {
        s->inv_done |= BIT_ULL(itag);
    }
}

static uint64_t *siommu_page_reg(SvaTestIommu *s, hwaddr addr)
{
    SvaIommuPage *p = &s->page[addr / SVA_IOMMU_PAGE(1)];

    switch (addr % SVA_IOMMU_PAGE(1)) {
    case SVA_IOMMU_VA:
        return &p->va;
    case SVA_IOMMU_PA:
        return &p->pa;
    case SVA_IOMMU_PASID:
        return &p->pasid;
    default:
        return &p->perm;
    }
}

static uint64_t siommu_read(void *opaque, hwaddr addr, unsigned int size)
{
    SvaTestIommu *s = opaque;

    if (addr < SVA_IOMMU_PAGE(SVA_IOMMU_MAX_PAGES)) {
        return *siommu_page_reg(s, addr);
    }
    switch (addr) {
    case SVA_IOMMU_MISS:
        return s->miss;
    case SVA_IOMMU_STALL:
        return s->stall != NULL;
    case SVA_IOMMU_PR_COUNT:
        return s->pr_count;
    case SVA_IOMMU_PR_ADDR:
        return s->pr_addr;
    case SVA_IOMMU_PR_ID:
        return s->pr_id;
    case SVA_IOMMU_INV_DONE:
        return s->inv_done;
    case SVA_IOMMU_HELD:
        return s->client && s->client->held(s->client_dev);
    case SVA_IOMMU_HELD_DONE:
        return s->held_done;
    default:
        return 0;
    }
}

static void siommu_write(void *opaque, hwaddr addr, uint64_t val,
                         unsigned int size)
{
    SvaTestIommu *s = opaque;

    if (addr < SVA_IOMMU_PAGE(SVA_IOMMU_MAX_PAGES)) {
        *siommu_page_reg(s, addr) = val;
        return;
    }
    switch (addr) {
    case SVA_IOMMU_MISS:
        s->miss = val;
        break;
    case SVA_IOMMU_STALL:
        siommu_resume(s, val);
        break;
    case SVA_IOMMU_PRG_RESPONSE:
        siommu_respond(s, val);
        break;
    case SVA_IOMMU_INV_ADDR:
        s->inv_addr = val;
        break;
    case SVA_IOMMU_INV_MASK:
        s->inv_mask = val;
        break;
    case SVA_IOMMU_INV_ID:
        siommu_invalidate(s, val);
        break;
    case SVA_IOMMU_INV_DONE:
        s->inv_done &= ~val;
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "sva-test-iommu: no register to write "
                      "at 0x%" HWADDR_PRIx "\n", addr);
        break;
    }
}

static const MemoryRegionOps siommu_mmio_ops = {
    .read = siommu_read,
    .write = siommu_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 8,
        .max_access_size = 8,
    },
    .impl = {
        .min_access_size = 8,
        .max_access_size = 8,
    },
};

static void siommu_realize(PCIDevice *pdev, Error **errp)
{
    SvaTestIommu *s = SVA_TEST_IOMMU(pdev);

    s->miss = PASID_XL_ABORT;
    memory_region_init_io(&s->mmio, OBJECT(s), &siommu_mmio_ops, s,
                          "sva-test-iommu", SVA_IOMMU_BAR_SIZE);
    pci_register_bar(pdev, 0, 0, &s->mmio);
    pci_setup_iommu(pci_get_bus(pdev), &siommu_ops, s);
}

static const VMStateDescription siommu_vmstate = {
    .name = TYPE_SVA_TEST_IOMMU,
    .unmigratable = 1,
};

static void siommu_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);

    pc->realize = siommu_realize;
    pc->vendor_id = PCI_VENDOR_ID_QEMU;
    pc->device_id = SVA_IOMMU_DEVICE_ID;
    pc->class_id = PCI_CLASS_OTHERS;
    dc->desc = "scripted IOMMU for tests of PASID, ATS and PRI";
    dc->vmsd = &siommu_vmstate;
    /* The bus cannot be left without it again */
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo siommu_info = {
    .name = TYPE_SVA_TEST_IOMMU,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(SvaTestIommu),
    .class_init = siommu_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { }
    },
};

static void siommu_register_types(void)
{
    type_register_static(&siommu_info);
}

type_init(siommu_register_types)
