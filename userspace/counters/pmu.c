// SPDX-License-Identifier: BSD-2-Clause
/* Reads /sys/bus/event_source/devices: which PMUs there are, how their events are encoded. The
 * files are described in the kernel's sysfs-bus-event_source-devices-{events,format} ABI pages. */
#include "counters/pmu.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENT_FILE_MAX 256

static bool path_exists(const struct pmu_set *set, const char *pmu, const char *dir,
			const char *file)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s/%s/%s", set->root, pmu, dir, file);
	return access(path, F_OK) == 0;
}

/* A whole small file without its newline. 0 or negative errno. */
static int read_text(const struct pmu_set *set, const char *pmu, const char *file, char *buf,
		     size_t size)
{
	char path[1024];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/%s/%s", set->root, pmu, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, buf, size - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	if (len < 0)
		return (int)len;
	buf[len] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

static int pmu_compare(const void *a, const void *b)
{
	return strcmp(((const struct pmu *)a)->name, ((const struct pmu *)b)->name);
}

static int set_add(struct pmu_set *set, const char *name)
{
	struct pmu *grown = realloc(set->pmus, (set->nr + 1) * sizeof(*grown));
	struct pmu *pmu;

	if (!grown)
		return -ENOMEM;
	set->pmus = grown;
	pmu = &grown[set->nr++];
	snprintf(pmu->name, sizeof(pmu->name), "%.*s", PMU_NAME_MAX - 1, name);
	pmu->core = strcmp(name, "cpu") == 0 || strcmp(name, "cpum_cf") == 0 ||
		    path_exists(set, name, ".", "cpus");
	set->nr_core += pmu->core;
	return 0;
}

int pmu_set_load(struct pmu_set *ret_set, const char *root)
{
	struct pmu_set set = { 0 };
	struct dirent *entry;
	int ret = 0;
	DIR *dir;

	snprintf(set.root, sizeof(set.root), "%s", root ? root : PMU_ROOT);
	dir = opendir(set.root);
	while (dir && !ret && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && strlen(entry->d_name) < PMU_NAME_MAX)
			ret = set_add(&set, entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (ret) {
		pmu_set_done(&set);
		return ret;
	}
	if (set.nr)
		qsort(set.pmus, set.nr, sizeof(*set.pmus), pmu_compare);
	*ret_set = set;
	return 0;
}

void pmu_set_done(struct pmu_set *set)
{
	free(set->pmus);
	set->pmus = NULL;
	set->nr = set->nr_core = 0;
}

const struct pmu *pmu_find(const struct pmu_set *set, const char *name)
{
	for (unsigned i = 0; i < set->nr; i++) {
		if (strcmp(set->pmus[i].name, name) == 0)
			return &set->pmus[i];
	}
	return NULL;
}

const struct pmu *pmu_core(const struct pmu_set *set, unsigned i)
{
	for (unsigned p = 0; p < set->nr; p++) {
		if (set->pmus[p].core && i-- == 0)
			return &set->pmus[p];
	}
	return NULL;
}

int pmu_type(const struct pmu_set *set, const struct pmu *pmu, uint32_t *ret_type)
{
	char text[32], *end;
	unsigned long type;
	int ret = read_text(set, pmu->name, "type", text, sizeof(text));

	if (ret)
		return ret;
	type = strtoul(text, &end, 10);
	if (end == text || *end)
		return -EINVAL;
	*ret_type = type;
	return 0;
}

const struct pmu *pmu_by_type(const struct pmu_set *set, uint32_t type)
{
	for (unsigned i = 0; i < set->nr; i++) {
		uint32_t t;

		if (pmu_type(set, &set->pmus[i], &t) == 0 && t == type)
			return &set->pmus[i];
	}
	return NULL;
}

bool pmu_has_event(const struct pmu_set *set, const struct pmu *pmu, const char *name)
{
	return *name && !strchr(name, '/') && *name != '.' &&
	       path_exists(set, pmu->name, "events", name);
}

bool pmu_is_precise(const struct pmu_set *set, const struct pmu *pmu)
{
	return path_exists(set, pmu->name, "caps", "max_precise");
}

bool pmu_cpu_mask(const struct pmu_set *set, const struct pmu *pmu, cpu_set_t *ret_mask)
{
	char text[1024], *at = text;

	if (read_text(set, pmu->name, "cpumask", text, sizeof(text)))
		return false;
	CPU_ZERO(ret_mask);
	while (isdigit((unsigned char)*at)) {
		unsigned long first = strtoul(at, &at, 10), last = first;

		if (*at == '-')
			last = strtoul(at + 1, &at, 10);
		for (; first <= last && first < CPU_SETSIZE; first++)
			CPU_SET(first, ret_mask);
		if (*at == ',')
			at++;
	}
	return true;
}

bool pmu_known_elsewhere(const char *name)
{
	static const char *const prefixes[] = { "cpu",	  "armv8_",  "uncore_", "power", "msr",
						"intel_", "cstate_", "ibs_",	"amd_",	 "arm_" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t len = strlen(prefixes[i]);

		if (strncmp(name, prefixes[i], len) == 0 &&
		    (i > 0 || name[len] == '\0' || name[len] == '_'))
			return true;
	}
	return false;
}

static uint64_t *attr_word(struct perf_event_attr *attr, const char *word, size_t len)
{
	if (len == 6 && strncmp(word, "config", 6) == 0)
		return (uint64_t *)&attr->config;
	if (len == 7 && strncmp(word, "config1", 7) == 0)
		return (uint64_t *)&attr->config1;
	if (len == 7 && strncmp(word, "config2", 7) == 0)
		return (uint64_t *)&attr->config2;
	return NULL;
}

/* Spread value over the bit ranges of a format file, "config:0-7,32-35": the low bits go to the
 * first range. */
static int apply_format(const char *format, const char *key, uint64_t value,
			struct perf_event_attr *attr, struct bench_err *err)
{
	size_t len = strcspn(format, ":");
	uint64_t *word = attr_word(attr, format, len), left = value;
	const char *at = format + len;

	if (!word || *at != ':')
		return bench_fail(err, -EINVAL, "format '%s' of term '%s' is not understood",
				  format, key);
	do {
		char *end;
		unsigned long low = strtoul(at + 1, &end, 10), high = low;
		unsigned width;
		uint64_t mask;

		if (*end == '-')
			high = strtoul(end + 1, &end, 10);
		if (end == at + 1 || low > high || high > 63)
			return bench_fail(err, -EINVAL,
					  "format '%s' of term '%s' is not understood", format,
					  key);
		width = high - low + 1;
		mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
		*word = (*word & ~(mask << low)) | (left & mask) << low;
		left = width == 64 ? 0 : left >> width;
		at = end;
	} while (*at == ',');
	if (left)
		return bench_fail(err, -EINVAL, "%s=0x%llx is too large: it goes to %s", key,
				  (unsigned long long)value, format);
	return 0;
}

static void read_extra(const struct pmu_set *set, const struct pmu *pmu, const char *event,
		       struct pmu_extra *extra)
{
	char file[EVENT_FILE_MAX], text[64];

	snprintf(file, sizeof(file), "events/%s.scale", event);
	if (read_text(set, pmu->name, file, text, sizeof(text)) == 0 && strtod(text, NULL) > 0)
		extra->scale = strtod(text, NULL);
	snprintf(file, sizeof(file), "events/%s.unit", event);
	if (read_text(set, pmu->name, file, text, sizeof(text)))
		return;
	/* Results are in base units. */
	if (strcmp(text, "Joules") == 0) {
		strcpy(extra->unit, "J");
	} else if (strcmp(text, "MiB") == 0) {
		strcpy(extra->unit, "B");
		extra->scale *= 1 << 20;
	} else {
		snprintf(extra->unit, sizeof(extra->unit), "%.15s", text);
	}
}

/* What is being encoded; nested while the terms of an event file are applied. */
struct encoding {
	const struct pmu_set *set;
	const struct pmu *pmu;
	struct perf_event_attr *attr;
	struct pmu_extra *extra;
	bool in_file;
	struct bench_err *err;
};

static int apply_terms(const struct encoding *enc, const char *terms);

static int apply_value(const struct encoding *enc, const char *key, const char *text)
{
	char file[EVENT_FILE_MAX], format[256], *end;
	uint64_t value, *word = attr_word(enc->attr, key, strlen(key));

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-')
		return bench_fail(enc->err, -EINVAL, "%s needs a number, not '%s'", key, text);
	if (word) {
		*word = value;
		return 0;
	}
	snprintf(file, sizeof(file), "format/%s", key);
	if (strchr(key, '/') || read_text(enc->set, enc->pmu->name, file, format, sizeof(format)))
		return bench_fail(enc->err, -ENOENT, "PMU '%s' has no event or term '%s'",
				  enc->pmu->name, key);
	return apply_format(format, key, value, enc->attr, enc->err);
}

/* A term without value is an event of the PMU, or else a flag of its format. */
static int apply_name(const struct encoding *enc, const char *name)
{
	struct encoding nested = *enc;
	char file[EVENT_FILE_MAX], terms[512];

	if (enc->in_file || !pmu_has_event(enc->set, enc->pmu, name))
		return apply_value(enc, name, "1");
	snprintf(file, sizeof(file), "events/%s", name);
	if (read_text(enc->set, enc->pmu->name, file, terms, sizeof(terms)))
		return bench_fail(enc->err, -ENOENT, "cannot read event '%s' of PMU '%s'", name,
				  enc->pmu->name);
	read_extra(enc->set, enc->pmu, name, enc->extra);
	nested.in_file = true;
	return apply_terms(&nested, terms);
}

/* A value "?" in an event file is to be given by the user, in a term of its own. */
static bool is_placeholder(const struct encoding *enc, const char *value)
{
	return enc->in_file && strcmp(value, "?") == 0;
}

static int apply_terms(const struct encoding *enc, const char *terms)
{
	while (true) {
		size_t len = strcspn(terms, ",");
		char term[128], *value;
		int ret;

		if (len == 0 || len >= sizeof(term))
			return bench_fail(enc->err, -EINVAL, "%s term in '%s/.../'",
					  len ? "too long a" : "empty", enc->pmu->name);
		memcpy(term, terms, len);
		term[len] = '\0';
		value = strchr(term, '=');
		if (value)
			*value++ = '\0';
		if (!value)
			ret = apply_name(enc, term);
		else
			ret = is_placeholder(enc, value) ? 0 : apply_value(enc, term, value);
		if (ret)
			return ret;
		if (!terms[len])
			return 0;
		terms += len + 1;
	}
}

int pmu_encode(const struct pmu_set *set, const struct pmu *pmu, const char *terms,
	       struct perf_event_attr *attr, struct pmu_extra *extra, struct bench_err *err)
{
	const struct encoding enc = { set, pmu, attr, extra, false, err };
	uint32_t type;
	int ret = pmu_type(set, pmu, &type);

	if (ret)
		return bench_fail(err, ret, "cannot read the type of PMU '%s'", pmu->name);
	attr->type = type;
	extra->scale = 1;
	extra->unit[0] = '\0';
	return apply_terms(&enc, terms);
}

void pmu_each_event(const struct pmu_set *set, const struct pmu *pmu,
		    void (*fn)(const struct pmu *pmu, const char *name, void *ctx), void *ctx)
{
	char path[1024];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s/events", set->root, pmu->name);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		/* NAME.scale, NAME.unit and NAME.snapshot belong to NAME. */
		if (!strchr(entry->d_name, '.'))
			fn(pmu, entry->d_name, ctx);
	}
	closedir(dir);
}
