/* krbrepl.hpp: libkrbrepl for C++17.
 *
 * Headers only: every function is a few lines around one function of the C headers, which remain the
 * reference for what it does. A program links the C library, so that there is no second ABI to keep stable.
 *
 * HANDLES  store, txn, view, load and node move and do not copy. A destructor closes, and a transaction or a
 *          load that was not committed is aborted by it. Closing twice is harmless. Any other call on a handle
 *          that was closed, committed, aborted or moved from fails with errc::STATE.
 * ERRORS   Calls throw krbrepl::error, a std::system_error that carries what krbrepl_errinfo says; its
 *          subclass tells the advice (retry_error, resync_error, operator_error, bug_error). Why exceptions,
 *          and not a std::error_code at each call: handles are made by constructors; a commit that failed and
 *          was overlooked is a lost change; and the exceptions of a program's own callbacks have to come out of
 *          the same calls anyway. What happens every day is no error here: a record that is not there is an empty
 *          std::optional or false, no running node is an empty std::optional, and a wait that ends by its
 *          timeout says so in its result. wake, quit and reauthorize, which a signal handler may call, answer
 *          a std::error_code.
 * CALLBACKS
 *          May throw anything. The exception does not pass through C: it is kept, and the outermost call of the
 *          library throws it again. For a walk that is the walk itself; for a node it is process, run, start_... or
 *          stop, whichever the callback ran in; with spawn, it is check or stop. A peer whose `authorize` threw
 *          is refused.
 * STRUCTS  Options, and what the library tells, are the C structs, set up with their size (krbrepl::sized): they
 *          grow with the C headers that the program is compiled with, by the rules in krbrepl.h.
 * THREADS, FORK
 *          As in krbrepl.h. In a forked child every call fails with errc::FORKED, and the destructors only
 *          free memory.
 * MEMORY   A std::string_view that is handed out is borrowed, as long as the C header says. krbrepl::bytes
 *          wipes what it held. */
#ifndef KRBREPL_KRBREPL_HPP
#define KRBREPL_KRBREPL_HPP

#include <krbrepl/cpp/error.hpp>
#include <krbrepl/cpp/host.hpp>
#include <krbrepl/cpp/node.hpp>
#include <krbrepl/cpp/status.hpp>
#include <krbrepl/cpp/store.hpp>
#include <krbrepl/cpp/types.hpp>

#endif
