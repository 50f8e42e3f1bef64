/* One opened encoder, and what the plugin's files need of each other. */
#ifndef TEGRA_SESSION_H
#define TEGRA_SESSION_H

#include "sim.h"

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

/* plugin.c */
void free_buffers(struct queue *queue, const char *side);
void stop_thread(struct encoder *enc);

/* worker.c */
void push(int *list, int *count, int index);
int pop(int *list, int *count);
uint32_t vectors_size(struct encoder *enc);
void *run(void *private);

/* formats.c */
struct queue *queue_of(struct encoder *enc, uint32_t type);
int set_format(struct encoder *enc, struct v4l2_format *format);
int set_parameters(struct encoder *enc, struct v4l2_streamparm *parm);

/* controls.c */
uint32_t number(const void *at);
int set_controls(struct encoder *enc, struct v4l2_ext_controls *list);
int get_controls(struct encoder *enc, struct v4l2_ext_controls *list);

/* buffers.c */
int request_buffers(struct encoder *enc, struct v4l2_requestbuffers *request);
int query_buffer(struct encoder *enc, struct v4l2_buffer *query);
int export_buffer(struct encoder *enc, struct v4l2_exportbuffer *export);
int queue_buffer(struct encoder *enc, struct v4l2_buffer *given);
int dequeue_buffer(struct encoder *enc, struct v4l2_buffer *wanted);
int stream_on(struct encoder *enc, const int *type);
int stream_off(struct encoder *enc, const int *type);

#endif
