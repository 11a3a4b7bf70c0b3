// SPDX-License-Identifier: BSD-2-Clause
#include "ui.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NCURSES_WIDECHAR 1
#include <ncurses.h>

#include "draw.h"

static const struct screen *const screens[NR_SCREENS] = {
	&screen_overview, &screen_runq,	   &screen_ledger, &screen_runtime,
	&screen_counters, &screen_latency, &screen_slow,   &screen_log,
};

/* One step of the arrow keys: an interval of the series where there is one. */
#define STEP_NS 100000000ull

static enum { ASK_NOTHING, ASK_HELP, ASK_QUIT, ASK_FILTER } asked;
static char said[100]; /* what the last key did, until the next */

int ui_screen(const char *name)
{
	for (int i = 0; i < NR_SCREENS; i++)
		if (!strncmp(screens[i]->name, name, strlen(name)))
			return i;
	return -1;
}

/* --- drawing --- */

static void draw_head(const struct view *v)
{
	const struct model *m = &v->model;
	const json_t *host = json_object_get(m->run, "host");
	double left = m->expected_ns > m->last_ns ? (double)(m->expected_ns - m->last_ns) / 1e9 : 0;
	const char *state = v->ended ? "the run is gone" : m->saved ? "saved" :
			    m->over  ? "over" : "running";
	int used = draw(0, 0, v->width, BOLD, "bench  %s  ", text_of(host, "hostname"));

	used += draw(0, used, v->width - used, v->ended ? BAD : PLAIN, "%s", state);
	if (!m->over && left > 0)
		used += draw(0, used, v->width - used, PLAIN, ", about %.0f s left", left);
	if (!v->follow)
		used += draw(0, used, v->width - used, WARN, "  %s at %.1f s of %.1f s",
			     v->playing ? "playing" : "looking back", (double)v->at_ns / 1e9,
			     (double)m->last_ns / 1e9);
	if (v->filter[0])
		used += draw(0, used, v->width - used, WARN, "  filter: %s", v->filter);
	if (v->job < m->nr_jobs && m->jobs[v->job].name)
		(void)draw(0, used, v->width - used, PLAIN, "  job %zu/%zu%s %s", v->job + 1,
			   m->nr_jobs, v->chosen && !m->saved ? " (chosen)" : "",
			   m->jobs[v->job].name);
}

static void draw_tabs(const struct view *v)
{
	int x = 0;

	for (unsigned i = 0; i < NR_SCREENS; i++) {
		bool current = i == v->screen;

		x += draw(1, x, v->width - x, current ? BAR : PLAIN, "%s%u %s%s", current ? "[" : " ",
			  i + 1, screens[i]->name, current ? "]" : " ");
	}
}

static void draw_keys(const struct view *v, int y)
{
	static const char *const keys[][2] = {
		{ "F1", "help" },  { "F2", "mark" },	{ "F4", "filter" }, { "F5", "pause" },
		{ "F6", "sort" },  { "F10", "quit" },	{ "Tab", "screen" }, { "<>", "back" },
	};
	char cost[80] = "";
	int x = 0, right;

	if (!isnan(v->own_share) && !v->model.saved)
		snprintf(cost, sizeof(cost), "CPU: view %.1f%% bench %.1f%%", v->own_share * 100,
			 v->model.tool_share * 100);
	right = v->width - draw_len(cost) - 1;
	if (said[0]) {
		draw(y, 0, right, BOLD, "%s", said);
	} else {
		for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
			if (x + draw_len(keys[i][0]) + draw_len(keys[i][1]) + 3 > right)
				break;
			x += draw(y, x, right - x, BAR, "%s", keys[i][0]);
			x += draw(y, x, right - x, PLAIN, " %s  ", keys[i][1]);
		}
	}
	draw(y, right, v->width - right, DIM, "%s", cost);
}

