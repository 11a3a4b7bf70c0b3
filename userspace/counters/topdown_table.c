// SPDX-License-Identifier: BSD-2-Clause
/* Formulas by CPU. Codes are raw where libpfm4 and the kernel have no name for them or a wrong one;
 * "slots" and "topdown-*" are the kernel's own (Documentation: tools/perf topdown.txt). */
#include "counters/topdown.h"

#include <stdio.h>
#include <string.h>

#define METRICS                                                                                    \
	{ "slots", "slots" }, { "ret", "topdown-retiring" }, { "bad", "topdown-bad-spec" },        \
		{ "fe", "topdown-fe-bound" }, { "be", "topdown-be-bound" }
/* The hardware gives shares in 1/255; their sum takes the rounding out. */
#define METRICS_SUM                                                                                \
	{                                                                                          \
		"sum", 0, "ret + bad + fe + be"                                                    \
	}

/* Sapphire Rapids and later: both levels are in PERF_METRICS. drop is INT_MISC.UOP_DROPPING. */
static const struct topdown_group spr = {
	.events = { METRICS,
		    { "heavy", "topdown-heavy-ops" },
		    { "brmis", "topdown-br-mispredict" },
		    { "lat", "topdown-fetch-lat" },
		    { "mem", "topdown-mem-bound" },
		    { "drop", "r10ad" } },
	.nodes = { METRICS_SUM,
		   { "frontend_bound", 1, "fe / sum - drop / slots" },
		   { "backend_bound", 1, "be / sum" },
		   { "retiring", 1, "ret / sum" },
		   { "bad_speculation", 1,
		     "max(0, 1 - frontend_bound - backend_bound - retiring)" },
		   { "fetch_latency", 2, "lat / sum - drop / slots" },
		   { "fetch_bandwidth", 2, "max(0, frontend_bound - fetch_latency)" },
		   { "branch_mispredicts", 2, "brmis / sum" },
		   { "machine_clears", 2, "max(0, bad_speculation - branch_mispredicts)" },
		   { "memory_bound", 2, "mem / sum" },
		   { "core_bound", 2, "max(0, backend_bound - memory_bound)" },
		   { "heavy_operations", 2, "heavy / sum" } },
};

/* Ice Lake: level 1 from PERF_METRICS; clears is INT_MISC.CLEARS_COUNT, none
 * IDQ_UOPS_NOT_DELIVERED.CYCLES_0_UOPS_DELIV.CORE. */
static const struct topdown_group icl_frontend = {
	.events = { METRICS,
		    { "drop", "r100d" },
		    { "clears", "r104010d" },
		    { "none", "r500019c" } },
	.nodes = { METRICS_SUM,
		   { "frontend_bound", 1, "fe / sum - drop / slots" },
		   { "backend_bound", 1, "be / sum + 5 * clears / slots" },
		   { "retiring", 1, "ret / sum" },
		   { "bad_speculation", 1,
		     "max(0, 1 - frontend_bound - backend_bound - retiring)" },
		   { "fetch_latency", 2, "(5 * none - drop) / slots" },
		   { "fetch_bandwidth", 2, "max(0, frontend_bound - fetch_latency)" } },
};

/* BR_MISP_RETIRED.ALL_BRANCHES and MACHINE_CLEARS.COUNT. */
static const struct topdown_group icl_speculation = {
	.events = { METRICS,
		    { "drop", "r100d" },
		    { "clears", "r104010d" },
		    { "brmis", "rc5" },
		    { "mclears", "r10401c3" } },
	.nodes = { METRICS_SUM,
		   { "speculated", 0,
		     "max(0, 1 - fe / sum + drop / slots - be / sum - 5 * clears / slots - ret / sum)" },
		   { "branch_mispredicts", 2, "speculated * brmis / (brmis + mclears)" },
		   { "machine_clears", 2, "max(0, speculated - branch_mispredicts)" } },
};

/* CYCLE_ACTIVITY.STALLS_MEM_ANY and STALLS_TOTAL, EXE_ACTIVITY.BOUND_ON_STORES, 1_PORTS_UTIL and
 * 2_PORTS_UTIL. */
static const struct topdown_group icl_backend = {
	.events = { METRICS,
		    { "clears", "r104010d" },
		    { "stallmem", "r140014a3" },
		    { "stores", "r20040a6" },
		    { "stalls", "r40004a3" },
		    { "port1", "r2a6" },
		    { "port2", "r4a6" } },
	.nodes = { METRICS_SUM,
		   { "backend", 0, "be / sum + 5 * clears / slots" },
		   { "memory_bound", 2,
		     "backend * (stallmem + stores) / "
		     "(stalls + port1 + ret / sum * port2 + stores)" },
		   { "core_bound", 2, "max(0, backend - memory_bound)" } },
};

