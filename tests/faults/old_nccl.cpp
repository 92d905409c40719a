// What melgrad is to refuse: an NCCL of 2020.
extern "C" int ncclGetVersion(int* version) {
  *version = 2804;
  return 0;
}
