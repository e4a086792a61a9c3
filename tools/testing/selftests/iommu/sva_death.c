// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of a bond between a process and a function when the process dies
 * under DMA, and when the bond ends under DMA.
 *
 * A bond is live until the process drops its address space, then quiet until the
 * driver unbinds. While it is quiet DMA is aborted without a word in the kernel's
 * log, and nobody waits for the driver. When it is gone, DMA which is still tagged
 * with its PASID is a bug of the driver and has to be reported.
 *
 * Numbers in the names are those of the rules in the cover letter of the series:
 *  1 no callback into the driver	2 exit waits for no one
 *  3 quiet in the hardware		5 unbind ends access
 *  7 stray DMA is reported
 */
#include "sva_victim.h"

#define STOP_LATENCY_NS	10000000000ULL
/* A write that is on its way when the process dies */
#define HOLD_NS		20000000
#define STRAY_MS	2000
#define STRAY_LINES	100

FIXTURE(death)
{
	struct bond bond;	/* with the victim's address space */
	struct victim victim;
};

FIXTURE_VARIANT(death)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(death, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(death, nostall) { .kind = SVA_NO_IOPF };

FIXTURE_SETUP(death)
{
	bond_setup(_metadata, &self->bond, variant->kind);
}

FIXTURE_TEARDOWN(death)
{
	victim_teardown(&self->victim);
	bond_teardown(_metadata, &self->bond);
}

/* ---- from live to quiet ---- */

/* Drivers learn nothing when the process dies: the function goes on */
TEST_F_TIMEOUT(death, r1_kill_tells_no_driver, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct pci_sva_test_wait wait;
	unsigned int q;

	ASSERT_EQ(0, victim_start(&self->victim, bond, victim_of_bond));
	victim_kill(&self->victim);
	quiet_time(bond, 1);
	for (q = 0; q < bond->queues; q++) {
		ASSERT_EQ(0, sva_wait(bond->fd, q, 0, &wait));
		EXPECT_NE(PCI_SVA_TEST_STATE_IDLE, wait.state);
		EXPECT_NE(PCI_SVA_TEST_STATE_STOPPING, wait.state);
		EXPECT_LT(0, wait.aborts);
	}
	EXPECT_EQ(0, sva_counters(bond->fd).after_stop_req);
}

/* A function that takes long to stop makes nobody wait who does not stop it */
TEST_F_TIMEOUT(death, r2_kill_waits_for_no_device, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	uint64_t ms;

	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_STOP_LATENCY,
			     STOP_LATENCY_NS));
	ASSERT_EQ(0, victim_start(&self->victim, bond, victim_of_bond));
	ms = victim_kill(&self->victim);
	fprintf(stderr, "#   reaped: ms=%llu\n", (unsigned long long)ms);
	EXPECT_GT(EXIT_LIMIT_MS, ms);
	/* The function was there all the time */
	EXPECT_LT(0, quiet_time(bond, 1).aborts);
}

TEST_F_TIMEOUT(death, r2_nothing_written_after_kill, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct quiet quiet;

	ASSERT_EQ(0, victim_start(&self->victim, bond, victim_of_bond));
	EXPECT_LT(0, sva_counters(bond->fd).bytes_written);
	victim_kill(&self->victim);
	quiet = quiet_time(bond, 1);
	EXPECT_TRUE(nothing_written(&quiet));
	EXPECT_LT(0, quiet.aborts);
}

/* The translation was granted before the process died */
TEST_F_TIMEOUT(death, r2_no_late_write_after_kill, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct quiet quiet;

	ASSERT_EQ(0, victim_start(&self->victim, bond, victim_of_bond));
	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_HOLD_NS, HOLD_NS));
	sva_sleep_ms(HOLD_NS / 1000000);
	victim_kill(&self->victim);
	quiet = quiet_time(bond, 1);
	EXPECT_TRUE(nothing_written(&quiet));
	EXPECT_LT(0, quiet.aborts);
}

/* Not a line in the log, from the signal on */
TEST_F_TIMEOUT(death, r3_kill_is_quiet, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;

	ASSERT_EQ(0, victim_start(&self->victim, bond, victim_of_bond));
	EXPECT_EQ(0, sva_klog_count(bond->klog));
	victim_kill(&self->victim);
	EXPECT_LT(0, quiet_time(bond, QUIET_ABORTS).aborts);
	EXPECT_EQ(0, sva_klog_count(bond->klog));
}

/* Thousands in a second: an abort is the IOMMU's business alone */
TEST_F_TIMEOUT(death, r3_kill_keeps_aborting, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;

	if (sva_stall_is_forced())
		SKIP(return, "the IOMMU forces stalls");

	ASSERT_EQ(0, victim_start(&self->victim, bond, victim_of_bond));
	victim_kill(&self->victim);
	EXPECT_LE(QUIET_ABORTS, quiet_time(bond, QUIET_ABORTS).aborts);
}

