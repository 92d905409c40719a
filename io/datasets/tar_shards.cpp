#include "io/datasets/tar_shards.h"

#include <algorithm>
#include <glob.h>
#include <optional>

#include "io/audio/audio.h"
#include "io/files/tar_archive.h"
#include "io/files/temporary_folder.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

constexpr std::size_t kMostShards = 1'000'000;
constexpr std::size_t kLongestName = 4096;
constexpr std::string_view kMagic = "*?[", kSpecial = "*?[]{},\\";

bool is_any_tar(const fs::path& path) { return is_tar(path) || is_packed_tar(path); }

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// ---- patterns ---------------------------------------------------------------------------------------------

// Where the brace that opens at `open` closes, and the commas between that belong to it.
std::vector<std::size_t> marks_of_brace(const std::string& text, std::size_t open) {
  std::vector<std::size_t> marks;
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\') ++i;
    else if (text[i] == '{') ++depth;
    else if (text[i] == ',' && depth == 1) marks.push_back(i);
    else if (text[i] == '}' && --depth == 0) {
      marks.push_back(i);
      return marks;
    }
  }
  return {};
}

// "0000..0146" as its numbers, of the same width; nothing for anything else.
Texts numbers_of(const std::string& text) {
  const std::size_t dots = text.find("..");
  if (dots == std::string::npos) return {};
  const auto first = number_in<std::uint64_t>(text.substr(0, dots)),
             last = number_in<std::uint64_t>(text.substr(dots + 2));
  if (!first || !last || *last < *first || *last - *first >= kMostShards) return {};
  const std::size_t width = text[0] == '0' ? dots : 0;
  Texts out;
  for (std::uint64_t n = *first; n <= *last; ++n) out.push_back(fmt::format("{:0{}}", n, width));
  return out;
}

// Without braces: "{a,b}-{0..1}" is a-0, a-1, b-0, b-1.
void expand(const std::string& text, std::size_t from, Texts& out) {
  std::size_t open = from;
  std::vector<std::size_t> marks;
  for (; open < text.size() && marks.empty(); ++open) {
    if (text[open] == '\\') ++open;
    else if (text[open] == '{') marks = marks_of_brace(text, open);
  }
  if (marks.empty()) {
    if (out.size() == kMostShards) fail(ErrorKind::input, "{}: names more than {} shards", text, kMostShards);
    out.push_back(text);
    return;
  }
  Texts parts;
  for (std::size_t begin = open; const std::size_t mark : marks) {
    parts.push_back(text.substr(begin, mark - begin));
    begin = mark + 1;
  }
  if (marks.size() == 1) {
    if (const Texts numbers = numbers_of(parts[0]); !numbers.empty()) parts = numbers;
  }
  const std::string head = text.substr(0, open - 1), tail = text.substr(marks.back() + 1);
  for (const std::string& part : parts) expand(head + part + tail, head.size(), out);
}

// The files that a pattern names; each part of it must name some.
Texts files_named(const std::string& pattern) {
  Texts patterns, files;
  expand(pattern, 0, patterns);
  for (const std::string& one : patterns) {
    glob_t found{};
    const int status = ::glob(one.c_str(), 0, nullptr, &found);
    for (std::size_t i = 0; status == 0 && i < found.gl_pathc; ++i) files.emplace_back(found.gl_pathv[i]);
    ::globfree(&found);
    if (status != 0)
      fail(ErrorKind::input, "{}: {}; check the path", one,
           one.find_first_of(kMagic) == std::string::npos ? "no such file" : "nothing has such a name");
  }
  return files;
}

std::string escaped(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (kSpecial.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "0000", "0001", "0002" as 0000..0002; else with commas between.
std::string in_braces(const Texts& parts) {
  bool numbers = parts.size() > 1;
  for (std::size_t i = 0; i < parts.size() && numbers; ++i) {
    const auto first = number_in<std::uint64_t>(parts[0]), here = number_in<std::uint64_t>(parts[i]);
    numbers = first && here && *here == *first + i && parts[i].size() == parts[0].size();
  }
  return numbers ? parts.front() + ".." + parts.back() : fmt::format("{}", fmt::join(parts, ","));
}

Texts tars_in(const fs::path& folder) {
  Texts tars;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    if (is_any_tar(entry->path()) && !is_hidden(entry->path())) tars.push_back(entry->path().string());
  }
  return tars;
}

// ---- names ------------------------------------------------------------------------------------------------

// The name of a member without "." in it, folders with '/' behind; why it cannot have one is added to `why`.
std::string name_in_tree(const TarMember& member, std::string& why) {
  std::string name;
  if (member.name.size() > kLongestName) why = "has too long a name";
  if (member.name.starts_with('/')) why = "has an absolute name";
  for (std::size_t at = 0; why.empty() && at < member.name.size();) {
    const std::size_t end = std::min(member.name.find('/', at), member.name.size());
    const std::string part = member.name.substr(at, end - at);
    if (part == "..") why = "has a name that leads out of the archive";
    if (!part.empty() && part != ".") name += (name.empty() ? "" : "/") + part;
    at = end + 1;
  }
  if (name.empty() && why.empty() && member.kind != TarMember::Kind::folder) why = "has no name";
  return member.kind == TarMember::Kind::folder && !name.empty() ? name + "/" : name;
}

bool is_hidden_below(const std::string& name) {
  const fs::path path(name);
  return std::any_of(path.begin(), path.end(), [](const fs::path& part) {
    return !part.empty() && part != "." && part != ".." && part != "/" && is_hidden(part);
  });
}

}  // namespace

