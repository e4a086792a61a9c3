// SPDX-License-Identifier: GPL-2.0
/*
 * Faults: many of them at once, some that nobody handles for a while, some that
 * no memory is left for. None is lost, none is handled for a process that it does
 * not belong to, none that a process can cause at will is in the kernel's log.
 *
 * A small event queue, which overflows, makes the storms harder; functions that
 * send privileged and execute requests add kinds of faults.
 */
#include "sva_harness.h"
#include "sva_machine.h"

#include <dirent.h>
#include <pthread.h>

#define PATTERN		0x2f2f000000000000ULL
/* All queues of all functions, and still time for the CPUs to run something */
#define CHUNK_NS	500000
#define STORM_MS	1500
/* What a task may find itself late; a soft lockup is several times that */
#define LATE_MS		5000
#define FAULTS		200

struct function {
	int fd;
	struct pci_sva_test_info info;
};

static int function_setup(struct function *fn)
{
	int ret = sva_reset(fn->fd);

	return ret ?: sva_set(fn->fd, PCI_SVA_TEST_PARAM_CHUNK_NS, CHUNK_NS);
}

static bool function_stops(struct function *fn)
{
	unsigned int q;

	for (q = 0; q < fn->info.queues; q++) {
		if (sva_stop(fn->fd, q, SVA_PATIENCE_MS)) {
			fprintf(stderr, "#   queue %u does not stop\n", q);
			return false;
		}
	}
	return true;
}

/* Each transaction that stalled, and each page request group, has its answer */
static bool all_answered(struct function *fn)
{
	struct pci_sva_test_counters c = sva_counters(fn->fd);
	uint64_t ends = c.stall_retry + c.stall_abort + c.stall_razwi;

	if (c.stalls == ends && !c.bad_response)
		return true;
	fprintf(stderr, "#   stalls=%llu retry=%llu abort=%llu razwi=%llu bad=%llu\n",
		(unsigned long long)c.stalls, (unsigned long long)c.stall_retry,
		(unsigned long long)c.stall_abort,
		(unsigned long long)c.stall_razwi,
		(unsigned long long)c.bad_response);
	return false;
}

/* Memory of which no page is there, and none larger than a page will be */
static char *fresh_memory(size_t len, int prot)
{
	char *mem = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	madvise(mem, len, MADV_NOHUGEPAGE);
	return mem;
}

/* ---- each kind of fault ---- */

enum fault {
	UNMAPPED,
	READ_ONLY,
	KERNEL,			/* the kernel's half of the address space */
	BETWEEN,		/* nobody's part of it */
	PRIVILEGED,
	EXECUTE,
};

struct faulty {
	struct function fn;
	int klog;
	size_t len;
	char *mem;
};

FIXTURE(fault)
{
	struct faulty faulty;
};

FIXTURE_VARIANT(fault)
{
	enum sva_kind kind;
	enum fault fault;
};

FIXTURE_VARIANT_ADD(fault, stall_unmapped) {
	.kind = SVA_IOPF, .fault = UNMAPPED,
};

FIXTURE_VARIANT_ADD(fault, nostall_unmapped) {
	.kind = SVA_NO_IOPF, .fault = UNMAPPED,
};

FIXTURE_VARIANT_ADD(fault, stall_read_only) {
	.kind = SVA_IOPF, .fault = READ_ONLY,
};

FIXTURE_VARIANT_ADD(fault, nostall_read_only) {
	.kind = SVA_NO_IOPF, .fault = READ_ONLY,
};

FIXTURE_VARIANT_ADD(fault, stall_kernel) {
	.kind = SVA_IOPF, .fault = KERNEL,
};

FIXTURE_VARIANT_ADD(fault, nostall_kernel) {
	.kind = SVA_NO_IOPF, .fault = KERNEL,
};

FIXTURE_VARIANT_ADD(fault, stall_between) {
	.kind = SVA_IOPF, .fault = BETWEEN,
};

