// SPDX-License-Identifier: GPL-2.0
/*
 * Ways to lose an address space, and who is around when it happens: deaths that a
 * plain kill() is not, files that outlive the process, page faults that take
 * their time, other processes inside bind and unbind, several bonds of one
 * address space.
 *
 * Numbers in the names are those of the rules in the cover letter of the series:
 *  2 exit waits for no one		3 quiet in the hardware
 *  4 no release() in the page-fault worker
 *  5 unbind drains page faults		9 no PASID in use is handed out
 * 11 any order, any process
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "sva_fuse.h"
#include "sva_trace.h"
#include "sva_victim.h"

/* One line in the log is enough: nobody has to wait for its rate limit then */
#define RARE_CHUNK_NS	200000000

#define THREADS		16

/* ---- what comes after ---- */

/* Everybody who has asked for a page has been told how to go on */
static bool page_faults_are_over(int fd)
{
	struct pci_sva_test_counters now = sva_counters(fd);

	return now.stalls + now.page_req ==
	       now.stall_retry + now.stall_abort + now.stall_razwi +
	       now.prg_success + now.prg_invalid + now.prg_failure;
}

/* Unbinding a quiet bond works as a driver does it */
static void expect_unbind(struct __test_metadata *_metadata, struct bond *bond)
{
	ASSERT_TRUE(bond_stop(bond, 0));
	EXPECT_EQ(0, sva_unbind(bond->fd, 0));
}

/* So it does under DMA that nobody has stopped, and does not let it in */
static void expect_stray(struct __test_metadata *_metadata, struct bond *bond)
{
	ASSERT_TRUE(bond_stop(bond, 1));
	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_CHUNK_NS,
			     RARE_CHUNK_NS));
	ASSERT_EQ(0, sva_unbind(bond->fd, PCI_SVA_TEST_UNBIND_DMA_RUNS));
	EXPECT_TRUE(bond_is_aborted(bond));
	EXPECT_TRUE(bond_stop(bond, 0));
}

/* ---- ways to die ---- */

FIXTURE(dying)
{
	struct bond bond;	/* with the victim's address space */
	struct victim victim;
};

FIXTURE_VARIANT(dying)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(dying, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(dying, nostall) { .kind = SVA_NO_IOPF };

FIXTURE_SETUP(dying)
{
	bond_setup(_metadata, &self->bond, variant->kind);
}

FIXTURE_TEARDOWN(dying)
{
	victim_teardown(&self->victim);
	bond_teardown(_metadata, &self->bond);
}

/* A core file that is really written, where the kernel is told to */
static bool dump_core(struct victim *victim, const char *dir)
{
	char pattern[64], core[64];
	int status = 0;

	snprintf(pattern, sizeof(pattern), "%s/core.%%p", dir);
	snprintf(core, sizeof(core), "%s/core.%d", dir, victim->pid);
	if (sva_file_write("/proc/sys/kernel/core_pattern", pattern))
		return false;

	kill(victim->pid, SIGSEGV);
	waitpid(victim->pid, &status, 0);
	victim->pid = 0;
	return WIFSIGNALED(status) && WCOREDUMP(status) && !unlink(core);
}

static void victim_with_core(struct victim *me, void *arg)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &all);
	victim_of_bond(me, arg);
}

/* The dump comes between the signal and the end of the address space */
TEST_F_TIMEOUT(dying, r3_core_dump_is_quiet, SVA_TEST_TIMEOUT)
{
	char dir[] = "/tmp/sva_exit.XXXXXX", before[256] = "";
	int fd;

	fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "the kernel dumps no core");
	ASSERT_LE(0, read(fd, before, sizeof(before) - 1));
	close(fd);
	ASSERT_NE(NULL, mkdtemp(dir));

	ASSERT_EQ(0, victim_start(&self->victim, &self->bond, victim_with_core));
	EXPECT_TRUE(dump_core(&self->victim, dir));
	sva_file_write("/proc/sys/kernel/core_pattern", before);
	rmdir(dir);
	expect_quiet(_metadata, &self->bond);
	expect_stray(_metadata, &self->bond);
}

static void *idle_thread(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void victim_with_threads(struct victim *me, void *arg)
{
	pthread_t thread;
	int i;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, idle_thread, NULL))
			_exit(1);
	victim_of_bond(me, arg);
}

