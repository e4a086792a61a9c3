// SPDX-License-Identifier: GPL-2.0
/*
 * Does DMA through the page tables of a process reach what the CPU would reach,
 * all of it and nothing else?
 *
 * A function whose page faults are resolved (stall) works on memory that nobody
 * has touched; for one whose faults abort the transaction (nostall) the memory is
 * made present first.
 *
 * No test lets the function read a clean page and then write it: the upgrade of
 * a page-table entry from read-only to writable invalidates no IOTLB before 6.6.
 */
#include "sva_harness.h"

#define MEM_PAGES	12
#define MEM_MAX		(MEM_PAGES * 65536)
#define PATTERN		0x5a5a000000000000ULL
#define PATTERN_2	0x3c3c000000000000ULL

/* ---- kinds of memory ---- */

enum memory { HEAP, STACK, ANON, FILE_SHARED, FILE_PRIVATE };

FIXTURE(memory)
{
	int fd;
	int file;
	char *whole;		/* mapping or part of heap or stack */
	size_t whole_len;
	char *mem;		/* part of it, aligned to 8, not to a page */
	size_t len;		/* likewise */
	char stack[MEM_MAX];
};

FIXTURE_VARIANT(memory)
{
	enum sva_kind kind;
	enum memory memory;
};

FIXTURE_VARIANT_ADD(memory, stall_heap)
{
	.kind = SVA_IOPF, .memory = HEAP,
};

FIXTURE_VARIANT_ADD(memory, nostall_heap)
{
	.kind = SVA_NO_IOPF, .memory = HEAP,
};

FIXTURE_VARIANT_ADD(memory, stall_stack)
{
	.kind = SVA_IOPF, .memory = STACK,
};

FIXTURE_VARIANT_ADD(memory, nostall_stack)
{
	.kind = SVA_NO_IOPF, .memory = STACK,
};

FIXTURE_VARIANT_ADD(memory, stall_anon)
{
	.kind = SVA_IOPF, .memory = ANON,
};

FIXTURE_VARIANT_ADD(memory, nostall_anon)
{
	.kind = SVA_NO_IOPF, .memory = ANON,
};

FIXTURE_VARIANT_ADD(memory, stall_shared_file)
{
	.kind = SVA_IOPF, .memory = FILE_SHARED,
};

FIXTURE_VARIANT_ADD(memory, nostall_shared_file)
{
	.kind = SVA_NO_IOPF, .memory = FILE_SHARED,
};

FIXTURE_VARIANT_ADD(memory, stall_private_file)
{
	.kind = SVA_IOPF, .memory = FILE_PRIVATE,
};

FIXTURE_VARIANT_ADD(memory, nostall_private_file)
{
	.kind = SVA_NO_IOPF, .memory = FILE_PRIVATE,
};

static int map_flags(enum memory memory)
{
	switch (memory) {
	case ANON:
		return MAP_PRIVATE | MAP_ANONYMOUS;
	case FILE_SHARED:
		return MAP_SHARED;
	default:
		return MAP_PRIVATE;
	}
}

FIXTURE_SETUP(memory)
{
	struct pci_sva_test_info info;

	self->fd = sva_open(variant->kind, &info);
	if (self->fd < 0)
		SVA_SKIP("no such function");
	ASSERT_EQ(0, sva_reset(self->fd));

	self->whole_len = MEM_PAGES * sva_page_size();
	ASSERT_LE(self->whole_len, MEM_MAX);
	self->file = sva_memfd(self->whole_len);
	ASSERT_LE(0, self->file);

	switch (variant->memory) {
	case HEAP:
		self->whole = malloc(self->whole_len);
		break;
	case STACK:
		self->whole = self->stack;
		break;
	default:
		self->whole = mmap(NULL, self->whole_len,
				   PROT_READ | PROT_WRITE,
				   map_flags(variant->memory),
				   variant->memory == ANON ? -1 : self->file, 0);
	}
	ASSERT_NE(NULL, self->whole);
	ASSERT_NE(MAP_FAILED, (void *)self->whole);
	ASSERT_EQ(0, sva_make_ready(variant->kind, self->whole,
				    self->whole_len));

	/* Begin and end somewhere in a page */
	self->mem = self->whole + 0x128 - ((uintptr_t)self->whole & 7);
	self->len = self->whole_len - sva_page_size() - 0x1f0;
	ASSERT_EQ(0, sva_bind(self->fd));
}

FIXTURE_TEARDOWN(memory)
{
	EXPECT_EQ(0, sva_reset(self->fd));
	close(self->fd);
	close(self->file);
}

static uint64_t file_word(int file, off_t offset)
{
	uint64_t word = ~0ULL;

	if (pread(file, &word, sizeof(word), offset) != sizeof(word))
		perror("# pread");
	return word;
}

