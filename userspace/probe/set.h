/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of a probe set; only the files of this folder include it. */
#ifndef PROBE_SET_H
#define PROBE_SET_H

#include <pthread.h>
#include <sched.h>
#include <bpf/libbpf.h>
#include "core/registry.h"
#include "probe/kernel.h"
#include "probe/probe.h"
#include "probe_abi.h"

#define PROBE_MAX_METRICS 32
#define PROBE_MAX_LINKS 32

/* Why something is not there; status BENCH_OK = it is. */
struct probe_why {
	enum bench_status status;
	char text[256];
};

struct probe_metric {
	struct probe_desc desc;
	struct probe_why why;
	bool wanted;
};

struct probe_run {
	char name[16];	/* as in the object */
	char event[40]; /* the tracepoint it is attached to */
	uint64_t nr;	/* runs in windows, since open */
	double ns;	/* calibrated, per run */
	int prog_fd;	/* -1 = not loaded */
};

/* One BPF object: its descriptors, and when loaded its programs and values. */
struct probe_object {
	const struct bpf_image *image;
	struct probe_metric metrics[PROBE_MAX_METRICS];
	unsigned nr_metrics;
	struct probe_run runs[PROBE_MAX_PROGRAMS];
	unsigned nr_runs;
	struct probe_why why; /* of the whole object */
	char refused[192];    /* the last program that the kernel rejected, and why */

	struct bpf_object *opened; /* described and not loaded yet */
	struct bpf_object *bpf;	   /* NULL = not loaded */
	struct bpf_link *links[PROBE_MAX_LINKS];
	unsigned nr_links;
	char *values; /* mapped; element bank * nr_cpus + cpu */
	size_t value_size, values_bytes;
	struct probe_key *keys; /* mapped: names of what a metric met; NULL = has none */
	size_t keys_bytes;
};

/* A thread that probe_track() was asked for. */
struct probe_follow {
	pid_t tid;
	uint32_t slot; /* of map "threads" */
};

/* Laws between the numbers of a window. */
enum probe_law { PROBE_LAW_SUM, PROBE_LAW_SWITCHES, PROBE_LAW_WAITING, PROBE_LAWS };

struct probe_breach {
	unsigned nr;	/* windows */
	char text[256]; /* of the first */
};

/* How the programs are loaded; found out by probing, forced by BENCH_PROBE_FALLBACK. */
struct probe_mode {
	bool raw;	  /* raw_tp instead of tp_btf */
	bool types;	  /* libbpf is given all of the kernel's types */
	bool storage;	  /* task storage */
	bool storage_sure; /* a look-up that finds nothing means that there is nothing */
	bool depth_exact; /* else from events */
	bool prev_state;
	bool depth_forced; /* the environment asked for it */
	/* As in struct probe_config; found out once, because searching the types takes a while. */
	unsigned block_rq_arg, cqe_arg, uring_punt_args;
	struct probe_net_config net;
	uint32_t typed_kiocb, typed_socket, typed_regs, typed_task;
	bool realtime;	   /* PREEMPT_RT: softirqs are threads */
	bool atomics;	   /* that return the old value (5.12) */
	bool causes;	   /* wall.time or wall.time_of is asked for */
	bool regs;	   /* the system call that a thread is in can be read */
	bool samples;	   /* user and kernel are told apart */
};

struct probe_losses {
	uint64_t seen, lost, repaired, ambiguous_ns, backwards;
};

struct probe_set {
	struct kernel *kernel;
	struct probe_why why; /* nothing can be loaded */
	int types_fd;	      /* the kernel's types that objects look at ... */
	char types[32];	      /* ... as a path */
	struct probe_mode mode;
	struct probe_config config; /* of the objects that are loaded beside the scheduler's */
	unsigned nr_cpus;  /* possible CPUs */
	cpu_set_t allowed; /* of the process when the set was opened */
	struct probe_object *objects;
	unsigned nr_objects;
	struct probe_object *track, *sched; /* NULL = not part of this set */

	/* Mapped; NULL = not loaded. */
	struct probe_windows *windows;
	struct probe_request *request;
	struct probe_thread *threads;
	struct probe_cpu_clock *clocks; /* nr_cpus */
	size_t clocks_bytes;
	struct probe_depth *depth;
	struct probe_queue *queues;
	size_t depth_bytes, queues_bytes;
	struct probe_object *block; /* block.c; NULL = not loaded */
	struct block_ring *block_rings;
	size_t block_bytes;
	struct probe_object *fault; /* fault.c */
	struct fault_request *fault_request;
	struct probe_blames *blames; /* blame.c */

	struct probe_unlinked *unlinked; /* observer.c; NULL = attached */
	unsigned nr_unlinked;

