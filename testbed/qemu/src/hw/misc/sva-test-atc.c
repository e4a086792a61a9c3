/*
 * Address translation cache of the SVA test device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * First in, first out, so that an entry stays for as long as the size allows:
 * an IOMMU driver that forgets an invalidation shall not get away with it.
 */

#include "qemu/osdep.h"
#include "qemu/queue.h"
#include "qemu/xxhash.h"
#include "sva-test-atc.h"

#define ATC_PAGE_MASK (~(hwaddr)0xfff)

typedef struct SvaAtcEntry SvaAtcEntry;
struct SvaAtcEntry {
    SvaAtcTag tag;
    hwaddr va;
    hwaddr pa;
    IOMMUAccessFlags perm;
    QTAILQ_ENTRY(SvaAtcEntry) next;
};

struct SvaAtc {
    unsigned int size;
    GHashTable *entries;        /* each its own key */
    QTAILQ_HEAD(, SvaAtcEntry) fifo;
};

static guint atc_hash(gconstpointer p)
{
    const SvaAtcEntry *e = p;

    return qemu_xxhash4(e->va, e->tag.pasid) + e->tag.priv + 2 * e->tag.exec;
}

static gboolean atc_equal(gconstpointer a, gconstpointer b)
{
    const SvaAtcEntry *x = a, *y = b;

    return x->va == y->va && x->tag.pasid == y->tag.pasid &&
           x->tag.priv == y->tag.priv && x->tag.exec == y->tag.exec;
}

static SvaAtcEntry *atc_find(SvaAtc *atc, const SvaAtcTag *tag, hwaddr va)
{
    SvaAtcEntry key = { .tag = *tag, .va = va & ATC_PAGE_MASK };

    return g_hash_table_lookup(atc->entries, &key);
}

static void atc_remove(SvaAtc *atc, SvaAtcEntry *e)
{
    QTAILQ_REMOVE(&atc->fifo, e, next);
    g_hash_table_remove(atc->entries, e);
    g_free(e);
}

static void atc_shrink(SvaAtc *atc, unsigned int size)
{
    while (sva_atc_used(atc) > size) {
        atc_remove(atc, QTAILQ_FIRST(&atc->fifo));
    }
}

SvaAtc *sva_atc_new(unsigned int size)
{
    SvaAtc *atc = g_new0(SvaAtc, 1);

    atc->size = size;
    atc->entries = g_hash_table_new(atc_hash, atc_equal);
    QTAILQ_INIT(&atc->fifo);
    return atc;
}

void sva_atc_free(SvaAtc *atc)
{
    sva_atc_flush(atc);
    g_hash_table_destroy(atc->entries);
    g_free(atc);
}

void sva_atc_resize(SvaAtc *atc, unsigned int size)
{
    atc->size = size;
    atc_shrink(atc, size);
}

unsigned int sva_atc_size(const SvaAtc *atc)
{
    return atc->size;
}

unsigned int sva_atc_used(const SvaAtc *atc)
{
    return g_hash_table_size(atc->entries);
}

void sva_atc_insert(SvaAtc *atc, const SvaAtcTag *tag, hwaddr va, hwaddr pa,
                    IOMMUAccessFlags perm)
{
    SvaAtcEntry *e = atc_find(atc, tag, va);

    if (!e) {
        atc_shrink(atc, atc->size - 1);
        e = g_new0(SvaAtcEntry, 1);
        e->tag = *tag;
        e->va = va & ATC_PAGE_MASK;
        QTAILQ_INSERT_TAIL(&atc->fifo, e, next);
        g_hash_table_add(atc->entries, e);
    }
    e->pa = pa & ATC_PAGE_MASK;
    e->perm = perm;
}

bool sva_atc_lookup(SvaAtc *atc, const SvaAtcTag *tag, hwaddr va, hwaddr *pa,
                    IOMMUAccessFlags *perm)
{
    SvaAtcEntry *e = atc_find(atc, tag, va);

    if (!e) {
        return false;
    }
    *pa = e->pa | (va & ~ATC_PAGE_MASK);
    *perm = e->perm;
    return true;
}

unsigned int sva_atc_invalidate(SvaAtc *atc, uint32_t pasid, bool any_pasid,
                                hwaddr addr, hwaddr mask)
{
    SvaAtcEntry *e, *tmp;
    unsigned int n = 0;

    QTAILQ_FOREACH_SAFE(e, &atc->fifo, next, tmp) {
        if ((any_pasid || e->tag.pasid == pasid) &&
            !((e->va ^ addr) & ~mask & ATC_PAGE_MASK)) {
            atc_remove(atc, e);
            n++;
        }
    }
    return n;
}

void sva_atc_flush(SvaAtc *atc)
{
    atc_shrink(atc, 0);
}