FIXTURE_VARIANT_ADD(fault, nostall_between) {
	.kind = SVA_NO_IOPF, .fault = BETWEEN,
};

FIXTURE_VARIANT_ADD(fault, stall_privileged) {
	.kind = SVA_IOPF, .fault = PRIVILEGED,
};

FIXTURE_VARIANT_ADD(fault, nostall_privileged) {
	.kind = SVA_NO_IOPF, .fault = PRIVILEGED,
};

FIXTURE_VARIANT_ADD(fault, stall_execute) {
	.kind = SVA_IOPF, .fault = EXECUTE,
};

FIXTURE_VARIANT_ADD(fault, nostall_execute) {
	.kind = SVA_NO_IOPF, .fault = EXECUTE,
};

static uint32_t cap_needed(enum fault fault)
{
	switch (fault) {
	case PRIVILEGED:
		return PCI_SVA_TEST_CAP_PRIV;
	case EXECUTE:
		return PCI_SVA_TEST_CAP_EXEC;
	default:
		return 0;
	}
}

static int make_faulty(struct faulty *faulty, enum fault fault)
{
	switch (fault) {
	case READ_ONLY:
		return mprotect(faulty->mem, faulty->len, PROT_READ);
	case UNMAPPED:
	case PRIVILEGED:
		return munmap(faulty->mem, faulty->len);
	default:
		return 0;
	}
}

FIXTURE_SETUP(fault)
{
	struct faulty *faulty = &self->faulty;
	uint32_t cap = cap_needed(variant->fault);
	struct function *fn = &faulty->fn;

	fn->fd = sva_open(variant->kind, &fn->info);
	if (fn->fd < 0)
		SVA_SKIP("no such function");
	if (cap && !(fn->info.caps & cap))
		SVA_SKIP("the function sends no such requests");
	ASSERT_EQ(0, function_setup(fn));

	faulty->len = fn->info.queues * sva_page_size();
	faulty->mem = fresh_memory(faulty->len, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, faulty->mem);
	ASSERT_EQ(0, sva_prefault(faulty->mem, faulty->len));
	ASSERT_EQ(0, make_faulty(faulty, variant->fault));

	sva_klog_settle();
	faulty->klog = sva_klog_open();
	ASSERT_LE(0, faulty->klog);
	ASSERT_EQ(0, sva_bind(fn->fd));
}

FIXTURE_TEARDOWN(fault)
{
	struct faulty *faulty = &self->faulty;

	EXPECT_EQ(0, sva_reset(faulty->fn.fd));
	close(faulty->fn.fd);
	close(faulty->klog);
}

static uint64_t fault_address(struct faulty *faulty, enum fault fault)
{
	switch (fault) {
	case KERNEL:
		return 0xffff800000000000ULL;
	case BETWEEN:
		return 0x0010000000000000ULL;
	default:
		return (uintptr_t)faulty->mem;
	}
}

static int fault_start(struct faulty *faulty, uint32_t queue,
		       enum fault fault)
{
	uint64_t va = fault_address(faulty, fault) + queue * sva_page_size();
	struct pci_sva_test_job job = {
		.queue = queue,
		.op = PCI_SVA_TEST_OP_WRITE,
		.flags = PCI_SVA_TEST_JOB_LOOP | PCI_SVA_TEST_JOB_CONT,
		.dst = va,
		.len = sva_page_size(),
		.imm = PATTERN,
	};

	if (fault == PRIVILEGED)
		job.flags |= PCI_SVA_TEST_JOB_PRIV;
	if (fault == EXECUTE) {
		job.op = PCI_SVA_TEST_OP_READ;
		job.flags |= PCI_SVA_TEST_JOB_EXEC;
		job.src = va;
		job.dst = 0;
		job.imm = 0;
	}
	return sva_start(faulty->fn.fd, &job);
}

