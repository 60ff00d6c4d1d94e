/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a child of the broker has inherited. The broker's hooks and events last for as long as
 * anybody holds their descriptors: a child that lives on must not hold them.
 */
#ifndef FLAME_DAEMON_BROKER_DESCRIPTORS_H
#define FLAME_DAEMON_BROKER_DESCRIPTORS_H

#include <stddef.h>

/*
 * Close all descriptors but standard input, output and error and those of the array, which is
 * sorted in the course of it; negative ones in it stand for nothing.
 */
void descriptors_close_others(int *kept, size_t count);

#endif
