/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/workloads/work.h"

volatile uint64_t work_result;
