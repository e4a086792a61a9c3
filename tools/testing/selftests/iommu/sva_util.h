/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of shared virtual addressing have in common: finding a function
 * that does DMA with a PASID, giving it work, and watching the kernel's log.
 */
#ifndef SVA_UTIL_H
#define SVA_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_sva_test.h>

#define SVA_DEVICES		16
/* Generous: a debug kernel on an emulated machine takes its time */
#define SVA_PATIENCE_MS		120000

/* ---- time ---- */

static inline uint64_t sva_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static inline void sva_sleep_ms(unsigned int ms)
{
	struct timespec ts = {
		.tv_sec = ms / 1000,
		.tv_nsec = (ms % 1000) * 1000000L,
	};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* Wait until @cond holds, at most @ms; says whether it did in the end */
#define SVA_UNTIL(cond, ms) ({						\
	uint64_t __end = sva_now_ms() + (ms);				\
	bool __met;							\
									\
	while (!(__met = (cond)) && sva_now_ms() < __end)		\
		sva_sleep_ms(2);					\
	__met;								\
})

/* ---- the function ---- */

enum sva_kind {
	SVA_ANY,	/* does SVA */
	SVA_IOPF,	/* its page faults are resolved */
	SVA_NO_IOPF,	/* its page faults abort the transaction */
};

/* ioctl() that returns a negative errno */
static inline int sva_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static inline bool sva_is_kind(const struct pci_sva_test_info *info,
			       enum sva_kind kind)
{
	bool iopf = info->features & PCI_SVA_TEST_FEAT_IOPF;

	if (!(info->features & PCI_SVA_TEST_FEAT_SVA) || !info->queues)
		return false;
	return kind == SVA_ANY || iopf == (kind == SVA_IOPF);
}

/* Open function @nr, -1 if there is none */
static inline int sva_open_nr(unsigned int nr, struct pci_sva_test_info *info)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/pci_sva_test%u", nr);
	fd = open(path, O_RDWR);
	if (fd >= 0 && sva_ioctl(fd, PCI_SVA_TEST_INFO, info)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Open the first function of @kind, -1 if there is none */
static inline int sva_open(enum sva_kind kind, struct pci_sva_test_info *info)
{
	unsigned int nr;
	int fd;

	for (nr = 0; nr < SVA_DEVICES; nr++) {
		fd = sva_open_nr(nr, info);
		if (fd < 0)
			continue;
		if (sva_is_kind(info, kind))
			return fd;
		close(fd);
	}
	return -1;
}

static inline bool sva_is_same(int fd, int other)
{
	struct stat a, b;

	return !fstat(fd, &a) && !fstat(other, &b) && a.st_rdev == b.st_rdev;
}

/* Open a function that does SVA and is not the one of @fd, -1 if there is none */
static inline int sva_open_other(int fd, struct pci_sva_test_info *info)
{
	unsigned int nr;
	int other;

	for (nr = 0; nr < SVA_DEVICES; nr++) {
		other = sva_open_nr(nr, info);
		if (other < 0)
			continue;
		if (sva_is_kind(info, SVA_ANY) && !sva_is_same(fd, other))
			return other;
		close(other);
	}
	return -1;
}

/* Another file on the function that @fd belongs to */
static inline int sva_reopen(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR);
}

static inline int sva_reset(int fd)
{
	return sva_ioctl(fd, PCI_SVA_TEST_RESET, NULL);
}

static inline int sva_bind_pidfd(int fd, int pidfd, uint32_t *pasid)
{
	struct pci_sva_test_bind bind = { .pidfd = pidfd };
	int ret = sva_ioctl(fd, PCI_SVA_TEST_BIND, &bind);

	if (!ret && pasid)
		*pasid = bind.pasid;
	return ret;
}

static inline int sva_bind(int fd)
{
	return sva_bind_pidfd(fd, -1, NULL);
}

static inline int sva_unbind(int fd, uint32_t flags)
{
	struct pci_sva_test_unbind unbind = { .flags = flags };

	return sva_ioctl(fd, PCI_SVA_TEST_UNBIND, &unbind);
}

static inline int sva_set(int fd, uint32_t param, uint64_t value)
{
	struct pci_sva_test_param set = { .param = param, .value = value };

	return sva_ioctl(fd, PCI_SVA_TEST_SET, &set);
}

