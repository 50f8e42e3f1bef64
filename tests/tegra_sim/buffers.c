/* Buffers: their memory and descriptors, and their way through QBUF, DQBUF, STREAMON and STREAMOFF. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "session.h"

static void make_memory(struct queue *queue, struct buffer *buffer)
{
	int last = queue->planes - 1;

	buffer->size = queue->offset[last] + (queue->sizeimage[last] + PAGE - 1) / PAGE * PAGE;
	buffer->memfd = memfd_create("tegra-sim", MFD_CLOEXEC);
	if (ftruncate(buffer->memfd, buffer->size))
		abort();
	buffer->memory = mmap(NULL, buffer->size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->memfd, 0);
}

int request_buffers(struct encoder *enc, struct v4l2_requestbuffers *request)
{
	struct queue *queue = queue_of(enc, request->type);
	int i;

	if (!queue || !enc->cap.format_set || !enc->out.format_set)
		return violation(EINVAL, "REQBUFS: type %u before both formats", request->type);
	if (request->memory != V4L2_MEMORY_MMAP && !(queue == &enc->out && request->memory == V4L2_MEMORY_DMABUF))
		return violation(EINVAL, "REQBUFS: memory %u", request->memory);
	if (queue->streaming)
		return violation(EBUSY, "REQBUFS while streaming");
	free_buffers(queue, queue == &enc->out ? "OUTPUT" : "CAPTURE");
	queue->memory = request->memory;
	queue->count = request->count > MAX_BUFFERS ? MAX_BUFFERS : request->count;
	request->count = queue->count;
	for (i = 0; i < queue->count && queue->memory == V4L2_MEMORY_MMAP; i++)
		make_memory(queue, &queue->buffers[i]);
	return 0;
}

static struct buffer *find_buffer(struct encoder *enc, uint32_t type, uint32_t index, struct queue **queue, const char *call)
{
	*queue = queue_of(enc, type);
	if (*queue && index < (uint32_t)(*queue)->count)
		return &(*queue)->buffers[index];
	violation(EINVAL, "%s: buffer %u of type %u", call, index, type);
	return NULL;
}

int query_buffer(struct encoder *enc, struct v4l2_buffer *query)
{
	struct queue *queue;
	struct buffer *buffer = find_buffer(enc, query->type, query->index, &queue, "QUERYBUF");
	int i;

	if (!buffer)
		return -1;
	if (!query->m.planes || query->length < (uint32_t)queue->planes)
		return violation(EINVAL, "QUERYBUF: %u planes at %p", query->length, (void *)query->m.planes);
	for (i = 0; i < queue->planes; i++) {
		query->m.planes[i].length = queue->sizeimage[i];
		query->m.planes[i].m.mem_offset = queue->offset[i];
	}
	query->length = queue->planes;
	return 0;
}

int export_buffer(struct encoder *enc, struct v4l2_exportbuffer *export)
{
	struct queue *queue;
	struct buffer *buffer = find_buffer(enc, export->type, export->index, &queue, "EXPBUF");

	if (!buffer)
		return -1;
	if (queue->memory != V4L2_MEMORY_MMAP || export->plane >= (uint32_t)queue->planes || buffer->exports == 64)
		return violation(EINVAL, "EXPBUF: plane %u, memory %d", export->plane, queue->memory);
	export->fd = fcntl(buffer->memfd, F_DUPFD_CLOEXEC, 0);
	buffer->exported[buffer->exports++] = export->fd;
	return 0;
}

static int check_planes(struct encoder *enc, const struct v4l2_buffer *given, bool end)
{
	struct queue *out = &enc->out;
	int i, rows;

	for (i = 0; i < out->planes; i++) {
		const struct v4l2_plane *plane = &given->m.planes[i];

		rows = i ? (enc->settings.height + 1) / 2 : enc->settings.height;
		if (end && plane->bytesused)
			return violation(EINVAL, "QBUF: end of stream, but plane %d has %u bytes", i, plane->bytesused);
		if (!end && out->memory == V4L2_MEMORY_MMAP && plane->bytesused != (uint32_t)(enc->settings.bytesperline[i] * rows))
			return violation(EINVAL, "QBUF: plane %d has %u bytes, not stride %d x %d rows", i, plane->bytesused,
					 enc->settings.bytesperline[i], rows);
		if (!end && out->memory == V4L2_MEMORY_DMABUF && plane->m.fd != given->m.planes[0].m.fd)
			return violation(EINVAL, "QBUF: fd %d in plane %d, %d in plane 0", plane->m.fd, i, given->m.planes[0].m.fd);
	}
	return 0;
}

/* A CPU-written buffer must have been synced for the device, every plane of it, since it was last queued. */
static int check_sync(struct encoder *enc, struct buffer *buffer, uint32_t index)
{
	off_t synced = lseek(buffer->memfd, 0, SEEK_CUR);

	lseek(buffer->memfd, 0, SEEK_SET);
	if (synced != (1 << enc->out.planes) - 1)
		return violation(EINVAL, "QBUF: buffer %u was not synced for the device (planes %lx)", index, (long)synced);
	return 0;
}

