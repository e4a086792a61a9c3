/*
 * SMMUv3: stalled transactions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A transaction that stalls is in one of three states [SMMU 3.12.2, 7.2.1]:
 *
 *  recorded    there is an event with its STAG, which nothing else uses until
 *              CMD_RESUME, CMD_STALL_TERM or SMMUEN == 0 give it back
 *  duplicate   waits for a recorded one of the same kind, has no event of its
 *              own and is retried when that one is resumed
 *  unrecorded  no STAG is free or the event queue is not writable; retried as
 *              though it had just arrived as soon as that changes
 *
 * All of this is protected by the BQL: transactions that can stall come from
 * PCI functions that hold it (see hw/pci/pci_pasid.h).
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "trace.h"
#include "hw/arm/smmuv3.h"
#include "smmuv3-internal.h"

struct SMMUv3Stall {
    QTAILQ_ENTRY(SMMUv3Stall) next;
    SMMUv3StallKind kind;
    uint32_t sid;
    SMMUTxn txn;
    uint16_t stag;          /* recorded ones only */
    PasidStall *client;     /* NULL: the function has forgotten it */
};

void smmuv3_stall_init(SMMUv3State *s)
{
    QTAILQ_INIT(&s->stalls);
    s->stags = bitmap_new(s->stall_max);
}

/* STAGs are handed out in turn, so that a stale CMD_RESUME hits nothing */
static bool smmuv3_stag_alloc(SMMUv3State *s, uint16_t *stag)
{
    unsigned long nr = find_next_zero_bit(s->stags, s->stall_max, s->next_stag);

    if (nr >= s->stall_max) {
        nr = find_first_zero_bit(s->stags, s->stall_max);
    }
    if (nr >= s->stall_max) {
        return false;
    }
    set_bit(nr, s->stags);
    s->next_stag = nr + 1;
    *stag = nr;
    return true;
}

/* Would the event for @txn be a duplicate of the one for @stall? 3.12.2.1 */
static bool smmuv3_stall_matches(const SMMUv3Stall *stall, uint32_t sid,
                                 const SMMUTxn *txn)
{
    return stall->sid == sid && stall->txn.ssid == txn->ssid &&
           stall->txn.addr >> 12 == txn->addr >> 12 &&
           stall->txn.acc.flag == txn->acc.flag &&
           stall->txn.acc.priv == txn->acc.priv &&
           stall->txn.acc.exec == txn->acc.exec;
}

static bool smmuv3_stall_is_duplicate(SMMUv3State *s, uint32_t sid,
                                      const SMMUTxn *txn)
{
    SMMUv3Stall *stall;

    if (!s->suppress_duplicates) {
        return false;
    }
    QTAILQ_FOREACH(stall, &s->stalls, next) {
        if (stall->kind == STALL_RECORDED && stall->client &&
            smmuv3_stall_matches(stall, sid, txn)) {
            return true;
        }
    }
    return false;
}

/* Returns true if there is an event for @event's transaction now */
static bool smmuv3_stall_record(SMMUv3State *s, SMMUEventInfo *event,
                                uint16_t *stag)
{
    if (!smmuv3_eventq_writable(s) || !smmuv3_stag_alloc(s, stag)) {
        return false;
    }
    event->u.f_walk_eabt.stall = true;
    event->u.f_walk_eabt.stag = *stag;
    if (!smmuv3_record_event(s, event)) {
        clear_bit(*stag, s->stags);
        return false;
    }
    return true;
}

void smmuv3_stall(SMMUv3State *s, const SMMUTxn *txn, SMMUEventInfo *event,
                  PasidStall *client)
{
    SMMUv3Stall *stall = g_new0(SMMUv3Stall, 1);

    stall->sid = event->sid;
    stall->txn = *txn;
    stall->client = client;
    if (smmuv3_stall_is_duplicate(s, event->sid, txn)) {
        stall->kind = STALL_DUPLICATE;
    } else if (smmuv3_stall_record(s, event, &stall->stag)) {
        stall->kind = STALL_RECORDED;
    } else {
        stall->kind = STALL_UNRECORDED;
    }
    QTAILQ_INSERT_TAIL(&s->stalls, stall, next);
    s->nr_stalls[stall->kind]++;
    trace_smmuv3_stall(event->sid, txn->ssid, txn->addr, stall->kind,
                       stall->stag);
}

