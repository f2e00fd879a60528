# What `cmake --install` puts where. The programs and the libraries of hosts/ install themselves.
include(CMakePackageConfigHelpers)

set(krbrepl_cmakedir ${CMAKE_INSTALL_LIBDIR}/cmake/krbrepl)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/krbrepl
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT devel FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/include/krbrepl/version.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/krbrepl COMPONENT devel)

# One export set each, so that a program that links the shared library need not have what the static one
# is linked with.
install(TARGETS krbrepl_shared EXPORT krbrepl-shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT libs NAMELINK_COMPONENT devel)
install(TARGETS krbrepl_static EXPORT krbrepl-static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT devel)
foreach(kind shared static)
  install(EXPORT krbrepl-${kind} NAMESPACE krbrepl:: FILE krbrepl-${kind}.cmake
    DESTINATION ${krbrepl_cmakedir} COMPONENT devel)
endforeach()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/krbrepl-config.cmake.in
  ${PROJECT_BINARY_DIR}/krbrepl-config.cmake
  INSTALL_DESTINATION ${krbrepl_cmakedir} NO_SET_AND_CHECK_MACRO)
# Before 1.0 another minor number is another ABI.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(krbrepl_compatibility SameMinorVersion)
else()
  set(krbrepl_compatibility SameMajorVersion)
endif()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/krbrepl-config-version.cmake
  COMPATIBILITY ${krbrepl_compatibility})
install(FILES ${PROJECT_BINARY_DIR}/krbrepl-config.cmake ${PROJECT_BINARY_DIR}/krbrepl-config-version.cmake
  DESTINATION ${krbrepl_cmakedir} COMPONENT devel)

krbrepl_install_pc(krbrepl)

# Beside what each package brings (KrbreplPackage.cmake).
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE RENAME copyright DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT whole)
