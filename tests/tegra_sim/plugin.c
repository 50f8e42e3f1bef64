/* The libv4l2 plugin: V4L2's calls, answered as NVIDIA's encoder answers them, or refused with the reason.
 *
 * TEGRA_SIM_RELEASE   the L4T release to be ("32.7.1")
 * TEGRA_SIM_REPORT    a file that gets one line for every mistake of the client
 * TEGRA_SIM_FAULT     misbehaviour: stall:N hang:N dqerror:N errorflag:N eos:N noplugin fake headers
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "session.h"

/* -- starting and ending ------------------------------------------------------------------------------- */

static bool is_ours(int fd)
{
	char link[64], path[256] = "";
	const char *name;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		return false;
	name = strrchr(path, '/');
	return name && (!strcmp(name, "/nvhost-msenc") || !strcmp(name, "/v4l2-nvenc"));
}

static void *sim_init(int fd)
{
	struct encoder *enc;
	const char *release = getenv("TEGRA_SIM_RELEASE");

	if (!is_ours(fd) || !release || fault_at("noplugin") >= 0)
		return NULL;
	enc = calloc(1, sizeof(*enc));
	enc->fd = fd;
	enc->layout = find_layout(release, &enc->release);
	enc->nonblocking = fcntl(fd, F_GETFL) & O_NONBLOCK;
	enc->last_store = -1;
	enc->last_time = -1;
	enc->settings = (struct settings){ .bitrate = 4000000, .fps_num = 30, .fps_den = 1, .gop = 30, .idr = 256,
					   .min_qp = 0, .max_qp = 51 };
	pthread_mutex_init(&enc->lock, NULL);
	pthread_cond_init(&enc->change, NULL);
	return enc;
}

static void check_exports(struct buffer *buffer, const char *side, int index)
{
	struct stat ours, theirs;
	int i;

	fstat(buffer->memfd, &ours);
	for (i = 0; i < buffer->exports; i++)
		if (!fstat(buffer->exported[i], &theirs) && theirs.st_ino == ours.st_ino)
			violation(EBUSY, "%s buffer %d: exported fd %d was never closed", side, index, buffer->exported[i]);
}

void free_buffers(struct queue *queue, const char *side)
{
	int i;

	for (i = 0; i < queue->count; i++) {
		struct buffer *buffer = &queue->buffers[i];

		if (buffer->memory) {
			check_exports(buffer, side, i);
			munmap(buffer->memory, buffer->size);
			close(buffer->memfd);
		}
		free(buffer->vectors);
	}
	memset(queue->buffers, 0, sizeof(queue->buffers));
	queue->count = queue->job_count = queue->ready_count = queue->idle_count = 0;
}

void stop_thread(struct encoder *enc)
{
	if (!enc->running)
		return;
	enc->stopping = true;
	pthread_cond_broadcast(&enc->change);
	pthread_mutex_unlock(&enc->lock);
	pthread_join(enc->thread, NULL);
	pthread_mutex_lock(&enc->lock);
	enc->running = enc->stopping = false;
}

static void sim_close(void *private)
{
	struct encoder *enc = private;

	pthread_mutex_lock(&enc->lock);
	if (enc->out.streaming || enc->cap.streaming)
		violation(EBUSY, "closed while streaming");
	if (enc->out.count || enc->cap.count)
		violation(EBUSY, "closed with buffers: %d OUTPUT, %d CAPTURE", enc->out.count, enc->cap.count);
	enc->out.streaming = enc->cap.streaming = false;
	stop_thread(enc);
	free_buffers(&enc->out, "OUTPUT");
	free_buffers(&enc->cap, "CAPTURE");
	coder_close(enc->coder);
	pthread_mutex_unlock(&enc->lock);
	free(enc);
}

/* -- the rest -------------------------------------------------------------------------------------------- */

static int query_capability(struct v4l2_capability *capability)
{
	if (fault_at("fake") >= 0) {
		errno = ENOTTY;
		return -1;
	}
	memset(capability, 0, sizeof(*capability));
	strcpy((char *)capability->driver, "tegra-video");
	strcpy((char *)capability->card, "simulated encoder");
	strcpy((char *)capability->bus_info, "none");
	capability->capabilities = V4L2_CAP_VIDEO_M2M_MPLANE | V4L2_CAP_STREAMING;
	return 0;
}

static int command(struct encoder *enc, const struct v4l2_encoder_cmd *given)
{
	struct job end = { .index = -1, .fd = -1 };

	if (given->cmd != V4L2_ENC_CMD_STOP || given->flags != 1)
		return violation(EINVAL, "ENCODER_CMD %u, flags %u", given->cmd, given->flags);
	enc->out.jobs[enc->out.job_count++] = end;
	pthread_cond_broadcast(&enc->change);
	return 0;
}

static int event(struct encoder *enc, struct v4l2_event *event)
{
	if (!enc->eos_event) {
		errno = EAGAIN;
		return -1;
	}
	memset(event, 0, sizeof(*event));
	event->type = V4L2_EVENT_EOS;
	enc->eos_event = false;
	return 0;
}

static int dispatch(struct encoder *enc, unsigned int request, void *arg)
{
	switch (request) {
	case VIDIOC_QUERYCAP:
		return query_capability(arg);
	case VIDIOC_S_FMT:
		return set_format(enc, arg);
	case VIDIOC_S_PARM:
		return set_parameters(enc, arg);
	case VIDIOC_S_EXT_CTRLS:
		return set_controls(enc, arg);
	case VIDIOC_G_EXT_CTRLS:
		return get_controls(enc, arg);
	case VIDIOC_REQBUFS:
		return request_buffers(enc, arg);
	case VIDIOC_QUERYBUF:
		return query_buffer(enc, arg);
	case VIDIOC_EXPBUF:
		return export_buffer(enc, arg);
	case VIDIOC_QBUF:
		return queue_buffer(enc, arg);
	case VIDIOC_DQBUF:
		return dequeue_buffer(enc, arg);
	case VIDIOC_STREAMON:
		return stream_on(enc, arg);
	case VIDIOC_STREAMOFF:
		return stream_off(enc, arg);
	case VIDIOC_SUBSCRIBE_EVENT:
		enc->eos_subscribed = ((struct v4l2_event_subscription *)arg)->type == V4L2_EVENT_EOS;
		return 0;
	case VIDIOC_DQEVENT:
		return event(enc, arg);
	case VIDIOC_ENCODER_CMD:
		return command(enc, arg);
	}
	errno = ENOTTY;
	return -1;
}

static int sim_ioctl(void *private, int fd, unsigned long request, void *arg)
{
	struct encoder *enc = private;
	int result;

	(void)fd;
	if (!arg)
		return violation(EFAULT, "ioctl %08lx without an argument", request);
	pthread_mutex_lock(&enc->lock);
	result = dispatch(enc, (unsigned int)request, arg);
	pthread_mutex_unlock(&enc->lock);
	return result;
}

/* struct libv4l_dev_ops of libv4l-plugin.h: init, close, ioctl, read, write and seven reserved pointers. */
const struct {
	void *(*init)(int);
	void (*close)(void *);
	int (*ioctl)(void *, int, unsigned long, void *);
	void *others[9];
} libv4l2_plugin = { sim_init, sim_close, sim_ioctl, { NULL } };
