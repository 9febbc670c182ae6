# What FindLibTorch.cmake asks of a machine, as functions without memory.

# libtorch_locate(<result> <folder>...)
# The first of the folders that holds a LibTorch, itself, as a wheel or pip's
# target folder does, or as a zip does; empty when none does.
function(libtorch_locate result)
  foreach(folder IN LISTS ARGN)
    foreach(inner IN ITEMS "" "/torch" "/torch/torch" "/libtorch")
      if(EXISTS "${folder}${inner}/include/ATen/ATen.h"
         AND EXISTS "${folder}${inner}/lib/libtorch_cpu.so")
        file(REAL_PATH "${folder}${inner}" root)
        set(${result} "${root}" PARENT_SCOPE)
        return()
      endif()
    endforeach()
  endforeach()
  set(${result} "" PARENT_SCOPE)
endfunction()

# libtorch_of_python(<result>)
# The folder of python3's torch package; find_spec does not run the package.
function(libtorch_of_python result)
  find_program(LIBTORCH_PYTHON NAMES python3)
  mark_as_advanced(LIBTORCH_PYTHON)
  set(${result} "" PARENT_SCOPE)
  if(LIBTORCH_PYTHON)
    execute_process(
      COMMAND "${LIBTORCH_PYTHON}" -c
        "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s and s.submodule_search_locations else '', end='')"
      OUTPUT_VARIABLE folder ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed)
      set(${result} "${folder}" PARENT_SCOPE)
    endif()
  endif()
endfunction()

# libtorch_version(<result> <root>)
# E.g. 2.11.0, from the headers; empty when they do not say.
function(libtorch_version result root)
  set(${result} "" PARENT_SCOPE)
  # 2.11 keeps the numbers in headeronly/, older ones in the C++ API's folder.
  foreach(header IN ITEMS torch/csrc/api/include/torch/version.h
          torch/headeronly/version.h)
    if(EXISTS "${root}/include/${header}")
      file(READ "${root}/include/${header}" text)
      if(text MATCHES "TORCH_VERSION_MAJOR ([0-9]+)")
        set(version "${CMAKE_MATCH_1}")
        foreach(part IN ITEMS MINOR PATCH)
          string(REGEX MATCH "TORCH_VERSION_${part} ([0-9]+)" match "${text}")
          string(APPEND version ".${CMAKE_MATCH_1}")
        endforeach()
        set(${result} "${version}" PARENT_SCOPE)
      endif()
    endif()
  endforeach()
endfunction()

# libtorch_cuda_headers(<folder result> <version result> <root>)
# CUDA's headers for the LibTorch at <root>: of the nvidia wheels beside it, or
# of the toolkit that CUDA_HOME names. Empty when there are none.
function(libtorch_cuda_headers folder_result version_result root)
  set(${folder_result} "" PARENT_SCOPE)
  set(${version_result} "" PARENT_SCOPE)
  foreach(folder IN ITEMS "${root}/../nvidia/cu13/include"
          "$ENV{CUDA_HOME}/include")
    # One header of each package that LibTorch's own CUDA headers reach.
    if(EXISTS "${folder}/cuda.h" AND EXISTS "${folder}/cuda_runtime_api.h"
       AND EXISTS "${folder}/crt/host_defines.h"
       AND EXISTS "${folder}/cublas_v2.h" AND EXISTS "${folder}/cusparse.h"
       AND EXISTS "${folder}/cusolverDn.h")
      file(STRINGS "${folder}/cuda.h" number
        REGEX "define CUDA_VERSION +[0-9]+" LIMIT_COUNT 1)
      string(REGEX MATCH "[0-9]+" number "${number}")
      math(EXPR major "${number} / 1000")
      math(EXPR minor "${number} % 1000 / 10")
      file(REAL_PATH "${folder}" folder)
      set(${folder_result} "${folder}" PARENT_SCOPE)
      set(${version_result} "${major}.${minor}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()
