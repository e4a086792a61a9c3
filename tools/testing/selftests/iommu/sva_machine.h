/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests of shared virtual addressing do to the machine: hold up the
 * workers that handle page faults, let allocations fail, take functions away.
 *
 * All of that ends with the process that has begun it, or is put right by the
 * next test's setup.
 */
#ifndef SVA_MACHINE_H
#define SVA_MACHINE_H

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "sva_harness.h"

/* ---- CPUs ---- */

static inline int sva_run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

/*
 * An idle CPU keeps the last address space it has run, so that the process's PASID
 * is not free although nothing else is left of it. Run on each CPU for a moment.
 */
static inline void sva_forget_the_dead(void)
{
	cpu_set_t set;
	int cpu;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			sva_run_on(cpu);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ---- PASIDs ---- */

/* The PASID that a process which is new to the function gets, -1 if it gets none */
static inline int sva_next_pasid(int fd)
{
	pid_t pid;
	int pasid;

	sva_forget_the_dead();
	pasid = sva_child(&pid, sva_child_bind, &fd);
	sva_kill(&pid);
	return pasid > 0 ? pasid : -1;
}

/*
 * The lowest PASID that is free, which is handed out first; some may belong to
 * processes that are about to be forgotten.
 */
static inline int sva_lowest_pasid(int fd)
{
	int lowest = INT_MAX, pasid, i;

	for (i = 0; i < 6; i++) {
		pasid = sva_next_pasid(fd);
		if (pasid < lowest)
			lowest = pasid;
		sva_sleep_ms(20);
	}
	return lowest;
}

/*
 * An address space, its MMU notifier and its PASID go together: is the PASID free
 * that sva_lowest_pasid() has found to be so before?
 */
static inline bool sva_no_pasid_leaked(int fd, unsigned int before)
{
	if (SVA_UNTIL((unsigned int)sva_next_pasid(fd) <= before,
		      SVA_PATIENCE_MS))
		return true;
	fprintf(stderr, "#   PASID %u is not handed out again, but %d\n", before,
		sva_next_pasid(fd));
	return false;
}

/* ---- workers ---- */

#define SVA_UNBOUND_CPUS	"/sys/devices/virtual/workqueue/cpumask"
#define SVA_RT_RUNTIME		"/proc/sys/kernel/sched_rt_runtime_us"
#define SVA_RT_RUNTIME_US	950000
/* Shorter than any watchdog's patience */
#define SVA_FREEZE_MS		5000

/* Where the frozen workers are; the test itself runs on CPU 0 meanwhile */
#define SVA_FROZEN_CPU		1

static inline int sva_unbound_cpus(unsigned long mask)
{
	char text[24];

	snprintf(text, sizeof(text), "%lx", mask);
	return sva_file_write(SVA_UNBOUND_CPUS, text);
}

/* The threads that take faults off the IOMMU's queues */
static inline bool sva_is_fault_thread(const char *comm)
{
	return !strncmp(comm, "irq/", 4) &&
	       (strstr(comm, "-arm-smmu") || strstr(comm, "-dmar"));
}

/* Allow them on the CPUs of @set; how many there are */
static inline int sva_move_fault_threads(const cpu_set_t *set)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], comm[32];
	int moved = 0;

	while (proc && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (atoi(entry->d_name) > 0 &&
		    !sva_file_read(path, comm, sizeof(comm)) &&
		    sva_is_fault_thread(comm))
			moved += !sched_setaffinity(atoi(entry->d_name),
						    sizeof(*set), set);
	}
	if (proc)
		closedir(proc);
	return moved;
}

/* Let the page-fault workers run again */
static inline void sva_thaw(pid_t *hog)
{
	cpu_set_t all;
	int cpu;

	if (*hog > 0) {
		kill(*hog, SIGKILL);
		sva_reap(*hog);
		*hog = 0;
	}
	CPU_ZERO(&all);
	for (cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++)
		CPU_SET(cpu, &all);
	sva_move_fault_threads(&all);
	sva_unbound_cpus((1UL << sysconf(_SC_NPROCESSORS_CONF)) - 1);
	sva_file_write_number(SVA_RT_RUNTIME, SVA_RT_RUNTIME_US);
}

static inline void sva_hog(int ready, int priority)
{
	const struct sched_param param = { .sched_priority = priority };
	char c = 0;

	if (sva_run_on(SVA_FROZEN_CPU) ||
	    sched_setscheduler(0, SCHED_FIFO, &param) ||
	    write(ready, &c, 1) != 1)
		_exit(1);
	for (;;)
		;
}

/*
 * Page faults are handled by unbound workers. Keep these on one CPU, and that CPU
 * busy with what has a higher priority: page faults are accepted, and wait. With
 * @events so does the thread that gives them to the workers, and they wait in the
 * IOMMU's queue. Needs a second CPU for the test.
 */
static inline int sva_freeze(pid_t *hog, bool events)
{
	int ready[2], ret, priority = 1;
	cpu_set_t frozen;
	char c;

	ret = sva_run_on(0);
	if (!ret)
		ret = sva_unbound_cpus(1UL << SVA_FROZEN_CPU);
	if (!ret)
		ret = sva_file_write_number(SVA_RT_RUNTIME, -1);
	if (ret || pipe(ready))
		return ret ?: -errno;

	if (events) {
		CPU_ZERO(&frozen);
		CPU_SET(SVA_FROZEN_CPU, &frozen);
		if (!sva_move_fault_threads(&frozen))
			return -ESRCH;
		priority = sched_get_priority_max(SCHED_FIFO);
	}
	*hog = sva_fork();
	if (!*hog)
		sva_hog(ready[1], priority);
	close(ready[1]);
	ret = *hog > 0 && read(ready[0], &c, 1) == 1 ? 0 : -EPERM;
	close(ready[0]);
	return ret;
}

