// SPDX-License-Identifier: BSD-2-Clause
/* Where a file lies, held against the disk itself: a file system is made on a loop device, and what
 * the place says must be found there. Needs root, a loop device and mkfs.ext4. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../modules/disk_place.h"

#define BLOCK 4096
#define NR_BLOCKS 512

static char dir[] = "/var/tmp/bench-place-XXXXXX";
static char loop[64];

static __attribute__((format(printf, 1, 2))) bool run(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command) == 0;
}

static bool attach(void)
{
	char command[256];
	FILE *pipe;

	snprintf(command, sizeof(command), "losetup -f --show %s/img 2>/dev/null", dir);
	pipe = popen(command, "r");
	if (!pipe || !fgets(loop, sizeof(loop), pipe))
		loop[0] = '\0';
	if (pipe)
		pclose(pipe);
	loop[strcspn(loop, "\n")] = '\0';
	return loop[0] != '\0';
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	/* What is missing here makes the tests skip. */
	if (!run("truncate -s 64M %s/img && mkdir %s/mnt", dir, dir) || !attach())
		return 0;
	(void)run("mkfs.ext4 -q -b 4096 %s >/dev/null 2>&1", loop);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)run("umount %s/mnt 2>/dev/null; losetup -d %s 2>/dev/null", dir, loop);
	return run("rm -rf %s", dir) ? 0 : -1;
}

/* In pieces: another file grows at the same time. */
static void write_blocks(int fd, int other)
{
	static char block[BLOCK];

	for (unsigned i = 0; i < NR_BLOCKS; i++) {
		if (i == NR_BLOCKS / 2)
			continue; /* a hole */
		memset(block, 0, sizeof(block));
		snprintf(block, sizeof(block), "block %u of the file", i);
		assert_int_equal(pwrite(fd, block, BLOCK, (off_t)i * BLOCK), BLOCK);
		if (i % 16)
			continue;
		assert_int_equal(pwrite(other, block, BLOCK, (off_t)i * BLOCK), BLOCK);
		assert_int_equal(fdatasync(fd) | fdatasync(other), 0);
	}
	assert_int_equal(fsync(fd), 0);
}

static void blocks_are_where_the_place_says(void **state)
{
	char path[128], expected[64], found[64];
	struct bench_place at = { 0 };
	struct disk_place place;
	int fd, other, disk;
	struct stat st;

	(void)state;
	if (!loop[0] || !run("mount %s %s/mnt 2>/dev/null", loop, dir)) {
		print_message("skipped: no loop device with a file system to be had here\n");
		skip();
	}
	snprintf(path, sizeof(path), "%s/mnt/file", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	snprintf(path, sizeof(path), "%s/mnt/other", dir);
	other = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0 && other >= 0);
	write_blocks(fd, other);
	disk_place_init(&place, fd);
	assert_int_equal(stat(loop, &st), 0);
	assert_int_equal(place.dev, major(st.st_rdev) << 20 | minor(st.st_rdev));
	assert_true(place.nr > 1);
	disk = open(loop, O_RDONLY);
	assert_true(disk >= 0);
	for (unsigned i = 0; i < NR_BLOCKS; i++) {
		int rc = disk_place_find(&place, (uint64_t)i * BLOCK + 512, BLOCK, &at);

		if (i == NR_BLOCKS / 2) {
			assert_int_equal(rc, -ENOENT);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_in_range(at.bytes, BLOCK - 512, BLOCK);
		snprintf(expected, sizeof(expected), "block %u of the file", i);
		assert_int_equal(pread(disk, found, sizeof(found), (off_t)(at.sector - 1) * 512),
				 sizeof(found));
		assert_string_equal(found, expected);
	}
	assert_int_equal(disk_place_find(&place, (uint64_t)NR_BLOCKS * BLOCK, BLOCK, &at), -ENOENT);
	disk_place_done(&place);
	close(disk);
	close(other);
	close(fd);
}

static void device_is_its_own_place(void **state)
{
	struct disk_place place;
	struct bench_place at;
	int fd;

	(void)state;
	fd = loop[0] ? open(loop, O_RDONLY) : -1;
	if (fd < 0) {
		print_message("skipped: no loop device to be had here\n");
		skip();
	}
	disk_place_init(&place, fd);
	assert_int_equal(disk_place_find(&place, 8192, 4096, &at), 0);
	assert_int_equal(at.sector, 16);
	assert_int_equal(at.bytes, 4096);
	disk_place_done(&place);
	close(fd);
}

static void file_without_a_disk_has_no_place(void **state)
{
	struct disk_place place;
	struct bench_place at;
	int fd = open("/proc/self/stat", O_RDONLY);

	(void)state;
	assert_true(fd >= 0);
	disk_place_init(&place, fd);
	assert_int_equal(place.dev, 0);
	assert_int_equal(disk_place_find(&place, 0, 512, &at), -ENOENT);
	disk_place_done(&place);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_where_the_place_says),
		cmocka_unit_test(device_is_its_own_place),
		cmocka_unit_test(file_without_a_disk_has_no_place),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