TEST_F_TIMEOUT(memory, r0_write, SVA_TEST_TIMEOUT)
{
	bool shared = variant->memory == FILE_SHARED;
	uint64_t *before = (uint64_t *)self->mem - 1;
	uint64_t *after = (uint64_t *)(self->mem + self->len);
	off_t offset;

	*before = ~0ULL;
	*after = ~0ULL;
	EXPECT_EQ(PCI_SVA_TEST_RES_OK,
		  sva_run_write(self->fd, self->mem, self->len, PATTERN));
	EXPECT_EQ(-1, sva_check(self->mem, self->len, PATTERN));
	EXPECT_EQ(~0ULL, *before);
	EXPECT_EQ(~0ULL, *after);
	EXPECT_EQ(self->len, sva_counters(self->fd).bytes_written);

	if (!shared && variant->memory != FILE_PRIVATE)
		return;
	offset = self->mem - self->whole;
	EXPECT_EQ(shared ? PATTERN : 0, file_word(self->file, offset));
	offset += self->len - 8;
	EXPECT_EQ(shared ? PATTERN + self->len - 8 : 0,
		  file_word(self->file, offset));
}

TEST_F_TIMEOUT(memory, r0_read, SVA_TEST_TIMEOUT)
{
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_READ,
		.src = (uintptr_t)self->mem,
		.len = self->len,
	};
	struct pci_sva_test_wait wait;
	uint64_t sum = 0;
	size_t i;

	sva_fill(self->mem, self->len, PATTERN);
	for (i = 0; i < self->len / 8; i++)
		sum += PATTERN + 8 * i;

	EXPECT_EQ(PCI_SVA_TEST_RES_OK, sva_run(self->fd, &job, &wait));
	EXPECT_EQ(sum, wait.value);
	EXPECT_EQ(self->len, wait.done_bytes);
	EXPECT_EQ(-1, sva_check(self->mem, self->len, PATTERN));
}

TEST_F_TIMEOUT(memory, r0_copy, SVA_TEST_TIMEOUT)
{
	size_t half = self->len / 16 * 8;
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_COPY,
		.src = (uintptr_t)self->mem,
		.dst = (uintptr_t)self->mem + half,
		.len = half,
	};

	sva_fill(self->mem, half, PATTERN);
	EXPECT_EQ(PCI_SVA_TEST_RES_OK, sva_run(self->fd, &job, NULL));
	EXPECT_EQ(-1, sva_check(self->mem, half, PATTERN));
	EXPECT_EQ(-1, sva_check(self->mem + half, half, PATTERN));
}

TEST_F_TIMEOUT(memory, r0_verify, SVA_TEST_TIMEOUT)
{
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_VERIFY,
		.src = (uintptr_t)self->mem,
		.len = self->len,
		.imm = PATTERN,
	};
	size_t odd = self->len / 2 / 8 * 8;
	struct pci_sva_test_wait wait;

	sva_fill(self->mem, self->len, PATTERN);
	EXPECT_EQ(PCI_SVA_TEST_RES_OK, sva_run(self->fd, &job, NULL));

	*(uint64_t *)(self->mem + odd) ^= 1ULL << 40;
	EXPECT_EQ(PCI_SVA_TEST_RES_MISMATCH, sva_run(self->fd, &job, &wait));
	EXPECT_EQ(odd, wait.value);
}

TEST_F_TIMEOUT(memory, r0_atomic, SVA_TEST_TIMEOUT)
{
	uint64_t *p = (uint64_t *)self->mem;
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_ATOMIC,
		.src = (uintptr_t)p,
		.len = sizeof(*p),
		.imm = 3,
	};
	struct pci_sva_test_wait wait;

	*p = PATTERN;
	EXPECT_EQ(PCI_SVA_TEST_RES_OK, sva_run(self->fd, &job, &wait));
	EXPECT_EQ(PATTERN, wait.value);
	EXPECT_EQ(PATTERN + 3, sva_word(p));
}

/* ---- changes to the address space ---- */

#define WINDOW_PAGES	8
#define DEMAND_PAGES	4096
/* How long to look for a write that must not come */
#define LOOK_MS		300
/* Long: a write that is on its way when the access ends */
#define HOLD_NS		20000000
/* Slow: an abort of a living process's DMA may end up in the log */
#define SLOW_CHUNK_NS	200000

struct window {
	int fd;			/* the function */
	int file;		/* what is mapped */
	size_t len;
	char *mem;		/* where the function works */
	char *view;		/* where the test watches the same pages */
};

FIXTURE(mapping)
{
	struct window window;
	struct pci_sva_test_info info;
};

