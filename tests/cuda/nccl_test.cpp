// NCCL as it is found, or not, at run time; without a GPU.
#include "kernels/cuda/nccl.h"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <type_traits>

#include "kernels/devices/make_device.h"
#include "kernels/error.h"

#if __has_include(<nccl.h>)
#include <nccl.h>
#define MELGRAD_HAS_NCCL_HEADER
#endif

namespace melgrad {
namespace {

#ifdef MELGRAD_HAS_NCCL_HEADER
template <typename A, typename B>
constexpr bool kAlike = sizeof(A) == sizeof(B) && std::is_pointer_v<A> == std::is_pointer_v<B>;

// Whether two functions are called alike: NCCL's enumerations are our int.
template <typename R, typename... A, typename S, typename... B>
constexpr bool alike(R (*)(A...), S (*)(B...)) {
  if constexpr (sizeof...(A) != sizeof...(B)) return false;
  else return kAlike<R, S> && (kAlike<A, B> && ...);
}
#define MELGRAD_ALIKE(member, function) \
  static_assert(alike(decltype(Nccl::member)(nullptr), decltype (&(function))(nullptr)))
MELGRAD_ALIKE(error_string, ncclGetErrorString);
MELGRAD_ALIKE(last_error, ncclGetLastError);
MELGRAD_ALIKE(get_unique_id, ncclGetUniqueId);
MELGRAD_ALIKE(comm_init_rank, ncclCommInitRank);
MELGRAD_ALIKE(comm_get_async_error, ncclCommGetAsyncError);
MELGRAD_ALIKE(comm_abort, ncclCommAbort);
MELGRAD_ALIKE(comm_destroy, ncclCommDestroy);
MELGRAD_ALIKE(group_start, ncclGroupStart);
MELGRAD_ALIKE(group_end, ncclGroupEnd);
MELGRAD_ALIKE(send, ncclSend);
MELGRAD_ALIKE(receive, ncclRecv);
MELGRAD_ALIKE(all_gather, ncclAllGather);
static_assert(sizeof(NcclId) == NCCL_UNIQUE_ID_BYTES && kNcclFloat == ncclFloat && ncclSuccess == 0);
#endif

std::string refusal_of(const std::string& library) {
  ::setenv("MELGRAD_NCCL", library.c_str(), 1);
  std::string message;
  try {
    load_nccl();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  ::unsetenv("MELGRAD_NCCL");
  return message;
}

// This program runs, though NCCL is not there.
TEST(NcclLibrary, one_that_is_absent_old_or_another_is_refused_in_a_line) {
  EXPECT_EQ(refusal_of("libnone.so.2"),
            "NCCL cannot be loaded (libnone.so.2: cannot open shared object file: No such file or "
            "directory); install "
            "it, or name it in MELGRAD_NCCL");
  EXPECT_EQ(refusal_of("libm.so.6"), "libm.so.6 has no ncclGetVersion: install NCCL 2.9 or later");
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::string old = (beside / "libold_nccl.so").string();
  EXPECT_EQ(refusal_of(old), old + " is NCCL 2.8.4, whose calls cannot be recorded: install 2.9 or later");
  ::setenv("MELGRAD_NCCL", "libnone.so.2", 1);
  EXPECT_NE(cuda_report().find("no NCCL: NCCL cannot be loaded (libnone.so.2: "), std::string::npos)
      << cuda_report();
  ::unsetenv("MELGRAD_NCCL");
}

TEST(NcclLibrary, gives_the_same_id_to_all_that_meet_in_one_place) {
  Nccl nccl;
  try {
    nccl = load_nccl();
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  EXPECT_NE(cuda_report().find("NCCL " + nccl.version), std::string::npos) << cuda_report();
  ::setenv("NCCL_COMM_ID", "127.0.0.1:29501", 1);
  NcclId one = {}, other = {};
  EXPECT_EQ(nccl.get_unique_id(&one), 0);
  EXPECT_EQ(nccl.get_unique_id(&other), 0);
  EXPECT_EQ(std::string(one.bytes, sizeof one.bytes), std::string(other.bytes, sizeof other.bytes));
  EXPECT_NE(std::string(one.bytes, sizeof one.bytes), std::string(sizeof one.bytes, '\0'));
  ::unsetenv("NCCL_COMM_ID");
}

}  // namespace
}  // namespace melgrad
