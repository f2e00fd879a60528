# Whose Kerberos the library is linked with: PkgConfig::GSSAPI and PkgConfig::KRB5, and the names of their
# pkg-config modules for those who link the static library.
#
# libkrb5 itself is needed for keytabs and credential caches in memory; GSS-API has no calls for them. Both
# come from one of MIT and Heimdal: their symbols have the same names, and a process that holds both calls the
# wrong ones.
if(KRBREPL_GSS STREQUAL "mit")
  set(KRBREPL_GSSAPI_MODULE krb5-gssapi)
  set(KRBREPL_KRB5_MODULE krb5)
elseif(KRBREPL_GSS STREQUAL "heimdal")
  set(KRBREPL_GSSAPI_MODULE heimdal-gssapi)
  set(KRBREPL_KRB5_MODULE heimdal-krb5)
  target_compile_definitions(krbrepl_flags INTERFACE KRBREPL_GSS_HEIMDAL)
else()
  message(FATAL_ERROR "KRBREPL_GSS is ${KRBREPL_GSS}; it is one of mit and heimdal")
endif()
pkg_check_modules(GSSAPI REQUIRED IMPORTED_TARGET GLOBAL ${KRBREPL_GSSAPI_MODULE})
pkg_check_modules(KRB5 REQUIRED IMPORTED_TARGET GLOBAL ${KRBREPL_KRB5_MODULE})
