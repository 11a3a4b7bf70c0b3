// SPDX-License-Identifier: BSD-2-Clause
/* Time on a CPU, and waiting for one, against the kernel's own account
 * (/proc/PID/task/TID/schedstat), and the switches that were seen and lost against the kernel's
 * count of them.
 *
 * The kernel does not read its clock at each event: it charges what happens between a wake-up and
 * the switch, and leaving an interrupt, to somebody else than we do. So the tolerance is one per
 * turn. */
#include "probe/rig.h"

#include "probe/set.h"

#define WINDOW (600 * MS)
/* Up to 14 us per turn where leaving an interrupt costs that much, on both ends of it. */
#define PER_TURN_NS 30000

struct account {
	double ran, waited, turns;
};

/* The thread that is measured opens and closes the window itself: then it is on a CPU at both ends,
 * and the kernel's account has no wait that is not over. */
struct measured {
	struct probe_set *set;
	enum load load;
	uint64_t nap_ns, burn_ns;
	struct bench_window w;
	struct account account; /* in the window */
	pid_t tid;
	atomic_bool ready, go;
};

/* Of the calling thread. Its CPU clock is read first: that brings the account up to date. */
static struct account account_now(void)
{
	struct account a = { 0 };
	char path[64];
	FILE *f;

	(void)thread_cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)gettid());
	f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%lf %lf %lf", &a.ran, &a.waited, &a.turns) != 3)
			a = (struct account){ 0 };
		fclose(f);
	}
	return a;
}

static void *measured_main(void *arg)
{
	struct account before, after;
	struct measured *d = arg;

	bind_to(last_cpu());
	d->tid = gettid();
	atomic_store(&d->ready, true);
	while (!atomic_load(&d->go))
		sleep_for(MS);
	d->w = (struct bench_window){ .start_ns = bench_now_ns(), .end_ns = UINT64_MAX };
	probe_window(d->set, &d->w);
	before = account_now();
	while (bench_now_ns() < d->w.start_ns + WINDOW) {
		if (d->load == LOAD_SPIN)
			continue;
		sleep_for(d->nap_ns);
		burn(d->burn_ns);
	}
	after = account_now();
	d->w.end_ns = bench_now_ns();
	probe_window(d->set, &d->w);
	d->account = (struct account){ after.ran - before.ran, after.waited - before.waited,
				       after.turns - before.turns };
	return NULL;
}

static double share(const json_t *metrics, const char *cause)
{
	double v = value(metrics, "wall.time", "cause", cause);

	return isnan(v) ? 0 : v;
}

/* The kernel, too, takes out what the host took. */
static double on_cpu_share(const json_t *m)
{
	return share(m, "user") + share(m, "kernel") + share(m, "hardirq") + share(m, "softirq") +
	       share(m, "observer");
}

static void compare(const char *what, enum load load, uint64_t nap_ns, uint64_t burn_ns, bool rival)
{
	struct measured d = { .load = load, .nap_ns = nap_ns, .burn_ns = burn_ns };
	const struct account *a = &d.account;
	double length, ran, waited, slack;
	struct loader r = { 0 };
	pthread_t thread;
	json_t *m;

	need_root();
	d.set = set_open("sched,irq", NULL);
	if (rival)
		loader_start(&r, LOAD_SPIN, last_cpu());
	assert_int_equal(pthread_create(&thread, NULL, measured_main, &d), 0);
	while (!atomic_load(&d.ready))
		sleep_for(MS);
	set_track(d.set, d.tid, false);
	atomic_store(&d.go, true);
	pthread_join(thread, NULL);
	m = set_read(d.set, NULL, 0);
	if (rival)
		loader_stop(&r);
	length = (double)(d.w.end_ns - d.w.start_ns);
	ran = on_cpu_share(m) * length;
	waited = share(m, "runqueue") * length;
	slack = PER_TURN_NS * (a->turns + 1) + (double)d.set->last.ambiguous_ns;
	printf("%s: on CPU %.2f ms, schedstat %.2f ms (%.3f); waited %.2f ms, schedstat %.2f ms "
	       "(%.3f); %.0f turns\n",
	       what, ran / 1e6, a->ran / 1e6, ran / a->ran, waited / 1e6, a->waited / 1e6,
	       waited / a->waited, a->turns);
	json_decref(m);
	probe_close(d.set);
	if (a->ran <= 0) {
		printf("skip: this kernel has no /proc/PID/schedstat\n");
		skip();
	}
	assert_true(fabs(ran - a->ran) <= 0.02 * a->ran + slack);
	assert_true(fabs(waited - a->waited) <= 0.02 * a->waited + slack);
}

static void spinner(void **state)
{
	(void)state;
	compare("spinner", LOAD_SPIN, 0, 0, false);
}

static void spinner_beside_another(void **state)
{
	(void)state;
	compare("spinner beside another", LOAD_SPIN, 0, 0, true);
}

static void napper_beside_a_spinner(void **state)
{
	(void)state;
	compare("1 ms of work each 2 ms of sleep, beside a spinner", LOAD_NAP, 2 * MS, MS, true);
}

static void short_sleeper(void **state)
{
	(void)state;
	compare("0.1 ms of work each 0.1 ms of sleep", LOAD_NAP, MS / 10, MS / 10, false);
}

/* --- switches --- */

static double switches_of_the_host(void)
{
	FILE *f = fopen("/proc/stat", "re");
	double n = 0;
	char line[8192];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "ctxt %lf", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

/* What the programs saw, and what they say that they missed by the run queues' own numbers. */
static void switches_seen_and_lost_are_all_there_were(void **state)
{
	struct loader l[2] = { { .nap_ns = MS / 20 }, { .nap_ns = MS / 10, .burn_ns = MS / 20 } };
	double least, most, told;
	struct probe_set *set;

	(void)state;
	need_root();
	set = set_open("sched", NULL);
	for (int i = 0; i < 2; i++)
		loader_start(&l[i], LOAD_NAP, i ? 0 : last_cpu());
	/* Counted inside the window and around it: this thread may lose its CPU at either end. */
	most = -switches_of_the_host();
	set_window(set, 0, 60000 * MS);
	least = -switches_of_the_host();
	sleep_for(WINDOW);
	least += switches_of_the_host();
	json_decref(set_read(set, NULL, 0));
	most += switches_of_the_host();
	for (int i = 0; i < 2; i++)
		loader_stop(&l[i]);
	told = (double)set->last.seen + (double)set->last.lost;
	printf("%.0f to %.0f switches by /proc/stat; %llu seen and %llu lost\n", least, most,
	       (unsigned long long)set->last.seen, (unsigned long long)set->last.lost);
	probe_close(set);
	assert_true(least > 1000);
	/* Of each CPU one may be lost before the first that is seen. */
	assert_true(told >= least - (double)sysconf(_SC_NPROCESSORS_ONLN) && told <= most);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spinner),
		cmocka_unit_test(spinner_beside_another),
		cmocka_unit_test(napper_beside_a_spinner),
		cmocka_unit_test(short_sleeper),
		cmocka_unit_test(switches_seen_and_lost_are_all_there_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
