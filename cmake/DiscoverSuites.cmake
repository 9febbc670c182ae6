# What CTest runs when it reads the tests of a program that has one entry for
# each suite: see resnetd_test(BY_SUITE). Names of suites and tests hold letters,
# digits, _ and / alone, as GoogleTest demands.
cmake_minimum_required(VERSION 3.25)

# resnetd_write_suites(<program> <file> <alone> <properties>)
# Writes CTest's entries for the suites of <program> to <file>: those of the
# list <alone> test by test, where a skipped one is shown as skipped. In any
# other suite a skipped test is a failure: it would be seen nowhere.
# <properties>: a list of names and values.
function(resnetd_write_suites program file alone properties)
  execute_process(COMMAND "${program}" --gtest_list_tests
    OUTPUT_VARIABLE listed RESULT_VARIABLE failed TIMEOUT 120)
  if(failed)
    message(FATAL_ERROR "${program} cannot list its tests: ${failed}")
  endif()
  # Values of parameters stand behind a #, and may hold what a list falls
  # apart at.
  string(REGEX REPLACE " *#[^\n]*" "" listed "${listed}")
  string(REGEX MATCHALL "[^\n]+" lines "${listed}")
  set(quoted "")
  foreach(property IN LISTS properties)
    string(APPEND quoted " [==[${property}]==]")
  endforeach()
  set(script "")
  set(suite "")
  foreach(line IN LISTS lines)
    if(line MATCHES "^([A-Za-z0-9_/]+)\\.$")
      set(suite "${CMAKE_MATCH_1}")
      set(name "${suite}")
      set(filter "${suite}.*")
      set(on_skip FAIL_REGULAR_EXPRESSION)
      if(suite IN_LIST alone)
        continue()
      endif()
    elseif(suite IN_LIST alone AND line MATCHES "^  ([A-Za-z0-9_/]+)$")
      set(name "${suite}.${CMAKE_MATCH_1}")
      set(filter "${name}")
      set(on_skip SKIP_REGULAR_EXPRESSION)
    else()
      continue()
    endif()
    string(APPEND script
      "add_test([==[${name}]==] [==[${program}]==] [==[--gtest_filter=${filter}]==])\n"
      "set_tests_properties([==[${name}]==] PROPERTIES ${on_skip}"
      " [==[\\[  SKIPPED \\]]==]${quoted})\n")
  endforeach()
  if(NOT script)
    message(FATAL_ERROR "${program} lists no tests")
  endif()
  file(WRITE "${file}" "${script}")
endfunction()
