/* selfname.h: whom this machine is, when nobody says. */
#ifndef KRBREPL__SELFNAME_H
#define KRBREPL__SELFNAME_H

/* "SERVICE/HOSTNAME", lower case as the names of hosts are in Kerberos. NULL when there is no name, or no memory. */
char *krbrepl__selfname(const char *service);

#endif
