// Optimizers over whole slabs, and the few scalars that make a step its own clock.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/sums.h"
#include "kernels/math/optimizers.h"
#include "kernels/math/schedule.h"

namespace melgrad {
namespace {

// update(i, gradient) for every element of a slab.
template <typename Update>
struct UpdateSlab {
  static constexpr int kThreads = 256;
  std::int64_t n;
  const float *g, *scale;
  Update update;

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    const float s = *scale;
    for (std::int64_t i = t.first(); s != 0 && i < n; i += t.stride()) update(i, s * g[i]);
  }
};

struct Sgd {
  float *w, *v;
  const float* rate;
  float momentum;
  bool nesterov;
  float l2;
  MELGRAD_DEVICE void operator()(std::int64_t i, float g) const {
    sgd_element(w[i], g, v[i], *rate, momentum, nesterov, l2);
  }
};

struct Adadelta {
  float *w, *a, *d;
  const float* rate;
  float rho, epsilon;
  MELGRAD_DEVICE void operator()(std::int64_t i, float g) const {
    adadelta_element(w[i], g, a[i], d[i], *rate, rho, epsilon);
  }
};

// Its corrections 1 - beta^t are in double and the same for all elements: one thread of a block computes
// them.
struct AdamSlab {
  static constexpr int kThreads = 256;
  std::int64_t n;
  float* w;
  const float* g;
  float *m, *v;
  const float *rate, *scale;
  const std::int64_t* counter;
  AdamSettings settings;

  std::int64_t shared_bytes() const { return shared_size<float>(2); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    float* correction = t.template shared<float>(2);
    if (t.index() == 0) {
      const auto time = static_cast<double>(*counter + 1);
      correction[0] = static_cast<float>(1 - std::pow(static_cast<double>(settings.beta1), time));
      correction[1] = static_cast<float>(1 - std::pow(static_cast<double>(settings.beta2), time));
    }
    t.sync();
    AdamSettings now = settings;
    now.correction1 = correction[0];
    now.correction2 = correction[1];
    const float s = *scale;
    for (std::int64_t i = t.first(); s != 0 && i < n; i += t.stride()) {
      adam_element(w[i], s * g[i], m[i], v[i], *rate, now);
    }
  }
};

struct AverageSlab {
  static constexpr int kThreads = 256;
  std::int64_t n;
  const float* x;
  float* mean;
  double decay;
  std::int64_t begin;
  const std::int64_t* counter;

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    const float share = average_share(decay, begin, *counter);
    for (std::int64_t i = t.first(); i < n; i += t.stride()) average_element(mean[i], x[i], share);
  }
};

struct FinishNorm {
  float max_norm;
  float* norm;
  MELGRAD_DEVICE void operator()(double squares) const {
    const double length = std::sqrt(squares);
    norm[0] = static_cast<float>(length);
    norm[1] = gradient_scale(length, max_norm);
  }
};

// body() on one thread.
template <typename Body>
struct Once {
  static constexpr int kThreads = 1;
  Body body;
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& /*t*/) const {
    body();
  }
};

struct SetRate {
  Schedule schedule;
  const std::int64_t* counter;
  float* rate;
  MELGRAD_DEVICE void operator()() const { *rate = static_cast<float>(learning_rate_at(schedule, *counter)); }
};

struct Advance {
  std::int64_t* counter;
  std::int64_t by;
  MELGRAD_DEVICE void operator()() const { *counter += by; }
};

struct Record {
  const float* x;
  const std::int64_t* counter;
  std::int64_t rows, columns, column;
  float* log;
  MELGRAD_DEVICE void operator()() const { log[*counter % rows * columns + column] = *x; }
};

template <typename Update>
void launch_update(Stream stream, Tensor w, Tensor g, Tensor scale, const Update& update) {
  launch(stream, blocks_for(w.numel(), 256), UpdateSlab<Update>{w.numel(), g.f32(), scale.f32(), update});
}

}  // namespace

void CudaOps::sgd_update(InOut w, Tensor g, InOut v, Tensor rate, Tensor scale, float momentum, bool nesterov,
                         float l2) {
  launch_update(stream_, w, g, scale, Sgd{w.f32(), v.f32(), rate.f32(), momentum, nesterov, l2});
}

void CudaOps::adam_update(InOut w, Tensor g, InOut m, InOut v, Tensor rate, Tensor scale, Tensor counter,
                          float beta1, float beta2, float epsilon, float decay, float l2) {
  launch(stream_, blocks_for(w.numel(), 256),
         AdamSlab{w.numel(), w.f32(), g.f32(), m.f32(), v.f32(), rate.f32(), scale.f32(), counter.i64(),
                  AdamSettings{beta1, beta2, epsilon, decay, l2, 1, 1}});
}

void CudaOps::adadelta_update(InOut w, Tensor g, InOut a, InOut d, Tensor rate, Tensor scale, float rho,
                              float epsilon) {
  launch_update(stream_, w, g, scale, Adadelta{w.f32(), a.f32(), d.f32(), rate.f32(), rho, epsilon});
}

void CudaOps::average(Tensor x, const Averaging& averaging, InOut mean) {
  launch(
      stream_, blocks_for(x.numel(), 256),
      AverageSlab{x.numel(), x.f32(), mean.f32(), averaging.decay, averaging.begin, averaging.counter.i64()});
}

void CudaOps::gradient_norm(Tensor g, float max_norm, Out norm) {
  workspace_.restart();
  auto* piece = static_cast<double*>(scratch({2 * sum_pieces(g.numel())}).data);
  launch_sum(stream_, g.numel(), SquareOf{g.f32()}, piece, FinishNorm{max_norm, norm.f32()});
}

void CudaOps::learning_rate(const Schedule& schedule, Tensor counter, Out rate) {
  launch(stream_, 1, Once<SetRate>{{schedule, counter.i64(), rate.f32()}});
}

void CudaOps::advance(InOut counter, std::int64_t by) {
  launch(stream_, 1, Once<Advance>{{counter.i64(), by}});
}

void CudaOps::record(Tensor x, Tensor counter, std::int64_t column, InOut log) {
  launch(stream_, 1, Once<Record>{{x.f32(), counter.i64(), log.dim(0), log.dim(1), column, log.f32()}});
}

}  // namespace melgrad
