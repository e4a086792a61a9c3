// SPDX-License-Identifier: GPL-2.0
/*
 * Driver for QEMU's sva-test PCI function, which does DMA tagged with a PASID.
 *
 * It binds address spaces to the function and lets user space run DMA there, in
 * order to test what the IOMMU layer does when address spaces change and die
 * under DMA. include/uapi/linux/pci_sva_test.h documents the user interface.
 *
 * Locks, outermost first:
 *
 *  sva_test_file::lock	the file's bond and grabbed mm. Held over bind and
 *			unbind, never over a copy from or to user space, nor over
 *			a wait for the function: remove() needs it.
 *  sva_test::lock	the registers, the owners of the queues, the list of files.
 */

#include <linux/array_size.h>
#include <linux/atomic.h>
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/capability.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/intel-svm.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iommu.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/panic.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/pid.h>
#include <linux/ptrace.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/time64.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include <uapi/linux/pci_sva_test.h>

#define SVA_TEST_VENDOR_ID		0x1234
#define SVA_TEST_DEVICE_ID		0x57a0

/* The first page of BAR 0 */
#define SVA_TEST_ID			0x000
#define   SVA_TEST_ID_MAGIC		0x53564131
#define SVA_TEST_NQ			0x004
#define   SVA_TEST_NQ_MAX		15
#define SVA_TEST_CAPS			0x008
#define SVA_TEST_CTRL			0x00c
#define   SVA_TEST_CTRL_ENABLE		BIT(0)
#define   SVA_TEST_CTRL_RESET		BIT(1)
#define SVA_TEST_MISBEHAVE		0x010
#define SVA_TEST_STOP_LATENCY		0x018
#define SVA_TEST_CHUNK_NS		0x020
#define SVA_TEST_INV_DELAY		0x028
#define SVA_TEST_HOLD_NS		0x030
#define SVA_TEST_ATC_SIZE		0x038
#define SVA_TEST_EVENT			0x048
#define   SVA_TEST_EVENT_PROTOCOL	BIT(2)
#define SVA_TEST_EVENT_MASK		0x04c

/* Page 1 + n is queue n's */
#define SVA_TEST_PAGE			0x1000
#define SVA_TEST_Q_CTRL			0x00
#define   SVA_TEST_Q_CTRL_GO		BIT(0)
#define   SVA_TEST_Q_CTRL_STOP		BIT(1)
#define   SVA_TEST_Q_CTRL_IRQ_EN	BIT(2)
#define SVA_TEST_Q_STATUS		0x04
#define   SVA_TEST_Q_STATUS_STATE	GENMASK(3, 0)
#define   SVA_TEST_Q_STATUS_RESULT	GENMASK(15, 8)
#define   SVA_TEST_Q_STATUS_DONE	BIT(31)
#define SVA_TEST_Q_PASID		0x08
#define   SVA_TEST_Q_PASID_VALID	BIT(31)
#define SVA_TEST_Q_OP			0x0c
#define   SVA_TEST_Q_OP_FLAGS		GENMASK(14, 8)
#define SVA_TEST_Q_SRC			0x10
#define SVA_TEST_Q_DST			0x18
#define SVA_TEST_Q_LEN			0x20
#define SVA_TEST_Q_IMM			0x28
#define SVA_TEST_Q_DONE_BYTES		0x30
#define SVA_TEST_Q_ITER			0x38
#define SVA_TEST_Q_RESULT		0x40
#define SVA_TEST_Q_FAULT_ADDR		0x48
#define SVA_TEST_Q_FAULT_INFO		0x50
#define SVA_TEST_Q_RETRY_LIMIT		0x58
#define   SVA_TEST_Q_RETRY_DEFAULT	16
#define SVA_TEST_Q_ABORTS		0x60
#define SVA_TEST_Q_STALLS		0x68

/* The user interface's flags are the register's, moved to bit 0 */
#define SVA_TEST_JOB_FLAGS \
	(PCI_SVA_TEST_JOB_LOOP | PCI_SVA_TEST_JOB_UNTRANSLATED | \
	 PCI_SVA_TEST_JOB_NO_PRI | PCI_SVA_TEST_JOB_GROUP | \
	 PCI_SVA_TEST_JOB_CONT | PCI_SVA_TEST_JOB_PRIV | PCI_SVA_TEST_JOB_EXEC)
static_assert(SVA_TEST_JOB_FLAGS << 8 == SVA_TEST_Q_OP_FLAGS);

#define SVA_TEST_BAD_ALL		GENMASK(10, 0)

/* How long close() gives the function, STOP_LATENCY aside, to stop its DMA */
#define SVA_TEST_STOP_LIMIT		(60 * HZ)

/* Interrupts wake whoever waits; look at the registers this often without one */
#define SVA_TEST_POLL			HZ

/**
 * struct sva_test - one function
 * @ref: probe() has one reference, each open file another
 * @pdev: the PCI device, not to be used once @gone
 * @regs: BAR 0
 * @misc: /dev/pci_sva_test<N>
 * @name: of @misc
 * @id: N
 * @info: what PCI_SVA_TEST_INFO answers
 * @wq: sleepers that wait for @events to change
 * @events: interrupts and other reasons to look at the registers again
 * @lock: see the top of this file
 * @closed: no requests are taken: remove() or a PCI reset is under way
 * @gone: @regs are no more
 * @files: open files, of struct sva_test_file
 * @owner: for each queue the file that has started a job there
 */
