/* SPDX-License-Identifier: BSD-2-Clause */
/* A page of text: rows with a label and items that wrap at the width. Everything printed passes one
 * place that makes outside strings harmless to a terminal. */
#ifndef REPORT_LIB_TEXT_H
#define REPORT_LIB_TEXT_H

#include <stdbool.h>
#include <stdio.h>
#include "bench/reporter.h"
#include "bench/result.h"

#define TEXT_INDENT 16 /* column where the values of a row begin */
#define TEXT_TOP 10    /* items of a long list that are shown; the JSON has them all */

enum text_color { TEXT_PLAIN, TEXT_BOLD, TEXT_DIM, TEXT_RED, TEXT_GREEN, TEXT_YELLOW };

struct text {
	FILE *out;
	const struct bench_report_style *style;
	unsigned width, col;
	unsigned indent;       /* of continuation lines */
	bool begun;	       /* the line has an item: the next one needs a gap */
	const json_t *job;     /* the one being printed */
	const json_t *metrics; /* of job, NULL = none */
	bool *shown;	       /* per metric: printed already */
};

/* Columns that text takes when printed. */
unsigned text_len(const struct text *t, const char *text);
/* Print text at the current column; control characters become "\xNN". */
void text_put(struct text *t, enum text_color color, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Pad with spaces up to column col. */
void text_to(struct text *t, unsigned col);
/* Print text so that it ends before column end. */
void text_right(struct text *t, unsigned end, enum text_color color, const char *text);
/* End the line, if one was begun. */
void text_end(struct text *t);
void text_blank(struct text *t);
/* Start a row: "  label", values follow from TEXT_INDENT on. */
void text_row(struct text *t, const char *label);
/* One more item of the row, two spaces apart, on a new line when it does not fit. */
void text_item(struct text *t, enum text_color color, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Text broken at spaces. A comma or a colon put behind it still fits the line. */
void text_words(struct text *t, enum text_color color, const char *text);
/* A word for each charset: text_sign(t, "±", "+-"). */
const char *text_sign(const struct text *t, const char *utf8, const char *ascii);
/* A bar of share (0..1) of the rest of the line, or of `most` columns where there is more room. */
void text_bar(struct text *t, double share, unsigned most);
/* A separating line with a title at its left and one at its right end. */
void text_rule(struct text *t, const char *left, enum text_color color, const char *right);

/* "0-3,8", malloc'ed; -1 is "unbound". NULL when cpus is not an array of integers. */
char *text_cpus(const json_t *cpus);
/* Items "key=value" for at most *left scalars of an object, members of objects as "key.member";
 * with numbers, texts longer than a word or two are left out. */
void text_members(struct text *t, const json_t *object, const char *prefix, bool numbers,
		  unsigned *left);

#endif
