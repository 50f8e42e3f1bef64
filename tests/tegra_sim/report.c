/* Telling what a client did wrong, and misbehaving on request. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim.h"

int violation(int code, const char *format, ...)
{
	const char *path = getenv("TEGRA_SIM_REPORT");
	FILE *file = path ? fopen(path, "a") : NULL;
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	fprintf(stderr, "tegra-sim: %s\n", line);
	if (file) {
		fprintf(file, "%s\n", line);
		fclose(file);
	}
	errno = code;
	return -1;
}

int fault_at(const char *name)
{
	const char *faults = getenv("TEGRA_SIM_FAULT");
	const char *found = faults ? strstr(faults, name) : NULL;
	size_t length = strlen(name);

	if (!found)
		return -1;
	return found[length] == ':' ? atoi(found + length + 1) : 0;
}

static const struct layout layouts[] = {
	{ 280000, 289999, 3, 20, 164, 1, 48, 8, 16, 24, 4, false },
	{ 320000, 329999, 0, 20, 164, 1, 48, 16, 24, 32, 4, false },
	{ 340000, 362999, 0, 20, 164, 1, 48, 16, 24, 32, 4, true },
	{ 363000, 363999, 0, 36, 292, 20, 48, 16, 24, 32, 4, true },
	{ 364000, 364999, 0, 36, 292, 20, 56, 16, 24, 32, 20, true },
};

const struct layout *find_layout(const char *release, int *number)
{
	int major = 0, minor = 0, patch = 0;
	size_t i;

	sscanf(release, "%d.%d.%d", &major, &minor, &patch);
	*number = major * 10000 + minor * 1000 + patch;
	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].from <= *number && *number <= layouts[i].to)
			return &layouts[i];
	return NULL;
}
