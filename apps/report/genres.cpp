// The part of a report on genres.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "apps/report/gnuplot.h"
#include "apps/report/sections.h"
#include "models/metrics/evaluation.h"

namespace melgrad {
namespace {

std::string six_digits(double value) { return fmt::format("{:.6g}", value); }

// All test tracks of a group's runs.
struct Pool {
  std::vector<std::string> classes;
  std::vector<std::vector<std::int64_t>> confusion;  // [true][answer]
  std::vector<std::pair<const ReportRun*, const GenreTest::Track*>> tracks;
};

Pool pool(const RunGroup& group) {
  Pool out;
  for (const ReportRun* run : group.runs) {
    if (!run->genres) continue;
    if (out.classes.empty()) out.classes = run->genres->classes;
    const auto confusion = run->genres->confusion();
    if (out.confusion.empty())
      out.confusion.assign(confusion.size(), std::vector<std::int64_t>(confusion.size()));
    for (std::size_t r = 0; r < confusion.size(); ++r)
      for (std::size_t c = 0; c < confusion.size(); ++c) out.confusion[r][c] += confusion[r][c];
    for (const auto& track : run->genres->tracks) out.tracks.emplace_back(run, &track);
  }
  return out;
}

std::int64_t total(const std::vector<std::int64_t>& row) {
  std::int64_t sum = 0;
  for (const std::int64_t n : row) sum += n;
  return sum;
}

Plot confusion_plot(const Pool& p, const RunGroup& group) {
  Plot plot;
  plot.name = "confusion-" + group.id;
  plot.data = {{""}};
  for (const std::string& name : p.classes) plot.data[0].push_back(name);
  std::size_t worst_row = 0, worst_column = 0;
  double worst = -1;
  for (std::size_t r = 0; r < p.classes.size(); ++r) {
    std::vector<std::string> row = {p.classes[r]};
    const auto tracks = static_cast<double>(std::max<std::int64_t>(1, total(p.confusion[r])));
    for (std::size_t c = 0; c < p.classes.size(); ++c) {
      const double rate = static_cast<double>(p.confusion[r][c]) / tracks;
      row.push_back(six_digits(rate));
      if (r != c && rate > worst) {
        worst = rate;
        worst_row = r;
        worst_column = c;
      }
    }
    plot.data.push_back(std::move(row));
  }
  plot.caption =
      fmt::format("{}: confusion. Rows are the true genre and add up to 1, columns the answer; {} tracks.",
                  group.label, p.tracks.size());
  plot.alt = fmt::format(
      "Confusion matrix of {} genres; the most frequent mistake is {} taken for {}, in {:.0f} % of "
      "its tracks.",
      p.classes.size(), p.classes[worst_row], p.classes[worst_column], 100 * worst);
  // The cells' letters are of fixed colours: the cells do not turn dark with the page.
  plot.commands = R"(unset colorbox
set cbrange [0:1]
)" + heat_map(40) +
                  R"(, \
     '' matrix rowheaders columnheaders using 1:2:($3 >= 0.65 ? sprintf('%.2f', $3) : '') with labels \
       font ',11' tc rgb '#fefefe', \
     '' matrix rowheaders columnheaders using 1:2:($3 < 0.65 && $3 >= 0.005 ? sprintf('%.2f', $3) : '') \
       with labels font ',11' tc rgb '#08306b')";
  plot.height = 400;
  return plot;
}

Plot accuracy_plot(const Pool& p, const RunGroup& group) {
  Plot plot;
  plot.name = "genres-" + group.id;
  plot.data = {{"genre", "accuracy", "low", "high", "tracks"}};
  std::size_t best = 0, worst = 0;
  std::vector<double> each;
  for (std::size_t k = 0; k < p.classes.size(); ++k) {
    const std::int64_t tracks = total(p.confusion[k]);
    const double share =
        tracks == 0 ? 0 : static_cast<double>(p.confusion[k][k]) / static_cast<double>(tracks);
    const auto [low, high] = wilson_interval(share, static_cast<std::size_t>(tracks));
    plot.data.push_back(
        {p.classes[k], six_digits(share), six_digits(low), six_digits(high), fmt::format("{}", tracks)});
    each.push_back(share);
    if (share > each[best]) best = k;
    if (share < each[worst]) worst = k;
  }
  plot.caption = fmt::format(
      "{}: share of each genre's tracks answered rightly, with 95 % intervals (Wilson); the "
      "broken line is chance.",
      group.label);
  plot.alt =
      fmt::format("Dot plot of the accuracy of {} genres: best {} with {:.0f} %, worst {} with {:.0f} %.",
                  each.size(), p.classes[best], 100 * each[best], p.classes[worst], 100 * each[worst]);
  plot.commands = fmt::format(R"(set xrange [0:1]
set yrange [{0}-0.5:-0.5]
set xlabel 'accuracy'
set grid xtics noytics
plot data using ({1}):0 with lines lc rgb ink lw 1 dt 2, data using 2:0:3:4:ytic(1) with xerrorbars lt 1 ps 0.8)",
                              each.size(), 1.0 / static_cast<double>(each.size()));
  plot.height = 80 + 26 * static_cast<int>(each.size());
  return plot;
}

