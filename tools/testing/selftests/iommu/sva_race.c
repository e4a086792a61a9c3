// SPDX-License-Identifier: GPL-2.0
/*
 * What races with bind and unbind: the end of the process, and the invalidations
 * of one that lives. Each round comes with another delay.
 *
 * SVA_ROUNDS=N in the environment sets how often each race is run, SVA_SEED=N
 * repeats the delays of a run that has failed.
 *
 * Numbers in the names are those of the rules in the cover letter of the series:
 *  6 what readers can reach lives on	8 no bond with the dead
 */
#include "sva_victim.h"

#define ROUNDS		50
/* In seconds; who asks for many rounds waits for them */
#define RACE_TIMEOUT	86400
/* Rounds between two signs of life */
#define TOLD_ROUNDS	100
/* The longest delay is about 2 to the power of this in us, the shortest none */
#define DELAY_BITS	15

struct race {
	struct bond bond;
	struct victim victim;
	unsigned int rounds;
	unsigned int round;
	uint64_t random;
};

FIXTURE(race)
{
	struct race race;
};

FIXTURE_VARIANT(race)
{
	enum sva_kind kind;
};

FIXTURE_VARIANT_ADD(race, stall) { .kind = SVA_IOPF };
FIXTURE_VARIANT_ADD(race, nostall) { .kind = SVA_NO_IOPF };

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtoull(value, NULL, 0) : otherwise;
}

FIXTURE_SETUP(race)
{
	struct race *race = &self->race;

	bond_setup(_metadata, &race->bond, variant->kind);
	race->bond.queues = 1;
	race->rounds = from_environment("SVA_ROUNDS", ROUNDS);
	race->random = from_environment("SVA_SEED", now_ns());
	fprintf(stderr, "#   SVA_SEED=%llu\n", (unsigned long long)race->random);
}

FIXTURE_TEARDOWN(race)
{
	victim_teardown(&self->race.victim);
	bond_teardown(_metadata, &self->race.bond);
}

static bool another_round(struct race *race)
{
	if (race->round && race->round % TOLD_ROUNDS == 0)
		fprintf(stderr, "#   round %u of %u\n", race->round,
			race->rounds);
	return race->round++ < race->rounds;
}

/* The high half of a linear congruential generator, with Knuth's multiplier */
static uint32_t next_random(struct race *race)
{
	race->random = race->random * 6364136223846793005ULL +
		       1442695040888963407ULL;
	return race->random >> 32;
}

/* Short ones are as likely as long ones */
static uint64_t next_delay_us(struct race *race)
{
	uint64_t range = 1ULL << next_random(race) % (DELAY_BITS + 1);

	return next_random(race) % range;
}

/* Busy: others go on at the same time */
static void delay(struct race *race)
{
	uint64_t end = now_ns() + 1000 * next_delay_us(race);

	while (now_ns() < end)
		;
}

/* release() and unbind meet; whoever comes second has to find what it needs */
TEST_F_TIMEOUT(race, r6_unbind_races_exit, RACE_TIMEOUT)
{
	struct race *race = &self->race;
	struct bond *bond = &race->bond;
	uint64_t written;

	while (another_round(race)) {
		ASSERT_EQ(0, victim_start(&race->victim, bond, victim_of_bond));
		kill(race->victim.pid, SIGKILL);
		delay(race);
		ASSERT_EQ(0, sva_unbind(bond->fd, PCI_SVA_TEST_UNBIND_DMA_RUNS));
		written = sva_counters(bond->fd).bytes_written;
		victim_reap(&race->victim);
		ASSERT_TRUE(bond_is_aborted(bond));
		ASSERT_TRUE(bond_stop(bond, 0));
		ASSERT_EQ(written, sva_counters(bond->fd).bytes_written);
	}
}

static void victim_with_memory(struct victim *me, void *arg)
{
	struct bond *bond = arg;

	victim_report(me, sva_prefault(bond->shared, bond->len));
	victim_await_order(me);
}

/* The driver's reference to the address space is not the process's */
static int grab(int fd, int pidfd)
{
	struct pci_sva_test_grab grab = { .pidfd = pidfd };

	return sva_ioctl(fd, PCI_SVA_TEST_GRAB, &grab);
}

static int bind_grabbed(int fd)
{
	struct pci_sva_test_bind bind = {
		.pidfd = -1,
		.flags = PCI_SVA_TEST_BIND_GRABBED,
	};

	return sva_ioctl(fd, PCI_SVA_TEST_BIND, &bind);
}

