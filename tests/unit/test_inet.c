// SPDX-License-Identifier: BSD-2-Clause
/* Addresses and ports as users write them, IPv4 and IPv6. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/inet.h"

static void numeric_addresses_are_read_and_printed(void **state)
{
	static const char *const good[] = { "10.0.0.2", "0.0.0.0", "fd00::2", "::", "::1", "fe80::1%lo" };
	static const char *const bad[] = { "",	    "nowhere",	 "10.1",  "10.0.0.256",
					   "fd00::g", "fe80::1%no", "1::2::3", "010.0.0.1" };
	char text[BENCH_INET_TEXT];
	union bench_inet addr;

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(bench_inet_parse(&addr, good[i]), 0);
		bench_inet_print(&addr, text);
		assert_string_equal(text, good[i]);
		assert_int_equal(bench_inet_port(&addr), 0);
		bench_inet_set_port(&addr, 5210);
		assert_int_equal(bench_inet_port(&addr), 5210);
		bench_inet_print(&addr, text);
		assert_string_equal(text, good[i]);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(bench_inet_parse(&addr, bad[i]), -EINVAL);
}

static void host_and_port_are_told_apart(void **state)
{
	static const char *const bad[] = { "",	     "host",   ":1",	"host:", "fd00::2:5210", "[fd00::2]",
					   "[]:5210", "[a:5210", "a]:5210:1", "0123456789012345:1" };
	static const struct {
		const char *text, *host, *port;
	} good[] = { { "host:1", "host", "1" },
		     { "10.0.0.2:5210", "10.0.0.2", "5210" },
		     { "[fd00::2]:5210", "fd00::2", "5210" },
		     { "[host]:x", "host", "x" } };
	const char *port;
	char host[16];

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(inet_endpoint(good[i].text, host, sizeof(host), &port), 0);
		assert_string_equal(host, good[i].host);
		assert_string_equal(port, good[i].port);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(inet_endpoint(bad[i], host, sizeof(host), &port), -EINVAL);
}

static bool same(const char *a, const char *b)
{
	union bench_inet x, y;

	assert_int_equal(bench_inet_parse(&x, a), 0);
	assert_int_equal(bench_inet_parse(&y, b), 0);
	return inet_same_host(&x, &y);
}

static void hosts_are_compared(void **state)
{
	(void)state;
	assert_true(same("10.0.0.2", "10.0.0.2"));
	assert_false(same("10.0.0.2", "10.0.0.3"));
	assert_true(same("fd00::2", "fd00::ffff:1"));
	assert_false(same("fd00::2", "fd00:0:0:1::2"));
	assert_false(same("0.0.0.0", "::"));
}

static void mapped_addresses_are_ipv4(void **state)
{
	char text[BENCH_INET_TEXT];
	union bench_inet addr;

	(void)state;
	assert_int_equal(bench_inet_parse(&addr, "::ffff:10.0.0.2"), 0);
	bench_inet_set_port(&addr, 5210);
	inet_unmap(&addr);
	bench_inet_print(&addr, text);
	assert_string_equal(text, "10.0.0.2");
	assert_int_equal(bench_inet_port(&addr), 5210);
	assert_int_equal(bench_inet_parse(&addr, "fd00::2"), 0);
	inet_unmap(&addr);
	assert_int_equal(addr.sa.sa_family, AF_INET6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numeric_addresses_are_read_and_printed),
		cmocka_unit_test(host_and_port_are_told_apart),
		cmocka_unit_test(hosts_are_compared),
		cmocka_unit_test(mapped_addresses_are_ipv4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