TEST_F_TIMEOUT(dying, r3_exit_group_is_quiet, SVA_TEST_TIMEOUT)
{
	ASSERT_EQ(0, victim_start(&self->victim, &self->bond,
				  victim_with_threads));
	EXPECT_TRUE(victim_order(&self->victim));
	EXPECT_EQ(0, victim_reap(&self->victim));
	expect_quiet(_metadata, &self->bond);
	expect_unbind(_metadata, &self->bond);
}

/* exit(2) ends a thread, not its process */
static void *last_thread(void *me)
{
	victim_await_order(me);
	syscall(SYS_exit, 0);
	return NULL;
}

static void victim_with_last_thread(struct victim *me, void *arg)
{
	pthread_t thread;

	victim_of_bond(me, arg);
	victim_report(me, pthread_create(&thread, NULL, last_thread, me));
	syscall(SYS_exit, 0);
}

static bool main_thread_is_dead(pid_t pid)
{
	char path[32], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state == 'Z';
}

/* The address space, and the bond with it, is the last thread's to end */
TEST_F_TIMEOUT(dying, r3_last_thread_ends_bond, SVA_TEST_TIMEOUT)
{
	struct victim *victim = &self->victim;
	struct bond *bond = &self->bond;

	ASSERT_EQ(0, victim_start(victim, bond, victim_with_last_thread));
	ASSERT_EQ(0, victim_ask_for(victim));
	ASSERT_TRUE(SVA_UNTIL(main_thread_is_dead(victim->pid),
			      SVA_PATIENCE_MS));
	EXPECT_TRUE(bond_goes_on(bond));

	EXPECT_TRUE(victim_order(victim));
	EXPECT_EQ(0, victim_reap(victim));
	expect_quiet(_metadata, bond);
	expect_unbind(_metadata, bond);
}

static void victim_that_vforks_exec(struct victim *me, void *arg)
{
	victim_of_bond(me, arg);
	if (!vfork())
		victim_exec(me);
	victim_await_order(me);
}

static void victim_that_vforks_exit(struct victim *me, void *arg)
{
	pid_t child;

	victim_of_bond(me, arg);
	child = vfork();
	if (!child)
		_exit(0);
	victim_report(me, sva_reap(child));
	victim_await_order(me);
}

/* A child that only borrows the address space does not end the bond */
TEST_F_TIMEOUT(dying, r3_vfork_exec_keeps_bond, SVA_TEST_TIMEOUT)
{
	ASSERT_EQ(0, victim_start(&self->victim, &self->bond,
				  victim_that_vforks_exec));
	ASSERT_EQ(0, victim_ask_for(&self->victim));
	EXPECT_TRUE(bond_goes_on(&self->bond));
	victim_kill(&self->victim);
	expect_quiet(_metadata, &self->bond);
	expect_unbind(_metadata, &self->bond);
}

TEST_F_TIMEOUT(dying, r3_vfork_exit_keeps_bond, SVA_TEST_TIMEOUT)
{
	ASSERT_EQ(0, victim_start(&self->victim, &self->bond,
				  victim_that_vforks_exit));
	ASSERT_EQ(0, victim_ask_for(&self->victim));
	EXPECT_TRUE(bond_goes_on(&self->bond));
	victim_kill(&self->victim);
	expect_quiet(_metadata, &self->bond);
	expect_unbind(_metadata, &self->bond);
}

/* ---- files that outlive the process ---- */

/* A bond whose only file is on its way through a socket when its process dies */
struct parcel {
	struct bond *bond;
	int ends[2];
};

static bool send_file(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec data = { .iov_base = "", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(socket, &msg, 0) == 1;
}

/* -1 if there is none */
static int receive_file(int socket)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(socket, &msg, MSG_DONTWAIT) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static void victim_that_sends_file(struct victim *me, void *arg)
{
	struct parcel *parcel = arg;
	struct bond *bond = parcel->bond;
	int ret;

	bond->fd = sva_reopen(bond->fd);
	ret = bond_start(bond);
	if (!ret && !send_file(parcel->ends[0], bond->fd))
		ret = -errno;
	close(bond->fd);
	victim_report(me, ret);
	victim_await_order(me);
}

static int send_and_die(struct victim *victim, struct parcel *parcel)
{
	int ret;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, parcel->ends))
		return -errno;
	ret = victim_fork(victim, victim_that_sends_file, parcel);
	if (ret)
		return ret;
	if (!bond_writes(parcel->bond))
		return -ETIMEDOUT;
	victim_kill(victim);
	return 0;
}

