/* SPDX-License-Identifier: BSD-2-Clause */
/* Drawing on the terminal: text that is clipped and harmless, bars, lines over time, graphs. All
 * positions are row and column of the screen; nothing is drawn outside of the given width. */
#ifndef VIEW_DRAW_H
#define VIEW_DRAW_H

#include <stdbool.h>
#include <stddef.h>

/* Colours say nothing that is not also written. */
enum color { PLAIN, BOLD, DIM, GOOD, BAD, WARN, ACCENT, BAR, NR_COLORS };

/* Set up after the screen exists. color false: attributes only. */
void draw_init(bool color);
bool draw_utf8(void); /* does the locale have block and braille characters? */

/* Print at most width columns; control characters become '?'. Returns the columns taken. */
int draw(int y, int x, int width, enum color color, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* The same with its end at column x + width - 1. */
void draw_right(int y, int x, int width, enum color color, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* Columns that text takes. */
int draw_len(const char *text);
/* A line of width from y, x with a title in it. */
void draw_rule(int y, int x, int width, const char *title);
/* Text broken at spaces over at most rows lines; returns the lines taken. */
int draw_words(int y, int x, int width, int rows, enum color color, const char *text);

/* A share 0..1 of width. */
void draw_bar(int y, int x, int width, enum color color, double share);
/* One character a value, newest at the right; NAN is a gap. max: what the full block stands for. */
void draw_spark(int y, int x, int width, enum color color, const double *values, size_t nr,
		double max);
/* The same as a shade for each value: for many lines one below the other. */
void draw_heat(int y, int x, int width, enum color color, const double *values, size_t nr,
	       double max);
/* A filled graph of rows x width characters: braille dots, two values a column, else '#'. */
void draw_graph(int y, int x, int rows, int width, enum color color, const double *values,
		size_t nr, double max);

/* A stacked bar: parts in turn, each filled with its letter. */
struct part {
	double share; /* of the whole */
	char letter;
	enum color color;
};
void draw_stack(int y, int x, int width, const struct part *parts, size_t nr);

#endif
