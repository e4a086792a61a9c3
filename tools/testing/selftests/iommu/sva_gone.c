// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of bonds when the function goes: its driver is unbound, it is
 * removed, it is reset, before and after the process has exited.
 *
 * Files that are open meanwhile fail with ENODEV, and are closed later without
 * harm. Other functions that are bound to the same address space do not notice.
 * When the function is back it works.
 */
#include "sva_harness.h"
#include "sva_machine.h"

#define PAGES_PER_QUEUE	2
#define PATTERN		0x7d7d000000000000ULL
#define CHUNK_NS	100000
#define LOOK_MS		200
#define ROUNDS		2

struct function {
	int fd;
	struct pci_sva_test_info info;
	char *mem;		/* PAGES_PER_QUEUE for each queue */
	size_t len;
};

static size_t queue_len(void)
{
	return PAGES_PER_QUEUE * sva_page_size();
}

/* @fd is of the function whose info has been read */
static int function_setup(struct function *fn)
{
	int ret;

	fn->len = fn->info.queues * queue_len();
	fn->mem = sva_shared(fn->len);
	if (fn->mem == MAP_FAILED || sva_prefault(fn->mem, fn->len))
		return -errno;
	ret = sva_reset(fn->fd);
	return ret ?: sva_set(fn->fd, PCI_SVA_TEST_PARAM_CHUNK_NS, CHUNK_NS);
}

static int function_start(struct function *fn, char *mem)
{
	unsigned int q;
	int ret = 0;

	for (q = 0; !ret && q < fn->info.queues; q++)
		ret = sva_start_endless_write(fn->fd, q, mem + q * queue_len(),
					      queue_len(), PATTERN);
	return ret;
}

/* Whether all queues make progress, from now on */
static bool function_runs(struct function *fn)
{
	uint64_t rounds;
	unsigned int q;

	for (q = 0; q < fn->info.queues; q++) {
		rounds = sva_rounds(fn->fd, q);
		if (!SVA_UNTIL(sva_rounds(fn->fd, q) >= rounds + 2,
			       SVA_PATIENCE_MS)) {
			fprintf(stderr, "#   queue %u does not run\n", q);
			return false;
		}
	}
	return true;
}

static bool function_writes_no_more(struct function *fn)
{
	sva_poison(fn->mem, fn->len);
	sva_sleep_ms(LOOK_MS);
	return sva_first_written(fn->mem, fn->len) < 0;
}

/* For sva_child(): bind through the test's file, and be ready for DMA */
static int child_binds(void *arg)
{
	struct function *fn = arg;

	return sva_prefault(fn->mem, fn->len) ?: sva_bind(fn->fd);
}

/* Every request, whatever it is about */
static bool fails_with_enodev(int fd)
{
	static const unsigned long cmds[] = {
		PCI_SVA_TEST_INFO, PCI_SVA_TEST_GRAB, PCI_SVA_TEST_BIND,
		PCI_SVA_TEST_UNBIND, PCI_SVA_TEST_START, PCI_SVA_TEST_WAIT,
		PCI_SVA_TEST_STOP, PCI_SVA_TEST_COUNTERS, PCI_SVA_TEST_SET,
		PCI_SVA_TEST_CLOSE, PCI_SVA_TEST_RESET,
	};
	bool all = true;
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		uint64_t request[64] = { 0 };

		ret = sva_ioctl(fd, cmds[i], request);
		if (ret == -ENODEV)
			continue;
		fprintf(stderr, "#   request %u: %d\n", i, ret);
		all = false;
	}
	return all;
}

/* Fork a child that waits for a job which ends with the function */
static pid_t fork_waiter(int fd)
{
	struct pci_sva_test_wait wait;
	pid_t pid = sva_fork();

	if (!pid)
		_exit(sva_wait(fd, 0, SVA_PATIENCE_MS, &wait) != -ENODEV);
	return pid;
}

/* ---- the function is taken away ---- */

struct gone {
	struct function fn;	/* which goes */
	struct function other;	/* which stays */
	struct sva_pci pci;
	bool remove;
	bool away;
	pid_t child;
};

FIXTURE(gone)
{
	struct gone gone;
};

FIXTURE_VARIANT(gone)
{
	enum sva_kind kind;
	bool remove;		/* the PCI device, not only its driver */
};

FIXTURE_VARIANT_ADD(gone, stall_unbind) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(gone, stall_remove) { .kind = SVA_IOPF, .remove = true };
FIXTURE_VARIANT_ADD(gone, nostall_unbind) { .kind = SVA_NO_IOPF };
FIXTURE_VARIANT_ADD(gone, nostall_remove) {
	.kind = SVA_NO_IOPF, .remove = true,
};

