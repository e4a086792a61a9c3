/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * User interface of the driver for QEMU's sva-test PCI function, which does DMA
 * tagged with a PASID. Test hardware: the driver taints the kernel.
 *
 * One open file of /dev/pci_sva_test<N> holds at most one bond between the
 * function and one address space, and any number of the function's queues. DMA
 * always carries the PASID of the file's bond, so it reaches the memory of the
 * bound address space and nothing else.
 *
 * Closing the file stops its queues, waits for them, then unbinds.
 *
 * What every request can fail with: EFAULT, a bad pointer; EINVAL, an unknown
 * flag, operation or parameter, a reserved member that is not 0, a queue that
 * does not exist, a value out of range; EPERM, CAP_SYS_RAWIO is missing; ENODEV,
 * the function is gone, or PCI resets it; ENOTTY, an unknown request. The rest is
 * said with each structure.
 */
#ifndef _UAPI_LINUX_PCI_SVA_TEST_H
#define _UAPI_LINUX_PCI_SVA_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct pci_sva_test_info - what the function is
 * @queues: number of queues
 * @caps: PCI_SVA_TEST_CAP_* bits
 * @pasid_bits: width of the PASIDs the function can send, 0 without a PASID
 *	capability
 * @features: PCI_SVA_TEST_FEAT_* bits, what the IOMMU driver has enabled
 */
struct pci_sva_test_info {
	__u32 queues;
	__u32 caps;
#define PCI_SVA_TEST_CAP_PASID		(1U << 0)
#define PCI_SVA_TEST_CAP_ATS		(1U << 1)
#define PCI_SVA_TEST_CAP_PRI		(1U << 2)
#define PCI_SVA_TEST_CAP_STALL		(1U << 3)
#define PCI_SVA_TEST_CAP_ATOMICS	(1U << 4)
#define PCI_SVA_TEST_CAP_PRIV		(1U << 5)
#define PCI_SVA_TEST_CAP_EXEC		(1U << 6)
	__u32 pasid_bits;
	__u32 features;
#define PCI_SVA_TEST_FEAT_IOPF		(1U << 0)
#define PCI_SVA_TEST_FEAT_SVA		(1U << 1)
};

/**
 * struct pci_sva_test_grab - remember an address space without using it
 * @pidfd: process whose address space to remember, -1 for the caller's
 * @__reserved: must be 0
 *
 * The file keeps the mm_struct (mmgrab()), not the address space, until it is
 * closed or the next grab: a later bind with PCI_SVA_TEST_BIND_GRABBED can ask
 * for the address space of a process that is exiting or gone. Needs the right to
 * ptrace the process.
 *
 * EBADF: @pidfd is no pidfd. EACCES: no right to ptrace. ESRCH: the process has
 * no address space any more.
 */
struct pci_sva_test_grab {
	__s32 pidfd;
	__u32 __reserved;
};

/**
 * struct pci_sva_test_bind - bind an address space
 * @pidfd: process whose address space to bind, -1 for the caller's. Another
 *	process's needs the right to ptrace it. Ignored (must be -1) with
 *	PCI_SVA_TEST_BIND_GRABBED
 * @flags: PCI_SVA_TEST_BIND_* bits
 * @pasid: returned, 0 on entry
 * @__reserved: must be 0
 *
 * PCI_SVA_TEST_BIND_GRABBED (CAP_SYS_RAWIO): bind what PCI_SVA_TEST_GRAB has
 * kept, without making sure that it still has users. The IOMMU driver has to
 * refuse it when it has none. A kernel that does not check, and stock 6.1 is one,
 * runs into a BUG_ON() of mmu_notifier_register().
 *
 * PCI_SVA_TEST_BIND_SUPERVISOR (CAP_SYS_RAWIO): ask for a bond with the kernel's
 * address space, in the way VT-d takes it (SVM_FLAG_SUPERVISOR_MODE, on x86
 * without an mm). A driver that knows no such bond ignores the wish.
 *
 * EBUSY: the file holds a bond. EBADF, EACCES, ESRCH: as for PCI_SVA_TEST_GRAB.
 * ENXIO: nothing grabbed. EOVERFLOW: the function cannot send that PASID. Errors
 * of iommu_sva_bind_device() are passed on, EOPNOTSUPP on x86 for one.
 */
struct pci_sva_test_bind {
	__s32 pidfd;
	__u32 flags;
#define PCI_SVA_TEST_BIND_GRABBED	(1U << 0)
#define PCI_SVA_TEST_BIND_SUPERVISOR	(1U << 1)
	__u32 pasid;
	__u32 __reserved;
};