FIXTURE_VARIANT(mapping)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(mapping, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(mapping, nostall) { .kind = SVA_NO_IOPF };

FIXTURE_SETUP(mapping)
{
	struct window *win = &self->window;

	win->fd = sva_open(variant->kind, &self->info);
	if (win->fd < 0)
		SVA_SKIP("no such function");
	ASSERT_EQ(0, sva_reset(win->fd));

	win->len = WINDOW_PAGES * sva_page_size();
	win->file = sva_memfd(win->len);
	ASSERT_LE(0, win->file);
	win->mem = mmap(NULL, win->len, PROT_READ | PROT_WRITE, MAP_SHARED,
			win->file, 0);
	ASSERT_NE(MAP_FAILED, (void *)win->mem);
	win->view = mmap(NULL, win->len, PROT_READ | PROT_WRITE, MAP_SHARED,
			 win->file, 0);
	ASSERT_NE(MAP_FAILED, (void *)win->view);
	ASSERT_EQ(0, sva_make_ready(variant->kind, win->mem, win->len));
	ASSERT_EQ(0, sva_bind(win->fd));
}

FIXTURE_TEARDOWN(mapping)
{
	struct window *win = &self->window;

	EXPECT_EQ(0, sva_reset(win->fd));
	close(win->fd);
	close(win->file);
}

/* Thousands of pages that nobody has touched, one fault each */
TEST_F_TIMEOUT(mapping, r0_demand_paging, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;
	size_t len = DEMAND_PAGES * sva_page_size();
	char *mem;

	if (variant->kind != SVA_IOPF)
		SKIP(return, "page faults are not resolved");

	mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)mem);
	/* EINVAL when there are no huge pages to avoid */
	madvise(mem, len, MADV_NOHUGEPAGE);

	EXPECT_EQ(PCI_SVA_TEST_RES_OK,
		  sva_run_write(win->fd, mem, len, PATTERN));
	EXPECT_LE(DEMAND_PAGES, sva_page_faults(win->fd));
	EXPECT_EQ(0, sva_counters(win->fd).aborts);
	EXPECT_EQ(-1, sva_check(mem, len, PATTERN));
	munmap(mem, len);
}

/* A read of what was never written finds zeroes, one of a page per touch too */
TEST_F_TIMEOUT(mapping, r0_demand_zero, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;
	size_t pages = 256, len = pages * sva_page_size();
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_READ,
		.len = len,
	};
	struct pci_sva_test_wait wait;
	char *mem;

	if (variant->kind != SVA_IOPF)
		SKIP(return, "page faults are not resolved");

	mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)mem);
	madvise(mem, len, MADV_NOHUGEPAGE);

	job.src = (uintptr_t)mem;
	EXPECT_EQ(PCI_SVA_TEST_RES_OK, sva_run(win->fd, &job, &wait));
	EXPECT_EQ(0, wait.value);
	EXPECT_LE(pages, sva_page_faults(win->fd));

	ASSERT_EQ(0, madvise(mem, len, MADV_DONTNEED));
	ASSERT_EQ(0, sva_reset(win->fd));
	job.op = PCI_SVA_TEST_OP_TOUCH;
	EXPECT_EQ(PCI_SVA_TEST_RES_OK, sva_run(win->fd, &job, NULL));
	EXPECT_LE(pages, sva_page_faults(win->fd));
	munmap(mem, len);
}

/* All queues at once, each with a region of its own */
TEST_F_TIMEOUT(mapping, r0_all_queues, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;
	size_t each = 64 * sva_page_size();
	size_t len = each * self->info.queues;
	struct pci_sva_test_wait wait;
	unsigned int q;
	char *mem;

	mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)mem);
	ASSERT_EQ(0, sva_make_ready(variant->kind, mem, len));

	for (q = 0; q < self->info.queues; q++) {
		struct pci_sva_test_job job = {
			.queue = q,
			.op = PCI_SVA_TEST_OP_WRITE,
			.dst = (uintptr_t)mem + q * each,
			.len = each,
			.imm = PATTERN + ((uint64_t)q << 32),
		};

		ASSERT_EQ(0, sva_start(win->fd, &job));
	}
	for (q = 0; q < self->info.queues; q++) {
		ASSERT_EQ(0, sva_wait(win->fd, q, SVA_PATIENCE_MS, &wait));
		EXPECT_EQ(PCI_SVA_TEST_STATE_IDLE, wait.state);
		EXPECT_EQ(PCI_SVA_TEST_RES_OK, wait.result);
		EXPECT_EQ(-1, sva_check(mem + q * each, each,
					PATTERN + ((uint64_t)q << 32)));
	}
	munmap(mem, len);
}

