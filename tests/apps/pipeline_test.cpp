// The program as a user runs it: a small data set from nothing to a prediction, and every kind of bad input
// with its exit code and its one line.
#include "tests/apps/pipeline.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "io/arrays/cache.h"
#include "io/audio/audio.h"
#include "kernels/math/half.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

TEST_F(Pipeline, EvaluateAndPredict) {
  const PipelineResult evaluate = run("--json evaluate " + at("run"));
  ASSERT_EQ(evaluate.code, 0) << evaluate.err;
  const auto result = nlohmann::json::parse(evaluate.out);
  EXPECT_EQ(result.at("test").at("tracks"), 3 * (8 - 4 - 2));
  EXPECT_EQ(result, nlohmann::json::parse(read_bytes(at("run/result.json"))));
  const std::string song = (*fs::recursive_directory_iterator(at("music/genres"))).path().string();
  const PipelineResult predict = run("--json predict --segments --top 2 " + at("run") + " " + song);
  ASSERT_EQ(predict.code, 0) << predict.err;
  const auto songs = nlohmann::json::parse(predict.out);
  ASSERT_GE(songs.size(), 1U);
  EXPECT_EQ(songs[0].at("probabilities").size(), 2U);
  EXPECT_EQ(songs[0].at("segments").size(), 2U);  // 5 s: starts at 0 and 1.5 s
}

TEST_F(Pipeline, ARunWithoutValidationKeepsItsFinalWeights) {
  fs::create_directory(at("lists"));
  std::ofstream train(at("lists/train.txt")), test(at("lists/test.txt"));
  std::ofstream(at("lists/valid.txt")) << "";
  for (const auto& entry : fs::recursive_directory_iterator(at("music/genres"))) {
    if (entry.is_regular_file())
      (train.tellp() < 200 ? train : test) << fs::relative(entry.path(), at("music/genres")).string() << "\n";
  }
  train.close();
  test.close();
  const std::string options = " --recipe dong2018-fixed --set train.epochs=1 --set train.batch=12 " +
                              ("--set model.filters=1 --split-lists " + at("lists"));
  const PipelineResult r = run("train " + at("c.h5") + options + " --out " + at("unvalidated"));
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("no validation figure, so the final weights count"), std::string::npos) << r.out;
  const PipelineResult evaluate = run("--json evaluate " + at("unvalidated"));
  ASSERT_EQ(evaluate.code, 0) << evaluate.err;
  const auto result = nlohmann::json::parse(evaluate.out);
  EXPECT_TRUE(result.at("valid_best").is_null());
  EXPECT_EQ(result.at("weights"), "final");
  EXPECT_EQ(result.at("accuracy"), result.at("accuracy_final"));
}

TEST_F(Pipeline, VerifyRepeatsTheResultOrSaysWhatDiffers) {
  fs::copy(at("run"), at("verified"));
  ASSERT_EQ(run("evaluate " + at("verified")).code, 0);
  const PipelineResult same = run("verify " + at("verified"));
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_NE(same.out.find("come out again to the bit; weights "), std::string::npos) << same.out;
  const std::string path = at("verified") + "/result.json";
  auto result = nlohmann::ordered_json::parse(read_bytes(path));
  result["test"]["predictions"][0]["probabilities"][1] =
      result["test"]["predictions"][0]["probabilities"][1].get<double>() + 0.25;
  std::ofstream(path) << result.dump();
  const PipelineResult other = run("--json verify " + at("verified"));
  EXPECT_EQ(other.code, 6) << other.err;
  const auto json = nlohmann::json::parse(other.out);
  EXPECT_EQ(json["differ"], 1);
  EXPECT_NEAR(json["largest_difference"].get<double>(), 0.25, 1e-12);
  fs::copy_file(at("verified") + "/checkpoint.h5", at("verified") + "/model.h5",
                fs::copy_options::overwrite_existing);
  refuses("verify " + at("verified"), 3, {"verified/model.h5: is not the model of this run's checkpoint"});
  fs::remove_all(at("verified"));
}

TEST_F(Pipeline, AFolderThatHoldsSomethingElseIsLeftAlone) {
  fs::create_directory(at("mine"));
  std::ofstream(at("mine/notes.tmp")) << "mine";
  refuses("train " + at("c.h5") + " --out " + at("mine"), 4, {"mine: exists already"});
  EXPECT_EQ(read_bytes(at("mine/notes.tmp")), "mine");
}

TEST_F(Pipeline, AnExportedModelPredictsTheSame) {
  ASSERT_EQ(run("export " + at("run") + " --out " + at("m.safetensors")).code, 0);
  const std::string song = " " + (*fs::recursive_directory_iterator(at("music/genres"))).path().string();
  const PipelineResult own = run("--json predict " + at("run") + song);
  ASSERT_EQ(own.code, 0) << own.err;
  EXPECT_EQ(run("--json predict " + at("m.safetensors") + song).out, own.out);
}

