# Compiler cache, linker and sanitizers: how to build, never what.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # base_dir and hash_dir: trees in different folders share their objects.
  # The sloppiness values are the ones ccache asks for with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}"
    CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros
    ${CCACHE_PROGRAM})
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

# The wheel's headers are parsed once per tree and that must not depend on
# where the tree is, so that the compiler cache can serve it.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

if(RESNETD_SANITIZE)
  add_compile_options(-fsanitize=${RESNETD_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # What sanitizers insert makes GCC see uninitialised values where there are
    # none (its manual, -fsanitize=address).
    add_compile_options(-Wno-error=maybe-uninitialized)
  endif()
  add_link_options(-fsanitize=${RESNETD_SANITIZE})
endif()

if(RESNETD_FUZZ)
  # Counts which branches are taken. A target adds libFuzzer's main itself.
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