struct sva_test {
	struct kref ref;
	struct pci_dev *pdev;
	void __iomem *regs;
	struct miscdevice misc;
	char name[24];
	int id;
	struct pci_sva_test_info info;

	wait_queue_head_t wq;
	atomic_t events;

	struct mutex lock; /* registers, owners and files */
	bool closed;
	bool gone;
	struct list_head files;
	struct sva_test_file *owner[SVA_TEST_NQ_MAX];
};

/**
 * struct sva_test_file - an open file
 * @ref: the struct file has one reference, remove() takes another
 * @st: the function
 * @node: in sva_test::files
 * @lock: see the top of this file
 * @bond: what iommu_sva_bind_device() has returned, or NULL
 * @pasid: of @bond
 * @grabbed: address space kept by PCI_SVA_TEST_GRAB, or NULL
 * @leave_dma: close() does not stop the queues
 */
struct sva_test_file {
	struct kref ref;
	struct sva_test *st;
	struct list_head node;

	struct mutex lock; /* bond and grabbed mm */
	struct iommu_sva *bond;
	u32 pasid;
	struct mm_struct *grabbed;
	bool leave_dma;
};

static DEFINE_IDA(sva_test_ida);

static void sva_test_free(struct kref *ref)
{
	kfree(container_of(ref, struct sva_test, ref));
}

static void sva_test_put(void *data)
{
	struct sva_test *st = data;

	kref_put(&st->ref, sva_test_free);
}

static void sva_test_file_free(struct kref *ref)
{
	struct sva_test_file *file = container_of(ref, struct sva_test_file, ref);

	if (file->grabbed)
		mmdrop(file->grabbed);
	sva_test_put(file->st);
	kfree(file);
}

static void sva_test_file_put(struct sva_test_file *file)
{
	kref_put(&file->ref, sva_test_file_free);
}

/* The function */

static void __iomem *sva_test_queue_regs(struct sva_test *st, unsigned int queue)
{
	return st->regs + SVA_TEST_PAGE * (1 + queue);
}

/* Take the lock, unless there is no function that could do DMA */
static int sva_test_lock_hw(struct sva_test *st)
{
	mutex_lock(&st->lock);
	/* A function that has been unplugged reads as all ones */
	if (!st->gone && readl(st->regs + SVA_TEST_CTRL) == SVA_TEST_CTRL_ENABLE)
		return 0;

	mutex_unlock(&st->lock);
	return -ENODEV;
}

/* Take the lock for a request */
static int sva_test_lock(struct sva_test *st)
{
	int ret = sva_test_lock_hw(st);

	if (!ret && st->closed) {
		mutex_unlock(&st->lock);
		ret = -ENODEV;
	}
	return ret;
}

static void sva_test_wake(struct sva_test *st)
{
	atomic_inc(&st->events);
	wake_up_all(&st->wq);
}

static u32 sva_test_status(struct sva_test *st, unsigned int queue)
{
	return readl(sva_test_queue_regs(st, queue) + SVA_TEST_Q_STATUS);
}

static u32 sva_test_state(struct sva_test *st, unsigned int queue)
{
	return FIELD_GET(SVA_TEST_Q_STATUS_STATE, sva_test_status(st, queue));
}

static bool sva_test_runs(struct sva_test *st, unsigned int queue)
{
	return sva_test_state(st, queue) != PCI_SVA_TEST_STATE_IDLE;
}

static bool sva_test_file_runs(struct sva_test_file *file)
{
	struct sva_test *st = file->st;
	unsigned int q;

	for (q = 0; q < st->info.queues; q++) {
		if (st->owner[q] == file && sva_test_runs(st, q))
			return true;
	}
	return false;
}

static void sva_test_ask_stop(struct sva_test *st, unsigned int queue)
{
	writel(SVA_TEST_Q_CTRL_STOP | SVA_TEST_Q_CTRL_IRQ_EN,
	       sva_test_queue_regs(st, queue) + SVA_TEST_Q_CTRL);
}

/* End all DMA at once, clear counters and knobs, leave the function disabled */
static void sva_test_hw_stop(struct sva_test *st)
{
	writel(SVA_TEST_CTRL_RESET, st->regs + SVA_TEST_CTRL);
	/* MMIO writes are posted: DMA has ended when this returns */
	readl(st->regs + SVA_TEST_CTRL);
}

static void sva_test_hw_start(struct sva_test *st)
{
	sva_test_hw_stop(st);
	writel(SVA_TEST_EVENT_PROTOCOL, st->regs + SVA_TEST_EVENT_MASK);
	writel(SVA_TEST_CTRL_ENABLE, st->regs + SVA_TEST_CTRL);
}

static irqreturn_t sva_test_queue_irq(int irq, void *data)
{
	sva_test_wake(data);
	return IRQ_HANDLED;
}

static irqreturn_t sva_test_event_irq(int irq, void *data)
{
	struct sva_test *st = data;

	writel(SVA_TEST_EVENT_PROTOCOL, st->regs + SVA_TEST_EVENT);
	dev_err_ratelimited(&st->pdev->dev, "bug: job started on a busy queue\n");
	return IRQ_HANDLED;
}

