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
#include "sim.h"
#include <x264.h>

#define OUT V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE
#define CAP V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
#define BASE 0x00990900u
#define PAGE 4096
#define NOTHING 0xffffffffu

struct job {
	int index;			/* of the OUTPUT buffer, -1 for the end of the stream */
	struct regions regions;
	bool idr;
	struct timeval time;
	int fd;				/* DMABUF */
};

struct buffer {
	int memfd;
	uint8_t *memory;
	size_t size;
	bool queued, done, has_metadata;
	int exported[64], exports;
	/* what DQBUF will say */
	uint32_t bytesused, flags, sequence;
	struct timeval time;
	struct quality quality;
	uint32_t *vectors;
	/* what INPUT_METADATA said */
	struct regions regions;
};

struct queue {
	int count, memory, planes;
	uint32_t sizeimage[3], offset[3];
	bool format_set, streaming;
	struct buffer buffers[MAX_BUFFERS];
	struct job jobs[MAX_BUFFERS + 1];	/* OUTPUT: to encode, in order */
	int job_count;
	int ready[MAX_BUFFERS + 1], ready_count;	/* buffers that can be dequeued, in order */
	int idle[MAX_BUFFERS + 1], idle_count;	/* CAPTURE: empty ones, in order */
	uint32_t sequence;
};

struct encoder {
	int fd, release;
	const struct layout *layout;
	bool nonblocking;
	pthread_mutex_t lock;
	pthread_cond_t change;
	pthread_t thread;
	bool running, stopping, finished, eos_event, eos_subscribed;
	struct queue out, cap;
	struct settings settings;
	uint32_t fourcc;
	bool roi, vectors, force_idr, rate_set;
	int last_store;			/* config_store of the last INPUT_METADATA */
	int64_t last_time;
	struct coder *coder;
	int encoded;
};

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

static void free_buffers(struct queue *queue, const char *side)
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

static void stop_thread(struct encoder *enc)
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

/* -- the encoder's own thread --------------------------------------------------------------------------- */

static void push(int *list, int *count, int index)
{
	list[(*count)++] = index;
}

static int pop(int *list, int *count)
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

static uint32_t vectors_size(struct encoder *enc)
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

static void *run(void *private)
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

/* -- formats --------------------------------------------------------------------------------------------- */

static struct queue *queue_of(struct encoder *enc, uint32_t type)
{
	return type == OUT ? &enc->out : type == CAP ? &enc->cap : NULL;
}

static int set_capture_format(struct encoder *enc, struct v4l2_pix_format_mplane *pix)
{
	if (pix->pixelformat != V4L2_PIX_FMT_H264)
		return violation(EINVAL, "S_FMT CAPTURE: pixel format %08x is not H264", pix->pixelformat);
	if (pix->num_planes != 1 || pix->plane_fmt[0].sizeimage == 0)
		return violation(EINVAL, "S_FMT CAPTURE: %d planes, sizeimage %u", pix->num_planes, pix->plane_fmt[0].sizeimage);
	if (!pix->width || !pix->height || pix->width > 4096 || pix->height > 4096)
		return violation(EINVAL, "S_FMT CAPTURE: %ux%u", pix->width, pix->height);
	enc->settings.width = pix->width;
	enc->settings.height = pix->height;
	enc->cap.sizeimage[0] = pix->plane_fmt[0].sizeimage;
	enc->cap.planes = 1;
	enc->cap.format_set = true;
	return 0;
}

static int set_output_format(struct encoder *enc, struct v4l2_pix_format_mplane *pix)
{
	bool planar = pix->pixelformat == V4L2_PIX_FMT_YUV420M, semi = pix->pixelformat == V4L2_PIX_FMT_NV12M;
	struct queue *out = &enc->out;
	int i, rows, size = 0;

	if (!enc->cap.format_set)
		return violation(EINVAL, "S_FMT OUTPUT before S_FMT CAPTURE");
	if (!planar && !(semi && enc->release >= 340000))
		return violation(EINVAL, "S_FMT OUTPUT: pixel format %08x on release %d", pix->pixelformat, enc->release);
	if (pix->num_planes != (planar ? 3 : 2))
		return violation(EINVAL, "S_FMT OUTPUT: %d planes", pix->num_planes);
	if (pix->width != (uint32_t)enc->settings.width || pix->height != (uint32_t)enc->settings.height)
		return violation(EINVAL, "S_FMT OUTPUT: %ux%u, but CAPTURE is %dx%d", pix->width, pix->height,
				 enc->settings.width, enc->settings.height);
	out->planes = enc->settings.planes = pix->num_planes;
	enc->settings.csp = planar ? X264_CSP_I420 : X264_CSP_NV12;
	for (i = 0; i < out->planes; i++) {
		int stride = ((planar && i ? pix->width / 2 : pix->width) + 255) & ~255;

		rows = i ? (pix->height + 1) / 2 : pix->height;
		pix->plane_fmt[i].bytesperline = enc->settings.bytesperline[i] = stride;
		pix->plane_fmt[i].sizeimage = out->sizeimage[i] = stride * rows;
		out->offset[i] = size;
		size += (stride * rows + PAGE - 1) / PAGE * PAGE;
	}
	enc->settings.bt709 = pix->colorspace == V4L2_COLORSPACE_REC709;
	enc->settings.full_range = pix->quantization == V4L2_QUANTIZATION_FULL_RANGE;
	out->format_set = true;
	return 0;
}

