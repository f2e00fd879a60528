# krbrepl_test(NAME LABEL label SOURCES a.c ... [LIBS target ...] [TIMEOUT seconds] [ARGS ...])
#
# One cmocka program against the static library, with every layer's headers in reach.
function(krbrepl_test name)
  cmake_parse_arguments(PARSE_ARGV 1 T "" "LABEL;TIMEOUT" "SOURCES;LIBS;ARGS")
  if(NOT T_TIMEOUT)
    # Far more than any of them takes, for a machine with much else to do is no failure.
    set(T_TIMEOUT 240)
  endif()
  add_executable(${name} ${T_SOURCES})
  krbrepl_internal(${name})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/common)
  target_link_libraries(${name} PRIVATE PkgConfig::CMOCKA ${T_LIBS})
  add_test(NAME ${name} COMMAND ${name} ${T_ARGS})
  set_tests_properties(${name} PROPERTIES LABELS ${T_LABEL} TIMEOUT ${T_TIMEOUT})
endfunction()

# krbrepl_left_out(LABEL label LACKS text TESTS name ...)
#
# Tests that cannot be built or started here, for want of something that an installation brings: TEXT says what and
# which package has it. They are skipped, not absent, so that CTest names them and `scripts/test --complete` fails.
function(krbrepl_left_out)
  cmake_parse_arguments(PARSE_ARGV 0 L "" "LABEL;LACKS" "TESTS")
  foreach(name IN LISTS L_TESTS)
    add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -E echo
      "left out: ${L_LACKS} when the build was configured")
    set_tests_properties(${name} PROPERTIES LABELS ${L_LABEL} SKIP_REGULAR_EXPRESSION "^left out: ")
  endforeach()
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

# krbrepl_header_lists(TARGETS target ... DIRECTORIES directory ...)
#
# What the public headers in these directories hold, as lists for the tests: functions that take a handle (handles.inc) or
# fill in an errinfo (errinfos.inc), structs that start with their size (sized.inc).
function(krbrepl_header_lists)
  cmake_parse_arguments(PARSE_ARGV 0 H "" "" "TARGETS;DIRECTORIES")
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(abi ${PROJECT_SOURCE_DIR}/tests/abi)
  set(here ${CMAKE_CURRENT_BINARY_DIR})
  set(lists ${here}/handles.inc ${here}/errinfos.inc ${here}/sized.inc)
  set(sources ${abi}/lists.py ${abi}/headers.py)
  foreach(directory IN LISTS H_DIRECTORIES)
    file(GLOB headers CONFIGURE_DEPENDS ${directory}/*.h)
    list(APPEND sources ${headers})
  endforeach()
  add_custom_command(OUTPUT ${lists} COMMAND ${Python3_EXECUTABLE} -B ${abi}/lists.py ${here} ${H_DIRECTORIES}
    DEPENDS ${sources} VERBATIM)
  list(GET H_TARGETS 0 first)
  add_custom_target(${first}_lists DEPENDS ${lists})
  foreach(target IN LISTS H_TARGETS)
    add_dependencies(${target} ${first}_lists)
    target_include_directories(${target} PRIVATE ${here})
  endforeach()
endfunction()

# krbrepl_preload(POSSIBLE ENVIRONMENT)
#
# In which environment krb5kdc and its like, which are not instrumented, load a module that is: they load the sanitizers'
# libraries before anything else. The leak check would report them, not the module. Compilers and sanitizers other than
# these have no such libraries.
function(krbrepl_preload possible environment)
  set(${possible} ON PARENT_SCOPE)
  set(${environment} PARENT_SCOPE)
  if(NOT KRBREPL_SANITIZE)
    return()
  endif()
  if(NOT CMAKE_C_COMPILER_ID STREQUAL GNU OR NOT KRBREPL_SANITIZE STREQUAL "address,undefined")
    set(${possible} OFF PARENT_SCOPE)
    return()
  endif()
  foreach(name asan ubsan)
    execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=lib${name}.so OUTPUT_VARIABLE found
      OUTPUT_STRIP_TRAILING_WHITESPACE)
    list(APPEND preload ${found})
  endforeach()
  list(JOIN preload : preload)
  set(${environment} "LD_PRELOAD=${preload};ASAN_OPTIONS=detect_leaks=0" PARENT_SCOPE)
endfunction()