/* A process may do that all day long, the log is not its to fill */
TEST_F_TIMEOUT(fault, r3_is_silent, SVA_TEST_TIMEOUT)
{
	struct faulty *faulty = &self->faulty;
	struct function *fn = &faulty->fn;
	unsigned int q;

	for (q = 0; q < fn->info.queues; q++)
		ASSERT_EQ(0, fault_start(faulty, q, variant->fault));
	EXPECT_TRUE(SVA_UNTIL(sva_counters(fn->fd).aborts >= FAULTS,
			      SVA_PATIENCE_MS));
	EXPECT_TRUE(function_stops(fn));
	EXPECT_EQ(0, sva_klog_count(faulty->klog));
	EXPECT_EQ(0, sva_counters(fn->fd).bytes_written);
	EXPECT_EQ(0, sva_counters(fn->fd).bytes_read);
	EXPECT_TRUE(all_answered(fn));
}

/* ---- storms ---- */

#define PAGES_PER_QUEUE	4

struct storm {
	struct function fns[SVA_DEVICES];
	int count;
	int klog;
	pid_t victim;
};

FIXTURE(storm)
{
	struct storm storm;
};

FIXTURE_VARIANT(storm)
{
	bool quiet;		/* the process is dead */
};

FIXTURE_VARIANT_ADD(storm, live) { .quiet = false };
FIXTURE_VARIANT_ADD(storm, quiet) { .quiet = true };

/* What comes back empty as soon as DMA or the process itself has filled it */
struct churn {
	char *mem;
	size_t len;
};

static void *churn_for_ever(void *arg)
{
	struct churn *churn = arg;

	for (;;)
		madvise(churn->mem, churn->len, MADV_DONTNEED);
	return NULL;
}

static size_t storm_queue_len(void)
{
	return PAGES_PER_QUEUE * sva_page_size();
}

/* Of four queues one finds no memory, one may not write what it finds */
static int storm_protect(char *mem, unsigned int queue)
{
	switch (queue % 4) {
	case 1:
		return mprotect(mem, storm_queue_len(), PROT_NONE);
	case 3:
		return mprotect(mem, storm_queue_len(), PROT_READ);
	default:
		return 0;
	}
}

static int storm_start(struct function *fn, char *mem)
{
	int ret = sva_bind(fn->fd);
	unsigned int q;

	for (q = 0; !ret && q < fn->info.queues; q++) {
		ret = storm_protect(mem, q);
		if (!ret)
			ret = sva_start_endless_write(fn->fd, q, mem,
						      storm_queue_len(),
						      PATTERN);
		mem += storm_queue_len();
	}
	return ret;
}

/* For sva_child(): no page stays where it is for long */
static int storm_begin(void *arg)
{
	struct storm *storm = arg;
	static struct churn churn;
	pthread_t thread;
	int i, ret = 0;
	char *mem;

	for (i = 0; i < storm->count; i++)
		churn.len += storm->fns[i].info.queues * storm_queue_len();
	churn.mem = fresh_memory(churn.len, PROT_READ | PROT_WRITE);
	if (!churn.mem)
		return -ENOMEM;

	mem = churn.mem;
	for (i = 0; !ret && i < storm->count; i++) {
		ret = storm_start(&storm->fns[i], mem);
		mem += storm->fns[i].info.queues * storm_queue_len();
	}
	return ret ?: -pthread_create(&thread, NULL, churn_for_ever, &churn);
}

static uint64_t storm_faults(struct storm *storm)
{
	struct pci_sva_test_counters counters;
	uint64_t faults = 0;
	int i;

	for (i = 0; i < storm->count; i++) {
		counters = sva_counters(storm->fns[i].fd);
		faults += counters.stalls + counters.page_req + counters.aborts;
	}
	return faults;
}

/*
 * An SMMU that forces stalls makes the kernel expect them of every function. One
 * that cannot stall does not belong there, its faults are reported.
 */
