/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HOST_VIRT_H
#define HOST_VIRT_H

/* The hypervisor below us ("kvm", "vmware", ...; "vm" when it does not say its name), "none" on
 * bare metal, NULL when it cannot be told. Static. */
const char *host_virt(void);

#endif
