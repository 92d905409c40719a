// What is said of an NVIDIA driver to which build.
#include "kernels/devices/cuda_driver.h"

#include <gtest/gtest.h>

namespace melgrad {
namespace {

TEST(CudaDriver, ServesOlderVersionsAndItsOwnMajorVersion) {
  for (const auto& [driver, runtime] :
       {std::pair(13000, 13000), {13000, 13020}, {13010, 12090}, {12040, 12090}, {12000, 12080}})
    EXPECT_EQ(wrong_with_driver(driver, runtime, "1"), "") << driver << " " << runtime;
}

TEST(CudaDriver, TooOldIsSaidWithTheOneNeeded) {
  EXPECT_EQ(wrong_with_driver(12040, 13000, "550.54.14"),
            "driver 550.54.14 is for CUDA up to 12.4, this build is for CUDA 13.0 and needs driver 580 or "
            "newer: update it, take the build for CUDA 12, or use --device cpu");
  // There is no build for CUDA 11; a machine may not say its driver's version.
  EXPECT_EQ(wrong_with_driver(11080, 12040, ""),
            "the driver is for CUDA up to 11.8, this build is for CUDA 12.4 and needs driver 525 or newer: "
            "update it, or use --device cpu");
  EXPECT_NE(wrong_with_driver(13000, 14000, "")
                .find("14.0 and needs a newer one: update it, take the build for CUDA 13"),
            std::string::npos);
}

TEST(CudaDriver, NoneIsSaidToBeNone) {
  EXPECT_EQ(wrong_with_driver(0, 12040, ""), "no NVIDIA driver on this machine; use --device cpu");
}

}  // namespace
}  // namespace melgrad