static bool storm_takes(const struct pci_sva_test_info *info)
{
	return sva_is_kind(info, SVA_ANY) &&
	       ((info->caps & PCI_SVA_TEST_CAP_STALL) || !sva_stall_is_forced());
}

FIXTURE_SETUP(storm)
{
	struct storm *storm = &self->storm;
	struct function *fn;
	unsigned int i;

	for (i = 0; i < SVA_DEVICES; i++) {
		fn = &storm->fns[storm->count];
		fn->fd = sva_open_nr(i, &fn->info);
		if (fn->fd < 0)
			continue;
		if (!storm_takes(&fn->info)) {
			close(fn->fd);
			continue;
		}
		ASSERT_EQ(0, function_setup(fn));
		storm->count++;
	}
	if (!storm->count)
		SVA_SKIP("no function");

	sva_klog_settle();
	storm->klog = sva_klog_open();
	ASSERT_LE(0, storm->klog);
	ASSERT_EQ(0, sva_child(&storm->victim, storm_begin, storm));
	ASSERT_TRUE(SVA_UNTIL(storm_faults(storm) > FAULTS, SVA_PATIENCE_MS));
	if (variant->quiet)
		sva_kill(&storm->victim);
}

FIXTURE_TEARDOWN(storm)
{
	struct storm *storm = &self->storm;

	sva_kill(&storm->victim);
	while (storm->count) {
		EXPECT_EQ(0, sva_reset(storm->fns[--storm->count].fd));
		close(storm->fns[storm->count].fd);
	}
	close(storm->klog);
}

TEST_F_TIMEOUT(storm, r3_is_silent, SVA_TEST_TIMEOUT)
{
	struct storm *storm = &self->storm;
	uint64_t faults = storm_faults(storm);

	sva_sleep_ms(STORM_MS);
	EXPECT_LT(faults, storm_faults(storm));
	EXPECT_EQ(0, sva_klog_count(storm->klog));
}

TEST_F_TIMEOUT(storm, r3_system_responds, SVA_TEST_TIMEOUT)
{
	struct storm *storm = &self->storm;
	uint64_t begin = sva_now_ms(), faults = storm_faults(storm);
	uint64_t latest = 0, before, now;

	do {
		before = sva_now_ms();
		sva_sleep_ms(1);
		now = sva_now_ms();
		if (now - before > latest)
			latest = now - before;
	} while (now - begin < STORM_MS);
	fprintf(stderr, "#   late: ms=%llu\n", (unsigned long long)latest);
	EXPECT_GT(LATE_MS, latest);
	EXPECT_LT(faults, storm_faults(storm));
}

TEST_F_TIMEOUT(storm, r5_no_stall_is_lost, SVA_TEST_TIMEOUT)
{
	struct storm *storm = &self->storm;
	struct function *fn;
	int i;

	sva_sleep_ms(STORM_MS);
	for (i = 0; i < storm->count; i++)
		EXPECT_TRUE(function_stops(&storm->fns[i]));
	for (i = 0; i < storm->count; i++) {
		fn = &storm->fns[i];
		EXPECT_TRUE(all_answered(fn));
		if (fn->info.features & PCI_SVA_TEST_FEAT_IOPF)
			EXPECT_LT(0, sva_page_faults(fn->fd));
	}
}

/* ---- faults that have to wait ---- */

#define EXIT_MS		5000
/* unbind that takes longer waits for faults */
#define UNBIND_MS	1000
/* From the hardware's queue to that of the workers */
#define ACCEPT_MS	200

struct parked {
	struct function fn;
	struct sva_pci pci;
	size_t len;
	char *mem;		/* nobody touches it but the function */
	int pasid;
	pid_t owner;		/* of the bond, which is the function's file's */
	pid_t heir;		/* of the PASID */
	pid_t hog;
	bool events;		/* are held up, not only the workers */
	pid_t unbinder;
	bool removed;
};

FIXTURE(parked)
{
	struct parked parked;
};

