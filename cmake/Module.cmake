# resnetd_module(<name> SOURCES ... HEADERS ... DEPS ... PRIVATE_DEPS ...)
# One folder of server/ = one static library = one public concept.
# DEPS are seen through the headers; PRIVATE_DEPS (big third-party libraries)
# stay behind the door of the module.
function(resnetd_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;HEADERS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(resnetd_${name} STATIC)
  add_library(resnetd::${name} ALIAS resnetd_${name})
  target_sources(resnetd_${name}
    PRIVATE ${ARG_SOURCES}
    PUBLIC FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}" FILES ${ARG_HEADERS})
  target_link_libraries(resnetd_${name}
    PUBLIC ${ARG_DEPS} PRIVATE resnetd_warnings ${ARG_PRIVATE_DEPS})
endfunction()

# resnetd_test(<name> [BY_SUITE] SOURCES ... DEPS ... LABELS ... [TIMEOUT seconds]
#              [ALONE <suite>...])
# One executable with googletest's main; each TEST becomes one ctest entry.
# BY_SUITE: each suite does, for programs whose start takes longer than most of
# their tests, as it does where LibTorch is linked; ALONE names the suites of
# which some tests may be skipped, and which are therefore listed test by test.
# Without TIMEOUT the one of the test preset counts, or of ./dev test long.
#
# OpenMP's teams have one thread unless a test asks for more: ctest runs as many
# tests at once as there are cores, and of two teams on the same cores one spins
# while it waits for a thread that has none, which makes them ten times as slow.
function(resnetd_test name)
  cmake_parse_arguments(ARG "BY_SUITE" "TIMEOUT" "SOURCES;DEPS;LABELS;ALONE" ${ARGN})
  set(properties LABELS "${ARG_LABELS}" ENVIRONMENT OMP_NUM_THREADS=1)
  if(ARG_TIMEOUT)
    list(APPEND properties TIMEOUT ${ARG_TIMEOUT})
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_compile_definitions(${name} PRIVATE
    RESNETD_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    RESNETD_BINARY_DIR="${PROJECT_BINARY_DIR}")
  target_link_libraries(${name}
    PRIVATE ${ARG_DEPS} resnetd_warnings GTest::gmock GTest::gtest_main)
  if(ARG_BY_SUITE)
    resnetd_discover_suites(${name} "${ARG_ALONE}" "${properties}")
    return()
  endif()
  # LibTorch with CUDA is gigabytes: on a cold disk a test that links it takes
  # more than the default of 5 s to tell what is in it.
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120
    PROPERTIES ${properties})
endfunction()

# resnetd_discover_suites(<program> <alone> <properties>)
# See resnetd_test(); the entries are written when ctest starts and the program
# is newer than they are.
function(resnetd_discover_suites program alone properties)
  set(base "${CMAKE_CURRENT_BINARY_DIR}/${program}_suites")
  file(GENERATE OUTPUT "${base}.cmake" CONTENT
"if(NOT EXISTS [==[$<TARGET_FILE:${program}>]==])
  add_test([==[${program}_NOT_BUILT]==] [==[${program}_NOT_BUILT]==])
  return()
endif()
if(NOT EXISTS [==[${base}_found.cmake]==] OR
   NOT [==[${base}_found.cmake]==] IS_NEWER_THAN [==[$<TARGET_FILE:${program}>]==] OR
   NOT [==[${base}_found.cmake]==] IS_NEWER_THAN \"\${CMAKE_CURRENT_LIST_FILE}\")
  include([==[${PROJECT_SOURCE_DIR}/cmake/DiscoverSuites.cmake]==])
  resnetd_write_suites([==[$<TARGET_FILE:${program}>]==] [==[${base}_found.cmake]==]
    [==[${alone}]==] [==[${properties}]==])
endif()
include([==[${base}_found.cmake]==])
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${base}.cmake")
endfunction()

# resnetd_plugin_host(<target> [<module>...])
# Makes an executable one that the LibTorch plug-in can be loaded into: all of
# base, telemetry, image, store, models, finetune and of the further modules is in
# it, needed by the executable or not, and their symbols are exported; where abseil is
# in the executable, that is exported too.
function(resnetd_plugin_host target)
  foreach(module IN ITEMS base telemetry image store models finetune LISTS ARGN)
    if(TARGET resnetd_${module})
      target_link_libraries(${target} PRIVATE resnetd_${module})
      # The objects themselves: what a WHOLE_ARCHIVE link means, but archives
      # that depend on each other come twice on a link line, and GNU ld then
      # takes them twice.
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:resnetd_${module}>)
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES ENABLE_EXPORTS ON)
  resnetd_export_absl(${target})
endfunction()
