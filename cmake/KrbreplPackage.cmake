# Two Debian packages, made by cpack. krbrepl has what runs: the libraries, the programs and the KDB module.
# libkrbrepl-dev has what programs are built with. The preset `deb` configures for /usr, where packages install.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME krbrepl)
set(CPACK_PACKAGE_VENDOR krbrepl)
set(CPACK_PACKAGE_CONTACT "The krbrepl authors <root@localhost>")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_COMPONENTS_ALL runtime devel)
set(CPACK_STRIP_FILES ON)
# Into a staging directory with the prefix below it: the .pc files name the prefix that they are installed to.
set(CPACK_SET_DESTDIR ON)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME krbrepl)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION net)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "It keeps copies of a Kerberos database, with principals, keys and policies, in
step with the one that is written. This package has the library, the daemons for
master and replica, the tool for operators, and the modules for the KDCs of MIT krb5
and Heimdal.")
# What dpkg-shlibdeps finds, and the version of LMDB that it cannot know of (docs/dependencies.md).
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS "liblmdb0 (>= 0.9.24)")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS "krb5-kdc, krb5-admin-server")
# What dpkg does for shared libraries: ldconfig runs, and packages of programs that use one of these depend on this
# version, for before 1.0 the next one may have another ABI. CPack's own way objects to the module, which has no soname.
set(krbrepl_control ${PROJECT_BINARY_DIR}/packages)
file(WRITE ${krbrepl_control}/triggers "activate-noawait ldconfig\n")
set(krbrepl_shlibs "")
foreach(library krbrepl krbrepl-mit krbrepl-kdb5 krbrepl-heimdal)
  string(APPEND krbrepl_shlibs
    "lib${library} ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR} krbrepl (= ${PROJECT_VERSION})\n")
endforeach()
file(WRITE ${krbrepl_control}/shlibs "${krbrepl_shlibs}")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${krbrepl_control}/triggers ${krbrepl_control}/shlibs)

# pkg-config wants the .pc files of all that the static library is linked with, even for the shared one.
set(CPACK_DEBIAN_DEVEL_PACKAGE_NAME libkrbrepl-dev)
set(CPACK_DEBIAN_DEVEL_PACKAGE_SECTION libdevel)
if(KRBREPL_GSS STREQUAL "heimdal")
  set(krbrepl_kerberos_dev heimdal-multidev)
else()
  set(krbrepl_kerberos_dev libkrb5-dev)
endif()
set(CPACK_DEBIAN_DEVEL_PACKAGE_DEPENDS
  "krbrepl (= ${PROJECT_VERSION}), libssl-dev, liblmdb-dev, ${krbrepl_kerberos_dev}")
set(CPACK_COMPONENT_DEVEL_DESCRIPTION "Headers, static libraries, files for pkg-config and CMake, the reference, and a guide
for programs that are to be a master or a replica of a Kerberos database.")

include(CPack)
