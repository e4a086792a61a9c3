/*
 * Address translation cache of the SVA test device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_MISC_SVA_TEST_ATC_H
#define HW_MISC_SVA_TEST_ATC_H

#include "exec/memory.h"

typedef struct SvaAtc SvaAtc;

/* Who asks: entries serve only requests of the same kind */
typedef struct SvaAtcTag {
    uint32_t pasid;
    bool priv;
    bool exec;
} SvaAtcTag;

SvaAtc *sva_atc_new(unsigned int size);
void sva_atc_free(SvaAtc *atc);

/* Evicts the oldest entries if there are more than @size */
void sva_atc_resize(SvaAtc *atc, unsigned int size);
unsigned int sva_atc_size(const SvaAtc *atc);
unsigned int sva_atc_used(const SvaAtc *atc);

/* Caches 4 KiB around @va, whatever the size of the page behind it */
void sva_atc_insert(SvaAtc *atc, const SvaAtcTag *tag, hwaddr va, hwaddr pa,
                    IOMMUAccessFlags perm);
bool sva_atc_lookup(SvaAtc *atc, const SvaAtcTag *tag, hwaddr va, hwaddr *pa,
                    IOMMUAccessFlags *perm);

/*
 * Removes the entries of @pasid (of all if @any_pasid) in the range around
 * @addr of size @mask + 1; returns how many there were.
 */
unsigned int sva_atc_invalidate(SvaAtc *atc, uint32_t pasid, bool any_pasid,
                                hwaddr addr, hwaddr mask);
void sva_atc_flush(SvaAtc *atc);

#endif
