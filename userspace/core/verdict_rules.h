/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules, apart from how they are applied. */
#ifndef CORE_VERDICT_RULES_H
#define CORE_VERDICT_RULES_H

#define VERDICT_NEEDS 4

enum verdict_kind {
	VERDICT_LIMIT,	     /* what the job spends its time on */
	VERDICT_DISTURBANCE, /* what kept it from doing so: the numbers are not this job's alone */
	VERDICT_NOTE,	     /* worth knowing, where there is room for it */
	VERDICT_KINDS,
};

enum verdict_reading {
	READ_VALUE,  /* the metric's value */
	READ_P50,    /* the median of its distribution */
	READ_PER_OP, /* a count per trial, for each operation of the job */
	READ_SHARE,  /* its part of the sum of all metrics of that name */
	READ_MOST,   /* the largest one of those that match */
};

enum verdict_condition { IS_THERE, AT_LEAST, AT_MOST };

/* One piece of evidence. `value` may name several label values joined by "+", whose metrics are
 * added, "*" = all of that name added; NULL = the largest metric that has the label. Key "class" is
 * no label: it sorts the rows of sched.blame into "other" and "own" tasks (of this job), "irq"
 * (interrupts of both kinds), "idle" and "host". */
struct verdict_need {
	const char *metric, *key, *value;
	enum verdict_reading reading;
	enum verdict_condition condition;
	double bound;
	unsigned of; /* the bound is this share of need number `of` (from 1); 0 = it is a number */
};

/* The first need weighs the rule: it is a share. In the claim "{N}" is the value of need N (from
 * 0) with its unit, "{N.who}" the labels of the metric found. */
struct verdict_rule {
	const char *name;
	enum verdict_kind kind;
	const char *claim;
	struct verdict_need needs[VERDICT_NEEDS];
};

extern const struct verdict_rule verdict_rules[]; /* ends with name NULL */

#endif
