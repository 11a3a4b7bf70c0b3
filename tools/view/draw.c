// SPDX-License-Identifier: BSD-2-Clause
#include "draw.h"

#include <langinfo.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#define NCURSES_WIDECHAR 1
#include <ncurses.h>

static attr_t attributes[NR_COLORS];
static bool utf8;

/* Foregrounds that can be read on white and on black; the background stays the terminal's. */
void draw_init(bool color)
{
	static const short colors[NR_COLORS] = { [GOOD] = COLOR_GREEN, [BAD] = COLOR_RED,
						 [WARN] = COLOR_MAGENTA, [ACCENT] = COLOR_CYAN };
	static const attr_t plain[NR_COLORS] = { [BOLD] = A_BOLD,   [DIM] = A_DIM,
						 [BAD] = A_BOLD,    [WARN] = A_BOLD,
						 [ACCENT] = A_BOLD, [BAR] = A_REVERSE };

	utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	for (short i = 0; i < NR_COLORS; i++)
		attributes[i] = plain[i];
	if (!color || !has_colors())
		return;
	start_color();
	use_default_colors();
	for (short i = 0; i < NR_COLORS; i++) {
		if (!colors[i] || init_pair(i, colors[i], -1) == ERR)
			continue;
		attributes[i] = COLOR_PAIR(i) | (i == BAD || i == WARN ? A_BOLD : 0);
	}
}

bool draw_utf8(void)
{
	return utf8;
}

/* One character of what came from outside, at most width columns; its columns, or -1. */
static int put_char(wchar_t c, int width)
{
	wchar_t text[2] = { c, 0 };
	int columns;

	if (!iswprint((wint_t)c) || (!utf8 && c > 0x7e))
		text[0] = L'?';
	columns = wcwidth(text[0]);
	if (columns < 0 || columns > width)
		return -1;
	addwstr(text);
	return columns;
}

static int put_text(int y, int x, int width, enum color color, const char *text)
{
	mbstate_t state = { 0 };
	int taken = 0;

	if (y < 0 || y >= LINES || x < 0 || x >= COLS)
		return 0;
	width = width < COLS - x ? width : COLS - x;
	attrset(attributes[color]);
	move(y, x);
	while (*text && taken < width) {
		wchar_t c;
		size_t len = mbrtowc(&c, text, MB_CUR_MAX, &state);
		int columns;

		if (len == 0 || len > MB_CUR_MAX) {
			c = L'?';
			len = 1;
			memset(&state, 0, sizeof(state));
		}
		columns = put_char(c, width - taken);
		if (columns < 0)
			break;
		taken += columns;
		text += len;
	}
	attrset(A_NORMAL);
	return taken;
}

int draw_len(const char *text)
{
	size_t size = strlen(text) + 1;
	wchar_t *wide = calloc(size, sizeof(*wide));
	int len = (int)size - 1;

	if (wide && mbstowcs(wide, text, size) != (size_t)-1) {
		len = 0;
		for (wchar_t *c = wide; *c; c++) {
			int columns = wcwidth(*c);

			len += columns < 0 || (!utf8 && *c > 0x7e) ? 1 : columns;
		}
	}
	free(wide);
	return len;
}

int draw(int y, int x, int width, enum color color, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return put_text(y, x, width, color, text);
}

void draw_right(int y, int x, int width, enum color color, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int len;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	len = draw_len(text);
	put_text(y, x + (len < width ? width - len : 0), width, color, text);
}

void draw_rule(int y, int x, int width, const char *title)
{
	int taken = draw(y, x, width, DIM, utf8 ? "── " : "-- ");

	taken += draw(y, x + taken, width - taken, BOLD, "%s ", title);
	while (taken < width && draw(y, x + taken, width - taken, DIM, utf8 ? "─" : "-"))
		taken++;
}

int draw_words(int y, int x, int width, int rows, enum color color, const char *text)
{
	int row = 0, at = 0;

	while (*text && row < rows) {
		char word[256];
		size_t len = strcspn(text, " "), kept;
		int columns;

		kept = len < sizeof(word) - 1 ? len : sizeof(word) - 1;
		memcpy(word, text, kept);
		word[kept] = 0;
		columns = draw_len(word);
		if (at && at + 1 + columns > width) {
			row++;
			at = 0;
		}
		if (row == rows)
			break;
		at += at ? 1 : 0;
		at += put_text(y + row, x + at, width - at, color, word);
		text += len;
		text += strspn(text, " ");
	}
	return row + (at > 0);
}

/* --- bars and lines --- */