TEST_F(Pipeline, ExtractionResumesAndRepeatsToTheByte) {
  const std::string before = read_bytes(at("c.h5"));
  const PipelineResult again = run("--json extract " + at("music") + " --out " + at("c.h5"));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(nlohmann::json::parse(again.out).at("resumed"), 24);
  EXPECT_EQ(read_bytes(at("c.h5")), before);
  ASSERT_EQ(run("extract " + at("music") + " --out " + at("fresh.h5") + " --threads 1").code, 0);
  EXPECT_EQ(read_bytes(at("fresh.h5")), before);
}

TEST_F(Pipeline, ATrackThatCannotBeReadIsSkippedAndListed) {
  const std::string folder = at("broken");
  fs::copy(at("music"), folder, fs::copy_options::recursive);
  const std::string genre = fs::directory_iterator(folder + "/genres")->path().string();
  write_bytes(genre + "/noise.wav", std::string(5000, '\x5a'));
  write_bytes(genre + "/zero.wav", "");
  const PipelineResult r = run("--json extract " + folder + " --out " + at("broken.h5"));
  EXPECT_EQ(r.code, 6) << r.err;
  EXPECT_NE(r.err.find("noise.wav"), std::string::npos);
  const Cache cache = read_cache(at("broken.h5"));
  EXPECT_EQ(cache.items.size(), 24U);
  EXPECT_EQ(cache.skipped.size(), 2U);
}

// Samples as features: decoded, resampled, kept as they are, one row each.
TEST_F(Pipeline, ExtractKeepsSamples) {
  for (const std::string dtype : {"f32", "f16"}) {
    const std::string out = at("samples." + dtype);
    const PipelineResult r =
        run("extract " + at("music") + " --preset samples --dtype " + dtype + " --out " + out);
    ASSERT_EQ(r.code, 0) << r.err;
    const Cache cache = read_cache(out);
    EXPECT_EQ(cache.mel, mel_preset("samples"));
    EXPECT_EQ(cache.frame_seconds, 1.0 / 16000);
    EXPECT_EQ(cache.bands, 1);
    ASSERT_EQ(cache.items.size(), 24U);
    for (const CacheItem& item : cache.items) {
      const Audio audio = read_audio(at("music/genres/" + item.name), 16000);
      const auto first = static_cast<std::size_t>(item.first_row), n = static_cast<std::size_t>(item.rows);
      ASSERT_EQ(n, audio.samples.size());
      std::vector<float> stored(n);
      if (dtype == "f32") {
        std::copy_n(cache.features.as<float>().begin() + item.first_row, n, stored.begin());
      } else {
        half_to_float(cache.features.as<std::uint16_t>().subspan(first, n).data(), stored.data(), item.rows);
      }
      for (std::size_t i = 0; i < n; ++i) {
        const float bound = dtype == "f32" ? 0 : std::abs(audio.samples[i]) * 0x1p-11F + 0x1p-25F;
        ASSERT_LE(std::abs(stored[i] - audio.samples[i]), bound) << item.name << " " << i;
      }
    }
  }
  refuses("extract " + at("music") + " --preset samples --set features.n_mels=64 --out " + at("x.h5"), 2,
          {"mel n_mels: 64", "must be 0", "samples"});
  refuses("train " + at("samples.f32") + " --out " + at("y4"), 3, {"samples.f32", "sample_rate"});
}

TEST_F(Pipeline, ReproduceRunsSplitsAndTheListedOne) {
  for (const auto& [part, from, to] : {std::tuple{"train", 0, 4}, {"valid", 4, 6}, {"test", 6, 8}}) {
    std::ofstream list(at("music/") + part + "_filtered.txt");
    for (const auto& genre : fs::directory_iterator(at("music/genres"))) {
      for (int k = from; k < to; ++k) {
        list << genre.path().filename().string() << ".0000" << k << ".wav\n";
      }
    }
  }
  const PipelineResult r = run("--json reproduce dong2018 --gtzan " + at("music") +
                               " --splits 2 --set train.epochs=2 --set model.filters=8 --out " + at("repro"));
  ASSERT_EQ(r.code, 0) << r.err;
  const auto result = nlohmann::json::parse(r.out);
  EXPECT_EQ(result.at("random_splits").at("accuracy").at("each").size(), 2U);
  EXPECT_EQ(result.at("fault_filtered").at("accuracy").at("each").size(), 1U);
  EXPECT_EQ(run("evaluate " + at("repro/split-01")).code, 0);
  for (const auto& [folder, seed] : {std::pair{"split-00", 0}, {"split-01", 1}, {"filtered", 0}})
    EXPECT_EQ(nlohmann::json::parse(read_bytes(at("repro/") + folder + "/run.json")).at("seed"), seed)
        << folder;

  const std::string song = at("music/genres/march/march.00000.wav");
  const PipelineResult report =
      run("report " + at("repro") + " --spaces --track " + song + " --out " + at("page.html"));
  ASSERT_EQ(report.code, 0) << report.err;
  for (const char* figure :
       {"hidden-2-1.csv", "raw-2-1.csv", "filters-1.png", "fields-1.svg", "confusion-1.svg", "waveform.svg",
        "spectrogram.svg", "features.svg", "over-time.svg"})
    EXPECT_TRUE(fs::exists(at("page-figures/") + figure)) << figure;
  EXPECT_NE(read_bytes(at("page.html")).find("A linear classifier there is right for"), std::string::npos);
}