/* Address spaces and bonds */

/* The caller drops the result with mmput() */
static struct mm_struct *sva_test_get_mm(int pidfd)
{
	struct task_struct *task;
	struct mm_struct *mm;
	unsigned int flags;

	if (pidfd == -1) {
		mm = get_task_mm(current);
		return mm ?: ERR_PTR(-ESRCH);
	}

	task = pidfd_get_task(pidfd, &flags);
	if (IS_ERR(task))
		return ERR_CAST(task);

	mm = mm_access(task, PTRACE_MODE_ATTACH_REALCREDS);
	put_task_struct(task);
	return mm;
}

static long sva_test_grab(struct sva_test_file *file, void __user *argp)
{
	struct pci_sva_test_grab arg;
	struct mm_struct *mm, *old;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.__reserved)
		return -EINVAL;

	mm = sva_test_get_mm(arg.pidfd);
	if (IS_ERR(mm))
		return PTR_ERR(mm);

	mmgrab(mm);
	mutex_lock(&file->lock);
	old = file->grabbed;
	file->grabbed = mm;
	mutex_unlock(&file->lock);

	if (old)
		mmdrop(old);
	mmput(mm);
	return 0;
}

/* VT-d takes such a request only without an mm, SMMUv3 looks at the mm alone */
static struct iommu_sva *sva_test_bind_supervisor(struct device *dev,
						  struct mm_struct *mm)
{
	unsigned int flags = SVM_FLAG_SUPERVISOR_MODE;

	return iommu_sva_bind_device(dev, IS_ENABLED(CONFIG_X86) ? NULL : mm,
				     &flags);
}

static int sva_test_new_bond(struct sva_test_file *file, struct mm_struct *mm,
			     bool supervisor)
{
	struct sva_test *st = file->st;
	struct device *dev = &st->pdev->dev;
	struct iommu_sva *bond;
	u32 pasid;

	bond = supervisor ? sva_test_bind_supervisor(dev, mm) :
			    iommu_sva_bind_device(dev, mm, NULL);
	if (IS_ERR(bond))
		return PTR_ERR(bond);

	pasid = iommu_sva_get_pasid(bond);
	if (pasid == IOMMU_PASID_INVALID || pasid >> st->info.pasid_bits) {
		iommu_sva_unbind_device(bond);
		return -EOVERFLOW;
	}

	file->bond = bond;
	file->pasid = pasid;
	return 0;
}

static void sva_test_end_bond(struct sva_test_file *file)
{
	if (!file->bond)
		return;

	iommu_sva_unbind_device(file->bond);
	file->bond = NULL;
}

/* @mm is NULL in order to bind what has been grabbed */
static int sva_test_bind_mm(struct sva_test_file *file, struct mm_struct *mm,
			    struct pci_sva_test_bind *arg)
{
	int ret;

	mutex_lock(&file->lock);
	if (!mm)
		mm = file->grabbed;

	if (READ_ONCE(file->st->closed))
		ret = -ENODEV;
	else if (file->bond)
		ret = -EBUSY;
	else if (!mm)
		ret = -ENXIO;
	else
		ret = sva_test_new_bond(file, mm,
					arg->flags & PCI_SVA_TEST_BIND_SUPERVISOR);
	arg->pasid = file->pasid;
	mutex_unlock(&file->lock);
	return ret;
}

static long sva_test_bind(struct sva_test_file *file, void __user *argp)
{
	struct pci_sva_test_bind __user *uarg = argp;
	struct pci_sva_test_bind arg;
	struct mm_struct *mm = NULL;
	bool grabbed;
	int ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.pasid || arg.__reserved ||
	    (arg.flags & ~(PCI_SVA_TEST_BIND_GRABBED |
			   PCI_SVA_TEST_BIND_SUPERVISOR)))
		return -EINVAL;
	grabbed = arg.flags & PCI_SVA_TEST_BIND_GRABBED;
	if (grabbed && arg.pidfd != -1)
		return -EINVAL;
	if (arg.flags && !capable(CAP_SYS_RAWIO))
		return -EPERM;
	/* Before there is a bond that nobody has been told of */
	if (put_user(0, &uarg->pasid))
		return -EFAULT;

	if (!grabbed) {
		mm = sva_test_get_mm(arg.pidfd);
		if (IS_ERR(mm))
			return PTR_ERR(mm);
	}
	ret = sva_test_bind_mm(file, mm, &arg);
	/* After the locks: it may be the last one, and then it calls release() */
	if (mm)
		mmput(mm);
	if (ret)
		return ret;

	return put_user(arg.pasid, &uarg->pasid);
}

static int sva_test_check_unbind(struct sva_test_file *file, bool dma_runs)
{
	struct sva_test *st = file->st;
	int ret;

	ret = sva_test_lock(st);
	if (ret)
		return ret;

	if (!file->bond)
		ret = -ENXIO;
	else if (!dma_runs && sva_test_file_runs(file))
		ret = -EBUSY;
	mutex_unlock(&st->lock);
	return ret;
}

