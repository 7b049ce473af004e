/* requests.h - what a program under the engine asks of it: Valgrind's client requests, by number.
 *
 * Shared by the engine, the shim and tierprof_region.h.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TP_REQUESTS_H
#define TP_REQUESTS_H

enum tp_request_number {
    TP_REQUEST_CLAIM = 0x54500001,   /* address, bytes, site: an allocation begins */
    TP_REQUEST_RELEASE = 0x54500002, /* address, bytes: all in it end */
    TP_REQUEST_REGION_BEGIN = 0x54500003,
    TP_REQUEST_REGION_END = 0x54500004,
};

#endif
