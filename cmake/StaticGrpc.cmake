# gRPC, protobuf, abseil and what only they need from their archives instead of as
# shared libraries: an image then loads a third of the libraries. Not together with
# the LibTorch plug-in, which shares abseil with the executable.
option(RESNETD_STATIC_GRPC "Link gRPC, protobuf and abseil statically" OFF)
# What is in the programs and no loader tells of: for the list of an image.
set(RESNETD_ARCHIVES "${PROJECT_BINARY_DIR}/archives.txt")
file(WRITE "${RESNETD_ARCHIVES}" "")
if(NOT RESNETD_STATIC_GRPC)
  return()
endif()
if(NOT RESNETD_WITH_TORCH STREQUAL "OFF")
  message(FATAL_ERROR "RESNETD_STATIC_GRPC needs -DRESNETD_WITH_TORCH=OFF: the "
    "plug-in must find the one abseil of the process")
endif()

# The archive beside a shared library; empty where there is none.
function(resnetd_archive_of result library)
  string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${library}")
  if(NOT EXISTS "${archive}" OR archive STREQUAL library)
    set(archive "")
  endif()
  set(${result} "${archive}" PARENT_SCOPE)
endfunction()

get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
list(FILTER imported INCLUDE REGEX "^(absl|gRPC|protobuf|re2|c-ares)::")
foreach(target IN LISTS imported)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "INTERFACE_LIBRARY" OR type STREQUAL "EXECUTABLE")
    continue()
  endif()
  foreach(suffix IN ITEMS "" _NONE _RELEASE _DEBUG _RELWITHDEBINFO)
    get_target_property(library ${target} IMPORTED_LOCATION${suffix})
    if(library)
      resnetd_archive_of(archive "${library}")
      if(archive)
        set_target_properties(${target} PROPERTIES
          IMPORTED_LOCATION${suffix} "${archive}" IMPORTED_SONAME${suffix} "")
        file(APPEND "${RESNETD_ARCHIVES}" "${archive}\n")
      endif()
    endif()
  endforeach()
endforeach()
