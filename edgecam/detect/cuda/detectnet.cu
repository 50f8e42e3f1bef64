// DetectNet's grids -> finished detections: threshold, boxes, sizes, labels, order, suppression. Only what stays is copied back.
//
// Compiled for the GPU and, by the tests, for the CPU with one thread. The arithmetic is decode_detectnet.py's and nms.py's.
//
//   start           takes the thresholds over and counts from zero
//   pick_cells      one thread per cell, all groups: those above the threshold become candidates, in any order
//   rank_cells      their order: by score, equals by cell, as the CPU finds them
//   mark_overlaps   a bit for each pair in one group that overlaps too much
//   keep_best       down the order, each box that still stands removes those that its bits name

#ifdef __CUDACC__
#define WORLD __device__ __forceinline__
#define KERNEL extern "C" __global__
#else
#include <math.h>
#define WORLD static inline
#endif

#define CAPACITY 4096           // candidates of one picture; with more the CPU decodes its grids
#define WORDS (CAPACITY / 32)
#define MOST_GROUPS 16

// An output. Strides count elements, of float or half.
struct Values {
    unsigned long long data;    // address of the first picture's; 0 for none
    int half;
    int picture, channel, cell; // strides
};

// One resolution of the network; cuda/suppression.py writes it with the same layout.
struct Grid {
    struct Values coverage, boxes, fine;        // fine may have no data
    int width, height, stride;
    float min_size, max_size;
};

struct Decoding {
    struct Grid grids[4];
    int grid_count, groups, shared, raw;        // shared: one box for all groups; raw: coverage is a logit
    int corners, limit;                         // 0 ltrb-exp, 1 corners, 2 corners in DetectNet_v2's normalised coding
    float norm, offset, iou;
    int first_label[MOST_GROUPS], fine_first[MOST_GROUPS], fine_count[MOST_GROUPS];    // count 0: nothing to tell apart
    int fine_labels[64];                        // label of each fine channel
    int wanted[64];                             // by label
};

struct Candidate {
    float box[4];               // left, top, right, bottom in pixels of the input
    float score;                // 0 to 1
    int label, group;
    int cell;                   // place in the order of the CPU's decoder
};

// Per picture: what threshold holds, and how many candidates there are.
struct Count {
    float threshold, least;     // the latter compares with raw coverage
    int candidates, kept;
};

WORLD float value_at(const struct Values *values, int picture, int channel, int place) {
    long long at = (long long)picture * values->picture + (long long)channel * values->channel + place * values->cell;
    if (!values->half) return ((const float *)values->data)[at];
#ifdef __CUDACC__
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(((const unsigned short *)values->data)[at]));
    return value;
#else
    return (float)((const _Float16 *)values->data)[at];
#endif
}

WORLD float bounded_exp(float raw) { return expf(raw < 12.f ? raw : 12.f); }

WORLD float sigmoid(float raw) { return 0.5f * (1.f + tanhf(0.5f * raw)); }

WORLD void edges_to_box(const struct Decoding *decoding, const struct Grid *grid, const float *edges, int x, int y, float *box) {
    for (int edge = 0; edge < 4; edge++) {
        int index = edge & 1 ? y : x;
        float sign = edge < 2 ? -1.f : 1.f, stride = (float)grid->stride;
        if (decoding->corners == 0) box[edge] = ((float)index + 0.5f) * stride + bounded_exp(edges[edge]) * (sign * stride);
        else if (decoding->corners == 1) box[edge] = edges[edge] + (float)index * stride;
        else box[edge] = decoding->norm * (sign * edges[edge] + ((float)index * stride + decoding->offset) / decoding->norm);
    }
}

WORLD int label_of(const struct Decoding *decoding, const struct Grid *grid, int picture, int group, int place) {
    int count = decoding->fine_count[group], first = decoding->fine_first[group], best = 0;
    if (count == 0 || grid->fine.data == 0) return decoding->first_label[group];
    float most = value_at(&grid->fine, picture, first, place);
    for (int channel = 1; channel < count; channel++) {
        float value = value_at(&grid->fine, picture, first + channel, place);
        if (value > most) most = value, best = channel;
    }
    return decoding->fine_labels[first + best];
}

// Whether cell *place* of grid *which* becomes a candidate of *group*.
WORLD int select_cell(const struct Decoding *decoding, int which, int picture, int group, int place, float least, struct Candidate *out) {
    const struct Grid *grid = &decoding->grids[which];
    float raw = value_at(&grid->coverage, picture, group, place);
    if (!(raw >= least)) return 0;
    int first = decoding->shared ? 0 : 4 * group;
    float edges[4];
    for (int edge = 0; edge < 4; edge++) edges[edge] = value_at(&grid->boxes, picture, first + edge, place);
    edges_to_box(decoding, grid, edges, place % grid->width, place / grid->width, out->box);
    float width = out->box[2] - out->box[0], height = out->box[3] - out->box[1];
    float size = sqrtf((width > 0.f ? width : 0.f) * (height > 0.f ? height : 0.f));
    if (!(size >= grid->min_size && size < grid->max_size)) return 0;
    out->label = label_of(decoding, grid, picture, group, place);
    if (!decoding->wanted[out->label]) return 0;
    out->score = decoding->raw ? sigmoid(raw) : raw;
    out->group = group;
    out->cell = which * (1 << 28) + group * grid->width * grid->height + place;
    return 1;
}

