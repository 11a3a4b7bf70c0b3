// SPDX-License-Identifier: BSD-2-Clause
/* A file of samples that is written and read back: what comes out, in which order, with which names. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/kallsyms.h"
#include "profile/fold.h"
#include "profile/perfdata.h"
#include "profile/samples.h"

#define MAX_SEEN 64

struct seen {
	struct sample samples[MAX_SEEN];
	char comms[MAX_SEEN][32];
	char names[MAX_SEEN][64], dsos[MAX_SEEN][64];
	unsigned nr;
	uint64_t lost;
};

static const struct perf_event_attr attr = {
	.type = PERF_TYPE_SOFTWARE,
	.size = sizeof(attr),
	.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID |
		       PERF_SAMPLE_TIME | PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD |
		       PERF_SAMPLE_CALLCHAIN,
	.sample_id_all = 1,
};

static int open_file(void)
{
	int fd = open("/tmp", O_RDWR | O_TMPFILE, 0600);

	assert_true(fd >= 0);
	return fd;
}

static struct perfdata *begin(int fd)
{
	struct bench_err err = { 0 };
	struct perfdata *file;

	assert_int_equal(perfdata_new(&file, fd, &attr, "cpu-clock", &err), 0);
	return file;
}

static void put(struct perfdata *file, enum profile_event event, uint32_t tid, uint64_t time_ns,
		uint64_t period, uint64_t user)
{
	const struct perfdata_sample s = { .event = event,
					   .pid = tid,
					   .tid = tid,
					   .time_ns = time_ns,
					   .period = period,
					   .user = &user,
					   .nr_user = user != 0 };

	perfdata_sample(file, &s);
}

static void see(const struct sample *s, struct symbols *symbols, void *ctx)
{
	struct symbol_frame frame;
	struct seen *seen = ctx;

	assert_true(seen->nr < MAX_SEEN);
	symbols_resolve_one(symbols, (pid_t)s->pid, s->ip, s->kernel, false, &frame);
	seen->samples[seen->nr] = *s;
	snprintf(seen->comms[seen->nr], sizeof(seen->comms[0]), "%s", s->comm);
	snprintf(seen->names[seen->nr], sizeof(seen->names[0]), "%s", frame.name ? frame.name : "?");
	snprintf(seen->dsos[seen->nr], sizeof(seen->dsos[0]), "%s", frame.dso);
	seen->nr++;
}

static void see_lost(enum profile_event event, uint64_t nr, void *ctx)
{
	(void)event;
	((struct seen *)ctx)->lost += nr;
}

static void read_back(int fd, struct seen *seen)
{
	const struct samples_visitor visitor = { see, see_lost, seen };
	struct symbols *symbols = symbols_new();
	struct bench_err err = { 0 };

	assert_non_null(symbols);
	if (samples_read(fd, symbols, &visitor, &err))
		fail_msg("%s", err.msg);
	symbols_free(symbols);
}

static void samples_come_in_the_order_of_time(void **state)
{
	struct bench_err err = { 0 };
	struct seen seen = { 0 };
	int fd = open_file();
	struct perfdata *file = begin(fd);

	(void)state;
	perfdata_comm(file, 7, 7, "seven", 1);
	/* Two CPUs, one after the other, in each round. */
	put(file, PROFILE_CPU, 7, 100, 1, 0x10);
	put(file, PROFILE_CPU, 7, 300, 3, 0x10);
	put(file, PROFILE_OFFCPU, 7, 200, 2, 0);
	perfdata_round(file);
	put(file, PROFILE_CPU, 7, 500, 5, 0x10);
	put(file, PROFILE_RUNQ, 7, 400, 4, 0);
	perfdata_round(file);
	perfdata_lost(file, PROFILE_CPU, 9, 501);
	assert_int_equal(perfdata_flush(file, &err), 0);
	read_back(fd, &seen);
	assert_int_equal(seen.nr, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(seen.samples[i].time_ns, 100 * (i + 1));
		assert_int_equal(seen.samples[i].period, i + 1);
		assert_string_equal(seen.comms[i], "seven");
	}
	assert_int_equal(seen.samples[1].event, PROFILE_OFFCPU);
	assert_int_equal(seen.samples[1].nr_chain, 0);
	assert_int_equal(seen.lost, 9);
	perfdata_free(file);
	close(fd);
}

/* With its address in this process: the test is not stripped. */
__attribute__((noinline)) void well_known_function(void);
__attribute__((noinline)) void well_known_function(void)
{
	__asm__ volatile("");
}

static uint64_t map_self(struct perfdata *file, pid_t pid)
{
	char line[512], path[256];
	uint64_t at = (uint64_t)(uintptr_t)well_known_function;
	FILE *maps = fopen("/proc/self/maps", "r");
	bool found = false;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long start, end, offset;

		if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %255s", &start, &end, &offset, path) !=
			    4 ||
		    at < start || at >= end)
			continue;
		perfdata_map(file,
			     &(struct perfdata_map){ .pid = pid,
						     .start = start,
						     .length = end - start,
						     .offset = offset,
						     .path = path },
			     2);
		found = true;
	}
	fclose(maps);
	assert_true(found);
	return at;
}

