/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The harness for the tests of shared virtual addressing: run some of the tests
 * only, list them, and skip them all without a function to test with.
 */
#ifndef SVA_HARNESS_H
#define SVA_HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fnmatch.h>

#include "../kselftest_harness.h"
#include "sva_util.h"

/* In seconds, see SVA_PATIENCE_MS */
#define SVA_TEST_TIMEOUT	300

/*
 * For a fixture's setup. The harness runs a test whose setup has said SKIP(), so
 * leave with the status it takes for a skip.
 */
#define SVA_SKIP(fmt, ...) SKIP(_exit(255), fmt, ##__VA_ARGS__)

/* The test's process writes the reason of a skip there */
static struct __test_results *sva_results;

static inline void sva_run_test(struct __fixture_metadata *f,
				struct __fixture_variant_metadata *v,
				struct __test_metadata *t)
{
	t->results = sva_results;
	__run_test(f, v, t);
}

/* A pattern that begins with ! takes away what it matches */
static inline bool sva_selected(const char *name, char **patterns)
{
	bool asked = false, found = false;

	for (; *patterns; patterns++) {
		if (**patterns == '!') {
			if (!fnmatch(*patterns + 1, name, 0))
				return false;
			continue;
		}
		asked = true;
		found = found || !fnmatch(*patterns, name, 0);
	}
	return found || !asked;
}

enum sva_action { SVA_COUNT, SVA_LIST, SVA_RUN };

/* Returns the number of tests whose fixture.variant.name one of @patterns matches */
static inline int sva_walk_tests(char **patterns, enum sva_action action)
{
	static struct __fixture_variant_metadata no_variant = { .name = "" };
	struct __fixture_variant_metadata *v;
	struct __fixture_metadata *f;
	struct __test_metadata *t;
	char name[256];
	int count = 0;

	for (f = __fixture_list; f; f = f->next) {
		for (v = f->variant ?: &no_variant; v; v = v->next) {
			for (t = f->tests; t; t = t->next) {
				snprintf(name, sizeof(name), "%s%s%s.%s",
					 f->name, v->name[0] ? "." : "",
					 v->name, t->name);
				if (!sva_selected(name, patterns))
					continue;
				count++;
				if (action == SVA_LIST)
					puts(name);
				if (action == SVA_RUN)
					sva_run_test(f, v, t);
			}
		}
	}
	return count;
}

/*
 * [-l] [[!]PATTERN...]: run the tests whose names match, all without a pattern,
 * but not those that match a pattern after !; -l lists the names instead.
 */
static inline int sva_main(int argc, char **argv)
{
	bool list = argc > 1 && !strcmp(argv[1], "-l");
	struct pci_sva_test_info info;
	char **patterns = argv + 1 + list;
	int fd;

	(void)test_harness_run;
	if (list) {
		sva_walk_tests(patterns, SVA_LIST);
		return KSFT_PASS;
	}

	/* So that what the test's process says comes between */
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();

	fd = sva_open(SVA_ANY, &info);
	if (fd < 0)
		ksft_exit_skip("no function that does SVA\n");
	close(fd);

	sva_results = mmap(NULL, sizeof(*sva_results), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sva_results == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	ksft_set_plan(sva_walk_tests(patterns, SVA_COUNT));
	sva_walk_tests(patterns, SVA_RUN);
	ksft_exit(!ksft_get_fail_cnt());
	return KSFT_FAIL;
}

/* What TEST_HARNESS_MAIN calls from here on */
#define test_harness_run(argc, argv) sva_main(argc, argv)

#endif /* SVA_HARNESS_H */