// How many candidates of *count* come before number *index*.
WORLD int rank_of(const struct Candidate *found, int count, int index) {
    float score = found[index].score;
    int cell = found[index].cell, before = 0;
    for (int other = 0; other < count; other++)
        before += found[other].score > score || (found[other].score == score && found[other].cell < cell);
    return before;
}

WORLD int overlaps(const struct Candidate *one, const struct Candidate *two, float iou) {
    if (one->group != two->group) return 0;
    float left = one->box[0] > two->box[0] ? one->box[0] : two->box[0], top = one->box[1] > two->box[1] ? one->box[1] : two->box[1];
    float right = one->box[2] < two->box[2] ? one->box[2] : two->box[2];
    float bottom = one->box[3] < two->box[3] ? one->box[3] : two->box[3];
    float width = right > left ? right - left : 0.f, height = bottom > top ? bottom - top : 0.f;
    float size = (one->box[2] - one->box[0]) * (one->box[3] - one->box[1]);
    float size_2 = (two->box[2] - two->box[0]) * (two->box[3] - two->box[1]);
    return width * height * (1.f + iou) > iou * (size + size_2);
}

// The bits of 32 boxes that *row* overlaps, those behind it alone.
WORLD unsigned overlap_word(const struct Candidate *sorted, int count, int row, int word, float iou) {
    unsigned bits = 0;
    for (int bit = 0; bit < 32; bit++) {
        int other = word * 32 + bit;
        if (other > row && other < count && overlaps(&sorted[row], &sorted[other], iou)) bits |= 1u << bit;
    }
    return bits;
}

#ifdef __CUDACC__
KERNEL void start(const struct Count *wanted, struct Count *counts, int batch) {
    if (threadIdx.x >= batch) return;
    counts[threadIdx.x] = wanted[threadIdx.x];
    counts[threadIdx.x].candidates = counts[threadIdx.x].kept = 0;
}

KERNEL void pick_cells(const struct Decoding *decoding, struct Count *counts, struct Candidate *found) {
    int place = blockIdx.x * blockDim.x + threadIdx.x, picture = blockIdx.y, which = blockIdx.z;
    const struct Grid *grid = &decoding->grids[which];
    struct Candidate candidate;
    if (place >= grid->width * grid->height) return;
    for (int group = 0; group < decoding->groups; group++) {
        if (!select_cell(decoding, which, picture, group, place, counts[picture].least, &candidate)) continue;
        int slot = atomicAdd(&counts[picture].candidates, 1);
        if (slot < CAPACITY) found[(long long)picture * CAPACITY + slot] = candidate;
    }
}

KERNEL void rank_cells(const struct Count *counts, const struct Candidate *found, struct Candidate *sorted) {
    int picture = blockIdx.y, count = counts[picture].candidates;
    if (count > CAPACITY) return;
    found += (long long)picture * CAPACITY, sorted += (long long)picture * CAPACITY;
    for (int index = blockIdx.x * blockDim.x + threadIdx.x; index < count; index += gridDim.x * blockDim.x)
        sorted[rank_of(found, count, index)] = found[index];
}

KERNEL void mark_overlaps(const struct Decoding *decoding, const struct Count *counts, const struct Candidate *sorted, unsigned *bits) {
    int picture = blockIdx.y, count = counts[picture].candidates, words = (count + 31) / 32;
    if (count > CAPACITY) return;
    sorted += (long long)picture * CAPACITY, bits += (long long)picture * CAPACITY * WORDS;
    for (int index = blockIdx.x * blockDim.x + threadIdx.x; index < count * words; index += gridDim.x * blockDim.x) {
        int row = index / words, word = index % words;
        bits[(long long)row * WORDS + word] = overlap_word(sorted, count, row, word, decoding->iou);
    }
}

// One warp per picture; each lane keeps the removed bits of every 32nd word.
KERNEL void keep_best(const struct Decoding *decoding, struct Count *counts, const struct Candidate *sorted, const unsigned *bits,
                     struct Candidate *out) {
    __shared__ volatile unsigned removed[WORDS];
    int picture = blockIdx.x, lane = threadIdx.x, count = counts[picture].candidates, words = (count + 31) / 32, kept = 0;
    if (count > CAPACITY) return;
    sorted += (long long)picture * CAPACITY, bits += (long long)picture * CAPACITY * WORDS, out += (long long)picture * decoding->limit;
    for (int word = lane; word < words; word += 32) removed[word] = 0;
    __syncthreads();
    for (int index = 0; index < count && kept < decoding->limit; index++) {
        if (removed[index / 32] >> (index % 32) & 1) continue;
        if (lane < sizeof(struct Candidate) / 4) ((int *)&out[kept])[lane] = ((const int *)&sorted[index])[lane];
        kept++;
        for (int word = index / 32 + lane; word < words; word += 32) removed[word] |= bits[(long long)index * WORDS + word];
        __syncthreads();
    }
    if (lane == 0) counts[picture].kept = kept;
}
#endif
