# Finds LibTorch without asking for a CUDA toolkit, as find_package(Torch) does.
#
# Where it looks, in this order:
#   LIBTORCH_ROOT   cache or environment: the `torch` folder of a wheel, an
#                   unpacked libtorch zip, or a folder that holds one of them
#   .deps/          of the project: what `./dev setup` installs
#   python3         its site-packages, without importing torch
#
# Sets LibTorch_FOUND, LibTorch_VERSION, LibTorch_ROOT, LibTorch_LIBRARY_DIR,
# and LibTorch_HAS_CUDA with LibTorch_CUDA_VERSION when the CUDA libraries and
# their headers are there too. LibTorch_PROBLEM says why it was not found.
# Targets:
#   torch::cpu    libtorch_cpu, libc10
#   torch::cuda   torch::cpu, libtorch_cuda, libc10_cuda; CUDA headers. Its
#                 libraries register kernels when they are loaded and nothing
#                 calls them by name, so they are linked whatever the linker
#                 thinks of their use.
#
# The include folder of a wheel carries headers of protobuf and oneDNN of its
# own: link these targets only to files that see neither of the system's.

set(LibTorch_WANTED_VERSION 2.11)

set(LIBTORCH_ROOT "" CACHE PATH
  "Folder of LibTorch ${LibTorch_WANTED_VERSION} with include/ and lib/")
# The environment's value is kept in the cache, since a build may configure
# again without it; it replaces an older one of the environment, but no -D.
if(DEFINED ENV{LIBTORCH_ROOT}
   AND LIBTORCH_ROOT STREQUAL "${LIBTORCH_ROOT_OF_ENVIRONMENT}")
  set_property(CACHE LIBTORCH_ROOT PROPERTY VALUE "$ENV{LIBTORCH_ROOT}")
  set(LIBTORCH_ROOT_OF_ENVIRONMENT "$ENV{LIBTORCH_ROOT}" CACHE INTERNAL "")
endif()

# The first of the folders that holds a LibTorch: itself, torch/ or libtorch/.
function(_libtorch_locate result)
  foreach(folder IN LISTS ARGN)
    foreach(inner IN ITEMS "" "/torch" "/libtorch")
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

# The folder of python3's torch package; find_spec does not run the package.
function(_libtorch_of_python result)
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

# LIBTORCH_ROOT is a decision: when it is set, nothing else is looked at.
set(_libtorch_problem "")
if(LIBTORCH_ROOT)
  _libtorch_locate(LibTorch_ROOT "${LIBTORCH_ROOT}")
  if(NOT LibTorch_ROOT)
    set(_libtorch_problem "LIBTORCH_ROOT is ${LIBTORCH_ROOT}, but there is no include/ATen/ATen.h and lib/libtorch_cpu.so in it, its torch/ or its libtorch/. Point it to the torch folder of a wheel of version ${LibTorch_WANTED_VERSION}, or unset it and run ./dev setup.")
  endif()
else()
  _libtorch_locate(LibTorch_ROOT
    "${PROJECT_SOURCE_DIR}/.deps" "${PROJECT_SOURCE_DIR}/.deps/torch")
  if(NOT LibTorch_ROOT)
    _libtorch_of_python(_libtorch_python_folder)
    if(_libtorch_python_folder)
      _libtorch_locate(LibTorch_ROOT "${_libtorch_python_folder}")
    endif()
  endif()
  if(NOT LibTorch_ROOT)
    set(_libtorch_problem "LibTorch ${LibTorch_WANTED_VERSION} is neither in .deps/ nor known to python3. Run ./dev setup to install it into .deps/, or set LIBTORCH_ROOT to a copy of it.")
  endif()
endif()

set(LibTorch_VERSION "")
if(LibTorch_ROOT)
  # 2.11 keeps the numbers in headeronly/, older ones in the C++ API's folder.
  foreach(_libtorch_header IN ITEMS torch/headeronly/version.h
          torch/csrc/api/include/torch/version.h)
    if(NOT LibTorch_VERSION
       AND EXISTS "${LibTorch_ROOT}/include/${_libtorch_header}")
      file(READ "${LibTorch_ROOT}/include/${_libtorch_header}" _libtorch_text)
      if(_libtorch_text MATCHES "define TORCH_VERSION_MAJOR ([0-9]+)")
        set(LibTorch_VERSION "${CMAKE_MATCH_1}")
        foreach(_libtorch_part IN ITEMS MINOR PATCH)
          string(REGEX MATCH "define TORCH_VERSION_${_libtorch_part} ([0-9]+)"
            _libtorch_match "${_libtorch_text}")
          string(APPEND LibTorch_VERSION ".${CMAKE_MATCH_1}")
        endforeach()
      endif()
    endif()
  endforeach()
  if(NOT LibTorch_VERSION MATCHES "^2\\.11\\.")
    set(_libtorch_problem "${LibTorch_ROOT} holds LibTorch ${LibTorch_VERSION}, but the code is written for ${LibTorch_WANTED_VERSION}. Run ./dev setup, or set LIBTORCH_ROOT to a copy of that version.")
  endif()