FIXTURE_SETUP(gone)
{
	struct gone *gone = &self->gone;
	struct function *fn = &gone->fn, *other = &gone->other;

	fn->fd = sva_open(variant->kind, &fn->info);
	if (fn->fd < 0)
		SVA_SKIP("no such function");
	ASSERT_EQ(0, function_setup(fn));
	ASSERT_EQ(0, sva_pci_find(fn->fd, &gone->pci));
	gone->remove = variant->remove;

	other->fd = sva_open_other(fn->fd, &other->info);
	if (other->fd < 0)
		SVA_SKIP("no second function");
	ASSERT_EQ(0, function_setup(other));
	ASSERT_EQ(0, sva_bind(other->fd));
	ASSERT_EQ(0, function_start(other, other->mem));
}

static int gone_back(struct gone *gone)
{
	if (!gone->away)
		return 0;
	gone->away = false;
	return sva_pci_back(&gone->pci, gone->remove);
}

FIXTURE_TEARDOWN(gone)
{
	struct gone *gone = &self->gone;

	sva_kill(&gone->child);
	EXPECT_EQ(0, gone_back(gone));
	EXPECT_EQ(0, sva_reset(gone->other.fd));
	close(gone->other.fd);
	if (gone->fn.fd >= 0)
		close(gone->fn.fd);
}

static int gone_go(struct gone *gone)
{
	int ret = sva_pci_go(&gone->pci, gone->remove);

	gone->away = !ret;
	return ret;
}

/* The function is back, and a file that has seen it go is not taken in by it */
static void check_back(struct __test_metadata *_metadata,
		       struct gone *gone)
{
	struct pci_sva_test_info info;
	int fd;

	ASSERT_EQ(0, gone_back(gone));
	ASSERT_TRUE(sva_pci_is_bound(&gone->pci));
	fd = sva_open_nr(gone->pci.nr, &info);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, memcmp(&info, &gone->fn.info, sizeof(info)));
	EXPECT_EQ(0, sva_works(fd, gone->fn.mem, gone->fn.len));
	EXPECT_TRUE(fails_with_enodev(gone->fn.fd));

	EXPECT_EQ(0, close(gone->fn.fd));
	gone->fn.fd = -1;
	EXPECT_EQ(0, sva_works(fd, gone->fn.mem, gone->fn.len));
	EXPECT_TRUE(function_runs(&gone->other));
	EXPECT_EQ(0, close(fd));
}

TEST_F_TIMEOUT(gone, r11_while_bound, SVA_TEST_TIMEOUT)
{
	struct gone *gone = &self->gone;
	struct function *fn = &gone->fn;

	ASSERT_EQ(0, sva_bind(fn->fd));
	ASSERT_EQ(0, function_start(fn, fn->mem));
	ASSERT_TRUE(function_runs(fn));

	ASSERT_EQ(0, gone_go(gone));
	EXPECT_FALSE(sva_pci_is_bound(&gone->pci));
	EXPECT_TRUE(fails_with_enodev(fn->fd));
	EXPECT_TRUE(function_writes_no_more(fn));
	EXPECT_TRUE(function_runs(&gone->other));
	/* Nobody has forgotten to drop the IOMMU group */
	if (variant->remove)
		EXPECT_NE(0, access(gone->pci.group, F_OK));
	check_back(_metadata, gone);
}

/* Files of several processes, bound and not, closed after the function has gone */
TEST_F_TIMEOUT(gone, r11_many_files, SVA_TEST_TIMEOUT)
{
	struct gone *gone = &self->gone;
	struct function *fn = &gone->fn;
	int files[4], i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		files[i] = sva_reopen(fn->fd);
		ASSERT_LE(0, files[i]);
	}
	ASSERT_LT(0, sva_child(&gone->child, sva_child_bind_shared, &files[0]));
	ASSERT_EQ(0, sva_bind(files[1]));
	ASSERT_EQ(0, sva_bind(files[2]));
	ASSERT_EQ(0, sva_bind(fn->fd));

	EXPECT_EQ(0, close(files[2]));
	ASSERT_EQ(0, gone_go(gone));
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(fails_with_enodev(files[i]));
	EXPECT_EQ(0, close(files[1]));
	sva_kill(&gone->child);
	EXPECT_EQ(0, close(files[0]));
	check_back(_metadata, gone);
	EXPECT_EQ(0, close(files[3]));
}