/* A stall would cost the CPU an event, a work item and a command per abort */
TEST_F_TIMEOUT(death, r3_kill_does_not_stall, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct quiet quiet;

	if (sva_stall_is_forced())
		SKIP(return, "the IOMMU forces stalls");
	if (variant->kind == SVA_NO_IOPF)
		SKIP(return, "the function cannot stall");

	ASSERT_EQ(0, victim_start(&self->victim, bond, victim_of_bond));
	victim_kill(&self->victim);
	quiet = quiet_time(bond, 1);
	EXPECT_EQ(0, quiet.stalls);
	EXPECT_LT(0, quiet.aborts);
}

TEST_F_TIMEOUT(death, r3_exit_is_quiet, SVA_TEST_TIMEOUT)
{
	ASSERT_EQ(0, victim_start(&self->victim, &self->bond, victim_of_bond));
	EXPECT_TRUE(victim_order(&self->victim));
	EXPECT_EQ(0, victim_reap(&self->victim));
	expect_quiet(_metadata, &self->bond);
}

static void victim_that_execs(struct victim *me, void *arg)
{
	victim_of_bond(me, arg);
	victim_exec(me);
}

/* exec() drops the address space too, the process lives on */
TEST_F_TIMEOUT(death, r3_exec_is_quiet, SVA_TEST_TIMEOUT)
{
	ASSERT_EQ(0, victim_start(&self->victim, &self->bond,
				  victim_that_execs));
	ASSERT_EQ(0, victim_ask_for(&self->victim));
	expect_quiet(_metadata, &self->bond);
}

/*
 * The victim's file dies with it, as most do: quiet lasts until the driver has
 * stopped the function, which takes this one a second.
 */
TEST_F_TIMEOUT(death, r3_last_file_is_quiet, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	uint64_t ms, before;

	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_STOP_LATENCY,
			     QUIET_MS * 1000000ULL));
	ASSERT_EQ(0, victim_fork(&self->victim, victim_with_own_file, bond));
	ASSERT_TRUE(bond_writes(bond));

	ms = victim_kill(&self->victim);
	fprintf(stderr, "#   reaped: ms=%llu\n", (unsigned long long)ms);
	EXPECT_LE(QUIET_MS, ms);

	before = bond_aborts(bond);
	sva_poison(bond->shared, bond->len);
	sva_sleep_ms(QUIET_MS);
	EXPECT_EQ(before, bond_aborts(bond));
	EXPECT_EQ(-1, sva_first_written(bond->shared, bond->len));
	EXPECT_EQ(0, sva_counters(bond->fd).after_stop_ack);
	EXPECT_EQ(0, sva_klog_count(bond->klog));
}

/* ---- from quiet to gone ---- */

static int go_stray(struct bond *bond)
{
	int ret = sva_set(bond->fd, PCI_SVA_TEST_PARAM_CHUNK_NS, STRAY_CHUNK_NS);

	return ret ?: sva_unbind(bond->fd, PCI_SVA_TEST_UNBIND_DMA_RUNS);
}

/* The second of quiet has not used up what the log is allowed to hold */
TEST_F_TIMEOUT(death, r7_stray_dma_is_reported, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct quiet quiet;

	ASSERT_EQ(0, victim_start(&self->victim, bond, victim_of_bond));
	victim_kill(&self->victim);
	quiet_time(bond, 1);
	EXPECT_EQ(0, sva_klog_count(bond->klog));

	ASSERT_EQ(0, go_stray(bond));
	EXPECT_TRUE(sva_klog_wait(bond->klog, STRAY_MS));
	quiet = quiet_time(bond, 1);
	EXPECT_TRUE(nothing_written(&quiet));
}

TEST_F_TIMEOUT(death, r7_stray_dma_report_is_limited, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	uint64_t before;

	ASSERT_EQ(0, victim_start(&self->victim, bond, victim_of_bond));
	victim_kill(&self->victim);
	before = bond_aborts(bond);
	ASSERT_EQ(0, go_stray(bond));
	EXPECT_TRUE(sva_klog_wait(bond->klog, STRAY_MS));
	sva_sleep_ms(STRAY_MS);
	EXPECT_GE(STRAY_LINES, sva_klog_count(bond->klog));
	/* It was not the function that was sparing with them */
	EXPECT_LE(before + STRAY_LINES, bond_aborts(bond));
}