/*
 * A bond that came in time is as quiet as others once its address space is gone.
 * That may take longer than the process: bind's reference can be the last, and a
 * worker drops it.
 */
static void expect_dead_bond(struct __test_metadata *_metadata,
			     struct bond *bond, struct victim *victim)
{
	ASSERT_EQ(0, bond_start_queue(bond, 0));
	victim_reap(victim);
	ASSERT_TRUE(SVA_UNTIL(queue_look(bond, 0).aborts, SVA_PATIENCE_MS));
	ASSERT_TRUE(bond_is_aborted(bond));
	ASSERT_TRUE(bond_stop(bond, 0));
	ASSERT_EQ(0, sva_unbind(bond->fd, 0));
}

/* Says whether there was a bond */
static bool bind_races_exit(struct __test_metadata *_metadata, struct race *race,
			    bool grabbed)
{
	struct victim *victim = &race->victim;
	struct bond *bond = &race->bond;
	int pidfd, ret;

	ASSERT_EQ(0, victim_fork(victim, victim_with_memory, bond));
	pidfd = sva_pidfd_open(victim->pid);
	ASSERT_LE(0, pidfd);
	if (grabbed)
		ASSERT_EQ(0, grab(bond->fd, pidfd));

	kill(victim->pid, SIGKILL);
	delay(race);
	ret = grabbed ? bind_grabbed(bond->fd) :
			sva_bind_pidfd(bond->fd, pidfd, NULL);
	if (!ret)
		expect_dead_bond(_metadata, bond, victim);
	else
		victim_reap(victim);
	ASSERT_TRUE(!ret || ret == -ESRCH);
	close(pidfd);
	return !ret;
}

static void many_binds_race_exit(struct __test_metadata *_metadata,
				 struct race *race, bool grabbed)
{
	unsigned int bound = 0;

	while (another_round(race))
		bound += bind_races_exit(_metadata, race, grabbed);
	fprintf(stderr, "#   %u of %u came in time\n", bound, race->rounds);
}

TEST_F_TIMEOUT(race, r8_bind_races_exit, RACE_TIMEOUT)
{
	many_binds_race_exit(_metadata, &self->race, false);
}

/* A kernel that does not refuse the dead BUG()s in here: stock does not */
TEST_F_TIMEOUT(race, r8_bind_grabbed_races_exit, RACE_TIMEOUT)
{
	many_binds_race_exit(_metadata, &self->race, true);
}

/* A role: its memory comes and goes, and changes its rights */
static void victim_that_invalidates(struct victim *me, void *arg)
{
	struct bond *bond = arg;

	victim_report(me, 0);
	for (;;) {
		sva_prefault(bond->shared, bond->len);
		mprotect(bond->shared, bond->len, PROT_READ);
		mprotect(bond->shared, bond->len, PROT_READ | PROT_WRITE);
		munlock(bond->shared, bond->len);
		madvise(bond->shared, bond->len, MADV_DONTNEED);
	}
}

/*
 * The test pushes the victim off its CPU wherever it is, which with two functions
 * to be invalidated is most often between them, and unbinds both.
 */
TEST_F_TIMEOUT(race, r6_invalidation_races_unbind, RACE_TIMEOUT)
{
	struct race *race = &self->race;
	struct bond *bond = &race->bond;
	struct pci_sva_test_info info;
	int pidfd, second;

	second = sva_open_other(bond->fd, &info);
	if (second < 0)
		SKIP(return, "no second function");
	ASSERT_EQ(0, victim_fork(&race->victim, victim_that_invalidates, bond));
	pidfd = sva_pidfd_open(race->victim.pid);
	ASSERT_LE(0, pidfd);
	ASSERT_TRUE(task_pin(race->victim.pid, 0));
	ASSERT_TRUE(task_pin(0, 0));
	ASSERT_TRUE(task_be_urgent(0, 1));

	while (another_round(race)) {
		ASSERT_EQ(0, sva_bind_pidfd(bond->fd, pidfd, NULL));
		ASSERT_EQ(0, sva_bind_pidfd(second, pidfd, NULL));
		ASSERT_EQ(0, bond_start_queue(bond, 0));
		usleep(next_delay_us(race));
		ASSERT_EQ(0, sva_unbind(second, 0));
		ASSERT_EQ(0, sva_unbind(bond->fd, PCI_SVA_TEST_UNBIND_DMA_RUNS));
		ASSERT_TRUE(bond_is_aborted(bond));
		ASSERT_TRUE(bond_stop(bond, 0));
	}
	close(second);
	close(pidfd);
}

TEST_HARNESS_MAIN
