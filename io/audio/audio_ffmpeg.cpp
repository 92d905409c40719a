// What libsndfile and libmpg123 cannot read, through the program ffmpeg: it writes an AU file of floats into
// a pipe. Nothing of it is linked, no shell sees the name, and neither a playlist nor a network address is
// followed.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/audio/decoder.h"
#include "kernels/text.h"

extern char** environ;

namespace melgrad {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostWords = 4096;  // bytes kept of what ffmpeg says
constexpr const char* kFfmpegFormats =
    "mov,aac,asf,xwma,matroska,webm,ac3,eac3,dts,dtshd,ape,wv,tta,tak,mpc,mpc8,amr,rm,avi,flv,ogg,mpeg,"
    "mpegts,"
    "dsf,iff,shn,wav,w64,aiff,au,caf,mp3,flac,truehd,mlp,oma,voc,latm,loas,3gp";

class Pipe {
 public:
  Pipe() { require(::pipe2(ends_, O_CLOEXEC) == 0, "pipe: {}", std::strerror(errno)); }
  ~Pipe() {
    close_writer();
    ::close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }
  void close_writer() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

// The message without the addresses in it, which differ from run to run, on one line.
std::string first_line(std::string words) {
  for (std::size_t at; (at = words.find(" @ 0x")) != std::string::npos;)
    words.erase(at, words.find_first_of("] ", at + 3) - at);
  words.resize(std::min({words.size(), words.find('\n'), std::size_t{200}}));
  return printable(words);
}

class FfmpegDecoder : public Decoder {
 public:
  FfmpegDecoder(const FilePtr& file, double seconds)
      : file_(file),
        deadline_(Clock::now() +
                  std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))),
        limit_(seconds) {
    start();
    try {
      read_head();
    } catch (...) {
      stop();
      throw;
    }
  }
  ~FfmpegDecoder() override { stop(); }

