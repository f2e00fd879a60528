# krbrepl_layer(NAME SOURCES a.c ... [USES layer ...] [LIBS target ...])
#
# One layer of src/ as an OBJECT library. Its include path holds the public headers, its own folder and the
# folders of the layers in USES: an include that points upwards or sideways does not compile.
function(krbrepl_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 L "" "" "SOURCES;USES;LIBS")
  if(NOT L_SOURCES)
    return()
  endif()
  add_library(krbrepl_${name} OBJECT ${L_SOURCES})
  target_include_directories(krbrepl_${name} PRIVATE
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR})
  foreach(lower IN LISTS L_USES)
    target_include_directories(krbrepl_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src/${lower})
  endforeach()
  target_link_libraries(krbrepl_${name} PRIVATE krbrepl_flags ${L_LIBS})
  set_property(GLOBAL APPEND PROPERTY KRBREPL_LAYERS ${name})
endfunction()