static void draw_help(const struct view *v, int y, int rows)
{
	static const char *const lines[] = {
		"Tab, Shift-Tab, 1-8   the next, the previous, one of the screens (or click it)",
		"Up, Down, PgUp, PgDn  select a line; Enter opens it (a job, a slow operation)",
		"Esc                   close what is open; follow the running job again",
		"Left, Right           back and forth in the run's time; Home: its start; End: now",
		"Space, F5             pause, or play on from here; + and - change the speed",
		"/, F4                 show only lines that contain a text; empty shows all",
		"s, F6                 sort in another order",
		"m, F2                 mark this moment: it is kept in the saved result",
		"q, F10                leave the view; the run goes on",
		"^C                    stop the run (only of the one that was started with --live)",
		"",
		"Letters in the ledger: u user  k kernel  c both  h hardirq  s softirq  S steal",
		"  R waiting for a CPU  d disk  n net  f futex  i ipc  t timer  p page fault",
		"  q io_uring  o other  B the probes themselves  ? unaccounted",
	};
	int nr = (int)(sizeof(lines) / sizeof(lines[0]));

	draw_rule(y, 0, v->width, "keys");
	for (int i = 0; i < nr && i + 1 < rows; i++)
		draw(y + 1 + i, 2, v->width - 3, PLAIN, "%s", lines[i]);
	if (!isnan(v->bytes_per_frame) && nr + 2 < rows)
		draw(y + nr + 2, 2, v->width - 3, DIM, "the terminal gets %.0f bytes a frame",
		     v->bytes_per_frame);
}

void ui_draw(struct view *v, const struct feed *feed)
{
	int rows = LINES - 3;

	(void)feed;
	erase();
	v->width = COLS;
	if (COLS < 40 || LINES < 8) {
		draw(0, 0, COLS, BOLD, "at least 40 x 8, please");
	} else {
		if (!v->chosen)
			v->job = model_job_at(&v->model, v->at_ns);
		draw_head(v);
		draw_tabs(v);
		if (asked == ASK_HELP)
			draw_help(v, 2, rows);
		else
			screens[v->screen]->draw(v, 2, rows);
		if (asked == ASK_QUIT)
			draw(LINES - 1, 0, COLS, BAR,
			     "Leave the view? The run goes on. q or y: yes, any other key: no");
		else if (asked == ASK_FILTER)
			draw(LINES - 1, 0, COLS, BAR, "filter: %s_", v->filter);
		else
			draw_keys(v, LINES - 1);
	}
	refresh();
}

/* --- keys --- */

static void move_to(struct view *v, uint64_t at_ns)
{
	v->follow = at_ns >= v->model.last_ns;
	v->at_ns = v->follow ? v->model.last_ns : at_ns;
	v->playing = false;
}

static void step(struct view *v, bool forth)
{
	struct frame f = view_frame(v);
	uint64_t by = f.row && f.row->span_ns > STEP_NS ? f.row->span_ns : STEP_NS;

	if (forth)
		move_to(v, v->at_ns + by);
	else
		move_to(v, v->at_ns > by ? v->at_ns - by : 0);
}

static void pause_or_play(struct view *v)
{
	if (v->follow && !v->model.over) {
		v->follow = false;
	} else if (v->playing) {
		v->playing = false;
	} else {
		/* From the start again when it stands at the end. */
		if (v->at_ns >= v->model.last_ns)
			v->at_ns = 0;
		v->follow = false;
		v->playing = true;
	}
}

static void select_by(struct view *v, long by)
{
	const struct screen *s = screens[v->screen];
	size_t nr = s->lines ? s->lines(v) : 0, *line = &v->line[v->screen];
	long to = (long)*line + by;

	*line = to < 0 || !nr ? 0 : (size_t)to >= nr ? nr - 1 : (size_t)to;
	/* Of a saved result, the selected job is the one the other screens are about. */
	if (v->screen == 0 && v->model.saved && overview_selected(v) != SIZE_MAX)
		v->job = overview_selected(v);
}

static void open_line(struct view *v)
{
	size_t job;

	if (v->screen != 0) {
		v->open = !v->open;
		return;
	}
	job = overview_selected(v);
	if (job == SIZE_MAX)
		return;
	v->job = job;
	v->chosen = true;
	v->screen = 2;
}

static void sort_next(struct view *v)
{
	const char *const *orders = screens[v->screen]->orders;
	unsigned *order = &v->order[v->screen];

	if (!orders) {
		snprintf(said, sizeof(said), "this screen has one order");
		return;
	}
	*order = orders[*order + 1] ? *order + 1 : 0;
	snprintf(said, sizeof(said), "sorted by: %s", orders[*order]);
}

