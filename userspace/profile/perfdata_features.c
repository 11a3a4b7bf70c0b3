// SPDX-License-Identifier: BSD-2-Clause
/* What stands behind the samples: where they were taken, what the events are called, build ids. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "profile/perfdata_file.h"

/* tools/perf/util/header.h */
enum feature {
	FEATURE_BUILD_ID = 2,
	FEATURE_HOSTNAME = 3,
	FEATURE_OSRELEASE = 4,
	FEATURE_VERSION = 5,
	FEATURE_ARCH = 6,
	FEATURE_NRCPUS = 7,
	FEATURE_CPUDESC = 8,
	FEATURE_TOTAL_MEM = 10,
	FEATURE_CMDLINE = 11,
	FEATURE_EVENT_DESC = 12,
	FEATURE_SAMPLE_TIME = 21,
	FEATURE_CLOCKID = 23,
	FEATURE_CLOCK_DATA = 29,
};

/* In the order of their numbers, as their table has to be. */
static const enum feature features[] = {
	FEATURE_BUILD_ID,  FEATURE_HOSTNAME,   FEATURE_OSRELEASE,   FEATURE_VERSION,
	FEATURE_ARCH,	   FEATURE_NRCPUS,     FEATURE_CPUDESC,	    FEATURE_TOTAL_MEM,
	FEATURE_CMDLINE,   FEATURE_EVENT_DESC, FEATURE_SAMPLE_TIME, FEATURE_CLOCKID,
	FEATURE_CLOCK_DATA,
};
#define NR_FEATURES (sizeof(features) / sizeof(features[0]))

/* Texts have their length in front and are padded to this (NAME_ALIGN of perf). */
#define TEXT_ALIGN 64

static void put_u32(struct perfdata *f, uint32_t value)
{
	perfdata_put(f, &value, sizeof(value));
}

static void put_u64(struct perfdata *f, uint64_t value)
{
	perfdata_put(f, &value, sizeof(value));
}

static void put_padded(struct perfdata *f, const char *text, size_t size)
{
	static const char zeros[TEXT_ALIGN];
	size_t len = strlen(text);

	perfdata_put(f, text, len);
	perfdata_put(f, zeros, size - len);
}

static size_t padded(const char *text)
{
	return (strlen(text) + TEXT_ALIGN) / TEXT_ALIGN * TEXT_ALIGN;
}

static void put_string(struct perfdata *f, const char *text)
{
	put_u32(f, (uint32_t)padded(text));
	put_padded(f, text, padded(text));
}

static void put_events(struct perfdata *f)
{
	put_u32(f, PROFILE_NR_EVENTS);
	put_u32(f, sizeof(f->attrs[0]));
	for (unsigned i = 0; i < PROFILE_NR_EVENTS; i++) {
		perfdata_put(f, &f->attrs[i], sizeof(f->attrs[i]));
		put_u32(f, 1); /* ids */
		put_string(f, i == PROFILE_CPU ? f->cpu_event : profile_event_name(i));
		put_u64(f, i + 1);
	}
}

/* struct build_id_event of perf: the kind of what follows, a pid, 20 bytes of id and its length. */
static void put_build_ids(struct perfdata *f, const struct perfdata_facts *facts)
{
	for (unsigned i = 0; i < facts->nr_build_ids; i++) {
		const struct perfdata_build_id *b = &facts->build_ids[i];
		struct {
			struct perf_event_header header;
			int32_t pid;
			unsigned char id[20], size, pad[3];
		} r = { .header = { .misc = (b->kernel ? PERF_RECORD_MISC_KERNEL
						       : PERF_RECORD_MISC_USER) |
					    1u << 15, /* PERF_RECORD_MISC_BUILD_ID_SIZE */
				    .size = (uint16_t)(sizeof(r) + padded(b->path)) },
			.pid = -1,
			.size = (unsigned char)b->size };

		memcpy(r.id, b->id, b->size);
		perfdata_put(f, &r, sizeof(r));
		put_padded(f, b->path, padded(b->path));
	}
}

static uint64_t clock_ns(clockid_t clock, bool resolution)
{
	struct timespec ts = { 0 };

	if (resolution)
		clock_getres(clock, &ts);
	else
		clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void put_feature(struct perfdata *f, enum feature feature, const struct perfdata_facts *facts)
{
	switch (feature) {
	case FEATURE_BUILD_ID:
		put_build_ids(f, facts);
		break;
	case FEATURE_HOSTNAME:
		put_string(f, facts->hostname);
		break;
	case FEATURE_OSRELEASE:
		put_string(f, facts->release);
		break;
	case FEATURE_VERSION:
		put_string(f, facts->version);
		break;
	case FEATURE_ARCH:
		put_string(f, facts->arch);
		break;
	case FEATURE_NRCPUS:
		put_u32(f, facts->nr_cpus);
		put_u32(f, facts->nr_online);
		break;
	case FEATURE_CPUDESC:
		put_string(f, facts->cpu);
		break;
	case FEATURE_TOTAL_MEM:
		put_u64(f, facts->memory_kb);
		break;
	case FEATURE_CMDLINE:
		put_u32(f, facts->nr_argv);
		for (unsigned i = 0; i < facts->nr_argv; i++)
			put_string(f, facts->argv[i]);
		break;
	case FEATURE_EVENT_DESC:
		put_events(f);
		break;
	case FEATURE_SAMPLE_TIME:
		put_u64(f, f->first_ns);
		put_u64(f, f->last_ns);
		break;
	case FEATURE_CLOCKID: /* its resolution */
		put_u64(f, clock_ns(CLOCK_MONOTONIC, true));
		break;
	case FEATURE_CLOCK_DATA: /* version, clock, and both at one time */
		put_u32(f, 1);
		put_u32(f, CLOCK_MONOTONIC);
		put_u64(f, clock_ns(CLOCK_REALTIME, false));
		put_u64(f, clock_ns(CLOCK_MONOTONIC, false));
		break;
	}
}

static int put_at(struct perfdata *f, const void *bytes, size_t size, uint64_t offset)
{
	ssize_t n = pwrite(f->fd, bytes, size, (off_t)offset);

	return n == (ssize_t)size ? 0 : n < 0 ? -errno : -EIO;
}

int perfdata_flush(struct perfdata *f, struct bench_err *err)
{
	int rc = perfdata_write_out(f, err);

	if (rc)
		return rc;
	f->header.data.size = f->offset - f->header.data.offset;
	rc = put_at(f, &f->header, sizeof(f->header), 0);
	return rc ? bench_fail(err, rc, "write the samples: %s", strerror(-rc)) : 0;
}

int perfdata_finish(struct perfdata *f, const struct perfdata_facts *facts, struct bench_err *err)
{
	struct perfdata_section table[NR_FEATURES] = { 0 };
	uint64_t at;
	int rc;

	f->header.data.size = perfdata_size(f) - f->header.data.offset;
	at = perfdata_size(f);
	perfdata_put(f, table, sizeof(table));
	for (unsigned i = 0; i < NR_FEATURES; i++) {
		table[i].offset = perfdata_size(f);
		put_feature(f, features[i], facts);
		table[i].size = perfdata_size(f) - table[i].offset;
		f->header.features[features[i] / 64] |= 1ull << features[i] % 64;
	}
	rc = perfdata_write_out(f, err);
	if (rc)
		return rc;
	rc = put_at(f, table, sizeof(table), at);
	rc = rc ? rc : put_at(f, &f->header, sizeof(f->header), 0);
	return rc ? bench_fail(err, rc, "write the samples: %s", strerror(-rc)) : 0;
}
