/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_evidence.h"

void heap_evidence_begin(struct heap_evidence *evidence, uint64_t now_ns)
{
	*evidence = (struct heap_evidence){.since_ns = now_ns, .has_unseen = evidence->has_unseen};
}

void heap_evidence_miss(struct heap_evidence *evidence, uint64_t now_ns, const char *reason)
{
	if (evidence->incomplete_ns || !evidence->since_ns)
		return;
	evidence->incomplete_ns = now_ns;
	evidence->reason = reason;
}

void heap_evidence_see(struct heap_evidence *evidence, uint64_t now_ns, int is_seen)
{
	if (is_seen && evidence->unseen_from_ns && !evidence->unseen_to_ns)
		evidence->unseen_to_ns = now_ns;
	if (is_seen)
		return;
	if (!evidence->unseen_from_ns)
		evidence->unseen_from_ns = now_ns;
	evidence->unseen_to_ns = 0;
}
