#include "kernels/cuda/cuda_device.h"

#include <cstdlib>
#include <cstring>

#include "kernels/cuda/check.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/nccl_communicator.h"
#include "kernels/cuda/nvidia_libraries.h"
#include "kernels/decorators/trace.h"
#include "kernels/devices/cuda_driver.h"

namespace melgrad {
namespace {

int driver_version() {
  int version = 0;
  cudaDriverGetVersion(&version);
  return version;
}

int runtime_version() {
  int version = 0;
  cudaRuntimeGetVersion(&version);
  return version;
}

// Why no GPU can be used here, or "".
std::string why_not(int index) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  const std::string wrong = wrong_with_driver(driver_version(), runtime_version(), driver_release());
  if (!wrong.empty()) return wrong;
  if (status != cudaSuccess) return text_of(status) + "; use --device cpu";
  if (index >= count)
    return fmt::format("this machine has {} CUDA devices; choose another, or use --device cpu", count);
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) return "its properties cannot be read";
  if (properties.major < 8) {
    return fmt::format("{} has compute capability {}.{}, melgrad needs 8.0", properties.name,
                       properties.major, properties.minor);
  }
  return "";
}

class CudaStream {
 public:
  CudaStream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate"); }
  ~CudaStream() { cudaStreamDestroy(stream_); }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

class CudaEvent {
 public:
  CudaEvent() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreate"); }
  ~CudaEvent() { cudaEventDestroy(event_); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  // What `later` gets from here on comes after what `earlier` got so far.
  void order(cudaStream_t earlier, cudaStream_t later) {
    check(cudaEventRecord(event_, earlier), "cudaEventRecord");
    check(cudaStreamWaitEvent(later, event_, 0), "cudaStreamWaitEvent");
  }

 private:
  cudaEvent_t event_ = nullptr;
};

// From its making on, on the stream's own clock.
class CudaTimer {
 public:
  explicit CudaTimer(cudaStream_t stream) : stream_(stream) {
    check(cudaEventCreate(&begin_), "cudaEventCreate");
    check(cudaEventCreate(&end_), "cudaEventCreate");
    check(cudaEventRecord(begin_, stream_), "cudaEventRecord");
  }
  ~CudaTimer() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  CudaTimer(const CudaTimer&) = delete;
  CudaTimer& operator=(const CudaTimer&) = delete;
  double seconds() const {
    float milliseconds = 0;
    check(cudaEventRecord(end_, stream_), "cudaEventRecord");
    check(cudaEventSynchronize(end_), "cudaEventSynchronize");
    check(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
    return 1e-3 * static_cast<double>(milliseconds);
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

// Copies run on a stream of their own, for which `wait_for` waits. Several threads may each use a staging of
// their own.
class CudaStaging final : public Staging {
 public:
  CudaStaging(Device& device, int index, cudaStream_t compute, std::function<void(cudaStream_t)> wait_for)
      : device_(&device), index_(index), compute_(compute), wait_for_(std::move(wait_for)) {}
  ~CudaStaging() override { release(); }
  CudaStaging(const CudaStaging&) = delete;
  CudaStaging& operator=(const CudaStaging&) = delete;

  void reserve(std::int64_t bytes) override {
    if (bytes <= bytes_) return;
    check(cudaSetDevice(index_), "cudaSetDevice");
    wait();
    wait_for_(compute_);
    release();
    const std::int64_t grown = std::max(bytes, bytes_ + bytes_ / 2);
    bytes_ = 0;
    check(cudaMallocHost(&host_, static_cast<std::size_t>(grown)), "cudaMallocHost",
          [&] { return fmt::format("{} bytes of page-locked memory", grown); });
    memory_ = device_->allocate(static_cast<std::size_t>(grown));
    bytes_ = grown;
  }
  void* host() override { return host_; }
  void* device() override { return memory_; }
  void upload(std::int64_t bytes) override {
    check(cudaSetDevice(index_), "cudaSetDevice");  // of this thread
    copy(memory_, host_, bytes, cudaMemcpyHostToDevice);
    copied_.order(copies_.get(), compute_);
  }
  void used() override { read_.order(compute_, copies_.get()); }
  void download(std::int64_t bytes) override {
    read_.order(compute_, copies_.get());
    copy(host_, memory_, bytes, cudaMemcpyDeviceToHost);
  }
  void wait() override { wait_for_(copies_.get()); }

 private:
  void copy(void* to, const void* from, std::int64_t bytes, cudaMemcpyKind kind) {
    check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), kind, copies_.get()), "cudaMemcpyAsync");
  }
  void release() {
    if (memory_ != nullptr) device_->release(memory_);
    cudaFreeHost(host_);
    memory_ = host_ = nullptr;
  }

  Device* device_;
  int index_;
  cudaStream_t compute_;
  std::function<void(cudaStream_t)> wait_for_;
  CudaStream copies_;
  CudaEvent copied_, read_;
  void *memory_ = nullptr, *host_ = nullptr;
  std::int64_t bytes_ = 0;
};

class CudaGraph final : public Recording {
 public:
  CudaGraph(cudaStream_t stream, const std::function<void()>& program) : stream_(stream) {
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    cudaGraph_t graph = nullptr;
    try {
      program();
    } catch (...) {
      cudaStreamEndCapture(stream, &graph);
      if (graph != nullptr) cudaGraphDestroy(graph);
      throw;
    }
    check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
    const cudaError_t status = cudaGraphInstantiate(&instance_, graph, 0);
    cudaGraphDestroy(graph);
    check(status, "cudaGraphInstantiate");
    check(cudaGraphUpload(instance_, stream), "cudaGraphUpload");
  }
  ~CudaGraph() override { cudaGraphExecDestroy(instance_); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;
  void replay() override { check(cudaGraphLaunch(instance_, stream_), "cudaGraphLaunch"); }

 private:
  cudaStream_t stream_;
  cudaGraphExec_t instance_ = nullptr;
};

class CudaDevice final : public Device {
 public:
  CudaDevice(int index, const DeviceOptions& options)
      : index_(index),
        precision_(options.precision),
        waits_(std::getenv("MELGRAD_SYNC") != nullptr && std::strcmp(std::getenv("MELGRAD_SYNC"), "1") == 0),
        libraries_(make_nvidia_libraries(*this, stream_.get(), options.precision)),
        ops_(*this, *libraries_, stream_.get()),
        traced_(ops_, waits_ ? std::function<void()>([this] { synchronise(); }) : std::function<void()>()) {}