void draw_bar(int y, int x, int width, enum color color, double share)
{
	static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	double filled = (share > 1 ? 1 : share) * width;
	int whole = (int)filled;

	if (!(share > 0) || width < 1)
		return;
	for (int i = 0; i < whole; i++)
		put_text(y, x + i, 1, color, utf8 ? "█" : "=");
	if (whole < width && utf8)
		put_text(y, x + whole, 1, color, eighths[(int)((filled - whole) * 8)]);
	else if (!whole)
		put_text(y, x, 1, color, "-");
}

/* The values that fit: the newest at the right end. first: the column of the first. */
static const double *newest(const double *values, size_t *nr, int width, int *first)
{
	size_t room = width > 0 ? (size_t)width : 0;

	if (*nr > room) {
		values += *nr - room;
		*nr = room;
	}
	*first = width - (int)*nr;
	return values;
}

static void draw_levels(int y, int x, int width, enum color color, const double *values, size_t nr,
			double max, const char *const *signs, int nr_signs)
{
	int first;

	values = newest(values, &nr, width, &first);
	for (size_t i = 0; i < nr; i++) {
		double share = max > 0 ? values[i] / max : 0;
		int level = (int)ceil(share * (nr_signs - 1));

		if (!isfinite(values[i]))
			continue;
		level = level < 0 ? 0 : level >= nr_signs ? nr_signs - 1 : level;
		put_text(y, x + first + (int)i, 1, color, signs[level]);
	}
}

void draw_spark(int y, int x, int width, enum color color, const double *values, size_t nr,
		double max)
{
	static const char *const blocks[] = { "▁", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const digits[] = { "_", ".", ":", "-", "=", "+", "*", "%", "#" };

	draw_levels(y, x, width, color, values, nr, max, utf8 ? blocks : digits, 9);
}

void draw_heat(int y, int x, int width, enum color color, const double *values, size_t nr,
	       double max)
{
	static const char *const shades[] = { "·", "░", "▒", "▓", "█" };
	static const char *const ascii[] = { ".", ":", "+", "%", "#" };

	draw_levels(y, x, width, color, values, nr, max, utf8 ? shades : ascii, 5);
}

/* Braille: dots of the left and the right column from the lowest up (Unicode 15, 2800-28FF). */
static void put_braille(int y, int x, enum color color, int left, int right)
{
	static const int dots[2][4] = { { 0x40, 0x04, 0x02, 0x01 }, { 0x80, 0x20, 0x10, 0x08 } };
	wchar_t text[2] = { 0x2800, 0 };

	for (int i = 0; i < left; i++)
		text[0] += dots[0][i];
	for (int i = 0; i < right; i++)
		text[0] += dots[1][i];
	if (text[0] == 0x2800)
		return;
	attrset(attributes[color]);
	mvaddwstr(y, x, text);
	attrset(A_NORMAL);
}

static int dots_at(double value, double max, int rows, int row, int each)
{
	double total, filled;

	if (!isfinite(value) || !(max > 0))
		return 0;
	total = value / max * rows * each;
	/* What is there at all has a dot. */
	if (value > 0 && total < 1)
		total = 1;
	filled = total - (double)(rows - 1 - row) * each;
	return filled < 0 ? 0 : filled > each ? each : (int)(filled + 0.5);
}

void draw_graph(int y, int x, int rows, int width, enum color color, const double *values,
		size_t nr, double max)
{
	int each = utf8 ? 2 : 1, first;

	values = newest(values, &nr, width * each, &first);
	for (int row = 0; row < rows; row++)
		for (int column = 0; column < width; column++) {
			int left = column * each - first, right = left + each - 1;
			double a = left >= 0 ? values[left] : NAN;
			double b = right >= 0 ? values[right] : NAN;

			if (y + row >= LINES || x + column >= COLS)
				continue;
			if (utf8)
				put_braille(y + row, x + column, color,
					    dots_at(a, max, rows, row, 4),
					    dots_at(b, max, rows, row, 4));
			else if (dots_at(b, max, rows, row, 2))
				put_text(y + row, x + column, 1, color,
					 dots_at(b, max, rows, row, 2) > 1 ? "#" : ".");
		}
}

void draw_stack(int y, int x, int width, const struct part *parts, size_t nr)
{
	double sum = 0;
	int column = 0;

	for (size_t i = 0; i < nr; i++) {
		char letter[2] = { parts[i].letter, 0 };
		int end;

		sum += parts[i].share > 0 ? parts[i].share : 0;
		end = (int)(sum * width + 0.5);
		for (; column < end && column < width; column++)
			put_text(y, x + column, 1, parts[i].color, letter);
	}
}