static void mark(const struct view *v, const struct feed *feed)
{
	if (!v->model.over && feed_answer(feed, "mark"))
		snprintf(said, sizeof(said), "marked; it is kept in the saved result");
	else
		snprintf(said, sizeof(said), "there is no run that could keep a mark");
}

static void click(struct view *v)
{
	MEVENT event;
	int x = 0;

	if (getmouse(&event) != OK)
		return;
	if (event.bstate & BUTTON4_PRESSED)
		select_by(v, -3);
#ifdef BUTTON5_PRESSED
	if (event.bstate & BUTTON5_PRESSED)
		select_by(v, 3);
#endif
	if (!(event.bstate & (BUTTON1_CLICKED | BUTTON1_PRESSED)))
		return;
	for (unsigned i = 0; event.y == 1 && i < NR_SCREENS; i++) {
		int end = x + 4 + draw_len(screens[i]->name);

		if (event.x >= x && event.x < end)
			v->screen = i;
		x = end;
	}
	if (event.y > 2 && event.y < LINES - 1 && screens[v->screen]->lines)
		select_by(v, (long)v->top[v->screen] + event.y - 3 - (long)v->line[v->screen]);
}

/* Keys while a question is on the last line. */
static enum ui_end answer(struct view *v, int key)
{
	size_t len = strlen(v->filter);

	if (asked == ASK_QUIT && (key == 'q' || key == 'y' || key == 'Y' || key == KEY_F(10)))
		return UI_LEAVE;
	if (asked == ASK_FILTER) {
		if (key == '\n' || key == KEY_ENTER || key == 27) {
			if (key == 27)
				v->filter[0] = 0;
			asked = ASK_NOTHING;
		} else if ((key == KEY_BACKSPACE || key == 127 || key == 8) && len) {
			v->filter[len - 1] = 0;
		} else if (key >= 0x20 && key < 0x7f && len + 1 < sizeof(v->filter)) {
			v->filter[len] = (char)key;
			v->filter[len + 1] = 0;
		}
		return UI_GO_ON;
	}
	asked = ASK_NOTHING;
	return UI_GO_ON;
}

static void change_screen(struct view *v, int by)
{
	v->screen = (v->screen + NR_SCREENS + (unsigned)by) % NR_SCREENS;
	v->open = false;
}

enum ui_end ui_key(struct view *v, const struct feed *feed, int key)
{
	int page = LINES - 5 > 1 ? LINES - 5 : 1;

	if (key == KEY_RESIZE || key == ERR)
		return UI_GO_ON;
	said[0] = 0;
	if (asked)
		return answer(v, key);
	switch (key) {
	case '\t': change_screen(v, 1); break;
	case KEY_BTAB: change_screen(v, -1); break;
	case KEY_UP: case 'k': select_by(v, -1); break;
	case KEY_DOWN: case 'j': select_by(v, 1); break;
	case KEY_PPAGE: select_by(v, -page); break;
	case KEY_NPAGE: select_by(v, page); break;
	case KEY_LEFT: step(v, false); break;
	case KEY_RIGHT: step(v, true); break;
	case KEY_HOME: move_to(v, 0); break;
	case KEY_END: move_to(v, UINT64_MAX); break;
	case ' ': case KEY_F(5): pause_or_play(v); break;
	case '+': v->speed = v->speed < 1024 ? v->speed * 2 : v->speed; break;
	case '-': v->speed = v->speed > 0.125 ? v->speed / 2 : v->speed; break;
	case '\n': case KEY_ENTER: open_line(v); break;
	case 27: v->open = false; v->chosen = v->model.saved; break;
	case '/': case KEY_F(4): asked = ASK_FILTER; break;
	case 's': case KEY_F(6): sort_next(v); break;
	case 'm': case KEY_F(2): mark(v, feed); break;
	case '?': case 'h': case KEY_F(1): asked = ASK_HELP; break;
	case KEY_MOUSE: click(v); break;
	case 'q': case KEY_F(10):
		if (v->model.over || v->ended)
			return UI_LEAVE;
		asked = ASK_QUIT;
		break;
	default:
		if (key >= '1' && key < '1' + NR_SCREENS) {
			v->screen = (unsigned)(key - '1');
			v->open = false;
		}
	}
	if (key == '+' || key == '-')
		snprintf(said, sizeof(said), "playing at %g times", v->speed);
	return UI_GO_ON;
}
