// SPDX-License-Identifier: BSD-2-Clause
// Config files in INI form, read with inih: [general], [exec] and one section a job, as in fio.
#include "core/settings.h"

#include <errno.h>
#include <ini.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/option.h"

struct reader {
	const struct bench_option *options;
	void *settings;
	struct job_list *jobs;
	char section[128]; /* the job section being read */
	char empty[128];   /* a section that has no key so far */
	int empty_line;
	FILE *file;
	uint64_t from_exec; /* rows of exec_options that [exec] has set, a bit each */
	json_t *seen;	    /* "section]key": the line that has it */
	int line;	/* of the text being parsed */
	int error_line; /* of the first error */
	struct bench_err err;
};

static void no_keys(struct reader *r)
{
	if (!r->empty[0] || r->err.code)
		return;
	r->error_line = r->empty_line;
	bench_fail(&r->err, -EINVAL,
		   "section [%s] has no keys: a job needs at least 'module = NAME'; the only other "
		   "sections are [general] and [exec]",
		   r->empty);
}

/* inih says nothing of sections without keys. */
static void note_section(struct reader *r, const char *line)
{
	size_t len = strcspn(line + 1, "]");

	no_keys(r);
	snprintf(r->empty, sizeof(r->empty), "%.*s", (int)len, line + 1);
	r->empty_line = r->line;
	if (strcmp(r->empty, "general") == 0 || strcmp(r->empty, "exec") == 0)
		r->empty[0] = '\0';
}

/* Feeds inih line by line, so that errors can name the line, and without leading blanks, which to
 * inih mean that the line continues the one before. */
static char *next_line(char *buf, int size, void *arg)
{
	struct reader *r = arg;
	char *got = fgets(buf, size, r->file);
	size_t len;

	if (!got)
		return NULL;
	r->line++;
	len = strlen(got);
	if (len + 1 == (size_t)size && got[len - 1] != '\n' && !r->err.code) {
		r->error_line = r->line;
		bench_fail(&r->err, -EINVAL, "line is longer than %d characters", size - 2);
	}
	len = strspn(got, " \t");
	memmove(got, got + len, strlen(got + len) + 1);
	if (got[0] == '[')
		note_section(r, got);
	return got;
}

static int set_kept(struct reader *r, const struct bench_option *opt, void *settings,
		    const char *value)
{
	const char *kept = job_list_keep(r->jobs, value);

	if (!kept)
		return bench_fail(&r->err, -ENOMEM, "out of memory");
	return option_set(opt, settings, kept, &r->err);
}

/* An option of exec that run does not have, or has with another meaning (warmup). */
static bool execs_own(const struct bench_option *opt)
{
	return opt->offset >= sizeof(struct settings);
}

static uint64_t exec_bit(const struct bench_option *opt)
{
	return 1ull << (opt - exec_options);
}

/* run's keys; those that exec shares apply to both commands. */
static int set_general(struct reader *r, const char *name, const char *value)
{
	const struct bench_option *opt = option_find(r->options, name);

	if (!option_find(run_options, name)) {
		if (option_find(exec_options, name))
			return bench_fail(&r->err, -EINVAL, "key '%s' belongs in section [exec]", name);
		return option_unknown(run_options, "key in [general]", name, &r->err);
	}
	if (r->options == exec_options &&
	    (!opt || execs_own(opt) || (r->from_exec & exec_bit(opt))))
		return 0;
	return set_kept(r, opt, r->settings, value);
}

/* exec's keys, which win over [general] wherever they stand. */
static int set_exec(struct reader *r, const char *name, const char *value)
{
	const struct bench_option *opt = option_find(exec_options, name);
	struct exec_settings unused;

	if (!opt)
		return option_unknown(exec_options, "key in [exec]", name, &r->err);
	if (r->options != exec_options)
		return option_set(opt, &unused, value, &r->err);
	r->from_exec |= exec_bit(opt);
	return set_kept(r, opt, r->settings, value);
}

static int set_job(struct reader *r, const char *section, const char *name, const char *value)
{
	const char *kept;

	if (strcmp(section, r->section) != 0) {
		if (strcmp(name, "module") != 0)
			return bench_fail(&r->err, -EINVAL,
					  "section [%s]: its first key must be 'module'; the only other "
					  "sections are [general] and [exec]",
					  section);
		snprintf(r->section, sizeof(r->section), "%s", section);
		return job_list_add_named(r->jobs, section, value, &r->err);
	}
	if (strcmp(name, "module") == 0)
		return bench_fail(&r->err, -EINVAL, "section [%s]: 'module' is given twice", section);
	kept = job_list_keep(r->jobs, value);
	if (!kept)
		return bench_fail(&r->err, -ENOMEM, "out of memory");
	return job_spec_set(&r->jobs->specs[r->jobs->nr - 1], name, kept, &r->err);
}

