/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of dying processes have in common: a bond under DMA that does
 * not end, a victim whose address space it is and that does as it is told, and a
 * look at what the function does when the victim is gone.
 */
#ifndef SVA_VICTIM_H
#define SVA_VICTIM_H

#include "sva_harness.h"

#include <sched.h>

#define QUEUES_MAX	4
#define PAGES_PER_QUEUE	4
#define PATTERN		0x1122334455667788ULL

/* Faster than the page-fault path, slow enough not to starve the machine */
#define CHUNK_NS	100000
/* A driver's forgotten queue: too slow to overflow an event queue */
#define STRAY_CHUNK_NS	1000000

#define QUIET_MS	1000
/* So many aborts belong into a quiet time, on a busy machine into a long one */
#define QUIET_ABORTS	10000
#define QUIET_LIMIT_MS	5000

#define EXIT_LIMIT_MS	5000

/* ---- the bond ---- */

struct bond {
	enum sva_kind kind;	/* of the function */
	int fd;
	int klog;
	unsigned int first_queue;
	unsigned int queues;
	char *shared;		/* where the function writes */
	size_t len;
};

static inline size_t queue_len(void)
{
	return PAGES_PER_QUEUE * sva_page_size();
}

static inline int bond_open(struct bond *bond, enum sva_kind kind)
{
	struct pci_sva_test_info info;
	int ret;

	bond->kind = kind;
	bond->fd = sva_open(kind, &info);
	if (bond->fd < 0)
		return -ENODEV;
	bond->queues = info.queues < QUEUES_MAX ? info.queues : QUEUES_MAX;
	bond->len = bond->queues * queue_len();
	bond->shared = sva_shared(bond->len);
	if (bond->shared == MAP_FAILED)
		return -errno;

	ret = sva_reset(bond->fd);
	return ret ?: sva_set(bond->fd, PCI_SVA_TEST_PARAM_CHUNK_NS, CHUNK_NS);
}

/* For a fixture's setup: no bond yet, and a log that will hold what comes */
static inline void bond_setup(struct __test_metadata *_metadata,
			      struct bond *bond, enum sva_kind kind)
{
	int ret = bond_open(bond, kind);

	if (ret == -ENODEV)
		SVA_SKIP("no such function");
	ASSERT_EQ(0, ret);

	sva_klog_settle();
	bond->klog = sva_klog_open();
	ASSERT_LE(0, bond->klog);
}

static inline void bond_teardown(struct __test_metadata *_metadata,
				 struct bond *bond)
{
	EXPECT_EQ(0, sva_reset(bond->fd));
	close(bond->fd);
	close(bond->klog);
}

static inline int bond_start_queue(struct bond *bond, unsigned int q)
{
	return sva_start_endless_write(bond->fd, bond->first_queue + q,
				       bond->shared + q * queue_len(),
				       queue_len(), PATTERN);
}

/* With the caller's address space, and DMA on every queue */
static inline int bond_start(struct bond *bond)
{
	unsigned int q;
	int ret = 0;

	if (sva_make_ready(bond->kind, bond->shared, bond->len))
		return -errno;

	ret = sva_bind(bond->fd);
	for (q = 0; !ret && q < bond->queues; q++)
		ret = bond_start_queue(bond, q);
	return ret;
}

/* No page is missing any more once every queue has been around */
static inline bool bond_runs(struct bond *bond)
{
	unsigned int q, queue;

	for (q = 0; q < bond->queues; q++) {
		queue = bond->first_queue + q;
		if (!SVA_UNTIL(sva_rounds(bond->fd, queue) >= 2,
			       SVA_PATIENCE_MS)) {
			fprintf(stderr, "#   queue %u does not run\n", queue);
			return false;
		}
	}
	return true;
}

/* The same for who cannot ask for the queues' progress, with another file */
static inline bool bond_writes(struct bond *bond)
{
	return SVA_UNTIL(sva_counters(bond->fd).bytes_written > 4 * bond->len,
			 SVA_PATIENCE_MS);
}

/* Stop the queues but the first @keep */
static inline bool bond_stop(struct bond *bond, unsigned int keep)
{
	unsigned int q;

	for (q = keep; q < bond->queues; q++)
		if (sva_stop(bond->fd, bond->first_queue + q, SVA_PATIENCE_MS))
			return false;
	return true;
}

