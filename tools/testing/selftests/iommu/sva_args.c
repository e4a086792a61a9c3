// SPDX-License-Identifier: GPL-2.0
/*
 * What the driver of the test function refuses: each errno that
 * include/uapi/linux/pci_sva_test.h documents and that can be had without
 * removing the function. A request that fails changes nothing.
 */
#include "sva_harness.h"

#include <linux/capability.h>
#include <sys/time.h>

#define SEC			1000000000ULL
#define NOBODY			65534
#define MEM_PAGES		4

struct function {
	int fd;
	struct pci_sva_test_info info;
	char *mem;		/* for jobs that are not refused */
	size_t len;
};

FIXTURE(args)
{
	struct function function;
};

FIXTURE_SETUP(args)
{
	struct function *fn = &self->function;

	fn->fd = sva_open(SVA_ANY, &fn->info);
	if (fn->fd < 0)
		SVA_SKIP("no function");
	ASSERT_EQ(0, sva_reset(fn->fd));

	fn->len = MEM_PAGES * sva_page_size();
	fn->mem = mmap(NULL, fn->len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)fn->mem);
	ASSERT_EQ(0, sva_prefault(fn->mem, fn->len));
}

FIXTURE_TEARDOWN(args)
{
	struct function *fn = &self->function;

	EXPECT_EQ(0, sva_reset(fn->fd));
	close(fn->fd);
}

/* ---- tables ---- */

union request {
	struct pci_sva_test_grab grab;
	struct pci_sva_test_bind bind;
	struct pci_sva_test_unbind unbind;
	struct pci_sva_test_job job;
	struct pci_sva_test_wait wait;
	struct pci_sva_test_stop stop;
	struct pci_sva_test_param param;
	struct pci_sva_test_close close;
	struct pci_sva_test_info info;
	struct pci_sva_test_counters counters;
};

struct row {
	const char *what;
	int err;
	union request request;
};

/* Each row's request must give the row's errno; a row without a name is the last */
static bool rows_hold(int fd, unsigned long cmd, const struct row *row)
{
	union request request;
	bool hold = true;
	int ret;

	for (; row->what; row++) {
		request = row->request;
		ret = sva_ioctl(fd, cmd, &request);
		if (ret == -row->err)
			continue;
		fprintf(stderr, "#   %s: %s, expected %s\n", row->what,
			ret ? strerror(-ret) : "accepted",
			row->err ? strerror(row->err) : "to be accepted");
		hold = false;
	}
	return hold;
}

#define REFUSED(member, error, description, ...) {			\
	.what = description, .err = error,				\
	.request = { .member = { __VA_ARGS__ } },			\
}

#define ACCEPTED(member, description, ...) \
	REFUSED(member, 0, description, __VA_ARGS__)

/* A bond and a job on it still work */
static bool works(struct function *fn)
{
	/* A fork() may have made it read-only */
	int ret = sva_prefault(fn->mem, fn->len);

	if (!ret)
		ret = sva_bind(fn->fd);
	if (!ret)
		ret = sva_run_write(fn->fd, fn->mem, fn->len, 1);
	if (!ret)
		ret = sva_unbind(fn->fd, 0);
	if (ret)
		fprintf(stderr, "#   does not work any more: %d\n", ret);
	return !ret && sva_check(fn->mem, fn->len, 1) < 0;
}

static int start_endless(struct function *fn, int fd, uint32_t queue)
{
	return sva_start_endless_write(fd, queue, fn->mem, fn->len, 1);
}

/* ---- requests ---- */

TEST_F_TIMEOUT(args, r0_info, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;

	EXPECT_LE(1, fn->info.queues);
	EXPECT_GE(15, fn->info.queues);
	EXPECT_TRUE(fn->info.caps & PCI_SVA_TEST_CAP_PASID);
	EXPECT_LE(1, fn->info.pasid_bits);
	EXPECT_GE(20, fn->info.pasid_bits);
	EXPECT_TRUE(works(fn));
}

