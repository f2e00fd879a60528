# krbrepl_mutant(NAME SEED seed SOURCES src/x.c ...)
#
# The simulator with the mistake NAME of src/base/mutant.h in it, and a test that the seed shows it. Only the
# sources that have the mistake are compiled again; what they define is taken before what the library has.
function(krbrepl_mutant name)
  cmake_parse_arguments(PARSE_ARGV 1 M "" "SEED" "SOURCES")
  list(TRANSFORM M_SOURCES PREPEND ${PROJECT_SOURCE_DIR}/)
  add_executable(sim_${name} ${M_SOURCES})
  target_compile_definitions(sim_${name} PRIVATE KRBREPL_MUTANT=${name})
  krbrepl_simulator(sim_${name})
  add_test(NAME sim_finds_${name} COMMAND sim_${name} --fails ${M_SEED})
  set_tests_properties(sim_finds_${name} PROPERTIES LABELS sim TIMEOUT 300)
  set_property(GLOBAL APPEND PROPERTY KRBREPL_MUTANTS sim_${name})
endfunction()
