/* A stand-in for NVIDIA's V4L2 encoder plugin: strict about everything that is known of the real one. */
#ifndef TEGRA_SIM_H
#define TEGRA_SIM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/videodev2.h>

#define MAX_BUFFERS 32
#define MAX_REGIONS 8

/* Where things lie in NVIDIA's structs, by L4T release. */
struct layout {
	int from, to;			/* releases, major * 10000 + minor * 1000 + patch, both included */
	int id_shift;			/* control ids from 523 on are so much smaller */
	int roi_stride, roi_store;	/* v4l2_enc_frame_ROI_params */
	int enable_size;		/* v4l2_enc_enable_roi_param */
	int input_store;		/* v4l2_ctrl_videoenc_input_metadata */
	int meta_enc, meta_mv, meta_index;	/* v4l2_ctrl_video_metadata */
	int vector_size;		/* MVInfo */
	bool surface;			/* buffers are synced by NvBufSurface, else by nvbuf_utils */
};

struct region {
	int left, top, width, height, delta;
};

struct regions {
	int count;
	struct region item[MAX_REGIONS];
};

/* How the next frames shall be encoded. */
struct settings {
	int width, height, bytesperline[3], csp, planes;
	uint32_t bitrate, fps_num, fps_den;
	int profile, gop, idr, headers_at_idr;
	int min_qp, max_qp;
	bool vui, full_range, bt709;
};

struct quality {
	int keyframe, avg, min, max;
	uint32_t bits;
};

struct coder;

struct coder *coder_open(const struct settings *settings);
/* Returns the size of the access unit written to out, negative on failure. */
int coder_encode(struct coder *coder, const struct settings *settings, uint8_t *const planes[3],
		 const struct regions *regions, bool idr, uint8_t *out, int room, struct quality *quality);
int coder_headers(struct coder *coder, uint8_t *out, int room);
void coder_close(struct coder *coder);

const struct layout *find_layout(const char *release, int *number);

/* Writes a line to the file that TEGRA_SIM_REPORT names, and to stderr; sets errno and returns -1. */
int violation(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "stall:12" in TEGRA_SIM_FAULT: the frame at which the fault called stall happens, -1 for never. */
int fault_at(const char *name);

#endif