FIXTURE_VARIANT(parked)
{
	bool events;	/* in the IOMMU's queue, else the workers' */
};

FIXTURE_VARIANT_ADD(parked, events) { .events = true };
FIXTURE_VARIANT_ADD(parked, faults) { .events = false };

static int owner_binds(struct parked *parked)
{
	sva_kill(&parked->owner);
	if (parked->pasid > 0)
		sva_unbind(parked->fn.fd, 0);
	parked->pasid = sva_child(&parked->owner, sva_child_bind_shared,
				  &parked->fn.fd);
	return parked->pasid;
}

FIXTURE_SETUP(parked)
{
	struct parked *parked = &self->parked;
	struct function *fn = &parked->fn;
	int lowest;

	parked->events = variant->events;

	fn->fd = sva_open(SVA_IOPF, &fn->info);
	if (fn->fd < 0)
		SVA_SKIP("no such function");
	if (!sva_can_freeze())
		SVA_SKIP("no CPU to hold the page-fault workers on");
	sva_thaw(&parked->hog);
	ASSERT_EQ(0, function_setup(fn));
	ASSERT_EQ(0, sva_pci_find(fn->fd, &parked->pci));
	parked->len = fn->info.queues * sva_page_size();
	parked->mem = fresh_memory(parked->len, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, parked->mem);

	/* When its PASID is free again the next process gets it */
	lowest = sva_lowest_pasid(fn->fd);
	ASSERT_LT(0, lowest);
	ASSERT_TRUE(SVA_UNTIL(owner_binds(parked) <= lowest, SVA_PATIENCE_MS));
	ASSERT_LT(0, parked->pasid);
}

FIXTURE_TEARDOWN(parked)
{
	struct parked *parked = &self->parked;

	sva_thaw(&parked->hog);
	sva_kill(&parked->unbinder);
	sva_kill(&parked->owner);
	sva_kill(&parked->heir);
	/* If it is not there it needs no reset */
	if (parked->removed)
		EXPECT_EQ(0, sva_pci_back(&parked->pci, true));
	sva_reset(parked->fn.fd);
	close(parked->fn.fd);
}

static bool waits_for_a_page(struct function *fn, uint32_t queue)
{
	struct pci_sva_test_wait wait;

	return !sva_wait(fn->fd, queue, 0, &wait) &&
	       (wait.state == PCI_SVA_TEST_STATE_STALLED ||
		wait.state == PCI_SVA_TEST_STATE_WAIT_PRG);
}

/* All queues wait for a page, and nobody gives it to them */
static bool park(struct parked *parked)
{
	struct function *fn = &parked->fn;
	unsigned int q;

	if (sva_freeze(&parked->hog, parked->events))
		return false;
	for (q = 0; q < fn->info.queues; q++)
		if (sva_start_endless_write(fn->fd, q,
					    parked->mem + q * sva_page_size(),
					    sva_page_size(), PATTERN))
			return false;
	for (q = 0; q < fn->info.queues; q++)
		if (!SVA_UNTIL(waits_for_a_page(fn, q), SVA_FREEZE_MS))
			return false;
	sva_sleep_ms(ACCEPT_MS);
	return true;
}

static bool has_ended(pid_t *pid, unsigned int ms)
{
	int status;

	if (!SVA_UNTIL(waitpid(*pid, &status, WNOHANG) == *pid, ms))
		return false;
	*pid = 0;
	return true;
}

static void start_unbind(struct parked *parked, int fd, uint32_t flags)
{
	parked->unbinder = sva_fork();
	if (!parked->unbinder)
		_exit(sva_unbind(fd, flags));
}

/* unbind may wait for the faults that are parked: then they need not wait longer */
static bool unbind_ends(struct parked *parked)
{
	if (has_ended(&parked->unbinder, UNBIND_MS))
		return true;
	sva_thaw(&parked->hog);
	return has_ended(&parked->unbinder, SVA_PATIENCE_MS);
}

