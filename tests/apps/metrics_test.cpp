// The commands over what other programs made: their predictions (metrics), their weights (import-weights).
#include <nlohmann/json.hpp>

#include "io/arrays/safetensors.h"
#include "io/audio/audio.h"
#include "models/embeddings/embedding_table.h"
#include "models/metrics/tag_metrics.h"
#include "tests/apps/command.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

TEST(Metrics, OfTwoTablesAreThoseOfTheLibrary) {
  const Scratch scratch;
  TagScores scores;
  scores.tags = {"rock", "jazz"};
  std::string truth = "track,rock,jazz\n", guesses = truth;
  for (int i = 0; i < 40; ++i) {
    scores.tracks.push_back(std::to_string(i) + ".mp3");
    truth += scores.tracks.back();
    guesses += scores.tracks.back();
    for (int k = 0; k < 2; ++k) {
      scores.targets.push_back((i * 7 + k * 3) % 5 < 2 ? 1 : 0);
      scores.scores.push_back(static_cast<float>((i * 11 + k * 5) % 17) / 16);
      truth += scores.targets.back() != 0 ? ",1" : ",0";
      guesses += "," + std::to_string(scores.scores.back());
    }
    truth += "\n";
    guesses += "\n";
  }
  write_bytes(scratch / "t.csv", truth);
  write_bytes(scratch / "s.csv", guesses);
  const auto outcome =
      test::run_command(register_metrics, {"--json", "metrics", "--truth", scratch / "t.csv", "--scores",
                                           scratch / "s.csv", "--resamples", "50"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  TagMetricsOptions options;
  options.resamples = 50;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["macro"],
            nlohmann::json::parse(as_json(tag_metrics(scores, options)).dump())["macro"]);
  const auto table = test::run_command(
      register_metrics, {"metrics", "--truth", scratch / "t.csv", "--scores", scratch / "s.csv"});
  EXPECT_NE(table.out.find("macro"), std::string::npos);
  EXPECT_NE(table.out.find("jazz"), std::string::npos);
}

// FCN as its authors save it, all zeros.
void save_fcn(const std::string& path) {
  Checkpoint theirs;
  const auto add = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    theirs.arrays[name] = HostArray(DType::f32, shape);
  };
  const auto norm = [&](const std::string& name, std::int64_t n) {
    for (const char* leaf : {".weight", ".bias", ".running_mean", ".running_var"}) add(name + leaf, {n});
  };
  norm("spec_bn", 1);
  const std::vector<std::int64_t> channels = {1, 64, 128, 128, 128, 64};
  for (std::size_t k = 1; k < channels.size(); ++k) {
    const std::string layer = "layer" + std::to_string(k);
    add(layer + ".conv.weight", {channels[k], channels[k - 1], 3, 3});
    add(layer + ".conv.bias", {channels[k]});
    norm(layer + ".bn", channels[k]);
  }
  add("dense.weight", {50, 64});
  add("dense.bias", {50});
  save_safetensors(path, theirs);
}