TEST_F(Pipeline, UsageErrors) {
  refuses("train " + at("c.h5") + " --set train.bacth=3 --out " + at("x"), 2, {"train.bacth", "train.batch"});
  refuses("train " + at("c.h5") + " --set train.batch=many --out " + at("x"), 2, {"train.batch", "many"});
  refuses("train " + at("c.h5") + " --recipe dong2019 --out " + at("x"), 2, {"dong2019", "dong2018-fixed"});
  refuses("extract " + at("music") + " --preset librrosa --out " + at("x.h5"), 2, {"librrosa", "librosa"});
  refuses("--device cuda:0 info", 5, {"cuda:0"});
  EXPECT_EQ(run("dance").code, 2);
  EXPECT_FALSE(fs::exists(at("x")));
}

TEST_F(Pipeline, DeviceErrors) {
  refuses("--device cuda:4096 info", 5, {"cuda:4096", "--device cpu"});  // no driver, or not so many GPUs
  refuses("--device gpu info", 2, {"device gpu", "cuda:N"});
  refuses("--precision f64 info", 2, {"precision f64", "tf32"});
  refuses("--device cpu --precision bf16 info", 2, {"precision bf16", "f32 only"});
}

TEST_F(Pipeline, InputErrors) {
  refuses("train " + at("nowhere"), 3, {at("nowhere")});
  refuses("check " + at("nowhere"), 3, {at("nowhere")});
  refuses("extract " + at("nowhere") + " --out " + at("x.h5"), 3, {at("nowhere")});
  refuses("evaluate " + at("music"), 3, {at("music"), "not a run folder"});
  fs::create_directories(at("classes/a"));
  fs::create_directories(at("classes/b"));
  write_audio(at("classes/a/1.wav"), std::vector<float>(22050, 0.1F), 22050, AudioFormat::wav);
  refuses("extract " + at("classes") + " --out " + at("x.h5"), 3, {"b"});

  ASSERT_EQ(run("extract " + at("music") + " --preset musicnn --out " + at("musicnn.h5")).code, 0);
  refuses("train " + at("musicnn.h5") + " --out " + at("y1"), 3, {"musicnn.h5", "sample_rate"});
  const std::string bytes = read_bytes(at("c.h5"));
  write_bytes(at("cut.h5"), bytes.substr(0, bytes.size() / 2));
  refuses("train " + at("cut.h5") + " --out " + at("y2"), 3, {"cut.h5"});
  refuses("predict " + at("c.h5") + " " + at("music"), 3, {"c.h5"});
  refuses("train " + at("run/model.h5") + " --out " + at("y3"), 3, {"model.h5"});
}

TEST_F(Pipeline, RunFilesOfAnotherKindAreNamed) {
  fs::copy(at("run"), at("odd"));
  ASSERT_EQ(run("evaluate " + at("odd")).code, 0);
  const auto with = [&](const std::string& file, const std::string& text, const std::string& command,
                        const std::string& said) {
    const std::string path = at("odd/") + file, before = read_bytes(path);
    write_bytes(path, text);
    refuses(command + " " + at("odd"), 3, {path + ": " + said});
    write_bytes(path, before);
  };
  const auto asked = nlohmann::json::parse(read_bytes(at("odd/run.json")));
  for (const std::string command : {"evaluate", "verify", "train --resume"}) {
    for (const std::string text : {"[]", "3", "null"}) {
      with("run.json", text, command, "cannot use at() with ");
      with("splits.json", text, command, "cannot use at() with ");
    }
    with("run.json", "{", command, "parse error at line 1");
    for (const std::string key : {"cache", "seed", "device"}) {
      nlohmann::json odd = asked;
      odd[key] = {{"no", "value"}};
      with("run.json", odd.dump(), command, key == "seed" ? "must be a count, but is " : "type must be ");
      odd.erase(key);
      with("run.json", odd.dump(), command, "key '" + key + "' not found");
    }
  }
  with("result.json", "[]", "verify", "cannot use value() with array");
  with("result.json", R"({"weights_digest": 3})", "verify", "type must be string");
  // A log that cannot be read is cut there and the run goes on.
  write_bytes(at("odd/metrics.jsonl"), "[1]\n" + read_bytes(at("odd/metrics.jsonl")));
  EXPECT_EQ(run("train --resume " + at("odd")).code, 0);
  fs::remove_all(at("odd"));
}

