#include <nlohmann/json.hpp>

#include "io/audio/audio.h"
#include "tests/apps/command.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

using test::run_command;
using test::TempFolder;
using test::tone;

TEST(Check, a_clean_set_ends_with_zero) {
  const TempFolder folder{};
  write_audio(folder / "a/1.wav", tone(300, 22050, 4), 22050, AudioFormat::wav);
  write_audio(folder / "b/1.wav", tone(400, 22050, 4), 22050, AudioFormat::wav);
  const auto outcome = run_command(register_check, {"check", folder.path().string()});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(has(outcome.out, "sample rates  22050 Hz (2)")) << outcome.out;
  EXPECT_TRUE(has(outcome.out, "problems      none")) << outcome.out;
}

TEST(Check, the_broken_file_of_gtzan_is_listed_once_with_its_reason) {
  const TempFolder folder{};
  write_audio(folder / "genres/jazz/jazz.00053.wav", tone(300, 22050, 4), 22050, AudioFormat::wav);
  test::write_bytes(folder / "genres/jazz/jazz.00054.wav", test::noise_bytes(50000));
  const auto outcome = run_command(register_check, {"check", folder.path().string()});
  EXPECT_EQ(outcome.exit_code, kExitProblemsFound);
  EXPECT_TRUE(has(outcome.out, "jazz/jazz.00054.wav: unreadable: not a WAV")) << outcome.out;
  EXPECT_EQ(outcome.out.find("jazz.00054"), outcome.out.rfind("jazz.00054"));
  EXPECT_FALSE(has(outcome.out, folder.path().string() + "/genres/jazz")) << outcome.out;
}

TEST(Check, json_holds_the_same) {
  const TempFolder folder{};
  write_audio(folder / "a/1.wav", tone(300, 22050, 4), 22050, AudioFormat::wav);
  write_audio(folder / "a/caf\xE9.wav", tone(300, 22050, 2), 22050, AudioFormat::wav);  // Latin-1, not UTF-8
  const auto outcome = run_command(register_check, {"check", folder.path().string(), "--json"});
  EXPECT_EQ(outcome.exit_code, kExitProblemsFound);
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["tracks"], 2);
  EXPECT_EQ(json["usable"], 1);
  EXPECT_EQ(json["complete"], true);
  EXPECT_EQ(json["classes"]["a"]["tracks"], 2);
  EXPECT_EQ(json["sample_rates"]["22050"], 2);
  ASSERT_EQ(json["problems"].size(), 1U);
  EXPECT_EQ(json["problems"][0]["problem"], "too short");
}

TEST(Check, the_length_that_counts_as_short_is_an_option) {
  const TempFolder folder{};
  write_audio(folder / "a/1.wav", tone(300, 22050, 1), 22050, AudioFormat::wav);
  EXPECT_EQ(run_command(register_check, {"check", folder.path().string()}).exit_code, kExitProblemsFound);
  EXPECT_EQ(run_command(register_check, {"check", folder.path().string(), "--min-seconds", "1"}).exit_code,
            0);
}

TEST(Check, a_missing_folder_is_an_input_error_in_one_line) {
  const auto outcome = run_command(register_check, {"check", "/no/such/folder"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.err, "melgrad: /no/such/folder: no such file or folder; check the path\n");
  EXPECT_EQ(outcome.out, "");
}

}  // namespace
}  // namespace melgrad