  std::size_t read(std::vector<float>& block) override {
    const std::size_t frame = sizeof(float) * static_cast<std::size_t>(channels);
    const std::size_t frames = std::max<std::size_t>(1, kBlockSamples / static_cast<std::size_t>(channels));
    bytes_.resize(frames * frame);
    const std::size_t n = fill(bytes_) / frame;
    block.resize(n * static_cast<std::size_t>(channels));
    for (std::size_t i = 0; i < block.size(); ++i) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, bytes_.data() + 4 * i, 4);
      bits = __builtin_bswap32(bits);
      std::memcpy(&block[i], &bits, 4);
    }
    if (n == 0) finish();
    return n;
  }

 private:
  void start() {
    // "file:" keeps a name from being taken for an option or a protocol.
    const FilePart& part = file_->part();
    std::string input = "file:" + part.file().string(), protocols = "file,pipe";
    if (part.archive) {  // its own way to read a range of a file as a file
      input = fmt::format("subfile,,start,{},end,{},,:{}", part.begin, part.begin + file_->size(), input);
      protocols += ",subfile";
    }
    const std::vector<std::string> words = {"ffmpeg",
                                            "-nostdin",
                                            "-v",
                                            "error",
                                            "-protocol_whitelist",
                                            protocols,
                                            "-format_whitelist",
                                            kFfmpegFormats,
                                            "-i",
                                            input,
                                            "-vn",
                                            "-sn",
                                            "-dn",
                                            "-map_metadata",
                                            "-1",
                                            "-c:a",
                                            "pcm_f32be",
                                            "-f",
                                            "au",
                                            "pipe:1"};
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, sound_.writer(), 1);
    posix_spawn_file_actions_adddup2(&actions, messages_.writer(), 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_t attributes;  // a group of its own: Ctrl-C at the terminal is for melgrad to answer
    posix_spawnattr_init(&attributes);
    sigset_t usual;  // what melgrad ignores would be ignored by its children too
    sigemptyset(&usual);
    for (const int signal : {SIGPIPE, SIGXFSZ}) sigaddset(&usual, signal);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    const int error = posix_spawnp(&process_, "ffmpeg", &actions, &attributes, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    sound_.close_writer();
    messages_.close_writer();
    if (error != 0) {
      process_ = -1;
      fail(ErrorKind::input, "{}: ffmpeg cannot be started ({}); install it, or convert the file",
           file_->path().string(), std::strerror(error));
    }
  }

  // Reads until `to` is full or there is no more; returns how many bytes there were.
  std::size_t fill(std::string& to) {
    std::size_t done = 0;
    while (done < to.size() && sound_open_) {
      wait();
      if (!sound_ready_) continue;
      const ssize_t n = ::read(sound_.reader(), to.data() + done, to.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) sound_open_ = false;
      else done += static_cast<std::size_t>(n);
    }
    return done;
  }

  // Until there is sound, or its end; what ffmpeg says meanwhile is kept. Throws when the time is over.
  void wait() {
    pollfd fds[2] = {{sound_.reader(), POLLIN, 0}, {messages_open_ ? messages_.reader() : -1, POLLIN, 0}};
    sound_ready_ = false;
    if (::poll(fds, 2, left()) <= 0) return;
    sound_ready_ = fds[0].revents != 0;
    if (fds[1].revents != 0) read_messages();
  }

  void read_messages() {
    char words[1024];
    const ssize_t n = ::read(messages_.reader(), words, sizeof words);
    if (n <= 0) messages_open_ = n < 0 && errno == EINTR;
    else if (said_.size() < kMostWords) said_.append(words, static_cast<std::size_t>(n));
  }

  void read_head() {
    std::string head(24, '\0');
    const auto u32 = [&](std::size_t at) {
      std::uint32_t value = 0;
      std::memcpy(&value, head.data() + at, 4);
      return __builtin_bswap32(value);
    };
    if (fill(head) < head.size() || !head.starts_with(".snd") || u32(12) != 6 || u32(4) < 24 ||
        u32(4) > 1 << 16) {
      finish();
      refuse(file_->path(), "ffmpeg found no sound in it");
    }
    rate = static_cast<int>(std::min<std::uint32_t>(u32(16), INT32_MAX));
    channels = static_cast<int>(std::clamp<std::uint32_t>(u32(20), 1, 1 << 16));
    std::string rest(u32(4) - 24, '\0');
    fill(rest);
  }

  // How long to wait at once, in ms. Throws when the time is over.
  int left() const {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    if (ms <= 0) refuse(file_->path(), "ffmpeg took more than {:g} s", limit_);
    return static_cast<int>(std::min<std::int64_t>(ms, 1000));
  }

  // The end: whether ffmpeg was content.
  void finish() {
    if (process_ <= 0) return;
    while (messages_open_) {
      pollfd fd = {messages_.reader(), POLLIN, 0};
      if (::poll(&fd, 1, left()) > 0) read_messages();
    }
    int status = 0;
    for (pid_t ended; (ended = ::waitpid(process_, &status, WNOHANG)) != process_;) {
      require(ended == 0 || errno == EINTR, "waitpid: {}", std::strerror(errno));
      ::poll(nullptr, 0, std::min(left(), 10));
    }
    process_ = -1;
    if (status != 0)
      refuse(file_->path(), "ffmpeg: {}", said_.empty() ? "failed without a word" : first_line(said_));
    if (!said_.empty()) complaint = "ffmpeg: " + first_line(said_);
  }

  void stop() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
  }

  FilePtr file_;
  Clock::time_point deadline_;
  double limit_;
  Pipe sound_, messages_;
  pid_t process_ = -1;
  bool sound_open_ = true, sound_ready_ = false, messages_open_ = true;
  std::string bytes_, said_;
};

}  // namespace

std::unique_ptr<Decoder> open_ffmpeg(const FilePtr& file, const AudioOptions& options) {
  return std::make_unique<FfmpegDecoder>(file, options.ffmpeg_seconds);
}

}  // namespace melgrad