static inline int sva_start(int fd, const struct pci_sva_test_job *job)
{
	return sva_ioctl(fd, PCI_SVA_TEST_START, (void *)job);
}

/* Endless write to @mem that no abort ends: what a dying process leaves behind */
static inline int sva_start_endless_write(int fd, uint32_t queue, void *mem,
					  size_t len, uint64_t imm)
{
	struct pci_sva_test_job job = {
		.queue = queue,
		.op = PCI_SVA_TEST_OP_WRITE,
		.flags = PCI_SVA_TEST_JOB_LOOP | PCI_SVA_TEST_JOB_CONT,
		.dst = (uintptr_t)mem,
		.len = len,
		.imm = imm,
	};

	return sva_start(fd, &job);
}

static inline int sva_wait(int fd, uint32_t queue, uint32_t timeout_ms,
			   struct pci_sva_test_wait *wait)
{
	*wait = (struct pci_sva_test_wait) {
		.queue = queue,
		.timeout_ms = timeout_ms,
	};
	return sva_ioctl(fd, PCI_SVA_TEST_WAIT, wait);
}

static inline int sva_stop(int fd, uint32_t queue, uint32_t timeout_ms)
{
	struct pci_sva_test_stop stop = {
		.queue = queue,
		.timeout_ms = timeout_ms,
	};

	return sva_ioctl(fd, PCI_SVA_TEST_STOP, &stop);
}

/* Run a job to its end; a PCI_SVA_TEST_RES_*, or a negative errno */
static inline int sva_run(int fd, const struct pci_sva_test_job *job,
			  struct pci_sva_test_wait *wait)
{
	struct pci_sva_test_wait unused;
	int ret;

	if (!wait)
		wait = &unused;
	ret = sva_start(fd, job);
	if (!ret)
		ret = sva_wait(fd, job->queue, SVA_PATIENCE_MS, wait);
	if (ret)
		return ret;
	return wait->state == PCI_SVA_TEST_STATE_IDLE ? (int)wait->result :
							-ETIMEDOUT;
}

static inline int sva_run_write(int fd, void *dst, size_t len, uint64_t imm)
{
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_WRITE,
		.dst = (uintptr_t)dst,
		.len = len,
		.imm = imm,
	};

	return sva_run(fd, &job, NULL);
}

/* Full rounds that the endless job on @queue has made, 0 on an error */
static inline uint64_t sva_rounds(int fd, uint32_t queue)
{
	struct pci_sva_test_wait wait;

	return sva_wait(fd, queue, 0, &wait) ? 0 : wait.iterations;
}

static inline struct pci_sva_test_counters sva_counters(int fd)
{
	struct pci_sva_test_counters counters;

	if (sva_ioctl(fd, PCI_SVA_TEST_COUNTERS, &counters)) {
		perror("# PCI_SVA_TEST_COUNTERS");
		abort();
	}
	return counters;
}

/* Faults that asked software for a page */
static inline uint64_t sva_page_faults(int fd)
{
	struct pci_sva_test_counters counters = sva_counters(fd);

	return counters.stalls + counters.page_req;
}

/* ---- memory ---- */

static inline size_t sva_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/*
 * Make every page of @mem present, writable and dirty, for a function whose page
 * faults nobody resolves. Contents stay, whoever else writes them.
 */
static inline int sva_prefault(void *mem, size_t len)
{
	size_t page = sva_page_size(), i;
	char *p = mem;

	for (i = 0; i < len; i += page)
		__atomic_fetch_or(p + i, 0, __ATOMIC_RELAXED);
	__atomic_fetch_or(p + len - 1, 0, __ATOMIC_RELAXED);
	return mlock(mem, len);
}

/* What a function of @kind needs before it can work on @mem */
static inline int sva_make_ready(enum sva_kind kind, void *mem, size_t len)
{
	return kind == SVA_NO_IOPF ? sva_prefault(mem, len) : 0;
}

/* A function may write it at any time */
static inline uint64_t sva_word(const void *p)
{
	return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
}

static inline void sva_fill(void *mem, size_t len, uint64_t imm)
{
	uint64_t *p = mem;
	size_t i;

	for (i = 0; i < len / sizeof(*p); i++)
		p[i] = imm + 8 * i;
}

