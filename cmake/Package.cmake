# Installing builds nothing: whoever built the programs alone may install them alone.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)

# What an image or a package takes: cmake --install build/release --prefix PREFIX,
# and the package of the distribution: cpack -G DEB --config build/release/CPackConfig.cmake
foreach(program IN ITEMS resnetd resnetctl)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME)
  endif()
endforeach()
install(DIRECTORY models demo DESTINATION share/resnetd)
install(FILES LICENSE README.md CHANGELOG.md "${RESNETD_ARCHIVES}"
  DESTINATION share/doc/resnetd)

# The unit and its settings only in the package: an image has no systemd.
install(FILES deploy/systemd/resnetd.service DESTINATION lib/systemd/system
  COMPONENT system EXCLUDE_FROM_ALL)
install(FILES deploy/systemd/resnetd.toml DESTINATION /etc/resnetd
  COMPONENT system EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME resnetd)
set(CPACK_PACKAGE_CONTACT "resnetd <resnetd@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# One package of both components.
set(CPACK_COMPONENTS_ALL Unspecified system)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
# By dpkg-shlibdeps: the libraries of the release that it is built on.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  "${PROJECT_SOURCE_DIR}/deploy/debian/conffiles"
  "${PROJECT_SOURCE_DIR}/deploy/debian/postinst"
  "${PROJECT_SOURCE_DIR}/deploy/debian/prerm")
include(CPack)
