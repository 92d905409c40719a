# Writes OUT, which defines commit() of models/runs/version.h, if it would change: cmake -DSOURCE=.. -DOUT=.. -P this.
# Outside of a checkout, and below somebody else's, the commit is unknown.
execute_process(COMMAND git -C ${SOURCE} rev-parse --show-prefix
  OUTPUT_VARIABLE prefix RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
set(commit "unknown")
if(failed EQUAL 0 AND prefix STREQUAL "")
  execute_process(COMMAND git -C ${SOURCE} describe --always --abbrev=12 --exclude=* --dirty=+changes
    OUTPUT_VARIABLE commit RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT failed EQUAL 0)
    set(commit "unknown")
  endif()
endif()
set(text "#include \"models/runs/version.h\"\n\nconst char* melgrad::commit() { return \"${commit}\"; }\n")
set(old "")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT text STREQUAL old)
  file(WRITE ${OUT} "${text}")
endif()