static int queue_input(struct encoder *enc, const struct v4l2_buffer *given, struct buffer *buffer)
{
	struct job job = { .index = given->index, .idr = enc->force_idr, .time = given->timestamp, .fd = -1 };
	bool end = given->m.planes[0].bytesused == 0;
	int64_t time = given->timestamp.tv_sec * 1000000ll + given->timestamp.tv_usec;

	if (check_planes(enc, given, end))
		return -1;
	if (end) {
		job.index = -1;
		enc->out.jobs[enc->out.job_count++] = job;
		return 0;
	}
	if (!(given->flags & V4L2_BUF_FLAG_TIMESTAMP_COPY) || time <= enc->last_time)
		return violation(EINVAL, "QBUF: flags %x, time %lld us behind %lld us", given->flags, (long long)time,
				 (long long)enc->last_time);
	if (enc->roi && !buffer->has_metadata)
		return violation(EINVAL, "QBUF: no INPUT_METADATA for buffer %u, and regions are on", given->index);
	if (enc->roi && (given->reserved2 != given->index || enc->last_store != (int)given->index))
		return violation(EINVAL, "QBUF: buffer %u with reserved2 %u, last config_store %d", given->index,
				 given->reserved2, enc->last_store);
	if (enc->out.memory == V4L2_MEMORY_MMAP && check_sync(enc, buffer, given->index))
		return -1;
	if (enc->out.memory == V4L2_MEMORY_DMABUF) {
		job.fd = fcntl(given->m.planes[0].m.fd, F_DUPFD_CLOEXEC, 0);
		if (job.fd < 0)
			return violation(EBADF, "QBUF: fd %d is not open", given->m.planes[0].m.fd);
	}
	enc->last_time = time;
	enc->force_idr = false;
	if (buffer->has_metadata)
		job.regions = buffer->regions;
	buffer->has_metadata = false;
	buffer->queued = true;
	enc->out.jobs[enc->out.job_count++] = job;
	return 0;
}

int queue_buffer(struct encoder *enc, struct v4l2_buffer *given)
{
	struct queue *queue;
	struct buffer *buffer = find_buffer(enc, given->type, given->index, &queue, "QBUF");

	if (!buffer)
		return -1;
	if (buffer->queued)
		return violation(EINVAL, "QBUF: buffer %u is queued already", given->index);
	if (given->memory != (uint32_t)queue->memory || given->length != (uint32_t)queue->planes || !given->m.planes)
		return violation(EINVAL, "QBUF: memory %u, %u planes at %p", given->memory, given->length, (void *)given->m.planes);
	buffer->done = false;
	if (queue == &enc->out) {
		if (queue_input(enc, given, buffer))
			return -1;
	} else {
		buffer->queued = true;
		push(queue->idle, &queue->idle_count, given->index);
	}
	pthread_cond_broadcast(&enc->change);
	return 0;
}

int dequeue_buffer(struct encoder *enc, struct v4l2_buffer *wanted)
{
	struct queue *queue = queue_of(enc, wanted->type);
	struct buffer *buffer;
	uint32_t index;

	if (!queue || !queue->count || !wanted->m.planes || wanted->length < (uint32_t)queue->planes
	    || wanted->memory != (uint32_t)queue->memory)
		return violation(EINVAL, "DQBUF: type %u, memory %u, %u planes", wanted->type, wanted->memory, wanted->length);
	while (!queue->ready_count) {
		if (queue == &enc->cap && enc->finished) {
			wanted->flags = V4L2_BUF_FLAG_LAST;
			errno = EAGAIN;
			return -1;
		}
		if (!queue->streaming && !(fault_at("hang") >= 0 && enc->encoded >= fault_at("hang"))) {
			errno = EINVAL;
			return -1;
		}
		if (enc->nonblocking) {
			errno = EAGAIN;
			return -1;
		}
		pthread_cond_wait(&enc->change, &enc->lock);
	}
	if (queue == &enc->cap && (int)enc->cap.buffers[queue->ready[0]].sequence == fault_at("dqerror")) {
		errno = EIO;
		return -1;
	}
	index = pop(queue->ready, &queue->ready_count);
	buffer = &queue->buffers[index];
	buffer->done = true;
	wanted->index = index;
	wanted->flags = buffer->flags;
	wanted->timestamp = buffer->time;
	wanted->sequence = buffer->sequence;
	wanted->length = queue->planes;
	wanted->m.planes[0].bytesused = buffer->bytesused;
	wanted->m.planes[0].data_offset = 0;
	return 0;
}

int stream_on(struct encoder *enc, const int *type)
{
	struct queue *queue = queue_of(enc, *type);

	if (!queue || !queue->count)
		return violation(EINVAL, "STREAMON: type %d without buffers", *type);
	if (enc->layout && !enc->rate_set)
		return violation(EINVAL, "STREAMON without a rate control mode");
	queue->streaming = true;
	if (!enc->running)
		enc->running = !pthread_create(&enc->thread, NULL, run, enc);
	pthread_cond_broadcast(&enc->change);
	return 0;
}

int stream_off(struct encoder *enc, const int *type)
{
	struct queue *queue = queue_of(enc, *type);
	int i;

	if (!queue)
		return violation(EINVAL, "STREAMOFF: type %d", *type);
	queue->streaming = false;
	pthread_cond_broadcast(&enc->change);
	if (!enc->out.streaming && !enc->cap.streaming)
		stop_thread(enc);
	for (i = 0; i < queue->job_count; i++)
		if (queue->jobs[i].fd >= 0 && queue->jobs[i].index >= 0 && queue->memory == V4L2_MEMORY_DMABUF)
			close(queue->jobs[i].fd);
	queue->job_count = queue->ready_count = queue->idle_count = 0;
	for (i = 0; i < queue->count; i++)
		queue->buffers[i].queued = false;
	return 0;
}
