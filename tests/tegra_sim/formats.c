/* Formats and rates: CAPTURE before OUTPUT, sizes and strides as NVIDIA's library gives them. */
#define _GNU_SOURCE
#include <errno.h>
#include "session.h"
#include <x264.h>

struct queue *queue_of(struct encoder *enc, uint32_t type)
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

int set_format(struct encoder *enc, struct v4l2_format *format)
{
	struct queue *queue = queue_of(enc, format->type);

	if (!queue)
		return violation(EINVAL, "S_FMT: buffer type %u", format->type);
	if (queue->count)
		return violation(EBUSY, "S_FMT after REQBUFS");
	return queue == &enc->cap ? set_capture_format(enc, &format->fmt.pix_mp)
				  : set_output_format(enc, &format->fmt.pix_mp);
}

int set_parameters(struct encoder *enc, struct v4l2_streamparm *parm)
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
