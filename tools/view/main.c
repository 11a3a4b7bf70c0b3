// SPDX-License-Identifier: BSD-2-Clause
// bench-view: watch a run, or look at a saved one, on the terminal. Started by `bench --live` and
// `bench view`. A process of its own: whatever happens to it or to the terminal, the run goes on.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define NCURSES_WIDECHAR 1
#include <ncurses.h>

#include "bench/clock.h"
#include "draw.h"
#include "ui.h"

/* Time between two frames. */
#define FRAME_NS 250000000ull

static volatile sig_atomic_t stopped, hung_up;
static int tty = -1;
static struct termios modes;

struct request {
	const char *path, *screen;
	int file, answers;
	pid_t run, attach;
	bool attached;
	double speed, seconds;
};

static void usage(FILE *out)
{
	fprintf(out, "Usage: bench view [OPTIONS] FILE\n"
		     "       bench view [OPTIONS] --attach[=PID]\n\n"
		     "Look at a saved result, or watch a run that goes on, without disturbing it.\n\n"
		     "  -a, --attach[=PID]  the run to watch (default: the only one there is)\n"
		     "  -S, --screen=NAME   begin with this screen: overview, runq, ledger, runtime,\n"
		     "                      counters, latency, slow, log\n"
		     "  -p, --play[=SPEED]  play a saved result from its start, at so many times the\n"
		     "                      speed at which it was recorded (1), and leave at its end\n"
		     "  -h, --help          this text\n\n"
		     "? shows the keys, q leaves.\n");
}