TEST_F_TIMEOUT(dying, r11_file_passed_on_unbinds, SVA_TEST_TIMEOUT)
{
	struct parcel parcel = { .bond = &self->bond };
	struct bond *bond = &self->bond;
	int fd;

	ASSERT_EQ(0, send_and_die(&self->victim, &parcel));
	expect_aborts(_metadata, bond);

	fd = receive_file(parcel.ends[1]);
	ASSERT_LE(0, fd);
	close(bond->fd);
	bond->fd = fd;
	expect_aborts(_metadata, bond);
	expect_stray(_metadata, bond);
}

/* Nobody takes it: the end of the socket is the end of the bond, and of the DMA */
TEST_F_TIMEOUT(dying, r11_file_in_flight_is_closed, SVA_TEST_TIMEOUT)
{
	struct parcel parcel = { .bond = &self->bond };
	struct bond *bond = &self->bond;
	uint64_t aborts;

	ASSERT_EQ(0, send_and_die(&self->victim, &parcel));
	expect_aborts(_metadata, bond);

	close(parcel.ends[0]);
	close(parcel.ends[1]);
	aborts = bond_aborts(bond);
	sva_sleep_ms(QUIET_MS);
	EXPECT_EQ(aborts, bond_aborts(bond));
	EXPECT_EQ(0, sva_counters(bond->fd).after_stop_ack);
}

#define OTHERS		20

/* Reports its PASID after the bond */
static void victim_that_tells_pasid(struct victim *me, void *arg)
{
	struct bond *bond = arg;
	uint32_t pasid = 0;

	victim_report(me, bond_start(bond));
	victim_await_order(me);
	sva_bind_pidfd(sva_reopen(bond->fd), -1, &pasid);
	victim_report(me, pasid);
	victim_await_order(me);
}

static void other_with_pasid(struct victim *me, void *arg)
{
	struct bond *bond = arg;
	int fd = sva_reopen(bond->fd);
	uint32_t pasid = 0;

	sva_bind_pidfd(fd, -1, &pasid);
	sva_unbind(fd, 0);
	victim_report(me, pasid);
}

/* Seconds and many processes later the bond is as it was, the PASID its own */
TEST_F_TIMEOUT(dying, r9_pasid_is_held_until_late_unbind, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	int pasid, i, ret, taken = 0;
	struct victim other;

	ASSERT_EQ(0, victim_start(&self->victim, bond, victim_that_tells_pasid));
	pasid = victim_ask_for(&self->victim);
	ASSERT_LT(0, pasid);
	victim_kill(&self->victim);

	for (i = 0; i < OTHERS; i++) {
		ret = victim_fork(&other, other_with_pasid, bond);
		ASSERT_LT(0, ret);
		taken += ret == pasid;
		victim_reap(&other);
	}
	EXPECT_EQ(0, taken);
	expect_aborts(_metadata, bond);
	expect_unbind(_metadata, bond);
}

/* ---- the OOM killer ---- */

static bool log_has(int klog, const char *text)
{
	struct sva_klog_line line;

	while (sva_klog_next(klog, &line))
		if (strstr(line.text, text))
			return true;
	return false;
}

/* The victim is whom the OOM killer likes best, and it is asked for a kill */
static bool oom_kill(struct victim *victim)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", victim->pid);
	return !sva_file_write(path, "1000") &&
	       !sva_file_write("/proc/sysrq-trigger", "f");
}

/* Last of its fixture: it writes so much that others have to let the log settle */
TEST_F_TIMEOUT(dying, r3_oom_kill_is_quiet, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;

	if (access("/proc/sysrq-trigger", W_OK))
		SKIP(return, "nobody to ask for an OOM kill");

	ASSERT_EQ(0, victim_start(&self->victim, bond, victim_of_bond));
	ASSERT_TRUE(oom_kill(&self->victim));
	EXPECT_EQ(-1, victim_reap(&self->victim));
	/* What the OOM killer has to say is no concern of ours */
	EXPECT_TRUE(SVA_UNTIL(log_has(bond->klog, "Killed process"),
			      SVA_PATIENCE_MS));
	expect_quiet(_metadata, bond);
	expect_stray(_metadata, bond);
}

/* ---- page faults that take their time ---- */

/* A function reads for the sleeper, whose page fault waits for the file */
struct slow {
	struct sva_fuse file;
	struct victim sleeper;
	int fd;			/* of its bond */
	unsigned int queue;
};

