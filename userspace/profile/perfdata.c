// SPDX-License-Identifier: BSD-2-Clause
#include "profile/perfdata.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "profile/perfdata_file.h"

static const char *const names[PROFILE_NR_EVENTS] = {
	[PROFILE_CPU] = "cpu-clock",	[PROFILE_OFFCPU] = "offcpu-time",
	[PROFILE_RUNQ] = "runqueue-wait", [PROFILE_TAKEN] = "irq-steal",
	[PROFILE_BLOCK_IO] = "block-io", [PROFILE_UNSAMPLED] = "unsampled-cpu",
};

/* Records of events have these numbers in place of the kernel's, of which there is one for each
 * descriptor. */
static uint64_t id_of(enum profile_event event)
{
	return (uint64_t)event + 1;
}

const char *profile_event_name(enum profile_event event)
{
	return (unsigned)event < PROFILE_NR_EVENTS ? names[event] : "?";
}

/* --- bytes --- */

static void write_out(struct perfdata *f)
{
	size_t done = 0;

	while (done < f->used && !f->error) {
		ssize_t n = pwrite(f->fd, f->buffer + done, f->used - done,
				   (off_t)(f->offset + done));

		if (n < 0 && errno != EINTR)
			f->error = -errno;
		else if (n > 0)
			done += (size_t)n;
	}
	f->offset += f->used;
	f->used = 0;
}

void perfdata_put(struct perfdata *f, const void *bytes, size_t size)
{
	while (size) {
		size_t part = sizeof(f->buffer) - f->used;

		if (part > size)
			part = size;
		memcpy(f->buffer + f->used, bytes, part);
		f->used += part;
		bytes = (const char *)bytes + part;
		size -= part;
		if (f->used == sizeof(f->buffer))
			write_out(f);
	}
}

uint64_t perfdata_size(const struct perfdata *f)
{
	return f->offset + f->used;
}

int perfdata_write_out(struct perfdata *f, struct bench_err *err)
{
	write_out(f);
	return f->error ? bench_fail(err, f->error, "write the samples: %s", strerror(-f->error))
			: 0;
}

/* --- the head --- */

static void fill_attrs(struct perfdata *f, const struct perf_event_attr *attr)
{
	f->attrs[PROFILE_CPU] = *attr;
	for (unsigned i = PROFILE_CPU + 1; i < PROFILE_NR_EVENTS; i++)
		f->attrs[i] = (struct perf_event_attr){
			/* As perf record --off-cpu has it (tools/perf/util/bpf_off_cpu.c). */
			.type = PERF_TYPE_SOFTWARE,
			.size = sizeof(*attr),
			.config = PERF_COUNT_SW_BPF_OUTPUT,
			.sample_period = 1,
			.sample_type = attr->sample_type,
			.read_format = attr->read_format,
			.sample_id_all = 1,
			.inherit = 1,
			.exclude_guest = attr->exclude_guest,
			.use_clockid = 1,
			.clockid = CLOCK_MONOTONIC,
		};
}

/* Readable as it is from the first byte on: a length of 0 is "to the end" for perf. */
static void put_head(struct perfdata *f)
{
	const size_t attr_size = sizeof(f->attrs[0]) + sizeof(struct perfdata_section);
	struct perfdata_header *h = &f->header;

	*h = (struct perfdata_header){ .magic = PERFDATA_MAGIC,
				       .size = sizeof(*h),
				       .attr_size = attr_size };
	h->attrs.offset = sizeof(*h) + PROFILE_NR_EVENTS * sizeof(uint64_t);
	h->attrs.size = PROFILE_NR_EVENTS * attr_size;
	h->data.offset = h->attrs.offset + h->attrs.size;
	perfdata_put(f, h, sizeof(*h));
	for (unsigned i = 0; i < PROFILE_NR_EVENTS; i++) {
		uint64_t id = id_of(i);

		perfdata_put(f, &id, sizeof(id));
	}
	for (unsigned i = 0; i < PROFILE_NR_EVENTS; i++) {
		const struct perfdata_section ids = { sizeof(*h) + i * sizeof(uint64_t),
						      sizeof(uint64_t) };

		perfdata_put(f, &f->attrs[i], sizeof(f->attrs[i]));
		perfdata_put(f, &ids, sizeof(ids));
	}
}

