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
#   torch::cudart CUDA's runtime, which libc10_cuda brings; to be named where an
#                 executable calls it itself
#
# The include folder of a wheel carries headers of protobuf and oneDNN of its
# own: link these targets only to files that see neither of the system's.

include("${CMAKE_CURRENT_LIST_DIR}/LibTorchSearch.cmake")
# Headers of other numbers would compile and then disagree with the libraries
# in memory: the wheel of this version is built for CUDA 13.
set(LibTorch_WANTED_VERSION 2.11)
set(LibTorch_WANTED_CUDA 13)

set(LIBTORCH_ROOT "" CACHE PATH
  "Folder of LibTorch ${LibTorch_WANTED_VERSION} with include/ and lib/")
# The environment's value is kept in the cache, since a build may configure
# again without it; it replaces an older one of the environment, but no -D.
if(DEFINED ENV{LIBTORCH_ROOT}
   AND LIBTORCH_ROOT STREQUAL "${LIBTORCH_ROOT_OF_ENVIRONMENT}")
  set_property(CACHE LIBTORCH_ROOT PROPERTY VALUE "$ENV{LIBTORCH_ROOT}")
  set(LIBTORCH_ROOT_OF_ENVIRONMENT "$ENV{LIBTORCH_ROOT}" CACHE INTERNAL "")
endif()

# LIBTORCH_ROOT is a decision: when it is set, nothing else is looked at.
set(LibTorch_PROBLEM "")
set(LibTorch_VERSION "")
if(LIBTORCH_ROOT)
  libtorch_locate(LibTorch_ROOT "${LIBTORCH_ROOT}")
  set(LibTorch_PROBLEM "LIBTORCH_ROOT is ${LIBTORCH_ROOT}, but there is no include/ATen/ATen.h and lib/libtorch_cpu.so in it, nor in torch/, torch/torch/ or libtorch/ there. Point it to the torch folder of a wheel of version ${LibTorch_WANTED_VERSION}, or unset it and run ./dev setup.")
else()
  libtorch_of_python(_libtorch_python_folder)
  libtorch_locate(LibTorch_ROOT "${PROJECT_SOURCE_DIR}/.deps"
    ${_libtorch_python_folder})
  set(LibTorch_PROBLEM "LibTorch ${LibTorch_WANTED_VERSION} is neither in .deps/ nor known to python3. Run ./dev setup to install it into .deps/, or set LIBTORCH_ROOT to a copy of it.")
endif()
if(LibTorch_ROOT)
  libtorch_version(LibTorch_VERSION "${LibTorch_ROOT}")
  string(FIND "${LibTorch_VERSION}." "${LibTorch_WANTED_VERSION}." _libtorch_at)
  if(_libtorch_at EQUAL 0)
    set(LibTorch_PROBLEM "")
  else()
    set(LibTorch_PROBLEM "${LibTorch_ROOT} holds LibTorch ${LibTorch_VERSION}, but the code is written for ${LibTorch_WANTED_VERSION}. Run ./dev setup, or set LIBTORCH_ROOT to a copy of that version.")
  endif()
endif()

if(LibTorch_PROBLEM)
  set(LibTorch_FOUND FALSE)
  if(LibTorch_FIND_REQUIRED)
    message(FATAL_ERROR "${LibTorch_PROBLEM}")
  elseif(NOT LibTorch_FIND_QUIETLY)
    message(STATUS "${LibTorch_PROBLEM}")
  endif()
  return()
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_ROOT VERSION_VAR LibTorch_VERSION)

set(LibTorch_LIBRARY_DIR "${LibTorch_ROOT}/lib")
libtorch_cuda_headers(_libtorch_cuda_include LibTorch_CUDA_VERSION
  "${LibTorch_ROOT}")
set(LibTorch_HAS_CUDA FALSE)
if(LibTorch_CUDA_VERSION MATCHES "^${LibTorch_WANTED_CUDA}\\."
   AND EXISTS "${LibTorch_LIBRARY_DIR}/libtorch_cuda.so"
   AND EXISTS "${LibTorch_LIBRARY_DIR}/libc10_cuda.so")
  set(LibTorch_HAS_CUDA TRUE)
endif()

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
  add_library(torch::cudart INTERFACE IMPORTED)
  file(GLOB _libtorch_cudart
    "${_libtorch_cuda_include}/../lib/libcudart.so.${LibTorch_WANTED_CUDA}"
    "${_libtorch_cuda_include}/../lib64/libcudart.so.${LibTorch_WANTED_CUDA}"
    "${LibTorch_LIBRARY_DIR}/libcudart*.so*")
  if(_libtorch_cudart)
    list(GET _libtorch_cudart 0 _libtorch_cudart)
    target_link_libraries(torch::cudart INTERFACE "${_libtorch_cudart}")
  endif()
  target_link_options(torch::cuda INTERFACE "LINKER:--no-as-needed")
  target_link_libraries(torch::cuda INTERFACE
    torch::torch_cuda torch::c10_cuda torch::cpu)
endif()
