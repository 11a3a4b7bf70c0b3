// SPDX-License-Identifier: BSD-2-Clause
/* TCP over a loopback of its own that drops packets: the kernel's own counters say the same. */
#include "probe/rig.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PORT 5001
#define BYTES (6u << 20)

/* What the kernel counted in the network namespace. */
struct counted {
	bool made; /* the namespace and its filter */
	unsigned long retransmits, resets, drops;
};

/* A number after a word in a command's output or a file: field of the second line that starts with
 * line, by its name in the first one. */
static unsigned long snmp(const char *line, const char *name)
{
	char names[2048], values[2048], *n, *v, *save_n, *save_v;
	FILE *f = fopen("/proc/thread-self/net/snmp", "re");
	unsigned long value = 0;

	while (f && fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		if (strncmp(names, line, strlen(line)))
			continue;
		n = strtok_r(names, " \n", &save_n);
		v = strtok_r(values, " \n", &save_v);
		for (; n && v;
		     n = strtok_r(NULL, " \n", &save_n), v = strtok_r(NULL, " \n", &save_v))
			if (!strcmp(n, name))
				value = strtoul(v, NULL, 10);
	}
	if (f)
		fclose(f);
	return value;
}

static unsigned long dropped_packets(void)
{
	FILE *p = popen("nft list table ip bench_test 2>/dev/null", "re");
	unsigned long n = 0;
	char line[512], *at;

	while (p && fgets(line, sizeof(line), p)) {
		at = strstr(line, "counter packets ");
		if (at)
			n += strtoul(at + strlen("counter packets "), NULL, 10);
	}
	if (p)
		pclose(p);
	return n;
}

static bool filter_make(void)
{
	return !system("ip link set lo mtu 1500 up >/dev/null 2>&1 && nft -f - 2>/dev/null <<'END'\n"
		       "table ip bench_test {\n"
		       "	chain in {\n"
		       "		type filter hook input priority 0;\n"
		       "		tcp dport 5001 tcp flags & (syn | rst | fin) == 0 \\\n"
		       "			numgen inc mod 16 == 15 counter drop\n"
		       "	}\n"
		       "}\n"
		       "END\n");
}

static int socket_to(bool listens)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(PORT),
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listens ? bind(fd, (void *)&addr, sizeof(addr)) || listen(fd, 8)
		    : connect(fd, (void *)&addr, sizeof(addr)))
		_exit(1);
	return fd;
}

static void *receive(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);
	static char buf[65536];

	while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
	return NULL;
}

static void transfer(void)
{
	int listener = socket_to(true), fd;
	static char buf[65536];
	pthread_t thread;

	if (pthread_create(&thread, NULL, receive, &listener))
		_exit(1);
	fd = socket_to(false);
	for (unsigned sent = 0; sent < BYTES; sent += sizeof(buf))
		if (write(fd, buf, sizeof(buf)) != sizeof(buf))
			_exit(1);
	close(fd);
	pthread_join(thread, NULL);
	close(listener);
}

/* Connecting to a port that nobody listens at is answered with a reset. */
static void refused(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(PORT + 1),
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };

	for (unsigned i = 0; i < 7; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (!connect(fd, (void *)&addr, sizeof(addr)))
			_exit(1);
		close(fd);
	}
}

static struct counted in_a_namespace(void)
{
	struct counted c = { 0 };
	int answer[2], status;
	pid_t pid;

	assert_int_equal(pipe(answer), 0);
	pid = fork();
	if (!pid) {
		if (!unshare(CLONE_NEWNET) && filter_make()) {
			transfer();
			refused();
			c.made = true;
			c.retransmits = snmp("Tcp:", "RetransSegs");
			c.resets = snmp("Tcp:", "OutRsts");
			c.drops = dropped_packets();
		}
		_exit(write(answer[1], &c, sizeof(c)) != sizeof(c));
	}
	close(answer[1]);
	if (read(answer[0], &c, sizeof(c)) != sizeof(c))
		c.made = false;
	close(answer[0]);
	waitpid(pid, &status, 0);
	return c;
}

static void what_tcp_loses_is_what_the_kernel_counted(void **state)
{
	struct probe_set *set;
	struct counted c;
	json_t *m;

	(void)state;
	need_root();
	set = set_open("net", NULL);
	set_window(set, 0, 60000 * MS);
	c = in_a_namespace();
	m = set_read(set, NULL, 0);
	probe_close(set);
	if (!c.made) {
		printf("skip: no network namespace with an nft filter can be made here\n");
		json_decref(m);
		skip();
	}
	printf("retransmits %.0f, kernel %lu; drops %.0f (by the filter %.0f), filter %lu; resets "
	       "sent %.0f, received %.0f, kernel %lu\n",
	       value(m, "net.retransmits", NULL, NULL), c.retransmits,
	       value(m, "net.drops", NULL, NULL), value(m, "net.drops", "reason", "netfilter_drop"),
	       c.drops, value(m, "net.resets", "kind", "sent"),
	       value(m, "net.resets", "kind", "received"), c.resets);
	assert_true(c.retransmits > 0 && c.drops > 0);
	/* The rest of the host may lose something at the same time; the filter's are ours. */
	assert_true(value(m, "net.retransmits", NULL, NULL) >= (double)c.retransmits);
	assert_true(value(m, "net.retransmits", NULL, NULL) <= (double)c.retransmits + 3);
	assert_true(value(m, "net.drops", "reason", "netfilter_drop") == (double)c.drops);
	assert_true(value(m, "net.drops", NULL, NULL) >= (double)c.drops);
	assert_true(value(m, "net.resets", "kind", "sent") >= 7);
	assert_true(value(m, "net.resets", "kind", "sent") <= (double)c.resets + 3);
	assert_true(value(m, "net.resets", "kind", "received") >= 7);
	json_decref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_tcp_loses_is_what_the_kernel_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
