/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka.h with the headers it expects to find included before it. */
#ifndef FLAME_TESTS_UNIT_CMOCKA_ALL_H
#define FLAME_TESTS_UNIT_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
