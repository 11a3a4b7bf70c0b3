/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of a label that are met while running: a table of ids and names, filled in the order in
 * which they come. PROBE_KEYS(nr) once per object. */
#ifndef KEYS_BPF_H
#define KEYS_BPF_H

#include "bench.bpf.h"

#define PROBE_KEYS(nr_)                                                                            \
	struct probe_keys_element {                                                                \
		struct probe_key key[nr_];                                                         \
	};                                                                                         \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(map_flags, BPF_F_MMAPABLE);                                                 \
		__uint(max_entries, 1);                                                            \
		__type(key, __u32);                                                                \
		__type(value, struct probe_keys_element);                                          \
	} keys SEC(".maps");                                                                       \
	/* Who has which entry: adding to a hash is the one thing here that only one CPU can do.   \
	 */                                                                                        \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, nr_);                                                          \
		__type(key, __u32);                                                                \
		__type(value, __u64);                                                              \
	} key_owners SEC(".maps");                                                                 \
	static __always_inline int key_find(const struct probe_keys_element *all, __u64 id)        \
	{                                                                                          \
		for (int i = 0; i < (nr_); i++)                                                    \
			if (all->key[i].id == id)                                                  \
				return i;                                                          \
		return -1;                                                                         \
	}                                                                                          \
	/* A free entry for id; the caller fills in the name, and then the id. -1 = full. */       \
	static __always_inline int key_claim(const struct probe_keys_element *all, __u64 id)       \
	{                                                                                          \
		for (__u32 i = 0; i < (nr_); i++) {                                                \
			__u32 key = i;                                                             \
                                                                                                   \
			if (!all->key[i].id &&                                                     \
			    !bpf_map_update_elem(&key_owners, &key, &id, BPF_NOEXIST))             \
				return i;                                                          \
		}                                                                                  \
		return -1;                                                                         \
	}

#endif