endif()

# The CUDA headers come with the nvidia wheels beside torch, or with a toolkit.
set(LibTorch_HAS_CUDA FALSE)
set(LibTorch_CUDA_VERSION "")
set(_libtorch_cuda_include "")
if(LibTorch_ROOT AND EXISTS "${LibTorch_ROOT}/lib/libtorch_cuda.so"
   AND EXISTS "${LibTorch_ROOT}/lib/libc10_cuda.so")
  foreach(_libtorch_folder IN ITEMS
          "${LibTorch_ROOT}/../nvidia/cu13/include" "$ENV{CUDA_HOME}/include"
          "/usr/local/cuda/include")
    # One header of each package that LibTorch's own CUDA headers reach.
    if(NOT _libtorch_cuda_include
       AND EXISTS "${_libtorch_folder}/cuda_runtime_api.h"
       AND EXISTS "${_libtorch_folder}/crt/host_defines.h"
       AND EXISTS "${_libtorch_folder}/cublas_v2.h"
       AND EXISTS "${_libtorch_folder}/cusparse.h"
       AND EXISTS "${_libtorch_folder}/cusolverDn.h")
      file(REAL_PATH "${_libtorch_folder}" _libtorch_cuda_include)
    endif()
  endforeach()
endif()
if(_libtorch_cuda_include)
  file(STRINGS "${_libtorch_cuda_include}/cuda.h" _libtorch_match
    REGEX "define CUDA_VERSION +[0-9]+" LIMIT_COUNT 1)
  string(REGEX MATCH "[0-9]+" _libtorch_match "${_libtorch_match}")
  math(EXPR _libtorch_major "${_libtorch_match} / 1000")
  math(EXPR _libtorch_minor "${_libtorch_match} % 1000 / 10")
  set(LibTorch_CUDA_VERSION "${_libtorch_major}.${_libtorch_minor}")
  # The wheel of this version is built for CUDA 13: headers of another major
  # version would compile and then disagree with it in memory.
  if(_libtorch_major EQUAL 13)
    set(LibTorch_HAS_CUDA TRUE)
  endif()
endif()

include(FindPackageHandleStandardArgs)
set(LibTorch_PROBLEM "${_libtorch_problem}")
if(LibTorch_PROBLEM)
  set(LibTorch_FOUND FALSE)
  if(LibTorch_FIND_REQUIRED)
    message(FATAL_ERROR "${LibTorch_PROBLEM}")
  elseif(NOT LibTorch_FIND_QUIETLY)
    message(STATUS "${LibTorch_PROBLEM}")
  endif()
  return()
endif()
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_ROOT VERSION_VAR LibTorch_VERSION)

set(LibTorch_LIBRARY_DIR "${LibTorch_ROOT}/lib")
if(NOT TARGET torch::cpu)
  add_library(torch::c10 SHARED IMPORTED)
  set_target_properties(torch::c10 PROPERTIES
    IMPORTED_LOCATION "${LibTorch_LIBRARY_DIR}/libc10.so"
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_ROOT}/include")
  add_library(torch::cpu SHARED IMPORTED)
  set_target_properties(torch::cpu PROPERTIES
    IMPORTED_LOCATION "${LibTorch_LIBRARY_DIR}/libtorch_cpu.so"
    INTERFACE_INCLUDE_DIRECTORIES
      "${LibTorch_ROOT}/include;${LibTorch_ROOT}/include/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES torch::c10)
endif()
if(LibTorch_HAS_CUDA AND NOT TARGET torch::cuda)
  foreach(_libtorch_name IN ITEMS torch_cuda c10_cuda)
    add_library(torch::${_libtorch_name} SHARED IMPORTED)
    set_target_properties(torch::${_libtorch_name} PROPERTIES
      IMPORTED_LOCATION "${LibTorch_LIBRARY_DIR}/lib${_libtorch_name}.so")
  endforeach()
  add_library(torch::cuda INTERFACE IMPORTED)
  target_include_directories(torch::cuda SYSTEM INTERFACE
    "${_libtorch_cuda_include}")
  target_link_options(torch::cuda INTERFACE "LINKER:--no-as-needed")
  target_link_libraries(torch::cuda INTERFACE
    torch::torch_cuda torch::c10_cuda torch::cpu)
endif()