static long sva_test_unbind(struct sva_test_file *file, void __user *argp)
{
	struct pci_sva_test_unbind arg;
	bool dma_runs;
	int ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.__reserved || (arg.flags & ~PCI_SVA_TEST_UNBIND_DMA_RUNS))
		return -EINVAL;
	dma_runs = arg.flags & PCI_SVA_TEST_UNBIND_DMA_RUNS;
	if (dma_runs && !capable(CAP_SYS_RAWIO))
		return -EPERM;

	/* The file's lock keeps PCI_SVA_TEST_START out after the check */
	mutex_lock(&file->lock);
	ret = sva_test_check_unbind(file, dma_runs);
	if (!ret)
		sva_test_end_bond(file);
	mutex_unlock(&file->lock);
	return ret;
}

/* Jobs */

static bool sva_test_range_ok(u64 start, u64 len)
{
	u64 end;

	return !check_add_overflow(start, len, &end);
}

static int sva_test_check_job(const struct pci_sva_test_job *job)
{
	if (job->flags & ~SVA_TEST_JOB_FLAGS)
		return -EINVAL;

	switch (job->op) {
	case PCI_SVA_TEST_OP_NOP:
		return job->src || job->dst || job->len ? -EINVAL : 0;
	case PCI_SVA_TEST_OP_ATOMIC:
		if (!IS_ALIGNED(job->src | job->len, sizeof(u64)))
			return -EINVAL;
		break;
	case PCI_SVA_TEST_OP_READ:
	case PCI_SVA_TEST_OP_WRITE:
	case PCI_SVA_TEST_OP_COPY:
	case PCI_SVA_TEST_OP_VERIFY:
	case PCI_SVA_TEST_OP_TOUCH:
		break;
	default:
		return -EINVAL;
	}

	if (!job->len || !sva_test_range_ok(job->src, job->len) ||
	    !sva_test_range_ok(job->dst, job->len))
		return -EINVAL;
	return 0;
}

static void sva_test_go(struct sva_test *st, const struct pci_sva_test_job *job,
			u32 pasid)
{
	void __iomem *regs = sva_test_queue_regs(st, job->queue);

	writel(SVA_TEST_Q_STATUS_DONE, regs + SVA_TEST_Q_STATUS);
	writel(pasid | SVA_TEST_Q_PASID_VALID, regs + SVA_TEST_Q_PASID);
	writel(job->op | FIELD_PREP(SVA_TEST_Q_OP_FLAGS, job->flags),
	       regs + SVA_TEST_Q_OP);
	writeq(job->src, regs + SVA_TEST_Q_SRC);
	writeq(job->dst, regs + SVA_TEST_Q_DST);
	writeq(job->len, regs + SVA_TEST_Q_LEN);
	writeq(job->imm, regs + SVA_TEST_Q_IMM);
	writeq(job->retry_limit ?: SVA_TEST_Q_RETRY_DEFAULT,
	       regs + SVA_TEST_Q_RETRY_LIMIT);
	writel(SVA_TEST_Q_CTRL_GO | SVA_TEST_Q_CTRL_IRQ_EN,
	       regs + SVA_TEST_Q_CTRL);
}

static int sva_test_start_job(struct sva_test_file *file,
			      const struct pci_sva_test_job *job)
{
	struct sva_test *st = file->st;
	int ret;

	ret = sva_test_lock(st);
	if (ret)
		return ret;

	if (!file->bond) {
		ret = -ENXIO;
	} else if (sva_test_runs(st, job->queue)) {
		ret = -EBUSY;
	} else {
		st->owner[job->queue] = file;
		sva_test_go(st, job, file->pasid);
	}
	mutex_unlock(&st->lock);
	return ret;
}

