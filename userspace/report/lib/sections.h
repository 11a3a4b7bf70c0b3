/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the text report. */
#ifndef REPORT_LIB_SECTIONS_H
#define REPORT_LIB_SECTIONS_H

#include "report/lib/metrics.h"
#include "report/lib/text.h"

/* What and where: tool, host, runtime, audit. */
void section_head(struct text *t, const json_t *result);
/* One job: t->job, t->metrics and t->shown are set. */
void section_job(struct text *t);
/* Was its speed steady, and which rate keeps its target? */
void section_search(struct text *t);
/* What was demanded of the job, and what came of it. */
void section_thresholds(struct text *t);
/* What stands before the job of the other end, which is another host's. */
void section_peer(struct text *t, const json_t *peer);
/* Every distribution of the job as one table. */
void section_distributions(struct text *t);
/* Wall time by cause, who kept the workers off their CPUs, stacks, failed checks. */
void section_wall(struct text *t);
/* The longest single waits of a program's process tree. */
void section_worst(struct text *t);
/* Slow operations: causes over the tail, and the worst few. */
void section_slow(struct text *t);
/* Metrics of pairs of CPUs. */
void section_matrix(struct text *t);
/* Depth of the run queues. */
void section_runq(struct text *t);
/* Scheduler, interrupts, block I/O and so on. */
void section_kernel(struct text *t);
/* Where the samples are, and the command that shows them in perf. */
void section_profile(struct text *t);
/* perf's events, laid out as perf stat does. */
void section_counters(struct text *t);
/* A curve for each sweep: what stands for its jobs, over the values of its parameters. */
void section_sweeps(struct text *t, const json_t *result);
/* Jobs that ran in turns: the ratio of each to the first. */
void section_comparison(struct text *t, const json_t *result);
/* Jobs on both runtimes: the ratio, and what explains it. */
void section_runtimes(struct text *t, const json_t *result);
/* One line per job, then the warnings: what a person reads first. */
void section_summary(struct text *t, const json_t *result);

/* Colour of a job's or an audit line's status. */
enum text_color status_color(const char *status);
/* The number that stands for the job: what its module says, or ops, bytes or wall; NULL when none has
 * a value. */
const json_t *main_metric(const json_t *job);
/* The share of wall time that is largest ("blocked.disk 61.2 %"), "" when there is none. */
const char *top_cause(char buf[UNITS_MAX], const json_t *job);

#endif
