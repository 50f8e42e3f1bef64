// A frame's planes -> the network's input, in one kernel: resize, colour matrix, normalisation, layout. No RGB picture in between.
//
// The same file is compiled for the GPU and, by the tests, for the CPU. Every step, every rounding to 8 bits and the order of each sum are those of
// letterbox.py with numpy, so that both give the same tensor bit by bit (the GPU's compiler must not fuse multiplications into additions: -fmad=false).

#ifdef __CUDACC__
#define WORLD __device__ __forceinline__
#else
#include <math.h>
#define WORLD static inline
#endif

// BT.601 limited range to RGB (Rec. ITU-R BT.601-7); pixels.py has the same numbers.
#define LUMA 1.164384f
#define RED_V 1.596027f
#define GREEN_U -0.391762f
#define GREEN_V -0.812968f
#define BLUE_U 2.017232f

// One plane, or one channel of interleaved ones, and how its samples lie on the grid that they are brought to.
struct Plane {
    unsigned long long data;    // address of the first sample, 0 for none
    int pitch, step;            // bytes from row to row and from sample to sample
    int width, height;          // of the plane after its squares of factor x factor were averaged
    int factor, exact;          // exact: samples fall on each other, there is nothing to interpolate
    float scale_x, scale_y;     // plane samples per output sample
};

// One picture of a batch; cuda/pictures.py writes it with the same layout.
struct Picture {
    struct Plane planes[3];     // Y, U, V; or R, G, B where packed
    int packed, plain;          // plain: luma bytes side by side, no plane resized
    int left, top, width, height;       // where the picture lies in the input
    int recode, mixes;          // other coding than BT.601 limited; does chroma change luma
    float luma[3];              // gain, lift, lift of the mixed form
    float mix[3];               // gains of U and V into luma (in thirds), and their lift
    float new_u[3], new_v[3];   // gain of U, gain of V, lift
};

// The tensor. Strides count elements.
struct Target {
    int width, height;
    int kind;                   // 0 float32, 1 float16, 2 uint8
    int colour;                 // 0 RGB, 1 BGR, 2 grey
    int row, column, channel;   // strides; column 4 and channel 1: places of three halves and a zero, or one and three
    float scale[3], offset[3];  // per channel of the tensor: pixel * scale - offset
    float bars[3];              // what lies outside of the picture
};

WORLD float clipped(float value, float low, float high) { return fminf(fmaxf(value, low), high); }
WORLD float to_8_bits(float value) { return (float)(int)clipped(value, 0.f, 255.f); }

WORLD float blend(float one, float a, float two, float b, float offset) { return to_8_bits((a * one + b * two) + (offset + 0.5f)); }

WORLD float byte_at(const struct Plane *plane, int x, int y) {
    return (float)((const unsigned char *)plane->data)[y * plane->pitch + x * plane->step];     // a plane has less than 2 GB
}

// Mean of one square of the plane.
WORLD float square(const struct Plane *plane, int x, int y) {
    const unsigned char *data = (const unsigned char *)plane->data;
    int factor = plane->factor, sum = 0;
    if (factor == 1) return byte_at(plane, x, y);
    for (int down = 0; down < factor; down++) {
        const unsigned char *row = data + (y * factor + down) * plane->pitch + x * factor * plane->step;
        for (int right = 0; right < factor; right++) sum += row[right * plane->step];
    }
    return (float)sum / (float)(factor * factor);
}

WORLD float place(int index, float scale, int size) {
    return clipped(((float)index + 0.5f) * scale - 0.5f, 0.f, (float)(size - 1));
}