/* Handle what is parked, and a fault that comes after it, of a process that lives */
static int thaw_and_fault(struct parked *parked)
{
	char *page = fresh_memory(sva_page_size(), PROT_READ | PROT_WRITE);
	int fd = sva_reopen(parked->fn.fd), ret;

	sva_thaw(&parked->hog);
	ret = sva_bind(fd);
	if (!ret)
		ret = sva_run_write(fd, page, sva_page_size(), PATTERN);
	close(fd);
	sva_sleep_ms(ACCEPT_MS);
	return ret;
}

/* Pages of @mem that are there in a process, -1 on an error */
static int pages_present(pid_t pid, char *mem, size_t len)
{
	uint64_t entry, first = (uintptr_t)mem / sva_page_size();
	size_t i, pages = len / sva_page_size();
	char path[32];
	int fd, present = 0;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY);
	for (i = 0; i < pages; i++) {
		if (pread(fd, &entry, sizeof(entry),
			  (first + i) * sizeof(entry)) != sizeof(entry)) {
			present = -1;
			break;
		}
		present += entry >> 63;
	}
	close(fd);
	return present;
}

static bool heir_has_pasid(struct parked *parked)
{
	sva_forget_the_dead();
	if (sva_child(&parked->heir, sva_child_bind, &parked->fn.fd) == parked->pasid)
		return true;
	sva_kill(&parked->heir);
	return false;
}

/*
 * Faults that were accepted before unbind, of a process that is no more: the next
 * process that gets its PASID does not get its pages.
 */
TEST_F_TIMEOUT(parked, r5_no_fault_is_inherited, SVA_TEST_TIMEOUT)
{
	struct parked *parked = &self->parked;

	ASSERT_TRUE(park(parked));
	ASSERT_EQ(0, sva_reset(parked->fn.fd));
	start_unbind(parked, parked->fn.fd, 0);
	ASSERT_TRUE(unbind_ends(parked));
	sva_kill(&parked->owner);

	if (!SVA_UNTIL(heir_has_pasid(parked), SVA_PATIENCE_MS))
		SKIP(return, "the PASID is not used again");
	EXPECT_EQ(0, pages_present(parked->heir, parked->mem, parked->len));
	EXPECT_EQ(0, thaw_and_fault(parked));
	EXPECT_EQ(0, pages_present(parked->heir, parked->mem, parked->len));
}

/*
 * The driver resets the function, unbinds and goes, the device too; what is left
 * of its faults must not look for it. Stock 6.1 does not survive this test.
 */
TEST_F_TIMEOUT(parked, r5_no_fault_outlives_the_device, SVA_TEST_TIMEOUT)
{
	struct parked *parked = &self->parked;
	struct pci_sva_test_info info;
	int fd;

	ASSERT_TRUE(park(parked));
	ASSERT_EQ(0, sva_reset(parked->fn.fd));
	start_unbind(parked, parked->fn.fd, 0);
	ASSERT_TRUE(unbind_ends(parked));
	ASSERT_EQ(0, sva_pci_go(&parked->pci, false));
	ASSERT_EQ(0, sva_pci_go(&parked->pci, true));
	parked->removed = true;
	sva_thaw(&parked->hog);
	sva_sleep_ms(ACCEPT_MS);

	ASSERT_EQ(0, sva_pci_back(&parked->pci, true));
	parked->removed = false;
	fd = sva_open_nr(parked->pci.nr, &info);
	ASSERT_LE(0, fd);
	close(parked->fn.fd);
	parked->fn.fd = fd;
	EXPECT_EQ(0, thaw_and_fault(parked));
}