static long sva_test_start(struct sva_test_file *file, void __user *argp)
{
	const struct pci_sva_test_info *info = &file->st->info;
	struct pci_sva_test_job job;
	int ret;

	if (copy_from_user(&job, argp, sizeof(job)))
		return -EFAULT;
	if (job.queue >= info->queues)
		return -EINVAL;
	ret = sva_test_check_job(&job);
	if (ret)
		return ret;
	if ((job.flags & PCI_SVA_TEST_JOB_PRIV) && !capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (job.op == PCI_SVA_TEST_OP_ATOMIC &&
	    !(info->caps & PCI_SVA_TEST_CAP_ATOMICS))
		return -EOPNOTSUPP;

	/* The bond must not end between the look at it and the start */
	mutex_lock(&file->lock);
	ret = sva_test_start_job(file, &job);
	mutex_unlock(&file->lock);
	return ret;
}

/* Whether the file may deal with the queue; returns the queue's state */
static int sva_test_own_state(struct sva_test_file *file, unsigned int queue)
{
	struct sva_test *st = file->st;
	u32 state;

	if (!st->owner[queue])
		return -ENXIO;
	if (st->owner[queue] != file)
		return -EBUSY;

	state = sva_test_state(st, queue);
	return state > PCI_SVA_TEST_STATE_DRAINING ? -EIO : state;
}

static int sva_test_look(struct sva_test_file *file, unsigned int queue)
{
	int ret;

	ret = sva_test_lock(file->st);
	if (ret)
		return ret;

	ret = sva_test_own_state(file, queue);
	mutex_unlock(&file->st->lock);
	return ret;
}

/* Returns 0 when the job has ended, or its state when @deadline has passed */
static int sva_test_wait_idle(struct sva_test_file *file, unsigned int queue,
			      unsigned long deadline)
{
	struct sva_test *st = file->st;
	int events, ret;
	long left;

	for (;;) {
		events = atomic_read(&st->events);
		ret = sva_test_look(file, queue);
		left = deadline - jiffies;
		if (ret <= 0 || left <= 0)
			return ret;

		ret = wait_event_interruptible_timeout(st->wq,
						       atomic_read(&st->events) != events,
						       min_t(long, left, SVA_TEST_POLL));
		if (ret < 0)
			return ret;
	}
}

/* The state first: when it is idle then all the rest is final */
static void sva_test_read_job(struct sva_test *st, struct pci_sva_test_wait *arg)
{
	void __iomem *regs = sva_test_queue_regs(st, arg->queue);
	u32 status = readl(regs + SVA_TEST_Q_STATUS);

	arg->state = FIELD_GET(SVA_TEST_Q_STATUS_STATE, status);
	arg->result = FIELD_GET(SVA_TEST_Q_STATUS_RESULT, status);
	arg->done_bytes = readq(regs + SVA_TEST_Q_DONE_BYTES);
	arg->iterations = readq(regs + SVA_TEST_Q_ITER);
	arg->value = readq(regs + SVA_TEST_Q_RESULT);
	arg->fault_addr = readq(regs + SVA_TEST_Q_FAULT_ADDR);
	arg->fault_info = readq(regs + SVA_TEST_Q_FAULT_INFO);
	arg->aborts = readq(regs + SVA_TEST_Q_ABORTS);
	arg->stalls = readq(regs + SVA_TEST_Q_STALLS);
}

static int sva_test_result(struct sva_test_file *file,
			   struct pci_sva_test_wait *arg)
{
	struct sva_test *st = file->st;
	int ret;

	ret = sva_test_lock(st);
	if (ret)
		return ret;

	ret = sva_test_own_state(file, arg->queue);
	if (ret >= 0)
		sva_test_read_job(st, arg);
	mutex_unlock(&st->lock);
	return min(ret, 0);
}

static long sva_test_wait(struct sva_test_file *file, void __user *argp)
{
	struct pci_sva_test_wait __user *uarg = argp;
	unsigned long start = jiffies;
	struct pci_sva_test_wait arg;
	u32 passed;
	int ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.queue >= file->st->info.queues)
		return -EINVAL;

	ret = sva_test_wait_idle(file, arg.queue,
				 start + msecs_to_jiffies(arg.timeout_ms));
	if (ret == -ERESTARTSYS) {
		passed = min(jiffies_to_msecs(jiffies - start), arg.timeout_ms);
		if (put_user(arg.timeout_ms - passed, &uarg->timeout_ms))
			return -EFAULT;
	}
	if (ret < 0)
		return ret;

	ret = sva_test_result(file, &arg);
	if (ret)
		return ret;
	return copy_to_user(argp, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static int sva_test_stop_job(struct sva_test_file *file, unsigned int queue)
{
	struct sva_test *st = file->st;
	int ret;

	ret = sva_test_lock(st);
	if (ret)
		return ret;

	ret = sva_test_own_state(file, queue);
	if (ret > 0)
		sva_test_ask_stop(st, queue);
	mutex_unlock(&st->lock);
	return ret;
}

static long sva_test_stop(struct sva_test_file *file, void __user *argp)
{
	struct pci_sva_test_stop arg;
	int ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.queue >= file->st->info.queues)
		return -EINVAL;

	ret = sva_test_stop_job(file, arg.queue);
	if (ret <= 0 || !arg.timeout_ms)
		return min(ret, 0);

	ret = sva_test_wait_idle(file, arg.queue,
				 jiffies + msecs_to_jiffies(arg.timeout_ms));
	return ret > 0 ? -ETIMEDOUT : ret;
}

/* The function as a whole */

static const u16 sva_test_counter_regs[] = {
	0x100, 0x108, 0x110, 0x118,	/* translation requests */
	0x120, 0x128,			/* ATC hits and misses */
	0x130, 0x138, 0x140, 0x148,	/* page requests and responses */
	0x150, 0x158, 0x160, 0x168,	/* stalls */
	0x170,				/* aborts */
	0x178, 0x180, 0x188, 0x190,	/* ATC invalidations */
	0x1a8, 0x1b0, 0x1b8,		/* bytes read and written, atomics */
	0x1c0, 0x1c8,			/* chunks after a stop */
	0x1d0, 0x1d8,			/* responses, interrupts */
};

static_assert(sizeof(struct pci_sva_test_counters) ==
	      ARRAY_SIZE(sva_test_counter_regs) * sizeof(u64));

static long sva_test_counters(struct sva_test_file *file, void __user *argp)
{
	u64 counters[ARRAY_SIZE(sva_test_counter_regs)];
	struct sva_test *st = file->st;
	unsigned int i;
	int ret;

	ret = sva_test_lock(st);
	if (ret)
		return ret;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		counters[i] = readq(st->regs + sva_test_counter_regs[i]);
	mutex_unlock(&st->lock);

	return copy_to_user(argp, counters, sizeof(counters)) ? -EFAULT : 0;
}

struct sva_test_param {
	u16 reg;
	bool wide;
	u64 min, max;
};

static const struct sva_test_param sva_test_params[] = {
	[PCI_SVA_TEST_PARAM_STOP_LATENCY] = {
		SVA_TEST_STOP_LATENCY, true, 0, 60ULL * NSEC_PER_SEC },
	[PCI_SVA_TEST_PARAM_CHUNK_NS] = {
		SVA_TEST_CHUNK_NS, true, 100, NSEC_PER_SEC },
	[PCI_SVA_TEST_PARAM_INV_DELAY] = {
		SVA_TEST_INV_DELAY, true, 0, 60ULL * NSEC_PER_SEC },
	[PCI_SVA_TEST_PARAM_HOLD_NS] = {
		SVA_TEST_HOLD_NS, true, 0, NSEC_PER_SEC },
	[PCI_SVA_TEST_PARAM_ATC_SIZE] = {
		SVA_TEST_ATC_SIZE, false, 1, 65536 },
	[PCI_SVA_TEST_PARAM_MISBEHAVE] = {
		SVA_TEST_MISBEHAVE, false, 0, SVA_TEST_BAD_ALL },
};

static long sva_test_set(struct sva_test_file *file, void __user *argp)
{
	const struct sva_test_param *param;
	struct sva_test *st = file->st;
	struct pci_sva_test_param arg;
	int ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.__reserved || arg.param >= ARRAY_SIZE(sva_test_params))
		return -EINVAL;
	param = &sva_test_params[arg.param];
	if (arg.value < param->min || arg.value > param->max)
		return -EINVAL;
	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;

	ret = sva_test_lock(st);
	if (ret)
		return ret;

	if (param->wide)
		writeq(arg.value, st->regs + param->reg);
	else
		writel(arg.value, st->regs + param->reg);
	mutex_unlock(&st->lock);
	return 0;
}

