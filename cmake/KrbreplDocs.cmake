# What is read without this tree: the pages, those for programmers with the headers, and the programs to copy, where the
# guide for embedders has its links.
file(GLOB_RECURSE krbrepl_pages RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
list(APPEND krbrepl_pages CHANGELOG.md bench/README.md bindings/README.md)
set(krbrepl_devel_pages docs/embedding.md docs/host-stores.md bindings/README.md)
# docs/ is the top of what is installed, so that links from and to the outside of it are one step shorter.
foreach(page IN LISTS krbrepl_pages)
  file(READ ${PROJECT_SOURCE_DIR}/${page} text)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${page})
  if(page MATCHES "^docs/[^/]*$")
    string(REPLACE "](../" "](" text "${text}")
  elseif(page MATCHES "^docs/")
    string(REPLACE "](../../" "](../" text "${text}")
  else()
    string(REPLACE "](docs/" "](" text "${text}")
    string(REPLACE "](../docs/" "](../" text "${text}")
  endif()
  string(REGEX REPLACE "^docs/" "" installed ${page})
  get_filename_component(dir ${installed} DIRECTORY)
  set(component runtime)
  if(page IN_LIST krbrepl_devel_pages)
    set(component devel)
  endif()
  file(WRITE ${PROJECT_BINARY_DIR}/pages/${installed} "${text}")
  install(FILES ${PROJECT_BINARY_DIR}/pages/${installed} DESTINATION ${CMAKE_INSTALL_DOCDIR}/${dir}
    COMPONENT ${component})
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/img DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/embed DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT devel
  FILES_MATCHING PATTERN "*.c" PATTERN "*.h")

# The reference is made out of the public headers: manual pages of section 3, and the same as Markdown. It is
# written when something is built, installed with the rest, and left out where there is no python3.
find_package(Python3 COMPONENTS Interpreter)
if(NOT Python3_FOUND)
  message(STATUS "python3 is not here: the manual pages of section 3 are not made")
  return()
endif()

set(krbrepl_docs ${PROJECT_BINARY_DIR}/docs)
set(maker ${PROJECT_SOURCE_DIR}/docs/reference)
file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/krbrepl/*.h)
list(APPEND headers ${PROJECT_BINARY_DIR}/include/krbrepl/version.h)
if(KRBREPL_BUILD_MIT)
  list(APPEND headers ${PROJECT_SOURCE_DIR}/hosts/mit/include/krbrepl/mit.h)
endif()
if(KRBREPL_BUILD_HEIMDAL)
  list(APPEND headers ${PROJECT_SOURCE_DIR}/hosts/heimdal/include/krbrepl/heimdal.h)
endif()
if(TARGET krbrepl_kdb5_shared)
  list(APPEND headers ${PROJECT_SOURCE_DIR}/hosts/mit/kdb5store/include/krbrepl/kdb5.h)
endif()
if(TARGET krbrepl_hdb_archive)
  list(APPEND headers ${PROJECT_SOURCE_DIR}/hosts/heimdal/hdb/include/krbrepl/hdb.h)
endif()
add_custom_command(OUTPUT ${krbrepl_docs}/reference/index.md
  COMMAND ${Python3_EXECUTABLE} -B ${maker}/reference.py ${krbrepl_docs} ${PROJECT_VERSION}
    ${PROJECT_SOURCE_DIR}/docs/man/krbrepl.1 ${headers}
  DEPENDS ${maker}/reference.py ${maker}/header.py ${PROJECT_SOURCE_DIR}/docs/man/krbrepl.1 ${headers}
  VERBATIM)
add_custom_target(krbrepl-docs ALL DEPENDS ${krbrepl_docs}/reference/index.md)
if(PROJECT_IS_TOP_LEVEL)
  add_custom_target(docs DEPENDS krbrepl-docs)
endif()

install(DIRECTORY ${krbrepl_docs}/man3 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT devel)
install(DIRECTORY ${krbrepl_docs}/reference DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT devel)
