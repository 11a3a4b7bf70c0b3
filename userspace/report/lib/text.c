// SPDX-License-Identifier: BSD-2-Clause
#include "report/lib/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench/units.h"

static const char *const sgr[] = {
	[TEXT_BOLD] = "\033[1m",   [TEXT_DIM] = "\033[2m",     [TEXT_RED] = "\033[1;31m",
	[TEXT_GREEN] = "\033[32m", [TEXT_YELLOW] = "\033[33m",
};

/* One code point of valid UTF-8, or a lone byte as it is. Returns its length. */
static unsigned decode(const char *text, uint32_t *ret_point)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 1;
	uint32_t point = len == 1 ? s[0] : s[0] & (0x7f >> len);

	for (unsigned i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			*ret_point = 0x80; /* printed as a control character */
			return 1;
		}
		point = point << 6 | (s[i] & 0x3f);
	}
	*ret_point = len == 1 && point >= 0x80 ? 0x80 : point;
	return len;
}

/* Invisible or direction-changing: they could make a line look like another one. */
static bool deceptive(uint32_t c)
{
	return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0xad;
}

/* Print one character of text, or only measure when out is NULL. */
static unsigned emit_char(const struct text *t, FILE *out, const char *text, unsigned *ret_bytes)
{
	char escaped[16];
	uint32_t c;

	*ret_bytes = decode(text, &c);
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		snprintf(escaped, sizeof(escaped), "\\x%02x",
			 *ret_bytes == 1 ? (unsigned char)*text : c);
	else if (deceptive(c))
		snprintf(escaped, sizeof(escaped), "\\u%04x", c);
	else if (c >= 0x80 && !t->style->utf8)
		snprintf(escaped, sizeof(escaped), "?");
	else {
		if (out)
			fwrite(text, 1, *ret_bytes, out);
		return 1;
	}
	if (out)
		fputs(escaped, out);
	return (unsigned)strlen(escaped);
}

static unsigned emit(const struct text *t, FILE *out, const char *text)
{
	unsigned cols = 0, bytes;

	for (; *text; text += bytes)
		cols += emit_char(t, out, text, &bytes);
	return cols;
}

unsigned text_len(const struct text *t, const char *text)
{
	return emit(t, NULL, text);
}

static void put(struct text *t, enum text_color color, const char *text)
{
	bool colored = t->style->color && color != TEXT_PLAIN;

	if (colored)
		fputs(sgr[color], t->out);
	t->col += emit(t, t->out, text);
	if (colored)
		fputs("\033[0m", t->out);
}

void text_put(struct text *t, enum text_color color, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0) {
		put(t, color, text);
		free(text);
	}
	va_end(ap);
}

void text_to(struct text *t, unsigned col)
{
	for (; t->col < col; t->col++)
		fputc(' ', t->out);
}

void text_right(struct text *t, unsigned end, enum text_color color, const char *text)
{
	unsigned len = text_len(t, text);

	text_to(t, end > len ? end - len : 0);
	text_put(t, color, "%s", text);
}

void text_end(struct text *t)
{
	if (t->col)
		fputc('\n', t->out);
	t->col = 0;
	t->begun = false;
}

void text_blank(struct text *t)
{
	text_end(t);
	fputc('\n', t->out);
}

void text_row(struct text *t, const char *label)
{
	text_end(t);
	text_to(t, 2);
	put(t, TEXT_DIM, label);
	t->indent = TEXT_INDENT;
	if (t->col >= t->indent)
		text_put(t, TEXT_PLAIN, " ");
	text_to(t, t->indent);
}

static void next_line(struct text *t)
{
	text_end(t);
	text_to(t, t->indent);
}

/* A word longer than a whole line is broken where the line ends. One column stays free for the
 * punctuation that may follow the word. */
static void put_word(struct text *t, enum text_color color, const char *word)
{
	char one[8];
	unsigned bytes;

	if (t->indent + text_len(t, word) < t->width) {
		put(t, color, word);
		return;
	}
	for (; *word; word += bytes) {
		unsigned cols = emit_char(t, NULL, word, &bytes);

		if (t->col + cols >= t->width)
			next_line(t);
		memcpy(one, word, bytes);
		one[bytes] = '\0';
		put(t, color, one);
	}
}

void text_words(struct text *t, enum text_color color, const char *text)
{
	char *copy = strdup(text), *rest = copy, *word;

	while (copy && (word = strsep(&rest, " "))) {
		if (!*word)
			continue;
		if (t->begun) {
			if (t->col + 1 + text_len(t, word) >= t->width)
				next_line(t);
			else
				put(t, TEXT_PLAIN, " ");
		}
		put_word(t, color, word);
		t->begun = true;
	}
	free(copy);
}

void text_item(struct text *t, enum text_color color, const char *fmt, ...)
{
	char *text;
	unsigned len;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text)
		return;
	len = text_len(t, text);
	if (t->begun) {
		if (t->col + 2 + len > t->width)
			next_line(t);
		else
			put(t, TEXT_PLAIN, "  ");
	}
	t->begun = false;
	if (t->col + len <= t->width)
		put(t, color, text);
	else
		text_words(t, color, text);
	t->begun = true;
	free(text);
}

const char *text_sign(const struct text *t, const char *utf8, const char *ascii)
{
	return t->style->utf8 ? utf8 : ascii;
}

