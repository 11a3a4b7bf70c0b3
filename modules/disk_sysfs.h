/* SPDX-License-Identifier: BSD-2-Clause */
/* What sysfs says of a block device. */
#ifndef MODULES_DISK_SYSFS_H
#define MODULES_DISK_SYSFS_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/types.h>

/* The text of a file of the device in sysfs, without blanks at its end. False when there is none. */
static inline bool disk_device_text(dev_t dev, const char *name, char *ret_text, size_t size)
{
	char path[NAME_MAX + 64];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(dev), minor(dev), name);
	file = fopen(path, "re");
	if (!file)
		return false;
	len = fread(ret_text, 1, size - 1, file);
	fclose(file);
	while (len && strchr(" \n", ret_text[len - 1]))
		len--;
	ret_text[len] = '\0';
	return len > 0;
}

/* The device number that a file of sysfs holds. */
static inline bool disk_device_number(dev_t dev, const char *name, dev_t *ret_dev)
{
	unsigned major_nr, minor_nr;
	char text[32];

	if (!disk_device_text(dev, name, text, sizeof(text)) ||
	    sscanf(text, "%u:%u", &major_nr, &minor_nr) != 2)
		return false;
	*ret_dev = makedev(major_nr, minor_nr);
	return true;
}

/* Call fn for each entry of a directory of the device in sysfs until it returns false. */
static inline void disk_device_entries(dev_t dev, const char *dir,
				       bool (*fn)(dev_t dev, const char *entry, void *arg), void *arg)
{
	const struct dirent *entry;
	char path[96];
	DIR *open_dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(dev), minor(dev), dir);
	open_dir = opendir(path);
	while (open_dir && (entry = readdir(open_dir)))
		if (entry->d_name[0] != '.' && !fn(dev, entry->d_name, arg))
			break;
	if (open_dir)
		closedir(open_dir);
}

#endif