static inline bool sva_can_freeze(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > SVA_FROZEN_CPU &&
	       !access(SVA_UNBOUND_CPUS, W_OK) && !access(SVA_RT_RUNTIME, W_OK);
}

/* ---- allocations that fail ---- */

#define SVA_FAULT_ATTRS		"/sys/kernel/debug/"
#define SVA_FAIL_NTH		"/proc/thread-self/fail-nth"

static inline int sva_fault_attr(const char *kind, const char *name,
				 const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), SVA_FAULT_ATTRS "%s/%s", kind, name);
	return sva_file_write(path, value);
}

/* Either every allocation of the tasks that are marked fails, or none */
static inline int sva_fail_marked(bool fail)
{
	const char *percent = fail ? "100" : "0";

	return sva_fault_attr("failslab", "probability", percent) ?:
	       sva_fault_attr("fail_page_alloc", "probability", percent);
}

static inline int sva_fail_mark(pid_t task, bool mark)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/make-it-fail", task);
	return sva_file_write(path, mark ? "1" : "0");
}

/* Let nothing fail yet, but then whatever allocates */
static inline int sva_fail_setup(void)
{
	static const char * const kinds[] = { "failslab", "fail_page_alloc" };
	static const char * const attrs[][2] = {
		{ "probability", "0" }, { "interval", "1" }, { "times", "1000000000" },
		{ "space", "0" }, { "verbose", "0" }, { "task-filter", "1" },
		{ "ignore-gfp-wait", "0" },
	};
	unsigned int i, j;
	int ret;

	if (access(SVA_FAIL_NTH, W_OK))
		return -errno;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (j = 0; j < ARRAY_SIZE(attrs); j++) {
			ret = sva_fault_attr(kinds[i], attrs[j][0], attrs[j][1]);
			if (ret)
				return ret;
		}
	}
	return sva_fault_attr("fail_page_alloc", "min-order", "0");
}

/*
 * ioctl() whose @nth allocation fails; *@failed says whether it had so many. Its
 * descriptor is opened before: that allocates too.
 */
static inline int sva_ioctl_nomem(int fd, unsigned long request, void *arg,
				  unsigned int nth, bool *failed)
{
	int fail = open(SVA_FAIL_NTH, O_RDWR | O_CLOEXEC), ret;
	char text[16] = { 0 };

	if (fail < 0)
		return -errno;
	snprintf(text, sizeof(text), "%u", nth);
	if (write(fail, text, strlen(text)) < 0) {
		ret = -errno;
		close(fail);
		return ret;
	}
	ret = sva_ioctl(fd, request, arg);
	memset(text, 0, sizeof(text));
	*failed = pread(fail, text, sizeof(text) - 1, 0) > 0 && !atoi(text);
	if (write(fail, "0", 1) != 1)
		perror("# " SVA_FAIL_NTH);
	close(fail);
	return ret;
}

/* ---- functions that go ---- */

#define SVA_PCI			"/sys/bus/pci/"

struct sva_pci {
	unsigned int nr;	/* N of /dev/pci_sva_testN */
	char address[16];	/* domain:bus:slot.function */
	char group[PATH_MAX];	/* the IOMMU group's directory */
};

static inline int sva_pci_find(int fd, struct sva_pci *pci)
{
	char link[64], path[PATH_MAX];
	struct stat stat;

	if (fstat(fd, &stat))
		return -errno;
	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u/device",
		 major(stat.st_rdev), minor(stat.st_rdev));
	if (!realpath(link, path))
		return -errno;
	snprintf(pci->address, sizeof(pci->address), "%s", basename(path));

	snprintf(link, sizeof(link), SVA_PCI "devices/%s/iommu_group",
		 pci->address);
	if (!realpath(link, pci->group))
		return -errno;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (!realpath(link, path) ||
	    sscanf(path, "/dev/pci_sva_test%u", &pci->nr) != 1)
		return -ENODEV;
	return 0;
}

/* Write to @file of the PCI device */
static inline int sva_pci_tell(const struct sva_pci *pci, const char *file)
{
	char path[96];

	snprintf(path, sizeof(path), SVA_PCI "devices/%s/%s", pci->address,
		 file);
	return sva_file_write(path, "1");
}

static inline int sva_pci_driver(const struct sva_pci *pci, const char *file)
{
	char path[96];

	snprintf(path, sizeof(path), SVA_PCI "drivers/pci_sva_test/%s", file);
	return sva_file_write(path, pci->address);
}

static inline int sva_pci_reset(const struct sva_pci *pci)
{
	return sva_pci_tell(pci, "reset");
}

/* The two ways a function goes, and back */
static inline int sva_pci_go(const struct sva_pci *pci, bool remove)
{
	return remove ? sva_pci_tell(pci, "remove") :
			sva_pci_driver(pci, "unbind");
}

static inline int sva_pci_back(const struct sva_pci *pci, bool remove)
{
	return remove ? sva_file_write(SVA_PCI "rescan", "1") :
			sva_pci_driver(pci, "bind");
}

static inline bool sva_pci_is_bound(const struct sva_pci *pci)
{
	char path[96];

	snprintf(path, sizeof(path), SVA_PCI "devices/%s/driver", pci->address);
	return !access(path, F_OK);
}

#endif /* SVA_MACHINE_H */