  std::string name() const override { return fmt::format("cuda:{}", index_); }
  std::string description() const override {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, index_), "cudaGetDeviceProperties");
    return fmt::format(
        "{}, {} GiB, compute capability {}.{}, precision {}, driver for CUDA {}, runtime {}, {}",
        properties.name, properties.totalGlobalMem >> 30, properties.major, properties.minor,
        name_of(precision_), cuda_version_text(driver_version()), cuda_version_text(runtime_version()),
        libraries_->versions());
  }
  Ops& ops() override { return traced_; }
  Precision precision() const override { return precision_; }

  void* allocate(std::size_t bytes) override {
    void* memory = nullptr;
    const cudaError_t status = cudaMalloc(&memory, std::max<std::size_t>(bytes, 1));
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // or the next launch would report it again
      std::size_t free = 0, total = 0;
      cudaMemGetInfo(&free, &total);
      fail(ErrorKind::device,
           "{}: out of memory: {} bytes asked for, {} of {} are free; lower train.batch or segment.frames",
           name(), bytes, free, total);
    }
    check(status, "cudaMalloc");
    return memory;
  }
  void release(void* memory) noexcept override { cudaFree(memory); }
  void poison(void* /*memory*/, std::size_t /*bytes*/) override {}
  void unpoison(void* /*memory*/, std::size_t /*bytes*/) override {}

  void to_device(Tensor to, const void* from) override {
    copy(to.data, from, to.bytes(), cudaMemcpyHostToDevice);
  }
  void to_host(void* to, Tensor from) override { copy(to, from.data, from.bytes(), cudaMemcpyDeviceToHost); }
  void synchronise() override { wait_for(stream_.get()); }

  double seconds_of(const std::function<void()>& work) override {
    const CudaTimer timer(stream_.get());
    work();
    return timer.seconds();
  }

  std::unique_ptr<Staging> make_staging() override {
    return std::make_unique<CudaStaging>(*this, index_, stream_.get(),
                                         [this](cudaStream_t stream) { wait_for(stream); });
  }
  std::int64_t free_memory() const override {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return static_cast<std::int64_t>(free);
  }

  std::unique_ptr<Recording> record(const std::function<void()>& program) override {
    if (waits_) return nullptr;  // a capture cannot be waited for
    return std::make_unique<CudaGraph>(stream_.get(), program);
  }

  std::string meeting_point() override { return NcclCommunicator::new_meeting_point(load_nccl()); }
  std::unique_ptr<Communicator> join(const std::string& meeting_point, int rank, int size,
                                     std::function<void(double)> waiting) override {
    return std::make_unique<NcclCommunicator>(load_nccl(), stream_.get(), meeting_point, rank, size,
                                              std::move(waiting), joined_);
  }

 private:
  void copy(void* to, const void* from, std::int64_t bytes, cudaMemcpyKind kind) {
    check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), kind, stream_.get()), "cudaMemcpyAsync");
    synchronise();
  }
  void wait_for(cudaStream_t stream) {
    const auto where = [this] {
      return waits_ ? name() : name() + ": an operation failed; MELGRAD_SYNC=1 in the environment names it";
    };
    if (joined_ == nullptr) return check(cudaStreamSynchronize(stream), "cudaStreamSynchronize", where);
    joined_->wait([&] {
      const cudaError_t status = cudaStreamQuery(stream);
      if (status == cudaErrorNotReady) {
        cudaGetLastError();  // or the next launch would report it
        return false;
      }
      check(status, "cudaStreamQuery", where);
      return true;
    });
  }

  int index_;
  Precision precision_;
  bool waits_;
  CudaStream stream_;
  std::unique_ptr<Libraries> libraries_;
  CudaOps ops_;
  TracingOps traced_;
  NcclCommunicator* joined_ = nullptr;
};

}  // namespace

int cuda_device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

std::unique_ptr<Device> make_cuda_device(int index, const DeviceOptions& options) {
  const std::string reason = why_not(index);
  if (!reason.empty()) fail(ErrorKind::device, "device cuda:{}: {}", index, reason);
  check(cudaSetDevice(index), "cudaSetDevice");
  return std::make_unique<CudaDevice>(index, options);
}

std::string why_no_gpu() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  return status == cudaSuccess || status == cudaErrorNoDevice || driver_version() == 0 ? "" : why_not(0);
}

std::string describe_cuda() {
  const int runtime = runtime_version();
  std::string state = why_not(0);
  if (state.empty()) {
    const std::string release = driver_release();
    state = fmt::format("driver {}for CUDA {}, {} devices", release.empty() ? "" : release + " ",
                        cuda_version_text(driver_version()), cuda_device_count());
  }
  return fmt::format("{} (driver {} or newer), {}, {}, code for {}; {}", cuda_version_text(runtime),
                     first_driver_for(runtime), nvidia_versions(), describe_nccl(),
                     MELGRAD_CUDA_ARCHITECTURES, state);
}

}  // namespace melgrad