// One sample of the resized plane, rounded to 8 bits.
WORLD float sample(const struct Plane *plane, int x, int y) {
    if (plane->exact && plane->factor == 1) return square(plane, x, y);     // has 8 bits already
    if (plane->exact) return to_8_bits(square(plane, x, y) + 0.5f);
    float fx = place(x, plane->scale_x, plane->width), fy = place(y, plane->scale_y, plane->height);
    int x0 = (int)fx, y0 = (int)fy;
    int x1 = x0 + 1 < plane->width ? x0 + 1 : plane->width - 1, y1 = y0 + 1 < plane->height ? y0 + 1 : plane->height - 1;
    float right = fx - (float)x0, down = fy - (float)y0;
    float above = square(plane, x0, y0), left = above + (square(plane, x0, y1) - above) * down;
    above = square(plane, x1, y0);
    float other = above + (square(plane, x1, y1) - above) * down;
    return to_8_bits((left + (other - left) * right) + 0.5f);
}

// What a pair of neighbours shares: U and V of their square.
WORLD void chroma(const struct Picture *picture, int x, int y, float *u, float *v) {
    *u = *v = 128.f;
    if (picture->planes[1].data) *u = sample(&picture->planes[1], x >> 1, y >> 1), *v = sample(&picture->planes[2], x >> 1, y >> 1);
}

WORLD float recoded(const struct Picture *picture, float y, float *u, float *v) {
    float old_u = *u, old_v = *v;
    if (picture->mixes) {
        float shift = blend(old_u, picture->mix[0], old_v, picture->mix[1], picture->mix[2]);
        y = blend(y, picture->luma[0], shift, (float)(1 / 3.0), picture->luma[2]);
    } else {
        y = blend(y, picture->luma[0], y, 0.f, picture->luma[1]);
    }
    *u = blend(old_u, picture->new_u[0], old_v, picture->new_u[1], picture->new_u[2]);
    *v = blend(old_u, picture->new_v[0], old_v, picture->new_v[1], picture->new_v[2]);
    return y;
}

// R, G, B of luma and chroma; a grey network gets its value in the first.
WORLD void convert(const struct Picture *picture, float luma, float u, float v, int grey, float *rgb) {
    if (picture->recode) luma = recoded(picture, luma, &u, &v);
    if (grey) {
        rgb[0] = blend(luma, (float)(255 / 219.0), luma, 0.f, (float)(-16 * 255 / 219.0));
        return;
    }
    float bright = (luma - 16.f) * LUMA + 0.5f;
    u -= 128.f, v -= 128.f;
    rgb[0] = to_8_bits(bright + RED_V * v);
    rgb[1] = to_8_bits((bright + GREEN_U * u) + GREEN_V * v);
    rgb[2] = to_8_bits(bright + BLUE_U * u);
}

// The same of one pixel of the picture.
WORLD void colours(const struct Picture *picture, int x, int y, float u, float v, int grey, float *rgb) {
    if (!picture->packed) {
        convert(picture, sample(&picture->planes[0], x, y), u, v, grey, rgb);
        return;
    }
    for (int channel = 0; channel < 3; channel++) {
        float value = sample(&picture->planes[channel], x, y);
        if (channel == 0) rgb[0] = value;           // no index that is known late: it would keep the array out of registers
        else if (channel == 1) rgb[1] = value;
        else rgb[2] = value;
    }
    if (grey) rgb[0] = (float)(int)((0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2]) + 0.5f);
}

// float -> half, to nearest even; of finite values.
WORLD unsigned short half_bits(float value) {
    unsigned short bits;
#ifdef __CUDACC__
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
#else
    _Float16 half = (_Float16)value;
    __builtin_memcpy(&bits, &half, 2);
#endif
    return bits;
}

WORLD unsigned two_halves(float first, float second) { return half_bits(first) | (unsigned)half_bits(second) << 16; }

WORLD void store(const struct Target *target, void *tensor, int at, float value) {
    if (target->kind == 0) ((float *)tensor)[at] = value;
    else if (target->kind == 1) ((unsigned short *)tensor)[at] = half_bits(value);
    else ((unsigned char *)tensor)[at] = (unsigned char)(int)value;
}

