/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Trace events for a test: an instance of its own, read as text when all is over.
 */
#ifndef SVA_TRACE_H
#define SVA_TRACE_H

#include <ctype.h>

#include "sva_util.h"

struct sva_trace {
	char dir[64];
};

/* Whether there are trace events at all */
static inline bool sva_trace_open(struct sva_trace *trace)
{
	snprintf(trace->dir, sizeof(trace->dir),
		 "/sys/kernel/tracing/instances/sva_%d", getpid());
	return !mkdir(trace->dir, 0700);
}

static inline void sva_trace_close(struct sva_trace *trace)
{
	if (trace->dir[0])
		rmdir(trace->dir);
}

/* @event: SYSTEM/NAME; says whether the kernel has it */
static inline bool sva_trace_enable(struct sva_trace *trace, const char *event)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/events/%s/enable", trace->dir, event);
	return !sva_file_write(path, "1");
}

static inline FILE *sva_trace_read(struct sva_trace *trace)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/trace", trace->dir);
	return fopen(path, "re");
}

/* Who has caused the event: "   comm-PID   [cpu] ...", -1 if it is no event */
static inline pid_t sva_trace_pid(const char *line)
{
	const char *p = strstr(line, " [");

	if (*line == '#' || !p)
		return -1;
	while (p > line && p[-1] == ' ')
		p--;
	while (p > line && isdigit(p[-1]))
		p--;
	return atoi(p);
}

#endif /* SVA_TRACE_H */