/**
 * struct pci_sva_test_job - start a job on a queue
 * @queue: index, below pci_sva_test_info.queues
 * @op: PCI_SVA_TEST_OP_*
 * @flags: PCI_SVA_TEST_JOB_* bits
 * @retry_limit: rounds of translate and page request for one page before the
 *	job gives up, 0 for the function's default
 * @src: where OP_READ, OP_COPY, OP_ATOMIC, OP_VERIFY and OP_TOUCH begin
 * @dst: where OP_WRITE and OP_COPY write
 * @len: bytes, not 0; an OP_NOP uses no address, hence all three must be 0
 * @imm: OP_WRITE, OP_VERIFY: value of the first 64-bit word, each next one is 8
 *	more; OP_ATOMIC: addend
 *
 * The queue belongs to the file from now on, until another file starts a job
 * there, which it can when this one has ended or has been stopped.
 *
 * EINVAL: also an address range that wraps, an OP_ATOMIC that is not aligned to 8
 * bytes. EBUSY: a job runs on the queue, this file's or another's. ENXIO: the file
 * holds no bond. EOPNOTSUPP: the function lacks PCI_SVA_TEST_CAP_ATOMICS for an
 * OP_ATOMIC. What else it lacks, PCI_SVA_TEST_CAP_PRIV and PCI_SVA_TEST_CAP_EXEC,
 * it says itself with PCI_SVA_TEST_RES_UNSUPPORTED.
 */
struct pci_sva_test_job {
	__u32 queue;
	__u32 op;
#define PCI_SVA_TEST_OP_NOP		0
#define PCI_SVA_TEST_OP_READ		1
#define PCI_SVA_TEST_OP_WRITE		2
#define PCI_SVA_TEST_OP_COPY		3
#define PCI_SVA_TEST_OP_ATOMIC		4
#define PCI_SVA_TEST_OP_VERIFY		5
#define PCI_SVA_TEST_OP_TOUCH		6
	__u32 flags;
#define PCI_SVA_TEST_JOB_LOOP		(1U << 0)	/* until stopped */
#define PCI_SVA_TEST_JOB_UNTRANSLATED	(1U << 1)	/* never use ATS */
#define PCI_SVA_TEST_JOB_NO_PRI		(1U << 2)	/* fail, not page-request */
#define PCI_SVA_TEST_JOB_GROUP		(1U << 3)	/* a range in one page request group */
#define PCI_SVA_TEST_JOB_CONT		(1U << 4)	/* count an abort, go on */
#define PCI_SVA_TEST_JOB_PRIV		(1U << 5)	/* privileged request, CAP_SYS_RAWIO */
#define PCI_SVA_TEST_JOB_EXEC		(1U << 6)	/* execute request */
	__u32 retry_limit;
	__u64 src;
	__u64 dst;
	__u64 len;
	__u64 imm;
};

/**
 * struct pci_sva_test_wait - state of a queue
 * @queue: index
 * @timeout_ms: how long to wait for the job to end; 0 only looks. When a signal
 *	comes in between it is set to what is left, so that the restarted call
 *	does not begin anew
 * @state: returned, PCI_SVA_TEST_STATE_*
 * @result: returned, PCI_SVA_TEST_RES_*, valid in PCI_SVA_TEST_STATE_IDLE
 * @done_bytes: returned, bytes moved by the job
 * @iterations: returned, rounds of a job with PCI_SVA_TEST_JOB_LOOP
 * @value: returned, sum of OP_READ, previous value of OP_ATOMIC, offset of the
 *	first difference of OP_VERIFY
 * @fault_addr: returned, address of the last fault
 * @fault_info: returned, raw FAULT_INFO register
 * @aborts: returned, transactions of this job that were aborted
 * @stalls: returned, transactions of this job that stalled
 *
 * That the time is up is no error, look at @state.
 *
 * EBUSY: the queue is another file's. ENXIO: this file has started no job there.
 * EINTR: a signal, with a handler that does not restart. EIO: the function says
 * what makes no sense.
 */
