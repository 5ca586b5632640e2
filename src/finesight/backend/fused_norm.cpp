// Batch normalisation, the sum with a residual, and a clamping activation, in as few passes over memory as they allow.
//
// Maps are channels last: rows × channels, where a row is a pixel of an image. All arithmetic is in float. Sums are
// taken over blocks of rows in float, and over blocks in double: their order depends on the shape alone, never on the
// number of threads. fused_norm.py calls the functions at the end; compilation.py says how this file is compiled.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <cmath>
#include <vector>

namespace {

struct bf16 {
    uint16_t bits;
};

inline float read(float value) { return value; }

inline float read(bf16 value) {
    const uint32_t bits = uint32_t(value.bits) << 16;
    float result;
    std::memcpy(&result, &bits, 4);
    return result;
}

inline void write(float& to, float value) { to = value; }

inline void write(bf16& to, float value) {  // to the nearest, ties to even
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    const uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    to.bits = uint16_t(value == value ? rounded : 0x7FC0);  // NaN stays NaN
}

inline float clamp(float value, float low, float high) {  // NaN passes
    value = value < low ? low : value;
    return value > high ? high : value;
}

struct Blocks {  // of rows: as many for one thread as for many
    long rows, count;
    explicit Blocks(long rows) : rows(rows), count(std::clamp(rows / 64, 1L, 32L)) {}
    long begin(long block) const { return rows * block / count; }
};

// Adds f(row, channel) and g(row, channel) up over the rows. `pair` returns both.
template <typename Pair>
void add_up(Blocks blocks, long channels, Pair pair, double* first, double* second) {
    std::vector<float> partial(2 * blocks.count * channels);
#pragma omp parallel for schedule(static)
    for (long block = 0; block < blocks.count; ++block) {
        float* __restrict f = partial.data() + 2 * block * channels;
        float* __restrict g = f + channels;
        const long end = blocks.begin(block + 1);
        long row = blocks.begin(block);
        for (; row + 4 <= end; row += 4) {
#pragma omp simd simdlen(16)
            for (long c = 0; c < channels; ++c) {
                float a[4], b[4];
                for (int i = 0; i < 4; ++i) pair(row + i, c, a[i], b[i]);
                f[c] += (a[0] + a[1]) + (a[2] + a[3]);
                g[c] += (b[0] + b[1]) + (b[2] + b[3]);
            }
        }
        for (; row < end; ++row) {
#pragma omp simd simdlen(16)
            for (long c = 0; c < channels; ++c) {
                float a, b;
                pair(row, c, a, b);
                f[c] += a;
                g[c] += b;
            }
        }
    }
    std::fill(first, first + channels, 0.0);
    std::fill(second, second + channels, 0.0);
    for (long block = 0; block < blocks.count; ++block) {
        const float* f = partial.data() + 2 * block * channels;
        for (long c = 0; c < channels; ++c) {
            first[c] += f[c];
            second[c] += f[channels + c];
        }
    }
}

// Calls each(row, channel) for all.
template <typename Each>
void visit(long rows, long channels, Each each) {
#pragma omp parallel for schedule(static)
    for (long row = 0; row < rows; ++row) {
#pragma omp simd simdlen(16)
        for (long c = 0; c < channels; ++c) each(row, c);
    }
}

// Rows taken as one, so that most numbers of channels fill whole vectors.
long count_joined(long rows, long channels) {
    for (long count : {1, 2, 4, 8, 16})
        if (channels * count % 16 == 0 && rows % count == 0) return count;
    return 1;
}

std::vector<float> repeat(const float* values, long channels, long count) {
    std::vector<float> result(channels * count);
    for (long i = 0; i < channels * count; ++i) result[i] = values[i % channels];
    return result;
}

// The sums of each channel, from those of its repetitions.
void join(std::vector<double>& sums, long channels) {
    for (long i = channels; i < long(sums.size()); ++i) sums[i % channels] += sums[i];
}

struct Affine {  // what normalisation does to each channel: scale · x + shift
    std::vector<float> mean, scale, shift;
    Affine(const float* weight, const float* bias, const float* means, const float* inverse, long channels, long joined)
        : mean(repeat(means, channels, joined)), scale(mean.size()), shift(mean.size()) {
        for (size_t i = 0; i < mean.size(); ++i) {
            const long c = i % channels;
            scale[i] = weight[c] * inverse[c];
            shift[i] = bias[c] - means[c] * scale[i];
        }
    }
};

// Mean and biased variance of each channel, around its first value: sums of squares would lose the digits of a
// variance that is small beside the mean.
template <typename T>
void find_moments(const T* __restrict x, long rows, long channels, float* mean, float* variance) {
    const long joined = count_joined(rows, channels), width = channels * joined;
    std::vector<float> first(channels);
    for (long c = 0; c < channels; ++c) first[c] = read(x[c]);
    const std::vector<float> pivot = repeat(first.data(), channels, joined);
    const float* __restrict from = pivot.data();
    std::vector<double> sum(width), squares(width);
    auto pair = [=](long row, long c, float& a, float& b) {
        a = read(x[row * width + c]) - from[c];
        b = a * a;
    };
    add_up(Blocks(rows / joined), width, pair, sum.data(), squares.data());
    join(sum, channels);
    join(squares, channels);
    for (long c = 0; c < channels; ++c) {
        const double offset = sum[c] / rows;
        mean[c] = float(first[c] + offset);
        variance[c] = float(std::max(squares[c] / rows - offset * offset, 0.0));
        if (squares[c] != squares[c]) variance[c] = float(squares[c]);
    }
}

template <typename T>
void normalise(const T* __restrict x, const T* __restrict residual, T* __restrict y, long rows, long channels,
               const Affine& affine, float low, float high) {
    const float *__restrict scale = affine.scale.data(), *__restrict shift = affine.shift.data();
    if (residual) {
        visit(rows, channels, [=](long row, long c) {
            const long i = row * channels + c;
            write(y[i], clamp(scale[c] * read(x[i]) + shift[c] + read(residual[i]), low, high));
        });
    } else {
        visit(rows, channels, [=](long row, long c) {
            const long i = row * channels + c;
            write(y[i], clamp(scale[c] * read(x[i]) + shift[c], low, high));
        });
    }
}

// Gradients of the input, of weight and bias (each may be null), and of the residual, which is `dy` where the
// activation let it pass. With a residual that is known from the output y, else from x.
template <bool WITH_RESIDUAL, typename T>
void differentiate(const T* __restrict dy, const T* __restrict x, const T* __restrict y, T* __restrict dx,
                   T* __restrict dresidual, long rows, long channels, const Affine& affine, const float* inverse,
                   float* dweight, float* dbias, bool training, float low, float high) {
    const float *__restrict scale = affine.scale.data(), *__restrict shift = affine.shift.data();
    const float* __restrict mean = affine.mean.data();
    const long width = affine.mean.size(), lines = rows * channels / width;
    std::vector<double> sum(width), dot(width);
    std::vector<float> level(channels), slope(channels);
    auto gradient = [=](long i, long c) {
        const float arriving = read(dy[i]);
        const float value = WITH_RESIDUAL ? read(y[i]) : scale[c] * read(x[i]) + shift[c];
        return bool(value > low) & bool(value < high) ? arriving : 0.0f;
    };
    if (training || dweight || dbias) {
        auto pair = [=](long row, long c, float& a, float& b) {
            const long i = row * width + c;
            a = gradient(i, c);
            b = a * (read(x[i]) - mean[c]);
            if (WITH_RESIDUAL) write(dresidual[i], a);
        };
        add_up(Blocks(lines), width, pair, sum.data(), dot.data());
    } else if (WITH_RESIDUAL) {
        visit(lines, width, [=](long row, long c) {
            write(dresidual[row * width + c], gradient(row * width + c, c));
        });
    }
    join(sum, channels);
    join(dot, channels);
    for (long c = 0; c < channels; ++c) {
        if (dbias) dbias[c] = float(sum[c]);
        if (dweight) dweight[c] = float(dot[c] * inverse[c]);
        if (training) {
            level[c] = float(sum[c] / rows);
            slope[c] = float(dot[c] * inverse[c] * inverse[c] / rows);
        }
    }
    if (!dx) return;
    const std::vector<float> levels = repeat(level.data(), channels, width / channels);
    const std::vector<float> slopes = repeat(slope.data(), channels, width / channels);
    const float *__restrict away = levels.data(), *__restrict along = slopes.data();
    visit(lines, width, [=](long row, long c) {
        const long i = row * width + c;
        const float passed = WITH_RESIDUAL ? read(dresidual[i]) : gradient(i, c);
        write(dx[i], scale[c] * (passed - away[c] - along[c] * (read(x[i]) - mean[c])));
    });
}

template <typename T>
void forward(const T* x, const T* residual, T* y, long rows, long channels, const float* weight, const float* bias,
             float* mean, float* inverse, float* variance, float eps, float low, float high) {
    if (variance) {  // training
        find_moments(x, rows, channels, mean, variance);
        for (long c = 0; c < channels; ++c) inverse[c] = 1.0f / std::sqrt(variance[c] + eps);
    }
    const long joined = count_joined(rows, channels);
    const Affine affine(weight, bias, mean, inverse, channels, joined);
    normalise(x, residual, y, rows / joined, channels * joined, affine, low, high);
}

template <typename T>
void backward(const T* dy, const T* x, const T* y, T* dx, T* dresidual, long rows, long channels, const float* weight,
              const float* bias, const float* mean, const float* inverse, float* dweight, float* dbias, long training,
              float low, float high) {
    const Affine affine(weight, bias, mean, inverse, channels, count_joined(rows, channels));
    const auto run = dresidual ? differentiate<true, T> : differentiate<false, T>;
    run(dy, x, y, dx, dresidual, rows, channels, affine, inverse, dweight, dbias, training, low, high);
}

}  // namespace

#define EXPORT(NAME, T)                                                                                               \
    extern "C" void forward_##NAME(const T* x, const T* residual, T* y, long rows, long channels, const float* weight, \
                                   const float* bias, float* mean, float* inverse, float* variance, float eps,        \
                                   float low, float high) {                                                           \
        forward(x, residual, y, rows, channels, weight, bias, mean, inverse, variance, eps, low, high);               \
    }                                                                                                                 \
    extern "C" void backward_##NAME(const T* dy, const T* x, const T* y, T* dx, T* dresidual, long rows,              \
                                    long channels, const float* weight, const float* bias, const float* mean,         \
                                    const float* inverse, float* dweight, float* dbias, long training, float low,      \
                                    float high) {                                                                     \
        backward(dy, x, y, dx, dresidual, rows, channels, weight, bias, mean, inverse, dweight, dbias, training, low, \
                 high);                                                                                               \
    }

EXPORT(bf16, bf16)
EXPORT(fp32, float)
