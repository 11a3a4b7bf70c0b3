/* SPDX-License-Identifier: BSD-2-Clause */
/* The viewer: what is looked at, from when, and the screens that draw it. */
#ifndef VIEW_VIEW_H
#define VIEW_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include "model.h"

struct view;

/* One screen. draw() fills rows y .. y + rows - 1 of the terminal. */
struct screen {
	const char *name;
	void (*draw)(struct view *v, int y, int rows);
	/* Number of lines to scroll or select over at this moment, NULL = none. */
	size_t (*lines)(const struct view *v);
	const char *const *orders; /* names of the orders to sort by, NULL-terminated; NULL = none */
};

extern const struct screen screen_overview, screen_runq, screen_ledger, screen_runtime,
	screen_counters, screen_latency, screen_slow, screen_log;

#define NR_SCREENS 8

struct view {
	struct model model;
	int width;
	unsigned screen; /* index */
	/* Where in time: following the run, or at a moment. */
	bool follow, playing;
	double speed; /* of playing */
	uint64_t at_ns;
	/* The job that the other screens are about: the one that runs, or a chosen one. */
	size_t job;
	bool chosen;
	/* Per screen: selected line, first line shown, order. */
	size_t line[NR_SCREENS], top[NR_SCREENS];
	unsigned order[NR_SCREENS];
	bool open; /* Enter: the selected line in full */
	char filter[64];
	double own_share;	   /* CPU time of the viewer, share of one CPU; NAN = not known yet */
	double bytes_per_frame; /* NAN = not known */
	bool ended;		   /* the process watched is gone without having said so */
};

/* What is known of the job at the moment. */
struct frame {
	const struct job *job; /* NULL: no job has begun */
	const json_t *doc;     /* NULL: nothing measured yet */
	const json_t *latency; /* of the trial that goes on, a metric; NULL = not known */
	size_t nr_rows;
	const struct row *row; /* the last one, NULL = none */
};
struct frame view_frame(const struct view *v);
/* Does the text pass the filter? */
bool view_passes(const struct view *v, const char *text);
/* Keep the selected line visible: the first line to draw of nr over rows. */
size_t view_scroll(struct view *v, size_t nr, int rows);
/* Values of a column up to the moment, oldest first; malloc'ed, NULL when there is none. */
double *view_column(const struct frame *f, const char *name, size_t *ret_nr);
double view_now(const struct frame *f, const char *name); /* NAN = not known */
/* "reading %s" and the reason when there is nothing to show. Returns true when it drew that. */
bool view_nothing(const struct frame *f, int y, const char *what);

#endif
