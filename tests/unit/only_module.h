/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In place of the module table: one module, or none, for the tests of what looks modules up. Files
 * that are announced are dropped.
 */
#ifndef FLAME_TESTS_UNIT_ONLY_MODULE_H
#define FLAME_TESTS_UNIT_ONLY_MODULE_H

#include "daemon/core/names/module_table.h"

/* Number 0: there is none. */
extern struct module only_module;

#endif
