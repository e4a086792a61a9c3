// SPDX-License-Identifier: GPL-2.0
/*
 * Whom does a function not bind, and what is left of the attempt? Address spaces
 * without users, more of them than there are PASIDs, PASIDs that the function
 * cannot hold, allocations that fail one after the other.
 *
 * A refused bind leaves nothing behind: the next process gets the PASID it would
 * have got before, the function binds and does DMA as ever. Memory that leaks
 * alone is kmemleak's business.
 *
 * Tests of PASIDs that run out need a function with few of them, those of the
 * feature that is off one without PASIDs; both are skipped elsewhere.
 */
#include "sva_harness.h"
#include "sva_machine.h"

#define MEM_PAGES	4
#define PATTERN		0x6b6b000000000000ULL
/* A leak that happens once may hide behind a process that is not gone yet */
#define REPEAT		3
/* More than any of these calls allocates */
#define ALLOCATIONS_MAX	200
/* So many PASIDs are few */
#define FEW_BITS	5
#define FEW		32
/* PASIDs of one leaf of a two-level table */
#define LEAF_PASIDS	1024
/* Aborted attempts of a function to write */
#define ENOUGH_ABORTS	20

#define BEYOND_USER	0xffff000000000000ULL

struct function {
	int fd;
	struct pci_sva_test_info info;
	char *mem;
	size_t len;
};

static int function_setup(struct function *fn, enum sva_kind kind)
{
	fn->fd = sva_open(kind, &fn->info);
	if (fn->fd < 0)
		return -ENODEV;
	fn->len = MEM_PAGES * sva_page_size();
	fn->mem = sva_shared(fn->len);
	if (fn->mem == MAP_FAILED)
		return -errno;
	return sva_reset(fn->fd);
}

/* ---- who is refused ---- */

FIXTURE(bind)
{
	struct function fn;
	pid_t child;
	int before;
};

FIXTURE_VARIANT(bind)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(bind, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(bind, nostall) { .kind = SVA_NO_IOPF };

FIXTURE_SETUP(bind)
{
	int ret = function_setup(&self->fn, variant->kind);

	if (ret == -ENODEV)
		SVA_SKIP("no such function");
	ASSERT_EQ(0, ret);
	self->before = sva_lowest_pasid(self->fn.fd);
	ASSERT_LT(0, self->before);
}

FIXTURE_TEARDOWN(bind)
{
	sva_kill(&self->child);
	EXPECT_EQ(0, sva_reset(self->fn.fd));
	close(self->fn.fd);
}

static int child_lives(void *unused)
{
	return 0;
}

static int bind_flags(int fd, uint32_t flags)
{
	struct pci_sva_test_bind bind = { .pidfd = -1, .flags = flags };

	return sva_ioctl(fd, PCI_SVA_TEST_BIND, &bind);
}

static int grab(int fd, int pidfd)
{
	struct pci_sva_test_grab grab = { .pidfd = pidfd };

	return sva_ioctl(fd, PCI_SVA_TEST_GRAB, &grab);
}

/* Kernel threads have no address space, processes that have exited none any more */
TEST_F_TIMEOUT(bind, r8_no_address_space, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;
	int kthread, child, i;

	kthread = sva_pidfd_open(2);
	ASSERT_LE(0, kthread);
	ASSERT_EQ(0, sva_child(&self->child, child_lives, NULL));
	child = sva_pidfd_open(self->child);
	ASSERT_LE(0, child);

	for (i = 0; i < REPEAT; i++)
		EXPECT_EQ(-ESRCH, sva_bind_pidfd(fn->fd, kthread, NULL));

	kill(self->child, SIGKILL);
	ASSERT_EQ(0, waitid(P_PID, self->child, NULL, WEXITED | WNOWAIT));
	for (i = 0; i < REPEAT; i++)
		EXPECT_EQ(-ESRCH, sva_bind_pidfd(fn->fd, child, NULL));
	sva_kill(&self->child);
	for (i = 0; i < REPEAT; i++)
		EXPECT_EQ(-ESRCH, sva_bind_pidfd(fn->fd, child, NULL));
	EXPECT_EQ(-ENXIO, sva_unbind(fn->fd, 0));

	EXPECT_TRUE(sva_no_pasid_leaked(fn->fd, self->before));
	EXPECT_EQ(0, sva_works(fn->fd, fn->mem, fn->len));
	close(kthread);
	close(child);
}

/*
 * The kernel's address space is for nobody. A driver that does not know the wish
 * may give an ordinary bond, with the rights of the process and no others.
 */
TEST_F_TIMEOUT(bind, r8_no_supervisor, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_READ,
		.src = BEYOND_USER,
		.len = 8,
	};
	int ret;

	ret = bind_flags(fn->fd, PCI_SVA_TEST_BIND_SUPERVISOR);
	if (ret) {
		EXPECT_EQ(-EOPNOTSUPP, ret);
	} else {
		EXPECT_EQ(PCI_SVA_TEST_RES_ABORT, sva_run(fn->fd, &job, NULL));
		job.flags = PCI_SVA_TEST_JOB_PRIV;
		if (fn->info.caps & PCI_SVA_TEST_CAP_PRIV)
			EXPECT_EQ(PCI_SVA_TEST_RES_ABORT,
				  sva_run(fn->fd, &job, NULL));
		EXPECT_EQ(0, sva_writes(fn->fd, fn->mem, fn->len));
		EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	}
	EXPECT_EQ(0, sva_works(fn->fd, fn->mem, fn->len));
}