TEST_F(Pipeline, ReproductionsOfAnotherKindAreNamed) {
  ASSERT_EQ(run("reproduce dong2018 --gtzan " + at("c.h5") +
                " --splits 1 --set train.epochs=1 --set model.filters=1 --out " + at("odd"))
                .code,
            0);
  const auto with = [&](const std::string& file, const char* key, const nlohmann::json& value) {
    const std::string path = at("odd/") + file, before = read_bytes(path);
    auto json = nlohmann::json::parse(before);
    json[nlohmann::json::json_pointer(key)] = value;
    write_bytes(path, json.dump());
    refuses("reproduce dong2018 --resume " + at("odd"), 3, {path + ": "});
    write_bytes(path, before);
  };
  with("run.json", "/splits", "many");
  with("run.json", "/gtzan", 1);
  with("split-00/result.json", "/accuracy", "good");
  with("split-00/result.json", "/test/confusion/1", {1});  // shorter than the rest
  fs::remove_all(at("odd"));
}

TEST_F(Pipeline, FilesThatCannotBePredictedAreNamedAndTheRestIsDone) {
  const std::vector<float> tone(22050 * 4, 0.1F);
  const std::vector<float> brief(11025, 0.1F);
  fs::create_directories(at("in"));
  write_audio(at("in/brief.wav"), brief, 22050, AudioFormat::wav);
  write_audio(at("in/good.wav"), tone, 22050, AudioFormat::wav);
  write_bytes(at("in/noise.wav"), std::string(3000, 'x'));
  write_bytes(at("in/zero.wav"), "");
  const PipelineResult r = run("predict " + at("run") + " " + at("in"));
  EXPECT_EQ(r.code, 6);
  EXPECT_NE(r.out.find("good.wav"), std::string::npos);
  EXPECT_EQ(std::count(r.out.begin(), r.out.end(), '\n'), 1);
  for (const char* name : {"brief.wav", "noise.wav", "zero.wav"}) {
    EXPECT_NE(r.err.find(name), std::string::npos) << r.err;
  }
}

TEST_F(Pipeline, ADivergedRunNamesItsLastGoodCheckpoint) {
  refuses("train " + at("c.h5") +
              " --recipe dong2018-fixed --set train.epochs=12 --set train.batch=12 --set " +
              "model.filters=8 --set train.optimizer=sgd --set train.rate=1e30 --out " + at("wild"),
          7,
          {"melgrad: dong2018-fixed: step 2 has loss ", " wrote ", "lower train.rate",
           "no checkpoint was saved yet"});
  // With one: the run of the other tests, whose checkpoint a wild rate drives on.
  fs::copy(at("run"), at("driven"));
  fs::remove(at("driven") + "/result.json");
  std::string recipe = read_bytes(at("driven") + "/recipe.toml");
  const std::size_t rate = recipe.find("\nrate = ");
  ASSERT_NE(rate, std::string::npos) << recipe;
  recipe.replace(rate, recipe.find('\n', rate + 1) - rate, "\nrate = 1e30");
  std::ofstream(at("driven") + "/recipe.toml") << recipe;
  refuses("train --resume " + at("driven") + " --set train.epochs=24", 7,
          {"has loss ", " wrote ", at("driven") + "/checkpoint.h5 is of step ", " and good"});
}

TEST_F(Pipeline, AThreadLimitBelowTheThreadsAskedForIsNoHang) {
  ASSERT_EQ(::setenv("OMP_THREAD_LIMIT", "1", 1), 0);
  const PipelineResult r = run("--threads 4 evaluate " + at("run"));
  ::unsetenv("OMP_THREAD_LIMIT");
  EXPECT_EQ(r.code, 0) << r.err;
}

TEST_F(Pipeline, BenchKnowsItsCases) {
  const PipelineResult r = run("bench --list log_mel");
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("log_mel/dong2018/cpu"), std::string::npos) << r.out;
  EXPECT_EQ(r.out.find("_step/"), std::string::npos) << r.out;
  refuses("--threads 2 bench", 2, {"bench", "--list"});
}

TEST_F(Pipeline, OutputErrors) {
  refuses("train " + at("c.h5") + " --out " + at("music"), 4, {at("music"), "exists"});
  refuses("synth --out " + at("music"), 4, {at("music")});
  refuses("train " + at("c.h5") + " --out " + at("c.h5/run"), 4, {at("c.h5/run")});
}

}  // namespace
}  // namespace melgrad
