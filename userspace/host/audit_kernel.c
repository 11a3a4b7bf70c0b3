// SPDX-License-Identifier: BSD-2-Clause
/* Checks of kernel settings and of what others have loaded into the kernel. */
#include "host/audit.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "host/root.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38 /* linux/capability.h since 5.8 */
#endif

#define SYSCTL "/proc/sys/kernel/"

void audit_io_uring(const struct audit *audit, struct finding *finding)
{
	/* Documentation/admin-guide/sysctl/kernel.rst, io_uring_disabled */
	static const char *const modes[] = { "allowed", "privileged processes only", "disabled" };
	enum audit_status status = AUDIT_OK;
	char seccomp[8] = "";
	bool filter;
	int64_t mode;

	host_field(audit->status, "Seccomp", ':', seccomp, sizeof(seccomp));
	filter = !strcmp(seccomp, "2");
	if (host_read_i64(&mode, SYSCTL "io_uring_disabled") || mode < 0 || mode > 2)
		return finding_unknown(finding,
				       "kernel.io_uring_disabled cannot be read (new in 6.6)%s",
				       filter ? "; a seccomp filter is in effect" : "");
	if (mode == 2 || (mode == 1 && !audit_capable(audit, CAP_SYS_ADMIN)))
		status = AUDIT_WARN;
	else if (filter || mode == 1)
		status = AUDIT_NOTE;
	finding_set(finding, status, "%s%s", modes[mode],
		    filter && mode < 2 ? ", but a seccomp filter may refuse it" : "");
	if (!mode && filter)
		finding_remedy(finding, "a seccomp profile that allows io_uring");
}

void audit_perf_event_paranoid(const struct audit *audit, struct finding *finding)
{
	bool free = audit_capable(audit, CAP_PERFMON) || audit_capable(audit, CAP_SYS_ADMIN);
	const char *means;
	int64_t level;

	if (host_read_i64(&level, SYSCTL "perf_event_paranoid"))
		return finding_unknown(finding, "kernel.perf_event_paranoid cannot be read");
	/* Level 3 is Debian's and Android's. */
	means = free	     ? "does not bind us"
		: level >= 3 ? "no counters at all"
		: level == 2 ? "user space only"
		: level == 1 ? "own threads only, not whole CPUs"
			     : "all counters";
	finding_set(finding,
		    free || level <= 0 ? AUDIT_OK
		    : level == 1       ? AUDIT_NOTE
				       : AUDIT_WARN,
		    "%" PRId64 " (%s)", level, means);
}

void audit_nmi_watchdog(const struct audit *audit, struct finding *finding)
{
	int64_t on;

	(void)audit;
	if (host_read_i64(&on, SYSCTL "nmi_watchdog"))
		return finding_unknown(finding, "kernel.nmi_watchdog cannot be read");
	finding_set(finding, on ? AUDIT_WARN : AUDIT_OK, "%s", on ? "on" : "off");
}

void audit_memlock(const struct audit *audit, struct finding *finding)
{
	char text[4096], line[128], soft[32] = "";
	bool unlimited, rings;

	host_read(text, sizeof(text), "/proc/self/limits");
	if (!host_field(text, "Max locked memory", ' ', line, sizeof(line)) ||
	    sscanf(line, "%31s", soft) != 1)
		return finding_unknown(finding, "/proc/self/limits cannot be read");
	if (!audit->kernel)
		return finding_unknown(finding, "the kernel's version cannot be read");
	/* BPF maps left RLIMIT_MEMLOCK with 5.11, io_uring's rings with 5.12; these came back with
	 * the regions of 6.14 (io_create_region(), io_uring/memmap.c). */
	rings = audit->kernel < 5012 || audit->kernel >= 6014;
	unlimited = !strcmp(soft, "unlimited") || audit_capable(audit, CAP_IPC_LOCK);
	finding_set(finding, rings && !unlimited ? AUDIT_NOTE : AUDIT_OK, "%s%s%s", soft,
		    strcmp(soft, "unlimited") ? " bytes" : "",
		    unlimited ? ""
		    : rings   ? ", rings and registered buffers"
			      : ", registered buffers only");
}

void audit_aslr(const struct audit *audit, struct finding *finding)
{
	static const char *const modes[] = { "off", "partial", "full" };
	int64_t mode;

	(void)audit;
	if (host_read_i64(&mode, SYSCTL "randomize_va_space") || mode < 0 || mode > 2)
		return finding_unknown(finding, "kernel.randomize_va_space cannot be read");
	finding_set(finding, mode == 2 ? AUDIT_OK : AUDIT_NOTE, "%s", modes[mode]);
}

/* --- kernel configuration --- */

/* Also reads files that are not compressed. */
static gzFile open_config(void)
{
	char release[128];
	int fd = host_open("/proc/config.gz");
	gzFile file;

	if (fd < 0 && host_read(release, sizeof(release), SYSCTL "osrelease") > 0) {
		fd = host_open("/boot/config-%s", release);
		if (fd < 0)
			fd = host_open("/lib/modules/%s/config", release);
	}
	if (fd < 0)
		return NULL;
	file = gzdopen(fd, "r");
	if (!file)
		close(fd);
	return file;
}

