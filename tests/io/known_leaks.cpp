// libsndfile 1.2.0 does not free libvorbis's state when opening a damaged Ogg file fails; the damaged files
// of audio_test.cpp would end every run under LeakSanitizer with that report. Other leaks are still reported.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:vorbis_info_init\n"; }