// Two values that lie side by side: one write where they may be one word.
WORLD void store_pair(const struct Target *target, void *tensor, int at, float first, float second) {
#ifdef __CUDACC__
    unsigned short *halves = (unsigned short *)tensor + at;
    if (target->kind == 1 && ((unsigned long long)halves & 3) == 0) {
        *(unsigned *)halves = two_halves(first, second);
        return;
    }
#endif
    store(target, tensor, at, first);
    store(target, tensor, at + 1, second);
}

// The same for four, *apart* elements from each other.
WORLD void store_four(const struct Target *target, void *tensor, int at, int apart, const float *values) {
#ifdef __CUDACC__
    unsigned short *halves = (unsigned short *)tensor + at;
    if (target->kind == 1 && apart == 1 && ((unsigned long long)halves & 7) == 0) {
        *(uint2 *)halves = make_uint2(two_halves(values[0], values[1]), two_halves(values[2], values[3]));
        return;
    }
    float *floats = (float *)tensor + at;
    if (target->kind == 0 && apart == 1 && ((unsigned long long)floats & 15) == 0) {
        *(float4 *)floats = make_float4(values[0], values[1], values[2], values[3]);
        return;
    }
#endif
#pragma unroll
    for (int next = 0; next < 4; next++) store(target, tensor, at + next * apart, values[next]);
}

WORLD int in_places(const struct Target *target) { return target->kind == 1 && target->column == 4 && target->channel == 1; }

// One place: its channels, and a zero that fills it up.
WORLD void store_place(void *tensor, int at, const float *values) {
    unsigned short *halves = (unsigned short *)tensor + at;
    halves[0] = half_bits(values[0]), halves[1] = half_bits(values[1]), halves[2] = half_bits(values[2]), halves[3] = 0;
}

// Two neighbours: one write where they may be one word.
WORLD void store_places(void *tensor, int at, const float *first, const float *second) {
#ifdef __CUDACC__
    uint4 *both = (uint4 *)((unsigned short *)tensor + at);
    if (((unsigned long long)both & 15) == 0) {
        *both = make_uint4(two_halves(first[0], first[1]), half_bits(first[2]), two_halves(second[0], second[1]), half_bits(second[2]));
        return;
    }
#endif
    store_place(tensor, at, first);
    store_place(tensor, at + 4, second);
}

WORLD float normalised(const struct Target *target, int channel, const float *rgb) {
    float value = target->colour == 1 ? rgb[2 - channel] : rgb[channel];
    return value * target->scale[channel] - target->offset[channel];
}

// The tensor's values at one place, in the tensor's order of channels. Loops over channels have a fixed length so that
// the GPU keeps their arrays in registers.
WORLD void pixel(const struct Picture *picture, const struct Target *target, int x, int y, int *known, float *uv, float *values) {
    float rgb[3] = {0.f, 0.f, 0.f};
    int inside_x = x - picture->left, inside_y = y - picture->top;
    int inside = inside_x >= 0 && inside_x < picture->width && inside_y >= 0 && inside_y < picture->height;
    if (inside) {
        if (!picture->packed && *known != inside_x >> 1) chroma(picture, inside_x, inside_y, &uv[0], &uv[1]), *known = inside_x >> 1;
        colours(picture, inside_x, inside_y, uv[0], uv[1], target->colour == 2, rgb);
    }
#pragma unroll
    for (int channel = 0; channel < 3; channel++) values[channel] = inside ? normalised(target, channel, rgb) : target->bars[channel];
}

