# gRPC, protobuf, abseil and what only they need from their archives instead of as
# shared libraries: an image then loads a third of the libraries. The LibTorch plug-in
# finds the one abseil of the process in the executable: resnetd_export_absl().
option(RESNETD_STATIC_GRPC "Link gRPC, protobuf and abseil statically" OFF)
# What is in the programs and no loader tells of: for the list of an image.
set(RESNETD_ARCHIVES "${PROJECT_BINARY_DIR}/archives.txt")
file(WRITE "${RESNETD_ARCHIVES}" "")
# The shared libraries that have an archive to take their place, used or not: for the
# test that counts what an image loads.
set(replaceable "${PROJECT_BINARY_DIR}/replaceable.txt")
file(WRITE "${replaceable}" "")

# resnetd_export_absl(<executable>)
# All of what the plug-in may need of abseil is in the executable, needed by it or not.
function(resnetd_export_absl target)
  if(NOT RESNETD_STATIC_GRPC)
    return()
  endif()
  set(archives)
  foreach(part IN ITEMS hash raw_hash_set status statusor strings throw_delegate)
    string(APPEND archives ",$<TARGET_FILE:absl::${part}>")
  endforeach()
  target_link_options(${target} PRIVATE
    "LINKER:--push-state,--whole-archive${archives},--pop-state")
endfunction()

# The archive beside a shared library, or what is one (a gRPC that was built from
# source); empty where there is none.
function(resnetd_archive_of result library)
  string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${library}")
  if(NOT archive MATCHES "\\.a$" OR NOT EXISTS "${archive}")
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
        file(APPEND "${replaceable}" "${library}\n")
      endif()
      if(archive AND RESNETD_STATIC_GRPC)
        set_target_properties(${target} PROPERTIES
          IMPORTED_LOCATION${suffix} "${archive}" IMPORTED_SONAME${suffix} "")
        file(APPEND "${RESNETD_ARCHIVES}" "${archive}\n")
      endif()
    endif()
  endforeach()
endforeach()