/* Offset of the first byte that is not as sva_fill() leaves it, -1 if all are */
static inline ssize_t sva_check(const void *mem, size_t len, uint64_t imm)
{
	const uint64_t *p = mem;
	size_t i;

	for (i = 0; i < len / sizeof(*p); i++)
		if (sva_word(p + i) != imm + 8 * i)
			return i * sizeof(*p);
	return -1;
}

/* What no job in these tests writes */
#define SVA_POISON	0xa5

static inline void sva_poison(void *mem, size_t len)
{
	memset(mem, SVA_POISON, len);
}

/* Offset of the first byte written since sva_poison(), -1 if there is none */
static inline ssize_t sva_first_written(const void *mem, size_t len)
{
	const uint64_t *p = mem;
	uint64_t poison;
	size_t i;

	memset(&poison, SVA_POISON, sizeof(poison));
	for (i = 0; i < len / sizeof(*p); i++)
		if (sva_word(p + i) != poison)
			return i * sizeof(*p);
	return -1;
}

/* 0 if DMA through @fd's bond writes all of @mem, whoever resolves page faults */
static inline int sva_writes(int fd, void *mem, size_t len)
{
	const uint64_t imm = 0x5356410000000000ULL;
	int ret = sva_prefault(mem, len);

	sva_poison(mem, len);
	if (!ret)
		ret = sva_run_write(fd, mem, len, imm);
	if (ret)
		return ret;
	return sva_check(mem, len, imm) < 0 ? 0 : -EIO;
}

/* 0 if the caller can be bound to @fd's function, write its memory and unbind */
static inline int sva_works(int fd, void *mem, size_t len)
{
	int ret = sva_bind(fd);

	if (!ret)
		ret = sva_writes(fd, mem, len);
	return ret ?: sva_unbind(fd, 0);
}