/* The process is gone before any of its faults is handled; then all are answered */
TEST_F_TIMEOUT(parked, r2_exit_waits_for_no_fault, SVA_TEST_TIMEOUT)
{
	struct parked *parked = &self->parked;

	ASSERT_TRUE(park(parked));
	kill(parked->owner, SIGKILL);
	EXPECT_TRUE(has_ended(&parked->owner, EXIT_MS));
	sva_thaw(&parked->hog);
	EXPECT_TRUE(function_stops(&parked->fn));
	EXPECT_TRUE(all_answered(&parked->fn));
	EXPECT_LT(0, sva_counters(parked->fn.fd).aborts);
}

/* Nor does exit wait for who waits for them, in order to unbind another process */
TEST_F_TIMEOUT(parked, r2_exit_waits_for_no_drain, SVA_TEST_TIMEOUT)
{
	struct parked *parked = &self->parked;
	int other = sva_reopen(parked->fn.fd);

	ASSERT_LE(0, other);
	ASSERT_LT(0, sva_child(&parked->heir, sva_child_bind_shared, &other));
	ASSERT_TRUE(park(parked));
	start_unbind(parked, other, 0);
	sva_sleep_ms(ACCEPT_MS);
	kill(parked->owner, SIGKILL);
	EXPECT_TRUE(has_ended(&parked->owner, EXIT_MS));
	EXPECT_TRUE(unbind_ends(parked));
	sva_thaw(&parked->hog);
	EXPECT_TRUE(function_stops(&parked->fn));
	close(other);
}

/* The driver leaves DMA running: what is parked is answered all the same */
TEST_F_TIMEOUT(parked, r5_unbind_loses_no_stall, SVA_TEST_TIMEOUT)
{
	struct parked *parked = &self->parked;

	ASSERT_TRUE(park(parked));
	start_unbind(parked, parked->fn.fd, PCI_SVA_TEST_UNBIND_DMA_RUNS);
	EXPECT_TRUE(unbind_ends(parked));
	sva_thaw(&parked->hog);
	EXPECT_TRUE(function_stops(&parked->fn));
	EXPECT_TRUE(all_answered(&parked->fn));
}

/* ---- faults that no memory is left for ---- */

FIXTURE(starved)
{
	struct function fn;
	char *page;
};

/* All tasks whose name begins with @name */
static int mark_tasks(const char *name, bool mark)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], comm[32];
	int marked = 0;

	while (proc && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (!atoi(entry->d_name) ||
		    sva_file_read(path, comm, sizeof(comm)) ||
		    strncmp(comm, name, strlen(name)))
			continue;
		marked += !sva_fail_mark(atoi(entry->d_name), mark);
	}
	closedir(proc);
	return marked;
}

FIXTURE_SETUP(starved)
{
	struct function *fn = &self->fn;

	fn->fd = sva_open(SVA_IOPF, &fn->info);
	if (fn->fd < 0)
		SVA_SKIP("no such function");
	if (sva_fail_setup())
		SVA_SKIP("no fault injection");
	ASSERT_EQ(0, function_setup(fn));
	self->page = fresh_memory(sva_page_size(), PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->page);
	ASSERT_EQ(0, sva_bind(fn->fd));
}

FIXTURE_TEARDOWN(starved)
{
	EXPECT_EQ(0, sva_fail_marked(false));
	mark_tasks("irq/", false);
	EXPECT_EQ(0, sva_reset(self->fn.fd));
	close(self->fn.fd);
}

/* The IOMMU's interrupt thread cannot accept the fault, and has to say so */
TEST_F_TIMEOUT(starved, r5_refused_faults_are_answered, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;

	if (!mark_tasks("irq/", true))
		SKIP(return, "no interrupt threads");
	ASSERT_EQ(0, sva_fail_marked(true));
	EXPECT_EQ(PCI_SVA_TEST_RES_ABORT,
		  sva_run_write(fn->fd, self->page, sva_page_size(), PATTERN));
	EXPECT_EQ(0, sva_fail_marked(false));
	EXPECT_TRUE(all_answered(fn));
	EXPECT_LT(0, sva_counters(fn->fd).stall_abort);
	EXPECT_EQ(PCI_SVA_TEST_RES_OK,
		  sva_run_write(fn->fd, self->page, sva_page_size(), PATTERN));
}

