// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of a bond between a process and a function when the process dies
 * under DMA, and when the bond ends under DMA.
 *
 * A bond is live until the process drops its address space, then quiet until the
 * driver unbinds. While it is quiet DMA is aborted without a word in the kernel's
 * log, and nobody waits for the driver. When it is gone, DMA which is still tagged
 * with its PASID is a bug of the driver and has to be reported.
 *
 * Numbers in the names are those of the rules in the cover letter of the series:
 *  1 no callback into the driver	2 exit waits for no one
 *  3 quiet in the hardware		5 unbind ends access
 *  7 stray DMA is reported
 */
#include "sva_harness.h"

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

#define STOP_LATENCY_NS	10000000000ULL
/* A write that is on its way when the process dies */
#define HOLD_NS		20000000
#define EXIT_LIMIT_MS	5000
#define STRAY_MS	2000
#define STRAY_LINES	100

/* What the victim does when it is told to, one byte down the pipe */
#define ORDER_EXIT	'x'
#define ORDER_EXEC	'e'

struct bond {
	int fd;
	int klog;
	unsigned int queues;
	char *shared;		/* where the function writes */
	size_t len;
};

struct victim {
	pid_t pid;
	int orders;		/* to the victim */
	int reports;		/* from the victim */
};

FIXTURE(death)
{
	struct bond bond;	/* with the victim's address space */
	struct victim victim;
};

FIXTURE_VARIANT(death)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(death, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(death, nostall) { .kind = SVA_NO_IOPF };

/* ---- DMA ---- */

static size_t queue_len(void)
{
	return PAGES_PER_QUEUE * sva_page_size();
}

/* A bond with the caller's address space, and DMA on every queue */
static int bind_and_start(struct bond *bond, int fd, enum sva_kind kind)
{
	unsigned int q;
	int ret = 0;

	if (kind == SVA_NO_IOPF && sva_prefault(bond->shared, bond->len))
		return -errno;

	ret = sva_bind(fd);
	for (q = 0; !ret && q < bond->queues; q++)
		ret = sva_start_endless_write(fd, q,
					      bond->shared + q * queue_len(),
					      queue_len(), PATTERN);
	return ret;
}

/* No page is missing any more once every queue has been around */
static bool all_queues_run(struct bond *bond, int fd)
{
	unsigned int q;

	for (q = 0; q < bond->queues; q++) {
		if (!SVA_UNTIL(sva_rounds(fd, q) >= 2, SVA_PATIENCE_MS)) {
			fprintf(stderr, "#   queue %u does not run\n", q);
			return false;
		}
	}
	return true;
}

static bool all_queues_stop(struct bond *bond)
{
	unsigned int q;

	for (q = 0; q < bond->queues; q++)
		if (sva_stop(bond->fd, q, SVA_PATIENCE_MS))
			return false;
	return true;
}

static uint64_t aborts(struct bond *bond)
{
	return sva_counters(bond->fd).aborts;
}

/* ---- the victim ---- */

static void victim_report(int reports, int what)
{
	if (write(reports, &what, sizeof(what)) != sizeof(what))
		_exit(1);
}

static int victim_ask(struct victim *victim)
{
	int what;

	if (read(victim->reports, &what, sizeof(what)) != sizeof(what))
		return -EPIPE;
	return what;
}

/* Same program, other address space; says so and lives on */
static void victim_exec(int reports)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", reports);
	setenv("SVA_DEATH_REPORTS", number, 1);
	execl("/proc/self/exe", "sva_death", NULL);
	_exit(1);
}

static void __attribute__((constructor)) victim_after_exec(void)
{
	const char *reports = getenv("SVA_DEATH_REPORTS");

	if (!reports)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	victim_report(atoi(reports), 0);
	for (;;)
		pause();
}

static void victim_main(struct bond *bond, int fd, enum sva_kind kind,
			int orders, int reports)
{
	char order = 0;

	victim_report(reports, bind_and_start(bond, fd, kind));
	while (read(orders, &order, 1) < 0 && errno == EINTR)
		;
	if (order == ORDER_EXEC)
		victim_exec(reports);
	_exit(0);
}

/* @own_file: the victim opens the function itself, nobody else has that file */
static int victim_fork(struct victim *victim, struct bond *bond,
		       enum sva_kind kind, bool own_file)
{
	int orders[2], reports[2], fd = bond->fd;

