#include "apps/report/gnuplot.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <span>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include "io/datasets/csv.h"
#include "io/files/atomic_file.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

// Stands before every plot. The two greys are what kPlotStyle turns.
constexpr const char* kTheme = R"(reset session
set encoding utf8
set datafile separator comma
set datafile columnheaders
ink = '#1a1a1a'; rule = '#d9d9d9'
set linetype 1 lc rgb '#0072b2' lw 2 pt 7
set linetype 2 lc rgb '#d55e00' lw 2 pt 5
set linetype 3 lc rgb '#009e73' lw 2 pt 9
set linetype 4 lc rgb '#cc79a7' lw 2 pt 13
set linetype 5 lc rgb '#e69f00' lw 2 pt 11
set linetype 6 lc rgb '#56b4e9' lw 2 pt 15
set linetype 7 lc rgb ink lw 2 pt 3
set linetype cycle 7
set palette defined (0 '#f7fbff', 0.25 '#c6dbef', 0.5 '#6baed6', 0.75 '#2171b5', 1 '#08306b')
set border 3 lc rgb ink
set tics nomirror textcolor rgb ink scale 0.5
set grid lc rgb rule lw 1 dt solid
set autoscale xfix
set rmargin 3
set key textcolor rgb ink samplen 1.5 opaque fillcolor rgb '#ffffff' noautotitle
set xlabel textcolor rgb ink
set ylabel textcolor rgb ink
set cblabel textcolor rgb ink
)";

// Inside an SVG: a style sheet overrides the colours that stand at its elements. gnuplot writes a colour in
// two ways.
constexpr const char* kPlotStyle = R"css(<style>@media(prefers-color-scheme:dark){
[stroke="rgb( 26,  26,  26)"]{stroke:#e8e8e8}[fill="rgb(26,26,26)"]{fill:#e8e8e8}
[color="rgb( 26,  26,  26)"]{color:#e8e8e8}
[stroke="rgb(217, 217, 217)"]{stroke:#444}[fill="rgb(255, 255, 255)"],[fill="#ffffff"]{fill:#161616}
}
image{image-rendering:pixelated}</style>)css";

// A control character, which may stand in a file's name, is a string of its own.
std::string as_string(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c > 0 && c < ' ') out += fmt::format("'.\"\\{:03o}\".'", c);
    else out += c == '\'' ? "''" : std::string(1, c);
  }
  return out + "'";
}

std::string script(std::span<const Plot* const> plots, const fs::path& folder) {
  std::string out;
  for (const Plot* plot : plots) {
    const std::string base = (folder / plot->name).string();
    const auto draw_with = [&](const std::string& terminal, const char* extension) {
      out += fmt::format("{}set terminal {} noenhanced\nset output {}\ndata = {}\n{}\nunset output\n", kTheme,
                         terminal, as_string(base + extension), as_string(base + ".csv"), plot->commands);
    };
    draw_with(fmt::format("svg size {},{} dynamic font 'sans-serif,14' background '#ffffff'", plot->width,
                          plot->height),
              ".svg");
    draw_with(fmt::format("pngcairo size {},{} font 'sans-serif,14' fontscale 1.5 linewidth 2 pointscale 2",
                          2 * plot->width, 2 * plot->height),
              ".png");
  }
  return out;
}

// Runs gnuplot; why it could not be started (an errno), or 0.
int run_gnuplot(const std::string& script, const std::string& messages) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  std::string program = "gnuplot", file = script;
  char* const arguments[] = {program.data(), file.data(), nullptr};
  pid_t process = 0;
  posix_spawnattr_t attributes;  // what melgrad ignores, others do not expect to be ignored
  posix_spawnattr_init(&attributes);
  sigset_t ignored;
  sigemptyset(&ignored);
  for (const int signal : {SIGPIPE, SIGXFSZ}) sigaddset(&ignored, signal);
  posix_spawnattr_setsigdefault(&attributes, &ignored);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  const int error = posix_spawnp(&process, "gnuplot", &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) waitpid(process, nullptr, 0);
  return error;
}

std::string first_error(const std::string& messages) {
  std::ifstream in(messages);
  for (std::string line; std::getline(in, line);) {
    if (line.find("line ") != std::string::npos && line.find("warning:") == std::string::npos) return line;
  }
  return "no message";
}

// Puts the style sheet into a picture; false if gnuplot has not finished it.
bool add_style(const fs::path& svg) {
  std::stringstream text;
  text << std::ifstream(svg).rdbuf();
  std::string content = text.str();
  const auto at = content.find("<desc>");
  if (at == std::string::npos || content.find("</svg>") == std::string::npos) return false;
  content.insert(at, kPlotStyle);
  write_file_atomically(svg.string(), content);
  return true;
}

}  // namespace

std::string heat_map(int degrees) {
  return fmt::format(R"(set datafile nocolumnheaders
set border 0
unset grid
set yrange [*:*] reverse
set xtics rotate by {} right scale 0
set ytics scale 0
plot data matrix rowheaders columnheaders using 1:2:3 with image pixels)",
                     degrees);
}

std::string dots_of_groups(std::size_t groups, std::size_t x, std::size_t first) {
  std::string out;
  for (std::size_t k = 0; k < groups; ++k)
    out += fmt::format("{} data using {}:{} with points lc {} pt {} ps 0.5 title columnhead({})",
                       k == 0 ? "plot" : ",", x, first + k, k % 7 + 1, k < 7 ? 7 : 9, first + k);
  return out;
}

std::size_t bin_of(double value, std::size_t bins) {
  const double at = value * static_cast<double>(bins);
  return at > 0 ? static_cast<std::size_t>(std::min(at, static_cast<double>(bins - 1))) : 0;
}

std::string as_csv(const TextRows& rows) {
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      out.append(c > 0 ? "," : "").append(number_in<double>(row[c]) ? row[c] : csv_field(row[c]));
    }
    out += '\n';
  }
  return out;
}

std::vector<std::string> draw(const std::vector<const Plot*>& plots, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail(ErrorKind::output, "{}: cannot be made: {}", folder.string(), error.message());
  for (const Plot* plot : plots) {
    for (const char* old : {".svg", ".png"}) fs::remove(folder / (plot->name + old), error);
    write_file_atomically((folder / (plot->name + ".csv")).string(), as_csv(plot->data));
  }
  const std::string program = (folder / "figures.gnuplot").string(),
                    messages = (folder / "gnuplot.log").string();
  std::vector<std::string> problems;
  // gnuplot ends at the first fault: what comes behind it gets another process.
  for (std::span<const Plot* const> left = plots; !left.empty();) {
    write_file_atomically(program, script(left, folder));
    if (const int reason = run_gnuplot(program, messages); reason != 0)
      return {"figures are not drawn: gnuplot " + (reason == ENOENT
                                                       ? "is not installed (Debian's package gnuplot-nox)"
                                                       : "cannot be started: " + system_reason(reason))};
    std::size_t drawn = 0;
    while (drawn < left.size() && add_style(folder / (left[drawn]->name + ".svg"))) ++drawn;
    if (drawn == left.size()) break;
    problems.push_back(fmt::format("{}: not drawn; gnuplot: {}", (folder / left[drawn]->name).string(),
                                   first_error(messages)));
    fs::remove(folder / (left[drawn]->name + ".svg"), error);
    left = left.subspan(drawn + 1);
  }
  write_file_atomically(program, script(plots, folder));  // all of them, for who wants to draw them otherwise
  fs::remove(messages, error);
  return problems;
}

}  // namespace melgrad