static void slow_setup(struct __test_metadata *_metadata, struct slow *slow)
{
	struct pci_sva_test_info info;
	int ret;

	slow->fd = sva_open(SVA_IOPF, &info);
	if (slow->fd < 0 || info.queues <= QUEUES_MAX)
		SVA_SKIP("no such function");
	slow->queue = info.queues - 1;
	ret = sva_fuse_open_file(&slow->file);
	if (ret == -ENOENT || ret == -ENODEV)
		SVA_SKIP("no FUSE");
	ASSERT_EQ(0, ret);
}

/* The file first: nobody can be killed who waits for it */
static void slow_teardown(struct __test_metadata *_metadata, struct slow *slow)
{
	sva_fuse_close_file(&slow->file);
	victim_teardown(&slow->sleeper);
	EXPECT_EQ(0, sva_reset(slow->fd));
	close(slow->fd);
}

/* Unbinds by order, under DMA, and tells how it went */
static void sleeper_role(struct victim *me, void *arg)
{
	struct slow *slow = arg;
	struct pci_sva_test_job job = {
		.queue = slow->queue,
		.op = PCI_SVA_TEST_OP_READ,
		.flags = PCI_SVA_TEST_JOB_LOOP | PCI_SVA_TEST_JOB_CONT,
		.src = (uintptr_t)slow->file.mem,
		.len = sva_page_size(),
	};

	victim_report(me, sva_bind(slow->fd) ?: sva_start(slow->fd, &job));
	victim_await_order(me);
	victim_report(me, sva_unbind(slow->fd, PCI_SVA_TEST_UNBIND_DMA_RUNS));
	victim_await_order(me);
}

/* From here on a transaction is stalled, and a worker waits for its page */
static bool slow_park(struct slow *slow)
{
	return !victim_fork(&slow->sleeper, sleeper_role, slow) &&
	       SVA_UNTIL(sva_fuse_holds(&slow->file), SVA_PATIENCE_MS);
}

/* Let the sleeper's unbind end; what the function reads from then on is reported */
static bool slow_unbinds(struct slow *slow)
{
	int ret = sva_set(slow->fd, PCI_SVA_TEST_PARAM_CHUNK_NS, RARE_CHUNK_NS);

	sva_fuse_go_on(&slow->file);
	return !ret && !victim_ask(&slow->sleeper);
}

/* Whether the process sleeps in that request to a driver */
static bool sleeps_in(pid_t pid, unsigned long request)
{
	unsigned long nr = 0, fd, arg = 0;
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%lu %lx %lx", &nr, &fd, &arg) != 3)
		nr = 0;
	fclose(file);
	/* ioctl() has 32 bits for it */
	return nr == SYS_ioctl && (uint32_t)arg == (uint32_t)request;
}

/* Send a process into a request that may take long; false if it never begins */
static bool send_into(struct victim *victim, unsigned long request)
{
	return victim_order(victim) &&
	       SVA_UNTIL(sleeps_in(victim->pid, request) ||
			 victim_has_reported(victim, 0), SVA_PATIENCE_MS);
}

/* Says whether the process is gone in time, and reaps it if it is */
static bool dies_in_time(struct victim *victim)
{
	uint64_t begin = sva_now_ms();

	kill(victim->pid, SIGKILL);
	if (!SVA_UNTIL(waitpid(victim->pid, NULL, WNOHANG) == victim->pid,
		       EXIT_LIMIT_MS))
		return false;
	victim->pid = 0;
	fprintf(stderr, "#   reaped: ms=%llu\n",
		(unsigned long long)(sva_now_ms() - begin));
	return true;
}

FIXTURE(drain)
{
	struct slow slow;
};

FIXTURE_SETUP(drain)
{
	slow_setup(_metadata, &self->slow);
}

FIXTURE_TEARDOWN(drain)
{
	slow_teardown(_metadata, &self->slow);
}

/* A page fault that was taken is over when unbind returns, never later */
TEST_F_TIMEOUT(drain, r5_unbind_waits_for_page_faults, SVA_TEST_TIMEOUT)
{
	struct slow *slow = &self->slow;

	ASSERT_TRUE(slow_park(slow));
	ASSERT_TRUE(send_into(&slow->sleeper, PCI_SVA_TEST_UNBIND));
	EXPECT_FALSE(victim_has_reported(&slow->sleeper, QUIET_MS));

	EXPECT_TRUE(slow_unbinds(slow));
	EXPECT_TRUE(page_faults_are_over(slow->fd));
}

