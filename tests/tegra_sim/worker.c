/* The encoder's own thread: takes queued pictures, hands coded ones out, in order. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "session.h"

void push(int *list, int *count, int index)
{
	list[(*count)++] = index;
}

int pop(int *list, int *count)
{
	int first = list[0];

	memmove(list, list + 1, --*count * sizeof(*list));
	return first;
}

static void finish(struct encoder *enc, int index, uint32_t bytesused, uint32_t flags, struct timeval time)
{
	struct buffer *buffer = &enc->cap.buffers[index];

	buffer->bytesused = bytesused;
	buffer->flags = flags | V4L2_BUF_FLAG_TIMESTAMP_COPY;
	buffer->time = time;
	buffer->sequence = enc->cap.sequence++;
	buffer->queued = false;
	push(enc->cap.ready, &enc->cap.ready_count, index);
}

static void map_planes(struct encoder *enc, const struct job *job, uint8_t *planes[3], uint8_t **mapped, size_t *size)
{
	struct queue *out = &enc->out;
	size_t offset = 0;
	int i;

	*mapped = NULL;
	if (out->memory == V4L2_MEMORY_DMABUF) {
		for (*size = 0, i = 0; i < out->planes; i++)
			*size += out->sizeimage[i];
		*mapped = mmap(NULL, *size, PROT_READ, MAP_SHARED, job->fd, 0);
	}
	for (i = 0; i < out->planes; i++) {
		planes[i] = *mapped ? *mapped + offset : out->buffers[job->index].memory + out->offset[i];
		offset += out->sizeimage[i];
	}
}

uint32_t vectors_size(struct encoder *enc)
{
	return (enc->settings.width + 15) / 16 * ((enc->settings.height + 15) / 16) * enc->layout->vector_size;
}

/* Fills in a vector field that a client can check: x is the macroblock's number, y minus it; the rest is rubbish. */
static void make_vectors(struct encoder *enc, struct buffer *buffer)
{
	int i, words = enc->layout->vector_size / 4, count = vectors_size(enc) / enc->layout->vector_size;

	buffer->vectors = realloc(buffer->vectors, vectors_size(enc));
	memset(buffer->vectors, 0xa5, vectors_size(enc));
	for (i = 0; i < count; i++)
		buffer->vectors[i * words] = ((uint32_t)(i & 0x7fff)) | ((uint32_t)(-(i & 0x1fff)) & 0x3fff) << 16;
}

static int encode_one(struct encoder *enc, const struct job *job, int index)
{
	struct buffer *buffer = &enc->cap.buffers[index];
	struct settings settings = enc->settings;
	uint8_t *planes[3], *mapped;
	size_t mapped_size;
	int size;

	map_planes(enc, job, planes, &mapped, &mapped_size);
	pthread_mutex_unlock(&enc->lock);
	if (!enc->coder)
		enc->coder = coder_open(&settings);
	size = enc->coder ? coder_encode(enc->coder, &settings, planes, &job->regions, job->idr, buffer->memory,
					 buffer->size, &buffer->quality) : -1;
	if (mapped)
		munmap(mapped, mapped_size);
	pthread_mutex_lock(&enc->lock);
	if (enc->vectors)
		make_vectors(enc, buffer);
	return size;
}

static void release_input(struct encoder *enc, const struct job *job)
{
	struct buffer *buffer = &enc->out.buffers[job->index];

	if (job->fd >= 0)
		close(job->fd);
	buffer->queued = false;
	buffer->sequence = enc->out.sequence++;
	buffer->time = job->time;
	push(enc->out.ready, &enc->out.ready_count, job->index);
}

static bool has_work(struct encoder *enc)
{
	return enc->out.streaming && enc->cap.streaming && enc->out.job_count && enc->cap.idle_count
		&& !(enc->encoded == fault_at("stall")) && !(enc->encoded == fault_at("hang")) && !enc->finished;
}

static void send_headers_alone(struct encoder *enc, struct timeval time)
{
	int index = pop(enc->cap.idle, &enc->cap.idle_count), size;

	if (!enc->coder)
		enc->coder = coder_open(&enc->settings);
	size = coder_headers(enc->coder, enc->cap.buffers[index].memory, enc->cap.buffers[index].size);
	finish(enc, index, size, 0, time);
}

static void work(struct encoder *enc)
{
	struct job job;
	int index, size;

	if (enc->encoded == 0 && fault_at("headers") >= 0 && enc->cap.sequence == 0) {
		send_headers_alone(enc, enc->out.jobs[0].time);
		return;
	}
	job = enc->out.jobs[0];
	memmove(enc->out.jobs, enc->out.jobs + 1, --enc->out.job_count * sizeof(job));
	index = pop(enc->cap.idle, &enc->cap.idle_count);
	if (job.index < 0 || enc->encoded == fault_at("eos")) {
		finish(enc, index, 0, V4L2_BUF_FLAG_LAST, job.time);
		if (job.index >= 0)
			release_input(enc, &job);
		enc->finished = enc->eos_event = true;
		return;
	}
	size = encode_one(enc, &job, index);
	release_input(enc, &job);
	finish(enc, index, size < 0 ? 0 : size,
	       size < 0 || enc->encoded == fault_at("errorflag") ? V4L2_BUF_FLAG_ERROR :
	       enc->cap.buffers[index].quality.keyframe ? V4L2_BUF_FLAG_KEYFRAME : 0, job.time);
	enc->encoded++;
}

void *run(void *private)
{
	struct encoder *enc = private;

	pthread_mutex_lock(&enc->lock);
	while (!enc->stopping) {
		if (has_work(enc)) {
			work(enc);
			pthread_cond_broadcast(&enc->change);
		} else {
			pthread_cond_wait(&enc->change, &enc->lock);
		}
	}
	pthread_mutex_unlock(&enc->lock);
	return NULL;
}
