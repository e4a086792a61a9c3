// SPDX-License-Identifier: GPL-2.0
/*
 * What is quiet can still be seen by those who look: trace events for the life of
 * a bond, and for page faults that end in an abort.
 *
 * Rule 12 in the cover letter of the series.
 */
#define _GNU_SOURCE
#include "sva_trace.h"
#include "sva_victim.h"

FIXTURE(traced)
{
	struct sva_trace trace;
	struct bond bond;
	struct victim victim;
};

FIXTURE_VARIANT(traced)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(traced, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(traced, nostall) { .kind = SVA_NO_IOPF };

FIXTURE_SETUP(traced)
{
	bond_setup(_metadata, &self->bond, variant->kind);
	if (!sva_trace_open(&self->trace))
		SVA_SKIP("no trace events");
	/* One that a kernel does not have will be missed below */
	sva_trace_enable(&self->trace, "iommu");
}

FIXTURE_TEARDOWN(traced)
{
	victim_teardown(&self->victim);
	sva_trace_close(&self->trace);
	bond_teardown(_metadata, &self->bond);
}

/* How many events there are of @name and @pasid */
static unsigned int events(struct sva_trace *trace, const char *name,
			   uint32_t pasid)
{
	FILE *file = sva_trace_read(trace);
	char line[512], begin[64], *event;
	unsigned int count = 0, seen;

	if (!file)
		return 0;
	snprintf(begin, sizeof(begin), " %s: ", name);
	while (fgets(line, sizeof(line), file)) {
		event = strstr(line, begin);
		if (event)
			event = strstr(event, " pasid=");
		if (event && sscanf(event, " pasid=%u", &seen) == 1)
			count += seen == pasid;
	}
	fclose(file);
	return count;
}

/* A role: like victim_of_bond(), reports the PASID */
static void victim_with_pasid(struct victim *me, void *arg)
{
	struct bond *bond = arg;
	uint32_t pasid;
	int ret;

	ret = sva_bind_pidfd(bond->fd, -1, &pasid);
	victim_report(me, ret ?: pasid);
	victim_await_order(me);
}

/* Each end of a state once, when it comes and not before */
TEST_F_TIMEOUT(traced, r12_death, SVA_TEST_TIMEOUT)
{
	struct sva_trace *trace = &self->trace;
	int pasid;

	pasid = victim_fork(&self->victim, victim_with_pasid, &self->bond);
	ASSERT_LT(0, pasid);
	EXPECT_EQ(1, events(trace, "iommu_sva_bind", pasid));
	EXPECT_EQ(0, events(trace, "iommu_sva_release", pasid));

	victim_kill(&self->victim);
	EXPECT_EQ(1, events(trace, "iommu_sva_release", pasid));
	EXPECT_EQ(0, events(trace, "iommu_sva_unbind", pasid));

	EXPECT_EQ(0, sva_unbind(self->bond.fd, 0));
	EXPECT_EQ(1, events(trace, "iommu_sva_unbind", pasid));
}

/* A bond that ends before its process is never quiet */
TEST_F_TIMEOUT(traced, r12_unbind_of_living, SVA_TEST_TIMEOUT)
{
	struct sva_trace *trace = &self->trace;
	int pasid;

	pasid = victim_fork(&self->victim, victim_with_pasid, &self->bond);
	ASSERT_LT(0, pasid);
	EXPECT_EQ(0, sva_unbind(self->bond.fd, 0));
	EXPECT_EQ(1, events(trace, "iommu_sva_unbind", pasid));
	victim_kill(&self->victim);
	EXPECT_EQ(0, events(trace, "iommu_sva_release", pasid));
}

/* Aborted without a word in the log, but not without a trace */
TEST_F_TIMEOUT(traced, r12_page_fault, SVA_TEST_TIMEOUT)
{
	struct pci_sva_test_job job = {
		.op = PCI_SVA_TEST_OP_READ,
		.len = sva_page_size(),
	};
	uint32_t pasid;
	void *hole;

	if (variant->kind == SVA_NO_IOPF)
		SKIP(return, "the SMMU does not record its faults");
	hole = mmap(NULL, job.len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, hole);
	job.src = (uintptr_t)hole;

	ASSERT_EQ(0, sva_bind_pidfd(self->bond.fd, -1, &pasid));
	EXPECT_EQ(0, events(&self->trace, "iommu_sva_fault", pasid));
	EXPECT_EQ(PCI_SVA_TEST_RES_ABORT, sva_run(self->bond.fd, &job, NULL));
	EXPECT_EQ(1, events(&self->trace, "iommu_sva_fault", pasid));
	EXPECT_EQ(0, sva_klog_count(self->bond.klog));
	EXPECT_EQ(0, sva_unbind(self->bond.fd, 0));
}

TEST_HARNESS_MAIN