/* ---- DMA that outlives the bond ---- */

#define HOLD_NS		20000000
#define LOOK_MS		300
#define STRAY_CHUNK_NS	1000000

struct stray {
	struct function fn;
	size_t len;
	char *mem;
	pid_t owner;
};

FIXTURE(stray)
{
	struct stray stray;
};

FIXTURE_VARIANT(stray)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(stray, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(stray, nostall) { .kind = SVA_NO_IOPF };

static int stray_owner(void *arg)
{
	struct stray *stray = arg;
	int ret = sva_prefault(stray->mem, stray->len);

	if (!ret)
		ret = sva_bind(stray->fn.fd);
	return ret ?: sva_start_endless_write(stray->fn.fd, 0, stray->mem,
					      stray->len, PATTERN);
}

FIXTURE_SETUP(stray)
{
	struct stray *stray = &self->stray;
	struct function *fn = &stray->fn;

	fn->fd = sva_open(variant->kind, &fn->info);
	if (fn->fd < 0)
		SVA_SKIP("no such function");
	ASSERT_EQ(0, sva_reset(fn->fd));
	ASSERT_EQ(0, sva_set(fn->fd, PCI_SVA_TEST_PARAM_CHUNK_NS,
			     STRAY_CHUNK_NS));
	stray->len = 2 * sva_page_size();
	stray->mem = sva_shared(stray->len);
	ASSERT_NE(MAP_FAILED, (void *)stray->mem);

	ASSERT_EQ(0, sva_child(&stray->owner, stray_owner, stray));
	/* Rounds of aborts are rounds, too */
	ASSERT_TRUE(SVA_UNTIL(sva_counters(fn->fd).bytes_written >=
			      2 * stray->len, SVA_PATIENCE_MS));
}

FIXTURE_TEARDOWN(stray)
{
	struct stray *stray = &self->stray;

	sva_kill(&stray->owner);
	EXPECT_EQ(0, sva_reset(stray->fn.fd));
	close(stray->fn.fd);
}

/* The translation was granted before unbind: the write must not come after it */
TEST_F_TIMEOUT(stray, r5_unbind_waits_for_writes, SVA_TEST_TIMEOUT)
{
	struct stray *stray = &self->stray;
	struct function *fn = &stray->fn;

	ASSERT_EQ(0, sva_set(fn->fd, PCI_SVA_TEST_PARAM_HOLD_NS, HOLD_NS));
	sva_sleep_ms(HOLD_NS / 1000000);
	ASSERT_EQ(0, sva_unbind(fn->fd, PCI_SVA_TEST_UNBIND_DMA_RUNS));
	sva_poison(stray->mem, stray->len);
	sva_sleep_ms(LOOK_MS);
	EXPECT_EQ(-1, sva_first_written(stray->mem, stray->len));
	EXPECT_LT(0, sva_counters(fn->fd).aborts);
}

/* As long as nobody has the PASID, whether the process lives or not */
TEST_F_TIMEOUT(stray, r7_reported_until_reuse, SVA_TEST_TIMEOUT)
{
	struct stray *stray = &self->stray;
	struct function *fn = &stray->fn;
	int klog;

	sva_klog_settle();
	klog = sva_klog_open();
	ASSERT_LE(0, klog);
	ASSERT_EQ(0, sva_unbind(fn->fd, PCI_SVA_TEST_UNBIND_DMA_RUNS));
	EXPECT_TRUE(sva_klog_wait(klog, 2 * SVA_RATELIMIT_MS));

	sva_kill(&stray->owner);
	sva_forget_the_dead();
	sva_sleep_ms(LOOK_MS);
	sva_klog_count(klog);
	EXPECT_TRUE(sva_klog_wait(klog, 2 * SVA_RATELIMIT_MS));
	close(klog);
}

TEST_HARNESS_MAIN