/* The worker's reference to the address space does not hold up the process */
TEST_F_TIMEOUT(drain, r2_page_fault_delays_no_exit, SVA_TEST_TIMEOUT)
{
	struct slow *slow = &self->slow;

	ASSERT_TRUE(slow_park(slow));
	EXPECT_TRUE(dies_in_time(&slow->sleeper));
	EXPECT_FALSE(page_faults_are_over(slow->fd));

	sva_fuse_go_on(&slow->file);
	EXPECT_TRUE(SVA_UNTIL(sva_counters(slow->fd).aborts, SVA_PATIENCE_MS));
	EXPECT_EQ(0, sva_stop(slow->fd, slow->queue, SVA_PATIENCE_MS));
	EXPECT_EQ(0, sva_unbind(slow->fd, 0));
}

/* Nor does the drain hold up those of others, on the same function */
TEST_F_TIMEOUT(drain, r5_unbind_delays_no_page_fault, SVA_TEST_TIMEOUT)
{
	struct slow *slow = &self->slow;
	struct pci_sva_test_wait wait;
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_WRITE,
		.len = sva_page_size(),
	};
	int fd = sva_reopen(slow->fd);
	void *page;

	page = mmap(NULL, job.len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	job.dst = (uintptr_t)page;
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sva_bind(fd));
	ASSERT_TRUE(slow_park(slow));
	ASSERT_TRUE(send_into(&slow->sleeper, PCI_SVA_TEST_UNBIND));

	ASSERT_EQ(0, sva_start(fd, &job));
	EXPECT_EQ(0, sva_wait(fd, job.queue, SVA_PATIENCE_MS / 4, &wait));
	EXPECT_EQ(PCI_SVA_TEST_STATE_IDLE, wait.state);
	EXPECT_EQ(PCI_SVA_TEST_RES_OK, wait.result);

	EXPECT_TRUE(slow_unbinds(slow));
	close(fd);
}

/* ---- others, while a page fault takes its time ---- */

FIXTURE(bystander)
{
	struct slow slow;
	struct bond bond;	/* with the victim's address space */
	struct victim victim;
	struct victim other;
	struct sva_trace trace;
};