static long sva_test_reset(struct sva_test_file *file)
{
	struct sva_test *st = file->st;
	int ret;

	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;

	ret = sva_test_lock(st);
	if (ret)
		return ret;

	sva_test_hw_start(st);
	mutex_unlock(&st->lock);
	sva_test_wake(st);
	return 0;
}

/* Stopping */

/*
 * Ask the queues of @file, of all files if that is NULL, to stop; the next time
 * only look. Returns whether one still runs.
 */
static bool sva_test_stops(struct sva_test *st, struct sva_test_file *file,
			   bool ask)
{
	bool runs = false;
	unsigned int q;

	if (sva_test_lock_hw(st))
		return false;

	for (q = 0; q < st->info.queues; q++) {
		if ((file && st->owner[q] != file) || !sva_test_runs(st, q))
			continue;
		if (ask)
			sva_test_ask_stop(st, q);
		runs = true;
	}
	mutex_unlock(&st->lock);
	return runs;
}

static unsigned long sva_test_stop_limit(struct sva_test *st)
{
	u64 latency = 0;

	if (!sva_test_lock_hw(st)) {
		latency = readq(st->regs + SVA_TEST_STOP_LATENCY);
		mutex_unlock(&st->lock);
	}
	latency = min(latency, sva_test_params[PCI_SVA_TEST_PARAM_STOP_LATENCY].max);
	return SVA_TEST_STOP_LIMIT + nsecs_to_jiffies(latency);
}

/*
 * Stop DMA, and the page faults with it: a queue that stops waits until its
 * stalled transaction or page request has been answered. Cannot be interrupted;
 * a function that does not stop in time is reset.
 */
static void sva_test_stop_all(struct sva_test *st, struct sva_test_file *file)
{
	unsigned long deadline = jiffies + sva_test_stop_limit(st);
	bool ask = true;
	int events;

	for (;;) {
		events = atomic_read(&st->events);
		if (!sva_test_stops(st, file, ask))
			return;
		if (time_after(jiffies, deadline))
			break;

		ask = false;
		wait_event_idle_timeout(st->wq, atomic_read(&st->events) != events,
					SVA_TEST_POLL);
	}

	if (sva_test_lock_hw(st))
		return;
	dev_notice(&st->pdev->dev, "DMA does not stop, resetting the function\n");
	sva_test_hw_start(st);
	mutex_unlock(&st->lock);
	sva_test_wake(st);
}

/* No requests any more; those that wait end. Then no DMA any more. */
static void sva_test_shut(struct sva_test *st)
{
	mutex_lock(&st->lock);
	WRITE_ONCE(st->closed, true);
	mutex_unlock(&st->lock);
	sva_test_wake(st);

	sva_test_stop_all(st, NULL);
}

/* Files */

static long sva_test_set_close(struct sva_test_file *file, void __user *argp)
{
	struct pci_sva_test_close arg;
	bool leave_dma;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.__reserved || (arg.flags & ~PCI_SVA_TEST_CLOSE_DMA_RUNS))
		return -EINVAL;
	leave_dma = arg.flags & PCI_SVA_TEST_CLOSE_DMA_RUNS;
	if (leave_dma && !capable(CAP_SYS_RAWIO))
		return -EPERM;

	WRITE_ONCE(file->leave_dma, leave_dma);
	return 0;
}