/* AMD: de_no_dispatch_per_slot 0x1a0 (no_ops_from_frontend 01, backend_stalls 1e, smt_contention
 * 60), de_src_op_disp.all 0xaa/07, ex_ret_ops 0xc1. Event bits 11:8 are config bits 35:32. */
static const struct topdown_group amd_level1 = {
	.events = { { "cycles", "cycles" },
		    { "fe", "r1000001a0" },
		    { "be", "r100001ea0" },
		    { "smt", "r1000060a0" },
		    { "dispatched", "r7aa" },
		    { "retired", "rc1" } },
	.nodes = { { "slots", 0, "width * cycles" },
		   { "frontend_bound", 1, "fe / slots" },
		   { "bad_speculation", 1, "(dispatched - retired) / slots" },
		   { "backend_bound", 1, "be / slots" },
		   { "retiring", 1, "retired / slots" },
		   { "smt_contention", 1, "smt / slots" } },
};

/* Cycles without any op from the front end (the first one with cmask 6); ex_ret_ucode_ops 0x1c2. */
static const struct topdown_group amd_frontend = {
	.events = { { "cycles", "cycles" },
		    { "fe", "r1000001a0" },
		    { "none", "r1060001a0" },
		    { "retired", "rc1" },
		    { "ucode", "r1000000c2" } },
	.nodes = { { "slots", 0, "width * cycles" },
		   { "fetch_latency", 2, "width * none / slots" },
		   { "fetch_bandwidth", 2, "max(0, fe / slots - fetch_latency)" },
		   { "heavy_operations", 2, "ucode / slots" } },
};

/* ex_ret_brn_misp 0xc3, resyncs_or_nc_redirects 0x96. */
static const struct topdown_group amd_speculation = {
	.events = { { "cycles", "cycles" },
		    { "dispatched", "r7aa" },
		    { "retired", "rc1" },
		    { "brmis", "rc3" },
		    { "resync", "r96" } },
	.nodes = { { "speculated", 0, "(dispatched - retired) / (width * cycles)" },
		   { "branch_mispredicts", 2, "speculated * brmis / (brmis + resync)" },
		   { "machine_clears", 2, "speculated * resync / (brmis + resync)" } },
};

/* ex_no_retire.load_not_complete 0xd6/a2 and not_complete 0xd6/02. */
static const struct topdown_group amd_backend = {
	.events = { { "cycles", "cycles" },
		    { "be", "r100001ea0" },
		    { "load", "ra2d6" },
		    { "waiting", "r2d6" } },
	.nodes = { { "backend", 0, "be / (width * cycles)" },
		   { "memory_bound", 2, "backend * load / waiting" },
		   { "core_bound", 2, "max(0, backend - memory_bound)" } },
};

/* Arm: STALL_SLOT_FRONTEND, STALL_SLOT_BACKEND, STALL_SLOT, OP_SPEC, OP_RETIRED, BR_MIS_PRED. */
#define ARM_EVENTS                                                                                 \
	{ "cycles", "cycles" }, { "fe", "r3e" }, { "be", "r3d" }, { "stall", "r3f" },              \
		{ "spec", "r3b" }, { "retired", "r3a" }, { "brmis", "r10" }
#define ARM_RETIRING { "retiring", 1, "retired / spec * (1 - stall / slots)" }
#define ARM_SPECULATION                                                                            \
	{                                                                                          \
		"bad_speculation", 1,                                                              \
			"(1 - retired / spec) * (1 - stall / slots) + 4 * brmis / cycles"          \
	}

static const struct topdown_group neoverse_v1 = {
	.events = { ARM_EVENTS },
	.nodes = { { "slots", 0, "width * cycles" },
		   { "frontend_bound", 1, "fe / slots - 4 * brmis / cycles" },
		   ARM_SPECULATION,
		   { "backend_bound", 1, "be / slots" },
		   ARM_RETIRING },
};

static const struct topdown_group neoverse_v2 = {
	.events = { ARM_EVENTS },
	.nodes = { { "slots", 0, "width * cycles" },
		   { "frontend_bound", 1, "fe / slots - brmis / cycles" },
		   ARM_SPECULATION,
		   { "backend_bound", 1, "be / slots - 3 * brmis / cycles" },
		   ARM_RETIRING },
};

