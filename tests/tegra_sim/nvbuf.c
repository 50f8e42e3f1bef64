/* The calls of libnvbuf_utils.so (R32) and libnvbufsurface.so (R35 and later) that an encoder's client needs.
 * "Synced for the device" is remembered where the plugin sees it too: in the position of the shared file. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include "sim.h"

static int mark(int fd, unsigned int plane)
{
	off_t planes = lseek(fd, 0, SEEK_CUR);

	if (planes < 0)
		return violation(EBADF, "sync: fd %d is no buffer", fd);
	lseek(fd, planes | 1 << plane, SEEK_SET);
	return 0;
}

#ifdef NVBUF_UTILS
int NvBufferMemSyncForDevice(int fd, unsigned int plane, void **address)
{
	if (!address || !*address)
		return violation(EFAULT, "NvBufferMemSyncForDevice: no address");
	return mark(fd, plane);
}
#else
struct surface_params {
	uint8_t head[24];
	uint64_t descriptor;
	uint8_t tail[352];
};

struct surface {
	uint32_t gpu, batch, filled;
	uint8_t contiguous;
	uint32_t memory;
	struct surface_params *list;
	void *reserved[4];
};

int NvBufSurfaceFromFd(int fd, void **surface)
{
	static struct surface_params params[1024];
	static struct surface surfaces[1024];

	if (fd < 0 || fd >= 1024 || lseek(fd, 0, SEEK_CUR) < 0)
		return violation(EBADF, "NvBufSurfaceFromFd: fd %d is no buffer", fd);
	params[fd].descriptor = fd;
	surfaces[fd].batch = surfaces[fd].filled = 1;
	surfaces[fd].list = &params[fd];
	*surface = &surfaces[fd];
	return 0;
}

int NvBufSurfaceSyncForDevice(struct surface *surface, int index, int plane)
{
	if (!surface || index != 0)
		return violation(EINVAL, "NvBufSurfaceSyncForDevice: surface %p, index %d", (void *)surface, index);
	return mark(surface->list[0].descriptor, plane);
}
#endif
