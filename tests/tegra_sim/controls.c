/* Controls, in the numbers and layouts of the release: standard ones, NVIDIA's, and what is read back of each frame. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "session.h"

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

uint32_t number(const void *at)
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

int set_controls(struct encoder *enc, struct v4l2_ext_controls *list)
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

int get_controls(struct encoder *enc, struct v4l2_ext_controls *list)
{
	int off;

	if (list->which != V4L2_CTRL_CLASS_MPEG || list->count != 1 || !enc->layout)
		return violation(EINVAL, "G_EXT_CTRLS: class %08x, count %u", list->which, list->count);
	off = vendor_number(enc, list->controls[0].id);
	if (off != 536 && off != 538)
		return violation(EINVAL, "G_EXT_CTRLS: control %08x", list->controls[0].id);
	return get_metadata(enc, &list->controls[0], off == 538);
}
