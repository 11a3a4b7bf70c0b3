// SPDX-License-Identifier: BSD-2-Clause
/* What the host is. Nothing here names its owner: no machine-id, no serial numbers. */
#include "host/host.h"

#include <hwloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "host/cgroup.h"
#include "host/root.h"
#include "host/topology_internal.h"
#include "host/virt.h"

/* The first line of a file, null when it cannot be read or is empty. */
static json_t *fact(const char *path)
{
	char text[4096];

	if (host_read(text, sizeof(text), "%s", path) <= 0)
		return json_null();
	text[strcspn(text, "\n")] = '\0';
	return json_string(text) ?: json_null(); /* NULL: not UTF-8 */
}

static json_t *arch(void)
{
	struct utsname name;

	return uname(&name) ? json_null() : json_string(name.machine);
}

static json_t *memory_bytes(void)
{
	char text[512], value[64];

	host_read(text, sizeof(text), "/proc/meminfo");
	if (!host_field(text, "MemTotal", ':', value, sizeof(value)))
		return json_null();
	return json_integer(strtoll(value, NULL, 10) * 1024); /* "24684096 kB" */
}

static json_t *os_name(void)
{
	char text[4096], value[256];
	size_t len;

	host_read(text, sizeof(text), "/etc/os-release");
	if (!host_field(text, "PRETTY_NAME", '=', value, sizeof(value)))
		return json_null();
	len = strlen(value);
	if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
		value[len - 1] = '\0';
		return json_string(value + 1) ?: json_null();
	}
	return json_string(value) ?: json_null();
}

/* The first of some cpuinfo fields that is there; keys ends with NULL. */
static json_t *cpuinfo(const char *text, const char *const *keys)
{
	char value[256];

	for (; *keys; keys++)
		if (host_field(text, *keys, ':', value, sizeof(value)) && *value)
			return json_string(value) ?: json_null();
	return json_null();
}

/* Arm has no model name: implementer and part numbers of the MIDR register, from Arm's Technical
 * Reference Manuals. Server cores only; others keep their numbers. */
static json_t *arm_model(const char *text)
{
	static const struct {
		unsigned long implementer, part;
		const char *name;
	} parts[] = {
		{ 0x41, 0xd08, "Arm Cortex-A72" },  { 0x41, 0xd0c, "Arm Neoverse-N1" },
		{ 0x41, 0xd40, "Arm Neoverse-V1" }, { 0x41, 0xd49, "Arm Neoverse-N2" },
		{ 0x41, 0xd4a, "Arm Neoverse-E1" }, { 0x41, 0xd4f, "Arm Neoverse-V2" },
		{ 0x41, 0xd8e, "Arm Neoverse-N3" }, { 0x41, 0xd84, "Arm Neoverse-V3" },
		{ 0xc0, 0xac3, "Ampere-1" },	    { 0xc0, 0xac4, "Ampere-1A" },
		{ 0x43, 0x0af, "ThunderX2" },	    { 0x48, 0xd01, "Kunpeng-920" },
	};
	char implementer[16], part[16], name[80];

	if (!host_field(text, "CPU implementer", ':', implementer, sizeof(implementer)) ||
	    !host_field(text, "CPU part", ':', part, sizeof(part)))
		return json_null();
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].implementer == strtoul(implementer, NULL, 16) &&
		    parts[i].part == strtoul(part, NULL, 16))
			return json_string(parts[i].name);
	snprintf(name, sizeof(name), "Arm implementer %s part %s", implementer, part);
	return json_string(name);
}

static void put_cpu(json_t *facts)
{
	static const struct {
		const char *name, *keys[4];
	} rows[] = {
		{ "cpu", { "model name", "cpu model", "uarch" } },
		{ "cpu_vendor", { "vendor_id", "CPU implementer", "mvendorid" } },
		{ "cpu_family", { "cpu family", "CPU architecture" } },
		{ "cpu_model", { "model", "CPU part", "marchid" } },
		{ "cpu_stepping", { "stepping", "CPU revision", "mimpid" } },
		{ "microcode", { "microcode" } },
	};
	char text[8192]; /* the first CPUs are enough; large hosts have megabytes */

	host_read(text, sizeof(text), "/proc/cpuinfo");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		json_object_set_new(facts, rows[i].name, cpuinfo(text, rows[i].keys));
	if (json_is_null(json_object_get(facts, "cpu")))
		json_object_set_new(facts, "cpu", arm_model(text));
}

static json_t *allowed(const struct topology *t)
{
	char *text = NULL;
	json_t *list;

	if (hwloc_bitmap_list_asprintf(&text, t->allowed) < 0)
		return json_null();
	list = json_string(text);
	free(text);
	return list;
}

static json_t *cgroup(void)
{
	struct cgroup_limits limits;

	(void)cgroup_read(&limits); /* version 0 says that there is none */
	return json_pack(
		"{s:o, s:o, s:o, s:o}", "version",
		limits.version ? json_integer(limits.version) : json_null(), "quota_cpus",
		limits.quota_cpus > 0 ? json_real(limits.quota_cpus) : json_null(), "cpuset",
		limits.cpuset[0] ? json_string(limits.cpuset) : json_null(), "memory_bytes",
		limits.memory_bytes >= 0 ? json_integer(limits.memory_bytes) : json_null());
}

json_t *host_facts(const struct topology *t)
{
	json_t *facts = json_object();
	const char *virt = host_virt();

	json_object_set_new(facts, "hostname", fact("/proc/sys/kernel/hostname"));
	json_object_set_new(facts, "kernel", fact("/proc/sys/kernel/osrelease"));
	json_object_set_new(facts, "kernel_version", fact("/proc/sys/kernel/version"));
	json_object_set_new(facts, "kernel_cmdline", fact("/proc/cmdline"));
	json_object_set_new(facts, "arch", arch());
	json_object_set_new(facts, "os", os_name());
	put_cpu(facts);
	json_object_set_new(facts, "cpus",
			    json_integer(hwloc_get_nbobjs_by_type(t->hw, HWLOC_OBJ_PU)));
	json_object_set_new(facts, "cpus_online", fact("/sys/devices/system/cpu/online"));
	json_object_set_new(facts, "cpus_allowed", allowed(t));
	json_object_set_new(facts, "cores", json_integer(t->nr_cores));
	json_object_set_new(facts, "memory_bytes", memory_bytes());
	json_object_set_new(facts, "virt", virt ? json_string(virt) : json_null());
	json_object_set_new(
		facts, "clocksource",
		fact("/sys/devices/system/clocksource/clocksource0/current_clocksource"));
	json_object_set_new(facts, "boot_id", fact("/proc/sys/kernel/random/boot_id"));
	json_object_set_new(facts, "cgroup", cgroup());
	json_object_set_new(facts, "topology", topology_json(t));
	return facts;
}