// Two neighbours in one row, x even.
WORLD void preprocess_pair(const struct Picture *picture, const struct Target *target, void *tensor, int x, int y) {
    int channels = target->colour == 2 ? 1 : 3, known = -1, two = x + 1 < target->width;
    float uv[2] = {128.f, 128.f}, first[3], second[3] = {0.f, 0.f, 0.f};
    pixel(picture, target, x, y, &known, uv, first);
    if (two) pixel(picture, target, x + 1, y, &known, uv, second);
    if (in_places(target)) {
        if (two) store_places(tensor, y * target->row + 4 * x, first, second);
        else store_place(tensor, y * target->row + 4 * x, first);
        return;
    }
#pragma unroll
    for (int channel = 0; channel < 3; channel++) {
        int at = y * target->row + x * target->column + channel * target->channel;
        if (channel >= channels) break;
        if (two && target->column == 1) store_pair(target, tensor, at, first[channel], second[channel]);
        else store(target, tensor, at, first[channel]);
        if (two && target->column != 1) store(target, tensor, at + target->column, second[channel]);
    }
}

// Four neighbours inside a plain picture, whose luma is the word at *luma*.
WORLD void plain_quad(const struct Picture *picture, const struct Target *target, void *tensor, int x, int y, const unsigned *luma) {
    const struct Plane *planes = picture->planes;
    int channels = target->colour == 2 ? 1 : 3, at = y * target->row + x * target->column;
    unsigned word = *luma;
    float u[2] = {128.f, 128.f}, v[2] = {128.f, 128.f}, values[4][3];
#pragma unroll
    for (int pair = 0; pair < 2 && planes[1].data; pair++) {
        int chroma_x = (x - picture->left) / 2 + pair, chroma_y = (y - picture->top) / 2;
        u[pair] = byte_at(&planes[1], chroma_x, chroma_y), v[pair] = byte_at(&planes[2], chroma_x, chroma_y);
    }
#pragma unroll
    for (int next = 0; next < 4; next++) {
        float rgb[3] = {0.f, 0.f, 0.f};
        convert(picture, (float)(word >> 8 * next & 255), u[next / 2], v[next / 2], target->colour == 2, rgb);
#pragma unroll
        for (int channel = 0; channel < 3; channel++) values[next][channel] = normalised(target, channel, rgb);
    }
    if (in_places(target)) {
        store_places(tensor, at, values[0], values[1]), store_places(tensor, at + 8, values[2], values[3]);
        return;
    }
#pragma unroll
    for (int channel = 0; channel < 3; channel++) {
        float four[4] = {values[0][channel], values[1][channel], values[2][channel], values[3][channel]};
        if (channel < channels) store_four(target, tensor, at + channel * target->channel, target->column, four);
    }
}

// Up to four neighbours in one row, x a multiple of four.
WORLD void preprocess_quad(const struct Picture *picture, const struct Target *target, void *tensor, int x, int y) {
    int inside_x = x - picture->left, inside_y = y - picture->top;
    unsigned long long luma = picture->planes[0].data + (long long)inside_y * picture->planes[0].pitch + inside_x;
    if (picture->plain && inside_x >= 0 && inside_x + 4 <= picture->width && inside_x % 2 == 0 && inside_y >= 0 && inside_y < picture->height
        && luma % 4 == 0) {
        plain_quad(picture, target, tensor, x, y, (const unsigned *)luma);
        return;
    }
#pragma unroll 1
    for (int pair = x; pair < x + 4 && pair < target->width; pair += 2) preprocess_pair(picture, target, tensor, pair, y);
}

#ifdef __CUDACC__
extern "C" __global__ void preprocess(const struct Picture *pictures, struct Target target, void *tensor, long long stride) {
    __shared__ struct Picture picture;
    int thread = threadIdx.y * blockDim.x + threadIdx.x, words = sizeof(struct Picture) / 4;
    for (int word = thread; word < words; word += blockDim.x * blockDim.y) ((int *)&picture)[word] = ((const int *)(pictures + blockIdx.z))[word];
    __syncthreads();
    int x = 4 * (blockIdx.x * blockDim.x + threadIdx.x), y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < target.width && y < target.height) preprocess_quad(&picture, &target, (char *)tensor + blockIdx.z * stride, x, y);
}
#endif
