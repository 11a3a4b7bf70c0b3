// SPDX-License-Identifier: BSD-2-Clause
#include "core/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/clock.h"
#include "core/live.h"

void progress_init(struct progress *p, bool quiet, unsigned nr_jobs)
{
	*p = (struct progress){ .quiet = quiet, .tty = isatty(STDERR_FILENO), .nr_jobs = nr_jobs };
}

void progress_run(struct progress *p, unsigned nr_jobs, uint64_t expected_ns)
{
	uint64_t seconds = (expected_ns + BENCH_NS_PER_SEC - 1) / BENCH_NS_PER_SEC;

	p->nr_jobs = nr_jobs;
	p->end_ns = bench_now_ns() + expected_ns;
	if (p->quiet || nr_jobs < 2 || live_shown(p->live))
		return;
	fprintf(stderr, "%u jobs, ", nr_jobs);
	if (seconds >= 60)
		fprintf(stderr, "%" PRIu64 " min ", seconds / 60);
	fprintf(stderr, "%" PRIu64 " s, beside setting up files\n", seconds % 60);
}

void progress_job(struct progress *p, unsigned job, const char *name)
{
	p->job = job;
	snprintf(p->name, sizeof(p->name), "%s", name);
	for (char *c = p->name; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	live_step(p->live, job, name, "");
	if (!p->quiet && !p->tty && !live_shown(p->live))
		fprintf(stderr, "[%u/%u] %s\n", p->job, p->nr_jobs, p->name);
}

void progress_step(struct progress *p, const char *fmt, ...)
{
	char step[64], left[32] = "";
	uint64_t now = bench_now_ns();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(step, sizeof(step), fmt, ap);
	va_end(ap);
	live_step(p->live, p->job, p->name, step);
	if (p->quiet || !p->tty || live_shown(p->live))
		return;
	if (p->end_ns > now)
		snprintf(left, sizeof(left), ", %llu s left",
			 (unsigned long long)((p->end_ns - now) / BENCH_NS_PER_SEC + 1));
	fprintf(stderr, "\r\033[K[%u/%u] %s: %s%s", p->job, p->nr_jobs, p->name, step, left);
	fflush(stderr);
	p->drawn = true;
}

void progress_clear(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}