	if (pipe(orders) || pipe(reports))
		return -errno;

	victim->pid = sva_fork();
	if (victim->pid < 0)
		return -errno;
	if (!victim->pid) {
		close(orders[1]);
		close(reports[0]);
		if (own_file)
			fd = sva_reopen(fd);
		victim_main(bond, fd, kind, orders[0], reports[1]);
	}
	close(orders[0]);
	close(reports[1]);
	victim->orders = orders[1];
	victim->reports = reports[0];
	return victim_ask(victim);
}

/* A victim under DMA, whose file the test keeps */
static int victim_start(struct victim *victim, struct bond *bond,
			enum sva_kind kind)
{
	int ret = victim_fork(victim, bond, kind, false);

	if (ret)
		return ret;
	return all_queues_run(bond, bond->fd) ? 0 : -ETIMEDOUT;
}

/* The process has no address space any more when this returns */
static uint64_t victim_kill(struct victim *victim)
{
	uint64_t begin = sva_now_ms();

	kill(victim->pid, SIGKILL);
	sva_reap(victim->pid);
	victim->pid = 0;
	return sva_now_ms() - begin;
}

static bool victim_order(struct victim *victim, char order)
{
	return write(victim->orders, &order, 1) == 1;
}

/* ---- what is looked at ---- */

struct quiet {
	uint64_t ms;
	uint64_t aborts;
	uint64_t stalls;
	uint64_t bytes_written;
	ssize_t first_written;	/* in the shared memory, -1: nothing */
};

static struct quiet quiet_look(struct bond *bond,
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
static struct quiet quiet_time(struct bond *bond, uint64_t aborts)
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

static bool nothing_written(const struct quiet *quiet)
{
	if (quiet->first_written < 0 && !quiet->bytes_written)
		return true;
	fprintf(stderr, "#   written: at %zd, %llu bytes in all\n",
		quiet->first_written, (unsigned long long)quiet->bytes_written);
	return false;
}

/* With stalls that the SMMU forces even a quiet descriptor lets stall */
static bool stall_is_forced(void)
{
	char line[4096] = { 0 };
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, line, sizeof(line) - 1) < 0)
		line[0] = 0;
	close(fd);
	return strstr(line, "sva.stall_force");
}

/* ---- setup ---- */

static int shared_setup(struct bond *bond)
{
	bond->len = bond->queues * queue_len();
	bond->shared = sva_shared(bond->len);
	return bond->shared == MAP_FAILED ? -errno : 0;
}

FIXTURE_SETUP(death)
{
	struct bond *bond = &self->bond;
	struct pci_sva_test_info info;

	bond->fd = sva_open(variant->kind, &info);
	if (bond->fd < 0)
		SVA_SKIP("no such function");
	ASSERT_EQ(0, sva_reset(bond->fd));
	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_CHUNK_NS, CHUNK_NS));
	bond->queues = info.queues < QUEUES_MAX ? info.queues : QUEUES_MAX;
	ASSERT_EQ(0, shared_setup(bond));

	sva_klog_settle();
	bond->klog = sva_klog_open();
	ASSERT_LE(0, bond->klog);
}

FIXTURE_TEARDOWN(death)
{
	struct bond *bond = &self->bond;

	if (self->victim.pid > 0)
		victim_kill(&self->victim);
	EXPECT_EQ(0, sva_reset(bond->fd));
	close(bond->fd);
	close(bond->klog);
}

/* ---- from live to quiet ---- */

/* Drivers learn nothing when the process dies: the function goes on */
TEST_F_TIMEOUT(death, r1_kill_tells_no_driver, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct pci_sva_test_wait wait;
	unsigned int q;

	ASSERT_EQ(0, victim_start(&self->victim, bond, variant->kind));
	victim_kill(&self->victim);
	quiet_time(bond, 1);
	for (q = 0; q < bond->queues; q++) {
		ASSERT_EQ(0, sva_wait(bond->fd, q, 0, &wait));
		EXPECT_NE(PCI_SVA_TEST_STATE_IDLE, wait.state);
		EXPECT_NE(PCI_SVA_TEST_STATE_STOPPING, wait.state);
		EXPECT_LT(0, wait.aborts);
	}
	EXPECT_EQ(0, sva_counters(bond->fd).after_stop_req);
}