TEST_F_TIMEOUT(args, r0_unknown_request, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	char page[4096] = { 0 };

	EXPECT_EQ(-ENOTTY, sva_ioctl(fn->fd, _IO(PCI_SVA_TEST_IOC, 11), page));
	EXPECT_EQ(-ENOTTY, sva_ioctl(fn->fd, _IO(PCI_SVA_TEST_IOC, 255), page));
	/* A known number with another size or direction */
	EXPECT_EQ(-ENOTTY, sva_ioctl(fn->fd, _IO(PCI_SVA_TEST_IOC, 2), page));
	EXPECT_EQ(-ENOTTY,
		  sva_ioctl(fn->fd, _IOR(PCI_SVA_TEST_IOC, 10, int), page));
	EXPECT_EQ(-ENOTTY,
		  sva_ioctl(fn->fd, _IO(PCI_SVA_TEST_IOC + 1, 10), page));
	EXPECT_TRUE(works(fn));
}

/* Memory that cannot be read, for what is passed in, nor written */
TEST_F_TIMEOUT(args, r0_bad_pointer, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	static const unsigned long cmds[] = {
		PCI_SVA_TEST_INFO, PCI_SVA_TEST_GRAB, PCI_SVA_TEST_BIND,
		PCI_SVA_TEST_UNBIND, PCI_SVA_TEST_START, PCI_SVA_TEST_WAIT,
		PCI_SVA_TEST_STOP, PCI_SVA_TEST_COUNTERS, PCI_SVA_TEST_SET,
		PCI_SVA_TEST_CLOSE,
	};
	char *page, *bad;
	unsigned int i;

	page = mmap(NULL, 2 * sva_page_size(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)page);
	bad = page + sva_page_size();
	ASSERT_EQ(0, mprotect(bad, sva_page_size(), PROT_NONE));

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		EXPECT_EQ(-EFAULT, sva_ioctl(fn->fd, cmds[i], bad))
			TH_LOG("request %u", i);
		/* The last bytes of what is passed */
		EXPECT_EQ(-EFAULT, sva_ioctl(fn->fd, cmds[i], bad - 4))
			TH_LOG("request %u", i);
	}
	EXPECT_TRUE(works(fn));
}

TEST_F_TIMEOUT(args, r0_pointer_to_read_only_memory, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	union request *request;
	struct pci_sva_test_job nop = { .op = PCI_SVA_TEST_OP_NOP };

	request = mmap(NULL, sva_page_size(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)request);
	request->bind.pidfd = -1;
	ASSERT_EQ(0, mprotect(request, sva_page_size(), PROT_READ));
	EXPECT_EQ(-EFAULT, sva_ioctl(fn->fd, PCI_SVA_TEST_INFO, request));
	EXPECT_EQ(-EFAULT, sva_ioctl(fn->fd, PCI_SVA_TEST_COUNTERS, request));
	EXPECT_EQ(-EFAULT, sva_ioctl(fn->fd, PCI_SVA_TEST_BIND, request));
	/* It has left no bond behind */
	EXPECT_EQ(-ENXIO, sva_unbind(fn->fd, 0));

	ASSERT_EQ(0, sva_bind(fn->fd));
	EXPECT_EQ(PCI_SVA_TEST_RES_OK, sva_run(fn->fd, &nop, NULL));
	ASSERT_EQ(0, mprotect(request, sva_page_size(), PROT_READ | PROT_WRITE));
	memset(request, 0, sizeof(*request));
	ASSERT_EQ(0, mprotect(request, sva_page_size(), PROT_READ));
	EXPECT_EQ(-EFAULT, sva_ioctl(fn->fd, PCI_SVA_TEST_WAIT, request));
	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	EXPECT_TRUE(works(fn));
}

/* ---- bind and unbind ---- */

