// SPDX-License-Identifier: BSD-2-Clause
#include "bench/units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* So many significant digits, without exponent from 0.001 on. */
static void digits(char *buf, size_t size, double value, int nr)
{
	double a = fabs(value), limit = 1;
	int decimals = nr - 1;

	if (a != 0 && a < 0.001) {
		snprintf(buf, size, "%.*g", nr, value);
		return;
	}
	if (a == trunc(a) && a < 1000) {
		snprintf(buf, size, "%.0f", value);
		return;
	}
	/* 9.996 is to become 10.0, not 10.00. */
	for (; decimals > 0 && a >= limit * 10 - limit * 5 * pow(10, -nr); decimals--)
		limit *= 10;
	/* 0.0996 has one more decimal than 0.996, but 0.9996 is 1.00. */
	for (; a < 1 && a * pow(10, decimals) < pow(10, nr - 1) - 0.5 && decimals < nr + 2;
	     decimals++)
		;
	snprintf(buf, size, "%.*f", decimals, value);
}

struct scale {
	double from, by; /* magnitudes >= from are divided by `by` */
	const char *unit;
};

/* A magnitude moves to the next unit when its three digits would be "1000". */
static const struct scale time_scale[] = {
	{ 999.5e6, 1e9, " s" },
	{ 999.5e3, 1e6, " ms" },
	{ 999.5, 1e3, " us" },
	{ 0, 1, " ns" },
};
static const struct scale rate_scale[] = {
	{ 999.5e9, 1e12, " T" }, { 999.5e6, 1e9, " G" }, { 999.5e3, 1e6, " M" },
	{ 999.5, 1e3, " k" },	 { 0, 1, "" },
};
static const struct scale byte_rate_scale[] = {
	{ 999.5e9, 1e12, " TB/s" }, { 999.5e6, 1e9, " GB/s" }, { 999.5e3, 1e6, " MB/s" },
	{ 999.5, 1e3, " kB/s" },    { 0, 1, " B/s" },
};
static const struct scale hertz_scale[] = {
	{ 999.5e6, 1e9, " GHz" },
	{ 999.5e3, 1e6, " MHz" },
	{ 999.5, 1e3, " kHz" },
	{ 0, 1, " Hz" },
};
static const struct scale byte_scale[] = {
	{ 1099511627776.0, 1099511627776.0, " TiB" },
	{ 1073741824, 1073741824, " GiB" },
	{ 1048576, 1048576, " MiB" },
	{ 1024, 1024, " KiB" },
	{ 0, 1, " B" },
};

static void scaled(char *buf, double value, const struct scale *scale, int nr)
{
	char number[32];

	while (fabs(value) < scale->from)
		scale++;
	digits(number, sizeof(number), value / scale->by, nr);
	snprintf(buf, UNITS_MAX, "%s%s", number, scale->unit);
}

const char *units_thousands(char buf[UNITS_MAX], double value, int decimals)
{
	char plain[UNITS_MAX];
	size_t len, point, out = 0;

	/* Far beyond any counter; also keeps the text within the buffer. */
	if (!isfinite(value) || fabs(value) >= 1e20) {
		snprintf(buf, UNITS_MAX, isfinite(value) ? "%.3g" : "-", value);
		return buf;
	}
	snprintf(plain, sizeof(plain), "%.*f", decimals, value);
	len = strlen(plain);
	point = strcspn(plain, ".");
	for (size_t i = 0; i < len && out < UNITS_MAX - 2; i++) {
		if (i && i < point && (point - i) % 3 == 0 && plain[i - 1] != '-')
			buf[out++] = ',';
		buf[out++] = plain[i];
	}
	buf[out] = '\0';
	return buf;
}

static void micro_sign(char *buf)
{
	char *us = strstr(buf, " us");

	if (us) /* U+00B5 takes two bytes */
		strcpy(us, " \xc2\xb5s");
}

static const char *format(char *buf, double value, const char *unit, bool utf8, int nr)
{
	char number[UNITS_MAX];

	if (!isfinite(value)) {
		snprintf(buf, UNITS_MAX, "-");
	} else if (!strcmp(unit, "ns")) {
		scaled(buf, value, time_scale, nr);
		if (utf8)
			micro_sign(buf);
	} else if (!strcmp(unit, "1/s")) {
		scaled(buf, value, rate_scale, nr);
		strcat(buf, "/s");
	} else if (!strcmp(unit, "B/s")) {
		scaled(buf, value, byte_rate_scale, nr);
	} else if (!strcmp(unit, "B")) {
		scaled(buf, value, byte_scale, nr);
	} else if (!strcmp(unit, "Hz")) {
		scaled(buf, value, hertz_scale, nr);
	} else if (!strcmp(unit, "share")) {
		units_share(buf, value);
	} else if (!*unit || !strcmp(unit, "count") || !strcmp(unit, "ratio")) {
		if (fabs(value) >= 1000)
			return units_thousands(buf, value, 0);
		digits(buf, UNITS_MAX, value, nr);
	} else {
		if (fabs(value) >= 1000)
			units_thousands(number, value, 0);
		else
			digits(number, sizeof(number), value, nr);
		snprintf(buf, UNITS_MAX, "%.28s %.16s", number, unit);
	}
	return buf;
}

const char *units_value(char buf[UNITS_MAX], double value, const char *unit, bool utf8)
{
	return format(buf, value, unit, utf8, 3);
}

const char *units_rough(char buf[UNITS_MAX], double value, const char *unit, bool utf8)
{
	return format(buf, value, unit, utf8, 2);
}

const char *units_share(char buf[UNITS_MAX], double value)
{
	double percent = value * 100;

	if (!isfinite(value) || fabs(percent) >= 1e9)
		snprintf(buf, UNITS_MAX, isfinite(value) ? "%.3g %%" : "-", percent);
	else if (percent != 0 && fabs(percent) < 0.01) /* of so little the sign tells nothing */
		snprintf(buf, UNITS_MAX, "<0.01 %%");
	else
		snprintf(buf, UNITS_MAX,
			 fabs(percent) < 0.995 && percent != 0 ? "%.2f %%" : "%.1f %%", percent);
	return buf;
}