void text_bar(struct text *t, double share, unsigned most)
{
	static const char *const eighths[] = { "",
					       "\xe2\x96\x8f",
					       "\xe2\x96\x8e",
					       "\xe2\x96\x8d",
					       "\xe2\x96\x8c",
					       "\xe2\x96\x8b",
					       "\xe2\x96\x8a",
					       "\xe2\x96\x89" };
	unsigned room = t->width > t->col ? t->width - t->col : 0, width = room < most ? room : most, parts;

	/* A share above 1 or below 0 is an error of the document. */
	parts = (unsigned)lround(fmin(fmax(share, 0), 1) * width * 8);
	for (unsigned i = 0; i < parts / 8; i++)
		text_put(t, TEXT_PLAIN, "%s", text_sign(t, "\xe2\x96\x88", "#"));
	if (t->style->utf8)
		text_put(t, TEXT_PLAIN, "%s", eighths[parts % 8]);
	else if (parts % 8 >= 4)
		text_put(t, TEXT_PLAIN, "#");
}

void text_rule(struct text *t, const char *left, enum text_color color, const char *right)
{
	const char *dash = text_sign(t, "\xe2\x94\x80", "-");
	unsigned tail = *right ? text_len(t, right) + 4 : 0;

	text_end(t);
	text_put(t, TEXT_DIM, "%s%s ", dash, dash);
	t->indent = t->col;
	text_words(t, TEXT_BOLD, left);
	if (t->col + 1 + tail > t->width) {
		text_end(t);
		text_to(t, t->indent);
		text_words(t, color, right);
		text_end(t);
		return;
	}
	text_put(t, TEXT_PLAIN, " ");
	while (t->col + tail < t->width)
		put(t, TEXT_DIM, dash);
	if (*right) {
		text_put(t, color, " %s ", right);
		text_put(t, TEXT_DIM, "%s%s", dash, dash);
	}
	text_end(t);
}

static void cpus_add(FILE *out, json_int_t first, json_int_t last)
{
	if (ftell(out) > 0)
		fputc(',', out);
	if (first < 0)
		fputs("unbound", out);
	else if (first == last)
		fprintf(out, "%lld", (long long)first);
	else
		fprintf(out, "%lld%c%lld", (long long)first, last == first + 1 ? ',' : '-',
			(long long)last);
}

char *text_cpus(const json_t *cpus)
{
	json_int_t first = 0, last = -2;
	const json_t *cpu;
	char *text = NULL;
	size_t i, size;
	FILE *out;

	if (!json_array_size(cpus))
		return NULL;
	json_array_foreach (cpus, i, cpu)
		if (!json_is_integer(cpu))
			return NULL;
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	json_array_foreach (cpus, i, cpu) {
		json_int_t n = json_integer_value(cpu);

		if (i && first >= 0 && n - 1 == last) {
			last = n;
			continue;
		}
		if (i)
			cpus_add(out, first, last);
		first = last = n;
	}
	cpus_add(out, first, last);
	fclose(out);
	return text;
}

/* Names of the document end with the unit where it is a time or a size. */
static bool unit_item(struct text *t, const char *key, double value)
{
	static const char *const units[][2] = { { "_ns", "ns" }, { "_bytes", "B" } };
	size_t len = strlen(key);
	char text[UNITS_MAX];

	if (!strcmp(key, "share")) {
		text_item(t, TEXT_PLAIN, "share=%s", units_share(text, value));
		return true;
	}
	for (unsigned i = 0; i < 2; i++) {
		size_t end = strlen(units[i][0]);

		if (len <= end || strcmp(key + len - end, units[i][0]))
			continue;
		text_item(t, TEXT_PLAIN, "%.*s=%s", (int)(len - end), key,
			  units_value(text, value, units[i][1], t->style->utf8));
		return true;
	}
	return false;
}

/* "key=a b c": a command, a list of numbers; at most so much of it as a line takes. */
static void array_item(struct text *t, const char *key, const json_t *array)
{
	char text[80] = "";
	size_t len = 0, i;
	const json_t *one;

	json_array_foreach (array, i, one) {
		const char *word = json_string_value(one);
		char number[32];

		if (json_is_number(one)) {
			snprintf(number, sizeof(number), "%.6g", json_number_value(one));
			word = number;
		}
		if (!word) {
			text_item(t, TEXT_PLAIN, "%s: %zu", key, json_array_size(array));
			return;
		}
		len += snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "", word);
		if (len >= sizeof(text)) {
			text_item(t, TEXT_PLAIN, "%s=%.*s...", key, 72, text);
			return;
		}
	}
	text_item(t, TEXT_PLAIN, "%s=%s", key, text);
}

static void scalar_item(struct text *t, const char *key, const json_t *value)
{
	if (json_is_number(value) && unit_item(t, key, json_number_value(value)))
		return;
	if (json_is_string(value))
		text_item(t, TEXT_PLAIN, "%s=%s", key, json_string_value(value));
	else if (json_is_integer(value))
		text_item(t, TEXT_PLAIN, "%s=%lld", key, (long long)json_integer_value(value));
	else if (json_is_real(value))
		text_item(t, TEXT_PLAIN, "%s=%.6g", key, json_real_value(value));
	else if (json_is_boolean(value))
		text_item(t, TEXT_PLAIN, "%s=%s", key, json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		array_item(t, key, value);
}

void text_members(struct text *t, const json_t *object, const char *prefix, bool numbers,
		  unsigned *left)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value) {
		char name[128];

		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key);
		if (json_is_null(value))
			continue;
		/* An explanation belongs to the JSON, what was asked for to the report. */
		if (!*left || (numbers && json_string_length(value) > 24))
			continue;
		/* Bounded by the length of the name, not by the depth of the document. */
		if (json_is_object(value) && strlen(name) < 64) {
			text_members(t, value, name, numbers, left);
			continue;
		}
		--*left;
		scalar_item(t, name, value);
	}
}
