/* SPDX-License-Identifier: BSD-2-Clause */
/* A block device that is to be written: is it the one that is meant, and is nothing on it? All of it
 * is found out by reading (procfs, sysfs, the device's own blocks); a device that is in doubt is
 * refused. */
#ifndef MODULES_DISK_DEVICE_H
#define MODULES_DISK_DEVICE_H

#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bench/error.h"
#include "disk_sysfs.h"

/* A device, what it is part of and its partitions: whoever uses one of them uses the device. */
#define DISK_FAMILY_MAX 300u
/* Devices that one file system lies on, and how deep they are stacked. */
#define DISK_UNDER_MAX 64u

struct disk_devices {
	dev_t devs[DISK_FAMILY_MAX];
	unsigned nr;
};

static inline bool disk_devices_have(const struct disk_devices *d, dev_t dev)
{
	for (unsigned i = 0; i < d->nr; i++)
		if (d->devs[i] == dev)
			return true;
	return false;
}

static inline void disk_devices_add(struct disk_devices *d, dev_t dev)
{
	if (d->nr < DISK_FAMILY_MAX && !disk_devices_have(d, dev))
		d->devs[d->nr++] = dev;
}

static inline bool disk_device_add_partition(dev_t dev, const char *entry, void *arg)
{
	char name[NAME_MAX + 16], text[16];
	dev_t part;

	snprintf(name, sizeof(name), "%s/partition", entry);
	if (!disk_device_text(dev, name, text, sizeof(text)))
		return true;
	snprintf(name, sizeof(name), "%s/dev", entry);
	if (disk_device_number(dev, name, &part))
		disk_devices_add(arg, part);
	return true;
}

static inline void disk_device_family(dev_t dev, struct disk_devices *ret_family)
{
	char text[16];
	dev_t whole;

	ret_family->nr = 0;
	disk_devices_add(ret_family, dev);
	if (disk_device_text(dev, "partition", text, sizeof(text)) &&
	    disk_device_number(dev, "../dev", &whole))
		disk_devices_add(ret_family, whole);
	else
		disk_device_entries(dev, "", disk_device_add_partition, ret_family);
}

/* --- is it the one that is meant? --- */

/* What a device is told by where it has no link in /dev/disk/by-id, best first. A loop device is what
 * its file is. */
static const char *const disk_device_names[] = { "serial",	  "device/serial", "../serial",
						 "../device/serial", "wwid",	   "device/wwid",
						 "dm/uuid",	  "loop/backing_file", NULL };

/* nvme0n1: a namespace; nvme0c1n1 is a path to one. */
static inline bool disk_device_count_namespace(dev_t dev, const char *name, void *arg)
{
	unsigned nr, *count = arg;
	int end = 0;

	(void)dev;
	if (sscanf(name, "nvme%*un%u%n", &nr, &end) == 1 && !name[end])
		++*count;
	return true;
}

/* The serial number of an NVMe controller, which all of its namespaces share? */
static inline bool disk_device_serial_shared(dev_t dev, const char *name)
{
	unsigned count = 0;

	if (!strcmp(name, "device/serial"))
		disk_device_entries(dev, "device", disk_device_count_namespace, &count);
	else if (!strcmp(name, "../device/serial"))
		disk_device_entries(dev, "../device", disk_device_count_namespace, &count);
	return count > 1;
}

static inline bool disk_device_linked(dev_t dev, const char *word)
{
	static const char by_id[] = "/dev/disk/by-id/";
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", strncmp(word, by_id, sizeof(by_id) - 1) ? by_id : "",
		 word);
	return !stat(path, &st) && S_ISBLK(st.st_mode) && st.st_rdev == dev;
}

/* Does destroy=word name this device? */
static inline int disk_device_meant(const char *path, dev_t dev, const char *word,
				    struct bench_err *err)
{
	char text[PATH_MAX], known[PATH_MAX] = "";

	if (disk_device_linked(dev, word))
		return 0;
	for (unsigned i = 0; disk_device_names[i]; i++) {
		if (!disk_device_text(dev, disk_device_names[i], text, sizeof(text)) ||
		    disk_device_serial_shared(dev, disk_device_names[i]))
			continue;
		if (!strcmp(text, word))
			return 0;
		if (!known[0])
			snprintf(known, sizeof(known), "%s", text);
	}
	if (!known[0])
		return bench_fail(err, -EINVAL,
				  "destroy='%s' does not name '%s', which has no serial number; give "
				  "its link in /dev/disk/by-id",
				  word, path);
	return bench_fail(err, -EINVAL,
			  "destroy='%s' does not name '%s'; it is '%.160s': give that if its data may "
			  "be destroyed",
			  word, path, known);
}

/* --- is it in use? --- */

static inline bool disk_device_mounted(const struct disk_devices *family, char *ret_where, size_t size)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], where[1024];
	unsigned major_nr, minor_nr;
	bool found = false;

	/* man 5 proc: id, parent, major:minor, root, mount point. What cannot be looked at may be there. */
	if (!file) {
		snprintf(ret_where, size, "unknown: no /proc/self/mountinfo");
		return true;
	}
	while (!found && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*d %*d %u:%u %*s %1023s", &major_nr, &minor_nr, where) != 3)
			continue;
		found = disk_devices_have(family, makedev(major_nr, minor_nr));
		if (found)
			snprintf(ret_where, size, "%.200s", where);
	}
	fclose(file);
	return found;
}