static int set_format(struct encoder *enc, struct v4l2_format *format)
{
	struct queue *queue = queue_of(enc, format->type);

	if (!queue)
		return violation(EINVAL, "S_FMT: buffer type %u", format->type);
	if (queue->count)
		return violation(EBUSY, "S_FMT after REQBUFS");
	return queue == &enc->cap ? set_capture_format(enc, &format->fmt.pix_mp)
				  : set_output_format(enc, &format->fmt.pix_mp);
}

static int set_parameters(struct encoder *enc, struct v4l2_streamparm *parm)
{
	struct v4l2_fract interval = parm->parm.output.timeperframe;

	if (parm->type != OUT || !enc->out.format_set)
		return violation(EINVAL, "S_PARM: type %u, OUTPUT format %s", parm->type, enc->out.format_set ? "set" : "not set");
	if (!interval.numerator || !interval.denominator)
		return violation(EINVAL, "S_PARM: %u/%u", interval.numerator, interval.denominator);
	enc->settings.fps_num = interval.denominator;
	enc->settings.fps_den = interval.numerator;
	return 0;
}

/* -- controls -------------------------------------------------------------------------------------------- */

enum guard { ANY, BEFORE, AFTER };

static int allowed(struct encoder *enc, uint32_t id, enum guard guard)
{
	if (!enc->cap.format_set || !enc->out.format_set)
		return violation(EINVAL, "control %08x before both formats were set", id);
	if (guard == BEFORE && (enc->out.count || enc->cap.count))
		return violation(EBUSY, "control %08x after REQBUFS", id);
	if (guard == AFTER && !(enc->out.count && enc->cap.count))
		return violation(EINVAL, "control %08x before REQBUFS on both queues", id);
	return 0;
}

static uint32_t number(const void *at)
{
	uint32_t value;

	memcpy(&value, at, 4);
	return value;
}