TEST_F_TIMEOUT(args, r0_bind, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	static const struct row rows[] = {
		REFUSED(bind, EINVAL, "unknown flag", .pidfd = -1, .flags = 4),
		REFUSED(bind, EINVAL, "last flag", .pidfd = -1,
			.flags = 1U << 31),
		REFUSED(bind, EINVAL, "reserved member", .pidfd = -1,
			.__reserved = 1),
		REFUSED(bind, EINVAL, "PASID of the caller's choice",
			.pidfd = -1, .pasid = 1),
		REFUSED(bind, EINVAL, "grabbed and a pidfd", .pidfd = 0,
			.flags = PCI_SVA_TEST_BIND_GRABBED),
		REFUSED(bind, ENXIO, "nothing grabbed", .pidfd = -1,
			.flags = PCI_SVA_TEST_BIND_GRABBED),
		REFUSED(bind, EBADF, "pidfd -2", .pidfd = -2),
		REFUSED(bind, EBADF, "closed pidfd", .pidfd = 999),
		{ }
	};
	static const struct row busy[] = {
		REFUSED(bind, EBUSY, "second bind", .pidfd = -1),
		{ }
	};
	uint32_t pasid = 0;
	pid_t child;

	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_BIND, rows));

	ASSERT_EQ(0, sva_bind_pidfd(fn->fd, -1, &pasid));
	EXPECT_NE(0, pasid);
	EXPECT_EQ(0, pasid >> fn->info.pasid_bits);
	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_BIND, busy));

	/* A file has one bond, whoever asks */
	child = sva_fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(sva_bind(fn->fd) != -EBUSY);
	EXPECT_EQ(0, sva_reap(child));

	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	EXPECT_TRUE(works(fn));
}

TEST_F_TIMEOUT(args, r0_unbind, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	static const struct row rows[] = {
		REFUSED(unbind, EINVAL, "unknown flag", .flags = 2),
		REFUSED(unbind, EINVAL, "reserved member", .__reserved = 1),
		{ }
	};
	static const struct row nothing[] = {
		REFUSED(unbind, ENXIO, "no bond", .flags = 0),
		REFUSED(unbind, ENXIO, "no bond, DMA runs",
			.flags = PCI_SVA_TEST_UNBIND_DMA_RUNS),
		{ }
	};

	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_UNBIND, rows));
	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_UNBIND, nothing));

	ASSERT_EQ(0, sva_bind(fn->fd));
	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_UNBIND, rows));
	ASSERT_EQ(0, start_endless(fn, fn->fd, 0));
	EXPECT_EQ(-EBUSY, sva_unbind(fn->fd, 0));
	ASSERT_EQ(0, sva_stop(fn->fd, 0, SVA_PATIENCE_MS));
	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_UNBIND, nothing));
	EXPECT_TRUE(works(fn));
}

TEST_F_TIMEOUT(args, r0_grab, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	static const struct row rows[] = {
		REFUSED(grab, EINVAL, "reserved member", .pidfd = -1,
			.__reserved = 1),
		REFUSED(grab, EBADF, "pidfd -2", .pidfd = -2),
		REFUSED(grab, EBADF, "closed pidfd", .pidfd = 999),
		ACCEPTED(grab, "own", .pidfd = -1),
		ACCEPTED(grab, "own once more", .pidfd = -1),
		{ }
	};
	struct pci_sva_test_bind bind = {
		.pidfd = -1,
		.flags = PCI_SVA_TEST_BIND_GRABBED,
	};

	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_GRAB, rows));
	EXPECT_EQ(0, sva_ioctl(fn->fd, PCI_SVA_TEST_BIND, &bind));
	EXPECT_EQ(PCI_SVA_TEST_RES_OK,
		  sva_run_write(fn->fd, fn->mem, fn->len, 1));
	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	EXPECT_TRUE(works(fn));
}

static int grab_pidfd(int fd, int pidfd)
{
	struct pci_sva_test_grab grab = { .pidfd = pidfd };

	return sva_ioctl(fd, PCI_SVA_TEST_GRAB, &grab);
}

