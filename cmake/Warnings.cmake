# Warnings that every target of ours is built with. Not exported to users.
option(RESNETD_WARNINGS_AS_ERRORS "Treat warnings as errors" OFF)

add_library(resnetd_warnings INTERFACE)
target_compile_options(resnetd_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  # A designated initialiser leaves out what has its default on purpose.
  -Wno-missing-field-initializers
  -Wnon-virtual-dtor -Woverloaded-virtual -Wvla
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wthread-safety-beta>
  $<$<BOOL:${RESNETD_WARNINGS_AS_ERRORS}>:-Werror>)