static inline uint64_t bond_aborts(struct bond *bond)
{
	return sva_counters(bond->fd).aborts;
}

static inline struct pci_sva_test_wait queue_look(struct bond *bond,
						  unsigned int q)
{
	struct pci_sva_test_wait wait;

	if (sva_wait(bond->fd, bond->first_queue + q, 0, &wait))
		memset(&wait, 0, sizeof(wait));
	return wait;
}

/* The queue goes round and writes what it has to, nothing is aborted */
static inline bool queue_goes_on(struct bond *bond, unsigned int q)
{
	char *mem = bond->shared + q * queue_len();
	struct pci_sva_test_wait begin;

	sva_poison(mem, queue_len());
	begin = queue_look(bond, q);
	return SVA_UNTIL(queue_look(bond, q).iterations >= begin.iterations + 2,
			 SVA_PATIENCE_MS) &&
	       sva_check(mem, queue_len(), PATTERN) < 0 &&
	       queue_look(bond, q).aborts == begin.aborts;
}

static inline bool bond_goes_on(struct bond *bond)
{
	unsigned int q;

	for (q = 0; q < bond->queues; q++)
		if (!queue_goes_on(bond, q))
			return false;
	return true;
}

/* The first queue's DMA is aborted, and no queue's has written anything */
static inline bool bond_is_aborted(struct bond *bond)
{
	uint64_t begin;

	sva_poison(bond->shared, bond->len);
	begin = queue_look(bond, 0).aborts;
	return SVA_UNTIL(queue_look(bond, 0).aborts > begin, SVA_PATIENCE_MS) &&
	       sva_first_written(bond->shared, bond->len) < 0;
}

/* ---- the victim ---- */

struct victim {
	pid_t pid;
	int orders;		/* to the victim */
	int reports;		/* from the victim */
};

typedef void (*victim_role)(struct victim *me, void *arg);

static inline void victim_report(struct victim *me, int what)
{
	if (write(me->reports, &what, sizeof(what)) != sizeof(what))
		_exit(1);
}

/* The victim's next report */
static inline int victim_ask(struct victim *victim)
{
	int what;

	if (read(victim->reports, &what, sizeof(what)) != sizeof(what))
		return -EPIPE;
	return what;
}

static inline bool victim_has_reported(struct victim *victim, int ms)
{
	struct pollfd poller = { .fd = victim->reports, .events = POLLIN };

	return poll(&poller, 1, ms) == 1;
}

static inline bool victim_order(struct victim *victim)
{
	return write(victim->orders, "", 1) == 1;
}

static inline void victim_await_order(struct victim *me)
{
	char order;

	while (read(me->orders, &order, 1) < 0 && errno == EINTR)
		;
}

static inline int victim_ask_for(struct victim *victim)
{
	return victim_order(victim) ? victim_ask(victim) : -EPIPE;
}

/* Fork a victim, which plays @role and exits with 0; returns its first report */
static inline int victim_fork(struct victim *victim, victim_role role, void *arg)
{
	int orders[2], reports[2];

	if (pipe(orders) || pipe(reports))
		return -errno;

	victim->pid = sva_fork();
	if (victim->pid < 0)
		return -errno;
	if (!victim->pid) {
		close(orders[1]);
		close(reports[0]);
		victim->orders = orders[0];
		victim->reports = reports[1];
		role(victim, arg);
		_exit(0);
	}
	close(orders[0]);
	close(reports[1]);
	victim->orders = orders[1];
	victim->reports = reports[0];
	return victim_ask(victim);
}

static inline int victim_reap(struct victim *victim)
{
	int status = sva_reap(victim->pid);

	victim->pid = 0;
	close(victim->orders);
	close(victim->reports);
	return status;
}

/* The process has no address space any more when this returns */
static inline uint64_t victim_kill(struct victim *victim)
{
	uint64_t begin = sva_now_ms();

	kill(victim->pid, SIGKILL);
	victim_reap(victim);
	return sva_now_ms() - begin;
}

/* On that CPU alone */
static inline bool task_pin(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(pid, sizeof(set), &set);
}

/* Before everybody of a lower @priority, ordinary processes and workers too */
static inline bool task_be_urgent(pid_t pid, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	return !sched_setscheduler(pid, SCHED_FIFO, &param);
}

/* For a fixture's teardown */
static inline void victim_teardown(struct victim *victim)
{
	if (victim->pid > 0)
		victim_kill(victim);
}

