/*
 * SMMUv3: invalidations that take effect late and out of order
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "A TLB or structure invalidation command has no explicit ordering against
 * prior or subsequent non-CMD_SYNC commands" [SMMU 4.7.3]: all that a guest may
 * rely on is that an invalidation has taken effect when a later CMD_SYNC is
 * complete. And an SMMU may read any reachable structure and walk any table at
 * any time, for any reason, and cache what it found [3.21.1, 3.21.3].
 *
 * With x-lazy-inv the model makes use of that in the way that is worst for a
 * guest that relies on more. Invalidations are collected until the CMD_SYNC,
 * transactions in the meantime use what is still cached. Then they take effect
 * one by one, and after each but the last the SMMU repeats the look-ups of the
 * most recent translations, as a prefetcher might, with what the caches hold
 * at that moment. Thus the batch
 *
 *     CMD_CFGI_CD, CMD_TLBI_NH_ASID, CMD_SYNC
 *
 * in which a CMD_SYNC is missing drops the TLB entries first, loads them again
 * through the context descriptor that is still cached, and only then drops
 * that: the TLB goes on translating for an address space that is gone. With a
 * CMD_SYNC between the two there is nothing that could load them.
 *
 *  reverse    the last command takes effect first
 *  tlb-first  the same, but all TLB before all configuration invalidations:
 *             finds the missing CMD_SYNC whichever way round the guest sends
 *             them
 *
 * The look-ups only take what any transaction could take: structures that are
 * valid and reachable, descriptors that are valid and accessed; they cause no
 * faults and no events.
 */

#include "qemu/osdep.h"
#include "trace.h"
#include "hw/arm/smmuv3.h"
#include "smmuv3-internal.h"

/* More than a guest sends without CMD_SYNC; taking effect early is allowed */
#define LAZY_MAX_PENDING 1024
#define LAZY_NR_RECENT 64

typedef enum SMMUv3LazyMode {
    LAZY_REVERSE,
    LAZY_TLB_FIRST,
} SMMUv3LazyMode;

struct SMMUv3Lazy {
    SMMUv3LazyMode mode;
    Cmd pending[LAZY_MAX_PENDING];
    int nr_pending;
    /* The most recent translations, a ring */
    struct {
        SMMUDevice *sdev;
        uint32_t ssid;
        hwaddr page;
    } recent[LAZY_NR_RECENT];
    int next_recent;
};

/* Returns false if @mode is unknown; *@lazy stays NULL for "off" */
bool smmuv3_lazy_new(const char *mode, SMMUv3Lazy **lazy)
{
    SMMUv3LazyMode m = LAZY_REVERSE;

    if (!mode || !strcmp(mode, "off")) {
        return true;
    }
    if (!strcmp(mode, "tlb-first")) {
        m = LAZY_TLB_FIRST;
    } else if (strcmp(mode, "on") && strcmp(mode, "reverse")) {
        return false;
    }
    *lazy = g_new0(SMMUv3Lazy, 1);
    (*lazy)->mode = m;
    return true;
}

void smmuv3_lazy_reset(SMMUv3Lazy *lazy)
{
    lazy->nr_pending = 0;
    memset(lazy->recent, 0, sizeof(lazy->recent));
}

/* A transaction of @sdev has been translated */
void smmuv3_lazy_used(SMMUv3Lazy *lazy, SMMUDevice *sdev, const SMMUTxn *txn)
{
    hwaddr page = txn->addr & ~(hwaddr)0xfff;

    for (int i = 0; i < LAZY_NR_RECENT; i++) {
        if (lazy->recent[i].sdev == sdev &&
            lazy->recent[i].ssid == txn->ssid &&
            lazy->recent[i].page == page) {
            return;
        }
    }
    lazy->recent[lazy->next_recent].sdev = sdev;
    lazy->recent[lazy->next_recent].ssid = txn->ssid;
    lazy->recent[lazy->next_recent].page = page;
    lazy->next_recent = (lazy->next_recent + 1) % LAZY_NR_RECENT;
}

static void smmuv3_lazy_repeat_lookups(SMMUv3Lazy *lazy)
{
    for (int i = 0; i < LAZY_NR_RECENT; i++) {
        if (lazy->recent[i].sdev) {
            smmuv3_prefetch(lazy->recent[i].sdev, lazy->recent[i].ssid,
                            lazy->recent[i].page);
        }
    }
}

/* Let those of one kind, TLB or configuration, or all of them take effect */
static void smmuv3_lazy_apply_some(SMMUv3State *s, bool tlb, bool cfg,
                                   int *left)
{
    SMMUv3Lazy *lazy = s->lazy;

    for (int i = lazy->nr_pending - 1; i >= 0; i--) {
        Cmd *cmd = &lazy->pending[i];

        if (smmuv3_cmd_is_cfgi(cmd) ? !cfg : !tlb) {
            continue;
        }
        trace_smmuv3_lazy_apply(smmu_cmd_string(CMD_TYPE(cmd)), i, *left);
        smmuv3_invalidate(s, cmd);
        if (--*left) {
            smmuv3_lazy_repeat_lookups(lazy);
        }
    }
}

/* At CMD_SYNC */
void smmuv3_lazy_apply(SMMUv3State *s)
{
    int left = s->lazy->nr_pending;

    if (s->lazy->mode == LAZY_TLB_FIRST) {
        smmuv3_lazy_apply_some(s, true, false, &left);
        smmuv3_lazy_apply_some(s, false, true, &left);
    } else {
        smmuv3_lazy_apply_some(s, true, true, &left);
    }
    s->lazy->nr_pending = 0;
}

void smmuv3_lazy_add(SMMUv3State *s, const Cmd *cmd)
{
    if (s->lazy->nr_pending == LAZY_MAX_PENDING) {
        smmuv3_lazy_apply(s);
    }
    s->lazy->pending[s->lazy->nr_pending++] = *cmd;
}
