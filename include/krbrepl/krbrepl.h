/* libkrbrepl: keeps copies of a Kerberos database in step with the one that is written.
 *
 * THREADS  A handle is used by one thread at a time; what was opened on a store (transactions, views,
 *          loads) counts as part of it. Two handles never share state that you can see. A call on a
 *          store that another thread is inside of answers KRBREPL_ERR_STATE and touches nothing, not
 *          even the handle's errinfo. A transaction stays with the thread that began it. A node locks
 *          itself: krbrepl_node_status, _peers and _errinfo may be called while another thread drives
 *          it, and krbrepl_node_wake, _quit and _reauthorize from any thread or signal handler.
 * CALLBACK From inside a callback you may use other handles at will. Of the handle that calls, what
 *          would pull the ground from under the call is refused: STATE, or nothing happens where the
 *          function answers nothing.
 * FORK     A handle belongs to the process that made it. In a child only the *_free, *_close and
 *          *_abort functions are legal: they release memory and leave files, locks and peers alone.
 *          Everything else answers KRBREPL_ERR_FORKED; krbrepl_store_errinfo still tells that in words,
 *          krbrepl_store_dir still answers, krbrepl_node_timeout answers -1. Open after fork() and
 *          daemon(), never before.
 * MEMORY   What you pass in is copied or borrowed, and the comment says which. What a callback receives
 *          is borrowed until it returns. Record bytes are wiped before they are freed.
 * GROWTH   Every struct but krbrepl_bytes and krbrepl_pos starts with its size, and zero means "the
 *          default". A shorter (older) struct is read as if zero-filled; a longer one is refused
 *          (KRBREPL_ERR_ABI) unless its tail is zero.
 * SIGNALS  The library installs no handler, and writes to sockets so that SIGPIPE is not raised. */
#ifndef KRBREPL_KRBREPL_H
#define KRBREPL_KRBREPL_H

#include <krbrepl/error.h>
#include <krbrepl/export.h>
#include <krbrepl/host.h>
#include <krbrepl/node.h>
#include <krbrepl/status.h>
#include <krbrepl/store.h>
#include <krbrepl/types.h>
#include <krbrepl/version.h>

#endif
