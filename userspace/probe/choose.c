// SPDX-License-Identifier: BSD-2-Clause
/* Which probes a list of names stands for. */
#include "probe/set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "core/nearest.h"

/* Mark what a name stands for: an object with all its metrics, or one metric. */
static bool name_choose(struct probe_object *objects, unsigned nr, const char *name)
{
	bool found = false, all = !strcmp(name, "all");

	for (unsigned i = 0; i < nr; i++) {
		bool object = all || !strcmp(objects[i].image->name, name);

		for (unsigned k = 0; k < objects[i].nr_metrics; k++) {
			struct probe_metric *m = &objects[i].metrics[k];

			if (!object && strcmp(m->desc.name, name))
				continue;
			m->wanted = true;
			found = true;
		}
	}
	return found || all;
}

static int name_unknown(const struct probe_object *objects, unsigned nr, const char *name,
			struct bench_err *err)
{
	struct nearest n = { .name = name };

	nearest_offer(&n, "all");
	nearest_offer(&n, "none");
	for (unsigned i = 0; i < nr; i++) {
		if (objects[i].nr_metrics)
			nearest_offer(&n, objects[i].image->name);
		for (unsigned k = 0; k < objects[i].nr_metrics; k++)
			nearest_offer(&n, objects[i].metrics[k].desc.name);
	}
	if (n.best)
		return bench_fail(err, -ENOENT, "unknown probe '%s': did you mean '%s'?", name,
				  n.best);
	return bench_fail(err, -ENOENT, "unknown probe '%s': `bench list probes` shows them", name);
}

int list_choose(struct probe_object *objects, unsigned nr, const char *list,
		struct bench_err *err)
{
	char *copy, *save, *name;
	unsigned nr_names = 0;
	bool none = false;
	int ret = 0;

	copy = strdup(list);
	if (!copy)
		return bench_fail(err, -ENOMEM, "out of memory");
	for (name = strtok_r(copy, ", ", &save); name && !ret; name = strtok_r(NULL, ", ", &save)) {
		nr_names++;
		if (!strcmp(name, "none"))
			none = true;
		else if (!name_choose(objects, nr, name))
			ret = name_unknown(objects, nr, name, err);
	}
	free(copy);
	if (!ret && none && nr_names > 1)
		ret = bench_fail(err, -EINVAL,
				 "--probes=%s: none stands alone; give either none or names", list);
	if (!ret && !nr_names)
		ret = bench_fail(err, -EINVAL, "--probes: give all, none or names");
	return ret;
}
