/* Real H.264 behind the simulated encoder: libx264, the regions as quantiser offsets. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim.h"
#include <x264.h>

struct coder {
	x264_t *x264;
	x264_param_t param;
	float *offsets;
	int columns, rows;
	int64_t count;
	uint32_t bitrate;
};

static void set_rate(x264_param_t *param, uint32_t bitrate)
{
	param->rc.i_rc_method = X264_RC_ABR;
	param->rc.i_bitrate = param->rc.i_vbv_max_bitrate = bitrate / 1000;
	param->rc.i_vbv_buffer_size = bitrate / 1000;
}

struct coder *coder_open(const struct settings *settings)
{
	struct coder *coder = calloc(1, sizeof(*coder));
	x264_param_t *param = &coder->param;

	x264_param_default_preset(param, "veryfast", "zerolatency");
	param->i_width = settings->width;
	param->i_height = settings->height;
	param->i_csp = settings->csp;
	param->i_threads = 1;
	param->b_sliced_threads = 0;
	param->i_log_level = X264_LOG_ERROR;
	param->i_fps_num = settings->fps_num;
	param->i_fps_den = settings->fps_den;
	param->i_keyint_max = settings->idr;
	param->i_keyint_min = 1;
	param->i_scenecut_threshold = 0;
	param->b_repeat_headers = settings->headers_at_idr;
	param->b_annexb = 1;
	param->b_cabac = 1;
	param->rc.i_aq_mode = X264_AQ_VARIANCE;	/* needed for offsets at all */
	param->rc.f_aq_strength = 0.0001f;
	param->rc.i_qp_min = settings->min_qp;
	/* 51 is the highest in the stream; x264 goes on above it by leaving coefficients out, and then holds its rate */
	param->rc.i_qp_max = settings->max_qp == 51 ? 69 : settings->max_qp;
	if (settings->vui) {
		param->vui.b_fullrange = settings->full_range;
		param->vui.i_colmatrix = settings->bt709 ? 1 : 6;
	}
	set_rate(param, settings->bitrate);
	x264_param_apply_profile(param, settings->profile == 0 ? "baseline" : settings->profile == 2 ? "main" : "high");
	coder->bitrate = settings->bitrate;
	coder->columns = (settings->width + 15) / 16;
	coder->rows = (settings->height + 15) / 16;
	coder->offsets = calloc(coder->columns * coder->rows, sizeof(float));
	coder->x264 = x264_encoder_open(param);
	if (coder->x264)
		return coder;
	coder_close(coder);
	return NULL;
}

/* Later regions lie under earlier ones. */
static void paint(struct coder *coder, const struct regions *regions)
{
	int i, x, y;

	memset(coder->offsets, 0, coder->columns * coder->rows * sizeof(float));
	for (i = regions->count - 1; i >= 0; i--) {
		const struct region *r = &regions->item[i];

		for (y = r->top / 16; y < (r->top + r->height + 15) / 16 && y < coder->rows; y++)
			for (x = r->left / 16; x < (r->left + r->width + 15) / 16 && x < coder->columns; x++)
				coder->offsets[y * coder->columns + x] = r->delta;
	}
}

/* x264's average forgets slowly: a large step needs a new one (and so an IDR picture, which hardware would not make). */
static void follow_rate(struct coder *coder, uint32_t bitrate)
{
	bool large = bitrate > coder->bitrate * 5 / 4 || bitrate < coder->bitrate * 4 / 5;

	if (coder->bitrate == bitrate)
		return;
	coder->bitrate = bitrate;
	set_rate(&coder->param, bitrate);
	if (large) {
		x264_encoder_close(coder->x264);
		coder->x264 = x264_encoder_open(&coder->param);
	} else {
		x264_encoder_reconfig(coder->x264, &coder->param);
	}
}

static int clip(int value, int low, int high)
{
	return value < low ? low : value > high ? high : value;
}

static void measure(struct coder *coder, const struct settings *settings, const x264_picture_t *shown, int size,
		    struct quality *quality)
{
	int i, qp, count = coder->columns * coder->rows, base = shown->i_qpplus1 - 1;
	long sum = 0;

	quality->min = 51;
	quality->max = 0;
	for (i = 0; i < count; i++) {
		qp = clip(base + lrintf(coder->offsets[i]), settings->min_qp, settings->max_qp);
		sum += qp;
		quality->min = qp < quality->min ? qp : quality->min;
		quality->max = qp > quality->max ? qp : quality->max;
	}
	quality->avg = (sum + count / 2) / count;
	quality->keyframe = shown->b_keyframe;
	quality->bits = size * 8;
}

int coder_encode(struct coder *coder, const struct settings *settings, uint8_t *const planes[3],
		 const struct regions *regions, bool idr, uint8_t *out, int room, struct quality *quality)
{
	x264_picture_t picture, shown;
	x264_nal_t *nals;
	int i, count, size;

	follow_rate(coder, settings->bitrate);
	paint(coder, regions);
	x264_picture_init(&picture);
	picture.img.i_csp = settings->csp;
	picture.img.i_plane = settings->planes;
	for (i = 0; i < settings->planes; i++) {
		picture.img.plane[i] = planes[i];
		picture.img.i_stride[i] = settings->bytesperline[i];
	}
	picture.i_pts = coder->count++;
	picture.i_type = idr ? X264_TYPE_IDR : X264_TYPE_AUTO;
	picture.prop.quant_offsets = coder->offsets;
	size = x264_encoder_encode(coder->x264, &nals, &count, &picture, &shown);
	if (size <= 0 || size > room)
		return -1;
	memcpy(out, nals[0].p_payload, size);
	measure(coder, settings, &shown, size, quality);
	return size;
}

int coder_headers(struct coder *coder, uint8_t *out, int room)
{
	x264_nal_t *nals;
	int count, size = x264_encoder_headers(coder->x264, &nals, &count);

	size = nals[0].i_payload + nals[1].i_payload;		/* SPS and PPS, without the SEI */
	if (size > room)
		return -1;
	memcpy(out, nals[0].p_payload, size);
	return size;
}

void coder_close(struct coder *coder)
{
	if (!coder)
		return;
	if (coder->x264)
		x264_encoder_close(coder->x264);
	free(coder->offsets);
	free(coder);
}