static const void *pointer_at(const void *at)
{
	const void *value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static const void *payload(const struct v4l2_ext_control *control)
{
	const void *at = control->ptr;

	if (control->size) {
		violation(EINVAL, "control %08x: size %u, NVIDIA's clients leave it 0", control->id, control->size);
		return NULL;
	}
	if (!at || (uintptr_t)at % 4) {
		violation(EFAULT, "control %08x: payload at %p", control->id, at);
		return NULL;
	}
	return at;
}

static int read_regions(struct encoder *enc, const uint8_t *at, struct regions *regions)
{
	const struct layout *layout = enc->layout;
	uint32_t i, count = number(at);

	if ((uintptr_t)at % 4)
		return violation(EFAULT, "ROI payload is not aligned: %p", (const void *)at);
	if (count > MAX_REGIONS)
		return violation(EINVAL, "%u regions", count);
	regions->count = count;
	for (i = 0; i < count; i++) {
		const uint8_t *item = at + 4 + i * layout->roi_stride;
		struct region r = { number(item), number(item + 4), number(item + 8), number(item + 12), number(item + 16) };

		if (r.left < 0 || r.top < 0 || r.width <= 0 || r.height <= 0 || r.left + r.width > enc->settings.width
		    || r.top + r.height > enc->settings.height)
			return violation(EINVAL, "region %u: %d,%d %dx%d is not inside %dx%d", i, r.left, r.top, r.width, r.height,
					 enc->settings.width, enc->settings.height);
		if (r.delta < -51 || r.delta > 51)
			return violation(EINVAL, "region %u: QP delta %d", i, r.delta);
		regions->item[i] = r;
	}
	return 0;
}

static int input_metadata(struct encoder *enc, const uint8_t *at)
{
	const uint8_t *roi = pointer_at(at + 8);
	uint32_t flags = number(at), store = number(at + enc->layout->input_store);
	struct buffer *buffer;

	if ((uintptr_t)at % 8)
		return violation(EFAULT, "INPUT_METADATA is not aligned: %p", (const void *)at);
	if (flags != 1 || !roi)
		return violation(EINVAL, "INPUT_METADATA: flags %u, ROI at %p", flags, (const void *)roi);
	if (!enc->roi)
		return violation(EINVAL, "INPUT_METADATA with regions, but ENABLE_ROI was not sent");
	if (store >= (uint32_t)enc->out.count)
		return violation(EINVAL, "INPUT_METADATA: config_store %u of %d buffers", store, enc->out.count);
	if (number(roi + enc->layout->roi_store) != store)
		return violation(EINVAL, "ROI_params: config_store %u is not %u", number(roi + enc->layout->roi_store), store);
	buffer = &enc->out.buffers[store];
	if (buffer->queued)
		return violation(EINVAL, "INPUT_METADATA for buffer %u, which is queued", store);
	if (read_regions(enc, roi, &buffer->regions))
		return -1;
	buffer->has_metadata = true;
	enc->last_store = store;
	return 0;
}

static int qp_limit(uint32_t value, int now)
{
	return value == NOTHING ? now : (int)value;
}

static int qp_range(struct encoder *enc, const uint8_t *at)
{
	int low = qp_limit(number(at), enc->settings.min_qp), high = qp_limit(number(at + 4), enc->settings.max_qp);

	if (low < 0 || high > 51 || low > high)
		return violation(EINVAL, "QP_RANGE %d..%d", low, high);
	if (low == high)
		return violation(EINVAL, "QP_RANGE with min = max = %d makes regions powerless", low);
	if (number(at + 8) != number(at) || number(at + 12) != number(at + 4))
		return violation(EINVAL, "QP_RANGE: P frames %u..%u differ", number(at + 8), number(at + 12));
	enc->settings.min_qp = low;
	enc->settings.max_qp = high;
	return 0;
}

static int enable_roi(struct encoder *enc, const uint8_t *at)
{
	int i;

	for (i = 1; i < enc->layout->enable_size; i++)
		if (at[i])
			return violation(EINVAL, "ENABLE_ROI: byte %d of the payload is %d", i, at[i]);
	if (at[0] > 1)
		return violation(EINVAL, "ENABLE_ROI: %d", at[0]);
	enc->roi = at[0];
	return 0;
}

static int set_standard(struct encoder *enc, const struct v4l2_ext_control *control)
{
	struct settings *settings = &enc->settings;

	switch (control->id) {
	case V4L2_CID_MPEG_VIDEO_BITRATE:
		if (allowed(enc, control->id, ANY))
			return -1;
		if (control->value < 1000)
			return violation(EINVAL, "BITRATE %d", control->value);
		settings->bitrate = control->value;
		return 0;
	case V4L2_CID_MPEG_VIDEO_BITRATE_PEAK:
		return allowed(enc, control->id, ANY);
	case V4L2_CID_MPEG_MFC51_VIDEO_FORCE_FRAME_TYPE:
		if (control->value)
			return violation(EINVAL, "FORCE_FRAME_TYPE %d", control->value);
		enc->force_idr = true;
		return allowed(enc, control->id, ANY);
	case V4L2_CID_MPEG_VIDEO_GOP_SIZE:
		settings->gop = control->value;
		return allowed(enc, control->id, BEFORE);
	case V4L2_CID_MPEG_VIDEO_BITRATE_MODE:
		enc->rate_set = true;
		return allowed(enc, control->id, BEFORE);
	case V4L2_CID_MPEG_VIDEO_H264_PROFILE:
		settings->profile = control->value;
		return allowed(enc, control->id, BEFORE);
	case V4L2_CID_MPEG_VIDEO_H264_LEVEL:
	case V4L2_CID_MPEG_VIDEO_H264_ENTROPY_MODE:
		return allowed(enc, control->id, BEFORE);
	}
	return violation(EINVAL, "control %08x is not the encoder's", control->id);
}

/* NVIDIA's own controls by their R32 number; on R28 those from 523 on are three smaller and 520 to 522 are not there. */
static int vendor_number(struct encoder *enc, uint32_t id)
{
	int off = id - BASE;

	if (enc->layout && enc->layout->id_shift && off >= 520)
		off += enc->layout->id_shift;
	return off;
}

static int set_vendor(struct encoder *enc, const struct v4l2_ext_control *control)
{
	const uint8_t *at;

	switch (vendor_number(enc, control->id)) {
	case 514:
		enc->settings.idr = control->value;
		return allowed(enc, control->id, BEFORE);
	case 535:
		enc->settings.headers_at_idr = control->value;
		return allowed(enc, control->id, BEFORE);
	case 537:
		enc->vectors = control->value;
		return allowed(enc, control->id, BEFORE);
	case 540:
		if ((uint32_t)control->value > 4)
			return violation(EINVAL, "HW_PRESET %d", control->value);
		return allowed(enc, control->id, BEFORE);
	case 546:
		enc->settings.vui = control->value;
		return allowed(enc, control->id, BEFORE);
	case 547:
	case 554:
		return allowed(enc, control->id, BEFORE);
	case 539:
		at = payload(control);
		return !at || allowed(enc, control->id, BEFORE) ? -1 : qp_range(enc, at);
	case 541:
		at = payload(control);
		return !at || allowed(enc, control->id, AFTER) ? -1 : input_metadata(enc, at);
	case 544:
		at = payload(control);
		return !at || allowed(enc, control->id, BEFORE) ? -1 : enable_roi(enc, at);
	}
	return violation(EINVAL, "control %08x is unknown here", control->id);
}

static int set_controls(struct encoder *enc, struct v4l2_ext_controls *list)
{
	uint32_t i;

	if (list->which != V4L2_CTRL_CLASS_MPEG)
		return violation(EINVAL, "S_EXT_CTRLS: class %08x", list->which);
	if (!list->count)
		return violation(EINVAL, "S_EXT_CTRLS: nothing in it");
	for (i = 0; i < list->count; i++) {
		const struct v4l2_ext_control *control = &list->controls[i];
		bool vendor = control->id - BASE >= 513 && control->id - BASE < 700;

		if (vendor && !enc->layout)
			return violation(EINVAL, "control %08x on release %d, whose ids nobody knows", control->id, enc->release);
		if (vendor ? set_vendor(enc, control) : set_standard(enc, control)) {
			list->error_idx = i;
			return -1;
		}
	}
	return 0;
}

static int get_metadata(struct encoder *enc, const struct v4l2_ext_control *control, bool vectors)
{
	const uint8_t *at = payload(control);
	uint8_t *answer;
	uint32_t index;
	struct buffer *buffer;

	if (!at || allowed(enc, control->id, AFTER))
		return -1;
	index = number(at + enc->layout->meta_index);
	answer = (uint8_t *)pointer_at(at + (vectors ? enc->layout->meta_mv : enc->layout->meta_enc));
	if (index >= (uint32_t)enc->cap.count || !answer)
		return violation(EINVAL, "METADATA: buffer %u, payload at %p", index, (void *)answer);
	buffer = &enc->cap.buffers[index];
	if (buffer->queued || !buffer->done)
		return violation(EINVAL, "METADATA of buffer %u, which was not dequeued", index);
	if (vectors) {
		uint32_t size = vectors_size(enc);

		if (!enc->vectors)
			return violation(EINVAL, "METADATA_MV, but ENABLE_METADATA_MV was not sent");
		memcpy(answer, &size, 4);
		memcpy(answer + 8, &buffer->vectors, sizeof(void *));
		return 0;
	}
	answer[0] = buffer->quality.keyframe;
	answer[1] = 1;
	*(uint16_t *)(answer + 2) = buffer->quality.avg;
	memcpy(answer + 20, &buffer->quality.bits, 4);
	memcpy(answer + 24, &buffer->quality.min, 4);
	memcpy(answer + 28, &buffer->quality.max, 4);
	return 0;
}

static int get_controls(struct encoder *enc, struct v4l2_ext_controls *list)
{
	int off;

	if (list->which != V4L2_CTRL_CLASS_MPEG || list->count != 1 || !enc->layout)
		return violation(EINVAL, "G_EXT_CTRLS: class %08x, count %u", list->which, list->count);
	off = vendor_number(enc, list->controls[0].id);
	if (off != 536 && off != 538)
		return violation(EINVAL, "G_EXT_CTRLS: control %08x", list->controls[0].id);
	return get_metadata(enc, &list->controls[0], off == 538);
}

/* -- buffers --------------------------------------------------------------------------------------------- */

static void make_memory(struct queue *queue, struct buffer *buffer)
{
	int last = queue->planes - 1;

	buffer->size = queue->offset[last] + (queue->sizeimage[last] + PAGE - 1) / PAGE * PAGE;
	buffer->memfd = memfd_create("tegra-sim", MFD_CLOEXEC);
	if (ftruncate(buffer->memfd, buffer->size))
		abort();
	buffer->memory = mmap(NULL, buffer->size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->memfd, 0);
}

static int request_buffers(struct encoder *enc, struct v4l2_requestbuffers *request)
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

static int query_buffer(struct encoder *enc, struct v4l2_buffer *query)
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

static int export_buffer(struct encoder *enc, struct v4l2_exportbuffer *export)
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

static int queue_buffer(struct encoder *enc, struct v4l2_buffer *given)
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

static int dequeue_buffer(struct encoder *enc, struct v4l2_buffer *wanted)
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

static int stream_on(struct encoder *enc, const int *type)
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

static int stream_off(struct encoder *enc, const int *type)
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