/* Of the victim's function, the sleeper's is always one that can stall */
FIXTURE_VARIANT(bystander)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(bystander, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(bystander, nostall) { .kind = SVA_NO_IOPF };

FIXTURE_SETUP(bystander)
{
	bond_setup(_metadata, &self->bond, variant->kind);
	slow_setup(_metadata, &self->slow);
}

FIXTURE_TEARDOWN(bystander)
{
	slow_teardown(_metadata, &self->slow);
	victim_teardown(&self->victim);
	victim_teardown(&self->other);
	sva_trace_close(&self->trace);
	bond_teardown(_metadata, &self->bond);
}

TEST_F_TIMEOUT(bystander, r2_unbind_delays_no_exit, SVA_TEST_TIMEOUT)
{
	struct slow *slow = &self->slow;

	ASSERT_EQ(0, victim_start(&self->victim, &self->bond, victim_of_bond));
	ASSERT_TRUE(slow_park(slow));
	ASSERT_TRUE(send_into(&slow->sleeper, PCI_SVA_TEST_UNBIND));
	EXPECT_TRUE(dies_in_time(&self->victim));
	expect_aborts(_metadata, &self->bond);
	EXPECT_TRUE(slow_unbinds(slow));
}

/* A second function for the sleeper, bound by another process */
struct second_bind {
	int fd;
	int pidfd;
};

static void binder_role(struct victim *me, void *arg)
{
	struct second_bind *second = arg;

	victim_report(me, 0);
	victim_await_order(me);
	victim_report(me, sva_bind_pidfd(second->fd, second->pidfd, NULL));
	victim_await_order(me);
}

/*
 * The worker reads the address space's mappings, so that bind, which wants to
 * write them, waits in the middle of its work.
 */
TEST_F_TIMEOUT(bystander, r2_bind_delays_no_exit, SVA_TEST_TIMEOUT)
{
	struct slow *slow = &self->slow;
	struct pci_sva_test_info info;
	struct second_bind second = { .fd = sva_open_other(slow->fd, &info) };

	if (second.fd < 0)
		SKIP(return, "no second function");
	ASSERT_EQ(0, victim_start(&self->victim, &self->bond, victim_of_bond));
	ASSERT_TRUE(slow_park(slow));
	second.pidfd = sva_pidfd_open(slow->sleeper.pid);
	ASSERT_LE(0, second.pidfd);
	ASSERT_EQ(0, victim_fork(&self->other, binder_role, &second));
	ASSERT_TRUE(send_into(&self->other, PCI_SVA_TEST_BIND));
	EXPECT_FALSE(victim_has_reported(&self->other, QUIET_MS));
	EXPECT_TRUE(dies_in_time(&self->victim));
	expect_aborts(_metadata, &self->bond);

	sva_fuse_go_on(&slow->file);
	EXPECT_EQ(0, victim_ask(&self->other));
	EXPECT_TRUE(SVA_UNTIL(sva_rounds(slow->fd, slow->queue) >= 2,
			      SVA_PATIENCE_MS));
}

static void unbinder_role(struct victim *me, void *arg)
{
	struct bond *bond = arg;

	victim_report(me, sva_bind(bond->fd));
	victim_await_order(me);
	victim_report(me, sva_unbind(bond->fd, 0));
	victim_await_order(me);
}

/* The sleeper dies while its page fault is in the works, another one unbinds */
static void last_mmput(struct __test_metadata *_metadata, struct slow *slow,
		       struct victim *other, struct bond *bond)
{
	ASSERT_EQ(0, victim_fork(other, unbinder_role, bond));
	ASSERT_TRUE(slow_park(slow));
	ASSERT_TRUE(dies_in_time(&slow->sleeper));
	ASSERT_TRUE(send_into(other, PCI_SVA_TEST_UNBIND));

	sva_fuse_go_on(&slow->file);
	EXPECT_EQ(0, victim_ask(other));
	ASSERT_TRUE(SVA_UNTIL(sva_counters(slow->fd).aborts, SVA_PATIENCE_MS));
}

TEST_F_TIMEOUT(bystander, r4_last_mmput_hangs_nobody, SVA_TEST_TIMEOUT)
{
	struct slow *slow = &self->slow;

	last_mmput(_metadata, slow, &self->other, &self->bond);
	EXPECT_EQ(0, sva_klog_count(self->bond.klog));
	EXPECT_EQ(0, sva_stop(slow->fd, slow->queue, SVA_PATIENCE_MS));
	EXPECT_TRUE(page_faults_are_over(slow->fd));
	EXPECT_EQ(0, sva_unbind(slow->fd, 0));
}

enum mm_end { NO_MM_ENDED, MM_ENDED_IN_WORKER, MM_ENDED_ELSEWHERE };

/* Where the first address space ended after a page fault had begun */
static enum mm_end first_mm_end(FILE *trace)
{
	pid_t pid, worker = -1;
	bool faulted = false;
	char line[512];

	while (fgets(line, sizeof(line), trace)) {
		pid = sva_trace_pid(line);
		if (strstr(line, " workqueue_execute_start: ") &&
		    strstr(line, "iopf_handle_group")) {
			worker = pid;
			faulted = true;
		} else if (strstr(line, " workqueue_execute_end: ") &&
			   pid == worker) {
			worker = -1;
		} else if (strstr(line, " exit_mmap: ") && faulted) {
			return pid == worker ? MM_ENDED_IN_WORKER :
					       MM_ENDED_ELSEWHERE;
		}
	}
	return NO_MM_ENDED;
}

static enum mm_end trace_mm_end(struct sva_trace *trace)
{
	FILE *file = sva_trace_read(trace);
	enum mm_end end = NO_MM_ENDED;

	if (file) {
		end = first_mm_end(file);
		fclose(file);
	}
	return end;
}

TEST_F_TIMEOUT(bystander, r4_last_mmput_is_not_in_worker, SVA_TEST_TIMEOUT)
{
	struct sva_trace *trace = &self->trace;

	if (!sva_trace_open(trace) ||
	    !sva_trace_enable(trace, "workqueue/workqueue_execute_start") ||
	    !sva_trace_enable(trace, "workqueue/workqueue_execute_end") ||
	    !sva_trace_enable(trace, "mmap/exit_mmap"))
		SKIP(return, "no trace events");

	last_mmput(_metadata, &self->slow, &self->other, &self->bond);
	ASSERT_TRUE(SVA_UNTIL(trace_mm_end(trace), SVA_PATIENCE_MS));
	EXPECT_EQ(MM_ENDED_ELSEWHERE, trace_mm_end(trace));
}

/* ---- a stall that nobody has taken yet when the process dies ---- */

/* More urgent than workers, which do not run as long as somebody else can */
#define HOG_PRIORITY	1
#define VICTIM_PRIORITY	2
#define TEST_PRIORITY	3
/* Less than the scheduler lets such processes have of a second */
#define HOG_MS		200
#define HOGS_MAX	64

FIXTURE(parked)
{
	struct bond bond;	/* with the victim's address space */
	struct victim victim;
};

FIXTURE_SETUP(parked)
{
	bond_setup(_metadata, &self->bond, SVA_IOPF);
}

FIXTURE_TEARDOWN(parked)
{
	victim_teardown(&self->victim);
	bond_teardown(_metadata, &self->bond);
}

static void hog_cpu(int cpu)
{
	uint64_t end = sva_now_ms() + HOG_MS;

	if (!task_pin(0, cpu) || !task_be_urgent(0, HOG_PRIORITY))
		_exit(1);
	while (sva_now_ms() < end)
		;
	_exit(0);
}

struct hogs {
	pid_t pid[HOGS_MAX];
	int nr;
};

/* Occupy every CPU for a while with what gives way to the test and the victim */
static void hogs_start(struct hogs *hogs)
{
	int cpu;

	hogs->nr = sysconf(_SC_NPROCESSORS_ONLN);
	for (cpu = 0; cpu < hogs->nr; cpu++) {
		hogs->pid[cpu] = sva_fork();
		if (!hogs->pid[cpu])
			hog_cpu(cpu);
	}
	/* So that they get at the CPU that we are on, too */
	sva_sleep_ms(HOG_MS / 20);
}

static bool hogs_end(struct hogs *hogs)
{
	bool done = true;

	while (hogs->nr--)
		done &= !sva_reap(hogs->pid[hogs->nr]);
	return done;
}

static void victim_without_dma(struct victim *me, void *arg)
{
	struct bond *bond = arg;

	victim_report(me, sva_bind(bond->fd));
	victim_await_order(me);
}

/*
 * The victim dies after its write to @mem has stalled and, in most cases, before a
 * worker could look. Returns what became of the write, PCI_SVA_TEST_RES_*.
 */
static int die_parked(struct __test_metadata *_metadata, struct bond *bond,
		      struct victim *victim, void *mem)
{
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_WRITE,
		.dst = (uintptr_t)mem,
		.len = sva_page_size(),
	};
	struct pci_sva_test_wait wait;
	struct hogs hogs;

	ASSERT_EQ(0, sva_reset(bond->fd));
	ASSERT_EQ(0, victim_fork(victim, victim_without_dma, bond));
	ASSERT_TRUE(task_be_urgent(victim->pid, VICTIM_PRIORITY));
	hogs_start(&hogs);
	EXPECT_EQ(0, sva_start(bond->fd, &job));
	EXPECT_TRUE(SVA_UNTIL(sva_page_faults(bond->fd), SVA_PATIENCE_MS));
	victim_kill(victim);
	EXPECT_TRUE(hogs_end(&hogs));

	EXPECT_EQ(0, sva_wait(bond->fd, job.queue, SVA_PATIENCE_MS, &wait));
	EXPECT_EQ(PCI_SVA_TEST_STATE_IDLE, wait.state);
	EXPECT_EQ(0, sva_unbind(bond->fd, 0));
	return wait.result;
}