/* Neither the CPU's additions nor the function's are lost */
TEST_F_TIMEOUT(mapping, r0_atomics_against_the_cpu, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;
	uint64_t *p = (uint64_t *)win->mem, mine = 0;
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_ATOMIC,
		.flags = PCI_SVA_TEST_JOB_LOOP,
		.src = (uintptr_t)p,
		.len = sizeof(*p),
		.imm = 1,
	};
	struct pci_sva_test_wait wait;
	uint64_t end;

	if (!(self->info.caps & PCI_SVA_TEST_CAP_ATOMICS))
		SKIP(return, "no atomics");

	ASSERT_EQ(0, sva_start(win->fd, &job));
	end = sva_now_ms() + LOOK_MS;
	while (sva_now_ms() < end || !sva_rounds(win->fd, 0)) {
		__atomic_fetch_add(p, 1, __ATOMIC_RELAXED);
		mine++;
	}
	ASSERT_EQ(0, sva_stop(win->fd, 0, SVA_PATIENCE_MS));
	ASSERT_EQ(0, sva_wait(win->fd, 0, 0, &wait));
	EXPECT_EQ(PCI_SVA_TEST_RES_STOPPED, wait.result);
	EXPECT_LT(0, wait.iterations);
	EXPECT_EQ(mine + wait.iterations, sva_word(p));
	EXPECT_EQ(wait.iterations, sva_counters(win->fd).atomics);
}

static int write_word(int fd, uint64_t va, struct pci_sva_test_wait *wait)
{
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_WRITE,
		.dst = va,
		.len = 8,
		.imm = PATTERN,
	};

	return sva_run(fd, &job, wait);
}

static int read_word(int fd, uint64_t va)
{
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_READ,
		.src = va,
		.len = 8,
	};

	return sva_run(fd, &job, NULL);
}

/* What the process may not do the function may not do for it */
TEST_F_TIMEOUT(mapping, r0_no_more_rights_than_the_process, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;
	uint64_t va = (uintptr_t)win->mem;
	struct pci_sva_test_wait wait;

	sva_poison(win->view, win->len);

	ASSERT_EQ(0, mprotect(win->mem, win->len, PROT_READ));
	EXPECT_EQ(PCI_SVA_TEST_RES_ABORT, write_word(win->fd, va, &wait));
	EXPECT_EQ(va, wait.fault_addr);
	EXPECT_EQ(1, wait.aborts);
	EXPECT_EQ(0, wait.done_bytes);

	ASSERT_EQ(0, mprotect(win->mem, win->len, PROT_NONE));
	EXPECT_EQ(PCI_SVA_TEST_RES_ABORT, write_word(win->fd, va, &wait));
	EXPECT_EQ(PCI_SVA_TEST_RES_ABORT, read_word(win->fd, va));

	EXPECT_EQ(0, sva_counters(win->fd).bytes_written);
	EXPECT_EQ(-1, sva_first_written(win->view, win->len));
}

TEST_F_TIMEOUT(mapping, r0_nothing_mapped, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;
	uint64_t va = (uintptr_t)win->mem;
	struct pci_sva_test_wait wait;

	ASSERT_EQ(0, munmap(win->mem, win->len));
	EXPECT_EQ(PCI_SVA_TEST_RES_ABORT, write_word(win->fd, va, &wait));
	EXPECT_EQ(va, wait.fault_addr);
	EXPECT_EQ(PCI_SVA_TEST_RES_ABORT, read_word(win->fd, va));
	EXPECT_EQ(PCI_SVA_TEST_RES_ABORT, read_word(win->fd, 0));
}

/* The upper half belongs to the kernel, what lies between to nobody */
TEST_F_TIMEOUT(mapping, r0_no_kernel_addresses, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;
	static const uint64_t vas[] = {
		0xffffffffffffe000ULL,
		0xffff800008000000ULL,
		0xffff000000000000ULL,
		0xff00000000000000ULL,
		0x8000000000000000ULL,
		0x0010000000000000ULL,
	};
	struct pci_sva_test_wait wait;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vas); i++) {
		EXPECT_EQ(PCI_SVA_TEST_RES_ABORT,
			  write_word(win->fd, vas[i], &wait))
			TH_LOG("write to %#llx", (unsigned long long)vas[i]);
		EXPECT_EQ(PCI_SVA_TEST_RES_ABORT, read_word(win->fd, vas[i]))
			TH_LOG("read of %#llx", (unsigned long long)vas[i]);
	}
	EXPECT_EQ(0, sva_counters(win->fd).bytes_written);
	EXPECT_EQ(0, sva_counters(win->fd).bytes_read);
}

static int start_on_window(struct window *win)
{
	int ret = sva_set(win->fd, PCI_SVA_TEST_PARAM_CHUNK_NS, SLOW_CHUNK_NS);

	if (!ret)
		ret = sva_start_endless_write(win->fd, 0, win->mem,
					      win->len, PATTERN);
	if (ret)
		return ret;
	return SVA_UNTIL(sva_rounds(win->fd, 0) >= 2, SVA_PATIENCE_MS) ?
	       0 : -ETIMEDOUT;
}

