// SPDX-License-Identifier: GPL-2.0
/*
 * Cycles of bind, DMA, death and unbind, as many as fit into a time, each
 * different: which functions, how many queues, how and when the process dies, and
 * who ends the bond how late. All of it comes from one number, which is printed.
 *
 *	sva_soak [-n cycles] [-t seconds] [-s seed] [-w workers] [-m]
 *
 * Workers run side by side, each on queues of its own of the same functions. What
 * it prints for a program to read:
 *
 *	soak seed=N workers=N functions=N
 *	soak progress cycles=N
 *	soak failed worker=N cycle=N WHAT
 *	soak done cycles=N kill=N ... (how many cycles ended in which way)
 *
 * -m: memory that is gone for good fails too, on a kernel without KASAN.
 *
 * Exit status: 0 all went well, 1 a cycle failed, 2 it cannot run. Uses sva_util.h
 * of tools/testing/selftests/iommu.
 */
#define _GNU_SOURCE
#include <stdarg.h>

#include "sva_util.h"

#define WORKERS_MAX	8
#define FUNCTIONS_MAX	8
#define PAGES_PER_QUEUE	2
#define CHUNK_NS	200000
#define PATTERN		0x50a4c0de50a4c0deULL
#define DEATH_US_MAX	4000
#define EARLY_US_MAX	12000
#define QUIET_US_MAX	8000
#define PROGRESS_MS	10000

/* What settles in caches, and what a leak would at least add to it in a cycle */
#define MEMORY_SLACK_KB	8192
#define MEMORY_CYCLE_B	16
#define MEMORY_WARM_UP	500

enum death {
	DEATH_KILL,	/* SIGKILL under DMA */
	DEATH_EARLY,	/* SIGKILL, maybe within bind or before */
	DEATH_EXIT,
	DEATH_EXEC,
	DEATH_UNBOUND,	/* its bonds end while it lives */
	DEATHS
};

enum end {
	END_UNBIND,	/* the worker stops DMA, then unbinds */
	END_CLOSE,	/* the worker closes the file: the driver does the same */
	END_HEIR,	/* another process has the last file */
	END_OWN,	/* the victim has it: it dies with it */
	END_RACE,	/* the worker unbinds while the victim dies */
	ENDS
};

static const char * const death_names[] = {
	[DEATH_KILL]	= "kill",
	[DEATH_EARLY]	= "early",
	[DEATH_EXIT]	= "exit",
	[DEATH_EXEC]	= "exec",
	[DEATH_UNBOUND]	= "unbound",
};

static const char * const end_names[] = {
	[END_UNBIND]	= "unbind",
	[END_CLOSE]	= "close",
	[END_HEIR]	= "heir",
	[END_OWN]	= "own",
	[END_RACE]	= "race",
};

/* One cycle, drawn before it begins */
struct plan {
	enum death death;
	enum end end;
	unsigned int first;		/* function */
	unsigned int functions;
	unsigned int queues;		/* of each */
	unsigned int death_us;
	unsigned int quiet_us;
};

/* Shared by all processes, a worker writes its own */
struct tally {
	uint64_t cycles;
	uint64_t deaths[DEATHS];
	uint64_t ends[ENDS];
};

struct worker {
	unsigned int index;
	uint64_t random;
	unsigned int queue;		/* the first of its queues */
	unsigned int queues;
	char *shared;			/* where the functions write */
	size_t len;
	struct tally *tally;

	/* this cycle's */
	struct plan plan;
	pid_t victim, heir;
	int fd[FUNCTIONS_MAX];
};

static struct {
	unsigned int functions;
	struct pci_sva_test_info info[FUNCTIONS_MAX];
	int fd[FUNCTIONS_MAX];

	unsigned int workers;
	uint64_t seed;
	uint64_t cycles;
	uint64_t end_ms;
	bool memory;
	struct tally *tallies;
} soak = {
	.workers = 4,
	.cycles = UINT64_MAX,
};