/* What becomes of a victim that calls exec(): says so, and lives on */
static void __attribute__((constructor)) victim_after_exec(void)
{
	const char *reports = getenv("SVA_VICTIM_REPORTS");
	struct victim me = { 0 };

	if (!reports)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	me.reports = atoi(reports);
	victim_report(&me, 0);
	for (;;)
		pause();
}

/* Same program, other address space, which reports 0 */
static inline void victim_exec(struct victim *me)
{
	char reports[40], *env[] = { reports, NULL };

	snprintf(reports, sizeof(reports), "SVA_VICTIM_REPORTS=%d", me->reports);
	execle("/proc/self/exe", "sva_victim", NULL, env);
	_exit(1);
}

/* A role: the bond at @arg, and exit by order */
static inline void victim_of_bond(struct victim *me, void *arg)
{
	victim_report(me, bond_start(arg));
	victim_await_order(me);
}

/* A role: as before, through a file that nobody else has */
static inline void victim_with_own_file(struct victim *me, void *arg)
{
	struct bond *bond = arg;

	bond->fd = sva_reopen(bond->fd);
	victim_of_bond(me, bond);
}

/* A victim under DMA, whose file the test keeps */
static inline int victim_start(struct victim *victim, struct bond *bond,
			       victim_role role)
{
	int ret = victim_fork(victim, role, bond);

	if (ret)
		return ret;
	return bond_runs(bond) ? 0 : -ETIMEDOUT;
}

/* ---- what is looked at ---- */

struct quiet {
	uint64_t ms;
	uint64_t aborts;
	uint64_t stalls;
	uint64_t bytes_written;
	ssize_t first_written;	/* in the shared memory, -1: nothing */
};

static inline struct quiet quiet_look(struct bond *bond,
				      const struct pci_sva_test_counters *begin,
				      uint64_t begin_ms)
{
	struct pci_sva_test_counters now = sva_counters(bond->fd);

	return (struct quiet) {
		.ms = sva_now_ms() - begin_ms,
		.aborts = now.aborts - begin->aborts,
		.stalls = now.stalls - begin->stalls,
		.bytes_written = now.bytes_written - begin->bytes_written,
		.first_written = sva_first_written(bond->shared, bond->len),
	};
}

/*
 * Watch a bond that has to be quiet, for a second or until there were enough
 * @aborts. A write shows in the function's counter and, as it writes something
 * else than the poison, in the memory.
 */
static inline struct quiet quiet_time(struct bond *bond, uint64_t aborts)
{
	struct pci_sva_test_counters begin = sva_counters(bond->fd);
	uint64_t begin_ms = sva_now_ms();
	struct quiet quiet;

	sva_poison(bond->shared, bond->len);
	do {
		sva_sleep_ms(10);
		quiet = quiet_look(bond, &begin, begin_ms);
	} while (quiet.first_written < 0 &&
		 (quiet.ms < QUIET_MS ||
		  (quiet.ms < QUIET_LIMIT_MS && quiet.aborts < aborts)));

	fprintf(stderr,
		"#   quiet: ms=%llu aborts=%llu stalls=%llu written=%llu\n",
		(unsigned long long)quiet.ms, (unsigned long long)quiet.aborts,
		(unsigned long long)quiet.stalls,
		(unsigned long long)quiet.bytes_written);
	return quiet;
}

static inline bool nothing_written(const struct quiet *quiet)
{
	if (quiet->first_written < 0 && !quiet->bytes_written)
		return true;
	fprintf(stderr, "#   written: at %zd, %llu bytes in all\n",
		quiet->first_written, (unsigned long long)quiet->bytes_written);
	return false;
}

/* For a while DMA is aborted, and nothing else happens */
static inline void expect_aborts(struct __test_metadata *_metadata,
				 struct bond *bond)
{
	struct quiet quiet = quiet_time(bond, 1);

	EXPECT_TRUE(nothing_written(&quiet));
	EXPECT_LT(0, quiet.aborts);
}

/* The same, and not a line in the log since setup */
static inline void expect_quiet(struct __test_metadata *_metadata,
				struct bond *bond)
{
	expect_aborts(_metadata, bond);
	EXPECT_EQ(0, sva_klog_count(bond->klog));
}

#endif /* SVA_VICTIM_H */