	struct probe_history *history; /* nr_rings */
	struct probe_slices *slices;   /* nr_cpus */
	size_t slices_bytes;
	struct probe_stack *stacks;
	struct probe_file_ops *file_ops;
	size_t history_bytes, stacks_bytes;
	unsigned nr_rings;
	struct probe_follow *follows; /* threads that probe_track() was asked for */
	unsigned nr_follows;
	bool trees;			     /* some of them with all that they fork */
	struct probe_stack_sums *stack_sums; /* stacks.c */
	unsigned stack_group; /* whose stacks are read next */
	struct probe_breach breaches[PROBE_LAWS];
	unsigned nr_windows; /* read so far */
	struct bpf_link *foreign[2]; /* while a program of others is followed */
	struct probe_waits *waits;   /* waits.c; NULL = not open */
	struct probe_why no_samples;
	int *sample_fds;    /* nr_cpus; -1 = none */
	bool sample_shared; /* probe_sample_shared() */
	uint64_t sample_ns; /* between two of a CPU */

	int socket_prog;       /* socket.c; -1 = none */
	uint64_t check_serial; /* of the self-check's window */
	uint64_t serial, start_ns;
	uint64_t end_ns; /* once closed */
	/* The end that programs went by before it was set to something earlier; 0 = it was not. */
	uint64_t open_end_ns;
	bool window_set;

	uint64_t open_ns;   /* what load and attach took */
	uint64_t check_ns;  /* and the self-check */
	uint64_t window_ns; /* length of all windows read so far */
	double workers_ns;  /* CPU time of the followed threads in them ... */
	double observer_ns; /* ... and the programs' part of it */
	struct probe_losses total, last;
	uint64_t *lost_by_cpu; /* nr_cpus, since open */
	char check[6][256];    /* failed self-checks */
	unsigned nr_check;
};

/* probe.c: the descriptions of all objects; free() them. */
unsigned images_describe(struct probe_object **ret_objects, const char *types);

/* choose.c: mark the metrics of a comma list. -ENOENT with the nearest name: there is none such. */
int list_choose(struct probe_object *objects, unsigned nr, const char *list,
		struct bench_err *err);

/* mode.c */
bool mode_may_load(void); /* by its capabilities */
/* BENCH_PROBE_FALLBACK names what, in a comma list. */
bool mode_forced(const char *what);
void mode_find(struct probe_set *set);

/* said.c: what libbpf has to say is kept, never printed. */
struct said {
	char line[192];	   /* the last thing said */
	char program[64];  /* the program that failed to load */
	char verdict[192]; /* the verifier's last word on it */
};
extern __thread struct said said;
void said_keep(void);

/* program.c: before this thread opens or loads an object. kernel: whose types typed programs attach to;
 * only loading needs it. */
void program_prepare(const struct kernel *kernel);
/* A program of a tracepoint is loaded in one of its two forms; others (iterators, programs run by
 * userspace) always. */
bool program_wanted(const struct bpf_object *bpf, const struct bpf_program *prog,
		    const struct probe_set *set, char rejected[][64], unsigned nr_rejected);
/* The tracepoint of its section; "" = it is run by userspace. */
const char *program_event(const struct bpf_program *prog);
/* The tracepoint is that of the program's section. NULL with errno = it failed. */
struct bpf_link *program_attach(const struct bpf_program *prog);

/* typed.c: can addresses be given a type here? Then put it into the program's calls, else take them out;
 * 0 or negative errno. */
bool typed_possible(const struct kernel *kernel);
int typed_fill(struct bpf_program *prog, const struct kernel *kernel);

/* object.c: read the descriptors. Needs no privileges. -EINVAL: not ours, or of another ABI. types: path of the
 * kernel's types as they will be when it is loaded; NULL = all of them. */
int object_describe(struct probe_object *ret_object, const struct bpf_image *image,
		    const char *types);
/* Load and attach with the shared maps of set->track (when that is not object itself). On failure
 * object->why says why, and metrics that miss an event have a why of their own. */