int perfdata_new(struct perfdata **ret_file, int fd, const struct perf_event_attr *attr,
		 const char *name, struct bench_err *err)
{
	struct perfdata *f = calloc(1, sizeof(*f));

	if (!f)
		return bench_fail(err, -ENOMEM, "samples: out of memory");
	f->fd = fd;
	snprintf(f->cpu_event, sizeof(f->cpu_event), "%s", name);
	fill_attrs(f, attr);
	put_head(f);
	*ret_file = f;
	return 0;
}

void perfdata_free(struct perfdata *f)
{
	free(f);
}

/* --- records --- */

static void note_time(struct perfdata *f, uint64_t time_ns)
{
	if (!f->first_ns || time_ns < f->first_ns)
		f->first_ns = time_ns;
	if (time_ns > f->last_ns)
		f->last_ns = time_ns;
}

void perfdata_record(struct perfdata *f, const struct perf_event_header *header)
{
	size_t words = header->size / sizeof(uint64_t);
	const uint64_t id = id_of(PROFILE_CPU), *word = (const uint64_t *)header;

	/* Of all records but samples the identifier is the last word. */
	if (words < 2 || header->type == PERF_RECORD_SAMPLE)
		return;
	perfdata_put(f, word, (words - 1) * sizeof(*word));
	perfdata_put(f, &id, sizeof(id));
}

void perfdata_cpu_sample(struct perfdata *f, const struct perf_event_header *header,
			 uint64_t period)
{
	size_t words = header->size / sizeof(uint64_t);
	const uint64_t id = id_of(PROFILE_CPU), *word = (const uint64_t *)header;

	/* header, identifier, ip, pid and tid, time, CPU, period, chain (RECORD_SAMPLE_TYPE) */
	if (words < 8)
		return;
	perfdata_put(f, word, sizeof(*word));
	perfdata_put(f, &id, sizeof(id));
	perfdata_put(f, word + 2, 4 * sizeof(*word));
	perfdata_put(f, &period, sizeof(period));
	perfdata_put(f, word + 7, (words - 7) * sizeof(*word));
	note_time(f, word[4]);
}

/* What stands at the end of records that are no samples. */
struct trailer {
	uint32_t pid, tid;
	uint64_t time_ns;
	uint32_t cpu, reserved;
	uint64_t id;
};

void perfdata_sample(struct perfdata *f, const struct perfdata_sample *s)
{
	unsigned nr = (s->nr_kernel ? s->nr_kernel + 1 : 0) + (s->nr_user ? s->nr_user + 1 : 0);
	struct {
		struct perf_event_header header;
		uint64_t id, ip;
		uint32_t pid, tid;
		uint64_t time_ns;
		uint32_t cpu, reserved;
		uint64_t period, nr;
	} r = { .header = { .type = PERF_RECORD_SAMPLE,
			    .misc = s->nr_kernel || !s->nr_user ? PERF_RECORD_MISC_KERNEL
								: PERF_RECORD_MISC_USER,
			    .size = (uint16_t)(sizeof(r) + nr * sizeof(uint64_t)) },
		.id = id_of(s->event),
		.ip = s->nr_kernel ? s->kernel[0] : s->nr_user ? s->user[0] : 0,
		.pid = s->pid,
		.tid = s->tid,
		.time_ns = s->time_ns,
		.cpu = s->cpu,
		.period = s->period,
		.nr = nr };
	const uint64_t kernel = PERF_CONTEXT_KERNEL, user = PERF_CONTEXT_USER;

	perfdata_put(f, &r, sizeof(r));
	if (s->nr_kernel) {
		perfdata_put(f, &kernel, sizeof(kernel));
		perfdata_put(f, s->kernel, s->nr_kernel * sizeof(*s->kernel));
	}
	if (s->nr_user) {
		perfdata_put(f, &user, sizeof(user));
		perfdata_put(f, s->user, s->nr_user * sizeof(*s->user));
	}
	note_time(f, s->time_ns);
}

