// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "core/sweep_shape.h"

#define NR(a) (sizeof(a) / sizeof((a)[0]))

/* Latency by size as a processor with 48 KiB, 1 MiB and 32 MiB has it: each cache holds all or, a
 * little above its size, part of the buffer. */
static double cached(double size)
{
	static const double sizes[] = { 48 << 10, 1 << 20, 32 << 20 }, ns[] = { 1, 3.5, 12, 110 };
	double sum = ns[0];

	for (unsigned i = 0; i < NR(sizes); i++)
		if (size > sizes[i])
			sum += (ns[i + 1] - ns[i]) * (1 - sizes[i] / size * sizes[i] / size);
	return sum;
}

static unsigned curve(struct shape_point *points, double noise)
{
	unsigned nr = 0;

	for (double size = 16 << 10; size < 600 << 20; size *= sqrt(sqrt(2)), nr++) {
		points[nr].x = size;
		/* The same on each run: up, down, nothing. */
		points[nr].y = cached(size) * (1 + noise * ((int)(nr * 7 % 3) - 1));
	}
	return nr;
}

static void knees_are_at_the_sizes_of_the_caches(void **state)
{
	static const double sizes[] = { 48 << 10, 1 << 20, 32 << 20 };
	struct shape_knee knees[SHAPE_KNEES];
	struct shape_point points[100];

	(void)state;
	for (double noise = 0; noise < 0.04; noise += 0.03) {
		unsigned nr = curve(points, noise), leaves = 0;
		unsigned nr_knees = shape_knees(points, nr, knees);

		for (unsigned i = 0; i < nr_knees; i++) {
			if (knees[i].kind != SHAPE_LEAVES)
				continue;
			assert_true(leaves < NR(sizes));
			assert_int_equal(knees[i].high, knees[i].low + 1);
			/* Within the factor that is asked for. */
			assert_true(points[knees[i].low].x < sizes[leaves] * 1.5);
			assert_true(points[knees[i].high].x > sizes[leaves] / 1.5);
			leaves++;
		}
		assert_int_equal(leaves, NR(sizes));
		assert_int_equal(knees[nr_knees - 1].kind, SHAPE_SETTLES);
		assert_true(fabs(knees[0].level - 1) < 0.05);
	}
}

/* Noise below the width of a level makes no knee, a slope has none, few points have no shape. */
static void no_knee_where_there_is_none(void **state)
{
	struct shape_knee knees[SHAPE_KNEES];
	struct shape_point flat[20], slope[20];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		flat[i] = (struct shape_point){ i, 100 + (i * 7 % 5) * 2 };
		slope[i] = (struct shape_point){ i, pow(1.3, i) };
	}
	assert_int_equal(shape_knees(flat, 20, knees), 0);
	assert_int_equal(shape_knees(slope, 20, knees), 0);
	flat[2].y = 500;
	assert_int_equal(shape_knees(flat, 3, knees), 0);
}

/* A device that takes no more from depth 8 on. */
static void a_rate_settles_where_it_is_full(void **state)
{
	static const struct shape_point points[] = { { 1, 100 },  { 2, 195 },  { 4, 370 }, { 8, 600 },
						     { 16, 615 }, { 32, 610 } };
	struct shape_knee knees[SHAPE_KNEES];

	(void)state;
	assert_int_equal(shape_knees(points, NR(points), knees), 1);
	assert_int_equal(knees[0].kind, SHAPE_SETTLES);
	assert_int_equal(knees[0].low, 2);
	assert_int_equal(knees[0].high, 3);
	assert_true(knees[0].level == 610);
}

static void loaded_latency_doubles(void **state)
{
	static const struct shape_point points[] = { { 0, 90 },	  { 5, 95 },   { 10, 105 },
						     { 15, 140 }, { 18, 200 }, { 19, 400 } };
	struct shape_knee knee;

	(void)state;
	assert_true(shape_doubles(points, NR(points), &knee));
	assert_int_equal(knee.high, 4);
	assert_int_equal(knee.low, 3);
	assert_true(knee.level == 90);
	assert_false(shape_doubles(points, 4, &knee));
	assert_true(fabs(shape_at(points, NR(points), 7.5) - 100) < 1e-9);
	assert_true(shape_at(points, NR(points), 19) == 400);
	assert_true(isnan(shape_at(points, NR(points), 20)));
}

static void many_levels_stay_within_their_room(void **state)
{
	struct shape_knee knees[SHAPE_KNEES];
	struct shape_point points[60];

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		points[i] = (struct shape_point){ i, i / 2 % 2 ? 2 : 1 };
	assert_int_equal(shape_knees(points, 60, knees), SHAPE_KNEES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knees_are_at_the_sizes_of_the_caches),
		cmocka_unit_test(no_knee_where_there_is_none),
		cmocka_unit_test(a_rate_settles_where_it_is_full),
		cmocka_unit_test(loaded_latency_doubles),
		cmocka_unit_test(many_levels_stay_within_their_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