/* And when the driver has stopped its DMA at last there is nothing to report */
TEST_F_TIMEOUT(death, r7_silence_after_stop, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	uint64_t before;

	ASSERT_EQ(0, victim_start(&self->victim, bond, victim_of_bond));
	victim_kill(&self->victim);
	ASSERT_EQ(0, go_stray(bond));
	EXPECT_TRUE(sva_klog_wait(bond->klog, STRAY_MS));
	ASSERT_TRUE(bond_stop(bond, 0));
	before = bond_aborts(bond);

	/* Silence is not to come from a rate limit */
	sva_klog_settle();
	sva_klog_count(bond->klog);
	sva_sleep_ms(QUIET_MS);
	EXPECT_EQ(0, sva_klog_count(bond->klog));
	EXPECT_EQ(before, bond_aborts(bond));
}

/* ---- bonds that end while the process lives ---- */

FIXTURE(living)
{
	struct bond bond;	/* with the test's own address space */
	int other;		/* for when the bond's file is closed */
};

FIXTURE_VARIANT(living)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(living, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(living, nostall) { .kind = SVA_NO_IOPF };

FIXTURE_SETUP(living)
{
	struct bond *bond = &self->bond;

	bond_setup(_metadata, bond, variant->kind);
	self->other = sva_reopen(bond->fd);
	ASSERT_LE(0, self->other);
	ASSERT_EQ(0, bond_start(bond));
	ASSERT_TRUE(bond_runs(bond));
}

FIXTURE_TEARDOWN(living)
{
	close(self->bond.fd);
	self->bond.fd = self->other;
	bond_teardown(_metadata, &self->bond);
}

/* The bond's file has been closed: look through the other one from now on */
static void close_bond(struct bond *bond, int other)
{
	close(bond->fd);
	bond->fd = dup(other);
}

/* The driver stops DMA before it unbinds, so that there is none to report */
TEST_F_TIMEOUT(living, r1_close_stops_dma, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct pci_sva_test_counters before;

	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_STOP_LATENCY,
			     QUIET_MS * 1000000ULL));
	close_bond(bond, self->other);
	before = sva_counters(bond->fd);
	sva_poison(bond->shared, bond->len);
	sva_sleep_ms(QUIET_MS);
	EXPECT_EQ(before.bytes_written, sva_counters(bond->fd).bytes_written);
	EXPECT_EQ(0, bond_aborts(bond));
	EXPECT_EQ(0, sva_counters(bond->fd).after_stop_ack);
	EXPECT_EQ(-1, sva_first_written(bond->shared, bond->len));
	EXPECT_EQ(0, sva_klog_count(bond->klog));
}

/* unbind takes the address space away from DMA that runs */
TEST_F_TIMEOUT(living, r5_unbind_ends_access, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;
	struct quiet quiet;

	ASSERT_EQ(0, go_stray(bond));
	quiet = quiet_time(bond, 1);
	EXPECT_TRUE(nothing_written(&quiet));
	EXPECT_LT(0, quiet.aborts);
}

TEST_F_TIMEOUT(living, r5_close_ends_access, SVA_TEST_TIMEOUT)
{
	struct pci_sva_test_close leave = {
		.flags = PCI_SVA_TEST_CLOSE_DMA_RUNS,
	};
	struct bond *bond = &self->bond;
	struct quiet quiet;

	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_CHUNK_NS,
			     STRAY_CHUNK_NS));
	ASSERT_EQ(0, sva_ioctl(bond->fd, PCI_SVA_TEST_CLOSE, &leave));
	close_bond(bond, self->other);
	quiet = quiet_time(bond, 1);
	EXPECT_TRUE(nothing_written(&quiet));
	EXPECT_LT(0, quiet.aborts);
}

TEST_F_TIMEOUT(living, r7_unbind_under_dma_is_reported, SVA_TEST_TIMEOUT)
{
	struct bond *bond = &self->bond;

	EXPECT_EQ(0, sva_klog_count(bond->klog));
	ASSERT_EQ(0, go_stray(bond));
	EXPECT_TRUE(sva_klog_wait(bond->klog, STRAY_MS));
}

TEST_F_TIMEOUT(living, r7_close_under_dma_is_reported, SVA_TEST_TIMEOUT)
{
	struct pci_sva_test_close leave = {
		.flags = PCI_SVA_TEST_CLOSE_DMA_RUNS,
	};
	struct bond *bond = &self->bond;

	EXPECT_EQ(0, sva_klog_count(bond->klog));
	ASSERT_EQ(0, sva_set(bond->fd, PCI_SVA_TEST_PARAM_CHUNK_NS,
			     STRAY_CHUNK_NS));
	ASSERT_EQ(0, sva_ioctl(bond->fd, PCI_SVA_TEST_CLOSE, &leave));
	close_bond(bond, self->other);
	EXPECT_TRUE(sva_klog_wait(bond->klog, STRAY_MS));
}

TEST_HARNESS_MAIN