/* Descriptors that do not lead to an address space */
TEST_F_TIMEOUT(args, r0_pidfd, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	int memfd = sva_memfd(4096), pidfd;
	pid_t child;

	ASSERT_LE(0, memfd);
	EXPECT_EQ(-EBADF, sva_bind_pidfd(fn->fd, memfd, NULL));
	EXPECT_EQ(-EBADF, grab_pidfd(fn->fd, memfd));
	EXPECT_EQ(-EBADF, sva_bind_pidfd(fn->fd, fn->fd, NULL));
	close(memfd);

	/* kthreadd */
	pidfd = sva_pidfd_open(2);
	if (pidfd >= 0) {
		EXPECT_EQ(-ESRCH, sva_bind_pidfd(fn->fd, pidfd, NULL));
		EXPECT_EQ(-ESRCH, grab_pidfd(fn->fd, pidfd));
		close(pidfd);
	} else {
		TH_LOG("no kernel thread to try: %s", strerror(errno));
	}

	child = sva_fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(0);
	pidfd = sva_pidfd_open(child);
	ASSERT_LE(0, pidfd);
	/* A zombie first, then nothing */
	ASSERT_EQ(0, waitid(P_PID, child, NULL, WEXITED | WNOWAIT));
	EXPECT_EQ(-ESRCH, sva_bind_pidfd(fn->fd, pidfd, NULL));
	EXPECT_EQ(-ESRCH, grab_pidfd(fn->fd, pidfd));
	EXPECT_EQ(0, sva_reap(child));
	EXPECT_EQ(-ESRCH, sva_bind_pidfd(fn->fd, pidfd, NULL));
	EXPECT_EQ(-ESRCH, grab_pidfd(fn->fd, pidfd));
	close(pidfd);
	EXPECT_TRUE(works(fn));
}

/* A pidfd that leads to one: DMA works on the child's memory, not on ours */
TEST_F_TIMEOUT(args, r0_pidfd_of_another, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	int ready[2], go[2], pidfd;
	pid_t child;
	char c = 0;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	sva_poison(fn->mem, fn->len);
	child = sva_fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(go[1]);
		if (sva_prefault(fn->mem, fn->len))
			_exit(2);
		if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1))
			_exit(3);
		_exit(sva_check(fn->mem, fn->len, 1) >= 0);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	pidfd = sva_pidfd_open(child);
	ASSERT_LE(0, pidfd);
	EXPECT_EQ(0, sva_bind_pidfd(fn->fd, pidfd, NULL));
	EXPECT_EQ(PCI_SVA_TEST_RES_OK,
		  sva_run_write(fn->fd, fn->mem, fn->len, 1));
	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	close(go[1]);
	EXPECT_EQ(0, sva_reap(child));
	EXPECT_EQ(-1, sva_first_written(fn->mem, fn->len));
	close(pidfd);
	EXPECT_TRUE(works(fn));
}

/* ---- jobs ---- */