/*
 * Access to the window was taken away just now: nothing is written any more,
 * neither to the window's pages nor to @others, which the kernel may have made of
 * memory it got back. The function's attempts go on.
 */
static bool ends_access(struct window *win, char *other, size_t other_len)
{
	struct pci_sva_test_counters before = sva_counters(win->fd), after;
	uint64_t end = sva_now_ms() + LOOK_MS;
	ssize_t written;

	sva_poison(win->view, win->len);
	do {
		sva_sleep_ms(5);
		written = sva_first_written(win->view, win->len);
		if (written < 0 && other)
			written = sva_first_written(other, other_len);
		after = sva_counters(win->fd);
		if (written >= 0 || after.bytes_written != before.bytes_written) {
			fprintf(stderr, "#   written: at %zd, %llu bytes in all\n",
				written, (unsigned long long)
				(after.bytes_written - before.bytes_written));
			return false;
		}
	} while (sva_now_ms() < end);

	if (SVA_UNTIL(sva_counters(win->fd).aborts >= before.aborts + 10,
		      SVA_PATIENCE_MS))
		return true;
	fprintf(stderr, "#   no attempts to write\n");
	return false;
}

static bool access_is_back(struct window *win, enum sva_kind kind)
{
	uint64_t rounds;

	if (kind == SVA_NO_IOPF && sva_prefault(win->mem, win->len))
		return false;
	rounds = sva_rounds(win->fd, 0);
	return SVA_UNTIL(sva_rounds(win->fd, 0) >= rounds + 2,
			 SVA_PATIENCE_MS) &&
	       sva_check(win->view, win->len, PATTERN) < 0;
}

/*
 * munmap() under DMA. The pages are mapped elsewhere, so that a late write shows;
 * when the address is mapped again it belongs to the function again.
 */
TEST_F_TIMEOUT(mapping, r0_munmap_ends_access, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;

	ASSERT_EQ(0, start_on_window(win));
	ASSERT_EQ(0, munmap(win->mem, win->len));
	EXPECT_TRUE(ends_access(win, NULL, 0));

	ASSERT_EQ(win->mem,
		  mmap(win->mem, win->len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, win->file, 0));
	EXPECT_TRUE(access_is_back(win, variant->kind));
}

/* The translation was granted before munmap(): the write must not come after it */
TEST_F_TIMEOUT(mapping, r0_munmap_waits_for_writes, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;

	ASSERT_EQ(0, start_on_window(win));
	ASSERT_EQ(0, sva_set(win->fd, PCI_SVA_TEST_PARAM_HOLD_NS, HOLD_NS));
	sva_sleep_ms(HOLD_NS / 1000000);
	ASSERT_EQ(0, munmap(win->mem, win->len));
	EXPECT_TRUE(ends_access(win, NULL, 0));
}

/*
 * munmap() under DMA of pages that are free afterwards: what is mapped next, not
 * at the same address, is likely to get them.
 */
