# krbrepl_test(NAME LABEL label SOURCES a.c ... [LIBS target ...] [TIMEOUT seconds] [ARGS ...])
#
# One cmocka program against the static library, with every layer's headers in reach.
function(krbrepl_test name)
  cmake_parse_arguments(PARSE_ARGV 1 T "" "LABEL;TIMEOUT" "SOURCES;LIBS;ARGS")
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  add_executable(${name} ${T_SOURCES})
  krbrepl_internal(${name})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/common)
  target_link_libraries(${name} PRIVATE PkgConfig::CMOCKA ${T_LIBS})
  add_test(NAME ${name} COMMAND ${name} ${T_ARGS})
  set_tests_properties(${name} PROPERTIES LABELS ${T_LABEL} TIMEOUT ${T_TIMEOUT})
endfunction()

# Lets a test or benchmark see what is inside the library.
function(krbrepl_internal name)
  get_property(layers GLOBAL PROPERTY KRBREPL_LAYERS)
  foreach(layer IN LISTS layers)
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src/${layer})
  endforeach()
  target_link_libraries(${name} PRIVATE krbrepl_flags krbrepl_static OpenSSL::SSL OpenSSL::Crypto
    PkgConfig::LMDB PkgConfig::GSSAPI Threads::Threads)
endfunction()