TEST_F_TIMEOUT(args, r0_start, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	const uint64_t va = (uintptr_t)fn->mem;
	const struct row rows[] = {
		REFUSED(job, EINVAL, "queue out of range",
			.queue = fn->info.queues, .op = PCI_SVA_TEST_OP_READ,
			.src = va, .len = 8),
		REFUSED(job, EINVAL, "last queue", .queue = ~0U,
			.op = PCI_SVA_TEST_OP_READ, .src = va, .len = 8),
		REFUSED(job, EINVAL, "unknown operation", .op = 7, .src = va,
			.dst = va, .len = 8),
		REFUSED(job, EINVAL, "last operation", .op = ~0U, .src = va,
			.dst = va, .len = 8),
		REFUSED(job, EINVAL, "unknown flag", .op = PCI_SVA_TEST_OP_READ,
			.flags = 1U << 7, .src = va, .len = 8),
		REFUSED(job, EINVAL, "last flag", .op = PCI_SVA_TEST_OP_READ,
			.flags = 1U << 31, .src = va, .len = 8),
		REFUSED(job, EINVAL, "read of nothing",
			.op = PCI_SVA_TEST_OP_READ, .src = va),
		REFUSED(job, EINVAL, "write of nothing",
			.op = PCI_SVA_TEST_OP_WRITE, .dst = va),
		REFUSED(job, EINVAL, "source wraps",
			.op = PCI_SVA_TEST_OP_READ, .src = ~0ULL - 7,
			.len = 16),
		REFUSED(job, EINVAL, "destination wraps",
			.op = PCI_SVA_TEST_OP_WRITE, .dst = ~0ULL - 7,
			.len = 16),
		REFUSED(job, EINVAL, "destination of a copy wraps",
			.op = PCI_SVA_TEST_OP_COPY, .src = va,
			.dst = ~0ULL - 7, .len = 16),
		REFUSED(job, EINVAL, "everything wraps",
			.op = PCI_SVA_TEST_OP_WRITE, .dst = va, .len = ~0ULL),
		REFUSED(job, EINVAL, "atomic at 4",
			.op = PCI_SVA_TEST_OP_ATOMIC, .src = va + 4, .len = 8),
		REFUSED(job, EINVAL, "atomic of 4",
			.op = PCI_SVA_TEST_OP_ATOMIC, .src = va, .len = 4),
		REFUSED(job, EINVAL, "atomic of nothing",
			.op = PCI_SVA_TEST_OP_ATOMIC, .src = va),
		REFUSED(job, EINVAL, "nop with a source",
			.op = PCI_SVA_TEST_OP_NOP, .src = va),
		REFUSED(job, EINVAL, "nop with a destination",
			.op = PCI_SVA_TEST_OP_NOP, .dst = va),
		REFUSED(job, EINVAL, "nop with a length",
			.op = PCI_SVA_TEST_OP_NOP, .len = 8),
		{ }
	};
	const struct row nothing[] = {
		REFUSED(job, ENXIO, "no bond", .op = PCI_SVA_TEST_OP_READ,
			.src = va, .len = 8),
		{ }
	};
	const struct row busy[] = {
		REFUSED(job, EBUSY, "queue runs", .op = PCI_SVA_TEST_OP_READ,
			.src = va, .len = 8),
		{ }
	};

	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_START, rows));
	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_START, nothing));

	ASSERT_EQ(0, sva_bind(fn->fd));
	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_START, rows));
	ASSERT_EQ(0, start_endless(fn, fn->fd, 0));
	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_START, busy));
	ASSERT_EQ(0, sva_stop(fn->fd, 0, SVA_PATIENCE_MS));

	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_START, nothing));
	EXPECT_TRUE(works(fn));
}

/* What the function itself refuses */
TEST_F_TIMEOUT(args, r0_start_unsupported, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_READ,
		.src = (uintptr_t)fn->mem,
		.len = 8,
	};

	ASSERT_EQ(0, sva_bind(fn->fd));
	if (!(fn->info.caps & PCI_SVA_TEST_CAP_PRIV)) {
		job.flags = PCI_SVA_TEST_JOB_PRIV;
		EXPECT_EQ(PCI_SVA_TEST_RES_UNSUPPORTED,
			  sva_run(fn->fd, &job, NULL));
	}
	if (!(fn->info.caps & PCI_SVA_TEST_CAP_EXEC)) {
		job.flags = PCI_SVA_TEST_JOB_EXEC;
		EXPECT_EQ(PCI_SVA_TEST_RES_UNSUPPORTED,
			  sva_run(fn->fd, &job, NULL));
	}
	if (!(fn->info.caps & PCI_SVA_TEST_CAP_ATOMICS)) {
		job.flags = 0;
		job.op = PCI_SVA_TEST_OP_ATOMIC;
		EXPECT_EQ(-EOPNOTSUPP, sva_start(fn->fd, &job));
	}
	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	EXPECT_TRUE(works(fn));
}