/* A value that silently won over another would be a setting that the user does not know of. Jobs may
 * share a name, so theirs go by number. */
static int note_key(struct reader *r, const char *section, const char *name)
{
	bool job = strcmp(section, "general") != 0 && strcmp(section, "exec") != 0;
	char key[512];
	int before;

	if (job && strcmp(name, "module") == 0)
		return 0; /* it begins another job, or set_job() refuses it */
	if (job)
		snprintf(key, sizeof(key), "#%u]%s", r->jobs->nr, name);
	else
		snprintf(key, sizeof(key), "%s]%s", section, name);
	before = (int)json_integer_value(json_object_get(r->seen, key));
	if (before)
		return bench_fail(&r->err, -EINVAL,
				  "key '%s' of section [%s] is given twice: line %d has it already",
				  name, section, before);
	json_object_set_new(r->seen, key, json_integer(r->line));
	return 0;
}

static int handle(void *arg, const char *section, const char *name, const char *value)
{
	struct reader *r = arg;
	int rc;

	if (r->err.code)
		return 0;
	r->empty[0] = '\0';
	if (!section[0])
		rc = bench_fail(&r->err, -EINVAL, "key '%s' stands before any [section]", name);
	else if (note_key(r, section, name))
		rc = r->err.code;
	else if (strcmp(section, "general") == 0)
		rc = set_general(r, name, value);
	else if (strcmp(section, "exec") == 0)
		rc = set_exec(r, name, value);
	else
		rc = set_job(r, section, name, value);
	if (rc)
		r->error_line = r->line;
	return rc == 0;
}

/* Is there nothing for us at path? A place that we may not even look into is somebody else's: HOME
 * often stays root's when a program becomes another user. */
static bool is_absent(const char *path)
{
	struct stat st;

	return lstat(path, &st) && (errno == ENOENT || errno == ENOTDIR || errno == EACCES);
}

/* NULL with errno 0 when there is none; another errno when there is one that cannot be read, which
 * must not be passed over. path is the one tried last. */
static FILE *open_default(char *path, size_t size)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	FILE *file;
	int code;

	if (xdg && xdg[0] == '/')
		snprintf(path, size, "%s/bench/bench.conf", xdg);
	else if (home)
		snprintf(path, size, "%s/.config/bench/bench.conf", home);
	else
		path[0] = '\0';
	if (!path[0] || is_absent(path))
		snprintf(path, size, "/etc/bench/bench.conf");
	file = fopen(path, "re");
	code = errno;
	errno = !file && is_absent(path) ? 0 : code;
	return file;
}

/* The user's file, or a default one; its name into buf. *ret_file NULL = there is none. */
static int open_config(const char *path, char *buf, size_t size, FILE **ret_file,
		       struct bench_err *err)
{
	struct stat st;

	if (path)
		snprintf(buf, size, "%s", path);
	*ret_file = path ? fopen(path, "re") : open_default(buf, size);
	if (!*ret_file && !path && !errno)
		return 0;
	if (!*ret_file)
		return bench_fail(err, -errno, "config file '%s': %s", buf, strerror(errno));
	if (fstat(fileno(*ret_file), &st) || !S_ISDIR(st.st_mode))
		return 0;
	fclose(*ret_file);
	return bench_fail(err, -EISDIR, "config file '%s' is a directory; give a file", buf);
}

int config_read(const char *path, const struct bench_option *options, void *settings,
		struct job_list *jobs, char **ret_path, struct bench_err *err)
{
	struct reader r = { .options = options, .settings = settings, .jobs = jobs };
	char buf[4096];
	int rc;

	if (ret_path)
		*ret_path = NULL;
	rc = open_config(path, buf, sizeof(buf), &r.file, err);
	if (rc || !r.file)
		return rc;
	r.seen = json_object();
	rc = ini_parse_stream(next_line, &r, handle, &r);
	no_keys(&r);
	if (!r.err.code && ferror(r.file)) {
		r.error_line = r.line;
		bench_fail(&r.err, -EIO, "cannot be read any further");
	}
	fclose(r.file);
	json_decref(r.seen);
	if (r.err.code)
		return bench_fail(err, r.err.code, "%s:%d: %s", buf, r.error_line, r.err.msg);
	if (rc)
		return bench_fail(err, -EINVAL, "%s:%d: neither a [section] nor key = value", buf, rc);
	if (ret_path)
		*ret_path = strdup(buf);
	return 0;
}