/* The process goes first: its bond is quiet when the function goes */
TEST_F_TIMEOUT(gone, r11_after_exit, SVA_TEST_TIMEOUT)
{
	struct gone *gone = &self->gone;
	struct function *fn = &gone->fn;
	uint64_t aborts;

	ASSERT_EQ(0, sva_child(&gone->child, child_binds, fn));
	ASSERT_EQ(0, function_start(fn, fn->mem));
	ASSERT_TRUE(function_runs(fn));
	sva_kill(&gone->child);
	aborts = sva_counters(fn->fd).aborts;
	ASSERT_TRUE(SVA_UNTIL(sva_counters(fn->fd).aborts > aborts + 10,
			      SVA_PATIENCE_MS));

	ASSERT_EQ(0, gone_go(gone));
	EXPECT_TRUE(fails_with_enodev(fn->fd));
	check_back(_metadata, gone);
}

/* The function goes first: nothing is left for the process's exit to visit */
TEST_F_TIMEOUT(gone, r11_before_exit, SVA_TEST_TIMEOUT)
{
	struct gone *gone = &self->gone;
	struct function *fn = &gone->fn;
	int before = sva_lowest_pasid(gone->other.fd);

	ASSERT_LT(0, before);
	ASSERT_EQ(0, sva_child(&gone->child, child_binds, fn));
	ASSERT_EQ(0, function_start(fn, fn->mem));
	ASSERT_TRUE(function_runs(fn));

	ASSERT_EQ(0, gone_go(gone));
	sva_kill(&gone->child);
	EXPECT_TRUE(fails_with_enodev(fn->fd));
	EXPECT_TRUE(sva_no_pasid_leaked(gone->other.fd, before));
	check_back(_metadata, gone);
}

