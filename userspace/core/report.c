// SPDX-License-Identifier: BSD-2-Clause
#include "core/report.h"

#include <errno.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/nearest.h"
#include "core/registry.h"

#define WIDTH 100u

const struct bench_reporter *reporter_find(const char *name, struct bench_err *err)
{
	struct nearest n = { .name = name };

	for (unsigned i = 0; registry_reporters[i]; i++) {
		if (strcmp(registry_reporters[i]->name, name) == 0)
			return registry_reporters[i];
		nearest_offer(&n, registry_reporters[i]->name);
	}
	if (n.best)
		bench_fail(err, -EINVAL, "unknown format '%s'; did you mean '%s'?", name, n.best);
	else
		bench_fail(err, -EINVAL,
			   "unknown format '%s'; `bench list reporters` names what there is", name);
	return NULL;
}

struct bench_report_style reporter_style(FILE *out)
{
	struct bench_report_style style = { .width = WIDTH };
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size;

	style.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (!isatty(fileno(out)))
		return style;
	style.color = !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_col < WIDTH)
		style.width = size.ws_col;
	return style;
}