TEST_F_TIMEOUT(args, r0_wait_and_stop, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	const uint32_t queues = fn->info.queues;
	const struct row wait[] = {
		REFUSED(wait, EINVAL, "queue out of range", .queue = queues),
		REFUSED(wait, EINVAL, "last queue", .queue = ~0U),
		REFUSED(wait, ENXIO, "no job", .queue = queues - 1),
		{ }
	};
	const struct row stop[] = {
		REFUSED(stop, EINVAL, "queue out of range", .queue = queues),
		REFUSED(stop, EINVAL, "last queue", .queue = ~0U),
		REFUSED(stop, ENXIO, "no job", .queue = queues - 1),
		{ }
	};
	struct pci_sva_test_wait state;
	int fd = sva_reopen(fn->fd);

	ASSERT_LE(0, fd);
	EXPECT_TRUE(rows_hold(fd, PCI_SVA_TEST_WAIT, wait));
	EXPECT_TRUE(rows_hold(fd, PCI_SVA_TEST_STOP, stop));

	ASSERT_EQ(0, sva_bind(fd));
	ASSERT_EQ(0, start_endless(fn, fd, 0));

	/* That the time is up is not an error of wait, but one of stop */
	EXPECT_EQ(0, sva_wait(fd, 0, 0, &state));
	EXPECT_NE(PCI_SVA_TEST_STATE_IDLE, state.state);
	EXPECT_EQ(0, sva_wait(fd, 0, 50, &state));
	EXPECT_NE(PCI_SVA_TEST_STATE_IDLE, state.state);

	ASSERT_EQ(0, sva_set(fd, PCI_SVA_TEST_PARAM_STOP_LATENCY, SEC));
	EXPECT_EQ(0, sva_stop(fd, 0, 0));
	EXPECT_EQ(-ETIMEDOUT, sva_stop(fd, 0, 10));
	EXPECT_EQ(0, sva_stop(fd, 0, SVA_PATIENCE_MS));
	/* Nothing happens to a job that has ended */
	EXPECT_EQ(0, sva_stop(fd, 0, 0));
	EXPECT_EQ(0, sva_wait(fd, 0, 0, &state));
	EXPECT_EQ(PCI_SVA_TEST_STATE_IDLE, state.state);
	EXPECT_EQ(PCI_SVA_TEST_RES_STOPPED, state.result);
	EXPECT_EQ(0, sva_counters(fd).after_stop_ack);
	close(fd);
	EXPECT_TRUE(works(fn));
}

static void nothing(int sig)
{
}

static int alarms(bool restart, unsigned int ms)
{
	struct sigaction action = {
		.sa_handler = nothing,
		.sa_flags = restart ? SA_RESTART : 0,
	};
	struct itimerval timer = {
		.it_value.tv_usec = ms * 1000,
		.it_interval.tv_usec = ms * 1000,
	};

	return sigaction(SIGALRM, &action, NULL) ||
	       setitimer(ITIMER_REAL, &timer, NULL);
}

/* A signal ends a wait; one that restarts it does not make it longer */
TEST_F_TIMEOUT(args, r0_wait_and_signals, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	struct itimerval off = { 0 };
	struct pci_sva_test_wait wait;
	uint64_t begin;

	ASSERT_EQ(0, sva_bind(fn->fd));
	ASSERT_EQ(0, start_endless(fn, fn->fd, 0));

	ASSERT_EQ(0, alarms(false, 200));
	EXPECT_EQ(-EINTR, sva_wait(fn->fd, 0, SVA_PATIENCE_MS, &wait));

	ASSERT_EQ(0, alarms(true, 300));
	begin = sva_now_ms();
	EXPECT_EQ(0, sva_wait(fn->fd, 0, 1000, &wait));
	EXPECT_LE(900, sva_now_ms() - begin);
	EXPECT_NE(PCI_SVA_TEST_STATE_IDLE, wait.state);

	ASSERT_EQ(0, setitimer(ITIMER_REAL, &off, NULL));
	ASSERT_EQ(0, sva_stop(fn->fd, 0, SVA_PATIENCE_MS));
	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	EXPECT_TRUE(works(fn));
}

/* A queue is another file's while its job runs, and for asking until it is taken */
TEST_F_TIMEOUT(args, r0_foreign_queue, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	struct pci_sva_test_wait wait;
	int fd = sva_reopen(fn->fd);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sva_bind(fn->fd));
	ASSERT_EQ(0, sva_bind(fd));

	ASSERT_EQ(0, start_endless(fn, fn->fd, 0));
	EXPECT_EQ(-EBUSY, start_endless(fn, fd, 0));
	EXPECT_EQ(-EBUSY, sva_wait(fd, 0, 0, &wait));
	EXPECT_EQ(-EBUSY, sva_stop(fd, 0, 0));
	/* Its job does not keep the other file's bond */
	EXPECT_EQ(0, sva_unbind(fd, 0));
	ASSERT_EQ(0, sva_bind(fd));

	ASSERT_EQ(0, sva_stop(fn->fd, 0, SVA_PATIENCE_MS));
	EXPECT_EQ(-EBUSY, sva_wait(fd, 0, 0, &wait));
	EXPECT_EQ(0, start_endless(fn, fd, 0));
	EXPECT_EQ(-EBUSY, sva_wait(fn->fd, 0, 0, &wait));
	EXPECT_EQ(-EBUSY, sva_stop(fn->fd, 0, 0));

	/* Closing the file makes it nobody's */
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(-ENXIO, sva_wait(fn->fd, 0, 0, &wait));
	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	EXPECT_TRUE(works(fn));
}