/*
 * A stall that no worker has taken up when its address space goes: it is ended
 * like those that come later, not forgotten.
 */
TEST_F_TIMEOUT(parked, r3_stall_ends_with_the_mm, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	int result = PCI_SVA_TEST_RES_OK;
	size_t at;

	if (sysconf(_SC_NPROCESSORS_ONLN) > HOGS_MAX)
		SKIP(return, "too many CPUs to occupy");
	ASSERT_TRUE(task_be_urgent(0, TEST_PRIORITY));

	/* On a page that is not there yet, until no worker has come between */
	for (at = 0; at < bond->len && result == PCI_SVA_TEST_RES_OK;
	     at += sva_page_size())
		result = die_parked(_metadata, bond, &self->victim,
				    bond->shared + at);
	EXPECT_NE(PCI_SVA_TEST_RES_OK, result);
	EXPECT_EQ(0, sva_klog_count(bond->klog));
}

/* ---- several bonds of one address space ---- */

#define BONDS		3

FIXTURE(several)
{
	struct bond bond[BONDS];
	struct victim victim;
	int klog;
};

FIXTURE_VARIANT(several)
{
	unsigned int function[BONDS];
};

FIXTURE_VARIANT_ADD(several, files) { .function = { 0, 0, 0 } };
FIXTURE_VARIANT_ADD(several, functions) { .function = { 0, 1, 2 } };
FIXTURE_VARIANT_ADD(several, both) { .function = { 0, 2, 0 } };