/* The first N2 count a stalled slot too many in every cycle. */
static const struct topdown_group neoverse_n2_r0 = {
	.events = { ARM_EVENTS },
	.nodes = { { "slots", 0, "width * cycles" },
		   { "frontend_bound", 1, "(fe - cycles) / slots - brmis / cycles" },
		   { "bad_speculation", 1,
		     "(1 - retired / spec) * (1 - (stall - cycles) / slots) + 4 * brmis / cycles" },
		   { "backend_bound", 1, "be / slots - 3 * brmis / cycles" },
		   { "retiring", 1, "retired / spec * (1 - (stall - cycles) / slots)" } },
};

#define INTEL "intel/perfmon and pmu-tools"
#define AMD "Linux pmu-events amdzen4/pipeline.json"
#define ARM "Linux pmu-events arm64 and Arm's telemetry solution"

static const struct topdown_model sapphire_rapids = { "Sapphire Rapids", INTEL, { &spr }, 0 };
static const struct topdown_model ice_lake = {
	"Ice Lake", INTEL, { &icl_frontend, &icl_speculation, &icl_backend }, 0
};
static const struct topdown_model zen4 = {
	"Zen 4", AMD, { &amd_level1, &amd_frontend, &amd_speculation, &amd_backend }, 6
};
static const struct topdown_model zen5 = {
	"Zen 5", "Linux pmu-events amdzen5/pipeline.json", { &amd_level1 }, 8
};
static const struct topdown_model v1 = { "Neoverse V1", ARM, { &neoverse_v1 }, 8 };
static const struct topdown_model v2 = { "Neoverse V2", ARM, { &neoverse_v2 }, 8 };
static const struct topdown_model n2 = { "Neoverse N2", ARM, { &neoverse_v2 }, 5 };
static const struct topdown_model n2_r0 = { "Neoverse N2 r0", ARM, { &neoverse_n2_r0 }, 5 };

static const struct topdown_model *find_arm(uint64_t midr)
{
	/* MIDR_EL1: implementer 31:24 (0x41 is Arm), variant 23:20, part 15:4. */
	if (midr >> 24 != 0x41)
		return NULL;
	switch (midr >> 4 & 0xfff) {
	case 0xd40:
		return &v1;
	case 0xd4f:
		return &v2;
	case 0xd49:
		return midr >> 20 & 0xf ? &n2 : &n2_r0;
	}
	return NULL;
}

static const struct topdown_model *find_amd(const struct cpu_id *id)
{
	if (id->family == 0x1a)
		return &zen5;
	/* Family 19h is Zen 3 outside these. */
	if (id->family == 0x19 && ((id->model >= 0x10 && id->model <= 0x1f) ||
				   (id->model >= 0x60 && id->model <= 0xaf)))
		return &zen4;
	return NULL;
}

const struct topdown_model *topdown_find(const struct cpu_id *id, const struct pmu_set *pmus)
{
	const struct pmu *pmu = pmu_core(pmus, 0);

	/* The tables speak of one kind of core. */
	if (!pmu || pmus->nr_core > 1)
		return NULL;
	if (strcmp(id->vendor, "arm") == 0)
		return find_arm(id->midr);
	if (strcmp(id->vendor, "AuthenticAMD") == 0)
		return find_amd(id);
	/* The kernel shows what PERF_METRICS has, whatever the model is called. */
	if (strcmp(id->vendor, "GenuineIntel") != 0 || !pmu_has_event(pmus, pmu, "slots"))
		return NULL;
	if (pmu_has_event(pmus, pmu, "topdown-mem-bound"))
		return &sapphire_rapids;
	return pmu_has_event(pmus, pmu, "topdown-retiring") ? &ice_lake : NULL;
}

unsigned topdown_slots(const struct topdown_model *model, const struct pmu_set *pmus)
{
	const struct pmu *pmu = pmu_core(pmus, 0);
	unsigned slots = 0;
	char path[512];
	FILE *file;

	if (!pmu)
		return model->slots;
	snprintf(path, sizeof(path), "%s/%s/caps/slots", pmus->root, pmu->name);
	file = fopen(path, "re");
	if (file && fscanf(file, "%i", (int *)&slots) != 1)
		slots = 0;
	if (file)
		fclose(file);
	/* Some emulators have the file and say 0. */
	return slots ? slots : model->slots;
}