struct pci_sva_test_wait {
	__u32 queue;
	__u32 timeout_ms;
	__u32 state;
#define PCI_SVA_TEST_STATE_IDLE		0
#define PCI_SVA_TEST_STATE_RUN		1
#define PCI_SVA_TEST_STATE_WAIT_PRG	2
#define PCI_SVA_TEST_STATE_STALLED	3
#define PCI_SVA_TEST_STATE_STOPPING	4
#define PCI_SVA_TEST_STATE_DRAINING	5
	__u32 result;
#define PCI_SVA_TEST_RES_OK		0
#define PCI_SVA_TEST_RES_ABORT		1
#define PCI_SVA_TEST_RES_ATS_UR		2
#define PCI_SVA_TEST_RES_ATS_CA		3
#define PCI_SVA_TEST_RES_PRG_INVALID	4
#define PCI_SVA_TEST_RES_PRG_FAILURE	5
#define PCI_SVA_TEST_RES_RAZWI		6
#define PCI_SVA_TEST_RES_NOT_RAM	7
#define PCI_SVA_TEST_RES_STOPPED	8
#define PCI_SVA_TEST_RES_PRI_OFF	9
#define PCI_SVA_TEST_RES_BME_OFF	10
#define PCI_SVA_TEST_RES_MISALIGNED	11
#define PCI_SVA_TEST_RES_RETRY_LIMIT	12
#define PCI_SVA_TEST_RES_MISMATCH	13
#define PCI_SVA_TEST_RES_UNSUPPORTED	14
	__u64 done_bytes;
	__u64 iterations;
	__u64 value;
	__u64 fault_addr;
	__u64 fault_info;
	__u64 aborts;
	__u64 stalls;
};

/**
 * struct pci_sva_test_stop - stop the job on a queue
 * @queue: index
 * @timeout_ms: how long to wait for the function to acknowledge; 0 only asks
 *
 * Nothing happens to a job that has ended.
 *
 * EBUSY, ENXIO, EINTR, EIO: as for PCI_SVA_TEST_WAIT. ETIMEDOUT: asked, but not
 * acknowledged in time.
 */
struct pci_sva_test_stop {
	__u32 queue;
	__u32 timeout_ms;
};

/**
 * struct pci_sva_test_unbind - end the bond
 * @flags: PCI_SVA_TEST_UNBIND_* bits
 * @__reserved: must be 0
 *
 * Fails with EBUSY while a queue of the file runs, unless
 * PCI_SVA_TEST_UNBIND_DMA_RUNS tells the driver to behave like a bad driver and
 * end the bond under running DMA (CAP_SYS_RAWIO).
 *
 * ENXIO: the file holds no bond.
 */
struct pci_sva_test_unbind {
	__u32 flags;
#define PCI_SVA_TEST_UNBIND_DMA_RUNS	(1U << 0)
	__u32 __reserved;
};

/**
 * struct pci_sva_test_param - a knob of the function
 * @param: PCI_SVA_TEST_PARAM_*
 * @__reserved: must be 0
 * @value: ns, entries or bits
 *
 * Knobs belong to the function, not to the file, hence CAP_SYS_RAWIO.
 */
struct pci_sva_test_param {
	__u32 param;
#define PCI_SVA_TEST_PARAM_STOP_LATENCY	0	/* ns, at most 60 s */
#define PCI_SVA_TEST_PARAM_CHUNK_NS	1	/* ns per chunk of DMA, 100 ns to 1 s */
#define PCI_SVA_TEST_PARAM_INV_DELAY	2	/* ns, at most 60 s */
#define PCI_SVA_TEST_PARAM_HOLD_NS	3	/* ns, at most 1 s */
#define PCI_SVA_TEST_PARAM_ATC_SIZE	4	/* entries, 1 to 65536 */
#define PCI_SVA_TEST_PARAM_MISBEHAVE	5	/* PCI_SVA_TEST_BAD_* bits */
	__u32 __reserved;
	__u64 value;
#define PCI_SVA_TEST_BAD_INV_IGNORED	(1U << 0)
#define PCI_SVA_TEST_BAD_INV_NEVER	(1U << 1)
#define PCI_SVA_TEST_BAD_INV_LATE	(1U << 2)
#define PCI_SVA_TEST_BAD_DMA_AFTER_STOP	(1U << 3)
#define PCI_SVA_TEST_BAD_PRG_IGNORED	(1U << 4)
#define PCI_SVA_TEST_BAD_PRG_NO_LAST	(1U << 5)
#define PCI_SVA_TEST_BAD_PRI_ALLOC	(1U << 6)
#define PCI_SVA_TEST_BAD_PASID_PLUS_1	(1U << 7)
#define PCI_SVA_TEST_BAD_PRG_TWICE	(1U << 8)
#define PCI_SVA_TEST_BAD_ATC_WRITE	(1U << 9)
#define PCI_SVA_TEST_BAD_STOP_MARKER	(1U << 10)
};

