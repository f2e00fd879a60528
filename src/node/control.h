/* control.h: the node's end of the control socket. The messages are in ctlmsg.h. */
#ifndef KRBREPL__CONTROL_H
#define KRBREPL__CONTROL_H

#include "node_impl.h"

int krbrepl__control_open(krbrepl_node *n);
void krbrepl__control_close(krbrepl_node *n);
void krbrepl__control_forget(krbrepl_node *n); /* in a forked child */
/* Answers those who wait for something that has come. */
void krbrepl__control_settle(krbrepl_node *n);

#endif