static long sva_test_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct sva_test_file *file = filp->private_data;
	struct sva_test *st = file->st;
	void __user *argp = (void __user *)arg;

	if (READ_ONCE(st->closed))
		return -ENODEV;

	switch (cmd) {
	case PCI_SVA_TEST_INFO:
		return copy_to_user(argp, &st->info, sizeof(st->info)) ? -EFAULT : 0;
	case PCI_SVA_TEST_GRAB:
		return sva_test_grab(file, argp);
	case PCI_SVA_TEST_BIND:
		return sva_test_bind(file, argp);
	case PCI_SVA_TEST_UNBIND:
		return sva_test_unbind(file, argp);
	case PCI_SVA_TEST_START:
		return sva_test_start(file, argp);
	case PCI_SVA_TEST_WAIT:
		return sva_test_wait(file, argp);
	case PCI_SVA_TEST_STOP:
		return sva_test_stop(file, argp);
	case PCI_SVA_TEST_COUNTERS:
		return sva_test_counters(file, argp);
	case PCI_SVA_TEST_SET:
		return sva_test_set(file, argp);
	case PCI_SVA_TEST_CLOSE:
		return sva_test_set_close(file, argp);
	case PCI_SVA_TEST_RESET:
		return sva_test_reset(file);
	default:
		return -ENOTTY;
	}
}

/* misc_deregister() waits for open(): probe()'s reference is there */
static int sva_test_open(struct inode *inode, struct file *filp)
{
	struct sva_test *st = container_of(filp->private_data, struct sva_test, misc);
	struct sva_test_file *file;

	file = kzalloc(sizeof(*file), GFP_KERNEL);
	if (!file)
		return -ENOMEM;

	kref_init(&file->ref);
	mutex_init(&file->lock);
	kref_get(&st->ref);
	file->st = st;

	mutex_lock(&st->lock);
	list_add(&file->node, &st->files);
	mutex_unlock(&st->lock);

	filp->private_data = file;
	return nonseekable_open(inode, filp);
}

static void sva_test_disown(struct sva_test_file *file)
{
	struct sva_test *st = file->st;
	unsigned int q;

	mutex_lock(&st->lock);
	for (q = 0; q < st->info.queues; q++) {
		if (st->owner[q] == file)
			st->owner[q] = NULL;
	}
	/* remove() may have taken it off before */
	list_del_init(&file->node);
	mutex_unlock(&st->lock);
}

static int sva_test_release(struct inode *inode, struct file *filp)
{
	struct sva_test_file *file = filp->private_data;

	if (!file->leave_dma)
		sva_test_stop_all(file->st, file);

	mutex_lock(&file->lock);
	sva_test_end_bond(file);
	mutex_unlock(&file->lock);

	/* Last: until its bond has ended remove() has to find the file */
	sva_test_disown(file);
	sva_test_file_put(file);
	return 0;
}

static const struct file_operations sva_test_fops = {
	.owner		= THIS_MODULE,
	.open		= sva_test_open,
	.release	= sva_test_release,
	.unlocked_ioctl	= sva_test_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= no_llseek,
};

/* PCI */

static void sva_test_free_id(void *data)
{
	struct sva_test *st = data;

	ida_free(&sva_test_ida, st->id);
}

static struct sva_test *sva_test_alloc(struct pci_dev *pdev)
{
	struct sva_test *st;
	int ret;

	st = kzalloc(sizeof(*st), GFP_KERNEL);
	if (!st)
		return ERR_PTR(-ENOMEM);

	kref_init(&st->ref);
	st->pdev = pdev;
	mutex_init(&st->lock);
	init_waitqueue_head(&st->wq);
	INIT_LIST_HEAD(&st->files);

	ret = devm_add_action_or_reset(&pdev->dev, sva_test_put, st);
	if (ret)
		return ERR_PTR(ret);

	st->id = ida_alloc(&sva_test_ida, GFP_KERNEL);
	if (st->id < 0)
		return ERR_PTR(st->id);
	ret = devm_add_action_or_reset(&pdev->dev, sva_test_free_id, st);
	if (ret)
		return ERR_PTR(ret);

	snprintf(st->name, sizeof(st->name), "pci_sva_test%d", st->id);
	st->misc.minor = MISC_DYNAMIC_MINOR;
	st->misc.name = st->name;
	st->misc.fops = &sva_test_fops;
	st->misc.parent = &pdev->dev;
	st->misc.mode = 0600;
	return st;
}

static int sva_test_read_info(struct sva_test *st)
{
	resource_size_t size = pci_resource_len(st->pdev, 0);
	u32 id, queues;
	int pasids;

	if (size < SVA_TEST_PAGE)
		return -ENODEV;

	id = readl(st->regs + SVA_TEST_ID);
	queues = readl(st->regs + SVA_TEST_NQ);
	if (id != SVA_TEST_ID_MAGIC || !queues || queues > SVA_TEST_NQ_MAX ||
	    size < SVA_TEST_PAGE * (1 + queues)) {
		dev_err(&st->pdev->dev, "unknown function: ID %#x, %u queues\n",
			id, queues);
		return -ENODEV;
	}

	st->info.queues = queues;
	st->info.caps = readl(st->regs + SVA_TEST_CAPS);
	pasids = pci_max_pasids(st->pdev);
	if (pasids > 0)
		st->info.pasid_bits = ilog2(pasids);
	return 0;
}

