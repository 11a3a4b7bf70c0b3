// SPDX-License-Identifier: BSD-2-Clause
/* Which hypervisor: the one CPUID names, else what the firmware's tables say. */
#include "host/virt.h"

#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "host/root.h"

struct name {
	const char *text, *virt;
};

#if defined(__x86_64__) || defined(__i386__)
/* Leaf 0x40000000, EBX ECX EDX: arch/x86/include/asm/hypervisor.h and the vendors' manuals. */
static const struct name signatures[] = {
	{ "KVMKVMKVM", "kvm" },
	{ "Microsoft Hv", "hyperv" },
	{ "VMwareVMware", "vmware" },
	{ "XenVMMXenVMM", "xen" },
	{ "TCGTCGTCGTCG", "qemu" },
	{ "bhyve bhyve ", "bhyve" },
	{ "VBoxVBoxVBox", "virtualbox" },
	{ " lrpepyh  vr", "parallels" },
	{ "ACRNACRNACRN", "acrn" },
	{ "Linux KVM Hv", "kvm" },
	{ NULL, NULL },
};

static const char *from_cpuid(void)
{
	const char *found = NULL;

	/* KVM may pose as Hyper-V on the first leaf and tell its own name 0x100 later. */
	for (uint32_t leaf = 0x40000000; leaf <= 0x40000100; leaf += 0x100) {
		uint32_t eax, regs[3];
		char text[13] = "";

		__cpuid(leaf, eax, regs[0], regs[1], regs[2]);
		memcpy(text, regs, sizeof(regs));
		for (const struct name *s = signatures; s->text; s++)
			if (!strcmp(text, s->text))
				found = s->virt;
	}
	return found;
}
#else
static const char *from_cpuid(void)
{
	return NULL;
}
#endif

/* Start of the DMI vendor or product name; the list of systemd-detect-virt(1). */
static const struct name dmi_names[] = {
	{ "KVM", "kvm" },
	{ "QEMU", "qemu" },
	{ "OpenStack", "kvm" },
	{ "Amazon EC2", "amazon" },
	{ "Google Compute Engine", "google" },
	{ "Hetzner", "kvm" },
	{ "DigitalOcean", "kvm" },
	{ "Alibaba Cloud ECS", "kvm" },
	{ "VMware", "vmware" },
	{ "VMW", "vmware" },
	{ "innotek GmbH", "virtualbox" },
	{ "VirtualBox", "virtualbox" },
	{ "Xen", "xen" },
	{ "Bochs", "bochs" },
	{ "Parallels", "parallels" },
	{ "BHYVE", "bhyve" },
	{ "Hyper-V", "hyperv" },
	{ "Virtual Machine", "hyperv" },
	{ "Apple Virtualization", "apple" },
	{ NULL, NULL },
};

/* *ret_any: there were DMI tables to look at. */
static const char *from_dmi(bool *ret_any)
{
	static const char *const files[] = { "product_name", "sys_vendor", "board_vendor",
					     "bios_vendor" };
	char text[128];

	/* Amazon's bare-metal machines carry the same vendor name. */
	if (host_read(text, sizeof(text), "/sys/class/dmi/id/product_name") >= 0) {
		*ret_any = true;
		if (strstr(text, ".metal"))
			return NULL;
	}
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (host_read(text, sizeof(text), "/sys/class/dmi/id/%s", files[i]) < 0)
			continue;
		*ret_any = true;
		for (const struct name *n = dmi_names; n->text; n++)
			if (!strncmp(text, n->text, strlen(n->text)))
				return n->virt;
	}
	return NULL;
}

/* arm64 and riscv without DMI. */
static const char *from_device_tree(void)
{
	char text[64];

	if (host_read(text, sizeof(text), "/proc/device-tree/hypervisor/compatible") < 0)
		return NULL;
	return !strcmp(text, "linux,kvm") ? "kvm" : strstr(text, "xen") ? "xen" : "vm";
}

const char *host_virt(void)
{
	char text[8192], flags[4096];
	const char *virt = NULL;
	bool x86, flag, dmi = false;

	host_read(text, sizeof(text), "/proc/cpuinfo");
	/* Only x86 has "flags" and with it a bit that says "in a guest". */
	x86 = host_field(text, "flags", ':', flags, sizeof(flags));
	flag = x86 && strstr(flags, " hypervisor");
	if (x86 && !flag) {
		/* A Xen control domain has no such flag. */
		if (host_read(text, sizeof(text), "/sys/hypervisor/type") > 0)
			return !strcmp(text, "xen") ? "xen" : "vm";
		return "none";
	}
	if (flag && host_is_live())
		virt = from_cpuid();
	if (!virt)
		virt = from_dmi(&dmi);
	if (!virt)
		virt = from_device_tree();
	if (virt || flag)
		return virt ? virt : "vm";
	return dmi ? "none" : NULL;
}