/* A text fills up words; there is a zero at its end. */
static size_t text_size(const char *text)
{
	return (strlen(text) + 8) / 8 * 8;
}

static void put_text(struct perfdata *f, const char *text)
{
	char zeros[8] = "";
	size_t len = strlen(text);

	perfdata_put(f, text, len);
	perfdata_put(f, zeros, text_size(text) - len);
}

void perfdata_comm(struct perfdata *f, pid_t pid, pid_t tid, const char *comm, uint64_t time_ns)
{
	const struct trailer t = { (uint32_t)pid, (uint32_t)tid, time_ns, 0, 0, id_of(PROFILE_CPU) };
	struct {
		struct perf_event_header header;
		uint32_t pid, tid;
	} r = { .header = { .type = PERF_RECORD_COMM,
			    .size = (uint16_t)(sizeof(r) + text_size(comm) + sizeof(t)) },
		.pid = (uint32_t)pid,
		.tid = (uint32_t)tid };

	perfdata_put(f, &r, sizeof(r));
	put_text(f, comm);
	perfdata_put(f, &t, sizeof(t));
}

/* The kernel's is a record without protection and inode, as perf itself writes it. */
static void kernel_map(struct perfdata *f, const struct perfdata_map *m, const struct trailer *t)
{
	struct {
		struct perf_event_header header;
		uint32_t pid, tid;
		uint64_t start, length, offset;
	} r = { .header = { .type = PERF_RECORD_MMAP,
			    .misc = PERF_RECORD_MISC_KERNEL,
			    .size = (uint16_t)(sizeof(r) + text_size(m->path) + sizeof(*t)) },
		.pid = (uint32_t)m->pid,
		.start = m->start,
		.length = m->length,
		.offset = m->offset };

	perfdata_put(f, &r, sizeof(r));
}

static void user_map(struct perfdata *f, const struct perfdata_map *m, const struct trailer *t)
{
	struct {
		struct perf_event_header header;
		uint32_t pid, tid;
		uint64_t start, length, offset;
		uint32_t maj, min;
		uint64_t inode, generation;
		uint32_t prot, flags;
	} r = { .header = { .type = PERF_RECORD_MMAP2,
			    .misc = PERF_RECORD_MISC_USER,
			    .size = (uint16_t)(sizeof(r) + text_size(m->path) + sizeof(*t)) },
		.pid = (uint32_t)m->pid,
		.tid = (uint32_t)m->pid,
		.start = m->start,
		.length = m->length,
		.offset = m->offset,
		.maj = m->maj,
		.min = m->min,
		.inode = m->inode,
		.prot = 5,  /* PROT_READ | PROT_EXEC */
		.flags = 2 }; /* MAP_PRIVATE */

	perfdata_put(f, &r, sizeof(r));
}

void perfdata_map(struct perfdata *f, const struct perfdata_map *m, uint64_t time_ns)
{
	const struct trailer t = { (uint32_t)m->pid, (uint32_t)m->pid, time_ns, 0, 0,
				   id_of(PROFILE_CPU) };

	if (m->pid < 0)
		kernel_map(f, m, &t);
	else
		user_map(f, m, &t);
	put_text(f, m->path);
	perfdata_put(f, &t, sizeof(t));
}

void perfdata_lost(struct perfdata *f, enum profile_event event, uint64_t nr, uint64_t time_ns)
{
	const struct {
		struct perf_event_header header;
		uint64_t id, nr;
		struct trailer t;
	} r = { .header = { .type = PERF_RECORD_LOST, .size = sizeof(r) },
		.id = id_of(event),
		.nr = nr,
		.t = { 0, 0, time_ns, 0, 0, id_of(event) } };

	perfdata_put(f, &r, sizeof(r));
}

void perfdata_round(struct perfdata *f)
{
	const struct perf_event_header r = { .type = PERFDATA_FINISHED_ROUND, .size = sizeof(r) };

	perfdata_put(f, &r, sizeof(r));
}