/* A function that takes long to stop makes nobody wait who does not stop it */
TEST_F_TIMEOUT(death, r2_kill_waits_for_no_device, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	uint64_t ms;

	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_STOP_LATENCY,
			     STOP_LATENCY_NS));
	ASSERT_EQ(0, victim_start(&self->victim, bond, variant->kind));
	ms = victim_kill(&self->victim);
	fprintf(stderr, "#   reaped: ms=%llu\n", (unsigned long long)ms);
	EXPECT_GT(EXIT_LIMIT_MS, ms);
	/* The function was there all the time */
	EXPECT_LT(0, quiet_time(bond, 1).aborts);
}

TEST_F_TIMEOUT(death, r2_nothing_written_after_kill, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct quiet quiet;

	ASSERT_EQ(0, victim_start(&self->victim, bond, variant->kind));
	EXPECT_LT(0, sva_counters(bond->fd).bytes_written);
	victim_kill(&self->victim);
	quiet = quiet_time(bond, 1);
	EXPECT_TRUE(nothing_written(&quiet));
	EXPECT_LT(0, quiet.aborts);
}

/* The translation was granted before the process died */
TEST_F_TIMEOUT(death, r2_no_late_write_after_kill, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct quiet quiet;

	ASSERT_EQ(0, victim_start(&self->victim, bond, variant->kind));
	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_HOLD_NS, HOLD_NS));
	sva_sleep_ms(HOLD_NS / 1000000);
	victim_kill(&self->victim);
	quiet = quiet_time(bond, 1);
	EXPECT_TRUE(nothing_written(&quiet));
	EXPECT_LT(0, quiet.aborts);
}

/* Not a line in the log, from the signal on */
TEST_F_TIMEOUT(death, r3_kill_is_quiet, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;

	ASSERT_EQ(0, victim_start(&self->victim, bond, variant->kind));
	EXPECT_EQ(0, sva_klog_count(bond->klog));
	victim_kill(&self->victim);
	EXPECT_LT(0, quiet_time(bond, QUIET_ABORTS).aborts);
	EXPECT_EQ(0, sva_klog_count(bond->klog));
}

/* Thousands in a second: an abort is the IOMMU's business alone */
TEST_F_TIMEOUT(death, r3_kill_keeps_aborting, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;

	if (stall_is_forced())
		SKIP(return, "the IOMMU forces stalls");

	ASSERT_EQ(0, victim_start(&self->victim, bond, variant->kind));
	victim_kill(&self->victim);
	EXPECT_LE(QUIET_ABORTS, quiet_time(bond, QUIET_ABORTS).aborts);
}

/* A stall would cost the CPU an event, a work item and a command per abort */
TEST_F_TIMEOUT(death, r3_kill_does_not_stall, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct quiet quiet;

	if (stall_is_forced())
		SKIP(return, "the IOMMU forces stalls");
	if (variant->kind == SVA_NO_IOPF)
		SKIP(return, "the function cannot stall");

	ASSERT_EQ(0, victim_start(&self->victim, bond, variant->kind));
	victim_kill(&self->victim);
	quiet = quiet_time(bond, 1);
	EXPECT_EQ(0, quiet.stalls);
	EXPECT_LT(0, quiet.aborts);
}

TEST_F_TIMEOUT(death, r3_exit_is_quiet, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct quiet quiet;

	ASSERT_EQ(0, victim_start(&self->victim, bond, variant->kind));
	EXPECT_TRUE(victim_order(&self->victim, ORDER_EXIT));
	EXPECT_EQ(0, sva_reap(self->victim.pid));
	self->victim.pid = 0;
	quiet = quiet_time(bond, 1);
	EXPECT_TRUE(nothing_written(&quiet));
	EXPECT_LT(0, quiet.aborts);
	EXPECT_EQ(0, sva_klog_count(bond->klog));
}

/* exec() drops the address space too, the process lives on */
TEST_F_TIMEOUT(death, r3_exec_is_quiet, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct quiet quiet;

	ASSERT_EQ(0, victim_start(&self->victim, bond, variant->kind));
	EXPECT_TRUE(victim_order(&self->victim, ORDER_EXEC));
	ASSERT_EQ(0, victim_ask(&self->victim));
	quiet = quiet_time(bond, 1);
	EXPECT_TRUE(nothing_written(&quiet));
	EXPECT_LT(0, quiet.aborts);
	EXPECT_EQ(0, sva_klog_count(bond->klog));
}