int object_load(struct probe_object *object, struct probe_set *set);
struct probe_config config_make(const struct probe_set *set);
void object_close(struct probe_object *object);
/* Map the values of a map; *ret_bytes may be NULL. */
void *object_map(struct probe_object *object, const char *map, size_t *ret_bytes);
int object_prog_fd(const struct probe_object *object, const char *program);
struct probe_values *object_values(const struct probe_object *object, unsigned element);
/* Is there a tracepoint missing that the metric cannot do without? Fills its why. */
void metric_check(struct probe_metric *metric, const struct kernel *kernel);
void why_set(struct probe_why *why, enum bench_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* track.c */
int track_open(struct probe_set *set);
void track_collect(struct probe_set *set);
/* Have the iter/task program visit every task, or those that tid or tgid name (0 = not given). */
int track_visit(struct probe_set *set, struct probe_object *object, const char *program, pid_t tid,
		pid_t tgid);

/* window.c */
unsigned window_bank(const struct probe_set *set);
/* Run a raw_tp program on a CPU. 0 or negative errno; -ENXIO = offline. */
int window_run_on(int prog_fd, unsigned cpu);
/* Ask what silent CPUs and threads do, close the gate, wait for running programs. */
void window_close(struct probe_set *set);
void window_sync(const struct probe_set *set);

/* blame.c: what a thread is called; "task" when it is gone. */
void task_comm(uint32_t pid, char *ret_comm, size_t size);

/* ledger.c */
#define LEDGER_MAX_RINGS 64
/* Map what the ledger's programs write. */
int ledger_open(struct probe_set *set);
void ledger_close(struct probe_set *set);
/* Before the gate opens; before it is closed. */
void ledger_begin(struct probe_set *set);
void ledger_end(struct probe_set *set);
/* Count what programs that publish no mix have in flight in their rings, or no longer. */
void ledger_foreign(struct probe_set *set, bool on);
const struct probe_thread *ledger_thread(const struct probe_set *set, pid_t tid);
/* The ledger of all tracked threads in the closed window, without or of io_uring's kernel workers;
 * ret_wall is the time they lived. */
struct ledger_sum {
	struct probe_ledger ledger;
	uint64_t wall_ns;
};
void ledger_sum(const struct probe_set *set, bool io_workers, struct ledger_sum *ret_sum);
/* Add what a live thread did after its last event. */
void ledger_open_interval(const struct probe_set *set, const struct probe_thread *t,
			  struct ledger_sum *sum);

/* sample.c: interrupts user code or the kernel now and then, to see which. */
int sample_open(struct probe_set *set);
void sample_close(struct probe_set *set);
void sample_enable(const struct probe_set *set, bool on);
#define SAMPLE_PERIOD_NS 997001

/* waits.c */
void waits_close(struct probe_set *set);

/* laws.c */
void laws_check(struct probe_set *set); /* the closed window */
void laws_warn(const struct probe_set *set, json_t *warnings);
/* BENCH_PROBE_FAULT names what, in a comma list; "what@N" is for the Nth window only, not counting
 * that of the self-check, which is 0. */
bool fault_injected(const struct probe_set *set, const char *what);
void fault_inject(const struct probe_set *set, struct ledger_sum *sum);

/* stacks.c */
void stacks_add(struct probe_set *set); /* those of the closed window */
void stacks_free(struct probe_set *set);

/* wall.c */
/* What the programs took of the CPU time of the threads that the ledger is of. */
double wall_observer_ns(const struct probe_set *set, const struct probe_ledger *l);
void wall_put(struct probe_set *set, const struct probe_metric *metric,
	      struct bench_metric_set *metrics);

/* worst.c */
void worst_put(const struct probe_set *set, struct bench_metric_set *metrics);

/* depth.c */
void depth_put(struct probe_set *set, const struct probe_metric *metric, const int *cpus,
	       unsigned nr, struct bench_metric_set *metrics);
/* Close the slot of a CPU at end_ns. False = nothing is known of it. */
bool depth_close(const struct probe_set *set, unsigned cpu, uint64_t end_ns,
		 struct probe_depth *ret_depth);

/* block.c */
void block_open(struct probe_set *set, struct probe_object *object);

/* fault.c */
void fault_open(struct probe_set *set, struct probe_object *object);
void fault_begin(struct probe_set *set); /* the window was set */
void fault_end(struct probe_set *set);	 /* it is about to be closed */
void fault_close(struct probe_set *set);

/* calibrate.c: wait for the thread with the known load, and measure meanwhile what each program costs
 * (probe_run.ns). */
void calibrate_join(struct probe_set *set, pthread_t load);

/* labels.c: the slots of a COUNT or HIST, and the labels of each. */
struct value_row {
	unsigned slot;
	unsigned found; /* which value of the label that is met while running */
	char name[32];	/* and what it is called */
	struct bench_label labels[2];
};
/* Row number index, with its fixed label. False = no further one. */
bool value_row(const struct probe_desc *desc, unsigned index, struct value_row *ret_row);
/* Adds the label that was met, if the metric has one; its text is in row. */
void value_row_name(const struct probe_set *set, const struct probe_object *object,
		    const struct probe_desc *desc, struct value_row *row);
size_t value_slots(const struct probe_desc *desc);

/* read.c */
struct bench_hist;
/* Sum of a slot over all CPUs in the current bank. */
uint64_t values_sum(const struct probe_set *set, const struct probe_object *object, unsigned slot);
/* The histogram at slot over all CPUs; tracked threads' open intervals are added. */
void values_hist(const struct probe_set *set, const struct probe_object *object, unsigned slot,
		 uint64_t end_ns, struct bench_hist *into);
void read_losses(const struct probe_set *set, struct probe_losses *ret_losses);

/* overhead.c: the closed window's part, before it is cleared. */
void overhead_add(struct probe_set *set);

/* cost.c: a set whose programs have been measured, NULL = none; what those of an object cost. */
struct probe_set *cost_open(void);
void cost_print(const struct probe_set *set, const char *object, FILE *out);

/* check.c: the programs prove themselves, and their cost is measured meanwhile. */
void check_run(struct probe_set *set);

#endif
