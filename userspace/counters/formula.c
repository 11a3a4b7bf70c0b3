// SPDX-License-Identifier: BSD-2-Clause
#include "counters/formula.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	const char *at;
	bool bad;
	double (*lookup)(const char *name, size_t len, void *ctx);
	void *ctx;
};

static double sum(struct parser *p);

static bool take(struct parser *p, char c)
{
	while (*p->at == ' ')
		p->at++;
	if (*p->at != c)
		return false;
	p->at++;
	return true;
}

static void want(struct parser *p, char c)
{
	if (!take(p, c))
		p->bad = true;
}

static double name(struct parser *p)
{
	const char *start = p->at;
	double a, b;

	while (isalnum((unsigned char)*p->at) || *p->at == '_')
		p->at++;
	if (p->at - start != 3 || strncmp(start, "max", 3) != 0 || *p->at != '(')
		return p->lookup(start, (size_t)(p->at - start), p->ctx);
	want(p, '(');
	a = sum(p);
	want(p, ',');
	b = sum(p);
	want(p, ')');
	/* fmax() would hide a part that is missing. */
	return isnan(a) || isnan(b) ? NAN : fmax(a, b);
}

static double factor(struct parser *p)
{
	double value;
	char *end;

	if (take(p, '(')) {
		value = sum(p);
		want(p, ')');
		return value;
	}
	if (isalpha((unsigned char)*p->at) || *p->at == '_')
		return name(p);
	if (!isdigit((unsigned char)*p->at)) {
		p->bad = true;
		return NAN;
	}
	value = strtod(p->at, &end);
	p->at = end;
	return value;
}

static double product(struct parser *p)
{
	double value = factor(p);

	while (!p->bad) {
		if (take(p, '*')) {
			value *= factor(p);
		} else if (take(p, '/')) {
			double below = factor(p);

			value = below > 0 || below < 0 ? value / below : NAN;
		} else {
			break;
		}
	}
	return value;
}

static double sum(struct parser *p)
{
	double value = product(p);

	while (!p->bad) {
		if (take(p, '+'))
			value += product(p);
		else if (take(p, '-'))
			value -= product(p);
		else
			break;
	}
	return value;
}

double formula_eval(const char *text, double (*lookup)(const char *name, size_t len, void *ctx),
		    void *ctx)
{
	struct parser p = { .at = text, .lookup = lookup, .ctx = ctx };
	double value = sum(&p);

	while (*p.at == ' ')
		p.at++;
	return p.bad || *p.at ? NAN : value;
}