/*
 * The victim's file dies with it, as most do: quiet lasts until the driver has
 * stopped the function, which takes this one a second.
 */
TEST_F_TIMEOUT(death, r3_last_file_is_quiet, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	uint64_t ms, before;

	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_STOP_LATENCY,
			     QUIET_MS * 1000000ULL));
	ASSERT_EQ(0, victim_fork(&self->victim, bond, variant->kind, true));
	/* Another file cannot ask for the queues' progress */
	ASSERT_TRUE(SVA_UNTIL(sva_counters(bond->fd).bytes_written >
			      4 * bond->len, SVA_PATIENCE_MS));

	ms = victim_kill(&self->victim);
	fprintf(stderr, "#   reaped: ms=%llu\n", (unsigned long long)ms);
	EXPECT_LE(QUIET_MS, ms);

	before = aborts(bond);
	sva_poison(bond->shared, bond->len);
	sva_sleep_ms(QUIET_MS);
	EXPECT_EQ(before, aborts(bond));
	EXPECT_EQ(-1, sva_first_written(bond->shared, bond->len));
	EXPECT_EQ(0, sva_counters(bond->fd).after_stop_ack);
	EXPECT_EQ(0, sva_klog_count(bond->klog));
}

/* ---- from quiet to gone ---- */

static int go_stray(struct bond *bond)
{
	int ret = sva_set(bond->fd, PCI_SVA_TEST_PARAM_CHUNK_NS, STRAY_CHUNK_NS);

	return ret ?: sva_unbind(bond->fd, PCI_SVA_TEST_UNBIND_DMA_RUNS);
}

/* The second of quiet has not used up what the log is allowed to hold */
TEST_F_TIMEOUT(death, r7_stray_dma_is_reported, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct quiet quiet;

	ASSERT_EQ(0, victim_start(&self->victim, bond, variant->kind));
	victim_kill(&self->victim);
	quiet_time(bond, 1);
	EXPECT_EQ(0, sva_klog_count(bond->klog));

	ASSERT_EQ(0, go_stray(bond));
	EXPECT_TRUE(sva_klog_wait(bond->klog, STRAY_MS));
	quiet = quiet_time(bond, 1);
	EXPECT_TRUE(nothing_written(&quiet));
}

TEST_F_TIMEOUT(death, r7_stray_dma_report_is_limited, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	uint64_t before;

	ASSERT_EQ(0, victim_start(&self->victim, bond, variant->kind));
	victim_kill(&self->victim);
	before = aborts(bond);
	ASSERT_EQ(0, go_stray(bond));
	EXPECT_TRUE(sva_klog_wait(bond->klog, STRAY_MS));
	sva_sleep_ms(STRAY_MS);
	EXPECT_GE(STRAY_LINES, sva_klog_count(bond->klog));
	/* It was not the function that was sparing with them */
	EXPECT_LE(before + STRAY_LINES, aborts(bond));
}

/* And when the driver has stopped its DMA at last there is nothing to report */
TEST_F_TIMEOUT(death, r7_silence_after_stop, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	uint64_t before;

	ASSERT_EQ(0, victim_start(&self->victim, bond, variant->kind));
	victim_kill(&self->victim);
	ASSERT_EQ(0, go_stray(bond));
	EXPECT_TRUE(sva_klog_wait(bond->klog, STRAY_MS));
	ASSERT_TRUE(all_queues_stop(bond));
	before = aborts(bond);

	/* Silence is not to come from a rate limit */
	sva_klog_settle();
	sva_klog_count(bond->klog);
	sva_sleep_ms(QUIET_MS);
	EXPECT_EQ(0, sva_klog_count(bond->klog));
	EXPECT_EQ(before, aborts(bond));
}

/* ---- bonds that end while the process lives ---- */

FIXTURE(living)
{
	struct bond bond;	/* with the test's own address space */
	int other;		/* for when the bond's file is closed */
};