static const unsigned int orders[][BONDS] = {
	{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
};

FIXTURE_SETUP(several)
{
	struct pci_sva_test_info info;
	unsigned int i;

	for (i = 0; i < BONDS; i++) {
		struct bond *bond = &self->bond[i];

		bond->fd = sva_open_nr(variant->function[i], &info);
		if (bond->fd < 0 || !sva_is_kind(&info, SVA_ANY) ||
		    info.queues < BONDS)
			SVA_SKIP("no such function");
		/* Memory that suits all of them */
		bond->kind = SVA_NO_IOPF;
		bond->first_queue = i;
		bond->queues = 1;
		bond->len = queue_len();
		bond->shared = sva_shared(bond->len);
		ASSERT_NE(MAP_FAILED, bond->shared);
		ASSERT_EQ(0, sva_reset(bond->fd));
		ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_CHUNK_NS,
				     STRAY_CHUNK_NS));
	}
	sva_klog_settle();
	self->klog = sva_klog_open();
	ASSERT_LE(0, self->klog);
}

FIXTURE_TEARDOWN(several)
{
	unsigned int i;

	victim_teardown(&self->victim);
	for (i = 0; i < BONDS; i++) {
		EXPECT_EQ(0, sva_reset(self->bond[i].fd));
		close(self->bond[i].fd);
	}
	close(self->klog);
}

static void victim_of_several(struct victim *me, void *arg)
{
	struct bond *bond = arg;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < BONDS; i++)
		ret = bond_start(&bond[i]);
	victim_report(me, ret);
	victim_await_order(me);
}

static int several_start(struct victim *victim, struct bond *bond)
{
	int ret = victim_fork(victim, victim_of_several, bond);
	unsigned int i;

	for (i = 0; !ret && i < BONDS; i++)
		if (!bond_runs(&bond[i]))
			ret = -ETIMEDOUT;
	return ret;
}

/* Whether a bond that comes after the @nth in @order is with its function, too */
static bool has_more(const unsigned int *function, const unsigned int *order,
		     unsigned int nth)
{
	unsigned int i;

	for (i = nth + 1; i < BONDS; i++)
		if (function[order[i]] == function[order[nth]])
			return true;
	return false;
}

TEST_F_TIMEOUT(several, r3_quiet_until_the_last_unbind, SVA_TEST_TIMEOUT)
{
	const unsigned int *order;
	unsigned int o, i, j;
	struct bond *bond;

	for (o = 0; o < ARRAY_SIZE(orders); o++) {
		order = orders[o];
		ASSERT_EQ(0, several_start(&self->victim, self->bond));
		victim_kill(&self->victim);
		for (i = 0; i < BONDS; i++) {
			for (j = i; j < BONDS; j++)
				ASSERT_TRUE(bond_is_aborted(&self->bond[order[j]]));
			bond = &self->bond[order[i]];
			ASSERT_TRUE(bond_stop(bond, 0));
			ASSERT_EQ(0, sva_unbind(bond->fd, 0));
		}
		EXPECT_EQ(0, sva_klog_count(self->klog));
	}
}

/*
 * A function does DMA until its last bond with the address space has ended: all
 * of them have the same PASID.
 */
TEST_F_TIMEOUT(several, r11_unbind_in_any_order, SVA_TEST_TIMEOUT)
{
	const unsigned int *order;
	unsigned int o, i, j;
	struct bond *bond;

	for (o = 0; o < ARRAY_SIZE(orders); o++) {
		order = orders[o];
		ASSERT_EQ(0, several_start(&self->victim, self->bond));
		for (i = 0; i < BONDS; i++) {
			bond = &self->bond[order[i]];
			ASSERT_EQ(0, sva_unbind(bond->fd,
						PCI_SVA_TEST_UNBIND_DMA_RUNS));
			ASSERT_TRUE(has_more(variant->function, order, i) ?
				    bond_goes_on(bond) : bond_is_aborted(bond));
			ASSERT_TRUE(bond_stop(bond, 0));
			for (j = i + 1; j < BONDS; j++)
				ASSERT_TRUE(bond_goes_on(&self->bond[order[j]]));
		}
		victim_kill(&self->victim);
	}
}

TEST_HARNESS_MAIN