static inline int sva_memfd(size_t len)
{
	int fd = syscall(SYS_memfd_create, "sva", 0);

	if (fd >= 0 && ftruncate(fd, len)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Memory that another process can watch; MAP_FAILED on an error */
static inline void *sva_shared(size_t len)
{
	int fd = sva_memfd(len);
	void *mem;

	if (fd < 0)
		return MAP_FAILED;
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return mem;
}

/* ---- files of the kernel ---- */

static inline int sva_file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static inline int sva_file_write_number(const char *path, long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", number);
	return sva_file_write(path, text);
}

/* Reads a line without its end */
static inline int sva_file_read(const char *path, char *line, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, line, len - 1);
	close(fd);
	if (n < 0)
		return -errno;
	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	return 0;
}

/*
 * With stalls that the SMMU forces even a quiet descriptor lets stall. The test bed
 * says it on the command line.
 */
static inline bool sva_stall_is_forced(void)
{
	char line[4096];

	return !sva_file_read("/proc/cmdline", line, sizeof(line)) &&
	       strstr(line, "sva.stall_force");
}

/* ---- processes ---- */

static inline int sva_pidfd_open(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

/* Fork a child that does not outlive a test which fails */
static inline pid_t sva_fork(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

/* Exit status of @pid, -1 if a signal has ended it */
static inline int sva_reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The process has no address space any more when this returns */
static inline void sva_kill(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	sva_reap(*pid);
	*pid = 0;
}

/*
 * Fork a child that calls @main, tells what it has returned, and then lives until
 * sva_kill(). Returns that, or a negative errno.
 */
static inline int sva_child(pid_t *pid, int (*main)(void *arg), void *arg)
{
	int report[2], what = -EPIPE;

	*pid = 0;
	if (pipe(report))
		return -errno;
	*pid = sva_fork();
	if (!*pid) {
		what = main(arg);
		if (write(report[1], &what, sizeof(what)) != sizeof(what))
			_exit(1);
		for (;;)
			pause();
	}
	close(report[1]);
	if (*pid > 0 && read(report[0], &what, sizeof(what)) != sizeof(what))
		what = -EPIPE;
	close(report[0]);
	return what;
}

/* For sva_child(): open the function of the file *@fd and bind; the PASID */
static inline int sva_child_bind(void *fd)
{
	int own = sva_reopen(*(int *)fd), ret;
	uint32_t pasid;

	if (own < 0)
		return -errno;
	ret = sva_bind_pidfd(own, -1, &pasid);
	return ret ?: (int)pasid;
}

/* For sva_child(): bind through the file *@fd, which the test has too; the PASID */
static inline int sva_child_bind_shared(void *fd)
{
	uint32_t pasid;
	int ret = sva_bind_pidfd(*(int *)fd, -1, &pasid);

	return ret ?: (int)pasid;
}

/* ---- the kernel's log ---- */

#define SVA_KLOG_SHOWN		10
/* Defaults of the kernel's rate limits, the interval with some more */
#define SVA_RATELIMIT_BURST	10
#define SVA_RATELIMIT_MS	6000

struct sva_klog_line {
	uint64_t ms;		/* since boot */
	char text[1024];
};

/* From here on: a descriptor that reads the lines which come after this call */
static inline int sva_klog_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* What an overloaded host makes a guest's kernel say at any time */
static inline bool sva_klog_is_noise(const char *text)
{
	return strstr(text, "hrtimer: interrupt took") ||
	       strstr(text, "sched: RT throttling activated") ||
	       !strncmp(text, "clocksource: ", 13);
}

/*
 * The next line that the kernel itself has written (what user space writes has a
 * facility), false when there is none yet. Lines that were overwritten before
 * they could be read count as one.
 */
static inline bool sva_klog_next(int fd, struct sva_klog_line *line)
{
	unsigned long long us;
	unsigned int prio;
	char record[8192];
	ssize_t len;
	char *text;

	for (;;) {
		len = read(fd, record, sizeof(record) - 1);
		if (len < 0 && errno == EPIPE) {
			line->ms = 0;
			strcpy(line->text, "(lines lost)");
			return true;
		}
		if (len <= 0)
			return false;
		record[len] = 0;
		text = strchr(record, ';');
		if (!text || sscanf(record, "%u,%*u,%llu", &prio, &us) != 2)
			continue;
		if (prio >> 3 || sva_klog_is_noise(text + 1))
			continue;
		line->ms = us / 1000;
		snprintf(line->text, sizeof(line->text), "%.*s",
			 (int)strcspn(text + 1, "\n"), text + 1);
		return true;
	}
}

/* Count the lines since the last call and show the first ones */
static inline unsigned int sva_klog_count(int fd)
{
	struct sva_klog_line line;
	unsigned int lines = 0;

	while (sva_klog_next(fd, &line))
		if (lines++ < SVA_KLOG_SHOWN)
			fprintf(stderr, "#   log: %s\n", line.text);
	if (lines > SVA_KLOG_SHOWN)
		fprintf(stderr, "#   log: and %u more\n",
			lines - SVA_KLOG_SHOWN);
	return lines;
}

/* Wait for a line; says whether one came */
static inline bool sva_klog_wait(int fd, unsigned int ms)
{
	struct sva_klog_line line;

	if (!SVA_UNTIL(sva_klog_next(fd, &line), ms))
		return false;
	fprintf(stderr, "#   log: %s\n", line.text);
	return true;
}

/* When the kernel wrote the last line but nine, in ms since boot; 0: never */
static inline uint64_t sva_klog_burst_ms(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	uint64_t ms[SVA_RATELIMIT_BURST] = { 0 };
	struct sva_klog_line line;
	unsigned int lines = 0;

	if (fd < 0)
		return 0;
	lseek(fd, 0, SEEK_SET);
	while (sva_klog_next(fd, &line))
		if (line.ms)
			ms[lines++ % SVA_RATELIMIT_BURST] = line.ms;
	close(fd);
	return ms[lines % SVA_RATELIMIT_BURST];
}

/*
 * Wait until no rate limit can have been used up: that takes a burst of lines
 * within an interval. Without this a kernel looks quiet which has only said too
 * much already.
 *
 * The DMA that makes the kernel write must have been stopped.
 */
static inline void sva_klog_settle(void)
{
	uint64_t burst, now;

	/* "crng init done" comes when it likes */
	syscall(SYS_getrandom, &burst, sizeof(burst), 0);

	while ((burst = sva_klog_burst_ms()) &&
	       burst + SVA_RATELIMIT_MS > (now = sva_now_ms()))
		sva_sleep_ms(burst + SVA_RATELIMIT_MS - now);
}

#endif /* SVA_UTIL_H */