// Does an answer given with probability p come true with frequency p? Ten bins of equal width.
Plot calibration_plot(const Pool& p, const RunGroup& group) {
  constexpr std::size_t kBins = 10;
  struct Bin {
    double confidence = 0;
    std::int64_t tracks = 0, right = 0;
  };
  std::vector<Bin> bins(kBins);
  for (const auto& [run, track] : p.tracks) {
    Bin& bin = bins[bin_of(track->confidence, kBins)];
    bin.confidence += track->confidence;
    ++bin.tracks;
    bin.right += track->answer == track->label ? 1 : 0;
  }
  Plot plot;
  plot.name = "calibration-" + group.id;
  plot.data = {{"confidence", "accuracy", "low", "high", "tracks"}};
  double error = 0;
  for (const Bin& bin : bins) {
    if (bin.tracks == 0) continue;
    const auto tracks = static_cast<double>(bin.tracks);
    const double share = static_cast<double>(bin.right) / tracks, confidence = bin.confidence / tracks;
    const auto [low, high] = wilson_interval(share, static_cast<std::size_t>(bin.tracks));
    error += std::abs(share - confidence) * tracks / static_cast<double>(p.tracks.size());
    plot.data.push_back({six_digits(confidence), six_digits(share), six_digits(low), six_digits(high),
                         fmt::format("{}", bin.tracks)});
  }
  plot.caption = fmt::format(
      "{}: calibration. On the line an answer of 70 % is right 7 times in 10; expected "
      "calibration error {:.3f} over ten bins.",
      group.label, error);
  plot.alt = fmt::format(
      "Accuracy against the probability given, in {} bins with 95 % intervals, beside the diagonal; "
      "expected calibration error {:.3f}.",
      plot.data.size() - 1, error);
  plot.commands = R"(set xrange [0:1]
set yrange [0:1]
set xlabel 'probability of the answer'
set ylabel 'share that is right'
plot x with lines lc rgb ink dt 2 lw 1, data using 1:2:3:4 with yerrorlines lt 1 ps 0.8)";
  return plot;
}

void add_mistakes(Page& page, const Pool& p, const RunGroup& group) {
  auto tracks = p.tracks;
  std::erase_if(tracks, [](const auto& t) { return t.second->answer == t.second->label; });
  std::stable_sort(tracks.begin(), tracks.end(),
                   [](const auto& a, const auto& b) { return a.second->confidence > b.second->confidence; });
  const std::size_t wrong = tracks.size();
  tracks.resize(std::min<std::size_t>(10, wrong));
  if (tracks.empty()) return;
  TextRows rows = {{"track", "genre", "answer", "probability", "run"}};
  for (const auto& [run, track] : tracks) {
    rows.push_back({track->name, p.classes[static_cast<std::size_t>(track->label)],
                    p.classes[static_cast<std::size_t>(track->answer)],
                    fmt::format("{:.3f}", track->confidence), run->path});
  }
  page.table(fmt::format("{}: the most confident of {} mistakes", group.label, wrong), rows);
}

}  // namespace

void add_genre_results(Page& page, const std::vector<RunGroup>& groups) {
  for (const RunGroup& group : groups) {
    const Pool p = pool(group);
    if (p.tracks.empty()) continue;
    page.heading(2, "Genres: " + group.label);
    page.plot(confusion_plot(p, group));
    page.plot(accuracy_plot(p, group));
    page.plot(calibration_plot(p, group));
    add_mistakes(page, p, group);
  }
}

}  // namespace melgrad
