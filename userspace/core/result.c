// SPDX-License-Identifier: BSD-2-Clause
/* The result document: making it, reading it back, looking things up in it. Nothing here trusts a
 * document that was read: every look-up checks the type. */
#include "core/result.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uuid/uuid.h>

#include "core/version.h"

/* Length of the valid UTF-8 sequence at s, 0 when it is none (RFC 3629, section 4). */
static unsigned utf8_len(const unsigned char *s)
{
	unsigned len, min_second = 0x80, max_second = 0xbf;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		min_second = 0xa0; /* shorter form exists */
	if (s[0] == 0xed)
		max_second = 0x9f; /* surrogates */
	if (s[0] == 0xf0)
		min_second = 0x90;
	if (s[0] == 0xf4)
		max_second = 0x8f; /* beyond U+10FFFF */
	if (s[1] < min_second || s[1] > max_second)
		return 0;
	for (unsigned i = 2; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

json_t *result_text(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	char *clean, *out;
	json_t *json;

	if (!text)
		return json_null();
	clean = out = malloc(4 * strlen(text) + 1); /* "\xNN" for a byte */
	if (!clean)
		return NULL;
	while (*s) {
		unsigned len = utf8_len(s);

		if (len) {
			memcpy(out, s, len);
			out += len;
			s += len;
		} else {
			out += sprintf(out, "\\x%02x", *s++);
		}
	}
	*out = '\0';
	json = json_string(clean);
	free(clean);
	return json;
}

json_t *result_number(double value)
{
	char digits[32];

	if (!isfinite(value))
		return json_null();
	if (fabs(value) < 9007199254740992.0 && value == trunc(value)) /* 2^53 */
		return json_integer((json_int_t)value);
	/* Both ways in the same locale, so a decimal comma does no harm. */
	snprintf(digits, sizeof(digits), "%.14e", value);
	return json_real(strtod(digits, NULL));
}

char *result_dump(const json_t *result)
{
	char *text = json_dumps(result, JSON_INDENT(2) | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY);
	size_t len = text ? strlen(text) : 0;
	char *line = text ? realloc(text, len + 2) : NULL;

	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + len, "\n", 2);
	return line;
}

json_t *result_new(int argc, char *const argv[])
{
	char id[UUID_STR_LEN], started[32] = "";
	time_t now = time(NULL);
	json_t *command = json_array();
	struct tm tm;
	uuid_t uuid;

	uuid_generate(uuid);
	uuid_unparse_lower(uuid, id);
	if (gmtime_r(&now, &tm))
		strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", &tm);
	for (int i = 0; i < argc; i++)
		json_array_append_new(command, result_text(argv[i]));
	return json_pack("{s:s,s:{s:s,s:s,s:s},s:s,s:s,s:o,s:[]}", "schema", BENCH_RESULT_SCHEMA,
			 "tool", "name", "bench", "version", bench_version(), "commit",
			 bench_commit(), "id", id, "started", started, "command", command,
			 "warnings");
}

void result_warn(json_t *result, const char *fmt, ...)
{
	json_t *warnings = json_object_get(result, "warnings"), *text, *seen;
	char *line = NULL;
	size_t i;
	va_list ap;

	if (!json_is_array(warnings)) {
		warnings = json_array();
		json_object_set_new(result, "warnings", warnings);
	}
	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		line = NULL;
	va_end(ap);
	text = result_text(line);
	free(line);
	if (!json_is_string(text)) {
		json_decref(text);
		return;
	}
	json_array_foreach (warnings, i, seen) {
		if (json_equal(seen, text)) {
			json_decref(text);
			return;
		}
	}
	json_array_append_new(warnings, text);
}

/* "bench.result/1" and any "bench.result/1.x": additive changes keep the number. */
static int check_schema(const json_t *result, const char *name, struct bench_err *err)
{
	const char *schema = bench_result_str(result, "schema");
	size_t len = strlen(BENCH_RESULT_SCHEMA);

	if (!json_is_object(result) || !*schema)
		return bench_fail(err, -EINVAL,
				  "'%s' is JSON but not a result of bench: it has no \"schema\"",
				  name);
	if (!strncmp(schema, BENCH_RESULT_SCHEMA, len) && (!schema[len] || schema[len] == '.'))
		return 0;
	if (!strncmp(schema, "bench.result/", strlen("bench.result/")))
		return bench_fail(err, -EINVAL,
				  "'%s' has schema '%.60s', this bench reads '%s': use the version "
				  "that wrote it",
				  name, schema, BENCH_RESULT_SCHEMA);
	return bench_fail(err, -EINVAL, "'%s' is not a result of bench: its schema is '%.60s'",
			  name, schema);
}

int bench_result_load(json_t **ret_result, const char *path, struct bench_err *err)
{
	bool standard_input = !strcmp(path, "-");
	const char *name = standard_input ? "standard input" : path;
	FILE *in = standard_input ? stdin : fopen(path, "re");
	json_error_t where;
	json_t *result = NULL;
	int r;

	if (!in) {
		r = -errno;
		return bench_fail(err, r, "open '%s': %s", path, strerror(errno));
	}
	/* A directory opens like a file; the first read tells. */
	r = getc(in);
	if (r == EOF) {
		r = ferror(in) ? -errno : -EINVAL;
		bench_fail(err, r, "read '%s': %s", name,
			   r == -EINVAL ? "it is empty" : strerror(-r));
		goto out;
	}
	ungetc(r, in);
	result = json_loadf(in, 0, &where);
	if (!result) {
		r = bench_fail(err, -EINVAL, "'%s' is not JSON: line %d, column %d: %s", name,
			       where.line, where.column, where.text);
		goto out;
	}
	r = check_schema(result, name, err);
	if (!r) {
		*ret_result = result;
		result = NULL;
	}
out:
	json_decref(result);
	if (!standard_input)
		fclose(in);
	return r;
}

const json_t *bench_result_get(const json_t *object, const char *path)
{
	while (json_is_object(object)) {
		const json_t *member = json_object_get(object, path);
		const char *dot = strchr(path, '.');
		char key[128];

		/* A member whose own name has dots ("blocked.disk") is found as it is. */
		if (member || !dot)
			return member;
		if ((size_t)(dot - path) >= sizeof(key))
			return NULL;
		memcpy(key, path, dot - path);
		key[dot - path] = '\0';
		object = json_object_get(object, key);
		path = dot + 1;
	}
	return NULL;
}

const char *bench_result_str(const json_t *object, const char *path)
{
	const char *text = json_string_value(bench_result_get(object, path));

	return text ? text : "";
}

double bench_result_num(const json_t *object, const char *path)
{
	const json_t *number = bench_result_get(object, path);

	return json_is_number(number) ? json_number_value(number) : NAN;
}

const json_t *bench_result_metric(const json_t *job, const char *name, const char *key,
				  const char *value)
{
	const json_t *metrics = bench_result_get(job, "metrics"), *m, *labelled = NULL;
	size_t i;

	json_array_foreach (metrics, i, m) {
		const json_t *labels = bench_result_get(m, "labels");

		if (strcmp(bench_result_str(m, "name"), name))
			continue;
		if (key) {
			const char *got = json_string_value(json_object_get(labels, key));

			if (got && !strcmp(got, value ? value : ""))
				return m;
		} else if (!json_object_size(labels)) {
			return m;
		} else if (!labelled) {
			labelled = m;
		}
	}
	return labelled;
}

bool bench_result_has_value(const json_t *metric)
{
	const char *status = bench_result_str(metric, "status");

	return (!strcmp(status, "ok") || !strcmp(status, "scaled")) &&
	       json_is_number(bench_result_get(metric, "value"));
}
