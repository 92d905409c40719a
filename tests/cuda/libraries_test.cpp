// What of the vendor's libraries can be checked without a GPU: how products are described to cuBLASLt, the
// workspace, versions, and that a machine without a driver gets an Error that says so.
#include <cudnn_version.h>
#include <cufft.h>
#include <gtest/gtest.h>
#include <limits>
#include <map>

#include "kernels/cpu/host_device.h"
#include "kernels/cuda/alignment.h"
#include "kernels/cuda/cublaslt_gemm.h"
#include "kernels/cuda/nvidia_libraries.h"
#include "kernels/cuda/workspace.h"
#include "tests/cases.h"

namespace melgrad {
namespace {

// Host memory that counts, in place of a GPU.
class CountingDevice final : public HostDevice {
 public:
  std::string name() const override { return "counting"; }
  std::string description() const override { return "host memory"; }
  Ops& ops() override { fail(ErrorKind::internal, "no ops"); }
  void* allocate(std::size_t bytes) override {
    if (bytes > room) fail(ErrorKind::device, "counting: out of memory: {} bytes asked for", bytes);
    void* block = HostDevice::allocate(bytes);
    blocks[block] = bytes;
    return block;
  }
  void release(void* block) noexcept override {
    EXPECT_EQ(blocks.erase(block), 1U);
    HostDevice::release(block);
  }

