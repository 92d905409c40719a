// Ogg files link after link: libsndfile hears the first only. Links are found by the heads of pages.
#include <set>

#include "io/audio/decoder.h"

namespace melgrad {
namespace {

struct Link {
  std::int64_t begin = 0, end = 0;
  bool complete = true;  // each stream in it has a page that is marked as its last
};

class OggLinks {
 public:
  explicit OggLinks(const InputFile& file) : bytes_(file) {}

  std::vector<Link> all() {
    for (std::int64_t at = 0; at < bytes_.size();) {
      const std::string_view head = bytes_.peek(at, 27);
      if (!head.starts_with("OggS")) {  // damage, or bytes after the end
        if (const auto found = bytes_.peek(at, ByteWalker::kMost).find("OggS", 1);
            found != std::string_view::npos)
          at += static_cast<std::int64_t>(found);
        else at += static_cast<std::int64_t>(ByteWalker::kMost) - 3;
        continue;
      }
      if (head.size() < 27) break;
      at = page(at, head[5], bytes_.u32_be(at + 14), static_cast<unsigned char>(head[26]));
    }
    close(bytes_.size());
    return links_;
  }

 private:
  // Takes account of the page at `at`; returns where the next begins.
  std::int64_t page(std::int64_t at, char flags, std::uint32_t serial, std::size_t segments) {
    std::int64_t end = at + 27 + static_cast<std::int64_t>(segments);
    for (const char size : bytes_.peek(at + 27, segments)) end += static_cast<unsigned char>(size);
    const bool first = (flags & 2) != 0, last = (flags & 4) != 0;
    if (first && !heads_) {  // the heads of all streams of a link stand together before everything else
      close(at);
      links_.push_back({at, at});
      open_.clear();
    }
    heads_ = first;
    if (first) open_.insert(serial);
    if (last && end <= bytes_.size()) open_.erase(serial);
    return end;
  }

  void close(std::int64_t at) {
    if (links_.empty()) return;
    links_.back().end = at;
    links_.back().complete = open_.empty();
  }

  ByteWalker bytes_;
  std::vector<Link> links_;
  std::set<std::uint32_t> open_;
  bool heads_ = false;  // whether the last page began a stream
};

class OggDecoder : public Decoder {
 public:
  explicit OggDecoder(const FilePtr& file) : file_(file), links_(OggLinks(*file).all()) {
    if (links_.empty()) refuse(file->path(), "cannot be decoded (no Ogg page begins a stream)");
    open();
  }

  std::size_t read(std::vector<float>& block) override {
    for (;;) {
      const std::size_t frames = link_->read(block);
      if (frames > 0) return frames;
      cut_short |= link_->cut_short || !links_[at_].complete;
      if (++at_ == links_.size()) return 0;
      open();
    }
  }

 private:
  void open() {
    link_ = open_sndfile(file_, links_[at_].begin, links_[at_].end);
    rate = link_->rate;
    channels = link_->channels;
  }

  FilePtr file_;
  std::vector<Link> links_;
  std::size_t at_ = 0;
  std::unique_ptr<Decoder> link_;
};

}  // namespace

std::unique_ptr<Decoder> open_ogg(const FilePtr& file) { return std::make_unique<OggDecoder>(file); }

}  // namespace melgrad
