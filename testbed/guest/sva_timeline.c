// SPDX-License-Identifier: GPL-2.0
/*
 * One death under DMA, told as lines that a program reads:
 *
 *   timeline <ms since bind> <event> [key=value ...]
 *
 * A child binds its address space to the function and starts endless writes; the
 * parent keeps the file, kills the child, looks at the bond for a second, ends it
 * under running DMA, looks for another second, and stops the DMA. Meanwhile the
 * function's counters and the kernel's log are sampled.
 *
 * Uses sva_util.h of tools/testing/selftests/iommu.
 */
#include <ctype.h>

#include "sva_util.h"

#define SAMPLE_MS	50
#define LIVE_MS		500
#define QUIET_MS	1000
#define STRAY_MS	1000
#define SILENT_MS	500

#define PAGES_PER_QUEUE	4

struct timeline {
	const char *path;
	unsigned int queues;
	uint64_t chunk_ns;

	int fd;
	int klog;
	struct pci_sva_test_info info;
	char *shared;
	size_t queue_len;

	uint64_t begin_ns;
	unsigned int lines;	/* of the kernel's log, since begin_ns */
	bool line_told;		/* in this phase */
};

/* What the child says when DMA runs */
struct report {
	int ret;
	uint32_t pasid;
	uint64_t bound_ns;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void die(const char *what, int err)
{
	fprintf(stderr, "sva_timeline: %s: %s\n", what, strerror(err));
	exit(2);
}

static void check(const char *what, int ret)
{
	if (ret < 0)
		die(what, -ret);
}

static void event_at(struct timeline *tl, uint64_t ns, const char *what)
{
	printf("timeline %.3f %s", (ns - tl->begin_ns) / 1e6, what);
}

static void event(struct timeline *tl, const char *what)
{
	event_at(tl, now_ns(), what);
}

static void print_line(const char *text)
{
	printf(" line=\"");
	for (; *text; text++)
		if (isprint((unsigned char)*text) && *text != '"')
			putchar(*text);
	printf("\"\n");
}

/* The first line of each phase is told */
static void read_log(struct timeline *tl)
{
	struct sva_klog_line line;

	while (sva_klog_next(tl->klog, &line)) {
		tl->lines++;
		if (tl->line_told)
			continue;
		tl->line_told = true;
		event(tl, "log");
		print_line(line.text);
	}
}

static void sample(struct timeline *tl)
{
	struct pci_sva_test_counters c;

	read_log(tl);
	check("PCI_SVA_TEST_COUNTERS",
	      sva_ioctl(tl->fd, PCI_SVA_TEST_COUNTERS, &c));
	event(tl, "sample");
	printf(" written=%llu aborts=%llu stalls=%llu log=%u\n",
	       (unsigned long long)c.bytes_written,
	       (unsigned long long)c.aborts, (unsigned long long)c.stalls,
	       tl->lines);
}

/* Sample for @ms: right at the phase's begin, right at its end, and between */
static void phase(struct timeline *tl, unsigned int ms)
{
	uint64_t next = sva_now_ms(), end = next + ms, now;

	while (next < end) {
		sample(tl);
		next += SAMPLE_MS;
		now = sva_now_ms();
		if (next > now)
			sva_sleep_ms(next - now);
	}
	sample(tl);
}

static void begin_phase(struct timeline *tl)
{
	read_log(tl);
	tl->line_told = false;
}

static void child(struct timeline *tl, int pipe)
{
	struct report report = { 0 };
	size_t len = tl->queues * tl->queue_len;
	unsigned int q;

	report.ret = sva_make_ready(tl->info.features & PCI_SVA_TEST_FEAT_IOPF ?
				    SVA_IOPF : SVA_NO_IOPF, tl->shared, len);
	if (!report.ret)
		report.ret = sva_bind_pidfd(tl->fd, -1, &report.pasid);
	report.bound_ns = now_ns();
	for (q = 0; !report.ret && q < tl->queues; q++)
		report.ret = sva_start_endless_write(tl->fd, q,
						     tl->shared + q * tl->queue_len,
						     tl->queue_len, 1);
	if (write(pipe, &report, sizeof(report)) != sizeof(report))
		_exit(1);
	for (;;)
		pause();
}

static pid_t start(struct timeline *tl)
{
	struct report report;
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		die("pipe", errno);
	fflush(stdout);
	pid = sva_fork();
	if (pid < 0)
		die("fork", errno);
	if (!pid) {
		close(fds[0]);
		child(tl, fds[1]);
	}
	close(fds[1]);
	if (read(fds[0], &report, sizeof(report)) != sizeof(report))
		die("no report from the child", EPIPE);
	check("bind and start", report.ret);

	tl->begin_ns = report.bound_ns;
	event_at(tl, report.bound_ns, "bind");
	printf(" pasid=%u dev=%s can_stall=%d\n", report.pasid, tl->path,
	       !!(tl->info.features & PCI_SVA_TEST_FEAT_IOPF));
	return pid;
}

static void run(struct timeline *tl)
{
	uint64_t begin;
	unsigned int q;
	pid_t pid;

	pid = start(tl);
	event(tl, "dma");
	printf(" queues=%u\n", tl->queues);
	phase(tl, LIVE_MS);

	begin_phase(tl);
	begin = now_ns();
	event_at(tl, begin, "kill\n");
	kill(pid, SIGKILL);
	sva_reap(pid);
	event(tl, "reaped");
	printf(" wait_ms=%.3f\n", (now_ns() - begin) / 1e6);
	phase(tl, QUIET_MS);

	begin_phase(tl);
	event(tl, "unbind\n");
	check("PCI_SVA_TEST_UNBIND",
	      sva_unbind(tl->fd, PCI_SVA_TEST_UNBIND_DMA_RUNS));
	phase(tl, STRAY_MS);

	for (q = 0; q < tl->queues; q++)
		check("PCI_SVA_TEST_STOP",
		      sva_stop(tl->fd, q, SVA_PATIENCE_MS));
	begin_phase(tl);
	event(tl, "stop\n");
	phase(tl, SILENT_MS);
	event(tl, "end\n");
}

static void setup(struct timeline *tl)
{
	tl->fd = open(tl->path, O_RDWR);
	if (tl->fd < 0)
		die(tl->path, errno);
	check("PCI_SVA_TEST_INFO",
	      sva_ioctl(tl->fd, PCI_SVA_TEST_INFO, &tl->info));
	if (tl->queues > tl->info.queues)
		tl->queues = tl->info.queues;
	check("PCI_SVA_TEST_RESET", sva_reset(tl->fd));
	check("PCI_SVA_TEST_SET", sva_set(tl->fd, PCI_SVA_TEST_PARAM_CHUNK_NS,
					  tl->chunk_ns));

	tl->queue_len = PAGES_PER_QUEUE * sva_page_size();
	tl->shared = sva_shared(tl->queues * tl->queue_len);
	if (tl->shared == MAP_FAILED)
		die("memory", errno);

	sva_klog_settle();
	tl->klog = sva_klog_open();
	if (tl->klog < 0)
		die("/dev/kmsg", errno);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: sva_timeline [-q queues] [-c chunk_ns] /dev/pci_sva_testN\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct timeline tl = { .queues = 4, .chunk_ns = 100000 };
	int opt;

	while ((opt = getopt(argc, argv, "q:c:")) != -1) {
		switch (opt) {
		case 'q':
			tl.queues = strtoul(optarg, NULL, 0);
			break;
		case 'c':
			tl.chunk_ns = strtoull(optarg, NULL, 0);
			break;
		default:
			usage();
		}
	}
	if (optind + 1 != argc || !tl.queues)
		usage();
	tl.path = argv[optind];

	setvbuf(stdout, NULL, _IOLBF, 0);
	setup(&tl);
	run(&tl);
	check("PCI_SVA_TEST_RESET", sva_reset(tl.fd));
	return 0;
}