bool names_shards(const std::string& data) {
  if (data == "-") return true;
  std::error_code error;
  if (!exists(data)) return data.find_first_of("*?[{") != std::string::npos;
  if (!fs::is_directory(data, error)) return is_any_tar(data);
  return !tars_in(data).empty() && walk(data, true).audio.empty();
}

std::string shards_named(const Texts& paths) {
  if (paths.size() == 1) return paths[0];
  Texts all;
  for (const std::string& path : paths) {
    if (exists(path)) {
      if (!is_any_tar(path))
        fail(ErrorKind::usage, "{}: one of {} and no tar: give one data set, or the tars of one", path,
             paths.size());
      all.push_back(escaped(path));
    } else if (path != "-" && path.find_first_of("*?[{") != std::string::npos) {
      all.push_back(path);
    } else {
      fail(path == "-" ? ErrorKind::usage : ErrorKind::input, "{}: {}", path,
           path == "-" ? "is standard input, and stands alone" : "no such file; check the path");
    }
  }
  const auto same = [&](auto begin_of) {
    std::size_t n = 0;
    const auto differs = [&](const std::string& text) {
      return n >= text.size() || *(begin_of(text) + static_cast<std::ptrdiff_t>(n)) !=
                                     *(begin_of(all[0]) + static_cast<std::ptrdiff_t>(n));
    };
    while (std::none_of(all.begin(), all.end(), differs)) ++n;
    return n;
  };
  std::size_t head = same([](const std::string& text) { return text.begin(); });
  std::size_t tail = same([](const std::string& text) { return text.rbegin(); });
  // Numbers stay whole, and so does what a backslash protects.
  while (head > 0 && (is_digit(all[0][head - 1]) || all[0][head - 1] == '\\')) --head;
  const std::string& first = all[0];
  while (tail > 0 && (is_digit(first[first.size() - tail]) ||
                      kSpecial.find(first[first.size() - tail]) != std::string_view::npos))
    --tail;
  Texts parts;
  for (const std::string& path : all) {
    if (path.size() < head + tail) return "{" + in_braces(all) + "}";
    parts.push_back(path.substr(head, path.size() - head - tail));
  }
  return first.substr(0, head) + "{" + in_braces(parts) + "}" + first.substr(first.size() - tail);
}

TarShards::TarShards(const std::string& data, const std::function<void()>& stop) : data_(data) {
  std::error_code error;
  Texts paths;
  if (data == "-") paths = {""};
  else if (fs::is_directory(data, error)) paths = tars_in(data);
  else if (exists(data)) paths = {data};
  else paths = files_named(data);
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());

  std::shared_ptr<const TemporaryFolder> folder;
  for (const std::string& path : paths) {
    if (!path.empty() && !is_any_tar(path))
      fail(ErrorKind::input, "{}: is no tar, and {} is to name tar shards", path, data);
    if (!folder && (path.empty() || is_packed_tar(path))) folder = std::make_shared<const TemporaryFolder>();
    try {
      add(path, folder, stop);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      left_out.push_back({as_utf8(path), e.what()});
    }
  }
  if (folder)
    notes.push_back(fmt::format("{}: {:.1f} MB are unpacked to {} until this command ends", data,
                                static_cast<double>(unpacked_bytes_) / 1e6, *folder / ""));
  if (members.empty())
    fail(ErrorKind::input, "{}: no shard holds a file{}", data,
         left_out.empty() ? "" : fmt::format(" ({} {})", left_out[0].name, left_out[0].reason));
}

void TarShards::add(const std::string& path, const std::shared_ptr<const TemporaryFolder>& folder,
                    const std::function<void()>& stop) {
  const std::string name = path.empty() ? "standard input" : path;
  fs::path file = path;
  std::string damage;
  std::shared_ptr<const void> holds;
  if (path.empty() || is_packed_tar(path)) {
    file = *folder / (std::to_string(archives_.size()) + ".tar");
    damage = unpack_tar(path, name, file, stop);
    holds = folder;
    std::error_code error;
    unpacked_bytes_ += exists(file.string()) ? fs::file_size(file, error) : 0;
  }
  archives_.push_back(std::make_shared<const Archive>(Archive{file, name, holds}));
  if (!damage.empty()) left_out.push_back({as_utf8(name), damage});
  if (damage.empty() || exists(file.string())) add_members(file, name);
}

void TarShards::add_members(const fs::path& file, const std::string& shard) {
  const std::size_t archive = archives_.size() - 1;
  TarListing listing = list_tar(file);
  for (TarMember& member : listing.members) {
    if (is_hidden_below(member.name)) continue;
    std::string why = member.why;
    const std::string name = name_in_tree(member, why);
    const auto leave_out = [&](const std::string& reason) {
      left_out.push_back({as_utf8(shard + "/" + member.name), reason});
    };
    if (!why.empty()) {
      leave_out(why);
      continue;
    }
    if (name.empty()) continue;  // "./"
    // Of a shard that was cut short a folder may have lost all its files, and is none.
    if (!listing.damage.empty() && member.kind == TarMember::Kind::folder) continue;
    const auto [at, is_new] = members.emplace(name, Place{archive, member.begin, member.size});
    if (!is_new && member.kind == TarMember::Kind::file)
      leave_out("is in " + archives_[at->second.archive]->name.string() + " already; the first counts");
  }
  if (!listing.damage.empty()) left_out.push_back({as_utf8(shard), listing.damage});
}

FilePart TarShards::file(const std::string& name) const {
  const auto at = members.find(name);
  require(at != members.end(), "TarShards: no member {}", name);
  return {archives_[at->second.archive], name, at->second.begin, at->second.size};
}

}  // namespace melgrad
