#include "kernels/cuda/nccl.h"

#include <cstdlib>
#include <dlfcn.h>

#include "kernels/error.h"

namespace melgrad {
namespace {

constexpr int kOldest =
    20900;  // as NCCL counts since 2.9: 10000 major + 100 minor + patch; before, 1000 major

std::string library_name() {
  const char* named = std::getenv("MELGRAD_NCCL");
  return named != nullptr ? named : "libnccl.so.2";
}

std::string version_of(int code) {
  const int major = code < 10000 ? 1000 : 10000;
  return fmt::format("{}.{}.{}", code / major, code % major / 100, code % 100);
}

template <typename Function>
bool find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(::dlsym(library, name));
  return function != nullptr;
}

}  // namespace

Nccl load_nccl() {
  const std::string name = library_name();
  void* library = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);  // and it stays: it has threads of its own
  if (library == nullptr)
    fail(ErrorKind::device, "NCCL cannot be loaded ({}); install it, or name it in MELGRAD_NCCL",
         ::dlerror());
  const auto need = [&](const char* function_name, auto& function) {
    if (!find(library, function_name, function))
      fail(ErrorKind::device, "{} has no {}: install NCCL 2.9 or later", name, function_name);
  };
  int (*get_version)(int*) = nullptr;
  int version = 0;
  need("ncclGetVersion", get_version);
  if (get_version(&version) != 0 || version < kOldest)
    fail(ErrorKind::device, "{} is NCCL {}, whose calls cannot be recorded: install 2.9 or later", name,
         version_of(version));
  Nccl nccl;
  nccl.version = version_of(version);
  need("ncclGetErrorString", nccl.error_string);
  find(library, "ncclGetLastError", nccl.last_error);
  need("ncclGetUniqueId", nccl.get_unique_id);
  need("ncclCommInitRank", nccl.comm_init_rank);
  need("ncclCommGetAsyncError", nccl.comm_get_async_error);
  need("ncclCommAbort", nccl.comm_abort);
  need("ncclCommDestroy", nccl.comm_destroy);
  need("ncclGroupStart", nccl.group_start);
  need("ncclGroupEnd", nccl.group_end);
  need("ncclSend", nccl.send);
  need("ncclRecv", nccl.receive);
  need("ncclAllGather", nccl.all_gather);
  return nccl;
}

std::string describe_nccl() {
  try {
    return "NCCL " + load_nccl().version;
  } catch (const Error& error) {
    return fmt::format("no NCCL: {}", error.what());
  }
}

}  // namespace melgrad