static void addresses_have_names(void **state)
{
	struct bench_err err = { 0 };
	struct seen seen = { 0 };
	int fd = open_file();
	struct perfdata *file = begin(fd);
	uint64_t at = map_self(file, 7);

	(void)state;
	put(file, PROFILE_CPU, 7, 100, 1, at);
	put(file, PROFILE_CPU, 7, 200, 1, 0x10);
	put(file, PROFILE_CPU, 8, 300, 1, at); /* another process, of which nothing is known */
	assert_int_equal(perfdata_flush(file, &err), 0);
	read_back(fd, &seen);
	assert_int_equal(seen.nr, 3);
	assert_string_equal(seen.names[0], "well_known_function");
	assert_string_equal(seen.dsos[0], "test_perfdata");
	assert_string_equal(seen.names[1], "?");
	assert_string_equal(seen.dsos[1], "[unknown]");
	assert_string_equal(seen.names[2], "?");
	perfdata_free(file);
	close(fd);
}

static void jit_maps_have_names(void **state)
{
	const struct perfdata_map anon = { .pid = 999999, .start = 0x7000, .length = 0x1000,
					   .path = "//anon" };
	struct bench_err err = { 0 };
	struct seen seen = { 0 };
	int fd = open_file();
	struct perfdata *file = begin(fd);
	FILE *map = fopen("/tmp/perf-999999.map", "w");

	(void)state;
	if (!map)
		skip();
	fprintf(map, "7100 40 Main::compiled code\n");
	fclose(map);
	perfdata_map(file, &anon, 1);
	put(file, PROFILE_CPU, 999999, 100, 1, 0x7110);
	put(file, PROFILE_CPU, 999999, 200, 1, 0x7140);
	assert_int_equal(perfdata_flush(file, &err), 0);
	read_back(fd, &seen);
	unlink("/tmp/perf-999999.map");
	assert_string_equal(seen.names[0], "Main::compiled code");
	assert_string_equal(seen.dsos[0], "perf-999999.map");
	assert_string_equal(seen.names[1], "?");
	perfdata_free(file);
	close(fd);
}

static void other_files_are_refused(void **state)
{
	const struct samples_visitor visitor = { see, NULL, NULL };
	struct symbols *symbols = symbols_new();
	struct bench_err err = { 0 };
	int fd = open_file();

	(void)state;
	assert_int_equal(samples_read(fd, symbols, &visitor, &err), -EINVAL);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(samples_read(fd, symbols, &visitor, &err), -EINVAL);
	symbols_free(symbols);
	close(fd);
}

static void samples_are_summed_by_job(void **state)
{
	const struct fold_span spans[] = { { 100, 199, 0, 1 }, { 200, 299, 1, 1 }, { 300, 399, 0, 2 } };
	struct fold *fold = fold_new(spans, 3, 2);
	struct symbols *symbols = symbols_new();
	struct sample s = { .event = PROFILE_OFFCPU, .comm = "a", .period = 10 };
	json_t *profile = json_object(), *event;

	(void)state;
	for (s.time_ns = 50; s.time_ns < 450; s.time_ns += 50)
		fold_add(fold, &s, symbols);
	assert_true(fold_json(fold, 0, "cpu-clock", profile));
	event = json_array_get(json_object_get(profile, "events"), 0);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "offcpu-time");
	assert_int_equal(json_integer_value(json_object_get(event, "samples")), 4);
	assert_int_equal(json_integer_value(json_object_get(event, "weight")), 40);
	assert_int_equal(json_integer_value(json_object_get(event, "no_stack")), 40);
	assert_false(fold_json(fold, 2, "cpu-clock", profile));
	json_decref(profile);
	fold_free(fold);
	symbols_free(symbols);
}

static void chains_are_walked_by_mode(void **state)
{
	const uint64_t chain[] = { PERF_CONTEXT_KERNEL, 0xffff0001, 0xffff0002, PERF_CONTEXT_USER,
				   0x11, 0x12 };
	const struct sample s = { .kernel = true, .chain = chain, .nr_chain = 6 };
	static const bool kernel[] = { true, true, false, false };
	static const bool caller[] = { false, true, false, true };
	struct sample_walk walk = { 0 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_true(sample_walk_next(&walk, &s));
		assert_int_equal(walk.kernel, kernel[i]);
		assert_int_equal(walk.caller, caller[i]);
	}
	assert_int_equal(walk.address, 0x12);
	assert_false(sample_walk_next(&walk, &s));
}

static void names_are_demangled(void **state)
{
	static const struct {
		const char *mangled, *plain;
	} names[] = {
		{ "_ZN3app5heavyImEET_S1_", "app::heavy<unsigned long>" },
		{ "_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<int, std::allocator<int> >::push_back" },
		{ "_ZNK3FoocvbEv", "Foo::operator bool" },
		{ "_ZlsRSoRK3Foo", "operator<<" },
		{ "_ZN12_GLOBAL__N_14workEi", "(anonymous namespace)::work" },
		{ "_ZN3FooclEi", "Foo::operator()" },
	};
	char *text = demangle("main");

	(void)state;
	assert_null(text);
	text = demangle("_ZN3FooC1Ev");
	if (!text)
		skip(); /* there is no C++ runtime here */
	free(text);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		text = demangle(names[i].mangled);
		assert_non_null(text);
		assert_string_equal(text, names[i].plain);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_come_in_the_order_of_time),
		cmocka_unit_test(addresses_have_names),
		cmocka_unit_test(jit_maps_have_names),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(samples_are_summed_by_job),
		cmocka_unit_test(chains_are_walked_by_mode),
		cmocka_unit_test(names_are_demangled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
