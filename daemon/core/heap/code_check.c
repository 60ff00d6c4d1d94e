/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/code_check.h"

#include "common/log.h"
#include "daemon/broker/prober_message.h"
#include "daemon/core/counters.h"

void code_check_note(struct counters *counters, uint32_t pid, const struct prober_reply *reply)
{
	counters->values[COUNTER_CODE_COMPARED] += reply->compared;
	counters->values[COUNTER_CODE_ALTERED] += reply->altered;
	if (reply->altered)
		log_error("Code is not what it was before it was probed (does a debugger or "
			  "another tracer write there, too?): pid=%u sites=%u of=%u",
			  pid, reply->altered, reply->compared);
	else
		log_debug("The probes are gone and the code is what it was: pid=%u sites=%u", pid,
			  reply->compared);
}