/* ---- small things ---- */

static _Noreturn void __attribute__((format(printf, 2, 3)))
fail(struct worker *w, const char *fmt, ...)
{
	char what[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	printf("soak failed worker=%u cycle=%llu death=%s end=%s: %s\n",
	       w->index, (unsigned long long)w->tally->cycles,
	       death_names[w->plan.death], end_names[w->plan.end], what);
	fflush(stdout);
	_exit(1);
}

static void check(struct worker *w, const char *what, int ret)
{
	if (ret < 0)
		fail(w, "%s: %s", what, strerror(-ret));
}

static _Noreturn void cannot(const char *what)
{
	fprintf(stderr, "sva_soak: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* splitmix64 */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static unsigned int draw(struct worker *w, unsigned int below)
{
	return random_next(&w->random) % below;
}

static void sleep_us(unsigned int us)
{
	struct timespec ts = { .tv_nsec = us * 1000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* ---- the plan ---- */

/* Half of all deaths are the one that matters most */
static enum death draw_death(struct worker *w)
{
	return draw(w, 2) ? DEATH_KILL : draw(w, DEATHS);
}

static void draw_plan(struct worker *w)
{
	struct plan *plan = &w->plan;

	plan->death = draw_death(w);
	plan->end = draw(w, ENDS);
	/* Whose bonds the worker ends, or that go on, cannot have all the files */
	if ((plan->death == DEATH_EXEC && plan->end == END_OWN) ||
	    (plan->death == DEATH_UNBOUND &&
	     (plan->end == END_OWN || plan->end == END_HEIR)))
		plan->end = END_UNBIND;
	plan->first = draw(w, soak.functions);
	plan->functions = draw(w, 3) ? 1 : 1 + draw(w, soak.functions);
	plan->queues = 1 + draw(w, w->queues);
	plan->death_us = draw(w, plan->death == DEATH_EARLY ? EARLY_US_MAX :
						 DEATH_US_MAX);
	plan->quiet_us = draw(w, 4) ? draw(w, QUIET_US_MAX) : 0;
}

static unsigned int function(struct worker *w, unsigned int i)
{
	return (w->plan.first + i) % soak.functions;
}

/* ---- the victim ---- */

static size_t queue_len(void)
{
	return PAGES_PER_QUEUE * sva_page_size();
}

static char *queue_mem(struct worker *w, unsigned int i, unsigned int q)
{
	return w->shared + (i * w->queues + q) * queue_len();
}

static void open_functions(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < w->plan.functions; i++) {
		w->fd[i] = sva_reopen(soak.fd[function(w, i)]);
		if (w->fd[i] < 0)
			fail(w, "open: %s", strerror(errno));
	}
}

static void close_functions(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < w->plan.functions; i++) {
		if (w->fd[i] >= 0)
			close(w->fd[i]);
		w->fd[i] = -1;
	}
}

static void bind_and_start(struct worker *w)
{
	unsigned int i, q;

	for (i = 0; i < w->plan.functions; i++) {
		check(w, "bind", sva_bind(w->fd[i]));
		for (q = 0; q < w->plan.queues; q++)
			check(w, "start",
			      sva_start_endless_write(w->fd[i], w->queue + q,
						      queue_mem(w, i, q),
						      queue_len(), PATTERN));
	}
}

/* The pipe to the worker: a byte when all queues have been around */
static void await_dma(struct worker *w, int tell)
{
	unsigned int i, q;

	for (i = 0; i < w->plan.functions; i++)
		for (q = 0; q < w->plan.queues; q++)
			if (!SVA_UNTIL(sva_rounds(w->fd[i], w->queue + q) >= 1,
				       SVA_PATIENCE_MS))
				fail(w, "no DMA on queue %u", w->queue + q);
	if (write(tell, "", 1) != 1)
		_exit(1);
}

static _Noreturn void victim(struct worker *w, int tell)
{
	if (w->plan.end == END_OWN)
		open_functions(w);
	/* Not every function resolves page faults */
	if (sva_prefault(w->shared, w->len))
		fail(w, "mlock: %s", strerror(errno));
	bind_and_start(w);
	await_dma(w, tell);
	if (w->plan.death == DEATH_EXIT) {
		sleep_us(w->plan.death_us);
		_exit(0);
	}
	if (w->plan.death == DEATH_EXEC) {
		sleep_us(w->plan.death_us);
		execl("/proc/self/exe", "sva_soak", "-x", NULL);
		_exit(1);
	}
	for (;;)
		pause();
}

static void start_victim(struct worker *w)
{
	char byte;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		fail(w, "pipe: %s", strerror(errno));
	w->victim = sva_fork();
	if (w->victim < 0)
		fail(w, "fork: %s", strerror(errno));
	if (!w->victim)
		victim(w, fds[1]);
	close(fds[1]);
	/* The byte, and for exec the end that comes with the new program */
	if (w->plan.death != DEATH_EARLY && read(fds[0], &byte, 1) != 1)
		fail(w, "the victim has not started");
	if (w->plan.death == DEATH_EXEC && read(fds[0], &byte, 1))
		fail(w, "the victim has not called exec");
	close(fds[0]);
}

/* A process with copies of the files, which closes them late */
static void start_heir(struct worker *w)
{
	w->heir = sva_fork();
	if (w->heir < 0)
		fail(w, "fork: %s", strerror(errno));
	if (!w->heir) {
		sleep_us(w->plan.death_us + w->plan.quiet_us);
		_exit(0);
	}
	close_functions(w);
}

/* ---- death and after ---- */

static void reap_victim(struct worker *w)
{
	int status;

	while (waitpid(w->victim, &status, 0) < 0)
		if (errno != EINTR)
			fail(w, "waitpid: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status))
		fail(w, "the victim failed");
}

/* An early death may leave bonds and jobs out, or begin them a moment later */
static bool may_happen(struct worker *w, int ret)
{
	return w->plan.death == DEATH_EARLY && (ret == -ENXIO || ret == -EBUSY);
}

static void end_bonds(struct worker *w)
{
	unsigned int i, q;
	int ret;

	for (i = 0; i < w->plan.functions; i++) {
		for (q = 0; q < w->plan.queues; q++) {
			ret = sva_stop(w->fd[i], w->queue + q, SVA_PATIENCE_MS);
			if (!may_happen(w, ret))
				check(w, "stop", ret);
		}
		ret = sva_unbind(w->fd[i], 0);
		if (!may_happen(w, ret))
			check(w, "unbind", ret);
	}
}

/* Nothing is written into the memory of a process that is no more */
static void watch_memory(struct worker *w)
{
	ssize_t written;

	sva_poison(w->shared, w->len);
	sleep_us(w->plan.quiet_us);
	written = sva_first_written(w->shared, w->len);
	if (written >= 0)
		fail(w, "data written after the end, at %zd", written);
}

/* The address space is gone when this returns, but for END_RACE */
static void die(struct worker *w)
{
	if (w->plan.death == DEATH_EXEC)
		return;
	if (w->plan.death == DEATH_UNBOUND)
		end_bonds(w);
	if (w->plan.death != DEATH_EXIT) {
		sleep_us(w->plan.death_us);
		kill(w->victim, SIGKILL);
	}
	if (w->plan.end != END_RACE)
		reap_victim(w);
}

static void end_quietly(struct worker *w)
{
	/* The heir ends the bond at any time, which must not show either */
	watch_memory(w);
	if (w->plan.end == END_UNBIND && w->plan.death != DEATH_UNBOUND)
		end_bonds(w);
	if (w->plan.end == END_UNBIND || w->plan.end == END_CLOSE)
		close_functions(w);
	if (w->plan.end == END_HEIR && sva_reap(w->heir))
		fail(w, "the heir failed");
}

static void end_in_a_race(struct worker *w)
{
	if (w->plan.death != DEATH_UNBOUND)
		end_bonds(w);
	close_functions(w);
	if (w->plan.death != DEATH_EXEC)
		reap_victim(w);
	watch_memory(w);
}

static void cycle(struct worker *w)
{
	draw_plan(w);
	if (w->plan.end != END_OWN)
		open_functions(w);
	start_victim(w);
	if (w->plan.end == END_HEIR)
		start_heir(w);
	die(w);
	if (w->plan.end == END_RACE)
		end_in_a_race(w);
	else
		end_quietly(w);
	if (w->plan.death == DEATH_EXEC) {
		kill(w->victim, SIGKILL);
		reap_victim(w);
	}
	w->tally->deaths[w->plan.death]++;
	w->tally->ends[w->plan.end]++;
	__atomic_add_fetch(&w->tally->cycles, 1, __ATOMIC_RELAXED);
}

static uint64_t cycles_done(void)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < soak.workers; i++)
		sum += __atomic_load_n(&soak.tallies[i].cycles,
				       __ATOMIC_RELAXED);
	return sum;
}

static _Noreturn void work(unsigned int index)
{
	struct worker w = {
		.index = index,
		.random = soak.seed + index,
		.queues = soak.info[0].queues / soak.workers,
		.tally = &soak.tallies[index],
	};

	w.queue = index * w.queues;
	w.len = soak.functions * w.queues * queue_len();
	w.shared = sva_shared(w.len);
	if (w.shared == MAP_FAILED)
		fail(&w, "memory: %s", strerror(errno));
	while (sva_now_ms() < soak.end_ms && cycles_done() < soak.cycles)
		cycle(&w);
	_exit(0);
}

/* ---- the whole ---- */

static void setup_functions(void)
{
	char path[32];
	unsigned int i, n = 0;
	int fd;

	for (i = 0; i < SVA_DEVICES && n < FUNCTIONS_MAX; i++) {
		snprintf(path, sizeof(path), "/dev/pci_sva_test%u", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (sva_ioctl(fd, PCI_SVA_TEST_INFO, &soak.info[n]) ||
		    !sva_is_kind(&soak.info[n], SVA_ANY)) {
			close(fd);
			continue;
		}
		if (sva_reset(fd) ||
		    sva_set(fd, PCI_SVA_TEST_PARAM_CHUNK_NS, CHUNK_NS))
			cannot(path);
		soak.fd[n++] = fd;
	}
	if (!n) {
		errno = ENODEV;
		cannot("functions that do SVA");
	}
	soak.functions = n;
}

/* What a function says that did something forbidden */
static bool functions_behaved(void)
{
	struct pci_sva_test_counters c;
	unsigned int i;

	for (i = 0; i < soak.functions; i++) {
		c = sva_counters(soak.fd[i]);
		if (!c.after_stop_ack && !c.bad_response)
			continue;
		printf("soak failed function=%u: DMA after stop %llu, bad responses %llu\n",
		       i, (unsigned long long)c.after_stop_ack,
		       (unsigned long long)c.bad_response);
		return false;
	}
	return true;
}

static long available_kb(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	long kb = -1;

	if (!file)
		cannot("/proc/meminfo");
	while (kb < 0 && fgets(line, sizeof(line), file))
		sscanf(line, "MemAvailable: %ld", &kb);
	fclose(file);
	return kb;
}

static bool memory_is_back(long before_kb, uint64_t cycles)
{
	long lost = before_kb - available_kb();
	long limit = MEMORY_SLACK_KB + cycles * MEMORY_CYCLE_B / 1024;

	printf("soak memory lost_kb=%ld limit_kb=%ld\n", lost, limit);
	if (lost <= limit)
		return true;
	printf("soak failed: memory is gone\n");
	return false;
}

/* One look a second: says whether all workers end, and end well */
static bool attend(void)
{
	uint64_t done = 0, now, told = 0, moved = sva_now_ms();
	unsigned int left = soak.workers;
	long memory = -1;
	int status;
	pid_t pid;

	while (left) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0) {
			if (!WIFEXITED(status) || WEXITSTATUS(status))
				return false;
			left--;
			continue;
		}
		sva_sleep_ms(200);
		now = sva_now_ms();
		if (cycles_done() != done)
			moved = now;
		done = cycles_done();
		if (memory < 0 && done >= MEMORY_WARM_UP)
			memory = available_kb();
		if (now - told >= PROGRESS_MS) {
			printf("soak progress cycles=%llu\n",
			       (unsigned long long)done);
			told = now;
		}
		if (now - moved > 2 * SVA_PATIENCE_MS) {
			printf("soak failed: hang, no cycle for %u ms\n",
			       2 * SVA_PATIENCE_MS);
			return false;
		}
	}
	return !soak.memory || memory < 0 ||
		memory_is_back(memory, cycles_done());
}

static bool run(void)
{
	unsigned int i;
	pid_t pid;

	for (i = 0; i < soak.workers; i++) {
		pid = sva_fork();
		if (pid < 0)
			cannot("fork");
		if (!pid)
			work(i);
	}
	return attend() && functions_behaved();
}

static void tell(void)
{
	uint64_t deaths[DEATHS] = { 0 }, ends[ENDS] = { 0 };
	unsigned int i, k;

	for (i = 0; i < soak.workers; i++) {
		for (k = 0; k < DEATHS; k++)
			deaths[k] += soak.tallies[i].deaths[k];
		for (k = 0; k < ENDS; k++)
			ends[k] += soak.tallies[i].ends[k];
	}
	printf("soak done cycles=%llu", (unsigned long long)cycles_done());
	for (k = 0; k < DEATHS; k++)
		printf(" %s=%llu", death_names[k],
		       (unsigned long long)deaths[k]);
	for (k = 0; k < ENDS; k++)
		printf(" %s=%llu", end_names[k], (unsigned long long)ends[k]);
	printf("\n");
}

static _Noreturn void usage(void)
{
	fprintf(stderr,
		"usage: sva_soak [-n cycles] [-t seconds] [-s seed] [-w workers] [-m]\n");
	exit(2);
}

static void arguments(int argc, char **argv)
{
	uint64_t seconds = 60;
	int opt;

	if (syscall(SYS_getrandom, &soak.seed, sizeof(soak.seed), 0) < 0)
		cannot("getrandom");
	while ((opt = getopt(argc, argv, "n:t:s:w:mx")) != -1) {
		switch (opt) {
		case 'n':
			soak.cycles = strtoull(optarg, NULL, 0);
			break;
		case 't':
			seconds = strtoull(optarg, NULL, 0);
			break;
		case 's':
			soak.seed = strtoull(optarg, NULL, 0);
			break;
		case 'w':
			soak.workers = strtoul(optarg, NULL, 0);
			break;
		case 'm':
			soak.memory = true;
			break;
		case 'x':	/* what a victim becomes by exec */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		default:
			usage();
		}
	}
	if (optind != argc || !soak.workers || soak.workers > WORKERS_MAX)
		usage();
	soak.end_ms = sva_now_ms() + seconds * 1000;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	arguments(argc, argv);
	setup_functions();
	if (soak.workers > soak.info[0].queues)
		soak.workers = soak.info[0].queues;
	soak.tallies = mmap(NULL, soak.workers * sizeof(*soak.tallies),
			    PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (soak.tallies == MAP_FAILED)
		cannot("memory");
	printf("soak seed=%#llx workers=%u functions=%u\n",
	       (unsigned long long)soak.seed, soak.workers, soak.functions);
	if (!run())
		return 1;
	tell();
	return 0;
}