/* ---- knobs ---- */

#define PARAM(p) .param = PCI_SVA_TEST_PARAM_##p

TEST_F_TIMEOUT(args, r0_knobs, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	static const struct row rows[] = {
		REFUSED(param, EINVAL, "unknown knob", .param = 6, .value = 1),
		REFUSED(param, EINVAL, "last knob", .param = ~0U, .value = 1),
		REFUSED(param, EINVAL, "reserved member", PARAM(CHUNK_NS),
			.__reserved = 1, .value = 20000),
		REFUSED(param, EINVAL, "stop latency", PARAM(STOP_LATENCY),
			.value = 60 * SEC + 1),
		REFUSED(param, EINVAL, "fast chunks", PARAM(CHUNK_NS),
			.value = 99),
		REFUSED(param, EINVAL, "endless chunks", PARAM(CHUNK_NS),
			.value = 0),
		REFUSED(param, EINVAL, "slow chunks", PARAM(CHUNK_NS),
			.value = SEC + 1),
		REFUSED(param, EINVAL, "invalidation delay", PARAM(INV_DELAY),
			.value = 60 * SEC + 1),
		REFUSED(param, EINVAL, "hold", PARAM(HOLD_NS),
			.value = SEC + 1),
		REFUSED(param, EINVAL, "no ATC", PARAM(ATC_SIZE), .value = 0),
		REFUSED(param, EINVAL, "large ATC", PARAM(ATC_SIZE),
			.value = 65537),
		REFUSED(param, EINVAL, "ATC of more than 32 bits",
			PARAM(ATC_SIZE), .value = (1ULL << 32) + 1),
		REFUSED(param, EINVAL, "unknown misbehaviour",
			PARAM(MISBEHAVE), .value = 1 << 11),
		REFUSED(param, EINVAL, "misbehaviour beyond 32 bits",
			PARAM(MISBEHAVE), .value = 1ULL << 32),
		ACCEPTED(param, "longest stop latency", PARAM(STOP_LATENCY),
			 .value = 60 * SEC),
		ACCEPTED(param, "no stop latency", PARAM(STOP_LATENCY),
			 .value = 0),
		ACCEPTED(param, "slowest chunks", PARAM(CHUNK_NS),
			 .value = SEC),
		ACCEPTED(param, "fastest chunks", PARAM(CHUNK_NS),
			 .value = 100),
		ACCEPTED(param, "longest delay", PARAM(INV_DELAY),
			 .value = 60 * SEC),
		ACCEPTED(param, "longest hold", PARAM(HOLD_NS), .value = SEC),
		ACCEPTED(param, "smallest ATC", PARAM(ATC_SIZE), .value = 1),
		ACCEPTED(param, "largest ATC", PARAM(ATC_SIZE),
			 .value = 65536),
		ACCEPTED(param, "every misbehaviour", PARAM(MISBEHAVE),
			 .value = (1 << 11) - 1),
		{ }
	};

	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_SET, rows));
	EXPECT_EQ(0, sva_reset(fn->fd));
	EXPECT_TRUE(works(fn));
}

TEST_F_TIMEOUT(args, r0_close_flags, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	static const struct row rows[] = {
		REFUSED(close, EINVAL, "unknown flag", .flags = 2),
		REFUSED(close, EINVAL, "reserved member", .__reserved = 1),
		ACCEPTED(close, "leave DMA",
			 .flags = PCI_SVA_TEST_CLOSE_DMA_RUNS),
		ACCEPTED(close, "stop DMA", .flags = 0),
		{ }
	};

	EXPECT_TRUE(rows_hold(fn->fd, PCI_SVA_TEST_CLOSE, rows));
	EXPECT_TRUE(works(fn));
}

/* ---- rights ---- */