TEST_F_TIMEOUT(mapping, r0_munmap_frees_pages, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;
	size_t other_len = 4 * win->len;
	char *room, *other;

	/* Not in the hole that the window leaves */
	room = mmap(NULL, other_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)room);
	ASSERT_EQ(win->mem,
		  mmap(win->mem, win->len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_EQ(0, sva_make_ready(variant->kind, win->mem, win->len));

	ASSERT_EQ(0, start_on_window(win));
	ASSERT_EQ(0, munmap(win->mem, win->len));
	other = mmap(room, other_len, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ASSERT_EQ(room, other);
	sva_poison(other, other_len);
	EXPECT_TRUE(ends_access(win, other, other_len));
	munmap(other, other_len);
}

TEST_F_TIMEOUT(mapping, r0_mprotect_read_ends_writes, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;

	ASSERT_EQ(0, start_on_window(win));
	ASSERT_EQ(0, mprotect(win->mem, win->len, PROT_READ));
	EXPECT_TRUE(ends_access(win, NULL, 0));

	ASSERT_EQ(0, mprotect(win->mem, win->len, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(access_is_back(win, variant->kind));
}

TEST_F_TIMEOUT(mapping, r0_mprotect_none_ends_access, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;

	ASSERT_EQ(0, start_on_window(win));
	ASSERT_EQ(0, mprotect(win->mem, win->len, PROT_NONE));
	EXPECT_TRUE(ends_access(win, NULL, 0));

	ASSERT_EQ(0, mprotect(win->mem, win->len, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(access_is_back(win, variant->kind));
}

/* Pages dropped under DMA come back empty, and DMA goes to the new ones */
TEST_F_TIMEOUT(mapping, r0_dontneed_under_dma, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;
	int i;

	ASSERT_EQ(win->mem,
		  mmap(win->mem, win->len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_EQ(0, sva_make_ready(variant->kind, win->mem, win->len));
	munlock(win->mem, win->len);

	ASSERT_EQ(0, start_on_window(win));
	for (i = 0; i < 50; i++)
		EXPECT_EQ(0, madvise(win->mem, win->len, MADV_DONTNEED));
	ASSERT_EQ(0, sva_make_ready(variant->kind, win->mem, win->len));

	ASSERT_EQ(0, sva_stop(win->fd, 0, SVA_PATIENCE_MS));
	EXPECT_EQ(PCI_SVA_TEST_RES_OK,
		  sva_run_write(win->fd, win->mem, win->len, PATTERN_2));
	EXPECT_EQ(-1, sva_check(win->mem, win->len, PATTERN_2));
}

/* Does the function read what sva_fill() leaves? */
static int verify(struct window *win, uint64_t imm)
{
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_VERIFY,
		.src = (uintptr_t)win->mem,
		.len = win->len,
		.imm = imm,
	};

	return sva_run(win->fd, &job, NULL);
}

static bool write_private(struct window *win, uint64_t imm)
{
	return sva_run_write(win->fd, win->mem, win->len, imm) ==
	       PCI_SVA_TEST_RES_OK &&
	       sva_check(win->mem, win->len, imm) < 0;
}

/*
 * After fork() the pages of a private mapping are shared until someone writes: DMA
 * through the parent's page tables must not reach the child's copy, nor the file.
 */
TEST_F_TIMEOUT(mapping, r0_copy_on_write, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;
	int go[2];
	pid_t child;
	char c = 0;

	sva_poison(win->view, win->len);
	ASSERT_EQ(win->mem,
		  mmap(win->mem, win->len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_FIXED, win->file, 0));
	ASSERT_EQ(0, sva_make_ready(variant->kind, win->mem, win->len));
	EXPECT_TRUE(write_private(win, PATTERN));

	ASSERT_EQ(0, pipe(go));
	child = sva_fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(go[1]);
		while (read(go[0], &c, 1) < 0 && errno == EINTR)
			;
		_exit(sva_check(win->mem, win->len, PATTERN) >= 0);
	}

	if (variant->kind == SVA_NO_IOPF) {
		EXPECT_EQ(PCI_SVA_TEST_RES_ABORT,
			  sva_run_write(win->fd, win->mem, win->len,
					PATTERN_2));
		EXPECT_EQ(-1, sva_check(win->mem, win->len, PATTERN));
		ASSERT_EQ(0, sva_prefault(win->mem, win->len));
	}
	EXPECT_TRUE(write_private(win, PATTERN_2));

	close(go[1]);
	EXPECT_EQ(0, sva_reap(child));
	EXPECT_EQ(-1, sva_first_written(win->view, win->len));
	EXPECT_EQ(-1, sva_check(win->mem, win->len, PATTERN_2));
}

/* A shared mapping stays shared over fork(): the child sees what DMA writes */
TEST_F_TIMEOUT(mapping, r0_shared_over_fork, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;
	pid_t child;

	EXPECT_EQ(PCI_SVA_TEST_RES_OK,
		  sva_run_write(win->fd, win->mem, win->len, PATTERN));
	child = sva_fork();
	ASSERT_LE(0, child);
	if (!child) {
		_exit(!SVA_UNTIL(sva_check(win->mem, win->len,
					   PATTERN_2) < 0, SVA_PATIENCE_MS));
	}
	EXPECT_EQ(PCI_SVA_TEST_RES_OK,
		  sva_run_write(win->fd, win->mem, win->len, PATTERN_2));
	EXPECT_EQ(0, sva_reap(child));
}

/* The child's part: its memory stays as it was, and then as it makes it itself */
static void child_writes(struct window *win, int go, int done)
{
	char c = 0;

	if (read(go, &c, 1) != 1 || sva_check(win->mem, win->len, PATTERN) >= 0)
		_exit(1);
	sva_poison(win->mem, win->len);
	if (write(done, &c, 1) != 1 || read(go, &c, 1) != 1)
		_exit(2);
	_exit(sva_first_written(win->mem, win->len) >= 0);
}

/*
 * The other way round: the CPU writes, the parent first. Its pages are others then,
 * not those that the function has seen.
 */
TEST_F_TIMEOUT(mapping, r0_copy_on_write_by_cpu, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;
	int go[2], done[2];
	pid_t child;
	char c = 0;

	ASSERT_EQ(win->mem,
		  mmap(win->mem, win->len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	sva_fill(win->mem, win->len, PATTERN);
	ASSERT_EQ(0, sva_make_ready(variant->kind, win->mem, win->len));

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(done));
	child = sva_fork();
	ASSERT_LE(0, child);
	if (!child)
		child_writes(win, go[0], done[1]);

	EXPECT_EQ(PCI_SVA_TEST_RES_OK, verify(win, PATTERN));
	sva_fill(win->mem, win->len, PATTERN_2);
	EXPECT_EQ(PCI_SVA_TEST_RES_OK, verify(win, PATTERN_2));

	ASSERT_EQ(1, write(go[1], &c, 1));
	ASSERT_EQ(1, read(done[0], &c, 1));
	EXPECT_EQ(PCI_SVA_TEST_RES_OK, verify(win, PATTERN_2));
	EXPECT_TRUE(write_private(win, PATTERN));
	ASSERT_EQ(1, write(go[1], &c, 1));
	EXPECT_EQ(0, sva_reap(child));
}

/* No fault on memory that is locked, whoever could resolve it */
TEST_F_TIMEOUT(mapping, r0_locked_memory, SVA_TEST_TIMEOUT)
{
	struct window *win = &self->window;

	ASSERT_EQ(win->mem,
		  mmap(win->mem, win->len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_EQ(0, mlock(win->mem, win->len));
	EXPECT_TRUE(write_private(win, PATTERN));
	EXPECT_EQ(PCI_SVA_TEST_RES_OK, verify(win, PATTERN));
	EXPECT_EQ(0, sva_page_faults(win->fd));
	EXPECT_EQ(0, sva_counters(win->fd).aborts);
}

/* ---- huge pages ---- */

#define HUGE_SIZE	"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

struct huge {
	int fd;
	size_t len;		/* of a huge page */
	char *mem;		/* where one may be */
	size_t page;		/* a small one */
	char *middle;		/* one in the huge page */
};

FIXTURE(huge)
{
	struct huge huge;
};

FIXTURE_VARIANT(huge)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(huge, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(huge, nostall) { .kind = SVA_NO_IOPF };

static size_t huge_size(void)
{
	FILE *file = fopen(HUGE_SIZE, "re");
	size_t size = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%zu", &size) != 1)
		size = 0;
	fclose(file);
	return size;
}

FIXTURE_SETUP(huge)
{
	struct huge *huge = &self->huge;
	struct pci_sva_test_info info;
	uintptr_t room;

	huge->fd = sva_open(variant->kind, &info);
	if (huge->fd < 0)
		SVA_SKIP("no such function");
	huge->len = huge_size();
	if (!huge->len)
		SVA_SKIP("no huge pages");
	ASSERT_EQ(0, sva_reset(huge->fd));

	huge->page = sva_page_size();
	room = (uintptr_t)mmap(NULL, 2 * huge->len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE((uintptr_t)MAP_FAILED, room);
	huge->mem = (char *)((room + huge->len - 1) & ~(huge->len - 1));
	huge->middle = huge->mem + huge->len / 2;
	ASSERT_EQ(0, sva_bind(huge->fd));
}

FIXTURE_TEARDOWN(huge)
{
	EXPECT_EQ(0, sva_reset(self->huge.fd));
	close(self->huge.fd);
}

/* Whether the process has a huge page anywhere */
static bool is_huge(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	unsigned long kb = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "AnonHugePages: %lu", &kb) == 1)
			break;
	if (file)
		fclose(file);
	return kb;
}

/* DMA all over the place where a huge page is */
static int huge_start(struct huge *huge, enum sva_kind kind)
{
	int ret = madvise(huge->mem, huge->len, MADV_HUGEPAGE);

	/* A read, as in sva_prefault(), would bring the page of zeroes first */
	if (!ret && kind == SVA_NO_IOPF)
		sva_poison(huge->mem, huge->len);
	if (!ret)
		ret = sva_make_ready(kind, huge->mem, huge->len);
	if (!ret)
		ret = sva_start_endless_write(huge->fd, 0, huge->mem, huge->len,
					      PATTERN);
	if (ret)
		return ret;
	return SVA_UNTIL(sva_rounds(huge->fd, 0) >= 2, SVA_PATIENCE_MS) ?
	       0 : -ETIMEDOUT;
}

static bool huge_is_written(struct huge *huge)
{
	return SVA_UNTIL(sva_check(huge->mem, huge->len, PATTERN) < 0,
			 SVA_PATIENCE_MS);
}

/* Also where the process itself may not write */
static int poison_by_force(char *mem, size_t len)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	char poison[4096];
	size_t i;
	int ret = 0;

	if (fd < 0)
		return -errno;
	memset(poison, SVA_POISON, sizeof(poison));
	for (i = 0; !ret && i < len; i += sizeof(poison))
		if (pwrite(fd, poison, sizeof(poison), (uintptr_t)mem + i) < 0)
			ret = -errno;
	close(fd);
	return ret;
}

/* A fault on a huge page brings all of it, DMA reaches all of it */
TEST_F_TIMEOUT(huge, r0_write, SVA_TEST_TIMEOUT)
{
	struct huge *huge = &self->huge;

	ASSERT_EQ(0, huge_start(huge, variant->kind));
	if (!is_huge())
		SKIP(return, "no huge page to be had");
	EXPECT_GE(2, sva_page_faults(huge->fd));
	EXPECT_TRUE(huge_is_written(huge));
	ASSERT_EQ(0, sva_stop(huge->fd, 0, SVA_PATIENCE_MS));
	sva_poison(huge->mem, huge->len);
	EXPECT_EQ(PCI_SVA_TEST_RES_OK,
		  sva_run_write(huge->fd, huge->mem, huge->len, PATTERN_2));
	EXPECT_EQ(-1, sva_check(huge->mem, huge->len, PATTERN_2));
}

/* A part of it is not to be written any more: that alone, and from then on */
TEST_F_TIMEOUT(huge, r0_split_by_mprotect, SVA_TEST_TIMEOUT)
{
	struct huge *huge = &self->huge;
	uint64_t aborts;

	ASSERT_EQ(0, huge_start(huge, variant->kind));
	if (!is_huge())
		SKIP(return, "no huge page to be had");
	ASSERT_EQ(0, mprotect(huge->middle, huge->page, PROT_READ));
	EXPECT_FALSE(is_huge());

	ASSERT_EQ(0, poison_by_force(huge->middle, huge->page));
	sva_poison(huge->mem, huge->middle - huge->mem);
	aborts = sva_counters(huge->fd).aborts;
	EXPECT_TRUE(SVA_UNTIL(sva_counters(huge->fd).aborts >= aborts + 2,
			      SVA_PATIENCE_MS));
	EXPECT_EQ(-1, sva_first_written(huge->middle, huge->page));
	EXPECT_TRUE(SVA_UNTIL(sva_check(huge->mem, huge->middle - huge->mem,
					PATTERN) < 0, SVA_PATIENCE_MS));

	ASSERT_EQ(0, mprotect(huge->middle, huge->page, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, sva_make_ready(variant->kind, huge->middle, huge->page));
	EXPECT_TRUE(huge_is_written(huge));
}

/* Parts of it are dropped: they come back empty, and are written again */
TEST_F_TIMEOUT(huge, r0_split_by_dontneed, SVA_TEST_TIMEOUT)
{
	struct huge *huge = &self->huge;

	ASSERT_EQ(0, huge_start(huge, variant->kind));
	if (!is_huge())
		SKIP(return, "no huge page to be had");
	/* Locked memory cannot be dropped */
	munlock(huge->mem, huge->len);
	ASSERT_EQ(0, madvise(huge->middle, huge->page, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(huge->mem, huge->page, MADV_DONTNEED));
	ASSERT_EQ(0, sva_make_ready(variant->kind, huge->mem, huge->len));
	EXPECT_TRUE(huge_is_written(huge));
}

/* Small pages become a huge one under DMA: no word that is added is lost */
TEST_F_TIMEOUT(huge, r0_collapse, SVA_TEST_TIMEOUT)
{
	struct huge *huge = &self->huge;
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_ATOMIC,
		.flags = PCI_SVA_TEST_JOB_LOOP,
		.src = (uintptr_t)huge->middle,
		.len = sizeof(uint64_t),
		.imm = 1,
	};
	struct pci_sva_test_wait wait;
	uint64_t rounds;

	if (variant->kind == SVA_NO_IOPF)
		SKIP(return, "page faults are not resolved");

	ASSERT_EQ(0, madvise(huge->mem, huge->len, MADV_NOHUGEPAGE));
	memset(huge->mem, 0, huge->len);
	ASSERT_EQ(0, madvise(huge->mem, huge->len, MADV_HUGEPAGE));
	ASSERT_EQ(0, sva_start(huge->fd, &job));
	ASSERT_TRUE(SVA_UNTIL(sva_rounds(huge->fd, 0) >= 2, SVA_PATIENCE_MS));
	if (madvise(huge->mem, huge->len, MADV_COLLAPSE))
		SKIP(return, "no huge page to be had: %s", strerror(errno));
	EXPECT_TRUE(is_huge());
	rounds = sva_rounds(huge->fd, 0);
	EXPECT_TRUE(SVA_UNTIL(sva_rounds(huge->fd, 0) >= rounds + 2,
			      SVA_PATIENCE_MS));
	ASSERT_EQ(0, sva_stop(huge->fd, 0, SVA_PATIENCE_MS));
	ASSERT_EQ(0, sva_wait(huge->fd, 0, 0, &wait));
	EXPECT_EQ(wait.iterations, sva_word(huge->middle));
}

TEST_HARNESS_MAIN
