/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/program_base.h"

#include <bpf/libbpf.h>

int program_base_share(const struct program_base *base, struct bpf_object *object,
		       uint32_t *mapping_in_tables, uint32_t *pid_is_translated)
{
	struct bpf_map *map;

	*mapping_in_tables = base->mapping_in_tables;
	*pid_is_translated = base->pid_is_translated;
	bpf_object__for_each_map(map, object)
	{
		/* Variables are in maps too, but each object has its own: their names begin with its. */
		const struct bpf_map *shared =
			bpf_object__find_map_by_name(base->object, bpf_map__name(map));
		int error = shared ? bpf_map__reuse_fd(map, bpf_map__fd(shared)) : 0;

		if (error)
			return error;
	}
	return 0;
}