static void parse_config_line(const char *line, struct audit_config *config)
{
	static const struct {
		const char *option, *model;
	} models[] = {
		{ "CONFIG_PREEMPT_NONE=y", "none" }, { "CONFIG_PREEMPT_VOLUNTARY=y", "voluntary" },
		{ "CONFIG_PREEMPT=y", "full" },	     { "CONFIG_PREEMPT_LAZY=y", "lazy" },
		{ "CONFIG_PREEMPT_RT=y", "rt" },
	};

	if (!strncmp(line, "CONFIG_HZ=", 10))
		snprintf(config->hz, sizeof(config->hz), "%.*s", (int)strcspn(line + 10, "\n"),
			 line + 10);
	if (!strncmp(line, "CONFIG_PREEMPT_DYNAMIC=y", 24))
		config->dynamic = true;
	for (unsigned i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		size_t len = strlen(models[i].option);

		/* RT stands beside one of the others and decides. */
		if (!strncmp(line, models[i].option, len) && line[len] == '\n' &&
		    (!config->model || strcmp(config->model, "rt")))
			config->model = models[i].model;
	}
}

void audit_read_config(struct audit_config *ret_config)
{
	gzFile file = open_config();
	unsigned left = UINT_MAX;
	char line[512];

	*ret_config = (struct audit_config){ 0 };
	if (!file)
		return;
	/* The options on preemption stand together, so a few lines after the last finding there is
	 * nothing more to come; the rest of the file is most of the time this takes. */
	while (left-- && gzgets(file, line, sizeof(line))) {
		parse_config_line(line, ret_config);
		if (left > 64 && ret_config->hz[0] && ret_config->model)
			left = 64;
	}
	gzclose(file);
}

void audit_preemption(const struct audit *audit, struct finding *finding)
{
	char text[128], mode[32], *word;
	const struct audit_config *config = &audit->config;
	int64_t rt;

	if (!host_read_i64(&rt, "/sys/kernel/realtime") && rt)
		return finding_set(finding, AUDIT_OK, "rt");
	/* "none voluntary (full) lazy": what is in effect now. */
	if (host_read(text, sizeof(text), "/sys/kernel/debug/sched/preempt") > 0 &&
	    (word = strchr(text, '('))) {
		word++;
		word[strcspn(word, ")")] = '\0';
		return finding_set(finding, AUDIT_OK, "%s", word);
	}
	if (!config->model)
		return finding_unknown(finding,
				       "no debugfs sched/preempt and no kernel configuration");
	if (!config->dynamic)
		return finding_set(finding, AUDIT_OK, "%s", config->model);
	if (!audit_cmdline(audit, "preempt", mode, sizeof(mode)))
		snprintf(mode, sizeof(mode), "%s", config->model);
	finding_set(finding, AUDIT_OK, "%s at boot (dynamic; debugfs would tell the present one)",
		    mode);
}

void audit_hz(const struct audit *audit, struct finding *finding)
{
	if (!audit->config.hz[0])
		finding_unknown(finding, "the kernel configuration is not there");
	else
		finding_set(finding, AUDIT_OK, "%s", audit->config.hz);
}

/* --- BPF --- */

/* The ids of the programs that our own descriptors keep. *ret_ids is malloc'ed. */
static unsigned own_programs(uint32_t **ret_ids)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	uint32_t *ids = NULL;
	unsigned nr = 0;

	while (dir && (entry = readdir(dir))) {
		char target[64], text[512], value[32];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		uint32_t *more;

		target[n > 0 ? n : 0] = '\0';
		if (strcmp(target, "anon_inode:bpf-prog") ||
		    host_read(text, sizeof(text), "/proc/self/fdinfo/%s", entry->d_name) <= 0 ||
		    !host_field(text, "prog_id", ':', value, sizeof(value)))
			continue;
		more = realloc(ids, (nr + 1) * sizeof(*ids));
		if (!more)
			break;
		ids = more;
		ids[nr++] = (uint32_t)strtoul(value, NULL, 10);
	}
	if (dir)
		closedir(dir);
	*ret_ids = ids;
	return nr;
}

void audit_bpf_programs(const struct audit *audit, struct finding *finding)
{
	unsigned nr = 0, nr_own;
	uint32_t id = 0, *own;
	int ret = 0;

	(void)audit;
	if (!host_is_live())
		return finding_unknown(finding, "not this host");
	nr_own = own_programs(&own);
	while (!(ret = bpf_prog_get_next_id(id, &id))) {
		bool ours = false;

		for (unsigned i = 0; i < nr_own; i++)
			ours |= own[i] == id;
		nr += !ours;
	}
	free(own);
	if (ret == -ENOENT || (ret == -1 && errno == ENOENT)) /* the end of the list */
		finding_set(finding, nr ? AUDIT_NOTE : AUDIT_OK, "%u of others", nr);
	else
		finding_unknown(finding, "listing them needs CAP_SYS_ADMIN: %s",
				strerror(ret == -1 ? errno : -ret));
}

void audit_bpf_stats(const struct audit *audit, struct finding *finding)
{
	int64_t on;

	(void)audit;
	if (host_read_i64(&on, SYSCTL "bpf_stats_enabled"))
		return finding_unknown(finding, "kernel.bpf_stats_enabled cannot be read");
	finding_set(finding, on ? AUDIT_WARN : AUDIT_OK, "%s", on ? "on" : "off");
}

void audit_sched_ext(const struct audit *audit, struct finding *finding)
{
	char state[32], ops[128];
	DIR *dir;

	(void)audit;
	if (host_read(state, sizeof(state), "/sys/kernel/sched_ext/state") <= 0) {
		/* A kernel that has it always shows the directory. */
		dir = host_opendir("/sys/kernel");
		if (!dir)
			return finding_unknown(finding, "/sys/kernel cannot be read");
		closedir(dir);
		return finding_set(finding, AUDIT_OK, "not in this kernel");
	}
	if (!strcmp(state, "disabled"))
		return finding_set(finding, AUDIT_OK, "none loaded");
	if (host_read(ops, sizeof(ops), "/sys/kernel/sched_ext/root/ops") <= 0)
		snprintf(ops, sizeof(ops), "unnamed");
	finding_set(finding, AUDIT_WARN, "%s (%s)", ops, state);
}
