// SPDX-License-Identifier: GPL-2.0
/*
 * Context descriptors of processes: live, quiet, cleared.
 */
#include <kunit/test.h>

#include "arm-smmu-v3.h"

/* What quieting may change; all of it is in the first 64 bits */
#define QUIET_CHANGES	(CTXDESC_CD_0_TCR_EPD0 | CTXDESC_CD_0_S | CTXDESC_CD_0_R)

struct stall_model {
	const char *name;
	u32 features;
	bool stall;	/* of the master */
};

static const struct stall_model stall_models[] = {
	{ "an SMMU without stalls", 0, false },
	{ "a master that cannot stall", ARM_SMMU_FEAT_STALLS, false },
	{ "a master that stalls", ARM_SMMU_FEAT_STALLS, true },
	{ "forced stalls", ARM_SMMU_FEAT_STALLS | ARM_SMMU_FEAT_STALL_FORCE, true },
};

static void stall_model_name(const struct stall_model *model, char *name)
{
	strscpy(name, model->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(stall_model, stall_models, stall_model_name);

/* Bits in every field that a process has, and no pointer that is followed */
static struct arm_smmu_ctx_desc test_cd(void)
{
	return (struct arm_smmu_ctx_desc) {
		.asid	= 0xa51d,
		.ttbr	= 0x123456789000,
		.tcr	= FIELD_PREP(CTXDESC_CD_0_TCR_T0SZ, 16) |
			  FIELD_PREP(CTXDESC_CD_0_TCR_IPS, 5) |
			  CTXDESC_CD_0_TCR_EPD1 | CTXDESC_CD_0_AA64,
		.mair	= 0xff44bb00,
		.mm	= (void *)-1UL,
	};
}

static void write_live(const struct stall_model *model, __le64 *words)
{
	struct arm_smmu_ctx_desc cd = test_cd();

	memset(words, 0, CTXDESC_CD_DWORDS * sizeof(*words));
	words[0] = cpu_to_le64(arm_smmu_live_cd(&cd, model->stall));
	words[1] = cpu_to_le64(cd.ttbr & CTXDESC_CD_1_TTB0_MASK);
	words[3] = cpu_to_le64(cd.mair);
}

/* IHI0070 5.4 and 5.5: a valid descriptor that is not ILLEGAL */
static void expect_legal(struct kunit *test, const struct stall_model *model,
			 __le64 word)
{
	u64 val = le64_to_cpu(word);

	KUNIT_EXPECT_TRUE(test, val & CTXDESC_CD_0_V);
	KUNIT_EXPECT_TRUE(test, val & CTXDESC_CD_0_AA64);
	KUNIT_EXPECT_TRUE(test, val & CTXDESC_CD_0_TCR_EPD1);
	if (model->features & ARM_SMMU_FEAT_STALL_FORCE)
		KUNIT_EXPECT_TRUE(test, val & CTXDESC_CD_0_S);
	if (!(model->features & ARM_SMMU_FEAT_STALLS))
		KUNIT_EXPECT_FALSE(test, val & CTXDESC_CD_0_S);
}

/* A live descriptor is legal, aborts, and records faults only to resolve them */
static void r3_live_is_legal(struct kunit *test)
{
	const struct stall_model *model = test->param_value;
	__le64 words[CTXDESC_CD_DWORDS];
	u64 val;

	write_live(model, words);
	val = le64_to_cpu(words[0]);

	expect_legal(test, model, words[0]);
	KUNIT_EXPECT_FALSE(test, val & CTXDESC_CD_0_TCR_EPD0);
	KUNIT_EXPECT_TRUE(test, val & CTXDESC_CD_0_A);
	KUNIT_EXPECT_EQ(test, !!(val & CTXDESC_CD_0_S), model->stall);
	KUNIT_EXPECT_EQ(test, !!(val & CTXDESC_CD_0_R), model->stall);
}

/* The kernel's own DMA has its faults reported */
static void r0_kernel_faults_are_recorded(struct kunit *test)
{
	const struct stall_model *model = test->param_value;
	struct arm_smmu_ctx_desc cd = test_cd();

	cd.mm = NULL;
	KUNIT_EXPECT_TRUE(test,
			  arm_smmu_live_cd(&cd, model->stall) & CTXDESC_CD_0_R);
}

/*
 * The SMMU may read the words of a descriptor in any order and at any time, each
 * as a whole. Only the first one changes, so that it reads the live or the quiet
 * one, and both are legal.
 */
static void r3_live_to_quiet_is_hitless(struct kunit *test)
{
	const struct stall_model *model = test->param_value;
	__le64 live[CTXDESC_CD_DWORDS], quiet[CTXDESC_CD_DWORDS];
	u64 changed;

	write_live(model, live);
	memcpy(quiet, live, sizeof(quiet));
	KUNIT_EXPECT_TRUE(test, arm_smmu_quiet_cd(quiet, model->features));

	expect_legal(test, model, quiet[0]);
	changed = le64_to_cpu(live[0]) ^ le64_to_cpu(quiet[0]);
	KUNIT_EXPECT_EQ(test, changed & ~QUIET_CHANGES, 0ULL);
	KUNIT_EXPECT_EQ(test, 0, memcmp(live + 1, quiet + 1,
					sizeof(live) - sizeof(live[0])));
}

/* No translation, no record, no stall if that can be helped, but an abort */
static void r3_quiet_is_quiet(struct kunit *test)
{
	const struct stall_model *model = test->param_value;
	bool forced = model->features & ARM_SMMU_FEAT_STALL_FORCE;
	__le64 words[CTXDESC_CD_DWORDS];
	u64 val;

	write_live(model, words);
	arm_smmu_quiet_cd(words, model->features);
	val = le64_to_cpu(words[0]);

	KUNIT_EXPECT_TRUE(test, val & CTXDESC_CD_0_TCR_EPD0);
	KUNIT_EXPECT_TRUE(test, val & CTXDESC_CD_0_A);
	KUNIT_EXPECT_EQ(test, !!(val & CTXDESC_CD_0_S), forced);
	KUNIT_EXPECT_EQ(test, !!(val & CTXDESC_CD_0_R), forced);
	/* What is left in the TLB has to be found by its ASID */
	KUNIT_EXPECT_EQ(test, FIELD_GET(CTXDESC_CD_0_ASID, val), 0xa51dULL);
}

/* release() may come more than once */
static void r3_quiet_stays_quiet(struct kunit *test)
{
	const struct stall_model *model = test->param_value;
	__le64 words[CTXDESC_CD_DWORDS];
	__le64 quiet;

	write_live(model, words);
	arm_smmu_quiet_cd(words, model->features);
	quiet = words[0];

	KUNIT_EXPECT_TRUE(test, arm_smmu_quiet_cd(words, model->features));
	KUNIT_EXPECT_EQ(test, le64_to_cpu(words[0]), le64_to_cpu(quiet));
}

/* release() that comes after unbind() must not write what unbind() has cleared */
static void r7_cleared_stays_cleared(struct kunit *test)
{
	const struct stall_model *model = test->param_value;
	__le64 words[CTXDESC_CD_DWORDS];

	write_live(model, words);
	words[0] = 0;

	KUNIT_EXPECT_FALSE(test, arm_smmu_quiet_cd(words, model->features));
	KUNIT_EXPECT_EQ(test, le64_to_cpu(words[0]), 0ULL);
}

static struct kunit_case arm_smmu_v3_cd_cases[] = {
	KUNIT_CASE_PARAM(r0_kernel_faults_are_recorded, stall_model_gen_params),
	KUNIT_CASE_PARAM(r3_live_is_legal, stall_model_gen_params),
	KUNIT_CASE_PARAM(r3_live_to_quiet_is_hitless, stall_model_gen_params),
	KUNIT_CASE_PARAM(r3_quiet_is_quiet, stall_model_gen_params),
	KUNIT_CASE_PARAM(r3_quiet_stays_quiet, stall_model_gen_params),
	KUNIT_CASE_PARAM(r7_cleared_stays_cleared, stall_model_gen_params),
	{}
};

static struct kunit_suite arm_smmu_v3_cd_suite = {
	.name		= "arm-smmu-v3-cd",
	.test_cases	= arm_smmu_v3_cd_cases,
};

kunit_test_suites(&arm_smmu_v3_cd_suite);