TEST(Models, AreImportedListedAndCalledByName) {
  const Scratch scratch;
  const std::string folder = scratch / "models";
  ::setenv("MELGRAD_MODELS", folder.c_str(), 1);
  save_fcn(scratch / "theirs.safetensors");
  const auto models = [&] { return test::run_command(register_models, {"--json", "models"}); };
  EXPECT_EQ(nlohmann::json::parse(models().out)["at_hand"].size(), 0U);
  const auto imported = test::run_command(
      register_import_weights, {"import-weights", scratch / "theirs.safetensors", "--as", "sota-mtat-fcn"});
  EXPECT_EQ(imported.exit_code, 0) << imported.err;
  EXPECT_NE(imported.out.find("melgrad predict sota-mtat-fcn FILES"), std::string::npos) << imported.out;
  const auto list = nlohmann::json::parse(models().out);
  ASSERT_EQ(list["at_hand"].size(), 1U);
  const auto& model = list["at_hand"][0];
  EXPECT_EQ(model["name"], "sota-mtat-fcn");
  EXPECT_EQ(model["embedding"], 64);
  EXPECT_EQ(model["classes"].size(), 50U);
  EXPECT_EQ(model["about"]["licence"], "MIT");
  for (const auto& network : list["published"]) EXPECT_NE(network["name"], "sota-mtat-fcn");

  write_audio(scratch / "a.wav", std::vector<float>(30 * 16000, 0.1F), 16000, AudioFormat::wav);
  const auto predicted =
      test::run_command(register_predict, {"--json", "predict", "sota-mtat-fcn", scratch / "a.wav"});
  EXPECT_EQ(predicted.exit_code, 0) << predicted.err;
  const auto answers = nlohmann::json::parse(predicted.out);
  EXPECT_EQ(answers[0]["probabilities"].size(), 3U);
  for (const auto& [tag, probability] : answers[0]["probabilities"].items())
    EXPECT_EQ(probability, 0.5) << tag;
  // A data set brings its labels along; what is done stays done.
  for (const std::string name : {"jazz", "rock"}) {
    std::filesystem::create_directories(scratch / ("music/" + name));
    write_audio(scratch / ("music/" + name + "/a." + name + ".wav"), std::vector<float>(30 * 16000, 0.1F),
                16000, AudioFormat::wav);
  }
  const auto embed = [&](const std::string& by) {
    return test::run_command(register_embed,
                             {"--json", "embed", by, scratch / "music", "--out", scratch / "e.h5"});
  };
  EXPECT_EQ(embed("sota-mtat-fcn").exit_code, 0);
  EXPECT_EQ(nlohmann::json::parse(embed("sota-mtat-fcn").out)["taken_over"], 2);
  const EmbeddingTable table = read_embeddings(scratch / "e.h5");
  EXPECT_EQ(table.names, (std::vector<std::string>{"jazz/a.jazz.wav", "rock/a.rock.wav"}));
  EXPECT_EQ(table.classes, (std::vector<std::string>{"jazz", "rock"}));
  EXPECT_EQ(table.labels, (std::vector<std::uint8_t>{1, 0, 0, 1}));
  EXPECT_EQ(table.width, 64);
  for (const std::string& to : {std::string("a.jazz"), scratch / "a.wav"}) {
    const auto near = test::run_command(register_similar,
                                        {"--json", "similar", scratch / "e.h5", "--to", to, "--top", "1"});
    EXPECT_EQ(near.exit_code, 0) << near.err;
    EXPECT_EQ(nlohmann::json::parse(near.out)[0]["track"],
              to == "a.jazz" ? "rock/a.rock.wav" : "jazz/a.jazz.wav");
  }
  EXPECT_EQ(test::run_command(register_similar, {"similar", scratch / "e.h5", "--to", "x"}).exit_code, 3);
  EXPECT_EQ(
      test::run_command(register_similar, {"similar", scratch / "e.h5", "--to", "a.jazz", "--artist-filter"})
          .exit_code,
      2);
  const auto changed = load_safetensors(folder + "/sota-mtat-fcn.safetensors");
  save_safetensors(folder + "/other.safetensors", [&] {
    Checkpoint copy = changed;
    copy.text["about"] = "{}";
    return copy;
  }());
  EXPECT_EQ(test::run_command(register_embed, {"embed", "other", scratch / "a.wav", scratch / "a.wav",
                                               "--out", scratch / "twice.h5"})
                .exit_code,
            2);
  const auto refused = embed("other");
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_NE(refused.err.find("was made by another model (sota-mtat-fcn)"), std::string::npos) << refused.err;

  const auto segments = test::run_command(register_embed, {"embed", "sota-mtat-fcn", scratch / "music",
                                                           "--over", "segments", "--out", scratch / "s.h5"});
  EXPECT_EQ(segments.exit_code, 0) << segments.err;
  const auto others = test::run_command(
      register_similar, {"--json", "similar", scratch / "s.h5", "--to", "a.jazz", "--top", "9"});
  EXPECT_EQ(nlohmann::json::parse(others.out).size(), 1U) << others.out;  // none of its own segments
  const auto other = test::run_command(register_predict, {"predict", "sota-mtat-fnc", scratch / "a.wav"});
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_NE(other.err.find("sota-mtat-fnc: neither a run folder nor a model file nor one of melgrad models; "
                           "did you mean sota-mtat-fcn?"),
            std::string::npos)
      << other.err;

  // A file that changed and cannot be read loses its row; one that is cut short is told.
  write_bytes(scratch / "music/jazz/a.jazz.wav", "no sound");
  const auto worse = embed("sota-mtat-fcn");
  EXPECT_EQ(worse.exit_code, 6);
  EXPECT_EQ(nlohmann::json::parse(worse.out)["problems"].size(), 1U);
  EXPECT_EQ(read_embeddings(scratch / "e.h5").names, (std::vector<std::string>{"rock/a.rock.wav"}));
  const std::string whole = read_bytes(scratch / "music/rock/a.rock.wav");
  write_bytes(scratch / "music/rock/a.rock.wav", whole.substr(0, whole.size() - 1000));
  EXPECT_NE(embed("sota-mtat-fcn").err.find("cut short"), std::string::npos);

  Checkpoint odd = load_safetensors(folder + "/sota-mtat-fcn.safetensors");
  odd.text["about"] = "{\"data\": 3}";
  save_safetensors(folder + "/odd.safetensors", odd);
  EXPECT_EQ(models().exit_code, 6);
  EXPECT_NE(models().err.find("odd.safetensors: about"), std::string::npos) << models().err;
  std::filesystem::remove(folder + "/odd.safetensors");
  write_bytes(folder + "/broken.safetensors", "no model");
  EXPECT_EQ(models().exit_code, 6);
  EXPECT_NE(models().err.find("broken.safetensors"), std::string::npos);
  EXPECT_EQ(test::run_command(register_import_weights, {"import-weights", scratch / "theirs.safetensors",
                                                        "--as", "sota-mtat-fcn", "--recipe", "mtat-fcn"})
                .exit_code,
            2);
  ::unsetenv("MELGRAD_MODELS");
}

}  // namespace
}  // namespace melgrad