static int parse(struct request *req, int argc, char **argv)
{
	enum { FILE_FD = 256, ANSWERS, RUN };
	static const struct option options[] = {
		{ "attach", optional_argument, NULL, 'a' }, { "screen", required_argument, NULL, 'S' },
		{ "play", optional_argument, NULL, 'p' },  { "help", no_argument, NULL, 'h' },
		{ "file", required_argument, NULL, FILE_FD },
		{ "answers", required_argument, NULL, ANSWERS },
		{ "run", required_argument, NULL, RUN },    { 0 },
	};
	int option;
	char *end;

	*req = (struct request){ .file = -1, .answers = -1, .screen = "" };
	while ((option = getopt_long(argc, argv, "a::S:p::h", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			req->attached = true;
			req->attach = optarg ? (pid_t)strtol(optarg, &end, 10) : 0;
			if (optarg && (*end || req->attach <= 0)) {
				fprintf(stderr, "bench: --attach=%s: not a process number\n", optarg);
				return 2;
			}
			break;
		case 'S': req->screen = optarg; break;
		case 'p':
			req->speed = optarg ? strtod(optarg, &end) : 1;
			if (optarg && (*end || !(req->speed > 0))) {
				fprintf(stderr, "bench: --play=%s: not a number above 0\n", optarg);
				return 2;
			}
			break;
		case FILE_FD: req->file = atoi(optarg); break;
		case ANSWERS: req->answers = atoi(optarg); break;
		case RUN: req->run = atoi(optarg); break;
		case 'h': usage(stdout); exit(0);
		default: return 2;
		}
	}
	req->path = argv[optind];
	if ((req->path != NULL) + req->attached + (req->file >= 0) != 1 ||
	    (req->path && argv[optind + 1])) {
		fprintf(stderr, "bench: view: give one saved result, or --attach; see bench view --help\n");
		return 2;
	}
	if (ui_screen(req->screen) < 0) {
		fprintf(stderr, "bench: --screen=%s: there is no such screen; see bench view --help\n",
			req->screen);
		return 2;
	}
	return 0;
}

/* --- the terminal --- */

static void on_stop(int signo)
{
	stopped = signo;
	hung_up |= signo == SIGHUP;
}

/* Only what may be called here; ncurses may not. */
static void on_crash(int signo)
{
	static const char text[] = "\033[0m\033[?25h\033[?1000l\033[?1002l\033[?1006l\033[?1049l\r\n";

	if (tty >= 0) {
		(void)!write(tty, text, sizeof(text) - 1);
		tcsetattr(tty, TCSANOW, &modes);
	}
	signal(signo, SIG_DFL);
	raise(signo);
}

static void set_signals(bool live)
{
	static const int stops[] = { SIGTERM, SIGHUP }, crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	struct sigaction action = { .sa_handler = on_stop };

	for (unsigned i = 0; i < 2; i++)
		sigaction(stops[i], &action, NULL);
	/* ^C on the terminal of bench --live is for the run, whose end the view waits for. */
	action.sa_handler = live ? SIG_IGN : on_stop;
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = on_crash;
	action.sa_flags = SA_RESETHAND;
	for (unsigned i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Standard output may be a file: the picture goes to the terminal. */
static SCREEN *open_screen(const char **ret_why)
{
	FILE *in, *out;
	SCREEN *screen;

	tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	if (tty < 0 || tcgetattr(tty, &modes)) {
		*ret_why = "there is no terminal to draw on; bench report prints a saved result";
		return NULL;
	}
	in = fdopen(tty, "r");
	out = fdopen(dup(tty), "w");
	screen = in && out ? newterm(NULL, out, in) : NULL;
	if (!screen) {
		*ret_why = "the terminal is of a kind that cannot be drawn on (TERM); bench report prints a saved result";
		return NULL;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	set_escdelay(50);
	mousemask(BUTTON1_CLICKED | BUTTON1_PRESSED | BUTTON4_PRESSED
#ifdef BUTTON5_PRESSED
			  | BUTTON5_PRESSED
#endif
		  , NULL);
	mouseinterval(0);
	draw_init(!getenv("NO_COLOR") || !getenv("NO_COLOR")[0]);
	return screen;
}

/* CPUs without workers, where there are some. */
static void keep_off(const struct model *model)
{
	const json_t *workers = json_object_get(model->run, "worker_cpus"), *cpu;
	cpu_set_t set;
	size_t i;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	json_array_foreach(workers, i, cpu) {
		if (json_integer_value(cpu) >= 0 && json_integer_value(cpu) < CPU_SETSIZE)
			CPU_CLR((int)json_integer_value(cpu), &set);
	}
	if (CPU_COUNT(&set))
		(void)sched_setaffinity(0, sizeof(set), &set);
}

/* --- what it costs --- */

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Bytes written so far, to the terminal and to pipes. */
static double bytes_written(void)
{
	FILE *file = fopen("/proc/self/io", "re");
	char line[100];
	double bytes = NAN;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "wchar:", 6))
			bytes = strtod(line + 6, NULL);
	if (file)
		fclose(file);
	return bytes;
}

struct cost {
	uint64_t since_ns, cpu_ns, frames;
	double bytes;
};

static void note_cost(struct view *v, struct cost *c, uint64_t now)
{
	c->frames++;
	if (now < c->since_ns + 2000000000)
		return;
	v->own_share = (double)(cpu_ns() - c->cpu_ns) / (double)(now - c->since_ns);
	v->bytes_per_frame = (bytes_written() - c->bytes) / (double)c->frames;
	*c = (struct cost){ now, cpu_ns(), 0, bytes_written() };
}

/* --- the loop --- */

static void advance(struct view *v, uint64_t passed_ns)
{
	if (v->follow) {
		v->at_ns = v->model.last_ns;
	} else if (v->playing) {
		v->at_ns += (uint64_t)((double)passed_ns * v->speed);
		if (v->at_ns >= v->model.last_ns) {
			v->playing = false;
			v->follow = true;
			v->at_ns = v->model.last_ns;
		}
	}
}

/* Until the next frame, a key or a signal. */
static int next_key(uint64_t until_ns)
{
	struct pollfd p = { .fd = tty, .events = POLLIN };
	uint64_t now = bench_now_ns();
	int key;

	timeout(0);
	key = getch();
	if (key != ERR || now >= until_ns || stopped)
		return key;
	/* A terminal that has gone is always ready. */
	if (poll(&p, 1, (int)((until_ns - now) / 1000000) + 1) > 0 && (p.revents & (POLLHUP | POLLERR)))
		hung_up = stopped = SIGHUP;
	return getch();
}

static int loop(struct view *v, struct feed *feed, const struct request *req, struct bench_err *err)
{
	uint64_t frame_ns = bench_now_ns(), last_ns = frame_ns;
	struct cost cost = { frame_ns, cpu_ns(), 0, bytes_written() };
	bool leave = false;
	int rc = 0;

	while (!leave && !rc && !stopped) {
		bool gone = feed_gone(feed); /* asked first: what it wrote last is read, then */
		uint64_t now;
		int key;

		rc = feed_poll(feed, &v->model, err);
		v->ended = gone && !v->model.over;
		now = bench_now_ns();
		advance(v, now - last_ns);
		last_ns = now;
		ui_draw(v, feed);
		note_cost(v, &cost, now);
		/* Keys are answered at once; without any, a frame every so often. */
		frame_ns = now + FRAME_NS;
		while (!stopped && bench_now_ns() < frame_ns) {
			key = next_key(frame_ns);
			if (key == ERR)
				continue;
			leave = ui_key(v, feed, key) == UI_LEAVE;
			break;
		}
		/* The run is over: the report wants the terminal, unless somebody looks back. */
		if (req->file >= 0 && (v->model.over || v->ended) && v->follow && !v->open)
			leave = true;
		if (req->speed > 0 && v->follow)
			leave = true;
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct view v = { .follow = true, .speed = 1, .own_share = NAN, .bytes_per_frame = NAN };
	struct bench_err err = { 0 };
	struct request req;
	struct feed feed;
	const char *why = "";
	SCREEN *screen;
	int rc = parse(&req, argc, argv);

	if (rc)
		return rc;
	setlocale(LC_CTYPE, "");
	model_init(&v.model);
	v.screen = (unsigned)ui_screen(req.screen);
	if (req.path)
		rc = feed_file(&feed, &v.model, req.path, &err);
	else if (req.attached)
		rc = feed_attach(&feed, req.attach, &err);
	else
		rc = feed_inherited(&feed, req.file, req.answers, req.run, &err);
	rc = rc ? rc : feed_poll(&feed, &v.model, &err);
	if (rc) {
		fprintf(stderr, "bench: view: %s\n", err.msg);
		return 2;
	}
	v.at_ns = v.model.last_ns;
	v.chosen = v.model.saved;
	if (req.speed > 0) {
		v.speed = req.speed;
		v.follow = false;
		v.playing = true;
		v.chosen = false;
		v.at_ns = 0;
	}
	keep_off(&v.model);
	screen = open_screen(&why);
	if (!screen) {
		fprintf(stderr, "bench: view: %s\n", why);
		return 2;
	}
	set_signals(req.file >= 0);
	rc = loop(&v, &feed, &req, &err);
	if (!hung_up) {
		endwin();
		delscreen(screen);
	}
	if (rc)
		fprintf(stderr, "bench: view: %s\n", err.msg);
	if (v.ended)
		fprintf(stderr, "bench: view: the run (process %d) has gone without an end\n", feed.pid);
	feed_close(&feed);
	model_done(&v.model);
	if (rc)
		return 1;
	return stopped ? 128 + stopped : 0;
}
