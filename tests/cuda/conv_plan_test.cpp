// cuDNN plans every convolution of the models and of tests/cases.h without a GPU: from the description of one
// it proposes engines and builds their plans, as it does with the GPU present. Only engines that are compiled
// at run time are missing, as they need a driver; so there may be more to choose from on a GPU, not less.
#include <algorithm>
#include <array>
#include <functional>
#include <gtest/gtest.h>
#include <iostream>
#include <map>
#include <set>

#include "tests/cases.h"
#include "tests/cuda/gpus.h"

namespace melgrad {
namespace {

struct Case {
  std::string name;
  Shape x, w;
  Conv2d conv;
  bool shipped = false;  // a layer of a model that comes with melgrad
};

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (const auto& c : cases::conv()) all.push_back({c.name, c.x, c.w, c.conv});
  // The second convolution of dong2018; the first is the stem. 256 frames and 64 bands are 63 x 31 after it.
  for (const std::int64_t batch : {1, 7, 50, 149, 150}) {
    for (const std::int64_t filters : {32, 64, 96}) {
      for (const std::int64_t frames : {63, 12}) {  // of segments of 256 and 50 frames
        all.push_back({fmt::format("dong2018, batch {}, {} filters, {} frames", batch, filters, frames),
                       {batch, frames, 31, filters},
                       {64, 5, 3, filters},
                       {},
                       true});
      }
    }
  }
  return all;
}

ConvProblem problem_of(const Case& c, ConvPass pass, DType type) {
  const auto out = [&c](int axis, std::int64_t stride, std::int64_t pad) {
    return (c.x[axis] + 2 * pad - c.w[axis]) / stride + 1;
  };
  const Shape y{c.x[0], out(1, c.conv.stride_t, c.conv.pad_t), out(2, c.conv.stride_f, c.conv.pad_f), c.w[0]};
  return {pass, c.x, c.w, y, type, type, c.conv};
}

struct Arithmetic {
  const char* name;
  Precision precision;
  DType type;
};
constexpr std::array kArithmetics = {Arithmetic{"f32", Precision::f32, DType::f32},
                                     Arithmetic{"tf32", Precision::tf32, DType::f32},
                                     Arithmetic{"bf16", Precision::bf16, DType::bf16}};
constexpr std::array kPasses = {ConvPass::forward, ConvPass::backward_input, ConvPass::backward_weights};

bool has(const ConvPlan& plan, cudnnBackendNumericalNote_t note) {
  return std::find(plan.notes.begin(), plan.notes.end(), note) != plan.notes.end();
}

// What the engine says of its arithmetic against what was asked for.
void expect_allowed(const ConvPlan& plan, Precision precision) {
  for (const auto note : plan.notes) {
    EXPECT_NE(note, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
    EXPECT_NE(note, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION);
    EXPECT_NE(note, CUDNN_NUMERICAL_NOTE_FFT);
    EXPECT_NE(note, CUDNN_NUMERICAL_NOTE_WINOGRAD);
    if (precision == Precision::f32) {
      EXPECT_NE(note, CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
      EXPECT_NE(note, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS);
    }
  }
}

std::string string_of(const CudnnDescriptor& of, cudnnBackendAttributeName_t name) {
  const auto text = of.values<char>(name, CUDNN_TYPE_CHAR, of.count(name, CUDNN_TYPE_CHAR));
  return {text.begin(), std::find(text.begin(), text.end(), '\0')};
}

// The plan in cuDNN's own words.
nlohmann::json json_of(const ConvPlan& plan) {
  return nlohmann::json::parse(string_of(plan.plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION));
}

class ConvPlanTest : public testing::TestWithParam<Gpu> {};

TEST_P(ConvPlanTest, every_convolution_has_an_engine) {
  const ConvTarget gpu = GetParam().properties();
  std::map<std::string, std::set<std::int64_t>> engines;
  int plans = 0;
  for (const Case& c : all_cases()) {
    for (const ConvPass pass : kPasses) {
      for (const auto& [name, precision, type] : kArithmetics) {
        const ConvProblem problem = problem_of(c, pass, type);
        SCOPED_TRACE(c.name + ": " + problem.str() + ", " + name);
        const auto plan = find_convolution(gpu, problem, precision);
        ASSERT_TRUE(plan.has_value());
        expect_allowed(*plan, precision);
        EXPECT_LE(plan->workspace_bytes, std::int64_t{1} << 30);
        const auto again = find_convolution(gpu, problem, precision);
        ASSERT_TRUE(again.has_value());
        EXPECT_EQ(again->engine, plan->engine);
        EXPECT_EQ(json_of(*again)["engine"], json_of(*plan)["engine"]);  // the same knobs, too
        engines[name].insert(plan->engine);
        ++plans;
      }
    }
  }
  std::cout << GetParam().name << ": " << plans << " plans; engines";
  for (const auto& [name, numbers] : engines) {
    std::cout << "; " << name << ':';
    for (const auto number : numbers) std::cout << ' ' << number;
  }
  std::cout << '\n';
}

TEST_P(ConvPlanTest, tensor_cores_where_they_are_allowed) {
  for (const Case& c : all_cases()) {
    if (!c.shipped || c.x[0] < 50) continue;  // small ones may be faster without
    for (const ConvPass pass : kPasses) {
      for (const auto& [name, precision, type] : kArithmetics) {
        const auto plan = find_convolution(GetParam().properties(), problem_of(c, pass, type), precision);
        ASSERT_TRUE(plan.has_value());
        EXPECT_EQ(has(*plan, CUDNN_NUMERICAL_NOTE_TENSOR_CORE), precision != Precision::f32)
            << c.name << ", " << name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Gpus, ConvPlanTest, testing::ValuesIn(gpus()), [](const auto& gpu) {
  return fmt::format("sm_{}", gpu.param.compute_capability / 10);
});

// Our axes in cuDNN's terms, as it writes them down itself: N, C, T, F with C the fastest in memory.
TEST(ConvPlan, layout) {
  const Case c{"", {2, 12, 10, 3}, {17, 5, 2, 3}, {.stride_t = 3, .stride_f = 2, .pad_t = 2, .pad_f = 1}};
  const Shape y{2, 4, 6, 17};
  for (const ConvPass pass : kPasses) {
    const ConvProblem problem = problem_of(c, pass, DType::f32);
    ASSERT_EQ(problem.y, y);
    const auto plan = find_convolution(gpus()[1].properties(), problem, Precision::f32);
    ASSERT_TRUE(plan.has_value());
    const auto graph = json_of(*plan)["operationGraph"];
    std::map<std::string, nlohmann::json> tensors;
    for (const auto& t : graph["tensors"]) tensors[t["name"]] = t;
    const auto& node = graph["nodes"].at(0);
    EXPECT_EQ(node["mode"], "CUDNN_CROSS_CORRELATION");
    EXPECT_EQ(node["mathPrec"], "CUDNN_DATA_FLOAT");
    EXPECT_EQ(node["pad"], (std::vector{2, 1}));
    EXPECT_EQ(node["stride"], (std::vector{3, 2}));
    EXPECT_EQ(node["dilation"], (std::vector{1, 1}));
    const auto expect_tensor = [&](const std::string& name, const std::vector<int>& dim,
                                   const std::vector<int>& stride) {
      const auto& t = tensors.at(node[name].get<std::string>());
      EXPECT_EQ(t["dim"], dim) << name;
      EXPECT_EQ(t["stride"], stride) << name;
      EXPECT_EQ(t["dataType"], "CUDNN_DATA_FLOAT") << name;
    };
    expect_tensor(pass == ConvPass::backward_input ? "dX" : "X", {2, 3, 12, 10}, {360, 1, 30, 3});
    expect_tensor(pass == ConvPass::backward_weights ? "dW" : "W", {17, 3, 5, 2}, {30, 1, 6, 3});
    expect_tensor(pass == ConvPass::forward ? "Y" : "dY", {2, 17, 4, 6}, {408, 1, 102, 17});
  }
}

TEST(ConvPlan, notes_that_rule_an_engine_out) {
  for (const Precision p : {Precision::f32, Precision::tf32, Precision::bf16}) {
    EXPECT_TRUE(may_use({}, p));
    EXPECT_TRUE(may_use({CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP}, p));
    for (const auto note :
         {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION,
          CUDNN_NUMERICAL_NOTE_FFT, CUDNN_NUMERICAL_NOTE_WINOGRAD, CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4}) {
      EXPECT_FALSE(may_use({note}, p)) << note;
      EXPECT_FALSE(may_use({CUDNN_NUMERICAL_NOTE_TENSOR_CORE, note}, p)) << note;
    }
    for (const auto note : {CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS}) {
      EXPECT_EQ(may_use({note}, p), p != Precision::f32) << note;
    }
  }
}

// With bf16 activations, an f32 convolution is one that was left exact on purpose.
TEST(ConvPlan, f32_tensors_stay_exact_beside_bf16) {
  const Case c{"", {150, 63, 31, 64}, {64, 5, 3, 64}, {}, true};
  for (const ConvPass pass : kPasses) {
    const auto plan =
        find_convolution(gpus()[1].properties(), problem_of(c, pass, DType::f32), Precision::bf16);
    ASSERT_TRUE(plan.has_value());
    expect_allowed(*plan, Precision::f32);
  }
}

// On a GPU: its own description, read from it, leads to plans as well, and the output says how many of them
// are not the ones that are made for the GPU itself.
TEST(ConvPlan, description_of_this_gpu) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) GTEST_SKIP() << "no GPU: " << cudaGetErrorString(status);
  cudnnHandle_t handle = nullptr;
  check(cudnnCreate(&handle), "cudnnCreate");
  CudnnDescriptor gpu(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  gpu.set(CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, handle);
  gpu.finalise();
  const GpuProperties properties{string_of(gpu, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION)};
  std::cout << properties.json << '\n';
  int plans = 0, differ = 0;
  for (const Case& c : all_cases()) {
    for (const ConvPass pass : kPasses) {
      for (const auto& [name, precision, type] : kArithmetics) {
        const ConvProblem problem = problem_of(c, pass, type);
        SCOPED_TRACE(problem.str());
        const auto here = find_convolution(handle, problem, precision);
        const auto described = find_convolution(properties, problem, precision);
        ASSERT_TRUE(here.has_value() && described.has_value());
        expect_allowed(*here, precision);
        ++plans;
        if (here->engine != described->engine) ++differ;
      }
    }
  }
  std::cout << differ << " of " << plans << " engines differ\n";
  cudnnDestroy(handle);
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    return error.what();
  }
  ADD_FAILURE() << "no Error";
  return {};
}

TEST(ConvPlan, errors_name_the_problem) {
  ConvProblem problem = problem_of({"", {2, 9, 11, 3}, {31, 3, 3, 3}, {}}, ConvPass::forward, DType::f32);
  problem.y = {2, 7, 8, 31};  // 9 would be right
  const std::string wrong =
      message_of([&] { find_convolution(gpus()[1].properties(), problem, Precision::f32); });
  EXPECT_NE(wrong.find("convolution forward, x [2, 9, 11, 3] f32, w [31, 3, 3, 3] f32, y [2, 7, 8, 31] f32"),
            std::string::npos)
      << wrong;
  EXPECT_NE(wrong.find("CUDNN_STATUS_BAD_PARAM"), std::string::npos) << wrong;

  const std::string none = message_of([&] { no_engine(problem, Precision::f32); });
  EXPECT_NE(none.find("no engine"), std::string::npos) << none;
  EXPECT_NE(none.find("[31, 3, 3, 3]"), std::string::npos) << none;

  const std::string json =
      message_of([&] { find_convolution(GpuProperties{"{}"}, problem, Precision::f32); });
  EXPECT_NE(json.find("CUDNN_STATUS"), std::string::npos) << json;
}

}  // namespace
}  // namespace melgrad