static inline bool disk_device_swap(const struct disk_devices *family)
{
	FILE *file = fopen("/proc/swaps", "re");
	char line[4096], path[PATH_MAX];
	bool found = false;
	struct stat st;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%4095s", path) == 1 && !stat(path, &st) &&
			S_ISBLK(st.st_mode) && disk_devices_have(family, st.st_rdev);
	if (file)
		fclose(file);
	return found;
}

static inline bool disk_device_first(dev_t dev, const char *entry, void *arg)
{
	(void)dev;
	snprintf(arg, NAME_MAX + 1, "%s", entry);
	return false;
}

/* The device number of loop device `name` and the file behind it; false when it has none. */
static inline bool disk_device_loop(const char *name, dev_t *ret_dev, struct stat *ret_file)
{
	char path[NAME_MAX + 64], text[PATH_MAX];
	unsigned major_nr, minor_nr;
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "/sys/block/%s/dev", name);
	file = fopen(path, "re");
	ok = file && fscanf(file, "%u:%u", &major_nr, &minor_nr) == 2;
	if (file)
		fclose(file);
	if (!ok)
		return false;
	*ret_dev = makedev(major_nr, minor_nr);
	return disk_device_text(*ret_dev, "loop/backing_file", text, sizeof(text)) &&
	       !stat(text, ret_file);
}

/* A loop device does not claim the device that it is made of. */
static inline bool disk_device_looped(const struct disk_devices *family, char *ret_who, size_t size)
{
	DIR *dir = opendir("/sys/block");
	const struct dirent *entry;
	bool found = false;
	struct stat st;
	dev_t loop;

	while (dir && !found && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "loop", 4) || !disk_device_loop(entry->d_name, &loop, &st))
			continue;
		found = S_ISBLK(st.st_mode) && disk_devices_have(family, st.st_rdev);
		if (found)
			snprintf(ret_who, size, "%s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Is it a loop device over another device? That may be mounted, say, and a part without a signature of
 * its own may be what the loop device shows. */
static inline bool disk_device_over(dev_t dev, char *ret_path, size_t size)
{
	static const char *const names[] = { "loop/backing_file", "../loop/backing_file" };
	char text[PATH_MAX];
	struct stat st;

	for (unsigned i = 0; i < 2; i++)
		if (disk_device_text(dev, names[i], text, sizeof(text)) && !stat(text, &st) &&
		    S_ISBLK(st.st_mode)) {
			snprintf(ret_path, size, "%.200s", text);
			return true;
		}
	return false;
}

/* --- is the root file system on it? --- */

/* Where "/" lies, when its own device number is none of a block device (btrfs, overlays). */
static inline dev_t disk_device_of_root(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], where[1024], source[1024];
	dev_t dev = 0;
	struct stat st;

	if (!stat("/", &st) && major(st.st_dev))
		dev = st.st_dev;
	while (file && !dev && fgets(line, sizeof(line), file)) {
		const char *rest = strstr(line, " - ");

		if (sscanf(line, "%*d %*d %*s %*s %1023s", where) == 1 && !strcmp(where, "/") && rest &&
		    sscanf(rest, " - %*s %1023s", source) == 1 && !stat(source, &st) &&
		    S_ISBLK(st.st_mode))
			dev = st.st_rdev;
	}
	if (file)
		fclose(file);
	return dev;
}

static inline bool disk_device_add_slave(dev_t dev, const char *entry, void *arg)
{
	char name[NAME_MAX + 16];
	dev_t slave;

	snprintf(name, sizeof(name), "slaves/%s/dev", entry);
	if (disk_device_number(dev, name, &slave))
		disk_devices_add(arg, slave);
	return true;
}

/* Everything that dev lies on, itself included: what it is made of, and the file of a loop device. */
static inline void disk_device_under(dev_t dev, struct disk_devices *ret_under)
{
	char text[PATH_MAX];
	struct stat st;

	ret_under->nr = 0;
	if (dev)
		disk_devices_add(ret_under, dev);
	for (unsigned i = 0; i < ret_under->nr && i < DISK_UNDER_MAX; i++) {
		dev_t whole = ret_under->devs[i];

		disk_device_entries(whole, "slaves", disk_device_add_slave, ret_under);
		if (disk_device_text(whole, "partition", text, sizeof(text)))
			(void)disk_device_number(whole, "../dev", &whole);
		if (disk_device_text(whole, "loop/backing_file", text, sizeof(text)) &&
		    !stat(text, &st))
			disk_devices_add(ret_under, S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev);
	}
}

static inline bool disk_device_holds_root(const struct disk_devices *family)
{
	struct disk_devices under;

	disk_device_under(disk_device_of_root(), &under);
	for (unsigned i = 0; i < under.nr; i++)
		if (disk_devices_have(family, under.devs[i]))
			return true;
	return false;
}

