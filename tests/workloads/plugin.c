/* SPDX-License-Identifier: Apache-2.0 */
/* The library that late_library loads. */
#include "tests/workloads/work.h"

void plugin_work(void);

work_frame void plugin_work(void)
{
	work(1000);
}
