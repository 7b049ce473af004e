/* check.h - invariants, checked in the build that CI runs (TIERPROF_CHECKS) and nowhere else: in a user's
 * program the shim must go on whatever it finds.
 */
#ifndef TP_CHECK_H
#define TP_CHECK_H

#ifdef TP_CHECKS
#define TP_CHECK(condition) ((condition) ? (void)0 : __builtin_trap())
#else
#define TP_CHECK(condition) ((void)sizeof(condition))
#endif

#endif