/* --- is there anything on it? --- */

/* An open(2) of a file or device that failed with e, to do what `way` says. */
static inline int disk_open_failed(const char *path, const char *way, int e, struct bench_err *err)
{
	if (e == EACCES)
		return bench_fail(err, -e,
				  "open '%s' for %s: %s; run as root or as a member of the group that "
				  "owns it",
				  path, way, strerror(e));
	if (e == EPERM)
		return bench_fail(err, -e,
				  "open '%s' for %s: %s, by a device cgroup (a container or service "
				  "without that device) or a security module, also for root; use a "
				  "file on it (directory=)",
				  path, way, strerror(e));
	if (e == EBUSY)
		return bench_fail(err, -e,
				  "open '%s' for %s: %s: the kernel says that something uses it (with "
				  "--runtime=uring,blocking it may be the other job of the pair)",
				  path, way, strerror(e));
	return bench_fail(err, -e, "open '%s' for %s: %s", path, way, strerror(e));
}

/* 0 when libblkid knows nothing of what is there. It reads without regard to alignment, so the
 * descriptor is one of its own: of `node`, which is `path` or leads to what was opened by it. flags:
 * O_EXCL, to find out whether anybody has claimed it, or 0. */
static inline int disk_device_blank(const char *path, const char *node, int flags,
				    struct bench_err *err)
{
	int fd = open(node, O_RDONLY | O_CLOEXEC | flags), ret = -EIO;
	const char *type = NULL;
	blkid_probe probe;

	if (fd < 0)
		return disk_open_failed(path, "reading", errno, err);
	probe = blkid_new_probe();
	if (probe && !blkid_probe_set_device(probe, fd, 0, 0)) {
		blkid_probe_enable_superblocks(probe, 1);
		blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE);
		blkid_probe_enable_partitions(probe, 1);
		ret = blkid_do_safeprobe(probe);
		/* 1: nothing; 0: a signature; -2: several. */
		if (ret == 1)
			ret = 0;
		else if (ret == 0 || ret == -2)
			ret = -EBUSY;
		else
			ret = -EIO;
		if (ret == -EBUSY && blkid_probe_lookup_value(probe, "TYPE", &type, NULL) &&
		    blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL))
			type = NULL;
	}
	if (ret == -EBUSY)
		ret = bench_fail(err, -EINVAL,
				 "'%s' is not written: it carries a signature (%s); wipefs(8) removes it, "
				 "if what is there may be lost",
				 path, type ? type : "of more than one kind");
	else if (ret)
		ret = bench_fail(err, -EINVAL,
				 "'%s' is not written: whether it carries a signature cannot be read",
				 path);
	blkid_free_probe(probe);
	close(fd);
	return ret;
}

/* What there is to say against writing it, from outside of it. */
static inline int disk_device_free(const char *path, dev_t dev, struct bench_err *err)
{
	char who[NAME_MAX + 1] = "", text[16];
	struct disk_devices family;

	disk_device_family(dev, &family);
	if (disk_device_holds_root(&family))
		return bench_fail(err, -EINVAL,
				  "'%s' is not written: the root file system is on it", path);
	if (disk_device_mounted(&family, who, sizeof(who)))
		return bench_fail(err, -EINVAL,
				  "'%s' is not written: it is mounted (%s); unmount it first", path, who);
	if (disk_device_swap(&family))
		return bench_fail(err, -EINVAL,
				  "'%s' is not written: it is swap space; swapoff first", path);
	for (unsigned i = 0; i < family.nr && !who[0]; i++)
		disk_device_entries(family.devs[i], "holders", disk_device_first, who);
	if (who[0] || disk_device_looped(&family, who, sizeof(who)))
		return bench_fail(err, -EINVAL,
				  "'%s' is not written: %s is made of it (LVM, md, device mapper or "
				  "loop)",
				  path, who);
	if (disk_device_over(dev, who, sizeof(who)))
		return bench_fail(err, -EINVAL,
				  "'%s' is not written: it is a loop device over '%s', which it does not "
				  "claim; name that device",
				  path, who);
	if (disk_device_text(dev, "ro", text, sizeof(text)) && strcmp(text, "0"))
		return bench_fail(err, -EINVAL, "'%s' is not written: it is read-only", path);
	return 0;
}

/* May what `path` leads to be written by someone who says destroy=word? node, flags: as in
 * disk_device_blank(). 0, or -EINVAL (or what open(2) said) with what is against it. Changes nothing. */
static inline int disk_device_check(const char *path, const char *node, int flags, const char *word,
				    struct bench_err *err)
{
	struct stat st;
	int ret;

	if (stat(node, &st))
		return bench_fail(err, -errno, "filename='%s': %s", path, strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return bench_fail(err, -EINVAL,
				  "destroy= with filename='%s', which is no block device: files that "
				  "exist are never written",
				  path);
	ret = disk_device_meant(path, st.st_rdev, word, err);
	ret = ret ? ret : disk_device_free(path, st.st_rdev, err);
	return ret ? ret : disk_device_blank(path, node, flags, err);
}

#endif
