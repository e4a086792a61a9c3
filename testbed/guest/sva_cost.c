// SPDX-License-Identifier: GPL-2.0
/*
 * What a process pays to die, with its address space bound to so many functions
 * or, as a control, with as many files open and no bond.
 *
 *	sva_cost [-r rounds] [-p port] functions...
 *
 * prints for each death
 *
 *	cost functions=N bound=0|1 round=N ns=CPU time of the process from SIGKILL on
 *
 * No DMA runs, the process only waits, and the files stay open in this one: what
 * happens between the signal and the zombie is exit() and, with a bond, the
 * release() of each of its notifiers. No notifier hears of the unmapping that
 * follows: mm core has taken them off the list by then.
 *
 * CPU time is what the scheduler has given to the process, so waiting does not
 * count. Where QEMU's virtual clock counts instructions (-icount shift=0) a
 * nanosecond is one instruction.
 *
 * -p: a virtio port with that name. A line is written to it before each death
 * ("before N BOUND") and after it ("after N BOUND"), and the next one is not done
 * until the host has answered with a line.
 *
 * Uses sva_util.h of tools/testing/selftests/iommu.
 */
#define _GNU_SOURCE
#include <glob.h>

#include "sva_util.h"

#define FUNCTIONS_MAX	SVA_DEVICES
#define SETTLE_MS	100

struct victim {
	pid_t pid;
	clockid_t clock;
	unsigned int functions;
	bool bound;
	int fd[FUNCTIONS_MAX];
};

static int port = -1;

static _Noreturn void die(const char *what, int err)
{
	fprintf(stderr, "sva_cost: %s: %s\n", what, strerror(err));
	exit(2);
}

/* ---- the host ---- */

static bool port_is(const char *dir, const char *name)
{
	char path[256], line[64] = { 0 };
	FILE *file;

	snprintf(path, sizeof(path), "%s/name", dir);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = 0;
	fclose(file);
	line[strcspn(line, "\n")] = 0;
	return !strcmp(line, name);
}

static void open_port(const char *name)
{
	char path[256];
	glob_t ports;
	size_t i;

	if (glob("/sys/class/virtio-ports/*", 0, NULL, &ports))
		die("/sys/class/virtio-ports", ENOENT);
	for (i = 0; i < ports.gl_pathc && port < 0; i++) {
		if (!port_is(ports.gl_pathv[i], name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s",
			 strrchr(ports.gl_pathv[i], '/') + 1);
		port = open(path, O_RDWR | O_CLOEXEC);
	}
	globfree(&ports);
	if (port < 0)
		die(name, errno);
}

/* Let the host look at the machine while nothing happens in it */
static void host_looks(const char *when, const struct victim *victim)
{
	char answer = 0;

	if (port < 0)
		return;
	dprintf(port, "%s %u %d\n", when, victim->functions, victim->bound);
	while (answer != '\n')
		if (read(port, &answer, 1) != 1)
			die("the host does not answer", errno);
}

/* ---- one death ---- */

static void open_functions(struct victim *victim)
{
	char path[32];
	unsigned int i;

	for (i = 0; i < victim->functions; i++) {
		snprintf(path, sizeof(path), "/dev/pci_sva_test%u", i);
		victim->fd[i] = open(path, O_RDWR);
		if (victim->fd[i] < 0)
			die(path, errno);
	}
}

static _Noreturn void wait_for_death(struct victim *victim, int tell)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && victim->bound && i < victim->functions; i++)
		ret = sva_bind(victim->fd[i]);
	if (write(tell, &ret, sizeof(ret)) != sizeof(ret))
		_exit(1);
	for (;;)
		pause();
}

static void start(struct victim *victim)
{
	int fds[2], ret;

	open_functions(victim);
	if (pipe(fds))
		die("pipe", errno);
	victim->pid = sva_fork();
	if (victim->pid < 0)
		die("fork", errno);
	if (!victim->pid)
		wait_for_death(victim, fds[1]);
	close(fds[1]);
	if (read(fds[0], &ret, sizeof(ret)) != sizeof(ret))
		die("the victim has not started", EPIPE);
	close(fds[0]);
	if (ret)
		die("bind", -ret);
	if (clock_getcpuclockid(victim->pid, &victim->clock))
		die("clock_getcpuclockid", errno);
	/* Callbacks of the last death, and of this bind */
	sva_sleep_ms(SETTLE_MS);
}

static uint64_t cpu_ns(const struct victim *victim)
{
	struct timespec ts;

	if (clock_gettime(victim->clock, &ts))
		die("the victim's clock", errno);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* A zombie still has its clock */
static uint64_t kill_victim(const struct victim *victim)
{
	uint64_t begin = cpu_ns(victim);
	siginfo_t info;

	kill(victim->pid, SIGKILL);
	if (waitid(P_PID, victim->pid, &info, WEXITED | WNOWAIT))
		die("waitid", errno);
	return cpu_ns(victim) - begin;
}

static void clean_up(struct victim *victim)
{
	unsigned int i;

	sva_reap(victim->pid);
	for (i = 0; i < victim->functions; i++)
		close(victim->fd[i]);
}

static void death(unsigned int functions, bool bound, unsigned int round)
{
	struct victim victim = { .functions = functions, .bound = bound };
	uint64_t ns;

	start(&victim);
	host_looks("before", &victim);
	ns = kill_victim(&victim);
	host_looks("after", &victim);
	clean_up(&victim);
	printf("cost functions=%u bound=%d round=%u ns=%llu\n", functions, bound,
	       round, (unsigned long long)ns);
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: sva_cost [-r rounds] [-p port] functions...\n");
	exit(2);
}

int main(int argc, char **argv)
{
	unsigned int rounds = 1, round, functions;
	int opt, i;

	while ((opt = getopt(argc, argv, "r:p:")) != -1) {
		switch (opt) {
		case 'r':
			rounds = strtoul(optarg, NULL, 0);
			break;
		case 'p':
			open_port(optarg);
			break;
		default:
			usage();
		}
	}
	if (optind == argc || !rounds)
		usage();
	setvbuf(stdout, NULL, _IOLBF, 0);

	for (i = optind; i < argc; i++) {
		functions = strtoul(argv[i], NULL, 0);
		if (!functions || functions > FUNCTIONS_MAX)
			usage();
		for (round = 0; round < rounds; round++) {
			death(functions, false, round);
			death(functions, true, round);
		}
	}
	return 0;
}
