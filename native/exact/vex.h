/* vex.h - Valgrind's headers for tools, in the order that they need, for the one platform that this engine
 * knows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_VEX_H
#define TP_VEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pub_tool_basics.h>
#include <pub_tool_libcassert.h>
#include <pub_tool_libcbase.h>
#include <pub_tool_mallocfree.h>
#include <pub_tool_tooliface.h>

#include <libvex_guest_amd64.h>

#endif