/* The transaction is not stalled any more, and its STAG is free again */
static void smmuv3_stall_end(SMMUv3State *s, SMMUv3Stall *stall,
                             PasidStallResp resp)
{
    trace_smmuv3_stall_end(stall->sid, stall->txn.ssid, stall->txn.addr,
                           stall->kind, stall->stag, resp);
    QTAILQ_REMOVE(&s->stalls, stall, next);
    if (stall->kind == STALL_RECORDED) {
        clear_bit(stall->stag, s->stags);
    }
    if (stall->client) {
        stall->client->resume(stall->client, resp);
    }
    g_free(stall);
}

/* Whenever a STAG or room in the event queue may have become free */
void smmuv3_stall_retry_unrecorded(SMMUv3State *s)
{
    SMMUv3Stall *stall, *tmp;

    if (!smmuv3_eventq_writable(s)) {
        return;
    }
    QTAILQ_FOREACH_SAFE(stall, &s->stalls, next, tmp) {
        if (stall->kind == STALL_UNRECORDED) {
            smmuv3_stall_end(s, stall, PASID_STALL_RETRY);
        }
    }
}

static SMMUv3Stall *smmuv3_stall_find(SMMUv3State *s, uint32_t sid,
                                      uint16_t stag)
{
    SMMUv3Stall *stall;

    QTAILQ_FOREACH(stall, &s->stalls, next) {
        if (stall->kind == STALL_RECORDED && stall->sid == sid &&
            stall->stag == stag) {
            return stall;
        }
    }
    return NULL;
}

/* CMD_RESUME; has no effect unless @sid and @stag belong together [4.7.1] */
void smmuv3_stall_resume(SMMUv3State *s, uint32_t sid, uint16_t stag,
                         PasidStallResp resp)
{
    SMMUv3Stall *stall = smmuv3_stall_find(s, sid, stag);
    SMMUv3Stall *other, *tmp;
    SMMUTxn txn;

    if (!stall) {
        return;
    }
    txn = stall->txn;
    smmuv3_stall_end(s, stall, resp);
    QTAILQ_FOREACH_SAFE(other, &s->stalls, next, tmp) {
        if (other->kind == STALL_DUPLICATE &&
            smmuv3_stall_matches(other, sid, &txn)) {
            smmuv3_stall_end(s, other, PASID_STALL_RETRY);
        }
    }
    smmuv3_stall_retry_unrecorded(s);
}

/* CMD_STALL_TERM: abort all that is stalled in the stream [4.7.2] */
void smmuv3_stall_term(SMMUv3State *s, uint32_t sid)
{
    SMMUv3Stall *stall, *tmp;

    QTAILQ_FOREACH_SAFE(stall, &s->stalls, next, tmp) {
        if (stall->sid == sid) {
            smmuv3_stall_end(s, stall, PASID_STALL_ABORT);
        }
    }
    smmuv3_stall_retry_unrecorded(s);
}

/* SMMUEN 1 -> 0 and reset: abort everything [6.3.9.6] */
void smmuv3_stall_term_all(SMMUv3State *s)
{
    SMMUv3Stall *stall, *tmp;

    QTAILQ_FOREACH_SAFE(stall, &s->stalls, next, tmp) {
        smmuv3_stall_end(s, stall, PASID_STALL_ABORT);
    }
}

/* A recorded stall keeps its STAG, the guest is going to answer the event */
void smmuv3_stall_cancel(SMMUv3State *s, PasidStall *client)
{
    SMMUv3Stall *stall, *tmp;

    QTAILQ_FOREACH_SAFE(stall, &s->stalls, next, tmp) {
        if (stall->client != client) {
            continue;
        }
        stall->client = NULL;
        if (stall->kind != STALL_RECORDED) {
            smmuv3_stall_end(s, stall, PASID_STALL_ABORT);
        }
    }
}