static int drop_rawio(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return -1;
	data[CAP_TO_INDEX(CAP_SYS_RAWIO)].effective &=
		~CAP_TO_MASK(CAP_SYS_RAWIO);
	data[CAP_TO_INDEX(CAP_SYS_RAWIO)].permitted &=
		~CAP_TO_MASK(CAP_SYS_RAWIO);
	return syscall(SYS_capset, &header, data);
}

/* What a device of its own allows to do, but not what misuses the function */
static bool bare_rights_hold(struct function *fn)
{
	const struct row bind[] = {
		REFUSED(bind, EPERM, "bind what was grabbed", .pidfd = -1,
			.flags = PCI_SVA_TEST_BIND_GRABBED),
		REFUSED(bind, EPERM, "bind the kernel", .pidfd = -1,
			.flags = PCI_SVA_TEST_BIND_SUPERVISOR),
		{ }
	};
	const struct row unbind[] = {
		REFUSED(unbind, EPERM, "unbind under DMA",
			.flags = PCI_SVA_TEST_UNBIND_DMA_RUNS),
		{ }
	};
	const struct row job[] = {
		REFUSED(job, EPERM, "privileged requests",
			.op = PCI_SVA_TEST_OP_READ,
			.flags = PCI_SVA_TEST_JOB_PRIV,
			.src = (uintptr_t)fn->mem, .len = 8),
		{ }
	};
	const struct row param[] = {
		REFUSED(param, EPERM, "set a knob", PARAM(CHUNK_NS),
			.value = 20000),
		{ }
	};
	const struct row close[] = {
		REFUSED(close, EPERM, "leave DMA behind",
			.flags = PCI_SVA_TEST_CLOSE_DMA_RUNS),
		ACCEPTED(close, "stop DMA", .flags = 0),
		{ }
	};
	int fd = fn->fd;
	bool hold;

	hold = !grab_pidfd(fd, -1);
	hold &= rows_hold(fd, PCI_SVA_TEST_BIND, bind);
	hold &= rows_hold(fd, PCI_SVA_TEST_SET, param);
	hold &= rows_hold(fd, PCI_SVA_TEST_CLOSE, close);
	hold &= sva_reset(fd) == -EPERM;

	hold &= !sva_bind(fd);
	hold &= rows_hold(fd, PCI_SVA_TEST_START, job);
	hold &= rows_hold(fd, PCI_SVA_TEST_UNBIND, unbind);
	hold &= !sva_unbind(fd, 0);
	return works(fn) && hold;
}

TEST_F_TIMEOUT(args, r0_without_rawio, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	pid_t child = sva_fork();

	ASSERT_LE(0, child);
	if (!child) {
		if (drop_rawio())
			_exit(2);
		_exit(!bare_rights_hold(fn));
	}
	EXPECT_EQ(0, sva_reap(child));
	EXPECT_TRUE(works(fn));
}

/* Who may not ptrace a process may not bind it either */
TEST_F_TIMEOUT(args, r0_without_ptrace, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	int pidfd = sva_pidfd_open(getpid());
	pid_t child;

	ASSERT_LE(0, pidfd);
	child = sva_fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (setresuid(NOBODY, NOBODY, NOBODY))
			_exit(2);
		_exit(sva_bind_pidfd(fn->fd, pidfd, NULL) != -EACCES ||
		      grab_pidfd(fn->fd, pidfd) != -EACCES ||
		      !works(fn));
	}
	EXPECT_EQ(0, sva_reap(child));
	close(pidfd);
	EXPECT_TRUE(works(fn));
}

/* Nobody who was not given the function opens it */
TEST_F_TIMEOUT(args, r0_open_needs_permission, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->function;
	pid_t child = sva_fork();
	int fd;

	ASSERT_LE(0, child);
	if (!child) {
		if (setresuid(NOBODY, NOBODY, NOBODY))
			_exit(2);
		fd = open("/dev/pci_sva_test0", O_RDWR);
		_exit(fd >= 0 || errno != EACCES);
	}
	EXPECT_EQ(0, sva_reap(child));
	EXPECT_TRUE(works(fn));
}

TEST_HARNESS_MAIN
