# Debian packages, made by cpack, so that nobody has the libraries of a KDC that he does not run:
#
#   libkrbrepl0.1         the libraries that need neither KDC
#   libkrbrepl-kdb5-0.1   the library that writes the database of an MIT KDC, with MIT's libkdb5
#   krbrepl               the daemons, the tool for operators, and their pages
#   krbrepl-kdb           the module for the KDC of MIT krb5
#   krbrepl-hdb           the module for the KDC of Heimdal, with Heimdal's libraries
#   libkrbrepl-dev        what programs are built with
#   python3-krbrepl       the Python binding
#
# Each is an install component. The preset `deb` configures for /usr, where packages install.
if(NOT DEFINED ENV{DEBEMAIL})
  set(maintainer "The krbrepl authors <krbrepl@localhost.invalid>")
elseif(DEFINED ENV{DEBFULLNAME})
  set(maintainer "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
else()
  set(maintainer "The krbrepl authors <$ENV{DEBEMAIL}>")
endif()
set(KRBREPL_PACKAGE_MAINTAINER ${maintainer} CACHE STRING
  "Who stands as maintainer in the Debian packages; DEBFULLNAME and DEBEMAIL of the environment without it")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME krbrepl)
set(CPACK_PACKAGE_VENDOR krbrepl)
set(CPACK_PACKAGE_CONTACT ${KRBREPL_PACKAGE_MAINTAINER})
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
# Into a staging directory with the prefix below it: the .pc files name the prefix that they are installed to.
set(CPACK_SET_DESTDIR ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# Where dpkg-shlibdeps finds the libraries of the other packages, which are named below with their exact version.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/src)
foreach(target krbrepl_mit_shared krbrepl_heimdal_shared krbrepl_kdb5_shared)
  if(TARGET ${target})
    get_target_property(dir ${target} BINARY_DIR)
    list(APPEND CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${dir})
  endif()
endforeach()

set(soversion ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(exactly "(= ${PROJECT_VERSION})")
set(CPACK_COMPONENTS_ALL)

# krbrepl_package(COMPONENT NAME SECTION section DESCRIPTION text [DEPENDS text] [RECOMMENDS text] [SUGGESTS text])
#
# What dpkg-shlibdeps finds is added to DEPENDS.
macro(krbrepl_package component name)
  cmake_parse_arguments(P "" "SECTION;DESCRIPTION;DEPENDS;RECOMMENDS;SUGGESTS" "" ${ARGN})
  string(TOUPPER ${component} up)
  list(APPEND CPACK_COMPONENTS_ALL ${component})
  set(CPACK_DEBIAN_${up}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${up}_PACKAGE_SECTION ${P_SECTION})
  set(CPACK_DEBIAN_${up}_PACKAGE_SHLIBDEPS ON)
  set(CPACK_COMPONENT_${up}_DESCRIPTION "${P_DESCRIPTION}")
  foreach(field DEPENDS RECOMMENDS SUGGESTS)
    if(P_${field})
      set(CPACK_DEBIAN_${up}_PACKAGE_${field} "${P_${field}}")
    endif()
  endforeach()
  # Named as Debian has it, one for each package.
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE RENAME copyright DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${name}
    COMPONENT ${component} EXCLUDE_FROM_ALL)
endmacro()

# What dpkg does for shared libraries: ldconfig runs, and packages of programs that use one of these depend on this
# version, for before 1.0 the next one may have another ABI. CPack's own way would take the modules for such libraries.
macro(krbrepl_package_of_libraries component name)
  string(TOUPPER ${component} up)
  set(control ${PROJECT_BINARY_DIR}/packages/${component})
  file(WRITE ${control}/triggers "activate-noawait ldconfig\n")
  set(shlibs "")
  foreach(library ${ARGN})
    string(APPEND shlibs "lib${library} ${soversion} ${name} ${exactly}\n")
  endforeach()
  file(WRITE ${control}/shlibs "${shlibs}")
  set(CPACK_DEBIAN_${up}_PACKAGE_CONTROL_EXTRA ${control}/triggers ${control}/shlibs)
endmacro()

set(about "It keeps copies of a Kerberos database, with principals, keys and policies, in
step with the one that is written.")

set(libs libkrbrepl${soversion})
# The version of LMDB is one that dpkg-shlibdeps cannot know of (docs/dependencies.md).
krbrepl_package(libs ${libs} SECTION libs DEPENDS "liblmdb0 (>= 0.9.24)"
  DESCRIPTION "${about} This package has the libraries.")
set(in_libs krbrepl)
if(TARGET krbrepl_mit_shared)
  list(APPEND in_libs krbrepl-mit)
endif()
if(TARGET krbrepl_heimdal_shared)
  list(APPEND in_libs krbrepl-heimdal)
endif()
krbrepl_package_of_libraries(libs ${libs} ${in_libs})
set(all_libs "${libs} ${exactly}")

if(TARGET krbrepl_kdb5_shared)
  krbrepl_package(kdb5 libkrbrepl-kdb5-${soversion} SECTION libs DEPENDS "${libs} ${exactly}"
    DESCRIPTION "${about} This package has the library by which a replica
feeds the database that a KDC of MIT krb5 has.")
  krbrepl_package_of_libraries(kdb5 libkrbrepl-kdb5-${soversion} krbrepl-kdb5)
  string(APPEND all_libs ", libkrbrepl-kdb5-${soversion} ${exactly}")
endif()

if(KRBREPL_BUILD_EXAMPLES)
  krbrepl_package(runtime krbrepl SECTION net DEPENDS "${all_libs}" SUGGESTS "krbrepl-kdb, krbrepl-hdb"
    DESCRIPTION "${about} This package has the daemons for
master and replica, and the tool for operators.")
endif()

if(TARGET krbrepl_kdb)
  krbrepl_package(kdb krbrepl-kdb SECTION net DEPENDS "${libs} ${exactly}" RECOMMENDS krbrepl
    SUGGESTS "krb5-kdc, krb5-admin-server"
    DESCRIPTION "${about} This package has the module by which the
programs of MIT krb5 work on such a database.")
endif()

if(TARGET krbrepl_hdb_so)
  krbrepl_package(hdb krbrepl-hdb SECTION net DEPENDS "liblmdb0 (>= 0.9.24)" RECOMMENDS krbrepl SUGGESTS heimdal-kdc
    DESCRIPTION "${about} This package has the module by which the
programs of Heimdal work on such a database.")
endif()

# pkg-config wants the .pc files of all that the static library is linked with, even for the shared one.
if(KRBREPL_GSS STREQUAL "heimdal")
  set(kerberos_dev heimdal-multidev)
else()
  set(kerberos_dev libkrb5-dev)
endif()
krbrepl_package(devel libkrbrepl-dev SECTION libdevel
  DEPENDS "${all_libs}, libssl-dev, liblmdb-dev, ${kerberos_dev}"
  DESCRIPTION "Headers, static libraries, files for pkg-config and CMake, the reference, and a guide
for programs that are to be a master or a replica of a Kerberos database.")

if(KRBREPL_BUILD_PYTHON)
  krbrepl_package(python python3-krbrepl SECTION python
    DEPENDS "${libs} ${exactly}, python3 (>= 3.9), python3-cffi-backend (>= 1.15)"
    DESCRIPTION "${about} This package has the binding for Python.")
endif()

include(CPack)
