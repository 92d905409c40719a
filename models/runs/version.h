// Which melgrad this is.
#pragma once

namespace melgrad {

// The git commit that the program was built from, with "+changes" where files differed from it; "unknown"
// outside of a checkout.
const char* commit();

}  // namespace melgrad