  std::map<void*, std::size_t> blocks;
  std::size_t room = std::size_t{1} << 30;
};

TEST(Workspace, grows_and_keeps_what_it_outgrew) {
  CountingDevice device;
  {
    Workspace workspace(device);
    EXPECT_TRUE(device.blocks.empty());  // nothing until someone asks
    const auto only = [&workspace](std::int64_t bytes) {
      workspace.restart();
      return workspace.take(bytes);
    };
    void* first = only(0);
    EXPECT_NE(first, nullptr);
    EXPECT_EQ(only(1000), first);
    EXPECT_EQ(workspace.take(1), static_cast<char*>(first) + 1024);  // beside what is taken
    const std::int64_t large = 5 << 20;
    void* second = only(large);
    EXPECT_NE(second, first);
    EXPECT_GE(device.blocks.at(second), static_cast<std::size_t>(large));
    EXPECT_EQ(only(1000), second);
    EXPECT_EQ(device.blocks.size(), 2U);  // captured graphs may use the first
    device.room = 100;
    EXPECT_THROW(only(large + 1), Error);
    EXPECT_EQ(only(large), second);  // still there
  }
  EXPECT_TRUE(device.blocks.empty());
}

TEST(Workspace, does_not_grow_when_the_same_is_taken_again) {
  CountingDevice device;
  Workspace workspace(device);
  const auto take_all = [&] {
    workspace.restart();
    for (const std::int64_t bytes : {900 << 10, 500 << 10, 800 << 10, 300 << 10}) workspace.take(bytes);
  };
  take_all();
  const std::size_t blocks = device.blocks.size();
  EXPECT_GT(blocks, 1U);
  take_all();
  EXPECT_EQ(device.blocks.size(), blocks);  // as in the capture of a step that has run once
}

TEST(Alignment, largest_power_of_two_up_to_16) {
  alignas(32) static char memory[64];
  for (int offset = 1; offset < 32; ++offset) {
    const int expected = offset % 16 == 0  ? 16
                         : offset % 8 == 0 ? 8
                         : offset % 4 == 0 ? 4
                         : offset % 2 == 0 ? 2
                                           : 1;
    EXPECT_EQ(alignment_of({memory + offset}), expected) << offset;
    EXPECT_EQ(alignment_of({memory, memory + offset, nullptr}), expected) << offset;
  }
}

// ---- products ---------------------------------------------------------------------------------------------

template <typename T>
T attribute(const LtLayout& layout, cublasLtMatrixLayoutAttribute_t name) {
  T value{};
  EXPECT_EQ(cublasLtMatrixLayoutGetAttribute(layout.get(), name, &value, sizeof value, nullptr),
            CUBLAS_STATUS_SUCCESS);
  return value;
}
template <typename T>
T attribute(const LtMatmul& matmul, cublasLtMatmulDescAttributes_t name) {
  T value{};
  EXPECT_EQ(cublasLtMatmulDescGetAttribute(matmul.get(), name, &value, sizeof value, nullptr),
            CUBLAS_STATUS_SUCCESS);
  return value;
}

// Column-major, as cuBLASLt has it: element (i, j) of op(matrix).
struct Columns {
  const std::vector<float>& values;
  std::uint64_t rows, columns;
  std::int64_t leading;
  bool transposed;
  Columns(const std::vector<float>& v, const LtLayout& layout, cublasOperation_t op)
      : values(v),
        rows(attribute<std::uint64_t>(layout, CUBLASLT_MATRIX_LAYOUT_ROWS)),
        columns(attribute<std::uint64_t>(layout, CUBLASLT_MATRIX_LAYOUT_COLS)),
        leading(attribute<std::int64_t>(layout, CUBLASLT_MATRIX_LAYOUT_LD)),
        transposed(op == CUBLAS_OP_T) {
    if (transposed) std::swap(rows, columns);
  }
  float operator()(std::uint64_t i, std::uint64_t j) const {
    return values.at(transposed ? j + i * static_cast<std::uint64_t>(leading)
                                : i + j * static_cast<std::uint64_t>(leading));
  }
};

std::vector<float> numbers(std::int64_t n, int seed) {
  std::vector<float> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] = static_cast<float>((i * 7 + static_cast<std::size_t>(seed)) % 11) - 5;
  return v;
}

// Multiplies as the description says, by cuBLASLt's documented rules, and compares with the row-major
// product.
void expect_product(const GemmProblem& p, Precision precision) {
  SCOPED_TRACE(p.str());
  const auto a = numbers(p.rows * p.inner, 1), b = numbers(p.inner * p.columns, 5),
             bias = numbers(p.columns, 3);
  const GemmDescription d = describe(p, precision);
  const Columns first(b, d.first, attribute<cublasOperation_t>(d.matmul, CUBLASLT_MATMUL_DESC_TRANSA));
  const Columns second(a, d.second, attribute<cublasOperation_t>(d.matmul, CUBLASLT_MATMUL_DESC_TRANSB));
  const auto m = attribute<std::uint64_t>(d.result, CUBLASLT_MATRIX_LAYOUT_ROWS);
  const auto n = attribute<std::uint64_t>(d.result, CUBLASLT_MATRIX_LAYOUT_COLS);
  const auto leading =
      static_cast<std::uint64_t>(attribute<std::int64_t>(d.result, CUBLASLT_MATRIX_LAYOUT_LD));
  ASSERT_EQ(first.rows, m);
  ASSERT_EQ(first.columns, second.rows);
  ASSERT_EQ(second.columns, n);
  const bool biased =
      attribute<cublasLtEpilogue_t>(d.matmul, CUBLASLT_MATMUL_DESC_EPILOGUE) == CUBLASLT_EPILOGUE_BIAS;
  ASSERT_EQ(biased, p.bias);

  std::vector<float> c(static_cast<std::size_t>(p.rows * p.columns), -1000);
  for (std::uint64_t i = 0; i < m; ++i) {
    for (std::uint64_t j = 0; j < n; ++j) {
      float sum = biased ? bias.at(i) : 0;
      for (std::uint64_t k = 0; k < first.columns; ++k) sum += first(i, k) * second(k, j);
      c.at(i + j * leading) = sum;
    }
  }
  for (std::int64_t i = 0; i < p.rows; ++i) {
    for (std::int64_t j = 0; j < p.columns; ++j) {
      float sum = p.bias ? bias[static_cast<std::size_t>(j)] : 0;
      for (std::int64_t k = 0; k < p.inner; ++k) {
        sum += a[static_cast<std::size_t>(p.transpose_a ? k * p.rows + i : i * p.inner + k)] *
               b[static_cast<std::size_t>(p.transpose_b ? j * p.inner + k : k * p.columns + j)];
      }
      ASSERT_EQ(c[static_cast<std::size_t>(i * p.columns + j)], sum) << i << ", " << j;
    }
  }
}

TEST(Gemm, described_to_cublaslt_as_meant) {
  std::vector<cases::Linear> layers = cases::linear();
  layers.push_back({"dong2018 dense, 150", 150, 12544, 32});
  for (const auto& c : layers) {
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        GemmProblem p;
        p.rows = c.rows;
        p.columns = c.outputs;
        p.inner = std::min<std::int64_t>(c.inputs, 300);  // sums stay exact in float
        p.transpose_a = transpose_a;
        p.transpose_b = transpose_b;
        p.bias = transpose_b;
        expect_product(p, Precision::f32);
      }
    }
  }
}