static int sva_test_request_irqs(struct sva_test *st)
{
	struct pci_dev *pdev = st->pdev;
	unsigned int i, nvec = st->info.queues + 1;
	int ret;

	ret = pci_alloc_irq_vectors(pdev, nvec, nvec, PCI_IRQ_MSIX);
	if (ret < 0)
		return ret;

	for (i = 0; i < nvec; i++) {
		ret = devm_request_irq(&pdev->dev, pci_irq_vector(pdev, i),
				       i < st->info.queues ? sva_test_queue_irq :
							     sva_test_event_irq,
				       0, st->name, st);
		if (ret)
			return ret;
	}
	return 0;
}

static void sva_test_disable_features(void *data)
{
	struct sva_test *st = data;
	struct device *dev = &st->pdev->dev;

	if (st->info.features & PCI_SVA_TEST_FEAT_SVA)
		iommu_dev_disable_feature(dev, IOMMU_DEV_FEAT_SVA);
	if (st->info.features & PCI_SVA_TEST_FEAT_IOPF)
		iommu_dev_disable_feature(dev, IOMMU_DEV_FEAT_IOPF);
}

/*
 * A function that can neither stall nor send page requests has no use for IOPF,
 * but SVA with memory that stays in place. Without SVA there is something left to
 * test, too: how bind refuses.
 */
static int sva_test_enable_features(struct sva_test *st)
{
	struct device *dev = &st->pdev->dev;

	if (!iommu_dev_enable_feature(dev, IOMMU_DEV_FEAT_IOPF))
		st->info.features |= PCI_SVA_TEST_FEAT_IOPF;
	if (!iommu_dev_enable_feature(dev, IOMMU_DEV_FEAT_SVA))
		st->info.features |= PCI_SVA_TEST_FEAT_SVA;

	return devm_add_action_or_reset(dev, sva_test_disable_features, st);
}

static int sva_test_setup(struct sva_test *st)
{
	struct pci_dev *pdev = st->pdev;
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = pcim_iomap_regions(pdev, BIT(0), st->name);
	if (ret)
		return ret;
	st->regs = pcim_iomap_table(pdev)[0];

	ret = sva_test_read_info(st);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	ret = sva_test_request_irqs(st);
	if (ret)
		return ret;
	return sva_test_enable_features(st);
}

static int sva_test_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct sva_test *st;
	int ret;

	st = sva_test_alloc(pdev);
	if (IS_ERR(st))
		return PTR_ERR(st);
	ret = sva_test_setup(st);
	if (ret)
		return ret;

	pci_set_drvdata(pdev, st);
	pci_set_master(pdev);
	sva_test_hw_start(st);

	ret = misc_register(&st->misc);
	if (ret) {
		sva_test_hw_stop(st);
		return ret;
	}

	add_taint(TAINT_TEST, LOCKDEP_STILL_OK);
	dev_info(&pdev->dev, "%s: %u queues, PASIDs of %u bits, SVA %s, IOPF %s\n",
		 st->name, st->info.queues, st->info.pasid_bits,
		 st->info.features & PCI_SVA_TEST_FEAT_SVA ? "on" : "off",
		 st->info.features & PCI_SVA_TEST_FEAT_IOPF ? "on" : "off");
	return 0;
}

/* Take a file off the list; the caller puts it */
static struct sva_test_file *sva_test_next_file(struct sva_test *st)
{
	struct sva_test_file *file;

	mutex_lock(&st->lock);
	file = list_first_entry_or_null(&st->files, struct sva_test_file, node);
	if (file) {
		list_del_init(&file->node);
		kref_get(&file->ref);
	}
	mutex_unlock(&st->lock);
	return file;
}

static void sva_test_remove(struct pci_dev *pdev)
{
	struct sva_test *st = pci_get_drvdata(pdev);
	struct sva_test_file *file;

	misc_deregister(&st->misc);
	sva_test_shut(st);

	mutex_lock(&st->lock);
	st->gone = true;
	sva_test_hw_stop(st);
	mutex_unlock(&st->lock);
	pci_clear_master(pdev);

	/* No bond begins any more: that takes the file's lock and looks at closed */
	while ((file = sva_test_next_file(st))) {
		mutex_lock(&file->lock);
		sva_test_end_bond(file);
		mutex_unlock(&file->lock);
		sva_test_file_put(file);
	}
}

static void sva_test_reset_prepare(struct pci_dev *pdev)
{
	struct sva_test *st = pci_get_drvdata(pdev);

	sva_test_shut(st);
	mutex_lock(&st->lock);
	sva_test_hw_stop(st);
	mutex_unlock(&st->lock);
}

static void sva_test_reset_done(struct pci_dev *pdev)
{
	struct sva_test *st = pci_get_drvdata(pdev);

	mutex_lock(&st->lock);
	sva_test_hw_start(st);
	WRITE_ONCE(st->closed, false);
	mutex_unlock(&st->lock);
}

static const struct pci_error_handlers sva_test_err_handler = {
	.reset_prepare	= sva_test_reset_prepare,
	.reset_done	= sva_test_reset_done,
};

static const struct pci_device_id sva_test_ids[] = {
	{ PCI_DEVICE(SVA_TEST_VENDOR_ID, SVA_TEST_DEVICE_ID) },
	{ }
};

static struct pci_driver sva_test_driver = {
	.name		= "pci_sva_test",
	.id_table	= sva_test_ids,
	.probe		= sva_test_probe,
	.remove		= sva_test_remove,
	.err_handler	= &sva_test_err_handler,
};
builtin_pci_driver(sva_test_driver);