/* Its queues fault all the time: nothing of that comes back with the function */
TEST_F_TIMEOUT(gone, r11_while_faulting, SVA_TEST_TIMEOUT)
{
	struct gone *gone = &self->gone;
	struct function *fn = &gone->fn;
	char *hole;

	hole = mmap(NULL, fn->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	ASSERT_NE(MAP_FAILED, (void *)hole);
	ASSERT_EQ(0, sva_bind(fn->fd));
	ASSERT_EQ(0, function_start(fn, hole));
	ASSERT_TRUE(SVA_UNTIL(sva_counters(fn->fd).aborts > fn->info.queues,
			      SVA_PATIENCE_MS));

	ASSERT_EQ(0, gone_go(gone));
	EXPECT_TRUE(fails_with_enodev(fn->fd));
	check_back(_metadata, gone);
	munmap(hole, fn->len);
}

TEST_F_TIMEOUT(gone, r11_wakes_who_waits, SVA_TEST_TIMEOUT)
{
	struct gone *gone = &self->gone;
	struct function *fn = &gone->fn;
	pid_t waiter;

	ASSERT_EQ(0, sva_bind(fn->fd));
	ASSERT_EQ(0, function_start(fn, fn->mem));
	waiter = fork_waiter(fn->fd);
	ASSERT_LT(0, waiter);
	sva_sleep_ms(LOOK_MS);

	ASSERT_EQ(0, gone_go(gone));
	EXPECT_EQ(0, sva_reap(waiter));
	check_back(_metadata, gone);
}

/* Come and go with the function, as long as this process lives */
static void use_for_ever(unsigned int nr, void *mem)
{
	struct pci_sva_test_info info;
	int fd;

	for (;;) {
		fd = sva_open_nr(nr, &info);
		if (fd < 0) {
			sva_sleep_ms(1);
			continue;
		}
		/* Any of this may fail at any time */
		if (!sva_bind(fd) &&
		    !sva_start_endless_write(fd, 0, mem, queue_len(), PATTERN))
			sva_stop(fd, 0, SVA_PATIENCE_MS);
		close(fd);
	}
}

/* A few times, or SVA_ROUNDS times, as far as there is time */
TEST_F_TIMEOUT(gone, r11_races_with_users, SVA_TEST_TIMEOUT)
{
	uint64_t end = sva_now_ms() + SVA_TEST_TIMEOUT * 1000 / 2;
	const char *wanted = getenv("SVA_ROUNDS");
	unsigned int rounds = wanted ? strtoul(wanted, NULL, 0) : ROUNDS, i;
	struct gone *gone = &self->gone;

	gone->child = sva_fork();
	ASSERT_LE(0, gone->child);
	if (!gone->child)
		use_for_ever(gone->pci.nr, gone->fn.mem);

	for (i = 0; i < rounds && sva_now_ms() < end; i++) {
		sva_sleep_ms(10 + 7 * (i % 8));
		ASSERT_EQ(0, gone_go(gone));
		ASSERT_EQ(0, gone_back(gone));
	}
	sva_kill(&gone->child);
	check_back(_metadata, gone);
}

/* ---- the function is reset ---- */

FIXTURE(flr)
{
	struct function fn;	/* which is reset */
	struct function other;	/* which is not */
	struct sva_pci pci;
	pid_t child;
};

FIXTURE_VARIANT(flr)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(flr, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(flr, nostall) { .kind = SVA_NO_IOPF };

FIXTURE_SETUP(flr)
{
	struct function *fn = &self->fn, *other = &self->other;

	fn->fd = sva_open(variant->kind, &fn->info);
	if (fn->fd < 0)
		SVA_SKIP("no such function");
	ASSERT_EQ(0, function_setup(fn));
	ASSERT_EQ(0, sva_pci_find(fn->fd, &self->pci));

	other->fd = sva_open_other(fn->fd, &other->info);
	if (other->fd < 0)
		SVA_SKIP("no second function");
	ASSERT_EQ(0, function_setup(other));
	ASSERT_EQ(0, sva_bind(other->fd));
	ASSERT_EQ(0, function_start(other, other->mem));
}

FIXTURE_TEARDOWN(flr)
{
	sva_kill(&self->child);
	EXPECT_EQ(0, sva_reset(self->fn.fd));
	close(self->fn.fd);
	EXPECT_EQ(0, sva_reset(self->other.fd));
	close(self->other.fd);
}

/* The reset ends jobs, not bonds */
TEST_F_TIMEOUT(flr, r11_while_bound, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;

	ASSERT_EQ(0, sva_bind(fn->fd));
	ASSERT_EQ(0, function_start(fn, fn->mem));
	ASSERT_TRUE(function_runs(fn));

	ASSERT_EQ(0, sva_pci_reset(&self->pci));
	EXPECT_TRUE(function_writes_no_more(fn));
	EXPECT_TRUE(function_runs(&self->other));
	EXPECT_EQ(0, sva_writes(fn->fd, fn->mem, fn->len));
	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	EXPECT_EQ(0, sva_works(fn->fd, fn->mem, fn->len));
}

/* A bond that was quiet before is quiet afterwards */
TEST_F_TIMEOUT(flr, r11_after_exit, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;

	ASSERT_EQ(0, sva_child(&self->child, child_binds, fn));
	ASSERT_EQ(0, function_start(fn, fn->mem));
	ASSERT_TRUE(function_runs(fn));
	sva_kill(&self->child);

	ASSERT_EQ(0, sva_pci_reset(&self->pci));
	sva_poison(fn->mem, fn->len);
	EXPECT_EQ(PCI_SVA_TEST_RES_ABORT,
		  sva_run_write(fn->fd, fn->mem, fn->len, PATTERN));
	EXPECT_EQ(-1, sva_first_written(fn->mem, fn->len));
	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	EXPECT_EQ(0, sva_works(fn->fd, fn->mem, fn->len));
}

TEST_F_TIMEOUT(flr, r11_before_exit, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;
	int before = sva_lowest_pasid(self->other.fd);

	ASSERT_LT(0, before);
	ASSERT_EQ(0, sva_child(&self->child, child_binds, fn));
	ASSERT_EQ(0, function_start(fn, fn->mem));
	ASSERT_TRUE(function_runs(fn));

	ASSERT_EQ(0, sva_pci_reset(&self->pci));
	sva_kill(&self->child);
	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	EXPECT_TRUE(sva_no_pasid_leaked(self->other.fd, before));
	EXPECT_EQ(0, sva_works(fn->fd, fn->mem, fn->len));
}

TEST_F_TIMEOUT(flr, r11_wakes_who_waits, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;
	pid_t waiter;

	ASSERT_EQ(0, sva_bind(fn->fd));
	ASSERT_EQ(0, function_start(fn, fn->mem));
	waiter = fork_waiter(fn->fd);
	ASSERT_LT(0, waiter);
	sva_sleep_ms(LOOK_MS);

	ASSERT_EQ(0, sva_pci_reset(&self->pci));
	/* ENODEV if it looks during the reset, else it finds no job */
	EXPECT_LE(0, sva_reap(waiter));
	EXPECT_EQ(0, sva_writes(fn->fd, fn->mem, fn->len));
}

TEST_HARNESS_MAIN