/*
 * While a process is not bound nobody tells the IOMMU what changes in its address
 * space: nothing may be left of the last bond when it is bound again.
 */
TEST_F_TIMEOUT(bind, r5_rebind_has_no_old_translations, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;
	char *old;

	ASSERT_EQ(0, sva_works(fn->fd, fn->mem, fn->len));
	old = mremap(fn->mem, 0, fn->len, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, (void *)old);
	ASSERT_EQ(fn->mem,
		  mmap(fn->mem, fn->len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	sva_poison(old, fn->len);
	EXPECT_EQ(0, sva_works(fn->fd, fn->mem, fn->len));
	EXPECT_EQ(-1, sva_first_written(old, fn->len));
	munmap(old, fn->len);
}

/* Remember the address space of a process that runs @main, kill it, bind */
static void check_dead(struct __test_metadata *_metadata, struct function *fn,
		       pid_t *child, int (*main)(void *arg))
{
	int pidfd, i;

	ASSERT_LE(0, sva_child(child, main, &fn->fd));
	pidfd = sva_pidfd_open(*child);
	ASSERT_LE(0, pidfd);
	ASSERT_EQ(0, grab(fn->fd, pidfd));
	close(pidfd);
	sva_kill(child);

	for (i = 0; i < REPEAT; i++)
		EXPECT_EQ(-ESRCH, bind_flags(fn->fd, PCI_SVA_TEST_BIND_GRABBED));
	EXPECT_EQ(-ENXIO, sva_unbind(fn->fd, 0));
}

/*
 * An address space without users, one that was never bound and one that was. Stock
 * 6.1 does not survive this test.
 */
TEST_F_TIMEOUT(bind, r8_mm_without_users, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;

	check_dead(_metadata, fn, &self->child, child_lives);
	check_dead(_metadata, fn, &self->child, sva_child_bind);

	/* In place of the dead: its PASID is free once nobody remembers it */
	ASSERT_EQ(0, grab(fn->fd, -1));
	EXPECT_TRUE(sva_no_pasid_leaked(fn->fd, self->before));
	EXPECT_EQ(0, sva_works(fn->fd, fn->mem, fn->len));
}

/* ---- few PASIDs ---- */

struct member {
	pid_t pid;
	int pidfd;
	int fd;			/* of the function with few PASIDs */
	uint32_t pasid;
};

struct crowd {
	struct pci_sva_test_info info;
	int fd;			/* with few PASIDs */
	int wide;		/* with more, or -1 */
	int max;		/* highest PASID of the former */
	struct member members[FEW];
	int size;
	char *shared;
};

FIXTURE(few)
{
	struct crowd crowd;
};

static int open_few(struct pci_sva_test_info *info)
{
	unsigned int i;
	int fd;

	for (i = 0; i < SVA_DEVICES; i++) {
		fd = sva_open_nr(i, info);
		if (fd < 0)
			continue;
		if (sva_is_kind(info, SVA_ANY) && info->pasid_bits <= FEW_BITS)
			return fd;
		close(fd);
	}
	return -1;
}

FIXTURE_SETUP(few)
{
	struct crowd *crowd = &self->crowd;
	struct pci_sva_test_info wide;

	crowd->fd = open_few(&crowd->info);
	if (crowd->fd < 0)
		SVA_SKIP("no function with few PASIDs");
	crowd->max = (1 << crowd->info.pasid_bits) - 1;
	crowd->wide = sva_open(SVA_ANY, &wide);
	ASSERT_LE(0, crowd->wide);
	if (wide.pasid_bits == crowd->info.pasid_bits) {
		close(crowd->wide);
		crowd->wide = -1;
	}
	crowd->shared = sva_shared(sva_page_size());
	ASSERT_NE(MAP_FAILED, (void *)crowd->shared);
	ASSERT_EQ(0, sva_prefault(crowd->shared, sva_page_size()));
}

static int child_prefaults(void *page)
{
	return sva_prefault(page, sva_page_size());
}

static int member_join(struct member *member, int fd, char *page)
{
	int ret;

	member->fd = sva_reopen(fd);
	ret = sva_child(&member->pid, child_prefaults, page);
	if (ret)
		return ret;
	member->pidfd = sva_pidfd_open(member->pid);
	return sva_bind_pidfd(member->fd, member->pidfd, &member->pasid);
}

static void member_leave(struct member *member)
{
	/* Those who came later have the file too */
	sva_unbind(member->fd, 0);
	sva_kill(&member->pid);
	close(member->pidfd);
	close(member->fd);
}

static void crowd_leaves(struct crowd *crowd)
{
	while (crowd->size)
		member_leave(&crowd->members[--crowd->size]);
}

FIXTURE_TEARDOWN(few)
{
	struct crowd *crowd = &self->crowd;

	crowd_leaves(crowd);
	close(crowd->fd);
	if (crowd->wide >= 0)
		close(crowd->wide);
}

/* Another process that has a PASID; waits until one is free */
static bool crowd_joined(struct crowd *crowd)
{
	struct member *member = &crowd->members[crowd->size];

	if (!member_join(member, crowd->fd, crowd->shared)) {
		crowd->size++;
		return true;
	}
	member_leave(member);
	sva_forget_the_dead();
	return false;
}

static bool crowd_fills(struct crowd *crowd)
{
	while (crowd->size < crowd->max)
		if (!SVA_UNTIL(crowd_joined(crowd), SVA_PATIENCE_MS))
			return false;
	return true;
}

/* Each PASID of the range was handed out, and to one process only */
static bool crowd_has_all(struct crowd *crowd)
{
	uint64_t seen = 0;
	int i;

	for (i = 0; i < crowd->size; i++)
		seen |= 1ULL << crowd->members[i].pasid;
	return seen == (1ULL << (crowd->max + 1)) - 2;
}

TEST_F_TIMEOUT(few, r8_pasids_exhausted, SVA_TEST_TIMEOUT)
{
	struct crowd *crowd = &self->crowd;
	struct member late;
	int i;

	ASSERT_TRUE(crowd_fills(crowd));
	EXPECT_TRUE(crowd_has_all(crowd));
	for (i = 0; i < REPEAT; i++) {
		EXPECT_EQ(-ENOMEM, member_join(&late, crowd->fd, crowd->shared));
		member_leave(&late);
	}

	/* One goes, another comes; then all go, and as many come */
	member_leave(&crowd->members[--crowd->size]);
	EXPECT_TRUE(crowd_fills(crowd));
	crowd_leaves(crowd);
	EXPECT_TRUE(crowd_fills(crowd));
	EXPECT_TRUE(crowd_has_all(crowd));
}

/* Refused more often than there are PASIDs: none may be lost */
TEST_F_TIMEOUT(few, r8_refused_leaks_no_pasid, SVA_TEST_TIMEOUT)
{
	struct crowd *crowd = &self->crowd;
	int kthread = sva_pidfd_open(2), i;
	struct member late;

	ASSERT_LE(0, kthread);
	for (i = 0; i <= crowd->max; i++)
		EXPECT_EQ(-ESRCH, sva_bind_pidfd(crowd->fd, kthread, NULL));
	ASSERT_TRUE(crowd_fills(crowd));
	for (i = 0; i <= crowd->max; i++) {
		EXPECT_EQ(-ENOMEM, member_join(&late, crowd->fd, crowd->shared));
		member_leave(&late);
	}
	crowd_leaves(crowd);
	EXPECT_TRUE(crowd_fills(crowd));
	close(kthread);
}

static struct member *member_with_pasid(struct crowd *crowd, int pasid)
{
	int i;

	for (i = 0; i < crowd->size; i++)
		if ((int)crowd->members[i].pasid == pasid)
			return &crowd->members[i];
	return NULL;
}

/* A process that has the last PASID of a function already can be bound to it */
TEST_F_TIMEOUT(few, r8_last_pasid, SVA_TEST_TIMEOUT)
{
	struct crowd *crowd = &self->crowd;
	struct member *last;
	uint32_t pasid;

	if (crowd->wide < 0)
		SKIP(return, "no function with more PASIDs");

	ASSERT_TRUE(crowd_fills(crowd));
	last = member_with_pasid(crowd, crowd->max);
	ASSERT_NE(NULL, last);
	ASSERT_EQ(0, sva_bind_pidfd(crowd->wide, last->pidfd, &pasid));
	EXPECT_EQ(crowd->max, pasid);

	/* Its bond on the wide function keeps the PASID */
	EXPECT_EQ(0, sva_unbind(last->fd, 0));
	EXPECT_EQ(0, sva_bind_pidfd(last->fd, last->pidfd, &pasid));
	EXPECT_EQ(crowd->max, pasid);
	sva_poison(crowd->shared, sva_page_size());
	EXPECT_EQ(PCI_SVA_TEST_RES_OK,
		  sva_run_write(last->fd, crowd->shared, sva_page_size(),
				PATTERN));
	EXPECT_EQ(-1, sva_check(crowd->shared, sva_page_size(), PATTERN));
	EXPECT_EQ(0, sva_unbind(crowd->wide, 0));
}

/* A process whose PASID is beyond what the function can send */
TEST_F_TIMEOUT(few, r8_pasid_too_large, SVA_TEST_TIMEOUT)
{
	struct crowd *crowd = &self->crowd;
	struct member late = { .fd = -1 };
	int i;

	if (crowd->wide < 0)
		SKIP(return, "no function with more PASIDs");

	ASSERT_TRUE(crowd_fills(crowd));
	ASSERT_EQ(0, member_join(&late, crowd->wide, crowd->shared));
	EXPECT_LT(crowd->max, late.pasid);
	crowd_leaves(crowd);
	for (i = 0; i < REPEAT; i++)
		EXPECT_EQ(-EOVERFLOW,
			  sva_bind_pidfd(crowd->fd, late.pidfd, NULL));
	/* It has cost neither the process its bond nor the function a PASID */
	EXPECT_EQ(0, sva_unbind(late.fd, 0));
	EXPECT_TRUE(crowd_fills(crowd));
	member_leave(&late);
}

/* ---- without SVA ---- */

TEST(r8_feature_off)
{
	struct pci_sva_test_info info;
	unsigned int i, found = 0;
	int fd;

	for (i = 0; i < SVA_DEVICES; i++) {
		fd = sva_open_nr(i, &info);
		if (fd < 0)
			continue;
		if (!(info.features & PCI_SVA_TEST_FEAT_SVA)) {
			found++;
			EXPECT_EQ(-ENODEV, sva_bind(fd));
			EXPECT_EQ(-ENXIO, sva_unbind(fd, 0));
		}
		close(fd);
	}
	if (!found)
		SKIP(return, "every function does SVA");
}

/* ---- no memory ---- */

FIXTURE(nomem)
{
	struct function fn;
	int other;		/* another function, or -1 */
	int before;
	pid_t child;
};

FIXTURE_VARIANT(nomem)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(nomem, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(nomem, nostall) { .kind = SVA_NO_IOPF };

FIXTURE_SETUP(nomem)
{
	int ret = function_setup(&self->fn, variant->kind);
	struct pci_sva_test_info info;

	if (ret == -ENODEV)
		SVA_SKIP("no such function");
	ASSERT_EQ(0, ret);
	if (sva_fail_setup())
		SVA_SKIP("no fault injection");
	self->other = sva_open_other(self->fn.fd, &info);
	self->before = sva_lowest_pasid(self->fn.fd);
	ASSERT_LT(0, self->before);
}

FIXTURE_TEARDOWN(nomem)
{
	EXPECT_EQ(0, sva_fail_marked(false));
	sva_kill(&self->child);
	EXPECT_EQ(0, sva_reset(self->fn.fd));
	close(self->fn.fd);
	if (self->other >= 0)
		close(self->other);
}

/* What a child whose @nth allocation fails does, and what it meets */
struct attempt {
	struct function *fn;
	int other;		/* function that is bound before, or -1 */
	unsigned int nth;
};

enum { SURVIVED = 1, ALL_SERVED };

/* Bind while the @nth allocation fails, which may be a reason to refuse; unbind */
static int bind_nth(int fd, unsigned int nth, bool *failed)
{
	struct pci_sva_test_bind bind = { .pidfd = -1 };
	int ret = sva_ioctl_nomem(fd, PCI_SVA_TEST_BIND, &bind, nth, failed);

	if (!ret)
		return sva_unbind(fd, 0);
	if (ret != -ENOMEM || !*failed)
		return ret;
	return sva_unbind(fd, 0) == -ENXIO ? 0 : -EBUSY;
}

/* For sva_child(): each attempt has an address space of its own */
static int attempt_bind(void *arg)
{
	struct attempt *attempt = arg;
	struct function *fn = attempt->fn;
	int fd = sva_reopen(fn->fd), other = attempt->other, ret = 0;
	bool failed = false;

	if (other >= 0) {
		other = sva_reopen(other);
		ret = sva_bind(other);
	}
	if (!ret)
		ret = bind_nth(fd, attempt->nth, &failed);

	/* Neither this function nor the other bond has come to harm */
	if (!ret)
		ret = sva_works(fd, fn->mem, fn->len);
	if (!ret && other >= 0)
		ret = sva_writes(other, fn->mem, fn->len);
	if (ret)
		return ret < 0 ? ret : -EFAULT;
	return failed ? SURVIVED : ALL_SERVED;
}

/* Let one allocation after the other fail until there is none left */
static bool every_allocation_fails(struct function *fn, int other)
{
	struct attempt attempt = { .fn = fn, .other = other };
	pid_t child;
	int ret;

	do {
		attempt.nth++;
		ret = sva_child(&child, attempt_bind, &attempt);
		sva_kill(&child);
	} while (ret == SURVIVED && attempt.nth < ALLOCATIONS_MAX);

	fprintf(stderr, "#   allocation %u: %d\n", attempt.nth, ret);
	return ret == ALL_SERVED && attempt.nth > 1;
}

TEST_F_TIMEOUT(nomem, r8_bind, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;

	EXPECT_TRUE(every_allocation_fails(fn, -1));
	EXPECT_TRUE(sva_no_pasid_leaked(fn->fd, self->before));
	EXPECT_EQ(0, sva_works(fn->fd, fn->mem, fn->len));
}

/* The process is bound to another function already */
TEST_F_TIMEOUT(nomem, r8_second_bind, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;

	if (self->other < 0)
		SKIP(return, "no second function");
	EXPECT_TRUE(every_allocation_fails(fn, self->other));
	EXPECT_TRUE(sva_no_pasid_leaked(fn->fd, self->before));
	EXPECT_EQ(0, sva_works(fn->fd, fn->mem, fn->len));
}

/* Enough processes to need another leaf of the context descriptor table */
static int crowd_of_processes(int fd, pid_t *crowd)
{
	int pasid, size = 0;

	do {
		pasid = sva_child(&crowd[size], sva_child_bind, &fd);
		size++;
	} while (pasid > 0 && pasid < LEAF_PASIDS - 1 && size < LEAF_PASIDS);
	return size;
}

/* Once only: the leaf stays, whoever needs it next allocates nothing */
TEST_F_TIMEOUT(nomem, r8_bind_with_new_descriptor_table, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;
	pid_t crowd[LEAF_PASIDS];
	int size, i;

	if (!getenv("SVA_ROUNDS"))
		SKIP(return, "takes a thousand processes: set SVA_ROUNDS");

	size = crowd_of_processes(fn->fd, crowd);
	EXPECT_TRUE(every_allocation_fails(fn, -1));
	for (i = 0; i < size; i++)
		sva_kill(&crowd[i]);
	EXPECT_TRUE(sva_no_pasid_leaked(fn->fd, self->before));
	EXPECT_EQ(0, sva_works(fn->fd, fn->mem, fn->len));
}

/* Bind, write, unbind while the @nth allocation fails */
static int unbind_nth(struct function *fn, unsigned int nth, bool *failed)
{
	struct pci_sva_test_unbind unbind = { 0 };
	int ret = sva_bind(fn->fd);

	if (!ret)
		ret = sva_writes(fn->fd, fn->mem, fn->len);
	return ret ?: sva_ioctl_nomem(fn->fd, PCI_SVA_TEST_UNBIND, &unbind, nth,
				      failed);
}

static bool unbind_needs_no_memory(struct function *fn)
{
	unsigned int nth = 0;
	bool failed = false;
	int ret;

	do {
		ret = unbind_nth(fn, ++nth, &failed);
	} while (!ret && failed && nth < ALLOCATIONS_MAX);
	fprintf(stderr, "#   allocation %u: %d\n", nth, ret);
	return !ret && !failed;
}

TEST_F_TIMEOUT(nomem, r5_unbind, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;

	EXPECT_TRUE(unbind_needs_no_memory(fn));
	/* The test has one itself */
	EXPECT_TRUE(sva_no_pasid_leaked(fn->fd, self->before + 1));
	EXPECT_EQ(0, sva_works(fn->fd, fn->mem, fn->len));
}

static int child_is_ready_and_binds(void *arg)
{
	struct function *fn = arg;

	return sva_prefault(fn->mem, fn->len) ?: sva_bind(fn->fd);
}

/* Nothing that the last of a process needs can be refused to it */
TEST_F_TIMEOUT(nomem, r2_release, SVA_TEST_TIMEOUT)
{
	struct function *fn = &self->fn;
	struct pci_sva_test_counters before;

	ASSERT_EQ(0, sva_child(&self->child, child_is_ready_and_binds, fn));
	ASSERT_EQ(0, sva_start_endless_write(fn->fd, 0, fn->mem, fn->len,
					     PATTERN));
	ASSERT_TRUE(SVA_UNTIL(sva_counters(fn->fd).bytes_written,
			      SVA_PATIENCE_MS));

	ASSERT_EQ(0, sva_fail_mark(self->child, true));
	ASSERT_EQ(0, sva_fail_marked(true));
	sva_kill(&self->child);
	EXPECT_EQ(0, sva_fail_marked(false));

	sva_poison(fn->mem, fn->len);
	before = sva_counters(fn->fd);
	EXPECT_TRUE(SVA_UNTIL(sva_counters(fn->fd).aborts >=
			      before.aborts + ENOUGH_ABORTS, SVA_PATIENCE_MS));
	EXPECT_EQ(before.bytes_written, sva_counters(fn->fd).bytes_written);
	EXPECT_EQ(-1, sva_first_written(fn->mem, fn->len));

	ASSERT_EQ(0, sva_stop(fn->fd, 0, SVA_PATIENCE_MS));
	EXPECT_EQ(0, sva_unbind(fn->fd, 0));
	EXPECT_TRUE(sva_no_pasid_leaked(fn->fd, self->before));
}

TEST_HARNESS_MAIN
