# krbrepl_install_pc(NAME [TEMPLATE file] [COMPONENT component])
#
# Installs NAME.pc, made from pkgconfig/NAME.pc.in. The file is written when it is installed, because only
# then the prefix is known: `cmake --install --prefix` may name another one than the configuration did. The
# template may use @KRBREPL_PREFIX@, @KRBREPL_LIBDIR@, @KRBREPL_INCLUDEDIR@ and @KRBREPL_VERSION@; the first
# three are absolute, whether CMAKE_INSTALL_LIBDIR is relative to the prefix or a path of its own.
function(krbrepl_install_pc name)
  cmake_parse_arguments(PARSE_ARGV 1 PC "" "TEMPLATE;COMPONENT" "")
  if(NOT PC_TEMPLATE)
    set(PC_TEMPLATE ${PROJECT_SOURCE_DIR}/pkgconfig/${name}.pc.in)
  endif()
  if(NOT PC_COMPONENT)
    set(PC_COMPONENT devel)
  endif()
  install(CODE "
    set(KRBREPL_VERSION \"${PROJECT_VERSION}\")
    set(KRBREPL_GSSAPI_MODULE \"${KRBREPL_GSSAPI_MODULE}\")
    set(KRBREPL_KRB5_MODULE \"${KRBREPL_KRB5_MODULE}\")
    get_filename_component(KRBREPL_PREFIX \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
    get_filename_component(KRBREPL_LIBDIR \"${CMAKE_INSTALL_LIBDIR}\" ABSOLUTE BASE_DIR \"\${KRBREPL_PREFIX}\")
    get_filename_component(KRBREPL_INCLUDEDIR \"${CMAKE_INSTALL_INCLUDEDIR}\" ABSOLUTE BASE_DIR \"\${KRBREPL_PREFIX}\")
    configure_file(\"${PC_TEMPLATE}\" \"${CMAKE_CURRENT_BINARY_DIR}/${name}.pc\" @ONLY)
    file(INSTALL DESTINATION \"\${KRBREPL_LIBDIR}/pkgconfig\" TYPE FILE
      FILES \"${CMAKE_CURRENT_BINARY_DIR}/${name}.pc\")"
    COMPONENT ${PC_COMPONENT})
endfunction()