TEST(Gemm, types_and_arithmetic) {
  GemmProblem p;
  p.rows = 3;
  p.columns = 5;
  p.inner = 7;
  p.bias = true;
  const auto arithmetic = [](const GemmDescription& d) {
    return attribute<cublasComputeType_t>(d.matmul, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE);
  };
  const auto type = [](const LtLayout& l) {
    return static_cast<cudaDataType_t>(attribute<std::uint32_t>(l, CUBLASLT_MATRIX_LAYOUT_TYPE));
  };
  EXPECT_EQ(arithmetic(describe(p, Precision::f32)), CUBLAS_COMPUTE_32F);
  EXPECT_EQ(arithmetic(describe(p, Precision::tf32)), CUBLAS_COMPUTE_32F_FAST_TF32);
  EXPECT_EQ(arithmetic(describe(p, Precision::bf16)), CUBLAS_COMPUTE_32F);  // f32 tensors stay exact
  p.operands = DType::bf16;
  for (const DType result : {DType::f32, DType::bf16}) {
    p.result = result;
    const GemmDescription d = describe(p, Precision::bf16);
    const cudaDataType_t expected = result == DType::f32 ? CUDA_R_32F : CUDA_R_16BF;
    EXPECT_EQ(arithmetic(d), CUBLAS_COMPUTE_32F);
    EXPECT_EQ(type(d.first), CUDA_R_16BF);
    EXPECT_EQ(type(d.second), CUDA_R_16BF);
    EXPECT_EQ(type(d.result), expected);
    EXPECT_EQ(attribute<std::int32_t>(d.matmul, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE), expected);
  }
}

TEST(Gemm, problem_of_a_call) {
  alignas(16) static float memory[64];
  const Tensor a(memory, {2, 3}), b(memory + 8, {4, 3}), bias(memory + 21, {4}), c(memory + 32, {2, 4});
  const GemmProblem p = gemm_problem(a, b, bias, c, {.transpose_b = true});
  EXPECT_EQ(p.rows, 2);
  EXPECT_EQ(p.columns, 4);
  EXPECT_EQ(p.inner, 3);
  EXPECT_EQ(p.alignment_a, 16);
  EXPECT_EQ(p.alignment_b, 16);
  EXPECT_EQ(p.alignment_c, 4);  // the bias's
  EXPECT_FALSE(p.accumulate);
  EXPECT_TRUE(gemm_problem(a, b, {}, c, {.transpose_b = true, .beta = 1}).accumulate);
  EXPECT_THROW(gemm_problem(a, b, {}, c, {}), Error);                                  // b is not [3, 4]
  EXPECT_THROW(gemm_problem(a, b, bias, c, {.transpose_b = true, .beta = 1}), Error);  // bias and beta
  EXPECT_THROW(gemm_problem(a, b, Tensor(memory, {3}), c, {.transpose_b = true}), Error);
  EXPECT_THROW(gemm_problem(a, {memory, {4, 3}, DType::bf16}, {}, c, {.transpose_b = true}), Error);
  EXPECT_THROW(gemm_problem(a, b, {}, {memory, {2, 4}, DType::bf16}, {.transpose_b = true}), Error);
}

// ---- the libraries themselves -----------------------------------------------------------------------------

TEST(NvidiaLibraries, versions_are_those_of_the_headers) {
  const std::string versions = nvidia_versions();
  EXPECT_TRUE(versions.starts_with(fmt::format("cuDNN {}.{}.", CUDNN_MAJOR, CUDNN_MINOR))) << versions;
  EXPECT_NE(versions.find(fmt::format(", cuBLASLt {}.{}.", CUBLAS_VER_MAJOR, CUBLAS_VER_MINOR)),
            std::string::npos)
      << versions;
  EXPECT_NE(versions.find(fmt::format(", cuFFT {}.{}.", CUFFT_VER_MAJOR, CUFFT_VER_MINOR)), std::string::npos)
      << versions;
}

TEST(NvidiaLibraries, without_a_driver_an_error_says_so) {
  int gpus = 0;
  if (cudaGetDeviceCount(&gpus) == cudaSuccess && gpus > 0) GTEST_SKIP() << "this machine has a GPU";
  CountingDevice device;
  try {
    make_nvidia_libraries(device, nullptr, Precision::f32);
    FAIL() << "made libraries without a GPU";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_NE(std::string(error.what()).find("cublasLtCreate"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(device.blocks.empty());
}

}  // namespace
}  // namespace melgrad