FIXTURE_VARIANT(living)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(living, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(living, nostall) { .kind = SVA_NO_IOPF };

FIXTURE_SETUP(living)
{
	struct bond *bond = &self->bond;
	struct pci_sva_test_info info;

	bond->fd = sva_open(variant->kind, &info);
	if (bond->fd < 0)
		SVA_SKIP("no such function");
	ASSERT_EQ(0, sva_reset(bond->fd));
	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_CHUNK_NS, CHUNK_NS));
	self->other = sva_reopen(bond->fd);
	ASSERT_LE(0, self->other);
	bond->queues = info.queues < QUEUES_MAX ? info.queues : QUEUES_MAX;
	ASSERT_EQ(0, shared_setup(bond));

	sva_klog_settle();
	bond->klog = sva_klog_open();
	ASSERT_LE(0, bond->klog);
	ASSERT_EQ(0, bind_and_start(bond, bond->fd, variant->kind));
	ASSERT_TRUE(all_queues_run(bond, bond->fd));
}

FIXTURE_TEARDOWN(living)
{
	EXPECT_EQ(0, sva_reset(self->other));
	close(self->other);
	close(self->bond.fd);
	close(self->bond.klog);
}

/* The bond's file has been closed: look through the other one from now on */
static void close_bond(struct bond *bond, int other)
{
	close(bond->fd);
	bond->fd = dup(other);
}

/* The driver stops DMA before it unbinds, so that there is none to report */
TEST_F_TIMEOUT(living, r1_close_stops_dma, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct pci_sva_test_counters before;

	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_STOP_LATENCY,
			     QUIET_MS * 1000000ULL));
	close_bond(bond, self->other);
	before = sva_counters(bond->fd);
	sva_poison(bond->shared, bond->len);
	sva_sleep_ms(QUIET_MS);
	EXPECT_EQ(before.bytes_written, sva_counters(bond->fd).bytes_written);
	EXPECT_EQ(0, aborts(bond));
	EXPECT_EQ(0, sva_counters(bond->fd).after_stop_ack);
	EXPECT_EQ(-1, sva_first_written(bond->shared, bond->len));
	EXPECT_EQ(0, sva_klog_count(bond->klog));
}

/* unbind takes the address space away from DMA that runs */
TEST_F_TIMEOUT(living, r5_unbind_ends_access, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct quiet quiet;

	ASSERT_EQ(0, go_stray(bond));
	quiet = quiet_time(bond, 1);
	EXPECT_TRUE(nothing_written(&quiet));
	EXPECT_LT(0, quiet.aborts);
}

TEST_F_TIMEOUT(living, r5_close_ends_access, SVA_TEST_TIMEOUT)
{
	struct pci_sva_test_close leave = {
		.flags = PCI_SVA_TEST_CLOSE_DMA_RUNS,
	};
	struct bond *bond = &self->bond;
	struct quiet quiet;

	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_CHUNK_NS,
			     STRAY_CHUNK_NS));
	ASSERT_EQ(0, sva_ioctl(bond->fd, PCI_SVA_TEST_CLOSE, &leave));
	close_bond(bond, self->other);
	quiet = quiet_time(bond, 1);
	EXPECT_TRUE(nothing_written(&quiet));
	EXPECT_LT(0, quiet.aborts);
}

TEST_F_TIMEOUT(living, r7_unbind_under_dma_is_reported, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;

	EXPECT_EQ(0, sva_klog_count(bond->klog));
	ASSERT_EQ(0, go_stray(bond));
	EXPECT_TRUE(sva_klog_wait(bond->klog, STRAY_MS));
}

TEST_F_TIMEOUT(living, r7_close_under_dma_is_reported, SVA_TEST_TIMEOUT)
{
	struct pci_sva_test_close leave = {
		.flags = PCI_SVA_TEST_CLOSE_DMA_RUNS,
	};
	struct bond *bond = &self->bond;

	EXPECT_EQ(0, sva_klog_count(bond->klog));
	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_CHUNK_NS,
			     STRAY_CHUNK_NS));
	ASSERT_EQ(0, sva_ioctl(bond->fd, PCI_SVA_TEST_CLOSE, &leave));
	close_bond(bond, self->other);
	EXPECT_TRUE(sva_klog_wait(bond->klog, STRAY_MS));
}

TEST_HARNESS_MAIN