/**
 * struct pci_sva_test_close - how close() treats DMA that runs
 * @flags: PCI_SVA_TEST_CLOSE_* bits
 * @__reserved: must be 0
 *
 * PCI_SVA_TEST_CLOSE_DMA_RUNS (CAP_SYS_RAWIO): close() unbinds and never stops
 * the queues, as a bad driver would. They run until PCI_SVA_TEST_RESET.
 */
struct pci_sva_test_close {
	__u32 flags;
#define PCI_SVA_TEST_CLOSE_DMA_RUNS	(1U << 0)
	__u32 __reserved;
};

/**
 * struct pci_sva_test_counters - what the function has done since its last reset
 * @trans_req: ATS translation requests
 * @trans_ok: of those, answered with a translation
 * @trans_denied: of those, answered with success and R=W=0
 * @trans_ur_ca: of those, answered with an error
 * @atc_hit: lookups that the ATC could answer
 * @atc_miss: lookups that it could not answer
 * @page_req: page requests
 * @prg_success: page request groups answered with success
 * @prg_invalid: page request groups answered with invalid request
 * @prg_failure: page request groups answered with failure
 * @stalls: transactions that stalled
 * @stall_retry: of those, to be retried
 * @stall_abort: of those, aborted
 * @stall_razwi: of those, ended with RAZ/WI
 * @aborts: aborted transactions
 * @inv: ATC invalidations received
 * @inv_pasid: of those, for one PASID
 * @inv_global: of those, for all PASIDs
 * @inv_removed: ATC entries removed
 * @bytes_read: bytes read
 * @bytes_written: bytes written
 * @atomics: atomic operations
 * @after_stop_req: chunks done after a stop was requested
 * @after_stop_ack: chunks done after it was acknowledged: a bug
 * @bad_response: page request group responses to no request
 * @interrupts: interrupts sent
 *
 * Every member counts from the last reset of the function or the last
 * PCI_SVA_TEST_RESET.
 */
struct pci_sva_test_counters {
	__u64 trans_req;
	__u64 trans_ok;
	__u64 trans_denied;
	__u64 trans_ur_ca;
	__u64 atc_hit;
	__u64 atc_miss;
	__u64 page_req;
	__u64 prg_success;
	__u64 prg_invalid;
	__u64 prg_failure;
	__u64 stalls;
	__u64 stall_retry;
	__u64 stall_abort;
	__u64 stall_razwi;
	__u64 aborts;
	__u64 inv;
	__u64 inv_pasid;
	__u64 inv_global;
	__u64 inv_removed;
	__u64 bytes_read;
	__u64 bytes_written;
	__u64 atomics;
	__u64 after_stop_req;
	__u64 after_stop_ack;
	__u64 bad_response;
	__u64 interrupts;
};

#define PCI_SVA_TEST_IOC		0xb9

#define PCI_SVA_TEST_INFO	_IOR(PCI_SVA_TEST_IOC, 0, struct pci_sva_test_info)
#define PCI_SVA_TEST_GRAB	_IOW(PCI_SVA_TEST_IOC, 1, struct pci_sva_test_grab)
#define PCI_SVA_TEST_BIND	_IOWR(PCI_SVA_TEST_IOC, 2, struct pci_sva_test_bind)
#define PCI_SVA_TEST_UNBIND	_IOW(PCI_SVA_TEST_IOC, 3, struct pci_sva_test_unbind)
#define PCI_SVA_TEST_START	_IOW(PCI_SVA_TEST_IOC, 4, struct pci_sva_test_job)
#define PCI_SVA_TEST_WAIT	_IOWR(PCI_SVA_TEST_IOC, 5, struct pci_sva_test_wait)
#define PCI_SVA_TEST_STOP	_IOW(PCI_SVA_TEST_IOC, 6, struct pci_sva_test_stop)
#define PCI_SVA_TEST_COUNTERS	_IOR(PCI_SVA_TEST_IOC, 7, struct pci_sva_test_counters)
#define PCI_SVA_TEST_SET	_IOW(PCI_SVA_TEST_IOC, 8, struct pci_sva_test_param)
#define PCI_SVA_TEST_CLOSE	_IOW(PCI_SVA_TEST_IOC, 9, struct pci_sva_test_close)
/*
 * Stop every queue of the function, of every file, and clear the counters and
 * the knobs (CAP_SYS_RAWIO). Bonds stay.
 */
#define PCI_SVA_TEST_RESET	_IO(PCI_SVA_TEST_IOC, 10)

#endif /* _UAPI_LINUX_PCI_SVA_TEST_H */
